"""The cancer types of the samples of a UCSC Xena table: Toil holds all of TCGA, TARGET and GTEx in one."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd

from features.cancer_types import tcga_codes
from features.cohort import SIMULATED_PREFIX
from features.errors import CohortError
from features.ledger import Ledger

_DISEASES = Path(__file__).with_name("xena_diseases.tsv")
#: Codes: of TCGA's pan-cancer survival table, and of GDC's projects (TCGA-KIRC).
_CODE_COLUMNS = ("cancer type abbreviation", "project_id.project")
#: Names of diseases: of Toil's phenotypes, of TCGA's pan-cancer phenotypes, and of the legacy hub.
_NAME_COLUMNS = ("primary disease or tissue", "_primary_disease")
TYPE_COLUMNS = (*_CODE_COLUMNS, *_NAME_COLUMNS)


def only_of_type(table: pd.DataFrame, code: str, source: str) -> tuple[pd.DataFrame, pd.Index, Ledger]:
    """Keep the samples of one cancer type, where a column tells those of several apart.

    Parameters
    ----------
    table : DataFrame of str, shape (n_samples, n_columns)
        Index: sample ids.
    code : str
        TCGA's.
    source : str
        For errors.

    Returns
    -------
    table : DataFrame
        Without the columns that name cancer types.
    others : Index of str
        The samples that are of no or another type.
    ledger : Ledger

    Raises
    ------
    CohortError
        If no sample is of the type.
    """
    wanted = code.removeprefix(SIMULATED_PREFIX)
    other = pd.Series(data=False, index=table.index)
    for name in TYPE_COLUMNS:
        if name in table:
            other |= _others(table[name], wanted, by_code=name in _CODE_COLUMNS)
    if other.any() and other.all():
        raise CohortError(
            f"{source}: none of its {len(table)} samples is of {code}; declare the cancer type they are of."
        )
    others = table.index[other]
    ledger = Ledger().with_entry("dropped", f"samples that are not {code}", others)
    return table[~other].drop(columns=table.columns.intersection(TYPE_COLUMNS)), others, ledger


def tells_types_apart(table: pd.DataFrame) -> bool:
    """Return whether a column of the table names a known cancer type."""
    return any(
        _codes(table[name], by_code=name in _CODE_COLUMNS).notna().any() for name in TYPE_COLUMNS if name in table
    )


def _others(words: pd.Series, wanted: str, *, by_code: bool) -> pd.Series:
    """Return which samples are not of the wanted type; where one type is named at most, silence says nothing."""
    codes = _codes(words, by_code=by_code)
    if codes.isna().all():
        return pd.Series(data=False, index=words.index)
    # TCGA's pan-cancer survival table is of many types, even where little of it is left.
    several = len(codes.dropna().unique()) > 1 or words.name == _CODE_COLUMNS[0]
    return (codes != wanted) & (several | words.notna())


def _codes(words: pd.Series, *, by_code: bool) -> pd.Series:
    """Return TCGA's code of each sample; NaN where nothing, or no cancer type of TCGA, is named."""
    given = words.dropna().unique()
    known = {word: _code(word) if by_code else _by_disease().get(word.strip().lower()) for word in given}
    return words.map({word: code for word, code in known.items() if code is not None}).astype("object")


def _code(word: str) -> str | None:
    """Return the code that a code or a project names; a code that is not TCGA's is a cancer type of its own."""
    project, dash, bare = word.strip().upper().rpartition("-")
    return tcga_codes().get(bare, bare) if not dash or project == "TCGA" else None


@cache
def _by_disease() -> dict[str, str]:
    rows = [line.split("\t") for line in _DISEASES.read_text(encoding="utf-8").splitlines()[1:]]
    return {disease: code for code, disease in rows}
