"""Judge out-of-fold predictions: what is fixed before the first fit, and the figures with their intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from features.cohort import Cohort
from training.brier import CensoringDistribution, brier_contributions, censoring_distribution, integrated
from training.calibration import (
    calibration_slope,
    d_calibration,
    integrated_calibration,
    log_observed_expected,
    within_grid,
)
from training.concordance import Pairs, concordance_within_folds, harrell_pairs, uno_pairs
from training.counted_survival import survival_at
from training.decision_curve import decision_curve
from training.definition import Definition
from training.discrimination import explained_variation, royston_sauerbrei_d
from training.estimate import Estimate
from training.follow_up import require_enough, require_horizon
from training.metrics import GAIN, GENES_GAIN, at_horizon, estimated, ratio
from training.resampling import bootstrap_counts, generator, repeated_folds
from training.survival_grid import horizon_day, judged_days, kaplan_meier_of_other_folds, months_within, survival_on_day
from training.survival_grid import horizon_days as horizon_days  # noqa: PLC0414 - other modules take it from here
from training.time_dependent_auc import auc_pairs

__all__ = ["GAIN", "GENES_GAIN", "SMOOTHED_SAMPLES", "Judge", "horizon_days", "judge_of"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Each sample of the smoothed calibration error fits a spline, at a hundred times the cost of a Brier score: so few
#: place its bounds well enough to read.
SMOOTHED_SAMPLES = 200


@dataclass(frozen=True, eq=False)
class Judge:
    """The resampling, horizons, grid and censoring weights of one cohort, equal for all learners.

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
    horizons_months : tuple of float
        Where survival is judged: the definition's horizons that do not lie past the last, else the last itself.
    grid_days : array, shape (n_grid,)
    censoring : CensoringDistribution
        Of the whole cohort: follow-up is the cohort's, not a fold's.

    Notes
    -----
    *Figures* are an array of shape (1 + n_samples,): the cohort's own, then each bootstrap sample's.
    """

    time: Floats
    event: Bools
    folds: NDArray[np.int64]
    counts: Floats
    horizon_days: float
    horizons_months: tuple[float, ...]
    grid_days: Floats
    censoring: CensoringDistribution

    @property
    def horizon_months(self) -> float:
        """The horizon in months, rounded down to a tenth."""
        return months_within(self.horizon_days)

    @property
    def middle_horizon_months(self) -> float:
        """The horizon of the figures that are given at one horizon only."""
        return self.horizons_months[len(self.horizons_months) // 2]

    @cached_property
    def outcome(self) -> tuple[Floats, Bools, Floats]:
        """Time, event, and how often each patient stands in the cohort (once) and in each sample.

        The last has shape (1 + n_samples, n_patients).
        """
        return self.time, self.event, np.concatenate([np.ones((1, len(self.time))), self.counts])

    @cached_property
    def kaplan_meier_survival(self) -> Floats:
        """What Kaplan–Meier of the other folds predicts, shape (n_repeats, n_patients, n_grid).

        Past the follow-up of the patients it was made from a curve stays level; NaN where there are none.
        """
        return kaplan_meier_of_other_folds(self.time, self.event, self.folds, grid_days=self.grid_days)

    def metrics(self, linear_predictor: Floats, survival: Floats) -> dict[str, Estimate]:
        """Return each metric with its 95 % bootstrap interval; `training.metrics.METRICS` says what each is.

        Parameters
        ----------
        linear_predictor : array, shape (n_repeats, n_patients)
            Out-of-fold; higher is worse.
        survival : array, shape (n_repeats, n_patients, n_grid)
            Out-of-fold probabilities on the grid; straight lines between its days.

        Returns
        -------
        dict
            NaN where a metric cannot be estimated, and bounds of NaN where most samples cannot, or, as for
            ``d_calibration_p``, where an interval would mean nothing.

        Notes
        -----
        The net benefit at a horizon is at one threshold, the cohort's Kaplan–Meier risk there. At this threshold
        treating all is worth as much as treating none, 0, so that the figure is what the prediction adds to both. The
        threshold stays the cohort's in all samples.
        """
        return {name: estimated(values) for name, values in self.figures(linear_predictor, survival).items()}

    def figures(self, linear_predictor: Floats, survival: Floats) -> dict[str, Floats]:
        """Return the figures of each metric; `linear_predictor` and `survival` as in `metrics`."""
        score = self.integrated_brier(survival)
        separation = royston_sauerbrei_d(linear_predictor, *self.outcome)
        figures = {
            "concordance_harrell": self.concordance(linear_predictor),
            "concordance_uno": self._concordance_uno(linear_predictor),
            "royston_sauerbrei_d": separation,
            "royston_sauerbrei_r2": explained_variation(separation),
            "integrated_brier_score": score,
            "integrated_brier_ratio": ratio(score, self.integrated_brier(self.kaplan_meier_survival)),
            "calibration_slope": self.calibration_slope(linear_predictor),
            "d_calibration_p": self._d_calibration_p(survival),
        }
        for months in self.horizons_months:
            figures |= self._at_horizon(linear_predictor, survival, months)
        return figures

    def gain(self, linear_predictor: Floats, baseline: Floats) -> Estimate:
        """Return by how much Harrell's concordance exceeds a baseline's, paired: both on the same samples.

        Parameters
        ----------
        linear_predictor, baseline : arrays, shape (n_repeats, n_patients)
            Out-of-fold, on the same folds.
        """
        return estimated(self.concordance(linear_predictor) - self.concordance(baseline))

    def concordance(self, linear_predictor: Floats) -> Floats:
        """Return the figures of Harrell's concordance, pairs within folds; `linear_predictor` as in `metrics`."""
        return self._within_folds(
            linear_predictor, lambda predictor, m: harrell_pairs(predictor, self.time[m], self.event[m])
        )

    def calibration_slope(self, linear_predictor: Floats) -> Floats:
        """Return the figures of the calibration slope; `linear_predictor` as in `metrics`."""
        return calibration_slope(linear_predictor, *self.outcome)

    def integrated_brier(self, survival: Floats) -> Floats:
        """Return the figures of the integrated Brier score; `survival` as in `metrics`.

        Over the days of the grid that have a score: all but the last of a study closed on it.
        """
        known = self.censoring.at(self.grid_days) > 0
        days = self.grid_days[known]
        return self._weighted_mean(integrated(self._brier(survival[..., known], days), days))

    def auc(self, linear_predictor: Floats, *, day: float) -> Floats:
        """Return the figures of the AUC at a day, pairs within folds; `linear_predictor` as in `metrics`."""
        before, at = self.censoring.before(self.time), float(self.censoring.at(np.array(day)))
        return self._within_folds(
            linear_predictor,
            lambda predictor, m: auc_pairs(
                predictor, self.time[m], self.event[m], day=day, censoring_before=before[m], censoring_at=at
            ),
        )

    def log_observed_expected(self, survival: Floats, *, months: float) -> Floats:
        """Return the figures of log(observed/expected) risk at a horizon; `survival` as in `metrics`."""
        day = horizon_day(months)
        at_day = survival_on_day(survival, grid_days=self.grid_days, day=day)
        return log_observed_expected(at_day, *self.outcome, day=day)

    def among(self, members: Bools) -> Judge:
        """Return the judge of some of the patients: pairs, events and samples of theirs, all else the cohort's.

        `members` has shape (n_patients,). Samples that hold none of them say nothing and are left out.
        """
        counts = self.counts[:, members]
        return replace(
            self,
            time=self.time[members],
            event=self.event[members],
            folds=self.folds[:, members],
            counts=counts[counts.sum(axis=1) > 0],
        )

    def with_samples(self, n_samples: int) -> Judge:
        """Return the judge that draws its intervals from the first `n_samples` samples only."""
        return replace(self, counts=self.counts[:n_samples])

    def _within_folds(self, linear_predictor: Floats, pairs_of: Callable[[Floats, Bools], Pairs]) -> Floats:
        pairs = [
            [pairs_of(predictor[members], members) for members in (labels == k for k in range(labels.max() + 1))]
            for predictor, labels in zip(linear_predictor, self.folds, strict=True)
        ]
        return concordance_within_folds(pairs, self.folds, self.outcome[2])

    def _concordance_uno(self, linear_predictor: Floats) -> Floats:
        before, tau = self.censoring.before(self.time), self.horizon_days
        return self._within_folds(
            linear_predictor,
            lambda predictor, m: uno_pairs(
                predictor, self.time[m], self.event[m], censoring=before[m], horizon_days=tau
            ),
        )

    def _at_horizon(self, linear_predictor: Floats, survival: Floats, months: float) -> dict[str, Floats]:
        day = horizon_day(months)
        at_day = survival_on_day(survival, grid_days=self.grid_days, day=day)
        smoothed = integrated_calibration(at_day, *self.with_samples(SMOOTHED_SAMPLES).outcome, day=day)
        figures = {
            "auc": self.auc(linear_predictor, day=day),
            "brier": self._weighted_mean(self._brier(at_day[..., None], np.array([day]))[:, 0]),
            "log_observed_expected": log_observed_expected(at_day, *self.outcome, day=day),
            "ici": smoothed.ici,
            "e50": smoothed.e50,
            "e90": smoothed.e90,
            "net_benefit": self._net_benefit(at_day, day),
        }
        return {at_horizon(name, months): values for name, values in figures.items()}

    def _net_benefit(self, survival_at_day: Floats, day: float) -> Floats:
        """Return the figures at the cohort's Kaplan–Meier risk; NaN where that is 1, which has no odds."""
        risk = 1 - survival_at(self.time, self.event, np.ones((1, len(self.time))), day=day)
        if not risk[0] < 1:
            return np.full_like(risk, np.nan)
        return decision_curve(survival_at_day, *self.outcome, day=day, thresholds=risk).model[:, 0]

    def _d_calibration_p(self, survival: Floats) -> Floats:
        own, event = within_grid(survival, self.time, self.event, grid_days=self.grid_days)
        return d_calibration(own, event, np.ones((1, len(event)))).p_value

    def _brier(self, survival: Floats, days: Floats) -> Floats:
        """Return each patient's part of the Brier score on each day, averaged over repeats."""
        outcome = self.time, self.event
        parts = [brier_contributions(repeat, *outcome, days=days, censoring=self.censoring) for repeat in survival]
        return np.asarray(np.mean(parts, axis=0), dtype=np.float64)

    def _weighted_mean(self, by_patient: Floats) -> Floats:
        weights = self.outcome[2]
        return np.asarray(weights @ by_patient / weights.sum(axis=1), dtype=np.float64)


