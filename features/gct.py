"""GCT folders: one ``.gct`` or ``.gct.gz`` file of expression, outcomes in a table beside it or in its metadata.

::

    my_cohort/
      cohort.toml          cancer_type and scale: see `features.cohort_settings`
      expression.gct.gz    1.2: Name, Description and samples; 1.3 with metadata of samples, which may be outcomes
      clinical.tsv         as beside a plain table; not needed where the metadata has the outcomes
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from features.assembly import RawCohort
from features.clinical_table import one_row_each, read_clinical, table_beside
from features.cohort_settings import SETTINGS_FILE, Settings, cancer_type_of, read_settings, said
from features.errors import CohortError
from features.gct_file import GctFile, read_head
from features.gene_columns import gene_column
from features.gene_rows import rows_to_read
from features.ledger import Ledger
from features.outcomes import outcome_columns
from features.profiles import Declared, Profile, choose
from features.sample_tables import by_patient, with_patients

SUFFIXES = (".gct", ".gct.gz")


class GctReader:
    """Read a folder with a GCT file."""

    name = "GCT folder"
    layout = "one .gct or .gct.gz file, cohort.toml with cancer_type and scale, and clinical.tsv or metadata of samples"

    def recognises(self, folder: Path) -> bool:
        """Return whether the folder holds a GCT file."""
        return bool(_files(folder))

    def read(self, folder: Path, declared: Declared) -> RawCohort:
        """Read the file, and the table beside it.

        Parameters
        ----------
        folder : Path
        declared : Declared
            Goes before what ``cohort.toml`` says.

        Returns
        -------
        RawCohort

        Raises
        ------
        CohortError, ScaleError
            If a file is malformed, there is no outcome, or the cancer type or the scale is neither stated nor declared.
        """
        source = f"{self.name} {folder.resolve().name}"
        settings = read_settings(folder)
        declared = said(declared, settings)
        files = _files(folder)
        code, typed = cancer_type_of(declared, (folder.resolve().name, *(file.name for file in files)), source)
        profile = choose([Profile(file, file.name, None) for file in files], declared, study=code, source=source)
        _require_one(files, declared, source)
        file = read_head(profile.path)
        patients, samples, described = patients_and_samples(file.samples(), folder, settings, source)
        symbols, values, read = _expression(file, declared, settings, source)
        return RawCohort(
            source=source,
            cancer_type=code,
            scale=profile.scale,
            zscore_reference=profile.zscore_reference,
            expression=values,
            symbols=symbols,
            entrez=None,
            patients=patients,
            samples=samples,
            ledger=Ledger((*typed.entries, *profile.ledger.entries, *described.entries, *read.entries)),
        )


def patients_and_samples(
    metadata: pd.DataFrame, folder: Path, settings: Settings, source: str
) -> tuple[pd.DataFrame, pd.DataFrame, Ledger]:
    """Return patients and samples from the metadata of samples, and the clinical table beside it if there is one.

    Parameters
    ----------
    metadata : DataFrame of str, shape (n_samples, n_columns)
        Index: sample ids.
    folder : Path
    settings : Settings
    source : str
        For errors.

    Returns
    -------
    patients : DataFrame of str
        Index: patient ids.
    samples : DataFrame of str
        Index: sample ids, unique; with ``patient``.
    ledger : Ledger

    Raises
    ------
    CohortError
        If the table is malformed, or neither has an outcome.
    """
    named = metadata.index != ""
    table, unique = one_row_each(metadata[named], source, "further rows of a sample in its metadata")
    if not named.all():
        unique = unique.with_note("dropped", "samples without an id", int((~named).sum()))
    table, mapped = with_patients(table, settings.patient_column, source)
    beside = table_beside(folder, settings.clinical, source)
    if beside is None:
        if not outcome_columns(table.columns):
            has = ", ".join(metadata.columns[:6]) or "no metadata of samples"
            raise CohortError(
                f"{source}: has no outcome (such as OS_STATUS with OS_MONTHS): its file has {has}; add clinical.tsv, "
                f"or name the table in {SETTINGS_FILE}."
            )
        patients, read = by_patient(table.sort_index(), {"sample_type"})
        samples = table[[name for name in ("patient", "sample_type") if name in table]]
    else:
        patients, read = read_clinical(beside)
        # Where the table is of samples, they are its patients.
        samples = table.assign(patient=table["patient"].where(table["patient"].isin(patients.index)))
    return patients, samples, Ledger((*unique.entries, *mapped.entries, *read.entries))


def _files(folder: Path) -> list[Path]:
    found = (file for file in folder.iterdir() if file.is_file() and file.name.lower().endswith(SUFFIXES))
    return sorted(file for file in found if file.name[0] != ".")


def _require_one(files: list[Path], declared: Declared, source: str) -> None:
    if len(files) > 1 and declared.profile is None:
        names = ", ".join(file.name for file in files)
        raise CohortError(
            f'{source}: has {len(files)} GCT files ({names}); name one in {SETTINGS_FILE}: expression = "…".'
        )


def _expression(
    file: GctFile, declared: Declared, settings: Settings, source: str
) -> tuple[pd.Series, pd.DataFrame, Ledger]:
    """Return the rows' genes, their values, and what was decided."""
    labels = file.labels()
    columns = {str(name): labels[name] for name in labels.columns}
    name, _, chosen = gene_column(columns, settings.gene_column, source)
    at = list(columns).index(name)
    may_be_asked_for = None if declared.only is None else rows_to_read(declared.only)
    words, values, read = file.matrix(at, may_be_asked_for)
    _, genes, _ = gene_column({name: words.iloc[:, at]}, None, source)
    return genes, values, Ledger((*chosen.entries, *read.entries))
