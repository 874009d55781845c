"""The service as its users meet it: a real BentoML server, a real registry, a real model."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from service_process import free_port, running_service, wait_for

from features.evidence import evidence
from serving.launch import launch
from serving.problems import KINDS
from serving.schemas import CancerTypes, HazardRatios, Models, ScoreResponse
from serving.settings import Settings
from training.profiles import Profile
from training.scoring import score_profiles
from training.synthetic_profile import synthetic_profile

if TYPE_CHECKING:
    from conftest import ModelStore

    from training.model import PrognosticModel
    from training.results import TrainingResult

BODY_LIMIT = 300_000
#: Numbers and a name that nothing but a patient of these tests has.
SECRET_VALUE, SECRET_AGE, SECRET_ID = 7.318293847, 61.739482, "patient-zxqv-8842"


@dataclass(frozen=True)
class Server:
    """A running service."""

    http: httpx.Client
    store: ModelStore
    log: Path
    before_any_model: dict[str, httpx.Response]


@pytest.fixture(scope="module")
def model(small_training: TrainingResult) -> PrognosticModel:
    return small_training.model


@pytest.fixture(scope="module")
def server(
    model: PrognosticModel, new_model_store: Callable[[], ModelStore], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    home, store = tmp_path_factory.mktemp("service"), new_model_store()
    installation = Settings(home=home, tracking_uri=store.uri, cohorts=home)
    start = launch(port=free_port(), workers=1, installation=installation)
    limits = {"PROGNOSIS_POLL_SECONDS": "0.3", "PROGNOSIS_BODY_LIMIT_BYTES": str(BODY_LIMIT)}
    with running_service(start, home / "log", **limits) as http:
        before = {path: http.get(path) for path in ("/readyz", "/models", "/cancer-types", "/")}
        before["/score"] = http.post("/score", json=request_for(model, "KIRC"))
        store.register(model)
        wait_for(lambda: http.get("/readyz").status_code == 200)
        yield Server(http, store, home / "log", before)


def expression_of(model: PrognosticModel, value: float = 6.5) -> dict[str, float]:
    """An expression profile as the model's cohort might hold it, with a value of CD44's own."""
    return synthetic_profile(model)[0] | {"CD44": value}


CLINICAL = {"age": 61, "sex": "female", "stage": "III", "grade": "G3"}


def request_for(model: PrognosticModel, cancer_type: str | None = None, **changes: Any) -> dict[str, Any]:
    profile = {"id": "p1", "expression": expression_of(model), "clinical": CLINICAL}
    asked = {"cancer_type": cancer_type or model.cancer_type, "endpoint": model.endpoint, "scale": model.scale}
    return asked | {"profiles": [profile]} | changes


def problem(response: httpx.Response, kind: str) -> dict[str, Any]:
    """Assert that the response is the one shape of errors, and return it."""
    status, title = KINDS[kind]
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert list(body) == ["type", "title", "status", "detail", "field"]
    assert (body["type"], body["title"], body["status"]) == (f"urn:ctc-prognosis:problem:{kind}", title, status)
    assert body["detail"]
    return body


def test_before_any_model_the_service_is_alive_and_not_ready(server: Server):
    before = server.before_any_model
    assert "no model is loaded" in problem(before["/readyz"], "not-ready")["detail"]
    assert before["/models"].json()["models"] == before["/models"].json()["refused"] == []
    assert before["/cancer-types"].json() == {"cancer_types": []}
    refused = problem(before["/score"], "not-scorable")
    assert refused["detail"] == "no model for cancer type 'KIRC'; available: none."
    assert refused["field"] == "cancer_type"
    assert before["/"].status_code == 200


def test_a_patient_is_scored_to_the_bit_as_the_model_scores(server: Server, model: PrognosticModel):
    response = server.http.post("/score", json=request_for(model))
    assert response.status_code == 200, response.text
    assert response.headers["cache-control"] == "no-store"
    answer = ScoreResponse.model_validate_json(response.content)
    profile = Profile("p1", expression_of(model), CLINICAL)
    (expected,) = score_profiles(model, [profile], scale=model.scale, zscore_reference=None, horizons_months=None)
    (result,) = answer.results
    assert result.error is None
    assert (result.id, result.variant, result.risk_group) == ("p1", expected.variant, expected.risk_group)
    assert result.linear_predictor == expected.linear_predictor
    assert result.risk_percentile == expected.risk_percentile
    assert [point.model_dump() for point in result.survival or ()] == [asdict(point) for point in expected.survival]
    assert result.median_survival is not None
    assert result.median_survival.model_dump() == asdict(expected.median_survival)
    assert list((result.contributions or {}).items()) == list((expected.contributions or {}).items())
    assert result.contributions_constant == expected.contributions_constant
    assert result.warnings == list(expected.warnings)


def test_every_contribution_is_of_a_covariate_that_the_model_describes(server: Server, model: PrognosticModel):
    answer = server.http.post("/score", json=request_for(model)).json()
    result = answer["results"][0]
    covariates = answer["model"]["variants"][result["variant"]]["covariates"]
    assert set(result["contributions"]) == set(covariates)
    genes = {name for name, each in covariates.items() if each["kind"] == "gene"}
    assert genes <= {gene.symbol for gene in model.panel.genes}
    assert {each["column"] for each in covariates.values() if not each["genes"]} == set(CLINICAL)


def test_what_is_not_asked_for_is_left_out(server: Server, model: PrognosticModel):
    short = {"contributions": False, "hazard_ratios": False}
    answer = server.http.post("/score", json=request_for(model, **short)).json()
    assert answer["hazard_ratios"] is answer["citations"] is answer["results"][0]["contributions"] is None
    whole = server.http.post("/score", json=request_for(model)).json()
    assert answer["results"][0]["survival"] == whole["results"][0]["survival"]
    assert len(whole["hazard_ratios"]) == len(model.hazard_ratios)


def test_survival_is_given_the_time_that_a_patient_is_alive_already(server: Server, model: PrognosticModel):
    alive = {"id": "p1", "expression": expression_of(model), "survived_months": 6}
    asked = {"profiles": [alive], "horizons_months": [12]}
    (result,) = server.http.post("/score", json=request_for(model, **asked)).json()["results"]
    assert result["survived_months"] == 6
    from_diagnosis = {"profiles": [{**alive, "survived_months": None}], "horizons_months": [6, 12]}
    (other,) = server.http.post("/score", json=request_for(model, **from_diagnosis)).json()["results"]
    early, late = (point["probability"] for point in other["survival"])
    assert result["survival"][0]["probability"] == pytest.approx(late / early, rel=1e-12)


@pytest.mark.parametrize("survived", [0, -3, "long", 1e9])
def test_an_impossible_time_survived_is_the_fault_of_its_profile_alone(
    server: Server, model: PrognosticModel, survived: object
):
    good = {"id": "good", "expression": expression_of(model)}
    bad = {**good, "id": "bad", "survived_months": survived}
    first, second = server.http.post("/score", json=request_for(model, profiles=[bad, good])).json()["results"]
    assert "survived_months" in first["error"]["detail"]
    assert second["linear_predictor"] is not None


def test_the_answer_says_which_model_it_is_from(server: Server, model: PrognosticModel):
    block = server.http.post("/score", json=request_for(model)).json()["model"]
    assert (block["name"], block["cancer_type"], block["endpoint"]) == (model.name, model.cancer_type, "OS")
    assert block["simulated"] is True
    assert block["exploratory"] is (block["alias"] == "candidate" or not model.champion_earned)
    assert (block["n_patients"], block["n_events"]) == (model.cohort.n_patients, model.cohort.n_events)
    concordance = model.variants["clinical"].metrics["concordance_harrell"]
    assert block["concordance"] == {
        "value": concordance.value,
        "lower": concordance.lower,
        "upper": concordance.upper,
    }
    assert block["data_digest"] == model.provenance["data_digest"]
    assert block["horizon_months_max"] == model.horizon_months_max
    assert block["use"] == "For research only; not for clinical decisions."
    assert block["estimand"] is None


def test_the_hazard_ratios_of_every_panel_gene_come_with_the_answer(server: Server, model: PrognosticModel):
    rows = server.http.post("/score", json=request_for(model)).json()["hazard_ratios"]
    assert [row["gene"] for row in rows] == list(model.hazard_ratios["gene"])
    expected = model.hazard_ratios["hazard_ratio_per_sd"].to_numpy()
    np.testing.assert_array_equal([row["hazard_ratio_per_sd"] for row in rows], expected)


def test_the_evidence_stands_once_beside_each_gene_with_its_references(server: Server, model: PrognosticModel):
    two = [{"id": name, "expression": expression_of(model)} for name in ("a", "b")]
    answer = server.http.post("/score", json=request_for(model, profiles=two)).json()
    assert all("evidence" not in result for result in answer["results"])
    told = {row["gene"]: row["evidence"] for row in answer["hazard_ratios"]}
    for gene, block in told.items():
        expected = evidence(gene, "KIRC").as_dict()
        expected = {part: expected[part] for part in ("findings", "interactions", "drugs")}
        assert block == (json.loads(json.dumps(expected)) if evidence(gene) else None)
    assert told["CD44"]["findings"][0]["in_cancer_type"] is True
    blocks = [block for block in told.values() if block]
    assert 0 < len(blocks) < len(told)
    cited = {n for block in blocks for part in block for row in block[part] for n in row["references"]}
    assert cited <= {citation["number"] for citation in answer["citations"]}
    alone = server.http.get(f"/hazard-ratios/{model.cancer_type}").json()
    assert (alone["hazard_ratios"], alone["citations"]) == (answer["hazard_ratios"], answer["citations"])


def test_without_clinical_covariates_the_genes_only_twin_answers_and_its_figures_are_shown(
    server: Server, model: PrognosticModel
):
    profile = {"id": "p1", "expression": expression_of(model)}
    answer = server.http.post("/score", json=request_for(model, profiles=[profile])).json()
    assert answer["results"][0]["variant"] == "genes_only"
    concordance = model.variants["genes_only"].metrics["concordance_harrell"].value
    assert answer["model"]["concordance"]["value"] == concordance


def test_survival_falls_with_the_horizon_and_comes_in_the_order_asked_for(server: Server, model: PrognosticModel):
    answer = server.http.post("/score", json=request_for(model, horizons_months=[36, 6, 12.5])).json()
    points = {point["horizon_months"]: point["probability"] for point in answer["results"][0]["survival"]}
    assert list(points) == [36, 6, 12.5]
    assert 1 >= points[6] >= points[12.5] >= points[36] >= 0


def test_a_horizon_past_the_last_that_is_answered_is_refused_by_name(server: Server, model: PrognosticModel):
    response = server.http.post("/score", json=request_for(model, horizons_months=[12, 10_000]))
    refused = problem(response, "not-scorable")
    assert refused["field"] == "horizons_months"
    assert "10000" in refused["detail"].replace(",", "")


def test_results_come_in_the_order_of_the_profiles(server: Server, model: PrognosticModel):
    ids = [f"p{number}" for number in (7, 3, 11, 1)]
    profiles = [
        {"id": name, "expression": expression_of(model, value=3.0 + position), "clinical": CLINICAL}
        for position, name in enumerate(ids)
    ]
    together = server.http.post("/score", json=request_for(model, profiles=profiles)).json()["results"]
    assert [result["id"] for result in together] == ids
    alone = [
        server.http.post("/score", json=request_for(model, profiles=[profile])).json()["results"][0]
        for profile in profiles
    ]
    assert together == alone


@pytest.mark.parametrize(
    ("written", "kind"),
    [("NaN", "NaN"), ("Infinity", "infinite"), ("true", "true"), ('"1.2"', "a string"), ("null", "null")],
)
def test_a_value_that_is_no_finite_number_is_refused_by_gene_and_position(
    server: Server, model: PrognosticModel, written: str, kind: str
):
    gene, value = next(iter(expression_of(model).items()))
    body = json.dumps(request_for(model)).replace(f'"{gene}": {value}', f'"{gene}": {written}')
    response = server.http.post("/score", content=body, headers={"Content-Type": "application/json"})
    refused = problem(response, "invalid-request")
    assert refused["field"] == f"profiles[0].expression.{gene}"
    assert f"but is {kind}" in refused["detail"]


def test_a_fault_of_one_profile_among_many_is_an_error_of_its_own(server: Server, model: PrognosticModel):
    good = {"id": "good", "expression": expression_of(model)}
    foreign = {"id": "foreign", "expression": {"XIST": 3.0, "TP53": 2.0}}
    not_a_number = {"id": "nan", "expression": {**expression_of(model), "CD44": "high"}}
    nonsense = {"id": "age", "expression": expression_of(model), "clinical": {**CLINICAL, "age": 610}}
    profiles = [foreign, good, not_a_number, nonsense]
    results = server.http.post("/score", json=request_for(model, profiles=profiles)).json()["results"]
    assert [result["id"] for result in results] == ["foreign", "good", "nan", "age"]
    assert ["error" in result for result in results] == [True, False, True, True]
    for position in (0, 2, 3):
        assert list(results[position]) == ["id", "error"]
        assert results[position]["error"]["field"].startswith(f"profiles[{position}]")
        assert results[position]["error"]["status"] == 422


def test_if_all_profiles_fail_the_request_fails(server: Server, model: PrognosticModel):
    profiles = [{"id": name, "expression": {"XIST": 3.0}} for name in ("a", "b")]
    refused = problem(server.http.post("/score", json=request_for(model, profiles=profiles)), "not-scorable")
    assert refused["detail"].startswith("none of the 2 profiles can be scored; the first: ")


def test_a_whole_transcriptome_is_accepted_and_changes_nothing(server: Server, model: PrognosticModel):
    expression = {f"NOTAGENE{number}": 1.0 for number in range(5_000)} | expression_of(model)
    profile = {"id": "p1", "expression": expression, "clinical": CLINICAL}
    request = request_for(model, profiles=[profile])
    assert 2**16 < len(json.dumps(request)) < BODY_LIMIT
    whole = server.http.post("/score", json=request).json()["results"][0]
    panel = server.http.post("/score", json=request_for(model)).json()["results"][0]
    assert whole["linear_predictor"] == panel["linear_predictor"]


def test_an_unknown_cancer_type_is_answered_with_those_that_are_known(server: Server, model: PrognosticModel):
    refused = problem(server.http.post("/score", json=request_for(model, "Kirc")), "not-scorable")
    assert refused["field"] == "cancer_type"
    assert model.cancer_type in refused["detail"]


def test_a_scale_without_conversion_is_refused_with_the_reason(server: Server, model: PrognosticModel):
    refused = problem(server.http.post("/score", json=request_for(model, scale="counts")), "not-scorable")
    assert refused["field"] == "scale"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"scale": "log2"}, "scale"),
        ({"endpoint": "os"}, "endpoint"),
        ({"horizons_months": [-1]}, "horizons_months[0]"),
        ({"profiles": []}, "profiles"),
        ({"gene_set": "mine"}, "gene_set"),
    ],
)
def test_an_invalid_request_is_refused_by_field(
    server: Server, model: PrognosticModel, change: dict[str, Any], field: str
):
    assert problem(server.http.post("/score", json=request_for(model, **change)), "invalid-request")["field"] == field


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 50_000, b'{"a": 1, "a": 2}', b"\xff"])
def test_a_malformed_body_is_a_400(server: Server, body: bytes):
    headers = {"Content-Type": "application/json"}
    problem(server.http.post("/score", content=body, headers=headers), "malformed-request")


def test_a_body_that_is_no_json_by_its_own_account_is_a_415(server: Server, model: PrognosticModel):
    body = json.dumps(request_for(model)).encode()
    for headers in ({"Content-Type": "text/plain"}, {"Content-Type": "application/json", "Content-Encoding": "gzip"}):
        problem(server.http.post("/score", content=body, headers=headers), "unsupported-media-type")


def test_a_body_past_the_limit_is_a_413_whether_announced_or_not(server: Server):
    headers = {"Content-Type": "application/json"}
    problem(server.http.post("/score", content=b" " * (BODY_LIMIT + 1), headers=headers), "body-too-large")
    chunks = (b" " * 50_000 for _ in range(10))
    problem(server.http.post("/score", content=chunks, headers=headers), "body-too-large")


@pytest.mark.parametrize("path", ["/nothing", "/score/", "/models/x", "/static_content/index.css", "/v1/%00", "/docs"])
def test_an_unknown_address_is_a_404(server: Server, path: str):
    problem(server.http.get(path), "not-found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/score", {"POST"}),
        ("DELETE", "/models", {"GET", "HEAD"}),
        ("POST", "/livez", {"GET", "HEAD"}),
        ("POST", "/docs.json", {"GET", "HEAD"}),
        ("OPTIONS", "/score", {"POST"}),
    ],
)
def test_a_method_that_is_not_answered_is_a_405_with_those_that_are(
    server: Server, method: str, path: str, allowed: set[str]
):
    response = server.http.request(method, path)
    problem(response, "method-not-allowed")
    assert {name.strip() for name in response.headers["allow"].split(",")} == allowed


def test_cancer_types_lists_what_can_be_asked_for(server: Server, model: PrognosticModel):
    response = server.http.get("/cancer-types")
    listed = CancerTypes.model_validate_json(response.content).cancer_types
    entry = next(entry for entry in listed if entry.model == model.name)
    assert (entry.cancer_type, entry.endpoint, entry.scale) == (model.cancer_type, "OS", model.scale)


def test_models_lists_the_models_with_their_figures(server: Server, model: PrognosticModel):
    listed = Models.model_validate_json(server.http.get("/models").content)
    block = next(block for block in listed.models if block.name == model.name)
    assert set(block.variants) == {"clinical", "genes_only"}
    assert set(block.variants["clinical"].metrics) == set(model.variants["clinical"].metrics)


def test_hazard_ratios_have_an_address_of_their_own(server: Server, model: PrognosticModel):
    response = server.http.get(f"/hazard-ratios/{model.cancer_type}", params={"endpoint": "OS"})
    answer = HazardRatios.model_validate_json(response.content)
    assert len(answer.hazard_ratios) == len(model.hazard_ratios)
    assert server.http.get(f"/hazard-ratios/{model.cancer_type}").content == response.content


def test_hazard_ratios_that_are_not_there_are_a_404_with_what_is(server: Server, model: PrognosticModel):
    missing = problem(server.http.get("/hazard-ratios/XYZ"), "no-such-model")
    assert (missing["field"], model.cancer_type in missing["detail"]) == ("cancer_type", True)
    path = f"/hazard-ratios/{model.cancer_type}"
    assert problem(server.http.get(path, params={"endpoint": "PFI"}), "no-such-model")["field"] == "endpoint"
    assert problem(server.http.get(path, params={"endpoint": "XX"}), "invalid-request")["field"] == "endpoint"


def test_life_readiness_and_metrics_are_plain_gets(server: Server, model: PrognosticModel):
    assert server.http.get("/livez").status_code == 200
    assert server.http.get("/readyz").json()["status"] == "ready"
    server.http.post("/score", json=request_for(model))
    metrics = server.http.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert 'prognosis_requests_total{route="/score",status="200"}' in metrics.text
    assert f'prognosis_profiles_total{{model="{model.name}",outcome="scored"}}' in metrics.text


def test_the_page_loads_nothing_from_elsewhere(server: Server, model: PrognosticModel):
    page = server.http.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in page.text
    assert "http" not in page.text.replace("https://", "http://").lower().replace("doi:", "")
    for link in ("docs.json", "models", "cancer-types"):
        assert f'href="{link}"' in page.text
        assert server.http.get(f"/{link}").status_code == 200
    assert model.name in page.text


BENTOML_CLIENT = """
import json, sys, bentoml
with bentoml.SyncHTTPClient(sys.argv[1]) as client:
    json.dump(client.score(json.load(sys.stdin)), sys.stdout)
