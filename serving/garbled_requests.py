"""What the server refuses before any application sees it, in our shape: no HTTP at all, and WebSockets."""

from __future__ import annotations

import secrets

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serving.problems import Problem, problem_response
from serving.security_headers import secured

_GARBLED = "this is no HTTP request; correct its first line, its headers or its chunks."
_WEBSOCKET = "no WebSocket is spoken here; send plain HTTP requests."


def answer_garbled_requests_in_our_shape() -> None:
    """Let uvicorn answer what it cannot parse, or would hand to its WebSocket protocol, with a problem."""
    HttpToolsProtocol.send_400_response = _refuse_garbled  # type: ignore[method-assign]
    HttpToolsProtocol.handle_websocket_upgrade = _refuse_websocket  # type: ignore[method-assign]


def malformed_answer(detail: str) -> bytes:
    """Return the whole answer to a request that is malformed, as it goes over the wire."""
    problem = Problem.of("malformed-request", detail)
    response = problem_response(problem, [("Connection", "close")])
    headers = secured(response.raw_headers, request_id=secrets.token_hex(8))
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    return STATUS_LINE[problem.status] + lines + b"\r\n" + bytes(response.body)


def _refuse_garbled(self: HttpToolsProtocol, msg: str) -> None:  # noqa: ARG001
    self.transport.write(malformed_answer(_GARBLED))
    self.transport.close()


def _refuse_websocket(self: HttpToolsProtocol) -> None:
    self.transport.write(malformed_answer(_WEBSOCKET))
    self.transport.close()
