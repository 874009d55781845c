"""Tables with one row a sample: which patient each sample is of, and one row a patient."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pandas as pd

from features.cohort_settings import SETTINGS_FILE
from features.errors import CohortError
from features.ledger import Ledger
from features.outcomes import outcome_columns
from features.samples import TCGA_BARCODE

#: Columns that name the patient of a sample, in lower case and without marks; the first that is there is taken.
PATIENT_COLUMNS = (
    *("patient", "patientid", "patientbarcode", "bcrpatientbarcode", "casesubmitterid", "submitterid"),
    *("participant", "participantid", "caseid", "subject", "subjectid", "donor", "donorid"),
    *("individual", "individualid"),
)
#: Columns that tell tumours from normal tissue.
SAMPLE_TYPE_COLUMNS = ("sampletype", "sampletypesamples", "tissuetype")


def with_patients(table: pd.DataFrame, declared: str | None, source: str) -> tuple[pd.DataFrame, Ledger]:
    """Add ``patient`` and, where it is known, ``sample_type`` to a table of samples.

    Parameters
    ----------
    table : DataFrame of str, shape (n_samples, n_columns)
        Index: sample ids.
    declared : str or None
        The column that names the patients, as the user states it.
    source : str
        For errors.

    Returns
    -------
    table : DataFrame of str
        Without the columns that these two were read from.
    ledger : Ledger

    Raises
    ------
    CohortError
        If there is no column of the declared name.
    """
    if declared is not None and declared not in table:
        has = ", ".join(table.columns[:6]) or "none"
        raise CohortError(
            f"{source}: has no column {declared!r} of patients, which {SETTINGS_FILE} names; it has {has}."
        )
    named = declared or _first(table.columns, PATIENT_COLUMNS)
    kind = _first([name for name in table.columns if name != named], SAMPLE_TYPE_COLUMNS)
    patients = patients_of(table, named)
    kept = table.drop(columns=[name for name in (named, kind) if name is not None]).assign(patient=patients)
    if kind is not None:
        kept = kept.assign(sample_type=table[kind])
    ledger = Ledger()
    for name, what in ((named, "patient"), (kind, "sample_type")):
        if name is not None and name != what:
            ledger = ledger.with_note("mapped", f"column {name} of the samples read as {what}", len(table))
    return kept, ledger


def patients_of(table: pd.DataFrame, column: str | None) -> pd.Series:
    """Return the patient of each sample: as a column names them, else by TCGA's barcodes, else the sample itself."""
    samples = pd.Series(table.index, index=table.index, dtype="str")
    by_barcode = samples.str.extract(TCGA_BARCODE)[0]
    patient = by_barcode if column is None else table[column].fillna(by_barcode)
    return patient.fillna(samples)


def by_patient(table: pd.DataFrame, hidden: Collection[str] = ()) -> tuple[pd.DataFrame, Ledger]:
    """Return one row a patient from a table of samples.

    Parameters
    ----------
    table : DataFrame of str, shape (n_samples, n_columns)
        With ``patient``; earlier samples go before later ones.
    hidden : collection of str
        Columns that are left out.

    Returns
    -------
    patients : DataFrame of str
        Index: patients, sorted. Each column's first value among the patient's samples; status and time of an endpoint
        always of one and the same sample, the first that has both.
    ledger : Ledger
        Names the patients whose samples have different outcomes.
    """
    columns = [name for name in table.columns if name not in {"patient", *hidden}]
    grouped = table[["patient", *columns]].groupby("patient")
    patients = grouped.first()
    pairs = [(found.status, found.time) for found in outcome_columns(columns).values()]
    for status, time in pairs:
        n_missing = table[[status, time]].isna().sum(axis=1)
        ordered = table.assign(missing=n_missing).sort_values("missing", kind="stable")
        chosen = ordered.drop_duplicates("patient").set_index("patient")[[status, time]]
        patients[[status, time]] = chosen.reindex(patients.index)
    outcome = sorted({name for pair in pairs for name in pair})
    differing = grouped[outcome].nunique().gt(1).any(axis=1) if outcome else pd.Series(dtype=bool)
    what = (
        "patients whose samples have different outcomes (kept: that of the first barcode that has both status and time)"
    )
    return patients, Ledger().with_entry("kept", what, differing.index[differing])


def _first(names: Sequence[str] | pd.Index, known: Sequence[str]) -> str | None:
    bare = {"".join(letter for letter in str(name).lower() if letter.isalnum()): str(name) for name in reversed(names)}
    return next((bare[word] for word in known if word in bare), None)
