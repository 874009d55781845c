"""Every address that is answered, as OpenAPI has it: what it takes, what it answers, and what it may refuse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from features.cohort import ENDPOINTS
from serving.cohort_schemas import Comparison, ExampleRequest, GeneCurves
from serving.fhir_schemas import MEDIA_TYPE as FHIR
from serving.fhir_schemas import Bundle, RiskAssessment
from serving.file_routes import CSV, LINES, MEDIA_TYPES, FileQuery
from serving.guard import OPEN_PATHS
from serving.openapi_answers import EVERYWHERE, GUARDED, TAKES_BODY, answered, failures
from serving.openapi_examples import Examples
from serving.reference_schemas import ASKED_FOR
from serving.schemas import CancerTypes, HazardRatios, Health, Models, ScoreRequest, ScoreResponse

_JSON, _HTML, _PLAIN = "application/json", "text/html", "text/plain"
_ANY_BYTES = "application/octet-stream"
_OF_COHORT = ("no-such-model", "invalid-request", "not-ready")
_BINARY = {"type": "string", "format": "binary"}
_TEXT = {"type": "string"}


def paths(examples: Examples) -> dict[str, Any]:
    """Return the addresses and their operations."""
    found = {**_scores(examples), **_models(), **_cohorts(examples), **_running(), **_pages()}
    return {path: {method: _at_edge(path, each) for method, each in item.items()} for path, item in found.items()}


def _at_edge(path: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    """Add what the edge answers before the operation is asked, and whether that wants a token."""
    is_open = path in OPEN_PATHS
    responses = {**operation["responses"], **failures(EVERYWHERE if is_open else EVERYWHERE + GUARDED)}
    return {**operation, "responses": dict(sorted(responses.items())), **({"security": []} if is_open else {})}


def _scores(examples: Examples) -> dict[str, Any]:
    return {"/score": {"post": _score(examples)}, "/score/file": {"post": _score_file(examples)}}


def _models() -> dict[str, Any]:
    return {
        "/cancer-types": _get("cancerTypes", "List what can be asked for", CancerTypes, "models"),
        "/models": _get("models", "List the models that answer", Models, "models"),
    }


def _cohorts(examples: Examples) -> dict[str, Any]:
    of_cohort = _cohort_parameters(examples)
    gene = _parameter(
        "gene", "query", {**_TEXT, "minLength": 1}, "One of `/comparison`'s `curve_genes`.", examples.gene
    )
    return {
        "/hazard-ratios/{cancer_type}": _get(
            "hazardRatios",
            "Return the univariate hazard ratios of every panel gene",
            HazardRatios,
            "cohorts",
            of_cohort,
        ),
        "/kaplan-meier/{cancer_type}": _get(
            "geneCurves",
            "Return the survival on both sides of a gene's median",
            GeneCurves,
            "cohorts",
            [*of_cohort, gene],
        ),
        "/comparison/{cancer_type}": _get(
            "comparison",
            "Return the figures of every learner judged beside the model",
            Comparison,
            "cohorts",
            of_cohort,
        ),
        "/example/{cancer_type}": _get(
            "example", "Return a request to score a patient who never was", ExampleRequest, "cohorts", of_cohort
        ),
    }


def _running() -> dict[str, Any]:
    ready = _operation("ready", "Tell whether a model is loaded", "running", _json(Health), ["not-ready"])
    return {
        "/livez": {"get": _written("live", "Tell whether the process lives", "running", _PLAIN, _TEXT)},
        "/healthz": {"get": _written("healthy", "Tell the same as `/livez`", "running", _PLAIN, _TEXT)},
        "/readyz": {"get": ready},
        "/metrics": {"get": _written("metrics", "Return counts and times for Prometheus", "running", _PLAIN, _TEXT)},
        "/docs.json": {"get": _written("documentation", "Return this document", "running", _JSON, {"type": "object"})},
        "/schema.json": {
            "get": _written("bentomlSchema", "Return BentoML's own description", "running", _JSON, {"type": "object"})
        },
    }


def _pages() -> dict[str, Any]:
    name = _parameter("name", "path", _TEXT, "Of a file that the page loads.", "style.css")
    files = {each: {"schema": _TEXT} for each in (_HTML, "text/css", "text/javascript", "image/svg+xml")}
    page = _page_file("page", "Show the page", {_HTML: {"schema": _TEXT}})
    file = _page_file("pageFile", "Return a file of the page", files, ["not-found"])
    moved = {"308": answered({}, "The page is at `/ui`.", Location="`../ui`")}
    return {
        "/": {"get": _written("index", "Show what is served", "pages", _HTML, _TEXT)},
        "/ui": {"get": page},
        "/ui/": {
            "get": {"operationId": "pageMoved", "summary": "Lead to `/ui`", "tags": ["pages"], "responses": moved}
        },
        "/ui/{name}": {"get": {**file, "parameters": [name]}},
    }


def _page_file(name: str, summary: str, content: Mapping[str, Any], refused: Iterable[str] = ()) -> dict[str, Any]:
    operation = _operation(name, summary, "pages", content, refused)
    etag = {"ETag": "Digest of the file."}
    known = {"200": answered(content, **etag), "304": answered({}, "As `If-None-Match` has it already.", **etag)}
    return {**operation, "responses": {**operation["responses"], **known}}


def _score(examples: Examples) -> dict[str, Any]:
    assessed = {"anyOf": [_reference(RiskAssessment), _reference(Bundle)]}
    answers = {**_json(ScoreResponse), FHIR: {"schema": assessed}}
    shown = {"short": {"value": examples.request}, "every choice": {"value": examples.with_choices}}
    refused = (*TAKES_BODY, "invalid-request", "not-scorable", "not-ready")
    return {
        **_operation(
            "score", "Score patients with the model of a cancer type and endpoint", "scores", answers, refused
        ),
        "description": "Results come in the order of the profiles. A fault of one profile among many gives its "
        "result an `error` and no figures; only if all fail the request fails. With `Accept: application/fhir+json` "
        "the answer is a FHIR R4 RiskAssessment, or a Bundle of them (and of an OperationOutcome for each profile "
        "that has no figures) where the request has several profiles.",
        "requestBody": {"required": True, "content": {_JSON: {"schema": _reference(ScoreRequest), "examples": shown}}},
    }


def _score_file(examples: Examples) -> dict[str, Any]:
    refused = (*TAKES_BODY, "invalid-request", "not-scorable", "not-ready")
    lines = {**_TEXT, "contentMediaType": LINES, "contentSchema": {"$ref": "#/components/schemas/FileLine"}}
    table = {**_TEXT, "contentMediaType": CSV}
    answers = {LINES: {"schema": lines}, CSV: {"schema": table}}
    bodies: dict[str, Any] = {
        name: {"schema": _BINARY} for name in (_ANY_BYTES, *MEDIA_TYPES) if not name.startswith("text/")
    }
    bodies |= {CSV: {"schema": _TEXT, "example": examples.table(",")}}
    bodies |= {"text/tab-separated-values": {"schema": _TEXT, "example": examples.table("\t")}}
    return {
        **_operation("scoreFile", "Score a file of patients", "scores", answers, refused),
        "description": "One row a patient: `id`, genes under any of their names, and the clinical covariates; CSV and "
        "TSV may be gzipped. The answer is streamed, with `Accept: text/csv` as a table, else as lines of JSON: the "
        "model, a line for each patient in order, and a summary. An answer without its summary was broken off. Sent "
        "as application/octet-stream, the file needs `format` in the address.",
        "parameters": _file_parameters(examples),
        "requestBody": {"required": True, "content": bodies},
    }


def _file_parameters(examples: Examples) -> list[dict[str, Any]]:
    schema = FileQuery.model_json_schema()
    shown = {
        "cancer_type": examples.cancer_type,
        "endpoint": examples.endpoint,
        "scale": examples.scale,
        "horizons_months": ",".join(f"{months:g}" for months in examples.horizons_months),
        "reference": examples.reference,
        "format": None,
    }
    return [
        {
            **_parameter(name, "query", _sent(about), about.get("description", ""), shown.get(name)),
            "required": name in schema["required"],
        }
        for name, about in schema["properties"].items()
    ]


def _sent(about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of what an address can hold: that has no null."""
    own: Mapping[str, Any] = next((each for each in about.get("anyOf", ()) if each.get("type") != "null"), {})
    kept = {key: value for key, value in about.items() if key not in ("anyOf", "description", "examples", "title")}
    return {**own, **{key: value for key, value in kept.items() if key != "default" or value is not None}}


