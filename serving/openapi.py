"""The description of the whole interface as OpenAPI 3.1, made from the schemas and the models that are served."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from serving.champions import Snapshot
from serving.cohort_schemas import Comparison, ExampleRequest, GeneCurves
from serving.fhir_schemas import Bundle, RiskAssessment
from serving.file_schemas import FileLine
from serving.openapi_answers import shared_responses
from serving.openapi_examples import Examples, examples_of
from serving.openapi_paths import paths
from serving.problems import Problem
from serving.schemas import (
    RESEARCH_USE_ONLY,
    CancerTypes,
    HazardRatios,
    Health,
    Models,
    ScoreRequest,
    ScoreResponse,
)

_ANSWERS = (
    Bundle,
    CancerTypes,
    Comparison,
    ExampleRequest,
    GeneCurves,
    HazardRatios,
    Health,
    Models,
    Problem,
    RiskAssessment,
    ScoreResponse,
)
_ABOUT = f"""Survival of cancer patients from the expression of the genes behind clusters of circulating tumour cells
(Rozenberg et al. 2023, doi:10.3389/fimmu.2023.1099921). **{RESEARCH_USE_ONLY}**

**Conventions.** Times are months from diagnosis; survival is a probability from 0 to 1; linear predictors are log
relative hazards (natural logarithm) and percentiles run from 0 to 100, both higher for the worse; a hazard ratio is
that of high against low expression, above 1 for the worse. Intervals are 95 %. A figure that could not be estimated is
null, never NaN.

**Errors** have one shape, problem details after RFC 9457, whatever the status: an address that is not offered (404), a
method that is not answered (405, with `Allow`) and a request that is no HTTP (400) too. A 422 is of one of two kinds,
told apart by `type`. `invalid-request`: a field is missing, unknown or impossible, and no model would take it.
`not-scorable`: the request is sound, but this model cannot answer it (no such model, a scale without conversion, a
horizon past the follow-up, values that contradict the scale, too many genes missing); `detail` says what to change.

**Methods.** Whatever answers GET answers HEAD with the same headers and no body. A parameter of the address that is
not described is refused where it could be meant to change the answer.

**Tokens.** A service that other machines reach asks for a token, as bearer or as the password of HTTP Basic; one that
only its own machine reaches may run without, and then answers neither proxies nor pages from elsewhere. Every answer
bears `X-Request-Id`: the one that was sent, if it is up to 64 letters, digits, dots, `_` or `-`, else a new one; the
service's log has it too."""
_TAGS = {
    "scores": "Patients in, survival out.",
    "models": "What answers, and how good it is.",
    "cohorts": "What is known of a model's reference cohort.",
    "running": "Whether the service is well.",
    "pages": "For people with a browser.",
}


def openapi_document(snapshot: Snapshot) -> bytes:
    """Return the document as JSON; its examples are answered by the models that are served."""
    return json.dumps(_document(examples_of(snapshot)), ensure_ascii=False).encode()


def _document(examples: Examples) -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {"title": "CTC prognosis", "version": _version(), "description": _ABOUT},
        "servers": [{"url": ".", "description": "Where this document was fetched."}],
        "tags": [{"name": name, "description": about} for name, about in _TAGS.items()],
        "security": [{"bearer": []}, {"basic": []}, {}],
        "paths": paths(examples),
        "components": {
            "schemas": _schemas(),
            "responses": shared_responses(),
            "securitySchemes": _security_schemes(),
        },
    }


@cache
def _version() -> str:
    try:
        return version("ctc-prognosis")
    except PackageNotFoundError:
        # A bento holds the code and its pyproject.toml, and installs neither.
        project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
        return str(project["project"]["version"])


def _security_schemes() -> dict[str, Any]:
    return {
        "bearer": {"type": "http", "scheme": "bearer", "description": "A token of `prognosis token new NAME`."},
        "basic": {"type": "http", "scheme": "basic", "description": "Any user name; the token is the password."},
    }


@cache
def _schemas() -> dict[str, Any]:
    template = "#/components/schemas/{model}"
    wanted = [(ScoreRequest, "validation"), *((model, "serialization") for model in _ANSWERS)]
    _, document = models_json_schema(wanted, ref_template=template)  # type: ignore[arg-type]
    line = TypeAdapter(FileLine).json_schema(ref_template=template, mode="serialization")
    lines = line.pop("$defs")
    return {**lines, **document["$defs"], "FileLine": {**line, "description": "One line of an answer about a file."}}
