"""Cox models of patients who stand in a sample several times, all samples at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MAX_ITERATIONS = 30
#: Newton stops when its next step, per standard deviation of a covariate, is below this; the step is still taken.
STEP_TOLERANCE = 1e-9
#: Log relative hazards further apart than this are refused: where coefficients run away, exp stays above 0.
LARGEST_RANGE = 300.0
#: A spread that is smaller than this share of the values is rounding.
SMALLEST_SPREAD = 1e-12
#: Numbers in one working array of a block of samples: 512 KiB, which stays in a core's cache.
BLOCK_SIZE = 2**16


@dataclass(frozen=True)
class CountedCox:
    """One Cox model per sample.

    Parameters
    ----------
    coefficients : array, shape (n_samples, n_covariates)
        Log hazard ratio per unit; positive is worse; 0 for a covariate that does not vary.
    converged : array of bool, shape (n_samples,)
        False where the likelihood rises for ever; the coefficients are then as far as Newton came.
    """

    coefficients: Floats
    converged: Bools


@dataclass(frozen=True)
class _RiskSets:
    """Who is at risk when: positions among the patients sorted by time, from the first event on.

    ``order`` sorts the patients and leaves out those who were censored before the first event; ``starts`` is the first
    position still at risk at each distinct event time; ``dead`` are the positions of the events, ``first_dead`` where
    each event time begins among them, ``which`` the event time of each.
    """

    order: NDArray[np.intp]
    days: Floats
    starts: NDArray[np.intp]
    dead: NDArray[np.intp]
    first_dead: NDArray[np.intp]
    which: NDArray[np.intp]

    @classmethod
    def of(cls, time: Floats, event: Bools) -> _RiskSets:
        order = np.argsort(time, kind="stable")
        order = order[time[order] >= time[event].min()]
        dead = np.flatnonzero(event[order])
        days, first_dead, which = np.unique(time[order][dead], return_index=True, return_inverse=True)
        return cls(order, days, np.searchsorted(time[order], days), dead, first_dead, which)

    def at_event_times(self, values: Floats, ufunc: np.ufunc = np.add) -> Floats:
        """Reduce each row over the risk set of each distinct event time."""
        blocks = ufunc.reduceat(values, self.starts, axis=-1)
        # From the last event backwards: subtracting from the total would cancel.
        accumulated: Floats = ufunc.accumulate(blocks[..., ::-1], axis=-1)[..., ::-1]
        return accumulated

    def deaths(self, weights: Floats) -> Floats:
        """Count the events of each distinct event time."""
        counted: Floats = np.add.reduceat(weights[:, self.dead], self.first_dead, axis=1)
        return counted


def counted_cox(covariates: Floats, time: Floats, event: Bools, counts: Floats) -> CountedCox:
    r"""Maximise Breslow's partial likelihood in each sample.

    .. math::
        \ell(\beta) = \sum_{i:\, \delta_i = 1} c_i \Big[ \beta^\top x_i - \log \sum_{j:\, t_j \ge t_i}
        c_j e^{\beta^\top x_j} \Big]

    Parameters
    ----------
    covariates : array, shape (n_covariates, n_samples, n_patients) or (n_covariates, 1, n_patients)
    time : array, shape (n_patients,)
        Follow-up, in any unit.
    event : array of bool, shape (n_patients,)
    counts : array, shape (n_samples, n_patients)
        How often each patient stands in each sample: :math:`c_i`.

    Notes
    -----
    Events on one day are Breslow's: only so is a patient who is counted twice the same as two patients. Newton with
    step halving, on covariates standardised within each sample; along a direction in which the likelihood is flat
    nothing moves.

    References
    ----------
    Breslow N. Covariance analysis of censored survival data. Biometrics 1974;30:89-99. doi:10.2307/2529620
    """
    if not event.any():
        return CountedCox(np.zeros((len(counts), len(covariates))), np.ones(len(counts), dtype=np.bool_))
    sets = _RiskSets.of(time, event)
    shape = (len(covariates), *counts.shape)
    ordered, weights = np.broadcast_to(covariates, shape)[..., sets.order], counts[:, sets.order]
    size = max(1, BLOCK_SIZE // (len(covariates) * len(sets.order)))
    blocks = [slice(start, start + size) for start in range(0, len(counts), size)]
    fitted = [_fit_block(ordered[:, block], weights[block], sets) for block in blocks]
    return CountedCox(np.concatenate([f.coefficients for f in fitted]), np.concatenate([f.converged for f in fitted]))


def coefficients(covariate: Floats, time: Floats, event: Bools, counts: Floats) -> Floats:
    """Return the coefficient of one covariate in each sample.

    Parameters
    ----------
    covariate : array, shape (n_patients,) or (n_samples, n_patients)
    time, event, counts
        As in `counted_cox`.

    Returns
    -------
    array, shape (n_samples,)
        NaN where there is no finite estimate: nobody has the event, the covariate does not vary among those at risk,
        or every event has the largest (or every event the smallest) value of its risk set.
    """
    if not event.any():
        return np.full(len(counts), np.nan)
    covariate = np.broadcast_to(covariate, counts.shape)
    fitted = counted_cox(covariate[None], time, event, counts)
    estimable = _estimable(covariate, counts, _RiskSets.of(time, event))
    return np.where(estimable & fitted.converged, fitted.coefficients[:, 0], np.nan)


def risk_by(log_hazard: Floats, time: Floats, event: Bools, counts: Floats, *, day: float) -> Floats:
    r"""Return each patient's probability of the event by a day, under Breslow's baseline of each sample.

    .. math:: 1 - \exp\Big(- \sum_{t_k \le t} \frac{d_k\, e^{\eta_i}}{\sum_{j:\, t_j \ge t_k} c_j e^{\eta_j}}\Big)

    Parameters
    ----------
    log_hazard : array, shape (n_samples, n_patients)
        :math:`\eta`, up to a constant.
    time, event, counts
        As in `counted_cox`.
    day : float
        In the unit of `time`; beyond the last follow-up the hazard stays as it was.

    Returns
    -------
    array, shape (n_samples, n_patients)
    """
    if not event.any():
        return np.zeros_like(log_hazard)
    sets = _RiskSets.of(time, event)
    highest = log_hazard[:, sets.order].max(axis=1, keepdims=True)
    # Who left before the first event may lie beyond those whom the model was fitted on.
    relative = np.exp(np.clip(log_hazard - highest, -LARGEST_RANGE, LARGEST_RANGE))
    weights = counts[:, sets.order]
    deaths = sets.deaths(weights) * (sets.days <= day)
    total = sets.at_event_times(weights * relative[:, sets.order])
    baseline = np.sum(deaths / np.where(deaths > 0, total, 1.0), axis=1)
    return np.asarray(-np.expm1(-baseline[:, None] * relative), dtype=np.float64)


def _fit_block(ordered: Floats, weights: Floats, sets: _RiskSets) -> CountedCox:
    values, deviation = _standardised(ordered, weights)
    coefficients, converged = _newton(values, weights, sets)
    return CountedCox(coefficients / deviation.T, converged)


def _standardised(covariates: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return covariates of mean 0 and variance 1 in each sample, and the deviations; 0 where nothing varies."""
    total = np.maximum(weights.sum(axis=1), 1)
    mean = (covariates * weights).sum(axis=-1) / total
    centred = covariates - mean[..., None]
    deviation = np.sqrt((weights * centred**2).sum(axis=-1) / total)
    varies = deviation > SMALLEST_SPREAD * np.abs(covariates).max(axis=-1)
    deviation = np.where(varies, deviation, 1.0)
    return np.where(varies[..., None], centred / deviation[..., None], 0.0), deviation


