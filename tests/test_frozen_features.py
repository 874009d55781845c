"""The features of scoring are those of training, for a patient alone as among many."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.clinical_covariates import parsed_values
from training.frozen_features import PATTERNS_KEPT, FrozenFeatures


@pytest.fixture(scope="module")
def state(small_training):
    return small_training.model.variants["clinical"].features


@pytest.fixture(scope="module")
def frozen(state):
    return FrozenFeatures.of(state)


@pytest.fixture(scope="module")
def values(small_training, state):
    """The cohort's values, some of them missing and some beyond the reference's range."""
    rng = np.random.default_rng(5)
    values = small_training.cohort.expression.reindex(columns=list(state.genes)).to_numpy(np.float64).copy()
    values[rng.random(values.shape) < 0.05] = np.nan
    values[3], values[4] = values[3] + 100.0, values[4] - 100.0
    values[7] = np.nan
    return values


@pytest.fixture(scope="module")
def clinical(small_training):
    """The cohort's clinical values, some of them not known or never seen."""
    table = small_training.cohort.clinical
    rng, columns = np.random.default_rng(6), {}
    for name in table.columns:
        sent = table[name].where(table[name].notna(), None).tolist()
        sent = [None if lost else value for value, lost in zip(sent, rng.random(len(sent)) < 0.1, strict=True)]
        columns[name] = parsed_values(
            name, ["unheard of" if name == "sex" and not i else v for i, v in enumerate(sent)]
        )
    return columns


def encoded(frozen, clinical, n_patients):
    return frozen.clinical.standardised(frozen.clinical.numbers(clinical, n_patients))


def test_covariates_are_those_of_the_feature_state(frozen, state, values, clinical):
    scores = frozen.filled(frozen.known_scores(values))
    sent = encoded(frozen, clinical, len(values))
    assert np.isnan(sent).any()
    np.testing.assert_array_equal(sent, state.clinical.standardised(clinical, len(values)))
    expected = np.column_stack([scores, *state.derived(scores), np.nan_to_num(sent)])
    np.testing.assert_array_equal(frozen.covariates(scores, sent), expected)


def test_missing_genes_are_filled_as_the_feature_state_fills_them(frozen, state, values):
    expression = pd.DataFrame(values, columns=list(state.genes))
    found = frozen.filled(frozen.known_scores(values))
    np.testing.assert_allclose(found, state.gene_scores(expression), rtol=0, atol=1e-12)


def test_columns_that_are_not_sent_are_not_known(frozen):
    assert np.isnan(frozen.clinical.numbers({}, 3)).all()


def test_known_scores_are_the_feature_states_to_the_bit(frozen, state, values):
    expected = [reference.score(values[:, j]) for j, reference in enumerate(state.references.values())]
    np.testing.assert_array_equal(frozen.known_scores(values), np.column_stack(expected))


def test_a_knot_itself_has_the_knots_score(frozen, state):
    first = next(iter(state.references.values()))
    values = np.tile(frozen.knots[frozen.starts[:-1]], (len(first.knots), 1))
    values[:, 0] = first.knots
    np.testing.assert_array_equal(frozen.known_scores(values)[:, 0], first.scores)


def test_a_patient_alone_has_the_covariates_of_the_batch_to_the_bit(frozen, values, clinical):
    together = frozen.covariates(frozen.filled(frozen.known_scores(values)), encoded(frozen, clinical, len(values)))
    for i in range(len(values)):
        alone = encoded(frozen, {name: column[i : i + 1] for name, column in clinical.items()}, 1)
        row = frozen.covariates(frozen.filled(frozen.known_scores(values[i : i + 1])), alone)
        np.testing.assert_array_equal(row[0], together[i])


def test_a_patient_of_whom_no_gene_is_known_has_the_mean_of_each(frozen, values):
    np.testing.assert_array_equal(frozen.filled(frozen.known_scores(values))[7], 0.0)


def test_only_the_last_patterns_are_kept(state, values):
    frozen = FrozenFeatures.of(state)
    scores = frozen.known_scores(values)
    expected = frozen.filled(scores)
    rng = np.random.default_rng(8)
    for _ in range(PATTERNS_KEPT + 40):
        holes = np.where(rng.random(scores[:1].shape) < 0.4, np.nan, scores[:1])
        frozen.filled(holes)
    assert len(frozen._patterns) == PATTERNS_KEPT
    np.testing.assert_array_equal(frozen.filled(scores), expected)
