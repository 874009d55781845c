"""Who the new patients are beside those of the training, as far as a bundle tells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from new_cohorts import named

from experiments.simulation import simulate_cohort
from features.cohort import Cohort
from training.bundle import read_bundle
from training.case_mix import NEW, POOLED_NOTE, TRAINING, case_mix, model_based_concordance, predictor_mix, typical
from training.new_patients import NewPatients


@pytest.fixture(scope="module")
def model(small_training):
    return small_training.model


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return named(simulate_cohort("KIRC", seed=53, n_patients=300, n_background=0))


def characteristics(model, cohort: Cohort):
    return case_mix(NewPatients(model, cohort)).set_index("characteristic")


def test_the_training_cohort_comes_back_from_its_bundle(model, small_training, cohort):
    learned, found = small_training.cohort, characteristics(model, cohort)[TRAINING]
    assert found["patients"] == len(learned.time)
    assert found["events"] == learned.n_events
    assert found["age, mean"] == pytest.approx(learned.clinical["age"].mean())
    assert found["age, SD"] == pytest.approx(learned.clinical["age"].std(ddof=0))
    assert found["sex male"] == pytest.approx((learned.clinical["sex"].dropna() == "male").mean())
    stages = learned.clinical["stage"].dropna()
    assert found["stage I"] == pytest.approx((stages == "I").mean())


def test_the_new_patients_are_described_alike(model, cohort):
    found = characteristics(model, cohort)[NEW]
    assert found["events"] == cohort.n_events
    assert found["age, mean"] == pytest.approx(cohort.clinical["age"].mean())
    shares = [name for name in found.index if name.startswith("stage")]
    assert found[shares].sum() == pytest.approx(1)


def test_a_column_that_the_cohort_lacks_is_left_out(model, cohort):
    without = replace(cohort, clinical=cohort.clinical.drop(columns="grade"))
    assert not [name for name in characteristics(model, without).index if name.startswith("grade")]


def test_clinical_shares_of_a_pooled_model_are_said_to_be_of_all_its_cohorts(cohort):
    pooled = read_bundle(Path(__file__).parent / "bundles" / "format_4")
    found = characteristics(pooled, cohort)[TRAINING]
    assert found["patients"] == pooled.cohort.n_patients
    assert [name for name in found.index if name.startswith("stage")]
    assert all(name.endswith(POOLED_NOTE) for name in found.index[4:])


def test_patients_of_the_same_law_are_spread_over_the_tenths_of_typicality(model, cohort):
    found = typical(NewPatients(model, cohort))
    assert found.tenths.sum() == len(cohort.time)
    assert found.tenths.min() > 0.3 * len(cohort.time) / 10
    assert found.share_warned < 0.12
    assert found.share_refused < 0.02


def test_patients_of_another_law_are_not(model, cohort):
    found = typical(NewPatients(model, replace(cohort, expression=cohort.expression + 1.0)))
    assert found.tenths[-1] > found.tenths[:3].sum()
    assert found.share_warned + found.share_refused > 0.2


def test_patients_without_a_known_gene_are_neither_far_nor_near(model, cohort):
    expression = cohort.expression.copy()
    expression.iloc[:60] = np.nan
    found = typical(NewPatients(model, replace(cohort, expression=expression)))
    others = typical(NewPatients(model, cohort.subset(np.arange(60, len(cohort.time)))))
    assert found.tenths.sum() == len(cohort.time) - 60
    assert (found.share_warned, found.share_refused) == (others.share_warned, others.share_refused)
    assert found.share_refused < 0.05
    assert typical(NewPatients(model, replace(cohort, expression=cohort.expression * np.nan))) is None


def test_thirds_count_every_patient_and_follow_the_predictor(model):
    variant = model.variants["genes_only"]
    same, worse = (predictor_mix(variant, variant.reference + shift) for shift in (0.0, 5.0))
    n = len(variant.reference)
    assert sum(same.groups.values()) == n
    assert max(same.groups.values()) - min(same.groups.values()) <= 2
    assert worse.groups == {"low": 0, "intermediate": 0, "high": n}
    assert worse.sd["new"] == pytest.approx(same.sd["training"])


def test_model_based_concordance_by_hand():
    # Three pairs, 1, 1 and 2 apart.
    expected = (2 / (1 + np.exp(-1)) + 1 / (1 + np.exp(-2))) / 3
    assert model_based_concordance(np.array([0.0, 1.0, 2.0])) == pytest.approx(expected, rel=1e-14)
    assert model_based_concordance(np.zeros(5)) == 0.5
    assert np.isnan(model_based_concordance(np.zeros(1)))
