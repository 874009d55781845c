"""How many challengers were tried on the same patients, told from a record that names none of them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.audit_log import AuditLog, examine
from experiments.challenger_counts import comparisons, noted, patient_set, share_among, tried
from experiments.simulation import simulate_cohort
from features.cohort import Cohort

NAME = "KIRC-OS"
COHORT = simulate_cohort("KIRC", seed=3, n_patients=400, n_background=1)


def called(names: list[str]) -> Cohort:
    few = COHORT.subset(np.arange(len(names)))
    return replace(few, expression=few.expression.set_axis(names), clinical=few.clinical.set_axis(names))


def patients(first: int, last: int) -> list[str]:
    return [f"hospital-{number}" for number in range(first, last)]


def made_from(definition: str, data: str = "d", code: str = "c") -> dict[str, str]:
    return {"data_digest": data, "definition_digest": definition, "code_version": code}


def look(definition: str, names: list[str], *, data: str = "d", training: str = "t", dry_run: bool = False) -> dict:
    return {
        "name": NAME,
        "made_from": made_from(definition, data),
        "patients": patient_set(called(names)),
        "training": training,
        "dry_run": dry_run,
        "from_version": "1",
        "reason": "",
        "figures": {},
        "digests": {},
    }


def test_a_set_is_known_again_whatever_its_order():
    one, other = patient_set(called(patients(0, 50))), patient_set(called(patients(0, 50)[::-1]))
    assert one == other
    assert share_among(one, other) == 1.0


def test_tcga_patients_are_the_same_by_any_barcode_of_theirs():
    plain = called(["TCGA-AA-0001", "TCGA-AA-0002"])
    longer = called(["tcga-aa-0001-01", "TCGA-AA-0002-01A-11R"])
    dotted = called(["TCGA.AA.0001", "tcga_aa_0002_01"])
    assert patient_set(plain) == patient_set(longer) == patient_set(dotted)


@settings(max_examples=30, deadline=None)
@given(st.integers(40, 200), st.floats(0, 1))
def test_the_share_in_common_is_told_to_within_a_fifth(n_patients, share):
    n_common = round(share * n_patients)
    now = patient_set(called(patients(0, n_patients)))
    earlier = patient_set(called(patients(n_patients - n_common, 2 * n_patients - n_common)))
    assert share_among(now, earlier) == pytest.approx(n_common / n_patients, abs=0.2)


def test_a_small_part_of_many_earlier_patients_is_all_of_the_present_ones():
    few, many = patient_set(called(patients(0, 100))), patient_set(called(patients(0, 200)))
    assert share_among(few, many) == pytest.approx(1.0, abs=0.2)
    assert share_among(many, few) == pytest.approx(0.5, abs=0.15)


def test_no_identifier_nor_its_hash_is_written(tmp_path):
    names = patients(0, 30)
    noted(AuditLog(tmp_path / "record"), look("a", names), [])
    text = (tmp_path / "record").read_text(encoding="utf-8")
    assert not any(name in text for name in names)
    assert len(json.loads(text)["patients"]["sketch"]) == 256


def test_each_other_definition_counts_and_dry_runs_count_as_much(tmp_path):
    log, names = AuditLog(tmp_path / "record"), patients(0, 100)
    assert noted(log, look("a", names, training="1", dry_run=True), []) == 1
    assert noted(log, look("b", names, training="2"), []) == 2
    # The same challenger for good, after its dry run: looked at twice, tried once.
    assert noted(log, look("a", names, training="1"), []) == 2
    entries = log.chain().entries
    assert [(e["action"], e["dry_run"], e["figures"]["challengers"]) for e in entries] == [
        ("compare", True, 1),
        ("compare", False, 2),
        ("compare", False, 2),
    ]
    assert examine((tmp_path / "record").read_bytes()).fault is None
    assert comparisons(entries, NAME) == list(entries)
    assert comparisons(entries, "KIRP-OS") == []


def test_a_training_that_is_taken_up_again_writes_no_second_entry(tmp_path):
    log = AuditLog(tmp_path / "record")
    assert [noted(log, look("a", patients(0, 60)), []) for _ in range(2)] == [1, 1]
    assert len(log.chain().entries) == 1


def test_other_patients_are_another_count(tmp_path):
    log = AuditLog(tmp_path / "record")
    noted(log, look("a", patients(0, 100)), [])
    assert noted(log, look("b", patients(100, 200), data="other"), []) == 1
    # Three in four are of the first.
    assert noted(log, look("c", patients(25, 125), data="third"), []) == 2


def test_versions_that_were_made_on_the_same_data_were_tried_too():
    versions = [made_from("a"), made_from("b"), made_from("a"), made_from("z", data="other"), {"data_digest": "d"}]
    assert tried([], versions, name=NAME, patients=patient_set(called(patients(0, 5))), made_from=made_from("b")) == 2
