"""The edge: whatever happens behind it, the answer has one shape and the log no value."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from features.errors import CohortError
from serving.champions import Snapshot
from serving.middleware import Edge
from serving.problems import KINDS
from serving.request_log import note
from serving.settings import Settings
from serving.tokens import add_token

OPEN = Settings(home=Path(), tracking_uri="", cohorts=Path(), timeout_seconds=0.2, body_limit_bytes=100)
SECRET = "7.318293847"


class Desk:
    """A service with no model."""

    snapshot = Snapshot()

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
    base: str = "http://127.0.0.1",
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


async def well(_: Request) -> Response:
    return Response("well", headers={"Server": "BentoML Service", "X-BentoML-Request-ID": "1"})


async def page(_: Request) -> Response:
    policy = {"Content-Security-Policy": "default-src 'self'", "Cache-Control": "max-age=60"}
    return Response("<p>", media_type="text/html", headers=policy)


async def reads(request: Request) -> Response:
    return Response(str(len(await request.body())))


async def scores(request: Request) -> Response:
    profiles = int(await request.body())
    await anyio.to_thread.run_sync(lambda: note(model="KIRC-OS", version="3", profiles=profiles))
    return Response()


async def pieces() -> AsyncIterator[bytes]:
    for _ in range(6):
        await asyncio.sleep(0.08)
        yield b"piece"


async def streams(_: Request) -> Response:
    return StreamingResponse(pieces())


async def stalls(_: Request) -> Response:
    async def stalled() -> AsyncIterator[bytes]:
        yield b"piece"
        await asyncio.sleep(60)

    return StreamingResponse(stalled())


def problem(response: httpx.Response, kind: str) -> str:
    """Assert that it is a problem of that kind, and return what it says."""
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.json()["type"], response.status_code) == (f"urn:ctc-prognosis:problem:{kind}", KINDS[kind][0])
    return response.json()["detail"]


@pytest.mark.parametrize("endpoint", [well, unforeseen, foreseen, teapot, own_shape, slow])
def test_every_answer_carries_the_headers_of_a_careful_server_and_no_banner(endpoint: Callable[[Request], object]):
    headers = answer(endpoint, headers={"X-Request-Id": "abc-123"}).headers
    assert headers["x-request-id"] == "abc-123"
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert {headers[f"cross-origin-{part}-policy"] for part in ("opener", "resource")} == {"same-origin"}
    assert not {"server", "x-bentoml-request-id"} & set(headers)


def test_a_page_keeps_its_own_policy():
    headers = answer(page).headers
    assert headers.get_list("content-security-policy") == ["default-src 'self'"]
    assert headers.get_list("cache-control") == ["max-age=60"]


def test_a_body_past_the_limit_is_refused_by_whatever_route_announced_or_not():
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"x" * 30

    assert answer(reads, "POST", content=b"x" * 100).text == "100"
    assert "100 bytes at most" in problem(answer(reads, "POST", content=b"x" * 101), "body-too-large")
    assert "100 bytes at most" in problem(answer(reads, "POST", content=chunks()), "body-too-large")
    headers = {"Content-Length": "9" * 30}
    problem(answer(reads, "POST", content=b"x", headers=headers), "body-too-large")


def messages(endpoint: Callable[[Request], object], receive: Any, log: list[bytes] | None = None) -> list[Any]:
    """Ask the edge itself: the client of the other tests reads whole bodies only."""
    sent: list[Any] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    routes = Starlette(routes=[Route("/livez", endpoint, methods=["POST"])])
    edge = Edge(routes, desk=Desk, installation=OPEN, write=(log if log is not None else []).append)
    scope = {"type": "http", "method": "POST", "path": "/livez", "query_string": b"", "headers": [], "root_path": ""}
    asyncio.run(edge(scope, receive, send))
    return sent


def test_a_body_that_does_not_arrive_is_another_sentence_than_an_answer_that_takes_too_long():
    async def never() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(60)

    body = never()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": await anext(body), "more_body": True}

    sent = messages(reads, receive)
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]
    assert "did not arrive within 0.2 s" in json.loads(sent[1]["body"])["detail"]
    assert "no answer within 0.2 s" in problem(answer(slow), "timeout")


def test_a_stream_may_take_longer_than_the_limit_if_each_piece_comes_in_time():
    assert answer(streams).text == "piece" * 6


def test_a_stream_that_stalls_is_ended_and_the_log_has_it():
    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    log: list[bytes] = []
    sent = messages(stalls, receive, log)
    assert [message.get("more_body") for message in sent] == [None, True]
    assert json.loads(log[0])["problem"] == "timeout"


def test_long_addresses_and_large_headers_are_refused():
    problem(answer(well, params={"a": "x" * 9000}), "address-too-long")
    problem(answer(well, headers={"X-A": "x" * 40_000}), "headers-too-large")
    problem(answer(well, headers={f"X-{n}": "x" for n in range(120)}), "headers-too-large")


def test_the_line_of_a_request_names_route_model_profiles_and_token_and_nothing_else_of_it(tmp_path: Path):
    log: list[bytes] = []
    answer(scores, "POST", content=b"20", params={"patient": SECRET}, headers={"X-Request-Id": "abc-123"}, log=log)
    line = json.loads(log[0])
    assert (line["method"], line["route"], line["status"], line["bytes_in"]) == ("POST", "/livez", 200, 2)
    assert (line["model"], line["version"], line["profiles"], line["request_id"]) == ("KIRC-OS", "3", 20, "abc-123")
    answer(unforeseen, log=log)
    assert json.loads(log[1])["problem"] == "internal-error"
    assert SECRET not in b"".join(log).decode()


def guarded(tmp_path: Path, **changes: Any) -> tuple[Settings, dict[str, str]]:
    """Make an installation with one token, and the header that opens it."""
    secret = add_token(tmp_path / "tokens", "ward")
    return replace(OPEN, tokens_file=tmp_path / "tokens", **changes), {"Authorization": f"Bearer {secret}"}


def ask(edge: Edge, path: str, headers: dict[str, str] | None = None, base: str = "http://127.0.0.1:1", **more: Any):
    """Ask an edge for one of its own addresses."""

    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(edge), base_url=base) as http:
            return await http.request(more.pop("method", "GET"), path, headers=headers, **more)

    return asyncio.run(asked())


def behind() -> Starlette:
    paths = {"/livez": well, "/healthz": well, "/schema.json": well}
    return Starlette(routes=[Route(path, endpoint) for path, endpoint in paths.items()])


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Keep the buckets where they are thrown away."""
    monkeypatch.setattr("serving.guard._shared_file", lambda: tmp_path / "rates")
    return tmp_path


