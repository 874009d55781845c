"""What the whole procedure leaves: a model that can be asked about new patients, and the recipe that it came by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from features.cohort import Cohort
from features.pooled_features import Features
from training.blend import Blend, FittedLearner
from training.breslow import BaselineHazard, survival_within
from training.learners import LearnerSetting
from training.parameters import Parameters
from training.tuning import Tuning

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ingredient:
    """One fit of those that are averaged: enough to repeat it on other patients.

    Parameters
    ----------
    weight : float
        By which its predictions enter the sum.
    setting : LearnerSetting
    parameters : mapping
    seed : int
        Of its trees, if it grows any.
    """

    weight: float
    setting: LearnerSetting
    parameters: Parameters
    seed: int


@dataclass(frozen=True, eq=False)
class FittedProcedure:
    """A model that can be asked about new patients, and the study that led to it.

    Parameters
    ----------
    learner : str
    features : FeatureState or PooledFeatures
    fitted : FittedLearner or Blend
    slope : float
        Calibration slope on out-of-fold linear predictors, not below 0; multiplies the learner's own.
    baseline : BaselineHazard
        Breslow's, on the recalibrated out-of-fold linear predictors; of pooled cohorts the first one's.
    out_of_fold : array, shape (n_training_patients,)
        The recalibrated inner out-of-fold linear predictors.
    tuning : Tuning or None
        None for ``auto``, which weighs the others' studies, and for ``best_single_gene``.
    recalibration_folds : array, shape (n_training_patients,)
        The inner out-of-fold linear predictors from which slope and baseline come, before the slope.
    recipe : tuple of Ingredient
        The fits whose weighted sum `fitted` is.
    weights : mapping of str to float
        For ``auto``: what each learner counts.
    baselines : mapping of str to BaselineHazard
        Of each cohort of several that were pooled; empty for one alone.
    weights : mapping of str to float
        For ``auto``: the weight of each learner, of sum 1.
    """

    learner: str
    features: Features
    fitted: FittedLearner | Blend
    slope: float
    baseline: BaselineHazard
    out_of_fold: Floats
    tuning: Tuning | None
    recalibration_folds: Floats
    recipe: tuple[Ingredient, ...]
    weights: Mapping[str, float] = field(default_factory=dict)
    baselines: Mapping[str, BaselineHazard] = field(default_factory=dict)

    def linear_predictor(self, cohort: Cohort) -> Floats:
        """Return the recalibrated log relative hazard of each patient, shape (n_patients,); higher is worse."""
        return self.slope * self.fitted.linear_predictor(self.features.of(cohort))

    def survival(self, cohort: Cohort, linear_predictor: Floats, days: Floats) -> Floats:
        """Return survival, shape (n_patients, n_days), by the baseline of each patient's own cohort."""
        if cohort.strata is None:
            return self.baseline.survival(linear_predictor, days)
        return survival_within(self.baselines, linear_predictor, days, cohort.strata)
