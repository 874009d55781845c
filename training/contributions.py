"""What each covariate contributes to a linear predictor: exactly for Cox models, by Shapley values for trees."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.blend import Blend, FittedLearner
from training.boosted import FittedBooster
from training.compiled_booster import CompiledBooster
from training.model import Variant
from training.penalised_cox import FittedCox
from training.tree_kernel import TreesError

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Part:
    """A member of a weighted sum, laid out for scoring.

    Parameters
    ----------
    weight : float
    columns : array of int, shape (n_used,)
        Of the covariates.
    places : array of int, shape (n_used,)
        Of those columns among all that the sum reads.
    predictor : FittedCox, CompiledBooster or FittedBooster
        The last where trees are too deep to be laid out.
    """

    weight: float
    columns: NDArray[np.intp]
    places: NDArray[np.intp]
    predictor: FittedCox | CompiledBooster | FittedBooster


@dataclass(frozen=True, eq=False)
class Predictor:
    """A variant's linear predictor and what each covariate adds to it.

    Parameters
    ----------
    slope : float
    columns : array of int, shape (n_used,)
        The covariates that any member reads.
    parts : tuple of Part
    """

    slope: float
    columns: NDArray[np.intp]
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, variant: Variant) -> Predictor:
        """Lay a variant's learner out."""
        columns = variant.fitted.columns
        fitted = variant.fitted
        members = fitted.members if isinstance(fitted, Blend) else ((1.0, fitted),)
        return cls(variant.slope, columns, tuple(_part(weight, member, columns) for weight, member in members))

    def linear_predictor(self, X: Floats) -> Floats:
        """Return what `training.model.Variant.linear_predictor` does, to the bit.

        Parameters
        ----------
        X : array, shape (n_patients, n_covariates)
            All covariates of the variant's feature state, none missing.
        """
        total = np.zeros(len(X))
        for part in self.parts:
            total += part.weight * part.predictor.linear_predictor(X[:, part.columns])
        return np.asarray(self.slope * total)

    def contributions(self, X: Floats) -> tuple[Floats, float]:
        r"""Divide each patient's linear predictor among the covariates.

        .. math:: \eta_i = c + \sum_j \phi_{ij}, \qquad \phi_{ij} = s\,\beta_j\,(x_{ij} - \bar x_j)

        where the second holds for a Cox model.

        Parameters
        ----------
        X : array, shape (n_patients, n_covariates)

        Returns
        -------
        contributions : array, shape (n_patients, n_used)
            By `columns`; log relative hazard, positive is worse.
        constant : float
            Of Cox models 0; of trees how far their mean by the tree's own weights lies from that over the patients.

        Notes
        -----
        Trees: the Shapley values of the path-dependent expectation (TreeSHAP).

        References
        ----------
        Lundberg SM et al. (2020), doi 10.1038/s42256-019-0138-9
        """
        total, constant = np.zeros((len(X), len(self.columns))), 0.0
        for part in self.parts:
            parts, offset = _divided(part.predictor, X[:, part.columns])
            factor = self.slope * part.weight
            total[:, part.places] += factor * parts
            constant += factor * offset
        return total, constant


def _part(weight: float, member: FittedLearner, columns: NDArray[np.intp]) -> Part:
    predictor: FittedCox | CompiledBooster | FittedBooster = member.predictor
    if isinstance(predictor, FittedBooster):
        with suppress(TreesError):
            predictor = CompiledBooster.of(predictor)
    return Part(weight, member.columns, np.searchsorted(columns, member.columns), predictor)


def _divided(predictor: FittedCox | CompiledBooster | FittedBooster, X: Floats) -> tuple[Floats, float]:
    if isinstance(predictor, FittedCox):
        return (X - predictor.means) * predictor.coefficients, 0.0
    if isinstance(predictor, CompiledBooster):
        return predictor.contributions(X)
    # Only trees that are too deep to be compiled need it, and it takes longer to import than all else that scores.
    import xgboost  # noqa: PLC0415

    found = predictor.booster.predict(xgboost.DMatrix(X, nthread=1), pred_contribs=True).astype(np.float64)
    signed = -found if predictor.objective == "aft" else found
    return signed[:, :-1], float(signed[0, -1]) - predictor.centre
