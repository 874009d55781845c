"""Which sample stands for each patient: tumour before all else, the primary first, one each."""

from __future__ import annotations

import pandas as pd

from features.errors import CohortError
from features.ledger import Ledger

#: A TCGA barcode: the patient, then the sample type (01 primary solid tumour, 11 normal tissue, 20 control).
TCGA_BARCODE = r"^(TCGA-[A-Z0-9]{2}-[A-Z0-9]{4})-(\d{2})"
#: TCGA's sample types that are the primary tumour, or its blood-borne counterpart.
PRIMARY_CODES = frozenset(("01", "03", "05", "09"))
_RECURRENT_CODES = frozenset(("02", "04", "40"))


def one_sample_a_patient(
    columns: pd.Index, listed: pd.DataFrame, patients: pd.Index, source: str
) -> tuple[pd.Series, Ledger]:
    """Choose one tumour sample for each patient.

    Parameters
    ----------
    columns : Index of str
        The samples that have expression.
    listed : DataFrame of str
        Index: sample ids; ``patient``, and ``sample_type`` where it is known. May be empty.
    patients : Index of str
        The patients of the clinical table.
    source : str
        For errors.

    Returns
    -------
    samples : Series of str
        Index: patient ids; the chosen sample of each.
    ledger : Ledger

    Raises
    ------
    CohortError
        If no sample belongs to a patient of the clinical table.
    """
    table = _table(columns, listed, patients)
    ledger = Ledger().with_entry("dropped", "columns of a sample that occurs twice", columns[columns.duplicated()])
    ledger = ledger.with_entry("dropped", "normal or control samples", table.index[table["normal"]])
    table = table[~table["normal"]]
    unmatched = table.index[~table["patient"].isin(patients)]
    ledger = ledger.with_entry("dropped", "samples whose patient is not in the clinical table", unmatched)
    table = table.drop(index=unmatched)
    if table.empty:
        raise CohortError(
            f"{source}: none of {len(columns)} samples with expression (first: {columns[:1].tolist()}) belongs to one "
            f"of {len(patients)} patients (first: {patients[:1].tolist()}); use the same ids in both files."
        )
    chosen = table.sort_values(["patient", "rank", "sample"]).drop_duplicates("patient")
    further = table.index.difference(chosen.index)
    ledger = ledger.with_entry("dropped", "further samples of a patient (kept: the primary tumour's)", further)
    other = chosen.index[chosen["rank"] > 0]
    ledger = ledger.with_entry("kept", "patients of whom there is no primary tumour sample", other)
    return pd.Series(chosen.index, index=pd.Index(chosen["patient"], name="patient"), dtype="str"), ledger


def _table(columns: pd.Index, listed: pd.DataFrame, patients: pd.Index) -> pd.DataFrame:
    """Return, for each sample: its patient, whether it is normal tissue, and its rank (0: primary tumour)."""
    samples = pd.Series(columns.unique(), index=columns.unique(), dtype="str")
    parts = samples.str.extract(TCGA_BARCODE)
    patient, code = parts[0], parts[1]
    if "patient" in listed:
        patient = samples.map(listed["patient"]).astype("str").fillna(patient)
    patient = samples.where(samples.isin(patients)).fillna(patient)
    kind = samples.map(listed["sample_type"]) if "sample_type" in listed else pd.Series("", index=samples.index)
    kind = kind.astype("str").fillna("").str.lower()
    rank = pd.Series(2, index=samples.index)
    rank = rank.mask(code.isin(_RECURRENT_CODES) | kind.str.contains("recur"), 1)
    unknown = code.isna() & (kind == "")
    rank = rank.mask(code.isin(PRIMARY_CODES) | (code.isna() & kind.str.contains("primary")) | unknown, 0)
    normal = code.fillna("").str.match("[12]") | kind.str.contains("normal|control")
    return pd.DataFrame({"patient": patient, "normal": normal, "rank": rank}).rename_axis("sample")
