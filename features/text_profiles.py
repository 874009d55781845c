"""CSV and TSV files of patients: Arrow reads what is sound, and what is not is read line by line to the same end."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from features.profile_blocks import BLOCK_ROWS, Block, ProfileFileError, require_plausible
from features.profile_cells import ids_of, numbers_of, stacked, words_of
from features.tables import MISSING_NUMBERS
from features.text_lines import BLOCK_BYTES, TextLines
from features.text_rows import RowError, fields_of, is_plain

Floats = NDArray[np.float64]

_BOM = b"\xef\xbb\xbf"


class TextProfiles:
    """A CSV or TSV file, one patient a line, ids in the first column.

    Parameters
    ----------
    path : Path
    name : str
        What errors call the file.
    separator : str
    block_bytes : int
        How much is read at once; it changes no answer.

    Raises
    ------
    ProfileFileError
        If its first line is no header.
    """

    def __init__(self, path: Path, name: str, *, separator: str, block_bytes: int = BLOCK_BYTES) -> None:
        self._name, self._separator = name, separator
        self._lines = TextLines(path, name, block_bytes)
        first = self._lines.first()
        self._header_bytes = len(first)
        self.columns = tuple(self._header(first.removeprefix(_BOM))[1:])

    @property
    def gene_positions(self) -> Sequence[int]:
        """Any of the columns."""
        return range(len(self.columns))

    @property
    def clinical_positions(self) -> Sequence[int]:
        """Any of the columns."""
        return range(len(self.columns))

    def blocks(self, numbers: Sequence[int], words: Sequence[int]) -> Iterator[Block]:
        """Yield the patients in order."""
        wanted = _Wanted(self.columns, tuple(numbers), tuple(words), self._separator)
        row = 1
        for lines in self._lines.after(self._header_bytes):
            fast = wanted.fast_blocks(lines, row)
            for block in wanted.careful_blocks(lines, row) if fast is None else fast:
                yield block
                row += len(block.ids)

    def _header(self, line: bytes) -> list[str]:
        try:
            header = [field.strip() for field in fields_of(line, self._separator)]
        except RowError as error:
            raise ProfileFileError(f"{self._name}: its first line {error}") from None
        if len(header) < 2:
            n_columns = len(header) if line.strip() else 0
            raise ProfileFileError(
                f"{self._name}: its header has {n_columns} column; ids come first, then genes, divided by "
                f"{self._separator!r}."
            )
        require_plausible(self._name, n_rows=0, n_columns=len(header), n_bytes=len(line))
        return header


@dataclass(frozen=True)
class _Wanted:
    """The columns that are read of each line."""

    columns: tuple[str, ...]
    numbers: tuple[int, ...]
    words: tuple[int, ...]
    separator: str

    def fast_blocks(self, lines: bytes, row: int) -> Iterator[Block] | None:
        """Return the patients of lines that Arrow reads as `careful_blocks` would; None if any is not so."""
        if not is_plain(lines, self.separator):
            return None
        try:
            table = self._table(lines)
        except pa.ArrowInvalid:
            # A word among the numbers, or a row of another length.
            return None
        columns = [table.column(f"{place}") for place in range(len(self.numbers))]
        values = stacked([np.asarray(each.to_numpy(), dtype=np.float64) for each in columns], len(table))
        if np.count_nonzero(~np.isfinite(values)) != sum(each.null_count for each in columns):
            # Arrow takes words such as inf for numbers.
            return None
        return (self._fast_block(table, values, row, start) for start in range(0, len(table), BLOCK_ROWS))

    def careful_blocks(self, lines: bytes, row: int) -> Iterator[Block]:
        """Yield the patients of any lines, with the faults of each."""
        whole = [line for line in lines.split(b"\n") if line.strip(b" \r")]
        for start in range(0, len(whole), BLOCK_ROWS):
            yield self._careful_block(whole[start : start + BLOCK_ROWS], row + start)

    def _fast_block(self, table: pa.Table, values: Floats, row: int, start: int) -> Block:
        part = table.slice(start, BLOCK_ROWS)
        return Block(
            np.arange(row + start, row + start + len(part)),
            ids_of(part.column("id").to_pylist()),
            values[start : start + len(part)],
            {self.columns[j]: words_of(part.column(f"w{j}").to_pylist()) for j in self.words},
            {},
        )

    def _table(self, lines: bytes) -> pa.Table:
        names = [f"unread {j}" for j in range(len(self.columns))]
        kinds = {"id": pa.string()}
        for j in self.words:
            names[j] = f"w{j}"
            kinds[names[j]] = pa.string()
        for place, j in enumerate(self.numbers):
            names[j] = f"{place}"
            kinds[names[j]] = pa.float64()
        return pacsv.read_csv(
            io.BytesIO(lines),
            read_options=pacsv.ReadOptions(column_names=["id", *names], use_threads=False, block_size=len(lines) + 1),
            parse_options=pacsv.ParseOptions(delimiter=self.separator, ignore_empty_lines=True),
            convert_options=pacsv.ConvertOptions(
                column_types=kinds,
                include_columns=list(kinds),
                null_values=MISSING_NUMBERS,
                # Of numbers only: an id may be NA.
                strings_can_be_null=False,
                quoted_strings_can_be_null=True,
            ),
        )

    def _careful_block(self, lines: Sequence[bytes], row: int) -> Block:
        read = [0, *(j + 1 for j in (*self.numbers, *self.words))]
        empty = [""] * (len(read) - 1)
        cells: list[list[str]] = []
        faults: dict[int, str] = {}
        for i, line in enumerate(lines):
            fields, fault = self._fields(line)
            if fault is not None:
                faults[i] = fault
            cells.append([fields[k] for k in read] if fault is None else [fields[0], *empty])
        columns = [list(column) for column in zip(*cells, strict=True)]
        values, n = [], len(self.numbers)
        for j, column in zip(self.numbers, columns[1 : 1 + n], strict=True):
            found, words = numbers_of(pa.array(column, pa.string()))
            for i in np.flatnonzero(words).tolist():
                faults.setdefault(i, f"column {self.columns[j]!r} holds a word where a number must stand.")
            values.append(found)
        return Block(
            np.arange(row, row + len(lines)),
            ids_of(columns[0]),
            stacked(values, len(lines)),
            {self.columns[j]: words_of(column) for j, column in zip(self.words, columns[1 + n :], strict=True)},
            faults,
        )

    def _fields(self, line: bytes) -> tuple[list[str], str | None]:
        try:
            fields = fields_of(line, self.separator)
        except RowError as error:
            return [""], str(error)
        if len(fields) != len(self.columns) + 1:
            return fields, f"has {len(fields)} fields where the header has {len(self.columns) + 1}."
        return fields, None
