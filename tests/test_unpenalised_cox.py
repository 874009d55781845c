"""The unpenalised Cox model: what it refuses, and that units and order do not matter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.penalised_cox import FitError
from training.univariate_cox import cox_univariate
from training.unpenalised_cox import fit_unpenalised_cox

NAMES = ("age", "grade")


def patients(n: int = 120, seed: int = 0, days: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    time = np.ceil(rng.exponential(days * np.exp(-X @ [0.7, -0.4])))
    censored = np.ceil(rng.exponential(2 * days, size=n))
    return X, np.minimum(time, censored), time <= censored


@given(seed=st.integers(0, 50), days=st.sampled_from([4, 40, 4000]))
@settings(max_examples=25, deadline=None)
def test_one_covariate_gives_the_univariate_model_whatever_the_ties(seed, days):
    X, time, event = patients(seed=seed, days=days)
    fitted, alone = fit_unpenalised_cox(X[:, :1], time, event, ["age"]), cox_univariate(X[:, :1], time, event)
    np.testing.assert_allclose(fitted.coefficients, alone.coefficient, rtol=1e-8)
    np.testing.assert_allclose(np.sqrt(fitted.covariance[0]), alone.standard_error, rtol=1e-8)


@given(unit=st.floats(1e-3, 1e4), shift=st.floats(-100, 100), seed=st.integers(0, 20))
@settings(max_examples=25, deadline=None)
def test_coefficients_follow_the_units_and_nothing_else_does(unit, shift, seed):
    X, time, event = patients(seed=seed)
    order = np.random.default_rng(seed).permutation(len(X))
    fitted = fit_unpenalised_cox(X, time, event, NAMES)
    again = fit_unpenalised_cox((X * [unit, 1] + [shift * unit, 0])[order], 30 * time[order], event[order], NAMES)
    np.testing.assert_allclose(again.coefficients * [unit, 1], fitted.coefficients, rtol=1e-6)
    scaled = again.covariance * np.outer([unit, 1], [unit, 1])
    np.testing.assert_allclose(scaled, fitted.covariance, rtol=1e-6, atol=1e-9)


def test_known_coefficients_are_recovered():
    fitted = fit_unpenalised_cox(*patients(n=4000, seed=3), NAMES)
    deviations = (fitted.coefficients - [0.7, -0.4]) / np.sqrt(np.diag(fitted.covariance))
    assert np.abs(deviations).max() < 3


def test_a_separating_covariate_is_refused_by_name():
    X, time, event = patients()
    X[:, 1] = -time
    with pytest.raises(FitError, match="grade separates"):
        fit_unpenalised_cox(X, time, event, NAMES)


def test_a_category_without_events_is_refused_by_name():
    X, time, event = patients()
    X[:, 1] = 0
    X[np.flatnonzero(~event & (time > np.median(time)))[:10], 1] = 1
    with pytest.raises(FitError, match="grade separates"):
        fit_unpenalised_cox(X, time, event, NAMES)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda X, event: X.__setitem__((slice(None), 1), 7.0), "grade is the same in all 120"),
        (lambda X, event: X.__setitem__((slice(None), 1), 3 * X[:, 0] + 1), "cannot be told from the other"),
        (lambda X, event: X.__setitem__((4, 1), np.nan), "1 patients lack a covariate .first: grade."),
        (lambda X, event: event.__setitem__(slice(None), False), "none of the 120 patients"),
    ],
)
def test_covariates_without_one_best_fit_are_refused_with_the_reason(spoil, words):
    X, time, event = patients()
    spoil(X, event)
    with pytest.raises(FitError, match=words):
        fit_unpenalised_cox(X, time, event, NAMES)


def test_a_covariate_that_varies_only_before_the_first_event_is_refused():
    X, time, event = patients()
    first = time[event].min()
    X, time, event = np.vstack([X, [[0.3, 0.2]]]), np.append(time, first / 2), np.append(event, False)
    X[:, 1] = np.append(np.zeros(len(X) - 1), 1.0)
    with pytest.raises(FitError, match="grade cannot be told"):
        fit_unpenalised_cox(X, time, event, NAMES)


def test_more_covariates_than_patients_are_refused():
    X, time, event = patients(n=6, seed=1)
    with pytest.raises(FitError, match=r"cannot be told|separates"):
        fit_unpenalised_cox(np.hstack([X, X**2, X**3, X**4]), time, event, [f"x{k}" for k in range(8)])


def test_lengths_that_do_not_fit_are_our_own_mistake():
    X, time, event = patients()
    with pytest.raises(ValueError, match="do not fit"):
        fit_unpenalised_cox(X, time[:-1], event, NAMES)
