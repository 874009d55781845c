"""Judge out-of-fold predictions: what is fixed before the first fit, and the figures with their intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.cohort import DAYS_PER_MONTH, Cohort
from features.errors import CohortError
from training.brier import CensoringDistribution, brier_contributions, censoring_distribution, integrated
from training.concordance import Pairs, concordance_within_folds, harrell_pairs, uno_pairs
from training.definition import Definition
from training.estimate import Estimate
from training.resampling import bootstrap_counts, generator, stratified_folds

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

GRID_POINTS = 50
#: The metric that sets a learner beside ``clinical_only``; absent where the cohort has no clinical covariates.
GAIN = "concordance_gain_over_clinical"
#: Below this an outer training set has folds in which nobody fails.
MINIMUM_EVENTS_PER_FOLD = 2


@dataclass(frozen=True, eq=False)
class Judge:
    """The resampling, horizon, grid and censoring weights of one cohort, equal for all learners.

    Parameters
    ----------
    time, event : arrays, shape (n_patients,)
    folds : array of int, shape (n_repeats, n_patients)
        Outer folds.
    counts : array, shape (n_samples, n_patients)
        Bootstrap samples of patients; a patient's repeats stay together, and the fits are not repeated: intervals
        are conditional on them.
    horizon_days : float
        The last day with enough patients at risk; Uno's truncation time and the end of the Brier grid.
    grid_days : array, shape (n_grid,)
    censoring : CensoringDistribution
        Of the whole cohort: follow-up is the cohort's, not a fold's.
    """

    time: Floats
    event: Bools
    folds: NDArray[np.int64]
    counts: Floats
    horizon_days: float
    grid_days: Floats
    censoring: CensoringDistribution

    @property
    def horizon_months(self) -> float:
        """The horizon in months, rounded down to a tenth."""
        return float(np.floor(self.horizon_days / DAYS_PER_MONTH * 10) / 10)

    def metrics(self, linear_predictor: Floats, survival: Floats) -> dict[str, Estimate]:
        """Return each metric with its 95 % bootstrap interval.

        Parameters
        ----------
        linear_predictor : array, shape (n_repeats, n_patients)
            Out-of-fold; higher is worse.
        survival : array, shape (n_repeats, n_patients, n_grid)
            Out-of-fold probabilities on the grid.
        """
        harrell, uno = self._pairs(linear_predictor)
        return {
            "concordance_harrell": self._concordance(harrell),
            "concordance_uno": self._concordance(uno),
            "integrated_brier_score": self._integrated_brier_score(survival),
        }

    def gain(self, linear_predictor: Floats, baseline: Floats) -> Estimate:
        """Return by how much Harrell's concordance exceeds a baseline's, paired: both on the same samples.

        Parameters
        ----------
        linear_predictor, baseline : arrays, shape (n_repeats, n_patients)
            Out-of-fold, on the same folds.
        """
        ours, theirs = self._pairs(linear_predictor)[0], self._pairs(baseline)[0]
        once = np.ones((1, len(self.time)))
        value, samples = (
            concordance_within_folds(ours, self.folds, counts) - concordance_within_folds(theirs, self.folds, counts)
            for counts in (once, self.counts)
        )
        return _with_interval(float(value[0]), samples)

    def _pairs(self, linear_predictor: Floats) -> tuple[list[list[Pairs]], list[list[Pairs]]]:
        before = self.censoring.before(self.time)
        harrell: list[list[Pairs]] = []
        uno: list[list[Pairs]] = []
        for repeat, labels in enumerate(self.folds):
            members = [labels == k for k in range(labels.max() + 1)]
            harrell.append([harrell_pairs(linear_predictor[repeat, m], self.time[m], self.event[m]) for m in members])
            uno.append(
                [
                    uno_pairs(
                        linear_predictor[repeat, m],
                        self.time[m],
                        self.event[m],
                        censoring=before[m],
                        horizon_days=self.horizon_days,
                    )
                    for m in members
                ]
            )
        return harrell, uno

    def _concordance(self, pairs: list[list[Pairs]]) -> Estimate:
        value = concordance_within_folds(pairs, self.folds, np.ones((1, len(self.time))))[0]
        return _with_interval(float(value), concordance_within_folds(pairs, self.folds, self.counts))

    def _integrated_brier_score(self, survival: Floats) -> Estimate:
        contributions = [
            brier_contributions(s, self.time, self.event, days=self.grid_days, censoring=self.censoring)
            for s in survival
        ]
        by_patient = integrated(np.mean(contributions, axis=0), self.grid_days)
        return _with_interval(float(by_patient.mean()), self.counts @ by_patient / self.counts.sum(axis=1))


def judge_of(cohort: Cohort, definition: Definition) -> Judge:
    """Fix how a cohort will be judged, before anything is fitted.

    Raises
    ------
    CohortError
        If there are too few patients or events for the folds that the definition asks for.
    """
    resampling, minimum = definition.resampling, definition.horizons.minimum_at_risk
    outer, inner = resampling.outer_folds, resampling.inner_folds
    needed = max(MINIMUM_EVENTS_PER_FOLD * outer, -(-inner * outer // (outer - 1)))
    if cohort.n_events < needed or len(cohort.patients) < 2 * minimum:
        raise CohortError(
            f"{cohort}: {len(cohort.patients)} patients with {cohort.n_events} events are too few to be judged on "
            f"{outer} outer and {inner} inner folds (at least {2 * minimum} patients and {needed} events are needed); "
            f"add patients, follow them longer, or take another endpoint."
        )
    folds = [
        stratified_folds(
            cohort.time, cohort.event, resampling.outer_folds, generator(definition.seed, str(cohort), "outer", repeat)
        )
        for repeat in range(resampling.outer_repeats)
    ]
    horizon = horizon_days(cohort.time, minimum)
    return Judge(
        time=cohort.time,
        event=cohort.event,
        folds=np.stack(folds),
        counts=bootstrap_counts(
            len(cohort.time), resampling.bootstrap, generator(definition.seed, str(cohort), "bootstrap")
        ),
        horizon_days=horizon,
        grid_days=np.linspace(horizon / GRID_POINTS, horizon, GRID_POINTS),
        censoring=censoring_distribution(cohort.time, cohort.event),
    )


def horizon_days(time: Floats, minimum_at_risk: int) -> float:
    """Return the last day on which at least `minimum_at_risk` patients are still followed."""
    return float(np.sort(time)[-minimum_at_risk])


def choose(scores: Mapping[str, float]) -> str:
    """Return the learner with the highest inner-fold score; the first of equals."""
    return max(scores, key=lambda learner: scores[learner])


def _with_interval(value: float, samples: Floats) -> Estimate:
    # A bootstrap sample of very few events may hold no comparable pair; it says nothing and is left out.
    lower, upper = np.nanquantile(samples, [0.025, 0.975])
    return Estimate(value, float(lower), float(upper))