def judge_of(cohort: Cohort, definition: Definition) -> Judge:
    """Fix how a cohort will be judged, before anything is fitted; pooled cohorts by `training.pooled_judge`.

    Raises
    ------
    CohortError
        If there are too few patients or events for the folds that the definition asks for, or too few are followed for
        any horizon.
    """
    if cohort.strata is None:
        return judge_of_one(cohort, definition, str(cohort))
    # It is made of judges of this module.
    from training.pooled_judge import pooled_judge_of  # noqa: PLC0415

    return pooled_judge_of(cohort, definition)


def judge_of_one(cohort: Cohort, definition: Definition, called: str) -> Judge:
    """Fix how one cohort alone will be judged; folds and samples are drawn by what it is called."""
    require_enough(cohort, definition)
    horizon = horizon_days(cohort.time, definition.horizons.minimum_at_risk)
    require_horizon(cohort, horizon)
    last = months_within(horizon)
    horizons = tuple(m for m in definition.horizons.months if m <= last) or (last,)
    resampling = definition.resampling
    dealers = (generator(definition.seed, called, "outer", repeat) for repeat in range(resampling.outer_repeats))
    return Judge(
        time=cohort.time,
        event=cohort.event,
        folds=repeated_folds(cohort.time, cohort.event, resampling.outer_folds, dealers),
        counts=bootstrap_counts(
            len(cohort.time), resampling.bootstrap, generator(definition.seed, called, "bootstrap")
        ),
        horizon_days=horizon,
        horizons_months=horizons,
        grid_days=judged_days(horizon, horizons),
        censoring=censoring_distribution(cohort.time, cohort.event),
    )
