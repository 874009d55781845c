"""GDC downloads: a sample sheet, STAR-counts files (one a sample) and the clinical tables of the portal, in one folder.

::

    my_download/
      gdc_sample_sheet.2025-08-18.tsv
      0869efb9-…/39807893-….rna_seq.augmented_star_gene_counts.tsv     as gdc-client leaves them, or
      39807893-….rna_seq.augmented_star_gene_counts.tsv                without the folders
      clinical.tsv, follow_up.tsv                                      here, or one folder down
      MANIFEST.txt or gdc_manifest….txt                                where there is one, checksums are compared

Notes
-----
Where the layouts come from: docs.gdc.cancer.gov (mRNA analysis pipeline; downloading files; manifest file; the
portal's release notes, by which the sample type gave way to tissue type and tumour descriptor); what the GDC told the
users of TCGAbiolinks in 2025 (last follow-ups moved to the follow-up table: the latest counts); and files on GitHub:
clinical tables of three generations of headers (``submitter_id`` and ``--``, ``case_submitter_id`` and ``'--``,
``cases.submitter_id``; of the last the whole headers of 2025, with rows of a "Prior primary" that is no primary
disease), follow-up tables with ``follow_ups.days_to_follow_up`` beside ``molecular_tests.…`` and
``other_clinical_attributes.…``, the folders of gdc-client with their ``logs``, and rows of sample sheets of 2020 to
2025 and of manifests. The rows ``N_…`` and ``_PAR_Y`` of the counts and ``sex_at_birth`` are known from code that reads
them, a follow-up table whose headers have no prefix from nothing but the clinical tables of its time.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from features.assembly import RawCohort
from features.errors import CohortError, ScaleError
from features.gdc_clinical import read_patients
from features.gdc_counts import CountsFile, read_counts
from features.gdc_samples import COUNTS_ENDINGS, SampleSheet, cancer_type_of, read_sample_sheets
from features.gdc_tables import read_gdc_table, require_columns
from features.ledger import Ledger
from features.profiles import Declared
from features.samples import one_sample_a_patient
from features.scales import convertible

#: The columns of a STAR-counts file: the unit of each, and the scale that it is read on where none is declared.
COLUMNS: Mapping[str, tuple[str, str]] = {
    "tpm_unstranded": ("tpm", "log2_tpm_1"),
    "fpkm_uq_unstranded": ("fpkm_uq", "log2_fpkm_uq_1"),
    "unstranded": ("counts", "counts"),
}
_FILE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SHEET = re.compile(r".*sample_sheet.*\.tsv", re.IGNORECASE)
_MANIFEST = re.compile(r"(gdc_)?manifest.*\.txt", re.IGNORECASE)
#: Deeper than a folder of files within a folder of their kind lies nothing of a download.
_DEPTH_MAX = 3


class GdcDownloadReader:
    """Read a folder of files downloaded from the Genomic Data Commons."""

    name = "GDC download"
    layout = (
        "gdc_sample_sheet.….tsv, *.rna_seq.augmented_star_gene_counts.tsv, with or without the folders of gdc-client, "
        "clinical.tsv and follow_up.tsv"
    )

    def recognises(self, folder: Path) -> bool:
        """Return whether the folder holds the portal's sample sheet, or files of counts as gdc-client names them."""
        children = list(folder.iterdir())
        if any(child.name.startswith("gdc_sample_sheet") or _is_counts(child) for child in children):
            return True
        of_files = (child for child in children if _FILE_ID.fullmatch(child.name) and child.is_dir())
        return any(_is_counts(file) for child in of_files for file in child.iterdir())

    def read(self, folder: Path, declared: Declared) -> RawCohort:
        """Read the download.

        Parameters
        ----------
        folder : Path
        declared : Declared
            The profile is a column of the files: ``tpm_unstranded`` unless another is named.

        Returns
        -------
        RawCohort
            Offers OS alone: the files do not tell TCGA's other endpoints.

        Raises
        ------
        CohortError, ScaleError
            If a file is missing, malformed or damaged, or the cancer type cannot be told, or the scale not be made.
        """
        source = f"{self.name} {folder.resolve().name}"
        column, unit, scale, profiled = _profile(declared, source)
        files = sorted(_files(folder))
        sheets = [file for file in files if _SHEET.fullmatch(file.name)]
        if not sheets:
            packed = [file.name for file in files if _SHEET.match(file.name)]
            mend = f"unpack {packed[0]}" if packed else "add gdc_sample_sheet.….tsv (in the portal: Cart, Sample Sheet)"
            raise CohortError(f"{source}: has no sample sheet, without which no file has a patient; {mend}.")
        code, sheet = cancer_type_of(read_sample_sheets(sheets, _counts(files)), declared.cancer_type, source)
        patients, read = read_patients(_tables(files, "clinical", source), _tables(files, "follow_up", source), source)
        chosen, dropped = _chosen(sheet, patients, source)
        checksums, checked = _checksums(files, sheet.samples.loc[chosen, "file_id"])
        located = sheet.samples["path"]
        values, genes = read_counts(
            {sample: CountsFile(located[sample], checksums.get(sample)) for sample in chosen},
            column=column,
            unit=unit,
            scale=scale,
            only=declared.only,
        )
        ledgers = (profiled, sheet.ledger, read, dropped, checked, genes.ledger)
        return RawCohort(
            source=source,
            cancer_type=code,
            scale=scale,
            zscore_reference=None,
            expression=values,
            symbols=genes.symbols,
            entrez=None,
            patients=patients,
            samples=sheet.samples[["patient", "sample_type"]],
            ledger=Ledger(tuple(entry for ledger in ledgers for entry in ledger.entries)),
        )


