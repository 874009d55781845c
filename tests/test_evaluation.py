"""The judgement of out-of-fold predictions, against scikit-survival and by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sksurv.metrics import concordance_index_censored, concordance_index_ipcw
from sksurv.util import Surv

from features.cohort import DAYS_PER_MONTH, Cohort
from features.errors import CohortError
from training.definition import load_definition
from training.evaluation import GRID_POINTS, choose, horizon_days, judge_of


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


def test_the_horizon_is_the_last_day_with_enough_patients_at_risk():
    time = np.array([5.0, 3.0, 9.0, 7.0, 7.0, 1.0])
    # At risk on day 7: three; on day 8: one.
    assert [horizon_days(time, n) for n in (1, 2, 3, 4, 6)] == [9.0, 7.0, 7.0, 5.0, 1.0]


def test_the_horizon_in_months_never_lies_past_the_horizon_in_days(definition):
    for seed in range(5):
        judge = judge_of(drawn(60, seed)[0], definition)
        assert judge.horizon_months * DAYS_PER_MONTH <= judge.horizon_days
        assert (judge.horizon_months + 0.1 + 1e-9) * DAYS_PER_MONTH > judge.horizon_days


def test_the_grid_is_fixed_by_the_follow_up_alone(definition):
    cohort, _ = drawn(80)
    judge = judge_of(cohort, definition)
    assert len(judge.grid_days) == GRID_POINTS
    assert judge.grid_days[-1] == judge.horizon_days == np.sort(cohort.time)[-10]
    np.testing.assert_allclose(np.diff(judge.grid_days), judge.horizon_days / GRID_POINTS)
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
        judge = judge_of(cohort, definition)
        noisy = log_hazard + np.random.default_rng(4).normal(size=(2, n_patients))
        metrics = judge.metrics(noisy, survival_of(judge, noisy))
        assert set(metrics) == {"concordance_harrell", "concordance_uno", "integrated_brier_score"}
        assert all(e.lower <= e.value <= e.upper for e in metrics.values())
        widths[n_patients] = {name: e.upper - e.lower for name, e in metrics.items()}
    # Ten times the patients: a third of the width, give or take.
    assert all(0.15 < widths[600][name] / width < 0.6 for name, width in widths[60].items())


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
    for estimate in judge.metrics(predictor, survival_of(judge, predictor)).values():
        assert np.isfinite([estimate.value, estimate.lower, estimate.upper]).all()


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


def test_the_choice_is_the_highest_score_and_the_first_of_equals():
    assert choose({"penalised_cox": 0.6, "boosted": 0.7}) == "boosted"
    assert choose({"penalised_cox": 0.7, "boosted": 0.7}) == "penalised_cox"
