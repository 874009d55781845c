"""What each covariate contributes to a linear predictor: exactly for Cox models, by Shapley values for trees."""

from __future__ import annotations

import numpy as np
import xgboost
from numpy.typing import NDArray

from training.blend import Blend, FittedLearner
from training.boosted import FittedBooster
from training.model import Variant
from training.penalised_cox import FittedCox

Floats = NDArray[np.float64]


def contributions(variant: Variant, X: Floats) -> tuple[Floats, float]:
    r"""Divide each patient's linear predictor among the covariates.

    .. math:: \eta_i = c + \sum_j \phi_{ij}, \qquad \phi_{ij} = s\,\beta_j\,(x_{ij} - \bar x_j) \text{ for a Cox model}

    Parameters
    ----------
    variant : Variant
    X : array, shape (n_patients, n_covariates)
        All covariates of the variant's feature state, none missing.

    Returns
    -------
    contributions : array, shape (n_patients, n_used)
        By the covariates of ``variant.fitted.columns``; log relative hazard, positive is worse.
    constant : float
        Of Cox models 0; of trees how far their mean over the tree's own weights lies from that over the patients.

    Notes
    -----
    Trees: the Shapley values of the path-dependent expectation, as xgboost computes them, in single precision.

    References
    ----------
    Lundberg SM et al. (2020), doi 10.1038/s42256-019-0138-9
    """
    columns = variant.fitted.columns
    place = {int(column): j for j, column in enumerate(columns)}
    total, constant = np.zeros((len(X), len(columns))), 0.0
    for weight, member in members(variant.fitted):
        parts, offset = _of_member(member, X)
        factor = variant.slope * weight
        total[:, [place[int(column)] for column in member.columns]] += factor * parts
        constant += factor * offset
    return total, constant


def members(fitted: FittedLearner | Blend) -> tuple[tuple[float, FittedLearner], ...]:
    """Return the learners of a weighted sum with their weights; one alone has weight 1."""
    return fitted.members if isinstance(fitted, Blend) else ((1.0, fitted),)


def _of_member(member: FittedLearner, X: Floats) -> tuple[Floats, float]:
    used = X[:, member.columns]
    if isinstance(member.predictor, FittedCox):
        return (used - member.predictor.means) * member.predictor.coefficients, 0.0
    return _of_trees(member.predictor, used)


def _of_trees(trees: FittedBooster, X: Floats) -> tuple[Floats, float]:
    found = trees.booster.predict(xgboost.DMatrix(X, nthread=1), pred_contribs=True).astype(np.float64)
    signed = -found if trees.objective == "aft" else found
    return signed[:, :-1], float(signed[0, -1]) - trees.centre
