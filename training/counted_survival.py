"""Kaplan–Meier and quantiles of patients who stand in a sample several times, all samples at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def survival_at(time: Floats, event: Bools, counts: Floats, *, day: float) -> Floats:
    r"""Return the Kaplan–Meier probability of surviving beyond a day, in each sample.

    .. math:: \hat S(t) = \prod_{t_k \le t} \Big(1 - \frac{\sum_i c_i 1\{t_i = t_k, \delta_i = 1\}}
        {\sum_i c_i 1\{t_i \ge t_k\}}\Big)

    Parameters
    ----------
    time : array, shape (n_patients,)
        Days.
    event : array of bool, shape (n_patients,)
    counts : array, shape (n_samples, n_patients)
        How often each patient stands in each sample.
    day : float
        In the unit of `time`.

    Returns
    -------
    array, shape (n_samples,)
        NaN where nobody of the sample is followed until the day and the curve has not reached 0, as
        `training.kaplan_meier.KaplanMeier.at` has it.
    """
    counted = event & (time <= day)
    days = np.unique(time[counted])
    survival = np.ones(len(counts))
    if len(days):
        order = np.argsort(time, kind="stable")
        starts = np.searchsorted(time[order], days)
        at_risk = np.add.reduceat(counts[:, order], starts, axis=1)[:, ::-1].cumsum(axis=1)[:, ::-1]
        dead = order[counted[order]]
        deaths = np.add.reduceat(counts[:, dead], np.searchsorted(time[dead], days), axis=1)
        survival = np.prod(1 - deaths / np.maximum(at_risk, 1), axis=1)
    followed = (counts[:, time >= day] > 0).any(axis=1)
    return np.where(followed | (survival <= 0), survival, np.nan)


def quantiles(values: Floats, counts: Floats, probabilities: Floats) -> Floats:
    """Return quantiles of values that stand in a sample several times, in each sample.

    Parameters
    ----------
    values : array, shape (n_samples, n_patients) or (1, n_patients)
    counts : array, shape (n_samples, n_patients)
        Whole numbers, at least one of each sample above 0.
    probabilities : array, shape (n_quantiles,)

    Returns
    -------
    array, shape (n_samples, n_quantiles)

    Notes
    -----
    Straight lines between order statistics (R's type 7, ``numpy.quantile``'s default) of the sample written out,
    every value as often as it is counted.
    """
    values = np.broadcast_to(values, counts.shape)
    order = np.argsort(values, axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    up_to = np.take_along_axis(counts, order, axis=1).cumsum(axis=1)
    position = np.outer(up_to[:, -1] - 1, probabilities)
    lower = np.floor(position)
    below, above = (_at_position(ordered, up_to, place) for place in (lower, np.ceil(position)))
    return np.asarray(below + (position - lower) * (above - below), dtype=np.float64)


def _at_position(ordered: Floats, up_to: Floats, position: Floats) -> Floats:
    """Return the values at zero-based places of the samples written out, shape of `position`."""
    places = [(up_to <= column[:, None]).sum(axis=1) for column in position.T]
    return np.take_along_axis(ordered, np.stack(places, axis=1), axis=1)
