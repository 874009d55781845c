"""Requests that are no HTTP: the server refuses them before any application sees them, here in our shape."""

from __future__ import annotations

import secrets

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serving.problems import Problem, problem_response
from serving.security_headers import secured


def answer_garbled_requests_in_our_shape() -> None:
    """Let uvicorn answer what it cannot parse with a problem instead of a line of text."""
    HttpToolsProtocol.send_400_response = _send_problem  # type: ignore[method-assign]


def garbled_answer() -> bytes:
    """Return the whole answer to a request that is no HTTP, as it goes over the wire."""
    problem = Problem.of("malformed-request", "this is no HTTP request; correct its first line and its headers.")
    response = problem_response(problem, [("Connection", "close")])
    headers = secured(response.raw_headers, request_id=secrets.token_hex(8))
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    return STATUS_LINE[problem.status] + lines + b"\r\n" + bytes(response.body)


def _send_problem(self: HttpToolsProtocol, msg: str) -> None:  # noqa: ARG001
    self.transport.write(garbled_answer())
    self.transport.close()
