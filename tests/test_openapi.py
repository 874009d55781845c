"""The description of the interface: complete, valid, and true of what is answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from described import require_described, require_lines
from near_service import BODY_LIMIT, NearService, snapshot_of
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR
from starlette.routing import Route

from serving.champions import Snapshot
from serving.middleware import BENTOML_PATHS
from serving.openapi import openapi_document
from serving.problems import KINDS
from serving.routes import router
from serving.tokens import add_token

if TYPE_CHECKING:
    from training.model import PrognosticModel
    from training.results import TrainingResult

Document = dict[str, Any]
#: Figures that may be any number: logs of ratios, expression on any scale, metrics of every kind.
UNBOUNDED = {
    "expression",
    "linear_predictor",
    "contributions",
    "contributions_constant",
    "clinical",
    "Figure.value",
    "Figure.lower",
    "Figure.upper",
    "valueDecimal",
    "Quantity.value",
}


@pytest.fixture(scope="module")
def model(small_training: TrainingResult) -> PrognosticModel:
    return small_training.model


@pytest.fixture(scope="module")
def snapshot(model: PrognosticModel) -> Snapshot:
    return snapshot_of(model, replace(model, endpoint="PFI"))


@pytest.fixture(scope="module")
def document(snapshot: Snapshot) -> Document:
    read: Document = json.loads(openapi_document(snapshot))
    return read


@pytest.fixture(scope="module")
def service(snapshot: Snapshot) -> NearService:
    return NearService(snapshot)


def operations(document: Document) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def parameters_of(operation: dict[str, Any]) -> dict[str, dict[str, str]]:
    shown: dict[str, dict[str, str]] = {"path": {}, "query": {}}
    for parameter in operation.get("parameters", ()):
        if "example" in parameter:
            shown[parameter["in"]][parameter["name"]] = parameter["example"]
    return shown


def test_the_document_is_valid_openapi_with_and_without_a_model(document: Document):
    for each in (document, json.loads(openapi_document(Snapshot()))):
        assert [str(error) for error in OPENAPI_31_VALIDATOR.iter_errors(each)] == []


def test_every_address_that_is_answered_is_described_with_its_methods(document: Document, service: NearService):
    offered = {(path, "get") for path in BENTOML_PATHS}
    for route in router(lambda: service).routes:
        assert isinstance(route, Route)
        offered |= {(route.path, method.lower()) for method in (route.methods or set()) - {"HEAD"}}
    assert {(path, method) for path, method, _ in operations(document)} == offered
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)


def test_no_reference_is_open_and_no_schema_is_idle(document: Document):
    text = json.dumps(document)
    for kind in ("schemas", "responses"):
        parts = text.split(f'"#/components/{kind}/')[1:]
        assert {part.partition('"')[0] for part in parts} == set(document["components"][kind])


def test_every_kind_of_problem_is_described_where_it_can_happen(document: Document):
    told = {path: json.dumps(operation["responses"]) for path, _, operation in operations(document)}
    beside_operations = {"not-found", "method-not-allowed"}
    everything = json.dumps(document)
    for kind in KINDS.keys() - beside_operations:
        assert f"urn:ctc-prognosis:problem:{kind}" in everything
    for path, responses in told.items():
        is_open = path in ("/livez", "/healthz", "/readyz")
        assert ('"401"' in responses) is ('"429"' in responses) is not is_open
        assert ('"408"' in responses) is ('"415"' in responses) is path.startswith("/score")
    scored = document["paths"]["/score"]["post"]["responses"]["422"]
    assert set(scored["content"]["application/problem+json"]["examples"]) == {"invalid-request", "not-scorable"}


def test_open_addresses_ask_for_no_token_and_all_others_take_one_of_two_kinds(document: Document):
    assert document["security"] == [{"bearer": []}, {"basic": []}, {}]
    schemes = document["components"]["securitySchemes"]
    assert {scheme["scheme"] for scheme in schemes.values()} == {"bearer", "basic"}
    unguarded = {path for path, _, operation in operations(document) if operation.get("security") == []}
    assert unguarded == {"/livez", "/healthz", "/readyz"}


def numbers_of(schema: Any, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        if schema.get("type") in ("number", "integer"):
            yield name, schema
        for key, value in schema.items():
            if key == "properties":
                for inner, each in value.items():
                    yield from numbers_of(each, inner)
            elif key not in ("examples", "example", "default"):
                yield from numbers_of(value, name)
    elif isinstance(schema, list):
        for each in schema:
            yield from numbers_of(each, name)


def test_every_number_has_a_range_or_is_one_that_may_be_anything(document: Document):
    unranged = set()
    for title, schema in document["components"]["schemas"].items():
        for name, number in numbers_of(schema, title):
            ranged = {"minimum", "exclusiveMinimum"} & set(number)
            if not ranged and not {name, f"{title}.{name}"} & UNBOUNDED:
                unranged.add(f"{title}.{name}")
    assert unranged == set()


def test_the_examples_of_a_request_are_answered_as_described(document: Document, service: NearService):
    content = document["paths"]["/score"]["post"]["requestBody"]["content"]["application/json"]
    for example in content["examples"].values():
        response = service.ask("POST", "/score", json=example["value"])
        assert response.status_code == 200, response.text
        require_described(document, response, "/score")
        assert response.json()["results"][0].get("error") is None


@pytest.mark.parametrize("accept", ["*/*", "text/csv"])
def test_the_examples_of_a_file_are_answered_as_described(document: Document, service: NearService, accept: str):
    operation = document["paths"]["/score/file"]["post"]
    query = parameters_of(operation)["query"]
    shown = {name: body["example"] for name, body in operation["requestBody"]["content"].items() if "example" in body}
    assert len(shown) == 2
    for media_type, text in shown.items():
        headers = {"Content-Type": media_type, "Accept": accept}
        response = service.ask("POST", "/score/file", params=query, content=text, headers=headers)
        assert response.status_code == 200, response.text
        require_described(document, response, "/score/file")
        if accept != "text/csv":
            first, patient, last = require_lines(document, response.text)
            assert (list(first), patient["row"]) == (["model"], 1)
            assert last == {"summary": {"patients": 1, "scored": 1, "failed": 0}}


def test_the_line_of_a_patient_who_cannot_be_scored_is_described(document: Document, service: NearService):
    operation = document["paths"]["/score/file"]["post"]
    text = operation["requestBody"]["content"]["text/csv"]["example"] + "short,1\n"
    query, headers = parameters_of(operation)["query"], {"Content-Type": "text/csv"}
    response = service.ask("POST", "/score/file", params=query, content=text, headers=headers)
    lines = require_lines(document, response.text)
    assert "error" in lines[2]
    assert lines[3]["summary"] == {"patients": 2, "scored": 1, "failed": 1}


def test_every_get_is_answered_as_described_and_head_alike_without_a_body(document: Document, service: NearService):
    for path, method, operation in operations(document):
        if method != "get" or path in BENTOML_PATHS:
            continue
        shown = parameters_of(operation)
        address = path.format(**shown["path"])
        response = service.ask("GET", address, params=shown["query"])
        assert response.status_code == (308 if path == "/ui/" else 200), response.text
        require_described(document, response, path)
        head = service.ask("HEAD", address, params=shown["query"])
        assert (head.status_code, head.content) == (response.status_code, b"")
        assert head.headers["content-type"] == response.headers["content-type"] if response.content else True


def test_a_page_that_the_browser_has_is_not_sent_again(document: Document, service: NearService):
    etag = service.ask("GET", "/ui").headers["etag"]
    response = service.ask("GET", "/ui", headers={"If-None-Match": etag})
    assert response.status_code == 304
    require_described(document, response, "/ui")


REFUSED: dict[str, tuple[int, dict[str, Any]]] = {
    "no JSON": (400, {"content": b"{"}),
    "too large": (413, {"content": b" " * (BODY_LIMIT + 1)}),
    "long address": (414, {"params": {"x": "y" * 9000}, "json": {}}),
    "no JSON by its own account": (415, {"content": b"{}", "headers": {"Content-Type": "text/plain"}}),
    "no fields": (422, {"json": {}}),
    "unknown parameter": (422, {"json": {}, "params": {"endpoint": "OS"}}),
    "large headers": (431, {"json": {}, "headers": {"X-Much": "y" * 40_000}}),
    "from elsewhere": (403, {"json": {}, "base": "http://10.1.2.3:3000"}),
    "of a page from elsewhere": (403, {"json": {}, "headers": {"Origin": "http://evil.example"}}),
    "under another name": (421, {"json": {}, "headers": {"Host": "evil.example"}}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_every_refusal_is_described(document: Document, service: NearService, name: str):
    status, asked = REFUSED[name]
    headers = {"Content-Type": "application/json", **asked.get("headers", {})}
    response = service.ask("POST", "/score", **{**asked, "headers": headers})
    assert response.status_code == status, response.text
    require_described(document, response, "/score")


def test_what_the_model_cannot_score_is_described(document: Document, service: NearService):
    shown = document["paths"]["/score"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    response = service.ask("POST", "/score", json={**shown["short"]["value"], "horizons_months": [100_000]})
    assert response.json()["type"].endswith(":not-scorable")
    require_described(document, response, "/score")


def test_refusals_of_strangers_and_of_the_hasty_are_described(document: Document, snapshot: Snapshot, tmp_path: Path):
    tokens = tmp_path / "tokens"
    header = {"Authorization": f"Bearer {add_token(tokens, 'hasty')}"}
    service = NearService(snapshot, tokens_file=tokens, requests_per_minute=1.0)
    for headers, status in (({}, 401), (header, 200), (header, 429)):
        response = service.ask("GET", "/models", headers=headers)
        assert response.status_code == status, response.text
        require_described(document, response, "/models")
    assert service.ask("GET", "/readyz").status_code == 200


def test_a_service_without_models_answers_as_described():
    service, document = NearService(Snapshot()), json.loads(openapi_document(Snapshot()))
    for path in ("/readyz", "/models", "/cancer-types", "/metrics", "/"):
        response = service.ask("GET", path)
        assert response.status_code == (503 if path == "/readyz" else 200)
        require_described(document, response, path)


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("/hazard-ratios/{}", {"endpont": "PFI"}, "endpont"),
        ("/hazard-ratios/{}", [("endpoint", "OS"), ("endpoint", "PFI")], "endpoint"),
        ("/kaplan-meier/{}", {"gene": "CD44", "sex": "female"}, "sex"),
        ("/comparison/{}", {"gene": "CD44"}, "gene"),
        ("/example/{}", {"scale": "tpm"}, "scale"),
        ("/models", {"alias": "champion"}, "alias"),
        ("/cancer-types", {"endpoint": "OS"}, "endpoint"),
    ],
)
def test_a_parameter_that_is_not_known_or_comes_twice_is_refused_by_name(
    service: NearService, model: PrognosticModel, path: str, query: Any, field: str
):
    address = path.format(model.cancer_type)
    response: httpx.Response = service.ask("GET", address, params=query)
    assert (response.status_code, response.json()["field"]) == (422, field)


def test_a_parameter_that_changes_nothing_is_passed_over(service: NearService):
    for path in ("/readyz", "/metrics", "/", "/ui"):
        assert service.ask("GET", path, params={"now": "1"}).status_code == 200
