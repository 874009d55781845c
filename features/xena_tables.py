"""The tables of a UCSC Xena folder, of survival and of phenotypes: joined by sample, then one row a patient.

Legacy hub: ``KIRC_survival.txt`` and ``KIRC_clinicalMatrix``. GDC hub: ``TCGA-KIRC.survival.tsv``, with
``TCGA-KIRC.GDC_phenotype.tsv`` (``submitter_id.samples`` first) until 2024 and ``TCGA-KIRC.clinical.tsv`` since, both
with names such as ``gender.demographic``. Toil: ``TCGA_survival_data`` and ``TcgaTargetGTEX_phenotype.txt`` (Latin-1).

Notes
-----
Their times are in days: of the legacy hub and Toil by the definitions of TCGA-CDR's Table S1 that UCSC publishes with
them ("OS.time: overall survival time in days"), of GDC's hub because they are its ``days_to_…``.

References
----------
Liu J et al. 2018. An integrated TCGA pan-cancer clinical data resource. doi 10.1016/j.cell.2018.02.052
Goldman MJ et al. 2020. Visualizing and interpreting cancer genomics data via the Xena platform.
doi 10.1038/s41587-020-0546-8. How the files are made: github.com/ucscXena/xena-GDC-ETL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from features.clinical_table import one_row_each
from features.errors import CohortError
from features.ledger import Ledger
from features.outcomes import outcome_columns
from features.sample_tables import by_patient, patients_of
from features.samples import TCGA_BARCODE
from features.tables import read_strings, shown
from features.whole_files import text_encoding, whole_ledger
from features.xena_types import only_of_type, tells_types_apart

#: The hubs' own names of tables of survival, of which the unit of times is documented.
_DOCUMENTED = re.compile(
    r"([A-Z]{2,9}_survival\.txt|[A-Za-z0-9_-]+\.survival\.tsv|TCGA_survival_data(_2)?(\.txt)?"
    r"|Survival_SupplementalTable_S1_\w+)(\.gz)?"
)
_SAMPLE_COLUMNS = ("sample", "sampleid", "submitter_id.samples")
_PATIENT_COLUMNS = ("_PATIENT", "bcr_patient_barcode", "submitter_id", "case_submitter_id", "submitter_id.")
_TYPE_COLUMNS = ("sample_type", "sample_type.samples", "_sample_type")
#: GDC's hub writes a field's entity behind it, Toil's phenotypes a stroke before it.
_SUFFIXES = (".demographic", ".diagnoses")
_COVARIATES = {
    *("age_at_index", "age_at_diagnosis", "age_at_initial_pathologic_diagnosis", "gender", "sex"),
    *("ajcc_pathologic_stage", "ajcc_clinical_stage", "figo_stage", "tumor_stage", "tumor_grade"),
    *("neoplasm_histologic_grade", "clinical_stage", "pathologic_stage"),
}


@dataclass(frozen=True)
class XenaTables:
    """What the tables of a folder say.

    Parameters
    ----------
    patients : DataFrame of str, shape (n_patients, n_columns)
        Index: patient ids.
    samples : DataFrame of str, shape (n_samples, 1 or 2)
        Index: sample ids; ``patient`` and, where it is known, ``sample_type``.
    others : Index of str
        Samples of other cancer types, which need not be read.
    types_told : bool
        Whether a column tells the cancer types apart.
    ledger : Ledger
    documented_unit : str or None
        The unit of times that UCSC documents of tables of survival with these names.
    """

    patients: pd.DataFrame
    samples: pd.DataFrame
    others: pd.Index
    types_told: bool
    ledger: Ledger
    documented_unit: str | None = None


def read_tables(files: list[Path], code: str, source: str) -> XenaTables:
    """Read and join the tables of a folder.

    Parameters
    ----------
    files : list of Path
    code : str
        The cancer type whose samples are kept, where a table holds several.
    source : str
        For errors.

    Raises
    ------
    CohortError
        If a table is malformed, or none has outcomes.
    """
    read = [_by_sample(file) for file in files]
    tables = sorted((table for table, _ in read), key=lambda table: not outcome_columns(table.columns))
    if not tables or not outcome_columns(tables[0].columns):
        raise CohortError(f"{source}: has no table of survival; add one with columns such as OS and OS.time.")
    table = _joined(tables)
    told = tells_types_apart(table)
    redacted = table["Redaction"].notna() if "Redaction" in table else pd.Series(data=False, index=table.index)
    ledger = Ledger(tuple(entry for _, each in read for entry in each.entries))
    ledger = ledger.with_entry("dropped", "samples that TCGA has redacted", table.index[redacted])
    table = table[~redacted].drop(columns="Redaction", errors="ignore")
    table, others, typed = only_of_type(table, code, source)
    named, contradicted = _patients(table)
    table = table.assign(patient=named).sort_index()
    patients, differing = by_patient(table, {*_PATIENT_COLUMNS, *_TYPE_COLUMNS})
    entries = (*ledger.entries, *typed.entries, *contradicted.entries, *differing.entries)
    unit = "days" if _is_documented(files, [table for table, _ in read]) else None
    return XenaTables(patients, _sample_types(table), others, told, Ledger(entries), unit)


def _is_documented(files: list[Path], tables: list[pd.DataFrame]) -> bool:
    """Return whether all tables that hold outcomes bear the names that the hubs gave them."""
    of_survival = [file for file, table in zip(files, tables, strict=True) if outcome_columns(table.columns)]
    return all(_DOCUMENTED.fullmatch(file.name) for file in of_survival)


def _by_sample(file: Path) -> tuple[pd.DataFrame, Ledger]:
    """Read one table; index: its samples."""
    encoding = text_encoding(file)
    table = read_strings(file, encoding=encoding)
    if not len(table.columns) > 1:
        raise CohortError(f"{shown(file)}: has one column only; its fields must be divided by tabs.")
    whole = whole_ledger(file, encoding=encoding)
    table = _with_usual_names(table)
    first = next((name for name in table.columns if name.lower() in _SAMPLE_COLUMNS), table.columns[0])
    nameless = table[first].isna()
    latin = (file.name,) if encoding != "utf-8-sig" else ()
    ledger = whole.with_entry("converted", "tables in Latin-1, which are not UTF-8", latin)
    if latin:
        _require_plain_ids(table, first, file)
    if nameless.any():
        ledger = ledger.with_note("dropped", f"rows of {file.name} without a sample", int(nameless.sum()))
    by_sample = table[~nameless].set_index(first).rename_axis("sample")
    rows, unique = one_row_each(by_sample, shown(file), f"further rows of a sample in {file.name}")
    return rows, Ledger((*ledger.entries, *unique.entries))


def _with_usual_names(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the covariates' names as all other files have them."""
    renamed: dict[str, str] = {}
    for name in table.columns:
        bare = next((name.removesuffix(end) for end in _SUFFIXES if name.endswith(end)), name.removeprefix("_"))
        if bare != name and bare in _COVARIATES and bare not in table and bare not in renamed.values():
            renamed[name] = bare
    return table.rename(columns=renamed)


