"""The page at /ui in a real browser, for the tests that walk on it: the browser, a service, and a page that is open."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from service_process import free_port, running_service, wait_for

from serving.launch import launch
from serving.settings import Settings
from serving.tokens import add_token

if TYPE_CHECKING:
    from conftest import ModelStore

    from training.model import PrognosticModel

CHROMIUM = Path("/usr/bin/chromium")
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
DARK = {"color_scheme": "dark"}


@dataclass
class Walk:
    """A page that is open, and what it said and asked."""

    page: Page
    address: str
    console: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    #: What the console may say.
    expected: list[str] = field(default_factory=list)

    def take_example(self) -> None:
        self.page.click("#take-example")
        expect(self.page.locator("#profile")).not_to_have_value("")

    def score(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Press the button and return the request that left the page, and its answer."""
        with self.page.expect_response(lambda response: response.url.endswith("/score")) as awaited:
            self.page.click("#score")
        sent, answer = json.loads(awaited.value.request.post_data or ""), awaited.value.json()
        # The figures are drawn once their place has a width.
        expect(self.page.locator(".answer .drawing svg")).to_be_visible()
        return sent, answer

    def paste(self, text: str) -> None:
        """Put a text from the clipboard in place of the profile."""
        self.page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=self.address)
        self.page.evaluate("text => navigator.clipboard.writeText(text)", text)
        self.page.focus("#profile")
        self.page.keyboard.press("Control+A")
        self.page.keyboard.press("Control+V")

    def open_cohort(self) -> None:
        self.page.click("#tab-cohort")
        expect(self.page.locator(".own-cohort .drawing svg")).to_be_visible()


@dataclass(frozen=True)
class Site:
    """A running service, and who may ask it."""

    address: str
    token: str
    log: Path

    def asked(self, path: str, body: Any = None) -> Any:
        """Ask as a program does."""
        headers = {"Authorization": f"Bearer {self.token}"}
        method = "GET" if body is None else "POST"
        return httpx.request(method, f"{self.address}/{path}", headers=headers, json=body).json()


@contextmanager
def opened_browser() -> Iterator[Browser]:
    """Start Chromium; skips where there is none."""
    if not CHROMIUM.exists():
        pytest.skip(f"no browser at {CHROMIUM}")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield launched
        launched.close()


@contextmanager
def running_site(
    model: PrognosticModel, store: ModelStore, home: Path, *, other: PrognosticModel | None = None
) -> Iterator[Site]:
    """Run a service that wants a token, with two models: the second's bundle holds no tables."""
    for each in (model, replace(other or model, cancer_type="SIMULATED-LGG", tables={})):
        store.register(each)
    token = add_token(home / "tokens", "clinic")
    installation = Settings(home=home, tracking_uri=store.uri, cohorts=home, tokens_file=home / "tokens")
    start = launch(port=free_port(), workers=1, installation=installation)
    environment = {"PROGNOSIS_TOKENS_FILE": str(home / "tokens"), "PROGNOSIS_POLL_SECONDS": "0.3"}
    with running_service(start, home / "log", **environment) as http:
        wait_for(lambda: http.get("/readyz").status_code == 200)
        yield Site(start.address, token, home / "log")


@contextmanager
def opened_page(browser: Browser, site: Site, options: dict[str, Any]) -> Iterator[Walk]:
    """Open the page as a browser does that asked for the token; nothing may go wrong on it that nobody expects."""
    credentials = {"username": "me", "password": site.token}
    context = browser.new_context(http_credentials=credentials, **options)
    found = Walk(context.new_page(), site.address)
    found.page.on("console", lambda message: found.console.append(f"{message.type}: {message.text}"))
    found.page.on("pageerror", lambda error: found.console.append(str(error)))
    found.page.on("request", lambda sent: found.asked.append(sent.url))

    found.page.goto(f"{site.address}/ui")
    expect(found.page.locator("body")).to_have_attribute("data-ready", "yes")
    yield found
    context.close()
    expected = ("422", *found.expected)
    assert [line for line in found.console if not any(each in line for each in expected)] == []
    assert {url for url in found.asked if not url.startswith(f"{site.address}/")} == set()
