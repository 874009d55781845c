"""The whole procedure on one set of training patients: features, tuning, refit, slope and baseline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.cohort import Cohort
from features.panel import Panel
from features.transform import FeatureState, fit_features
from training.breslow import BaselineHazard, breslow
from training.concordance import concordance_within_folds, harrell_pairs
from training.definition import Definition, LearnerDefinition, Parameters
from training.learners import FittedLearner, LearnerSetting
from training.penalised_cox import fit_penalised_cox
from training.resampling import derived_seed, generator, stratified_folds
from training.tuning import Tuning, tune

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class FittedProcedure:
    """A model that can be asked about new patients, and the study that led to it.

    Parameters
    ----------
    setting : LearnerSetting
    features : FeatureState
    fitted : FittedLearner
    slope : float
        Calibration slope on out-of-fold linear predictors, not below 0; multiplies the learner's own.
    baseline : BaselineHazard
        Breslow's, on the recalibrated out-of-fold linear predictors.
    out_of_fold : array, shape (n_training_patients,)
        The recalibrated inner out-of-fold linear predictors.
    tuning : Tuning
    """

    setting: LearnerSetting
    features: FeatureState
    fitted: FittedLearner
    slope: float
    baseline: BaselineHazard
    out_of_fold: Floats
    tuning: Tuning

    def linear_predictor(self, cohort: Cohort) -> Floats:
        """Return the recalibrated log relative hazard of each patient, shape (n_patients,); higher is worse."""
        return self.slope * self.fitted.linear_predictor(self.features.transform(cohort.expression, cohort.clinical))


@dataclass(frozen=True, eq=False)
class _Split:
    """One inner fold, its features already made."""

    features: FeatureState
    train: NDArray[np.intp]
    test: NDArray[np.intp]
    X_train: Floats
    X_test: Floats


def fit_procedure(
    cohort: Cohort, panel: Panel, definition: Definition, *, learner: str, variant: str, seed: int
) -> FittedProcedure:
    """Tune on inner folds, refit on all patients of `cohort`, and recalibrate on the inner out-of-fold predictors.

    Parameters
    ----------
    cohort : Cohort
        The training patients; nothing is learned from any other.
    panel : Panel
    definition : Definition
    learner : str
        ``clinical_only``, ``penalised_cox`` or ``boosted``.
    variant : str
        ``clinical`` or ``genes_only``.
    seed : int
        Of this procedure: its inner folds, its sampler and its trees. Learners that are given the same seed are
        tuned on the same inner folds.
    """
    setting = LearnerSetting(learner, variant, panel)
    splits = _splits(cohort, panel, definition, generator(seed, "inner folds"))
    folds = _fold_of_each(splits, len(cohort.time))

    def out_of_fold(parameters: Parameters) -> Floats:
        return _out_of_fold(cohort, setting, splits, parameters, derived_seed(seed, "trees"))

    tuning = tune(
        lambda parameters: _inner_concordance(out_of_fold(parameters), cohort, folds),
        searched(definition, learner, variant),
        trials=definition.trials,
        seed=derived_seed(seed, learner, variant, "sampler"),
    )
    features = _features(cohort, panel, definition)
    fitted = setting.fit(
        features.transform(cohort.expression, cohort.clinical),
        cohort.time,
        cohort.event,
        covariates=features.covariates,
        parameters=dict(tuning.parameters),
        seed=derived_seed(seed, "trees"),
    )
    # On other folds than those that chose the parameters, whose concordance was maximised.
    others = _splits(cohort, panel, definition, generator(seed, "recalibration folds"))
    linear_predictor = _out_of_fold(cohort, setting, others, dict(tuning.parameters), derived_seed(seed, "trees"))
    slope = calibration_slope(linear_predictor, cohort.time, cohort.event)
    baseline = breslow(slope * linear_predictor, cohort.time, cohort.event)
    return FittedProcedure(setting, features, fitted, slope, baseline, slope * linear_predictor, tuning)


def searched(definition: Definition, learner: str, variant: str) -> LearnerDefinition:
    """Return the learner's definition without what its variant has no use for."""
    chosen: LearnerDefinition = getattr(definition, learner)
    return chosen.without("clinical_factor") if variant == "genes_only" else chosen


def calibration_slope(linear_predictor: Floats, time: Floats, event: Bools) -> float:
    """Return the Cox coefficient of out-of-fold linear predictors, 0 where it is negative or nothing varies.

    Notes
    -----
    A negative slope says that the predictors are worse than chance: turning them around would choose the
    direction on the outcome, so they count for nothing instead.
    """
    spread = linear_predictor.std()
    if spread < 1e-12:
        return 0.0
    standardised = (linear_predictor / spread)[:, None]
    fitted = fit_penalised_cox(standardised, time, event, penalty=np.zeros(1), l1_ratio=0)
    return float(max(fitted.coefficients[0] / spread, 0.0))


def _features(cohort: Cohort, panel: Panel, definition: Definition) -> FeatureState:
    return fit_features(
        cohort,
        panel,
        clinical=definition.features.clinical,
        minimum_known=definition.features.minimum_known_fraction,
    )


def _splits(cohort: Cohort, panel: Panel, definition: Definition, rng: np.random.Generator) -> list[_Split]:
    n_folds = definition.resampling.inner_folds
    folds = stratified_folds(cohort.time, cohort.event, n_folds, rng)
    return [_split(cohort, panel, definition, folds, k) for k in range(n_folds)]


def _fold_of_each(splits: list[_Split], n_patients: int) -> NDArray[np.int64]:
    folds = np.empty(n_patients, dtype=np.int64)
    for k, split in enumerate(splits):
        folds[split.test] = k
    return folds


def _split(cohort: Cohort, panel: Panel, definition: Definition, folds: NDArray[np.int64], fold: int) -> _Split:
    train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
    training, held_out = cohort.subset(train), cohort.subset(test)
    features = _features(training, panel, definition)
    return _Split(
        features,
        train,
        test,
        features.transform(training.expression, training.clinical),
        features.transform(held_out.expression, held_out.clinical),
    )


def _out_of_fold(
    cohort: Cohort, setting: LearnerSetting, splits: list[_Split], parameters: Parameters, seed: int
) -> Floats:
    linear_predictor = np.empty(len(cohort.time))
    for split in splits:
        fitted = setting.fit(
            split.X_train,
            cohort.time[split.train],
            cohort.event[split.train],
            covariates=split.features.covariates,
            parameters=parameters,
            seed=seed,
        )
        linear_predictor[split.test] = fitted.linear_predictor(split.X_test)
    return linear_predictor


def _inner_concordance(linear_predictor: Floats, cohort: Cohort, folds: NDArray[np.int64]) -> float:
    pairs = [
        harrell_pairs(linear_predictor[folds == k], cohort.time[folds == k], cohort.event[folds == k])
        for k in range(folds.max() + 1)
    ]
    return float(concordance_within_folds([pairs], folds[None, :], np.ones((1, len(folds))))[0])
