"""The tables of the judgement: each row is what the judge, or the standing function, says of the same patients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sksurv.metrics import concordance_index_censored

from features.cohort import DAYS_PER_MONTH
from training.brier import censoring_distribution
from training.concordance import concordance, harrell_pairs
from training.counted_survival import survival_at
from training.decision_curve import decision_curve
from training.evaluation import Judge
from training.judgement_tables import (
    MINIMUM_EVENTS,
    N_THRESHOLDS,
    N_TIMES,
    decision_curve_table,
    paired_differences,
    subgroup_table,
    time_dependent_auc_table,
)
from training.metrics import at_horizon
from training.resampling import bootstrap_counts
from training.survival_grid import horizon_day, survival_on_day

N = 240
SCALE = 1500.0


@pytest.fixture(scope="module")
def log_hazard():
    return np.random.default_rng(0).normal(size=N)


@pytest.fixture(scope="module")
def judge(log_hazard):
    rng = np.random.default_rng(1)
    death, censored = rng.exponential(SCALE / np.exp(log_hazard)), rng.uniform(300, 4000, size=N)
    time, event = np.ceil(np.minimum(death, censored)), death <= censored
    horizon = float(np.sort(time)[-10])
    return Judge(
        time=time,
        event=event,
        folds=np.stack([rng.permutation(N) % 3 for _ in range(2)]),
        counts=bootstrap_counts(N, 250, rng),
        horizon_days=horizon,
        horizons_months=(12.0, 36.0, 60.0),
        grid_days=np.linspace(horizon / 50, horizon, 50),
        censoring=censoring_distribution(time, event),
    )


@pytest.fixture(scope="module")
def predictors(log_hazard):
    noise = np.random.default_rng(2).normal(size=(2, N))
    return {"sharp": np.tile(log_hazard, (2, 1)), "blurred": (log_hazard + 2 * noise) / 3, "none": np.zeros((2, N))}


@pytest.fixture(scope="module")
def survivals(judge, predictors):
    return {name: np.exp(-np.exp(p)[..., None] * judge.grid_days / SCALE) for name, p in predictors.items()}


@pytest.fixture(scope="module")
def clinical():
    rng = np.random.default_rng(3)
    age = rng.uniform(30, 90, size=N).round()
    age[:4] = 49.0, 50.0, 65.0, 75.0
    age[4] = np.nan
    stage = rng.choice(np.array(["I", "II", "III", None], dtype=object), size=N)
    stage[:5] = "IV"
    sex = np.where(rng.uniform(size=N) < 0.5, "female", "male")
    return pd.DataFrame({"age": age, "sex": sex, "stage": stage, "grade": [None] * N})


def test_the_auc_over_time_is_the_judges_from_the_tenth_event_to_the_horizon(judge, predictors):
    table = time_dependent_auc_table(judge, predictors)
    assert list(table.columns) == ["name", "months", "auc", "lower", "upper"]
    assert table["name"].unique().tolist() == list(predictors)
    days = table.loc[table["name"] == "sharp", "months"].to_numpy() * DAYS_PER_MONTH
    np.testing.assert_allclose(days, np.round(days), atol=1e-9)
    assert len(days) == N_TIMES
    assert np.sum(judge.event & (judge.time <= round(days[0]))) == MINIMUM_EVENTS
    assert days[-1] == pytest.approx(judge.horizon_days)
    for row in table.itertuples():
        figures = judge.auc(predictors[row.name], day=float(round(row.months * DAYS_PER_MONTH)))
        assert row.auc == pytest.approx(figures[0], rel=1e-12)
        assert [row.lower, row.upper] == pytest.approx(np.quantile(figures[1:201], [0.025, 0.975]), rel=1e-9)


def test_the_auc_over_time_ranks_what_is_known_over_noise_and_nothing_at_one_half(judge, predictors):
    mean = time_dependent_auc_table(judge, predictors).groupby("name")["auc"].mean()
    assert mean["sharp"] > mean["blurred"] > mean["none"] == 0.5


def test_with_few_events_the_auc_starts_at_the_last_of_them(judge, predictors):
    few = replace(judge, event=judge.event & (np.cumsum(judge.event) <= 4))
    table = time_dependent_auc_table(few, {"sharp": predictors["sharp"]})
    first = min(few.time[few.event].max(), few.horizon_days)
    assert table["months"].iloc[0] * DAYS_PER_MONTH == pytest.approx(first)


def test_the_decision_curve_is_of_the_middle_horizon_on_thresholds_that_all_share(judge, survivals):
    table = decision_curve_table(judge, survivals)
    columns = ["name", "horizon_months", "threshold", "net_benefit", "lower", "upper", "treat_all"]
    assert list(table.columns) == columns
    assert (table["horizon_months"] == 36.0).all()
    thresholds = table.loc[table["name"] == "sharp", "threshold"].to_numpy()
    assert len(thresholds) == N_THRESHOLDS
    assert thresholds[0] == 0.01
    day = horizon_day(36.0)
    at_day = {name: survival_on_day(s, grid_days=judge.grid_days, day=day) for name, s in survivals.items()}
    # Treating all loses at the end, and somebody is still treated by the learner that spreads its risks most.
    own = 1 - survival_at(judge.time, judge.event, np.ones((1, N)), day=day)[0]
    assert thresholds[-1] >= own
    assert max(np.mean(1 - s >= thresholds[-1]) for s in at_day.values()) == pytest.approx(0.05, abs=0.01)
    for name, survival in at_day.items():
        curve = decision_curve(survival, judge.time, judge.event, np.ones((1, N)), day=day, thresholds=thresholds)
        rows = table[table["name"] == name]
        np.testing.assert_allclose(rows["net_benefit"], curve.model[0], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(rows["treat_all"], curve.treat_all[0], rtol=1e-9, atol=1e-12)


def test_the_decision_curve_at_the_cohorts_own_risk_is_the_metric(judge, predictors, survivals):
    table = decision_curve_table(judge, {"sharp": survivals["sharp"]})
    own = 1 - survival_at(judge.time, judge.event, np.ones((1, N)), day=horizon_day(36.0))[0]
    metric = judge.metrics(predictors["sharp"], survivals["sharp"])[at_horizon("net_benefit", 36.0)].value
    assert np.interp(own, table["threshold"], table["net_benefit"]) == pytest.approx(metric, abs=0.01)


def test_bands_hold_their_curve(judge, predictors, survivals):
    sharp = {"sharp": predictors["sharp"]}
    for table, value in (
        (time_dependent_auc_table(judge, sharp), "auc"),
        (decision_curve_table(judge, {"sharp": survivals["sharp"]}), "net_benefit"),
    ):
        assert (table["lower"] <= table[value]).all()
        assert (table[value] <= table["upper"]).all()


def test_subgroups_are_bands_of_age_and_the_words_of_the_rest(judge, clinical, predictors, survivals):
    table = subgroup_table(judge, clinical, predictors["sharp"], survivals["sharp"])
    columns = ["column", "group", "n", "events", "concordance", "lower", "upper", "horizon_months"]
    ratio = ["log_observed_expected", "log_observed_expected_lower", "log_observed_expected_upper"]
    assert list(table.columns) == columns + ratio
    groups = {column: rows["group"].tolist() for column, rows in table.groupby("column", sort=False)}
    assert groups == {
        "sex": ["female", "male"],
        "age": ["<50", "50–64", "65–74", "≥75", "not known"],
        "stage": ["I", "II", "III", "IV", "not known"],
    }
    assert (table.groupby("column")["n"].sum() == N).all()
    assert (table.groupby("column")["events"].sum() == judge.event.sum()).all()
    age = clinical["age"]
    n = table[table["column"] == "age"].set_index("group")["n"]
    assert n["50–64"] == ((age >= 50) & (age < 65)).sum()
    assert n["≥75"] == (age >= 75).sum()


def test_a_subgroups_concordance_is_of_pairs_within_the_fold_and_the_group(judge, clinical, log_hazard, survivals):
    # Every fold and every sex on a level of its own: pairs across either would show.
    women = (clinical["sex"] == "female").to_numpy()
    predictor = log_hazard + np.random.default_rng(5).normal(size=(2, N))
    shifted = predictor + 9.0 * judge.folds + 40.0 * women
    table = subgroup_table(judge, clinical[["sex"]], shifted, survivals["sharp"])
    by_repeat = []
    for labels, own in zip(judge.folds, predictor, strict=True):
        members = [(labels == k) & women for k in range(3)]
        counted = [concordance_index_censored(judge.event[m], judge.time[m], own[m]) for m in members]
        concordant, discordant = (sum(c[i] for c in counted) for i in (1, 2))
        by_repeat.append(concordant / (concordant + discordant))
    female = table[table["group"] == "female"].iloc[0]
    # Times are whole days, a few of them equal: scikit-survival's ties are another's.
    assert female["concordance"] == pytest.approx(np.mean(by_repeat), abs=1e-3)
    assert female["lower"] < female["concordance"] < female["upper"]


def test_a_group_of_everybody_is_the_cohort(judge, predictors, survivals):
    everybody = pd.DataFrame({"sex": ["male"] * N})
    row = subgroup_table(judge, everybody, predictors["blurred"], survivals["blurred"]).iloc[0]
    metrics = judge.metrics(predictors["blurred"], survivals["blurred"])
    for name, columns in (
        ("concordance_harrell", ["concordance", "lower", "upper"]),
        (at_horizon("log_observed_expected", 36.0), row.index[-3:]),
    ):
        expected = [metrics[name].value, metrics[name].lower, metrics[name].upper]
        assert row[columns].tolist() == pytest.approx(expected, rel=1e-12)


def test_a_group_of_few_events_has_its_counts_and_no_figures(judge, predictors, survivals):
    dead = np.flatnonzero(judge.event)
    early = dead[np.argsort(judge.time[dead])]
    stage = np.full(N, "I", dtype=object)
    stage[early[:9]] = "II"
    stage[early[9:19]] = "III"
    # As many events as of III, but none by the horizon that calibration is judged at.
    stage[dead[judge.time[dead] > horizon_day(36.0)][:10]] = "IV"
    clinical = pd.DataFrame({"stage": stage})
    table = subgroup_table(judge, clinical, predictors["sharp"], survivals["sharp"]).set_index("group")
    assert table.loc[["II", "III", "IV"], "events"].tolist() == [9, 10, 10]
    figures = ["concordance", "lower", "upper", *table.columns[-3:]]
    assert table.loc["II", figures].isna().all()
    assert table.loc["III", figures].notna().all()
    assert table.loc["IV", figures[:3]].notna().all()
    assert table.loc["IV", figures[3:]].isna().all()


def test_samples_without_anybody_of_the_group_are_left_out(judge, predictors, survivals):
    chosen = np.flatnonzero(judge.event & (judge.time <= horizon_day(36.0)))[:10]
    counts = judge.counts.copy()
    counts[::2, chosen] = 0
    stage = np.full(N, "I", dtype=object)
    stage[chosen] = "IV"
    table = subgroup_table(
        replace(judge, counts=counts), pd.DataFrame({"stage": stage}), predictors["sharp"], survivals["sharp"]
    )
    assert np.isfinite(table.set_index("group").loc["IV", "log_observed_expected_lower"])


def test_differences_are_paired_and_against_all_others(judge, predictors):
    table = paired_differences(judge, predictors, "blurred").set_index("name")
    assert table.index.tolist() == ["sharp", "none"]
    assert (table["against"] == "blurred").all()
    for name, row in table.iterrows():
        gain = judge.gain(predictors[name], predictors["blurred"])
        assert row[["difference", "lower", "upper"]].tolist() == [gain.value, gain.lower, gain.upper]
    assert table.loc["sharp", "lower"] > 0 > table.loc["none", "upper"]
    own = [concordance(harrell_pairs(predictors["sharp"][0], judge.time, judge.event))]
    assert 0 < table.loc["sharp", "difference"] < own[0]


def test_the_difference_to_an_equal_is_exactly_nothing(judge, predictors):
    table = paired_differences(judge, {"sharp": predictors["sharp"], "twin": predictors["sharp"] / 2}, "sharp")
    assert table[["difference", "lower", "upper"]].to_numpy().tolist() == [[0.0, 0.0, 0.0]]


def test_the_order_of_patients_does_not_matter(judge, clinical, predictors, survivals):
    order = np.random.default_rng(4).permutation(N)
    mixed = replace(
        judge,
        time=judge.time[order],
        event=judge.event[order],
        folds=judge.folds[:, order],
        counts=judge.counts[:, order],
    )
    own, others = {"a": predictors["blurred"]}, {"a": predictors["blurred"][:, order]}
    survival = survivals["blurred"]
    pairs = [
        (time_dependent_auc_table(judge, own), time_dependent_auc_table(mixed, others)),
        (decision_curve_table(judge, {"a": survival}), decision_curve_table(mixed, {"a": survival[:, order]})),
        (
            subgroup_table(judge, clinical, own["a"], survival),
            subgroup_table(mixed, clinical.iloc[order], others["a"], survival[:, order]),
        ),
    ]
    for table, again in pairs:
        pd.testing.assert_frame_equal(table, again, rtol=1e-9, atol=1e-12)
