"""The penalised Cox model: against scikit-survival, at its optimum, and with known hazards in and out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sksurv.linear_model import CoxnetSurvivalAnalysis, CoxPHSurvivalAnalysis
from sksurv.util import Surv

from training.concordance import concordance, harrell_pairs
from training.penalised_cox import FitError, FittedCox, fit_penalised_cox

seeds = st.integers(0, 100_000)


def simulated(seed, coefficients, n_patients=150, *, days=None):
    """Patients with a known log hazard ratio per covariate; whole days up to `days` where ties are wanted."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_patients, len(coefficients)))
    death = rng.exponential(1000 / np.exp(X @ np.asarray(coefficients)))
    censored = rng.exponential(1500, size=n_patients)
    time = np.minimum(death, censored)
    if days is not None:
        time = np.ceil(days * time / time.max())
    return X, time, death <= censored


def penalised_log_likelihood(beta, X, time, event, *, penalty, l1_ratio):
    """The formula of the docstring, event by event."""
    eta = X @ beta
    terms = [eta[i] - np.log(np.exp(eta[time >= time[i]]).sum()) for i in np.flatnonzero(event)]
    return np.sum(terms) / len(time) - penalty @ (l1_ratio * np.abs(beta) + (1 - l1_ratio) / 2 * beta**2)


def test_two_patients_by_hand():
    # x = 1 dies before x = 0: (1/2)(b - log(e^b + 1)) - (λ/2) b² is highest where 1 / (e^b + 1) = 2 λ b; for
    # λ = 1 / (2 (e + 1)) that is b = 1.
    fitted = fit_penalised_cox(
        np.array([[1.0], [0.0]]),
        np.array([1.0, 2.0]),
        np.array([True, False]),
        penalty=np.array([1 / (2 * (np.e + 1))]),
        l1_ratio=0,
    )
    assert fitted.coefficients[0] == pytest.approx(1, rel=1e-9)
    np.testing.assert_allclose(fitted.linear_predictor(np.array([[1.0], [0.0], [0.5]])), [0.5, -0.5, 0], atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(seeds, st.lists(st.floats(1e-3, 3), min_size=4, max_size=4), st.sampled_from([None, 30]))
def test_ridge_equals_scikit_survivals(seed, penalty, days):
    X, time, event = simulated(seed, [0.8, -0.5, 0, 0.2], days=days)
    penalty = np.array(penalty)
    fitted = fit_penalised_cox(X, time, event, penalty=penalty, l1_ratio=0)
    theirs = CoxPHSurvivalAnalysis(alpha=len(time) * penalty, ties="breslow", tol=1e-12, n_iter=200)
    theirs.fit(X, Surv.from_arrays(event, time))
    np.testing.assert_allclose(fitted.coefficients, theirs.coef_, rtol=1e-7, atol=1e-9)


@settings(max_examples=15, deadline=None)
@given(seeds, st.floats(0.01, 0.3), st.sampled_from([0.1, 0.5, 0.9, 1.0]))
def test_elastic_net_equals_coxnet_of_one_penalty(seed, penalty, l1_ratio):
    X, time, event = simulated(seed, [0.8, -0.5, 0, 0.2])
    fitted = fit_penalised_cox(X, time, event, penalty=np.full(4, penalty), l1_ratio=l1_ratio)
    theirs = CoxnetSurvivalAnalysis(alphas=[10.0, penalty, 1e-3], l1_ratio=l1_ratio, tol=1e-12)
    theirs.fit(X, Surv.from_arrays(event, time))
    # Coxnet's coordinate descent stops where it stops, and where from depends on the path.
    np.testing.assert_allclose(fitted.coefficients, theirs.coef_[:, 1], rtol=1e-3, atol=1e-4)


@settings(max_examples=15, deadline=None)
@given(seeds, st.lists(st.floats(1e-3, 1), min_size=3, max_size=3), st.sampled_from([None, 20]))
def test_the_gradient_is_0_at_the_optimum_of_ridge(seed, penalty, days):
    X, time, event = simulated(seed, [1.0, 0, -0.5], 60, days=days)
    penalty = np.array(penalty)
    beta = fit_penalised_cox(X, time, event, penalty=penalty, l1_ratio=0).coefficients
    for j in range(3):
        step = np.eye(3)[j] * 1e-5
        ends = [
            penalised_log_likelihood(b, X, time, event, penalty=penalty, l1_ratio=0) for b in (beta + step, beta - step)
        ]
        assert (ends[0] - ends[1]) / 2e-5 == pytest.approx(0, abs=1e-8)


@settings(max_examples=15, deadline=None)
@given(seeds, st.sampled_from([0.0, 0.2, 0.9]), st.lists(st.floats(-1, 1), min_size=3, max_size=3))
def test_no_other_coefficients_have_a_higher_penalised_likelihood(seed, l1_ratio, direction):
    X, time, event = simulated(seed, [1.0, 0, -0.5], 60, days=25)
    penalty = np.array([0.001, 0.1, 0.05])
    beta = fit_penalised_cox(X, time, event, penalty=penalty, l1_ratio=l1_ratio).coefficients
    best = penalised_log_likelihood(beta, X, time, event, penalty=penalty, l1_ratio=l1_ratio)
    for scale in (1e-3, 0.1, 1.0):
        other = beta + scale * np.array(direction)
        assert penalised_log_likelihood(other, X, time, event, penalty=penalty, l1_ratio=l1_ratio) <= best + 1e-8


def test_known_log_hazard_ratios_are_recovered():
    true = [0.7, -0.4, 0.0, 0.2]
    X, time, event = simulated(1, true, 4000)
    fitted = fit_penalised_cox(X, time, event, penalty=np.full(4, 1e-6), l1_ratio=0)
    # Four standard errors; the information of a covariate of SD 1 is about one an event.
    np.testing.assert_allclose(fitted.coefficients, true, atol=4 / np.sqrt(event.sum()))


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
def test_a_higher_linear_predictor_is_worse(l1_ratio):
    X, time, event = simulated(2, [1.0, -1.0])
    fitted = fit_penalised_cox(X, time, event, penalty=np.full(2, 0.01), l1_ratio=l1_ratio)
    later, later_time, later_event = simulated(3, [1.0, -1.0])
    linear_predictor = fitted.linear_predictor(later)
    assert concordance(harrell_pairs(linear_predictor, later_time, later_event)) > 0.7
    assert fitted.coefficients[0] > 0 > fitted.coefficients[1]


@settings(max_examples=20, deadline=None)
@given(seeds, st.sampled_from([0.0, 0.5]), st.lists(st.floats(-100, 100), min_size=2, max_size=2))
def test_a_shift_of_covariates_changes_no_linear_predictor_and_its_training_mean_is_0(seed, l1_ratio, shift):
    X, time, event = simulated(seed, [0.5, -0.5], 80)
    plain, shifted = (
        fit_penalised_cox(moved, time, event, penalty=np.full(2, 0.02), l1_ratio=l1_ratio).linear_predictor(moved)
        for moved in (X, X + np.array(shift))
    )
    np.testing.assert_allclose(shifted, plain, atol=1e-4)
    assert plain.mean() == pytest.approx(0, abs=1e-12)


@settings(max_examples=15, deadline=None)
@given(seeds, st.sampled_from([0.0, 0.5]), st.floats(0.01, 1000), st.randoms(use_true_random=False))
def test_neither_the_order_of_patients_nor_the_unit_of_time_matters(seed, l1_ratio, unit, random):
    X, time, event = simulated(seed, [0.5, -0.5], 80, days=30)
    order = list(range(80))
    random.shuffle(order)
    penalty = np.array([0.01, 0.1])
    fitted, again = (
        fit_penalised_cox(*arrays, penalty=penalty, l1_ratio=l1_ratio).coefficients
        for arrays in ((X, time, event), (X[order], unit * time[order], event[order]))
    )
    np.testing.assert_allclose(again, fitted, atol=1e-4)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.1, 0.9])
