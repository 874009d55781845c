"""A model of several cohorts over HTTP and on the command line: which reference answered, and what it was asked."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from near_service import NearService, snapshot_of

from experiments.cli import main
from training.bundle import read_bundle

BUNDLES = Path(__file__).resolve().parent / "bundles"
KEPT = json.loads((BUNDLES / "format_4.scores.json").read_text(encoding="utf-8"))
SECOND = KEPT["references"]["second"]
ADDRESS = "/{}/SIMULATED-KIRC"


@pytest.fixture(scope="module")
def service():
    """A model of two cohorts, and one of another cancer type that has one."""
    return NearService(snapshot_of(read_bundle(BUNDLES / "format_4")))


@pytest.fixture(scope="module")
def service_of_one_cohort():
    return NearService(snapshot_of(read_bundle(BUNDLES / "format_3")))


def body(kept, **chosen):
    asked = {"cancer_type": "SIMULATED-KIRC", "endpoint": "OS", "scale": kept["scale"], "profiles": kept["profiles"]}
    return asked | chosen


def asked(service, kept, **chosen):
    return service.ask("POST", "/score", json=body(kept, **chosen))


def test_without_a_name_the_default_answers_and_says_so(service):
    answer = asked(service, KEPT).json()
    model = answer["model"]
    assert (model["reference"], model["reference_is_default"], model["scale"]) == ("first", True, "log2_tpm_1")
    assert [(each["name"], each["is_default"]) for each in model["references"]] == [("first", True), ("second", False)]
    assert [result["risk_percentile"] for result in answer["results"]] == pytest.approx(
        [score["risk_percentile"] for score in KEPT["scores"]], abs=1e-12
    )
    assert asked(service, KEPT, reference="first").content == asked(service, KEPT).content


def test_a_named_reference_answers_with_its_own_scale_ranks_and_baseline(service):
    answer = asked(service, SECOND, reference="second").json()
    model = answer["model"]
    assert (model["reference"], model["reference_is_default"], model["scale"]) == ("second", False, "log2_rsem_1")
    assert (model["n_patients"], model["cohort"]) == (52, "simulation of KIRC, seed 6")
    for result, score in zip(answer["results"], SECOND["scores"], strict=True):
        assert result["risk_percentile"] == pytest.approx(score["risk_percentile"], abs=1e-12)
        assert {at["horizon_months"]: at["probability"] for at in result["survival"]} == pytest.approx(
            dict(score["survival"]), abs=1e-12
        )


def test_the_scale_is_held_to_that_of_the_reference(service):
    refused = asked(service, KEPT, reference="second")
    assert refused.status_code == 422
    assert refused.json()["field"] == "scale"
    assert "trained on scale log2_rsem_1" in refused.json()["detail"]


def test_horizons_end_with_the_follow_up_of_the_reference(service):
    longest = service.ask("GET", "/models").json()["models"][0]["references"][0]["horizon_months_max"]
    refused = asked(service, SECOND, reference="second", horizons_months=[longest])
    assert (refused.status_code, refused.json()["field"]) == (422, "horizons_months")
    assert asked(service, KEPT, horizons_months=[longest]).status_code == 200


def test_a_reference_that_is_not_there_is_refused_with_those_that_are(service):
    refused = asked(service, KEPT, reference="third")
    assert (refused.status_code, refused.json()["field"]) == (422, "reference")
    assert refused.json()["type"].endswith("not-scorable")
    assert "has no reference 'third'; name one of first, second" in refused.json()["detail"]


def test_a_model_of_one_cohort_refuses_a_reference_and_has_none_to_tell(service_of_one_cohort):
    kept = json.loads((BUNDLES / "format_3.scores.json").read_text(encoding="utf-8"))
    refused = asked(service_of_one_cohort, kept, reference="first")
    assert (refused.status_code, refused.json()["field"]) == (422, "reference")
    assert "was trained on one cohort" in refused.json()["detail"]
    model = asked(service_of_one_cohort, kept, reference=None).json()["model"]
    assert (model["reference"], model["reference_is_default"], model["references"]) == (None, None, [])


@pytest.mark.parametrize("kind", ["hazard-ratios", "comparison", "example"])
def test_what_is_told_of_the_cohort_is_told_of_the_reference_that_is_asked_for(service, kind):
    first, second = (
        service.ask("GET", ADDRESS.format(kind), params=query).json() for query in ({}, {"reference": "second"})
    )
    if kind == "comparison":
        assert (first["reference"], second["reference"]) == ("first", "second")
        assert first["runs"] == second["runs"] != []
    if kind == "hazard-ratios":
        assert (first["model"]["reference"], second["model"]["reference"]) == ("first", "second")
        assert first["hazard_ratios"] != second["hazard_ratios"]
    if kind == "example":
        assert (first["reference"], second["reference"], second["scale"]) == ("first", "second", "log2_rsem_1")
        assert service.ask("POST", "/score", json=second).status_code == 200
    refused = service.ask("GET", ADDRESS.format(kind), params={"reference": "third"})
    assert (refused.status_code, refused.json()["field"]) == (404, "reference")


def test_curves_of_a_gene_are_those_of_the_reference(service):
    gene = service.ask("GET", ADDRESS.format("comparison"), params={"reference": "second"}).json()["curve_genes"][0]
    first, second = (
        service.ask("GET", ADDRESS.format("kaplan-meier"), params={"gene": gene, **query}).json()
        for query in ({}, {"reference": "second"})
    )
    assert (first["reference"], second["reference"]) == ("first", "second")
    assert sum(curve["at_risk"][0] for curve in first["curves"]) == 60
    assert sum(curve["at_risk"][0] for curve in second["curves"]) == 52


def test_of_a_model_of_one_cohort_no_reference_answers(service_of_one_cohort):
    compared = service_of_one_cohort.ask("GET", ADDRESS.format("comparison")).json()
    query = {"gene": compared["curve_genes"][0]}
    curves = service_of_one_cohort.ask("GET", ADDRESS.format("kaplan-meier"), params=query).json()
    assert (compared["reference"], curves["reference"]) == (None, None)


def test_every_model_is_told_with_the_concordance_of_all_its_cohorts(service):
    first, second = (
        asked(service, kept, reference=name).json()["model"] for kept, name in ((KEPT, "first"), (SECOND, "second"))
    )
    assert first["concordance"] == second["concordance"]
    assert first["n_patients"] != second["n_patients"]
    parts = service.ask("GET", "/docs.json").json()["components"]["schemas"]
    for kind in ("ModelBlock", "CancerTypeEntry"):
        assert "all cohorts" in parts[kind]["properties"]["concordance"]["description"]


@pytest.mark.parametrize("kind", ["Comparison", "GeneCurves"])
def test_the_description_tells_which_reference_answers(service, kind):
    described = service.ask("GET", "/docs.json").json()["components"]["schemas"][kind]
    assert "reference" in described["required"]
    assert {"type": "null"} in described["properties"]["reference"]["anyOf"]


def test_fhir_names_the_reference(service):
    headers = {"Accept": "application/fhir+json"}
    answer = service.ask("POST", "/score", json=body(SECOND, reference="second"), headers=headers).json()
    assert "reference second, 52 patients" in answer["entry"][0]["resource"]["method"]["text"]


def as_csv(kept) -> str:
    genes = list(kept["profiles"][0]["expression"])
    rows = [[p["id"], *(str(p["expression"].get(gene, "")) for gene in genes)] for p in kept["profiles"]]
    return "\n".join(",".join(row) for row in [["id", *genes], *rows]) + "\n"


def test_a_file_is_scored_with_the_reference_that_its_address_names(service):
    query = {"cancer_type": "SIMULATED-KIRC", "scale": SECOND["scale"], "reference": "second"}
    headers = {"Content-Type": "text/csv"}
    answer = service.ask("POST", "/score/file", params=query, headers=headers, content=as_csv(SECOND))
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert lines[0]["model"]["reference"] == "second"
    assert lines[-1]["summary"]["scored"] == 6
    table = service.ask(
        "POST", "/score/file", params=query, headers=headers | {"Accept": "text/csv"}, content=as_csv(SECOND)
    )
    rows = list(csv.DictReader(table.text.splitlines()))
    assert [row["reference"] for row in rows] == ["second"] * 6
    refused = service.ask(
        "POST", "/score/file", params=query | {"reference": "third"}, headers=headers, content=as_csv(SECOND)
    )
    assert (refused.status_code, refused.json()["field"]) == (422, "reference")


def test_the_description_tells_of_references_and_shows_one(service):
    document = service.ask("GET", "/docs.json").json()
    assert "references" in document["components"]["schemas"]["ModelBlock"]["properties"]
    assert document["components"]["schemas"]["ScoreRequest"]["properties"]["reference"]["default"] is None
    parameters = document["paths"]["/example/{cancer_type}"]["get"]["parameters"]
    assert next(each for each in parameters if each["name"] == "reference")["example"] == "first"
    shown = document["paths"]["/score"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    for each in shown.values():
        assert service.ask("POST", "/score", json=each["value"]).status_code == 200


def test_the_command_line_names_the_reference_it_scored_with(tmp_path):
    patients = tmp_path / "patients.csv"
    patients.write_text(as_csv(SECOND), encoding="utf-8")
    common = ["score", str(patients), "--bundle", str(BUNDLES / "format_4"), "--scale", SECOND["scale"]]
    done = CliRunner().invoke(main, [*common, "--reference", "second"])
    assert done.exit_code == 0, done.output
    assert "on reference second, 0 not" in done.output
    results = (tmp_path / "patients.scores.csv").read_text(encoding="utf-8").splitlines()
    assert results[1].count('"second"') == 1
    refused = CliRunner().invoke(main, [*common, "--reference", "third", "--overwrite"])
    assert refused.exit_code != 0
    assert "name one of first, second" in refused.output
