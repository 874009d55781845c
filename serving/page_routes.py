"""The addresses of the page at ``/ui``, and of what it asks for beside scores."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from features.cohort import ENDPOINTS
from serving.champions import ServedModel, Snapshot
from serving.cohort_answers import comparison, example, gene_curves
from serving.desk import Desk
from serving.pages import INDEX, page_response, to_the_page
from serving.problems import ProblemError
from serving.settings import settings


def served_model(snapshot: Snapshot, request: Request) -> ServedModel:
    """Return the model that an address and its query ask for.

    Raises
    ------
    ProblemError
        If there is no such endpoint, no such model, or no such reference of it.
    """
    endpoint = request.query_params.get("endpoint", "OS")
    if endpoint not in ENDPOINTS:
        detail = f"endpoint must be one of {', '.join(ENDPOINTS)}."
        raise ProblemError("invalid-request", detail, field="endpoint")
    served = snapshot.find(request.path_params["cancer_type"], endpoint, kind="no-such-model")
    return served.on_reference(request.query_params.get("reference"), kind="no-such-model")


async def _page(_: Desk, request: Request) -> Response:
    return page_response(request, request.path_params.get("name", INDEX))


async def _to_the_page(_: Desk, __: Request) -> Response:
    return to_the_page()


async def _example(desk: Desk, request: Request) -> Response:
    return _json(example(served_model(desk.snapshot, request)))


async def _comparison(desk: Desk, request: Request) -> Response:
    return _json(comparison(served_model(desk.snapshot, request), settings().mlflow_ui))


async def _gene_curves(desk: Desk, request: Request) -> Response:
    gene = request.query_params.get("gene", "")
    if not gene:
        raise ProblemError("invalid-request", "gene is missing; name one of the panel's.", field="gene")
    return _json(gene_curves(served_model(desk.snapshot, request), gene))


def _json(content: BaseModel) -> Response:
    return Response(content.model_dump_json(), media_type="application/json")


PAGE_HANDLERS: Mapping[str, Callable[[Desk, Request], Awaitable[Response]]] = {
    "/ui": _page,
    "/ui/": _to_the_page,
    "/ui/{name}": _page,
    "/example/{cancer_type}": _example,
    "/comparison/{cancer_type}": _comparison,
    "/kaplan-meier/{cancer_type}": _gene_curves,
}