def test_a_large_penalty_leaves_next_to_nothing(l1_ratio):
    X, time, event = simulated(4, [1.0, -1.0, 0.5])
    fitted = fit_penalised_cox(X, time, event, penalty=np.full(3, 1e4), l1_ratio=l1_ratio)
    assert np.abs(fitted.coefficients).max() < 1e-4
    if l1_ratio:
        np.testing.assert_array_equal(fitted.coefficients, 0)


@pytest.mark.parametrize("factor", [1e-3, 0.02, 1.0])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.1, 0.5, 0.9])
def test_genes_are_on_the_path_beside_a_hardly_penalised_clinical_covariate(l1_ratio, factor):
    # The first column is clinical; of the 60 genes, one tells.
    X, time, event = simulated(5, [1.0, 1.0] + [0.0] * 59, 200)
    penalty = np.full(61, 0.1)
    penalty[0] *= factor
    coefficients = fit_penalised_cox(X, time, event, penalty=penalty, l1_ratio=l1_ratio).coefficients
    assert coefficients[1] > 0.1
    assert coefficients[1] == np.abs(coefficients[1:]).max()
    # The clinical covariate is what it is under the objective, not what a rescaled penalty would make of it.
    best = penalised_log_likelihood(coefficients, X, time, event, penalty=penalty, l1_ratio=l1_ratio)
    for change in (0.98, 1.02):
        other = coefficients * np.where(np.arange(61) == 0, change, 1)
        assert penalised_log_likelihood(other, X, time, event, penalty=penalty, l1_ratio=l1_ratio) < best


