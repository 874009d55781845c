"""The feature state of pooled cohorts: own normal scores, one meaning of every covariate, nothing of whom it judges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from experiments.simulation import simulate_cohort
from features.errors import PanelError
from features.normal_scores import NormalScoreReference
from features.panel import load_panel
from features.pooled_cohorts import pooled, stratum
from features.pooled_features import PooledFeatures, features_within, require_features
from features.transform import FeatureState, fit_fold_features
from training.batch_effects import batch_effects

CORE = load_panel("ctc_core")
SETTINGS = {"clinical": ("age", "sex", "stage", "grade"), "minimum_known": 0.5}


def renamed(cohort, prefix):
    names = [f"{prefix}{patient}" for patient in cohort.patients]
    expression, clinical = cohort.expression.set_axis(names, axis=0), cohort.clinical.set_axis(names, axis=0)
    return replace(cohort, expression=expression, clinical=clinical, source=prefix)


A = simulate_cohort("KIRC", seed=5, n_patients=100, n_background=5)
PLAIN_B = renamed(simulate_cohort("KIRC", seed=6, n_patients=80, n_background=5), "B")
#: The same patients measured otherwise: a batch effect in level and spread, monotone for each gene.
SHIFTED_B = replace(PLAIN_B, expression=np.exp(PLAIN_B.expression / 3) + 4)


def features_of(*cohorts):
    return features_within(pooled(cohorts, ["A", "B"]), CORE, **SETTINGS)


def test_every_cohort_has_the_normal_scores_that_it_has_alone():
    both = pooled([A, SHIFTED_B], ["A", "B"])
    X = features_within(both, CORE, **SETTINGS).of(both)
    for cohort, members in ((A, both.strata == "A"), (SHIFTED_B, both.strata == "B")):
        alone = fit_fold_features(cohort, CORE, **SETTINGS)
        scores = alone.gene_scores(cohort.expression)
        complete = cohort.expression[list(alone.genes)].notna().to_numpy()
        np.testing.assert_array_equal(X[members][:, : len(alone.genes)][complete], scores[complete])


def test_how_a_cohort_was_measured_changes_no_covariate():
    plain, shifted = pooled([A, PLAIN_B], ["A", "B"]), pooled([A, SHIFTED_B], ["A", "B"])
    np.testing.assert_allclose(
        features_within(shifted, CORE, **SETTINGS).of(shifted), features_within(plain, CORE, **SETTINGS).of(plain)
    )


def test_terms_correlation_and_clinical_encoder_are_one_for_all():
    states = features_of(A, SHIFTED_B).states
    assert list(states) == ["A", "B"]
    assert states["A"].terms == states["B"].terms
    assert states["A"].terms
    assert states["A"].clinical is states["B"].clinical
    assert states["A"].correlation is states["B"].correlation
    assert states["A"].references["CD44"].knots[0] != states["B"].references["CD44"].knots[0]


def test_derived_terms_have_mean_0_and_spread_1_over_all_patients():
    both = pooled([A, SHIFTED_B], ["A", "B"])
    state = features_within(both, CORE, **SETTINGS)
    derived = [j for j, covariate in enumerate(state.covariates) if covariate.kind in ("score", "interaction")]
    X = state.of(both)[:, derived]
    np.testing.assert_allclose(X.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(X.std(axis=0), 1, rtol=1e-12)


def test_a_held_back_patient_is_scored_by_the_own_cohorts_training_patients():
    both = pooled([A, SHIFTED_B], ["A", "B"])
    training, held_back = np.arange(0, 180, 2), np.arange(1, 180, 2)
    state = features_within(both.subset(training), CORE, **SETTINGS)
    of_b = both.subset(held_back[both.strata[held_back] == "B"])
    expected = NormalScoreReference.fit(stratum(both.subset(training), "B").expression["CD44"].to_numpy())
    at = state.genes.index("CD44")
    np.testing.assert_array_equal(state.of(of_b)[:, at], expected.score(of_b.expression["CD44"].to_numpy()))


def test_a_gene_that_does_not_vary_in_one_cohort_is_used_in_none():
    constant = replace(SHIFTED_B, expression=SHIFTED_B.expression.assign(CD44=1.0))
    assert "CD44" in features_of(A, SHIFTED_B).genes
    assert "CD44" not in features_of(A, constant).genes


def test_no_gene_in_common_that_varies_is_refused():
    constant = replace(SHIFTED_B, expression=SHIFTED_B.expression * 0 + 1.0)
    with pytest.raises(PanelError, match="in every pooled cohort and varies"):
        require_features(pooled([A, constant], ["A", "B"]), CORE, **SETTINGS)


def test_one_cohort_alone_has_the_state_it_had():
    alone = features_within(A, CORE, **SETTINGS)
    assert isinstance(alone, FeatureState)
    np.testing.assert_array_equal(
        alone.of(A), fit_fold_features(A, CORE, **SETTINGS).transform(A.expression, A.clinical)
    )
    assert isinstance(features_of(A, PLAIN_B), PooledFeatures)


def effects(*cohorts):
    both = pooled(cohorts, ["A", "B"])
    narrowed = replace(both, expression=both.expression[[g for g in CORE.symbols if g in both.expression]])
    return batch_effects(narrowed).set_index("name")


def test_a_batch_effect_shows_before_and_is_gone_after_normal_scores():
    table = effects(A, SHIFTED_B)
    genes = table[table["kind"] == "gene"]
    assert genes["before"].median() > 0.3
    assert genes["after"].max() < 1e-3
    assert table.loc["component 1", "before"] > 0.8
    assert table.loc["component 1", "after"] < 0.1
    neighbours = table.loc["10 nearest"]
    assert neighbours["before"] > 0.9
    assert neighbours["after"] == pytest.approx(neighbours["expected"], abs=0.05)


def test_without_a_batch_effect_there_is_little_to_show():
    table = effects(A, PLAIN_B)
    assert table[table["kind"] == "gene"]["before"].max() < 0.1
    assert table.loc["10 nearest", "before"] == pytest.approx(table.loc["10 nearest", "expected"], abs=0.05)


def test_a_share_of_variance_by_hand():
    # Means 1 and 3 about 2: between 4, within 4 of 8.
    two = replace(A.subset(np.arange(2)), event=np.ones(2, dtype=bool))
    cohort = replace(
        pooled([two, renamed(two, "B")], ["A", "B"]),
        expression=pd.DataFrame({"CD44": [0.0, 2.0, 2.0, 4.0]}, index=["a", "b", "c", "d"]),
        clinical=pd.DataFrame(index=["a", "b", "c", "d"]),
    )
    assert batch_effects(cohort).set_index("name").loc["CD44", "before"] == pytest.approx(0.5)


def test_what_normal_scores_leave_is_seen_among_neighbours():
    rng = np.random.default_rng(1)
    first, second = rng.standard_normal((2, 100, 1))
    noise = rng.standard_normal((2, 100, 6))
    # In one cohort genes go together, in the other half of them go against the rest: alike one by one.
    signs = np.array([1, 1, 1, -1, -1, -1.0])
    together, against = first + 0.3 * noise[0], second * signs + 0.3 * noise[1]
    genes = list(CORE.symbols[:6])
    cohorts = [
        replace(
            renamed(A, name).subset(np.arange(100)),
            expression=pd.DataFrame(values, index=[f"{name}{p}" for p in A.patients], columns=genes),
        )
        for name, values in (("A", together), ("B", against))
    ]
    table = batch_effects(pooled(cohorts, ["A", "B"])).set_index("name")
    assert table[table["kind"] == "gene"]["after"].max() < 1e-3
    assert table.loc["10 nearest", "after"] > table.loc["10 nearest", "expected"] + 0.15
