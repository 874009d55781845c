"""How much of a model's linear predictor each gene makes: what is lost where it is missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xgboost
from numpy.typing import NDArray

from features.transform import Covariate
from training.blend import Blend, FittedLearner
from training.penalised_cox import FittedCox

Floats = NDArray[np.float64]


def gene_weights(fitted: FittedLearner | Blend, covariates: Sequence[Covariate], X: Floats) -> dict[str, float]:
    r"""Return each used gene's share of the genes' part of the linear predictor; the shares sum to 1.

    .. math:: w_g \propto \sum_{j \ni g} \frac{1}{|j|} \frac1n \sum_i |c_{ij}|

    with :math:`c_{ij}` what covariate :math:`j` adds to patient :math:`i` and :math:`|j|` the genes that it is made of.

    Parameters
    ----------
    fitted : FittedLearner or Blend
    covariates : sequence of Covariate
        What the columns of `X` are.
    X : array, shape (n_patients, n_covariates)
        The reference cohort.

    Returns
    -------
    dict of str to float
        By symbol, in the covariates' order; empty where no gene is used, equal shares where none has any effect.

    Notes
    -----
    Contributions are exact: coefficient times distance from the mean for Cox models, path-dependent Shapley values for
    trees.

    References
    ----------
    Lundberg SM et al. Nat Mach Intell 2020;2:56-67. doi:10.1038/s42256-019-0138-9
    """
    members = fitted.members if isinstance(fitted, Blend) else ((1.0, fitted),)
    total = np.zeros(X.shape)
    for weight, learner in members:
        total[:, learner.columns] += weight * _contributions(learner, X[:, learner.columns])
    size = np.abs(total).mean(axis=0)
    weights: dict[str, float] = {}
    for j in fitted.columns:
        for gene in covariates[j].genes:
            weights[gene] = weights.get(gene, 0.0) + float(size[j]) / len(covariates[j].genes)
    whole = sum(weights.values())
    return {gene: weight / whole if whole else 1 / len(weights) for gene, weight in weights.items()}


def _contributions(learner: FittedLearner, X: Floats) -> Floats:
    predictor = learner.predictor
    if isinstance(predictor, FittedCox):
        return np.asarray((X - predictor.means) * predictor.coefficients)
    added = predictor.booster.predict(xgboost.DMatrix(X, nthread=1), pred_contribs=True)[:, :-1].astype(np.float64)
    return np.asarray(-added if predictor.objective == "aft" else added)
