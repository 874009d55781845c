"""How far one hazard ratio differs between cohorts: the variance between them, by restricted maximum likelihood."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize.elementwise import find_root
from scipy.stats import chi2

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

#: Shares of an upper bound of the variance at which the restricted likelihood is first looked at.
GRID = np.concatenate([[0.0], np.geomspace(1e-8, 1.0, 65)])


@dataclass(frozen=True)
class CohortEstimates:
    """What each cohort estimates of each gene; functions below take the genes as positions, `rows`.

    Parameters
    ----------
    value : array, shape (n_genes, n_cohorts)
        0 where a cohort has no estimate.
    variance : array, shape (n_genes, n_cohorts)
        Within the cohort, positive; infinite where it has no estimate.
    """

    value: Floats
    variance: Floats

    @property
    def n(self) -> NDArray[np.int64]:
        """Number of cohorts with an estimate, shape (n_genes,)."""
        return np.isfinite(self.variance).sum(axis=1)

    @property
    def every(self) -> Positions:
        """The positions of all genes."""
        return np.arange(len(self.value))

    def weight(self, tau_squared: Floats, rows: Positions) -> Floats:
        """Return the inverse variance of each estimate about the mean, shape (n_rows, n_cohorts)."""
        return np.asarray(1 / (self.variance[rows] + tau_squared[:, None]))

    def mean(self, weight: Floats, rows: Positions) -> Floats:
        """Return the weighted mean, shape (n_rows,)."""
        with np.errstate(invalid="ignore"):
            return np.asarray((weight * self.value[rows]).sum(axis=1) / weight.sum(axis=1))

    def q(self, tau_squared: Floats, rows: Positions) -> Floats:
        """Return the weighted sum of squares about the mean; at 0 it is Cochran's Q. It falls as the variance rises."""
        weight = self.weight(tau_squared, rows)
        return np.asarray((weight * self._apart(weight, rows) ** 2).sum(axis=1))

    def likelihood(self, tau_squared: Floats, rows: Positions) -> Floats:
        """Return the restricted log-likelihood, without its constant."""
        weight = self.weight(tau_squared, rows)
        squares = (weight * self._apart(weight, rows) ** 2).sum(axis=1)
        logarithms = np.log(np.where(weight > 0, weight, 1.0)).sum(axis=1)
        return np.asarray((logarithms - np.log(weight.sum(axis=1)) - squares) / 2)

    def score(self, tau_squared: Floats, rows: Positions) -> Floats:
        """Return the restricted log-likelihood's derivative."""
        weight = self.weight(tau_squared, rows)
        squares = (weight**2 * self._apart(weight, rows) ** 2).sum(axis=1)
        return np.asarray((squares - _trace(weight)) / 2)

    def typical_variance(self) -> Floats:
        """Return the variance within a typical cohort, of Higgins and Thompson, shape (n_genes,)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((self.n - 1) / _trace(1 / self.variance))

    def squares(self) -> Floats:
        """Return the unweighted sum of squares about the mean, shape (n_genes,)."""
        known = np.isfinite(self.variance).astype(np.float64)
        return np.asarray((known * self._apart(known, self.every) ** 2).sum(axis=1))

    def _apart(self, weight: Floats, rows: Positions) -> Floats:
        return np.asarray(self.value[rows] - self.mean(weight, rows)[:, None])


def restricted_maximum(estimates: CohortEstimates) -> Floats:
    r"""Return the variance between cohorts, shape (n_genes,); NaN where fewer than two have an estimate.

    .. math::
        \ell(\tau^2) = \tfrac12 \Big[ \sum_i \log w_i - \log \sum_i w_i - \sum_i w_i (y_i - \hat\mu)^2 \Big],
        \qquad w_i = 1 / (s_i^2 + \tau^2)

    Notes
    -----
    The restricted likelihood can have more than one maximum. It is looked at on a grid, from 0 to a variance beyond
    which it falls; the highest point leads to the maximum, which is the root of the derivative, found to rounding.
    """
    tau_squared = np.full(len(estimates.value), np.nan)
    rows = np.flatnonzero(estimates.n > 1)
    if not len(rows):
        return tau_squared
    bound = _bound(estimates, rows)
    heights = np.stack([estimates.likelihood(share * bound, rows) for share in GRID], axis=1)
    highest = heights.argmax(axis=1)
    rising = estimates.score(GRID[highest] * bound, rows) > 0
    # A likelihood that falls from 0 on has its maximum there.
    tau_squared[rows] = 0.0
    inside = rising | (highest > 0)
    start = np.where(rising, highest, highest - 1)[inside]
    end = np.minimum(start + 1, len(GRID) - 1)
    tau_squared[rows[inside]] = _roots(
        estimates.score, GRID[start] * bound[inside], GRID[end] * bound[inside], rows[inside]
    )
    return tau_squared


def q_profile_limits(estimates: CohortEstimates) -> tuple[Floats, Floats]:
    r"""Return the 95 % limits of the variance between cohorts, each of shape (n_genes,).

    .. math:: Q(\tau^2_{lower}) = \chi^2_{k-1;\,0.975}, \qquad Q(\tau^2_{upper}) = \chi^2_{k-1;\,0.025}

    Notes
    -----
    A limit is 0 where :math:`Q(0)` is already below its quantile; both are where estimates agree more closely than
    their standard errors explain.
    """
    limits = np.full((2, len(estimates.value)), np.nan)
    rows = np.flatnonzero(estimates.n > 1)
    at_zero = estimates.q(np.zeros(len(rows)), rows)
    for limit, quantile in zip(limits, (0.975, 0.025), strict=True):
        target = np.full(len(limit), np.nan)
        target[rows] = chi2.ppf(quantile, estimates.n[rows] - 1)
        crossing = rows[at_zero > target[rows]]
        limit[rows] = 0.0
        # Q times the variance is less than the unweighted sum of squares.
        end = estimates.squares()[crossing] / target[crossing]
        limit[crossing] = _roots(_excess(estimates, target), np.zeros_like(end), end, crossing)
    return limits[0], limits[1]


def _excess(estimates: CohortEstimates, target: Floats) -> Callable[[Floats, Positions], Floats]:
    def excess(tau_squared: Floats, rows: Positions) -> Floats:
        return estimates.q(tau_squared, rows) - target[rows]

    return excess


def _bound(estimates: CohortEstimates, rows: Positions) -> Floats:
    """Return a variance beyond which the restricted likelihood falls.

    From the largest variance within on, the trace is at least (k - 1) / 2t and the squares are at most S / t^2, where S
    is their unweighted sum: the derivative is negative from 2 S / (k - 1) on.
    """
    variance = estimates.variance[rows]
    largest = np.where(np.isfinite(variance), variance, 0.0).max(axis=1)
    return np.asarray(np.maximum(largest, 2 * estimates.squares()[rows] / (estimates.n[rows] - 1)))


def _trace(weight: Floats) -> Floats:
    total = weight.sum(axis=1)
    return np.asarray(total - (weight**2).sum(axis=1) / total)


def _roots(function: Callable[[Floats, Positions], Floats], start: Floats, end: Floats, rows: Positions) -> Floats:
    """Return the root of each row between its start and its end; NaN where the function does not change sign."""
    if not len(rows):
        return np.empty(0)
    found = find_root(function, (start, end), args=(rows,))
    return np.where(found.success, found.x, np.nan)
