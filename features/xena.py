"""UCSC Xena folders of any hub: a gene matrix (``HiSeqV2.gz``), survival and clinical tables, all by sample."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pandas as pd

from features.assembly import RawCohort
from features.cancer_types import cancer_type, named_in
from features.errors import CohortError
from features.gene_rows import rows_to_read
from features.ledger import Ledger
from features.matrices import read_matrix
from features.profiles import Declared, Profile, choose, stated_scale
from features.tables import readable
from features.whole_files import matrix_ledger
from features.xena_tables import XenaTables, read_tables

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
#: Data sets of Toil and of TCGA's pan-cancer atlas, with samples of every cancer type.
_OF_MANY_TYPES = re.compile(
    r"^(tcgatargetgtex|tcga_(rsem|gene_expected)|gtex_|target_|eb\+\+adjustpancan)", re.IGNORECASE
)
#: Which gene each Ensembl id is: beside a matrix on GDC's and Toil's hubs, and no matrix itself.
_PROBE_MAP = re.compile(r"probe_?map", re.IGNORECASE)


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
        tables = read_tables([file for file in files if _is_table(file)], code, source)
        _check_types_told(profile.path, tables, files, source)
        symbols, values, left_out = _matrix(profile.path, declared.only, tables.others)
        return RawCohort(
            source=source,
            cancer_type=code,
            scale=profile.scale,
            zscore_reference=profile.zscore_reference,
            expression=values,
            symbols=symbols,
            entrez=None,
            patients=tables.patients,
            samples=tables.samples,
            ledger=Ledger((*typed.entries, *profile.ledger.entries, *tables.ledger.entries, *left_out.entries)),
            documented_unit=tables.documented_unit,
        )


def _files(folder: Path) -> list[Path]:
    hidden = (".json", ".md", ".toml", ".png", ".pdf", ".html")
    return sorted(
        file
        for file in folder.iterdir()
        if file.is_file() and file.suffix not in hidden and file.name[0] != "." and not _PROBE_MAP.search(file.name)
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


def _matrix(path: Path, only: frozenset[str] | None, others: pd.Index) -> tuple[pd.Series, pd.DataFrame, Ledger]:
    """Return the rows' identifiers, the rows, and how many were left out."""
    commas = matrix_ledger(path)
    if only is None:
        words, values = read_matrix(path, [0], without=others)
        return words.iloc[:, 0], values, commas
    may_be_asked_for = rows_to_read(only)
    rows = Counter[bool]()

    def is_wanted(identifier: str) -> bool:
        wanted = may_be_asked_for(identifier)
        rows[wanted] += 1
        return wanted

    words, values = read_matrix(path, [0], is_wanted=is_wanted, without=others)
    what = "rows of genes that were not asked for"
    return words.iloc[:, 0], values, commas.with_note("dropped", what, rows[False]) if rows[False] else commas


def _check_types_told(matrix: Path, tables: XenaTables, files: list[Path], source: str) -> None:
    """Refuse a matrix of many cancer types without a word of which sample is of which.

    Raises
    ------
    CohortError
        If neither a column of the tables nor the name of one tells the types apart.
    """
    by_name = named_in(file.name for file in files if _is_table(file))
    if _OF_MANY_TYPES.search(matrix.name) and not tables.types_told and by_name is None:
        raise CohortError(
            f"{source}: {matrix.name} has samples of many cancer types, and no table says of which each is; add "
            "TcgaTargetGTEX_phenotype.txt.gz, or a table with a column 'cancer type abbreviation'."
        )
