"""Predicted survival on the judge's grid of days: read off at a horizon, and what Kaplan–Meier alone predicts."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from features.cohort import DAYS_PER_MONTH, months_to_days
from training.counted_survival import survival_at

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Equal steps from day 0 to the last judged day.
GRID_POINTS = 50


def horizon_day(months: float) -> float:
    """Return the whole day of a horizon in months."""
    return float(months_to_days(np.array(months)))


def horizon_days(time: Floats, minimum_at_risk: int) -> float:
    """Return the last day on which at least `minimum_at_risk` patients are still followed."""
    return float(np.sort(time)[-minimum_at_risk])


def months_within(days: float) -> float:
    """Return days in months, down to a tenth: the last whose whole day (`horizon_day`) does not lie past them."""
    # A tenth is three days and a horizon's day is rounded by half a day at most: it is this tenth or the next.
    tenths = (np.floor(days / DAYS_PER_MONTH * 10) + np.array([0.0, 1.0])) / 10
    return float(tenths[months_to_days(tenths) <= days].max())


def judged_days(horizon: float, horizons_months: Iterable[float]) -> Floats:
    """Return the days on which predicted survival is judged: equal steps to the horizon, and the days of all horizons.

    Parameters
    ----------
    horizon : float
        The last day.
    horizons_months : iterable of float
        Theirs are on the grid, so that what is judged at a horizon is the probability that is served.

    Returns
    -------
    array, shape (n_grid,)
        Increasing; at least `GRID_POINTS`.
    """
    steps = np.linspace(horizon / GRID_POINTS, horizon, GRID_POINTS)
    return np.unique(np.concatenate([steps, [horizon_day(months) for months in horizons_months]]))


def survival_on_day(survival: Floats, *, grid_days: Floats, day: float) -> Floats:
    """Return survival on a day, on the straight line between the days of the grid.

    Parameters
    ----------
    survival : array, shape (..., n_grid)
        Probabilities on the grid; 1 on day 0.
    grid_days : array, shape (n_grid,)
        Increasing, above 0.
    day : float
        From 0 to the last day of the grid.

    Returns
    -------
    array, shape (...)
    """
    days = np.concatenate([[0.0], grid_days])
    after = int(np.clip(np.searchsorted(days, day), 1, len(grid_days)))
    part = (day - days[after - 1]) / (days[after] - days[after - 1])
    before = survival[..., after - 2] if after > 1 else np.ones_like(survival[..., 0])
    return np.asarray((1 - part) * before + part * survival[..., after - 1], dtype=np.float64)


def kaplan_meier_of_other_folds(time: Floats, event: Bools, folds: NDArray[np.int64], *, grid_days: Floats) -> Floats:
    """Predict for every patient the Kaplan–Meier curve of the patients in the other folds.

    Parameters
    ----------
    time : array, shape (n_patients,)
        Days.
    event : array of bool, shape (n_patients,)
    folds : array of int, shape (n_repeats, n_patients)
    grid_days : array, shape (n_grid,)

    Returns
    -------
    array, shape (n_repeats, n_patients, n_grid)
        Past the follow-up of those it was made from a curve stays level, so that it can be compared over the whole
        grid; NaN where there are no other folds.
    """
    predicted = []
    for labels in folds:
        others = (np.arange(labels.max() + 1)[:, None] != labels).astype(np.float64)
        curves = [survival_at(time, event, others, day=day) for day in grid_days]
        # Curves only fall: the least value so far is the last that was known.
        predicted.append(np.fmin.accumulate(np.stack(curves, axis=1), axis=1)[labels])
    return np.stack(predicted)
