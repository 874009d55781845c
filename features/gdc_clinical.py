"""GDC's clinical and follow-up tables, several rows a case: one row a patient, with overall survival and covariates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from features.clinical_columns import DAYS_PER_YEAR, MEDIAN_AGE_YEARS_MAX, SYNONYMS
from features.errors import CohortError
from features.gdc_survival import overall_survival
from features.gdc_tables import read_gdc_table
from features.ledger import Ledger
from features.tables import shown

#: Where the case's barcode stands, in the headers since 2024, those before, and the oldest.
_PATIENT = ("cases.submitter_id", "case_submitter_id", "submitter_id")
#: What new headers put before the columns that belong to a patient, and before those of a follow-up; old ones nothing.
_OF_PATIENT = ("", "demographic", "diagnoses", "cases")
_OF_FOLLOW_UP = ("", "follow_ups")
#: By which column, and which word in it, the diagnosis of the tumour that was sequenced is told from later ones.
_PRIMARY = (("diagnosis_is_primary_disease", "true"), ("classification_of_tumor", "primary"))
#: Known only after the day from which the patient is followed: outcomes, and no covariates.
_AFTERWARDS = frozenset(
    (
        *("vital_status", "days_to_death", "days_to_last_follow_up", "year_of_death", "cause_of_death"),
        *("cause_of_death_source", "days_to_last_known_disease_status", "last_known_disease_status"),
        *("days_to_recurrence", "progression_or_recurrence", "lost_to_followup", "days_to_lost_to_followup"),
        *("best_overall_response", "days_to_best_overall_response", "days_to_new_event", "new_event_type"),
        "new_event_anatomic_site",
    )
)
_COVARIATES = frozenset((*(name for names in SYNONYMS.values() for name in names), "sex_at_birth"))


def read_patients(clinical: Sequence[Path], follow_up: Sequence[Path], source: str) -> tuple[pd.DataFrame, Ledger]:
    """Read the patients of a download.

    Parameters
    ----------
    clinical, follow_up : sequence of Path
        The portal's tables; the second may be empty.
    source : str
        For errors.

    Returns
    -------
    patients : DataFrame of str
        Index: case barcodes; ``OS_STATUS``, ``OS_DAYS``, ``age`` (years), ``sex``, and the columns of the case, the
        demographic and the primary diagnosis under their names without prefix.
    ledger : Ledger

    Raises
    ------
    CohortError
        If a table is malformed or has no case, or a vital status or a day is none.
    """
    table, read = _joined(clinical, _OF_PATIENT)
    visits, visited = _joined(follow_up, _OF_FOLLOW_UP) if follow_up else (pd.DataFrame({"patient": []}), Ledger())
    if table.empty:
        raise CohortError(f"{shown(clinical[0])}: lists no case; download it anew.")
    survival, followed = overall_survival(table, visits, source)
    covariates, described = _covariates(table)
    patients = covariates.assign(**{name: survival[name] for name in survival}).astype("str")
    entries = (*read.entries, *visited.entries, *followed.entries, *described.entries)
    what = "rows of the clinical tables read together with another of the same patient"
    merged = Ledger().with_note("mapped", what, len(table) - len(patients)) if len(table) > len(patients) else Ledger()
    return patients, Ledger((*merged.entries, *entries))


def _joined(paths: Sequence[Path], entities: tuple[str, ...]) -> tuple[pd.DataFrame, Ledger]:
    """Return the rows of several tables of one kind, and ``patient`` beside their columns."""
    tables, ledger = [], Ledger()
    for path in paths:
        written = read_gdc_table(path)
        column = next((name for name in _PATIENT if name in written), None)
        if column is None:
            raise CohortError(f"{shown(path)}: has none of the columns {', '.join(_PATIENT)}; download it anew.")
        table, others = _of_entities(written.drop(columns=column), entities)
        unnamed = int(written[column].isna().sum())
        if unnamed:
            ledger = ledger.with_note("dropped", f"rows of {path.name} without a case", unnamed)
        ledger = ledger.with_entry("dropped", f"columns of {path.name} about the project, treatments or tests", others)
        tables.append(table.assign(patient=written[column])[written[column].notna()])
    return pd.concat(tables, ignore_index=True), ledger


def _of_entities(table: pd.DataFrame, entities: tuple[str, ...]) -> tuple[pd.DataFrame, list[str]]:
    """Return the columns of these entities without their prefix, the first value where two agree in name."""
    found: dict[str, pd.Series] = {}
    for entity in entities:
        for column in table.columns:
            before, _, name = column.rpartition(".")
            if before == entity:
                found[name] = found[name].fillna(table[column]) if name in found else table[column]
    others = [column for column in table.columns if column.rpartition(".")[0] not in entities]
    return pd.DataFrame(found, index=table.index), others


def _covariates(table: pd.DataFrame) -> tuple[pd.DataFrame, Ledger]:
    """Return what was known of each patient at the primary diagnosis, one row each."""
    identifiers = [name for name in table.columns if name.endswith("_id")]
    afterwards = sorted(_AFTERWARDS & set(table.columns))
    ledger = Ledger().with_entry("dropped", "clinical columns that identify records", identifiers)
    ledger = ledger.with_entry("dropped", "clinical columns that are known only after diagnosis", afterwards)
    rows, n_other = _of_primary_diagnosis(table.drop(columns=afterwards))
    if n_other:
        ledger = ledger.with_note("dropped", "rows of diagnoses beside a patient's primary one", n_other)
    values, differing = _one_value_each(rows.drop(columns=[name for name in identifiers if name in rows]))
    several = differing.columns[differing.any()]
    for name in several.intersection(sorted(_COVARIATES)):
        what = f"patients whose primary diagnoses differ in {name}, read as missing"
        ledger = ledger.with_entry("dropped", what, differing.index[differing[name]])
    others = [name for name in several if name not in _COVARIATES]
    ledger = ledger.with_entry("dropped", "clinical columns that have several values for a patient", others)
    values, aged = _with_age(values.drop(columns=others))
    values, sexed = _with_sex(values)
    return values, Ledger((*ledger.entries, *aged.entries, *sexed.entries))


def _of_primary_diagnosis(table: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Return the rows of each patient's primary diagnosis, all rows where none says that it is; and how many not."""
    n_rows = len(table)
    for name, word in _PRIMARY:
        if name in table:
            is_primary = table[name].str.lower() == word
            table = table[is_primary | ~is_primary.groupby(table["patient"]).transform("any")]
    return table, n_rows - len(table)


