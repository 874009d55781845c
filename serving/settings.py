"""What an installation sets: read once from the environment, then frozen."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from features.errors import PrognosisError

_ROOT = Path(__file__).resolve().parents[1]
#: What turns a limit off.
_OFF = "off"
_TOKENS = "tokens"
_LOGS = ("json", "text", _OFF)
#: Limits of a service with tokens: far above what a pipeline does, far below what would starve the others.
_REQUESTS_PER_MINUTE = 6_000.0
_PROFILES_PER_MINUTE = 1_000_000.0


class SettingsError(PrognosisError):
    """An environment variable has a value that cannot be."""


@dataclass(frozen=True)
class Settings:
    """The settings of one installation.

    Parameters
    ----------
    home : Path
        ``PROGNOSIS_HOME``: the folder under which everything is written; ``var/`` beside the code unless set.
    tracking_uri : str
        ``MLFLOW_TRACKING_URI``; SQLite under `home` unless set.
    cohorts : Path
        ``PROGNOSIS_COHORTS``: where real cohorts are looked for.
    host, port : str, int
        ``PROGNOSIS_HOST`` (this machine only, unless set) and ``PROGNOSIS_PORT``.
    workers : int
        ``PROGNOSIS_WORKERS``: scoring processes; two, so that one answers while another is restarted.
    poll_seconds : float
        ``PROGNOSIS_POLL_SECONDS``: how often the registry is asked whether an alias moved.
    timeout_seconds : float
        ``PROGNOSIS_TIMEOUT_SECONDS``: after which a request is given up.
    body_limit_bytes : int
        ``PROGNOSIS_BODY_LIMIT_BYTES``: the largest request body that is read.
    bundles : Path or None
        ``PROGNOSIS_BUNDLES``: a folder of exported models that are served instead of the registry's.
    tokens_file : Path or None
        ``PROGNOSIS_TOKENS_FILE``, else ``tokens`` under `home` if it is there: who may use the service. None: whoever
        reaches it.
    requests_per_minute, profiles_per_minute : float
        ``PROGNOSIS_RATE_PER_MINUTE`` and ``PROGNOSIS_PROFILES_PER_MINUTE``, or ``off``: what one token may ask for,
        over all workers. Unless set, there is a limit where there are tokens. Infinite: no limit.
    log : str
        ``PROGNOSIS_LOG``: a line a request as ``json`` or ``text``, or ``off``.
    mlflow_ui : str or None
        ``PROGNOSIS_MLFLOW_UI``: the address at which people see MLflow's pages, for the page to link to.
    """

    home: Path
    tracking_uri: str
    cohorts: Path
    host: str = "127.0.0.1"
    port: int = 3000
    workers: int = 2
    poll_seconds: float = 10.0
    timeout_seconds: float = 30.0
    body_limit_bytes: int = 64 * 2**20
    bundles: Path | None = None
    tokens_file: Path | None = None
    requests_per_minute: float = math.inf
    profiles_per_minute: float = math.inf
    log: str = "json"
    mlflow_ui: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings from environment variables; an empty one counts as not set.

        Raises
        ------
        SettingsError
            If a number is none, or is not positive, or if there is no such kind of log.
        """
        given = {name: value for name, value in environment.items() if value.strip()}
        home = _folder(given.get("PROGNOSIS_HOME"), default=_default_home())
        tokens_file = _tokens_file(given.get("PROGNOSIS_TOKENS_FILE"), home)
        requests, profiles = (_REQUESTS_PER_MINUTE, _PROFILES_PER_MINUTE) if tokens_file else (math.inf, math.inf)
        return cls(
            home=home,
            tracking_uri=given.get("MLFLOW_TRACKING_URI", f"sqlite:///{home / 'mlflow.db'}"),
            cohorts=_folder(given.get("PROGNOSIS_COHORTS"), default=_ROOT.parent / "shared" / "cohorts"),
            host=given.get("PROGNOSIS_HOST", cls.host),
            port=int(positive_number(given, "PROGNOSIS_PORT", default=cls.port)),
            workers=int(positive_number(given, "PROGNOSIS_WORKERS", default=cls.workers)),
            poll_seconds=positive_number(given, "PROGNOSIS_POLL_SECONDS", default=cls.poll_seconds),
            timeout_seconds=positive_number(given, "PROGNOSIS_TIMEOUT_SECONDS", default=cls.timeout_seconds),
            body_limit_bytes=int(positive_number(given, "PROGNOSIS_BODY_LIMIT_BYTES", default=cls.body_limit_bytes)),
            bundles=_folder(given["PROGNOSIS_BUNDLES"], default=home) if "PROGNOSIS_BUNDLES" in given else None,
            tokens_file=tokens_file,
            requests_per_minute=_limit(given, "PROGNOSIS_RATE_PER_MINUTE", default=requests),
            profiles_per_minute=_limit(given, "PROGNOSIS_PROFILES_PER_MINUTE", default=profiles),
            log=_log(given),
            mlflow_ui=_address(given, "PROGNOSIS_MLFLOW_UI"),
        )

    @property
    def artifacts(self) -> Path:
        """Where MLflow keeps artefacts when it writes to this machine."""
        return self.home / "artifacts"

    @property
    def new_tokens_file(self) -> Path:
        """Where a token is kept that is made now."""
        return self.tokens_file or self.home / _TOKENS

    @property
    def bundle_cache(self) -> Path:
        """Where the service keeps the bundles that it fetched."""
        return self.home / "cache" / "bundles"


@cache
def settings() -> Settings:
    """Return the settings of this process, read from its environment at the first call."""
    return Settings.from_environment(os.environ)


def _default_home() -> Path:
    # Outside a checkout there is no repository to write beside.
    return (_ROOT if (_ROOT / "pyproject.toml").is_file() else Path.cwd()) / "var"


def _folder(value: str | None, *, default: Path) -> Path:
    return Path(value).expanduser().absolute() if value else default


def _tokens_file(given: str | None, home: Path) -> Path | None:
    # A file that was named and is not there must not open the service: whoever reads it says so.
    if given is not None:
        return _folder(given, default=home)
    return home / _TOKENS if (home / _TOKENS).exists() else None


def _limit(given: Mapping[str, str], name: str, *, default: float) -> float:
    return math.inf if given.get(name, "").strip() == _OFF else positive_number(given, name, default=default)


def _log(given: Mapping[str, str]) -> str:
    kind = given.get("PROGNOSIS_LOG", Settings.log).strip()
    if kind not in _LOGS:
        raise SettingsError(f"environment variable PROGNOSIS_LOG is {kind!r}; it must be one of {', '.join(_LOGS)}.")
    return kind


def _address(given: Mapping[str, str], name: str) -> str | None:
    address = given.get(name)
    if address is not None and not address.startswith(("http://", "https://")):
        raise SettingsError(f"environment variable {name} is {address!r}; it must begin with http:// or https://.")
    return address


def positive_number(given: Mapping[str, str], name: str, *, default: float) -> float:
    """Return the number that an environment variable states, whole where the default is, or the default.

    Raises
    ------
    SettingsError
        If it is no number, infinite, or not above 0.
    """
    text = given.get(name)
    if text is None:
        return default
    whole = isinstance(default, int)
    try:
        number = int(text) if whole else float(text)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        kind = "a positive whole number" if whole else "a positive number"
        raise SettingsError(f"environment variable {name} is {text!r}; it must be {kind}.")
    return number
