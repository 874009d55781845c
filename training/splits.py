"""Inner folds of one set of training patients, their features already made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from features.cohort import Cohort
from features.panel import Panel
from features.pooled_features import Features, features_within
from training.partial_likelihood import StratifiedOutcome
from training.resampling import stratified_folds

if TYPE_CHECKING:
    # What scores reads this module too, and has no use for what is fitted here.
    from training.blend import Blend, FittedLearner
    from training.definition import Definition
    from training.learners import LearnerSetting
    from training.parameters import Parameters

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Split:
    """One inner fold."""

    features: Features
    train: NDArray[np.intp]
    test: NDArray[np.intp]
    X_train: Floats
    X_test: Floats


@dataclass(frozen=True, eq=False)
class Splits:
    """All inner folds of one set of training patients, and the outcomes that predictions are judged by.

    Parameters
    ----------
    cohort : Cohort
        The training patients.
    each : tuple of Split
    outcome : StratifiedOutcome
        Risk sets kept within folds, as the predictions of different folds come from different fits, and within the
        cohorts that were pooled.
    """

    cohort: Cohort
    each: tuple[Split, ...]
    outcome: StratifiedOutcome

    def predictions(self, setting: LearnerSetting, parameters: Parameters, *, seed: int) -> Iterator[Floats]:
        """Yield the out-of-fold linear predictors known after each fold's fit; NaN where not yet made."""
        linear_predictor = np.full(len(self.cohort.time), np.nan)
        for split in self.each:
            fitted = self._fitted(split, setting, parameters, seed)
            linear_predictor[split.test] = fitted.linear_predictor(split.X_test)
            yield linear_predictor.copy()

    def out_of_fold(self, setting: LearnerSetting, parameters: Parameters, *, seed: int) -> Floats:
        """Return the out-of-fold linear predictor of each patient, shape (n_patients,)."""
        *_, last = self.predictions(setting, parameters, seed=seed)
        return last

    def score(self, linear_predictor: Floats, *, recalibrated: bool) -> float:
        """Return the log partial likelihood within folds of predictions, of those folds that they are made for.

        Parameters
        ----------
        linear_predictor : array, shape (n_patients,)
            NaN where not made.
        recalibrated : bool
            Whether they are first multiplied by the factor that suits them best: a booster's spread says little.
        """
        made = ~np.isnan(linear_predictor)
        known = np.where(made, linear_predictor, 0.0)
        factor = self.outcome.slope(known) if recalibrated else 1.0
        return float(self.outcome.terms(factor * known)[made].sum())

    def _fitted(
        self, split: Split, setting: LearnerSetting, parameters: Parameters, seed: int
    ) -> FittedLearner | Blend:
        strata = self.cohort.stratum_numbers
        return setting.fit(
            split.X_train,
            self.cohort.time[split.train],
            self.cohort.event[split.train],
            covariates=split.features.covariates,
            parameters=parameters,
            seed=seed,
            strata=None if strata is None else strata[split.train],
        )


def inner_splits(cohort: Cohort, panel: Panel, definition: Definition, rng: np.random.Generator) -> Splits:
    """Deal training patients into inner folds and learn each fold's features from the others."""
    n_folds = definition.resampling.inner_folds
    folds = _dealt(cohort, n_folds, rng)
    each = tuple(_split(cohort, panel, definition, folds, k) for k in range(n_folds))
    strata = cohort.stratum_numbers
    within = folds if strata is None else folds + n_folds * strata
    return Splits(cohort, each, StratifiedOutcome.of(cohort.time, cohort.event, within))


def _dealt(cohort: Cohort, n_folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the fold of each patient; the patients of each cohort that was pooled are dealt by themselves."""
    strata = cohort.stratum_numbers
    if strata is None:
        return stratified_folds(cohort.time, cohort.event, n_folds, rng)
    folds = np.empty(len(strata), dtype=np.int64)
    for number in np.unique(strata):
        members = strata == number
        folds[members] = stratified_folds(cohort.time[members], cohort.event[members], n_folds, rng)
    return folds


def features_of(cohort: Cohort, panel: Panel, definition: Definition) -> Features:
    """Learn the feature state from training patients, as the definition says.

    A fold that knows no gene of the panel has a state without genes, as it may have one without clinical columns.
    """
    settings = definition.features
    return features_within(cohort, panel, clinical=settings.clinical, minimum_known=settings.minimum_known_fraction)


def _split(cohort: Cohort, panel: Panel, definition: Definition, folds: NDArray[np.int64], fold: int) -> Split:
    train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
    training, held_out = cohort.subset(train), cohort.subset(test)
    features = features_of(training, panel, definition)
    return Split(features, train, test, features.of(training), features.of(held_out))
