r"""Plain tables: a folder with ``cohort.toml`` and CSV, TSV or Parquet files of expression and outcome.

::

    my_cohort/
      cohort.toml       cancer_type = "KIRC" and scale = "log2_tpm_1": see `features.cohort_settings`
      expression.tsv    genes × samples or patients × genes; the first column names the rows
      clinical.csv      one row a patient; the first column is the patient's id; OS_STATUS and OS_MONTHS (or OS_DAYS),
                        likewise DSS, DFI, PFI; age, sex, stage, grade; any further column

or one table with all of it, one row a patient: columns that are named in ``clinical_columns`` of ``cohort.toml``, that
are covariates or outcomes by their names, or that hold words, are clinical; all others are genes.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from features.assembly import RawCohort
from features.clinical_columns import SYNONYMS
from features.clinical_table import (
    CLINICAL_WORDS,
    SUFFIXES,
    chosen_table,
    is_named,
    one_row_a_patient,
    read_clinical,
    tables_of,
    without_nameless,
)
from features.cohort_settings import SETTINGS_FILE, Settings, cancer_type_of, read_settings, said
from features.errors import CohortError
from features.gene_rows import panel_resolver
from features.ledger import Ledger
from features.matrices import check_widths, numeric, read_matrix
from features.outcomes import outcome_columns
from features.profiles import Declared, Profile, choose
from features.tables import QUOTED, head, known_words, read_parquet, read_typed, shown
from features.whole_files import matrix_ledger, require_text

_EXPRESSION_WORDS = ("expression", "expr", "rna", "tpm", "rsem", "genes", "zscore")


class PlainTableReader:
    """Read a folder of plain tables."""

    name = "plain table folder"
    layout = (
        "cohort.toml with cancer_type and scale, expression.tsv and clinical.csv, or one table with all; "
        "CSV, TSV or Parquet"
    )

    def recognises(self, folder: Path) -> bool:
        """Return whether the folder holds ``cohort.toml`` and a table, or tables named for expression and outcome."""
        tables = tables_of(folder)
        if tables and (folder / SETTINGS_FILE).is_file():
            return True
        return any(is_named(file, _EXPRESSION_WORDS) for file in tables) and any(
            is_named(file, CLINICAL_WORDS) for file in tables
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
        settings = read_settings(folder)
        declared = said(declared, settings)
        expression_file, clinical_file = _files(folder, settings, declared, source)
        code, typed = cancer_type_of(declared, (folder.resolve().name,), source)
        profile = choose([Profile(expression_file, expression_file.name, None)], declared, study=code, source=source)
        if expression_file == clinical_file:
            patients, expression, read = _one_table(expression_file, settings)
        else:
            patients, unique = read_clinical(clinical_file)
            expression, turned = _expression(expression_file, patients.index)
            read = Ledger((*turned.entries, *unique.entries))
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
            ledger=Ledger((*typed.entries, *profile.ledger.entries, *read.entries)),
        )


def _files(folder: Path, settings: Settings, declared: Declared, source: str) -> tuple[Path, Path]:
    """Return the expression table and the clinical table, which may be the same."""
    tables = tables_of(folder)
    if not tables:
        raise CohortError(f"{source}: has no table; add {' or '.join(SUFFIXES[:2])} files or one .parquet.")
    expression = chosen_table(tables, declared.profile, _EXPRESSION_WORDS, source)
    clinical = chosen_table(tables, settings.clinical, CLINICAL_WORDS, source)
    return expression, clinical


def _expression(path: Path, patients: pd.Index) -> tuple[pd.DataFrame, Ledger]:
    """Return expression, genes × samples, whichever way round the file has it."""
    if path.suffix == ".parquet":
        frame = read_parquet(path)
        words, values = frame.iloc[:, [0]].astype("str"), numeric(frame.iloc[:, 1:], path)
    else:
        words, values = read_matrix(path, [0], quoting=QUOTED)
    commas = matrix_ledger(path, quoting=QUOTED)
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
    table, nameless = without_nameless(known_words(table[[first]]).join(table.drop(columns=first)), first, path)
    if path.suffix != ".parquet" and table[table.columns[-1]].isna().any():
        check_widths(path, head(path, "utf-8-sig"), len(table.columns), QUOTED)
    table = table.set_index(first).rename_axis("patient")
    missing = [name for name in settings.clinical_columns if name not in table]
    if missing:
        raise CohortError(f"{shown(path)}: has no column {missing[0]!r}, which {SETTINGS_FILE} names as clinical.")
    clinical = [name for name in table.columns if _is_clinical(name, table, settings)]
    require_text("\n".join([*table.columns, *table.index]), path)
    _require_numbers_of_genes(table, clinical, settings, path)
    genes = table.columns.difference(clinical, sort=False)
    if genes.empty:
        raise CohortError(
            f"{shown(path)}: has no column of numbers that could be a gene; name each gene's column by it."
        )
    expression = numeric(table[genes], path).T
    patients, unique = one_row_a_patient(known_words(table[clinical].astype("str")), shown(path))
    commas = matrix_ledger(path, quoting=QUOTED)
    guessed = Ledger().with_entry("guessed", "columns of numbers read as genes, all others as clinical", genes)
    entries = (*nameless.entries, *commas.entries, *guessed.entries, *unique.entries)
    return patients, expression, Ledger(entries)


def _require_numbers_of_genes(table: pd.DataFrame, clinical: list[str], settings: Settings, path: Path) -> None:
    """Refuse a few words among the numbers of a gene of the panel: they would make it a clinical column.

    Raises
    ------
    CohortError
        If there is one that the settings do not name as clinical; names the first word.
    """
    genes = panel_resolver().resolve(name for name in clinical if name not in settings.clinical_columns).symbols
    # A receptor's status bears its gene's name too, and is words throughout.
    spoiled = [name for name in genes if pd.to_numeric(table[name].dropna(), errors="coerce").notna().mean() > 0.5]
    numeric(table[spoiled], path)


def _is_clinical(name: str, table: pd.DataFrame, settings: Settings) -> bool:
    outcome = {column for found in outcome_columns(table.columns).values() for column in (found.status, found.time)}
    covariates = {synonym for synonyms in SYNONYMS.values() for synonym in synonyms}
    if name in outcome or name.lower() in covariates or name in settings.clinical_columns:
        return True
    kind = table[name].dtype
    return not pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_bool_dtype(kind) or bool(table[name].isna().all())
