from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.results import TrainingResult
from training.training_patients import absent_from, hashed

BARCODE = "TCGA-OR-A5J1"


def test_a_hash_is_the_sha256_of_the_identifier_in_utf8():
    assert hashed("Ä1") == hashlib.sha256("Ä1".encode()).hexdigest()
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


@pytest.mark.parametrize("trained_as", [BARCODE, f"{BARCODE}-01", f"{BARCODE}-01A", f"{BARCODE}-06B", f"{BARCODE}-40"])
@pytest.mark.parametrize(
    "now", [BARCODE, BARCODE.lower(), f"{BARCODE}-01", f"{BARCODE}-03A", f"{BARCODE}-01A-11R-A29S-07", f" {BARCODE} "]
)
def test_a_tcga_patient_is_found_by_any_barcode_of_theirs(small_training: TrainingResult, trained_as: str, now: str):
    model = replace(small_training.model, patient_hashes=(hashed(trained_as),))
    assert not absent_from(model, [now])[0]


@pytest.mark.parametrize("another", ["TCGA-OR-A5J2", "TCGA-OR-A5J1X", "TCGA-OR-A5J", "X-TCGA-OR-A5J1"])
def test_another_tcga_patient_is_not_taken_for_a_training_patient(small_training: TrainingResult, another: str):
    model = replace(small_training.model, patient_hashes=(hashed(BARCODE), hashed(f"{BARCODE}-01")))
    assert absent_from(model, [another])[0]


@given(trained=st.sets(st.text(max_size=20)), asked=st.lists(st.text(max_size=20)))
def test_identifiers_that_are_no_barcodes_are_compared_as_they_stand(
    small_training: TrainingResult, trained: set[str], asked: list[str]
):
    model = replace(small_training.model, patient_hashes=tuple(map(hashed, trained)))
    np.testing.assert_array_equal(absent_from(model, asked), [each not in trained for each in asked])
