"""Clinical words: what is read, what is missing, and what is refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.clinical import GRADES, STAGES, parse_age, parse_grade, parse_sex, parse_stage
from features.errors import ClinicalError

MISSING = [None, "", "  ", "NA", "nan", math.nan, "[Not Available]", "[Unknown]", "Not Reported", "unknown"]


@pytest.mark.parametrize("value", MISSING)
@pytest.mark.parametrize("parse", [parse_age, parse_sex, parse_stage, parse_grade])
def test_words_for_not_known_are_missing(parse, value):
    assert parse(value) is None


@given(st.floats(0, 120))
def test_an_age_is_read_to_the_last_bit_from_number_and_word(age: float):
    assert parse_age(age) == age
    assert parse_age(f" {age!r} ") == age


@pytest.mark.parametrize("value", [-1, 120.5, math.inf, "-3", "1e9", "old", ">89", "6_1", "６１", True, [61]])
def test_an_age_outside_0_to_120_is_refused_without_being_repeated(value):
    with pytest.raises(ClinicalError, match="age must be") as caught:
        parse_age(value)
    assert "120.5" not in str(caught.value)
    assert "1e9" not in str(caught.value)


@pytest.mark.parametrize(("word", "sex"), [("Female", "female"), ("MALE", "male"), ("f", "female"), (" M ", "male")])
def test_sexes(word: str, sex: str):
    assert parse_sex(word) == sex


@pytest.mark.parametrize("word", ["other", "1", 0, "femail"])
def test_other_words_are_no_sex(word):
    with pytest.raises(ClinicalError, match="female or male"):
        parse_sex(word)


@pytest.mark.parametrize(
    ("word", "stage"),
    [
        *[("III", "III"), ("Stage IIIA", "III"), ("IIIa", "III"), ("Stage IV", "IV"), ("iv", "IV"), ("Stage I", "I")],
        *[
            ("Stage IIB", "II"),
            ("3", "III"),
            (3, "III"),
            (3.0, "III"),
            ("3.0", "III"),
            ("stage 2a", "II"),
            ("IB2", "I"),
            ("IVC", "IV"),
        ],
        *[("AJCC Stage IIIC", "III"), ("Pathologic Stage II", "II"), ("Stage  IIIA1", "III"), ("FIGO IC2", "I")],
    ],
)
def test_stages(word, stage: str):
    assert parse_stage(word) == stage


@given(stage=st.sampled_from(STAGES), letter=st.sampled_from(["", "A", "b", "C"]), lead=st.sampled_from(["", "Stage "]))
def test_every_sub_stage_is_read_as_its_stage(stage: str, letter: str, lead: str):
    assert parse_stage(f"{lead}{stage}{letter}") == stage


@pytest.mark.parametrize("word", ["X", "Stage X", "x"])
def test_stage_x_is_missing(word: str):
    assert parse_stage(word) is None


@pytest.mark.parametrize(
    "word", ["0", "Stage 0", "Tis", "T2", "T2N0M0", "12", "5", "V", "IIII", "I/II NOS", "Stage IS", "early", True]
)
def test_what_is_no_stage_is_refused_with_what_is_allowed(word):
    with pytest.raises(ClinicalError, match=r"stage must be"):
        parse_stage(word)


@pytest.mark.parametrize(
    ("word", "grade"),
    [
        *[
            ("G1", "G1"),
            ("g4", "G4"),
            ("3", "G3"),
            (2, "G2"),
            (2.0, "G2"),
            ("2.00", "G2"),
            ("Grade 2", "G2"),
            ("WHO grade III", "G3"),
        ],
        *[("Poorly differentiated", "G3"), ("Undifferentiated", "G4")],
    ],
)
def test_grades(word, grade: str):
    assert parse_grade(word) == grade
    assert grade in GRADES


@pytest.mark.parametrize("word", ["GX", "X", "Grade X"])
def test_grade_x_is_missing(word: str):
    assert parse_grade(word) is None


@pytest.mark.parametrize("word", ["High Grade", "low grade", "G5", "GB", "0", "12", "Gleason 7"])
def test_what_is_no_grade_is_refused_with_what_is_allowed(word: str):
    with pytest.raises(ClinicalError, match="grade must be G1, G2, G3 or G4"):
        parse_grade(word)


def test_long_free_text_is_not_repeated_in_full():
    with pytest.raises(ClinicalError) as caught:
        parse_stage("seen by the consultant on Tuesday, stage to be discussed")
    assert "Tuesday" not in str(caught.value)


@given(st.text(max_size=30))
def test_any_text_is_a_stage_missing_or_refused_in_words(text: str):
    try:
        stage = parse_stage(text)
    except ClinicalError:
        return
    assert stage in {None, *STAGES}
