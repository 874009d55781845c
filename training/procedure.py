"""The whole procedure on one set of training patients: features, tuning, averaging, slope and baseline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from features.cohort import Cohort
from features.panel import Panel
from features.transform import FeatureState
from training.averaging import bootstrapped_weights, tempered_weights
from training.blend import Blend, FittedLearner, blended
from training.breslow import BaselineHazard, breslow
from training.checkpoints import Checkpoints
from training.definition import Definition, LearnerDefinition
from training.learners import CLINICAL_BASELINES, LEARNERS, SINGLE_GENE, LearnerSetting
from training.parameters import CLINICAL_PARAMETERS, Parameters
from training.partial_likelihood import StratifiedOutcome
from training.pooling import NOTHING_SHARED, SharedPredictor
from training.resampling import derived_seed, generator
from training.splits import Splits, features_of, inner_splits
from training.tuning import Trial, Tuning, tune

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

AUTO = "auto"
AUTO_CLINICAL = "auto_clinical"
#: Learners among which there is something to weigh.
AUTO_NEEDS = 2


@dataclass(frozen=True, eq=False)
class FittedProcedure:
    """A model that can be asked about new patients, and the study that led to it.

    Parameters
    ----------
    learner : str
    features : FeatureState
    fitted : FittedLearner or Blend
    slope : float
        Calibration slope on out-of-fold linear predictors, not below 0; multiplies the learner's own.
    baseline : BaselineHazard
        Breslow's, on the recalibrated out-of-fold linear predictors.
    out_of_fold : array, shape (n_training_patients,)
        The recalibrated inner out-of-fold linear predictors.
    tuning : Tuning or None
        None for ``auto``, which weighs the others' studies, and for ``best_single_gene``.
    weights : mapping of str to float
        For ``auto``: the weight of each learner, of sum 1.
    """

    learner: str
    features: FeatureState
    fitted: FittedLearner | Blend
    slope: float
    baseline: BaselineHazard
    out_of_fold: Floats
    tuning: Tuning | None
    weights: Mapping[str, float] = field(default_factory=dict)

    def linear_predictor(self, cohort: Cohort) -> Floats:
        """Return the recalibrated log relative hazard of each patient, shape (n_patients,); higher is worse."""
        return self.slope * self.fitted.linear_predictor(self.features.transform(cohort.expression, cohort.clinical))


@dataclass(frozen=True, eq=False)
class _Learned:
    """A learner tuned and refitted: its weighted trials, and its predictions on both sets of inner folds."""

    tuning: Tuning | None
    fitted: FittedLearner | Blend
    tuning_folds: Floats
    recalibration_folds: Floats


def fit_procedures(
    cohort: Cohort,
    panel: Panel,
    definition: Definition,
    *,
    variant: str,
    seed: int,
    learners: tuple[str, ...] | None = None,
    shared: SharedPredictor = NOTHING_SHARED,
    checkpoints: Checkpoints | None = None,
    prune: bool = True,
) -> dict[str, FittedProcedure]:
    """Tune every learner on inner folds, refit it on all patients of `cohort`, recalibrate it, and weigh them all.

    Parameters
    ----------
    cohort : Cohort
        The training patients; nothing is learned from any other.
    panel : Panel
    definition : Definition
    variant : str
        ``clinical`` or ``genes_only``.
    seed : int
        Of the inner folds, the samplers and the trees; all learners are tuned on the same inner folds.
    learners : tuple of str, optional
        Those of the variant, unless given.
    shared : SharedPredictor
        What ``pooled_cox`` leans on; it is left out where nothing is shared.
    checkpoints : Checkpoints, optional
        Where finished trials are kept.
    prune : bool

    Returns
    -------
    dict of str to FittedProcedure
        By learner, and ``auto``, their weighted sum, if more than one of `LEARNERS` is among them;
        ``auto_clinical`` is the weighted sum of those that read no gene: what averaging gains without any.
    """
    wanted = learners_of(variant, shared) if learners is None else learners
    splits = inner_splits(cohort, panel, definition, generator(seed, "inner folds"))
    # Slope and baseline on other folds than those that chose the parameters, whose likelihood was maximised.
    others = inner_splits(cohort, panel, definition, generator(seed, "recalibration folds"))
    features = features_of(cohort, panel, definition)
    learned = {
        learner: _Study(
            LearnerSetting(learner, variant, panel, shared.coefficients), definition, splits, others, features, seed
        ).learned(checkpoints or Checkpoints(), prune=prune)
        for learner in wanted
    }
    fitted = {
        learner: _recalibrated(learner, features, each.fitted, each.recalibration_folds, cohort, tuning=each.tuning)
        for learner, each in learned.items()
    }
    without_genes = {name: each for name, each in learned.items() if name in CLINICAL_BASELINES}
    if len(without_genes) >= AUTO_NEEDS:
        fitted[AUTO_CLINICAL] = _weighed(AUTO_CLINICAL, without_genes, features, splits, definition)
    if len(set(wanted) & set(LEARNERS)) >= AUTO_NEEDS:
        members = {name: each for name, each in learned.items() if name != SINGLE_GENE}
        fitted[AUTO] = _weighed(AUTO, members, features, splits, definition)
    return fitted


def learners_of(variant: str, shared: SharedPredictor) -> tuple[str, ...]:
    """Return the learners and baselines of a variant, in the order in which they are reported."""
    first = CLINICAL_BASELINES if variant == "clinical" else (SINGLE_GENE,)
    return (*first, *(each for each in LEARNERS if each != "pooled_cox" or shared.coefficients))


def searched(definition: Definition, learner: str, variant: str) -> LearnerDefinition:
    """Return the learner's definition without what its variant has no use for."""
    if learner == SINGLE_GENE:
        return LearnerDefinition(default={})
    chosen: LearnerDefinition = getattr(definition, learner)
    return chosen.without(*CLINICAL_PARAMETERS) if variant == "genes_only" else chosen


