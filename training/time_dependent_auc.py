"""The area under the ROC curve at a day: those who fail by then against those who outlive it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.concordance import Pairs, harrell_pairs

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def auc_pairs(
    linear_predictor: Floats,
    time: Floats,
    event: Bools,
    *,
    day: float,
    censoring_before: Floats,
    censoring_at: float,
) -> Pairs:
    r"""Pair every case with every control, weighed by the inverse probability of being seen as one.

    .. math::
        \frac{\sum_{i, j} w_{ij} \, (1\{\eta_i > \eta_j\} + \tfrac12 1\{\eta_i = \eta_j\})}{\sum_{i, j} w_{ij}},
        \qquad w_{ij} = \frac{1\{t_i \le t, \delta_i = 1\}}{\hat G(t_i-)} \, \frac{1\{t_j > t\}}{\hat G(t)}

    Parameters
    ----------
    linear_predictor : array, shape (n_patients,)
        Higher is worse.
    time : array, shape (n_patients,)
        Days.
    event : array of bool, shape (n_patients,)
    day : float
        The horizon, in the unit of `time`.
    censoring_before : array, shape (n_patients,)
        :math:`\hat G(t_i-)`: probability of being uncensored just before each patient's own time.
    censoring_at : float
        :math:`\hat G(t)`; may be 0 where nobody outlives the day.

    Returns
    -------
    Pairs
        Their `concordance` is the cumulative/dynamic AUC; NaN where there is no case or no control.

    Notes
    -----
    Who has the event on the day itself is a case. Who is censored on the day or before is neither; the censorings of
    the day count in :math:`\hat G(t)`, an event comes before a censoring of its day: as in `training.brier`, and in R's
    ``riskRegression::Score``. Equal linear predictors count half. The weights are the cohort's and stay as they are in
    a bootstrap sample, as in `training.concordance.uno_pairs`.

    References
    ----------
    Uno H, Cai T, Tian L, Wei LJ. Evaluating prediction rules for t-year survivors with censored regression models.
    J Am Stat Assoc 2007;102:527-537. doi:10.1198/016214507000000149
    """
    pairs = harrell_pairs(linear_predictor, time, event)
    case, control = event & (time <= day), time > day
    of_case = np.divide(1.0, censoring_before, out=np.zeros_like(time), where=case)
    of_control = np.divide(1.0, censoring_at, out=np.zeros_like(time), where=control)
    weight = np.outer(of_case, of_control)
    return Pairs(pairs.comparable * weight, pairs.concordant * weight)
