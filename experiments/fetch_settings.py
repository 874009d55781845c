"""From where public cohorts are fetched, and with how much patience: read once from the environment, then frozen."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from serving.settings import Settings, SettingsError, positive_number


@dataclass(frozen=True)
class FetchSettings:
    """Hosts, patience and the cache of downloads.

    Parameters
    ----------
    cache : Path
        Where downloads are kept, under ``PROGNOSIS_HOME``.
    xena_hub, xena_gdc_hub : str
        ``PROGNOSIS_XENA_HUB`` and ``PROGNOSIS_XENA_GDC_HUB``: the hosts behind UCSC Xena's download links.
    gdc_api : str
        ``PROGNOSIS_GDC_API``: the API of NCI's Genomic Data Commons.
    timeout_seconds : float
        ``PROGNOSIS_FETCH_TIMEOUT_SECONDS``: how long a server may say nothing, or next to nothing, before the
        connection is given up for a new one.
    attempts : int
        ``PROGNOSIS_FETCH_ATTEMPTS``: how often in a row a request may fail without a byte gained.
    backoff_seconds : float
        The wait after the first failure; it doubles with every further one.
    connections : int
        Downloads at a time, where a cohort is many files; the API's own client uses eight.

    Notes
    -----
    The hosts that stand here are https; another scheme must be configured by name. See UCSCXenaTools (``XenaQuery``)
    for the hubs' layout, https://docs.gdc.cancer.gov/API/Users_Guide/Getting_Started for the API's.
    """

    cache: Path
    xena_hub: str = "https://tcga-xena-hub.s3.us-east-1.amazonaws.com"
    xena_gdc_hub: str = "https://gdc-hub.s3.us-east-1.amazonaws.com"
    gdc_api: str = "https://api.gdc.cancer.gov"
    timeout_seconds: float = 60.0
    attempts: int = 6
    backoff_seconds: float = 1.0
    connections: int = 4

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> FetchSettings:
        """Read the settings from environment variables; an empty one counts as not set.

        Raises
        ------
        SettingsError
            If a host is no http(s) address or holds credentials, or if a number is none.
        """
        given = {name: value.strip() for name, value in environment.items() if value.strip()}
        return cls(
            cache=Settings.from_environment(environment).home / "cache" / "downloads",
            xena_hub=_host(given, "PROGNOSIS_XENA_HUB", cls.xena_hub),
            xena_gdc_hub=_host(given, "PROGNOSIS_XENA_GDC_HUB", cls.xena_gdc_hub),
            gdc_api=_host(given, "PROGNOSIS_GDC_API", cls.gdc_api),
            timeout_seconds=positive_number(given, "PROGNOSIS_FETCH_TIMEOUT_SECONDS", default=cls.timeout_seconds),
            attempts=int(positive_number(given, "PROGNOSIS_FETCH_ATTEMPTS", default=cls.attempts)),
        )


@cache
def fetch_settings() -> FetchSettings:
    """Return the settings of this process, read from its environment at the first call."""
    return FetchSettings.from_environment(os.environ)


def _host(given: Mapping[str, str], name: str, default: str) -> str:
    address = given.get(name, default)
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingsError(f"environment variable {name} is no address; it must begin with https:// or http://.")
    # What stands in an address ends up in logs, in errors and in the record of what was fetched.
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise SettingsError(f"environment variable {name} must be a plain address, without a user, password or query.")
    return address.rstrip("/")
