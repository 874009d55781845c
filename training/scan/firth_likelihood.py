"""The partial likelihood under Firth's penalty: many one-covariate Cox models, each at a coefficient of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from training.compiled import compiled

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Positions = NDArray[np.intp]
Ties = Literal["efron", "breslow"]

#: How much of Efron's share of the tied events is taken off the risk set.
EFRON_SHARE: dict[Ties, float] = {"efron": 1.0, "breslow": 0.0}
#: Largest predictor, total weight, mean, and second and third central sums of a weighted set of patients.
Moments = tuple[float, float, float, float, float]
#: Stratum, time and event of each patient.
Outcomes = tuple[Positions, Floats, Bools]
NOBODY: Moments = (-np.inf, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class FollowedPatients:
    """Patients at risk at an event of their stratum, sorted by stratum, then time.

    Parameters
    ----------
    order : array of int, shape (n_followed,)
        Their positions among all patients.
    stratum : array of int, shape (n_followed,)
    time : array, shape (n_followed,)
    event : array of bool, shape (n_followed,)
    """

    order: Positions
    stratum: Positions
    time: Floats
    event: Bools

    def spread(self, values: Floats) -> Floats:
        """Return the widest range that each row, shape (n_rows, n_followed), has within a stratum."""
        starts = np.flatnonzero(np.diff(self.stratum, prepend=-1))
        ranges = np.maximum.reduceat(values, starts, axis=1) - np.minimum.reduceat(values, starts, axis=1)
        widest: Floats = ranges.max(axis=1)
        return widest


def followed_patients(time: Floats, event: Bools, stratum: Positions) -> FollowedPatients:
    """Sort patients by stratum and time, and leave out those censored before their stratum's first event.

    Parameters
    ----------
    time : array, shape (n_patients,)
        Follow-up, in any unit.
    event : array of bool, shape (n_patients,)
        At least one True.
    stratum : array of int, shape (n_patients,)
        0, 1, …
    """
    first_event = np.full(stratum.max() + 1, np.inf)
    np.minimum.at(first_event, stratum[event], time[event])
    order = np.lexsort((time, stratum))
    order = order[time[order] >= first_event[stratum[order]]]
    return FollowedPatients(order, stratum[order], time[order], event[order])


@dataclass(frozen=True)
class FirthLikelihood:
    r"""The penalised log partial likelihood of each covariate alone, :math:`\ell(\beta) + \frac12 \log I(\beta)`.

    Parameters
    ----------
    values : array, shape (n_covariates, n_followed)
        In the order of `patients`; none missing.
    patients : FollowedPatients
    ties : {"efron", "breslow"}
    """

    values: Floats
    patients: FollowedPatients
    ties: Ties

    def value(self, coefficient: Floats, rows: Positions) -> Floats:
        """Return the penalised log-likelihood of these rows at these coefficients, shape (n_rows,) each."""
        likelihood, _, information, _ = self._cumulants(coefficient, rows)
        with np.errstate(divide="ignore"):
            penalised: Floats = likelihood + np.log(information) / 2
        return penalised

    def score(self, coefficient: Floats, rows: Positions) -> Floats:
        r"""Return the derivative :math:`U(\beta) + I'(\beta) / 2 I(\beta)` of these rows at these coefficients."""
        _, score, information, skewness = self._cumulants(coefficient, rows)
        with np.errstate(invalid="ignore"):
            penalised: Floats = score + skewness / (2 * information)
        return penalised

    def _cumulants(self, coefficient: Floats, rows: Positions) -> Floats:
        outcomes = (self.patients.stratum, self.patients.time, self.patients.event)
        found: Floats = _all_cumulants(self.values, rows, coefficient, outcomes, EFRON_SHARE[self.ties])
        return found


@compiled
def _all_cumulants(
    values: Floats, rows: Positions, coefficient: Floats, outcomes: Outcomes, efron_share: float
) -> Floats:
    """Return log-likelihood, score, information and its derivative, shape (4, n_rows)."""
    found = np.empty((4, len(rows)))
    for k in range(len(rows)):
        found[:, k] = _cumulants(values[rows[k]], coefficient[k], outcomes, efron_share)
    return found


@compiled
def _cumulants(
    x: Floats, coefficient: float, outcomes: Outcomes, efron_share: float
) -> tuple[float, float, float, float]:
    """Walk from the last patient backwards, collecting who is at risk, and add up each event's contribution."""
    stratum, time, event = outcomes
    likelihood, score, information, skewness = 0.0, 0.0, 0.0, 0.0
    at_risk = NOBODY
    i = len(x) - 1
    while i >= 0:
        moment, dead, n_dead = i, NOBODY, 0
        while i >= 0 and stratum[i] == stratum[moment] and time[i] == time[moment]:
            patient = (x[i] * coefficient, 1.0, x[i], 0.0, 0.0)
            if event[i]:
                dead, n_dead = together(dead, patient), n_dead + 1
                likelihood, score = likelihood + patient[0], score + x[i]
            else:
                at_risk = together(at_risk, patient)
            i -= 1
        for rank in range(n_dead):
            weight = 1 - efron_share * rank / n_dead
            tied = (dead[0], weight * dead[1], dead[2], weight * dead[3], weight * dead[4])
            largest, total, mean, square, cube = together(at_risk, tied)
            likelihood, score = likelihood - largest - np.log(total), score - mean
            information, skewness = information + square / total, skewness + cube / total
        if n_dead:
            at_risk = together(at_risk, dead)
        if i >= 0 and stratum[i] != stratum[moment]:
            at_risk = NOBODY
    return likelihood, score, information, skewness


@compiled
def together(one: Moments, other: Moments) -> Moments:
    """Merge the weighted central moments of two sets of patients, not both empty.

    Weights are relative to the largest exponential, so that none overflows, and nothing is subtracted from sums of
    squares: the information of a gene that separates falls by many powers of ten, and would be lost to rounding.

    References
    ----------
    Pébay P, Terriberry TB, Kolla H, Bennett J. Numerically stable, scalable formulas for parallel and online
    computation of higher-order multivariate central moments with arbitrary weights. Comput Stat 2016;31:1305-1325.
    doi:10.1007/s00180-015-0637-z
    """
    largest = max(one[0], other[0])
    share_one, share_other = np.exp(one[0] - largest), np.exp(other[0] - largest)
    n_one, n_other = share_one * one[1], share_other * other[1]
    total, apart = n_one + n_other, other[2] - one[2]
    p, q = n_one / total, n_other / total
    square = share_one * one[3] + share_other * other[3] + apart**2 * p * n_other
    crossed = p * share_other * other[3] - q * share_one * one[3]
    cube = share_one * one[4] + share_other * other[4] + apart**3 * p * n_other * (p - q) + 3 * apart * crossed
    # Nobody on one side leaves the other's mean as it is, to the last digit.
    mean = other[2] if n_one == 0 else one[2] + apart * q
    return largest, total, mean, square, cube
