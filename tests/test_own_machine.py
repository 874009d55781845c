"""Without tokens: who is on this machine, and which requests foreign pages and proxies make in their name."""

from __future__ import annotations

import httpx
import pytest
from near_service import NearService

from serving.champions import Snapshot

OPENED = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.fixture(scope="module")
def service() -> NearService:
    return NearService(Snapshot())


def kind(response: httpx.Response) -> str:
    problem: dict[str, str] = response.json()
    return problem["type"].rpartition(":")[2]


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.0.0.1:3000", "127.8.9.10:1", "localhost", "localhost:65535", "LocalHost:3000"),
        *("[::1]", "[::1]:3000", "[::ffff:127.0.0.1]:3000"),
    ],
)
def test_the_names_of_this_machine_are_answered(service: NearService, host: str):
    assert service.ask("GET", "/models", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:3000", "localhost.evil.example", "127.0.0.1.evil.example", "evillocalhost"),
        *("10.1.2.3", "0.0.0.0:3000", "[::]:3000", "[fe80::1]", "127.0.0.1@evil.example", "127.1", "2130706433"),
        *("127.0.0.1:3000:1", "localhost:http", "[::1", "::1", "", " ", "localhost\t.evil.example", "localhost,evil"),
    ],
)
@pytest.mark.parametrize("path", ["/models", "/ui", "/metrics", "/nothing"])
def test_another_name_is_refused_whoever_it_resolves_to(service: NearService, host: str, path: str):
    response = service.ask("GET", path, headers={"Host": host})
    assert (response.status_code, kind(response), response.json()["field"]) == (421, "foreign-host", "Host")
    assert "prognosis token new" in response.json()["detail"]


def test_two_names_are_one_too_many(service: NearService):
    for hosts in (["localhost", "evil.example"], ["evil.example", "localhost"]):
        response = service.ask("GET", "/models", headers=[("Host", host) for host in hosts])
        assert kind(response) == "foreign-host"


@pytest.mark.parametrize("path", ["/livez", "/healthz", "/readyz"])
def test_whether_it_lives_is_told_under_any_name_and_through_any_proxy(service: NearService, path: str):
    headers = {"Host": "pod-7.cluster", "X-Forwarded-For": "10.1.2.3", "Origin": "http://evil.example"}
    # Behind this edge lies nothing, and no model is loaded: it is not refused.
    assert service.ask("GET", path, headers=headers).status_code in (404, 503)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:8080", "http://localhost:3000", "file://", "", "x"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_what_a_page_of_another_origin_sends_is_refused(service: NearService, origin: str, method: str):
    asked = {"Host": "127.0.0.1:3000", "Origin": origin, "Content-Type": "application/json"}
    response = service.ask(method, "/score", headers=asked, content=b"{}")
    assert (response.status_code, kind(response), response.json()["field"]) == (403, "foreign-page", "Origin")
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("host", ["127.0.0.1:3000", "localhost:8080", "[::1]:3000"])
def test_what_its_own_page_sends_is_answered(service: NearService, host: str):
    sent = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
    assert service.ask("POST", "/score", headers=sent, json={}).status_code == 422
    typed = {"Host": host, "Sec-Fetch-Site": "none", **OPENED}
    assert service.ask("GET", "/ui", headers=typed).status_code == 200


@pytest.mark.parametrize("mode", ["no-cors", "cors"])
def test_what_a_page_of_another_site_loads_is_refused(service: NearService, mode: str):
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": "image"}
    response = service.ask("GET", "/models", headers=headers)
    assert (kind(response), response.json()["field"]) == ("foreign-page", "Sec-Fetch-Site")
    assert kind(service.ask("GET", "/models", headers={"Sec-Fetch-Site": "cross-site"})) == "foreign-page"


def test_a_link_from_another_site_may_be_followed_and_no_form_sent(service: NearService):
    followed = {"Sec-Fetch-Site": "cross-site", **OPENED}
    assert service.ask("GET", "/ui", headers=followed).status_code == 200
    assert kind(service.ask("POST", "/score", headers=followed, content=b"{}")) == "foreign-page"
    framed = {**followed, "Sec-Fetch-Dest": "iframe"}
    assert kind(service.ask("GET", "/ui", headers=framed)) == "foreign-page"


@pytest.mark.parametrize(
    "name", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via"]
)
def test_what_came_through_a_proxy_is_refused_and_wants_tokens(service: NearService, name: str):
    response = service.ask("GET", "/models", headers={name: "127.0.0.1"})
    assert (response.status_code, kind(response)) == (403, "not-guarded")
    assert name.lower() in response.json()["detail"]
    assert "prognosis token new" in response.json()["detail"]


@pytest.mark.parametrize("media_type", [None, "", "text/plain", "application/x-www-form-urlencoded", "json"])
def test_scores_are_asked_for_in_json_that_says_so(service: NearService, media_type: str | None):
    headers = {} if media_type is None else {"Content-Type": media_type}
    response = service.ask("POST", "/score", headers=headers, content=b"{}")
    assert (response.status_code, response.json()["field"]) == (415, "Content-Type")