def _one_value_each(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return each patient's only value of each column, missing where there are several; and where there are."""
    by_patient = rows.drop_duplicates().groupby("patient")
    patients = pd.Index(sorted(by_patient.groups), dtype="str", name="patient")
    differing = by_patient.nunique().gt(1).reindex(patients)
    return by_patient.first().reindex(patients).mask(differing), differing


def _with_age(values: pd.DataFrame) -> tuple[pd.DataFrame, Ledger]:
    """Return ``age`` in years: ``age_at_diagnosis`` is in days, ``age_at_index`` in years."""
    if "age_at_diagnosis" not in values:
        return values, Ledger()
    days = pd.to_numeric(values["age_at_diagnosis"], errors="coerce").astype(np.float64)
    words = values.index[values["age_at_diagnosis"].notna() & days.isna()]
    ledger = Ledger().with_entry("dropped", "patients whose age_at_diagnosis is no number, read as missing", words)
    if days.median() <= MEDIAN_AGE_YEARS_MAX:
        years, note = days, "guessed"
        what = f"age_at_diagnosis taken as years (median not above {MEDIAN_AGE_YEARS_MAX:g})"
    else:
        years, note, what = days / DAYS_PER_YEAR, "converted", "age_at_diagnosis: days to years"
    if days.notna().any():
        ledger = ledger.with_note(note, what, int(days.notna().sum()))
    age = years.map("{:.4f}".format, na_action="ignore").astype("str")
    if "age_at_index" in values:
        filled = age.isna() & values["age_at_index"].notna()
        ledger = ledger.with_entry("mapped", "patients whose age is age_at_index, in years", values.index[filled])
        age = age.fillna(values["age_at_index"])
    return values.drop(columns="age_at_diagnosis").assign(age=age), ledger


def _with_sex(values: pd.DataFrame) -> tuple[pd.DataFrame, Ledger]:
    """Return ``sex`` in place of ``sex_at_birth`` and ``gender``, which newer and older releases write."""
    written = [name for name in ("sex_at_birth", "gender") if name in values]
    if not written:
        return values, Ledger()
    sex = values[written[0]] if len(written) == 1 else values[written[0]].fillna(values[written[1]])
    ledger = Ledger().with_note("mapped", f"{' or '.join(written)} read as sex", int(sex.notna().sum()))
    return values.drop(columns=written).assign(sex=sex), ledger
