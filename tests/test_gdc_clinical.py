"""GDC's clinical tables: several rows a case, three generations of headers, every way of telling an outcome."""

from __future__ import annotations

from pathlib import Path

import pytest
from gdc_folders import NEW_HEADERS, OLD_HEADERS, OLDEST_HEADERS, case, patient, table_text, visits_text

from features.errors import CohortError
from features.gdc_clinical import read_patients
from features.ledger import Ledger
from features.outcomes import outcomes


def written(folder: Path, cases: list, *, headers=NEW_HEADERS, missing: str = "'--", visits=None):
    """Write cases and visits, and read them again."""
    (folder / "clinical.tsv").write_text(table_text(cases, headers, missing))
    follow_up = []
    if visits is not None:
        follow_up = [folder / "follow_up.tsv"]
        follow_up[0].write_text(visits_text(visits))
    return read_patients([folder / "clinical.tsv"], follow_up, "the test")


def entry(ledger: Ledger, words: str) -> tuple[str, int, tuple[str, ...]]:
    found = [line for line in ledger.entries if words in line.what]
    assert len(found) == 1, (words, str(ledger))
    return found[0].action, found[0].count, found[0].examples


def survival(patients) -> dict[str, tuple]:
    """Each patient's status and days, by the last digits of the barcode."""
    known = patients[["OS_STATUS", "OS_DAYS"]].fillna("-")
    return {int(name[-4:]): (row.OS_STATUS, row.OS_DAYS) for name, row in known.iterrows()}


def test_every_way_of_telling_an_outcome_by_hand(tmp_path: Path):
    cases = [
        *case(1, vital_status="Dead", days_to_death=500, last="480.0"),
        *case(2, last="300.0"),
        *case(3, vital_status="Dead", last=400),
        *case(4),
        *case(5, last=0),
        *case(6, last=-3),
        *case(7),
        *case(8, days_to_death=90, last=80),
        *case(9, vital_status="dead", days_to_death=800, last=900),
        *case(10, vital_status="Not Reported", last=70),
    ]
    visits = [(patient(2), 200), (patient(2), 700), (patient(4), 250), (patient(4), "'--"), (patient(99), 5)]
    patients, ledger = written(tmp_path, cases, visits=visits)
    assert survival(patients) == {
        **{1: ("Dead", "500"), 2: ("Alive", "700"), 3: ("Dead", "-"), 4: ("Alive", "250"), 5: ("Alive", "0")},
        **{6: ("Alive", "-3"), 7: ("Alive", "-"), 8: ("-", "-"), 9: ("Dead", "800"), 10: ("-", "70")},
    }
    assert entry(ledger, "the later one") == ("mapped", 2, (patient(2), patient(4)))
    assert entry(ledger, "died on an unknown day") == ("kept", 1, (patient(3),))
    assert entry(ledger, "unknown follow-up") == ("kept", 1, (patient(7),))
    assert entry(ledger, "contradictory") == ("kept", 1, (patient(8),))
    assert entry(ledger, "beyond their death") == ("kept", 1, (patient(9),))
    assert entry(ledger, "in no clinical table") == ("dropped", 1, (patient(99),))
    assert entry(ledger, "together with another") == ("mapped", 10, ())


def test_the_common_reader_of_outcomes_leaves_out_whom_it_must(tmp_path: Path):
    cases = [*case(1, last=10), *case(2, last=0), *case(3, last=-1), *case(4), *case(5, vital_status="Dead")]
    patients, _ = written(tmp_path, cases)
    followed, ledger = outcomes(patients, "OS", "the test")
    assert list(followed.index) == [patient(1)]
    dropped = [name for line in ledger.entries if line.action == "dropped" for name in line.examples]
    assert sorted(dropped) == [patient(number) for number in range(2, 6)]
    assert entry(ledger, "zero or negative") == ("dropped", 2, (patient(2), patient(3)))


