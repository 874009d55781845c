"""Judge predictions for pooled cohorts: each cohort by itself, and all together without comparing across cohorts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import chdtrc

from features.cohort import Cohort
from features.errors import CohortError
from features.pooled_cohorts import stratum
from training.calibration import d_calibration, within_grid
from training.concordance import Pairs, concordance_within_folds, harrell_pairs, uno_pairs
from training.definition import Definition
from training.discrimination import explained_variation
from training.estimate import Estimate
from training.evaluation import Judge, judge_of_one
from training.kaplan_meier import Z95
from training.metrics import at_horizon, estimated, ratio
from training.survival_grid import horizon_day, judged_days, kaplan_meier_of_other_folds
from training.time_dependent_auc import auc_pairs

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Figures of which each cohort counts by its events; of the others by its patients.
BY_EVENTS = ("royston_sauerbrei_d", "calibration_slope", "log_observed_expected")
#: Figures whose differences between cohorts are tested.
COMPARED = ("concordance_harrell", "calibration_slope", "integrated_brier_ratio")


@dataclass(frozen=True, eq=False)
class PooledJudge(Judge):
    """The judge of several cohorts that were pooled.

    Parameters
    ----------
    strata : array of int, shape (n_patients,)
        Each patient's cohort, by its place in `alone`.
    alone : mapping of str to Judge
        Each cohort's own judge, by the cohort's name.

    Notes
    -----
    Folds are dealt, and bootstrap samples drawn, within each cohort. Patients of two cohorts are never compared: pairs
    of concordance and AUC are of one fold and one cohort, and their sums over cohorts make the figure. Each cohort has
    its own censoring distribution, last day and grid; the other figures are means of the cohorts' own, by their
    patients, or by their events where the figure is of a Cox model (`BY_EVENTS`); a cohort whose figure cannot be
    estimated, or who is not followed until a horizon, is left out of it. `horizons_months` are those that every cohort
    reaches; figures at later ones are of the cohorts that reach them.
    """

    strata: NDArray[np.int64]
    alone: Mapping[str, Judge]

    @cached_property
    def parts(self) -> dict[str, tuple[Bools, Judge]]:
        """Members, shape (n_patients,), and judge of each cohort that has patients here, by its name."""
        found = {}
        for number, (name, own) in enumerate(self.alone.items()):
            m = self.strata == number
            if m.any():
                here = {"time": self.time[m], "event": self.event[m], "folds": self.folds[:, m]}
                found[name] = (m, replace(own, **here, counts=self.counts[:, m]))
        return found

    @cached_property
    def kaplan_meier_survival(self) -> Floats:
        """What Kaplan–Meier of the other folds of each patient's cohort predicts; as in `Judge`."""
        survival = np.empty((*self.folds.shape, len(self.grid_days)))
        for members, own in self.parts.values():
            survival[:, members] = kaplan_meier_of_other_folds(own.time, own.event, own.folds, grid_days=self.grid_days)
        return survival

    def figures(self, linear_predictor: Floats, survival: Floats) -> dict[str, Floats]:
        """Return the figures of each metric over all cohorts; arguments as in `Judge.metrics`."""
        each = self._figures_by_cohort(linear_predictor, survival)
        names = dict.fromkeys(name for own in each.values() for name in own)
        figures = {name: self._mean(name, {k: own[name] for k, own in each.items() if name in own}) for name in names}
        score = {k: own["integrated_brier_score"] for k, own in each.items()}
        reference = {k: ratio(score[k], own["integrated_brier_ratio"]) for k, own in each.items()}
        figures |= {
            "concordance_harrell": self.concordance(linear_predictor),
            "concordance_uno": self._concordance_uno(linear_predictor),
            "royston_sauerbrei_r2": explained_variation(figures["royston_sauerbrei_d"]),
            "integrated_brier_ratio": ratio(
                figures["integrated_brier_score"], self._mean("integrated_brier_score", reference)
            ),
            "d_calibration_p": self._d_calibration_p(survival),
        }
        for months in {months for _, own in self.parts.values() for months in own.horizons_months}:
            figures[at_horizon("auc", months)] = self.auc(linear_predictor, day=horizon_day(months))
        return figures

    def by_cohort(self, linear_predictor: Floats, survival: Floats) -> dict[str, dict[str, Estimate]]:
        """Return each cohort's own metrics, by its name; arguments as in `Judge.metrics`."""
        each = self._figures_by_cohort(linear_predictor, survival)
        return {name: {metric: estimated(own) for metric, own in figures.items()} for name, figures in each.items()}

    def auc(self, linear_predictor: Floats, *, day: float) -> Floats:
        """Return the figures of the AUC at a day, pairs within folds and the cohorts that are followed until then."""

        def pairs_of(predictor: Floats, own: Judge, members: Bools) -> Pairs:
            time, censoring = own.time[members], own.censoring
            if day > own.horizon_days:
                return Pairs(*np.zeros((2, len(time), len(time))))
            at = float(censoring.at(np.array(day)))
            before = censoring.before(time)
            return auc_pairs(predictor, time, own.event[members], day=day, censoring_before=before, censoring_at=at)

        return self._within_cohorts(linear_predictor, pairs_of)

    def concordance(self, linear_predictor: Floats) -> Floats:
        """Return the figures of Harrell's concordance, pairs within folds and cohorts."""
        return self._within_cohorts(
            linear_predictor, lambda predictor, own, m: harrell_pairs(predictor, own.time[m], own.event[m])
        )

    def log_observed_expected(self, survival: Floats, *, months: float) -> Floats:
        """Return the mean over cohorts, by events, of log(observed/expected) risk at a horizon."""
        each = {
            name: own.log_observed_expected(self._own(survival, members, own), months=months)
            for name, (members, own) in self.parts.items()
        }
        return self._mean("log_observed_expected", each)

    def among(self, members: Bools) -> PooledJudge:
        """Return the judge of some of the patients, shape (n_patients,); as in `Judge.among`."""
        counts, strata = self.counts[:, members], self.strata[members]
        held = np.all([counts[:, strata == number].sum(axis=1) > 0 for number in np.unique(strata)], axis=0)
        return replace(
            self,
            time=self.time[members],
            event=self.event[members],
            folds=self.folds[:, members],
            counts=counts[held],
            strata=strata,
        )

    def _figures_by_cohort(self, linear_predictor: Floats, survival: Floats) -> dict[str, dict[str, Floats]]:
        return {
            name: own.figures(linear_predictor[:, members], self._own(survival, members, own))
            for name, (members, own) in self.parts.items()
        }

    def _own(self, survival: Floats, members: Bools, own: Judge) -> Floats:
        """Return survival of a cohort's patients on the cohort's own grid."""
        return survival[:, members][..., np.searchsorted(self.grid_days, own.grid_days)]

    def _mean(self, name: str, each: Mapping[str, Floats]) -> Floats:
        known = [cohort for cohort, figures in each.items() if not np.isnan(figures[0])] or list(each)
        judges = [self.parts[cohort][1] for cohort in known]
        by_events = name.startswith(BY_EVENTS)
        weights = [float(own.event.sum()) if by_events else float(len(own.time)) for own in judges]
        return np.asarray(np.average([each[cohort] for cohort in known], axis=0, weights=weights), dtype=np.float64)

    def _concordance_uno(self, linear_predictor: Floats) -> Floats:
        def pairs_of(predictor: Floats, own: Judge, members: Bools) -> Pairs:
            time, before = own.time[members], own.censoring.before(own.time[members])
            return uno_pairs(predictor, time, own.event[members], censoring=before, horizon_days=own.horizon_days)

        return self._within_cohorts(linear_predictor, pairs_of)

    def _within_cohorts(self, linear_predictor: Floats, pairs_of: Callable[[Floats, Judge, Bools], Pairs]) -> Floats:
        """Sum pairs over the folds of every cohort, which count as folds of their own."""
        labels, n_folds = np.zeros_like(self.folds), int(self.folds.max()) + 1
        pairs: list[list[Pairs]] = [[] for _ in self.folds]
        for number, (members, own) in enumerate(self.parts.values()):
            labels[:, members] = own.folds + number * n_folds
            for repeat, predictor in enumerate(linear_predictor):
                for fold in range(n_folds):
                    m = own.folds[repeat] == fold
                    pairs[repeat].append(pairs_of(predictor[members][m], own, m))
        return concordance_within_folds(pairs, labels, self.outcome[2])

    def _d_calibration_p(self, survival: Floats) -> Floats:
        """Test the bins of all cohorts together."""
        grids = [
            within_grid(self._own(survival, members, own), own.time, own.event, grid_days=own.grid_days)
            for members, own in self.parts.values()
        ]
        own_time, event = np.concatenate([s for s, _ in grids], axis=1), np.concatenate([e for _, e in grids])
        return d_calibration(own_time, event, np.ones((1, len(event)))).p_value


