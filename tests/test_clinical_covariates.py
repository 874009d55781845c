"""Clinical covariates: each encoder by hand, what is missing, and what is left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.clinical_covariates import MINIMUM_CATEGORY, ClinicalEncoder


def missing(encoder: ClinicalEncoder, clinical: pd.DataFrame) -> tuple[str, ...]:
    """Return the columns that are not known in one of the patients or more."""
    return tuple(dict.fromkeys(column for patient in encoder.lacking(clinical) for column in patient))


def fitted(columns: dict[str, list[object]], *, minimum_known: float = 0.5) -> ClinicalEncoder:
    return ClinicalEncoder.fit(pd.DataFrame(columns), tuple(columns), minimum_known=minimum_known)


def test_age_is_standardised_by_hand():
    encoder = fitted({"age": [40.0, 60.0, np.nan, 80.0]})
    # Mean 60, SD of the three known (divided by n) = sqrt(800 / 3).
    later = pd.DataFrame({"age": [60.0, 60 + np.sqrt(800 / 3), np.nan]})
    np.testing.assert_allclose(encoder.transform(later), [[0.0], [1.0], [0.0]], atol=1e-12)
    assert encoder.names == ("age",)


def test_stages_are_ranks_in_their_order():
    # Ranks 1, 2, 3, 4: mean 2.5, SD sqrt(1.25); the order of appearance plays no part.
    encoder = fitted({"stage": ["IV", "I", "III", "II"]})
    later = pd.DataFrame({"stage": ["I", "II", "III", "IV"]})
    expected = (np.arange(1.0, 5.0) - 2.5) / np.sqrt(1.25)
    np.testing.assert_allclose(encoder.transform(later)[:, 0], expected, rtol=1e-12)


def test_grades_and_stages_that_do_not_exist_are_missing():
    encoder = fitted({"stage": ["I", "II"], "grade": ["G1", "G4"]})
    later = pd.DataFrame({"stage": ["X", "II"], "grade": ["G1", "GX"]})
    transformed = encoder.transform(later)
    assert transformed[0, 0] == transformed[1, 1] == 0
    assert missing(encoder, later) == ("stage", "grade")
    assert missing(encoder, later.iloc[[1]]) == ("grade",)
    assert missing(encoder, later.iloc[[0]]) == ("stage",)


def test_of_two_sexes_the_commoner_is_the_reference():
    encoder = fitted({"sex": ["female"] * 30 + ["male"] * 10})
    assert encoder.names == ("sex=male",)
    # Mean 1/4, SD sqrt(3)/4.
    later = pd.DataFrame({"sex": ["male", "female", None]})
    np.testing.assert_allclose(encoder.transform(later)[:, 0], [np.sqrt(3), -1 / np.sqrt(3), 0], rtol=1e-12)


@settings(max_examples=30)
@given(st.integers(MINIMUM_CATEGORY, 20), st.randoms(use_true_random=False))
def test_the_order_of_patients_does_not_choose_the_reference(n_each, random):
    sexes = ["female"] * n_each + ["male"] * n_each + [None]
    random.shuffle(sexes)
    assert fitted({"sex": sexes}).names == ("sex=male",)


def test_a_category_never_seen_in_training_counts_as_missing():
    encoder = fitted({"histology": ["ductal"] * 20 + ["lobular"] * 15})
    later = pd.DataFrame({"histology": ["lobular", "mucinous"]})
    assert missing(encoder, later.iloc[[0]]) == ()
    assert missing(encoder, later) == ("histology",)
    assert encoder.transform(later)[1, 0] == 0


def test_a_rare_category_has_no_column_and_joins_the_reference():
    encoder = fitted({"histology": ["ductal"] * 20 + ["lobular"] * 15 + ["mucinous"] * (MINIMUM_CATEGORY - 1)})
    assert encoder.names == ("histology=lobular",)
    later = pd.DataFrame({"histology": ["ductal", "mucinous", "lobular"]})
    ductal, mucinous, lobular = encoder.transform(later)[:, 0]
    assert ductal == mucinous < lobular
    assert missing(encoder, later) == ()


def test_a_category_of_just_enough_patients_has_a_column():
    encoder = fitted({"histology": ["ductal"] * 20 + ["mucinous"] * MINIMUM_CATEGORY})
    assert encoder.names == ("histology=mucinous",)


@pytest.mark.parametrize(("n_known", "names"), [(49, ()), (50, ("age",))])
def test_a_column_known_in_too_few_patients_is_left_out(n_known, names):
    ages = [float(age) for age in range(n_known)] + [np.nan] * (100 - n_known)
    assert fitted({"age": ages}, minimum_known=0.5).names == names


@pytest.mark.parametrize(
    "columns",
    [
        {"age": [61.3] * 7},
        {"stage": ["III"] * 30},
        {"sex": ["female"] * 30},
        {"age": [np.nan] * 5},
        {"sex": [None] * 30},
        {"site": [f"site {i}" for i in range(30)]},
    ],
    ids=["one age", "one stage", "one sex", "no age", "no sex", "every site once"],
)
def test_a_column_that_tells_nothing_is_left_out(columns):
    encoder = fitted(columns, minimum_known=0.01)
    assert encoder.names == encoder.columns == ()
    assert encoder.transform(pd.DataFrame(columns)).shape == (len(next(iter(columns.values()))), 0)


def test_a_column_that_the_patients_do_not_have_is_left_out_of_the_fit():
    clinical = pd.DataFrame({"age": [40.0, 60.0]})
    encoder = ClinicalEncoder.fit(clinical, ("age", "stage", "sex"), minimum_known=0.5)
    assert encoder.columns == ("age",)


def test_a_column_that_a_later_patient_does_not_have_is_missing():
    encoder = fitted({"age": [40.0, 60.0] * 10, "sex": ["female", "male"] * 10})
    later = pd.DataFrame(index=["p1"])
    assert missing(encoder, later) == ("age", "sex")
    np.testing.assert_array_equal(encoder.transform(later), [[0.0, 0.0]])


COLUMNS = ("age", "sex", "stage", "subtype")
VALUES = (
    st.integers(0, 120).map(float),
    st.sampled_from(["female", "male"]),
    st.sampled_from(["I", "II", "III", "IV"]),
    st.sampled_from(["luminal", "basal", "normal"]),
)
complete = st.lists(st.tuples(*VALUES), min_size=2, max_size=40)
patients = st.lists(st.tuples(*(st.one_of(st.none(), values) for values in VALUES)), min_size=2, max_size=40)


@settings(max_examples=50)
@given(complete)
def test_where_all_is_known_training_covariates_have_mean_0_and_sd_1(rows):
    clinical = pd.DataFrame(rows, columns=COLUMNS)
    encoder = ClinicalEncoder.fit(clinical, COLUMNS, minimum_known=0.5)
    transformed = encoder.transform(clinical)
    np.testing.assert_allclose(transformed.mean(axis=0), np.zeros(len(encoder.names)), atol=1e-12)
    np.testing.assert_allclose(transformed.std(axis=0), np.ones(len(encoder.names)), rtol=1e-12)


@settings(max_examples=50)
@given(patients, st.data())
def test_a_patient_alone_has_the_covariates_it_has_among_many(rows, data):
    clinical = pd.DataFrame(rows, columns=COLUMNS)
    encoder = ClinicalEncoder.fit(clinical, COLUMNS, minimum_known=0.2)
    position = data.draw(st.integers(0, len(rows) - 1))
    alone = clinical.iloc[[position]]
    np.testing.assert_array_equal(encoder.transform(alone)[0], encoder.transform(clinical)[position])
    unknown = {column for column in encoder.columns if pd.isna(alone[column].iloc[0])}
    assert set(missing(encoder, alone)) == unknown
