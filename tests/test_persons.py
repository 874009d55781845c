"""One spelling of a patient's identifier, and who is who across cohorts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.simulation import simulate_cohort
from features.cohort import Cohort
from features.persons import canonical, persons

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
