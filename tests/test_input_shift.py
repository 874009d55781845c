"""Inputs that moved are found, those that did not are not, and a bundle's curves give back the reference's ranks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from new_cohorts import named
from scipy.stats import ks_2samp

from experiments.simulation import simulate_cohort
from features.clinical_covariates import ClinicalEncoder
from features.cohort import Cohort
from features.normal_scores import NormalScoreReference
from training.input_shift import LARGE, MODERATE, gene_shift, input_shifts, known_shares, stability_index
from training.new_patients import NewPatients
from training.reference_sample import n_behind, reference_sample
from training.scores import CLINICAL

SEED = 20130306


@pytest.fixture(scope="module")
def model(small_training):
    return small_training.model


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return named(simulate_cohort("KIRC", seed=47, n_patients=400, n_background=0))


def shifts(model, cohort: Cohort) -> pd.DataFrame:
    return input_shifts(NewPatients(model, cohort)).set_index("input")


def test_index_of_two_bins_by_hand():
    # With half a patient in each bin: (3.5, 1.5)/5 against (1.5, 3.5)/5.
    assert stability_index(np.array([3, 1]), np.array([1, 3])) == pytest.approx(0.8 * np.log(7 / 3), rel=1e-14)


def test_index_is_symmetric_and_0_where_nothing_moved():
    one, other = np.array([10, 20, 30]), np.array([25, 5, 30])
    assert stability_index(one, other) == pytest.approx(stability_index(other, one), rel=1e-14)
    assert stability_index(one, one) == 0


def test_patients_of_the_same_law_have_not_moved(model, cohort):
    found = shifts(model, cohort)
    assert len(found) == len(model.variants[CLINICAL].features.genes) + 4
    assert not (found["reading"] == "large").any()
    assert found["psi"].median() < MODERATE


def test_the_gene_that_was_shifted_is_the_first_and_large(model, cohort):
    moved = cohort.expression.copy()
    moved["CD44"] += 1.5
    found = shifts(model, replace(cohort, expression=moved))
    assert found.index[0] == "CD44"
    assert found.loc["CD44", "psi"] > LARGE
    assert found.loc["CD44", "reading"] == "large"
    assert found.loc["CD44", "ks_p"] < 1e-6
    others = shifts(model, cohort).drop(index="CD44")
    pd.testing.assert_frame_equal(found.drop(index="CD44"), others)


def test_older_patients_of_higher_stage_have_moved(model, cohort):
    clinical = cohort.clinical.copy()
    clinical["age"] += 15
    clinical["stage"] = clinical["stage"].where(clinical["stage"].isna(), "IV")
    found = shifts(model, replace(cohort, clinical=clinical))
    assert found.loc[["age", "stage"], "reading"].tolist() == ["large", "large"]
    assert found.loc["sex", "reading"] == "little"
    # The bundle knows their distribution at a few points: a distance there, and no p-value.
    assert found.loc["age", "ks"] > 0.3
    assert np.isnan(found.loc["age", "ks_p"])


def test_a_gene_that_the_cohort_lacks_is_not_assessed_and_stands_last(model, cohort):
    found = shifts(model, replace(cohort, expression=cohort.expression.drop(columns="CD44")))
    assert found.index[-1] == "CD44"
    assert found.loc["CD44", "missing"] == 1
    assert found.loc["CD44", "reading"] == "not assessed"


def test_missing_values_are_counted(model, cohort):
    expression = cohort.expression.copy()
    expression.iloc[:100, expression.columns.get_loc("CD44")] = np.nan
    found = shifts(model, replace(cohort, expression=expression))
    expected = expression["CD44"].isna().mean()
    assert found.loc["CD44", "missing"] == pytest.approx(expected)
    assert found.loc["CD44", "n_known"] == expression["CD44"].notna().sum()


@given(st.integers(0, 2**32 - 1), st.integers(12, 150), st.floats(0, 0.6))
def test_few_distinct_values_come_back_as_they_were(seed, n, share_unread):
    rng = np.random.default_rng(seed)
    values = np.where(rng.uniform(size=n) < share_unread, 0.0, np.round(rng.normal(5, 1, n), 1))
    reference = NormalScoreReference.fit(values)
    np.testing.assert_array_equal(reference_sample(reference, n), np.sort(values))


@pytest.mark.parametrize("n", [150, 260, 900])
def test_the_number_of_patients_is_read_from_the_curve(n):
    values = np.random.default_rng(3).normal(size=n)
    # Of a cohort of 1,000 in which the others lack the gene.
    assert n_behind(NormalScoreReference.fit(values), 1000) == n


@pytest.mark.parametrize("share_unread", [0.0, 0.3])
def test_thinned_curves_keep_the_distribution(share_unread):
    rng = np.random.default_rng(5)
    values = np.where(rng.uniform(size=1200) < share_unread, 0.0, rng.gamma(4.0, size=1200) + 0.5)
    sample = reference_sample(NormalScoreReference.fit(values), 1200)
    assert len(sample) == 1200
    assert (sample == 0).sum() == (values == 0).sum()
    assert ks_2samp(sample, values, method="asymp").statistic < 0.01


def test_a_reference_set_beside_itself_has_not_moved():
    values = np.random.default_rng(11).normal(size=500)
    found = gene_shift("CD44", NormalScoreReference.fit(values), values, n_reference=500, level=0.05)
    assert found.psi < 0.01
    assert found.ks < 0.02
    assert found.reading == "little"


def test_a_chance_difference_of_small_cohorts_is_not_called_a_shift():
    rng = np.random.default_rng(13)
    readings = []
    for _ in range(60):
        reference = NormalScoreReference.fit(rng.normal(size=60))
        shift = gene_shift("CD44", reference, rng.normal(size=60), n_reference=60, level=0.05)
        readings.append((shift.psi >= MODERATE, shift.reading in {"moderate", "large"}))
    by_index_alone, beyond_chance = np.mean(readings, axis=0)
    assert by_index_alone > 0.8
    assert beyond_chance < 0.15


def test_shares_come_back_from_the_frozen_encoders(cohort):
    clinical = cohort.clinical.dropna()
    encoder = ClinicalEncoder.fit(clinical, ("age", "sex", "stage", "grade"), minimum_known=0.5)
    of = {column: [c for c in encoder.covariates if c.column == column] for column in encoder.columns}
    np.testing.assert_allclose(known_shares(of["age"]), [0.25] * 4)
    shares = clinical["stage"].value_counts(normalize=True)
    np.testing.assert_allclose(known_shares(of["stage"]), shares[["I", "II", "III", "IV"]], rtol=1e-12)
    np.testing.assert_allclose(sorted(known_shares(of["sex"])), sorted(clinical["sex"].value_counts(normalize=True)))
