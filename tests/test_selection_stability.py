"""Stability of a selection: by hand, its interval against the jackknife, and selectors that are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.selection_stability import selection_stability, stability_index


def test_three_samples_of_four_covariates_by_hand():
    selected = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 0, 0]], dtype=bool)
    # Shares 1, 2/3, 1/3, 0: variances (× 3/2) 0, 1/3, 1/3, 0, mean 1/6, against ½ × ½ by chance.
    assert stability_index(selected).value == pytest.approx(1 - (1 / 6) / (1 / 4), rel=1e-14)


def test_the_interval_is_the_jackknifes():
    rng = np.random.default_rng(0)
    selected = rng.random((200, 30)) < np.linspace(0.05, 0.9, 30)
    found = stability_index(selected)
    without = np.array([stability_index(np.delete(selected, i, axis=0)).value for i in range(200)])
    jackknife = np.sqrt(199 / 200 * np.sum((without - without.mean()) ** 2))
    assert (found.upper - found.lower) / 2 / 1.959964 == pytest.approx(jackknife, rel=0.05)


def test_the_interval_covers_the_truth_19_times_in_20():
    rng = np.random.default_rng(1)
    shares = np.array([0.9, 0.8, 0.6, 0.3, 0.3, 0.1, 0.1, 0.1, 0.05, 0.05])
    mean = shares.mean()
    truth = 1 - np.mean(shares * (1 - shares)) / (mean * (1 - mean))
    found = [stability_index(rng.random((100, 10)) < shares) for _ in range(400)]
    # Three binomial standard errors of 400 intervals at 95 %.
    assert np.mean([e.lower <= truth <= e.upper for e in found]) == pytest.approx(0.95, abs=0.033)


@given(st.integers(2, 20), st.integers(2, 15), st.integers(0, 1000))
def test_the_index_is_at_most_one_and_knows_neither_samples_nor_covariates_by_name(n_samples, n_covariates, seed):
    rng = np.random.default_rng(seed)
    selected = rng.random((n_samples, n_covariates)) < 0.4
    found = stability_index(selected)
    shuffled = stability_index(rng.permutation(rng.permutation(selected, axis=0), axis=1))
    np.testing.assert_allclose([shuffled.value, shuffled.lower], [found.value, found.lower], atol=1e-12)
    assert np.isnan(found.value) or found.value <= 1 + 1e-12


def test_the_same_selection_every_time_is_one_and_a_random_one_is_zero():
    rng = np.random.default_rng(2)
    assert stability_index(np.tile([True, False, False], (20, 1))).value == 1
    random = stability_index(rng.random((300, 50)) < 0.2)
    assert random.lower < 0 < random.upper
    assert abs(random.value) < 0.01


def test_a_selector_of_one_signal_and_one_coin_is_described_covariate_by_covariate():
    rng = np.random.default_rng(3)
    x = rng.normal(size=400)
    y = -x + rng.normal(size=400)
    coin = np.random.default_rng(4)

    def select(sample: np.ndarray) -> np.ndarray:
        return np.array([np.polyfit(x[sample], y[sample], 1)[0], coin.normal() / 10 * (coin.random() < 0.5), 0.0])

    found = selection_stability(select, 400, 200, np.random.default_rng(5))
    table = found.table(["signal", "coin", "never"]).set_index("covariate")
    assert list(table.index) == ["signal", "coin", "never"]
    assert table.loc["signal", ["selection_frequency", "sign_agreement", "mean_rank"]].tolist() == [1, 1, 1]
    assert table.loc["signal", "coefficient_mean"] == pytest.approx(-1, abs=0.1)
    # The bootstrap's standard deviation is the slope's standard error, 1 / sqrt(400).
    assert table.loc["signal", "coefficient_standard_deviation"] == pytest.approx(0.05, rel=0.2)
    assert 0.4 < table.loc["coin", "selection_frequency"] < 0.6
    assert table.loc["coin", "sign_agreement"] < 0.4
    assert table.loc["never", ["selection_frequency", "sign_agreement"]].tolist() == [0, 0]
    assert "over 200 samples" in found.sentence


def test_a_boolean_selector_is_enough():
    found = selection_stability(lambda sample: np.array([True, sample[0] % 2 == 0]), 100, 50, np.random.default_rng(6))
    assert found.frequency[0] == 1
    assert 0.2 < found.frequency[1] < 0.8


def test_ridge_selects_all_so_only_its_signs_and_sizes_are_judged():
    found = selection_stability(lambda sample: np.array([0.5, -0.1]), 10, 4, np.random.default_rng(7))
    assert np.isnan(found.stability.value)
    assert "each of 4 samples selected all covariates: its stability is not assessable" in found.sentence
    assert list(found.mean_rank) == [1, 2]


def test_the_samples_are_the_generators():
    drawn: list[list[int]] = []
    again: list[list[int]] = []
    for store in (drawn, again):
        selection_stability(
            lambda sample, store=store: store.append(sample.tolist()) or np.ones(1), 30, 5, np.random.default_rng(8)
        )
    assert drawn == again
    assert all(len(sample) == 30 and len(set(sample)) < 30 for sample in drawn)


def test_one_sample_has_no_stability():
    with pytest.raises(ValueError, match="at least 2 samples"):
        selection_stability(lambda sample: np.ones(2), 10, 1, np.random.default_rng())