"""


def test_bentomls_own_client_gets_the_same_answer(server: Server, model: PrognosticModel):
    # In a process of its own: the client leaves temporary folders to the collector.
    request, address = request_for(model), str(server.http.base_url)
    command = [sys.executable, "-W", "ignore", "-c", BENTOML_CLIENT, address]
    done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == server.http.post("/score", json=request).json()


def test_an_alias_that_moves_is_followed_without_a_restart(server: Server, model: PrognosticModel):
    other = replace(model, cancer_type="SIMULATED-MOVES")
    server.store.register(other)
    path = f"/hazard-ratios/{other.cancer_type}"
    wait_for(lambda: server.http.get(path).status_code == 200)
    assert server.http.get(path).json()["model"]["exploratory"] is True
    created = {**model.provenance, "created": "2027-01-01T00:00:00+00:00"}
    later = replace(other, provenance=created, champion_earned=True)
    server.store.register(later, alias="champion")
    wait_for(lambda: server.http.get(path).json()["model"]["version"] == "2")
    block = server.http.get(path).json()["model"]
    assert (block["alias"], block["exploratory"]) == ("champion", False)
    assert block["created"].startswith("2027")


def test_a_broken_bundle_is_refused_and_the_old_one_goes_on(server: Server, model: PrognosticModel):
    other = replace(model, cancer_type="SIMULATED-BREAKS")
    server.store.register(other)
    path = f"/hazard-ratios/{other.cancer_type}"
    wait_for(lambda: server.http.get(path).status_code == 200)
    created = {**model.provenance, "created": "2027-01-01T00:00:00+00:00"}
    later = replace(other, provenance=created, champion_earned=True)
    server.store.register(later, digest="f" * 64)
    wait_for(lambda: bool(server.http.get("/models").json()["refused"]))
    assert server.http.get("/models").json()["refused"][0]["version"] == "2"
    assert server.http.get(path).json()["model"]["version"] == "1"
    assert server.http.post("/score", json=request_for(other)).status_code == 200


def test_the_log_holds_nothing_of_a_patient(server: Server, model: PrognosticModel):
    clinical = {**CLINICAL, "age": SECRET_AGE}
    good = {"id": SECRET_ID, "expression": expression_of(model, SECRET_VALUE), "clinical": clinical}
    requests = [
        request_for(model, profiles=[good]),
        request_for(model, profiles=[{**good, "expression": {**good["expression"], "CD44": str(SECRET_VALUE)}}]),
        request_for(model, profiles=[{**good, "clinical": {**clinical, "age": 1000 + SECRET_AGE}}]),
        request_for(model, profiles=[{"id": SECRET_ID, "expression": {"XIST": SECRET_VALUE}}]),
        request_for(model, profiles=[good, good]),
        request_for(model, profiles=good),
    ]
    statuses = [server.http.post("/score", json=request).status_code for request in requests]
    assert statuses == [200, 422, 422, 422, 422, 422]
    body = json.dumps(requests[0])[:-1].encode()
    assert server.http.post("/score", content=body, headers={"Content-Type": "application/json"}).status_code == 400
    assert server.http.get(f"/score/{SECRET_ID}").status_code == 404
    log = server.log.read_text()
    assert f"{model.name}: serving version 1" in log
    for secret in (SECRET_ID, *(f"{value:.6f}"[:8] for value in (SECRET_VALUE, SECRET_AGE, SECRET_VALUE + 0.1))):
        assert secret not in log
        assert secret not in server.http.get("/metrics").text


def test_no_figure_of_an_answer_is_null_or_infinite(server: Server, model: PrognosticModel):
    for value in (0.0, 0.5, 12.0, 19.0):
        profile = {"id": "p1", "expression": expression_of(model, value), "clinical": CLINICAL}
        (result,) = server.http.post("/score", json=request_for(model, profiles=[profile])).json()["results"]
        figures = [result["linear_predictor"], result["risk_percentile"]]
        figures += [point["probability"] for point in result["survival"]]
        assert all(math.isfinite(figure) for figure in figures)


def file_of(model: PrognosticModel) -> bytes:
    """Three patients as CSV, of whom the second's age is none."""
    genes = expression_of(model)
    rows = [["id", *genes, "age", "sex", "stage", "grade"]]
    rows += [[name, *genes.values(), age, "female", "III", "G3"] for name, age in (("a", 61), ("b", "old"), ("c", ""))]
    return "\n".join(",".join(map(str, row)) for row in rows).encode()


