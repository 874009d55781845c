"""The baseline cumulative hazard of a Cox model, and survival from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class BaselineHazard:
    """A step function: the cumulative hazard of a patient whose linear predictor is 0.

    Parameters
    ----------
    days : array, shape (n_steps,)
        Days with events, increasing.
    cumulative_hazard : array, shape (n_steps,)
        Its value from that day on; 0 before the first.
    """

    days: Floats
    cumulative_hazard: Floats

    def at(self, days: Floats) -> Floats:
        """Return the cumulative hazard at `days`, the day itself included."""
        steps = np.concatenate([[0.0], self.cumulative_hazard])
        return steps[np.searchsorted(self.days, days, side="right")]

    def survival(self, linear_predictor: Floats, days: Floats) -> Floats:
        r"""Return :math:`S(t \mid \eta) = \exp(-H_0(t) e^{\eta})`.

        Parameters
        ----------
        linear_predictor : array, shape (n_patients,)
            Log relative hazard; higher is worse.
        days : array, shape (n_days,)

        Returns
        -------
        array, shape (n_patients, n_days)
            Probabilities.
        """
        return np.asarray(np.exp(-np.outer(np.exp(linear_predictor), self.at(days))), dtype=np.float64)


def breslow(linear_predictor: Floats, time: Floats, event: Bools) -> BaselineHazard:
    r"""Estimate the baseline cumulative hazard of a Cox model.

    .. math:: \hat H_0(t) = \sum_{t_k \le t} d_k \Big/ \sum_{j:\, t_j \ge t_k} e^{\eta_j}

    Parameters
    ----------
    linear_predictor : array, shape (n_patients,)
        Log relative hazard of each patient (natural logarithm); higher is worse.
    time : array, shape (n_patients,)
        Follow-up in days.
    event : array of bool, shape (n_patients,)

    References
    ----------
    Breslow N. (1972) J R Stat Soc B 34:216-217.
    """
    order = np.argsort(-time, kind="stable")
    # Summed from the last patient backwards: subtracting from the total would cancel.
    at_risk = np.cumsum(np.exp(linear_predictor[order]))
    days, last = _last_of_each(time[order])
    deaths = np.diff(np.cumsum(event[order])[last], prepend=0)
    with_deaths = deaths > 0
    increments = (deaths[with_deaths] / at_risk[last][with_deaths])[::-1]
    return BaselineHazard(days[with_deaths][::-1], np.cumsum(increments))


def breslow_within(
    linear_predictor: Floats, time: Floats, event: Bools, strata: NDArray[np.str_]
) -> dict[str, BaselineHazard]:
    """Estimate the baseline of each cohort of several that were pooled; `strata` names each patient's."""
    each = {str(name): strata == name for name in np.unique(strata)}
    return {name: breslow(linear_predictor[m], time[m], event[m]) for name, m in each.items()}


def survival_within(
    baselines: Mapping[str, BaselineHazard], linear_predictor: Floats, days: Floats, strata: NDArray[np.str_]
) -> Floats:
    """Return survival by the baseline of each patient's own cohort, shape (n_patients, n_days)."""
    survival = np.empty((len(linear_predictor), len(days)))
    for name in np.unique(strata):
        members = strata == name
        survival[members] = baselines[str(name)].survival(linear_predictor[members], days)
    return survival


def _last_of_each(descending: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Return the distinct values of a descending array and the position of the last of each."""
    last = np.flatnonzero(np.append(descending[1:] != descending[:-1], True))
    return descending[last], last
