"""Firth's penalised Cox model of one gene each: a finite hazard ratio where a gene separates the outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize.elementwise import find_root
from scipy.stats import chi2

from training.scan.firth_likelihood import FirthLikelihood, FollowedPatients, Ties, followed_patients
from training.univariate_cox import CONSTANT, CONVERGED, NO_EVENTS, NOT_CONVERGED, by_missing_patients

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]
Positions = NDArray[np.intp]

#: The 95 % interval holds the coefficients whose penalised log-likelihood is within this of its maximum.
WITHIN = float(chi2.ppf(0.95, 1)) / 2
#: Coefficients per standard deviation at which the penalised likelihood is first looked at: from 0.01 to 10,000 either
#: way, each a third more than the one before. So wide because one outlier can make the standard deviation.
_HALF = np.geomspace(1e-2, 1e4, 49)
GRID = np.concatenate([-_HALF[::-1], [0.0], _HALF])
#: What a log-likelihood of minus infinity is to a search for a root.
VERY_UNLIKELY = -1e6


@dataclass(frozen=True)
class FirthCox:
    """One Firth-penalised Cox model per covariate; every array has shape (n_covariates,).

    Parameters
    ----------
    coefficient : array
        Log hazard ratio per unit of the covariate; positive is worse; NaN unless `status` is ``converged``.
    lower, upper : array
        Ends of the coefficient's 95 % profile interval, log hazard ratios too.
    p_value : array
        Of the penalised likelihood-ratio test.
    n, n_events : array of int
        Complete cases, and events among them.
    status : array of str
        ``converged``; ``no events``; ``constant`` (in each stratum, among all patients at risk at any event); ``not
        converged``.
    """

    coefficient: Floats
    lower: Floats
    upper: Floats
    p_value: Floats
    n: Integers
    n_events: Integers
    status: NDArray[np.str_]

    @property
    def hazard_ratio(self) -> Floats:
        """Hazard ratio per unit of the covariate."""
        return _exponential(self.coefficient)

    @property
    def hazard_ratio_lower(self) -> Floats:
        """Lower end of the hazard ratio's 95 % profile interval."""
        return _exponential(self.lower)

    @property
    def hazard_ratio_upper(self) -> Floats:
        """Upper end of the hazard ratio's 95 % profile interval."""
        return _exponential(self.upper)


def firth_univariate(
    values: Floats, time: Floats, event: Bools, *, strata: NDArray[np.generic] | None = None, ties: Ties = "efron"
) -> FirthCox:
    r"""Maximise the partial likelihood of each covariate alone, penalised by Jeffreys' prior.

    .. math:: \ell^*(\beta) = \ell(\beta) + \tfrac12 \log I(\beta)

    Parameters
    ----------
    values : array, shape (n_patients, n_covariates)
        NaN where a value is missing: such a patient is left out for that covariate only.
    time : array, shape (n_patients,)
        Follow-up, in any unit.
    event : array of bool, shape (n_patients,)
        True where the event was observed.
    strata : array, shape (n_patients,), or None
        Patients are compared only with those of their own stratum.
    ties : {"efron", "breslow"}
        Also of the information :math:`I`.

    Returns
    -------
    FirthCox
        In the covariates' order.

    Raises
    ------
    ValueError
        If the arrays do not have the same number of patients.

    Notes
    -----
    The interval holds every :math:`\beta` with :math:`2(\ell^*(\hat\beta) - \ell^*(\beta)) \le \chi^2_{1;\,0.95}`, the
    test compares :math:`\ell^*(\hat\beta)` with :math:`\ell^*(0)`. Where a gene separates the outcome,
    :math:`\ell` rises for ever but :math:`I` vanishes, so :math:`\ell^*` has a maximum. It need not be concave:
    it is first evaluated on a grid, whose highest point leads to the maximum and whose outermost points above the
    threshold lead to the limits; each is then the root of an equation, found in its bracket to rounding.

    References
    ----------
    Firth D. Bias reduction of maximum likelihood estimates. Biometrika 1993;80:27-38. doi:10.1093/biomet/80.1.27

    Heinze G, Schemper M. A solution to the problem of monotone likelihood in Cox regression. Biometrics
    2001;57:114-119. doi:10.1111/j.0006-341X.2001.00114.x
    """
    values, time = np.asarray(values, dtype=np.float64), np.asarray(time, dtype=np.float64)
    event = np.asarray(event, dtype=np.bool_)
    labels = np.zeros(len(time), dtype=np.int64) if strata is None else np.asarray(strata)
    if values.ndim != 2 or not len(values) == len(time) == len(event) == len(labels):
        shapes = f"{values.shape}, {time.shape}, {event.shape}, {labels.shape}"
        raise ValueError(f"values, time, event and strata must have the same number of patients, not {shapes}.")
    stratum = np.unique(labels, return_inverse=True)[1].astype(np.intp)
    fitted = _empty(values.shape[1])
    for columns, complete in by_missing_patients(values):
        known = np.flatnonzero(complete)
        fitted.n[columns], fitted.n_events[columns] = len(known), event[known].sum()
        if event[known].any():
            patients = followed_patients(time[known], event[known], stratum[known])
            rows = np.ascontiguousarray(values[np.ix_(known[patients.order], columns)].T)
            _fit_rows(rows, columns, patients, ties, fitted)
    return fitted


