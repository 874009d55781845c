"""The elastic net for Cox models: Coxnet, and a bounded solver where its steps diverge."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sksurv.linear_model import CoxnetSurvivalAnalysis
from sksurv.util import Surv

from training.partial_likelihood import PartialLikelihood

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


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
