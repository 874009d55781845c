"""Restricted mean survival of two groups against R and by hand, and what cannot be averaged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.kaplan_meier import kaplan_meier
from training.scan.restricted_means import RestrictionError, restricted_mean_differences

ORACLES = Path(__file__).parent / "oracles"


def simulated(rng, n: int, n_genes: int, *, ratio: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two groups a gene, of which the first gene's high group has `ratio` times the hazard."""
    high = (rng.random((n, n_genes)) < 0.4).astype(float)
    death = rng.exponential(900, size=n) / np.where(high[:, 0] == 1, ratio, 1.0)
    censored = rng.uniform(300, 2500, size=n)
    return high, np.ceil(np.minimum(death, censored)), death <= censored


@pytest.mark.parametrize("version", ["tie_free", "ties"])
def test_means_and_errors_equal_survfits(version):
    table = pd.read_csv(ORACLES / "cut_points.csv")
    event = table["event"].to_numpy() > 0
    for expected in json.loads((ORACLES / "restricted_means.json").read_text())[version]:
        gene = table[expected["gene"]]
        high = (gene > gene.median()).astype(float).where(gene.notna()).to_numpy()
        found = restricted_mean_differences(
            high[:, None], table[version].to_numpy(), event, restricted_to=expected["restricted_to"]
        )
        assert found.mean_high[0] == pytest.approx(expected["mean_high"], rel=1e-10)
        assert found.mean_low[0] == pytest.approx(expected["mean_low"], rel=1e-10)
        assert found.standard_error[0] == pytest.approx(
            np.hypot(expected["error_high"], expected["error_low"]), rel=1e-10
        )


def test_four_patients_by_hand():
    # High: dead at 1 and 3, so alive 1 until 1, then ½ until 3, then none: 1 + 1 = 2.
    # Low: dead at 2, followed to 4: 1 until 2, then ½ until 4: 2 + 1 = 3.
    high, time = np.array([[1.0], [1.0], [0.0], [0.0]]), np.array([1.0, 3.0, 2.0, 4.0])
    event = np.array([True, True, True, False])
    found = restricted_mean_differences(high, time, event, restricted_to=4.0)
    assert (found.mean_high[0], found.mean_low[0], found.difference[0]) == (2.0, 3.0, -1.0)
    # Greenwood: 1² · 1 / (2 · 1) in each group; high's second death leaves nobody and adds nothing.
    assert found.standard_error[0] == pytest.approx(1.0, rel=1e-14)
    assert found.p_value[0] == pytest.approx(0.31731050786291415, rel=1e-12)
    assert (found.lower[0], found.upper[0]) == pytest.approx((-1 - 1.959963984540054, -1 + 1.959963984540054))


def test_the_mean_is_the_area_under_the_curve_of_kaplan_meier():
    high, time, event = simulated(np.random.default_rng(2), 80, 1)
    chosen = high[:, 0] == 1
    curve = kaplan_meier(time[chosen], event[chosen])
    days = np.concatenate([[0.0], curve.days[curve.days < 250], [250.0]])
    area = np.sum(np.diff(days) * np.concatenate([[1.0], curve.survival])[: len(days) - 1])
    found = restricted_mean_differences(high, time, event, restricted_to=250.0)
    assert found.mean_high[0] == pytest.approx(area, rel=1e-12)


def test_a_group_that_is_not_followed_so_long_has_no_mean_unless_all_have_died():
    high, time = np.array([[1.0], [1.0], [0.0], [0.0]]), np.array([1.0, 3.0, 2.0, 9.0])
    known = restricted_mean_differences(high, time, np.array([True, True, True, False]), restricted_to=8.0)
    assert known.mean_high[0] == 2.0
    unknown = restricted_mean_differences(high, time, np.array([True, False, True, False]), restricted_to=8.0)
    assert np.isnan([unknown.mean_high[0], unknown.difference[0], unknown.lower[0], unknown.p_value[0]]).all()
    assert unknown.mean_low[0] == 5.0
    # To its last follow-up it has one.
    assert restricted_mean_differences(high, time, np.array([True, False, True, False]), restricted_to=3.0).mean_high[
        0
    ] == pytest.approx(2.0)


def test_an_empty_group_and_groups_without_events_have_no_p_value():
    high = np.array([[1.0, 1.0], [1.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    time, event = np.array([5.0, 6.0, 7.0, 8.0]), np.array([True, True, True, True])
    found = restricted_mean_differences(high, time, event, restricted_to=4.0)
    assert np.isnan(found.mean_low[0])
    assert np.isnan(found.p_value).all()
    assert found.difference[1] == 0.0


def test_each_gene_may_have_a_time_of_its_own():
    high, time, event = simulated(np.random.default_rng(3), 60, 3)
    each = restricted_mean_differences(high, time, event, restricted_to=np.array([100.0, 200.0, 300.0]))
    for gene, days in enumerate([100.0, 200.0, 300.0]):
        alone = restricted_mean_differences(high[:, [gene]], time, event, restricted_to=days)
        assert each.difference[gene] == alone.difference[0]


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(20, 90), scale=st.floats(0.01, 100), missing=st.floats(0, 0.4))
@settings(max_examples=30, deadline=None)
def test_differences_do_not_depend_on_order_and_scale_with_time(seed, n, scale, missing):
    rng = np.random.default_rng(seed)
    high, time, event = simulated(rng, n, 3)
    high[rng.random(high.shape) < missing] = np.nan
    found = restricted_mean_differences(high, time, event, restricted_to=250.0)
    order = rng.permutation(n)
    again = restricted_mean_differences(high[order], scale * time[order], event[order], restricted_to=scale * 250.0)
    swapped = restricted_mean_differences(1 - high, time, event, restricted_to=250.0)
    np.testing.assert_allclose(again.difference, scale * found.difference, rtol=1e-9, atol=1e-9 * scale)
    np.testing.assert_allclose(again.standard_error, scale * found.standard_error, rtol=1e-9)
    np.testing.assert_allclose(swapped.difference, -found.difference)


def test_intervals_cover_the_truth_and_a_worse_group_lives_shorter():
    rng, days, ratio = np.random.default_rng(4), 800.0, 2.0
    truth = 900 / ratio * (1 - np.exp(-ratio * days / 900)) - 900 * (1 - np.exp(-days / 900))
    results = [
        restricted_mean_differences(*simulated(rng, 300, 1, ratio=ratio), restricted_to=days) for _ in range(400)
    ]
    covered = np.mean([(result.lower[0] <= truth) & (truth <= result.upper[0]) for result in results])
    # Three binomial standard errors of 400 intervals at 95 %.
    assert covered == pytest.approx(0.95, abs=0.033)
    assert truth < -100
    assert np.mean([result.difference[0] for result in results]) == pytest.approx(truth, abs=10)


@pytest.mark.parametrize("days", [0.0, -5.0, np.nan, np.inf])
def test_an_impossible_restriction_is_refused_with_its_value(days):
    high, time, event = simulated(np.random.default_rng(5), 20, 1)
    with pytest.raises(RestrictionError, match=f"{days:g}"):
        restricted_mean_differences(high, time, event, restricted_to=days)


def test_groups_other_than_high_and_low_are_refused():
    high, time, event = simulated(np.random.default_rng(6), 20, 1)
    with pytest.raises(ValueError, match="NaN in neither"):
        restricted_mean_differences(high + 1, time, event, restricted_to=100.0)
    with pytest.raises(ValueError, match="same number of patients"):
        restricted_mean_differences(high[1:], time, event, restricted_to=100.0)
