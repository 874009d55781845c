"""Patients of one cancer type, followed for one endpoint, with their genes and their clinical covariates."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features import endpoints
from features.errors import CohortError
from features.ledger import Ledger
from features.scale_names import SCALES

ENDPOINTS = endpoints.ENDPOINTS
SIMULATED_PREFIX = "SIMULATED-"
#: Mean days of a month in the Gregorian calendar; recovers TCGA's days exactly from cBioPortal's months.
DAYS_PER_MONTH = 365.2425 / 12


def months_to_days(months: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert months to whole days."""
    return np.round(np.asarray(months, dtype=np.float64) * DAYS_PER_MONTH)


def days_to_months(days: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert days to months, not rounded."""
    return np.asarray(days, dtype=np.float64) / DAYS_PER_MONTH


@dataclass(frozen=True)
class CohortPart:
    """One of the cohorts that were pooled.

    Parameters
    ----------
    name : str
        By which strata, references and figures call it.
    scale, zscore_reference, source : str
        As in `Cohort`: cohorts on different scales can be pooled, as each has its own normal scores.
    digest : str
        Of the cohort as it was before it was pooled.
    """

    name: str
    scale: str
    zscore_reference: str | None
    source: str
    digest: str


@dataclass(frozen=True, eq=False)
class Cohort:
    """Patients of one cancer type followed for one endpoint; valid by construction.

    Parameters
    ----------
    cancer_type : str
        TCGA's code (``KIRC``); ``SIMULATED-KIRC`` for a simulated one.
    endpoint : str
        ``OS``, ``DSS``, ``DFI`` or ``PFI``.
    scale : str
        One of `features.scales.SCALES`; the scale of `expression`.
    zscore_reference : str or None
        The name of what the z-scores refer to; None on every other scale.
    expression : DataFrame, shape (n_patients, n_genes)
        Float64, NaN where a value is missing; index: patient ids, unique; columns: gene symbols, unique.
    clinical : DataFrame, shape (n_patients, n_clinical)
        Same index. ``age`` (years, float), ``sex`` (``female``/``male``), ``stage`` (``I``–``IV``), ``grade``
        (``G1``–``G4``), each NaN or None where missing; further columns as the cohort has them.
    time : array, shape (n_patients,)
        Follow-up in whole days from diagnosis, positive.
    event : array of bool, shape (n_patients,)
        True where the endpoint was observed.
    source : str
        What it was read from, in words (``cBioPortal study folder KIRC``): no path.
    ledger : Ledger
        What was dropped, mapped, converted or guessed on the way.
    strata : array of str, shape (n_patients,), optional
        The name of each patient's cohort where several were pooled (`features.pooled_cohorts.pooled`); None for one
        cohort alone. Values of `expression` are then comparable only within a stratum.
    parts : tuple of CohortPart
        The cohorts that were pooled, in the order in which they were given; empty for one alone.

    Raises
    ------
    CohortError
        If the parts do not fit together or a time is not positive.
    """

    cancer_type: str
    endpoint: str
    scale: str
    zscore_reference: str | None
    expression: pd.DataFrame
    clinical: pd.DataFrame
    time: NDArray[np.float64]
    event: NDArray[np.bool_]
    source: str
    ledger: Ledger = field(default_factory=Ledger)
    strata: NDArray[np.str_] | None = None
    parts: tuple[CohortPart, ...] = ()

    def __post_init__(self) -> None:
        if self.endpoint not in ENDPOINTS:
            raise CohortError(f"{self}: endpoint {self.endpoint!r} is not one of {', '.join(ENDPOINTS)}.")
        if self.scale not in SCALES:
            raise CohortError(f"{self}: expression scale {self.scale!r} is not one of {', '.join(SCALES)}.")
        if (self.scale == "zscore") != (self.zscore_reference is not None):
            raise CohortError(f"{self}: z-scores, and only they, need the name of their reference.")
        self._check_shapes()
        self._check_outcome()
        self._check_strata()

    def _check_shapes(self) -> None:
        n_patients = len(self.expression)
        parts = {"clinical": len(self.clinical), "time": len(self.time), "event": len(self.event)}
        for name, length in parts.items():
            if length != n_patients:
                raise CohortError(f"{self}: {n_patients} patients have expression, but {name} has {length} rows.")
        if not self.clinical.index.equals(self.expression.index):
            raise CohortError(f"{self}: clinical and expression rows are not the same patients in the same order.")
        for axis, labels in (("patient", self.expression.index), ("gene", self.expression.columns)):
            if labels.has_duplicates:
                twice = labels[labels.duplicated()]
                raise CohortError(f"{self}: {len(twice)} {axis} ids occur twice (first: {twice[0]!r}); keep one each.")

    def _check_outcome(self) -> None:
        bad = np.flatnonzero(~(np.isfinite(self.time) & (self.time > 0)))
        if len(bad):
            raise CohortError(
                f"{self}: follow-up must be positive, but {len(bad)} of {len(self.time)} are not (first: "
                f"{self.patients[bad[0]]!r}, {self.time[bad[0]]:g} days); drop these patients or correct their dates."
            )
        if self.event.dtype != np.bool_:
            raise CohortError(f"{self}: event must be boolean, not {self.event.dtype}.")

    def _check_strata(self) -> None:
        strata = np.array([], dtype=np.str_) if self.strata is None else self.strata
        if (self.strata is None) != (not self.parts) or len(strata) != len(self.time) * bool(self.parts):
            raise CohortError(f"{self}: every patient of pooled cohorts, and of them alone, needs the name of one.")
        unknown = sorted(set(strata.tolist()) - {part.name for part in self.parts})
        if unknown:
            raise CohortError(f"{self}: patients are of {unknown[0]!r}, which is none of the pooled cohorts.")

    def __str__(self) -> str:
        return f"{self.cancer_type}/{self.endpoint}"

    @property
    def patients(self) -> pd.Index:
        """Patient ids, in order."""
        return self.expression.index

    @property
    def n_events(self) -> int:
        """Number of observed events."""
        return int(self.event.sum())

    @property
    def stratum_numbers(self) -> NDArray[np.int64] | None:
        """The place of each patient's cohort among those that were pooled, shape (n_patients,); None for one alone."""
        if self.strata is None:
            return None
        place = {part.name: number for number, part in enumerate(self.parts)}
        return np.array([place[name] for name in self.strata.tolist()], dtype=np.int64)

    @property
    def simulated(self) -> bool:
        """Whether the cohort was made by the generator and not by nature."""
        return self.cancer_type.startswith(SIMULATED_PREFIX)

    def subset(self, positions: NDArray[np.intp]) -> Cohort:
        """Return the cohort of the patients at these positions, in this order."""
        return replace(
            self,
            expression=self.expression.iloc[positions],
            clinical=self.clinical.iloc[positions],
            time=self.time[positions],
            event=self.event[positions],
            strata=None if self.strata is None else self.strata[positions],
        )

    def digest(self) -> str:
        """Return the SHA-256 (hex) of patients, outcomes, genes, values and clinical covariates."""
        sha = hashlib.sha256(f"{self.cancer_type}|{self.endpoint}|{self.scale}|{self.zscore_reference}".encode())
        for labels in (self.patients, self.expression.columns, self.clinical.columns):
            sha.update("\x1f".join(map(str, labels)).encode())
        sha.update(np.ascontiguousarray(self.time).tobytes() + np.ascontiguousarray(self.event).tobytes())
        sha.update(np.ascontiguousarray(self.expression.to_numpy(np.float64)).tobytes())
        sha.update(self.clinical.to_csv(index=False).encode())
        if self.strata is not None:
            sha.update("\x1f".join((*self.strata.tolist(), *map(str, self.parts))).encode())
        return sha.hexdigest()
