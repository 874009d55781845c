"""The HTTP client of public downloads: it waits when it is told to, tries again, and never leaves https for http."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Event
from typing import Any, cast
from urllib.parse import urljoin, urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import MaxRetryError
from urllib3.util import Retry

from experiments.fetch_settings import FetchSettings
from features.errors import PrognosisError

logger = logging.getLogger(__name__)

TOO_MANY_REQUESTS = 429
_TRY_AGAIN = (TOO_MANY_REQUESTS, 500, 502, 503, 504)
_LONGEST_BACKOFF_SECONDS, _LONGEST_WAIT_SECONDS = 60.0, 600
_REDIRECTS = 5
#: A bucket that may not be listed answers 403 for what is not in it.
_NOT_THERE = (403, 404, 410)
#: What users would not guess from a library's names.
_WORDS = {
    "IncompleteRead": "it ended before the file did",
    "ReadTimeoutError": "the server said nothing for too long",
    "ConnectTimeoutError": "the server did not answer",
    "RemoteDisconnected": "the server hung up",
    "NameResolutionError": "there is no host of this name",
}


class FetchError(PrognosisError):
    """A cohort cannot be fetched."""


class NotThereError(FetchError):
    """The source has no such file."""


class BrokenOffError(Exception):
    """The connection ended before the file did; the argument says how, in few words."""


class StoppedError(Exception):
    """The user has stopped the downloads."""


class Client:
    """One session with the sources' servers.

    Parameters
    ----------
    settings : FetchSettings
    stop : Event
        Ends every wait when set.

    Notes
    -----
    requests is used for what a hospital's network needs and it brings: proxies and certificates from the environment.
    Its retries are urllib3's, which honour Retry-After.
    """

    def __init__(self, settings: FetchSettings, stop: Event) -> None:
        self.settings = settings
        self._patient = _patient(stop)
        self._session = _Session()
        self._session.max_redirects = _REDIRECTS
        # Stated, so that no user and password are looked up in ~/.netrc.
        self._session.auth = _nobody
        # As stored: lengths, ranges and checksums are of these bytes.
        self._session.headers["Accept-Encoding"] = "identity"
        self._session.headers["User-Agent"] = "ctc-prognosis"
        adapter = HTTPAdapter(max_retries=self.patience(), pool_maxsize=settings.connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def patience(self) -> Retry:
        """Return a fresh count of what may go wrong in a row."""
        return self._patient(
            total=self.settings.attempts - 1,
            status_forcelist=_TRY_AGAIN,
            backoff_factor=self.settings.backoff_seconds,
            backoff_max=_LONGEST_BACKOFF_SECONDS,
            retry_after_max=_LONGEST_WAIT_SECONDS,
            raise_on_status=False,
        )

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    @contextmanager
    def opened(self, url: str, headers: Mapping[str, str]) -> Iterator[requests.Response]:
        """Ask for a URL and lend the answer, its body not yet read.

        Raises
        ------
        NotThereError
            If the source has nothing there.
        FetchError
            If it cannot be reached, answers with an error, or leads from https to http.
        """
        try:
            response = self._session.get(url, headers=dict(headers), stream=True, timeout=self.settings.timeout_seconds)
        except requests.TooManyRedirects as error:
            raise FetchError(f"{shown(url)}: leads on and on; check the configured host.") from error
        except (requests.RequestException, OSError) as error:
            raise FetchError(f"{shown(url)}: cannot be reached ({reason(error)}); try again later.") from error
        with response:
            _require_no_error(response, url)
            yield response

    def json(self, url: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        """Ask an API and return its answer, an object.

        Raises
        ------
        FetchError
            If it cannot be reached, or answers with anything else.
        """
        try:
            answer = self._whole(url, parameters).json()
        except requests.JSONDecodeError as error:
            raise FetchError(f"{shown(url)}: the answer is no JSON; check the configured host.") from error
        if not isinstance(answer, dict):
            raise FetchError(f"{shown(url)}: the answer is no JSON object; check the configured host.")
        return answer

    def text(self, url: str, parameters: Mapping[str, str]) -> str:
        """Ask an API and return its answer as text.

        Raises
        ------
        FetchError
            If it cannot be reached, or answers with an error.
        """
        return self._whole(url, parameters).content.decode("utf-8", "replace")

    def _whole(self, url: str, parameters: Mapping[str, str]) -> requests.Response:
        """Return a short answer with its body, asking again where it breaks off."""
        asked = cast(str, requests.Request("GET", url, params=dict(parameters)).prepare().url)
        patience = self.patience()
        while True:
            with self.opened(asked, {}) as response:
                try:
                    _ = response.content
                except (requests.RequestException, OSError) as error:
                    patience = self.after(patience, url, error)
                else:
                    return response

    def after(self, patience: Retry, url: str, error: Exception) -> Retry:
        """Wait after a body that broke off, and return what patience is left.

        Raises
        ------
        FetchError
            If none is.
        """
        try:
            patience = patience.increment("GET", url, error=error)
        except MaxRetryError as exhausted:
            raise FetchError(
                f"{shown(url)}: the connection broke off {self.settings.attempts} times in a row ({reason(error)}); "
                "what came is kept, and the next attempt goes on from there."
            ) from exhausted
        patience.sleep()
        return patience


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target = super().get_redirect_target(resp)
        if target is not None and urlsplit(resp.url).scheme == "https":
            there = urljoin(resp.url, target)
            if urlsplit(there).scheme != "https":
                raise FetchError(
                    f"{shown(resp.url)}: leads from https to {shown(there)}, which anyone on the way can change; "
                    "refused. Check the configured host."
                )
        return target


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _patient(stop: Event) -> type[Retry]:
    """Return urllib3's retries, with waits that are told of and that end when the user stops."""

    class Patient(Retry):
        def sleep_for_retry(self, response: BaseHTTPResponse) -> bool:
            seconds = self.get_retry_after(response)
            if seconds:
                logger.info("the server asks to wait %.0f s", seconds)
                _wait(stop, seconds)
            return bool(seconds)

        def _sleep_backoff(self) -> None:
            _wait(stop, self.get_backoff_time())

    return Patient


