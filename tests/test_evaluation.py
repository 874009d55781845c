"""The judgement of out-of-fold predictions, against scikit-survival and by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sksurv.metrics import concordance_index_censored, concordance_index_ipcw
from sksurv.util import Surv

from features.cohort import Cohort
from features.errors import CohortError
from training.brier import brier_contributions, integrated
from training.calibration import (
    calibration_slope,
    d_calibration,
    integrated_calibration,
    log_observed_expected,
    within_grid,
)
from training.concordance import concordance
from training.decision_curve import decision_curve
from training.definition import load_definition
from training.discrimination import explained_variation, royston_sauerbrei_d
from training.evaluation import GAIN, GENES_GAIN, SMOOTHED_SAMPLES, horizon_days, judge_of
from training.kaplan_meier import kaplan_meier
from training.metrics import METRICS, at_horizon, metric_named
from training.survival_grid import GRID_POINTS, horizon_day, survival_on_day
from training.time_dependent_auc import auc_pairs

#: What holds an error away from 0, or a p-value: no interval about it.
ONE_SIDED = ("d_calibration_p", "ici", "e50", "e90")


@pytest.fixture(scope="module")
def definition(small_definition):
    read = load_definition(small_definition)
    resampling = read.resampling.model_copy(update={"outer_folds": 3, "outer_repeats": 2, "bootstrap": 200})
    return read.model_copy(update={"resampling": resampling})


def cohort_of(time, event):
    patients = pd.Index([f"p{i}" for i in range(len(time))])
    return Cohort(
        cancer_type="KIRC",
        endpoint="OS",
        scale="log2_tpm_1",
        zscore_reference=None,
        expression=pd.DataFrame({"CD44": np.arange(len(time), dtype=float)}, index=patients),
        clinical=pd.DataFrame(index=patients),
        time=np.asarray(time, dtype=np.float64),
        event=np.asarray(event, dtype=np.bool_),
        source="a test",
    )


def drawn(n_patients, seed=0):
    """Untied times, a third of them censored, and the log hazards behind them."""
    rng = np.random.default_rng(seed)
    log_hazard = rng.normal(size=n_patients)
    time = np.argsort(np.argsort(rng.exponential(np.exp(-log_hazard)))) * 7.0 + 11.0
    return cohort_of(time, rng.uniform(size=n_patients) > 1 / 3), log_hazard


def survival_of(judge, linear_predictor):
    hazard = np.exp(linear_predictor)[..., None] * judge.grid_days / judge.grid_days[-1]
    return np.exp(-hazard)


def judged(judge, linear_predictor):
    return judge.metrics(linear_predictor, survival_of(judge, linear_predictor))


def two_sided(name):
    return not name.startswith(ONE_SIDED)


def same(metrics, others, **tolerance):
    assert list(metrics) == list(others)
    for name, estimate in metrics.items():
        expected = [others[name].value, others[name].lower, others[name].upper]
        figures = [estimate.value, estimate.lower, estimate.upper]
        np.testing.assert_allclose(figures, expected, err_msg=name, **tolerance)


@pytest.fixture(scope="module")
def whole(definition):
    """A judge whose one fold is the whole cohort, and the cohort's log hazards blurred."""
    cohort, log_hazard = drawn(150)
    judge = replace(judge_of(cohort, definition), folds=np.zeros((1, 150), dtype=np.int64))
    return judge, (log_hazard + np.random.default_rng(1).normal(size=150))[None]


def test_the_horizon_is_the_last_day_with_enough_patients_at_risk():
    time = np.array([5.0, 3.0, 9.0, 7.0, 7.0, 1.0])
    # At risk on day 7: three; on day 8: one.
    assert [horizon_days(time, n) for n in (1, 2, 3, 4, 6)] == [9.0, 7.0, 7.0, 5.0, 1.0]


def test_the_horizon_in_months_never_lies_past_the_horizon_in_days(definition):
    for seed in range(5):
        judge = judge_of(drawn(60, seed)[0], definition)
        assert horizon_day(judge.horizon_months) <= judge.horizon_days
        assert horizon_day(judge.horizon_months + 0.1) > judge.horizon_days