def test_the_lasso_leaves_out_more_genes_the_higher_its_penalty():
    X, time, event = simulated(6, [1.0, 0.5, 0.25] + [0.0] * 30, 200)
    kept = [
        np.count_nonzero(fit_penalised_cox(X, time, event, penalty=np.full(33, p), l1_ratio=1).coefficients)
        for p in (0.005, 0.05, 0.15, 2.0)
    ]
    assert kept == sorted(kept, reverse=True)
    assert kept[0] > kept[2] >= 1
    assert kept[-1] == 0


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
def test_patients_without_an_event_are_refused(l1_ratio):
    X, time, _ = simulated(7, [1.0, 0.0], 30)
    with pytest.raises(FitError, match="none of the 30 patients had one"):
        fit_penalised_cox(X, time, np.zeros(30, dtype=bool), penalty=np.ones(2), l1_ratio=l1_ratio)


@pytest.mark.parametrize("penalty", [1e-5, 1e-3, 0.1])
def test_separated_patients_converge_under_a_penalty(penalty):
    # All of those with x = 1 die before any of those with x = 0: without a penalty there is no optimum.
    time, event = np.arange(1.0, 41), np.ones(40, dtype=bool)
    X = np.column_stack([time <= 20, np.random.default_rng(8).normal(size=40)]).astype(float)
    penalties = np.full(2, penalty)
    beta = fit_penalised_cox(X, time, event, penalty=penalties, l1_ratio=0).coefficients
    assert beta[0] > 1
    best = penalised_log_likelihood(beta, X, time, event, penalty=penalties, l1_ratio=0)
    for step in (-1e-3, 1e-3):
        assert (
            penalised_log_likelihood(beta + np.array([step, 0]), X, time, event, penalty=penalties, l1_ratio=0) < best
        )


@pytest.mark.parametrize("scale", [1e-3, 1e3, 1e6])
def test_huge_and_tiny_covariates_converge_to_the_same_predictors(scale):
    X, time, event = simulated(9, [0.8, -0.5, 0.2])
    plain = fit_penalised_cox(X, time, event, penalty=np.full(3, 0.01), l1_ratio=0)
    scaled = fit_penalised_cox(X * scale, time, event, penalty=np.full(3, 0.01 * scale**2), l1_ratio=0)
    np.testing.assert_allclose(scaled.linear_predictor(X * scale), plain.linear_predictor(X), atol=1e-6)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.1, 0.9])
def test_one_outlier_of_36890_standard_deviations_converges(l1_ratio):
    X, time, event = simulated(10, [0.8, -0.5, 0.2])
    X[3, 2] = 36_890
    penalty = np.full(3, 0.02)
    beta = fit_penalised_cox(X, time, event, penalty=penalty, l1_ratio=l1_ratio).coefficients
    assert np.isfinite(beta).all()
    assert beta[0] > 0.3
    best = penalised_log_likelihood(beta, X, time, event, penalty=penalty, l1_ratio=l1_ratio)
    for j, step in ((0, 1e-2), (1, 1e-2), (2, 1e-4)):
        for sign in (-1, 1):
            other = beta + sign * step * np.eye(3)[j]
            assert penalised_log_likelihood(other, X, time, event, penalty=penalty, l1_ratio=l1_ratio) < best


def test_a_patient_at_the_training_means_has_linear_predictor_0():
    fitted = FittedCox(np.array([2.0, -1.0]), np.array([10.0, 20.0]))
    np.testing.assert_array_equal(
        fitted.linear_predictor(np.array([[10.0, 20.0], [11.0, 20.0], [10.0, 23.0]])), [0, 2, -3]
    )


def test_the_last_step_is_taken_though_rounding_hides_its_gain():
    X, time, event = simulated(227, [0.8, -0.5, 0, 0.2])
    penalty = np.array([2.0, 1.0, 1.0, 1.0])
    fitted = fit_penalised_cox(X, time, event, penalty=penalty, l1_ratio=0)
    theirs = CoxPHSurvivalAnalysis(alpha=len(time) * penalty, ties="breslow", tol=1e-12, n_iter=200)
    theirs.fit(X, Surv.from_arrays(event, time))
    np.testing.assert_allclose(fitted.coefficients, theirs.coef_, rtol=1e-10)


def test_a_hardly_penalised_covariate_that_separates_the_deaths_has_a_finite_elastic_net():
    # Coxnet's own steps diverge here; the optimum is where the penalised likelihood's subgradient holds 0.
    rng, days = np.random.default_rng(4), np.arange(1.0, 41.0)
    X = np.column_stack([-days, rng.normal(size=(40, 5))])
    penalty = np.array([1e-7, *[0.05] * 5])
    fitted = fit_penalised_cox(X, days, np.ones(40, dtype=bool), penalty=penalty, l1_ratio=0.9)
    assert 1 < fitted.coefficients[0] < 100
    assert (np.abs(fitted.coefficients[1:]) < 1).all()
