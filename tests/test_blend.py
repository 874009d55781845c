"""Weighted sums of fitted learners: one Cox model where that is all they are, and the same figures in any case."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.blend import Blend, FittedLearner, blended
from training.boosted import FittedBooster, fit_boosted
from training.penalised_cox import FittedCox

N_COLUMNS = 7
TREES = {
    "rounds": 6,
    "learning_rate": 0.2,
    "max_depth": 2,
    "min_child_weight": 1.0,
    "subsample": 1.0,
    "colsample_bytree": 1.0,
    "reg_lambda": 1.0,
}
weights = st.floats(-2, 2)
subsets = st.lists(st.sets(st.integers(0, N_COLUMNS - 1)), min_size=1, max_size=5)


def matrix(seed=0, n_patients=30):
    return np.random.default_rng(seed).normal(3, 2, size=(n_patients, N_COLUMNS))


#: All learners of a blend were fitted to the same patients.
MEANS = matrix().mean(axis=0)


def cox(columns, seed=0, *, shared_weight=0.0):
    at = np.array(sorted(columns), dtype=np.intp)
    coefficients = np.random.default_rng(seed).normal(size=len(at))
    return FittedLearner(at, FittedCox(coefficients, MEANS[at]), shared_weight=shared_weight)


def trees(columns, objective="cox", seed=0):
    at, rng = np.array(sorted(columns), dtype=np.intp), np.random.default_rng(seed)
    time, event = rng.exponential(500, 30), rng.random(30) < 0.7
    booster = fit_boosted(matrix()[:, at], time, event, parameters={**TREES, "objective": objective}, seed=seed)
    return FittedLearner(at, booster)


def weighted_sum(members, X):
    return sum((weight * learner.linear_predictor(X) for weight, learner in members), np.zeros(len(X)))


def test_two_cox_models_by_hand():
    # 2 (x0 - 1) - 1 (x1 - 5), and 3 (x1 - 5): half of the first and a quarter of the second.
    first = FittedLearner(np.array([0, 1]), FittedCox(np.array([2.0, -1.0]), np.array([1.0, 5.0])))
    second = FittedLearner(np.array([1]), FittedCox(np.array([3.0]), np.array([5.0])))
    both = blended([(0.5, first), (0.25, second)])
    assert isinstance(both, FittedLearner)
    np.testing.assert_array_equal(both.columns, [0, 1])
    np.testing.assert_allclose(both.predictor.coefficients, [1.0, 0.25])
    np.testing.assert_allclose(both.linear_predictor(np.array([[2.0, 9.0], [1.0, 5.0]])), [2.0, 0.0])


@settings(max_examples=60)
@given(subsets, st.data())
def test_the_folded_cox_model_is_the_weighted_sum(columns, data):
    members = [(data.draw(weights), cox(each, seed)) for seed, each in enumerate(columns)]
    folded, X = blended(members), matrix(1)
    assert isinstance(folded, FittedLearner)
    assert isinstance(folded.predictor, FittedCox)
    np.testing.assert_allclose(folded.linear_predictor(X), weighted_sum(members, X), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("objective", ["cox", "aft"])
def test_trees_are_kept_beside_the_one_cox_model(objective):
    members = [(0.3, cox({0, 2}, 1)), (0.5, trees({1, 2, 5}, objective)), (0.2, cox({2, 3}, 2))]
    both, X = blended(members), matrix(2)
    assert isinstance(both, Blend)
    assert [type(learner.predictor) for _, learner in both.members] == [FittedCox, FittedBooster]
    assert both.members[1] == (0.5, members[1][1])
    np.testing.assert_array_equal(both.columns, [0, 1, 2, 3, 5])
    np.testing.assert_allclose(both.linear_predictor(X), weighted_sum(members, X), rtol=1e-12, atol=1e-12)


def test_trees_alone_are_a_sum_of_trees():
    members = [(0.6, trees({0, 1}, seed=1)), (0.4, trees({4}, "aft", seed=2))]
    both, X = blended(members), matrix(3)
    assert both.members == tuple(members)
    np.testing.assert_allclose(both.linear_predictor(X), weighted_sum(members, X), rtol=1e-12)


def test_a_member_of_weight_0_is_not_read():
    both = blended([(0.0, cox({0, 1})), (1.0, cox({2})), (0.0, trees({3, 4}))])
    assert isinstance(both, FittedLearner)
    np.testing.assert_array_equal(both.columns, [2])


def test_where_every_weight_is_0_every_patient_is_the_average_one():
    nothing = blended([(0.0, cox({0, 1}, shared_weight=2.0)), (0.0, trees({3}))])
    assert len(nothing.columns) == 0
    assert nothing.shared_weight == 0
    np.testing.assert_array_equal(nothing.linear_predictor(matrix()), np.zeros(30))


def test_a_cox_model_that_reads_nothing_leaves_the_trees_as_they_are():
    member = trees({3, 4})
    both, X = blended([(0.5, cox(set())), (0.5, member)]), matrix(4)
    assert both.members == ((0.5, member),)
    np.testing.assert_array_equal(both.linear_predictor(X), 0.5 * member.linear_predictor(X))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(weights, weights, st.booleans()), min_size=1, max_size=4))
def test_a_blend_of_blends_is_the_sum_of_their_sums(drawn):
    inner = []
    for seed, (weight, within, with_trees) in enumerate(drawn):
        others = [(0.7, trees({seed, 5}, seed=seed))] if with_trees else []
        inner.append((weight, blended([(within, cox({seed, 6}, seed)), (1.0, cox({2}, seed + 10)), *others])))
    outer, X = blended(inner), matrix(5)
    np.testing.assert_allclose(outer.linear_predictor(X), weighted_sum(inner, X), rtol=1e-12, atol=1e-11)
    parts = outer.members if isinstance(outer, Blend) else ((1.0, outer),)
    # One Cox model at most, and no blend within the blend.
    assert all(isinstance(learner, FittedLearner) for _, learner in parts)
    assert sum(isinstance(learner.predictor, FittedCox) for _, learner in parts) <= 1


@settings(max_examples=30)
@given(st.lists(st.tuples(weights, weights), min_size=1, max_size=4), st.booleans())
def test_the_shared_predictor_counts_what_it_counts_in_the_sum(drawn, with_trees):
    members = [(weight, cox({seed}, seed, shared_weight=shared)) for seed, (weight, shared) in enumerate(drawn)]
    both = blended([*members, *([(1.0, trees({5}))] if with_trees else [])])
    assert both.shared_weight == pytest.approx(sum(weight * shared for weight, shared in drawn), abs=1e-12)


def test_a_patient_alone_has_the_predictor_it_has_among_many():
    both, X = blended([(0.4, cox({0, 1, 2, 3})), (0.6, trees({1, 5, 6}))]), matrix(6)
    together = both.linear_predictor(X)
    np.testing.assert_array_equal(np.concatenate([both.linear_predictor(X[[i]]) for i in range(30)]), together)


def test_the_predictor_of_a_patient_at_the_training_means_is_0():
    both = blended([(0.4, cox({0, 1})), (0.9, cox({1, 2, 6}, 3))])
    np.testing.assert_array_equal(both.linear_predictor(MEANS[None]), [0.0])
