"""Answers as FHIR R4: the rules of the specification, and the same figures as in plain JSON.

The rules are written down from https://hl7.org/fhir/R4/riskassessment.html, bundle.html, operationoutcome.html and
datatypes.html: element, least and most, type.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from described import require_described
from near_service import NearService, snapshot_of

from serving.answers import render
from serving.bundle_cache import RegisteredVersion
from serving.fhir import fhir_answer, prefers_fhir
from serving.openapi import openapi_document
from serving.problems import Problem
from training.profiles import Profile
from training.scoring import score_profiles
from training.synthetic_profile import synthetic_profile

if TYPE_CHECKING:
    from training.model import PrognosticModel
    from training.results import TrainingResult

Element = dict[str, Any]
FHIR = {"Accept": "application/fhir+json"}
MANY = 10**6
#: Element: its children as name → (least, most, type). A name that ends in [x] may take one of several types.
RULES: dict[str, dict[str, tuple[int, int, str]]] = {
    "RiskAssessment": {
        "resourceType": (1, 1, "code"),
        "meta": (0, 1, "Meta"),
        "extension": (0, MANY, "Extension"),
        "identifier": (0, MANY, "Identifier"),
        "status": (1, 1, "code"),
        "method": (0, 1, "CodeableConcept"),
        "code": (0, 1, "CodeableConcept"),
        "subject": (1, 1, "Reference"),
        "occurrenceDateTime": (0, 1, "dateTime"),
        "performer": (0, 1, "Reference"),
        "basis": (0, MANY, "Reference"),
        "prediction": (0, MANY, "Prediction"),
        "mitigation": (0, 1, "string"),
        "note": (0, MANY, "Annotation"),
    },
    "Prediction": {
        "extension": (0, MANY, "Extension"),
        "outcome": (0, 1, "CodeableConcept"),
        "probabilityDecimal": (0, 1, "decimal"),
        "qualitativeRisk": (0, 1, "CodeableConcept"),
        "relativeRisk": (0, 1, "decimal"),
        "whenRange": (0, 1, "Range"),
        "rationale": (0, 1, "string"),
    },
    "Bundle": {
        "resourceType": (1, 1, "code"),
        "type": (1, 1, "code"),
        "timestamp": (0, 1, "dateTime"),
        "entry": (0, MANY, "BundleEntry"),
    },
    "BundleEntry": {"fullUrl": (0, 1, "uri"), "resource": (0, 1, "Resource")},
    "OperationOutcome": {"resourceType": (1, 1, "code"), "issue": (1, MANY, "Issue")},
    "Issue": {
        "severity": (1, 1, "code"),
        "code": (1, 1, "code"),
        "diagnostics": (0, 1, "string"),
        "expression": (0, MANY, "string"),
    },
    "Meta": {"tag": (0, MANY, "Coding")},
    "CodeableConcept": {"coding": (0, MANY, "Coding"), "text": (0, 1, "string")},
    "Coding": {
        "system": (0, 1, "uri"),
        "version": (0, 1, "string"),
        "code": (0, 1, "code"),
        "display": (0, 1, "string"),
    },
    "Identifier": {"system": (0, 1, "uri"), "value": (0, 1, "string")},
    "Reference": {"type": (0, 1, "uri"), "identifier": (0, 1, "Identifier"), "display": (0, 1, "string")},
    "Range": {"extension": (0, MANY, "Extension"), "low": (0, 1, "Quantity"), "high": (0, 1, "Quantity")},
    "Quantity": {
        "value": (0, 1, "decimal"),
        "unit": (0, 1, "string"),
        "system": (0, 1, "uri"),
        "code": (0, 1, "code"),
    },
    "Annotation": {"text": (1, 1, "string")},
    "Extension": {
        "url": (1, 1, "uri"),
        "valueDecimal": (0, 1, "decimal"),
        "valueCode": (0, 1, "code"),
        "valueQuantity": (0, 1, "Quantity"),
        "valueRange": (0, 1, "Range"),
    },
}
PRIMITIVES = {
    "code": r"[^\s]+(\s[^\s]+)*",
    "uri": r"\S+",
    "string": r"[ \r\n\t\S]+",
    "dateTime": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
}


def require_fhir(element: Any, kind: str) -> None:
    """Fail unless an element follows the rules of its kind: children, how often, and what they are."""
    if kind == "decimal":
        assert isinstance(element, int | float)
        assert not isinstance(element, bool)
    elif kind in PRIMITIVES:
        assert re.fullmatch(PRIMITIVES[kind], element), (kind, element)
    else:
        rules = RULES[element["resourceType"] if kind == "Resource" else kind]
        assert element, f"{kind} is empty"
        assert set(element) <= set(rules), (kind, set(element) - set(rules))
        for name, (least, most, child) in rules.items():
            _require_children(element.get(name), name, least=least, most=most, kind=child)


def _require_children(value: Any, name: str, *, least: int, most: int, kind: str) -> None:
    if value is None:
        assert least == 0, f"{name} is missing"
        return
    assert isinstance(value, list) is (most > 1), f"{name} occurs {least} to {most} times"
    children = value if most > 1 else [value]
    assert children, f"{name} is an empty list"
    for child in children:
        require_fhir(child, kind)


@pytest.fixture(scope="module")
def model(small_training: TrainingResult) -> PrognosticModel:
    return small_training.model


@pytest.fixture(scope="module")
def service(model: PrognosticModel) -> NearService:
    return NearService(snapshot_of(model, replace(model, endpoint="PFI")))


def request_for(model: PrognosticModel, *profiles: Element, **changes: Any) -> Element:
    asked = {"cancer_type": model.cancer_type, "endpoint": model.endpoint, "scale": model.scale, **changes}
    return {**asked, "profiles": list(profiles) or [profile_of(model)]}


def profile_of(model: PrognosticModel, name: str = "p 1", **changes: Any) -> Element:
    expression, clinical = synthetic_profile(model)
    return {"id": name, "expression": expression, "clinical": clinical, **changes}


def test_one_patient_is_a_risk_assessment_by_the_rules_of_r4(service: NearService, model: PrognosticModel):
    response = service.ask("POST", "/score", json=request_for(model), headers=FHIR)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/fhir+json"
    require_described(json.loads(openapi_document(service.snapshot)), response, "/score")
    assessment = response.json()
    require_fhir(assessment, "Resource")
    assert assessment["resourceType"] == "RiskAssessment"
    assert assessment["status"] in {"registered", "preliminary", "final", "amended"}
    assert assessment["subject"]["identifier"] == {"system": "urn:ctc-prognosis:profile", "value": "p 1"}
    assert assessment["method"]["coding"][0]["code"] == model.name
    assert assessment["method"]["coding"][0]["version"] == "3"
    assert assessment["meta"]["tag"][0]["code"] == "HTEST"
    assert assessment["note"][0]["text"] == "For research only; not for clinical decisions."


def test_its_risks_are_one_minus_survival_in_percent_with_the_interval_turned(
    service: NearService, model: PrognosticModel
):
    asked = request_for(model, profile_of(model, survived_months=6.0), horizons_months=[24.0, 12.0])
    (plain,) = service.ask("POST", "/score", json=asked).json()["results"]
    assessment = service.ask("POST", "/score", json=asked, headers=FHIR).json()
    require_fhir(assessment, "Resource")
    assert len(assessment["prediction"]) == len(plain["survival"]) == 2
    for prediction, at in zip(assessment["prediction"], plain["survival"], strict=True):
        risk = prediction["probabilityDecimal"]
        # R4's rule ras-2, and its remark that decimals are percentages.
        assert 0 <= risk <= 100
        assert risk == pytest.approx(100 * (1 - at["probability"]), rel=1e-12)
        beside = {each["url"].rpartition(":")[2]: each for each in prediction["extension"]}
        interval = beside["interval"]["valueRange"]
        assert interval["low"]["value"] == pytest.approx(100 * (1 - at["upper"]), rel=1e-12)
        assert interval["high"]["value"] == pytest.approx(100 * (1 - at["lower"]), rel=1e-12)
        assert interval["low"]["value"] <= risk <= interval["high"]["value"]
        cohort = beside["cohort-risk"]["valueQuantity"]
        assert (cohort["value"], cohort["code"]) == (pytest.approx(100 * (1 - at["cohort_probability"])), "%")
        when = prediction["whenRange"]
        assert (when["low"]["value"], when["high"]["value"]) == (6.0, at["horizon_months"])
        assert (when["low"]["code"], when["low"]["system"]) == ("mo", "http://unitsofmeasure.org")
        assert when["extension"][0]["valueCode"] == "diagnosis"
        assert f"{risk:.1f} %" in prediction["rationale"]
        assert "alive at 6 months" in prediction["rationale"]
    beside = {each["url"].rpartition(":")[2]: each for each in assessment["extension"]}
    assert beside["risk-percentile"]["valueDecimal"] == plain["risk_percentile"]
    assert beside["risk-group"]["valueCode"] == plain["risk_group"]
    assert [note["text"] for note in assessment["note"][1:]] == plain["warnings"]


def test_several_patients_are_a_bundle_and_a_fault_is_an_outcome_in_its_place(
    service: NearService, model: PrognosticModel
):
    foreign = profile_of(model, "foreign", expression={"XIST": 3.0})
    asked = request_for(model, profile_of(model, "a"), foreign, profile_of(model, "b"))
    response = service.ask("POST", "/score", json=asked, headers=FHIR)
    require_described(json.loads(openapi_document(service.snapshot)), response, "/score")
    bundle = response.json()
    require_fhir(bundle, "Resource")
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "collection")
    kinds = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
    assert kinds == ["RiskAssessment", "OperationOutcome", "RiskAssessment"]
    assert bundle["entry"][1]["resource"]["issue"][0]["diagnostics"].startswith("foreign: ")
    addresses = {entry["fullUrl"] for entry in bundle["entry"]}
    assert len(addresses) == 3
    assert all(address.startswith("urn:uuid:") for address in addresses)


def test_an_error_has_the_one_shape_of_errors(service: NearService, model: PrognosticModel):
    asked = request_for(model, cancer_type="XYZ")
    response = service.ask("POST", "/score", json=asked, headers=FHIR)
    assert (response.status_code, response.headers["content-type"]) == (422, "application/problem+json")


def test_another_endpoint_is_another_outcome_net_of_other_deaths(service: NearService, model: PrognosticModel):
    asked = request_for(model, endpoint="PFI")
    assessment = service.ask("POST", "/score", json=asked, headers=FHIR).json()
    outcome = assessment["prediction"][0]["outcome"]
    assert (outcome["coding"][0]["code"], "progression" in outcome["text"]) == ("PFI", True)
    assert "net of them" in assessment["note"][1]["text"]


def test_figures_that_only_compare_predict_nothing(model: PrognosticModel):
    expression, clinical = synthetic_profile(model)
    (score,) = score_profiles(
        model, [Profile("a", expression, clinical)], scale=model.scale, zscore_reference=None, horizons_months=None
    )
    block = render(RegisteredVersion(model.name, "3", "candidate", "0" * 64), model).block
    assessment = fhir_answer(["a"], [replace(score, relative_only=True)], block).model_dump(exclude_none=True)
    assert "prediction" not in assessment
    assert assessment["status"] == "preliminary"
    require_fhir(assessment, "Resource")


def test_one_profile_of_two_that_fails_leaves_a_bundle(model: PrognosticModel):
    block = render(RegisteredVersion(model.name, "3", "champion", "0" * 64), model).block
    fault = Problem.of("not-scorable", "too much is missing.", field="profiles[0]")
    bundle = fhir_answer(["a"], [fault], block).model_dump(exclude_none=True)
    require_fhir(bundle, "Resource")
    assert bundle["entry"][0]["resource"]["issue"][0]["expression"] == ["profiles[0]"]


@pytest.mark.parametrize(
    ("accept", "fhir"),
    [
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("application/fhir+json", True),
        ("application/fhir+json; fhirVersion=4.0", True),
        ("Application/FHIR+JSON, */*;q=0.1", True),
        ("application/fhir+json, application/json", True),
        ("application/json, application/fhir+json", False),
        ("application/json;q=0.5, application/fhir+json", True),
        ("application/fhir+json;q=0.5, application/json", False),
        ("application/fhir+json;q=0", False),
        ("application/fhir+json;q=much", False),
    ],
)
def test_fhir_is_answered_where_it_is_preferred(accept: str, fhir: bool):
    assert prefers_fhir(accept) is fhir


def test_whoever_survived_every_horizon_has_no_prediction_rather_than_an_empty_list(
    service: NearService, model: PrognosticModel
):
    past = (max(model.horizons_months) + model.horizon_months_max) / 2
    asked = request_for(model, profile_of(model, survived_months=past))
    assessment = service.ask("POST", "/score", json=asked, headers=FHIR).json()
    require_fhir(assessment, "Resource")
    assert "prediction" not in assessment
    assert any("survived every horizon" in note["text"] for note in assessment["note"])
