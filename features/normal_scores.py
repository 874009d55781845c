"""Normal scores of a cohort, and the frozen reference that gives a later patient theirs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]

#: More knots than this tell nothing about the curve, and would put every patient's value into the bundle.
MAXIMUM_KNOTS = 200


def normal_scores(values: Floats) -> Floats:
    r"""Return Blom's normal scores of each column.

    .. math:: z_i = \Phi^{-1}\!\left(\frac{r_i - 3/8}{n + 1/4}\right)

    Parameters
    ----------
    values : array, shape (n_patients,) or (n_patients, n_genes)
        On any scale; NaN where missing.

    Returns
    -------
    array, of the same shape
        :math:`r_i` is the average rank among the column's `n` known values; NaN stays NaN.

    References
    ----------
    Blom G. (1958) Statistical Estimates and Transformed Beta-Variables. Wiley.
    """
    known = np.isfinite(values)
    # Not by scipy.stats, which takes half a second to import: a service is waited for.
    ranks = pd.DataFrame(np.where(known, values, np.nan)).rank().to_numpy(np.float64)
    return _blom(ranks.reshape(values.shape), known.sum(axis=0))


def _blom(ranks: Floats, n_known: NDArray[np.int64]) -> Floats:
    return np.asarray(ndtri((ranks - 0.375) / (n_known + 0.25)), dtype=np.float64)


@dataclass(frozen=True)
class NormalScoreReference:
    """The curve from one gene's expression to its normal score, frozen on training patients.

    Parameters
    ----------
    knots : array, shape (n_knots,)
        Expression values, strictly increasing.
    scores : array, shape (n_knots,)
        Normal scores at the knots, strictly increasing.
    """

    knots: Floats
    scores: Floats

    @classmethod
    def fit(cls, expression: Floats) -> NormalScoreReference:
        """Learn the curve of one gene; missing values are left out, ties share their mean score.

        Parameters
        ----------
        expression : array, shape (n_patients,)
            At least one value known.
        """
        knots, counts = np.unique(expression[np.isfinite(expression)], return_counts=True)
        scores = _blom(np.cumsum(counts) - (counts - 1) / 2, np.sum(counts, keepdims=True))
        if len(knots) > MAXIMUM_KNOTS:
            # Evenly in score, not in rank: tails keep every value, and a skewed gene its normal scores there.
            kept = np.unique(np.searchsorted(scores, np.linspace(scores[0], scores[-1], MAXIMUM_KNOTS)))
            knots, scores = knots[kept], scores[kept]
        return cls(knots, scores)

    def score(self, expression: Floats) -> Floats:
        """Return normal scores by linear interpolation; beyond the reference's range they stay at its ends."""
        known = np.isfinite(expression)
        return np.where(known, np.interp(np.where(known, expression, 0.0), self.knots, self.scores), np.nan)