@pytest.mark.parametrize(
    ("headers", "missing"), [(NEW_HEADERS, "'--"), (OLD_HEADERS, "'--"), (OLDEST_HEADERS, "--"), (OLD_HEADERS, "")]
)
def test_each_generation_of_headers_says_the_same(tmp_path: Path, headers: dict, missing: str):
    cases = [*case(1, vital_status="Dead", days_to_death=12, stage="Stage III", grade="G3"), *case(2, last=7)]
    patients, _ = written(tmp_path, cases, headers=headers, missing=missing)
    assert survival(patients) == {1: ("Dead", "12"), 2: ("Alive", "7")}
    known = patients[["age", "sex", "ajcc_pathologic_stage", "tumor_grade"]].fillna("-")
    assert known.loc[patient(1)].tolist() == ["41.0000", "male", "Stage III", "G3"]
    assert known.loc[patient(2)].tolist() == ["42.0000", "male", "-", "-"]


def test_quoted_fields_lose_their_quotation_marks_and_lone_ones_swallow_no_row(tmp_path: Path):
    cases = [*case(1, last=5, stage='"Stage I"'), *case(2, last=5, stage='"Stage II'), *case(3, last=5)]
    patients, _ = written(tmp_path, cases)
    assert patients["ajcc_pathologic_stage"].fillna("-").tolist() == ["Stage I", "Stage II", "-"]


def test_the_primary_diagnosis_is_read_and_all_are_followed(tmp_path: Path):
    first = case(1, last=100, stage="Stage I", treatments=1)
    later = {**first[0], "of_tumor": "metastasis", "is_primary": "false", "diagnosis": "d9"}
    later |= {"stage": "Stage IV", "age": 99 * 365.25, "last": 600}
    patients, ledger = written(tmp_path, [later, *first, *case(2, last=9, is_primary="'--", of_tumor="'--")])
    assert survival(patients) == {1: ("Alive", "600"), 2: ("Alive", "9")}
    assert patients.loc[patient(1), ["ajcc_pathologic_stage", "age"]].tolist() == ["Stage I", "41.0000"]
    assert entry(ledger, "beside a patient's primary") == ("dropped", 1, ())


def test_the_portal_s_tables_of_2025_are_read_for_the_tumour_that_was_sequenced(tmp_path: Path):
    # Columns and kinds of rows as in downloads that stand on GitHub; patients and values are invented.
    clinical = ["cases.index_date", "cases.lost_to_followup", "cases.submitter_id", "demographic.age_at_index"]
    clinical += ["demographic.days_to_death", "demographic.gender", "demographic.vital_status"]
    clinical += ["diagnoses.age_at_diagnosis", "diagnoses.ajcc_pathologic_stage", "diagnoses.classification_of_tumor"]
    clinical += ["diagnoses.days_to_diagnosis", "diagnoses.days_to_last_follow_up"]
    clinical += ["diagnoses.diagnosis_is_primary_disease", "treatments.treatment_type"]
    case = ["Diagnosis", "No", patient(1), "53", "'--", "female", "Alive"]
    rows = [
        [*case, "18798", "'--", "Prior primary", "-715", "'--", "false", "Surgery, NOS"],
        [*case, "19513", "Stage II", "primary", "0", "5423.0", "true", "Radiation, External Beam"],
        [*case, "19513", "Stage II", "primary", "0", "5423.0", "true", "I-131 Radiation Therapy"],
    ]
    visits = ["project.project_id", "cases.submitter_id", "follow_ups.days_to_follow_up"]
    visits += ["follow_ups.timepoint_category", "molecular_tests.days_to_test", "other_clinical_attributes.weight"]
    seen = [
        ["5600", "Last Contact", "'--", "'--"],
        ["'--", "Preoperative", "'--", "'--"],
        ["'--", "'--", "9999", "75.0"],
    ]
    for name, table in (
        ("clinical.tsv", [clinical, *rows]),
        ("follow_up.tsv", [visits, *(["TCGA-THCA", patient(1), *row] for row in seen)]),
    ):
        (tmp_path / name).write_text("".join("\t".join(row) + "\n" for row in table))
    patients, ledger = read_patients([tmp_path / "clinical.tsv"], [tmp_path / "follow_up.tsv"], "the test")
    assert survival(patients) == {1: ("Alive", "5600")}
    wanted = ["age", "sex", "ajcc_pathologic_stage", "days_to_diagnosis"]
    assert patients.loc[patient(1), wanted].tolist() == ["53.4237", "female", "Stage II", "0"]
    assert entry(ledger, "beside a patient's primary") == ("dropped", 1, ())


