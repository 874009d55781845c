"""Decimal commas: whether a file writes its numbers with them, and the clinical columns with points in their place."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pandas as pd

from features.clinical_columns import SYNONYMS
from features.errors import CohortError
from features.ledger import Ledger
from features.outcomes import outcome_columns

_POINT = re.compile(r"[+-]?\d*\.\d+(?:[eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?(\d*),(\d+)(?:[eE][+-]?\d+)?")
#: A number that is written so may be 1.234 or 1234.
_THOUSANDS_DIGITS = 3


def decimal_mark(rows: Iterable[list[str]], where: str) -> str:
    """Return the mark that a file's numbers are written with: a point, unless they prove that it is a comma.

    Parameters
    ----------
    rows : iterable of list of str
        The fields of one row after another; read until one decides.
    where : str
        The file, for the error.

    Returns
    -------
    str
        ``.`` or ``,``.

    Raises
    ------
    CohortError
        If a row has both marks, or every comma has three digits behind it: a decimal mark, or thousands.

    Notes
    -----
    A file that changes its mark further down is found out as it is read: there the other mark makes a number a word.
    """
    undecided = 0
    for fields in rows:
        points = any(_POINT.fullmatch(field) for field in fields)
        commas = [match for field in fields if (match := _COMMA.fullmatch(field))]
        decimal = any(_is_decimal(match) for match in commas)
        if points and decimal:
            raise CohortError(
                f"{where}: numbers are written with decimal points and with decimal commas; write all with points."
            )
        if points or decimal:
            return "," if decimal else "."
        undecided += len(commas)
    if undecided:
        raise CohortError(
            f"{where}: whether the comma of {undecided} numbers is a decimal mark or divides thousands cannot be told; "
            "write decimal points, and no thousands marks."
        )
    return "."


def with_decimal_points(table: pd.DataFrame, source: str) -> tuple[pd.DataFrame, Ledger]:
    """Return the clinical table with points for the decimal commas of its times and ages.

    Parameters
    ----------
    table : DataFrame of str, shape (n_patients, n_columns)
        NaN where missing. Other columns stay: ``1,2`` may be two codes.
    source : str
        For errors.

    Raises
    ------
    CohortError
        If it cannot be told whether the commas of such a column are decimal marks.
    """
    ledger = Ledger()
    for name in _numeric_columns(table):
        words = table[name].dropna().astype("str")
        with_comma = words.str.fullmatch(_COMMA)
        if not with_comma.any() or decimal_mark(([word] for word in words), f"{source}, column {name}") == ".":
            continue
        table = table.assign(**{name: table[name].str.replace(",", ".", regex=False)})
        ledger = ledger.with_note("converted", f"{name}: decimal commas read as points", int(with_comma.sum()))
    return table, ledger


def _numeric_columns(table: pd.DataFrame) -> list[str]:
    times = {columns.time for columns in outcome_columns(table.columns).values()}
    return [name for name in table.columns if name in times or name.lower() in SYNONYMS["age"]]


def _is_decimal(match: re.Match[str]) -> bool:
    whole, rest = match[1], match[2]
    return len(rest) != _THOUSANDS_DIGITS or whole in {"", "0"} or len(whole) > _THOUSANDS_DIGITS