@dataclass(frozen=True, eq=False)
class _Study:
    """One learner on one set of training patients."""

    setting: LearnerSetting
    definition: Definition
    splits: Splits
    others: Splits
    features: FeatureState
    seed: int

    @property
    def _trees(self) -> int:
        return derived_seed(self.seed, "trees")

    def learned(self, checkpoints: Checkpoints, *, prune: bool) -> _Learned:
        """Tune, weigh the trials, and fit their average on all patients."""
        learner, variant = self.setting.learner, self.setting.variant
        space = searched(self.definition, learner, variant)
        tuning = tune(
            self._folds,
            space,
            trials=self.definition.trials,
            n_folds=len(self.splits.each),
            seed=derived_seed(self.seed, learner, variant, "sampler"),
            prune=prune,
            checkpoints=checkpoints,
            name=f"{learner}_{variant}",
        )
        averaged = self._averaged(tuning.completed, space.averaged_trials)
        fitted = blended([(weight, self._fit(trial.parameters)) for weight, trial in averaged])
        tuned = np.sum([weight * trial.out_of_fold for weight, trial in averaged], axis=0)
        recalibrated = np.sum(
            [w * self.others.out_of_fold(self.setting, t.parameters, seed=self._trees) for w, t in averaged], axis=0
        )
        return _Learned(tuning if space.default else None, fitted, tuned, recalibrated)

    def _folds(self, parameters: Parameters) -> Iterator[tuple[float, Floats]]:
        for predictions in self.splits.predictions(self.setting, parameters, seed=self._trees):
            yield self.splits.score(predictions, recalibrated="objective" in parameters), predictions

    def _averaged(self, completed: tuple[Trial, ...], at_most: int) -> list[tuple[float, Trial]]:
        """Return the best trials, each with the factor by which its predictions enter the learner's."""
        best = sorted(completed, key=lambda trial: -trial.score)[:at_most]
        outcome = self.splits.outcome
        factors = [outcome.slope(t.out_of_fold) if "objective" in t.parameters else 1.0 for t in best]
        terms = np.array([outcome.terms(f * t.out_of_fold) for f, t in zip(factors, best, strict=True)])
        rng = generator(self.seed, self.setting.learner, self.setting.variant, "weights")
        weights = bootstrapped_weights(terms[:, self.splits.cohort.event], rng)
        return [(float(w * f), trial) for w, f, trial in zip(weights, factors, best, strict=True)]

    def _fit(self, parameters: Parameters) -> FittedLearner:
        cohort = self.splits.cohort
        return self.setting.fit(
            self.features.transform(cohort.expression, cohort.clinical),
            cohort.time,
            cohort.event,
            covariates=self.features.covariates,
            parameters=parameters,
            seed=self._trees,
        )


def _weighed(
    name: str, members: Mapping[str, _Learned], features: FeatureState, splits: Splits, definition: Definition
) -> FittedProcedure:
    """Return the members' weighted sum, each first brought to the scale on which it predicts best."""
    slopes = {learner: splits.outcome.slope(each.tuning_folds) for learner, each in members.items()}
    scores = [splits.score(slopes[k] * each.tuning_folds, recalibrated=False) for k, each in members.items()]
    weights = dict(zip(members, tempered_weights(np.array(scores), definition.auto.temperature).tolist(), strict=True))
    factors = {learner: weights[learner] * slopes[learner] for learner in members}
    fitted = blended([(factors[learner], each.fitted) for learner, each in members.items()])
    out_of_fold = np.sum([factors[learner] * each.recalibration_folds for learner, each in members.items()], axis=0)
    return _recalibrated(name, features, fitted, out_of_fold, splits.cohort, weights=weights)


def _recalibrated(
    learner: str,
    features: FeatureState,
    fitted: FittedLearner | Blend,
    out_of_fold: Floats,
    cohort: Cohort,
    *,
    tuning: Tuning | None = None,
    weights: Mapping[str, float] | None = None,
) -> FittedProcedure:
    slope = calibration_slope(out_of_fold, cohort.time, cohort.event)
    baseline = breslow(slope * out_of_fold, cohort.time, cohort.event)
    return FittedProcedure(learner, features, fitted, slope, baseline, slope * out_of_fold, tuning, weights or {})


def calibration_slope(linear_predictor: Floats, time: Floats, event: Bools) -> float:
    """Return the Cox coefficient of out-of-fold linear predictors, 0 where it is negative or nothing varies.

    Notes
    -----
    A negative slope says that the predictors are worse than chance: turning them around would choose the
    direction on the outcome, so they count for nothing instead.
    """
    return StratifiedOutcome.of(time, event, np.zeros(len(time), dtype=np.int64)).slope(linear_predictor)
