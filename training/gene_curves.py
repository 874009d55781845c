"""Kaplan–Meier curves of those who express a panel gene high and of those who do not, as a bundle keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.cohort import DAYS_PER_MONTH, Cohort
from training.kaplan_meier import KaplanMeier, at_risk, kaplan_meier
from training.univariate import median_split

Floats = NDArray[np.float64]

#: Months between the days on which a curve is kept, the first of these that needs no more days than `MOST_DAYS`: fine
#: enough to be drawn, too coarse to give a patient's day away; whole years are among them.
GRID_MONTHS = (1, 2, 3, 6, 12)
MOST_DAYS = 90
#: A group with fewer patients says nothing of a gene, and would single them out.
FEWEST_PATIENTS = 10
GROUPS = ("high", "low")
_NUMBERS = ("days", "survival", "lower", "upper", "at_risk")


def gene_curves(cohort: Cohort, genes: Sequence[str], *, until_days: float) -> pd.DataFrame:
    """Estimate survival by each gene's median split, on a common grid of days.

    Parameters
    ----------
    cohort : Cohort
    genes : sequence of str
        Those that the cohort lacks, or that leave a group with fewer than ten patients, have no rows.
    until_days : float
        Where the grid ends: the last day that is answered for the cohort.

    Returns
    -------
    DataFrame
        ``gene``; ``group`` (``high``: strictly above the median; ``low``: the others); ``days``; ``survival`` beyond
        them with ``lower`` and ``upper`` (95 %, log–log; NaN where there is none); ``at_risk``: patients of the group
        who were followed until then. A curve ends on the last day of the grid on which somebody is at risk.
    """
    present = [gene for gene in genes if gene in cohort.expression.columns]
    split = median_split(cohort.expression[present].to_numpy(np.float64))
    grid = grid_days(until_days)
    parts = [
        pd.DataFrame({"gene": [], "group": [], **{name: [] for name in _NUMBERS}}).astype(
            {"gene": object, "group": object, "at_risk": np.int64}
        )
    ]
    for (j, gene), (value, group) in product(enumerate(present), zip((1.0, 0.0), GROUPS, strict=True)):
        members = split[:, j] == value
        if min(members.sum(), (split[:, j] == 1.0 - value).sum()) >= FEWEST_PATIENTS:
            curve = on_grid(cohort.time[members], cohort.event[members], grid)
            parts.append(curve.assign(gene=gene, group=group))
    columns = list(parts[0].columns)
    return pd.concat([part[columns] for part in parts[1:]] or parts, ignore_index=True)


def grid_days(until_days: float) -> Floats:
    """Return the days on which curves are kept: whole months from 0, and the last day."""
    months = until_days / DAYS_PER_MONTH
    step = next((step for step in GRID_MONTHS if months / step <= MOST_DAYS), GRID_MONTHS[-1])
    days = np.rint(np.arange(0, int(months) + 1, step) * DAYS_PER_MONTH)
    return np.union1d(days[days <= until_days], [np.floor(until_days)])


def on_grid(time: Floats, event: NDArray[np.bool_], days: Floats) -> pd.DataFrame:
    """Return a Kaplan–Meier curve read off on days, as long as somebody is at risk.

    Parameters
    ----------
    time : array, shape (n_patients,)
        Days.
    event : array of bool, shape (n_patients,)
    days : array, shape (n_days,)
        Increasing.
    """
    curve, followed = kaplan_meier(time, event), at_risk(time, days)
    read = {name: _at(curve, values, days) for name, values in _steps(curve).items()}
    table = pd.DataFrame({"days": days, **read, "at_risk": followed})
    return table[table["at_risk"] > 0]


def _steps(curve: KaplanMeier) -> dict[str, Floats]:
    return {"survival": curve.survival, "lower": curve.lower, "upper": curve.upper}


def _at(curve: KaplanMeier, values: Floats, days: Floats) -> Floats:
    return np.asarray(np.concatenate([[1.0], values])[np.searchsorted(curve.days, days, side="right")])
