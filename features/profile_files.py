"""Files of patients to be scored, read block by block: CSV and TSV (gzip or not), and by format any other."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from features.columnar_profiles import AnnDataProfiles, ParquetProfiles
from features.profile_blocks import Block, ProfileFile, ProfileFileError, numbers_of, stacked, word_of
from features.tables import MISSING_NUMBERS

FORMATS = ("csv", "tsv", "parquet", "h5ad")
#: Of text that are read for one block.
BLOCK_BYTES = 2**23
_SUFFIXES = {".csv": "csv", ".tsv": "tsv", ".txt": "tsv", ".parquet": "parquet", ".pq": "parquet", ".h5ad": "h5ad"}
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"


def format_of(name: str) -> str | None:
    """Return the format that a file's name tells of, gzip or not; None where it tells of none."""
    return _SUFFIXES.get(Path(name.lower().removesuffix(".gz")).suffix)


def open_profiles(path: Path, form: str | None = None, *, shown: str | None = None) -> ProfileFile:
    """Open a file of patients.

    Parameters
    ----------
    path : Path
    form : str or None
        One of `FORMATS`; by the file's name if None.
    shown : str or None
        What errors call the file; its name if None.

    Raises
    ------
    ProfileFileError
        If the file cannot be read, is empty, or its name tells of no known format.
    """
    name = shown or path.name
    chosen = form or format_of(path.name)
    if chosen not in FORMATS:
        raise ProfileFileError(
            f"{name}: its format is not known; it may be {', '.join(FORMATS)}, by suffix or as stated."
        )
    try:
        match chosen:
            case "parquet":
                return ParquetProfiles(path, name)
            case "h5ad":
                return AnnDataProfiles(path, name)
        return TextProfiles(path, name, separator="," if chosen == "csv" else "\t")
    except (EOFError, zlib.error) as error:
        raise ProfileFileError(f"{name}: is damaged ({type(error).__name__}); copy it anew.") from error
    except OSError as error:
        raise ProfileFileError(f"{name}: cannot be read ({error.strerror or type(error).__name__}).") from error


class TextProfiles:
    """A CSV or TSV file, one patient a row, ids in the first column."""

    def __init__(self, path: Path, name: str, *, separator: str) -> None:
        self._path, self._name, self._separator = path, name, separator
        with self._opened() as file:
            first = file.readline()
        self._header_bytes = len(first)
        header = self._fields(first.removeprefix(_BOM))
        if len(header) < 2:
            raise ProfileFileError(
                f"{name}: its header has {len(header)} column; ids come first, then genes, divided by {separator!r}."
            )
        self.columns = tuple(header[1:])

    def blocks(self, numbers: Sequence[int], words: Sequence[int]) -> Iterator[Block]:
        """Yield the patients in order."""
        row = 1
        for text in self._texts():
            block = self._block(text, numbers, words, row)
            yield block
            row = int(block.rows[-1]) + 1 if len(block.rows) else row

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        with self._path.open("rb") as file:
            zipped = file.read(2) == _GZIP
            file.seek(0)
            if not zipped:
                yield file
                return
            with gzip.GzipFile(fileobj=file) as unzipped:
                yield cast("IO[bytes]", unzipped)

    def _fields(self, line: bytes) -> list[str]:
        try:
            text = line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise ProfileFileError(f"{self._name}: is not text in UTF-8; save it as UTF-8.") from None
        try:
            return [field.strip() for field in next(csv.reader([text], delimiter=self._separator), [])]
        except csv.Error:
            # A carriage return within the line, or a field of more than 128 KiB.
            raise ProfileFileError(f"{self._name}: its first line is no header; end lines with \\n.") from None

    def _texts(self) -> Iterator[bytes]:
        """Yield whole lines, many at a time."""
        try:
            with self._opened() as file:
                file.seek(self._header_bytes)
                rest = b""
                while read := file.read(BLOCK_BYTES):
                    whole, newline, rest = (rest + read).rpartition(b"\n")
                    if newline:
                        yield whole
                if rest.strip():
                    yield rest
        except (EOFError, OSError, zlib.error) as error:
            raise ProfileFileError(f"{self._name}: is damaged ({type(error).__name__}); copy it anew.") from error

    def _block(self, text: bytes, numbers: Sequence[int], words: Sequence[int], row: int) -> Block:
        try:
            table = self._table(text, numbers, words, as_numbers=True)
        except pa.ArrowInvalid:
            # A word among the numbers, or a row of another length: read again as words, to tell which row it is.
            return self._slow_block(text, numbers, words, row)
        columns = [numbers_of(table.column(f"{j}")) for j in range(len(numbers))]
        return Block(
            np.arange(row, row + len(table)),
            ["" if name is None else name for name in table.column("id").to_pylist()],
            stacked(columns, len(table)),
            {self.columns[j]: table.column(f"w{j}").to_pylist() for j in words},
            {},
        )

    def _table(self, text: bytes, numbers: Sequence[int], words: Sequence[int], *, as_numbers: bool) -> pa.Table:
        names = [f"unread {j}" for j in range(len(self.columns))]
        for place, j in enumerate(numbers):
            names[j] = f"{place}"
        for j in words:
            names[j] = f"w{j}"
        kinds = {f"{j}": pa.float64() if as_numbers else pa.string() for j in range(len(numbers))}
        kinds |= {"id": pa.string()} | {f"w{j}": pa.string() for j in words}
        return pacsv.read_csv(
            io.BytesIO(text),
            read_options=pacsv.ReadOptions(column_names=["id", *names], use_threads=False, block_size=2 * BLOCK_BYTES),
            parse_options=pacsv.ParseOptions(delimiter=self._separator, ignore_empty_lines=True),
            convert_options=pacsv.ConvertOptions(
                column_types=kinds,
                include_columns=list(kinds),
                null_values=MISSING_NUMBERS,
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )

    def _slow_block(self, text: bytes, numbers: Sequence[int], words: Sequence[int], row: int) -> Block:
        lines = [line for line in text.decode("utf-8", "replace").split("\n") if line.strip()]
        fields = [next(csv.reader([line.rstrip("\r")], delimiter=self._separator), []) for line in lines]
        values, faults = np.full((len(lines), len(numbers)), np.nan), {}
        for i, cells in enumerate(fields):
            if len(cells) != len(self.columns) + 1:
                faults[i] = f"has {len(cells)} fields where the header has {len(self.columns) + 1}."
                continue
            for place, j in enumerate(numbers):
                value = _number(cells[j + 1])
                if value is None:
                    faults.setdefault(i, f"column {self.columns[j]!r} holds a word where a number must stand.")
                else:
                    values[i, place] = value
        found = {
            self.columns[j]: [word_of(cells[j + 1] if len(cells) > j + 1 else "") for cells in fields] for j in words
        }
        ids = [cells[0].strip() if cells else "" for cells in fields]
        return Block(np.arange(row, row + len(lines)), ids, values, found, faults)


def _number(text: str) -> float | None:
    stripped = text.strip()
    if stripped in MISSING_NUMBERS:
        return float("nan")
    try:
        return float(stripped)
    except ValueError:
        return None
