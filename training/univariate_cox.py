"""Fit one Cox model a covariate, all covariates at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from training.risk_sets import RiskSets, risk_sets

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]

CONVERGED = "converged"
NO_EVENTS = "no events"
CONSTANT = "constant"
SEPARATED = "separated"
NOT_CONVERGED = "not converged"

#: Half width of a 95 % interval in standard errors.
Z95 = float(norm.ppf(0.975))
MAX_ITERATIONS = 100
#: Newton stops when its next step, per standard deviation of the covariate, is below this; the step is still taken.
STEP_TOLERANCE = 1e-9
#: Numbers in the working array of one block of covariates: 2 MiB, which stays in a core's cache.
BLOCK_SIZE = 2**18


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
    n, n_events : array of int
        Complete cases, and events among them.
    iterations : array of int
        Newton steps, halvings included.
    status : array of str
        ``converged``; ``no events``; ``constant`` (among all patients at risk at any event); ``separated`` (the
        likelihood rises for ever, the coefficient is infinite); ``not converged``.
    """

    coefficient: Floats
    standard_error: Floats
    p_value: Floats
    n: Integers
    n_events: Integers
    iterations: Integers
    status: NDArray[np.str_]

    @property
    def hazard_ratio(self) -> Floats:
        """Hazard ratio per unit of the covariate."""
        return np.exp(self.coefficient)

    @property
    def lower(self) -> Floats:
        """Lower end of the hazard ratio's 95 % Wald interval."""
        return np.exp(self.coefficient - Z95 * self.standard_error)

    @property
    def upper(self) -> Floats:
        """Upper end of the hazard ratio's 95 % Wald interval."""
        with np.errstate(over="ignore"):
            return np.exp(self.coefficient + Z95 * self.standard_error)


def cox_univariate(covariates: Floats, time: Floats, event: Bools) -> UnivariateCox:
    r"""Maximise Efron's partial likelihood of each covariate alone.

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

    Returns
    -------
    UnivariateCox
        In the covariates' order.

    Raises
    ------
    ValueError
        If the three arrays do not have the same number of patients.

    Notes
    -----
    Newton with step halving, on standardised covariates, for a block of covariates at a time; covariates that share
    their missing patients share their risk sets. Separation is decided exactly, before fitting: one coefficient is
    infinite if and only if every event has the largest (or every event the smallest) value of its risk set.

    References
    ----------
    Efron B. The efficiency of Cox's likelihood function for censored data. J Am Stat Assoc 1977;72:557-565.
    doi:10.1080/01621459.1977.10480613
    """
    covariates, time = np.asarray(covariates, dtype=np.float64), np.asarray(time, dtype=np.float64)
    event = np.asarray(event, dtype=np.bool_)
    if covariates.ndim != 2 or not len(covariates) == len(time) == len(event):
        shapes = f"{covariates.shape}, {time.shape}, {event.shape}"
        raise ValueError(f"covariates, time and event must have the same number of patients, not {shapes}.")
    fitted = _empty(covariates.shape[1])
    for columns, complete in _by_missing_patients(covariates):
        patients = np.flatnonzero(complete)
        fitted.n[columns], fitted.n_events[columns] = len(patients), event[patients].sum()
        if event[patients].any():
            _fit_columns(covariates, columns, patients, risk_sets(time[patients], event[patients]), fitted)
    with np.errstate(invalid="ignore"):
        fitted.p_value[:] = 2 * norm.sf(np.abs(fitted.coefficient / fitted.standard_error))
    return fitted


def _empty(n_covariates: int) -> UnivariateCox:
    """Return a result in which nothing is fitted yet."""
    unknown, counts = np.full(n_covariates, np.nan), np.zeros(n_covariates, dtype=np.int64)
    return UnivariateCox(
        coefficient=unknown.copy(),
        standard_error=unknown.copy(),
        p_value=unknown.copy(),
        n=counts.copy(),
        n_events=counts.copy(),
        iterations=counts.copy(),
        status=np.full(n_covariates, NO_EVENTS, dtype=f"<U{len(NOT_CONVERGED)}"),
    )


def _by_missing_patients(covariates: Floats) -> list[tuple[NDArray[np.intp], Bools]]:
    """Group the columns that lack the same patients: (columns, which patients are complete)."""
    complete = np.isfinite(covariates)
    packed = np.ascontiguousarray(np.packbits(complete, axis=0).T)
    patterns = packed.view(np.dtype((np.void, packed.shape[1]))).ravel() if packed.size else np.empty(0, dtype=np.void)
    _, first, which = np.unique(patterns, return_index=True, return_inverse=True)
    return [(np.flatnonzero(which == k), complete[:, column]) for k, column in enumerate(first)]


