"""Harrell's and Uno's concordance: by hand, against scikit-survival's, and the laws of comparing pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sksurv.metrics import concordance_index_censored, concordance_index_ipcw
from sksurv.util import Surv

from training.brier import censoring_distribution
from training.concordance import concordance, concordance_within_folds, harrell_pairs, uno_pairs
from training.resampling import bootstrap_counts

#: Linear predictor, day and event of each patient; few values, so that ties of both abound.
patient = st.tuples(st.integers(-3, 3).map(float), st.integers(1, 10).map(float), st.booleans())
cohorts = st.lists(patient, min_size=2, max_size=20)
seeds = st.integers(0, 100_000)


def arrays(patients):
    linear_predictor, time, event = zip(*patients, strict=True)
    return np.array(linear_predictor), np.array(time), np.array(event)


def tie_free(seed, n_patients=40):
    rng = np.random.default_rng(seed)
    return rng.normal(size=n_patients), rng.permutation(n_patients) + 1.0, rng.random(n_patients) < 0.6


def harrell(linear_predictor, time, event):
    return concordance(harrell_pairs(linear_predictor, time, event))


def uno(linear_predictor, time, event, horizon_days=8.5):
    censoring = censoring_distribution(time, event).before(time)
    return concordance(uno_pairs(linear_predictor, time, event, censoring=censoring, horizon_days=horizon_days))


def test_harrells_by_hand():
    # Day 1 death against days 2, 3, 4: predictors 2 > 1, 2 = 2 (half), 2 < 3. Day 2 is censored. Day 3 death against
    # day 4: 2 < 3. In all 1.5 of 4.
    assert harrell(np.array([2.0, 1, 2, 3]), np.array([1.0, 2, 3, 4]), np.array([True, False, True, False])) == 1.5 / 4


def test_of_one_day_a_death_comes_before_a_censoring_and_two_deaths_are_not_compared():
    time = np.array([5.0, 5.0])
    assert harrell(np.array([1.0, 0.0]), time, np.array([True, False])) == 1
    assert harrell(np.array([0.0, 1.0]), time, np.array([True, False])) == 0
    assert np.isnan(harrell(np.array([1.0, 0.0]), time, np.array([True, True])))


def test_unos_by_hand():
    # Days 1 death, 2 censored, 3 death, 4 alive: G(1-) = 1, G(3-) = 2/3. Day 1 against 2, 3, 4 weighs 1 each: right,
    # wrong, right. Day 3 against 4 weighs 9/4: right.
    linear_predictor, time = np.array([2.0, 1.0, 3.0, 0.0]), np.array([1.0, 2.0, 3.0, 4.0])
    event = np.array([True, False, True, False])
    assert uno(linear_predictor, time, event) == pytest.approx((2 + 9 / 4) / (3 + 9 / 4), rel=1e-14)


def test_events_at_or_after_the_horizon_are_not_compared():
    linear_predictor, time = np.array([2.0, 1.0, 3.0, 0.0]), np.array([1.0, 2.0, 3.0, 4.0])
    event = np.array([True, False, True, False])
    assert uno(linear_predictor, time, event, horizon_days=3.0) == pytest.approx(2 / 3, rel=1e-14)
    assert np.isnan(uno(linear_predictor, time, event, horizon_days=1.0))


@given(seeds)
def test_equal_to_scikit_survivals_without_ties(seed):
    linear_predictor, time, event = tie_free(seed)
    assume(event[time < 30].any())
    outcome = Surv.from_arrays(event, time)
    assert harrell(linear_predictor, time, event) == pytest.approx(
        concordance_index_censored(event, time, linear_predictor)[0], rel=1e-12
    )
    assert uno(linear_predictor, time, event, horizon_days=30.5) == pytest.approx(
        concordance_index_ipcw(outcome, outcome, linear_predictor, tau=30.5)[0], rel=1e-10
    )


@given(seeds)
def test_unos_without_censoring_is_harrells(seed):
    linear_predictor, time, _ = tie_free(seed)
    event = np.ones(40, dtype=bool)
    both = [measure(linear_predictor, time, event) for measure in (harrell, lambda *a: uno(*a, horizon_days=41.0))]
    assert both[0] == pytest.approx(both[1], rel=1e-12)


@pytest.mark.parametrize("measure", [harrell, uno])
@given(patients=cohorts, random=st.randoms(use_true_random=False))
def test_the_order_of_patients_does_not_matter(measure, patients, random):
    before = measure(*arrays(patients))
    random.shuffle(patients)
    assert measure(*arrays(patients)) == pytest.approx(before, rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("measure", [harrell, uno])
@given(patients=cohorts, scale=st.floats(0.1, 10), shift=st.floats(-10, 10), unit=st.floats(0.1, 1000))
def test_no_increasing_transform_of_the_predictor_matters(measure, patients, scale, shift, unit):
    linear_predictor, time, event = arrays(patients)
    for transformed in (np.exp(scale * linear_predictor), scale * linear_predictor**3 + shift):
        assert measure(transformed, time, event) == pytest.approx(
            measure(linear_predictor, time, event), rel=1e-12, nan_ok=True
        )
    assert harrell(linear_predictor, unit * time, event) == pytest.approx(
        harrell(linear_predictor, time, event), rel=1e-12, nan_ok=True
    )


@pytest.mark.parametrize("measure", [harrell, uno])
@given(patients=cohorts)
def test_the_flipped_predictor_has_the_rest_to_one(measure, patients):
    linear_predictor, time, event = arrays(patients)
    assert measure(-linear_predictor, time, event) == pytest.approx(
        1 - measure(linear_predictor, time, event), rel=1e-12, abs=1e-12, nan_ok=True
    )


@pytest.mark.parametrize("measure", [harrell, uno])
@given(seed=seeds)
def test_predicting_the_order_of_deaths_is_perfect_and_predicting_nothing_is_a_half(measure, seed):
    _, time, event = tie_free(seed)
    assume(event[time < 8].any())
    assert measure(-time, time, event) == 1
    assert measure(np.zeros(40), time, event) == 0.5


@given(seeds)
def test_permuted_predictors_are_about_a_half(seed):
    _, time, event = tie_free(seed, 120)
    rng = np.random.default_rng(seed)
    permuted = [harrell(rng.permutation(time), time, event) for _ in range(20)]
    assert np.mean(permuted) == pytest.approx(0.5, abs=0.06)


@given(cohorts, st.data())
def test_a_patient_counted_twice_is_a_patient_who_stands_there_twice(patients, data):
    counts = data.draw(st.lists(st.integers(0, 3), min_size=len(patients), max_size=len(patients)))
    repeated = [row for row, times in zip(patients, counts, strict=True) for _ in range(times)]
    assume(repeated)
    counted = harrell_pairs(*arrays(patients)).sums(np.array([counts], dtype=float))
    literal = harrell_pairs(*arrays(repeated)).sums(np.ones((1, len(repeated))))
    np.testing.assert_allclose(counted, literal, rtol=1e-12)


@given(seeds, st.integers(1, 4), st.integers(1, 3))
def test_counts_of_one_give_the_mean_over_repeats_of_pairs_within_folds(seed, n_folds, n_repeats):
    rng = np.random.default_rng(seed)
    _, time, event = tie_free(seed)
    predictors = rng.normal(size=(n_repeats, 40))
    folds = np.stack([rng.permutation(40) % n_folds for _ in range(n_repeats)])
    pairs = [
        [harrell_pairs(predictors[r, folds[r] == k], time[folds[r] == k], event[folds[r] == k]) for k in range(n_folds)]
        for r in range(n_repeats)
    ]
    shares = []
    for r in range(n_repeats):
        right = pairs_in_all = 0
        for i in np.flatnonzero(event):
            later = (time > time[i]) & (folds[r] == folds[r, i])
            right += np.sum(predictors[r, i] > predictors[r, later])
            pairs_in_all += later.sum()
        shares.append(right / pairs_in_all)
    result = concordance_within_folds(pairs, folds, np.ones((1, 40)))
    np.testing.assert_allclose(result, [np.mean(shares)], rtol=1e-12)


def test_a_sample_without_comparable_pairs_is_nan_and_spoils_no_other():
    linear_predictor, time, event = np.array([3.0, 2.0, 1.0]), np.array([1.0, 2.0, 3.0]), np.array([True, False, False])
    pairs, folds = [[harrell_pairs(linear_predictor, time, event)]], np.zeros((1, 3), dtype=np.int64)
    result = concordance_within_folds(pairs, folds, np.array([[0.0, 2, 1], [1, 1, 1]]))
    np.testing.assert_array_equal(result, [np.nan, 1.0])


def test_bootstrap_samples_scatter_around_the_plain_value():
    linear_predictor, time, event = tie_free(3, 150)
    linear_predictor = linear_predictor - time / 75
    pairs, folds = [[harrell_pairs(linear_predictor, time, event)]], np.zeros((1, 150), dtype=np.int64)
    samples = concordance_within_folds(pairs, folds, bootstrap_counts(150, 500, np.random.default_rng(0)))
    plain = harrell(linear_predictor, time, event)
    assert np.mean(samples) == pytest.approx(plain, abs=0.01)
    # U-statistic: the standard error that the patients' own shares of concordant pairs give.
    p = harrell_pairs(linear_predictor, time, event)
    concordant, comparable = (m.sum(axis=0) + m.sum(axis=1) for m in (p.concordant, p.comparable))
    influence = (concordant - plain * comparable) / p.comparable.sum()
    assert np.std(samples) == pytest.approx(np.sqrt((influence**2).sum()), rel=0.15)
