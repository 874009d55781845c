"""Maximally selected log-rank statistics against R's maxstat, by hand, and what a search costs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from training.scan.cut_points import CutPointError, maximally_selected_log_rank, p_lausen_schumacher_1992

ORACLES = Path(__file__).parent / "oracles"
CASES = {"share_10": (0.1, 140), "share_25": (0.25, 140), "first_23": (0.1, 23)}


def simulated(rng, n: int, n_genes: int, *, log_hazard_ratio: float = 0.0) -> tuple[np.ndarray, ...]:
    """Genes of which the first changes the hazard above its 60th percentile."""
    values = rng.normal(size=(n, n_genes))
    above = values[:, 0] > np.quantile(values[:, 0], 0.6)
    death = rng.exponential(900, size=n) / np.exp(log_hazard_ratio * above)
    censored = rng.uniform(300, 2500, size=n)
    return values, np.ceil(np.minimum(death, censored)), death <= censored


@pytest.mark.parametrize("version", ["tie_free", "ties"])
@pytest.mark.parametrize("case", CASES)
def test_statistics_cuts_and_p_values_equal_maxstats(version, case):
    share, n = CASES[case]
    table = pd.read_csv(ORACLES / "cut_points.csv")[:n]
    expected = pd.DataFrame(json.loads((ORACLES / "cut_points.json").read_text())[version][case])
    found = maximally_selected_log_rank(
        table[expected["gene"]].to_numpy(dtype=float),
        table[version].to_numpy(),
        table["event"].to_numpy() > 0,
        smallest_share=share,
    )
    np.testing.assert_allclose(found.statistic, expected["statistic"], rtol=1e-10)
    np.testing.assert_array_equal(found.cut_point, expected["cut_point"])
    # R's approximations may exceed 1.
    np.testing.assert_allclose(found.p_1992, expected["p_1992"].clip(upper=1), rtol=1e-8)
    np.testing.assert_allclose(found.p_1994, expected["p_1994"].clip(upper=1), rtol=1e-8)
    np.testing.assert_allclose(found.p_naive, 2 * norm.sf(found.statistic), rtol=1e-14)


def test_four_patients_by_hand():
    # Scores by time: 1 - 1/4 = 3/4, 0 - 1/4, 1 - 1/4 - 1/2, 0 - 1/4 - 1/2; they sum to 0, their squares to 5/4.
    values = np.array([[1.0], [2.0], [3.0], [4.0]])
    found = maximally_selected_log_rank(
        values, np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, False, True, False]), smallest_share=0.25
    )
    # Cuts after 1, 2 and 3 patients: sums 3/4, 1/2, 3/4; variances 5/16, 5/12, 5/16.
    assert found.statistic[0] == pytest.approx(0.75 / np.sqrt(5 / 16), rel=1e-14)
    # The first and the last are equal: the lowest counts.
    assert (found.cut_point[0], found.n[0], found.n_high[0]) == (1.0, 4, 3)


def test_high_is_strictly_above_the_cut():
    values, time, event = simulated(np.random.default_rng(1), 200, 20, log_hazard_ratio=1.0)
    values = np.round(values, 1)
    values[:40, 3] = np.nan
    found = maximally_selected_log_rank(values, time, event)
    np.testing.assert_array_equal(found.n, np.isfinite(values).sum(axis=0))
    np.testing.assert_array_equal(found.n_high, (values > found.cut_point).sum(axis=0))
    assert ((found.n_high >= 0.1 * found.n) & (found.n_high <= 0.9 * found.n + 1)).all()


def test_genes_without_an_admissible_cut_have_no_statistic():
    time, event = np.arange(1.0, 31.0), np.tile([True, False, True], 10)
    rare, unknown = np.zeros(30), np.full(30, np.nan)
    rare[:2] = 1.0
    values = np.column_stack([np.ones(30), rare, unknown, np.arange(30.0)])
    found = maximally_selected_log_rank(values, time, event)
    for array in (found.statistic, found.cut_point, found.p_naive, found.p_1992, found.p_1994):
        np.testing.assert_array_equal(np.isnan(array), [True, True, True, False])
    assert found.n.tolist() == [30, 30, 0, 30]
    assert found.n_high[:3].tolist() == [0, 0, 0]


def test_without_events_nothing_is_found():
    values, time, event = simulated(np.random.default_rng(2), 50, 3)
    found = maximally_selected_log_rank(values, time, np.zeros_like(event))
    assert np.isnan(found.statistic).all()
    assert np.isnan(found.p_1994).all()


def test_values_that_differ_in_their_last_bits_are_sorted_too():
    rng = np.random.default_rng(3)
    _, time, event = simulated(rng, 100, 1)
    steps = rng.permutation(100).astype(float)
    close = 1.0 + steps * np.finfo(float).eps
    found = maximally_selected_log_rank(np.column_stack([steps - 50, close, -close]), time, event)
    assert found.statistic[1] == pytest.approx(found.statistic[0], rel=1e-12)
    assert found.statistic[2] == pytest.approx(found.statistic[0], rel=1e-12)
    assert found.n_high[1] == found.n_high[0]
    assert found.n_high[2] == 100 - found.n_high[0]


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(15, 120), digits=st.integers(0, 2), missing=st.floats(0, 0.3))
@settings(max_examples=40, deadline=None)
def test_the_search_depends_on_neither_order_nor_scale_nor_unit_of_time(seed, n, digits, missing):
    rng = np.random.default_rng(seed)
    values, time, event = simulated(rng, n, 4)
    values = np.round(values, digits)
    values[rng.random(values.shape) < missing] = np.nan
    found = maximally_selected_log_rank(values, time, event)
    order = rng.permutation(n)
    again = maximally_selected_log_rank(np.exp(values[order]), 7 * time[order], event[order])
    np.testing.assert_allclose(again.statistic, found.statistic, rtol=1e-9)
    np.testing.assert_array_equal(again.cut_point, np.exp(found.cut_point))
    np.testing.assert_allclose(again.p_1994, found.p_1994, rtol=1e-7)


def test_on_null_data_only_the_corrected_p_values_keep_their_level():
    values, time, event = simulated(np.random.default_rng(4), 200, 2000)
    found = maximally_selected_log_rank(values, time, event)
    assert (found.p_naive < 0.05).mean() > 0.3
    # 1992's is the limit of large samples; 1994's is an upper bound, hence conservative.
    assert 0.01 < (found.p_1994 < 0.05).mean() < 0.05
    assert 0.02 < (found.p_1992 < 0.05).mean() < 0.065


def test_a_true_change_point_is_found():
    values, time, event = simulated(np.random.default_rng(5), 600, 2, log_hazard_ratio=1.2)
    found = maximally_selected_log_rank(values, time, event)
    assert found.cut_point[0] == pytest.approx(np.quantile(values[:, 0], 0.6), abs=0.15)
    assert found.p_1994[0] < 1e-10
    assert found.p_1994[1] > 0.05


def test_below_one_the_p_value_of_1992_is_one():
    np.testing.assert_array_equal(p_lausen_schumacher_1992(np.array([0.0, 0.5, 0.999, np.nan]), 0.1)[:3], 1.0)
    assert np.isnan(p_lausen_schumacher_1992(np.array([np.nan]), 0.1)[0])


@pytest.mark.parametrize("share", [0.0, 0.5, 1.2])
def test_an_impossible_share_is_refused_with_its_value(share):
    values, time, event = simulated(np.random.default_rng(6), 20, 1)
    with pytest.raises(CutPointError, match=f"not {share:g}"):
        maximally_selected_log_rank(values, time, event, smallest_share=share)


def test_arrays_of_different_patients_are_refused():
    values, time, event = simulated(np.random.default_rng(7), 20, 1)
    with pytest.raises(ValueError, match="same number of patients"):
        maximally_selected_log_rank(values, time[1:], event)