def pooled_judge_of(cohort: Cohort, definition: Definition) -> PooledJudge:
    """Fix how pooled cohorts will be judged, before anything is fitted.

    Raises
    ------
    CohortError
        If one of them is too small, or followed too short, to be judged by itself.
    """
    strata = cohort.stratum_numbers
    assert strata is not None  # noqa: S101
    alone = {part.name: _judge_of_part(cohort, definition, part.name) for part in cohort.parts}
    resampling = definition.resampling
    folds = np.empty((resampling.outer_repeats, len(strata)), dtype=np.int64)
    counts = np.empty((resampling.bootstrap, len(strata)))
    for number, own in enumerate(alone.values()):
        folds[:, strata == number], counts[:, strata == number] = own.folds, own.counts
    shortest = min(alone.values(), key=lambda own: own.horizon_days)
    alone = {name: _with_horizons(own, shortest.horizons_months) for name, own in alone.items()}
    return PooledJudge(
        time=cohort.time,
        event=cohort.event,
        folds=folds,
        counts=counts,
        horizon_days=shortest.horizon_days,
        horizons_months=shortest.horizons_months,
        grid_days=np.unique(np.concatenate([own.grid_days for own in alone.values()])),
        censoring=shortest.censoring,
        strata=strata,
        alone=alone,
    )


