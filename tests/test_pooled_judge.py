"""Judging pooled cohorts: nobody is compared across cohorts, each keeps its own figures, and all are their means."""

from __future__ import annotations

from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sksurv.metrics import concordance_index_censored

from features.cohort import Cohort
from features.errors import CohortError
from features.pooled_cohorts import pooled, stratum
from training.definition import load_definition
from training.evaluation import Judge, judge_of
from training.metrics import METRICS, metric_named
from training.pooled_judge import PooledJudge, by_cohort_table, heterogeneity_table

REPOSITORY = Path(__file__).resolve().parent.parent
DEFINITION = load_definition(REPOSITORY / "experiments" / "definitions" / "default.toml")
RESAMPLING = DEFINITION.resampling.model_copy(update={"outer_folds": 3, "outer_repeats": 2, "bootstrap": 100})
SMALL = DEFINITION.model_copy(update={"resampling": RESAMPLING})


def simulated(n: int, seed: int, *, slow: float, source: str) -> Cohort:
    rng = np.random.default_rng(seed)
    patients = [f"{source}{i}" for i in range(n)]
    died, lost = rng.exponential(800 * slow, n), rng.exponential(1500 * slow, n)
    return Cohort(
        cancer_type="KIRC",
        endpoint="OS",
        scale="log2_tpm_1",
        zscore_reference=None,
        expression=pd.DataFrame({"CD44": rng.standard_normal(n)}, index=patients),
        clinical=pd.DataFrame({"sex": rng.choice(["female", "male"], n)}, index=patients),
        time=np.ceil(np.minimum(died, lost)),
        event=died <= lost,
        source=source,
    )


LONG, SHORT = simulated(120, 1, slow=1.0, source="long"), simulated(80, 2, slow=0.25, source="short")
BOTH = pooled([LONG, SHORT])
LONGS = BOTH.strata == "long"


@pytest.fixture(scope="module")
def judge() -> PooledJudge:
    found = judge_of(BOTH, SMALL)
    assert isinstance(found, PooledJudge)
    return found


@pytest.fixture(scope="module")
def predictions(judge) -> tuple[np.ndarray, np.ndarray]:
    """Linear predictors that tell something, and survival that goes with them."""
    rng = np.random.default_rng(3)
    told = -np.log(judge.time / np.where(LONGS, 1.0, 0.25)) + rng.standard_normal(judge.folds.shape)
    scale = np.where(LONGS, 900.0, 225.0)[:, None]
    return told, np.exp(-judge.grid_days / scale * np.exp(0.3 * (told - told.mean()))[..., None])


def test_every_cohort_is_dealt_into_folds_by_itself(judge):
    for members in (LONGS, ~LONGS):
        for labels in judge.folds:
            sizes, events = (np.bincount(labels[m]) for m in (members, members & judge.event))
            assert np.ptp(sizes) <= 1
            assert np.ptp(events) <= 1


def test_bootstrap_samples_keep_the_size_of_every_cohort(judge):
    np.testing.assert_array_equal(judge.counts[:, LONGS].sum(axis=1), 120)
    np.testing.assert_array_equal(judge.counts[:, ~LONGS].sum(axis=1), 80)


def test_concordance_is_that_of_pairs_within_fold_and_cohort(judge, predictions):
    predictor, _ = predictions
    by_repeat = []
    for repeat, labels in enumerate(judge.folds):
        sums = np.zeros(2)
        for fold in range(3):
            for members in (LONGS, ~LONGS):
                m = members & (labels == fold)
                _, concordant, discordant, tied, _ = concordance_index_censored(
                    judge.event[m], judge.time[m], predictor[repeat, m]
                )
                sums += concordant + tied / 2, concordant + discordant + tied
        by_repeat.append(sums[0] / sums[1])
    assert judge.concordance(predictor)[0] == pytest.approx(np.mean(by_repeat), rel=1e-12)


def test_a_predictor_of_the_cohort_alone_is_worth_a_half(judge):
    # Compared across cohorts, who is of the one that fares worse would seem to tell much.
    cohort_alone = np.broadcast_to((~LONGS).astype(float), judge.folds.shape)
    assert judge.concordance(cohort_alone)[0] == 0.5
    across = Judge(**{name: getattr(judge, name) for name in Judge.__dataclass_fields__})
    assert across.concordance(cohort_alone)[0] > 0.6


def test_a_shift_between_the_cohorts_changes_no_ranking_figure(judge, predictions):
    predictor, survival = predictions
    moved = predictor + np.where(LONGS, 0.0, 5.0)
    before, after = judge.metrics(predictor, survival), judge.metrics(moved, survival)
    for name in ("concordance_harrell", "concordance_uno", "calibration_slope", "royston_sauerbrei_d"):
        assert after[name].value == pytest.approx(before[name].value, rel=1e-9)


