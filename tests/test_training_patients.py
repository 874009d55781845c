from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.cohort import Cohort
from features.persons import canonical
from features.pooled_cohorts import pooled
from training.results import TrainingResult
from training.training_patients import absent_from, hashed, hashes_of, share_of_reference

BARCODE = "TCGA-OR-A5J1"


def as_it_stood(identifier: str) -> str:
    """The hash that bundles kept before identifiers were brought to one spelling."""
    return hashlib.sha256(identifier.encode()).hexdigest()


def called(cohort: Cohort, prefix: str) -> Cohort:
    names = [f"{prefix}{number}" for number in range(len(cohort.time))]
    return replace(cohort, expression=cohort.expression.set_axis(names), clinical=cohort.clinical.set_axis(names))


def test_a_hash_is_the_sha256_of_the_one_spelling_in_utf8():
    assert hashed(" ä.1") == hashlib.sha256("Ä-1".encode()).hexdigest()
    assert hashed(7) == hashed("7")


def test_no_patient_that_a_model_was_trained_on_is_absent_from_it(small_training: TrainingResult):
    patients = small_training.cohort.patients
    assert not absent_from(small_training.model, patients).any()
    assert absent_from(small_training.model, [f"{patient}x" for patient in patients]).all()


def test_each_patient_is_told_apart_and_kept_in_order(small_training: TrainingResult):
    known = small_training.cohort.patients[[3, 0]]
    found = absent_from(small_training.model, ["someone else", known[0], known[1], "TCGA-AA-0000"])
    np.testing.assert_array_equal(found, [True, False, False, True])


def test_nobody_is_asked_for(small_training: TrainingResult):
    found = absent_from(small_training.model, [])
    assert found.shape == (0,)
    assert found.dtype == np.bool_


@pytest.mark.parametrize(
    ("trained_on", "asked"),
    [
        ("tcga-02-0001", "TCGA-02-0001"),
        ("TCGA-02-0001-01A-11R-1234-07", "TCGA-02-0001"),
        ("TCGA.02.0001", "TCGA-02-0001"),
        ("TCGA-02-0001", "TCGA.02.0001"),
        ("TCGA-02-0001", "tcga.02.0001.01a"),
        ("TCGA.02.0001.01", "TCGA-02-0001-01"),
        ("P001", "p001"),
        ("P001", " P001"),
        ("ward_7.P001", "WARD-7-P001"),
    ],
)
def test_a_patient_is_found_however_a_table_spells_the_identifier(
    small_training: TrainingResult, trained_on: str, asked: str
):
    model = replace(small_training.model, patient_hashes=(hashed(trained_on),))
    assert not absent_from(model, [asked])[0]


@pytest.mark.parametrize("asked", [BARCODE, BARCODE.replace("-", "."), f"{BARCODE}-01A-11R-A29S-07".lower()])
@pytest.mark.parametrize("trained_as", [BARCODE.lower(), f"{BARCODE}-01".replace("-", "."), f"{BARCODE}-01a".lower()])
def test_bundles_of_identifiers_as_they_stood_are_searched_in_the_usual_spellings(
    small_training: TrainingResult, trained_as: str, asked: str
):
    model = replace(small_training.model, patient_hashes=(as_it_stood(trained_as),))
    assert not absent_from(model, [asked])[0]


@given(trained=st.sets(st.text(max_size=20)))
def test_bundles_of_identifiers_as_they_stood_know_every_identifier_as_it_stood(
    small_training: TrainingResult, trained: set[str]
):
    model = replace(small_training.model, patient_hashes=tuple(map(as_it_stood, trained)))
    assert not absent_from(model, sorted(trained)).any()


def test_a_training_keeps_the_hashes_of_the_one_spelling(small_training: TrainingResult):
    assert small_training.model.patient_hashes == tuple(sorted(map(hashed, small_training.cohort.patients)))


def test_of_pooled_cohorts_the_references_patients_come_first_and_their_share_is_told(small_training: TrainingResult):
    one = called(small_training.cohort.subset(np.arange(0, 70)), "one.")
    two = called(small_training.cohort.subset(np.arange(70, 120)), "two.")
    hashes = hashes_of(pooled([one, two], ["one", "two"]), first="two")
    assert hashes == (*sorted(map(hashed, two.patients)), *sorted(map(hashed, one.patients)))
    model = small_training.model
    view = replace(model, reference="two", patient_hashes=hashes, cohort=replace(model.cohort, n_patients=50))
    assert share_of_reference(view, [*one.patients, *two.patients[:20], "TWO-0"]) == pytest.approx(0.4)
    assert np.isnan(share_of_reference(replace(view, patient_hashes=tuple(sorted(hashes))), two.patients))
    assert np.isnan(share_of_reference(model, small_training.cohort.patients))


@pytest.mark.parametrize("trained_as", [BARCODE, f"{BARCODE}-01", f"{BARCODE}-01A", f"{BARCODE}-06B", f"{BARCODE}-40"])
@pytest.mark.parametrize(
    "now", [BARCODE, BARCODE.lower(), f"{BARCODE}-01", f"{BARCODE}-03A", f"{BARCODE}-01A-11R-A29S-07", f" {BARCODE} "]
)
def test_a_tcga_patient_is_found_by_any_barcode_of_theirs(small_training: TrainingResult, trained_as: str, now: str):
    for each in (hashed(trained_as), as_it_stood(trained_as)):
        assert not absent_from(replace(small_training.model, patient_hashes=(each,)), [now])[0]


@pytest.mark.parametrize("another", ["TCGA-OR-A5J2", "TCGA-OR-A5J1X", "TCGA-OR-A5J", "X-TCGA-OR-A5J1"])
def test_another_tcga_patient_is_not_taken_for_a_training_patient(small_training: TrainingResult, another: str):
    model = replace(small_training.model, patient_hashes=(hashed(BARCODE), as_it_stood(f"{BARCODE}-01")))
    assert absent_from(model, [another])[0]


@given(trained=st.sets(st.text(max_size=20)), asked=st.lists(st.text(max_size=20)))
def test_nobody_is_found_whose_one_spelling_is_another(
    small_training: TrainingResult, trained: set[str], asked: list[str]
):
    learned = set(map(canonical, trained))
    model = replace(small_training.model, patient_hashes=tuple(map(hashed, trained)))
    np.testing.assert_array_equal(absent_from(model, asked), [canonical(each) not in learned for each in asked])