def _joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Join the tables by sample; where two have a column, the first that has a value gives it."""
    table = tables[0]
    for other in tables[1:]:
        further = other[[name for name in other.columns if name not in table.columns]]
        table = table.join(further, how="outer")
        for name in table.columns.intersection(other.columns).difference(further.columns):
            table[name] = table[name].fillna(other[name])
    return table


def _require_plain_ids(table: pd.DataFrame, first: str, file: Path) -> None:
    """Raise CohortError if a table that is not in UTF-8 has letters beyond ASCII where it matters.

    Ids and outcomes are the same in every encoding; a byte that is no ASCII among them was damaged.
    """
    outcome = {name for found in outcome_columns(table.columns).values() for name in (found.status, found.time)}
    for name in {first, *outcome, *table.columns.intersection(_PATIENT_COLUMNS)}:
        words = table[name].dropna()
        foreign = words[~words.map(str.isascii)]
        if len(foreign):
            raise CohortError(
                f"{shown(file)}: is not text in UTF-8, and {len(foreign)} values of its column {name} hold letters "
                "beyond ASCII; copy it anew, or save it as UTF-8."
            )


def _patients(table: pd.DataFrame) -> tuple[pd.Series, Ledger]:
    """Return the patient of each sample; where a column contradicts the barcode, the barcode's."""
    named = patients_of(table, next((name for name in _PATIENT_COLUMNS if name in table), None))
    # A column may hold the barcodes of samples.
    named = named.str.extract(TCGA_BARCODE)[0].fillna(named)
    by_barcode = patients_of(table.iloc[:, :0], None)
    differing = by_barcode.index[(by_barcode != named) & (by_barcode != by_barcode.index)]
    what = "samples whose column of patients contradicts their barcode, under the barcode's"
    return named.mask(table.index.isin(differing), by_barcode), Ledger().with_entry("mapped", what, differing)


def _sample_types(table: pd.DataFrame) -> pd.DataFrame:
    name = next((name for name in _TYPE_COLUMNS if name in table), None)
    samples = table[["patient"]]
    return samples if name is None else samples.assign(sample_type=table[name])
