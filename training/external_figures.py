"""The figures of a locked model's predictions for patients whom it has never seen, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.breslow import BaselineHazard
from training.brier import censoring_distribution
from training.calibration import observed_expected
from training.counted_survival import survival_at
from training.estimate import Estimate
from training.evaluation import Judge, horizon_days
from training.follow_up import FEWEST_AT_RISK
from training.judgement_tables import decision_curve_table
from training.kaplan_meier import kaplan_meier, survival_given
from training.metrics import Metric, at_horizon, estimated, ratio
from training.model import PrognosticModel
from training.resampling import bootstrap_counts, generator
from training.survival_grid import horizon_day, judged_days, months_within, survival_on_day

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Patients per group of the calibration table, and how many groups there are at most.
GROUP_SIZE, GROUPS_MAX = 40, 10
#: What is left where predicted probabilities mean nothing: figures of the order alone, by name without the horizon.
RELATIVE = ("concordance_harrell", "concordance_uno", "royston_sauerbrei_d", "royston_sauerbrei_r2", "auc")
RATIO_REFERENCE, RATIO_OWN = "integrated_brier_ratio_to_reference", "integrated_brier_ratio_to_own"
#: What `training.metrics.METRICS` does not know; the horizon and direction are as there.
FURTHER_METRICS = {
    RATIO_REFERENCE: Metric(
        "Integrated Brier score divided by that of the reference cohort's Kaplan–Meier curve, which was known before "
        "the new patients were: below 1 the model predicts better than the average that it was shipped with.",
        "lower is better",
        "up to the last judged day",
    ),
    RATIO_OWN: Metric(
        "The same against the new cohort's own Kaplan–Meier curve, which has seen the outcomes that it predicts: an "
        "optimistic yardstick, that no forecast could have been.",
        "lower is better",
        "up to the last judged day",
    ),
}


@dataclass(frozen=True, eq=False)
class Predictions:
    """What is judged: risks of the same patients on the judge's days.

    Parameters
    ----------
    linear_predictor : array, shape (n_patients,)
        Higher is worse.
    survival : array, shape (n_patients, n_grid)
        Probabilities on the judge's grid.
    """

    linear_predictor: Floats
    survival: Floats

    @classmethod
    def of(cls, baseline: BaselineHazard, linear_predictor: Floats, judge: Judge) -> Predictions:
        """Predict with a baseline."""
        return cls(linear_predictor, baseline.survival(linear_predictor, judge.grid_days))


def external_judge(model: PrognosticModel, time: Floats, event: Bools, *, n_samples: int, seed: int) -> Judge | None:
    """Fix how new patients are judged: horizons that both the model and their follow-up allow, and the samples.

    Parameters
    ----------
    model : PrognosticModel
    time : array, shape (n_patients,)
        Days.
    event : array of bool, shape (n_patients,)
    n_samples : int
        Bootstrap samples of patients. The model is locked: there is nothing to refit.
    seed : int

    Returns
    -------
    Judge or None
        Of one repeat and one fold: every pair of patients is compared. None where fewer than `FEWEST_AT_RISK` patients
        leave no day to judge on.
    """
    if len(time) < FEWEST_AT_RISK:
        return None
    horizon = min(horizon_days(time, FEWEST_AT_RISK), horizon_day(model.horizon_months_max))
    last = months_within(horizon)
    if last <= 0:
        return None
    horizons = tuple(m for m in model.horizons_months if m <= last) or (last,)
    return Judge(
        time=time,
        event=event,
        folds=np.zeros((1, len(time)), dtype=np.int64),
        counts=bootstrap_counts(len(time), n_samples, generator(seed, "external validation")),
        horizon_days=horizon,
        horizons_months=horizons,
        grid_days=judged_days(horizon, horizons),
        censoring=censoring_distribution(time, event),
    )


def external_metrics(model: PrognosticModel, judge: Judge, predicted: Predictions) -> dict[str, Estimate]:
    r"""Return each figure with its 95 % interval, as it comes: a concordance below one half stays below one half.

    Parameters
    ----------
    model : PrognosticModel
    judge : Judge
        See `external_judge`.
    predicted : Predictions

    Returns
    -------
    dict
        `Judge.metrics` but for the ratio to the other folds, which there are none of; in its place
        ``integrated_brier_ratio_to_reference`` and ``integrated_brier_ratio_to_own``,

        .. math:: \int \mathrm{BS}(t)\, dt \Big/ \int \mathrm{BS}_{KM}(t)\, dt

        with the Kaplan–Meier curve of the reference cohort, frozen in the bundle, and that of the new patients. The
        ratio of observed to expected risk may be 0 here, and its logarithm minus infinity: see `log_ratio`.

    References
    ----------
    McLernon DJ et al. Assessing performance and clinical usefulness in prediction models with survival outcomes:
    practical guidance for Cox proportional hazards models. Ann Intern Med 2023;176:105-114. doi:10.7326/M22-0844

    Royston P, Altman DG. External validation of a Cox prognostic model: principles and methods. BMC Med Res Methodol
    2013;13:33. doi:10.1186/1471-2288-13-33
    """
    metrics = judge.metrics(predicted.linear_predictor[None], predicted.survival[None])
    del metrics["integrated_brier_ratio"]
    score, shape = judge.integrated_brier(predicted.survival[None]), (1, *predicted.survival.shape)
    rivals = {RATIO_REFERENCE: _frozen_curve(model, judge), RATIO_OWN: _own_curve(judge)}
    against = {
        name: estimated(ratio(score, judge.integrated_brier(np.broadcast_to(curve, shape))))
        for name, curve in rivals.items()
    }
    of_risk = {
        at_horizon("log_observed_expected", months): log_ratio(judge, predicted.survival, months)
        for months in judge.horizons_months
    }
    return metrics | of_risk | against


def log_ratio(judge: Judge, survival: Floats, months: float) -> Estimate:
    r"""Return the log of observed over expected risk at a horizon; minus infinity where the ratio, or a bound, is 0.

    Parameters
    ----------
    judge : Judge
        See `external_judge`.
    survival : array, shape (n_patients, n_grid)
    months : float

    Notes
    -----
    A bootstrap sample in which nobody fails is one of a ratio of 0: left out, it would leave the samples of more
    failures, and call a model wrong that is right where failures are few. Where nobody fails at all no sample knows
    better, and the upper bound is that of Poisson counts of which 0 is the 2.5 % quantile,
    :math:`-\log 0.025 / \sum_i (1 - \hat S_i(t))` over the patients who were followed until the day.
    """
    day = horizon_day(months)
    at_day = survival_on_day(survival, grid_days=judge.grid_days, day=day)
    found = estimated(observed_expected(at_day[None], *judge.outcome, day=day)[0])
    if found.value == 0:
        found = Estimate(0.0, 0.0, _highest_without_a_failure(at_day[judge.time >= day]))
    with np.errstate(divide="ignore"):
        return Estimate(*np.log([found.value, found.lower, found.upper]).tolist())


def _highest_without_a_failure(survival_at_day: Floats) -> float:
    expected = float((1 - survival_at_day).sum())
    return -np.log(0.025) / expected if expected > 0 else np.nan


def relative_metrics(metrics: Mapping[str, Estimate]) -> dict[str, Estimate]:
    """Return the figures that tell of the order of the patients alone."""
    return {name: figure for name, figure in metrics.items() if name.startswith(RELATIVE)}


def calibration_groups(judge: Judge, survival: Floats) -> pd.DataFrame:
    """Return, at each horizon and for each group of patients of like prediction, what was predicted and observed.

    Parameters
    ----------
    judge : Judge
    survival : array, shape (n_patients, n_grid)

    Returns
    -------
    DataFrame
        ``horizon_months``, ``n``, ``predicted`` (mean probability of survival), ``observed`` (Kaplan–Meier), ``lower``,
        ``upper`` (95 %; Greenwood, log–log); NaN where the group's follow-up ended before.
    """
    n_groups = int(np.clip(len(survival) // GROUP_SIZE, 2, GROUPS_MAX))
    rows = []
    for months in judge.horizons_months:
        day = horizon_day(months)
        predicted = survival_on_day(survival, grid_days=judge.grid_days, day=day)
        for members in np.array_split(np.argsort(predicted, kind="stable"), n_groups):
            curve = kaplan_meier(judge.time[members], judge.event[members])
            observed = survival_given(curve, 0.0, np.array([day]))[0, :3]
            rows.append((months, len(members), float(predicted[members].mean()), *observed.tolist()))
    return pd.DataFrame(rows, columns=["horizon_months", "n", "predicted", "observed", "lower", "upper"])


def decision_curves(judge: Judge, survival: Floats, name: str) -> pd.DataFrame:
    """Return net benefit over thresholds at each horizon (see `training.judgement_tables.decision_curve_table`).

    Parameters
    ----------
    judge : Judge
    survival : array, shape (n_patients, n_grid)
    name : str
        What stands in the column ``name``.
    """
    at_each = (_at(judge, months) for months in judge.horizons_months)
    return pd.concat([decision_curve_table(each, {name: survival[None]}) for each in at_each], ignore_index=True)


def _at(judge: Judge, months: float) -> Judge:
    # The table is made for the middle horizon: the only one is the middle one.
    return replace(judge, horizons_months=(months,))


def _frozen_curve(model: PrognosticModel, judge: Judge) -> Floats:
    """Return the reference cohort's survival on the grid; level past its follow-up, NaN in bundles without it."""
    if model.kaplan_meier is None:
        return np.full(len(judge.grid_days), np.nan)
    return np.asarray(np.fmin.accumulate(model.kaplan_meier.at(judge.grid_days)))


def _own_curve(judge: Judge) -> Floats:
    once = np.ones((1, len(judge.time)))
    return np.array([survival_at(judge.time, judge.event, once, day=day)[0] for day in judge.grid_days.tolist()])
