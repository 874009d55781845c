"""Cox's partial likelihood: against the sum written out, at every tie and in every stratum, and its derivatives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from training import calibration
from training.partial_likelihood import LARGEST_SPREAD, PartialLikelihood, StratifiedOutcome
from training.univariate_cox import cox_univariate

seeds = st.integers(0, 100_000)
#: None: no two patients share a day.
days_of_follow_up = st.sampled_from([None, 15, 3])


def simulated(seed, n_patients=60, *, days=None, n_strata=1, slope=0.7):
    """A predictor, outcomes that it tells of, and strata whose hazards differ."""
    rng = np.random.default_rng(seed)
    linear_predictor = rng.normal(size=n_patients)
    strata = rng.integers(0, n_strata, n_patients)
    death = rng.exponential(500 / np.exp(slope * linear_predictor + strata))
    censored = rng.exponential(700, size=n_patients)
    time, event = np.minimum(death, censored), death <= censored
    if days is not None:
        time = np.ceil(days * time / time.max())
    return linear_predictor, time, event, strata


def written_out(linear_predictor, time, event, strata):
    """The docstring's formula, one patient after another."""
    terms = np.zeros(len(time))
    for i in np.flatnonzero(event):
        at_risk = (time >= time[i]) & (strata == strata[i])
        terms[i] = linear_predictor[i] - np.log(np.exp(linear_predictor[at_risk]).sum())
    return terms


def one_stratum(time):
    return np.zeros(len(time), dtype=np.int64)


def test_three_patients_by_hand():
    # At risk: 1 + 2 + 4 at day 1, 4 at day 3; day 2 is censored.
    outcome = StratifiedOutcome.of(np.array([1.0, 2.0, 3.0]), np.array([True, False, True]), one_stratum(range(3)))
    np.testing.assert_allclose(outcome.terms(np.log([1.0, 2.0, 4.0])), [np.log(1 / 7), 0, 0], atol=1e-15)


def test_patients_who_share_a_day_are_all_at_risk_by_hand():
    outcome = StratifiedOutcome.of(np.array([5.0, 5.0, 9.0]), np.array([True, True, False]), one_stratum(range(3)))
    np.testing.assert_allclose(outcome.terms(np.log([1.0, 2.0, 3.0])), [np.log(1 / 6), np.log(2 / 6), 0], atol=1e-15)


def test_a_patient_of_another_stratum_is_never_at_risk_by_hand():
    outcome = StratifiedOutcome.of(np.array([1.0, 2.0, 2.0]), np.array([True, False, True]), np.array([4, 4, 1]))
    np.testing.assert_allclose(outcome.terms(np.log([1.0, 2.0, 50.0])), [np.log(1 / 3), 0, 0], atol=1e-15)


@settings(max_examples=60)
@given(seeds, days_of_follow_up, st.integers(1, 5))
def test_terms_equal_the_sum_written_out(seed, days, n_strata):
    linear_predictor, time, event, strata = simulated(seed, days=days, n_strata=n_strata)
    terms = StratifiedOutcome.of(time, event, strata).terms(linear_predictor)
    np.testing.assert_allclose(terms, written_out(linear_predictor, time, event, strata), rtol=1e-11, atol=1e-12)


@settings(max_examples=30)
@given(
    seeds, days_of_follow_up, st.randoms(use_true_random=False), st.lists(st.floats(-50, 50), min_size=3, max_size=3)
)
def test_neither_the_order_of_patients_nor_a_shift_of_a_stratum_changes_a_term(seed, days, random, shifts):
    linear_predictor, time, event, strata = simulated(seed, days=days, n_strata=3)
    order = list(range(len(time)))
    random.shuffle(order)
    terms = StratifiedOutcome.of(time, event, strata).terms(linear_predictor)
    shuffled = StratifiedOutcome.of(time[order], event[order], strata[order])
    np.testing.assert_allclose(shuffled.terms(linear_predictor[order]), terms[order], rtol=1e-9, atol=1e-9)
    shifted = StratifiedOutcome.of(time, event, strata).terms(linear_predictor + np.array(shifts)[strata])
    np.testing.assert_allclose(shifted, terms, rtol=1e-9, atol=1e-9)


@settings(max_examples=30)
@given(seeds, days_of_follow_up)
def test_the_value_of_coefficients_is_the_sum_of_the_terms_of_their_predictor(seed, days):
    rng = np.random.default_rng(seed)
    _, time, event, strata = simulated(seed, days=days)
    X, beta = rng.normal(size=(len(time), 3)), rng.normal(size=3)
    value = PartialLikelihood.of(X, time, event).value(beta)
    assert value == pytest.approx(written_out(X @ beta, time, event, strata).sum(), rel=1e-11, abs=1e-11)


