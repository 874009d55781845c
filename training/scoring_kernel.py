"""Compiled loops of scoring: each patient's figures are summed in one fixed order, alone or among a million."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.compiled import compiled

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@compiled
def normal_scores(values: Floats, knots: Floats, scores: Floats, starts: Integers, out: Floats) -> None:
    """Interpolate each gene's values between the knots of its reference; as `numpy.interp` does, to the bit.

    Parameters
    ----------
    values : array, shape (n_patients, n_genes)
        NaN where missing.
    knots, scores : array, shape (n_knots,)
        Those of all genes, one gene after the other.
    starts : array of int, shape (n_genes + 1,)
        Where each gene's begin.
    out : array, shape (n_patients, n_genes)
        Written; NaN stays NaN, and beyond the first or last knot its score holds.
    """
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            value, low, high = values[i, j], starts[j], starts[j + 1] - 1
            if np.isnan(value):
                out[i, j] = np.nan
            elif value <= knots[low]:
                out[i, j] = scores[low]
            elif value >= knots[high]:
                out[i, j] = scores[high]
            else:
                while high - low > 1:
                    middle = (low + high) // 2
                    if knots[middle] <= value:
                        low = middle
                    else:
                        high = middle
                if value == knots[low]:
                    out[i, j] = scores[low]
                else:
                    slope = (scores[low + 1] - scores[low]) / (knots[low + 1] - knots[low])
                    out[i, j] = slope * (value - knots[low]) + scores[low]


@compiled
def given_known(scores: Floats, known: Integers, missing: Integers, weights: Floats) -> None:
    """Fill missing normal scores with their expectation given the known ones, in place.

    Parameters
    ----------
    scores : array, shape (n_patients, n_genes)
    known, missing : array of int
        Positions of the genes.
    weights : array, shape (n_known, n_missing)
    """
    for i in range(scores.shape[0]):
        for k in range(len(missing)):
            total = 0.0
            for j in range(len(known)):
                total += scores[i, known[j]] * weights[j, k]
            scores[i, missing[k]] = total
