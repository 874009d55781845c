"""Matrices of numbers from text files: whole, or the rows and columns that are asked for; every word refused."""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterable, Sequence
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import CohortError
from features.tables import (
    LITERAL,
    MISSING_NUMBERS,
    Head,
    Quoting,
    bytes_of,
    decimal_commas,
    head,
    opened,
    read_csv,
    read_in_pieces,
    readable,
    shown,
)

#: Above 32 MiB the system takes a piece's memory back at once; of smaller ones it keeps some.
_PIECE_BYTES = 36 * 2**20
_PIECE_ROWS_MIN = 256


def read_matrix(
    path: Path,
    labels: Sequence[int],
    *,
    quoting: Quoting = LITERAL,
    is_wanted: Callable[[str], bool] | None = None,
    wanted_by: int = 0,
    without: Collection[str] = (),
    first: Head | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read a table of numbers with columns of labels.

    Parameters
    ----------
    path : Path
    labels : sequence of int
        Positions of the columns that are words.
    is_wanted : callable or None
        Says by one of its fields, and before any number is read, whether a row is read; None for all. For files
        without quotes.
    wanted_by : int
        The position of that field.
    without : collection of str
        Columns, by their names, that are not read.
    first : Head or None
        The table's head, where it is none that `features.tables.head` finds.

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
    first = first or head(path, "utf-8-sig")
    header, excluded = first.fields(quoting), set(without)
    positions = [at for at, name in enumerate(header) if at in labels or name not in excluded]
    source = path if is_wanted is None or first.by_returns else _rows_of(path, first, is_wanted, wanted_by)
    words, numbers = _matrix(path, source, first, labels, positions, quoting=quoting)
    _require_no_nul(header, words, path)
    words = words.set_axis([header[position] for position in labels], axis=1)
    unnamed = [at for at in numbers.columns if not header[at] and numbers[at].isna().all()]
    numbers = numbers.drop(columns=unnamed)
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
    # A value to put for missing ones makes a copy, which numbers as they are read need not.
    plain = all(kind == np.float64 for kind in frame.dtypes)
    values = frame.to_numpy() if plain else frame.to_numpy(np.float64, na_value=np.nan)
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
    first: Head,
    labels: Sequence[int],
    positions: Sequence[int],
    *,
    quoting: Quoting,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return labels and numbers of the columns at these positions; a column with words stays as it comes."""
    header = first.fields(quoting)
    options: dict[str, Any] = {
        "quoting": quoting,
        "na_values": MISSING_NUMBERS,
        "names": list(range(len(header))),
        "usecols": None if len(positions) == len(header) else list(positions),
        "decimal": "," if decimal_commas(path, quoting=quoting, first=first) else ".",
    }
    kinds = {at: "str" if at in labels else "float64" for at in positions}
    rows = max(_PIECE_BYTES // (8 * len(positions)), _PIECE_ROWS_MIN)
    try:
        pieces = read_in_pieces(path, source, first, rows=rows, dtype=kinds, **options)
        words, numbers = _put_together(pieces, labels, positions)
    except ValueError:
        if isinstance(source, BytesIO):
            source.seek(0)
        kept = dict.fromkeys(labels, "str")
        frame = read_csv(path, "utf-8-sig", source=source, first=first, dtype=kept, **options)
        words, numbers = frame[list(labels)], frame.drop(columns=list(labels))
    if not isinstance(words.index, pd.RangeIndex):
        raise CohortError(f"{shown(path)}: rows have more fields than the header; name every column.")
    named = max((at for at in numbers.columns if header[at]), default=None)
    if named is not None and numbers[named].isna().any():
        check_widths(path, first, named + 1, quoting)
    return words, numbers


def _put_together(
    pieces: Iterable[pd.DataFrame], labels: Sequence[int], positions: Sequence[int]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Put a matrix together in the memory of the whole and of one piece."""
    words: list[pd.DataFrame] = []
    blocks: list[NDArray[np.float64]] = []
    for piece in pieces:
        words.append(piece[list(labels)])
        blocks.append(piece.drop(columns=list(labels)).to_numpy(np.float64))
    values = np.empty((sum(map(len, blocks)), len(positions) - len(labels)))
    end = len(values)
    while blocks:
        block = blocks.pop()
        values[end - len(block) : end] = block
        end -= len(block)
    columns = [at for at in positions if at not in labels]
    together = pd.concat(words)
    return together, pd.DataFrame(values, index=together.index, columns=columns, copy=False)


def _require_no_nul(header: Sequence[str], words: pd.DataFrame, path: Path) -> None:
    """Raise CohortError if a name holds a NUL byte; a number that does is a word already."""
    if any("\0" in name for name in header) or any(words[at].str.contains("\0", regex=False).any() for at in words):
        raise CohortError(
            f"{shown(path)}: a name holds a NUL byte: the file is damaged, no text, or UTF-16; copy it anew, or "
            "save it as UTF-8."
        )


def check_widths(path: Path, first: Head, n_fields: int, quoting: Quoting) -> None:
    """Refuse a matrix with rows that end early: they are what is left of a file that was cut.

    Raises
    ------
    CohortError
        If a row has fewer fields than the header.
    """
    with readable(path), opened(path, "utf-8-sig") as lines:
        rows = csv.reader(islice(lines, first.n_until_rows, None), delimiter=first.divider, quoting=quoting)
        widths = [len(row) for row in rows if row]
    short = [width for width in widths if width < n_fields]
    if short:
        raise CohortError(
            f"{shown(path)}: {len(short)} of {len(widths)} rows have fewer fields than the header (the first: "
            f"{short[0]} of {n_fields}); was the file cut? Copy it anew."
        )


def _rows_of(path: Path, first: Head, is_wanted: Callable[[str], bool], at: int) -> BytesIO:
    """Return the file's lines up to its rows, and of these those whose field at that position is wanted."""
    mark, kept = first.divider.encode(), BytesIO()
    with readable(path), bytes_of(path) as lines:
        for number, line in enumerate(lines):
            is_row = number >= first.n_until_rows and bool(line.strip())
            if not is_row or is_wanted(_field(line, mark, at).decode("utf-8-sig").strip()):
                kept.write(line)
    kept.seek(0)
    return kept


def _field(line: bytes, mark: bytes, at: int) -> bytes:
    if not at:
        return line.partition(mark)[0]
    fields = line.split(mark, at + 1)
    return fields[at] if at < len(fields) else b""


def _not_numbers(column: pd.Series, name: str, path: Path) -> str:
    words = column[pd.to_numeric(column, errors="coerce").isna()]
    first = words.iloc[0] if len(words) else column.iloc[0]
    return (
        f"{shown(path)}: expression must be numbers, but column {name!r} holds {max(len(words), 1)} words "
        f"(first: {str(first)[:24]!r}); remove them, or leave the field empty."
    )
