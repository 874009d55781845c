"""Calibration: by hand, where there is no figure, and what known truths and known errors show."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from training.calibration import (
    calibration_slope,
    d_calibration,
    integrated_calibration,
    log_observed_expected,
    within_grid,
)
from training.procedure import calibration_slope as recalibration_slope
from training.resampling import bootstrap_counts

DAY = 500.0
seeds = st.integers(0, 100_000)
#: Predicted survival, day, event and count: few values, so that nothing, or nearly nothing, varies.
patient = st.tuples(
    st.sampled_from([0.0, 0.2, 0.2 + 1e-13, 0.5, 1.0]),
    st.integers(1, 6).map(float),
    st.booleans(),
    st.integers(0, 2),
)


def once(time):
    return np.ones((1, len(time)))


def truth(seed, n_patients=4000):
    """Known hazards: log relative hazard, day, event, and survival beyond `DAY`."""
    rng = np.random.default_rng(seed)
    linear_predictor = rng.normal(size=n_patients)
    hazard = np.exp(linear_predictor) / 1000
    death, censored = rng.exponential(1 / hazard), rng.uniform(100, 2000, n_patients)
    return linear_predictor, np.minimum(death, censored), death <= censored, np.exp(-hazard * DAY)


def smoothed(survival, time, event):
    return integrated_calibration(survival[None], time, event, once(time), day=DAY)


@pytest.mark.parametrize("too_far_apart", [0.5, 1.0, 2.0])
def test_the_slope_says_how_far_predictions_lie_too_far_apart(too_far_apart):
    linear_predictor, time, event, _ = truth(0)
    slope = calibration_slope(too_far_apart * linear_predictor[None], time, event, once(time))[0]
    assert slope == pytest.approx(1 / too_far_apart, rel=0.05)


def test_the_slope_has_no_floor_and_none_where_nothing_varies():
    linear_predictor, time, event, _ = truth(1, 300)
    wrong = calibration_slope(-linear_predictor[None], time, event, once(time))[0]
    right = calibration_slope(linear_predictor[None], time, event, once(time))[0]
    assert wrong == pytest.approx(-right, rel=1e-9)
    # Without ties the slope that recalibrates is the same, but for its floor.
    assert right == pytest.approx(recalibration_slope(linear_predictor, time, event), rel=1e-6)
    assert np.isnan(calibration_slope(np.zeros((1, 300)), time, event, once(time))[0])
    one_repeat_of_two = np.stack([linear_predictor, np.zeros(300)])
    assert np.isnan(calibration_slope(one_repeat_of_two, time, event, once(time))[0])


def test_bootstrap_slopes_scatter_by_the_standard_error():
    linear_predictor, time, event, _ = truth(2, 400)
    counts = bootstrap_counts(400, 400, np.random.default_rng(0))
    samples = calibration_slope(linear_predictor[None], time, event, counts)
    information = event.sum() * 0.85
    assert np.std(samples) == pytest.approx(1 / np.sqrt(information), rel=0.25)


def test_log_observed_to_expected_by_hand():
    # Kaplan-Meier at day 3: 3/4 · 1/2 = 3/8, so 5/8 against a mean predicted risk of (.1 + .2 + .3 + .4)/4 = 1/4. With
    # the first counted twice and the second not at all: 2/4 · 1/2 = 1/4, so 3/4 against (.1 + .1 + .3 + .4)/4 = .225.
    time, event = np.array([1.0, 2, 3, 4]), np.array([True, False, True, False])
    survival = np.array([[0.9, 0.8, 0.7, 0.6]])
    counts = np.array([[1.0, 1, 1, 1], [2, 0, 1, 1]])
    ratio = log_observed_expected(survival, time, event, counts, day=3)
    np.testing.assert_allclose(ratio, np.log([(5 / 8) / 0.25, 0.75 / 0.225]), rtol=1e-13)


def test_log_observed_to_expected_has_no_figure_where_one_of_them_is_0_or_unknown():
    time, event = np.array([1.0, 2.0]), np.array([True, False])
    survival = np.array([[0.5, 0.5]])
    nobody_fails = log_observed_expected(survival, time, event, np.array([[0.0, 2.0]]), day=1.5)
    nobody_followed = log_observed_expected(survival, time, event, once(time), day=2.5)
    nobody_expected = log_observed_expected(np.ones((1, 2)), time, event, once(time), day=1.5)
    assert np.isnan([nobody_fails[0], nobody_followed[0], nobody_expected[0]]).all()


def test_the_truth_is_calibrated_and_its_square_root_and_square_are_not():
    _, time, event, survival = truth(3)
    ratios = [
        log_observed_expected(s[None], time, event, once(time), day=DAY)[0]
        for s in (survival, np.sqrt(survival), survival**2)
    ]
    assert abs(ratios[0]) < 0.06
    assert ratios[1] > 0.3
    assert ratios[2] < -0.2


def test_the_smoothed_error_of_the_truth_is_small_and_that_of_an_error_is_the_error():
    _, time, event, survival = truth(4)
    assert smoothed(survival, time, event).ici[0] < 0.02
    error = smoothed(survival**2, time, event)
    # The observed risk is again the truth's: a doubled hazard is a straight line on the scale of the spline.
    distance = survival - survival**2
    assert error.ici[0] == pytest.approx(distance.mean(), abs=0.015)
    assert error.e50[0] == pytest.approx(np.median(distance), abs=0.02)
    assert error.e90[0] == pytest.approx(np.quantile(distance, 0.9), abs=0.02)


def test_the_smoothed_error_sees_a_bend_that_slope_and_mean_do_not():
    linear_predictor, time, event, survival = truth(5)
    # Too far apart among the worst, too near among the best; the straight part and the mean are put right.
    bent = np.exp(0.7 * linear_predictor)
    bent = bent * calibration_slope(bent[None], time, event, once(time))[0]
    surviving = [np.exp(-np.exp(bent + shift) * DAY / 1000) for shift in np.linspace(-4, 1, 501)]
    ratios = [log_observed_expected(s[None], time, event, once(time), day=DAY)[0] for s in surviving]
    predicted = surviving[int(np.argmin(np.abs(ratios)))]
    assert np.min(np.abs(ratios)) < 0.01
    ici = smoothed(predicted, time, event).ici[0]
    assert ici > 0.04
    assert ici == pytest.approx(np.abs(predicted - survival).mean(), abs=0.02)


def test_one_prediction_for_all_errs_by_its_distance_from_everybodys_risk():
    _, time, event, _ = truth(6, 500)
    at_risk = np.array([np.sum(time >= t) for t in time[event & (time <= DAY)]])
    everybodys = 1 - np.exp(-np.sum(1 / at_risk))
    for survival in (np.full(500, 0.9), 0.9 + 1e-15 * np.arange(500)):
        error = smoothed(survival, time, event)
        np.testing.assert_allclose([error.ici[0], error.e50[0], error.e90[0]], everybodys - 0.1, rtol=1e-9)


def test_two_predictions_are_each_held_to_a_straight_line():
    # Where the knots coincide there is no spline: two groups, each with its own hazard, as a Cox model of one binary.
    linear_predictor, time, event, _ = truth(7)
    high = linear_predictor > 1
    error = smoothed(np.where(high, 0.3, 0.8), time, event)
    observed = [1 - np.exp(-np.exp(linear_predictor[g]) * DAY / 1000).mean() for g in (high, ~high)]
    expected = np.where(high, abs(observed[0] - 0.7), abs(observed[1] - 0.2)).mean()
    assert error.ici[0] == pytest.approx(expected, abs=0.04)


@settings(max_examples=300)
@given(st.lists(patient, min_size=1, max_size=12), st.integers(1, 7).map(float))
def test_every_sample_has_a_smoothed_error_between_0_and_1(patients, day):
    survival, time, event, counts = (np.array(column) for column in zip(*patients, strict=True))
    counts = np.stack([np.ones(len(time)), counts + (counts.sum() == 0)]).astype(float)
    error = integrated_calibration(survival[None], time, event, counts, day=day)
    for figure in (error.ici, error.e50, error.e90):
        assert ((figure >= 0) & (figure <= 1)).all()


def test_d_calibration_by_hand():
    # An event at .35 fills the fourth bin; one censored at .25 lies below: .1/.25 in each of the first two bins and
    # .05/.25 in the third; one censored at 0 can only be in the first.
    result = d_calibration(np.array([[0.35, 0.25, 0.0]]), np.array([True, False, False]), np.ones((1, 3)))
    bins = [1.4, 0.4, 0.2, 1, 0, 0, 0, 0, 0, 0]
    np.testing.assert_allclose(result.bins[0], bins, rtol=1e-12, atol=1e-15)
    statistic = np.sum((np.array(bins) - 0.3) ** 2) / 0.3
    assert result.statistic[0] == pytest.approx(statistic, rel=1e-12)
    assert result.p_value[0] == pytest.approx(chi2.sf(statistic, 9), rel=1e-10)


def test_the_edges_belong_to_the_bin_above_and_1_to_the_last():
    own = np.array([[0.0, 0.1, 0.3, 0.7, 0.9, 1.0]])
    bins = d_calibration(own, np.ones(6, dtype=bool), np.ones((1, 6))).bins[0]
    np.testing.assert_array_equal(bins, [1, 1, 0, 1, 0, 0, 0, 1, 0, 2])


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=20))
def test_every_patient_is_spread_over_the_bins_once(patients):
    own, event = (np.array(column) for column in zip(*patients, strict=True))
    result = d_calibration(own[None], event, once(own))
    assert result.bins.sum() == pytest.approx(len(own), rel=1e-9)
    assert (result.bins >= 0).all()
    assert 0 <= result.p_value[0] <= 1


def test_d_calibration_of_the_truth_is_even_and_that_of_an_error_is_not():
    p_values = []
    for seed in range(20):
        linear_predictor, time, event, _ = truth(seed, 600)
        own = np.exp(-np.exp(linear_predictor) * time / 1000)
        p_values.append(d_calibration(own[None], event, once(time)).p_value[0])
        assert d_calibration(own[None] ** 2, event, once(time)).p_value[0] < 1e-6
    # With censored patients spread the statistic is smaller than chi-square: the test errs on the safe side.
    assert np.mean(np.array(p_values) < 0.05) <= 0.15
    assert np.median(p_values) > 0.3


def test_survival_at_the_own_time_lies_on_straight_lines_and_ends_with_the_grid():
    survival = np.array([[[0.8, 0.6], [0.5, 0.4], [0.9, 0.1], [0.7, 0.2]]])
    time, event = np.array([5.0, 15.0, 20.0, 99.0]), np.ones(4, dtype=bool)
    own, seen = within_grid(survival, time, event, grid_days=np.array([10.0, 20.0]))
    np.testing.assert_allclose(own, [[0.9, 0.45, 0.1, 0.2]], rtol=1e-14)
    np.testing.assert_array_equal(seen, [True, True, True, False])


@given(seeds, st.integers(1, 3), st.integers(2, 20))
def test_on_a_straight_curve_the_grid_does_not_matter(seed, n_repeats, n_grid):
    rng = np.random.default_rng(seed)
    fall = rng.uniform(0, 1 / 100, size=(n_repeats, 30))
    grid_days = np.sort(rng.uniform(1, 100, n_grid))
    time, event = rng.uniform(0.1, 150, 30), rng.random(30) < 0.5
    own, seen = within_grid(1 - fall[..., None] * grid_days, time, event, grid_days=grid_days)
    np.testing.assert_allclose(own, 1 - fall * np.minimum(time, grid_days[-1]), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(seen, event & (time <= grid_days[-1]))