def test_primary_diagnoses_that_differ_leave_the_covariate_unknown(tmp_path: Path):
    one, other = case(1, last=5, stage="Stage I", treatments=1), case(1, last=5, stage="Stage IV", treatments=1)
    patients, ledger = written(tmp_path, [*one, *other, *case(2, last=5, stage="Stage II")])
    assert patients["ajcc_pathologic_stage"].fillna("-").tolist() == ["-", "Stage II"]
    assert entry(ledger, "differ in ajcc_pathologic_stage") == ("dropped", 1, (patient(1),))


def test_a_second_row_fills_what_the_first_leaves_open(tmp_path: Path):
    rows = case(1, last=5)
    rows[1]["grade"] = "G3"
    patients, _ = written(tmp_path, rows)
    assert patients["tumor_grade"].tolist() == ["G3"]


@pytest.mark.parametrize(
    "changed",
    [
        {"vital_status": "Dead", "days_to_death": 9},
        {"days_to_death": 9},
    ],
)
def test_rows_of_one_case_that_contradict_each_other_give_no_outcome(tmp_path: Path, changed: dict):
    rows = case(1, last=5)
    rows[1] |= changed
    patients, ledger = written(tmp_path, [*rows, *case(2, last=5)])
    assert survival(patients) == {1: ("-", "-"), 2: ("Alive", "5")}
    assert entry(ledger, "contradictory")[1] == 1


def test_two_days_of_death_give_no_outcome(tmp_path: Path):
    rows = case(1, vital_status="Dead", days_to_death=8)
    rows[1]["days_to_death"] = 9
    patients, _ = written(tmp_path, [*rows, *case(2, last=5)])
    assert survival(patients)[1] == ("-", "-")


def test_ages_in_years_are_taken_for_years_and_said_to_be_guessed(tmp_path: Path):
    patients, ledger = written(tmp_path, [*case(1, last=5, age=61), *case(2, last=5, age=70)])
    assert patients["age"].astype(float).tolist() == [61, 70]
    assert entry(ledger, "taken as years")[:2] == ("guessed", 2)


def test_a_missing_age_in_days_is_that_at_the_index_date_in_years(tmp_path: Path):
    headers = {**NEW_HEADERS, "index_age": "demographic.age_at_index"}
    cases = [*case(1, last=5, index_age=41), *case(2, last=5, age="'--", index_age=55)]
    patients, ledger = written(tmp_path, cases, headers=headers)
    assert patients["age"].astype(float).tolist() == [41, 55]
    assert entry(ledger, "age is age_at_index") == ("mapped", 1, (patient(2),))


def test_the_sex_is_read_from_either_name(tmp_path: Path):
    headers = {**NEW_HEADERS, "gender": "demographic.gender"}
    cases = [*case(1, last=5, sex="female", gender="'--"), *case(2, last=5, sex="'--", gender="male")]
    patients, ledger = written(tmp_path, cases, headers=headers)
    assert patients["sex"].tolist() == ["female", "male"]
    assert entry(ledger, "sex_at_birth or gender read as sex")[:2] == ("mapped", 2)


def test_outcomes_and_treatments_are_no_covariates(tmp_path: Path):
    patients, ledger = written(tmp_path, [*case(1, last=5), *case(2, last=6)])
    assert not {"vital_status", "days_to_death", "days_to_last_follow_up", "treatment_type"} & set(patients.columns)
    assert entry(ledger, "known only after diagnosis")[1] == 3
    assert entry(ledger, "project, treatments or tests") == ("dropped", 1, ("treatments.treatment_type",))
    patients, ledger = written(tmp_path, [*case(1, last=5), *case(2, last=6)], headers=OLD_HEADERS)
    assert entry(ledger, "several values for a patient") == ("dropped", 1, ("treatment_type",))


def test_another_first_day_than_the_diagnosis_is_told(tmp_path: Path):
    _, ledger = written(tmp_path, [*case(1, last=5, index_date="Sample Procurement"), *case(2, last=6)])
    assert entry(ledger, "count from Sample Procurement") == ("kept", 1, (patient(1),))