def post_file(
    server: Server, model: PrognosticModel, body: bytes, *, accept: str = "*/*", **query: Any
) -> httpx.Response:
    asked = {"cancer_type": model.cancer_type, "scale": model.scale} | query
    headers = {"Content-Type": "text/csv", "Accept": accept}
    return server.http.post("/score/file", params=asked, content=body, headers=headers)


def test_a_file_is_answered_line_by_line_as_single_requests_are(server: Server, model: PrognosticModel):
    response = post_file(server, model, file_of(model), contributions="true")
    assert response.headers["content-type"] == "application/x-ndjson"
    first, *lines, last = map(json.loads, response.text.splitlines())
    (single,) = server.http.post("/score", json=request_for(model)).json()["results"]
    assert first["model"]["name"] == model.name
    assert [(line["row"], line["id"]) for line in lines] == [(1, "a"), (2, "b"), (3, "c")]
    assert {**lines[0], "id": "p1"} == {**single, "row": 1}
    assert "age must be a number of years" in lines[1]["error"]["detail"]
    assert lines[2]["variant"] == "genes_only"
    assert last == {"summary": {"patients": 3, "scored": 2, "failed": 1}}


def test_a_file_is_answered_as_a_table_where_that_is_accepted(server: Server, model: PrognosticModel):
    response = post_file(server, model, file_of(model), accept="text/csv", horizons_months="6,12")
    assert response.headers["content-type"].startswith("text/csv")
    header, *rows = response.text.splitlines()
    assert '"survival_6_lower"' in header
    assert len(rows) == 3


