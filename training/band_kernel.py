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
def write_bands(linear_predictors, by_replicate, log_hazards, drawn, z, bands):  # type: ignore[no-untyped-def] # noqa: PLR0917
    r"""Write the survival of each row at each day, and the ends of its interval.

    .. math:: \exp(-e^{\eta}), \qquad \exp(-e^{\eta \pm z \sigma}), \qquad \eta = \eta_i + h_d

    Parameters
    ----------
    linear_predictors : array, shape (n_rows,)
        The model's own.
    by_replicate : array, shape (n_rows, n_replicates)
    log_hazards : array, shape (n_days,)
        Log cumulative baseline hazard; minus infinity where nobody had died.
    drawn : array, shape (n_replicates, n_days)
        Each replicate's, less the model's own.
    z : float
    bands : array, shape (3, n_rows, n_days)
        Written: probability, lower and upper end; NaN the ends where there are no replicates.
    """
    margins = np.empty(log_hazards.size)
    for row in range(linear_predictors.size):
        _write_margins(by_replicate[row], linear_predictors[row], drawn, z, margins)
        for day in range(log_hazards.size):
            eta = linear_predictors[row] + log_hazards[day]
            bands[0, row, day] = np.exp(-np.exp(eta))
            bands[1, row, day] = np.exp(-np.exp(eta + margins[day]))
            bands[2, row, day] = np.exp(-np.exp(eta - margins[day]))


@compiled
def write_medians(linear_predictors, by_replicate, log_hazards, drawn, z, days, half, medians):  # type: ignore[no-untyped-def] # noqa: PLR0917
    """Write the first day on which the log cumulative hazard of each row, and of its interval's ends, reaches `half`.

    Parameters
    ----------
    linear_predictors, by_replicate, log_hazards, drawn, z
        As in `write_bands`.
    days : array, shape (n_days,)
    half : float
    medians : array, shape (3, n_rows)
        Written: of the model, of the lower end of survival and of the upper one; NaN where it is not reached.
    """
    margins = np.empty(log_hazards.size)
    for row in range(linear_predictors.size):
        _write_margins(by_replicate[row], linear_predictors[row], drawn, z, margins)
        for which in range(3):
            medians[which, row] = np.nan
        for day in range(log_hazards.size):
            eta = linear_predictors[row] + log_hazards[day]
            # Where survival is lowest it is a half first.
            for which, curve in enumerate((eta, eta + margins[day], eta - margins[day])):
                if curve >= half and np.isnan(medians[which, row]):
                    medians[which, row] = days[day]


@compiled
def _write_margins(by_replicate, linear_predictor, drawn, z, margins):  # type: ignore[no-untyped-def]
    r"""Write :math:`z \sqrt{\frac1R \sum_r (\eta_r - \eta + h_{rd})^2}`, NaN without replicates."""
    n_replicates, n_days = drawn.shape
    for day in range(n_days):
        margins[day] = 0.0
    for replicate in range(n_replicates):
        distance = by_replicate[replicate] - linear_predictor
        for day in range(n_days):
            both = distance + drawn[replicate, day]
            margins[day] += both * both
    for day in range(n_days):
        margins[day] = z * np.sqrt(margins[day] / n_replicates) if n_replicates else np.nan
