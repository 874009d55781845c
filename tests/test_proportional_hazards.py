"""The test of proportional hazards: size, power, and what it cannot assess."""

from __future__ import annotations

import numpy as np
import pytest

from training.proportional_hazards import GLOBAL, proportional_hazards


def simulated(rng, n: int = 300, *, late_effect: float = 0.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hazards exp(x1 / 2) until day 300, exp(late_effect x1) after it; x2 does nothing."""
    X = rng.normal(size=(n, 2))
    early = rng.exponential(400 / np.exp(0.5 * X[:, 0]))
    late = 300 + rng.exponential(400 / np.exp(late_effect * X[:, 0]))
    time = np.where(early < 300, early, late)
    censored = rng.uniform(200, 1500, size=n)
    return X, np.minimum(time, censored), time <= censored


def test_under_proportional_hazards_one_test_in_twenty_is_below_a_twentieth():
    rng = np.random.default_rng(11)
    p_values = np.array([proportional_hazards(*simulated(rng), ["x1", "x2"]).p_value for _ in range(300)])
    # Three binomial standard errors of 300 tests at 5 %.
    np.testing.assert_allclose((p_values < 0.05).mean(axis=0), 0.05, atol=0.038)


def test_an_effect_that_turns_is_found_where_it_is():
    tested = proportional_hazards(*simulated(np.random.default_rng(1), late_effect=-0.7), ["x1", "x2"])
    by_name = dict(zip(tested.names, tested.p_value, strict=True))
    assert by_name["x1"] < 1e-6
    assert by_name[GLOBAL] < 1e-5
    assert by_name["x2"] > 0.01


def test_the_test_does_not_depend_on_units_or_order():
    X, time, event = simulated(np.random.default_rng(2))
    order = np.random.default_rng(3).permutation(len(time))
    again = proportional_hazards((X * [1e3, 0.01] + 5)[order], 30 * time[order], event[order], ["x1", "x2"])
    np.testing.assert_allclose(again.chi_square, proportional_hazards(X, time, event, ["x1", "x2"]).chi_square)


@pytest.mark.parametrize("what", ["collinear", "separating", "no events"])
def test_a_model_that_does_not_exist_is_not_assessable_and_says_why(what):
    X, time, event = simulated(np.random.default_rng(4))
    if what == "collinear":
        X[:, 1] = 2 * X[:, 0]
    elif what == "separating":
        X[:, 1] = -time
    else:
        event[:] = False
    tested = proportional_hazards(X, time, event, ["x1", "x2"])
    assert np.isnan(tested.p_value).all()
    assert tested.reason.startswith("not assessable: ")
    assert set(tested.table()["reason"]) == {tested.reason}


def test_events_on_a_single_day_say_nothing_of_change():
    X, time, event = simulated(np.random.default_rng(5), n=60)
    event[:] = False
    event[:20], time[:20], time[20:] = True, 100.0, 200.0
    tested = proportional_hazards(X, time, event, ["x1", "x2"])
    assert np.isnan(tested.p_value).all()
    assert "too few days" in tested.reason


def test_the_table_has_a_line_for_every_covariate_and_one_for_all():
    table = proportional_hazards(*simulated(np.random.default_rng(6)), ["x1", "x2"]).table()
    assert list(table["covariate"]) == ["x1", "x2", "GLOBAL"]
    assert list(table["degrees_of_freedom"]) == [1, 1, 2]
    assert (table["reason"] == "").all()
