"""The sample sheet of a GDC download: which file is which sample of which patient, under old headers and new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from features.cancer_types import cancer_type, tcga_codes
from features.cohort import SIMULATED_PREFIX
from features.errors import CohortError
from features.gdc_tables import read_gdc_table, require_columns
from features.ledger import Ledger
from features.samples import TCGA_BARCODE
from features.tables import shown

#: How the names of files of expression end; a user may have packed them.
COUNTS_ENDINGS = ("star_gene_counts.tsv", "star_gene_counts.tsv.gz")
_COLUMNS = {"File ID": "file_id", "File Name": "file_name", "Case ID": "patient", "Sample ID": "sample"}


@dataclass(frozen=True)
class SampleSheet:
    """The samples of a download.

    Parameters
    ----------
    samples : DataFrame of str
        Index: sample ids, unique; ``patient``, ``sample_type``, ``project``, ``file_id`` and ``path`` (the file's).
    ledger : Ledger
    """

    samples: pd.DataFrame
    ledger: Ledger


def read_sample_sheets(sheets: Sequence[Path], found: Mapping[str, Sequence[Path]]) -> SampleSheet:
    """Read the sample sheets of a folder, and find the file of each sample.

    Parameters
    ----------
    sheets : sequence of Path
    found : mapping of str to sequence of Path
        The folder's files of expression, by name; one name may stand in several folders.

    Returns
    -------
    SampleSheet

    Raises
    ------
    CohortError
        If a sheet has not its columns, one file is listed as several samples, or no listed file is there.
    """
    rows, read = _rows(sheets)
    if rows.empty:
        raise CohortError(
            f"{shown(sheets[0])}: lists no *{COUNTS_ENDINGS[0]}; download the files of the workflow STAR - Counts "
            "(those of HTSeq are no longer published)."
        )
    rows, assigned = _of_one_sample(rows)
    rows["path"] = [_located(row.file_id, row.file_name, found) for row in rows.itertuples()]
    missing = rows["path"].isna()
    listed = {path for path in rows["path"] if path is not None}
    unlisted = sorted({path.name for paths in found.values() for path in paths} - {path.name for path in listed})
    there = rows[~missing].sort_values(["sample", "file_id"])
    if there.empty:
        raise CohortError(
            f"{shown(sheets[0])}: none of the {len(rows)} files of expression that it lists is in the folder; "
            "download them by gdc-client, or add the sheet that belongs to these files."
        )
    further = there["sample"].duplicated()
    ledger = (
        Ledger((*read.entries, *assigned.entries))
        .with_entry("dropped", "files of the sample sheet that are not in the folder", rows.loc[missing, "file_name"])
        .with_entry("dropped", "files of expression that no sample sheet lists", unlisted)
        .with_entry(
            "dropped", "further files (aliquots) of a sample (kept: the first file id)", there["sample"][further]
        )
    )
    return SampleSheet(there[~further].set_index("sample").drop(columns="file_name"), ledger)


def cancer_type_of(sheet: SampleSheet, declared: str | None, source: str) -> tuple[str, SampleSheet]:
    """Return the cancer type of a download, and its samples.

    Parameters
    ----------
    sheet : SampleSheet
    declared : str or None
        A code that goes before the projects' own.
    source : str
        For errors.

    Returns
    -------
    code : str
    sheet : SampleSheet
        Without the samples of other cancer types, where the download has several.

    Raises
    ------
    CohortError
        If no project is TCGA's, or several are and none is declared, or none of several is the declared one.
    """
    codes = sheet.samples["project"].map(_code)
    types = sorted(codes.dropna().unique())
    simulated = any(code.startswith(SIMULATED_PREFIX) for code in types)
    if declared is None and len(types) != 1:
        what = f"of {len(types)} cancer types ({', '.join(types[:5])})" if types else "of no project of TCGA's"
        raise CohortError(f"{source}: its samples are {what}; declare the cancer type.")
    code = types[0] if declared is None else cancer_type(declared, simulated=simulated)
    other = codes != code
    if declared is not None and len(types) < 2:
        other &= False
    if other.all():
        raise CohortError(f"{source}: none of its samples is {code}; they are {', '.join(types)}.")
    ledger = sheet.ledger.with_entry("dropped", f"samples that are not {code}", sheet.samples.index[other])
    if declared is None:
        ledger = ledger.with_entry(
            "mapped", f"Project ID read as {code}", sorted(sheet.samples["project"][~other].unique())
        )
    return code, SampleSheet(sheet.samples[~other], ledger)


def _code(project: str) -> str | None:
    bare = str(project).upper().removeprefix("TCGA-")
    known = bare.removeprefix(SIMULATED_PREFIX) in tcga_codes()
    return cancer_type(bare) if known else None


def _rows(sheets: Sequence[Path]) -> tuple[pd.DataFrame, Ledger]:
    """Return the rows of all sheets that list a file of expression, each file once."""
    rows = pd.concat([_sheet(path) for path in sheets], ignore_index=True)
    blank = rows["file_name"].isna() | rows["file_id"].isna()
    ledger = Ledger()
    if blank.any():
        ledger = ledger.with_note("dropped", "rows of the sample sheet without a file", int(blank.sum()))
    rows = rows[~blank]
    other = ~rows["file_name"].str.endswith(COUNTS_ENDINGS)
    ledger = ledger.with_entry("dropped", "files of the sample sheet that are no gene counts", rows["file_name"][other])
    rows = rows[~other]
    repeated = rows.duplicated()
    ledger = ledger.with_entry("dropped", "rows that the sample sheet repeats", rows["file_name"][repeated])
    rows = rows[~repeated]
    twice = rows["file_id"][rows["file_id"].duplicated()]
    if len(twice):
        raise CohortError(
            f"{shown(sheets[0])}: file {twice.iloc[0]} is listed as several samples, as are {len(twice) - 1} others; "
            "download the sheet anew."
        )
    return rows, ledger


def _sheet(path: Path) -> pd.DataFrame:
    table = read_gdc_table(path)
    require_columns(table, list(_COLUMNS), path)
    kinds = [name for name in ("Sample Type", "Tissue Type") if name in table]
    if not kinds and not table["Sample ID"].dropna().str.match(TCGA_BARCODE).all():
        raise CohortError(
            f"{shown(path)}: has neither a column 'Sample Type' nor 'Tissue Type': tumours cannot be told from normal "
            "tissue; download it anew."
        )
    rows = table[list(_COLUMNS)].rename(columns=_COLUMNS)
    project = table["Project ID"] if "Project ID" in table else pd.Series(pd.NA, index=table.index, dtype="str")
    return rows.assign(sample_type=_sample_types(table), project=project)


def _sample_types(table: pd.DataFrame) -> pd.Series:
    """Return ``Primary Tumor``, ``Solid Tissue Normal`` and the like, from whichever columns the portal wrote."""
    missing = pd.Series(pd.NA, index=table.index, dtype="str")
    written = table.get("Sample Type", missing)
    tissue = table.get("Tissue Type", missing)
    described = (table.get("Tumor Descriptor", missing).fillna("") + " " + tissue.fillna("")).str.strip()
    return written.fillna(described.mask(tissue.isna()))


def _of_one_sample(rows: pd.DataFrame) -> tuple[pd.DataFrame, Ledger]:
    """Return the rows whose file belongs to one patient and one kind of sample.

    A file made from several samples lists them all, parted by commas.
    """
    single = {name: rows[name].map(_only, na_action="ignore") for name in ("patient", "project", "sample_type")}
    first = rows["sample"].map(_first, na_action="ignore").astype("str")
    unnamed = rows["patient"].isna() | first.isna() | (first == "")
    several = ~unnamed & (single["patient"] == "")
    mixed = ~unnamed & ~several & (single["sample_type"] == "")
    ledger = (
        Ledger()
        .with_entry("dropped", "files of the sample sheet without a case or sample", rows["file_name"][unnamed])
        .with_entry("dropped", "files of several patients at once", rows["file_name"][several])
        .with_entry("dropped", "files of several kinds of samples at once", rows["file_name"][mixed])
    )
    kept = ~(unnamed | several | mixed)
    together = rows["file_name"][kept & (rows["sample"] != first)]
    ledger = ledger.with_entry("mapped", "files of several samples, under the first", together)
    return rows.assign(**single, sample=first)[kept], ledger


def _listed(words: str) -> set[str]:
    return {word.strip() for word in words.split(",")} - {""}


def _only(words: str) -> str:
    """Return the one word that a list repeats; empty if it has several."""
    listed = _listed(words)
    return listed.pop() if len(listed) == 1 else ""


def _first(words: str) -> str:
    return min(_listed(words), default="")


def _located(file_id: str, file_name: str, found: Mapping[str, Sequence[Path]]) -> Path | None:
    """Return a file: from the folder of its id, else the only one of its name."""
    paths = [*found.get(file_name, ()), *found.get(f"{file_name}.gz", ())]
    own = [path for path in paths if path.parent.name == file_id]
    return own[0] if own else paths[0] if len(paths) == 1 else None