def _empty(n_covariates: int) -> FirthCox:
    """Return a result in which nothing is fitted yet."""
    unknown, counts = np.full(n_covariates, np.nan), np.zeros(n_covariates, dtype=np.int64)
    return FirthCox(
        coefficient=unknown.copy(),
        lower=unknown.copy(),
        upper=unknown.copy(),
        p_value=unknown.copy(),
        n=counts.copy(),
        n_events=counts.copy(),
        status=np.full(n_covariates, NO_EVENTS, dtype=f"<U{len(NOT_CONVERGED)}"),
    )


def _fit_rows(rows: Floats, columns: Positions, patients: FollowedPatients, ties: Ties, fitted: FirthCox) -> None:
    """Fit the rows that vary, per standard deviation, and write the results on their own unit into `fitted`."""
    # A spread of rounding errors is no spread.
    varying = patients.spread(rows) > 1e-12 * np.abs(rows).max(axis=1)
    fitted.status[columns] = np.where(varying, CONVERGED, CONSTANT)
    if not varying.any():
        return
    rows, columns = rows[varying], columns[varying]
    deviation = rows.std(axis=1)
    standardised = (rows - rows.mean(axis=1, keepdims=True)) / deviation[:, None]
    found, p_value = _maxima_and_limits(FirthLikelihood(standardised, patients, ties))
    converged = np.isfinite(found).all(axis=0)
    fitted.status[columns[~converged]] = NOT_CONVERGED
    found[:, ~converged], p_value[~converged] = np.nan, np.nan
    fitted.coefficient[columns], fitted.lower[columns], fitted.upper[columns] = found / deviation
    fitted.p_value[columns] = p_value


def _maxima_and_limits(likelihood: FirthLikelihood) -> tuple[Floats, Floats]:
    """Return each row's coefficient, lower and upper limit, shape (3, n_rows), NaN where not found, and p-value."""
    n_rows = len(likelihood.values)
    every = np.arange(n_rows)
    points = np.broadcast_to(GRID, (n_rows, len(GRID)))
    heights = likelihood.value(points.ravel(), np.repeat(every, len(GRID))).reshape(points.shape)
    # A maximum at the grid's end has its bracket beside it, in which no root is found: not converged, and said so.
    highest = np.clip(heights.argmax(axis=1), 1, len(GRID) - 2)
    coefficient = _roots(likelihood.score, GRID[highest - 1], GRID[highest + 1], every)
    maximum = likelihood.value(coefficient, every)
    threshold = maximum - WITHIN
    with np.errstate(invalid="ignore"):
        p_value = chi2.sf(2 * np.maximum(maximum - heights[:, len(_HALF)], 0.0), 1)

    def above_threshold(at: Floats, rows: Positions) -> Floats:
        return np.maximum(likelihood.value(at, rows) - threshold[rows], VERY_UNLIKELY)

    limits = [_roots(above_threshold, *ends, every) for ends in _limit_brackets(heights, threshold, coefficient)]
    return np.vstack([coefficient, *limits]), np.asarray(p_value, dtype=np.float64)


def _limit_brackets(heights: Floats, threshold: Floats, coefficient: Floats) -> tuple[tuple[Floats, Floats], ...]:
    """Bracket the outermost crossings of the threshold: (outside, inside) of the lower, (inside, outside) of the upper.

    Parameters
    ----------
    heights : array, shape (n_rows, n_grid)
        The penalised log-likelihood on the grid.
    threshold, coefficient : array, shape (n_rows,)
    """
    inside = heights >= threshold[:, None]
    lowest = np.fmin(np.where(inside, GRID, np.inf).min(axis=1), coefficient)
    highest = np.fmax(np.where(inside, GRID, -np.inf).max(axis=1), coefficient)
    below = GRID[np.maximum(np.searchsorted(GRID, lowest) - 1, 0)]
    above = GRID[np.minimum(np.searchsorted(GRID, highest, side="right"), len(GRID) - 1)]
    return (below, lowest), (highest, above)


def _roots(function: Callable[[Floats, Positions], Floats], start: Floats, end: Floats, rows: Positions) -> Floats:
    """Return the root of each row between its start and its end; NaN where the function does not change sign."""
    with np.errstate(invalid="ignore"):
        found = find_root(function, (start, end), args=(rows,))
    return np.where(found.success, found.x, np.nan)


def _exponential(log_hazard_ratio: Floats) -> Floats:
    with np.errstate(over="ignore"):
        ratio: Floats = np.exp(log_hazard_ratio)
    return ratio