def _estimable(covariate: Floats, counts: Floats, sets: _RiskSets) -> Bools:
    """Say of each sample whether its one coefficient is finite: some event is not the highest, some not the lowest."""
    present = counts[:, sets.order] > 0
    ordered = covariate[:, sets.order]
    highest = sets.at_event_times(np.where(present, ordered, -np.inf), np.maximum)
    lowest = sets.at_event_times(np.where(present, ordered, np.inf), np.minimum)
    varies = highest[:, 0] - lowest[:, 0] > SMALLEST_SPREAD * np.abs(covariate).max(axis=1)
    dead, counted = ordered[:, sets.dead], present[:, sets.dead]
    rising = (~counted | (dead >= highest[:, sets.which])).all(axis=1)
    falling = (~counted | (dead <= lowest[:, sets.which])).all(axis=1)
    return np.asarray(varies & ~rising & ~falling, dtype=np.bool_)


def _newton(values: Floats, weights: Floats, sets: _RiskSets) -> tuple[Floats, Bools]:
    """Maximise each sample's likelihood: coefficients, shape (n_samples, n_covariates), and whether it converged."""
    n_covariates, n_samples, _ = values.shape
    coefficients, step = np.zeros((n_samples, n_covariates)), np.zeros((n_samples, n_covariates))
    likelihood, active = np.full(n_samples, -np.inf), np.arange(n_samples)
    for _ in range(MAX_ITERATIONS):
        candidate = coefficients[active] + step[active]
        reached, score, information = _partial_likelihood(values, weights, candidate, sets)
        # A loss within rounding is no loss.
        better = reached >= likelihood[active] - 1e-12 * np.abs(reached)
        taken = active[better]
        coefficients[taken], likelihood[taken] = candidate[better], reached[better]
        inverse = np.linalg.pinv(information[better], rcond=1e-12, hermitian=True)
        step[taken] = (inverse @ score[better][..., None])[..., 0]
        step[active[~better]] /= 2
        finished = better & (np.abs(step[active]) <= STEP_TOLERANCE).all(axis=1)
        coefficients[active[finished]] += step[active[finished]]
        if finished.any():
            active, values, weights = active[~finished], values[:, ~finished], weights[~finished]
        if not len(active):
            break
    converged = np.ones(n_samples, dtype=np.bool_)
    converged[active] = False
    return coefficients, converged


def _partial_likelihood(
    values: Floats, weights: Floats, coefficients: Floats, sets: _RiskSets
) -> tuple[Floats, Floats, Floats]:
    """Return each sample's Breslow log partial likelihood, score and information at its coefficients."""
    predictor = np.einsum("psn,sp->sn", values, coefficients)
    # Only differences count; the largest exponential is 1, so none overflows.
    predictor -= predictor.max(axis=1, keepdims=True)
    within = predictor.min(axis=1) >= -LARGEST_RANGE
    hazard = weights * np.exp(np.maximum(predictor, -LARGEST_RANGE))
    deaths = sets.deaths(weights)
    total = np.where(deaths > 0, sets.at_event_times(hazard), 1.0)
    weighted = hazard * values
    mean = sets.at_event_times(weighted) / total
    square = sets.at_event_times(weighted[:, None] * values[None]) / total
    information = np.sum(deaths * (square - mean[:, None] * mean[None]), axis=-1)
    dead = weights[:, sets.dead]
    likelihood = np.sum(dead * predictor[:, sets.dead], axis=1) - np.sum(deaths * np.log(total), axis=1)
    score = np.sum(dead * values[..., sets.dead], axis=-1) - np.sum(deaths * mean, axis=-1)
    return np.where(within, likelihood, -np.inf), score.T, np.moveaxis(information, -1, 0)
