"""Ridge Cox models of one set of covariates under a series of penalties, each started from the one before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpotrs

from training.penalised_cox import FitError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Positions = NDArray[np.intp]

STEPS = 200
HALVINGS = 30
#: Half of Newton's decrement, in units of the log-likelihood, at which the last step is taken and the search ends.
TOLERANCE = 1e-8
#: A decrement that falls by less than this asks for the information at the point that was reached.
SLOW = 0.1
#: A step that would multiply a hazard by more than e**5 is shortened: beyond it the quadratic model means nothing.
LONGEST_STEP = 5.0
#: Of a sum over patients, relative: a step that falls by no more than this has not failed.
ROUNDING = 1e-13


@dataclass(frozen=True)
class SortedPatients:
    """Who is at risk when, with patients sorted from the longest follow-up down.

    Parameters
    ----------
    order : array of int, shape (n_patients,)
    event : array, shape (n_patients,)
        1 where the event was observed, sorted.
    ends : array of int, shape (n_days,)
        Position of the last patient at risk on each day on which somebody had the event.
    deaths : array, shape (n_days,)
        Number of events on each of these days.
    since : array of int, shape (n_patients,)
        The first of these days, as its rank, on which each patient was at risk, sorted; `n_days` for none.
    """

    order: Positions
    event: Floats
    ends: Positions
    deaths: Floats
    since: Positions

    @classmethod
    def of(cls, time: Floats, event: Bools) -> SortedPatients:
        """Sort the patients once, for every fit on them."""
        order = np.argsort(-time, kind="stable")
        days, event = -time[order], event[order]
        ends, deaths = np.unique(np.searchsorted(days, days[event], side="right") - 1, return_counts=True)
        since = np.searchsorted(ends, np.arange(len(days)))
        return cls(order, event.astype(np.float64), ends, deaths.astype(np.float64), since)

    def log_likelihood(self, eta: Floats) -> tuple[float, Floats, Floats]:
        """Return Breslow's log partial likelihood, each patient's hazard, and the sum of those at risk on each day.

        Parameters
        ----------
        eta : array, shape (n_patients,)
            Log relative hazards, sorted.
        """
        shifted = eta - eta.max()
        hazard = np.exp(shifted)
        at_risk = self.at_risk(hazard)
        return float(self.event @ shifted - self.deaths @ np.log(at_risk)), hazard, at_risk

    def at_risk(self, values: Floats) -> Floats:
        """Return the sums over those at risk on each day, shape (..., n_days), of values of shape (..., n_patients)."""
        return np.asarray(values.cumsum(axis=-1)[..., self.ends])

    def cumulative_hazard(self, at_risk: Floats) -> Floats:
        """Return the baseline hazard accumulated up to each patient's day."""
        accumulated = np.zeros(len(at_risk) + 1)
        (self.deaths / at_risk)[::-1].cumsum(out=accumulated[-2::-1])
        return accumulated[self.since]


@dataclass(frozen=True)
class StratifiedPatients(SortedPatients):
    """The same of cohorts that were pooled, one after the other: nobody of one is at risk in another.

    Parameters
    ----------
    parts : tuple of SortedPatients
        The cohorts; every other array is theirs put together, positions counted from the first cohort's first patient.
    """

    parts: tuple[SortedPatients, ...] = ()

    @classmethod
    def within(cls, time: Floats, event: Bools, strata: NDArray[np.int64]) -> StratifiedPatients:
        """Sort the patients of each stratum; `strata` numbers each one's."""
        members = [np.flatnonzero(strata == number) for number in np.unique(strata)]
        parts = tuple(SortedPatients.of(time[m], event[m]) for m in members)
        before = np.cumsum([0, *(len(m) for m in members[:-1])])
        days = np.cumsum([0, *(len(part.ends) for part in parts[:-1])])
        return cls(
            order=np.concatenate([m[part.order] for m, part in zip(members, parts, strict=True)]),
            event=np.concatenate([part.event for part in parts]),
            ends=np.concatenate([part.ends + start for part, start in zip(parts, before, strict=True)]),
            deaths=np.concatenate([part.deaths for part in parts]),
            since=np.concatenate([part.since + start for part, start in zip(parts, days, strict=True)]),
            parts=parts,
        )

    def at_risk(self, values: Floats) -> Floats:
        """Return the sums over those of the same stratum at risk on each day."""
        splits = np.cumsum([len(part.order) for part in self.parts[:-1]])
        each = zip(self.parts, np.split(values, splits, axis=-1), strict=True)
        return np.concatenate([part.at_risk(own) for part, own in each], axis=-1)

    def cumulative_hazard(self, at_risk: Floats) -> Floats:
        """Return each stratum's baseline hazard accumulated up to each patient's day."""
        splits = np.cumsum([len(part.ends) for part in self.parts[:-1]])
        each = zip(self.parts, np.split(at_risk, splits), strict=True)
        return np.concatenate([part.cumulative_hazard(own) for part, own in each])


def sorted_patients(time: Floats, event: Bools, strata: NDArray[np.int64] | None) -> SortedPatients:
    """Sort the patients, within their strata where `strata` numbers these."""
    return SortedPatients.of(time, event) if strata is None else StratifiedPatients.within(time, event, strata)


