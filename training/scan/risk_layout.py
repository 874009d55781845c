"""Patients in the order in which compiled Cox models read them: from the last event backwards, stratum by stratum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.kaplan_meier import kaplan_meier

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class RiskLayout:
    """Who joins the risk set at each event time, as positions among the ordered patients.

    Parameters
    ----------
    order : array of int, shape (n_followed,)
        The patients who are at risk at some event: stratum by stratum, the longest followed first.
    starts, ends : array of int, shape (n_event_times,)
        Positions of those who join at each event time; the first event times read are the latest.
    deaths : array of int, shape (n_event_times,)
        Events at that time: the last so many positions before ``ends``.
    opens : array of bool, shape (n_event_times,)
        Whether a stratum begins there, with nobody at risk yet.
    transformed : array, shape (n_event_times,)
        1 − S(t−), Kaplan–Meier's over all strata, about its mean over the events.
    efron : float
        1 where tied events share their risk set after Efron, 0 after Breslow.
    null_log_likelihood : float
        At a coefficient of 0.
    """

    order: Integers
    starts: Integers
    ends: Integers
    deaths: Integers
    opens: Bools
    transformed: Floats
    efron: float
    null_log_likelihood: float

    @property
    def structure(self) -> tuple[Integers, Integers, Integers, Bools, float]:
        """What the compiled loops read."""
        return self.starts, self.ends, self.deaths, self.opens, self.efron


def risk_layout(time: Floats, event: Bools, strata: Integers, *, efron: bool) -> RiskLayout:
    """Order the patients and find who joins when.

    Parameters
    ----------
    time : array, shape (n_patients,)
        Follow-up, in any unit.
    event : array of bool, shape (n_patients,)
        At least one.
    strata : array of int, shape (n_patients,)
        Patients are compared with those of their own stratum only.
    efron : bool
        Efron's ties; Breslow's otherwise.
    """
    rows = np.flatnonzero(_followed(time, event, strata))
    rows = rows[np.lexsort((event[rows], -time[rows], strata[rows]))]
    died = event[rows]
    keys = np.stack([strata[rows], time[rows]])
    # Of the event times, the last position of each: its deaths stand last among those of their day.
    last = np.flatnonzero(died & np.append((keys[:, 1:] != keys[:, :-1]).any(axis=0), True))
    deaths = np.diff(np.append(0, np.cumsum(died)[last]))
    starts = np.append(0, last[:-1] + 1)
    opens = np.append(True, np.diff(strata[rows][last]) != 0)
    curve = kaplan_meier(time, event)
    lost = 1 - np.append(1.0, curve.survival)[np.searchsorted(curve.days, time[rows][last], side="left")]
    return RiskLayout(
        order=rows,
        starts=starts,
        ends=last + 1,
        deaths=deaths,
        opens=opens,
        transformed=lost - np.average(lost, weights=deaths),
        efron=float(efron),
        null_log_likelihood=_null_log_likelihood(starts, last + 1, deaths, opens, efron=efron),
    )


def _followed(time: Floats, event: Bools, strata: Integers) -> Bools:
    """Say who is still at risk at the first event of their stratum."""
    followed = np.zeros(len(time), dtype=np.bool_)
    for stratum in np.unique(strata[event]):
        inside = strata == stratum
        followed |= inside & (time >= time[inside & event].min())
    return followed


def _null_log_likelihood(starts: Integers, ends: Integers, deaths: Integers, opens: Bools, *, efron: bool) -> float:
    begun = np.maximum.accumulate(np.where(opens, starts, 0))
    at_risk = np.repeat(ends - begun, deaths).astype(np.float64)
    if efron:
        at_risk -= np.arange(deaths.sum()) - np.repeat(np.cumsum(deaths) - deaths, deaths)
    return -float(np.log(at_risk).sum())
