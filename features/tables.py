"""Text and Parquet tables as they come: gzip or not, byte-order marks, either line ending, comment lines first."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TextIO

import numpy as np
import pandas as pd

from features.clinical import is_missing_word
from features.errors import CohortError

#: What expression files write where a value is missing.
MISSING_NUMBERS = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "[Not Available]"]
_LFS_POINTER = "version https://git-lfs"

Quoting = Literal[0, 3]
LITERAL: Quoting = csv.QUOTE_NONE
QUOTED: Quoting = csv.QUOTE_MINIMAL


def shown(path: Path) -> str:
    """Name a file in an error: its folder and itself."""
    return f"{path.parent.name}/{path.name}"


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn whatever is wrong with a file into a CohortError that names it."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise CohortError(f"{shown(path)}: is not text in UTF-8 (byte {error.start}); save it as UTF-8.") from error
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise CohortError(f"{shown(path)}: cannot be read ({reason}); copy it anew.") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        reason = " ".join(str(error).split())
        raise CohortError(
            f"{shown(path)}: is not a table ({reason}); every row needs as many fields as the header."
        ) from error


def separator(path: Path) -> str:
    """Return what divides the fields: a comma in ``.csv``, a tab in all others."""
    return "," if path.name.removesuffix(".gz").lower().endswith(".csv") else "\t"


def read_header(path: Path, *, quoting: Quoting = LITERAL) -> tuple[int, list[str]]:
    """Return how many comment lines come first, and the column names after them.

    Raises
    ------
    CohortError
        If the file cannot be read or is empty.
    """
    with readable(path), _opened(path) as lines:
        for n_comments, line in enumerate(lines):
            if line.startswith(_LFS_POINTER):
                raise CohortError(f"{shown(path)}: is a Git LFS pointer, not the data; fetch it with 'git lfs pull'.")
            if line.strip() and not line.startswith("#"):
                fields = next(csv.reader([line.rstrip("\r\n")], delimiter=separator(path), quoting=quoting))
                return n_comments, [field.strip() for field in fields]
    raise CohortError(f"{shown(path)}: is empty; it needs a header line and rows.")


def read_strings(path: Path, *, quoting: Quoting = LITERAL) -> pd.DataFrame:
    """Read a clinical table as words: stripped, NaN where a word says that the value is not known.

    Raises
    ------
    CohortError
        If the file cannot be read, a column name occurs twice, or rows and header do not match.
    """
    if path.suffix == ".parquet":
        return known_words(read_parquet(path).astype("str"))
    return known_words(_with_distinct_names(path, quoting, dtype="str", keep_default_na=False))


def known_words(frame: pd.DataFrame) -> pd.DataFrame:
    """Strip every word, and put NaN for those that stand for "not known"."""
    stripped = {name: frame[name].str.strip() for name in frame.columns}
    return pd.DataFrame({name: words.mask(_is_missing(words)) for name, words in stripped.items()}, index=frame.index)


def read_matrix(path: Path, labels: Sequence[int], *, quoting: Quoting = LITERAL) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read a table of numbers with columns of labels.

    Parameters
    ----------
    path : Path
    labels : sequence of int
        Positions of the columns that are words.

    Returns
    -------
    labels : DataFrame of str
        Under the header's names; empty where missing.
    values : DataFrame of float64
        The other columns, the header's names kept even where one occurs twice.

    Raises
    ------
    CohortError
        If the file cannot be read, or holds a word where a number must stand (named, with its column).
    """
    n_comments, header = read_header(path, quoting=quoting)
    frame = _read_csv(
        path,
        n_comments,
        quoting=quoting,
        dtype=dict.fromkeys(labels, "str"),
        na_values=MISSING_NUMBERS,
        names=list(range(len(header))),
    )
    if not isinstance(frame.index, pd.RangeIndex):
        raise CohortError(f"{shown(path)}: rows have more fields than the header; name every column.")
    words = frame[list(labels)].set_axis([header[position] for position in labels], axis=1)
    numbers = frame.drop(columns=list(labels))
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
    return pd.DataFrame(values, index=frame.index, columns=frame.columns)


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a Parquet table; an index that has a name becomes its first column."""
    with readable(path):
        try:
            frame = pd.read_parquet(path)
        except ValueError as error:  # what Arrow raises where a file is not Parquet
            raise OSError(f"not Parquet: {error}") from error
    return frame if isinstance(frame.index, pd.RangeIndex) else frame.reset_index()


def read_typed(path: Path, *, quoting: Quoting = LITERAL) -> pd.DataFrame:
    """Read a table whose columns are words or numbers, each as it is; the first column is words.

    Raises
    ------
    CohortError
        If the file cannot be read, a column name occurs twice, or rows and header do not match.
    """
    if path.suffix == ".parquet":
        frame = read_parquet(path)
        return frame.astype({frame.columns[0]: "str"})
    _, header = read_header(path, quoting=quoting)
    return _with_distinct_names(path, quoting, dtype={header[0]: "str"}, na_values=MISSING_NUMBERS)


def _not_numbers(column: pd.Series, name: str, path: Path) -> str:
    words = column[pd.to_numeric(column, errors="coerce").isna()]
    first = words.iloc[0] if len(words) else column.iloc[0]
    return (
        f"{shown(path)}: expression must be numbers, but column {name!r} holds {max(len(words), 1)} words "
        f"(first: {str(first)[:24]!r}); remove them, or leave the field empty."
    )


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _with_distinct_names(path: Path, quoting: Quoting, **options: Any) -> pd.DataFrame:
    n_comments, header = read_header(path, quoting=quoting)
    twice = pd.Index(header)[pd.Index(header).duplicated()]
    if len(twice):
        raise CohortError(f"{shown(path)}: column {twice[0]!r} occurs twice; keep one of them.")
    frame = _read_csv(path, n_comments, quoting=quoting, names=header, **options)
    if not isinstance(frame.index, pd.RangeIndex):
        raise CohortError(f"{shown(path)}: rows have more fields than the header; name every column.")
    return frame


def _is_missing(words: pd.Series) -> pd.Series:
    lower = words.str.lower()
    return lower.isna() | lower.isin([word for word in lower.dropna().unique() if is_missing_word(word)])


def _read_csv(path: Path, n_comments: int, **options: Any) -> pd.DataFrame:
    with readable(path):
        return pd.read_csv(
            path, sep=separator(path), skiprows=n_comments, header=0, encoding="utf-8-sig", low_memory=False, **options
        )
