"""UCSC Xena pairs: a gene matrix (``HiSeqV2.gz``), a survival table and a clinical matrix, all by sample."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd

from features.assembly import RawCohort
from features.cancer_types import cancer_type, named_in
from features.errors import CohortError
from features.ledger import Ledger
from features.outcomes import outcome_columns
from features.profiles import Declared, Profile, choose, stated_scale
from features.samples import TCGA_BARCODE
from features.tables import read_matrix, read_strings, readable, shown

#: Xena's data sets by the words of their names, and the scale of each; None: one that is not in `SCALES`.
DATA_SETS: tuple[tuple[str, str | None], ...] = (
    (r"hiseqv2_(pancan|percentile|exon)|_percentile", None),
    (r"hiseqv2|^eb\+\+adjustpancan", "log2_rsem_1"),
    (r"rsem_gene_tpm", "log2_tpm_0001"),
    (r"star_tpm", "log2_tpm_1"),
    (r"(htseq|star)_fpkm-uq", "log2_fpkm_uq_1"),
    (r"(htseq|star)_(fpkm|counts)|rsem_gene_fpkm|expected_count|norm_count", None),
    (r"agilentg4502a|ht_hg-u133a|^hg-u133", "microarray_log2"),
)
_SURVIVAL = re.compile(r"survival", re.IGNORECASE)
_CLINICAL = re.compile(r"clinicalmatrix|phenotype|clinical", re.IGNORECASE)
_PATIENT_COLUMNS = ("_PATIENT", "bcr_patient_barcode", "submitter_id", "case_submitter_id")
_CANCER_TYPE_COLUMN = "cancer type abbreviation"


class XenaReader:
    """Read the files of a UCSC Xena cohort from one folder."""

    name = "UCSC Xena folder"
    layout = "a gene matrix such as HiSeqV2.gz, KIRC_survival.txt and, for clinical covariates, KIRC_clinicalMatrix"

    def recognises(self, folder: Path) -> bool:
        """Return whether the folder holds one of Xena's matrices and a table of survival or clinical data."""
        files = _files(folder)
        return any(_data_set(file) for file in files) and any(_is_table(file) for file in files)

    def read(self, folder: Path, declared: Declared) -> RawCohort:
        """Read the cohort.

        Parameters
        ----------
        folder : Path
        declared : Declared

        Returns
        -------
        RawCohort

        Raises
        ------
        CohortError, ScaleError
            If a file is missing or malformed, or the cancer type or the scale is neither stated nor declared.
        """
        source = f"{self.name} {folder.resolve().name}"
        files = _files(folder)
        matrices = [file for file in files if not _is_table(file)]
        code, typed = _cancer_type(folder, files, declared, source)
        profiles = [Profile(file, file.name.removesuffix(".gz"), _scale(file)) for file in matrices]
        profile = choose(profiles, declared, study=f"xena_{code}", source=source)
        table, read = _table([file for file in files if _is_table(file)], code, source)
        words, values = read_matrix(profile.path, [0])
        return RawCohort(
            source=source,
            cancer_type=code,
            scale=profile.scale,
            zscore_reference=profile.zscore_reference,
            expression=values,
            symbols=words.iloc[:, 0],
            entrez=None,
            patients=_by_patient(table),
            samples=_sample_types(table),
            ledger=Ledger((*typed.entries, *profile.ledger.entries, *read.entries)),
        )


def _files(folder: Path) -> list[Path]:
    hidden = (".json", ".md", ".toml", ".png", ".pdf", ".html")
    return sorted(
        file for file in folder.iterdir() if file.is_file() and file.suffix not in hidden and file.name[0] != "."
    )


def _data_set(file: Path) -> bool:
    """Return whether the file's name is one of Xena's matrices."""
    return not _is_table(file) and any(re.search(pattern, file.name.lower()) for pattern, _ in DATA_SETS)


def _is_table(file: Path) -> bool:
    return bool(_SURVIVAL.search(file.name) or _CLINICAL.search(file.name))