def _cohort_parameters(examples: Examples) -> list[dict[str, Any]]:
    known = {**_TEXT, "enum": list(ENDPOINTS), "default": "OS"}
    return [
        _parameter("cancer_type", "path", {**_TEXT, "minLength": 1}, "See `/cancer-types`.", examples.cancer_type),
        {**_parameter("endpoint", "query", known, "What is counted as event.", examples.endpoint), "required": False},
        {
            **_parameter("reference", "query", {**_TEXT, "minLength": 1}, ASKED_FOR, examples.reference),
            "required": False,
        },
    ]


def _parameter(name: str, place: str, schema: Mapping[str, Any], about: str, example: str | None) -> dict[str, Any]:
    shown = {} if example is None else {"example": example}
    return {"name": name, "in": place, "required": True, "description": about, "schema": dict(schema), **shown}


def _get(
    name: str, summary: str, answer: type[BaseModel], tag: str, parameters: Iterable[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    refused = _OF_COHORT if parameters else ("invalid-request",)
    asked = {"parameters": list(parameters)} if parameters else {}
    return {"get": {**_operation(name, summary, tag, _json(answer), refused), **asked}}


def _operation(
    name: str, summary: str, tag: str, content: Mapping[str, Any], refused: Iterable[str] = ()
) -> dict[str, Any]:
    responses = {"200": answered(content), **failures(refused)}
    return {"operationId": name, "summary": summary, "tags": [tag], "responses": responses}


def _written(name: str, summary: str, tag: str, media_type: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return _operation(name, summary, tag, {media_type: {"schema": dict(schema)}})


def _json(answer: type[BaseModel]) -> dict[str, Any]:
    return {_JSON: {"schema": _reference(answer)}}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}
