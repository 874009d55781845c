"""Matrices of numbers from text files: whole, or the rows and columns that are asked for; every word refused."""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Sequence
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.errors import CohortError
from features.tables import (
    LITERAL,
    MISSING_NUMBERS,
    Quoting,
    bytes_of,
    decimal_commas,
    head,
    opened,
    read_csv,
    read_header,
    readable,
    shown,
)


def read_matrix(
    path: Path,
    labels: Sequence[int],
    *,
    quoting: Quoting = LITERAL,
    is_wanted: Callable[[str], bool] | None = None,
    without: Collection[str] = (),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read a table of numbers with columns of labels.

    Parameters
    ----------
    path : Path
    labels : sequence of int
        Positions of the columns that are words.
    is_wanted : callable or None
        Says by its first field, and before any number is read, whether a row is read; None for all. For files
        without quotes.
    without : collection of str
        Columns, by their names, that are not read.

    Returns
    -------
    labels : DataFrame of str
        Under the header's names; empty where missing.
    values : DataFrame of float64
        The other columns, the header's names kept even where one occurs twice.

    Raises
    ------
    CohortError
        If the file cannot be read, a row has more or fewer fields than the header, or a word stands where a number
        must (named, with its column).

    Notes
    -----
    Numbers are read as such, in pieces; only where that fails is the table read as it comes, to name the word.
    """
    _, header = read_header(path, quoting=quoting)
    excluded = set(without)
    positions = [at for at, name in enumerate(header) if at in labels or name not in excluded]
    source = path if is_wanted is None else _rows_of(path, is_wanted)
    frame = _matrix(path, source, header, labels, positions, quoting=quoting)
    words = frame[list(labels)].set_axis([header[position] for position in labels], axis=1)
    numbers = frame.drop(columns=list(labels))
    unnamed = [at for at in numbers.columns if not header[at] and numbers[at].isna().all()]
    numbers = numbers.drop(columns=unnamed)
    del frame
    return (
        words.fillna("").apply(lambda column: column.str.strip()),
        numeric(numbers.set_axis([header[position] for position in numbers.columns], axis=1), path),
    )


def numeric(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return the table as float64.

    Raises
    ------
    CohortError
        If a value is a word or infinite; names the first and its column.
    """
    for position, kind in enumerate(frame.dtypes):
        if not pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_bool_dtype(kind):
            column = frame.iloc[:, position].dropna()
            if len(column):
                raise CohortError(_not_numbers(column, frame.columns[position], path))
    values = frame.to_numpy(np.float64, na_value=np.nan)
    n_infinite = int(np.isinf(values).sum())
    if n_infinite:
        column = frame.columns[int(np.flatnonzero(np.isinf(values).any(axis=0))[0])]
        raise CohortError(
            f"{shown(path)}: {n_infinite} values are infinite (first in column {column!r}); a logarithm of zero? "
            "Add an offset before taking it, or leave the field empty."
        )
    return pd.DataFrame(values, index=frame.index, columns=frame.columns, copy=False)


def _matrix(
    path: Path,
    source: Path | BytesIO,
    header: Sequence[str],
    labels: Sequence[int],
    positions: Sequence[int],
    *,
    quoting: Quoting,
) -> pd.DataFrame:
    """Return the columns at these positions, labels as words and all others as numbers where that is what they are."""
    options: dict[str, Any] = {
        "quoting": quoting,
        "na_values": MISSING_NUMBERS,
        "names": list(range(len(header))),
        "usecols": None if len(positions) == len(header) else list(positions),
        "decimal": "," if decimal_commas(path, quoting=quoting) else ".",
        "source": source,
    }
    words = dict.fromkeys(labels, "str")
    try:
        numbers = {at: "float64" for at in positions if at not in labels}
        frame = read_csv(path, "utf-8-sig", dtype={**words, **numbers}, low_memory=True, **options)
    except ValueError:
        if isinstance(source, BytesIO):
            source.seek(0)
        frame = read_csv(path, "utf-8-sig", dtype=words, **options)
    if not isinstance(frame.index, pd.RangeIndex):
        raise CohortError(f"{shown(path)}: rows have more fields than the header; name every column.")
    named = max(at for at in positions if header[at] or at == 0)
    if frame[named].isna().any():
        _check_widths(path, named + 1, quoting)
    return frame


def _check_widths(path: Path, n_fields: int, quoting: Quoting) -> None:
    """Refuse a matrix with rows that end early: they are what is left of a file that was cut.

    Raises
    ------
    CohortError
        If a row has fewer fields than the header.
    """
    n_comments, _, divided = head(path, "utf-8-sig")
    with readable(path), opened(path, "utf-8-sig") as lines:
        rows = csv.reader(islice(lines, n_comments + 1, None), delimiter=divided, quoting=quoting)
        widths = [len(row) for row in rows if row]
    short = [width for width in widths if width < n_fields]
    if short:
        raise CohortError(
            f"{shown(path)}: {len(short)} of {len(widths)} rows have fewer fields than the header (the first: "
            f"{short[0]} of {n_fields}); was the file cut? Copy it anew."
        )


def _rows_of(path: Path, is_wanted: Callable[[str], bool]) -> BytesIO:
    """Return the file's head, and of its rows those whose first field is wanted."""
    n_comments, _, divided = head(path, "utf-8-sig")
    mark, kept = divided.encode(), BytesIO()
    with readable(path), bytes_of(path) as lines:
        for at, line in enumerate(lines):
            if at <= n_comments or is_wanted(line.partition(mark)[0].decode("utf-8-sig").strip()):
                kept.write(line)
    kept.seek(0)
    return kept


def _not_numbers(column: pd.Series, name: str, path: Path) -> str:
    words = column[pd.to_numeric(column, errors="coerce").isna()]
    first = words.iloc[0] if len(words) else column.iloc[0]
    return (
        f"{shown(path)}: expression must be numbers, but column {name!r} holds {max(len(words), 1)} words "
        f"(first: {str(first)[:24]!r}); remove them, or leave the field empty."
    )
