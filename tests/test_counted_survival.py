"""Kaplan–Meier and quantiles of counted patients: by hand, and against numpy on the copies."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from training.counted_survival import quantiles, survival_at
from training.kaplan_meier import kaplan_meier

counted = st.lists(st.tuples(st.integers(-5, 5).map(float), st.integers(0, 3)), min_size=1, max_size=20)
outcomes = st.lists(st.tuples(st.integers(1, 8).map(float), st.booleans()), min_size=1, max_size=15)


def test_survival_by_hand():
    # Deaths on days 1 and 3, a censoring on day 2, one alive. Once each: 3/4 and 1/2 of it. With the first death
    # counted twice and the censored not at all: 2/4 and 1/2 of it.
    time, event = np.array([1.0, 2, 3, 4]), np.array([True, False, True, False])
    counts = np.array([[1.0, 1, 1, 1], [2, 0, 1, 1]])
    np.testing.assert_allclose(survival_at(time, event, counts, day=3), [3 / 8, 1 / 4], rtol=1e-14)
    np.testing.assert_allclose(survival_at(time, event, counts, day=2.9), [3 / 4, 1 / 2], rtol=1e-14)
    np.testing.assert_array_equal(survival_at(time, event, counts, day=0.5), 1)


def test_survival_is_unknown_after_the_last_follow_up_unless_all_have_died():
    time, event = np.array([1.0, 2.0, 3.0]), np.array([True, False, True])
    counts = np.array([[1.0, 1, 1], [1, 1, 0], [2, 0, 0]])
    np.testing.assert_array_equal(survival_at(time, event, counts, day=2.5), [1 - 1 / 3, np.nan, 0])
    np.testing.assert_array_equal(survival_at(time, event, counts, day=9.0), [0, np.nan, 0])


@given(outcomes, st.floats(0.5, 9))
def test_counts_of_one_give_the_curve_of_kaplan_meier(patients, day):
    time, event = (np.array(values) for values in zip(*patients, strict=True))
    survival = survival_at(time, event, np.ones((1, len(time))), day=day)
    np.testing.assert_allclose(survival[0], kaplan_meier(time, event).at(np.array(day)), rtol=1e-12, atol=1e-14)


def test_quantiles_by_hand():
    # The sample written out is 1, 3, 3, 3: its median is 3, its first sixth is halfway from 1 to 3.
    result = quantiles(np.array([[3.0, 1.0, 2.0]]), np.array([[3.0, 1.0, 0.0]]), np.array([0.5, 1 / 6]))
    np.testing.assert_allclose(result, [[3.0, 2.0]], rtol=1e-14)


@given(counted, st.lists(st.floats(0, 1), min_size=1, max_size=4))
def test_quantiles_are_numpys_of_the_copies(patients, probabilities):
    values, counts = (np.array(column) for column in zip(*patients, strict=True))
    assume(counts.sum() > 0)
    expected = np.quantile(np.repeat(values, counts), probabilities)
    result = quantiles(values[None], counts[None].astype(float), np.array(probabilities))
    np.testing.assert_allclose(result[0], expected, rtol=1e-9, atol=1e-9)
