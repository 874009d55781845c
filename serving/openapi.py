"""The description of the whole interface as OpenAPI 3.1, made from the schemas."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from features.cohort import ENDPOINTS
from serving import problems
from serving.cohort_schemas import Comparison, ExampleRequest, GeneCurves
from serving.problems import KINDS, Problem
from serving.schemas import (
    RESEARCH_USE_ONLY,
    CancerTypes,
    HazardRatios,
    Health,
    Models,
    ScoreRequest,
    ScoreResponse,
)

_ANSWERS: tuple[type[BaseModel], ...] = (
    CancerTypes,
    Comparison,
    ExampleRequest,
    GeneCurves,
    HazardRatios,
    Health,
    Models,
    ScoreResponse,
    Problem,
)
_JSON = "application/json"
_GENE = {
    "name": "gene",
    "in": "query",
    "required": True,
    "description": "A symbol among the `curve_genes` of `/comparison`.",
    "schema": {"type": "string"},
    "example": "CD44",
}


@cache
def openapi_document() -> bytes:
    """Return the document as JSON."""
    return json.dumps(_document(), ensure_ascii=False).encode()


def _document() -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "CTC prognosis",
            "version": version("ctc-prognosis"),
            "description": "Survival of cancer patients from the expression of the genes behind clusters of "
            f"circulating tumour cells (Rozenberg et al. 2023). {RESEARCH_USE_ONLY}",
        },
        "servers": [{"url": "."}],
        "paths": _paths(),
        "components": {"schemas": _schemas()},
    }


def _schemas() -> dict[str, Any]:
    wanted = [(ScoreRequest, "validation"), *((model, "serialization") for model in _ANSWERS)]
    _, document = models_json_schema(wanted, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    return dict(document["$defs"])


def _paths() -> dict[str, Any]:
    return {
        "/score": {"post": _score()},
        "/cancer-types": {"get": _operation("cancerTypes", "List what can be asked for", CancerTypes)},
        "/models": {"get": _operation("models", "List the models that answer", Models)},
        "/hazard-ratios/{cancer_type}": {
            "get": _of_model("hazardRatios", "Return the univariate hazard ratios of every panel gene", HazardRatios)
        },
        "/kaplan-meier/{cancer_type}": {
            "get": _of_model(
                "geneCurves", "Return the cohort's survival by the median split of a gene", GeneCurves, _GENE
            )
        },
        "/comparison/{cancer_type}": {
            "get": _of_model("comparison", "Return the figures of every learner judged beside the model", Comparison)
        },
        "/example/{cancer_type}": {
            "get": _of_model("example", "Return a request to score a patient who never was", ExampleRequest)
        },
        "/livez": {"get": _plain("live", "Tell whether the process lives", "text/plain")},
        "/readyz": {"get": _operation("ready", "Tell whether a model is loaded", Health, failures=("not-ready",))},
        "/metrics": {"get": _plain("metrics", "Return counts and times for Prometheus", "text/plain")},
        "/docs.json": {"get": _plain("documentation", "Return this document", _JSON)},
    }


def _score() -> dict[str, Any]:
    failures = (
        "malformed-request",
        "body-too-large",
        "unsupported-media-type",
        "not-scorable",
        "not-ready",
        "timeout",
    )
    return {
        **_operation("score", "Score patients with the model of a cancer type and endpoint", ScoreResponse, failures),
        "description": "Results come in the order of the profiles. A fault of one profile among many gives its "
        "result an `error` and no figures; only if all fail the request fails.",
        "requestBody": {"required": True, "content": {_JSON: {"schema": _reference(ScoreRequest)}}},
    }


def _of_model(operation_id: str, summary: str, answer: type[BaseModel], *queries: dict[str, Any]) -> dict[str, Any]:
    name = {"name": "cancer_type", "in": "path", "required": True, "schema": {"type": "string"}, "example": "KIRC"}
    known = {"type": "string", "enum": list(ENDPOINTS), "default": "OS"}
    endpoint = {"name": "endpoint", "in": "query", "required": False, "schema": known}
    failures = ("no-such-model", "invalid-request", "not-ready")
    return {**_operation(operation_id, summary, answer, failures), "parameters": [name, endpoint, *queries]}


def _operation(name: str, summary: str, answer: type[BaseModel], failures: Sequence[str] = ()) -> dict[str, Any]:
    answered = {"description": "Answered.", "content": {_JSON: {"schema": _reference(answer)}}}
    refused = {str(KINDS[kind][0]): _failure(kind) for kind in (*failures, "internal-error")}
    return {"operationId": name, "summary": summary, "responses": {"200": answered, **refused}}


def _plain(name: str, summary: str, media_type: str) -> dict[str, Any]:
    answered = {"description": "Answered.", "content": {media_type: {}}}
    return {"operationId": name, "summary": summary, "responses": {"200": answered}}


def _failure(kind: str) -> dict[str, Any]:
    return {"description": f"{KINDS[kind][1]}.", "content": {problems.MEDIA_TYPE: {"schema": _reference(Problem)}}}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}
