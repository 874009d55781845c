"""The edge of the service: guards, routes, measures, and gives every error its one shape."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from features.errors import PrognosisError
from serving import meters
from serving.desk import Desk
from serving.guard import Guard, RequestHead, read_head
from serving.problems import Headers, Problem, ProblemError, problem_response
from serving.request_log import RequestNotes, Write, begin, places, request_log
from serving.routes import router
from serving.security_headers import secured
from serving.settings import Settings

_LOG = logging.getLogger("bentoml.prognosis")
#: BentoML's own routes that are let through; the rest of it (its page, its assets) is not offered.
BENTOML_PATHS = frozenset({"/livez", "/healthz", "/schema.json"})
_BAD_REQUEST = 400
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
#: More digits are no number of bytes that anybody has.
_MOST_DIGITS = 15


class Edge:
    """Answers every request before BentoML's own routes do.

    Parameters
    ----------
    app : ASGI application
        BentoML's.
    desk : callable
        Returns the service, once it has started.
    installation : Settings
    write : callable or None
        Takes the lines of the request log; standard output unless given.

    Notes
    -----
    BentoML's stack answers errors in three shapes, logs what failed to validate, and costs as much again as the
    scoring; an exception that leaves a middleware would leave the client waiting.
    """

    def __init__(
        self, app: ASGIApp, *, desk: Callable[[], Desk], installation: Settings, write: Write | None = None
    ) -> None:
        self._bentoml = app
        self._routes = router(desk)
        self._plain_paths = BENTOML_PATHS | {
            route.path for route in self._routes.routes if isinstance(route, Route) and "{" not in route.path
        }
        self._guard = Guard(installation)
        self._log = request_log(installation.log, write)
        self._timeout_seconds = installation.timeout_seconds
        self._body_limit = installation.body_limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":
            # `serving.garbled_requests` answers before; another server than uvicorn's may come here.
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._bentoml(scope, receive, send)
            return
        started = time.perf_counter()
        head = read_head(scope)
        notes = begin(head.request_id)
        await self._exchange(scope, receive, send, head=head, notes=notes)
        self._guard.charge(notes.token, notes.profiles)
        self._measure(scope, notes, time.perf_counter() - started)

    async def _exchange(
        self, scope: Scope, receive: Receive, send: Send, *, head: RequestHead, notes: RequestNotes
    ) -> None:
        limit = asyncio.timeout(self._timeout_seconds)
        exchange = _Exchange(receive, send, notes=notes, body_limit=self._body_limit, extend=self._extension(limit))
        try:
            notes.token = self._guard.admit(scope, head)
            _require_short_body(head, self._body_limit)
            async with limit:
                await self._answer(scope, exchange)
        except ClientDisconnect:
            # Whoever asked is gone: there is nobody to answer.
            pass
        except Exception as error:
            await exchange.fail(scope, self._given_up(exchange) if limit.expired() else error)

    async def _answer(self, scope: Scope, exchange: _Exchange) -> None:
        if scope["path"] in BENTOML_PATHS:
            await self._bentoml(scope, exchange.receive, exchange.send_converted)
            exchange.raise_held_back()
        else:
            await self._routes(scope, exchange.receive, exchange.send)

    def _extension(self, limit: asyncio.Timeout) -> Callable[[], None]:
        # An answer that is streamed may take as long as it likes, if each piece of it is taken in time.
        def extend() -> None:
            limit.reschedule(asyncio.get_running_loop().time() + self._timeout_seconds)

        return extend

    def _given_up(self, exchange: _Exchange) -> ProblemError:
        seconds = f"{self._timeout_seconds:g} s"
        if exchange.waits_for_body:
            detail = f"the body of the request did not arrive within {seconds}; send it faster, or send less at once."
            return ProblemError("upload-timeout", detail, headers=[("Connection", "close")])
        return ProblemError("timeout", f"no answer within {seconds}; send fewer profiles at once.")

    def _measure(self, scope: Scope, notes: RequestNotes, seconds: float) -> None:
        # The path of a stranger's request may be anything, and every label lives for ever.
        known = getattr(scope.get("route"), "path", None)
        notes.route = known or (scope["path"] if scope["path"] in self._plain_paths else "unknown")
        notes.method = scope["method"] if scope["method"] in _METHODS else "other"
        notes.seconds = seconds
        meters.count_request(notes.route, str(notes.status or "gone"), seconds)
        if notes.problem is not None:
            meters.PROBLEMS.labels(notes.route, notes.problem).inc()
        self._log(notes)


class _Exchange:
    """Passes on the pieces of a request and of its answer, and knows how far both got."""

    def __init__(
        self, receive: Receive, send: Send, *, notes: RequestNotes, body_limit: int, extend: Callable[[], None]
    ) -> None:
        self._receive = receive
        self._send = send
        self._notes = notes
        self._body_limit = body_limit
        self._extend = extend
        self._held_back: HTTPException | None = None
        self._receiving = False

    @property
    def waits_for_body(self) -> bool:
        """Whether the request has not arrived yet; who receives once the answer began waits for a farewell."""
        return self._receiving and self._notes.status is None

    async def receive(self) -> Message:
        """Receive a piece of the body, unless it has become too large."""
        self._receiving = True
        message = await self._receive()
        self._receiving = False
        if message["type"] == "http.request":
            self._notes.bytes_in += len(message.get("body", b""))
            if self._notes.bytes_in > self._body_limit:
                raise _too_large(self._body_limit)
        return message

    async def send(self, message: Message) -> None:
        """Send a piece of the answer; its head with the headers that every answer carries."""
        if message["type"] == "http.response.start":
            self._notes.status = message["status"]
            message["headers"] = secured(message.get("headers", ()), request_id=self._notes.request_id)
        await self._send(message)
        if message.get("more_body"):
            self._extend()

    async def send_converted(self, message: Message) -> None:
        """Send a message of BentoML's, unless it belongs to an error in a shape of its own."""
        if message["type"] == "http.response.start" and message["status"] >= _BAD_REQUEST:
            self._held_back = HTTPException(message["status"], headers=_kept_headers(message))
        if self._held_back is None:
            await self.send(message)

    def raise_held_back(self) -> None:
        """Raise the error that `send_converted` kept from being sent."""
        if self._held_back is not None:
            raise self._held_back

    async def fail(self, scope: Scope, error: Exception) -> None:
        """Answer with the problem that the error is, if nothing was sent yet."""
        problem, headers = _problem_of(error, scope)
        self._notes.problem = problem.kind
        if self._notes.status is None:
            await problem_response(problem, headers)(scope, self._receive, self.send)


