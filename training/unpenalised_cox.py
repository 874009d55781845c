"""The unpenalised Cox model of a few covariates, from which diagnostics are taken: Efron's ties, Newton's method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr

from training.penalised_cox import FitError
from training.risk_sets import RiskSets, risk_sets

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: A monotone likelihood moves a coefficient by about 1 a step for ever; one with a maximum needs some ten steps.
NEWTON_STEPS = 30
STEP_TOLERANCE = 1e-9
#: Of a likelihood, relative: a step that loses no more than rounding does has not failed.
ROUNDING = 1e-12
#: Below this share of the largest, a direction of the standardised covariates is rounding.
SINGULAR = 1e-9


@dataclass(frozen=True)
class EventMoments:
    """The covariates among the patients at risk at each event, weighted by their hazards.

    Parameters
    ----------
    hazard : array, shape (n_followed,)
        Relative hazard of each patient, in the risk sets' order; the largest is 1.
    total : array, shape (n_events,)
        Sum of the hazards at risk.
    mean : array, shape (n_events, n_covariates)
    covariance : array, shape (n_events, n_covariates, n_covariates)
    """

    hazard: Floats
    total: Floats
    mean: Floats
    covariance: Floats


@dataclass(frozen=True)
class UnpenalisedCox:
    """A Cox model at the maximum of its partial likelihood.

    Parameters
    ----------
    names : tuple of str
        Of the covariates.
    coefficients : array, shape (n_covariates,)
        Log hazard ratio per unit of each covariate; positive is worse.
    covariance : array, shape (n_covariates, n_covariates)
        Inverse of the observed information.
    scale : array, shape (n_covariates,)
        Standard deviations by which `standardised` was divided.
    standardised : array, shape (n_followed, n_covariates)
        The covariates in the risk sets' order, with mean 0 and standard deviation 1 over all patients.
    sets : RiskSets
    moments : EventMoments
        Of the standardised covariates, at the coefficients.
    """

    names: tuple[str, ...]
    coefficients: Floats
    covariance: Floats
    scale: Floats
    standardised: Floats
    sets: RiskSets
    moments: EventMoments


def fit_unpenalised_cox(X: Floats, time: Floats, event: Bools, names: Sequence[str]) -> UnpenalisedCox:
    r"""Maximise Efron's partial likelihood.

    .. math::
        \ell(\beta) = \sum_{t_k} \Big[ \sum_{i \in D_k} \beta' x_i - \sum_{l=0}^{d_k - 1} \log\Big(
        \sum_{j:\, t_j \ge t_k} e^{\beta' x_j} - \frac{l}{d_k} \sum_{j \in D_k} e^{\beta' x_j} \Big) \Big]

    Parameters
    ----------
    X : array, shape (n_patients, n_covariates)
        Few covariates against the number of events.
    time : array, shape (n_patients,)
        Follow-up, in any unit.
    event : array of bool, shape (n_patients,)
        True where the event was observed.
    names : sequence of str
        One a covariate.

    Raises
    ------
    FitError
        If the likelihood has no single maximum: no covariates, no events, missing values, a covariate that is
        constant or a combination of others, or one that separates those with the event from those without.
    ValueError
        If the lengths do not fit together.

    References
    ----------
    Efron B. The efficiency of Cox's likelihood function for censored data. J Am Stat Assoc 1977;72:557-565.
    doi:10.1080/01621459.1977.10480613
    """
    X, time = np.asarray(X, dtype=np.float64), np.asarray(time, dtype=np.float64)
    event = np.asarray(event, dtype=np.bool_)
    if X.ndim != 2 or not len(X) == len(time) == len(event) or X.shape[1] != len(names):
        raise ValueError(f"X {X.shape}, time {time.shape}, event {event.shape} and {len(names)} names do not fit.")
    _check(X, event, names)
    scale = X.std(axis=0)
    sets = risk_sets(time, event)
    standardised = ((X - X.mean(axis=0)) / scale)[sets.order]
    _check_rank(standardised, names)
    coefficients, moments = _maximum(standardised, sets, names)
    inverse = np.linalg.inv(moments.covariance.sum(axis=0))
    return UnpenalisedCox(
        names=tuple(names),
        coefficients=coefficients / scale,
        covariance=inverse / np.outer(scale, scale),
        scale=scale,
        standardised=standardised,
        sets=sets,
        moments=moments,
    )


def is_singular(information: Floats) -> bool:
    """Say whether a symmetric matrix, brought to a unit diagonal, cannot be inverted beyond rounding."""
    diagonal = np.diag(information)
    if not np.all(np.isfinite(information)) or np.any(diagonal <= 0):
        return True
    roots = np.sqrt(diagonal)
    return bool(np.linalg.eigvalsh(information / np.outer(roots, roots))[0] < SINGULAR)


def _check(X: Floats, event: Bools, names: Sequence[str]) -> None:
    if not X.shape[1]:
        raise FitError("a Cox model needs a covariate, and there is none.")
    if not event.any():
        raise FitError(f"a Cox model needs events, but none of the {len(event)} patients had one.")
    if not np.all(np.isfinite(X)):
        missing = ~np.isfinite(X)
        first = names[int(np.flatnonzero(missing.any(axis=0))[0])]
        raise FitError(f"{int(missing.any(axis=1).sum())} patients lack a covariate (first: {first}); impute it.")
    constant = np.ptp(X, axis=0) <= SINGULAR * np.abs(X).max(axis=0)
    if constant.any():
        raise FitError(f"{names[int(np.argmax(constant))]} is the same in all {len(X)} patients; leave it out.")


def _check_rank(standardised: Floats, names: Sequence[str]) -> None:
    """Refuse covariates that are combinations of others among the patients who are ever at risk at an event."""
    triangle, pivots = qr(standardised - standardised.mean(axis=0), mode="r", pivoting=True)
    lengths = np.zeros(len(names))
    lengths[: len(triangle)] = np.abs(np.diag(triangle))
    surplus = [names[k] for k in pivots[lengths <= SINGULAR * max(lengths[0], 1.0)]]
    if surplus:
        raise FitError(
            f"{', '.join(surplus)} cannot be told from the other covariates in the {len(standardised)} patients at "
            "risk at the first event; leave it out."
        )


def _maximum(standardised: Floats, sets: RiskSets, names: Sequence[str]) -> tuple[Floats, EventMoments]:
    """Return the coefficients of the standardised covariates, and the moments there."""
    beta, value = np.zeros(len(names)), -np.inf
    step = np.zeros(len(names))
    for _ in range(NEWTON_STEPS):
        candidate = beta + step
        moments = _moments(standardised, candidate, sets)
        reached = _log_likelihood(moments, sets)
        if not reached >= value - ROUNDING * abs(reached):
            step = step / 2
            continue
        beta, value = candidate, reached
        information = moments.covariance.sum(axis=0)
        if is_singular(information):
            break
        step = np.linalg.solve(information, (standardised[sets.deaths] - moments.mean).sum(axis=0))
        if np.abs(step).max() <= STEP_TOLERANCE:
            return beta + step, _moments(standardised, beta + step, sets)
    steepest = names[int(np.argmax(np.abs(beta)))]
    raise FitError(
        f"the likelihood has no maximum: {steepest} separates the patients with the event from those still at risk, or "
        "does not vary among them; leave it out."
    )


def _log_likelihood(moments: EventMoments, sets: RiskSets) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.log(moments.hazard[sets.deaths]).sum() - np.log(moments.total).sum())


def _moments(standardised: Floats, beta: Floats, sets: RiskSets) -> EventMoments:
    predictor = standardised @ beta
    # Only differences count; the largest exponential is 1, so none overflows.
    hazard = np.exp(predictor - predictor.max())
    n_covariates = standardised.shape[1]
    products = np.einsum("ij,ik->jki", standardised, standardised).reshape(n_covariates**2, -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = sets.efron_sums(hazard[None, :])[0]
        mean = (sets.efron_sums(standardised.T * hazard) / total).T
        square = (sets.efron_sums(products * hazard) / total).T.reshape(-1, n_covariates, n_covariates)
        covariance = square - mean[:, :, None] * mean[:, None, :]
    return EventMoments(hazard, total, mean, covariance)