def test_with_tokens_only_life_and_readiness_are_open(shared: Path):
    installation, header = guarded(shared)
    edge = Edge(behind(), desk=Desk, installation=installation, write=lambda _: None)
    for path in ("/livez", "/healthz"):
        assert ask(edge, path).status_code == 200
    problem(ask(edge, "/readyz"), "not-ready")
    closed = (
        "/",
        "/models",
        "/cancer-types",
        "/metrics",
        "/docs.json",
        "/schema.json",
        "/nothing",
        "/livez/",
        "//livez",
    )
    for path in closed:
        refused = ask(edge, path)
        assert "no token was sent" in problem(refused, "token-needed")
        assert refused.headers.get_list("www-authenticate") == [
            'Bearer realm="prognosis"',
            'Basic realm="prognosis", charset="UTF-8"',
        ]
        assert ask(edge, path, header).status_code in (200, 404)
    wrong = ask(edge, "/models", {"Authorization": "Bearer ctc_wrong"})
    assert "this token is not known" in problem(wrong, "token-needed")
    assert 'error="invalid_token"' in wrong.headers["www-authenticate"]


def test_the_holder_is_named_in_the_log_and_the_token_is_not(shared: Path):
    installation, header = guarded(shared)
    log: list[bytes] = []
    edge = Edge(behind(), desk=Desk, installation=installation, write=log.append)
    ask(edge, "/cancer-types", header)
    secret = header["Authorization"].removeprefix("Bearer ")
    password = base64.b64encode(f"anyone:{secret}".encode()).decode()
    ask(edge, "/cancer-types", {"Authorization": f"Basic {password}"})
    assert [json.loads(line)["token"] for line in log] == ["ward", "ward"]
    assert secret not in b"".join(log).decode()


def test_a_token_that_asks_too_often_is_told_when_to_come_back(shared: Path):
    installation, header = guarded(shared, requests_per_minute=3)
    edge = Edge(behind(), desk=Desk, installation=installation, write=lambda _: None)
    assert [ask(edge, "/models", header).status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = ask(edge, "/models", header)
    assert "3 requests a minute" in problem(refused, "too-many-requests")
    assert 1 <= int(refused.headers["retry-after"]) <= 20
    assert ask(edge, "/livez", header).status_code == 200


def test_profiles_are_counted_against_the_token_after_they_were_answered(shared: Path):
    installation, header = guarded(shared, profiles_per_minute=10)
    # `/schema.json` lies behind the edge: here it scores.
    scoring = Starlette(routes=[Route("/schema.json", scores, methods=["POST"])])
    edge = Edge(scoring, desk=Desk, installation=installation, write=lambda _: None)
    assert ask(edge, "/schema.json", header, method="POST", content=b"25").status_code == 200
    refused = ask(edge, "/schema.json", header, method="POST", content=b"1")
    assert "10 profiles a minute" in problem(refused, "too-many-requests")
    # 25 s of a minute's 10, less the one that must be there.
    assert 90 <= int(refused.headers["retry-after"]) <= 96


def test_without_tokens_a_request_that_came_over_the_network_is_refused():
    edge = Edge(behind(), desk=Desk, installation=OPEN, write=lambda _: None)
    assert "make a token" in problem(ask(edge, "/models", base="http://10.1.2.3:3000"), "not-guarded")
    assert ask(edge, "/models", base="http://127.0.0.1:3000").status_code == 200
    assert ask(edge, "/models", base="http://[::1]:3000").status_code == 200


def test_a_websocket_is_closed():
    sent: list[Any] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    edge = Edge(behind(), desk=Desk, installation=OPEN, write=lambda _: None)
    asyncio.run(edge({"type": "websocket", "path": "/models", "headers": []}, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]