@settings(max_examples=30)
@given(seeds, days_of_follow_up)
def test_the_derivatives_equal_the_sums_written_out(seed, days):
    rng = np.random.default_rng(seed)
    _, time, event, _ = simulated(seed, 40, days=days)
    X, beta = rng.normal(size=(40, 3)), rng.normal(size=3)
    gradient, information = np.zeros(3), np.zeros((3, 3))
    for i in np.flatnonzero(event):
        at_risk = X[time >= time[i]]
        share = np.exp(at_risk @ beta) / np.exp(at_risk @ beta).sum()
        mean = share @ at_risk
        gradient += X[i] - mean
        information += (at_risk - mean).T @ ((at_risk - mean) * share[:, None])
    ours = PartialLikelihood.of(X, time, event).derivatives(beta)
    np.testing.assert_allclose(ours[0], gradient, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(ours[1], information, rtol=1e-8, atol=1e-8)


@settings(max_examples=40)
@given(seeds, days_of_follow_up, st.integers(1, 4))
def test_the_slope_is_where_the_sum_written_out_is_highest(seed, days, n_strata):
    linear_predictor, time, event, strata = simulated(seed, days=days, n_strata=n_strata)
    slope = StratifiedOutcome.of(time, event, strata).slope(linear_predictor)
    best = minimize_scalar(
        lambda factor: -written_out(factor * linear_predictor, time, event, strata).sum(),
        bounds=(0, 20),
        method="bounded",
        options={"xatol": 1e-10},
    )
    # A search by values alone cannot see the top more sharply than the root of their rounding.
    assert slope == pytest.approx(best.x, abs=1e-5)


@settings(max_examples=40)
@given(seeds, days_of_follow_up)
def test_the_slope_of_one_stratum_is_the_calibration_slope(seed, days):
    linear_predictor, time, event, strata = simulated(seed, days=days)
    slope = StratifiedOutcome.of(time, event, strata).slope(linear_predictor)
    expected = calibration.calibration_slope(linear_predictor[None], time, event, np.ones((1, len(time))))[0]
    assert slope == pytest.approx(max(expected, 0), rel=1e-8, abs=1e-10)


@settings(max_examples=40)
@given(seeds)
def test_the_slope_is_the_univariate_cox_coefficient_where_no_two_share_a_day(seed):
    # With ties they differ: Breslow's likelihood here, Efron's in the univariate scan.
    linear_predictor, time, event, strata = simulated(seed)
    slope = StratifiedOutcome.of(time, event, strata).slope(linear_predictor)
    coefficient = float(cox_univariate(linear_predictor[:, None], time, event).coefficient[0])
    assert slope == pytest.approx(max(coefficient, 0), rel=1e-8, abs=1e-10)


@settings(max_examples=30)
@given(seeds, st.floats(1e-3, 1e3), st.floats(-100, 100))
def test_the_slope_goes_with_the_unit_of_the_predictor_and_knows_no_zero_point(seed, unit, shift):
    linear_predictor, time, event, strata = simulated(seed, n_strata=2, slope=1.5)
    outcome = StratifiedOutcome.of(time, event, strata)
    slope = outcome.slope(linear_predictor)
    assert slope > 0
    assert outcome.slope(unit * (linear_predictor + shift)) == pytest.approx(slope / unit, rel=1e-6)


@pytest.mark.parametrize("n_strata", [1, 3])
def test_predictions_that_are_worse_than_chance_have_slope_0(n_strata):
    linear_predictor, time, event, strata = simulated(1, 200, n_strata=n_strata)
    outcome = StratifiedOutcome.of(time, event, strata)
    assert outcome.slope(linear_predictor) > 0.3
    assert outcome.slope(-linear_predictor) == 0.0


@pytest.mark.parametrize("constant", [0.0, 0.3, -1e6])
def test_predictions_that_do_not_vary_have_slope_0(constant):
    _, time, event, strata = simulated(2, n_strata=3)
    assert StratifiedOutcome.of(time, event, strata).slope(np.full(len(time), constant)) == 0.0


@settings(max_examples=30)
@given(seeds, st.lists(st.floats(-3, 3), min_size=3, max_size=3), days_of_follow_up)
def test_predictions_that_vary_between_strata_only_have_slope_0(seed, constants, days):
    _, time, event, strata = simulated(seed, n_strata=3, days=days)
    assert StratifiedOutcome.of(time, event, strata).slope(np.array(constants)[strata]) == 0.0


def test_without_an_event_nothing_can_be_said_and_the_slope_is_0():
    linear_predictor, time, event, strata = simulated(3)
    outcome = StratifiedOutcome.of(time, np.zeros_like(event), strata)
    assert outcome.slope(linear_predictor) == 0.0
    np.testing.assert_array_equal(outcome.terms(linear_predictor), np.zeros(len(time)))


def test_predictions_in_the_very_order_of_the_deaths_spread_the_hazard_as_far_as_is_let():
    # The likelihood rises for ever.
    time = np.arange(1.0, 41)
    outcome = StratifiedOutcome.of(time, np.ones(40, dtype=bool), one_stratum(time))
    assert outcome.slope(-time / time.std()) == pytest.approx(LARGEST_SPREAD, rel=1e-12)
    assert outcome.slope(-time) == pytest.approx(LARGEST_SPREAD / time.std(), rel=1e-12)


def test_predictors_that_lie_far_apart_have_finite_terms():
    time, event = np.arange(1.0, 5), np.array([True, False, True, False])
    linear_predictor = np.array([900.0, 0.0, 1.0, -900.0])
    terms = StratifiedOutcome.of(time, event, one_stratum(time)).terms(linear_predictor)
    np.testing.assert_allclose(terms, [0, 0, 0, 0], atol=1e-12)


def test_strata_whose_predictors_lie_far_apart_have_finite_terms():
    time, event, strata = np.array([1.0, 2, 1, 2]), np.array([True, False, True, False]), np.array([0, 0, 1, 1])
    terms = StratifiedOutcome.of(time, event, strata).terms(np.array([900.0, 900.0, -900.0, -900.0]))
    np.testing.assert_allclose(terms, [-np.log(2), 0, -np.log(2), 0], rtol=1e-12)
