"""What the simulated cohorts are made of, read once from the file beside this module."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from features.errors import PrognosisError

SETTINGS_FILE = Path(__file__).with_name("simulated_cohorts.toml")
SIMULATED_PANEL = "ctc_review"


class SimulationError(PrognosisError):
    """A cancer type cannot be simulated, or no coefficients give the hazard ratios that were asked for."""


@lru_cache(maxsize=1)
def settings() -> Mapping[str, Any]:
    """Return expression levels, factors, clinical covariates and cohorts, as the settings file states them."""
    return tomllib.loads(SETTINGS_FILE.read_text(encoding="utf-8"))


def simulated_cancer_types() -> tuple[str, ...]:
    """Return TCGA's codes of the cancer types that can be simulated."""
    return tuple(settings()["cohorts"])


def cohort_settings(cancer_type: str) -> Mapping[str, Any]:
    """Return the settings of one cancer type.

    Parameters
    ----------
    cancer_type : str
        TCGA's code, ``KIRC``.

    Returns
    -------
    mapping
        ``patients``, ``deaths``, ``follow_up_months``, ``weibull_shape``, ``age``, ``sex``, and where the cohort has
        them ``stage`` and ``grade``.

    Raises
    ------
    SimulationError
        If there is none of this name.
    """
    try:
        cohort: Mapping[str, Any] = settings()["cohorts"][cancer_type]
    except KeyError:
        known = ", ".join(simulated_cancer_types())
        raise SimulationError(f"Cancer type {cancer_type!r} cannot be simulated; choose among {known}.") from None
    return cohort
