"""Follow-up and events per parameter: by hand, and against simulated closing dates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.cohort import DAYS_PER_MONTH
from training.follow_up import events_per_parameter, follow_up

HISTORIES = st.lists(st.tuples(st.integers(1, 60), st.booleans()), min_size=1, max_size=30)


def test_four_patients_by_hand():
    # Died on day 2; lost on day 4; died on day 6; followed until day 10.
    found = follow_up(np.array([2.0, 4, 6, 10]), np.array([True, False, True, False]), [5.0, 8.0])
    np.testing.assert_array_equal(found.at_risk, [2, 1])
    np.testing.assert_array_equal(found.events, [1, 2])
    np.testing.assert_allclose(found.known, [3 / 4, 3 / 4])
    np.testing.assert_allclose(
        found.completeness, [(2 + 4 + 5 + 5) / (2 + 5 + 5 + 5), (2 + 4 + 6 + 8) / (2 + 8 + 6 + 8)]
    )
    # Of the three still followed on day 4 one is lost, of the last one all: the reverse curve falls to ½ on day 10.
    assert found.median_days == 10


def test_an_event_on_the_horizon_counts_and_its_patient_is_at_risk():
    found = follow_up(np.array([365.0, 365.0]), np.array([True, False]), [365.0])
    assert (found.at_risk[0], found.events[0], found.known[0], found.completeness[0]) == (2, 1, 1.0, 1.0)


@given(HISTORIES, st.integers(1, 70), st.floats(0.1, 50))
def test_shares_are_shares_fall_with_the_horizon_and_know_no_unit(histories, horizon, unit):
    time, event = np.array([t for t, _ in histories], dtype=float), np.array([e for _, e in histories])
    found = follow_up(time, event, [horizon, 2 * horizon])
    again = follow_up(time * unit, event, np.array([horizon, 2 * horizon]) * unit)
    for share in (found.known, found.completeness):
        assert np.all((share >= 0) & (share <= 1 + 1e-12))
        assert share[1] <= share[0] + 1e-12
    np.testing.assert_allclose(again.completeness, found.completeness, rtol=1e-9)


def test_everybody_followed_to_the_end_is_complete():
    time = np.array([100.0, 2000, 2000, 30])
    found = follow_up(time, np.array([True, False, False, True]), [365.0, 1825.0])
    np.testing.assert_array_equal(found.known, 1)
    np.testing.assert_array_equal(found.completeness, 1)


def test_the_table_is_in_months():
    table = follow_up(np.array([1000.0, 2000]), np.array([False, False]), [365.0]).table()
    assert table["horizon_months"][0] == 12
    assert table["median_follow_up_months"][0] == pytest.approx(1500 / DAYS_PER_MONTH)


@pytest.mark.parametrize(
    ("n_events", "n_parameters", "verdict"),
    [(92, 54, "too few"), (50, 10, "sparse"), (99, 10, "sparse"), (100, 10, "adequate"), (200, 10, "ample")],
)
def test_events_per_parameter_are_judged_at_five_ten_and_twenty(n_events, n_parameters, verdict):
    found = events_per_parameter(n_events, n_parameters)
    assert found.verdict == verdict
    assert f"{n_events} events for {n_parameters} parameters" in found.sentence
    assert found.table()["events_per_parameter"][0] == n_events / n_parameters


def test_a_model_without_parameters_needs_no_events():
    assert events_per_parameter(0, 0).verdict == "ample"


def test_negative_counts_are_our_own_mistake():
    with pytest.raises(ValueError, match="counts"):
        events_per_parameter(-1, 3)
