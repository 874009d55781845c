"""The Brier score under censoring, patient by patient, and its integral over a fixed grid of days."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class CensoringDistribution:
    """Kaplan–Meier estimate of the probability of being uncensored.

    Parameters
    ----------
    days : array, shape (n_steps,)
        Days with censored patients, increasing.
    probability : array, shape (n_steps,)
        Its value from that day on; 1 before the first.
    """

    days: Floats
    probability: Floats

    def at(self, days: Floats) -> Floats:
        """Return G(t), that day's censorings included."""
        return self._look_up(days, "right")

    def before(self, days: Floats) -> Floats:
        """Return G(t−), that day's censorings left out."""
        return self._look_up(days, "left")

    def _look_up(self, days: Floats, side: str) -> Floats:
        steps = np.concatenate([[1.0], self.probability])
        return steps[np.searchsorted(self.days, days, side="left" if side == "left" else "right")]


def censoring_distribution(time: Floats, event: Bools) -> CensoringDistribution:
    """Estimate the censoring distribution; an event on the day of a censoring comes first.

    Parameters
    ----------
    time : array, shape (n_patients,)
        Days.
    event : array of bool, shape (n_patients,)
    """
    days = np.unique(time[~event])
    censored = np.array([np.sum((time == day) & ~event) for day in days], dtype=np.float64)
    at_risk = np.array([np.sum(time > day) for day in days], dtype=np.float64) + censored
    return CensoringDistribution(days, np.cumprod(1 - censored / at_risk))


def brier_contributions(
    survival: Floats, time: Floats, event: Bools, *, days: Floats, censoring: CensoringDistribution
) -> Floats:
    r"""Return each patient's part of the Brier score on each day.

    .. math::
        \frac{\hat S_i(t)^2 \, 1\{t_i \le t, \delta_i = 1\}}{\hat G(t_i-)}
        + \frac{(1 - \hat S_i(t))^2 \, 1\{t_i > t\}}{\hat G(t)}

    Parameters
    ----------
    survival : array, shape (n_patients, n_days)
        Predicted probability of surviving beyond each day.
    time, event : arrays, shape (n_patients,)
    days : array, shape (n_days,)
    censoring : CensoringDistribution

    Returns
    -------
    array, shape (n_patients, n_days)
        Their mean over patients is the Brier score; lower is better. NaN on days by which `censoring` has fallen to 0,
        as on the last of a study that ended for all at once: nobody is seen alive after it to stand for those who are.

    References
    ----------
    Graf E et al. (1999) doi 10.1002/(SICI)1097-0258(19990915/30)18:17/18<2529::AID-SIM274>3.0.CO;2-5
    """
    dead = (time[:, None] <= days) & event[:, None]
    alive = time[:, None] > days
    before = np.where(event, censoring.before(time), 1.0)[:, None]
    after = np.where(censoring.at(days) > 0, censoring.at(days), np.nan)
    return np.asarray(dead * survival**2 / before + alive * (1 - survival) ** 2 / after, dtype=np.float64)


def integrated(scores: Floats, days: Floats) -> Floats:
    """Return the mean height of each row over the days (trapezoidal rule).

    Parameters
    ----------
    scores : array, shape (n_rows, n_days)
    days : array, shape (n_days,)
        Increasing, at least two.
    """
    return np.asarray(np.trapezoid(scores, days, axis=-1) / (days[-1] - days[0]), dtype=np.float64)
