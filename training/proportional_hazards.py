"""Whether hazard ratios stay the same over time: the score test of each covariate and of all together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2

from training.kaplan_meier import kaplan_meier
from training.penalised_cox import FitError
from training.unpenalised_cox import UnpenalisedCox, fit_unpenalised_cox, is_singular

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

GLOBAL = "GLOBAL"


@dataclass(frozen=True)
class ProportionalHazards:
    """The test of every covariate, then of all together; every array has shape (n_covariates + 1,).

    Parameters
    ----------
    names : tuple of str
        The covariates, then ``GLOBAL``.
    chi_square : array
        NaN where not assessable.
    degrees_of_freedom : array of int
    p_value : array
        Small where hazards are not proportional.
    reason : str
        Why something could not be assessed; empty if all was.
    """

    names: tuple[str, ...]
    chi_square: Floats
    degrees_of_freedom: NDArray[np.int64]
    p_value: Floats
    reason: str = ""

    def table(self) -> pd.DataFrame:
        """Return one row a test: ``covariate``, ``chi_square``, ``degrees_of_freedom``, ``p_value``, ``reason``."""
        return pd.DataFrame(
            {
                "covariate": self.names,
                "chi_square": self.chi_square,
                "degrees_of_freedom": self.degrees_of_freedom,
                "p_value": self.p_value,
                "reason": [self.reason if np.isnan(p) else "" for p in self.p_value],
            }
        )


def proportional_hazards(X: Floats, time: Floats, event: Bools, names: Sequence[str]) -> ProportionalHazards:
    r"""Test whether coefficients change with time, against :math:`\beta_j + \theta_j\, g(t)`.

    .. math::
        g(t) = 1 - \hat S(t-) - \bar g, \qquad
        \chi^2 = U' \mathcal I^{-1} U \ \text{at}\ (\hat\beta, \theta = 0)

    Parameters
    ----------
    X : array, shape (n_patients, n_covariates)
        Covariates of an unpenalised Cox model: the out-of-fold linear predictor and clinical covariates, say.
    time : array, shape (n_patients,)
        Follow-up, in any unit.
    event : array of bool, shape (n_patients,)
    names : sequence of str
        One a covariate.

    Returns
    -------
    ProportionalHazards
        With NaN and a reason where the model or the test has no answer (covariates that are singular or separate, all
        events on one day).

    Notes
    -----
    R's ``cox.zph(coxph(…), transform = "km")`` of survival 3.0 and later: the score test, not the older approximation
    from scaled Schoenfeld residuals, which is wrong where the covariates' covariance changes with time. Ties are
    Efron's.

    References
    ----------
    Grambsch PM, Therneau TM. Proportional hazards tests and diagnostics based on weighted residuals. Biometrika
    1994;81:515-526. doi:10.1093/biomet/81.3.515
    """
    time, event = np.asarray(time, dtype=np.float64), np.asarray(event, dtype=np.bool_)
    degrees = np.append(np.ones(len(names), dtype=np.int64), len(names))
    try:
        fitted = fit_unpenalised_cox(X, time, event, names)
    except FitError as error:
        unknown = np.full(len(degrees), np.nan)
        return ProportionalHazards((*names, GLOBAL), unknown, degrees, unknown.copy(), f"not assessable: {error}")
    statistics = _statistics(fitted, _transformed(time, event))
    reason = "not assessable: the events are too few, or on too few days, for so many covariates."
    return ProportionalHazards(
        names=(*fitted.names, GLOBAL),
        chi_square=statistics,
        degrees_of_freedom=degrees,
        p_value=np.asarray(chi2.sf(statistics, degrees)),
        reason=reason if np.isnan(statistics).any() else "",
    )


def _transformed(time: Floats, event: Bools) -> Floats:
    """Return 1 − S(t−) at each event in order of time, about its mean."""
    curve = kaplan_meier(time, event)
    before = np.searchsorted(curve.days, np.sort(time[event]), side="left")
    lost = 1 - np.append(1.0, curve.survival)[before]
    return np.asarray(lost - lost.mean())


def _statistics(fitted: UnpenalisedCox, transformed: Floats) -> Floats:
    """Return the score statistic of each covariate's change with time, then of all changes together."""
    n_covariates = len(fitted.names)
    residuals = fitted.standardised[fitted.sets.deaths] - fitted.moments.mean
    score = np.concatenate([np.zeros(n_covariates), transformed @ residuals])
    information = _information(fitted.moments.covariance, transformed)
    kept = np.arange(n_covariates)
    tests = [np.append(kept, n_covariates + j) for j in range(n_covariates)] + [np.arange(2 * n_covariates)]
    return np.array([_score_statistic(score[test], information[np.ix_(test, test)]) for test in tests])


def _information(covariance: Floats, transformed: Floats) -> Floats:
    """Return the information of the coefficients and of their changes with time."""
    constant, mixed, squared = (np.einsum("e,ejk->jk", transformed**power, covariance) for power in range(3))
    return np.block([[constant, mixed], [mixed, squared]])


def _score_statistic(score: Floats, information: Floats) -> float:
    return float("nan") if is_singular(information) else float(score @ np.linalg.solve(information, score))
