"""Royston and Sauerbrei's D: by hand, where it has no figure, and what it recovers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri

from training.counted_cox import coefficients
from training.discrimination import KAPPA, explained_variation, royston_sauerbrei_d
from training.resampling import bootstrap_counts

seeds = st.integers(0, 100_000)


def cohort(seed, n_patients=60, effect=1.0):
    rng = np.random.default_rng(seed)
    linear_predictor = rng.normal(size=n_patients)
    death = rng.exponential(500 / np.exp(effect * linear_predictor))
    censored = rng.uniform(100, 2000, n_patients)
    return linear_predictor, np.minimum(death, censored), death <= censored


def separation(linear_predictor, time, event):
    return royston_sauerbrei_d(linear_predictor[None], time, event, np.ones((1, len(time))))[0]


def test_two_groups_by_hand():
    # Two low, two high: the groups share the mean of the scores of ranks 1, 2 and of 3, 4, -m and m. Deaths on days 1
    # (high), 2 (low) and 3 (high): with x = e^(2mb), log-likelihood log x/(2x+2) + log 1/(x+2) + log x/(x+1), whose
    # score is 0 where 2/(x) = 2/(x+1) + 1/(x+2): x² - x - 4 = 0.
    linear_predictor = np.array([7.0, -2.0, 7.0, -2.0])
    time, event = np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, True, True, False])
    mean = ndtri((np.array([3, 4]) - 0.375) / 4.25).mean()
    x = (1 + np.sqrt(17)) / 2
    assert separation(linear_predictor, time, event) == pytest.approx(KAPPA * np.log(x) / (2 * mean), rel=1e-10)


def test_explained_variation_by_hand():
    # A D of kappa is a log hazard ratio of 1 per standard deviation: 1 of 1 + pi²/6.
    np.testing.assert_allclose(explained_variation(np.array([KAPPA, 0.0])), [1 / (1 + np.pi**2 / 6), 0], rtol=1e-14)


def test_a_predictor_that_points_the_wrong_way_explains_nothing():
    linear_predictor, time, event = cohort(1)
    wrong = separation(-linear_predictor, time, event)
    assert wrong == pytest.approx(-separation(linear_predictor, time, event), rel=1e-9)
    assert wrong < 0
    assert explained_variation(np.array([wrong]))[0] == 0
    assert np.isnan(explained_variation(np.array([np.nan]))[0])


@given(seeds, st.floats(0.1, 10), st.floats(-10, 10))
def test_only_the_order_of_the_predictors_matters(seed, scale, shift):
    linear_predictor, time, event = cohort(seed)
    before = separation(linear_predictor, time, event)
    assert separation(scale * np.sinh(linear_predictor) + shift, time, event) == pytest.approx(before, rel=1e-8)


def test_one_predictor_for_all_separates_nobody_and_certainty_has_no_figure():
    _, time, event = cohort(2)
    assert separation(np.full(60, 0.1), time, event) == 0
    assert np.isnan(separation(-time, time, event))
    # A sample that drew one patient over and over is one predictor for all, whatever the cohort's.
    counts = np.zeros((1, 60))
    counts[0, np.flatnonzero(event)[0]] = 60
    assert royston_sauerbrei_d(time[None], time, event, counts)[0] == 0


def test_without_events_there_is_no_figure():
    linear_predictor, time, event = cohort(3)
    assert np.isnan(separation(linear_predictor, time, np.zeros_like(event)))


@pytest.mark.parametrize("effect", [0.5, 1.0, 2.0])
def test_of_a_normal_predictor_it_recovers_the_spread(effect):
    # A normal log hazard of standard deviation s has D = kappa s.
    linear_predictor, time, event = cohort(4, n_patients=4000, effect=effect)
    assert separation(linear_predictor, time, event) == pytest.approx(KAPPA * effect, rel=0.07)


def test_bootstrap_samples_scatter_by_the_standard_error():
    linear_predictor, time, event = cohort(6, n_patients=300)
    counts = bootstrap_counts(300, 400, np.random.default_rng(1))
    samples = royston_sauerbrei_d(linear_predictor[None], time, event, counts)
    plain = separation(linear_predictor, time, event)
    # Copies raise D a little, as they do any likelihood; the scatter is that of a Cox coefficient of 200 events.
    assert np.mean(samples) == pytest.approx(plain, abs=0.1)
    assert np.std(samples) == pytest.approx(KAPPA / np.sqrt(event.sum()), rel=0.35)


def test_permuted_predictors_have_a_d_about_0():
    linear_predictor, time, event = cohort(7, n_patients=200)
    rng = np.random.default_rng(0)
    permuted = np.array([rng.permutation(linear_predictor) for _ in range(100)])
    # Repeats are averaged: a hundred permutations are a hundred repeats.
    mean = royston_sauerbrei_d(permuted, time, event, np.ones((1, 200)))[0]
    assert abs(mean) < 4 * KAPPA / np.sqrt(event.sum()) / 10


def test_the_scores_of_distinct_predictors_are_bloms():
    linear_predictor, time, event = cohort(9)
    scores = ndtri((linear_predictor.argsort().argsort() + 1 - 0.375) / 60.25)
    expected = KAPPA * coefficients(scores, time, event, np.ones((1, 60)))[0]
    assert separation(linear_predictor, time, event) == pytest.approx(expected, rel=1e-9)
