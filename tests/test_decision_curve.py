"""Net benefit: by hand, at its limits, and against what is known of who fails."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.decision_curve import decision_curve

seeds = st.integers(0, 100_000)
thresholds = st.lists(st.floats(0, 0.95), min_size=1, max_size=5).map(np.array)


def once(time):
    return np.ones((1, len(time)))


def uncensored(seed, n_patients=50):
    rng = np.random.default_rng(seed)
    return np.round(rng.random(n_patients), 1), rng.integers(1, 20, n_patients).astype(float), np.ones(n_patients, bool)


def test_by_hand():
    # Treated at .3 are patients 1, 2 and 4: deaths on days 1 and 4 around a censoring, by day 3 a third of them dies.
    # 3/4 · 1/3 are true, 3/4 · 2/3 are false positives, at odds of 3/7. All: 3/4 of 1/2 survive day 3.
    survival, time = np.array([[0.5, 0.7, 0.8, 0.1]]), np.array([1.0, 2.0, 3.0, 4.0])
    event = np.array([True, False, True, True])
    curve = decision_curve(survival, time, event, once(time), day=3.0, thresholds=np.array([0.3]))
    np.testing.assert_allclose(curve.model, [[1 / 4 - 1 / 2 * 3 / 7]], rtol=1e-13)
    np.testing.assert_allclose(curve.treat_all, [[5 / 8 - 3 / 8 * 3 / 7]], rtol=1e-13)
    np.testing.assert_array_equal(curve.treat_none, [[0.0]])


def test_a_risk_equal_to_the_threshold_is_treated():
    survival, time, event = np.array([[0.5, 0.75]]), np.array([1.0, 3.0]), np.array([True, True])
    curve = decision_curve(survival, time, event, once(time), day=2.0, thresholds=np.array([0.5, 0.51]))
    np.testing.assert_array_equal(curve.model, [[0.5, 0.0]])


def test_where_none_of_the_treated_is_followed_until_the_day_there_is_no_figure():
    survival, time, event = np.array([[0.2, 0.9, 0.9]]), np.array([1.0, 5.0, 6.0]), np.array([False, True, True])
    counts = np.array([[1.0, 1, 1], [0, 2, 1]])
    curve = decision_curve(survival, time, event, counts, day=2.0, thresholds=np.array([0.05, 0.5]))
    # In the second sample the one who would be treated at .5 was not drawn: nobody is treated.
    assert np.isnan(curve.model[0, 1])
    assert curve.model[1, 1] == 0
    assert np.isfinite(curve.treat_all).all()


@given(seeds, thresholds)
def test_without_censoring_it_is_the_count_of_true_and_false_positives(seed, thresholds):
    survival, time, event = uncensored(seed)
    curve = decision_curve(survival[None], time, event, once(time), day=8.0, thresholds=thresholds)
    fails = time <= 8
    expected = [
        np.mean((1 - survival >= p) & fails) - np.mean((1 - survival >= p) & ~fails) * p / (1 - p) for p in thresholds
    ]
    np.testing.assert_allclose(curve.model[0], expected, rtol=1e-9, atol=1e-12)


@given(seeds, thresholds)
def test_no_model_is_better_than_foresight_and_one_that_treats_all_is_treating_all(seed, thresholds):
    survival, time, event = uncensored(seed)
    foresight = np.where(time <= 8, 0.0, 1.0)
    seen, model, all_of_them = (
        decision_curve(s[None], time, event, once(time), day=8.0, thresholds=np.maximum(thresholds, 0.01))
        for s in (foresight, survival, np.zeros(50))
    )
    np.testing.assert_allclose(seen.model, np.mean(time <= 8), rtol=1e-12)
    assert (model.model <= seen.model + 1e-12).all()
    np.testing.assert_allclose(all_of_them.model, all_of_them.treat_all, rtol=1e-12)


def test_treating_all_breaks_even_at_the_prevalence():
    survival, time, event = uncensored(3)
    prevalence = np.mean(time <= 8)
    curve = decision_curve(survival[None], time, event, once(time), day=8.0, thresholds=np.array([prevalence]))
    assert curve.treat_all[0, 0] == pytest.approx(0, abs=1e-12)


def test_the_truth_is_worth_more_than_treating_all_or_none():
    rng = np.random.default_rng(0)
    hazard = np.exp(rng.normal(size=3000)) / 1000
    death, censored = rng.exponential(1 / hazard), rng.uniform(100, 2000, 3000)
    time, event = np.minimum(death, censored), death <= censored
    grid = np.linspace(0.1, 0.8, 8)
    survival = np.exp(-500 * hazard)
    curve = decision_curve(survival[None], time, event, once(time), day=500.0, thresholds=grid)
    assert (curve.model > np.maximum(curve.treat_all, 0)).all()
    # What it is worth is known: of those at or above p, their risk less the rest at p's odds.
    risk = 1 - survival
    known = [np.mean((risk >= p) * (risk - (1 - risk) * p / (1 - p))) for p in grid]
    np.testing.assert_allclose(curve.model[0], known, atol=0.02)
