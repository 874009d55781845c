"""What boosted trees climb where several cohorts were pooled: Cox's partial likelihood, stratified by cohort."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Positions = NDArray[np.intp]


@dataclass(frozen=True)
class _Stratum:
    """The patients of one cohort, from the longest follow-up down; ``last`` is the last with the same day."""

    order: Positions
    event: Floats
    last: Positions
    first: Positions


@dataclass(frozen=True)
class StratifiedGradients:
    r"""First and second derivatives of minus Breslow's log partial likelihood by each patient's own margin.

    .. math::
        g_i = e^{\eta_i} \sum_{k:\, t_k \le t_i} \frac{d_k}{R_k} - \delta_i, \qquad
        h_i = e^{\eta_i} \sum_{k:\, t_k \le t_i} \frac{d_k}{R_k}
        - e^{2 \eta_i} \sum_{k:\, t_k \le t_i} \frac{d_k}{R_k^2}

    with :math:`R_k` the sum of :math:`e^\eta` over those of the same cohort who are at risk on day :math:`t_k`.

    Notes
    -----
    With one stratum, and no two events on one day, these are those of xgboost's own ``survival:cox``. Of events on one
    day it counts those that its sorting puts before a patient, and here all count.
    """

    strata: tuple[_Stratum, ...]

    @classmethod
    def of(cls, time: Floats, event: Bools, strata: NDArray[np.int64]) -> StratifiedGradients:
        """Sort the patients once, for every round."""
        return cls(tuple(_sorted(np.flatnonzero(strata == number), time, event) for number in np.unique(strata)))

    def __call__(self, margin: NDArray[np.float32] | Floats) -> tuple[Floats, Floats]:
        """Return both derivatives at log relative hazards; every array has shape (n_patients,)."""
        eta = np.asarray(margin, dtype=np.float64)
        gradient, hessian = np.empty_like(eta), np.empty_like(eta)
        for each in self.strata:
            own = eta[each.order]
            hazard = np.exp(own - own.max())
            at_risk = np.cumsum(hazard)[each.last]
            once, twice = (_until(each.event / at_risk**power, each.first) for power in (1, 2))
            gradient[each.order] = hazard * once - each.event
            hessian[each.order] = hazard * once - hazard**2 * twice
        return gradient, hessian


def _sorted(members: Positions, time: Floats, event: Bools) -> _Stratum:
    order = members[np.argsort(-time[members], kind="stable")]
    days = -time[order]
    last = np.searchsorted(days, days, side="right") - 1
    return _Stratum(order, event[order].astype(np.float64), last, np.searchsorted(days, days, side="left"))


def _until(increments: Floats, first: Positions) -> Floats:
    """Return the sum of the increments of all days up to each patient's own."""
    return np.asarray(np.cumsum(increments[::-1])[::-1][first])
