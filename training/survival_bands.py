"""Survival and its median with 95 % intervals from a model's replicates, for many patients at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.band_kernel import write_distances
from training.breslow import BaselineHazard
from training.replicates import Replicates
from training.univariate_cox import Z95

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

#: Patients whose curves are held at a time.
BLOCK = 4096
#: The log cumulative hazard at which half are dead.
HALF = float(np.log(np.log(2.0)))


@dataclass(frozen=True, eq=False)
class Answers:
    """A model's log relative hazards of patients, with what is needed for their survival.

    Parameters
    ----------
    baseline : BaselineHazard
    linear_predictor : array, shape (n_patients,)
        Recalibrated; higher is worse.
    replicates : Replicates or None
        None where a model has none: its answers have no interval.
    by_replicate : array or None, shape (n_patients, n_replicates)
        The replicates' recalibrated linear predictors.
    survived_days : array or None, shape (n_patients,)
        Days that a patient is known to have survived; what is answered is given that.
    """

    baseline: BaselineHazard
    linear_predictor: Floats
    replicates: Replicates | None = None
    by_replicate: Floats | None = None
    survived_days: Floats | None = None

    def blocks(self) -> Iterator[tuple[Positions, Answers]]:
        """Yield patients by positions, not more than `BLOCK` at a time, all at the same step of the baseline."""
        step = np.zeros(len(self.linear_predictor), dtype=np.intp)
        if self.survived_days is not None:
            step = np.searchsorted(self.baseline.days, self.survived_days, side="right")
        for each in np.unique(step):
            alike = np.flatnonzero(step == each)
            for start in range(0, len(alike), BLOCK):
                rows = alike[start : start + BLOCK]
                yield rows, self._at(rows)

    def _at(self, rows: Positions) -> Answers:
        return Answers(
            self.baseline,
            self.linear_predictor[rows],
            self.replicates,
            None if self.by_replicate is None else self.by_replicate[rows],
            None if self.survived_days is None else self.survived_days[rows],
        )


@dataclass(frozen=True, eq=False)
class SurvivalBands:
    """Probabilities of surviving beyond days; every array has shape (n_patients, n_days).

    Parameters
    ----------
    probability : array
    lower, upper : array
        95 % interval; NaN where the model has no replicates.
    """

    probability: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True, eq=False)
class MedianSurvival:
    """Days from diagnosis by which half of such patients are dead; every array has shape (n_patients,).

    Parameters
    ----------
    days : array
        NaN where it is not reached by the last day that is answered.
    lower, upper : array
        95 % interval; NaN where that end is not reached, or the model has no replicates.
    """

    days: Floats
    lower: Floats
    upper: Floats


def survival_bands(answers: Answers, days: Floats) -> SurvivalBands:
    r"""Return survival at days with its pointwise interval.

    .. math::
        S = \exp(-e^{\eta}), \qquad \exp\big(-e^{\eta \pm 1.96 \sigma}\big), \qquad
        \eta = \eta_i + \log\big(H_0(t) - H_0(s)\big)

    with :math:`\sigma` the root mean square distance of the replicates' :math:`\eta` from the model's, and :math:`s`
    the days survived, 0 unless given.

    Parameters
    ----------
    answers : Answers
    days : array, shape (n_days,)
        From diagnosis.

    Notes
    -----
    On the log cumulative hazard, where replicates are nearest to normal: the interval holds the point and stays
    within 0 and 1. Distances are from the model's own answer: where replicates lie to one side of it, that estimates
    its bias, which an interval about their mean would hide. Where nobody died by the day, survival is 1 and so are
    both ends, as in a Kaplan–Meier curve. A replicate without an event between the days survived and the day asked
    for counts as one with half of the model's first event there.
    """
    shape = (len(answers.linear_predictor), len(days))
    probability, lower, upper = (np.empty(shape) for _ in range(3))
    for rows, each in answers.blocks():
        eta, margin = _log_hazards(each, days)
        probability[rows] = np.exp(-np.exp(eta))
        lower[rows] = np.exp(-np.exp(eta + margin))
        upper[rows] = np.exp(-np.exp(eta - margin))
    return SurvivalBands(probability, lower, upper)


def median_survival(answers: Answers, *, last_day: float) -> MedianSurvival:
    """Return the first day on which survival is ½ or less, and the days on which the ends of its interval are.

    Parameters
    ----------
    answers : Answers
    last_day : float
        Days; beyond it nothing is answered.
    """
    days = answers.baseline.days[answers.baseline.days <= last_day]
    found = np.full((3, len(answers.linear_predictor)), np.nan)
    if not len(days):
        return MedianSurvival(*found)
    for rows, each in answers.blocks():
        eta, margin = _log_hazards(each, days)
        # Where survival is lowest it is ½ first.
        for which, curve in enumerate((eta, eta + margin, eta - margin)):
            dead = curve >= HALF
            found[which, rows] = np.where(dead.any(axis=1), days[dead.argmax(axis=1)], np.nan)
    return MedianSurvival(*found)


def _log_hazards(answers: Answers, days: Floats) -> tuple[Floats, Floats]:
    """Return the log cumulative hazard since the days survived, of patients at one step, and 1.96 of its distance."""
    step = 0
    if answers.survived_days is not None:
        step = int(np.searchsorted(answers.baseline.days, answers.survived_days[0], side="right"))
    since = np.concatenate([[0.0], answers.baseline.cumulative_hazard])[step]
    hazard = np.maximum(answers.baseline.at(days) - since, 0.0)
    with np.errstate(divide="ignore"):
        log_hazard = np.log(hazard)
    eta = answers.linear_predictor[:, None] + log_hazard
    if answers.replicates is None or answers.by_replicate is None:
        return eta, np.full(eta.shape, np.nan)
    margin, reached = np.zeros(eta.shape), hazard > 0
    drawn = _replicated(answers, days[reached], step) - log_hazard[reached]
    margin[:, reached] = Z95 * _distances(answers.by_replicate, answers.linear_predictor, drawn)
    return eta, margin


def _replicated(answers: Answers, days: Floats, step: int) -> Floats:
    """Return each replicate's log baseline hazard between a step and days, shape (n_replicates, n_days)."""
    assert answers.replicates is not None  # noqa: S101
    own, baseline = answers.replicates.log_baseline, answers.baseline
    at = np.searchsorted(baseline.days, days, side="right") - 1
    if not step:
        return own[:, at]
    hazard = np.exp(own)
    between = hazard[:, at] - hazard[:, step - 1 : step]
    first = np.diff(baseline.cumulative_hazard)[step - 1] / 2 if len(days) else 0.0
    return np.asarray(np.log(np.maximum(between, first)))


def _distances(by_replicate: Floats, linear_predictor: Floats, log_hazards: Floats) -> Floats:
    distances = np.empty((len(by_replicate), log_hazards.shape[1]))
    write_distances(np.ascontiguousarray(by_replicate), linear_predictor, np.ascontiguousarray(log_hazards), distances)
    return distances
