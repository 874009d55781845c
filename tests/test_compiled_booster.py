"""A booster laid out is the booster: margins to the bit, Shapley values as xgboost's own."""

from __future__ import annotations

import numpy as np
import pytest
import xgboost

from training.boosted import fit_boosted
from training.compiled_booster import CompiledBooster
from training.tree_kernel import TreesError


def fitted(objective, depth, *, n_covariates=7, rounds=30):
    rng = np.random.default_rng(depth)
    X = rng.normal(size=(300, n_covariates))
    time = np.ceil(400 * rng.exponential(np.exp(-X[:, 0] + X[:, 1] * X[:, 2])))
    parameters = {
        "objective": objective,
        "rounds": rounds,
        "learning_rate": 0.2,
        "max_depth": depth,
        "min_child_weight": 1.0,
        "subsample": 0.8,
        "colsample_bytree": 0.8,
        "reg_lambda": 1.0,
    }
    return fit_boosted(X, time, rng.random(300) < 0.6, parameters=parameters, seed=3), rng.normal(
        size=(400, n_covariates)
    )


@pytest.mark.parametrize("objective", ["cox", "aft"])
@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_linear_predictors_are_the_boosters_to_the_bit(objective, depth):
    booster, X = fitted(objective, depth)
    np.testing.assert_array_equal(CompiledBooster.of(booster).linear_predictor(X), booster.linear_predictor(X))


@pytest.mark.parametrize("objective", ["cox", "aft"])
@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_contributions_are_xgboosts_and_add_up(objective, depth):
    booster, X = fitted(objective, depth)
    compiled = CompiledBooster.of(booster)
    values, constant = compiled.contributions(X)
    stated = booster.booster.predict(xgboost.DMatrix(X), pred_contribs=True).astype(np.float64)
    sign = -1.0 if objective == "aft" else 1.0
    np.testing.assert_allclose(values, sign * stated[:, :-1], atol=2e-5)
    assert constant == pytest.approx(sign * stated[0, -1] - booster.centre, abs=2e-5)
    np.testing.assert_allclose(values.sum(axis=1) + constant, booster.linear_predictor(X), atol=1e-5)


def test_a_covariate_that_no_tree_reads_contributes_nothing():
    booster, X = fitted("cox", 2, n_covariates=40, rounds=3)
    values, _ = CompiledBooster.of(booster).contributions(X)
    unread = sorted(set(range(40)) - {int(name[1:]) for name in booster.booster.get_score()})
    assert unread
    assert not values[:, unread].any()


def test_a_row_alone_has_the_figures_of_the_batch_to_the_bit():
    booster, X = fitted("cox", 3)
    compiled = CompiledBooster.of(booster)
    values, constant = compiled.contributions(X)
    for i in range(20):
        alone, same = compiled.contributions(X[i : i + 1])
        np.testing.assert_array_equal(alone[0], values[i])
        assert same == constant
        assert compiled.linear_predictor(X[i : i + 1])[0] == compiled.linear_predictor(X)[i]


def test_trees_that_are_too_deep_are_refused():
    booster, _ = fitted("cox", 14)
    with pytest.raises(TreesError, match="levels"):
        CompiledBooster.of(booster)