def _is_counts(file: Path) -> bool:
    return file.name.endswith(COUNTS_ENDINGS)


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files of a download, but not the records that gdc-client keeps of how it fetched them."""
    for parent, folders, names in folder.walk():
        depth = len(parent.relative_to(folder).parts)
        folders[:] = [name for name in folders if name != "logs" and name[0] != "." and depth < _DEPTH_MAX]
        yield from (parent / name for name in names if name[0] != ".")


def _counts(files: list[Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        if _is_counts(file):
            found[file.name].append(file)
    return found


def _tables(files: list[Path], name: str, source: str) -> list[Path]:
    """Return the portal's tables of one kind.

    Raises
    ------
    CohortError
        If there is no clinical table; one that is still packed is named.
    """
    tables = [file for file in files if file.name == f"{name}.tsv"]
    if tables or name != "clinical":
        return tables
    packed = [file for file in files if file.name.startswith("clinical") and file.name.endswith(".tar.gz")]
    mend = f"unpack {packed[0].name}" if packed else "add it (in the portal: Cart, Clinical: TSV)"
    raise CohortError(f"{source}: has no clinical.tsv; {mend}.")


def _profile(declared: Declared, source: str) -> tuple[str, str, str, Ledger]:
    """Return the column that is read, its unit, the scale that it is brought to, and what was decided."""
    column = _column(declared, source)
    unit, usual = COLUMNS[column]
    scale = declared.scale or usual
    if declared.zscore_reference is not None or not convertible(unit, scale):
        raise ScaleError(f"{source}: {column} cannot be read as {declared.scale or 'zscore'}; it is {unit}.")
    others = [name for name in COLUMNS if name != column]
    ledger = Ledger().with_entry("dropped", f"columns of the expression files beside {column}", others)
    made = (column,) if scale != unit else ()
    return column, unit, scale, ledger.with_entry("converted", f"{unit} to {scale}", made)


def _column(declared: Declared, source: str) -> str:
    if declared.profile is not None:
        named = [name for name, (unit, _) in COLUMNS.items() if declared.profile in {name, unit}]
        if not named:
            raise CohortError(f"{source}: has no profile {declared.profile!r}; it has {', '.join(COLUMNS)}.")
        return named[0]
    fitting = [name for name, (unit, _) in COLUMNS.items() if convertible(unit, declared.scale or "tpm")]
    if not fitting:
        units = ", ".join(unit for unit, _ in COLUMNS.values())
        raise ScaleError(f"{source}: cannot be read as {declared.scale}; its files hold {units}.")
    return fitting[0]


def _chosen(sheet: SampleSheet, patients: pd.DataFrame, source: str) -> tuple[list[str], Ledger]:
    """Return the samples whose files are read: of the others the sheet alone tells that they are not wanted."""
    listed = sheet.samples[["patient", "sample_type"]]
    samples, ledger = one_sample_a_patient(listed.index, listed, patients.index, source)
    return sorted(samples), Ledger(tuple(entry for entry in ledger.entries if entry.action == "dropped"))


def _checksums(files: list[Path], file_ids: pd.Series) -> tuple[dict[str, str], Ledger]:
    """Return the MD5 that the manifests state of each sample's file."""
    manifests = [file for file in files if _MANIFEST.fullmatch(file.name)]
    stated: dict[str, str] = {}
    for path in manifests:
        table = read_gdc_table(path)
        require_columns(table, ("id", "md5"), path)
        known = table.dropna(subset=["id", "md5"])
        stated.update(zip(known["id"], known["md5"], strict=True))
    checksums = {sample: stated[file_id] for sample, file_id in file_ids.items() if file_id in stated}
    if not manifests:
        return checksums, Ledger()
    unchecked = [sample for sample in file_ids.index if sample not in checksums]
    ledger = Ledger().with_note("kept", "files whose MD5 is the manifest's", len(checksums))
    return checksums, ledger.with_entry("kept", "samples of whose files no manifest states an MD5", unchecked)
