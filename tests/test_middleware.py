"""The edge: whatever happens behind it, the answer has one shape and the log no value."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from features.errors import CohortError
from serving.champions import Snapshot
from serving.middleware import Edge
from serving.settings import Settings

OPEN = Settings(home=Path(), tracking_uri="", cohorts=Path(), timeout_seconds=0.2, body_limit_bytes=100)
SECRET = "7.318293847"


class Desk:
    """A service with no model."""

    snapshot = Snapshot()
    body_limit_bytes = 100

    def __init__(self) -> None:
        self.threads = anyio.CapacityLimiter(1)


async def unforeseen(_: Request) -> Response:
    raise KeyError(SECRET)


async def foreseen(_: Request) -> Response:
    raise CohortError("no patient is left; send more.")


async def slow(_: Request) -> Response:
    await asyncio.sleep(60)
    return Response()


async def own_shape(_: Request) -> Response:
    return JSONResponse([{"error": SECRET}], status_code=400)


async def teapot(_: Request) -> Response:
    raise HTTPException(418)


def answer(
    endpoint: Callable[[Request], object],
    method: str = "GET",
    *,
    installation: Settings = OPEN,
    log: list[bytes] | None = None,
    base: str = "http://edge",
    **asked: Any,
) -> httpx.Response:
    """Ask for an address of BentoML's that behaves as the endpoint does."""
    behind = Starlette(routes=[Route("/livez", endpoint, methods=["GET", "POST"])])
    edge = Edge(behind, desk=Desk, installation=installation, write=(log if log is not None else []).append)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(edge), base_url=base) as http:
            return await http.request(method, "/livez", **asked)

    return asyncio.run(ask())


def test_an_unforeseen_error_is_a_500_and_the_log_says_where_but_not_what(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.ERROR):
        response = answer(unforeseen)
    assert (response.status_code, response.json()["status"]) == (500, 500)
    assert SECRET not in response.text + caplog.text
    assert "KeyError" in caplog.text
    assert "in unforeseen" in caplog.text


def test_an_error_of_the_users_is_a_422_with_its_sentence():
    response = answer(foreseen)
    assert (response.status_code, response.json()["detail"]) == (422, "no patient is left; send more.")


def test_a_request_that_takes_too_long_is_given_up():
    assert answer(slow).json()["type"].endswith(":timeout")


def test_an_error_in_another_shape_is_converted_and_its_body_dropped():
    response = answer(own_shape)
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.json()["status"], SECRET in response.text) == (400, False)


def test_plain_text_of_the_framework_is_converted_and_the_allowed_methods_kept():
    response = answer(own_shape, method="DELETE")
    assert response.json()["type"].endswith(":method-not-allowed")
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}


def test_a_status_that_nobody_thought_of_is_a_problem_too():
    response = answer(teapot)
    assert (response.status_code, response.json()["title"]) == (418, "I'm a Teapot")
