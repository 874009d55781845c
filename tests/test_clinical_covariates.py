"""Clinical covariates: each encoder by hand, what is missing, and what is left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.clinical_covariates import MINIMUM_CATEGORY, ClinicalEncoder, raw_numbers


def missing(encoder: ClinicalEncoder, clinical: pd.DataFrame) -> tuple[str, ...]:
    """Return the columns that are not known in one of the patients or more."""
    return tuple(dict.fromkeys(column for patient in encoder.lacking(clinical) for column in patient))


def fitted(columns: dict[str, list[object]], *, minimum_known: float = 0.5) -> ClinicalEncoder:
    return ClinicalEncoder.fit(pd.DataFrame(columns), tuple(columns), minimum_known=minimum_known)


def straight(encoder: ClinicalEncoder) -> tuple[str, ...]:
    return tuple(covariate.name for covariate in encoder.covariates if not covariate.is_shape)


def shapes(encoder: ClinicalEncoder) -> tuple[str, ...]:
    return tuple(covariate.name for covariate in encoder.covariates if covariate.is_shape)


def column(encoder: ClinicalEncoder, name: str, clinical: pd.DataFrame):
    return encoder.transform(clinical)[:, encoder.names.index(name)]


def test_age_is_standardised_by_hand():
    encoder = fitted({"age": [40.0, 60.0, np.nan, 80.0]})
    # Mean 60, SD of the three known (divided by n) = sqrt(800 / 3).
    later = pd.DataFrame({"age": [60.0, 60 + np.sqrt(800 / 3), np.nan]})
    np.testing.assert_allclose(column(encoder, "age", later), [0.0, 1.0, 0.0], atol=1e-12)
    assert straight(encoder) == ("age",)


def test_the_line_of_age_may_bend_at_its_quartiles_by_hand():
    # Quartiles 45, 50, 55; above 50 the known ages are 0, 0, 0, 5, 10: mean 3, SD (divided by n) 4.
    encoder = fitted({"age": [40.0, 45.0, 50.0, np.nan, 55.0, 60.0]})
    assert shapes(encoder) == ("age above 45", "age above 50", "age above 55")
    later = pd.DataFrame({"age": [30.0, 50.0, 53.0, 60.0, 90.0, np.nan]})
    expected = [-0.75, -0.75, 0.0, 1.75, 9.25, 0.0]
    np.testing.assert_allclose(column(encoder, "age above 50", later), expected, atol=1e-12)


def test_ages_and_their_hinges_make_every_line_that_bends_at_the_quartiles():
    ages = np.random.default_rng(1).integers(30, 90, 200).astype(float)
    encoder = fitted({"age": list(ages)})
    quartiles = np.quantile(ages, [0.25, 0.5, 0.75])
    bent = np.interp(ages, [0, *quartiles, 120], [5.0, -1.0, 3.0, 3.5, -7.0])
    X = np.column_stack([np.ones(200), encoder.transform(pd.DataFrame({"age": ages}))])
    np.testing.assert_allclose(X @ np.linalg.lstsq(X, bent)[0], bent, atol=1e-9)


def test_steps_of_stage_stand_where_enough_patients_reach_them_by_hand():
    # 22 reach II, 12 reach III and 9 reach IV: too few to learn from.
    encoder = fitted({"stage": ["I"] * 10 + ["II"] * 10 + ["III"] * 3 + ["IV"] * 9 + [None]})
    assert encoder.names == ("stage", "stage from II", "stage from III")
    # 12 of 32 are at III or beyond: mean 3/8, SD sqrt(15)/8.
    later = pd.DataFrame({"stage": ["I", "II", "III", "IV", None, "X"]})
    low, high = -3 / np.sqrt(15), 5 / np.sqrt(15)
    expected = [low, low, high, high, 0, 0]
    np.testing.assert_allclose(column(encoder, "stage from III", later), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("grades", "names"),
    [
        (["G2"] * 30 + ["G3"] * 30, ("grade",)),
        (["G1"] * 30 + ["G4"] * 30, ("grade",)),
        (["G2"] * 30 + ["G3"] * 30 + ["G4"] * 30, ("grade", "grade from G3", "grade from G4")),
        (["G1"] * 30 + ["G3"] * 30 + ["G4"] * 30, ("grade", "grade from G3", "grade from G4")),
    ],
)
def test_a_level_that_no_patient_has_makes_no_step_and_two_levels_need_none(grades, names):
    # Of two levels the rank itself is the step; nobody tells G2 from G3 where nobody is G2.
    assert fitted({"grade": grades}).names == names


def test_ranks_and_steps_make_every_value_of_each_stage():
    stages = ["I", "II", "III", "IV"] * 10
    encoder = fitted({"stage": stages})
    X = np.column_stack([np.ones(40), encoder.transform(pd.DataFrame({"stage": stages}))])
    value = np.array([0.3, -2.0, 5.0, 4.0] * 10)
    np.testing.assert_allclose(X @ np.linalg.lstsq(X, value)[0], value, atol=1e-9)


def test_what_bends_a_line_is_told_from_the_line():
    encoder = fitted(
        {
            "age": [float(age) for age in range(40, 80)],
            "stage": ["I", "II", "III", "IV"] * 10,
            "sex": ["female", "male"] * 20,
        }
    )
    assert straight(encoder) == ("age", "stage", "sex=male")
    assert shapes(encoder)[:3] == ("age above 49.75", "age above 59.5", "age above 69.25")
    assert shapes(encoder)[3:] == ("stage from II", "stage from III", "stage from IV")
    assert encoder.columns == ("age", "stage", "sex")


def test_a_column_that_is_not_known_leaves_its_shapes_unknown_and_is_named_once():
    encoder = fitted({"age": [40.0, 50.0, 60.0, 70.0], "stage": ["I", "II", "III", "IV"]})
    nobody = pd.DataFrame({"age": [np.nan], "stage": [None]})
    assert encoder.lacking(nobody) == [("age", "stage")]
    np.testing.assert_array_equal(encoder.transform(nobody), np.zeros((1, len(encoder.names))))


@pytest.mark.parametrize("ages", [[60.0] * 30 + [70.0] * 3, [60.0] * 30 + [70.0, 80.0], [70.0, 80.0] + [90.0] * 30])
def test_a_hinge_at_either_end_of_the_ages_bends_nothing_and_is_left_out(ages):
    assert fitted({"age": ages}).names == ("age",)


def test_between_two_ages_there_is_but_one_line():
    assert fitted({"age": [60.0] * 20 + [70.0] * 20}).names == ("age",)


@given(st.lists(st.integers(0, 120), min_size=2, max_size=60))
def test_no_hinge_is_the_line_itself(ages):
    encoder = fitted({"age": [float(age) for age in ages]})
    X = encoder.transform(pd.DataFrame({"age": [float(age) for age in ages]}))
    assert all(min(ages) < covariate.above < max(ages) for covariate in encoder.covariates if covariate.is_shape)
    assert not any(np.allclose(X[:, 0], X[:, j], atol=1e-9) for j in range(1, X.shape[1]))


def test_raw_numbers_are_years_and_ranks_from_1():
    np.testing.assert_array_equal(raw_numbers("age", pd.Series([61.5, None, "x"])), [61.5, np.nan, np.nan])
    np.testing.assert_array_equal(raw_numbers("stage", pd.Series(["III", "X", None, "I"])), [3, np.nan, np.nan, 1])
    np.testing.assert_array_equal(raw_numbers("grade", pd.Series(["G4", "GX"])), [4, np.nan])


def test_stages_are_ranks_in_their_order():
    # Ranks 1, 2, 3, 4: mean 2.5, SD sqrt(1.25); the order of appearance plays no part.
    encoder = fitted({"stage": ["IV", "I", "III", "II"]})
    later = pd.DataFrame({"stage": ["I", "II", "III", "IV"]})
    expected = (np.arange(1.0, 5.0) - 2.5) / np.sqrt(1.25)
    np.testing.assert_allclose(column(encoder, "stage", later), expected, rtol=1e-12)


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
    assert fitted({"age": ages}, minimum_known=0.5).columns == names


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
    np.testing.assert_array_equal(encoder.transform(later), np.zeros((1, len(encoder.names))))


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
