"""The guarded service as strangers meet it: a real server of two workers, with tokens, and what it gives away."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from service_process import free_port, running_service, wait_for

from serving.launch import launch
from serving.problems import KINDS
from serving.settings import Settings
from serving.tokens import add_token, revoke_token
from training.synthetic_profile import synthetic_profile

if TYPE_CHECKING:
    from conftest import ModelStore

    from training.model import PrognosticModel
    from training.results import TrainingResult

BODY_LIMIT = 300_000
PER_MINUTE = 150
#: A connection of its own: either worker may answer.
PARTING = {"Connection": "close"}
CLINICAL = {"age": 61, "sex": "female", "stage": "III", "grade": "G3"}


@dataclass(frozen=True)
class Server:
    """A running service."""

    http: httpx.Client
    port: int
    log: Path
    home: Path
    tokens: dict[str, str]

    @property
    def header(self) -> dict[str, str]:
        """What opens it."""
        return {"Authorization": f"Bearer {self.tokens['pipeline']}"}

    def log_lines(self) -> list[dict[str, Any]]:
        """The lines of requests."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if "route" in line]


@pytest.fixture(scope="module")
def model(small_training: TrainingResult) -> PrognosticModel:
    return small_training.model


@pytest.fixture(scope="module")
def server(
    model: PrognosticModel, new_model_store: Callable[[], ModelStore], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    home, store = tmp_path_factory.mktemp("guarded"), new_model_store()
    store.register(model)
    tokens = {name: add_token(home / "tokens", name) for name in ("pipeline", "patients", "counted", "hasty", "leaver")}
    installation = Settings(home=home, tracking_uri=store.uri, cohorts=home, tokens_file=home / "tokens")
    start = launch(port=free_port(), workers=2, installation=installation)
    limits = {
        "PROGNOSIS_BODY_LIMIT_BYTES": str(BODY_LIMIT),
        "PROGNOSIS_TIMEOUT_SECONDS": "5",
        "PROGNOSIS_RATE_PER_MINUTE": str(PER_MINUTE),
    }
    with running_service(start, home / "log", **limits) as http_client:
        # Both workers, each asked until it has loaded the model.
        wait_for(lambda: all(http_client.get("/readyz", headers=PARTING).is_success for _ in range(12)), seconds=60)
        yield Server(http_client, int(start.address.rpartition(":")[2]), home / "log", home, tokens)


@dataclass(frozen=True)
class Answer:
    """What came back over the wire."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


def exchange(server: Server, raw: bytes) -> Answer:
    """Send bytes as they are, and read one answer."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as wire:
        wire.sendall(raw)
        response = http.client.HTTPResponse(wire, method=raw.partition(b" ")[0].decode("latin-1"))
        response.begin()
        return Answer(response.status, response.headers, response.read())


def written(server: Server, line: bytes, *headers: bytes, body: bytes = b"", token: str | None = "pipeline") -> bytes:
    """Write a request by hand."""
    own = [b"Host: here", b"Connection: close"]
    if token is not None:
        own.append(b"Authorization: Bearer " + server.tokens[token].encode())
    return b"\r\n".join([line + b" HTTP/1.1", *own, *headers, b"", body])


JSON = b"Content-Type: application/json"
TWO = b"Content-Length: 2"
HANDSHAKE = (b"Upgrade: websocket", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", b"Sec-WebSocket-Version: 13")

#: What is sent (first line, headers, body), and the kind of problem that comes back.
REFUSED: dict[str, tuple[tuple[Any, ...], str]] = {
    "an unknown address": ((b"GET /nothing",), "not-found"),
    "a slash more": ((b"GET /models/",), "not-found"),
    "two slashes": ((b"GET //models",), "not-found"),
    "a way upwards": ((b"GET /../../etc/passwd",), "not-found"),
    "a way upwards, encoded": ((b"GET /%2e%2e/%2e%2e/etc/passwd",), "not-found"),
    "a zero byte": ((b"GET /models%00",), "not-found"),
    "escapes that are none": ((b"GET /%zz%ff",), "not-found"),
    "BentoML's assets": ((b"GET /static_content/index.css",), "not-found"),
    "BentoML's tasks": ((b"POST /score/submit", JSON, TWO, b"{}"), "not-found"),
    "the server as a whole": ((b"OPTIONS *",), "not-found"),
    "a model that is not there": ((b"GET /hazard-ratios/XYZ",), "no-such-model"),
    "a query that cannot be": ((b"GET /hazard-ratios/KIRC?endpoint=XX",), "invalid-request"),
    "another method": ((b"PUT /score",), "method-not-allowed"),
    "a preflight": (
        (b"OPTIONS /score", b"Origin: http://x", b"Access-Control-Request-Method: POST"),
        "method-not-allowed",
    ),
    "a method of WebDAV": ((b"PROPFIND /models",), "method-not-allowed"),
    "a trace": ((b"TRACE /models",), "method-not-allowed"),
    "BentoML's routes by another method": ((b"POST /livez", TWO, b"{}"), "method-not-allowed"),
    "a method of nobody's": ((b"FROB /models",), "malformed-request"),
    "a tunnel": ((b"CONNECT here:80",), "malformed-request"),
    "a zero byte in a header": ((b"GET /models", b"X-A: a\x00b"), "malformed-request"),
    "a length that is none": ((b"POST /score", JSON, b"Content-Length: two", b"{}"), "malformed-request"),
    "two lengths": ((b"POST /score", JSON, TWO, b"Transfer-Encoding: chunked", b"{}"), "malformed-request"),
    "a chunk that is none": (
        (b"POST /score", JSON, b"Transfer-Encoding: chunked", b"zz\r\n{}\r\n0\r\n\r\n"),
        "malformed-request",
    ),
    "a coding of the transfer": ((b"POST /score", JSON, b"Transfer-Encoding: gzip", b"{}"), "malformed-request"),
    "a WebSocket": ((b"GET /models", *HANDSHAKE, b"Connection: Upgrade"), "malformed-request"),
    "half a WebSocket": ((b"GET /models", b"Upgrade: websocket", b"Connection: Upgrade"), "malformed-request"),
    "no JSON": ((b"POST /score", JSON, TWO, b"{{"), "malformed-request"),
    "no bytes": ((b"POST /score", JSON), "malformed-request"),
    "a long address": ((b"GET /" + b"a" * 9_000,), "address-too-long"),
    "a long query": ((b"GET /models?a=" + b"a" * 9_000,), "address-too-long"),
    "a large header": ((b"GET /models", b"X-A: " + b"a" * 40_000), "headers-too-large"),
    "many headers": ((b"GET /models", *(b"X-%d: a" % n for n in range(200))), "headers-too-large"),
    "a body too large": ((b"POST /score", JSON, b"Content-Length: 400000"), "body-too-large"),
    "a body too large for anybody": ((b"POST /models", b"Content-Length: 9999999999999999"), "body-too-large"),
    "a body that is waited for": ((b"POST /score", JSON, b"Content-Length: 9", b"{}"), "upload-timeout"),
    "a compressed body": ((b"POST /score", JSON, TWO, b"Content-Encoding: gzip", b"{}"), "unsupported-media-type"),
    "a table": ((b"POST /score", TWO, b"Content-Type: text/csv", b"{}"), "unsupported-media-type"),
    "no type at all": ((b"POST /score", TWO, b"Content-Type: \xff\xfe", b"{}"), "unsupported-media-type"),
    "nothing asked": ((b"POST /score", JSON, TWO, b"{}"), "invalid-request"),
    "nothing asked, politely": ((b"POST /score", JSON, TWO, b"Expect: 100-continue", b"{}"), "invalid-request"),
}


def problem(answer: Answer, kind: str) -> dict[str, Any]:
    """Assert that it is the one shape of errors with the headers of every answer, and return it."""
    status, title = KINDS[kind]
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = json.loads(answer.body)
    assert list(body) == ["type", "title", "status", "detail", "field"]
    assert (body["type"], body["title"], body["status"]) == (f"urn:ctc-prognosis:problem:{kind}", title, status)
    secured(answer)
    return body


def secured(answer: Answer) -> None:
    headers = answer.headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert re.fullmatch("[0-9a-f]{16}", headers["x-request-id"])
    assert headers["server"] is None


@pytest.mark.parametrize("what", REFUSED)
def test_every_refusal_has_the_one_shape(server: Server, what: str):
    parts, kind = REFUSED[what]
    line, *rest = parts
    # What comes last and is no header is the body.
    body = rest.pop() if rest and (b":" not in rest[-1]) else b""
    problem(exchange(server, written(server, line, *rest, body=body)), kind)


@pytest.mark.parametrize(
    "raw", [b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"hello\r\n\r\n"]
)
def test_what_is_no_http_is_refused_in_the_same_shape(server: Server, raw: bytes):
    problem(exchange(server, raw), "malformed-request")


@pytest.mark.parametrize("path", ["/livez", "/healthz", "/readyz"])
def test_life_and_readiness_are_open(server: Server, path: str):
    answer = exchange(server, written(server, b"GET " + path.encode(), token=None))
    assert answer.status == 200
    secured(answer)


CLOSED = [
    "/",
    "/models",
    "/cancer-types",
    "/hazard-ratios/KIRC",
    "/metrics",
    "/docs.json",
    "/schema.json",
    "/ui",
    "/no",
]


@pytest.mark.parametrize("path", CLOSED)
def test_everything_else_asks_for_a_token_in_both_ways(server: Server, path: str):
    answer = exchange(server, written(server, b"GET " + path.encode(), token=None))
    problem(answer, "token-needed")
    assert [challenge.split()[0] for challenge in answer.headers.get_all("www-authenticate")] == ["Bearer", "Basic"]
    opened = server.http.get(path, auth=("anyone", server.tokens["pipeline"]))
    assert opened.status_code in (200, 404)
    assert "server" not in opened.headers
    assert opened.headers["x-frame-options"] == "DENY"


def test_a_body_is_not_asked_for_before_the_token_is_known(server: Server):
    line, wanted = b"POST /score", (JSON, b"Content-Length: 200000", b"Expect: 100-continue")
    problem(exchange(server, written(server, line, *wanted, token=None)), "token-needed")


def test_a_chunked_body_past_the_limit_is_refused(server: Server):
    body = b"".join(b"%x\r\n%s\r\n" % (50_000, b" " * 50_000) for _ in range(8)) + b"0\r\n\r\n"
    answer = exchange(server, written(server, b"POST /score", JSON, b"Transfer-Encoding: chunked", body=body))
    assert str(BODY_LIMIT) in problem(answer, "body-too-large")["detail"]


def test_a_refusal_of_head_has_no_body(server: Server):
    answer = exchange(server, written(server, b"HEAD /nothing"))
    assert (answer.status, answer.body) == (404, b"")
    secured(answer)


def test_a_sane_request_id_comes_back_and_any_other_is_replaced(server: Server):
    given = exchange(server, written(server, b"GET /models", b"X-Request-Id: abc-123"))
    assert given.headers["x-request-id"] == "abc-123"
    secured(exchange(server, written(server, b"GET /models", b"X-Request-Id: patient 7; x")))
    wait_for(lambda: any(line["request_id"] == "abc-123" for line in server.log_lines()))


def test_a_revoked_token_is_refused_by_both_workers_within_seconds(server: Server):
    header = {"Authorization": f"Bearer {server.tokens['leaver']}", **PARTING}
    assert server.http.get("/cancer-types", headers=header).status_code == 200
    revoke_token(server.home / "tokens", "leaver")
    time.sleep(2)
    assert {server.http.get("/cancer-types", headers=header).status_code for _ in range(12)} == {401}
    assert server.http.get("/cancer-types", headers=server.header).status_code == 200


def test_a_tokens_rate_holds_over_both_workers(server: Server):
    header = {"Authorization": f"Bearer {server.tokens['hasty']}"}
    parting = {**header, **PARTING}
    statuses = [server.http.get("/cancer-types", headers=parting).status_code for _ in range(PER_MINUTE)]
    assert set(statuses) == {200}
    # Meanwhile the bucket filled again by a little: that much passes too.
    wait_for(lambda: server.http.get("/cancer-types", headers=header).status_code == 429)
    refused = server.http.get("/cancer-types", headers=parting)
    assert refused.json()["type"].endswith("too-many-requests")
    assert refused.headers["retry-after"] == "1"
    assert server.http.get("/cancer-types", headers=server.header).status_code == 200


def request_for(model: PrognosticModel, profiles: list[dict[str, Any]]) -> dict[str, Any]:
    asked = {"cancer_type": model.cancer_type, "endpoint": model.endpoint, "scale": model.scale}
    return asked | {"profiles": profiles}


def expression_of(model: PrognosticModel, value: float = 6.5) -> dict[str, float]:
    """An expression profile as the model's cohort might hold it, with a value of CD44's own."""
    return synthetic_profile(model)[0] | {"CD44": value}


def counted(text: str, name: str, **labels: str) -> float:
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def test_the_counts_of_both_workers_add_up(server: Server, model: PrognosticModel):
    header = {"Authorization": f"Bearer {server.tokens['counted']}", **PARTING}
    name, labels = "prognosis_requests_total", {"route": "/hazard-ratios/{cancer_type}", "status": "200"}
    before = counted(server.http.get("/metrics", headers=header).text, name, **labels)
    for _ in range(30):
        assert server.http.get(f"/hazard-ratios/{model.cancer_type}", headers=header).status_code == 200
    # Whichever worker is asked, it tells of both.
    after = {counted(server.http.get("/metrics", headers=header).text, name, **labels) for _ in range(10)}
    assert after == {before + 30}
    counts = (server.home / "bentoml" / str(server.port)).rglob("counter_*.db")
    assert len(list(counts)) == 2


SECRET_ID, SECRET_WORD = "patient-zxqv-8842", "Adenozystisch"
SECRET_VALUE, SECRET_AGE = 7.318293847, 61.739482
VALUES = (SECRET_WORD, "7.31829", "7.41829", "61.7394", "1061.73", "8.5e+30", "7318293847")


def broken_bodies(model: PrognosticModel) -> Iterator[bytes]:
    """Yield requests that hold a patient's data and are wrong, each in its way."""
    good = {
        "id": SECRET_ID,
        "expression": expression_of(model, SECRET_VALUE),
        "clinical": {**CLINICAL, "age": SECRET_AGE},
    }
    expression = good["expression"]
    profiles: list[Any] = [
        {**good, "expression": {**expression, "CD44": str(SECRET_VALUE)}},
        {**good, "expression": {**expression, "CD44": [SECRET_VALUE]}},
        {**good, "expression": {**expression, "CD44": {"value": SECRET_VALUE}}},
        {**good, "expression": {**expression, "CD44": float("nan")}},
        {**good, "expression": {**expression, "CD44": float("inf")}},
        {**good, "expression": {**expression, "CD44": 8.5e30}},
        {**good, "expression": {**expression, "CD44": -SECRET_VALUE * 1e9}},
        {**good, "expression": {"XIST": SECRET_VALUE}},
        {**good, "expression": SECRET_VALUE},
        {**good, "expression": [SECRET_VALUE]},
        {**good, "expression": {}},
        {**good, "clinical": {**CLINICAL, "age": 1000 + SECRET_AGE}},
        {**good, "clinical": {**CLINICAL, "age": SECRET_WORD}},
        {**good, "clinical": {**CLINICAL, "stage": SECRET_WORD}},
        {**good, "clinical": {**CLINICAL, "sex": SECRET_WORD}},
        {**good, "clinical": {**CLINICAL, "grade": [SECRET_WORD]}},
        {**good, "clinical": SECRET_WORD},
        {**good, "id": SECRET_ID * 20},
        {**good, "id": [SECRET_ID]},
        {**good, "survived_months": -SECRET_AGE},
        {**good, "survived_months": SECRET_WORD},
        good | {"note": SECRET_WORD},
        SECRET_ID,
        [good],
    ]
    whole = request_for(model, [good])
    for profile in profiles:
        yield json.dumps(request_for(model, [profile])).encode()
    yield json.dumps(request_for(model, [good, good])).encode()
    yield json.dumps({**whole, "scale": SECRET_WORD}).encode()
    yield json.dumps({**whole, "horizons_months": [SECRET_AGE * 1e6]}).encode()
    yield json.dumps({**whole, "profiles": good}).encode()
    yield json.dumps(whole)[:-1].encode()
    yield json.dumps(whole).encode("utf-16")
    yield json.dumps(whole).replace("5", "5" * 5000, 1).encode()
    yield json.dumps(good).encode()
    yield (SECRET_ID + SECRET_WORD).encode()
    yield json.dumps(whole).encode() + b" " * BODY_LIMIT


def test_neither_logs_nor_meters_nor_problems_hold_anything_of_a_patient(server: Server, model: PrognosticModel):
    header = {"Authorization": f"Bearer {server.tokens['patients']}"}
    good = {
        "id": SECRET_ID,
        "expression": expression_of(model, SECRET_VALUE),
        "clinical": {**CLINICAL, "age": SECRET_AGE},
    }
    assert server.http.post("/score", json=request_for(model, [good]), headers=header).status_code == 200
    typed = {**header, "Content-Type": "application/json"}
    answers = [server.http.post("/score", content=body, headers=typed) for body in broken_bodies(model)]
    answers += [
        server.http.get(f"/score/{SECRET_ID}", headers=header),
        server.http.get("/models", params={"patient": SECRET_ID}, headers=header),
        server.http.get(f"/hazard-ratios/{SECRET_WORD}x", headers={**header, "X-Patient": SECRET_ID}),
        server.http.post(f"/{SECRET_ID}", content=SECRET_WORD, headers=header),
        server.http.request("GET", "/models", headers={**header, "X-Request-Id": f"{SECRET_ID} {SECRET_WORD}"}),
        server.http.get("/models", headers={"Authorization": f"Bearer {SECRET_ID}"}),
    ]
    assert {answer.status_code for answer in answers} >= {200, 400, 401, 404, 413, 422}
    assert max(answer.status_code for answer in answers) < 500
    exchange(server, f"{SECRET_ID} / HTTP/9\r\n{SECRET_WORD}\r\n\r\n".encode())
    metrics = server.http.get("/metrics", headers=header).text
    wait_for(lambda: len([line for line in server.log_lines() if line["token"] == "patients"]) >= len(answers))
    for answer in answers:
        # Who asks is told the id of the profile at fault, as every answer does; of its values nothing.
        asked_for = SECRET_WORD in str(answer.request.url)
        assert asked_for or not [value for value in VALUES if answer.is_error and value in answer.text], answer.text
    files = [path.read_bytes().decode("utf-8", "replace") for path in server.home.rglob("*") if path.is_file()]
    for told in (metrics, *files):
        for secret in (*VALUES, "zxqv"):
            assert secret not in told, told[max(0, told.find(secret) - 300) : told.find(secret) + 100]
    log = server.log.read_text()
    assert "Traceback" not in log
    assert not any(token in log for token in server.tokens.values())


def test_each_line_of_the_log_is_json_and_names_the_token(server: Server):
    server.http.get("/models", headers={**server.header, "X-Request-Id": "line-1"})
    wait_for(lambda: any(line["request_id"] == "line-1" for line in server.log_lines()))
    (line,) = [line for line in server.log_lines() if line["request_id"] == "line-1"]
    assert (line["method"], line["route"], line["status"], line["token"]) == ("GET", "/models", 200, "pipeline")
    workers_own = [text for text in server.log.read_text().splitlines() if "[cli]" not in text]
    assert all(json.loads(text)["time"] for text in workers_own)


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["--host", "0.0.0.0"], {}),
        (["--host", "::"], {}),
        ([], {"BENTOML_HOST": "0.0.0.0"}),
        ([], {"PROGNOSIS_HOST": "0.0.0.0"}),
    ],
)
def test_bentoml_serve_itself_refuses_to_listen_beyond_this_machine_without_tokens(
    tmp_path: Path, arguments: list[str], environment: dict[str, str]
):
    start = launch(
        port=free_port(), installation=replace(Settings(tmp_path, "sqlite:///x.db", tmp_path)), environment=os.environ
    )
    bare = [sys.executable, "-m", "bentoml", "serve", start.command[4], "--port", start.command[-1], *arguments]
    own = {**start.environment, **environment}
    done = subprocess.run(bare, env=own, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "is reached from other machines, but there is no token; make one with" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert "listening" not in done.stdout
