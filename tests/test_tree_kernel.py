"""Trees as arrays: xgboost's own predictions, the same for one row or many, and nothing that is no tree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from training.boosted import fit_boosted
from training.tree_kernel import DEEPEST, TreesError
from training.trees import Trees, in_one_group, side_by_side, trees_of

N_COVARIATES = 6


def boosted(seed: int, *, objective: str = "cox", depth: int = 3, rounds: int = 12, n_patients: int = 150):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_patients, N_COVARIATES))
    time = np.ceil(500 * rng.exponential(np.exp(-X[:, 0])))
    parameters = {"objective": objective, "rounds": rounds, "max_depth": depth, "learning_rate": 0.3}
    parameters |= {"min_child_weight": 0.5, "subsample": 0.8, "colsample_bytree": 0.7, "reg_lambda": 1.0}
    return X, fit_boosted(X, time, rng.random(n_patients) < 0.6, parameters=parameters, seed=seed)


def flattened(fitted, *, factor: float = 1.0, columns=None) -> Trees:
    columns = np.arange(N_COVARIATES) if columns is None else columns
    sign = -1.0 if fitted.objective == "aft" else 1.0
    return trees_of(fitted.booster, columns=columns, factor=sign * factor)


def centred(trees: Trees, X) -> Trees:
    return replace(trees, centre=trees.centre + trees.margins(X).mean(axis=0))


@pytest.fixture(scope="module")
def groups():
    """Two groups of trees of several depths, and the rows that they were grown on."""
    parts = [flattened(boosted(seed, depth=depth)[1]) for seed, depth in ((1, 1), (2, 2), (3, 3), (4, 5))]
    return side_by_side([in_one_group(parts[:3], 0.25), parts[3]]), boosted(1)[0]


@given(
    seed=st.integers(0, 50),
    objective=st.sampled_from(["cox", "aft"]),
    depth=st.integers(1, 6),
    rounds=st.integers(1, 8),
)
@settings(max_examples=15, deadline=None)
def test_sums_of_leaves_are_xgboosts_margins(seed, objective, depth, rounds):
    X, fitted = boosted(seed, objective=objective, depth=depth, rounds=rounds)
    others = np.random.default_rng(seed).normal(size=(30, N_COVARIATES))
    found = centred(flattened(fitted), X).margins(others)[:, 0]
    np.testing.assert_allclose(found, fitted.linear_predictor(others), atol=3e-6)


def test_a_row_that_stands_exactly_at_a_threshold_goes_where_xgboost_sends_it():
    X, fitted = boosted(7)
    trees = flattened(fitted)
    at = np.zeros((len(trees.threshold), N_COVARIATES))
    at[np.arange(len(at)), trees.column] = np.nan_to_num(trees.threshold.astype(np.float64))
    np.testing.assert_allclose(centred(trees, X).margins(at)[:, 0], fitted.linear_predictor(at), atol=3e-6)


def test_a_row_alone_has_the_same_sums_to_the_bit_as_among_many(groups):
    trees, _ = groups
    X = np.random.default_rng(0).normal(size=(600, N_COVARIATES))
    together = trees.margins(X)
    for row in (0, 1, 255, 256, 599):
        assert np.array_equal(trees.margins(X[row : row + 1])[0], together[row])


def test_each_draw_has_the_sums_of_its_own_group(groups):
    trees, _ = groups
    draws = np.random.default_rng(3).normal(size=(5, 300, N_COVARIATES)).astype(np.float32)
    group = np.array([0, 1, 0, 1, 1], dtype=np.int32)
    found = trees.margins_of_draws(draws, group)
    for draw in range(5):
        assert np.array_equal(found[:, draw], trees.margins(draws[draw].astype(np.float64))[:, group[draw]])


def test_trees_that_compare_a_covariate_and_the_others_add_up_to_all(groups):
    trees, X = groups
    chosen, others = trees.parted(np.array([0, 4]))
    assert not set(others.columns) & {0, 4}
    assert len(chosen.depth) + len(others.depth) == len(trees.depth)
    np.testing.assert_allclose(chosen.margins(X) + others.margins(X), trees.margins(X), rtol=0, atol=1e-12)
    moved = X.copy()
    moved[:, [0, 4]] += 5.0
    assert np.array_equal(others.margins(moved), others.margins(X))
    none, all_of_them = trees.parted(np.array([N_COVARIATES]))
    assert not len(none.depth)
    assert np.array_equal(all_of_them.margins(X), trees.margins(X))
    assert np.array_equal(none.margins(X), np.zeros((len(X), 2)))


def test_a_group_is_the_sum_of_its_parts_less_its_centre(groups):
    trees, X = groups
    parts = [flattened(boosted(seed, depth=depth)[1]).margins(X)[:, 0] for seed, depth in ((1, 1), (2, 2), (3, 3))]
    np.testing.assert_allclose(trees.margins(X)[:, 0], sum(parts) - 0.25, rtol=0, atol=1e-12)


def test_a_factor_multiplies_and_columns_are_renamed():
    X, fitted = boosted(3)
    wide = np.random.default_rng(1).normal(size=(len(X), 20))
    columns = np.array([3, 5, 7, 11, 13, 17])
    wide[:, columns] = X
    found = flattened(fitted, factor=0.3, columns=columns)
    assert set(found.columns) <= set(columns)
    np.testing.assert_allclose(found.margins(wide), 0.3 * flattened(fitted).margins(X), atol=1e-6)


def test_trees_without_a_split_add_their_leaf():
    X, fitted = boosted(2, depth=1)
    grown = flattened(fitted)
    stump = Trees(
        column=grown.column[:0],
        threshold=grown.threshold[:0],
        value=np.array([0.5, -0.125], dtype=np.float32),
        depth=np.zeros(2, dtype=np.int32),
        starts=np.array([0, 2], dtype=np.int32),
        centre=np.zeros(1),
    )
    assert np.array_equal(stump.margins(X), np.full((len(X), 1), 0.375))


@pytest.mark.parametrize(
    "broken",
    [
        {"depth": lambda trees: trees.depth + 1},
        {"depth": lambda trees: np.full_like(trees.depth, -1)},
        {"depth": lambda trees: np.full_like(trees.depth, DEEPEST + 1)},
        {"column": lambda trees: trees.column - 1},
        {"column": lambda trees: trees.column[:-1]},
        {"value": lambda trees: trees.value[:-1]},
        {"value": lambda trees: np.full_like(trees.value, np.inf)},
        {"starts": lambda trees: trees.starts[:-1]},
        {"starts": lambda trees: trees.starts[::-1].copy()},
        {"starts": lambda trees: trees.starts + 1},
        {"centre": lambda trees: trees.centre * np.nan},
    ],
)
def test_arrays_that_are_no_trees_are_refused(groups, broken):
    trees, _ = groups
    with pytest.raises(ValueError, match="are no trees"):
        replace(trees, **{name: change(trees) for name, change in broken.items()})


def test_rows_without_a_covariate_that_trees_compare_are_refused(groups):
    trees, X = groups
    with pytest.raises(ValueError, match="there are only 2"):
        trees.margins(X[:, :2])


def test_a_group_that_is_not_there_is_refused(groups):
    trees, X = groups
    with pytest.raises(ValueError, match="group 2 is asked for"):
        trees.margins_of_draws(X[None].astype(np.float32), np.array([2], dtype=np.int32))


def test_trees_that_are_too_deep_to_be_kept_are_refused():
    # Each row is worth more than all before it: every split takes off the last, a chain of them.
    rows = xgboost.DMatrix(np.arange(24.0)[:, None], label=3.0 ** np.arange(24))
    settings = {"max_depth": DEEPEST + 4, "min_child_weight": 0, "lambda": 0, "base_score": 0, "tree_method": "exact"}
    chain = xgboost.train({**settings, "nthread": 1}, rows, num_boost_round=1)
    assert f"\n{(DEEPEST + 2) * chr(9)}" in chain.get_dump()[0]
    with pytest.raises(TreesError, match="lower max_depth"):
        trees_of(chain, columns=np.arange(1), factor=1.0)
