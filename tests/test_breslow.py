"""The Breslow baseline: by hand, against scikit-survival's, and the laws of a cumulative hazard."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sksurv.linear_model.coxph import BreslowEstimator

from training.breslow import breslow

#: Linear predictor, day and event of each patient; few days, so that ties abound.
cohorts = st.lists(
    st.tuples(st.floats(-5, 5), st.integers(1, 12).map(float), st.booleans()), min_size=1, max_size=25
).filter(lambda patients: any(event for *_, event in patients))


def arrays(patients):
    linear_predictor, time, event = zip(*patients, strict=True)
    return np.array(linear_predictor), np.array(time), np.array(event)


def test_two_events_by_hand():
    # At risk: all three (1 + 2 + 4) at day 1, the last (4) at day 3; day 2 is censored.
    baseline = breslow(np.log([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0]), np.array([True, False, True]))
    np.testing.assert_array_equal(baseline.days, [1, 3])
    np.testing.assert_allclose(baseline.cumulative_hazard, [1 / 7, 1 / 7 + 1 / 4], rtol=1e-14)


def test_tied_events_share_their_risk_set_by_hand():
    # Two of four die on day 2, when the one censored that day is still at risk (1 + 2 + 3); day 1 is censored.
    time, event = np.array([2.0, 2.0, 2.0, 1.0]), np.array([True, True, False, False])
    baseline = breslow(np.log([1.0, 2.0, 3.0, 50.0]), time, event)
    np.testing.assert_array_equal(baseline.days, [2])
    np.testing.assert_allclose(baseline.cumulative_hazard, [2 / 6], rtol=1e-14)


def test_the_hazard_steps_on_the_day_itself():
    baseline = breslow(np.zeros(2), np.array([1.0, 3.0]), np.array([True, True]))
    np.testing.assert_allclose(baseline.at(np.array([0.5, 1, 2.9, 3, 99])), [0, 0.5, 0.5, 1.5, 1.5], rtol=1e-14)


def test_survival_by_hand():
    baseline = breslow(np.zeros(2), np.array([1.0, 3.0]), np.array([True, True]))
    survival = baseline.survival(np.log([1.0, 2.0]), np.array([0.0, 1.0, 3.0]))
    np.testing.assert_allclose(survival, np.exp([[0, -0.5, -1.5], [0, -1.0, -3.0]]), rtol=1e-14)


@given(cohorts)
def test_equal_to_scikit_survivals(patients):
    linear_predictor, time, event = arrays(patients)
    theirs = BreslowEstimator().fit(linear_predictor, event, time).cum_baseline_hazard_
    days = np.arange(1.0, 13)
    mine = breslow(linear_predictor, time, event).at(days)
    at = np.searchsorted(theirs.x, days, side="right")
    np.testing.assert_allclose(mine, np.concatenate([[0.0], theirs.y])[at], rtol=1e-10)


@given(cohorts)
def test_expected_deaths_equal_observed_ones(patients):
    linear_predictor, time, event = arrays(patients)
    expected = breslow(linear_predictor, time, event).at(time) * np.exp(linear_predictor)
    assert expected.sum() == pytest.approx(event.sum(), rel=1e-10)


@given(cohorts, st.floats(-3, 3))
def test_a_shift_of_all_predictors_leaves_survival_as_it_is(patients, shift):
    linear_predictor, time, event = arrays(patients)
    days = np.arange(0.0, 14)
    survival = breslow(linear_predictor, time, event).survival(linear_predictor, days)
    shifted = breslow(linear_predictor + shift, time, event).survival(linear_predictor + shift, days)
    np.testing.assert_allclose(shifted, survival, rtol=1e-9, atol=1e-12)


@given(cohorts, st.randoms(use_true_random=False), st.floats(0.1, 1000))
def test_neither_the_order_of_patients_nor_the_unit_of_time_matters(patients, random, unit):
    linear_predictor, time, event = arrays(patients)
    random.shuffle(patients)
    again = breslow(*arrays([(eta, day * unit, died) for eta, day, died in patients]))
    baseline = breslow(linear_predictor, time, event)
    np.testing.assert_allclose(again.days, baseline.days * unit, rtol=1e-14)
    np.testing.assert_allclose(again.cumulative_hazard, baseline.cumulative_hazard, rtol=1e-10)


@given(cohorts)
def test_survival_falls_with_time_and_with_the_linear_predictor(patients):
    linear_predictor, time, event = arrays(patients)
    survival = breslow(linear_predictor, time, event).survival(np.sort(linear_predictor), np.arange(0.0, 14))
    assert np.all((survival >= 0) & (survival <= 1))
    assert np.all(np.diff(survival, axis=0) <= 0)
    assert np.all(np.diff(survival, axis=1) <= 0)
    np.testing.assert_array_equal(survival[:, 0], 1)


def test_a_known_hazard_is_recovered():
    rng = np.random.default_rng(0)
    linear_predictor = rng.normal(size=20_000)
    time = rng.exponential(1000 / np.exp(linear_predictor))
    censored = rng.exponential(2000, size=20_000)
    baseline = breslow(linear_predictor, np.minimum(time, censored), time <= censored)
    days = np.array([100.0, 500.0, 1000.0])
    np.testing.assert_allclose(baseline.at(days), days / 1000, rtol=0.05)
