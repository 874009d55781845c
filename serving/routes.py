"""What is answered at which address."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping, Set

import anyio.to_thread
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from serving import answers, meters
from serving.champions import Snapshot
from serving.desk import Desk
from serving.fhir import prefers_fhir
from serving.fhir_schemas import MEDIA_TYPE as FHIR
from serving.file_routes import FileQuery, score_file_route
from serving.openapi import openapi_document
from serving.page import index_page
from serving.page_routes import PAGE_HANDLERS, served_model
from serving.parsing import parse_request
from serving.problems import ProblemError
from serving.queries import require_known
from serving.score_answers import fhir_score_answer, score_answer
from serving.security_headers import PAGE_POLICY

#: A larger body is read and scored in a thread, so that other requests are answered meanwhile.
INLINE_BYTES = 2**16

Handler = Callable[[Request], Awaitable[Response]]

_OF_MODEL = frozenset({"endpoint", "reference"})
#: What may stand in the query, where it could be meant to change the answer; elsewhere it is passed over.
_QUERIES: Mapping[str, Set[str]] = {
    "/score": frozenset(),
    "/score/file": frozenset(FileQuery.model_fields),
    "/cancer-types": frozenset(),
    "/models": frozenset(),
    "/hazard-ratios/{cancer_type}": _OF_MODEL,
    "/kaplan-meier/{cancer_type}": _OF_MODEL | {"gene"},
    "/comparison/{cancer_type}": _OF_MODEL,
    "/example/{cancer_type}": _OF_MODEL,
}


def router(desk: Callable[[], Desk]) -> Router:
    """Return the routes of the service that `desk` returns once it has started."""
    handlers: dict[str, Callable[[Desk, Request], Awaitable[Response]]] = {
        "/cancer-types": _cancer_types,
        "/models": _models,
        "/hazard-ratios/{cancer_type}": _hazard_ratios,
        "/readyz": _readyz,
        "/metrics": _metrics,
        "/docs.json": _docs,
        "/": _index,
        **PAGE_HANDLERS,
    }
    posts = {"/score": _score, "/score/file": score_file_route}
    routes = [Route(path, _bound(handler, desk, path), methods=["POST"]) for path, handler in posts.items()]
    routes += [Route(path, _bound(handler, desk, path), methods=["GET"]) for path, handler in handlers.items()]
    return Router(routes, redirect_slashes=False)


def _bound(handler: Callable[[Desk, Request], Awaitable[Response]], desk: Callable[[], Desk], path: str) -> Handler:
    known = _QUERIES.get(path)

    async def bound(request: Request) -> Response:
        if known is not None:
            require_known(request, known)
        return await handler(desk(), request)

    return bound


async def _score(desk: Desk, request: Request) -> Response:
    _require_json(request)
    body = await request.body()
    fhir = prefers_fhir(request.headers.get("accept", ""))
    answer = functools.partial(fhir_body if fhir else score_body, desk.snapshot, body)
    media_type = FHIR if fhir else "application/json"
    if len(body) <= INLINE_BYTES:
        return _json(answer(), media_type)
    answered = await anyio.to_thread.run_sync(answer, limiter=desk.threads, abandon_on_cancel=True)
    return _json(answered, media_type)


def score_body(snapshot: Snapshot, body: bytes) -> bytes:
    """Answer the body of a request for scores with the body of its response."""
    return score_answer(snapshot, parse_request(body))


def fhir_body(snapshot: Snapshot, body: bytes) -> bytes:
    """Answer the same with FHIR resources."""
    return fhir_score_answer(snapshot, parse_request(body))


def _require_json(request: Request) -> None:
    # Stated, not assumed: what states nothing, or plain text, any page on the web may have sent.
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        detail = f"send the request as Content-Type application/json, not {media_type[:80] or 'without one'}."
        raise ProblemError("unsupported-media-type", detail, field="Content-Type")
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        detail = f"send the body as it is, without Content-Encoding {encoding[:80]}."
        raise ProblemError("unsupported-media-type", detail, field="Content-Encoding")


async def _cancer_types(desk: Desk, _: Request) -> Response:
    return _json(answers.cancer_types(desk.snapshot))


async def _models(desk: Desk, _: Request) -> Response:
    return _json(answers.models(desk.snapshot))


async def _hazard_ratios(desk: Desk, request: Request) -> Response:
    return _json(answers.hazard_ratios(served_model(desk.snapshot, request)))


async def _readyz(desk: Desk, _: Request) -> Response:
    snapshot = desk.snapshot
    if not snapshot.models:
        raise ProblemError("not-ready", _why_not_ready(snapshot))
    return _json(answers.health(snapshot))


def _why_not_ready(snapshot: Snapshot) -> str:
    words = [f"no model is loaded: {snapshot.away}"] if snapshot.away else []
    if snapshot.answered_at and snapshot.away:
        words.append(f"It last answered at {snapshot.answered_at:%Y-%m-%dT%H:%M:%SZ}.")
    if snapshot.refused:
        named = ", ".join(f"{name} version {each.registered.version}" for name, each in snapshot.refused.items())
        words.append(f"Refused, with none before it that could be served: {named}; `/models` says why.")
    elif not snapshot.away:
        words.append("no model is loaded: no model bears an alias.")
    return " ".join(words)


async def _metrics(desk: Desk, _: Request) -> Response:
    meters.MODELS.set(len(desk.snapshot.models))
    return Response(meters.exposition(), media_type=meters.CONTENT_TYPE)


async def _docs(desk: Desk, _: Request) -> Response:
    return _json(openapi_document(desk.snapshot))


async def _index(desk: Desk, _: Request) -> Response:
    page = index_page(desk.snapshot)
    return Response(page, media_type="text/html", headers={"Content-Security-Policy": PAGE_POLICY})


def _json(content: BaseModel | bytes, media_type: str = "application/json") -> Response:
    body = content if isinstance(content, bytes) else content.model_dump_json().encode()
    # An answer is a patient's, or will be another when an alias moves: no cache keeps it.
    return Response(body, media_type=media_type, headers={"Cache-Control": "no-store"})