def test_the_grid_is_fixed_by_the_follow_up_alone(definition):
    cohort, _ = drawn(80)
    judge = judge_of(cohort, definition)
    exact = {horizon_day(months) for months in judge.horizons_months}
    assert exact <= set(judge.grid_days)
    assert judge.grid_days[-1] == judge.horizon_days == np.sort(cohort.time)[-10]
    assert GRID_POINTS <= len(judge.grid_days) <= GRID_POINTS + len(exact)
    steps = np.arange(1, GRID_POINTS + 1) * judge.horizon_days / GRID_POINTS
    assert np.isclose(judge.grid_days[:, None], steps, rtol=1e-12).any(axis=0).all()
    other_genes = replace(cohort, expression=cohort.expression * 3 + 1)
    again = judge_of(other_genes, definition)
    assert np.array_equal(again.grid_days, judge.grid_days)
    assert np.array_equal(again.folds, judge.folds)
    assert np.array_equal(again.counts, judge.counts)


def test_folds_hold_everyone_once_a_repeat_and_repeats_differ(definition):
    judge = judge_of(drawn(81)[0], definition)
    assert judge.folds.shape == (2, 81)
    for labels in judge.folds:
        assert np.bincount(labels).tolist() == [27, 27, 27]
    assert not np.array_equal(*judge.folds)


@pytest.mark.parametrize("metric", ["harrell", "uno"])
def test_concordance_is_scikit_survivals_where_one_fold_is_the_whole_cohort(definition, metric):
    cohort, log_hazard = drawn(70)
    judge = judge_of(cohort, definition)
    judge = replace(judge, folds=np.zeros((1, 70), dtype=np.int64))
    noisy = log_hazard + np.random.default_rng(1).normal(size=70)
    estimate = judge.metrics(noisy[None], survival_of(judge, noisy[None]))[f"concordance_{metric}"]
    if metric == "harrell":
        expected = concordance_index_censored(cohort.event, cohort.time, noisy)[0]
    else:
        outcome = Surv.from_arrays(cohort.event, cohort.time)
        expected = concordance_index_ipcw(outcome, outcome, noisy, tau=judge.horizon_days)[0]
    assert estimate.value == pytest.approx(expected, abs=1e-12)


def test_harrells_concordance_sums_scikit_survivals_pairs_over_folds_and_averages_repeats(definition):
    cohort, log_hazard = drawn(90)
    judge = judge_of(cohort, definition)
    rng = np.random.default_rng(2)
    # Each fold at a level of its own: pairs across folds would show.
    linear_predictor = log_hazard + rng.normal(size=(2, 90)) + 5.0 * judge.folds
    repeats = []
    for labels, predictors in zip(judge.folds, linear_predictor, strict=True):
        members = [labels == k for k in range(3)]
        counted = [concordance_index_censored(cohort.event[m], cohort.time[m], predictors[m]) for m in members]
        concordant, discordant = (sum(c[i] for c in counted) for i in (1, 2))
        repeats.append(concordant / (concordant + discordant))
    estimate = judge.metrics(linear_predictor, survival_of(judge, linear_predictor))["concordance_harrell"]
    assert estimate.value == pytest.approx(np.mean(repeats), abs=1e-12)


def test_intervals_hold_their_estimate_and_narrow_with_patients(definition):
    widths = {}
    for n_patients in (60, 600):
        cohort, log_hazard = drawn(n_patients, seed=3)
        # Equal follow-up, equal horizons.
        judge = judge_of(replace(cohort, time=np.ceil(cohort.time * 600 / n_patients)), definition)
        noisy = log_hazard + np.random.default_rng(4).normal(size=(2, n_patients))
        metrics = {name: e for name, e in judged(judge, noisy).items() if two_sided(name)}
        assert all(e.lower <= e.value <= e.upper for e in metrics.values())
        widths[n_patients] = {name: e.upper - e.lower for name, e in metrics.items()}
    # Ten times the patients: a third of the width, give or take; by month 12 there are hardly any events among 60.
    shares = {name: widths[600][name] / width for name, width in widths[60].items() if not name.endswith("_12m")}
    assert len(shares) > 10
    assert all(0.15 < share < 0.6 for share in shares.values()), shares