@pytest.mark.parametrize(
    ("query", "kind", "field"),
    [
        ({"scale": "counts"}, "not-scorable", "scale"),
        ({"scale": "furlongs"}, "invalid-request", "scale"),
        ({"horizons_months": "12,never"}, "invalid-request", "horizons_months"),
        ({"horizons_months": "1e9"}, "not-scorable", "horizons_months"),
        ({"format": "xlsx"}, "unsupported-media-type", "format"),
        ({"format": "parquet"}, "not-scorable", None),
        ({"colour": "blue"}, "invalid-request", "colour"),
        ({"cancer_type": "KIRC"}, "not-scorable", "cancer_type"),
    ],
)
def test_what_cannot_be_answered_of_a_file_is_a_problem(
    server: Server, model: PrognosticModel, query: dict[str, str], kind: str, field: str | None
):
    assert problem(post_file(server, model, file_of(model), **query), kind)["field"] == field


def test_a_file_that_is_too_large_is_refused(server: Server, model: PrognosticModel):
    problem(post_file(server, model, b"x" * (BODY_LIMIT + 1)), "body-too-large")


@pytest.mark.parametrize("sent", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_type_that_any_page_may_send_is_refused_whatever_format_is_stated(
    server: Server, model: PrognosticModel, sent: str
):
    query = {"cancer_type": model.cancer_type, "scale": model.scale, "format": "csv"}
    response = server.http.post("/score/file", params=query, content=file_of(model), headers={"Content-Type": sent})
    assert problem(response, "unsupported-media-type")["field"] == "Content-Type"
    bytes_type = {"Content-Type": "application/octet-stream"}
    assert server.http.post("/score/file", params=query, content=file_of(model), headers=bytes_type).status_code == 200
