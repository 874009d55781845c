"""Cox regression with a penalty of its own for each covariate; ridge by Newton's method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.errors import PrognosisError
from training.partial_likelihood import PartialLikelihood, StratifiedLikelihood, likelihood_of

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NEWTON_STEPS = 50
NEWTON_TOLERANCE = 1e-9
#: A step that would multiply a hazard by more than e**5 is shortened: beyond it the quadratic model means nothing.
LONGEST_STEP = 5.0
#: Of a sum over patients, relative: a last Newton step that falls by no more than this has not failed.
ROUNDING = 1e-13


class FitError(PrognosisError):
    """A model cannot be fitted to these patients."""


@dataclass(frozen=True)
class FittedCox:
    """Coefficients of a Cox model.

    Parameters
    ----------
    coefficients : array, shape (n_covariates,)
        Log hazard ratio per unit of each covariate.
    means : array, shape (n_covariates,)
        Training means: a patient at the means has linear predictor 0.
    """

    coefficients: Floats
    means: Floats

    def linear_predictor(self, X: Floats) -> Floats:
        """Return the log relative hazard against the training mean, shape (n_patients,); higher is worse."""
        # Summed row by row: a matrix product may round a patient alone otherwise than the same among many.
        terms = np.ascontiguousarray((X - self.means) * self.coefficients)
        return np.asarray(terms.sum(axis=1), dtype=np.float64)


def fit_penalised_cox(
    X: Floats,
    time: Floats,
    event: Bools,
    *,
    penalty: Floats,
    l1_ratio: float,
    strata: NDArray[np.int64] | None = None,
) -> FittedCox:
    r"""Maximise the penalised partial likelihood (Breslow's for ties).

    .. math::
        \frac{1}{n} \log L(\beta) - \sum_j \lambda_j
        \left(\rho\,|\beta_j| + \frac{1 - \rho}{2} \beta_j^2\right)

    Parameters
    ----------
    X : array, shape (n_patients, n_covariates)
        Covariates on comparable scales.
    time : array, shape (n_patients,)
        Days.
    event : array of bool, shape (n_patients,)
    penalty : array, shape (n_covariates,)
        :math:`\lambda_j`, per patient, as in R's glmnet.
    l1_ratio : float
        :math:`\rho`: 0 is ridge, 1 the lasso.
    strata : array of int, shape (n_patients,), optional
        Numbers of the cohorts that were pooled: the likelihood is the sum of theirs, each with a baseline of its own.

    Raises
    ------
    FitError
        If nobody had the event.

    References
    ----------
    Simon N et al. (2011) doi 10.18637/jss.v039.i05
    """
    if not event.any():
        raise FitError(f"a Cox model needs events, but none of the {len(event)} patients had one.")
    means = X.mean(axis=0)
    if l1_ratio == 0:
        likelihood = likelihood_of(X - means, time, event, strata)
        return FittedCox(_ridge(likelihood, X - means, len(time) * penalty), means)
    # Imported late: what scores needs the fitted model alone, and its start is not to wait for Coxnet's package.
    from training.elastic_net import elastic_net, stratified_elastic_net  # noqa: PLC0415

    if strata is None:
        return FittedCox(elastic_net(X, time, event, penalty=penalty, l1_ratio=l1_ratio), means)
    likelihood = likelihood_of(X - means, time, event, strata)
    return FittedCox(stratified_elastic_net(likelihood, X - means, penalty=penalty, l1_ratio=l1_ratio), means)


def _ridge(likelihood: PartialLikelihood | StratifiedLikelihood, X: Floats, penalty: Floats) -> Floats:
    """Newton's method with step halving, on centred covariates; `penalty` on the scale of the log-likelihood."""
    beta = np.zeros(X.shape[1])
    value = likelihood.value(beta)
    for _ in range(NEWTON_STEPS):
        gradient, information = likelihood.derivatives(beta)
        step = np.linalg.solve(information + np.diag(penalty), gradient - penalty * beta)
        step *= min(1.0, LONGEST_STEP / max(np.abs(X @ step).max(), 1e-300))
        beta, gain, value = _improved(likelihood, penalty, beta, step, value)
        if gain < NEWTON_TOLERANCE * (abs(value) + 1e-9) and np.abs(step).max() < 1e-8:
            break
    return beta


def _improved(
    likelihood: PartialLikelihood | StratifiedLikelihood, penalty: Floats, beta: Floats, step: Floats, value: float
) -> tuple[Floats, float, float]:
    """Return the step's end, halved until the penalised likelihood does not fall, its gain and its value."""
    for halvings in range(30):
        end = beta + step / 2**halvings
        reached = likelihood.value(end) - float(penalty @ end**2) / 2
        if reached >= value - ROUNDING * abs(value):
            return end, reached - value, reached
    return beta, 0.0, value
