"""Net benefit of treating those whose predicted risk reaches a threshold, beside treating all and none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.counted_survival import survival_at

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit of three policies; every array has shape (n_samples, n_thresholds).

    Parameters
    ----------
    model : array
        Treat whose predicted risk is at least the threshold.
    treat_all, treat_none : array
    """

    model: Floats
    treat_all: Floats
    treat_none: Floats


def decision_curve(
    survival_at_day: Floats, time: Floats, event: Bools, counts: Floats, *, day: float, thresholds: Floats
) -> DecisionCurve:
    r"""Return net benefit at a day over thresholds in each sample, averaged over repeats.

    .. math::
        \pi \big(1 - \hat S(t)\big) - \pi \hat S(t) \, \frac{p}{1 - p}

    where :math:`\pi` is the share of patients with predicted risk of at least :math:`p`, and :math:`\hat S` their
    Kaplan–Meier curve.

    Parameters
    ----------
    survival_at_day : array, shape (n_repeats, n_patients)
        Predicted probability of surviving beyond `day`, out-of-fold.
    time : array, shape (n_patients,)
        Days.
    event : array of bool, shape (n_patients,)
    counts : array, shape (n_samples, n_patients)
        How often each patient stands in each sample.
    day : float
        The horizon, in the unit of `time`.
    thresholds : array, shape (n_thresholds,)
        Risks :math:`p`, at least 0 and below 1.

    Returns
    -------
    DecisionCurve
        True positives per patient, less false positives at the threshold's odds. 0 where nobody is treated, NaN where
        none of the treated is followed until the day (see `training.counted_survival.survival_at`).

    Notes
    -----
    A risk equal to the threshold is treated. Censoring within the treated is taken to be uninformative.

    References
    ----------
    Vickers AJ, Cronin AM, Elkin EB, Gonen M. Extensions to decision curve analysis. BMC Med Inform Decis Mak
    2008;8:53. doi:10.1186/1472-6947-8-53
    """
    odds = thresholds / (1 - thresholds)
    total = counts.sum(axis=1)

    def treating(treated: Bools) -> tuple[Floats, Floats]:
        return _positives(time[treated], event[treated], counts[:, treated], total, day=day)

    true, false = treating(np.ones(len(time), dtype=np.bool_))
    treat_all = true[:, None] - np.outer(false, odds)
    model = np.zeros_like(treat_all)
    for survival in survival_at_day:
        for column, threshold in enumerate(thresholds):
            true, false = treating(1 - survival >= threshold)
            model[:, column] += (true - false * odds[column]) / len(survival_at_day)
    return DecisionCurve(model, treat_all, np.zeros_like(treat_all))


def _positives(time: Floats, event: Bools, counts: Floats, total: Floats, *, day: float) -> tuple[Floats, Floats]:
    """Return the true and false positives among the treated as shares of the whole sample, shape (n_samples,) each."""
    treated = counts.sum(axis=1)
    survival = np.where(treated > 0, survival_at(time, event, counts, day=day), 1.0)
    share = treated / total
    return share * (1 - survival), share * survival