def _fit_columns(
    covariates: Floats, columns: NDArray[np.intp], patients: NDArray[np.intp], sets: RiskSets, fitted: UnivariateCox
) -> None:
    """Fit the columns that share these risk sets, block by block, and write the results into `fitted`."""
    rows = patients[sets.order]
    block = max(1, BLOCK_SIZE // len(rows))
    for start in range(0, len(columns), block):
        chosen = columns[start : start + block]
        values = np.ascontiguousarray(covariates[np.ix_(rows, chosen)].T)
        status = _estimable(values, sets)
        fitted.status[chosen] = status
        estimable = status == CONVERGED
        if estimable.any():
            _fit_block(values[estimable], chosen[estimable], sets, fitted)


def _estimable(values: Floats, sets: RiskSets) -> NDArray[np.str_]:
    """Say of each row whether its coefficient is finite (``converged``), and if not why."""
    highest, lowest = sets.at_event_times(values, np.maximum), sets.at_event_times(values, np.minimum)
    dead = values[:, sets.deaths]
    rising = (dead >= highest[:, sets.which]).all(axis=1)
    falling = (dead <= lowest[:, sets.which]).all(axis=1)
    # A spread of rounding errors is no spread.
    constant = highest[:, 0] - lowest[:, 0] <= 1e-12 * np.maximum(np.abs(highest[:, 0]), np.abs(lowest[:, 0]))
    return np.select([constant, rising | falling], [CONSTANT, SEPARATED], CONVERGED)


def _fit_block(values: Floats, columns: NDArray[np.intp], sets: RiskSets, fitted: UnivariateCox) -> None:
    """Standardise the rows, maximise, and write the results on the rows' own unit into `fitted`."""
    deviation = values.std(axis=1)
    standardised = (values - values.mean(axis=1, keepdims=True)) / deviation[:, None]
    coefficient, information, iterations, converged = _newton(standardised, sets)
    fitted.iterations[columns] = iterations
    fitted.status[columns[~converged]] = NOT_CONVERGED
    done = columns[converged]
    fitted.coefficient[done] = (coefficient / deviation)[converged]
    fitted.standard_error[done] = 1 / (np.sqrt(information[converged]) * deviation[converged])


def _newton(values: Floats, sets: RiskSets) -> tuple[Floats, Floats, Integers, Bools]:
    """Maximise each row's likelihood: coefficient, information, number of steps, whether it converged."""
    n_rows = len(values)
    coefficient, step, information = np.zeros(n_rows), np.zeros(n_rows), np.full(n_rows, np.nan)
    likelihood, iterations = np.full(n_rows, -np.inf), np.zeros(n_rows, dtype=np.int64)
    active = np.arange(n_rows)
    for iteration in range(MAX_ITERATIONS):
        iterations[active] = iteration
        candidate = coefficient[active] + step[active]
        rows = values if len(active) == n_rows else values[active]
        reached, score, curvature = _partial_likelihood(rows, candidate, sets)
        # A loss within rounding is no loss; a likelihood that is not a number is one.
        better = reached >= likelihood[active] - 1e-12 * np.abs(reached)
        taken = active[better]
        coefficient[taken], likelihood[taken] = candidate[better], reached[better]
        information[taken] = curvature[better]
        with np.errstate(divide="ignore", invalid="ignore"):
            step[taken] = score[better] / curvature[better]
        step[active[~better]] /= 2
        finished = better & (np.abs(step[active]) <= STEP_TOLERANCE)
        coefficient[active[finished]] += step[active[finished]]
        active = active[~finished]
        if not len(active):
            break
    converged = np.ones(n_rows, dtype=np.bool_)
    converged[active] = False
    return coefficient, information, iterations, converged


def _partial_likelihood(values: Floats, coefficient: Floats, sets: RiskSets) -> tuple[Floats, Floats, Floats]:
    """Return each row's Efron log partial likelihood, score and information at its coefficient."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        predictor = values * coefficient[:, None]
        # Only differences count; the largest exponential is 1, so none overflows.
        predictor -= predictor.max(axis=1, keepdims=True)
        weight = np.exp(predictor)
        total = sets.efron_sums(weight)
        weight *= values
        mean = sets.efron_sums(weight) / total
        weight *= values
        square = sets.efron_sums(weight) / total
        likelihood = predictor[:, sets.deaths].sum(axis=1) - np.log(total).sum(axis=1)
    return likelihood, (values[:, sets.deaths] - mean).sum(axis=1), (square - mean**2).sum(axis=1)
