"""Normal scores of many genes at once, each in units of its own standard deviation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from training.compiled import compiled
from training.scan.cut_points import sorted_genes

Floats = NDArray[np.float64]


def standardised_normal_scores(values: Floats) -> Floats:
    r"""Return each column's Blom scores divided by their own standard deviation.

    .. math:: z_i = \Phi^{-1}\!\left(\frac{r_i - 3/8}{n + 1/4}\right) \Big/ s_z

    Parameters
    ----------
    values : array, shape (n_patients, n_genes)
        On any scale; NaN where missing.

    Returns
    -------
    array, of the same shape
        :math:`r_i` is the average rank among the column's `n` known values, :math:`s_z` the scores' standard deviation
        (ddof = 1); a column without spread is 0, NaN stays NaN.

    Notes
    -----
    What `features.normal_scores.normal_scores` computes, for transcriptomes: one table of scores a number of known
    values, since ranks come in halves, and a sort of integers. About seven times as fast.
    """
    values = np.asarray(values, dtype=np.float64)
    scores = np.empty(values.shape)
    n_known = np.isfinite(values).sum(axis=0)
    sizes, which = np.unique(n_known, return_inverse=True)
    tables = np.zeros((len(sizes), 2 * len(values) + 1))
    for table, size in zip(tables, sizes, strict=True):
        # Twice the rank is a whole number.
        table[2 : 2 * size + 1] = ndtri((np.arange(2, 2 * size + 1) / 2 - 0.375) / (size + 0.25))
    for genes, block, order in sorted_genes(values):
        _score_rows(block, order, n_known[genes], tables, which[genes])
        scores[:, genes] = block.T
    return scores


@compiled
def _score_rows(block, order, n_known, tables, which):  # type: ignore[no-untyped-def]
    """Replace each row's values by their scores, in place; NaN stay where they are."""
    for gene in range(block.shape[0]):
        row, positions, table = block[gene], order[gene], tables[which[gene]]
        n, start = n_known[gene], 0
        while start < n:
            end = start + 1
            while end < n and row[positions[end]] == row[positions[start]]:
                end += 1
            score = table[start + end + 1]
            for k in range(start, end):
                row[positions[k]] = score
            start = end
        _standardise(row, positions, n)


@compiled
def _standardise(row, positions, n):  # type: ignore[no-untyped-def]
    mean, square = 0.0, 0.0
    for k in range(n):
        mean += row[positions[k]]
    mean /= max(n, 1)
    for k in range(n):
        square += (row[positions[k]] - mean) ** 2
    deviation = np.sqrt(square / max(n - 1, 1))
    inverse = 1.0 / deviation if deviation > 0 else 1.0
    for k in range(n):
        row[positions[k]] *= inverse
