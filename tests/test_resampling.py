"""Folds, bootstrap counts and seeds: balanced, complete, and the same on every machine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.resampling import bootstrap_counts, derived_seed, generator, stratified_folds

outcomes = st.lists(st.tuples(st.integers(1, 30).map(float), st.booleans()), min_size=10, max_size=80)
seeds = st.integers(0, 2**32)
parts = st.lists(st.one_of(st.integers(0, 2**40), st.text(max_size=8)), min_size=1, max_size=4)


def arrays(patients):
    time, event = zip(*patients, strict=True)
    return np.array(time), np.array(event)


@given(outcomes, st.integers(2, 10), seeds)
def test_every_patient_is_in_one_fold_and_folds_differ_by_at_most_one_patient_and_one_event(patients, n_folds, seed):
    time, event = arrays(patients)
    folds = stratified_folds(time, event, n_folds, np.random.default_rng(seed))
    assert folds.shape == time.shape
    sizes, events = (np.bincount(folds[chosen], minlength=n_folds) for chosen in (np.full(len(time), True), event))
    assert len(sizes) == n_folds
    assert sizes.sum() == len(time)
    assert np.ptp(sizes) <= 1
    assert np.ptp(events) <= 1


@given(outcomes, seeds)
def test_equal_seeds_give_equal_folds_and_counts(patients, seed):
    time, event = arrays(patients)
    folds = [stratified_folds(time, event, 5, np.random.default_rng(seed)) for _ in range(2)]
    np.testing.assert_array_equal(*folds)
    counts = [bootstrap_counts(len(time), 3, np.random.default_rng(seed)) for _ in range(2)]
    np.testing.assert_array_equal(*counts)


def test_another_seed_gives_other_folds():
    time, event = np.arange(1.0, 101), np.arange(100) % 3 == 0
    first, second = (stratified_folds(time, event, 5, np.random.default_rng(seed)) for seed in (0, 1))
    assert np.mean(first != second) > 0.5


def test_folds_are_alike_in_follow_up():
    rng = np.random.default_rng(0)
    time, event = rng.exponential(1000, size=200), rng.random(200) < 0.3
    folds = stratified_folds(time, event, 5, rng)
    medians = [np.median(time[event & (folds == k)]) for k in range(5)]
    by_chance = [np.median(rng.choice(time[event], size=12, replace=False)) for _ in range(200)]
    assert np.std(medians) < np.std(by_chance) / 2


def test_any_two_patients_may_meet_in_a_fold_and_no_fold_is_favoured():
    # Each is in fold k with probability 1/3; patients 0 and 1 are neighbours in time and so never meet.
    time, event = np.arange(1.0, 10), np.full(9, False)
    drawn = np.stack([stratified_folds(time, event, 3, generator("draw", i)) for i in range(600)])
    shares = np.stack([(drawn == k).mean(axis=0) for k in range(3)])
    np.testing.assert_allclose(shares, 1 / 3, atol=4 * np.sqrt(2 / 9 / 600))
    assert not np.any(drawn[:, 0] == drawn[:, 1])
    assert np.mean(drawn[:, 0] == drawn[:, 5]) == pytest.approx(1 / 3, abs=0.08)


@given(st.integers(1, 50), st.integers(1, 20), seeds)
def test_every_bootstrap_sample_is_as_large_as_the_cohort(n_patients, n_samples, seed):
    counts = bootstrap_counts(n_patients, n_samples, np.random.default_rng(seed))
    assert counts.shape == (n_samples, n_patients)
    assert counts.dtype == np.float64
    assert counts.min() >= 0
    np.testing.assert_array_equal(counts, counts.round())
    np.testing.assert_array_equal(counts.sum(axis=1), n_patients)


def test_a_patient_stands_in_a_bootstrap_sample_once_on_average_and_in_63_percent_of_them():
    counts = bootstrap_counts(100, 2000, np.random.default_rng(0))
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=5 / np.sqrt(2000))
    assert np.mean(counts > 0) == pytest.approx(1 - 0.99**100, abs=0.01)


@pytest.mark.parametrize(
    ("given_parts", "seed"),
    [
        ((0,), 2968811710),
        ((20230315, "KIRC/OS", "outer", 0), 734823253),
        ((20230315, "KIRC/OS", "outer", 1), 4228034885),
        ((20230315, "KIRC/OS", "bootstrap"), 3696475629),
    ],
)
def test_seeds_are_these_numbers_on_every_machine(given_parts, seed):
    assert derived_seed(*given_parts) == seed


@given(parts)
def test_a_generator_is_that_of_its_derived_seed(names):
    assert 0 <= derived_seed(*names) < 2**32
    assert generator(*names).random() == np.random.default_rng(derived_seed(*names)).random()


def test_no_two_parts_of_a_training_share_a_seed():
    kinds = ("outer", "bootstrap", "inner folds", "trees", "penalised_cox", "boosted")
    derived = {
        derived_seed(20230315, "KIRC/OS", kind, repeat, fold)
        for kind in kinds
        for repeat in range(10)
        for fold in range(10)
    }
    assert len(derived) == 600
