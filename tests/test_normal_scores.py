"""Normal scores: Blom's formula by hand, and the laws that a frozen reference keeps."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from features.normal_scores import MAXIMUM_KNOTS, NormalScoreReference, normal_scores

QUANTILE = NormalDist().inv_cdf

#: Expression with ties and missing values; whole numbers, so that a monotone transform never merges two of them.
whole = st.integers(-50, 50).map(float)
with_gaps = hnp.arrays(np.float64, st.integers(2, 30), elements=st.one_of(whole, st.just(np.nan))).filter(
    lambda values: np.isfinite(values).any()
)
complete = hnp.arrays(np.float64, st.integers(2, 30), elements=whole)


def test_three_patients_have_bloms_scores_by_hand():
    # Ranks 3, 1, 2 of 3: (r - 3/8) / 3.25 = .8077, .1923, .5.
    expected = [QUANTILE(2.625 / 3.25), QUANTILE(0.625 / 3.25), 0.0]
    np.testing.assert_allclose(normal_scores(np.array([7.0, -2.0, 0.5])), expected, rtol=1e-12, atol=1e-15)


def test_ties_share_the_score_of_their_mean_rank():
    # Ranks 1, 2.5, 2.5, 4 of 4.
    expected = [QUANTILE((rank - 0.375) / 4.25) for rank in (1, 2.5, 2.5, 4)]
    np.testing.assert_allclose(normal_scores(np.array([1.0, 3.0, 3.0, 9.0])), expected, rtol=1e-12, atol=1e-15)


def test_a_missing_value_stays_missing_and_takes_no_rank():
    scores = normal_scores(np.array([[7.0, 1.0], [np.nan, 2.0], [-2.0, 3.0], [0.5, np.nan]]))
    np.testing.assert_array_equal(np.isnan(scores), [[False, False], [True, False], [False, False], [False, True]])
    np.testing.assert_allclose(scores[[0, 2, 3], 0], normal_scores(np.array([7.0, -2.0, 0.5])), rtol=1e-14)


@given(with_gaps)
def test_the_reference_gives_its_own_patients_their_normal_scores(values):
    reference = NormalScoreReference.fit(values)
    np.testing.assert_allclose(reference.score(values), normal_scores(values), rtol=1e-13, atol=1e-14)


@given(with_gaps, st.floats(0.01, 100), st.floats(-100, 100))
def test_no_monotone_transform_of_expression_changes_the_scores(values, scale, shift):
    for transformed in (scale * values + shift, np.exp(values / 10), values**3):
        np.testing.assert_array_equal(normal_scores(transformed), normal_scores(values))


@given(with_gaps, hnp.arrays(np.float64, st.integers(2, 20), elements=st.floats(-80, 80)))
def test_higher_expression_never_has_a_lower_score(training, later):
    scores = NormalScoreReference.fit(training).score(np.sort(later))
    assert np.all(np.diff(scores) >= 0)


@given(with_gaps, st.floats(1e-6, 1e12))
def test_beyond_the_reference_a_score_stays_at_its_end(values, distance):
    reference = NormalScoreReference.fit(values)
    lowest, highest = np.nanmin(values), np.nanmax(values)
    beyond = reference.score(np.array([lowest - distance, highest + distance]))
    np.testing.assert_array_equal(beyond, reference.score(np.array([lowest, highest])))


@given(complete, st.randoms(use_true_random=False))
def test_the_order_of_patients_does_not_matter(values, random):
    order = list(range(len(values)))
    random.shuffle(order)
    np.testing.assert_array_equal(normal_scores(values[order]), normal_scores(values)[order])
    np.testing.assert_array_equal(
        NormalScoreReference.fit(values[order]).scores, NormalScoreReference.fit(values).scores
    )


@given(complete)
def test_the_flipped_gene_has_the_flipped_scores(values):
    np.testing.assert_allclose(normal_scores(-values), -normal_scores(values), rtol=1e-12, atol=1e-14)


def test_halfway_between_two_reference_patients_lies_halfway_between_their_scores():
    reference = NormalScoreReference.fit(np.array([0.0, 4.0]))
    low, high = QUANTILE(0.625 / 2.25), QUANTILE(1.625 / 2.25)
    np.testing.assert_allclose(reference.score(np.array([1.0, np.nan])), [low + (high - low) / 4, np.nan], rtol=1e-12)


@pytest.mark.parametrize("n_patients", [200, 201, 1000, 5003])
def test_a_reference_has_at_most_200_knots_and_both_ends(n_patients):
    values = np.random.default_rng(1).lognormal(sigma=3.0, size=n_patients)
    reference = NormalScoreReference.fit(values)
    assert len(reference.knots) <= MAXIMUM_KNOTS == 200
    assert np.all(np.diff(reference.knots) > 0)
    assert np.all(np.diff(reference.scores) > 0)
    np.testing.assert_array_equal(reference.knots[[0, -1]], [values.min(), values.max()])


@pytest.mark.parametrize("n_patients", [201, 1000, 5003])
def test_a_thinned_reference_keeps_normal_scores_into_the_tails_of_a_skewed_gene(n_patients):
    values = np.random.default_rng(1).lognormal(sigma=3.0, size=n_patients)
    scores = NormalScoreReference.fit(values).score(values)
    np.testing.assert_allclose(scores, normal_scores(values), atol=0.05)


def test_later_patients_of_a_skewed_gene_have_standard_normal_scores():
    training, later = np.random.default_rng(2).lognormal(sigma=3.0, size=(2, 5000))
    scores = NormalScoreReference.fit(training).score(later)
    # Three standard errors of a difference of two samples' means.
    assert scores.mean() == pytest.approx(0, abs=3 * np.sqrt(2 / 5000))
    assert scores.std() == pytest.approx(1, abs=0.05)
