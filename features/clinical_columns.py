"""The clinical table of a cohort: age, sex, stage and grade under their names, and all further columns as words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from features.clinical import PARSERS, ClinicalValue
from features.errors import ClinicalError
from features.ledger import Ledger
from features.outcomes import outcome_columns

#: Where each covariate is found, in lower case; the first that has values is taken.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "age": ("age", "age_at_initial_pathologic_diagnosis", "age_at_index", "diagnosis_age", "age_at_diagnosis"),
    "sex": ("sex", "gender"),
    "stage": (
        *("stage", "ajcc_pathologic_tumor_stage", "ajcc_pathologic_stage", "pathologic_stage", "tumor_stage"),
        *("clinical_stage", "ajcc_clinical_stage", "figo_stage"),
    ),
    "grade": ("grade", "tumor_grade", "neoplasm_histologic_grade", "histologic_grade", "histological_grade"),
}
DAYS_PER_YEAR = 365.25
#: Nobody has lived so many years: a column whose median lies above counts days.
MEDIAN_AGE_YEARS_MAX = 150.0


def clinical_columns(table: pd.DataFrame) -> tuple[pd.DataFrame, Ledger]:
    """Read the clinical columns of a cohort.

    Parameters
    ----------
    table : DataFrame of str, shape (n_patients, n_columns)
        NaN where missing; may hold outcome columns, which are left out.

    Returns
    -------
    clinical : DataFrame, shape (n_patients, n_clinical)
        ``age`` (float64), ``sex``, ``stage`` and ``grade`` (str) first, always present; then every other column that
        is not empty, as str under its name in lower case. NaN where missing.
    ledger : Ledger
        Columns renamed, left out or empty, and how many values could not be read.
    """
    outcome = {name for columns in outcome_columns(table.columns).values() for name in (columns.status, columns.time)}
    table = table.drop(columns=sorted(outcome))
    table = table.set_axis(["_".join(str(name).lower().split()) for name in table.columns], axis=1)
    repeated = table.columns.duplicated()
    ledger = Ledger().with_entry("dropped", "further clinical columns of one name", table.columns[repeated])
    table = table.loc[:, ~repeated]
    empty = table.columns[table.isna().all()]
    ledger = ledger.with_entry("dropped", "clinical columns that are wholly empty", empty)
    table = table.drop(columns=empty)
    read: dict[str, pd.Series] = {}
    for name in SYNONYMS:
        read[name], source, entries = _covariate(name, table)
        table = table.drop(columns=source)
        ledger = Ledger((*ledger.entries, *entries.entries))
    further = {name: table[name] for name in table.columns if name not in read}
    return pd.DataFrame(read | further, index=table.index), ledger


def _covariate(name: str, table: pd.DataFrame) -> tuple[pd.Series, list[str], Ledger]:
    """Return a covariate, the column that it was read from (none or one), and what was done to it."""
    source = next((column for column in SYNONYMS[name] if column in table), None)
    kind = np.float64 if name == "age" else "str"
    if source is None:
        return pd.Series(np.nan, index=table.index).astype(kind), [], Ledger()
    words, ledger = _in_years(table[source], source) if name == "age" else (table[source], Ledger())
    meaning = {word: _parsed(PARSERS[name], word) for word in words.dropna().unique()}
    unread = words.isin([word for word, value in meaning.items() if isinstance(value, ClinicalError)])
    ledger = (
        ledger.with_note("mapped", f"{source} read as {name}", int(words.notna().sum())) if source != name else ledger
    )
    if unread.any():
        ledger = ledger.with_note(
            "dropped", f"values of {source} that are no {name}, read as missing", int(unread.sum())
        )
    known = {word: value for word, value in meaning.items() if not isinstance(value, ClinicalError)}
    return words.map(known).astype(kind), [source], ledger


def _parsed(parser: Callable[[ClinicalValue], ClinicalValue], word: str) -> ClinicalValue | ClinicalError:
    try:
        return parser(word)
    except ClinicalError as error:
        return error


def _in_years(words: pd.Series, source: str) -> tuple[pd.Series, Ledger]:
    ages = pd.to_numeric(words, errors="coerce")
    if not ages.median() > MEDIAN_AGE_YEARS_MAX:
        return words, Ledger()
    years = (ages / DAYS_PER_YEAR).map("{:.4f}".format, na_action="ignore").astype("str")
    return years, Ledger().with_note(
        "converted", f"{source}: days to years (median above 150)", int(ages.notna().sum())
    )
