"""The model that a bundle holds: its two variants, its reference cohort, its figures and its provenance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.cohort import SIMULATED_PREFIX

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CohortSummary:
    """What may be said of the training cohort without naming a patient."""

    source: str
    n_patients: int
    n_events: int
    median_follow_up_months: float
    digest: str


@dataclass(frozen=True)
class PrognosticModel:
    """A fitted model of one cancer type and endpoint, with its genes-only twin.

    Parameters
    ----------
    horizons_months : tuple of float
        The horizons that are answered unless others are asked for.
    horizon_months_max : float
        The last time with at least ten patients at risk; beyond it nothing is answered.
    variants : mapping of str to Variant
        ``clinical`` (absent where the cohort has no clinical covariates) and ``genes_only``.
    hazard_ratios : DataFrame
        The univariate scan of the training cohort, one row a panel gene.
    gate : tuple of (clause, verdict, figure)
    champion_earned : bool
        Whether every clause passed.
    definition : mapping
        The definition as it was read.
    provenance : mapping
        ``created`` (ISO 8601, UTC), ``code_version``, ``data_digest``, ``definition_digest``, ``seed``.
    patient_hashes : tuple of str
        SHA-256 of the training patients' ids, sorted.
    """

    cancer_type: str
    endpoint: str
    scale: str
    zscore_reference: str | None
    horizons_months: tuple[float, ...]
    horizon_months_max: float
    cohort: CohortSummary
    variants: Mapping[str, Any]
    hazard_ratios: pd.DataFrame
    gate: tuple[tuple[str, str, str], ...]
    champion_earned: bool
    definition: Mapping[str, Any]
    provenance: Mapping[str, str]
    patient_hashes: tuple[str, ...]

    @property
    def name(self) -> str:
        """The registered model's name, ``KIRC-OS``."""
        return f"{self.cancer_type}-{self.endpoint}"

    @property
    def simulated(self) -> bool:
        """Whether it was trained on a simulated cohort."""
        return self.cancer_type.startswith(SIMULATED_PREFIX)
