"""Cox models of one gene each with the same clinical covariates beside it, or with a curve of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from training.scan import several_kernel
from training.scan.cox_kernel import LANES
from training.scan.firth_likelihood import Ties
from training.scan.risk_layout import RiskLayout, risk_layout
from training.univariate_cox import NO_EVENTS, STATUSES, by_missing_patients, chi_square_p

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Positions = NDArray[np.intp]

#: Genes that are laid out at a time.
CHUNK = 16 * LANES
#: The kernel's statuses in words: those of the univariate models, and one more.
ADJUSTED_STATUSES = np.array([*STATUSES, "another covariate separates"])
#: Quantiles at which the pieces of a curve meet (Harrell, Regression Modeling Strategies, table 2.3).
KNOTS = (0.05, 0.35, 0.65, 0.95)
#: A spread of rounding errors is no spread.
ROUNDING = 1e-12
#: Singular value, per root of the number of patients, below which a covariate is a combination of others.
RANK_TOLERANCE = 1e-9


@dataclass(frozen=True)
class AdjustedCox:
    """One Cox model a gene; every array has shape (n_genes,).

    Parameters
    ----------
    coefficient : array
        Log hazard ratio of the gene per unit, the other covariates held; NaN unless `status` is ``converged``.
    standard_error : array
    p_value : array
        Two-sided, Wald.
    p_likelihood_ratio : array
        Against the model of the other covariates alone.
    n, n_events : array of int
        Patients with the gene and all other covariates, and events among them.
    status : array of str
        ``converged``; ``constant`` (or not to be told from the other covariates); ``separated``; ``another covariate
        separates``: a clinical one's coefficient is infinite; ``not converged``; ``no events``.
    """

    coefficient: Floats
    standard_error: Floats
    p_value: Floats
    p_likelihood_ratio: Floats
    n: NDArray[np.int64]
    n_events: NDArray[np.int64]
    status: NDArray[np.str_]


def cox_adjusted(
    genes: Floats,
    others: Floats,
    time: Floats,
    event: Bools,
    *,
    strata: NDArray[np.int64] | None = None,
    ties: Ties = "efron",
) -> AdjustedCox:
    """Maximise the partial likelihood of each gene together with the same other covariates.

    Parameters
    ----------
    genes : array, shape (n_patients, n_genes)
        NaN where a value is missing: such a patient is left out for that gene only.
    others : array, shape (n_patients, n_others)
        Few; at least one. A patient who lacks one is left out of all models.
    time : array, shape (n_patients,)
        Follow-up, in any unit.
    event : array of bool, shape (n_patients,)
    strata : array of int, shape (n_patients,), optional
    ties : str
        ``efron`` or ``breslow``.

    Raises
    ------
    ValueError
        If the lengths do not fit together, or there are no others.
    """
    genes, others = np.asarray(genes, dtype=np.float64), np.asarray(others, dtype=np.float64)
    if others.ndim != 2 or not others.shape[1] or not len(genes) == len(others) == len(time) == len(event):
        shapes = f"{genes.shape}, {others.shape}, {len(time)}, {len(event)}"
        raise ValueError(f"genes, others, time and event must have the same number of patients, not {shapes}.")
    strata = np.zeros(len(time), dtype=np.int64) if strata is None else np.asarray(strata, dtype=np.int64)
    known = np.isfinite(others).all(axis=1)
    found = _empty(genes.shape[1])
    for columns, complete in by_missing_patients(genes):
        patients = np.flatnonzero(complete & known)
        found.n[columns], found.n_events[columns] = len(patients), event[patients].sum()
        if event[patients].any():
            layout = risk_layout(time[patients], event[patients], strata[patients], efron=ties == "efron")
            _fit_adjusted(genes, others, patients[layout.order], layout, columns, found)
    return found


def p_nonlinearity(
    covariates: Floats,
    time: Floats,
    event: Bools,
    *,
    strata: NDArray[np.int64] | None = None,
    ties: Ties = "efron",
) -> Floats:
    r"""Test each covariate's restricted cubic spline against a straight line, by the ratio of likelihoods.

    .. math:: s_k(x) = (x - t_k)_+^3 - (x - t_3)_+^3 \frac{t_4 - t_k}{t_4 - t_3}
        + (x - t_4)_+^3 \frac{t_3 - t_k}{t_4 - t_3}, \quad k = 1, 2

    Parameters
    ----------
    covariates : array, shape (n_patients, n_covariates)
        NaN where missing. Normal scores, say: then the knots lie where the patients do.
    time, event, strata
        As of `cox_adjusted`.

    Returns
    -------
    array, shape (n_covariates,)
        p-value with two degrees of freedom; NaN where ties leave the spline fewer pieces, or a model no maximum.

    References
    ----------
    Durrleman S, Simon R. Flexible regression models with cubic splines. Stat Med 1989;8:551-561.
    doi:10.1002/sim.4780080504
    """
    covariates = np.asarray(covariates, dtype=np.float64)
    strata = np.zeros(len(time), dtype=np.int64) if strata is None else np.asarray(strata, dtype=np.int64)
    p_value = np.full(covariates.shape[1], np.nan)
    for columns, complete in by_missing_patients(covariates):
        patients = np.flatnonzero(complete)
        if event[patients].any():
            layout = risk_layout(time[patients], event[patients], strata[patients], efron=ties == "efron")
            for chosen in _chunks(columns):
                curves = _splines(covariates[np.ix_(patients, chosen)])[layout.order]
                straight, curved = (_fit(curves[:, :width], layout) for width in (1, 3))
                gain = 2 * (curved[:, several_kernel.LOG_LIKELIHOOD] - straight[:, several_kernel.LOG_LIKELIHOOD])
                p_value[chosen] = chi2.sf(np.maximum(gain, 0.0), 2)
    return p_value


def _empty(n_genes: int) -> AdjustedCox:
    unknown, counts = np.full(n_genes, np.nan), np.zeros(n_genes, dtype=np.int64)
    return AdjustedCox(
        coefficient=unknown.copy(),
        standard_error=unknown.copy(),
        p_value=unknown.copy(),
        p_likelihood_ratio=unknown.copy(),
        n=counts.copy(),
        n_events=counts.copy(),
        status=np.full(n_genes, NO_EVENTS, dtype=ADJUSTED_STATUSES.dtype),
    )


def _fit_adjusted(  # noqa: PLR0917
    genes: Floats, others: Floats, rows: Positions, layout: RiskLayout, columns: Positions, found: AdjustedCox
) -> None:
    """Fit the genes that share these risk sets, and write into `found`."""
    beside = _independent(others[rows])
    alone = _fit(beside[:, :, None], layout)[0, several_kernel.LOG_LIKELIHOOD] if beside.shape[1] else 0.0
    for chosen in _chunks(columns):
        values = genes[np.ix_(rows, chosen)]
        repeated = np.broadcast_to(beside[:, :, None], (*beside.shape, len(chosen)))
        result = _fit(np.concatenate([values[:, None], repeated], axis=1), layout)
        coefficient, variance, likelihood, status = result.T
        deviation = values.std(axis=0)
        found.status[chosen] = ADJUSTED_STATUSES[status.astype(np.int64)]
        with np.errstate(invalid="ignore", divide="ignore"):
            found.coefficient[chosen] = coefficient / deviation
            found.standard_error[chosen] = np.sqrt(variance) / deviation
        found.p_value[chosen] = chi_square_p(coefficient**2 / variance)
        found.p_likelihood_ratio[chosen] = chi_square_p(np.maximum(2 * (likelihood - alone), 0.0))


def _fit(covariates: Floats, layout: RiskLayout) -> Floats:
    """Fit each gene's covariates, shape (n_followed, n_covariates, n_genes): shape (n_genes, N_RESULTS)."""
    n_rows, n_covariates, n_genes = covariates.shape
    n_blocks = -(-n_genes // LANES)
    padded = np.zeros((n_rows, n_covariates, n_blocks * LANES))
    padded[:, :, :n_genes] = _standardised(covariates)
    blocks = np.ascontiguousarray(padded.reshape(n_rows, n_covariates, n_blocks, LANES).transpose(2, 0, 1, 3))
    results = np.full((n_blocks, LANES, several_kernel.N_RESULTS), np.nan)
    several_kernel.fit_several(blocks, *layout.structure, results)
    return results.reshape(-1, several_kernel.N_RESULTS)[:n_genes]


def _standardised(covariates: Floats) -> Floats:
    """Bring each covariate to mean 0 and standard deviation 1; to 0 where its spread is rounding."""
    centred = covariates - covariates.mean(axis=0)
    deviation = centred.std(axis=0)
    constant = deviation <= ROUNDING * np.abs(covariates).max(axis=0)
    return np.asarray(np.where(constant, 0.0, centred / np.where(constant, 1.0, deviation)))


def _independent(others: Floats) -> Floats:
    """Return the covariates, standardised, without those that are constant or a combination of the ones before."""
    standardised = _standardised(others[:, :, None])[:, :, 0]
    kept: list[int] = []
    for column in range(standardised.shape[1]):
        if np.linalg.matrix_rank(standardised[:, [*kept, column]], tol=RANK_TOLERANCE * len(others) ** 0.5) > len(kept):
            kept.append(column)
    return standardised[:, kept]


def _splines(covariates: Floats) -> Floats:
    """Return each covariate and the two curved terms of its restricted cubic spline, shape (n, 3, n_covariates)."""
    knots = np.quantile(covariates, KNOTS, axis=0)
    cubes = [np.maximum(covariates - knot, 0.0) ** 3 for knot in knots]
    with np.errstate(invalid="ignore", divide="ignore"):
        width = knots[3] - knots[2]
        curved = [
            (cubes[k] - cubes[2] * (knots[3] - knots[k]) / width + cubes[3] * (knots[2] - knots[k]) / width)
            / (knots[3] - knots[0]) ** 2
            for k in (0, 1)
        ]
    # Where knots coincide there is no such spline: all zero, which the kernel calls constant.
    possible = (np.diff(knots, axis=0) > 0).all(axis=0)
    return np.stack([covariates, *(np.where(possible, term, 0.0) for term in curved)], axis=1)


def _chunks(columns: Positions) -> Iterator[Positions]:
    return (columns[start : start + CHUNK] for start in range(0, len(columns), CHUNK))
