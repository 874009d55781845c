"""Tables of the judgement: AUC over time, decision curves, subgroups, and differences to one baseline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.clinical import GRADES, STAGES
from features.cohort import days_to_months
from training.counted_survival import survival_at
from training.decision_curve import decision_curve
from training.estimate import Estimate
from training.evaluation import Judge
from training.metrics import estimated
from training.survival_grid import horizon_day, survival_on_day

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

N_TIMES, N_THRESHOLDS = 12, 40
#: Bands of curves are read off a picture: no need for every sample.
CURVE_SAMPLES = 200
#: Fewer events than these say nothing of a group, nor of the AUC at a time.
MINIMUM_EVENTS = 10
#: The decision curve ends at the risk that is predicted for this share of patients or fewer.
FEW_TREATED = 0.05
LOWEST_THRESHOLD, HIGHEST_THRESHOLD = 0.01, 0.99
AGE_BOUNDS, AGE_BANDS = (50.0, 65.0, 75.0), ("<50", "50–64", "65–74", "≥75")
GROUPS = {"sex": ("female", "male"), "age": AGE_BANDS, "stage": STAGES, "grade": GRADES}
UNKNOWN = "not known"
NOT_ASSESSED = Estimate(np.nan, np.nan, np.nan)


def time_dependent_auc_table(judge: Judge, linear_predictors: Mapping[str, Floats]) -> pd.DataFrame:
    """Return the AUC of each learner over time, pairs within folds, from the tenth event to the judge's horizon.

    Parameters
    ----------
    judge : Judge
    linear_predictors : mapping of str to array, shape (n_repeats, n_patients)
        Out-of-fold; higher is worse.

    Returns
    -------
    DataFrame
        ``name``, ``months``, ``auc``, ``lower``, ``upper`` (95 %, of the first 200 samples); NaN where a time has no
        case or nobody outlives it.
    """
    fewer = judge.with_samples(CURVE_SAMPLES)
    rows = [
        (name, float(days_to_months(day)), *_values(estimated(fewer.auc(linear_predictor, day=float(day)))))
        for name, linear_predictor in linear_predictors.items()
        for day in _auc_days(judge)
    ]
    return pd.DataFrame(rows, columns=["name", "months", "auc", "lower", "upper"])


def decision_curve_table(judge: Judge, survivals: Mapping[str, Floats]) -> pd.DataFrame:
    """Return net benefit over thresholds at the middle horizon.

    Parameters
    ----------
    judge : Judge
    survivals : mapping of str to array, shape (n_repeats, n_patients, n_grid)
        Out-of-fold probabilities on the judge's grid.

    Returns
    -------
    DataFrame
        ``name``, ``horizon_months``, ``threshold``, ``net_benefit``, ``lower``, ``upper`` (95 %, of the first 200
        samples), ``treat_all``. Thresholds are the same for all: from 0.01 to the highest risk that some learner
        predicts for one patient in 20, or the cohort's own risk if that is higher. Treating none is worth 0.
    """
    fewer, months = judge.with_samples(CURVE_SAMPLES), judge.middle_horizon_months
    day = horizon_day(months)
    at_day = {name: survival_on_day(s, grid_days=judge.grid_days, day=day) for name, s in survivals.items()}
    thresholds = _thresholds(judge, at_day, day)
    tables = []
    for name, survival in at_day.items():
        curve = decision_curve(survival, *fewer.outcome, day=day, thresholds=thresholds)
        estimates = [_values(estimated(figures)) for figures in curve.model.T]
        table = pd.DataFrame(estimates, columns=["net_benefit", "lower", "upper"])
        table.insert(0, "threshold", thresholds)
        table.insert(0, "horizon_months", months)
        table.insert(0, "name", name)
        tables.append(table.assign(treat_all=curve.treat_all[0]))
    return pd.concat(tables, ignore_index=True)


def subgroup_table(judge: Judge, clinical: pd.DataFrame, linear_predictor: Floats, survival: Floats) -> pd.DataFrame:
    """Return concordance and calibration of one learner by sex, age band, stage and grade.

    Parameters
    ----------
    judge : Judge
    clinical : DataFrame
        The judged patients in their order; of ``age``, ``sex``, ``stage`` and ``grade`` those that it has.
    linear_predictor : array, shape (n_repeats, n_patients)
        Out-of-fold; higher is worse.
    survival : array, shape (n_repeats, n_patients, n_grid)

    Returns
    -------
    DataFrame
        ``column``, ``group``, ``n``, ``events``; ``concordance`` (Harrell's, pairs within one fold and the group),
        ``lower``, ``upper``; ``horizon_months`` (the middle one), ``log_observed_expected`` there,
        ``log_observed_expected_lower``, ``log_observed_expected_upper``. Groups without patients are left out.

    Notes
    -----
    Figures are NaN where the group has fewer than 10 events; log(observed/expected) also where fewer than 10 fall on or
    before the horizon.
    """
    months = judge.middle_horizon_months
    rows = [
        (column, group, *_judged_group(judge.among(m), linear_predictor[:, m], survival[:, m], months))
        for column, group, m in _groups(clinical)
    ]
    concordance = ["concordance", "lower", "upper"]
    ratio = [f"log_observed_expected{suffix}" for suffix in ("", "_lower", "_upper")]
    return pd.DataFrame(rows, columns=["column", "group", "n", "events", *concordance, "horizon_months", *ratio])


def paired_differences(judge: Judge, linear_predictors: Mapping[str, Floats], against: str) -> pd.DataFrame:
    """Return by how much each learner's Harrell's concordance exceeds one baseline's, on the same folds and samples.

    Parameters
    ----------
    judge : Judge
    linear_predictors : mapping of str to array, shape (n_repeats, n_patients)
        Out-of-fold; higher is worse. Among them the baseline's.
    against : str
        The baseline's name.

    Returns
    -------
    DataFrame
        ``name``, ``against``, ``difference``, ``lower``, ``upper`` (95 %); a row for each learner but the baseline.
    """
    figures = {name: judge.concordance(linear_predictor) for name, linear_predictor in linear_predictors.items()}
    baseline = figures.pop(against)
    rows = [(name, against, *_values(estimated(own - baseline))) for name, own in figures.items()]
    return pd.DataFrame(rows, columns=["name", "against", "difference", "lower", "upper"])


def _values(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.lower, estimate.upper


def _auc_days(judge: Judge) -> Floats:
    """Return the whole days on which the AUC is drawn; before the tenth event it is mostly noise."""
    deaths = np.sort(judge.time[judge.event])
    first = min(deaths[min(MINIMUM_EVENTS, len(deaths)) - 1], judge.horizon_days)
    return np.unique(np.round(np.linspace(first, judge.horizon_days, N_TIMES)))


def _thresholds(judge: Judge, survival_at_day: Mapping[str, Floats], day: float) -> Floats:
    own = 1 - survival_at(judge.time, judge.event, np.ones((1, len(judge.time))), day=day)[0]
    reached = [1 - np.quantile(survival, FEW_TREATED) for survival in survival_at_day.values()]
    highest = np.clip(max(own, *reached), 2 * LOWEST_THRESHOLD, HIGHEST_THRESHOLD)
    return np.linspace(LOWEST_THRESHOLD, highest, N_THRESHOLDS)


def _judged_group(judge: Judge, linear_predictor: Floats, survival: Floats, months: float) -> tuple[int | float, ...]:
    by_horizon = int((judge.event & (judge.time <= horizon_day(months))).sum())
    events = int(judge.event.sum())
    concordance = estimated(judge.concordance(linear_predictor)) if events >= MINIMUM_EVENTS else NOT_ASSESSED
    enough = by_horizon >= MINIMUM_EVENTS
    ratio = estimated(judge.log_observed_expected(survival, months=months)) if enough else NOT_ASSESSED
    return len(judge.time), events, *_values(concordance), months, *_values(ratio)


def _groups(clinical: pd.DataFrame) -> Iterator[tuple[str, str, Bools]]:
    """Yield column, group and members of each group that has patients, of the columns in which anything is known."""
    for column, names in GROUPS.items():
        if column in clinical and clinical[column].notna().any():
            values = _age_bands(clinical[column]) if column == "age" else clinical[column]
            labels = values.astype(object).where(values.notna(), UNKNOWN)
            for group in (*names, UNKNOWN):
                members = (labels == group).to_numpy(dtype=np.bool_)
                if members.any():
                    yield column, group, members


def _age_bands(age: pd.Series) -> pd.Series:
    return pd.cut(age, [-np.inf, *AGE_BOUNDS, np.inf], right=False, labels=list(AGE_BANDS))
