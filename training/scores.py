"""The figures of many patients at once, one column a figure, and what is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from features.cohort import DAYS_PER_MONTH
from training.applicability import FAR_VALUE, Applicability
from training.profiles import ProfileError
from training.survival_bands import MedianSurvival, SurvivalBands

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]

CLINICAL = "clinical"
GENES_ONLY = "genes_only"
RISK_GROUPS = ("low", "intermediate", "high")


@dataclass(frozen=True)
class Wanted:
    """What is asked of every patient.

    Parameters
    ----------
    horizons_months : tuple of float
        From diagnosis.
    horizons_stated : bool
        Whether they were asked for; the model's own are left out where a patient has survived them.
    contributions : bool
    """

    horizons_months: tuple[float, ...]
    horizons_stated: bool
    contributions: bool

    @cached_property
    def days(self) -> Floats:
        """The horizons in days."""
        return np.array(self.horizons_months) * DAYS_PER_MONTH


@dataclass(frozen=True, eq=False)
class Distance:
    """How far profiles are from the reference cohort; the first axis of every array is theirs.

    Parameters
    ----------
    applicability : Applicability
    percentile : array
        Among the cohort's own patients, each held back.
    warned : array of bool
        Of the percentile, or of a single value.
    outside : array, shape (n_patients, n_genes)
        By how much each of the applicability's genes lies outside of the cohort's range; 0 within.
    """

    applicability: Applicability
    percentile: Floats
    warned: Bools
    outside: Floats

    def genes_outside(self, position: int) -> tuple[str, ...]:
        """Return a patient's genes outside of the range, the farthest first."""
        return genes_outside(self.applicability, self.outside[position])

    def far_genes(self, position: int) -> tuple[str, ...]:
        """Return those of them of which one alone is warned of."""
        outside = self.outside[position]
        return genes_outside(self.applicability, np.where(np.abs(outside) > FAR_VALUE, outside, 0.0))


def genes_outside(applicability: Applicability, outside: Floats) -> tuple[str, ...]:
    """Return the genes of one profile that lie outside of the range, the farthest first."""
    rows = np.flatnonzero(outside)
    farthest_first = rows[np.argsort(-np.abs(outside[rows]), kind="stable")] if len(rows) > 1 else rows
    return tuple(applicability.genes[j] for j in farthest_first.tolist())


@dataclass(frozen=True, eq=False)
class Scores:
    """The figures of patients whom one variant answered; the first axis of every array is theirs.

    Parameters
    ----------
    variant : str
    rows : array of int
        Their rows among the patients.
    linear_predictor : array
        Log relative hazard; higher is worse.
    risk_percentile : array
        0 to 100 among the reference cohort's out-of-fold linear predictors.
    survival : SurvivalBands
        At the horizons; NaN where a patient has survived one.
    cohort : array, shape (n_patients, n_horizons, 4)
        The reference cohort's Kaplan–Meier estimate, its interval, and the patients at risk; NaN where unknown.
    median : MedianSurvival
        Days.
    contributions : array or None, shape (n_patients, n_used)
        By the variant's covariates; None where they were not asked for.
    constant : float
        What they and it add up to is the linear predictor.
    missing : array of bool, shape (n_patients, n_genes)
        By the genes that the variant uses.
    unknown_clinical : tuple of tuple of str
        What the fuller variant would have had to know.
    distance : Distance or None
        None where the model's bundle knows no reference.
    gene_scores : array, shape (n_patients, n_read)
        Normal scores of all genes of the variant's feature state; NaN where missing.
    """

    variant: str
    rows: Integers
    linear_predictor: Floats
    risk_percentile: Floats
    survival: SurvivalBands
    cohort: Floats
    median: MedianSurvival
    contributions: Floats | None
    constant: float
    missing: Bools
    unknown_clinical: tuple[tuple[str, ...], ...]
    distance: Distance | None
    gene_scores: Floats


@dataclass(frozen=True, eq=False)
class Scored:
    """The answers to all patients: figures by variant, and what could not be scored, by row."""

    by_variant: tuple[Scores, ...]
    faults: Mapping[int, ProfileError]


def risk_percentile(reference: Floats, linear_predictor: Floats) -> Floats:
    """Return the share of the reference with a lower linear predictor (equal ones count half), 0 to 100.

    Parameters
    ----------
    reference : array, shape (n_patients,)
        Sorted.
    linear_predictor : array, any shape
        Higher is worse.
    """
    below, within = (np.searchsorted(reference, linear_predictor, side=side) for side in ("left", "right"))
    return np.asarray(50.0 * (below + within) / len(reference))


def risk_group(percentile: float) -> str:
    """Return the tertile that a percentile lies in: ``low``, ``intermediate`` or ``high`` risk."""
    return RISK_GROUPS[min(int(percentile * 3 / 100), 2)]
