"""The whole procedure on one set of training patients: features, tuning, averaging, slope and baseline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from features.cohort import Cohort
from features.panel import Panel
from features.pooled_features import Features
from training.averaging import bootstrapped_weights, tempered_weights
from training.blend import Blend, FittedLearner, blended
from training.breslow import BaselineHazard, breslow, breslow_within
from training.checkpoints import Checkpoints
from training.definition import Definition, LearnerDefinition
from training.fitted_procedure import FittedProcedure, Ingredient
from training.learners import CLINICAL_BASELINES, LEARNERS, SINGLE_GENE, LearnerSetting
from training.parameters import CLINICAL_PARAMETERS, Parameters
from training.partial_likelihood import StratifiedOutcome
from training.pooling import NOTHING_SHARED, SharedPredictor
from training.resampling import derived_seed, generator
from training.splits import Splits, features_of, inner_splits
from training.tuning import Trial, Tuning, tune

__all__ = [
    "AUTO",
    "AUTO_CLINICAL",
    "FittedProcedure",
    "Ingredient",
    "calibration_slope",
    "fit_procedures",
    "for_pooled_cohorts",
    "knows_aft",
    "learners_of",
    "searched",
]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

AUTO = "auto"
AUTO_CLINICAL = "auto_clinical"
#: Learners among which there is something to weigh.
AUTO_NEEDS = 2


@dataclass(frozen=True, eq=False)
class _Learned:
    """A learner tuned and refitted: its weighted trials, and its predictions on both sets of inner folds."""

    tuning: Tuning | None
    fitted: FittedLearner | Blend
    tuning_folds: Floats
    recalibration_folds: Floats
    recipe: tuple[Ingredient, ...]


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
    fitted = {learner: _recalibrated(learner, features, each, cohort) for learner, each in learned.items()}
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


def knows_aft(space: LearnerDefinition) -> bool:
    """Whether a learner's definition has accelerated failure times as its default, or among what is searched."""
    choices = space.search.get("objective")
    return space.default.get("objective") == "aft" or (choices is not None and "aft" in choices)


def for_pooled_cohorts(space: LearnerDefinition) -> LearnerDefinition:
    """Return a learner's definition without accelerated failure times, which know no strata."""
    return space.at(objective="cox") if knows_aft(space) else space


@dataclass(frozen=True, eq=False)
class _Study:
    """One learner on one set of training patients."""

    setting: LearnerSetting
    definition: Definition
    splits: Splits
    others: Splits
    features: Features
    seed: int

    @property
    def _trees(self) -> int:
        return derived_seed(self.seed, "trees")

    def learned(self, checkpoints: Checkpoints, *, prune: bool) -> _Learned:
        """Tune, weigh the trials, and fit their average on all patients."""
        learner, variant = self.setting.learner, self.setting.variant
        space = searched(self.definition, learner, variant)
        if self.splits.cohort.strata is not None:
            space = for_pooled_cohorts(space)
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
        recipe = tuple(Ingredient(w, self.setting, t.parameters, self._trees) for w, t in averaged)
        return _Learned(tuning if space.default else None, fitted, tuned, recalibrated, recipe)

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
            self.features.of(cohort),
            cohort.time,
            cohort.event,
            covariates=self.features.covariates,
            parameters=parameters,
            seed=self._trees,
            strata=cohort.stratum_numbers,
        )


def _weighed(
    name: str, members: Mapping[str, _Learned], features: Features, splits: Splits, definition: Definition
) -> FittedProcedure:
    """Return the members' weighted sum, each first brought to the scale on which it predicts best."""
    slopes = {learner: splits.outcome.slope(each.tuning_folds) for learner, each in members.items()}
    scores = [splits.score(slopes[k] * each.tuning_folds, recalibrated=False) for k, each in members.items()]
    weights = dict(zip(members, tempered_weights(np.array(scores), definition.auto.temperature).tolist(), strict=True))
    factors = {learner: weights[learner] * slopes[learner] for learner in members}
    fitted = blended([(factors[learner], each.fitted) for learner, each in members.items()])
    tuned, out_of_fold = (
        np.sum([factors[learner] * getattr(each, folds) for learner, each in members.items()], axis=0)
        for folds in ("tuning_folds", "recalibration_folds")
    )
    recipe = tuple(
        replace(part, weight=factors[learner] * part.weight)
        for learner, each in members.items()
        for part in each.recipe
    )
    together = _Learned(None, fitted, tuned, out_of_fold, recipe)
    return _recalibrated(name, features, together, splits.cohort, weights=weights)


def _recalibrated(
    learner: str,
    features: Features,
    learned: _Learned,
    cohort: Cohort,
    *,
    weights: Mapping[str, float] | None = None,
) -> FittedProcedure:
    folds = learned.recalibration_folds
    slope = calibration_slope(folds, cohort.time, cohort.event, cohort.stratum_numbers)
    baselines = _baselines(slope * folds, cohort)
    return FittedProcedure(
        learner=learner,
        features=features,
        fitted=learned.fitted,
        slope=slope,
        baseline=next(iter(baselines.values()), None) or breslow(slope * folds, cohort.time, cohort.event),
        out_of_fold=slope * folds,
        tuning=learned.tuning,
        recalibration_folds=folds,
        recipe=learned.recipe,
        weights=weights or {},
        baselines=baselines,
    )


def _baselines(linear_predictor: Floats, cohort: Cohort) -> dict[str, BaselineHazard]:
    if cohort.strata is None:
        return {}
    found = breslow_within(linear_predictor, cohort.time, cohort.event, cohort.strata)
    return {part.name: found[part.name] for part in cohort.parts if part.name in found}


def calibration_slope(
    linear_predictor: Floats, time: Floats, event: Bools, strata: NDArray[np.int64] | None = None
) -> float:
    """Return the Cox coefficient of out-of-fold linear predictors, 0 where it is negative or nothing varies.

    Parameters
    ----------
    linear_predictor : array, shape (n_patients,)
    time : array, shape (n_patients,)
    event : array of bool, shape (n_patients,)
    strata : array of int, shape (n_patients,), optional
        Numbers of the cohorts that were pooled; risk sets are kept within them.

    Notes
    -----
    A negative slope says that the predictors are worse than chance: turning them around would choose the
    direction on the outcome, so they count for nothing instead.
    """
    within = np.zeros(len(time), dtype=np.int64) if strata is None else strata
    return StratifiedOutcome.of(time, event, within).slope(linear_predictor)
