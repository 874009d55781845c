"""What would bring a locked model's risks in line with new patients: a shift and a slope, offered and not applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from training.breslow import BaselineHazard
from training.calibration import calibration_slope
from training.estimate import Estimate
from training.evaluation import Judge
from training.external_figures import Predictions, external_metrics
from training.metrics import estimated
from training.model import PrognosticModel
from training.resampling import generator, stratified_folds

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Folds in which the figures after recalibration are made: each patient's by what the others teach.
N_FOLDS = 10
#: Samples that the intervals of these figures come from: they say whether an offer is worth a look.
AFTER_SAMPLES = 200
SHIFT, SHIFT_AND_SLOPE = "shift", "shift_and_slope"


@dataclass(frozen=True, eq=False)
class Recalibration:
    r"""One offer: :math:`H(t \mid \eta) = H_0(t)\, e^{\alpha + \gamma \eta}` in place of :math:`H_0(t)\, e^{\eta}`.

    Parameters
    ----------
    name : str
        ``shift`` (:math:`\gamma` is 1) or ``shift_and_slope``.
    shift, slope : Estimate
        :math:`\alpha`, log cumulative hazard, and :math:`\gamma`.
    after : mapping of str to Estimate
        The figures of predictions so recalibrated, each patient's by shift and slope of the other folds: estimated and
        judged on the same patients they would flatter. Intervals from the first 200 samples.
    """

    name: str
    shift: Estimate
    slope: Estimate
    after: Mapping[str, Estimate]


@dataclass(frozen=True, eq=False)
class Study:
    """One variant's predictions for new patients, and the folds that correct for having seen their outcomes.

    Parameters
    ----------
    model : PrognosticModel
    baseline : BaselineHazard
        Of the variant.
    judge : Judge
        Of the new patients.
    linear_predictor : array, shape (n_patients,)
    seed : int
        Of the folds.
    """

    model: PrognosticModel
    baseline: BaselineHazard
    judge: Judge
    linear_predictor: Floats
    seed: int

    def offers(self) -> tuple[Recalibration, ...]:
        """Return what could be offered, and what figures it would lead to; nothing is applied.

        The shift alone; and with a slope, where it is estimable and above 0: a negative one would turn predictions
        around by the outcomes that judge them.
        """
        samples = self.judge.outcome[2]
        offers = [self._offer(SHIFT, np.ones(len(samples)), np.ones(N_FOLDS))]
        slopes, of_folds = self._slopes(samples), self._slopes(self._others)
        if slopes[0] > 0 and (of_folds > 0).all():
            offers.append(self._offer(SHIFT_AND_SLOPE, slopes, of_folds))
        return tuple(offers)

    @cached_property
    def _labels(self) -> NDArray[np.int64]:
        """The fold of each patient."""
        rng = generator(self.seed, "recalibration")
        return stratified_folds(self.judge.time, self.judge.event, N_FOLDS, rng)

    @cached_property
    def _others(self) -> Floats:
        """The patients of all other folds as samples, shape (n_folds, n_patients)."""
        return np.asarray(np.arange(N_FOLDS)[:, None] != self._labels, dtype=np.float64)

    def _slopes(self, counts: Floats) -> Floats:
        """Return the calibration slope in each sample."""
        return calibration_slope(self.linear_predictor[None], self.judge.time, self.judge.event, counts)

    def _offer(self, name: str, slopes: Floats, of_folds: Floats) -> Recalibration:
        """Return the shift that goes with the slopes of the samples, and the figures with those of the folds."""
        shifts, without = (
            hazard_shift(self.baseline, self.linear_predictor, self.judge, counts, chosen)
            for counts, chosen in ((self.judge.outcome[2], slopes), (self._others, of_folds))
        )
        corrected = without[self._labels] + of_folds[self._labels] * self.linear_predictor
        judge = self.judge.with_samples(AFTER_SAMPLES)
        after = external_metrics(self.model, judge, Predictions.of(self.baseline, corrected, judge))
        slope = estimated(slopes) if name == SHIFT_AND_SLOPE else Estimate(1.0, np.nan, np.nan)
        return Recalibration(name, estimated(shifts), slope, after)


def hazard_shift(
    baseline: BaselineHazard, linear_predictor: Floats, judge: Judge, counts: Floats, slopes: Floats
) -> Floats:
    r"""Return the log of observed over expected events until the last judged day in each sample.

    .. math:: \hat\alpha = \log \frac{\sum_i c_i \delta_i}{\sum_i c_i H_0(t_i)\, e^{\gamma \eta_i}}

    Parameters
    ----------
    baseline : BaselineHazard
    linear_predictor : array, shape (n_patients,)
    judge : Judge
        Follow-up ends with its last day: later the model predicts nothing.
    counts : array, shape (n_samples, n_patients)
    slopes : array, shape (n_samples,)
        :math:`\gamma`.

    Returns
    -------
    array, shape (n_samples,)
        Above 0: more events than predicted. NaN where there is none, or none is expected.

    Notes
    -----
    The maximum likelihood estimate of the intercept of a Poisson regression of the events with the expected cumulative
    hazard as offset.

    References
    ----------
    Crowson CS, Atkinson EJ, Therneau TM. Assessing calibration of prognostic risk scores. Stat Methods Med Res
    2016;25:1692-1706. doi:10.1177/0962280213497434
    """
    observed = counts @ (judge.event & (judge.time <= judge.horizon_days))
    hazard = baseline.at(np.minimum(judge.time, judge.horizon_days))
    expected = np.sum(counts * hazard * np.exp(np.outer(slopes, linear_predictor)), axis=1)
    known = (observed > 0) & (expected > 0)
    return np.log(np.divide(observed, expected, out=np.full_like(expected, np.nan), where=known))
