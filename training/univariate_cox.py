"""Fit one Cox model a covariate, for as many covariates as there are, compiled."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc, ndtri

from training.compiled import compiled
from training.scan import cox_kernel
from training.scan.risk_layout import RiskLayout, risk_layout
from training.scan.steep_kernel import fit_steep

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]
Positions = NDArray[np.intp]

CONVERGED = "converged"
NO_EVENTS = "no events"
CONSTANT = "constant"
SEPARATED = "separated"
NOT_CONVERGED = "not converged"

#: Half width of a 95 % interval in standard errors.
Z95 = float(ndtri(0.975))
#: Covariates that are laid out at a time: about 2 MiB for 500 patients, which stays in a core's cache.
CHUNK = 32 * cox_kernel.LANES
STATUSES = np.array([CONVERGED, CONSTANT, SEPARATED, NOT_CONVERGED])


@dataclass(frozen=True)
class UnivariateCox:
    """One Cox model per covariate; every array has shape (n_covariates,).

    Parameters
    ----------
    coefficient : array
        Log hazard ratio per unit of the covariate; positive is worse; NaN unless `status` is ``converged``.
    standard_error : array
        From the observed information at the coefficient.
    p_value : array
        Two-sided, Wald.
    p_score, p_likelihood_ratio : array
        Against a coefficient of 0; the score test is the log-rank test where the covariate is a group.
    p_proportional_hazards : array
        Of the score test against a coefficient that changes with 1 − S(t−): R's ``cox.zph(transform = "km")``.
    n, n_events : array of int
        Complete cases, and events among them.
    iterations : array of int
        Newton steps.
    status : array of str
        ``converged``; ``no events``; ``constant`` (among all patients at risk at any event); ``separated`` (the
        likelihood rises for ever, the coefficient is infinite); ``not converged``.
    """

    coefficient: Floats
    standard_error: Floats
    p_value: Floats
    p_score: Floats
    p_likelihood_ratio: Floats
    p_proportional_hazards: Floats
    n: Integers
    n_events: Integers
    iterations: Integers
    status: NDArray[np.str_]

    @property
    def hazard_ratio(self) -> Floats:
        """Hazard ratio per unit of the covariate."""
        return _ratio(self.coefficient)

    @property
    def lower(self) -> Floats:
        """Lower end of the hazard ratio's 95 % Wald interval."""
        return _ratio(self.coefficient - Z95 * self.standard_error)

    @property
    def upper(self) -> Floats:
        """Upper end of the hazard ratio's 95 % Wald interval."""
        return _ratio(self.coefficient + Z95 * self.standard_error)


def _ratio(log_hazard_ratio: Floats) -> Floats:
    # Per unit of a gene that hardly varies it is more than there are numbers for.
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(log_hazard_ratio))


def cox_univariate(
    covariates: Floats,
    time: Floats,
    event: Bools,
    *,
    strata: Integers | None = None,
    ties: Literal["efron", "breslow"] = "efron",
    threads: int = 1,
) -> UnivariateCox:
    r"""Maximise the partial likelihood of each covariate alone.

    .. math::
        \ell(\beta) = \sum_{t_k} \Big[ \sum_{i \in D_k} \beta x_i - \sum_{l=0}^{d_k - 1} \log\Big(
        \sum_{j:\, t_j \ge t_k} e^{\beta x_j} - \frac{l}{d_k} \sum_{j \in D_k} e^{\beta x_j} \Big) \Big]

    Parameters
    ----------
    covariates : array, shape (n_patients, n_covariates)
        NaN where a value is missing: such a patient is left out for that covariate only.
    time : array, shape (n_patients,)
        Follow-up, in any unit.
    event : array of bool, shape (n_patients,)
        True where the event was observed.
    strata : array of int, shape (n_patients,), optional
        Patients are compared with those of their own stratum only; one coefficient for all.
    ties : str
        Efron's likelihood of events on one day, as above; Breslow's is without :math:`l / d_k`.
    threads : int
        Results do not depend on it.

    Returns
    -------
    UnivariateCox
        In the covariates' order.

    Raises
    ------
    ValueError
        If the arrays do not have the same number of patients.

    Notes
    -----
    Covariates that share their missing patients share their risk sets. Separation is decided exactly, before fitting:
    one coefficient is infinite if and only if every event has the largest (or every event the smallest) value of its
    risk set. A covariate's result depends on no other covariate.

    References
    ----------
    Efron B. The efficiency of Cox's likelihood function for censored data. J Am Stat Assoc 1977;72:557-565.
    doi:10.1080/01621459.1977.10480613
    """
    covariates, time = np.asarray(covariates, dtype=np.float64), np.asarray(time, dtype=np.float64)
    event = np.asarray(event, dtype=np.bool_)
    strata = np.zeros(len(time), dtype=np.int64) if strata is None else np.asarray(strata, dtype=np.int64)
    if covariates.ndim != 2 or not len(covariates) == len(time) == len(event) == len(strata):
        shapes = f"{covariates.shape}, {time.shape}, {event.shape}, {strata.shape}"
        raise ValueError(f"covariates, time, event and strata must have the same number of patients, not {shapes}.")
    n_covariates = covariates.shape[1]
    results = np.full((n_covariates, cox_kernel.N_RESULTS), np.nan)
    n, n_events = np.zeros(n_covariates, dtype=np.int64), np.zeros(n_covariates, dtype=np.int64)
    for columns, complete in by_missing_patients(covariates):
        patients = np.flatnonzero(complete)
        n[columns], n_events[columns] = len(patients), event[patients].sum()
        if event[patients].any():
            layout = risk_layout(time[patients], event[patients], strata[patients], efron=ties == "efron")
            _fit_columns(covariates, columns, patients[layout.order], layout, results, threads)
    return _named(results, n, n_events)


