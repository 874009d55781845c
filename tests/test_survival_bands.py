"""Survival with intervals: by hand, given survival so far, medians, and what must hold for every model."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.breslow import BaselineHazard
from training.replicates import Replicates
from training.survival_bands import Answers, Curves, median_survival, survival_bands

DAYS = np.array([100.0, 200.0, 300.0, 400.0, 500.0])


def replicates_of(log_baseline, slope=None) -> Replicates:
    n = len(log_baseline)
    nothing = np.zeros(0)
    return Replicates(
        np.ones(n) if slope is None else slope, np.zeros(0, dtype=np.intp), nothing, np.zeros((n, 0)), log_baseline
    )


def simulated(seed: int, *, n_patients: int = 7, n_replicates: int = 20, survived=None) -> Answers:
    rng = np.random.default_rng(seed)
    baseline = BaselineHazard(DAYS, np.cumsum(rng.uniform(0.05, 0.4, size=5)))
    own = rng.normal(size=n_patients)
    steps = np.cumsum(rng.uniform(0.05, 0.4, size=(n_replicates, 5)), axis=1)
    by_replicate = own[:, None] + 0.3 * rng.normal(size=(n_patients, n_replicates))
    return Answers(Curves(baseline, replicates_of(np.log(steps))), own, by_replicate, survived)


def test_two_replicates_by_hand():
    baseline = BaselineHazard(np.array([100.0]), np.array([0.5]))
    drawn = replicates_of(np.log([[0.4], [0.6]]))
    bands = survival_bands(
        Answers(Curves(baseline, drawn), np.array([0.2]), np.array([[0.1, 0.5]])), np.array([50.0, 150.0])
    )
    distances = np.array([0.1 - 0.2 + np.log(0.4 / 0.5), 0.5 - 0.2 + np.log(0.6 / 0.5)])
    margin = 1.959963984540054 * np.sqrt((distances**2).mean())
    eta = 0.2 + np.log(0.5)
    # Before the first event nobody dies, for certain.
    np.testing.assert_array_equal([bands.probability[0, 0], bands.lower[0, 0], bands.upper[0, 0]], 1.0)
    np.testing.assert_allclose(bands.probability[0, 1], np.exp(-np.exp(eta)), rtol=1e-14)
    np.testing.assert_allclose(bands.lower[0, 1], np.exp(-np.exp(eta + margin)), rtol=1e-12)
    np.testing.assert_allclose(bands.upper[0, 1], np.exp(-np.exp(eta - margin)), rtol=1e-12)


@given(seed=st.integers(0, 1000), day=st.floats(1, 600), survived=st.floats(0, 600))
@settings(max_examples=60, deadline=None)
def test_the_interval_holds_the_point_and_lies_within_0_and_1(seed, day, survived):
    answers = simulated(seed, survived=np.full(7, survived))
    bands = survival_bands(answers, np.array([day]))
    assert (bands.lower >= 0).all()
    assert (bands.lower <= bands.probability).all()
    assert (bands.probability <= bands.upper).all()
    assert (bands.upper <= 1).all()


@given(seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_the_point_is_the_baselines_own_survival(seed):
    answers = simulated(seed)
    days = np.array([50.0, 100.0, 250.0, 500.0, 900.0])
    expected = answers.curves.baseline.survival(answers.linear_predictor, days)
    np.testing.assert_allclose(survival_bands(answers, days).probability, expected, rtol=1e-12)


@given(seed=st.integers(0, 1000), day=st.sampled_from([150.0, 300.0, 450.0]))
@settings(max_examples=30, deadline=None)
def test_given_survival_so_far_it_is_the_ratio_of_two_survivals(seed, day):
    survived = 120.0
    plain = simulated(seed)
    given_so_far = simulated(seed, survived=np.full(7, survived))
    ratio = np.divide(*(survival_bands(plain, np.array([when])).probability for when in (day, survived)))
    found = survival_bands(given_so_far, np.array([day]))
    np.testing.assert_allclose(found.probability, ratio, rtol=1e-10)


def test_the_interval_given_survival_so_far_is_of_the_hazard_in_between():
    drawn = replicates_of(np.log([[0.1, 0.3], [0.4, 0.5]]))
    baseline = BaselineHazard(np.array([100.0, 200.0]), np.array([0.2, 0.35]))
    by_replicate = np.array([[0.0, 0.3]])
    answers = Answers(Curves(baseline, drawn), np.array([0.1]), by_replicate, np.array([130.0]))
    distances = np.array([0.0 - 0.1 + np.log(0.2 / 0.15), 0.3 - 0.1 + np.log(0.1 / 0.15)])
    margin = 1.959963984540054 * np.sqrt((distances**2).mean())
    found = survival_bands(answers, np.array([200.0]))
    np.testing.assert_allclose(np.log(-np.log(found.lower)), [[0.1 + np.log(0.15) + margin]], rtol=1e-10)


def test_a_replicate_without_an_event_in_between_counts_half_of_the_models_first():
    level = replicates_of(np.log([[0.2, 0.2], [0.2, 0.2]]))
    baseline = BaselineHazard(np.array([100.0, 200.0]), np.array([0.2, 0.4]))
    answers = Answers(Curves(baseline, level), np.zeros(1), np.zeros((1, 2)), np.array([100.0]))
    margin = 1.959963984540054 * np.log(2)
    found = survival_bands(answers, np.array([300.0]))
    np.testing.assert_allclose(np.log(-np.log(found.upper)), [[np.log(0.2) - margin]], rtol=1e-10)


@pytest.mark.parametrize("none", [None, np.zeros(7), np.full(7, 99.0)])
def test_who_has_survived_less_than_the_first_event_is_as_who_has_not(none):
    plain, same = simulated(3), simulated(3, survived=none)
    for name in ("probability", "lower", "upper"):
        first, second = (getattr(survival_bands(each, DAYS), name) for each in (plain, same))
        np.testing.assert_array_equal(first, second)


def test_without_replicates_there_is_a_point_and_no_interval():
    full = simulated(1)
    bare = Answers(Curves(full.curves.baseline), full.linear_predictor)
    found = survival_bands(bare, np.array([50.0, 250.0]))
    np.testing.assert_array_equal(found.probability, survival_bands(full, np.array([50.0, 250.0])).probability)
    assert np.isnan(found.lower).all()
    assert np.isnan(found.upper).all()
    medians = median_survival(bare, last_day=600.0)
    np.testing.assert_array_equal(medians.days, median_survival(full, last_day=600.0).days)
    assert np.isnan(medians.lower).all()


def test_each_patient_has_their_own_days_survived_and_stays_in_place():
    survived = np.array([0.0, 250.0, 120.0, 0.0, 250.0, 450.0, 0.0])
    together = simulated(5, survived=survived)
    days = np.array([480.0, 700.0])
    found, medians = survival_bands(together, days), median_survival(together, last_day=600.0)
    for row in range(7):
        one = Answers(
            together.curves,
            together.linear_predictor[[row]],
            together.by_replicate[[row]],
            survived[[row]],
        )
        for name in ("probability", "lower", "upper"):
            assert np.array_equal(getattr(survival_bands(one, days), name)[0], getattr(found, name)[row])
        for name in ("days", "lower", "upper"):
            alone = getattr(median_survival(one, last_day=600.0), name)
            np.testing.assert_array_equal(alone[0], getattr(medians, name)[row])


@given(seed=st.integers(0, 1000), survived=st.sampled_from([None, 150.0]))
@settings(max_examples=40, deadline=None)
def test_the_median_is_the_first_day_on_which_survival_is_a_half_or_less(seed, survived):
    answers = simulated(seed, survived=None if survived is None else np.full(7, survived))
    found, bands = median_survival(answers, last_day=450.0), survival_bands(answers, DAYS[:4])
    curves = {"days": bands.probability, "lower": bands.lower, "upper": bands.upper}
    for name, curve in curves.items():
        expected = [next((day for day, s in zip(DAYS, row, strict=False) if s <= 0.5), np.nan) for row in curve]
        np.testing.assert_array_equal(getattr(found, name), expected)


@given(seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_the_ends_of_the_medians_interval_lie_on_both_sides_of_it(seed):
    found = median_survival(simulated(seed), last_day=600.0)
    ordered = np.nan_to_num(np.array([found.lower, found.days, found.upper]), nan=np.inf)
    assert (ordered[1:] >= ordered[:-1]).all()


def test_a_median_beyond_the_last_day_is_not_reached():
    baseline = BaselineHazard(np.array([100.0, 400.0]), np.array([0.1, 5.0]))
    answers = Answers(Curves(baseline), np.zeros(2))
    np.testing.assert_array_equal(median_survival(answers, last_day=500.0).days, [400.0, 400.0])
    assert np.isnan(median_survival(answers, last_day=399.0).days).all()
    assert np.isnan(median_survival(answers, last_day=50.0).days).all()
