"""Predicted survival on the judge's grid, and reading it off at a horizon."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.survival_grid import horizon_day, kaplan_meier_of_other_folds, months_within, survival_on_day

GRID = np.array([10.0, 20.0, 40.0])
CURVES = np.array([[0.9, 0.5, 0.1], [1.0, 0.8, 0.8]])


@pytest.mark.parametrize(
    ("day", "expected"),
    [(0, [1, 1]), (5, [0.95, 1]), (10, [0.9, 1]), (15, [0.7, 0.9]), (35, [0.2, 0.8]), (40, [0.1, 0.8])],
)
def test_survival_lies_on_the_straight_line_between_days_and_is_1_at_the_start(day, expected):
    np.testing.assert_allclose(survival_on_day(CURVES, grid_days=GRID, day=day), expected, rtol=1e-12)


@given(st.floats(0, 40), st.integers(1, 3))
def test_reading_off_keeps_repeats_and_patients_apart_and_is_numpys_interpolation(day, n_repeats):
    read = survival_on_day(np.tile(CURVES, (n_repeats, 1, 1)), grid_days=GRID, day=day)
    expected = [np.interp(day, [0, *GRID], [1, *curve]) for curve in CURVES]
    np.testing.assert_allclose(read, np.tile(expected, (n_repeats, 1)), rtol=1e-12)


@given(st.integers(1, 20_000))
def test_a_horizon_in_months_rounded_down_is_no_later_a_day(days):
    months = months_within(float(days))
    assert months == round(months, 1)
    assert horizon_day(months) <= days < horizon_day(round(months + 0.1, 1))


@pytest.mark.parametrize(
    ("days", "months"), [(1826, 60.0), (1825, 59.9), (365, 12.0), (364, 11.9), (1096, 36.0), (3, 0.1), (2, 0.0)]
)
def test_who_is_followed_until_a_horizons_whole_day_is_followed_until_the_horizon(days, months):
    assert months_within(float(days)) == months


def test_kaplan_meier_of_the_other_fold_by_hand():
    # Fold 1: death on day 5, then censored on day 15, where its curve ends at 1/2. Fold 0: alive at 10, dead by 20.
    time, event = np.array([12.0, 50.0, 5.0, 15.0]), np.array([True, False, True, False])
    predicted = kaplan_meier_of_other_folds(time, event, np.array([[0, 0, 1, 1]]), grid_days=GRID)
    np.testing.assert_allclose(predicted, [[[0.5, 0.5, 0.5]] * 2 + [[1.0, 0.5, 0.5]] * 2], rtol=1e-12)


def test_without_other_folds_nothing_is_predicted():
    time, event = np.array([12.0, 50.0]), np.array([True, False])
    assert np.isnan(kaplan_meier_of_other_folds(time, event, np.zeros((1, 2), dtype=int), grid_days=GRID)).all()
