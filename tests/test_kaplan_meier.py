"""Kaplan–Meier curves: by hand, against R's survfit, and by the laws that any of them keeps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.kaplan_meier import at_risk, kaplan_meier, median_follow_up, median_survival

ORACLES = Path(__file__).parent / "oracles"


@pytest.fixture(params=["tie_free", "ties"])
def version(request) -> str:
    return request.param


@pytest.fixture
def oracle(version) -> dict:
    return json.loads((ORACLES / "metrics.json").read_text())[version]["kaplan_meier"]


@pytest.fixture
def outcome(version) -> tuple[np.ndarray, np.ndarray]:
    table = pd.read_csv(ORACLES / "metrics.csv").query("set == 'train'")
    return table[version].to_numpy(float), table["event"].to_numpy() > 0


def test_four_patients_by_hand():
    # Day 1: one of four dies; day 2: censored; day 3: one of two dies; day 4: censored.
    curve = kaplan_meier(np.array([1.0, 2, 3, 4]), np.array([True, False, True, False]))
    np.testing.assert_allclose(curve.survival, [3 / 4, 3 / 4, 3 / 8, 3 / 8], rtol=1e-14)
    np.testing.assert_array_equal(curve.at_risk, [4, 3, 2, 1])
    # Greenwood on day 1: sigma^2 = 1 / (4 * 3); the interval is S^exp(+-1.96 sigma / log S).
    exponent = np.exp(1.959963984540054 * np.sqrt(1 / 12) / np.log(3 / 4))
    np.testing.assert_allclose([curve.lower[0], curve.upper[0]], [0.75 ** (1 / exponent), 0.75**exponent], rtol=1e-12)


def test_the_curve_between_before_and_after_its_days():
    curve = kaplan_meier(np.array([1.0, 2, 3, 4]), np.array([True, False, True, False]))
    np.testing.assert_array_equal(curve.at(np.array([0, 0.9, 1, 2.5, 3, 4])), [1, 1, 0.75, 0.75, 0.375, 0.375])
    assert np.isnan(curve.at(np.array([4.1]))[0])


def test_a_curve_that_has_reached_zero_stays_there_and_has_no_interval():
    curve = kaplan_meier(np.array([1.0, 2.0]), np.array([True, True]))
    assert curve.at(np.array([100.0]))[0] == 0
    assert np.isnan([curve.lower[-1], curve.upper[-1]]).all()


def test_without_events_survival_is_one_throughout():
    curve = kaplan_meier(np.array([1.0, 2.0]), np.array([False, False]))
    np.testing.assert_array_equal(curve.survival, [1, 1])
    np.testing.assert_array_equal(curve.lower, [1, 1])


def test_who_is_followed_until_the_day_is_at_risk_on_it():
    np.testing.assert_array_equal(
        at_risk(np.array([5.0, 1, 5, 9]), np.array([0.0, 1, 5, 5.5, 9, 10])), [4, 4, 3, 1, 1, 0]
    )


def test_the_median_is_the_middle_of_a_level_stretch_at_one_half():
    assert median_survival(np.array([1.0, 2, 3, 4]), np.array([True, True, False, True])) == 3
    assert median_survival(np.array([1.0, 2, 3, 4]), np.array([True, True, False, False])) == 2


def test_a_median_that_is_not_reached_is_nan():
    assert np.isnan(median_survival(np.array([1.0, 2, 3]), np.array([True, False, False])))
    assert np.isnan(median_follow_up(np.array([1.0, 2, 3]), np.array([True, True, True])))


def test_the_curve_and_its_interval_equal_survfits(outcome, oracle):
    curve, expected = kaplan_meier(*outcome), oracle["log_log"]
    np.testing.assert_array_equal(curve.days, expected["days"])
    np.testing.assert_array_equal(curve.at_risk, expected["at_risk"])
    np.testing.assert_allclose(curve.survival, expected["survival"], rtol=1e-10)
    for name in ("lower", "upper"):
        known = np.array(expected[name], dtype=float)
        # survfit leaves the interval out where survival is still 1, too; here it is 1 there.
        known[curve.survival == 1] = 1
        np.testing.assert_allclose(getattr(curve, name), known, rtol=1e-9)


def test_survival_and_numbers_at_risk_on_given_days_equal_survfits(outcome, oracle):
    days = np.array(oracle["at_days"], dtype=float)
    np.testing.assert_allclose(kaplan_meier(*outcome).at(days), oracle["at_survival"], rtol=1e-10)
    np.testing.assert_array_equal(at_risk(outcome[0], days), oracle["at_risk"])


def test_median_survival_and_follow_up_equal_survfits(outcome, oracle):
    assert median_survival(*outcome) == oracle["median_survival"]
    assert median_follow_up(*outcome) == oracle["median_follow_up"]


patients = st.lists(st.tuples(st.integers(1, 30), st.booleans()), min_size=1, max_size=40)


@given(patients, st.integers(0, 2**32 - 1))
def test_the_order_of_the_patients_does_not_matter(cohort, seed):
    shuffled = np.random.default_rng(seed).permutation(len(cohort))
    time, event = np.array([day for day, _ in cohort], dtype=float), np.array([died for _, died in cohort])
    one_way, other_way = kaplan_meier(time, event), kaplan_meier(time[shuffled], event[shuffled])
    np.testing.assert_array_equal(one_way.survival, other_way.survival)
    np.testing.assert_array_equal(one_way.at_risk, other_way.at_risk)


@given(patients, st.floats(1e-3, 1e3))
def test_the_unit_of_time_moves_only_the_days(cohort, unit):
    time, event = np.array([day for day, _ in cohort], dtype=float), np.array([died for _, died in cohort])
    curve, rescaled = kaplan_meier(time, event), kaplan_meier(time * unit, event)
    np.testing.assert_array_equal(curve.survival, rescaled.survival)
    np.testing.assert_allclose(median_survival(time * unit, event), unit * median_survival(time, event), rtol=1e-12)


@given(patients)
def test_the_curve_falls_and_lies_within_its_interval(cohort):
    curve = kaplan_meier(np.array([day for day, _ in cohort], dtype=float), np.array([died for _, died in cohort]))
    assert (np.diff(curve.survival) <= 0).all()
    known = ~np.isnan(curve.lower)
    assert (curve.lower[known] <= curve.survival[known] + 1e-12).all()
    assert (curve.upper[known] >= curve.survival[known] - 1e-12).all()


@given(patients)
def test_without_censoring_survival_is_the_share_that_lives_on(cohort):
    time = np.array([day for day, _ in cohort], dtype=float)
    curve = kaplan_meier(time, np.ones(len(time), dtype=bool))
    np.testing.assert_allclose(curve.survival, [(time > day).mean() for day in curve.days], atol=1e-12)
