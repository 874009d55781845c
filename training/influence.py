"""How far single patients carry a Cox model: what each coefficient would lose without each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.penalised_cox import FitError
from training.unpenalised_cox import UnpenalisedCox, fit_unpenalised_cox

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Influence:
    r"""What the model owes to each patient; NaN throughout where there is no model.

    Parameters
    ----------
    names : tuple of str
        Of the covariates.
    dfbeta : array, shape (n_patients, n_covariates)
        About :math:`\hat\beta - \hat\beta_{(i)}`, the coefficient less the one without the patient, per unit.
    dfbetas : array, shape (n_patients, n_covariates)
        The same in standard errors of the coefficient.
    likelihood_displacement : array, shape (n_patients,)
        About :math:`2\,[\ell(\hat\beta) - \ell(\hat\beta_{(i)})]`: all coefficients together.
    reason : str
        Why there is no model; empty if there is.
    """

    names: tuple[str, ...]
    dfbeta: Floats
    dfbetas: Floats
    likelihood_displacement: Floats
    reason: str = ""

    def largest(self, n_patients: int = 5) -> pd.DataFrame:
        """Return the patients with the largest likelihood displacement, named by their position alone.

        Parameters
        ----------
        n_patients : int

        Returns
        -------
        DataFrame
            ``position`` (from 0), ``likelihood_displacement``, ``covariate`` (the one that the patient moves most) and
            its ``dfbetas``; empty where there is no model.
        """
        positions = np.argsort(-self.likelihood_displacement, kind="stable")[: 0 if self.reason else n_patients]
        moved = np.abs(self.dfbetas[positions]).argmax(axis=1)
        return pd.DataFrame(
            {
                "position": positions,
                "likelihood_displacement": self.likelihood_displacement[positions],
                "covariate": [self.names[k] for k in moved],
                "dfbetas": self.dfbetas[positions, moved],
            }
        )


def influence(X: Floats, time: Floats, event: Bools, names: Sequence[str]) -> Influence:
    r"""Approximate what an unpenalised Cox model loses with each patient.

    .. math::
        \hat\beta - \hat\beta_{(i)} \approx V s_i, \qquad
        2\,[\ell(\hat\beta) - \ell(\hat\beta_{(i)})] \approx s_i' V s_i

    with :math:`s_i` the patient's score residual and :math:`V` the coefficients' covariance.

    Parameters
    ----------
    X : array, shape (n_patients, n_covariates)
        Covariates: the out-of-fold linear predictor and clinical covariates, say.
    time : array, shape (n_patients,)
        Follow-up, in any unit.
    event : array of bool, shape (n_patients,)
    names : sequence of str
        One a covariate.

    Returns
    -------
    Influence
        With NaN and a reason where the covariates are singular or separate.

    Notes
    -----
    R's ``residuals(coxph(…), type = "dfbeta")`` and ``"dfbetas"``, ties after Efron.

    References
    ----------
    Cain KC, Lange NT. Approximate case influence for the proportional hazards regression model with censored data.
    Biometrics 1984;40:493-499. doi:10.2307/2531402

    Pettitt AN, Bin Daud I. Case-weighted measures of influence for proportional hazards regression. J R Stat Soc C
    1989;38:51-67.
    """
    try:
        fitted = fit_unpenalised_cox(X, time, event, names)
    except FitError as error:
        unknown = np.full((len(time), len(names)), np.nan)
        return Influence(tuple(names), unknown, unknown.copy(), np.full(len(time), np.nan), f"not assessable: {error}")
    # Patients who were censored before the first event are in no risk set: nothing is owed to them.
    scores = np.zeros((len(time), len(names)))
    scores[fitted.sets.order] = _score_residuals(fitted) * fitted.scale
    dfbeta = scores @ fitted.covariance
    return Influence(
        names=fitted.names,
        dfbeta=dfbeta,
        dfbetas=dfbeta / np.sqrt(np.diag(fitted.covariance)),
        likelihood_displacement=np.einsum("ij,ij->i", dfbeta, scores),
    )


def _score_residuals(fitted: UnpenalisedCox) -> Floats:
    """Return what each patient at risk adds to the score, shape (n_followed, n_covariates), standardised covariates.

    Of d events at one time the l-th weighs each of them by 1 − l/d: their residual is the mean over the d steps.
    """
    sets, moments, x = fitted.sets, fitted.moments, fitted.standardised
    increments = np.column_stack([1 / moments.total, moments.mean / moments.total[:, None]])
    by_time = np.add.reduceat(increments, sets.first_death, axis=0)
    n_times = np.searchsorted(sets.starts, np.arange(len(x)), side="right")
    cumulative = np.vstack([np.zeros(by_time.shape[1]), np.cumsum(by_time, axis=0)])[n_times]
    spared = np.add.reduceat(sets.fraction[:, None] * increments, sets.first_death, axis=0)
    cumulative[sets.deaths] -= spared[sets.which]
    residuals = -(x * cumulative[:, :1] - cumulative[:, 1:]) * moments.hazard[:, None]
    n_tied = np.bincount(sets.which)
    means = np.add.reduceat(moments.mean, sets.first_death, axis=0) / n_tied[:, None]
    residuals[sets.deaths] += x[sets.deaths] - means[sets.which]
    return np.asarray(residuals)
