"""Parquet files of patients: one a row, ids in the first column or in the index that pandas wrote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from features.profile_blocks import BLOCK_ROWS, Block, ProfileFileError, require_plausible
from features.profile_cells import NoNumbersError, ids_of, is_numeric, numbers_of, stacked, words_of

Floats = NDArray[np.float64]

#: How much a column of a group of rows may unpack to.
MOST_UNPACKED_BYTES = 2**30


class ParquetProfiles:
    """A Parquet file.

    Parameters
    ----------
    path : Path
    name : str
        What errors call the file.

    Raises
    ------
    ProfileFileError
        If it is not Parquet, or has no column beside the ids.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name = path, name
        with self._opened() as file:
            columns = list(file.schema_arrow.names)
            index = _index_columns(file.schema_arrow, name)
            self._kinds = dict(zip(columns, file.schema_arrow.types, strict=True))
            n_rows = file.metadata.num_rows
        if len(columns) < 2:
            raise ProfileFileError(f"{name}: has {len(columns)} columns; it needs ids and genes.")
        require_plausible(name, n_rows=n_rows, n_columns=len(columns), n_bytes=path.stat().st_size)
        self._id = index[0] if index else columns[0]
        self._require_single(columns, [self._id])
        self.columns = tuple(column for column in columns if column != self._id)

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
        read = list(dict.fromkeys([self._id, *(self.columns[j] for j in (*numbers, *words))]))
        self._require_single(self.columns, read)
        for column in (self._id, *(self.columns[j] for j in words)):
            self._require_words(column)
        row = 1
        for batch in self._batches(read):
            yield self._block(batch, numbers, words, row)
            row += len(batch)

    def _batches(self, read: Sequence[str]) -> Iterator[pa.RecordBatch]:
        with self._opened() as file:
            self._require_bounded(file.metadata, read)
            # Not threaded: a worker answers others too.
            for batch in file.iter_batches(BLOCK_ROWS, columns=read, use_threads=False):
                if len(batch):
                    yield batch

    @contextmanager
    def _opened(self) -> Iterator[pq.ParquetFile]:
        try:
            with pq.ParquetFile(self._path) as file:
                yield file
        except ProfileFileError:
            raise
        except FileNotFoundError as error:
            raise ProfileFileError(f"{self._name}: cannot be read ({error.strerror or 'no such file'}).") from error
        # What Arrow raises of damaged bytes is of many kinds, KeyError and UnicodeDecodeError among them.
        except Exception as error:
            reason = f"is not a Parquet file, or is damaged ({type(error).__name__}); write it anew"
            raise ProfileFileError(f"{self._name}: {reason}.") from error

    def _block(self, batch: pa.RecordBatch, numbers: Sequence[int], words: Sequence[int], row: int) -> Block:
        values: list[Floats] = []
        faults: dict[int, str] = {}
        for j in numbers:
            found, at_fault = self._numbers(batch, self.columns[j])
            for i in np.flatnonzero(at_fault).tolist():
                faults.setdefault(i, f"column {self.columns[j]!r} holds a word where a number must stand.")
            values.append(found)
        return Block(
            np.arange(row, row + len(batch)),
            ids_of(self._cells(batch, self._id)),
            stacked(values, len(batch)),
            {self.columns[j]: words_of(self._cells(batch, self.columns[j])) for j in words},
            faults,
        )

    def _numbers(self, batch: pa.RecordBatch, column: str) -> tuple[Floats, NDArray[np.bool_]]:
        try:
            return numbers_of(batch.column(column))
        except NoNumbersError as error:
            raise ProfileFileError(
                f"{self._name}: column {column!r} holds values of type {str(error)[:40]}, where numbers must stand; "
                "store them as numbers."
            ) from None
        except pa.ArrowException as error:
            raise self._damaged(column, error) from error

    def _cells(self, batch: pa.RecordBatch, column: str) -> list[object]:
        try:
            return list(batch.column(column).to_pylist())
        except (pa.ArrowException, ValueError, OverflowError) as error:
            raise self._damaged(column, error) from error

    def _damaged(self, column: str, error: Exception) -> ProfileFileError:
        return ProfileFileError(
            f"{self._name}: column {column!r} cannot be read ({type(error).__name__}); write it anew, as UTF-8."
        )

    def _require_words(self, column: str) -> None:
        kind = self._kinds[column]
        while pa.types.is_dictionary(kind):
            kind = kind.value_type
        is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
        if not (is_text or is_numeric(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind)):
            raise ProfileFileError(
                f"{self._name}: column {column!r} holds values of type {str(kind)[:40]}; store them as words."
            )

    def _require_single(self, columns: Sequence[str], read: Sequence[str]) -> None:
        for column in read:
            if list(columns).count(column) > 1:
                raise ProfileFileError(f"{self._name}: has two columns {column!r}; keep one.")

    def _require_bounded(self, metadata: pq.FileMetaData, read: Sequence[str]) -> None:
        wanted = set(read)
        places = [j for j in range(metadata.num_columns) if metadata.schema.column(j).path in wanted]
        for i in range(metadata.num_row_groups):
            for j in places:
                chunk = metadata.row_group(i).column(j)
                if chunk.total_uncompressed_size > MOST_UNPACKED_BYTES:
                    raise ProfileFileError(
                        f"{self._name}: column {chunk.path_in_schema!r} unpacks to {chunk.total_uncompressed_size} "
                        f"bytes in one group of rows, {MOST_UNPACKED_BYTES} at most are read; write smaller groups."
                    )


def _index_columns(schema: pa.Schema, name: str) -> list[str]:
    """Return the columns that pandas calls its index."""
    try:
        stated = (schema.pandas_metadata or {}).get("index_columns", [])
    except (ValueError, AttributeError) as error:
        raise ProfileFileError(
            f"{name}: what pandas noted in it is broken, and with it which column holds the ids; write it anew."
        ) from error
    # A range of numbers is noted as an object, and is no column.
    columns = stated if isinstance(stated, list) else []
    return [column for column in columns if isinstance(column, str) and column in schema.names]
