"""Risk sets of a Cox model: sums over the patients at risk at each event, with Efron's share for tied events."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Positions = NDArray[np.intp]


@dataclass(frozen=True)
class RiskSets:
    r"""Who is at risk when, as positions among the patients sorted by time.

    Parameters
    ----------
    order : array of int, shape (n_followed,)
        Sorts the patients by time and leaves out those who were censored before the first event.
    starts : array of int, shape (n_event_times,)
        First position still at risk at each distinct event time.
    deaths : array of int, shape (n_events,)
        Positions of the events.
    which : array of int, shape (n_events,)
        The event time of each event, as its rank.
    first_death : array of int, shape (n_event_times,)
        Where each event time begins among the events.
    fraction : array, shape (n_events,)
        Efron's :math:`l / d`: of :math:`d` events at one time, the :math:`l`-th counts them at risk by
        :math:`1 - l / d`.
    """

    order: Positions
    starts: Positions
    deaths: Positions
    which: Positions
    first_death: Positions
    fraction: Floats

    def efron_sums(self, values: Floats) -> Floats:
        """Sum each row over the risk set of each event, less Efron's share of the events that are tied with it.

        Parameters
        ----------
        values : array, shape (n_rows, n_followed)

        Returns
        -------
        array, shape (n_rows, n_events)
        """
        sums = self.at_event_times(values)[:, self.which]
        if self.fraction.any():
            tied = np.add.reduceat(values[:, self.deaths], self.first_death, axis=1)
            sums -= self.fraction * tied[:, self.which]
        return sums

    def at_event_times(self, values: Floats, ufunc: np.ufunc = np.add) -> Floats:
        """Reduce each row, shape (n_rows, n_followed), over the risk set of each distinct event time."""
        blocks = ufunc.reduceat(values, self.starts, axis=1)
        # From the last event backwards: subtracting from the total would cancel.
        accumulated: Floats = ufunc.accumulate(blocks[:, ::-1], axis=1)[:, ::-1]
        return accumulated


def risk_sets(time: Floats, event: Bools) -> RiskSets:
    """Sort the patients by time and find the risk set of each event.

    Parameters
    ----------
    time : array, shape (n_patients,)
        Follow-up, in any unit.
    event : array of bool, shape (n_patients,)
        True where the event was observed; at least one.

    References
    ----------
    Efron B. The efficiency of Cox's likelihood function for censored data. J Am Stat Assoc 1977;72:557-565.
    doi:10.1080/01621459.1977.10480613
    """
    order = np.argsort(time, kind="stable")
    time, event = time[order], event[order]
    event_times, first_death, n_tied = np.unique(time[event], return_index=True, return_counts=True)
    starts = np.searchsorted(time, event_times)
    which = np.repeat(np.arange(len(event_times)), n_tied)
    return RiskSets(
        order=order[starts[0] :],
        starts=starts - starts[0],
        deaths=np.flatnonzero(event) - starts[0],
        which=which,
        first_death=first_death,
        fraction=(np.arange(len(which)) - first_death[which]) / n_tied[which],
    )
