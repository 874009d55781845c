"""The elastic net for Cox models: Coxnet, and a bounded solver where its steps diverge."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sksurv.linear_model import CoxnetSurvivalAnalysis
from sksurv.util import Surv

from training.partial_likelihood import PartialLikelihood, StratifiedLikelihood

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NEWTON_STEPS, SWEEPS, HALVINGS = 100, 2000, 30
#: Log hazard ratios per unit: a step, and a change within one, below which the search ends.
STEP_TOLERANCE, SWEEP_TOLERANCE = 1e-8, 1e-10
#: A step that would multiply a hazard by more than e**5 is shortened: beyond it the quadratic model means nothing.
LONGEST_STEP = 5.0
#: Of a sum over patients, relative: a step that rises by no more than this has not failed.
ROUNDING = 1e-13


def elastic_net(X: Floats, time: Floats, event: Bools, *, penalty: Floats, l1_ratio: float) -> Floats:
    """Return the coefficients of `training.penalised_cox.fit_penalised_cox`, shape (n_covariates,).

    Parameters
    ----------
    X, time, event, penalty
        As there.
    l1_ratio : float
        Above 0.
    """
    # Coxnet scales the factors to a mean of 1, so their mean is the alpha; explicit, as its automatic path is
    # stretched by small factors. The first, larger alphas only warm the start.
    alpha = float(penalty.mean())
    path = CoxnetSurvivalAnalysis(
        alphas=[10 * alpha, 3 * alpha, alpha], penalty_factor=penalty, l1_ratio=l1_ratio, tol=1e-9, max_iter=100_000
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category=UserWarning)  # "all coefficients are zero" is an answer
            warnings.simplefilter("error", category=ConvergenceWarning)
            path.fit(X, Surv.from_arrays(event, time))
    except (ArithmeticError, ConvergenceWarning):
        return _bounded(X - X.mean(axis=0), time, event, penalty=penalty, l1_ratio=l1_ratio)
    return np.asarray(path.coef_[:, -1], dtype=np.float64)


def _bounded(X: Floats, time: Floats, event: Bools, *, penalty: Floats, l1_ratio: float) -> Floats:
    """Solve the elastic net where Coxnet's unguarded steps diverge: hardly penalised covariates that separate.

    Positive and negative parts of the coefficients are variables of their own, bounded at 0, which makes the
    objective smooth; slower, and needed rarely.
    """
    likelihood, n_covariates = PartialLikelihood.of(X, time, event), X.shape[1]

    def objective(parts: Floats) -> tuple[float, Floats]:
        beta = parts[:n_covariates] - parts[n_covariates:]
        slope = (1 - l1_ratio) * penalty * beta - likelihood.derivatives(beta)[0] / len(time)
        loss = -likelihood.value(beta) / len(time) + float(penalty @ ((1 - l1_ratio) / 2 * beta**2))
        lasso = l1_ratio * np.concatenate([penalty, penalty])
        return loss + float(lasso @ parts), np.concatenate([slope, -slope]) + lasso

    start = np.zeros(2 * n_covariates)
    solved = minimize(
        objective,
        start,
        jac=True,
        bounds=[(0, None)] * len(start),
        options={"maxiter": 5000, "maxfun": 50000, "ftol": 1e-15, "gtol": 1e-9},
    )
    return np.asarray(solved.x[:n_covariates] - solved.x[n_covariates:], dtype=np.float64)


def stratified_elastic_net(
    likelihood: PartialLikelihood | StratifiedLikelihood, X: Floats, *, penalty: Floats, l1_ratio: float
) -> Floats:
    r"""Return the same of several strata, shape (n_covariates,), which Coxnet does not know.

    Parameters
    ----------
    likelihood : PartialLikelihood or StratifiedLikelihood
        Of the covariates `X`.
    X : array, shape (n_patients, n_covariates)
        Centred.
    penalty : array, shape (n_covariates,)
        Per patient.
    l1_ratio : float

    Notes
    -----
    A proximal Newton method: the likelihood's quadratic model with the penalty is minimised by coordinate descent, and
    the step halved until the penalised likelihood does not fall.

    References
    ----------
    Lee JD, Sun Y, Saunders MA. Proximal Newton-type methods for minimizing composite functions. SIAM J Optim
    2014;24:1420-1443. doi:10.1137/130921428
    """
    n, lasso, ridge = len(X), l1_ratio * penalty, (1 - l1_ratio) * penalty

    def objective(beta: Floats) -> float:
        return -likelihood.value(beta) / n + float(ridge @ beta**2) / 2 + float(lasso @ np.abs(beta))

    beta = np.zeros(X.shape[1])
    value = objective(beta)
    for _ in range(NEWTON_STEPS):
        gradient, information = likelihood.derivatives(beta)
        curvature = information / n + np.diag(ridge)
        step = _lasso_step(beta, ridge * beta - gradient / n, curvature, lasso)
        step *= min(1.0, LONGEST_STEP / max(np.abs(X @ step).max(), 1e-300))
        for _halving in range(HALVINGS):
            if objective(beta + step) <= value + ROUNDING * abs(value):
                break
            step /= 2
        else:
            return beta
        beta, value = beta + step, objective(beta + step)
        if np.abs(step).max() < STEP_TOLERANCE:
            break
    return beta


def _lasso_step(beta: Floats, gradient: Floats, curvature: Floats, lasso: Floats) -> Floats:
    """Minimise the quadratic model with the lasso by coordinate descent: all covariates, then those that moved."""
    end, slope = beta.copy(), gradient.copy()
    every = np.flatnonzero(np.diag(curvature) > 0)
    moving = every
    for _ in range(SWEEPS):
        largest = max((_descend(int(j), end, slope, curvature, lasso) for j in moving), default=0.0)
        if largest >= SWEEP_TOLERANCE:
            moving = np.flatnonzero(end)
        elif len(moving) == len(every):
            break
        else:
            moving = every
    return end - beta


def _descend(j: int, end: Floats, slope: Floats, curvature: Floats, lasso: Floats) -> float:
    """Move one coefficient to where it is best, given the others, and return by how much."""
    target = curvature[j, j] * end[j] - slope[j]
    best = np.sign(target) * max(abs(target) - lasso[j], 0.0) / curvature[j, j]
    change = float(best - end[j])
    if change:
        end[j] = best
        slope += change * curvature[j]
    return abs(change)
