"""Weights of an average: by hand where a hand can, and what a better model must earn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from training.averaging import SAMPLES, bootstrapped_weights, tempered_weights

log_likelihoods = st.floats(-8, 0)
several = st.tuples(st.integers(1, 5), st.integers(1, 30)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=log_likelihoods)
)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.log1p(np.exp(x))


def rng(seed=0):
    return np.random.default_rng(seed)


def test_tempered_weights_by_hand():
    # The first is ahead by log 3 temperatures: odds of 3 to 1.
    np.testing.assert_allclose(
        tempered_weights(np.array([-100.0, -100 - 8 * np.log(3)]), 8.0), [3 / 4, 1 / 4], rtol=1e-12
    )


def test_a_temperature_near_0_picks_the_best_and_a_high_one_makes_all_equal():
    scores = np.array([-12.0, -10.0, -11.0])
    np.testing.assert_allclose(tempered_weights(scores, 1e-6), [0, 1, 0], atol=1e-300)
    np.testing.assert_allclose(tempered_weights(scores, 1e9), [1 / 3, 1 / 3, 1 / 3], rtol=1e-8)


def test_equal_scores_share_the_weight_at_every_temperature():
    np.testing.assert_array_equal(tempered_weights(np.array([-5.0, -5.0, -900.0]), 1e-6), [0.5, 0.5, 0.0])


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=6), st.floats(0.01, 100), st.floats(-1e4, 1e4))
def test_tempered_weights_sum_to_1_follow_the_scores_and_know_no_zero_point(scores, temperature, shift):
    scores = np.array(scores)
    weights = tempered_weights(scores, temperature)
    assert weights.sum() == pytest.approx(1, rel=1e-12)
    assert (np.diff(weights[np.argsort(scores, kind="stable")]) >= 0).all()
    np.testing.assert_allclose(tempered_weights(scores + shift, temperature), weights, rtol=1e-6, atol=1e-12)


def test_two_models_that_differ_alike_on_every_event_have_the_weights_of_their_likelihoods():
    # Whatever the bootstrap draws, its weights sum to n: the odds are exp(n d), here exp(4 * 0.25) = e.
    terms = np.array([[-1.0, -2.0, -0.5, -3.0], [-1.25, -2.25, -0.75, -3.25]])
    np.testing.assert_allclose(bootstrapped_weights(terms, rng()), [sigmoid(1.0), sigmoid(-1.0)], rtol=1e-12)


@pytest.mark.parametrize("difference", [(2.0, -1.0), (0.7, 0.1), (-3.0, 3.0), (5.0, 0.0)])
def test_two_events_by_hand(difference):
    # Two Dirichlet weights are 2u and 2 (1 - u), u uniform: the mean of sigmoid(a u + b), a = 2 (d1 - d2), b = 2 d2,
    # over u is (softplus(a + b) - softplus(b)) / a.
    terms = np.array([difference, (0.0, 0.0)])
    a, b = 2 * (difference[0] - difference[1]), 2 * difference[1]
    expected = (softplus(a + b) - softplus(b)) / a
    weights = np.mean([bootstrapped_weights(terms, rng(seed)) for seed in range(100)], axis=0)
    # 20,000 samples of something between 0 and 1.
    np.testing.assert_allclose(weights, [expected, 1 - expected], atol=3 * 0.5 / np.sqrt(20_000))


def test_one_draw_of_the_weights_is_steady():
    terms = rng(1).normal(-3, 1, size=(4, 80))
    drawn = [bootstrapped_weights(terms, rng(seed)) for seed in range(50)]
    assert np.std(drawn, axis=0).max() < 1.2 * 0.5 / np.sqrt(SAMPLES)


def test_equal_seeds_give_equal_weights():
    terms = rng(2).normal(size=(3, 20))
    np.testing.assert_array_equal(bootstrapped_weights(terms, rng(5)), bootstrapped_weights(terms, rng(5)))
    assert not np.array_equal(bootstrapped_weights(terms, rng(5)), bootstrapped_weights(terms, rng(6)))


def test_one_model_has_all_the_weight():
    np.testing.assert_array_equal(bootstrapped_weights(np.array([[-3.0, -700.0]]), rng()), [1.0])


@settings(max_examples=40)
@given(several, st.integers(0, 1000), st.randoms(use_true_random=False))
def test_bootstrapped_weights_sum_to_1_and_go_with_their_model(terms, seed, random):
    order = list(range(len(terms)))
    random.shuffle(order)
    weights = bootstrapped_weights(terms, rng(seed))
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1, rel=1e-12)
    np.testing.assert_allclose(bootstrapped_weights(terms[order], rng(seed)), weights[order], rtol=1e-9, atol=1e-12)


@settings(max_examples=40)
@given(several, st.integers(0, 1000), st.floats(0.01, 2))
def test_a_model_that_makes_every_event_likelier_earns_more(terms, seed, gain):
    better = np.vstack([terms, terms[-1] + gain])
    weights = bootstrapped_weights(better, rng(seed))
    assert weights[-1] > weights[-2]


def test_what_an_event_says_of_all_models_alike_does_not_matter():
    terms, common = rng(3).normal(size=(3, 25)), rng(4).normal(size=25)
    np.testing.assert_allclose(
        bootstrapped_weights(terms + common, rng(1)), bootstrapped_weights(terms, rng(1)), rtol=1e-9
    )


def test_a_difference_that_hangs_on_single_events_does_not_decide_all():
    # Ahead by 5 in all, but only by chance: 100 events of which each speaks for or against by about 1.
    difference = rng(5).normal(size=100)
    difference += (5 - difference.sum()) / 100
    weights = bootstrapped_weights(np.array([difference, np.zeros(100)]), rng(6))
    plain = sigmoid(difference.sum())
    assert plain > 0.99
    assert 0.5 < weights[0] < 0.9


def test_an_event_that_a_model_holds_for_impossible_leaves_the_others_their_weights():
    terms = np.array([[-1.0, -2.0], [-1.0, -2.0], [-1e5, -2.0]])
    np.testing.assert_allclose(bootstrapped_weights(terms, rng()), [0.5, 0.5, 0.0], atol=1e-2)
