"""The table of outcome and clinical columns that lies beside an expression file: which it is, one row a patient."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from features.cohort_settings import SETTINGS_FILE
from features.errors import CohortError
from features.ledger import Ledger
from features.outcomes import outcome_columns
from features.tables import QUOTED, read_strings, shown
from features.whole_files import whole_ledger

SUFFIXES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz", ".parquet")
CLINICAL_WORDS = ("clinical", "outcome", "survival", "patients", "phenotype")


def tables_of(folder: Path) -> list[Path]:
    """Return the tables of a folder, by the ends of their names."""
    return sorted(file for file in folder.iterdir() if file.is_file() and file.name.lower().endswith(SUFFIXES))


def is_named(file: Path, words: Sequence[str]) -> bool:
    """Return whether a file's name has one of these words."""
    return any(word in file.name.lower() for word in words)


def chosen_table(tables: Sequence[Path], name: str | None, words: Sequence[str], source: str) -> Path:
    """Return the table of that name, else the only one, else the only one with such a word in its name.

    Raises
    ------
    CohortError
        If there is none of that name, or it cannot be told which one it is.
    """
    if name is not None:
        named = [table for table in tables if table.name == name]
        if not named:
            raise CohortError(f"{source}: has no table {name!r}; it has {', '.join(table.name for table in tables)}.")
        return named[0]
    fitting = list(tables) if len(tables) == 1 else [table for table in tables if is_named(table, words)]
    if len(fitting) != 1:
        raise CohortError(
            f"{source}: which of {len(tables)} tables holds what cannot be told ({len(fitting)} are named like "
            f'{words[0]}); name them in {SETTINGS_FILE}: expression = "…", clinical = "…".'
        )
    return fitting[0]


def table_beside(folder: Path, name: str | None, source: str) -> Path | None:
    """Return the clinical table beside an expression file that is no table itself; None where there is none.

    Raises
    ------
    CohortError
        If there is none of that name, or several could be it.
    """
    tables = tables_of(folder)
    if name is None and not tables:
        return None
    return chosen_table(tables, name, CLINICAL_WORDS, source)


def read_clinical(path: Path) -> tuple[pd.DataFrame, Ledger]:
    """Read a clinical table; its first column is the patient's id.

    Returns
    -------
    patients : DataFrame of str, shape (n_patients, n_columns)
        NaN where missing.
    ledger : Ledger

    Raises
    ------
    CohortError
        If the file is malformed, or the rows of a patient have different outcomes.
    """
    whole = whole_ledger(path, quoting=QUOTED)
    table = read_strings(path, quoting=QUOTED)
    first = table.columns[0]
    table, nameless = without_nameless(table, first, path)
    patients, unique = one_row_a_patient(table.set_index(first).rename_axis("patient"), shown(path))
    return patients, Ledger((*whole.entries, *nameless.entries, *unique.entries))


def without_nameless(table: pd.DataFrame, column: str, path: Path) -> tuple[pd.DataFrame, Ledger]:
    """Return the rows that have an id, and how many have none."""
    n_nameless = int(table[column].isna().sum())
    what = f"rows of {path.name} without an id in its column {column}"
    ledger = Ledger().with_note("dropped", what, n_nameless) if n_nameless else Ledger()
    return table.dropna(subset=[column]), ledger


def one_row_a_patient(table: pd.DataFrame, where: str) -> tuple[pd.DataFrame, Ledger]:
    """Keep one row of each patient: see `one_row_each`."""
    return one_row_each(table, where, "further rows of a patient in the clinical table")


def one_row_each(table: pd.DataFrame, where: str, what: str) -> tuple[pd.DataFrame, Ledger]:
    """Keep the first of the rows of one id.

    Parameters
    ----------
    table : DataFrame of str
        Index: ids of patients or samples.
    where : str
        The table, for the error.
    what : str
        What is dropped, for the ledger.

    Raises
    ------
    CohortError
        If rows of one id have different outcomes: which is right cannot be told.
    """
    twice = table.index.duplicated()
    if not twice.any():
        return table, Ledger()
    outcome = sorted({name for found in outcome_columns(table.columns).values() for name in (found.status, found.time)})
    n_values = table.loc[table.index.duplicated(keep=False), outcome].groupby(level=0).nunique(dropna=False)
    differing = n_values.index[n_values.gt(1).any(axis=1)]
    if len(differing):
        raise CohortError(
            f"{where}: {len(differing)} ids have several rows with different outcomes (first: {differing[0]!r}); keep "
            "the one row of each that is right."
        )
    return table[~twice], Ledger().with_entry("dropped", what, table.index[twice])