def _require_short_body(head: RequestHead, limit: int) -> None:
    announced = head.content_length
    if announced.isdigit() and (len(announced) > _MOST_DIGITS or int(announced) > limit):
        raise _too_large(limit)


def _too_large(limit: int) -> ProblemError:
    detail = f"a request may have {limit} bytes at most; send fewer profiles, or only the genes of the panel."
    return ProblemError("body-too-large", detail)


def _kept_headers(message: Message) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in message.get("headers", ()) if name.lower() == b"allow"}


def _problem_of(error: Exception, scope: Scope) -> tuple[Problem, Headers]:
    match error:
        case ProblemError():
            return error.problem, error.headers
        case PrognosisError():
            return Problem.of("not-scorable", str(error)), ()
        case HTTPException():
            return _problem_of_status(error, scope), tuple((error.headers or {}).items())
    # The message of an unforeseen error may hold a patient's value: where it happened must do.
    _LOG.error("a request failed: %s", places(error))
    return Problem.of("internal-error", "the service failed on this request; its log says where."), ()


def _problem_of_status(error: HTTPException, scope: Scope) -> Problem:
    match error.status_code:
        case 404:
            return Problem.of("not-found", "nothing is offered here; `/docs.json` describes what is.")
        case 405:
            allowed = (error.headers or {}).get("Allow") or (error.headers or {}).get("allow", "another method")
            return Problem.of("method-not-allowed", f"{scope['method'][:20]} is not answered here; use {allowed}.")
    return Problem.of_status(error.status_code, "the service cannot answer this request.")
