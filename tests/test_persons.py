"""One spelling of a patient's identifier, and who is who across cohorts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.simulation import simulate_cohort
from features.cohort import Cohort
from features.persons import Namesakes, canonical, namesakes, persons

PAIR = simulate_cohort("KIRC", seed=4, n_patients=100, n_background=1).subset(range(2))


def called(*names: str) -> Cohort:
    return replace(PAIR, expression=PAIR.expression.set_axis(list(names)), clinical=PAIR.clinical.set_axis(list(names)))


@pytest.mark.parametrize(
    ("written", "one"),
    [
        ("TCGA-RZ-AB0B", "TCGA-RZ-AB0B"),
        ("TCGA.RZ.AB0B", "TCGA-RZ-AB0B"),
        ("tcga_rz_ab0b_01a_11r_a405_07", "TCGA-RZ-AB0B"),
        ("TCGA-RZ-AB0BX", "TCGA-RZ-AB0BX"),
        ("TCGA-1", "TCGA-1"),
        (" p001\t", "P001"),
        ("ward_7.12", "WARD-7-12"),
        (12, "12"),
        (1001.0, "1001"),
        ("1001.00", "1001"),
        ("X1001", "1001"),
        ("x1001.0", "1001"),
        ("0012", "0012"),
        ("1001.5", "1001-5"),
        ("XP1001", "XP1001"),
    ],
)
def test_every_identifier_has_one_spelling(written: object, one: str):
    assert canonical(written) == one


@given(st.text(max_size=30))
def test_the_one_spelling_is_its_own(text: str):
    assert canonical(canonical(text)) == canonical(text)


def test_a_person_is_the_same_in_tables_that_spell_otherwise():
    assert persons(called("TCGA-RZ-AB0B", "P001")) == persons(called("tcga.rz.ab0b.01", " p001"))


def test_identifiers_of_a_cohorts_own_making_stand_for_others_where_outcomes_differ():
    other = replace(called("TCGA-RZ-AB0B", "P001"), time=PAIR.time + 1)
    same_barcode, same_number = (
        a == b for a, b in zip(persons(called("TCGA-RZ-AB0B", "P001")), persons(other), strict=True)
    )
    assert same_barcode
    assert not same_number


MANY = simulate_cohort("KIRC", seed=4, n_patients=100, n_background=1)
OTHERS = simulate_cohort("KIRC", seed=5, n_patients=100, n_background=1)


def numbered(cohort: Cohort, **changed: object) -> Cohort:
    """Return the cohort with running numbers for identifiers, followed a day longer than it is."""
    names = [f"P{number:03d}" for number in range(len(cohort.time))]
    clinical = cohort.clinical.set_axis(names).assign(**changed)
    expression = cohort.expression.set_axis(names)
    return replace(cohort, expression=expression, clinical=clinical, time=cohort.time + 1)


def first_numbered(**changed: object) -> Cohort:
    return replace(numbered(MANY, **changed), time=MANY.time)


def test_running_numbers_of_two_hospitals_are_of_other_persons():
    assert namesakes(first_numbered(), numbered(OTHERS)) == Namesakes(100, 100, 100, False)


def test_an_updated_follow_up_is_of_the_same_persons():
    assert namesakes(first_numbered(), numbered(MANY)) == Namesakes(100, 100, 100, True)


@pytest.mark.parametrize(
    "changed",
    [
        {"age": np.floor(MANY.clinical["age"].to_numpy())},
        {"age": [f"{age} years" for age in MANY.clinical["age"]]},
        {"stage": None},
        {"sex": MANY.clinical["sex"].str.upper().to_numpy()},
        {"age": np.nan, "stage": None, "grade": None},
    ],
)
def test_columns_that_were_written_anew_do_not_hide_the_same_persons(changed: dict[str, object]):
    assert namesakes(first_numbered(), numbered(MANY, **changed)).same_persons is True


def test_where_all_are_alike_no_column_tells_who_they_are():
    only = pd.DataFrame({"sex": ["female"] * 100}, index=numbered(MANY).patients)
    assert namesakes(replace(first_numbered(), clinical=only), replace(numbered(MANY), clinical=only)) == Namesakes(
        100, 100, 100, None
    )


def test_few_pairs_tell_nothing():
    five = np.arange(5)
    assert namesakes(first_numbered().subset(five), numbered(MANY)) == Namesakes(5, 5, 5, None)


def test_barcodes_of_tcga_are_nobodys_namesakes():
    assert namesakes(called("TCGA-RZ-AB0B", "P001"), called("TCGA-RZ-AB0B", "P002")) == Namesakes(0, 0, 1, None)
