"""Compiled loops of scoring: each patient's figures are summed in one fixed order, alone or among a million."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.compiled import compiled
from training.interpolation import interpolated

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: How a clinical covariate follows from its column's number: as it is, 1 for one category, by how much it exceeds a
#: bound, 1 from a rank on.
PLAIN, MEMBER, ABOVE, AT_LEAST = range(4)


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
            value = values[i, j]
            out[i, j] = value if np.isnan(value) else interpolated(value, knots, scores, starts[j], starts[j + 1])


@compiled
def write_covariates(  # noqa: PLR0917
    filled: Floats,
    genes: Integers,
    begins: Integers,
    product: NDArray[np.bool_],
    means: Floats,
    scales: Floats,
    clinical: Floats,
    out: Floats,
) -> None:
    """Lay covariates out side by side: genes, derived terms, clinical ones; what is not known is 0, the training mean.

    Parameters
    ----------
    filled : array, shape (n_patients, n_genes)
        Normal scores, none missing.
    genes : array of int
        Positions of the genes of all sides of all terms, one side after the other.
    begins : array of int, shape (2 * n_terms + 1,)
        Where each side's begin; a second side may be empty.
    product : array of bool, shape (n_terms,)
        Whether a term is the product of its sides' means; else it is their difference.
    means, scales : array, shape (n_terms,)
    clinical : array, shape (n_patients, n_clinical)
        Standardised; NaN where not known.
    out : array, shape (n_patients, n_genes + n_terms + n_clinical)
    """
    n_genes, n_terms = filled.shape[1], len(means)
    for i in range(filled.shape[0]):
        for j in range(n_genes):
            out[i, j] = filled[i, j]
        for k in range(n_terms):
            raw = mean_over(filled[i], genes, begins[2 * k], begins[2 * k + 1])
            if begins[2 * k + 2] > begins[2 * k + 1]:
                other = mean_over(filled[i], genes, begins[2 * k + 1], begins[2 * k + 2])
                raw = raw * other if product[k] else raw - other
            out[i, n_genes + k] = (raw - means[k]) / scales[k]
        for j in range(clinical.shape[1]):
            value = clinical[i, j]
            out[i, n_genes + n_terms + j] = 0.0 if np.isnan(value) else value


@compiled
def mean_over(scores: Floats, genes: Integers, first: int, end: int) -> float:
    """Return the mean of a patient's scores over the genes at positions `first` to `end` (exclusive)."""
    total = scores[genes[first]]
    for j in range(first + 1, end):
        total += scores[genes[j]]
    return float(total / (end - first))


@compiled
def write_clinical(  # noqa: PLR0917
    numbers: Floats, column: Integers, kind: Integers, bound: Floats, means: Floats, scales: Floats, out: Floats
) -> None:
    """Standardise clinical covariates.

    Parameters
    ----------
    numbers : array, shape (n_patients, n_columns)
        Of each clinical column; NaN where not known.
    column, kind : array of int, shape (n_covariates,)
        The column that each covariate is made of, and how: `PLAIN`, `MEMBER`, `ABOVE` or `AT_LEAST`.
    bound : array, shape (n_covariates,)
        The category, what is exceeded, or what is reached.
    means, scales : array, shape (n_covariates,)
    out : array, shape (n_patients, n_covariates)
    """
    for i in range(numbers.shape[0]):
        for j in range(len(column)):
            raw = numbers[i, column[j]]
            if kind[j] == ABOVE and not np.isnan(raw):
                raw = max(raw - bound[j], 0.0)
            elif kind[j] == AT_LEAST and not np.isnan(raw):
                raw = 1.0 if raw >= bound[j] else 0.0
            elif kind[j] == MEMBER and not np.isnan(raw):
                raw = 1.0 if raw == bound[j] else 0.0
            out[i, j] = (raw - means[j]) / scales[j]


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
