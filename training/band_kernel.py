"""The compiled loops behind intervals: linear predictors of all replicates, and their spread at each day."""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import numpy as np

from training.compiled import compiled


@compiled
def add_products(X, columns, means, coefficients, sums):  # type: ignore[no-untyped-def]
    r"""Add :math:`\sum_j (x_{ij} - m_j) \beta_{jr}` to `sums`.

    Parameters
    ----------
    X : array, shape (n_rows, n_covariates)
    columns : array of int, shape (n_used,)
    means : array, shape (n_used,)
    coefficients : array, shape (n_used, n_replicates)
    sums : array, shape (n_rows, n_replicates)
        Written.

    Notes
    -----
    In the columns' order, row by row: a matrix product may round a row alone otherwise than the same among many.
    """
    for row in range(X.shape[0]):
        for j in range(columns.size):
            distance = X[row, columns[j]] - means[j]
            for replicate in range(coefficients.shape[1]):
                sums[row, replicate] += distance * coefficients[j, replicate]


@compiled
def write_deviations(linear_predictors, log_hazards, deviations):  # type: ignore[no-untyped-def]
    r"""Write the standard deviation over replicates of :math:`\eta_{ir} + h_{rd}`.

    Parameters
    ----------
    linear_predictors : array, shape (n_rows, n_replicates)
    log_hazards : array, shape (n_replicates, n_days)
        Less its mean over replicates.
    deviations : array, shape (n_rows, n_days)
        Written.
    """
    n_replicates, n_days = log_hazards.shape
    for row in range(linear_predictors.shape[0]):
        mean = 0.0
        for replicate in range(n_replicates):
            mean += linear_predictors[row, replicate]
        mean /= n_replicates
        for day in range(n_days):
            deviations[row, day] = 0.0
        for replicate in range(n_replicates):
            distance = linear_predictors[row, replicate] - mean
            for day in range(n_days):
                both = distance + log_hazards[replicate, day]
                deviations[row, day] += both * both
        for day in range(n_days):
            deviations[row, day] = np.sqrt(deviations[row, day] / (n_replicates - 1))
