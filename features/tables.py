"""Text and Parquet tables as they come: gzip or not, byte-order marks, either line ending, comment lines first."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Literal, TextIO, cast

import pandas as pd
import pyarrow as pa

from features.clinical import is_missing_word
from features.decimal_marks import decimal_mark
from features.errors import CohortError

#: What expression files write where a value is missing.
MISSING_NUMBERS = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "[Not Available]"]
#: Of a file whose first rows have whole numbers only, the mark stays a point: a comma further down is then a word.
_ROWS_TRIED = 1_000
_BUFFER = 2**20
_LFS_POINTER = "version https://git-lfs"

Quoting = Literal[0, 3]
LITERAL: Quoting = csv.QUOTE_NONE
QUOTED: Quoting = csv.QUOTE_MINIMAL


@dataclass(frozen=True)
class Head:
    """Where a table's rows begin, and what divides their fields.

    Parameters
    ----------
    n_before : int
        Lines before the header line.
    line : str
        The header line.
    divider : str
    n_between : int
        Lines between the header line and the first row.
    by_returns : bool
        Whether lines end as on the first Macintosh.
    """

    n_before: int
    line: str
    divider: str
    n_between: int = 0
    by_returns: bool = False

    def fields(self, quoting: Quoting) -> list[str]:
        """Return the column names."""
        names = next(csv.reader([self.line], delimiter=self.divider, quoting=quoting))
        return [name.strip() for name in names]

    @property
    def n_until_rows(self) -> int:
        """Lines before the first row."""
        return self.n_before + 1 + self.n_between

    @property
    def form(self) -> dict[str, Any]:
        """What pandas needs to know of it."""
        skipped = [*range(self.n_before), *range(self.n_before + 1, self.n_until_rows)]
        return {"sep": self.divider, "skiprows": skipped, "header": 0}


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
    except (pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error) as error:
        reason = " ".join(str(error).split())
        raise CohortError(
            f"{shown(path)}: is not a table ({reason}); every row needs as many fields as the header."
        ) from error


def separator(path: Path, header: str) -> str:
    """Return what divides the fields: tabs, semicolons or commas, as the header line has them.

    Parameters
    ----------
    path : Path
        Decides for a header of one field: a comma in ``.csv``, a tab in all others.
    header : str
    """
    if "\t" in header:
        return "\t"
    semicolons, commas = header.count(";"), header.count(",")
    if semicolons or commas:
        return ";" if semicolons > commas else ","
    return "," if path.name.removesuffix(".gz").lower().endswith(".csv") else "\t"


def read_header(path: Path, *, quoting: Quoting = LITERAL) -> tuple[int, list[str]]:
    """Return how many comment lines come first, and the column names after them.

    Raises
    ------
    CohortError
        If the file cannot be read or is empty.
    """
    found = head(path, "utf-8-sig")
    return found.n_before, found.fields(quoting)


def decimal_commas(path: Path, *, quoting: Quoting = LITERAL, first: Head | None = None) -> bool:
    """Return whether the numbers of a file that tabs or semicolons divide are written with decimal commas.

    Parameters
    ----------
    path : Path
    quoting : Quoting
    first : Head or None
        The table's head, where it is none that `head` finds.

    Raises
    ------
    CohortError
        If the file cannot be read, or it cannot be told (see `features.decimal_marks.decimal_mark`).
    """
    first = first or head(path, "utf-8-sig")
    if first.divider == ",":
        return False
    with readable(path), opened(path, "utf-8-sig") as lines:
        tried = islice(lines, first.n_until_rows, first.n_until_rows + _ROWS_TRIED)
        rows = csv.reader(tried, delimiter=first.divider, quoting=quoting)
        return decimal_mark((row[1:] for row in rows), shown(path)) == ","


def read_strings(path: Path, *, quoting: Quoting = LITERAL, encoding: str = "utf-8-sig") -> pd.DataFrame:
    """Read a clinical table as words: stripped, NaN where a word says that the value is not known.

    Raises
    ------
    CohortError
        If the file cannot be read, a column name occurs twice, or rows and header do not match.
    """
    if path.suffix == ".parquet":
        return known_words(read_parquet(path).astype("str"))
    table = _with_distinct_names(path, quoting, encoding, dtype="str", keep_default_na=False)
    return known_words(table)


def known_words(frame: pd.DataFrame) -> pd.DataFrame:
    """Strip every word, and put NaN for those that stand for "not known"."""
    stripped = {name: frame[name].str.strip() for name in frame.columns}
    return pd.DataFrame({name: words.mask(_is_missing(words)) for name, words in stripped.items()}, index=frame.index)


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a Parquet table; an index that has a name becomes its first column.

    Raises
    ------
    CohortError
        If the file cannot be read or is not Parquet, or has no columns, or two of one name.
    """
    with readable(path), path.open("rb"):
        # What Arrow says of a file has its whole path, and may have several lines.
        try:
            frame = pd.read_parquet(path)
        except (pa.ArrowException, ValueError, OSError, KeyError, TypeError) as error:
            raise CohortError(
                f"{shown(path)}: cannot be read as Parquet ({type(error).__name__}): it is of another format, or "
                "damaged; write it anew."
            ) from error
    frame = frame if isinstance(frame.index, pd.RangeIndex) else frame.reset_index()
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    if frame.columns.empty:
        raise CohortError(f"{shown(path)}: has no columns; write it anew.")
    if frame.columns.has_duplicates:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise CohortError(f"{shown(path)}: column {twice!r} occurs twice; keep one of them.")
    return frame


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
    decimal = "," if decimal_commas(path, quoting=quoting) else "."
    return _with_distinct_names(
        path, quoting, "utf-8-sig", dtype={header[0]: "str"}, na_values=MISSING_NUMBERS, decimal=decimal
    )


