"""The compiled loops behind intervals: linear predictors of all replicates, and how far they are from the model's."""

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
def write_distances(by_replicate, linear_predictors, log_hazards, distances):  # type: ignore[no-untyped-def]
    r"""Write :math:`\sqrt{\frac1R \sum_r (\eta_{ir} - \eta_i + h_{rd})^2}`.

    Parameters
    ----------
    by_replicate : array, shape (n_rows, n_replicates)
    linear_predictors : array, shape (n_rows,)
        The model's own.
    log_hazards : array, shape (n_replicates, n_days)
        Less the model's own.
    distances : array, shape (n_rows, n_days)
        Written.
    """
    n_replicates, n_days = log_hazards.shape
    for row in range(by_replicate.shape[0]):
        for day in range(n_days):
            distances[row, day] = 0.0
        for replicate in range(n_replicates):
            distance = by_replicate[row, replicate] - linear_predictors[row]
            for day in range(n_days):
                both = distance + log_hazards[replicate, day]
                distances[row, day] += both * both
        for day in range(n_days):
            distances[row, day] = np.sqrt(distances[row, day] / n_replicates)