def test_progressions_are_told_and_not_made_an_endpoint(tmp_path: Path):
    (tmp_path / "clinical.tsv").write_text(table_text(case(1, last=5), NEW_HEADERS))
    text = visits_text([(patient(1), 4)]).replace("'--", "Yes")
    (tmp_path / "follow_up.tsv").write_text(text)
    patients, ledger = read_patients([tmp_path / "clinical.tsv"], [tmp_path / "follow_up.tsv"], "the test")
    assert entry(ledger, "not offered") == ("dropped", 1, ("progression_or_recurrence",))
    assert not any(name.startswith(("PFI", "DFI")) for name in patients)


def test_several_clinical_tables_are_one(tmp_path: Path):
    paths = []
    for number in (1, 2):
        (tmp_path / f"{number}").mkdir()
        paths.append(tmp_path / f"{number}" / "clinical.tsv")
        paths[-1].write_text(table_text(case(number, last=number), NEW_HEADERS if number == 1 else OLD_HEADERS))
    patients, _ = read_patients([*paths, paths[0]], [], "the test")
    assert survival(patients) == {1: ("Alive", "1"), 2: ("Alive", "2")}


def test_rows_without_a_case_are_told(tmp_path: Path):
    rows = case(1, last=5)
    rows.append({**rows[0], "patient": "'--"})
    _, ledger = written(tmp_path, rows)
    assert entry(ledger, "without a case") == ("dropped", 1, ())


@pytest.mark.parametrize(
    ("cases", "headers", "words"),
    [
        (case(1, last="soon"), NEW_HEADERS, "days_to_last_follow_up: 2 of 2 are no number of days within a lifetime"),
        (case(1, last=99999), NEW_HEADERS, "within a lifetime .first patient: 'TCGA-AA-0001'"),
        (case(1, last=5, vital_status="Lost"), NEW_HEADERS, "2 are neither Alive nor Dead .first: 'lost'"),
        (case(1), {**NEW_HEADERS, "patient": "case"}, "has none of the columns cases.submitter_id"),
        (case(1), {**NEW_HEADERS, "vital_status": "demographic.status"}, "has no column vital_status"),
        (case(1), {**NEW_HEADERS, "days_to_death": "demographic.death"}, "has no column days_to_death"),
        (case(1), {**NEW_HEADERS, "last": "diagnoses.last"}, "add follow_up.tsv"),
        ([], NEW_HEADERS, "lists no case"),
        (case(1), {**NEW_HEADERS, "stage": "diagnoses.tumor_grade"}, "column 'diagnoses.tumor_grade' occurs twice"),
    ],
)
def test_a_malformed_table_is_refused_with_its_reason(tmp_path: Path, cases: list, headers: dict, words: str):
    with pytest.raises(CohortError, match=words):
        written(tmp_path, cases, headers=headers)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("<!DOCTYPE html>\n<html></html>\n", "is a web page, not a table"),
        ('{"message": "internal server error"}', "is a server's message"),
        (table_text(case(1), NEW_HEADERS)[:-20], "line 3 has 1[0-9] fields, the header 13: it is cut short"),
    ],
)
def test_what_is_no_whole_table_is_refused(tmp_path: Path, text: str, words: str):
    (tmp_path / "clinical.tsv").write_text(text)
    with pytest.raises(CohortError, match=words):
        read_patients([tmp_path / "clinical.tsv"], [], "the test")


def test_a_table_of_nothing_but_outcomes_will_do(tmp_path: Path):
    headers = {name: OLD_HEADERS[name] for name in ("patient", "vital_status", "days_to_death", "last")}
    patients, _ = written(tmp_path, [*case(1, last=5), *case(2, last=6)], headers=headers)
    assert survival(patients) == {1: ("Alive", "5"), 2: ("Alive", "6")}


def test_patients_are_words_under_unique_ids(tmp_path: Path):
    patients, _ = written(tmp_path, [*case(1, last=5), *case(2, last=5)])
    assert list(patients.index) == [patient(1), patient(2)]
    assert set(map(str, patients.dtypes)) == {"str"}
