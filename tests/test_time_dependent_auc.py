"""The time-dependent AUC: by hand, against scikit-survival's, and the laws of comparing cases with controls."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sksurv.metrics import cumulative_dynamic_auc
from sksurv.util import Surv

from training.brier import censoring_distribution
from training.concordance import concordance, concordance_within_folds
from training.resampling import bootstrap_counts
from training.time_dependent_auc import auc_pairs

patient = st.tuples(st.integers(-3, 3).map(float), st.integers(1, 10).map(float), st.booleans())
cohorts = st.lists(patient, min_size=2, max_size=20)
days = st.floats(0.5, 10.5)
seeds = st.integers(0, 100_000)


def arrays(patients):
    linear_predictor, time, event = zip(*patients, strict=True)
    return np.array(linear_predictor), np.array(time), np.array(event)


def tie_free(seed, n_patients=40):
    rng = np.random.default_rng(seed)
    return rng.normal(size=n_patients), rng.permutation(n_patients) + 1.0, rng.random(n_patients) < 0.6


def pairs(linear_predictor, time, event, day):
    censoring = censoring_distribution(time, event)
    at = float(censoring.at(np.array(day)))
    before = censoring.before(time)
    return auc_pairs(linear_predictor, time, event, day=day, censoring_before=before, censoring_at=at)


def auc(linear_predictor, time, event, day):
    return concordance(pairs(linear_predictor, time, event, day))


#: Day 1 death, day 2 censored, day 3 death, day 4 alive: G(1-) = 1 and G(3-) = G(3) = 2/3.
HAND = np.array([2.0, 1.0, 4.0, 3.0]), np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, False, True, False])


def test_by_hand():
    # Cases of day 3 are the deaths of days 1 (weight 1) and 3 (3/2), the control the one alive: wrong, right.
    assert auc(*HAND, 3.0) == pytest.approx(1.5 / 2.5, rel=1e-14)
    # By day 2.5 the case is the death of day 1, controls are days 3 and 4: both are predicted worse than the case.
    assert auc(*HAND, 2.5) == 0


def test_the_weights_are_those_of_both_sides():
    # At day 3: case of day 1 against day 4, 1 · 3/2; case of day 3 against day 4, 3/2 · 3/2. Nothing else is compared.
    expected = np.zeros((4, 4))
    expected[0, 3], expected[2, 3] = 3 / 2, 9 / 4
    np.testing.assert_allclose(pairs(*HAND, 3.0).comparable, expected, rtol=1e-14)


def test_a_death_on_the_day_is_a_case_and_a_censoring_on_it_is_neither():
    linear_predictor, time = np.array([2.0, 1.0, 0.0]), np.array([2.0, 2.0, 3.0])
    at_day = pairs(linear_predictor, time, np.array([True, False, False]), 2.0).comparable > 0
    np.testing.assert_array_equal(at_day, [[False, False, True], [False] * 3, [False] * 3])


def test_without_a_case_or_a_control_there_is_no_figure():
    assert np.isnan(auc(*HAND, 0.5))
    # All leave on day 4, the last of them censored: G falls to 0, and nobody is beyond.
    assert np.isnan(auc(*HAND, 4.0))


@given(seeds, st.integers(2, 36).map(lambda day: day + 0.5))
def test_equal_to_scikit_survivals_without_ties(seed, day):
    linear_predictor, time, event = tie_free(seed)
    assume(event[time <= day].any())
    # scikit-survival needs a G above 0 at everybody's time.
    event = event | (time == 40)
    outcome = Surv.from_arrays(event, time)
    expected = cumulative_dynamic_auc(outcome, outcome, linear_predictor, [day])[0][0]
    assert auc(linear_predictor, time, event, day) == pytest.approx(expected, rel=1e-10, abs=1e-12)


@given(cohorts, days, st.randoms(use_true_random=False))
def test_the_order_of_patients_does_not_matter(patients, day, random):
    before = auc(*arrays(patients), day)
    random.shuffle(patients)
    assert auc(*arrays(patients), day) == pytest.approx(before, rel=1e-12, nan_ok=True)


@given(cohorts, days, st.sampled_from([1 / 64, 0.5, 30.0]), st.floats(0.1, 10))
def test_neither_the_unit_of_time_nor_of_the_predictor_matters(patients, day, unit, scale):
    linear_predictor, time, event = arrays(patients)
    scaled = auc(np.exp(scale * linear_predictor), unit * time, event, unit * day)
    assert scaled == pytest.approx(auc(linear_predictor, time, event, day), rel=1e-12, nan_ok=True)


@given(cohorts, days)
def test_the_flipped_predictor_has_the_rest_to_one(patients, day):
    linear_predictor, time, event = arrays(patients)
    flipped = auc(-linear_predictor, time, event, day)
    assert flipped == pytest.approx(1 - auc(linear_predictor, time, event, day), abs=1e-12, nan_ok=True)


@given(seeds, st.integers(5, 35))
def test_foresight_is_perfect_and_predicting_nothing_is_a_half(seed, day):
    _, time, event = tie_free(seed)
    assume(event[time <= day].any())
    assert auc(-time, time, event, day) == 1
    assert auc(np.zeros(40), time, event, day) == 0.5


@given(cohorts, days, st.data())
def test_a_patient_counted_twice_is_a_patient_who_stands_there_twice_at_the_cohorts_weights(patients, day, data):
    linear_predictor, time, event = arrays(patients)
    counts = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(time), max_size=len(time))))
    assume(counts.sum() > 0)
    counted = pairs(linear_predictor, time, event, day).sums(counts[None].astype(float))
    censoring = censoring_distribution(time, event)
    literal = auc_pairs(
        *(np.repeat(values, counts) for values in (linear_predictor, time, event)),
        day=day,
        censoring_before=np.repeat(censoring.before(time), counts),
        censoring_at=float(censoring.at(np.array(day))),
    ).sums(np.ones((1, counts.sum())))
    np.testing.assert_allclose(counted, literal, rtol=1e-10)


def test_weighing_undoes_censoring():
    rng = np.random.default_rng(5)
    linear_predictor = rng.normal(size=3000)
    death, censored = rng.exponential(np.exp(-linear_predictor)), rng.exponential(1.5, size=3000)
    complete = auc(linear_predictor, death, np.ones(3000, dtype=bool), 0.7)
    seen = auc(linear_predictor, np.minimum(death, censored), death <= censored, 0.7)
    assert seen == pytest.approx(complete, abs=0.015)


def test_bootstrap_samples_within_folds_scatter_around_the_plain_value():
    linear_predictor, time, event = tie_free(8, 160)
    linear_predictor = linear_predictor - time / 80
    folds = (np.arange(160) % 4)[None]
    censoring = censoring_distribution(time, event)
    by_fold = [
        auc_pairs(
            linear_predictor[folds[0] == k],
            time[folds[0] == k],
            event[folds[0] == k],
            day=80.0,
            censoring_before=censoring.before(time)[folds[0] == k],
            censoring_at=float(censoring.at(np.array(80.0))),
        )
        for k in range(4)
    ]
    plain = concordance_within_folds([by_fold], folds, np.ones((1, 160)))[0]
    samples = concordance_within_folds([by_fold], folds, bootstrap_counts(160, 300, np.random.default_rng(0)))
    assert np.mean(samples) == pytest.approx(plain, abs=0.015)
    assert 0.02 < np.std(samples) < 0.08
