"""Normal scores of many genes at once, against the reference that scores one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from features.normal_scores import MAXIMUM_KNOTS, NormalScoreReference
from training.frozen_scores import frozen_scores

#: Whole numbers tie often; some are missing.
values = st.one_of(st.integers(-9, 9).map(float), st.floats(-50, 50), st.just(np.nan))


def one_by_one(training, patients):
    columns = [
        NormalScoreReference.fit(gene).score(patients[:, j]) if np.isfinite(gene).any() else np.zeros(len(patients))
        for j, gene in enumerate(training.T)
    ]
    return np.nan_to_num(np.column_stack(columns))


@given(st.integers(2, 25).flatmap(lambda n: hnp.arrays(np.float64, (n, 4), elements=values)), st.data())
def test_scores_are_those_of_the_reference_with_ties_and_gaps(training, data):
    others = data.draw(hnp.arrays(np.float64, (5, 4), elements=values))
    patients = np.concatenate([training, others])
    np.testing.assert_allclose(frozen_scores(training, patients), one_by_one(training, patients), rtol=0, atol=1e-12)


@pytest.mark.parametrize("decimals", [None, 2, 1])
def test_scores_are_those_of_the_reference_where_it_keeps_fewer_knots_than_values(decimals):
    rng = np.random.default_rng(0)
    drawn = np.exp(rng.normal(size=(700, 30)))
    drawn = drawn if decimals is None else drawn.round(decimals)
    # Nobody, or nearly half of the patients, without a trace of the gene.
    drawn[:, ::2] = np.maximum(drawn[:, ::2] - 1, 0)
    training, patients = drawn[:500], drawn
    distinct = [len(np.unique(gene)) for gene in training.T]
    assert (max(distinct) > MAXIMUM_KNOTS) or decimals == 1
    np.testing.assert_allclose(frozen_scores(training, patients), one_by_one(training, patients), rtol=0, atol=1e-12)


def test_a_gene_that_is_unknown_or_constant_in_training_scores_nobody():
    training = np.column_stack([np.full(4, np.nan), np.full(4, 7.0), np.arange(4.0)])
    scores = frozen_scores(training, np.array([[1.0, 9.0, 99.0], [np.inf, np.nan, np.nan]]))
    assert np.array_equal(scores[:, :2], np.zeros((2, 2)))
    assert scores[0, 2] > 1
    assert scores[1, 2] == 0