def opened(path: Path, encoding: str) -> TextIO:
    """Open a file's text, unpacked, its line ends as they are."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding=encoding, newline="")
    return path.open(encoding=encoding, newline="")


def bytes_of(path: Path) -> BinaryIO:
    """Open a file's bytes, unpacked."""
    return cast("BinaryIO", BufferedReader(gzip.open(path, "rb"), _BUFFER)) if path.suffix == ".gz" else path.open("rb")


def head(path: Path, encoding: str) -> Head:
    """Return the head of a table: its header is the first line that is neither blank nor a comment."""
    with readable(path), opened(path, encoding) as lines:
        for n_comments, line in enumerate(lines):
            refuse_pointer(line, path)
            if line.strip() and not line.startswith("#"):
                header = line.rstrip("\r\n")
                return Head(n_comments, header, separator(path, header), by_returns=line.endswith("\r"))
    raise CohortError(f"{shown(path)}: is empty; it needs a header line and rows.")


def refuse_pointer(line: str, path: Path) -> None:
    """Raise CohortError if a file's first line is that of a pointer in its place."""
    if line.startswith(_LFS_POINTER):
        raise CohortError(f"{shown(path)}: is a Git LFS pointer, not the data; fetch it with 'git lfs pull'.")


def _with_distinct_names(path: Path, quoting: Quoting, encoding: str, **options: Any) -> pd.DataFrame:
    header = head(path, encoding).fields(quoting)
    # What trails the last divider has no name; it must have no values either.
    names = [name or f"\x00{at}" if at else name for at, name in enumerate(header)]
    twice = pd.Index(names)[pd.Index(names).duplicated()]
    if len(twice):
        raise CohortError(f"{shown(path)}: column {twice[0]!r} occurs twice; keep one of them.")
    frame = read_csv(path, encoding, quoting=quoting, names=names, **options)
    if not isinstance(frame.index, pd.RangeIndex):
        raise CohortError(f"{shown(path)}: rows have more fields than the header; name every column.")
    unnamed = [name for name in names if name.startswith("\x00")]
    if not all(_is_missing(frame[name].astype("str").str.strip()).all() for name in unnamed):
        raise CohortError(f"{shown(path)}: a column without a name has values; name every column.")
    return frame.drop(columns=unnamed)


def _is_missing(words: pd.Series) -> pd.Series:
    lower = words.str.lower()
    return lower.isna() | lower.isin([word for word in lower.dropna().unique() if is_missing_word(word)])


def read_csv(
    path: Path, encoding: str, *, source: Path | BytesIO | None = None, first: Head | None = None, **options: Any
) -> pd.DataFrame:
    """Read a table with pandas, what is wrong with it turned into a CohortError that names it.

    Parameters
    ----------
    path : Path
        The file; `source` holds what is read of it, if not all.
    """
    form = (first or head(path, encoding)).form
    with readable(path):
        try:
            return pd.read_csv(source or path, low_memory=False, encoding=encoding, **form, **options)
        except (UnicodeError, pd.errors.ParserError, pd.errors.EmptyDataError):
            raise
        except ValueError as error:
            # Of columns that are asked for, pandas says so where rows are wider than the header.
            raise CohortError(
                f"{shown(path)}: is not a table (its rows have other fields than its header); every row needs as many "
                "fields as the header."
            ) from error


def read_in_pieces(
    path: Path, source: Path | BytesIO, first: Head, *, rows: int, **options: Any
) -> Iterator[pd.DataFrame]:
    """Read a table in UTF-8 in pieces of so many rows, each as `read_csv` would; a table without rows is one piece."""
    with readable(path), pd.read_csv(source, chunksize=rows, encoding="utf-8-sig", **first.form, **options) as pieces:
        yield from pieces
