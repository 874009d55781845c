"""The model that a bundle holds: its two variants, its reference cohort, its figures and its provenance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.cohort import SIMULATED_PREFIX
from features.errors import PrognosisError
from features.genes import GeneResolver
from features.panel import Panel
from features.transform import FeatureState
from training.applicability import Applicability
from training.blend import Blend, FittedLearner
from training.breslow import BaselineHazard
from training.estimate import Estimate
from training.kaplan_meier import KaplanMeier
from training.missing_genes import MissingGenes
from training.parameters import CLINICAL_KINDS
from training.replicates import Replicates
from training.survival_bands import Answers, Curves

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class UnknownReferenceError(PrognosisError):
    """A reference is asked for that the model does not have."""


@dataclass(frozen=True)
class CohortSummary:
    """What may be said of the training cohort without naming a patient."""

    source: str
    n_patients: int
    n_events: int
    median_follow_up_months: float
    digest: str


@dataclass(frozen=True, eq=False)
class Variant:
    """One of a model's twins: with clinical covariates, or genes only.

    Parameters
    ----------
    learner : str
        ``penalised_cox``, ``pooled_cox``, ``boosted``, or ``auto``: all of them, weighed.
    features : FeatureState
    fitted : FittedLearner or Blend
    slope : float
        Multiplies the learner's linear predictor; estimated out of fold.
    baseline : BaselineHazard
        Of a patient whose recalibrated linear predictor is 0.
    reference : array, shape (n_patients,)
        The reference cohort's recalibrated out-of-fold linear predictors, sorted; percentiles and groups come
        from it.
    metrics : mapping of str to Estimate
        Out-of-fold figures of the whole procedure that led to this variant.
    parameters : mapping
        The best trial's, and for ``auto`` the weight of each learner.
    minimum_gene_fraction : float
        Share of the used genes that a patient must have.
    gene_weights : mapping of str to float
        Share of each used gene in the genes' part of the linear predictor, of sum 1; empty in bundles that are older.
    replicates : Replicates or None
        What intervals come from; None in bundles that are older, and where the definition wants none.
    """

    learner: str
    features: FeatureState
    fitted: FittedLearner | Blend
    slope: float
    baseline: BaselineHazard
    reference: Floats
    metrics: Mapping[str, Estimate]
    parameters: Mapping[str, bool | int | float | str]
    minimum_gene_fraction: float
    gene_weights: Mapping[str, float] = field(default_factory=dict)
    replicates: Replicates | None = None

    @cached_property
    def genes(self) -> tuple[str, ...]:
        """The genes that the learner's columns are made of, in the panel's order."""
        used = {gene for j in self.fitted.columns for gene in self.features.covariates[j].genes}
        return tuple(gene for gene in self.features.genes if gene in used)

    @cached_property
    def clinical(self) -> tuple[str, ...]:
        """The clinical columns that must be known."""
        covariates = self.features.covariates
        names = {covariates[j].name for j in self.fitted.columns if covariates[j].kind in CLINICAL_KINDS}
        used = (c.column for c in self.features.clinical.covariates if c.name in names)
        return tuple(dict.fromkeys(used))

    def linear_predictor(self, expression: pd.DataFrame, clinical: pd.DataFrame) -> Floats:
        """Return the recalibrated log relative hazard of each patient; higher is worse.

        Parameters
        ----------
        expression : DataFrame, shape (n_patients, any)
            On the model's scale, columns by symbol.
        clinical : DataFrame, shape (n_patients, any)
        """
        return self.slope * self.fitted.linear_predictor(self.features.transform(expression, clinical))

    def answers(
        self, X: Floats, linear_predictor: Floats, *, missing: Bools | None = None, survived_days: Floats | None = None
    ) -> Answers:
        """Return what `training.survival_bands` needs of patients.

        Parameters
        ----------
        X : array, shape (n_patients, n_covariates)
            Their covariates, missing genes at their conditional mean.
        linear_predictor : array, shape (n_patients,)
            Recalibrated; higher is worse.
        missing : array of bool, shape (n_patients, n_genes), optional
            Which of the feature state's genes each patient lacks; it widens the interval.
        survived_days : array, shape (n_patients,), optional
        """
        if self.replicates is None:
            return Answers(self._curves, linear_predictor, survived_days=survived_days)
        by_replicate = (
            self.replicates.linear_predictors(X)
            if missing is None
            else self._missing_genes.linear_predictors(X, missing)
        )
        return Answers(self._curves, linear_predictor, by_replicate, survived_days)

    @cached_property
    def _curves(self) -> Curves:
        return Curves(self.baseline, self.replicates)

    @cached_property
    def _missing_genes(self) -> MissingGenes:
        assert self.replicates is not None  # noqa: S101
        return MissingGenes(self.replicates, self.features)


@dataclass(frozen=True, eq=False)
class PrognosticModel:
    """A fitted model of one cancer type and endpoint, with its genes-only twin.

    Parameters
    ----------
    horizons_months : tuple of float
        The horizons that are answered unless others are asked for.
    horizon_months_max : float
        The last time with at least ten patients at risk; beyond it nothing is answered.
    variants : mapping of str to Variant
        ``clinical`` (absent where the cohort has no clinical covariates) and ``genes_only``.
    panel : Panel
        The genes and interactions with their identifiers, so that a bundle needs no other file.
    hazard_ratios : DataFrame
        The univariate scan of the training cohort, one row a panel gene.
    gate : tuple of (clause, verdict, figure)
    champion_earned : bool
        Whether every clause passed.
    definition : mapping
        The definition as it was read.
    provenance : mapping
        ``created`` (ISO 8601, UTC), ``code_version``, ``data_digest``, ``definition_digest``, ``seed``.
    patient_hashes : tuple of str
        SHA-256 of the training patients' ids, sorted; where cohorts were pooled those of the reference cohort first,
        but for bundles that are older (`training.training_patients`).
    kaplan_meier : KaplanMeier or None
        The reference cohort's survival; None in bundles that are older.
    applicability : Applicability or None
        How far a profile may be from the reference cohort; None in bundles that are older.
    tables : mapping of str to DataFrame
        What the page shows of the cohort, by names of `training.bundle.TABLES`; bundles that are older have none.
    reference : str
        Where several cohorts were pooled: which of them scale, gene references, baselines, percentiles, applicability
        and figures of the cohort are of; empty where none were.
    references : mapping of str to PrognosticModel
        The same model on each other cohort that was pooled; empty where none were, and in these models themselves.
    reference_names : tuple of str
        All of them, that of the default first; the same in each.
    """

    cancer_type: str
    endpoint: str
    scale: str
    zscore_reference: str | None
    horizons_months: tuple[float, ...]
    horizon_months_max: float
    cohort: CohortSummary
    variants: Mapping[str, Variant]
    panel: Panel
    hazard_ratios: pd.DataFrame
    gate: tuple[tuple[str, str, str], ...]
    champion_earned: bool
    definition: Mapping[str, Any]
    provenance: Mapping[str, str]
    patient_hashes: tuple[str, ...]
    kaplan_meier: KaplanMeier | None = None
    applicability: Applicability | None = None
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    reference: str = ""
    references: Mapping[str, PrognosticModel] = field(default_factory=dict)
    reference_names: tuple[str, ...] = ()

    def reference_named(self, name: str | None) -> PrognosticModel:
        """Return the model on the cohort of this name, itself where none is named.

        Raises
        ------
        UnknownReferenceError
            If the model has no such reference.
        """
        if name is None or (name and name == self.reference):
            return self
        if not self.reference_names:
            raise UnknownReferenceError(
                f"{self.name}: was trained on one cohort and has no references to choose among; name no reference."
            )
        if name not in self.references:
            raise UnknownReferenceError(
                f"{self.name}: has no reference {name!r}; name one of {', '.join(self.reference_names)}, or leave it "
                "out for the first."
            )
        return self.references[name]

    @cached_property
    def resolver(self) -> GeneResolver:
        """From any identifier of a panel gene to its symbol."""
        return GeneResolver.for_panel(self.panel)

    @property
    def name(self) -> str:
        """The registered model's name, ``KIRC-OS``."""
        return f"{self.cancer_type}-{self.endpoint}"

    @property
    def simulated(self) -> bool:
        """Whether it was trained on a simulated cohort."""
        return self.cancer_type.startswith(SIMULATED_PREFIX)
