"""What a validation yields: the figures of each row, who was judged, what moved, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.case_mix import PredictorMix, Typical
from training.estimate import Estimate
from training.metrics import at_horizon
from training.model import CohortSummary, PrognosticModel
from training.new_patients import AS_IS, Attendance
from training.recalibration import Recalibration
from training.validation_summary import summary
from training.validation_verdict import FEWEST_EVENTS, Finding

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Row:
    """One variant's figures on the patients whom it answered.

    Parameters
    ----------
    variant, normalisation : str
        See `training.new_patients.Answered`.
    time, event, linear_predictor : arrays, shape (n_patients,)
        Of these patients; they are drawn, and never written.
    metrics : mapping of str to Estimate
        Empty where too few patients leave no day to judge on.
    horizons_months : tuple of float
        Where survival was judged.
    calibration, decision_curve : DataFrame or None
        See `training.external_figures`; None where probabilities mean nothing.
    mix : PredictorMix or None
        None where there is no patient, or nothing to set beside.
    offers : tuple of Recalibration
        Only for what a new patient would be answered, from `FEWEST_EVENTS` events on.
    """

    variant: str
    normalisation: str
    time: Floats
    event: Bools
    linear_predictor: Floats
    metrics: dict[str, Estimate]
    horizons_months: tuple[float, ...] = ()
    calibration: pd.DataFrame | None = None
    decision_curve: pd.DataFrame | None = None
    mix: PredictorMix | None = None
    offers: tuple[Recalibration, ...] = ()

    @property
    def n_patients(self) -> int:
        """Patients whom the variant answered."""
        return len(self.time)

    @property
    def n_events(self) -> int:
        """Events among them."""
        return int(self.event.sum())

    @property
    def name(self) -> str:
        """``clinical, as_is``."""
        return f"{self.variant}, {self.normalisation}"


@dataclass(frozen=True, eq=False)
class Validation:
    """What a locked model is worth on a new cohort.

    Parameters
    ----------
    model : PrognosticModel
    cohort : CohortSummary
        Of the whole new cohort.
    cancer_type : str
        The new cohort's.
    attendance : Attendance
    rows : tuple of Row
        Each variant as it is, where it can be, and renormalised.
    shifts : DataFrame
        See `training.input_shift.input_shifts`.
    typical : Typical or None
    case_mix : DataFrame
        See `training.case_mix.case_mix`.
    relative_reason : str or None
        Why no probability was judged; None where they were.
    findings : tuple of Finding
        On the row that is `judged`.
    seed, n_samples : int
        Of the bootstrap.
    """

    model: PrognosticModel
    cohort: CohortSummary
    cancer_type: str
    attendance: Attendance
    rows: tuple[Row, ...]
    shifts: pd.DataFrame
    typical: Typical | None
    case_mix: pd.DataFrame
    relative_reason: str | None
    findings: tuple[Finding, ...]
    seed: int
    n_samples: int

    @property
    def summary(self) -> str:
        """The verdict in one sentence."""
        return summary(self.findings, offers_help=any(nearer(self.judged, offer) for offer in self.judged.offers))

    @cached_property
    def judged(self) -> Row:
        """The row that the verdict is of."""
        return judged_row(self.rows)


def nearer(row: Row, offer: Recalibration) -> bool:
    """Tell whether an offer brings observed over expected risk nearer to 1, on the mean over the horizons judged."""
    names = {at_horizon("log_observed_expected", months) for months in row.horizons_months}
    judged = names & row.metrics.keys() & offer.after.keys()
    both = [(row.metrics[name].value, offer.after[name].value) for name in judged]
    # Of what could not be estimated nothing is said: NaN is not below anything.
    before, after = np.abs(np.array(both).reshape(-1, 2)).sum(axis=0)
    return bool(after < before)


def judged_row(rows: Sequence[Row]) -> Row:
    """Return the row that the verdict is of: as it is, where the cohort's scale allows it; the fuller variant first.

    A row of fewer than `FEWEST_EVENTS` events gives way to one that has them; never to a renormalised one, which is not
    what patients would be answered.
    """
    told = [row for row in rows if row.normalisation == AS_IS] or list(rows)
    return next((row for row in told if row.n_events >= FEWEST_EVENTS and row.metrics), told[-1])
