"""The learners behind one call: which columns a learner reads, and its fit under given parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from features.panel import PANELS, Panel
from features.transform import Covariate
from training.blend import FittedLearner
from training.boosted import fit_boosted
from training.parameters import CLINICAL_KINDS, NO_GENES, Parameters
from training.penalised_cox import FittedCox, fit_penalised_cox
from training.univariate_cox import cox_univariate

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]

#: Those that may become the model, simplest first: the order breaks ties.
LEARNERS = ("penalised_cox", "pooled_cox", "boosted")
#: Those that read no gene, and run only beside the variant with clinical covariates.
CLINICAL_BASELINES = ("clinical_only", "clinical_boosted")
SINGLE_GENE = "best_single_gene"
#: The two variants of every model: with clinical covariates, and its twin for requests without them.
VARIANTS = ("clinical", "genes_only")


@dataclass(frozen=True)
class LearnerSetting:
    """A learner, the covariates it may use and the panel that its parameters narrow.

    Parameters
    ----------
    learner : str
        One of `LEARNERS`, `CLINICAL_BASELINES`, or ``best_single_gene``.
    variant : str
        ``clinical`` or ``genes_only``.
    panel : Panel
    shared : mapping of str to float
        Coefficients of genes in other cancer types (see `training.pooling`); only ``pooled_cox`` leans on them.
    """

    learner: str
    variant: str
    panel: Panel
    shared: Mapping[str, float] = field(default_factory=dict)

    def columns(self, covariates: tuple[Covariate, ...], parameters: Parameters) -> NDArray[np.intp]:
        """Return the positions of the covariates that these parameters let in."""
        genes = genes_within(self.panel, str(parameters.get("panel", self.panel.name)))
        admitted = (j for j, c in enumerate(covariates) if self._admits(c, parameters, genes))
        return np.fromiter(admitted, dtype=np.intp)

    def _admits(self, covariate: Covariate, parameters: Parameters, genes: frozenset[str]) -> bool:
        if covariate.kind in CLINICAL_KINDS:
            # Trees bend by themselves.
            straight = covariate.kind == "clinical" or "shape_penalty" in parameters
            return self.variant == "clinical" and straight
        if self.learner in CLINICAL_BASELINES:
            return False
        if covariate.kind != "gene" and not parameters.get("derived_terms", False):
            return False
        return genes.issuperset(covariate.genes)

    def fit(
        self,
        X: Floats,
        time: Floats,
        event: Bools,
        *,
        covariates: tuple[Covariate, ...],
        parameters: Parameters,
        seed: int,
        strata: Integers | None = None,
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
            Only the boosted learners draw from it.
        strata : array of int, shape (n_patients,), optional
            Numbers of the cohorts that were pooled: every fit is stratified by them.
        """
        columns = self.columns(covariates, parameters)
        if self.learner == "pooled_cox":
            return self._lean(
                X, time, event, columns=columns, covariates=covariates, parameters=parameters, strata=strata
            )
        if not len(columns):
            # These patients hold none of the narrower panel's genes, or know no clinical column well enough.
            return FittedLearner(columns, FittedCox(np.zeros(0), np.zeros(0)))
        used = X[:, columns]
        if "objective" in parameters:
            settings = {k: v for k, v in parameters.items() if k not in ("panel", "derived_terms")}
            return FittedLearner(columns, fit_boosted(used, time, event, parameters=settings, seed=seed, strata=strata))
        if self.learner == SINGLE_GENE:
            return _best_single(columns, used, time, event, strata)
        penalty = penalties([covariates[j].kind for j in columns], parameters)
        l1_ratio = float(parameters.get("l1_ratio", 0.0))
        fitted = fit_penalised_cox(used, time, event, penalty=penalty, l1_ratio=l1_ratio, strata=strata)
        return FittedLearner(columns, fitted)

    def _lean(
        self,
        X: Floats,
        time: Floats,
        event: Bools,
        *,
        columns: NDArray[np.intp],
        covariates: tuple[Covariate, ...],
        parameters: Parameters,
        strata: Integers | None,
    ) -> FittedLearner:
        """Fit a Cox model with the shared linear predictor as one more covariate, and fold it into the genes'."""
        shared = np.array([self.shared.get(c.name, 0.0) if c.kind == "gene" else 0.0 for c in covariates])
        predictor = X @ shared
        spread = max(float(predictor.std()), 1e-12)
        penalty = penalties([covariates[j].kind for j in columns], parameters)
        fitted = fit_penalised_cox(
            np.column_stack([X[:, columns], predictor / spread]),
            time,
            event,
            penalty=np.append(penalty, float(parameters["shared_penalty"])),
            l1_ratio=float(parameters["l1_ratio"]),
            strata=strata,
        )
        weight = float(fitted.coefficients[-1])
        coefficients = weight / spread * shared
        coefficients[columns] += fitted.coefficients[:-1]
        read = np.union1d(columns, np.flatnonzero(shared))
        folded = FittedCox(coefficients[read], X.mean(axis=0)[read])
        return FittedLearner(read, folded, shared_weight=weight)


def genes_within(panel: Panel, name: str) -> frozenset[str]:
    """Return the symbols of one of the nested panels, all of a panel that is not nested in them, or none."""
    if name == NO_GENES:
        return frozenset()
    if name not in PANELS:
        return frozenset(panel.symbols)
    narrower = PANELS[: PANELS.index(name) + 1]
    return frozenset(g.symbol for g in panel.genes if g.panel in narrower or g.panel not in PANELS)


def penalties(kinds: list[str], parameters: Parameters) -> Floats:
    """Return the penalty of each covariate by its kind."""
    own = {"clinical": "clinical_penalty", "clinical_shape": "shape_penalty"}
    return np.array([float(parameters[own.get(kind, "penalty")]) for kind in kinds], dtype=np.float64)


def _best_single(
    columns: NDArray[np.intp], X: Floats, time: Floats, event: Bools, strata: Integers | None
) -> FittedLearner:
    """Return the Cox model of the one covariate with the largest Wald statistic."""
    coefficients, standard_error = _univariate(X, time, event, strata)
    strength = np.nan_to_num(np.abs(coefficients / standard_error), nan=-1.0)
    best = int(strength.argmax())
    coefficient = coefficients[best : best + 1] if strength[best] >= 0 else np.zeros(1)
    return FittedLearner(columns[best : best + 1], FittedCox(coefficient, X[:, best : best + 1].mean(axis=0)))


def _univariate(X: Floats, time: Floats, event: Bools, strata: Integers | None) -> tuple[Floats, Floats]:
    """Return each covariate's coefficient and standard error; of several cohorts the mean by inverse variance.

    That mean is what a stratified model's coefficient comes to where each cohort has events enough to have one.
    """
    if strata is None:
        scan = cox_univariate(X, time, event)
        return scan.coefficient, scan.standard_error
    scans = [cox_univariate(X[m], time[m], event[m]) for m in (strata == number for number in np.unique(strata))]
    weights = np.nan_to_num([scan.standard_error**-2.0 for scan in scans])
    total = weights.sum(axis=0)
    sums = np.sum(weights * np.nan_to_num([scan.coefficient for scan in scans]), axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 0, sums / total, np.nan), np.where(total > 0, total**-0.5, np.nan)
