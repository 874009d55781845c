"""Survival and its median with 95 % intervals from a model's replicates, for many patients at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from training.band_kernel import write_bands, write_medians
from training.breslow import BaselineHazard
from training.kaplan_meier import Z95
from training.replicates import Replicates

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

#: Hazards that are kept, by the days asked for and the days survived: the same are asked for again and again.
HAZARDS_KEPT = 32
#: The log cumulative hazard at which half are dead.
HALF = float(np.log(np.log(2.0)))


@dataclass(frozen=True, eq=False)
class Hazards:
    """Log cumulative hazards between one step of the baseline and days.

    Parameters
    ----------
    log_hazard : array, shape (n_days,)
        Of the model; minus infinity where nobody died in between.
    drawn : array, shape (n_replicates, n_days)
        Of its replicates, less the model's own; 0 where that is infinite.
    """

    log_hazard: Floats
    drawn: Floats


@dataclass(frozen=True, eq=False)
class Curves:
    """A model's baseline hazard with its replicates'; what was asked for last is kept.

    Parameters
    ----------
    baseline : BaselineHazard
    replicates : Replicates or None
        None where a model has none: its answers have no interval.
    """

    baseline: BaselineHazard
    replicates: Replicates | None = None

    def hazards(self, days: Floats, step: int) -> Hazards:
        """Return the hazards between a step, 0 for the beginning, and days, shape (n_days,)."""
        return self._kept(days.tobytes(), step)

    @cached_property
    def _kept(self) -> Callable[[bytes, int], Hazards]:
        return lru_cache(HAZARDS_KEPT)(lambda days, step: self._hazards(np.frombuffer(days), step))

    def _hazards(self, days: Floats, step: int) -> Hazards:
        since = np.concatenate([[0.0], self.baseline.cumulative_hazard])[step]
        hazard = np.maximum(self.baseline.at(days) - since, 0.0)
        with np.errstate(divide="ignore"):
            log_hazard = np.log(hazard)
        drawn = np.zeros((0 if self.replicates is None else len(self.replicates), len(days)))
        if self.replicates is not None:
            reached = hazard > 0
            drawn[:, reached] = self._replicated(self.replicates, days[reached], step) - log_hazard[reached]
        return Hazards(log_hazard, drawn)

    def _replicated(self, replicates: Replicates, days: Floats, step: int) -> Floats:
        """Return each replicate's log baseline hazard between a step and days, shape (n_replicates, n_days)."""
        own, baseline = replicates.log_baseline, self.baseline
        at = np.searchsorted(baseline.days, days, side="right") - 1
        if not step:
            return own[:, at]
        hazard = np.exp(own)
        between = hazard[:, at] - hazard[:, step - 1 : step]
        first = np.diff(baseline.cumulative_hazard)[step - 1] / 2 if len(days) else 0.0
        return np.asarray(np.log(np.maximum(between, first)))


@dataclass(frozen=True, eq=False)
class Answers:
    """A model's log relative hazards of patients, with what is needed for their survival.

    Parameters
    ----------
    curves : Curves
    linear_predictor : array, shape (n_patients,)
        Recalibrated; higher is worse.
    by_replicate : array or None, shape (n_patients, n_replicates)
        The replicates' recalibrated linear predictors; None where there are none.
    survived_days : array or None, shape (n_patients,)
        Days that a patient is known to have survived; what is answered is given that.
    """

    curves: Curves
    linear_predictor: Floats
    by_replicate: Floats | None = None
    survived_days: Floats | None = None

    def at_steps(self) -> Iterator[tuple[int, Positions | slice, Floats, Floats]]:
        """Yield a step of the baseline, the patients there by position, and their linear predictors, own and drawn."""
        linear_predictor, drawn = self.linear_predictor, self.by_replicate
        if drawn is None:
            drawn = np.empty((len(linear_predictor), 0))
        if self.survived_days is None:
            yield 0, slice(None), linear_predictor, np.ascontiguousarray(drawn)
            return
        steps = np.searchsorted(self.curves.baseline.days, self.survived_days, side="right")
        for step in np.unique(steps).tolist():
            rows = np.flatnonzero(steps == step)
            yield step, rows, linear_predictor[rows], drawn[rows]


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
    bands = np.empty((3, len(answers.linear_predictor), len(days)))
    for step, rows, linear_predictor, drawn in answers.at_steps():
        hazards = answers.curves.hazards(days, step)
        found = np.empty((3, len(linear_predictor), len(days)))
        write_bands(linear_predictor, drawn, hazards.log_hazard, hazards.drawn, Z95, found)
        bands[:, rows] = found
    return SurvivalBands(*bands)


def median_survival(answers: Answers, *, last_day: float) -> MedianSurvival:
    """Return the first day on which survival is ½ or less, and the days on which the ends of its interval are.

    Parameters
    ----------
    answers : Answers
    last_day : float
        Days; beyond it nothing is answered.
    """
    days = answers.curves.baseline.days
    days = days[days <= last_day]
    medians = np.empty((3, len(answers.linear_predictor)))
    for step, rows, linear_predictor, drawn in answers.at_steps():
        hazards = answers.curves.hazards(days, step)
        found = np.empty((3, len(linear_predictor)))
        write_medians(linear_predictor, drawn, hazards.log_hazard, hazards.drawn, Z95, days, HALF, found)
        medians[:, rows] = found
    return MedianSurvival(*medians)
