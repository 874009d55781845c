r"""Plain tables: a folder with ``cohort.toml`` and CSV, TSV or Parquet files of expression and outcome.

::

    my_cohort/
      cohort.toml       cancer_type = "KIRC"
                        scale = "log2_tpm_1"        (zscore also needs zscore_reference = "…")
                        time_unit = "months"        (for a column such as time, whose name states no unit)
      expression.tsv    genes × samples or patients × genes; the first column names the rows
      clinical.csv      one row a patient; the first column is the patient's id; OS_STATUS and OS_MONTHS (or OS_DAYS),
                        likewise DSS, DFI, PFI; age, sex, stage, grade; any further column

or one table with all of it, one row a patient: columns that are named in ``clinical_columns`` of ``cohort.toml``, that
are covariates or outcomes by their names, or that hold words, are clinical; all others are genes.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from features.assembly import RawCohort
from features.cancer_types import cancer_type, named_in
from features.clinical_columns import SYNONYMS
from features.errors import CohortError
from features.ledger import Ledger
from features.matrices import numeric, read_matrix
from features.outcomes import outcome_columns
from features.profiles import Declared, Profile, choose
from features.tables import (
    QUOTED,
    decimal_commas_ledger,
    known_words,
    read_parquet,
    read_strings,
    read_typed,
    readable,
    shown,
)

SETTINGS_FILE = "cohort.toml"
SUFFIXES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz", ".parquet")
_EXPRESSION_WORDS = ("expression", "expr", "rna", "tpm", "rsem", "genes", "zscore")
_CLINICAL_WORDS = ("clinical", "outcome", "survival", "patients", "phenotype")


@dataclass(frozen=True)
class Settings:
    """What ``cohort.toml`` says; None where it says nothing."""

    cancer_type: str | None = None
    scale: str | None = None
    zscore_reference: str | None = None
    expression: str | None = None
    clinical: str | None = None
    time_unit: str | None = None
    clinical_columns: tuple[str, ...] = ()


class PlainTableReader:
    """Read a folder of plain tables."""

    name = "plain table folder"
    layout = (
        "cohort.toml with cancer_type and scale, expression.tsv and clinical.csv, or one table with all; "
        "CSV, TSV or Parquet"
    )

    def recognises(self, folder: Path) -> bool:
        """Return whether the folder holds ``cohort.toml``, or tables named for expression and outcome."""
        if (folder / SETTINGS_FILE).is_file():
            return True
        tables = _tables(folder)
        return any(_named(file, _EXPRESSION_WORDS) for file in tables) and any(
            _named(file, _CLINICAL_WORDS) for file in tables
        )

    def read(self, folder: Path, declared: Declared) -> RawCohort:
        """Read the tables.

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
            If a table is missing or malformed, or the cancer type or the scale is neither stated nor declared.
        """
        source = f"{self.name} {folder.resolve().name}"
        settings = _settings(folder)
        expression_file, clinical_file = _files(folder, settings, declared, source)
        said = _said(declared, settings)
        code, typed = _cancer_type(said, folder, source)
        profile = choose([Profile(expression_file, expression_file.name, None)], said, study=code, source=source)
        if expression_file == clinical_file:
            table, expression, read = _one_table(expression_file, settings)
        else:
            table = _clinical(clinical_file)
            expression, read = _expression(expression_file, table.index)
        patients, unique = _one_row_a_patient(table)
        return RawCohort(
            source=source,
            cancer_type=code,
            scale=profile.scale,
            zscore_reference=profile.zscore_reference,
            expression=expression.reset_index(drop=True),
            symbols=pd.Series(expression.index, dtype="str"),
            entrez=None,
            patients=patients,
            samples=pd.DataFrame(index=pd.Index([], dtype="str")),
            ledger=Ledger((*typed.entries, *profile.ledger.entries, *read.entries, *unique.entries)),
            time_unit=settings.time_unit,
        )


def _settings(folder: Path) -> Settings:
    """Read ``cohort.toml``.

    Raises
    ------
    CohortError
        If it is not TOML, or a key is unknown or of the wrong type.
    """
    path = folder / SETTINGS_FILE
    if not path.is_file():
        return Settings()
    with readable(path):
        text = path.read_text(encoding="utf-8-sig")
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CohortError(f"{shown(path)}: is not TOML ({error}).") from error
    for key, value in table.items():
        if key not in Settings.__dataclass_fields__:
            known = ", ".join(Settings.__dataclass_fields__)
            raise CohortError(f"{shown(path)}: key {key!r} is unknown; known are {known}.")
        expected = list if key == "clinical_columns" else str
        if not isinstance(value, expected) or (expected is list and not all(isinstance(name, str) for name in value)):
            raise CohortError(f"{shown(path)}: {key} must be {'a list of words' if expected is list else 'a word'}.")
    columns = tuple(table.pop("clinical_columns", ()))
    return Settings(**table, clinical_columns=columns)


def _said(declared: Declared, settings: Settings) -> Declared:
    """Return what the user declares, and what the settings say of the rest; a scale takes its own reference along."""
    by_settings = declared.scale is None
    return Declared(
        cancer_type=declared.cancer_type or settings.cancer_type,
        scale=settings.scale if by_settings else declared.scale,
        zscore_reference=declared.zscore_reference or (settings.zscore_reference if by_settings else None),
    )


def _cancer_type(said: Declared, folder: Path, source: str) -> tuple[str, Ledger]:
    if said.cancer_type is not None:
        return cancer_type(said.cancer_type), Ledger()
    found = named_in((folder.resolve().name,))
    if found is None:
        raise CohortError(f"{source}: does not say of which cancer type it is; write cancer_type in {SETTINGS_FILE}.")
    return found, Ledger().with_entry("guessed", "cancer type, from the name of the folder", (found,))


def _tables(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.is_file() and file.name.lower().endswith(SUFFIXES))


def _named(file: Path, words: tuple[str, ...]) -> bool:
    return any(word in file.name.lower() for word in words)


def _files(folder: Path, settings: Settings, declared: Declared, source: str) -> tuple[Path, Path]:
    """Return the expression table and the clinical table, which may be the same."""
    tables = _tables(folder)
    if not tables:
        raise CohortError(f"{source}: has no table; add {' or '.join(SUFFIXES[:2])} files or one .parquet.")
    expression = _chosen(tables, declared.profile or settings.expression, _EXPRESSION_WORDS, source)
    clinical = _chosen(tables, settings.clinical, _CLINICAL_WORDS, source)
    return expression, clinical


def _chosen(tables: list[Path], name: str | None, words: tuple[str, ...], source: str) -> Path:
    if name is not None:
        named = [table for table in tables if table.name == name]
        if not named:
            raise CohortError(f"{source}: has no table {name!r}; it has {', '.join(table.name for table in tables)}.")
        return named[0]
    fitting = tables if len(tables) == 1 else [table for table in tables if _named(table, words)]
    if len(fitting) != 1:
        raise CohortError(
            f"{source}: which of {len(tables)} tables holds what cannot be told ({len(fitting)} are named like "
            f'{words[0]}); name them in {SETTINGS_FILE}: expression = "…", clinical = "…".'
        )
    return fitting[0]


def _clinical(path: Path) -> pd.DataFrame:
    table = read_strings(path, quoting=QUOTED)
    first = table.columns[0]
    return table.dropna(subset=[first]).set_index(first).rename_axis("patient")


def _expression(path: Path, patients: pd.Index) -> tuple[pd.DataFrame, Ledger]:
    """Return expression, genes × samples, whichever way round the file has it."""
    if path.suffix == ".parquet":
        frame = read_parquet(path)
        words, values = frame.iloc[:, [0]].astype("str"), numeric(frame.iloc[:, 1:], path)
        commas = Ledger()
    else:
        words, values = read_matrix(path, [0], quoting=QUOTED)
        commas = decimal_commas_ledger(path, quoting=QUOTED)
    rows = pd.Index(words.iloc[:, 0].fillna(""), dtype="str")
    values = values.set_axis(rows, axis=0)
    in_columns, in_rows = values.columns.isin(patients).sum(), rows.isin(patients).sum()
    if not in_columns and not in_rows:
        raise CohortError(
            f"{shown(path)}: neither its columns nor its rows are patients of the clinical table (first patient there: "
            f"{patients[:1].tolist()}); use the same ids in both."
        )
    if in_columns >= in_rows:
        return values, commas
    return values.T, commas.with_note("converted", "rows are patients: turned to genes by patients", int(in_rows))


def _one_table(path: Path, settings: Settings) -> tuple[pd.DataFrame, pd.DataFrame, Ledger]:
    """Divide a table of everything into clinical columns, one row a patient, and genes × patients."""
    table = read_typed(path, quoting=QUOTED)
    first = table.columns[0]
    table = table.dropna(subset=[first]).set_index(first).rename_axis("patient")
    missing = [name for name in settings.clinical_columns if name not in table]
    if missing:
        raise CohortError(f"{shown(path)}: has no column {missing[0]!r}, which {SETTINGS_FILE} names as clinical.")
    clinical = [name for name in table.columns if _is_clinical(name, table, settings)]
    genes = table.columns.difference(clinical, sort=False)
    if genes.empty:
        raise CohortError(
            f"{shown(path)}: has no column of numbers that could be a gene; name each gene's column by it."
        )
    what = "columns of numbers read as genes, all others as clinical"
    expression = numeric(table[genes], path).T
    commas = Ledger() if path.suffix == ".parquet" else decimal_commas_ledger(path, quoting=QUOTED)
    return known_words(table[clinical].astype("str")), expression, commas.with_entry("guessed", what, genes)


def _is_clinical(name: str, table: pd.DataFrame, settings: Settings) -> bool:
    outcome = {column for found in outcome_columns(table.columns).values() for column in (found.status, found.time)}
    covariates = {synonym for synonyms in SYNONYMS.values() for synonym in synonyms}
    if name in outcome or name.lower() in covariates or name in settings.clinical_columns:
        return True
    kind = table[name].dtype
    return not pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_bool_dtype(kind) or bool(table[name].isna().all())


def _one_row_a_patient(table: pd.DataFrame) -> tuple[pd.DataFrame, Ledger]:
    twice = table.index.duplicated()
    return table[~twice], Ledger().with_entry(
        "dropped", "further rows of a patient in the clinical table", table.index[twice]
    )