def test_every_metric_is_described_and_every_metric_that_is_described_is_a_judges(definition):
    cohort, log_hazard = drawn(300)
    judge = judge_of(cohort, definition)
    metrics = judged(judge, np.tile(log_hazard, (2, 1)))
    months = judge.horizons_months
    expected = {at_horizon(n, m) for n, metric in METRICS.items() if metric.at_horizons for m in months}
    expected |= {name for name, metric in METRICS.items() if not metric.at_horizons} - {GAIN, GENES_GAIN}
    assert set(metrics) == expected
    assert len(months) > 1
    assert all(metric_named(name) in METRICS.values() for name in (*metrics, GAIN, GENES_GAIN))
    for metric in METRICS.values():
        assert metric.definition.endswith(".")
        assert metric.horizon


def test_horizons_are_the_definitions_within_follow_up_else_its_end(definition):
    for n_patients, expected in ((600, (12.0, 36.0, 60.0)), (180, (12.0, 36.0)), (30, None)):
        judge = judge_of(drawn(n_patients)[0], definition)
        assert judge.horizons_months == (expected or (judge.horizon_months,))
        assert horizon_day(judge.horizons_months[-1]) <= judge.horizon_days


def test_on_one_fold_figures_are_those_of_the_functions_that_define_them(whole):
    judge, predictor = whole
    outcome = judge.time, judge.event, np.concatenate([np.ones((1, 150)), judge.counts])
    survival = survival_of(judge, predictor)
    metrics = judge.metrics(predictor, survival)
    own, event = within_grid(survival, judge.time, judge.event, grid_days=judge.grid_days)
    expected = {
        "calibration_slope": calibration_slope(predictor, *outcome),
        "royston_sauerbrei_d": royston_sauerbrei_d(predictor, *outcome),
        "royston_sauerbrei_r2": explained_variation(royston_sauerbrei_d(predictor, *outcome)),
        "d_calibration_p": d_calibration(own, event, np.ones((1, 150))).p_value,
    }
    before = judge.censoring.before(judge.time)
    for months in judge.horizons_months:
        day = horizon_day(months)
        at_day = survival_on_day(survival, grid_days=judge.grid_days, day=day)
        at = float(judge.censoring.at(np.array(day)))
        pairs = auc_pairs(predictor[0], judge.time, judge.event, day=day, censoring_before=before, censoring_at=at)
        scores = brier_contributions(
            at_day[0][:, None], judge.time, judge.event, days=np.array([day]), censoring=judge.censoring
        )
        smoothed = integrated_calibration(at_day, *outcome[:2], outcome[2][: SMOOTHED_SAMPLES + 1], day=day)
        risk = 1 - kaplan_meier(judge.time, judge.event).at(np.array([day]))
        figures = {
            "auc": [concordance(pairs)],
            "brier": [scores.mean()],
            "log_observed_expected": log_observed_expected(at_day, *outcome, day=day),
            "ici": smoothed.ici,
            "e50": smoothed.e50,
            "e90": smoothed.e90,
            "net_benefit": decision_curve(at_day, *outcome, day=day, thresholds=risk).model[:, 0],
        }
        expected |= {at_horizon(name, months): values for name, values in figures.items()}
    for name, values in expected.items():
        assert metrics[name].value == pytest.approx(values[0], rel=1e-9), name
        if len(values) > 1:
            bounds = np.quantile(values[1:], [0.025, 0.975])
            np.testing.assert_allclose([metrics[name].lower, metrics[name].upper], bounds, rtol=1e-9, err_msg=name)


def test_the_interval_of_the_auc_is_of_pairs_within_folds_on_resampled_patients(definition):
    cohort, log_hazard = drawn(90)
    judge = judge_of(cohort, definition)
    predictor = log_hazard + 5.0 * judge.folds
    shifted = judged(judge, predictor)[at_horizon("auc", judge.horizons_months[0])]
    level = judged(judge, np.tile(log_hazard, (2, 1)))[at_horizon("auc", judge.horizons_months[0])]
    assert shifted.value == pytest.approx(level.value, abs=1e-12)
    assert (shifted.lower, shifted.upper) == pytest.approx((level.lower, level.upper), abs=1e-12)


