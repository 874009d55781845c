"""The table of metrics, and how an interval is read off the samples."""

from __future__ import annotations

import numpy as np
import pytest

from training.metrics import METRICS, at_horizon, estimated, metric_named, ratio


@pytest.mark.parametrize("months", [0.3, 12.0, 36.0, 60.5, 120.0])
def test_a_metric_is_found_by_its_name_at_any_horizon(months):
    for name, metric in METRICS.items():
        assert metric_named(name) is metric
        if metric.at_horizons:
            assert metric_named(at_horizon(name, months)) is metric


def test_what_is_no_metric_is_not_found():
    with pytest.raises(KeyError, match="accuracy"):
        metric_named("accuracy_36m")


def test_names_at_a_horizon_say_it():
    assert at_horizon("auc", 36.0) == "auc_36m"
    assert at_horizon("ici", 7.4) == "ici_7.4m"


def test_an_interval_is_of_the_middle_95_per_cent_of_the_samples():
    estimate = estimated(np.concatenate([[7.0], np.random.default_rng(0).permutation(np.arange(1001.0))]))
    assert (estimate.value, estimate.lower, estimate.upper) == pytest.approx((7.0, 25.0, 975.0))


def test_samples_that_say_nothing_are_left_out_and_no_interval_is_made_of_half_of_them():
    most = estimated(np.array([1.0, 2.0, np.nan, 2.0]))
    assert (most.value, most.lower, most.upper) == (1.0, 2.0, 2.0)
    for figures in ([1.0, 2.0, np.nan], [1.0, np.nan, np.nan], [1.0]):
        half = estimated(np.array(figures))
        assert half.value == 1.0
        assert np.isnan([half.lower, half.upper]).all()


def test_without_a_value_there_is_no_interval():
    estimate = estimated(np.array([np.nan, 1.0, 2.0]))
    assert np.isnan([estimate.value, estimate.lower, estimate.upper]).all()


def test_a_ratio_to_nothing_is_none():
    np.testing.assert_array_equal(ratio(np.array([1.0, 2.0, 3.0]), np.array([2.0, 0.0, np.nan])), [0.5, np.nan, np.nan])
