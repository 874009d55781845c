"""The learners behind one call: which columns a learner reads, and its fit under given parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.panel import PANELS, Panel
from features.transform import Covariate
from training.boosted import FittedBooster, fit_boosted
from training.definition import Parameters
from training.penalised_cox import FittedCox, fit_penalised_cox

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LEARNERS = ("penalised_cox", "boosted")
#: The two variants of every model: with clinical covariates, and its twin for requests without them.
VARIANTS = ("clinical", "genes_only")


@dataclass(frozen=True, eq=False)
class FittedLearner:
    """A fitted learner and the columns of the feature state that it reads.

    Parameters
    ----------
    columns : array of int, shape (n_used,)
    predictor : FittedCox or FittedBooster
    """

    columns: NDArray[np.intp]
    predictor: FittedCox | FittedBooster

    def linear_predictor(self, X: Floats) -> Floats:
        """Return the log relative hazard against the training mean, shape (n_patients,); higher is worse."""
        return self.predictor.linear_predictor(X[:, self.columns])


@dataclass(frozen=True)
class LearnerSetting:
    """A learner, the covariates it may use and the panel that its parameters narrow.

    Parameters
    ----------
    learner : str
        ``clinical_only``, ``penalised_cox`` or ``boosted``.
    variant : str
        ``clinical`` or ``genes_only``.
    panel : Panel
    """

    learner: str
    variant: str
    panel: Panel

    def columns(self, covariates: tuple[Covariate, ...], parameters: Parameters) -> NDArray[np.intp]:
        """Return the positions of the covariates that these parameters let in."""
        return np.array([j for j, c in enumerate(covariates) if self._admits(c, parameters)], dtype=np.intp)

    def _admits(self, covariate: Covariate, parameters: Parameters) -> bool:
        if covariate.kind == "clinical":
            return self.variant == "clinical"
        if self.learner == "clinical_only":
            return False
        if covariate.kind != "gene" and not parameters["derived_terms"]:
            return False
        return set(covariate.genes) <= genes_within(self.panel, str(parameters["panel"]))

    def fit(
        self,
        X: Floats,
        time: Floats,
        event: Bools,
        *,
        covariates: tuple[Covariate, ...],
        parameters: Parameters,
        seed: int,
    ) -> FittedLearner:
        """Fit the learner on these patients.

        Parameters
        ----------
        X : array, shape (n_patients, n_covariates)
        time : array, shape (n_patients,)
            Days.
        event : array of bool, shape (n_patients,)
        covariates : tuple of Covariate
            What the columns of `X` are.
        parameters : mapping
        seed : int
            Only the boosted learner draws from it.
        """
        columns = self.columns(covariates, parameters)
        if not len(columns):
            # These patients hold none of the narrower panel's genes, or know no clinical column well enough.
            return FittedLearner(columns, FittedCox(np.zeros(0), np.zeros(0)))
        used = X[:, columns]
        if self.learner == "boosted":
            settings = {k: v for k, v in parameters.items() if k not in ("panel", "derived_terms")}
            return FittedLearner(columns, fit_boosted(used, time, event, parameters=settings, seed=seed))
        penalty = _penalties([covariates[j].kind for j in columns], parameters)
        l1_ratio = float(parameters.get("l1_ratio", 0.0))
        return FittedLearner(columns, fit_penalised_cox(used, time, event, penalty=penalty, l1_ratio=l1_ratio))


def genes_within(panel: Panel, name: str) -> set[str]:
    """Return the symbols of one of the nested panels, or all of a panel that is not nested in them."""
    if name not in PANELS:
        return set(panel.symbols)
    narrower = PANELS[: PANELS.index(name) + 1]
    return {gene.symbol for gene in panel.genes if gene.panel in narrower or gene.panel not in PANELS}


def _penalties(kinds: list[str], parameters: Parameters) -> Floats:
    penalty, factor = float(parameters["penalty"]), float(parameters.get("clinical_factor", 1.0))
    return np.array([penalty * (factor if kind == "clinical" else 1.0) for kind in kinds], dtype=np.float64)