def test_kaplan_meier_predicts_the_curve_of_the_other_folds(definition):
    judge = judge_of(drawn(90)[0], definition)
    for labels, survival in zip(judge.folds, judge.kaplan_meier_survival, strict=True):
        for fold in range(3):
            others = labels != fold
            curve = kaplan_meier(judge.time[others], judge.event[others]).at(judge.grid_days)
            np.testing.assert_allclose(survival[~others], np.tile(curve, (30, 1)), rtol=1e-12)


def test_a_kaplan_meier_curve_stays_level_past_the_follow_up_of_those_it_was_made_from(definition):
    cohort, _ = drawn(90)
    judge = judge_of(cohort, definition)
    # All who are followed past the middle of the grid are judged in one fold.
    late = cohort.time > judge.grid_days[GRID_POINTS // 2]
    judge = replace(judge, folds=np.where(late, 0, 1 + np.arange(90) % 2)[None])
    survival = judge.kaplan_meier_survival[0, late]
    assert np.isfinite(survival).all()
    assert (survival[:, -1] == survival[:, GRID_POINTS // 2]).all()


def test_kaplan_meiers_own_row_is_a_ratio_of_exactly_one_and_tells_nobody_apart(definition):
    judge = judge_of(drawn(120)[0], definition)
    metrics = judge.metrics(np.zeros((2, 120)), judge.kaplan_meier_survival)
    ratio, slope, d = (metrics[k] for k in ("integrated_brier_ratio", "calibration_slope", "royston_sauerbrei_d"))
    assert (ratio.value, ratio.lower, ratio.upper) == (1.0, 1.0, 1.0)
    assert np.isnan([slope.value, slope.lower, slope.upper]).all()
    assert (d.value, d.lower, d.upper) == (0.0, 0.0, 0.0)
    for months in judge.horizons_months:
        auc = metrics[at_horizon("auc", months)]
        assert (auc.value, auc.lower, auc.upper) == (0.5, 0.5, 0.5)


def test_the_brier_ratio_is_paired(definition):
    cohort, log_hazard = drawn(150, seed=2)
    judge = judge_of(cohort, definition)
    metrics = judged(judge, np.tile(log_hazard, (2, 1)))
    own, ratio = metrics["integrated_brier_score"], metrics["integrated_brier_ratio"]
    average = judge.metrics(np.zeros((2, 150)), judge.kaplan_meier_survival)["integrated_brier_score"]
    assert ratio.value == pytest.approx(own.value / average.value, rel=1e-12)
    # Narrower than two scores that went their own ways.
    apart = np.hypot((own.upper - own.lower) / own.value, (average.upper - average.lower) / average.value)
    assert ratio.upper - ratio.lower < apart * ratio.value


def test_treating_all_or_none_at_the_cohorts_own_risk_is_worth_nothing(definition):
    cohort, log_hazard = drawn(300)
    judge = judge_of(cohort, definition)
    predictor = np.tile(log_hazard, (2, 1))
    informed = judged(judge, predictor)
    for certain in (0.0, 1.0):
        same_for_all = judge.metrics(predictor, np.full((2, 300, len(judge.grid_days)), certain))
        for months in judge.horizons_months:
            name = at_horizon("net_benefit", months)
            assert same_for_all[name].value == pytest.approx(0, abs=1e-12)
            assert informed[name].value > 0.02


def test_the_truth_is_calibrated_and_a_doubled_predictor_is_not(definition):
    rng = np.random.default_rng(7)
    log_hazard = np.tile(rng.normal(size=500), (2, 1))
    death, censored = rng.exponential(1000 / np.exp(log_hazard[0])), rng.uniform(200, 3000, size=500)
    judge = judge_of(cohort_of(np.ceil(np.minimum(death, censored)), death <= censored), definition)

    def metrics(predictor):
        return judge.metrics(predictor, np.exp(-np.exp(predictor)[..., None] * judge.grid_days / 1000))

    truth, doubled = metrics(log_hazard), metrics(2 * log_hazard)
    assert truth["calibration_slope"].lower < 1 < truth["calibration_slope"].upper
    assert doubled["calibration_slope"].value == pytest.approx(truth["calibration_slope"].value / 2, rel=1e-6)
    assert truth["d_calibration_p"].value > 0.05 > doubled["d_calibration_p"].value
    for months in judge.horizons_months:
        ratio = truth[at_horizon("log_observed_expected", months)]
        assert ratio.lower < 0 < ratio.upper
        assert truth[at_horizon("ici", months)].value < doubled[at_horizon("ici", months)].lower


@settings(max_examples=10, deadline=None)
@given(st.integers(40, 90), st.integers(0, 1000), st.sampled_from([1, 30]), st.randoms(use_true_random=False))
def test_the_order_of_patients_does_not_matter(definition, n_patients, seed, unit, random):
    cohort, log_hazard = drawn(n_patients, seed)
    # With a unit of 30 days there are ties.
    judge = judge_of(replace(cohort, time=unit * np.ceil(cohort.time / unit)), definition)
    judge = replace(judge, counts=judge.counts[:20])
    predictor = log_hazard + np.random.default_rng(seed).normal(size=(2, n_patients))
    order = np.array(random.sample(range(n_patients), n_patients))
    mixed = replace(
        judge,
        time=judge.time[order],
        event=judge.event[order],
        folds=judge.folds[:, order],
        counts=judge.counts[:, order],
    )
    same(judged(mixed, predictor[:, order]), judged(judge, predictor), rtol=1e-6, atol=1e-9)


def test_over_permuted_outcomes_no_metric_of_rank_leaves_one_half(definition):
    cohort, _ = drawn(90)
    rng = np.random.default_rng(11)
    predictor = rng.normal(size=90)
    found = {name: [] for name in ("concordance_harrell", "concordance_uno", "auc")}
    for _ in range(30):
        order = rng.permutation(90)
        judge = judge_of(cohort_of(cohort.time[order], cohort.event[order]), definition)
        # As a fold's fit would know them: where many failed in the other folds, all of this one are predicted worse.
        others = np.stack([[judge.event[labels != k].mean() - 2 / 3 for k in range(3)] for labels in judge.folds])
        shifted = predictor + 100 * np.take_along_axis(others, judge.folds, axis=1)
        metrics = judged(replace(judge, counts=judge.counts[:1]), shifted)
        metrics["auc"] = metrics[at_horizon("auc", judge.horizons_months[0])]
        for name, values in found.items():
            values.append(metrics[name].value)
    for values in found.values():
        standard_error = np.std(values, ddof=1) / np.sqrt(len(values))
        assert abs(np.mean(values) - 0.5) < 3 * standard_error
        assert standard_error < 0.02


def test_patients_who_all_stand_alike_have_a_concordance_of_exactly_one_half(definition):
    judge = judge_of(drawn(60)[0], definition)
    alike = np.zeros((2, 60))
    metrics = judge.metrics(alike, survival_of(judge, alike))
    for name in ("concordance_harrell", "concordance_uno"):
        assert (metrics[name].value, metrics[name].lower, metrics[name].upper) == (0.5, 0.5, 0.5)


def test_a_better_prediction_has_the_lower_brier_score(definition):
    cohort, log_hazard = drawn(300, seed=5)
    judge = judge_of(cohort, definition)
    scores = [
        judge.metrics(predictor, survival_of(judge, predictor))["integrated_brier_score"].value
        for predictor in (np.tile(sign * log_hazard, (2, 1)) for sign in (1, 0, -1))
    ]
    assert scores[0] < scores[1] < scores[2]


def test_a_study_that_ended_for_all_on_one_day_is_judged(definition):
    # Nobody is followed past the last day, where the censoring distribution is 0.
    cohort, log_hazard = drawn(90)
    ended = 300.0
    closed = cohort_of(np.minimum(cohort.time, ended), cohort.event & (cohort.time <= ended))
    judge = judge_of(closed, definition)
    assert judge.horizon_days == ended
    predictor = np.tile(log_hazard, (2, 1))
    for name, estimate in judged(judge, predictor).items():
        bounds = [] if name == "d_calibration_p" else [estimate.lower, estimate.upper]
        assert np.isfinite([estimate.value, *bounds]).all()


def test_at_a_horizon_on_which_all_others_are_censored_what_cannot_be_known_is_not_told(definition):
    # Five years are 1,826 days: a study that closes on that day is judged at 60 months by those still followed then.
    cohort, log_hazard = drawn(90)
    ended = horizon_day(60.0)
    time = cohort.time * ended / np.quantile(cohort.time, 0.6)
    closed = cohort_of(np.minimum(np.ceil(time), ended), cohort.event & (time <= ended))
    judge = judge_of(closed, definition)
    assert judge.horizons_months[-1] == 60.0
    predictor = np.tile(log_hazard, (2, 1))
    survival = survival_of(judge, predictor)
    metrics = judge.metrics(predictor, survival)
    # Nobody is seen alive after the day: there are no controls, and no one to weigh for those alive.
    for name in ("auc_60m", "brier_60m"):
        assert np.isnan([metrics[name].value, metrics[name].lower, metrics[name].upper]).all()
    # Kaplan-Meier needs only those at risk on the day itself.
    observed = 1 - kaplan_meier(judge.time, judge.event).at(np.array([ended]))
    expected = np.log(observed / (1 - survival[..., -1]).mean(axis=1)).mean()
    assert metrics["log_observed_expected_60m"].value == pytest.approx(expected, rel=1e-12)
    for name in ("ici_60m", "net_benefit_60m", "integrated_brier_score", "integrated_brier_ratio"):
        assert np.isfinite([metrics[name].value, metrics[name].lower, metrics[name].upper]).all()


def test_the_integral_of_the_brier_score_leaves_out_the_day_on_which_a_study_closes(definition):
    cohort, log_hazard = drawn(90)
    judge = judge_of(cohort_of(np.minimum(cohort.time, 300.0), cohort.event & (cohort.time <= 300.0)), definition)
    survival = survival_of(judge, np.tile(log_hazard, (2, 1)))
    days = judge.grid_days[:-1]
    outcome = judge.time, judge.event
    parts = [
        integrated(brier_contributions(s[:, :-1], *outcome, days=days, censoring=judge.censoring), days)
        for s in survival
    ]
    score = judge.metrics(np.tile(log_hazard, (2, 1)), survival)["integrated_brier_score"]
    assert score.value == pytest.approx(np.mean(parts), rel=1e-12)


@pytest.mark.parametrize("days", [1.0, 2.0])
def test_a_cohort_that_is_followed_for_no_horizon_is_refused_with_its_last_day(definition, days):
    n_longer = definition.horizons.minimum_at_risk - 1
    time = np.concatenate([np.full(60 - n_longer, days), np.full(n_longer, 900.0)])
    with pytest.raises(CohortError, match=f"with enough patients at risk is day {days:g}, before .* are in days"):
        judge_of(cohort_of(time, np.arange(60) % 2 == 0), definition)


def test_three_days_are_a_horizon_of_a_tenth_of_a_month(definition):
    judge = judge_of(cohort_of(np.full(60, 3.0), np.arange(60) % 2 == 0), definition)
    assert judge.horizons_months == (0.1,)


def test_too_few_events_are_refused_with_their_number_and_what_is_needed(definition):
    cohort = cohort_of(np.arange(1.0, 41.0), np.arange(40) < 5)
    with pytest.raises(
        CohortError, match=r"^KIRC/OS: 40 patients with 5 events are too few .* 3 outer and 2 inner folds .* 6 events"
    ):
        judge_of(cohort, definition)


def test_too_few_patients_are_refused_with_their_number_and_what_is_needed(definition):
    with pytest.raises(CohortError, match=r"19 patients with 19 events are too few .*at least 20 patients"):
        judge_of(cohort_of(np.arange(1.0, 20.0), np.ones(19)), definition)


def test_the_smallest_cohort_that_is_taken_is_judged(definition):
    cohort = cohort_of(np.arange(1.0, 21.0), np.arange(20) % 3 == 0)
    judge = judge_of(cohort, definition)
    predictor = np.tile(-cohort.time, (2, 1))
    metrics = judge.metrics(predictor, survival_of(judge, predictor / 10))
    assert metrics["concordance_harrell"].value == 1.0
