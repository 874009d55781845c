"""The edge of the service: routes, measures, and gives every error its one shape."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from features.errors import PrognosisError
from serving import meters
from serving.problems import Problem, ProblemError, problem_response
from serving.routes import Desk, router

_LOG = logging.getLogger("bentoml.prognosis")
#: BentoML's own routes that are let through; the rest of it (its page, its assets) is not offered.
BENTOML_PATHS = frozenset({"/livez", "/healthz", "/schema.json"})
_BAD_REQUEST = 400


class Edge:
    """Answers every request before BentoML's own routes do.

    Parameters
    ----------
    app : ASGI application
        BentoML's.
    desk : callable
        Returns the service, once it has started.
    timeout_seconds : float
        After which a request is given up.

    Notes
    -----
    BentoML's stack answers errors in three shapes, logs what failed to validate, and costs as much again as the
    scoring; an exception that leaves a middleware would leave the client waiting.
    """

    def __init__(self, app: ASGIApp, *, desk: Callable[[], Desk], timeout_seconds: float) -> None:
        self._bentoml = app
        self._routes = router(desk)
        self._timeout_seconds = timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._bentoml(scope, receive, send)
            return
        started = time.perf_counter()
        reply = _Reply(send)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._answer(scope, receive, reply)
        except ClientDisconnect:
            # Whoever asked is gone: there is nobody to answer.
            pass
        except Exception as error:
            await reply.fail(scope, receive, error)
        _measure(scope, reply, time.perf_counter() - started)

    async def _answer(self, scope: Scope, receive: Receive, reply: _Reply) -> None:
        if scope["path"] in BENTOML_PATHS:
            await self._bentoml(scope, receive, reply.converting)
            reply.raise_held_back()
        else:
            await self._routes(scope, receive, reply)


class _Reply:
    """Sends the answer, and knows how far it got."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._held_back: HTTPException | None = None
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), (b"x-content-type-options", b"nosniff")]
        await self._send(message)

    async def converting(self, message: Message) -> None:
        """Send a message of BentoML's, unless it belongs to an error in a shape of its own."""
        if message["type"] == "http.response.start" and message["status"] >= _BAD_REQUEST:
            self._held_back = HTTPException(message["status"], headers=_kept_headers(message))
        if self._held_back is None:
            await self(message)

    def raise_held_back(self) -> None:
        """Raise the error that `converting` kept from being sent."""
        if self._held_back is not None:
            raise self._held_back

    async def fail(self, scope: Scope, receive: Receive, error: Exception) -> None:
        """Answer with the problem that the error is, if nothing was sent yet."""
        problem, headers = _problem_of(error, scope)
        if self.status is None:
            await problem_response(problem, headers)(scope, receive, self)


def _kept_headers(message: Message) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in message.get("headers", ()) if name.lower() == b"allow"}


def _problem_of(error: Exception, scope: Scope) -> tuple[Problem, dict[str, str]]:
    match error:
        case ProblemError():
            return error.problem, {}
        case PrognosisError():
            return Problem.of("not-scorable", str(error)), {}
        case HTTPException():
            return _problem_of_status(error, scope), dict(error.headers or {})
        case TimeoutError():
            return Problem.of("timeout", "the request was given up; send fewer profiles at once."), {}
    _log_without_values(error)
    return Problem.of("internal-error", "the service failed on this request; its log says where."), {}


def _problem_of_status(error: HTTPException, scope: Scope) -> Problem:
    match error.status_code:
        case 404:
            return Problem.of("not-found", "nothing is offered here; `/docs.json` describes what is.")
        case 405:
            allowed = (error.headers or {}).get("Allow") or (error.headers or {}).get("allow", "another method")
            return Problem.of("method-not-allowed", f"{scope['method'][:20]} is not answered here; use {allowed}.")
    return Problem.of_status(error.status_code, "the service cannot answer this request.")


def _log_without_values(error: Exception) -> None:
    # The message of an unforeseen error may hold a patient's value: where it happened must do.
    where = "".join(traceback.format_tb(error.__traceback__))
    _LOG.error("a request failed with %s\n%s", type(error).__name__, where)


def _measure(scope: Scope, reply: _Reply, seconds: float) -> None:
    # The path of a stranger's request may be anything, and every label lives for ever.
    route = scope.get("route")
    path = getattr(route, "path", None) or (scope["path"] if scope["path"] in BENTOML_PATHS else "unknown")
    meters.REQUESTS.labels(path, str(reply.status)).inc()
    meters.SECONDS.labels(path).observe(seconds)