def _scale(file: Path) -> str | None:
    """Return the scale that Xena's metadata beside the file states, else the one its data set is known to have."""
    metadata = file.with_name(file.name.removesuffix(".gz") + ".json")
    if metadata.is_file():
        with readable(metadata):
            try:
                unit = json.loads(metadata.read_text(encoding="utf-8-sig")).get("unit", "")
            except (ValueError, AttributeError):
                unit = ""
        stated = stated_scale(str(unit).replace("norm_count", "rsem"))
        if stated is not None:
            return stated
    name = file.name.lower()
    return next((scale for pattern, scale in DATA_SETS if re.search(pattern, name)), None)


def _cancer_type(folder: Path, files: list[Path], declared: Declared, source: str) -> tuple[str, Ledger]:
    if declared.cancer_type is not None:
        return cancer_type(declared.cancer_type), Ledger()
    found = named_in((*(file.name for file in files), folder.resolve().name))
    if found is None:
        raise CohortError(f"{source}: no file name says of which cancer type it is; declare the cancer type.")
    return found, Ledger().with_entry("guessed", "cancer type, from the names of the files", (found,))


def _table(files: list[Path], code: str, source: str) -> tuple[pd.DataFrame, Ledger]:
    """Join the tables by sample, those with outcomes first; add ``patient``, and keep the cohort's cancer type."""
    tables = [_by_sample(file) for file in files]
    tables.sort(key=lambda table: not outcome_columns(table.columns))
    if not tables or not outcome_columns(tables[0].columns):
        raise CohortError(f"{source}: has no table of survival; add one with columns such as OS and OS.time.")
    table, ledger = tables[0], Ledger()
    for other in tables[1:]:
        further = other[[name for name in other.columns if name not in table.columns]]
        table = table.join(further, how="outer")
        for name in table.columns.intersection(other.columns).difference(further.columns):
            table[name] = table[name].fillna(other[name])
    if "Redaction" in table:
        redacted = table["Redaction"].notna()
        ledger = ledger.with_entry("dropped", "samples that TCGA has redacted", table.index[redacted])
        table = table[~redacted].drop(columns="Redaction")
    if _CANCER_TYPE_COLUMN in table:
        of_type = table[_CANCER_TYPE_COLUMN].fillna("").map(lambda word: bool(word) and cancer_type(word) == code)
        ledger = ledger.with_entry("dropped", f"samples that are not {code}", table.index[~of_type])
        table = table[of_type].drop(columns=_CANCER_TYPE_COLUMN)
    return table.assign(patient=_patients(table)).dropna(subset=["patient"]).sort_index(), ledger


def _by_sample(file: Path) -> pd.DataFrame:
    table = read_strings(file)
    first = table.columns[0]
    if not len(table.columns) > 1:
        raise CohortError(f"{shown(file)}: has one column only; its fields must be divided by tabs.")
    return table.dropna(subset=[first]).drop_duplicates(first).set_index(first).rename_axis("sample")


def _patients(table: pd.DataFrame) -> pd.Series:
    named = next((table[name] for name in _PATIENT_COLUMNS if name in table), None)
    by_barcode = pd.Series(table.index, index=table.index, dtype="str").str.extract(TCGA_BARCODE)[0]
    patient = by_barcode if named is None else named.fillna(by_barcode)
    return patient.fillna(pd.Series(table.index, index=table.index, dtype="str"))


def _by_patient(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row a patient: the first value among the patient's samples, in the order of their barcodes."""
    columns = [name for name in table.columns if name not in {*_PATIENT_COLUMNS, "sample_type"}]
    return table[columns].groupby("patient").first()


def _sample_types(table: pd.DataFrame) -> pd.DataFrame:
    name = next((name for name in ("sample_type", "sample_type.samples") if name in table), None)
    samples = table[["patient"]]
    return samples if name is None else samples.assign(sample_type=table[name])