def _with_horizons(judge: Judge, months: tuple[float, ...]) -> Judge:
    """Return one cohort's judge with figures at the horizons of all, too."""
    all_of_them = tuple(sorted({*judge.horizons_months, *months}))
    return replace(judge, horizons_months=all_of_them, grid_days=judged_days(judge.horizon_days, all_of_them))


def _judge_of_part(cohort: Cohort, definition: Definition, name: str) -> Judge:
    try:
        return judge_of_one(stratum(cohort, name), definition, f"{cohort}/{name}")
    except CohortError as error:
        raise CohortError(f"{name}, one of the cohorts that were pooled: {error}") from None


def by_cohort_table(
    judge: PooledJudge, linear_predictors: Mapping[str, Floats], survivals: Mapping[str, Floats]
) -> pd.DataFrame:
    """Return each cohort's own figures beside each other.

    Parameters
    ----------
    judge : PooledJudge
    linear_predictors : mapping of str to array, shape (n_repeats, n_patients)
        Of each learner, out-of-fold; higher is worse.
    survivals : mapping of str to array, shape (n_repeats, n_patients, n_grid)

    Returns
    -------
    DataFrame
        ``name`` (of the learner), ``cohort``, ``n``, ``events``, ``metric``, ``value``, ``lower``, ``upper`` (95 %).
    """
    sizes = {cohort: (len(own.time), int(own.event.sum())) for cohort, (_, own) in judge.parts.items()}
    rows = [
        (name, cohort, *sizes[cohort], metric, *astuple(estimate))
        for name, linear_predictor in linear_predictors.items()
        for cohort, metrics in judge.by_cohort(linear_predictor, survivals[name]).items()
        for metric, estimate in metrics.items()
    ]
    return pd.DataFrame(rows, columns=["name", "cohort", "n", "events", "metric", "value", "lower", "upper"])


def heterogeneity_table(by_cohort: pd.DataFrame) -> pd.DataFrame:
    r"""Test whether figures differ between cohorts by more than chance.

    .. math:: Q = \sum_k \frac{(\hat\theta_k - \bar\theta)^2}{s_k^2}, \qquad I^2 = \max(0, 1 - (K - 1) / Q)

    Parameters
    ----------
    by_cohort : DataFrame
        As `by_cohort_table` returns it; standard errors are read off its intervals.

    Returns
    -------
    DataFrame
        ``name``, ``metric``, ``cohorts`` (with an interval), ``q``, ``p`` and ``i_squared`` (0 to 1); NaN with fewer
        than two cohorts.

    References
    ----------
    Higgins JPT, Thompson SG. Quantifying heterogeneity in a meta-analysis. Stat Med 2002;21:1539-1558.
    doi:10.1002/sim.1186
    """
    rows = []
    for (name, metric), group in by_cohort[by_cohort["metric"].isin(COMPARED)].groupby(["name", "metric"], sort=False):
        spread = (group["upper"] - group["lower"]).to_numpy(np.float64) / (2 * Z95)
        usable = spread > 0
        rows.append((name, metric, int(usable.sum()), *_cochran(group["value"].to_numpy()[usable], spread[usable])))
    return pd.DataFrame(rows, columns=["name", "metric", "cohorts", "q", "p", "i_squared"])


def _cochran(values: Floats, standard_errors: Floats) -> tuple[float, float, float]:
    degrees = len(values) - 1
    if degrees < 1:
        return np.nan, np.nan, np.nan
    weights = standard_errors**-2.0
    q = float(weights @ (values - np.average(values, weights=weights)) ** 2)
    return q, float(chdtrc(degrees, q)), max(0.0, 1 - degrees / q) if q > 0 else 0.0
