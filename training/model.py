"""The model that a bundle holds: its two variants, its reference cohort, its figures and its provenance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.cohort import SIMULATED_PREFIX
from features.genes import GeneResolver
from features.panel import Panel
from features.transform import FeatureState
from training.blend import Blend, FittedLearner
from training.breslow import BaselineHazard
from training.estimate import Estimate
from training.learners import CLINICAL_KINDS

Floats = NDArray[np.float64]


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

    @property
    def genes(self) -> tuple[str, ...]:
        """The genes that the learner's columns are made of, in the panel's order."""
        used = {gene for j in self.fitted.columns for gene in self.features.covariates[j].genes}
        return tuple(gene for gene in self.features.genes if gene in used)

    @property
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
        SHA-256 of the training patients' ids, sorted.
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
