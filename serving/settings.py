"""What an installation sets: read once from the environment, then frozen."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from features.errors import PrognosisError

_ROOT = Path(__file__).resolve().parents[1]


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
    """

    home: Path
    tracking_uri: str
    cohorts: Path
    host: str = "127.0.0.1"
    port: int = 3000
    workers: int = 2
    poll_seconds: float = 10.0
    timeout_seconds: float = 30.0
    body_limit_bytes: int = 32 * 2**20
    bundles: Path | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings from environment variables; an empty one counts as not set.

        Raises
        ------
        SettingsError
            If a number is none, or is not positive.
        """
        given = {name: value for name, value in environment.items() if value.strip()}
        home = _folder(given.get("PROGNOSIS_HOME"), default=_default_home())
        return cls(
            home=home,
            tracking_uri=given.get("MLFLOW_TRACKING_URI", f"sqlite:///{home / 'mlflow.db'}"),
            cohorts=_folder(given.get("PROGNOSIS_COHORTS"), default=_ROOT.parent / "shared" / "cohorts"),
            host=given.get("PROGNOSIS_HOST", cls.host),
            port=int(_number(given, "PROGNOSIS_PORT", default=cls.port)),
            workers=int(_number(given, "PROGNOSIS_WORKERS", default=cls.workers)),
            poll_seconds=_number(given, "PROGNOSIS_POLL_SECONDS", default=cls.poll_seconds),
            timeout_seconds=_number(given, "PROGNOSIS_TIMEOUT_SECONDS", default=cls.timeout_seconds),
            body_limit_bytes=int(_number(given, "PROGNOSIS_BODY_LIMIT_BYTES", default=cls.body_limit_bytes)),
            bundles=_folder(given["PROGNOSIS_BUNDLES"], default=home) if "PROGNOSIS_BUNDLES" in given else None,
        )

    @property
    def artifacts(self) -> Path:
        """Where MLflow keeps artefacts when it writes to this machine."""
        return self.home / "artifacts"

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


def _number(given: Mapping[str, str], name: str, *, default: float) -> float:
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