@dataclass(frozen=True)
class _Point:
    """Coefficients, with what the next step needs of them."""

    beta: Floats
    eta: Floats
    value: float
    hazard: Floats
    at_risk: Floats


@dataclass(frozen=True)
class _Problem:
    """The covariates of sorted patients, each a row, and one penalty, on the scale of the log-likelihood."""

    rows: Floats
    patients: SortedPatients
    penalty: Floats

    def at(self, beta: Floats, eta: Floats) -> _Point:
        value, hazard, at_risk = self.patients.log_likelihood(eta)
        return _Point(beta, eta, value - float(self.penalty @ beta**2) / 2, hazard, at_risk)

    def gradient(self, point: _Point) -> Floats:
        residual = self.patients.event - point.hazard * self.patients.cumulative_hazard(point.at_risk)
        return np.asarray(self.rows @ residual - self.penalty * point.beta)

    def information(self, point: _Point) -> Floats:
        """Return minus the second derivative of the likelihood, without forming one matrix a patient."""
        patients = self.patients
        weight = point.hazard * patients.cumulative_hazard(point.at_risk)
        # Along a row the sums are quick; down a column they would take longer than all the rest.
        sums = patients.at_risk(point.hazard * self.rows)
        means = sums * (np.sqrt(patients.deaths) / point.at_risk)
        rooted = np.sqrt(weight) * self.rows
        return np.asarray(rooted @ rooted.T - means @ means.T)


def ridge_path(
    X: Floats, time: Floats, event: Bools, penalties: Floats, *, strata: NDArray[np.int64] | None = None
) -> Floats:
    r"""Maximise Breslow's partial likelihood under one ridge penalty after another.

    .. math:: \frac{1}{n} \log L(\beta) - \sum_j \frac{\lambda_j}{2} \beta_j^2

    Parameters
    ----------
    X : array, shape (n_patients, n_covariates)
        Covariates on comparable scales, about centred.
    time : array, shape (n_patients,)
        Days.
    event : array of bool, shape (n_patients,)
    penalties : array, shape (n_penalties, n_covariates)
        :math:`\lambda`, positive; best from the strongest down, as each fit starts from the one before.
    strata : array of int, shape (n_patients,), optional
        Numbers of the cohorts that were pooled; risk sets are kept within them.

    Returns
    -------
    array, shape (n_penalties, n_covariates)
        Log hazard ratio per unit of each covariate; positive is worse.

    Raises
    ------
    FitError
        If nobody had the event.

    Notes
    -----
    The maximum is that of `training.penalised_cox.fit_penalised_cox` with ``l1_ratio=0``. Newton's method spends most
    of its time on the information matrix, which changes little along the path: here one matrix, with each penalty
    added, serves until steps with it converge slowly, and is then computed anew.
    """
    if not event.any():
        raise FitError(f"a Cox model needs events, but none of the {len(event)} patients had one.")
    patients = sorted_patients(time, event, strata)
    rows = np.ascontiguousarray(X[patients.order].T)
    beta, information = np.zeros(len(rows)), None
    path = np.empty(penalties.shape)
    for k, penalty in enumerate(penalties):
        beta, information = _maximum(_Problem(rows, patients, len(time) * penalty), beta, information)
        path[k] = beta
    return path


def _maximum(problem: _Problem, beta: Floats, information: Floats | None) -> tuple[Floats, Floats]:
    """Return the coefficients of one penalty, and the information that was last computed."""
    point = problem.at(beta, beta @ problem.rows)
    fresh = information is None
    information = problem.information(point) if information is None else information
    factor = _factor(information, problem.penalty)
    before = np.inf
    for _ in range(STEPS):
        gradient = problem.gradient(point)
        step = dpotrs(factor, gradient, lower=0)[0]
        decrement = float(gradient @ step) / 2
        if decrement <= TOLERANCE:
            return point.beta + step, information
        end = _improved(problem, point, step, halvings=HALVINGS if fresh else 1)
        if end is None and fresh:
            return point.beta, information
        if end is not None and decrement <= SLOW * before:
            point, before, fresh = end, decrement, False
            continue
        point = point if end is None else end
        information, before, fresh = problem.information(point), np.inf, True
        factor = _factor(information, problem.penalty)
    return point.beta, information


def _factor(information: Floats, penalty: Floats) -> Floats:
    penalised = information.copy()
    penalised.flat[:: len(penalty) + 1] += penalty
    return np.asarray(dpotrf(penalised, lower=0, clean=0)[0])


def _improved(problem: _Problem, point: _Point, step: Floats, *, halvings: int) -> _Point | None:
    """Return the end of the step, halved until the penalised likelihood does not fall; None if it always does."""
    change = step @ problem.rows
    size = min(1.0, LONGEST_STEP / max(float(np.abs(change).max()), 1e-300))
    for _ in range(halvings):
        end = problem.at(point.beta + size * step, point.eta + size * change)
        if end.value >= point.value - ROUNDING * abs(point.value):
            return end
        size /= 2
    return None