def by_missing_patients(covariates: Floats) -> list[tuple[Positions, Bools]]:
    """Group the columns that lack the same patients: (columns, which patients are complete)."""
    complete = np.isfinite(covariates)
    if complete.all():
        return [(np.arange(covariates.shape[1]), np.ones(len(covariates), dtype=np.bool_))]
    packed = np.ascontiguousarray(np.packbits(complete, axis=0).T)
    patterns = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, which = np.unique(patterns, return_index=True, return_inverse=True)
    return [(np.flatnonzero(which == k), complete[:, column]) for k, column in enumerate(first)]


def _fit_columns(  # noqa: PLR0917
    covariates: Floats, columns: Positions, rows: Positions, layout: RiskLayout, results: Floats, threads: int
) -> None:
    """Fit the columns that share these risk sets, a chunk at a time, and write into `results`."""
    fit = partial(_fit_chunk, covariates, rows=rows, layout=layout, results=results)
    if threads == 1:
        for chunk in _chunks(columns):
            fit(chunk)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(fit, _chunks(columns)))


def _chunks(columns: Positions) -> Iterator[Positions]:
    return (columns[start : start + CHUNK] for start in range(0, len(columns), CHUNK))


def _fit_chunk(covariates: Floats, chunk: Positions, *, rows: Positions, layout: RiskLayout, results: Floats) -> None:
    blocks = lanes(covariates, rows, chunk)
    found = np.full((*blocks.shape[::2], cox_kernel.N_RESULTS), np.nan)
    cox_kernel.fit_blocks(blocks, *layout.structure, layout.transformed, layout.null_log_likelihood, found)
    results[chunk] = found.reshape(-1, cox_kernel.N_RESULTS)[: len(chunk)]
    for column in chunk[results[chunk, cox_kernel.STATUS] == cox_kernel.NOT_CONVERGED]:
        values = np.ascontiguousarray(covariates[rows, column])
        fit_steep(values, *layout.structure, layout.transformed, layout.null_log_likelihood, results[column])


def lanes(covariates: Floats, rows: Positions, columns: Positions) -> Floats:
    """Lay columns out for the kernel: shape (n_blocks, n_rows, LANES), zeros where columns run out."""
    n_blocks = -(-len(columns) // cox_kernel.LANES)
    blocks = np.empty((n_blocks, len(rows), cox_kernel.LANES))
    _lay_out(covariates, rows, columns, blocks)
    return blocks


@compiled
def _lay_out(covariates, rows, columns, blocks):  # type: ignore[no-untyped-def]
    width = blocks.shape[2]
    for b in range(blocks.shape[0]):
        for i in range(len(rows)):
            for j in range(width):
                k = b * width + j
                blocks[b, i, j] = covariates[rows[i], columns[k]] if k < len(columns) else 0.0


def _named(results: Floats, n: Integers, n_events: Integers) -> UnivariateCox:
    """Give the kernel's columns their names, and p-values."""
    converged = results[:, cox_kernel.STATUS] == cox_kernel.CONVERGED
    results = np.where(converged[:, None] | (np.arange(cox_kernel.N_RESULTS) >= cox_kernel.ITERATIONS), results, np.nan)
    coefficient = results[:, cox_kernel.COEFFICIENT]
    information = results[:, cox_kernel.INFORMATION]
    status = np.where(n_events > 0, STATUSES[np.nan_to_num(results[:, cox_kernel.STATUS]).astype(np.int64)], NO_EVENTS)
    return UnivariateCox(
        coefficient=coefficient,
        standard_error=1 / np.sqrt(information),
        p_value=chi_square_p(coefficient**2 * information),
        p_score=chi_square_p(results[:, cox_kernel.SCORE_STATISTIC]),
        p_likelihood_ratio=chi_square_p(results[:, cox_kernel.GAIN]),
        p_proportional_hazards=chi_square_p(results[:, cox_kernel.PROPORTIONAL]),
        n=n,
        n_events=n_events,
        iterations=np.nan_to_num(results[:, cox_kernel.ITERATIONS]).astype(np.int64),
        status=status,
    )


def chi_square_p(statistic: Floats) -> Floats:
    """Return the probability that a chi-square with one degree of freedom exceeds each statistic."""
    return np.asarray(erfc(np.sqrt(statistic / 2)), dtype=np.float64)
