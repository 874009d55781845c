"""Ridge Cox models along a path of penalties, against the model of one penalty."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.breslow import breslow
from training.penalised_cox import FitError, fit_penalised_cox
from training.ridge_path import SortedPatients, ridge_path

seeds = st.integers(0, 100_000)


def simulated(seed, n_patients, n_covariates, *, days=None):
    """Patients whose hazard depends on the first three covariates; whole days up to `days` where ties are wanted."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_patients, n_covariates))
    death = rng.exponential(1000 / np.exp(X[:, :3] @ [0.8, -0.5, 0.3]))
    censored = rng.exponential(1500, size=n_patients)
    time, event = np.minimum(death, censored), death <= censored
    event[0] = True
    return X, (time if days is None else np.ceil(days * time / time.max())), event


def log_likelihood(eta, time, event):
    """Breslow's, event by event."""
    return sum(eta[i] - np.log(np.exp(eta[time >= time[i]]).sum()) for i in np.flatnonzero(event))


@settings(max_examples=20, deadline=None)
@given(seeds, st.sampled_from([(30, 60), (80, 5), (150, 40)]), st.sampled_from([None, 12]), st.floats(1e-4, 0.1))
def test_each_fit_of_a_path_is_the_fit_of_its_penalty_alone(seed, shape, days, clinical):
    X, time, event = simulated(seed, *shape, days=days)
    penalties = np.repeat(np.array([3.0, 0.8, 0.2, 0.05])[:, None], shape[1], axis=1)
    penalties[:, :2] = clinical
    for penalty, coefficients in zip(penalties, ridge_path(X, time, event, penalties), strict=True):
        alone = fit_penalised_cox(X, time, event, penalty=penalty, l1_ratio=0).coefficients
        np.testing.assert_allclose(X @ coefficients, X @ alone, atol=3e-4)
        reached, best = (
            log_likelihood(X @ beta, time, event) - len(time) * penalty @ beta**2 / 2 for beta in (coefficients, alone)
        )
        assert reached == pytest.approx(best, abs=1e-6)


def test_a_path_that_begins_with_the_weakest_penalty_ends_where_it_should():
    X, time, event = simulated(1, 120, 20)
    penalties = np.repeat(np.array([0.001, 5.0, 0.01])[:, None], 20, axis=1)
    for penalty, coefficients in zip(penalties, ridge_path(X, time, event, penalties), strict=True):
        alone = fit_penalised_cox(X, time, event, penalty=penalty, l1_ratio=0)
        np.testing.assert_allclose(coefficients, alone.coefficients, atol=1e-4)


def test_a_hardly_penalised_covariate_that_separates_is_fitted():
    # Those with 1 die on the first days, everybody else is censored later: without a penalty there is no maximum.
    X = np.repeat([1.0, 0.0], 20)[:, None] - 0.5
    time, event = np.arange(1.0, 41.0), np.arange(40) < 20
    (coefficient,) = ridge_path(X, time, event, np.array([[1e-5]]))[0]
    alone = fit_penalised_cox(X, time, event, penalty=np.array([1e-5]), l1_ratio=0).coefficients[0]
    assert coefficient > 5
    assert coefficient == pytest.approx(alone, rel=1e-3)


@given(seeds, st.sampled_from([None, 6]))
def test_likelihood_and_baseline_are_those_of_the_formulas(seed, days):
    X, time, event = simulated(seed, 25, 3, days=days)
    eta = X.sum(axis=1)
    patients = SortedPatients.of(time, event)
    value, hazard, at_risk = patients.log_likelihood(eta[patients.order])
    assert value == pytest.approx(log_likelihood(eta, time, event), rel=1e-10)
    expected = breslow(eta, time, event).at(time) * np.exp(eta)
    np.testing.assert_allclose(hazard * patients.cumulative_hazard(at_risk), expected[patients.order], rtol=1e-10)


def test_no_events_are_refused():
    with pytest.raises(FitError, match="none of the 5 patients"):
        ridge_path(np.eye(5), np.arange(1.0, 6.0), np.zeros(5, dtype=bool), np.ones((1, 5)))