def _wait(stop: Event, seconds: float) -> None:
    end = time.monotonic() + seconds
    # In small steps: Ctrl-C must come through at once in the main thread too.
    while (left := end - time.monotonic()) > 0:
        if stop.wait(min(left, 0.2)):
            raise StoppedError


def _require_no_error(response: requests.Response, url: str) -> None:
    code = response.status_code
    if code in _NOT_THERE:
        raise NotThereError(f"{shown(url)}: is not there, or not public (HTTP {code}); check the project's name.")
    if code == TOO_MANY_REQUESTS:
        raise FetchError(f"{shown(url)}: the source takes no more requests for now (HTTP {code}); try again later.")
    # 416 is the answer to a range that the file no longer has: whoever asked for the range knows what to do.
    if code >= 400 and code != 416:
        raise FetchError(f"{shown(url)}: the source answers with an error (HTTP {code}); try again later.")


def shown(url: str) -> str:
    """Return an address as it may be shown: without a user, a password or a query, which may hold a signature."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def reason(error: BaseException) -> str:
    """Return in few words what went wrong, without what a library's message may quote (addresses)."""
    seen: BaseException | None = error
    words = ""
    while seen is not None:
        inner = next((part for part in seen.args if isinstance(part, BaseException)), None)
        inner = inner or getattr(seen, "reason", None) or seen.__cause__ or seen.__context__
        if isinstance(seen, OSError) and seen.strerror:
            return str(seen.strerror)
        if isinstance(seen, BrokenOffError):
            return str(seen)
        if (words := type(seen).__name__) in _WORDS:
            return _WORDS[words]
        seen = inner if isinstance(inner, BaseException) else None
    return words
