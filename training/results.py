"""What a training yields: the figures of every learner and baseline, and the model that is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.cohort import Cohort
from training.definition import Definition
from training.diagnostics import Diagnostics
from training.estimate import Estimate
from training.gate import GateVerdict
from training.model import PrognosticModel
from training.tuning import Tuning

__all__ = ["Estimate", "Evaluation", "GateVerdict", "TrainingResult", "Tuning"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Evaluation:
    """The out-of-fold judgement of one learner, baseline or selection procedure.

    Parameters
    ----------
    name : str
        ``kaplan_meier``, ``clinical_only``, ``clinical_boosted``, ``best_single_gene``, ``penalised_cox``,
        ``pooled_cox``, ``boosted``, ``auto``, and the last four with ``_genes_only`` appended.
    metrics : mapping of str to Estimate
        As `training.evaluation.Judge.metrics` returns, and how it stands beside baselines.
    linear_predictor : array, shape (n_repeats, n_patients)
        Out-of-fold log relative hazard (recalibrated inside the fold); higher is worse.
    survival : array, shape (n_repeats, n_patients, n_grid)
        Out-of-fold survival probabilities on `TrainingResult.grid_days`.
    tuning : Tuning or None
        The study on all patients; None where nothing is tuned.
    weights : mapping of str to float
        For ``auto``: what each learner counts, the mean over outer folds.
    shared_weight : float
        For ``pooled_cox``: what the linear predictor of other cancer types counts per standard deviation, the mean
        over outer folds.
    fits_planned, fits_done : int
        On the inner folds of all outer folds; fewer are done where trials are stopped early.
    """

    name: str
    metrics: Mapping[str, Estimate]
    linear_predictor: Floats
    survival: Floats
    tuning: Tuning | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    shared_weight: float = 0.0
    fits_planned: int = 0
    fits_done: int = 0


@dataclass(frozen=True, eq=False)
class RandomSignatures:
    r"""The panel beside random sets of other genes, all in one procedure, which is not the learner that is reported.

    Parameters
    ----------
    universe_size : int
        The cohort's genes that are not in the panel, vary and are known well enough.
    universe : str
        What these genes are, in words; a curated list is not a transcriptome.
    n_genes : int
        Genes of the panel that the model reads, and of each random set.
    concordance : array, shape (n_sets,)
        Harrell's, out of fold, of each random set; empty where it could not be assessed.
    model : float
        The panel's, of the same procedure.
    percentile : float
        Share of the random sets, 0 to 100, that the panel exceeds; NaN where it could not be assessed.
    p_value : float
        :math:`(1 + \#\\{null \ge model\\}) / (B + 1)`; NaN where it could not be assessed.
    reason : str or None
        Why it could not be assessed.
    clinical : float
        That of the same procedure without any gene; NaN where there are no clinical covariates or nothing was assessed.
    """

    universe_size: int
    universe: str
    n_genes: int
    concordance: Floats
    model: float
    percentile: float
    p_value: float
    reason: str | None = None
    clinical: float = float("nan")

    @property
    def procedure(self) -> str:
        """What the panel and the random sets went through, in words."""
        covariates = "the genes" if np.isnan(self.clinical) else "clinical covariates and the genes"
        return f"a ridge Cox on {covariates}, tuned the same way for every set"


@dataclass(frozen=True)
class TrainingResult:
    """One training of one cancer type and endpoint, whole.

    Parameters
    ----------
    grid_days : array, shape (n_grid,)
        Where survival was judged, in days, up to the horizon limit; fixed before the first fit.
    folds : array of int, shape (n_repeats, n_patients)
        The outer fold in which each patient was judged.
    evaluations : mapping of str to Evaluation
        In the order in which they are reported.
    model : PrognosticModel
        Fitted on all patients; what is bundled, registered and served.
    random_signatures : RandomSignatures or None
        None where the definition asks for no random sets.
    diagnostics : Diagnostics or None
        None where the training's result was made without them.
    tables : mapping of str to DataFrame
        ``time_dependent_auc`` (name, months, auc, lower, upper), ``decision_curve`` (name, horizon_months, threshold,
        net_benefit, lower, upper, treat_all), ``subgroups`` (column, group, n, events, concordance, lower, upper), and
        what the diagnostics add.
    """

    cohort: Cohort
    definition: Definition
    grid_days: Floats
    folds: NDArray[np.int64]
    evaluations: Mapping[str, Evaluation]
    gate: GateVerdict
    model: PrognosticModel
    random_signatures: RandomSignatures | None = None
    diagnostics: Diagnostics | None = None
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