def test_each_cohorts_figures_are_those_of_its_own_judge(judge, predictions):
    predictor, survival = predictions
    found = judge.by_cohort(predictor, survival)
    own, members = judge.alone["short"], ~LONGS
    grid = np.searchsorted(judge.grid_days, own.grid_days)
    alone = own.metrics(predictor[:, members], survival[:, members][..., grid])
    assert list(found["short"]) == list(alone)
    for name, estimate in alone.items():
        assert astuple(found["short"][name]) == pytest.approx(astuple(estimate), rel=1e-12, nan_ok=True), name
    # And that judge is the one of the cohort, but for how its folds and samples are drawn.
    expected = judge_of(stratum(BOTH, "short"), SMALL)
    np.testing.assert_array_equal(own.grid_days, expected.grid_days)
    np.testing.assert_array_equal(own.censoring.probability, expected.censoring.probability)


def test_the_metrics_are_all_there_and_means_lie_between_the_cohorts(judge, predictions):
    overall = judge.metrics(*predictions)
    each = judge.by_cohort(*predictions)
    assert {metric_named(name) for name in overall} >= {
        METRICS[name] for name in METRICS if not name.startswith("concordance_gain")
    }
    assert np.isfinite([estimate.value for estimate in overall.values()]).all()
    for name, estimate in overall.items():
        if name != "d_calibration_p":
            values = [figures[name].value for figures in each.values() if name in figures]
            assert min(values) - 0.01 <= estimate.value <= max(values) + 0.01, name
            assert estimate.lower < estimate.upper


def test_the_horizons_of_all_are_those_that_the_shortest_follow_up_reaches(judge):
    assert judge.horizons_months == judge.alone["short"].horizons_months
    assert len(judge.alone["long"].horizons_months) > len(judge.horizons_months)
    assert judge.horizon_days == judge.alone["short"].horizon_days


def test_a_later_horizon_is_judged_in_the_cohort_that_is_followed_until_then(judge, predictions):
    overall, own = judge.metrics(*predictions), judge.by_cohort(*predictions)["long"]
    for name in ("auc_36m", "brier_36m", "net_benefit_36m"):
        assert astuple(overall[name]) == pytest.approx(astuple(own[name]), rel=1e-9)


def test_kaplan_meier_predicts_the_own_cohorts_survival(judge):
    survival = judge.kaplan_meier_survival
    at = np.searchsorted(judge.grid_days, 200.0)
    assert survival[:, LONGS, at].mean() > survival[:, ~LONGS, at].mean() + 0.2
    found = judge.metrics(np.zeros(judge.folds.shape), survival)
    assert found["integrated_brier_ratio"].value == pytest.approx(1.0)


def test_a_group_of_patients_is_judged_among_its_own_cohort(judge, predictions):
    predictor, survival = predictions
    women = (BOTH.clinical["sex"] == "female").to_numpy()
    group = judge.among(women)
    assert group.concordance(predictor[:, women])[0] != judge.concordance(predictor)[0]
    only = judge.among(LONGS)
    assert list(only.parts) == ["long"]
    assert only.concordance(predictor[:, LONGS])[0] == judge.alone["long"].concordance(predictor[:, LONGS])[0]
    months = judge.middle_horizon_months
    assert np.isfinite(group.log_observed_expected(survival[:, women], months=months)[0])


def test_a_cohort_that_is_too_small_is_named():
    few = SHORT.subset(np.arange(12))
    with pytest.raises(CohortError, match=r"short, one of the cohorts that were pooled: .* too few to be judged"):
        judge_of(pooled([LONG, few]), SMALL)


def test_the_table_by_cohort_names_learner_cohort_and_metric(judge, predictions):
    table = by_cohort_table(judge, {"mine": predictions[0]}, {"mine": predictions[1]})
    row = table.set_index(["name", "cohort", "metric"]).loc[("mine", "short", "concordance_harrell")]
    assert (row["n"], row["events"]) == (80, int(SHORT.event.sum()))
    assert row["lower"] < row["value"] < row["upper"]


def test_heterogeneity_by_hand():
    # Standard errors of 1 and 1: Q = 2² / 2 = 2, with one degree of freedom I² = 1/2.
    half = 1.959963984540054
    rows = [("mine", each, 50, 20, "calibration_slope", value, value - half, value + half)
            for each, value in (("a", 0.0), ("b", 2.0))]  # fmt: skip
    columns = ["name", "cohort", "n", "events", "metric", "value", "lower", "upper"]
    table = pd.DataFrame(rows, columns=columns)
    found = heterogeneity_table(table).iloc[0]
    assert (found["cohorts"], found["q"], found["i_squared"]) == (2, pytest.approx(2.0), pytest.approx(0.5))
    assert found["p"] == pytest.approx(0.1572992)
    assert np.isnan(heterogeneity_table(table.iloc[:1]).iloc[0]["q"])


def test_a_difference_between_cohorts_is_found_and_none_is_not(judge, predictions):
    predictor, survival = predictions
    told = {"same": predictor, "only one": np.where(LONGS, predictor, np.random.default_rng(0).normal(size=len(LONGS)))}
    table = heterogeneity_table(by_cohort_table(judge, told, dict.fromkeys(told, survival)))
    p = table.query("metric == 'concordance_harrell'").set_index("name")["p"]
    assert p["only one"] < 0.05 < p["same"]


def test_one_cohort_alone_is_judged_as_ever():
    assert type(judge_of(LONG, SMALL)) is Judge
    assert type(judge_of(replace(BOTH, strata=None, parts=()), SMALL)) is Judge
