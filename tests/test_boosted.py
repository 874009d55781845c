"""Boosted trees: both objectives rank a known hazard, higher is worse, and the same seed grows the same trees."""

from __future__ import annotations

import numpy as np
import pytest

from training.boosted import OBJECTIVES, FittedBooster, fit_boosted
from training.concordance import concordance, harrell_pairs
from training.penalised_cox import FitError

PARAMETERS = {
    "rounds": 80,
    "learning_rate": 0.05,
    "max_depth": 2,
    "min_child_weight": 2.0,
    "subsample": 0.7,
    "colsample_bytree": 0.5,
    "reg_lambda": 2.0,
}


def log_hazard(X):
    """A bend and an interaction, which no linear model finds whole."""
    return np.abs(X[:, 0]) + X[:, 1] + X[:, 2] * (X[:, 1] > 0)


def simulated(seed, n_patients=400):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_patients, 8))
    death = rng.exponential(1000 / np.exp(log_hazard(X)))
    censored = rng.exponential(1500, size=n_patients)
    return X, np.ceil(np.minimum(death, censored)), death <= censored


@pytest.fixture(params=OBJECTIVES)
def objective(request) -> str:
    return request.param


def fit(objective: str, *patients, seed: int = 0, **changed) -> FittedBooster:
    return fit_boosted(*patients, parameters={**PARAMETERS, "objective": objective, **changed}, seed=seed)


def of_truth(linear_predictor, X):
    """Concordance with the true log hazard: that of patients who die in its order."""
    return concordance(harrell_pairs(linear_predictor, -log_hazard(X) + 100, np.ones(len(X), dtype=bool)))


def test_a_known_hazard_is_ranked_in_later_patients(objective):
    fitted = fit(objective, *simulated(0))
    X, time, event = simulated(1)
    linear_predictor = fitted.linear_predictor(X)
    assert of_truth(linear_predictor, X) > 0.75
    assert concordance(harrell_pairs(linear_predictor, time, event)) > 0.65


def test_both_objectives_rank_patients_the_same_way():
    X, _, _ = simulated(1)
    cox, aft = (fit(objective, *simulated(0)).linear_predictor(X) for objective in ("cox", "aft"))
    assert np.corrcoef(cox, aft)[0, 1] > 0.8


def test_the_training_mean_is_0(objective):
    X, time, event = simulated(2)
    assert fit(objective, X, time, event).linear_predictor(X).mean() == pytest.approx(0, abs=1e-9)


def test_the_same_seed_grows_the_same_trees_and_another_seed_others(objective):
    X, time, event = simulated(3)
    first, again, other = (fit(objective, X, time, event, seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(again.linear_predictor(X), first.linear_predictor(X))
    assert again.booster.save_raw() == first.booster.save_raw()
    assert not np.array_equal(other.linear_predictor(X), first.linear_predictor(X))


def test_a_patient_alone_has_the_predictor_it_has_among_many(objective):
    X, time, event = simulated(4)
    fitted = fit(objective, X, time, event)
    together = fitted.linear_predictor(X)
    alone = np.concatenate([fitted.linear_predictor(X[[i]]) for i in range(20)])
    np.testing.assert_array_equal(alone, together[:20])


def test_permuted_outcomes_teach_nothing_about_later_patients(objective):
    X, time, event = simulated(5)
    later, _, _ = simulated(6, 2000)
    order = np.random.default_rng(7).permutation(len(time))
    assert of_truth(fit(objective, X, time[order], event[order]).linear_predictor(later), later) < 0.6


def test_the_log_hazard_of_the_cox_objective_is_on_its_own_scale():
    # One covariate of two values, hazards 1 : e. Unshrunk stumps find the log hazard ratio of 1.
    rng = np.random.default_rng(8)
    X = (rng.random((4000, 1)) < 0.5).astype(float)
    time = rng.exponential(1000 / np.exp(X[:, 0]))
    fitted = fit(
        "cox", X, time, np.ones(4000, dtype=bool), rounds=200, subsample=1.0, colsample_bytree=1.0, reg_lambda=0.0
    )
    low, high = fitted.linear_predictor(np.array([[0.0], [1.0]]))
    assert high - low == pytest.approx(1, abs=0.12)


def test_the_log_time_of_the_aft_objective_is_turned_around():
    rng = np.random.default_rng(9)
    X = (rng.random((2000, 1)) < 0.5).astype(float)
    # Twice the covariate's log time shorter, with the logistic noise that the objective assumes.
    time = np.exp(6 - 2 * X[:, 0] + rng.logistic(size=2000))
    fitted = fit(
        "aft", X, time, np.ones(2000, dtype=bool), rounds=400, subsample=1.0, colsample_bytree=1.0, reg_lambda=0.0
    )
    low, high = fitted.linear_predictor(np.array([[0.0], [1.0]]))
    assert high - low == pytest.approx(2, abs=0.25)


def test_patients_without_an_event_are_refused(objective):
    X, time, _ = simulated(10, 30)
    with pytest.raises(FitError, match="none of the 30 patients had one"):
        fit(objective, X, time, np.zeros(30, dtype=bool))


def test_one_event_is_enough_to_be_fitted(objective):
    X, time, _ = simulated(11, 30)
    linear_predictor = fit(objective, X, time, np.arange(30) == 4).linear_predictor(X)
    assert np.isfinite(linear_predictor).all()
