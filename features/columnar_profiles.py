"""Files of patients to be scored that are kept by column: Parquet and AnnData."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from features.profile_blocks import BLOCK_ROWS, Block, ProfileFileError, numbers_of, stacked, word_of

Floats = NDArray[np.float64]


class ParquetProfiles:
    """A Parquet file, one patient a row, ids in the first column or in the index that pandas wrote."""

    def __init__(self, path: Path, name: str) -> None:
        self._name = name
        try:
            self._file = pq.ParquetFile(path)
        except (pa.ArrowInvalid, pa.ArrowException) as error:
            raise ProfileFileError(f"{name}: is not a Parquet file ({type(error).__name__}).") from error
        columns = list(self._file.schema_arrow.names)
        index = [c for c in (self._file.schema_arrow.pandas_metadata or {}).get("index_columns", []) if c in columns]
        if len(columns) < 2:
            raise ProfileFileError(f"{name}: has {len(columns)} columns; it needs ids and genes.")
        self._id = index[0] if index else columns[0]
        self.columns = tuple(column for column in columns if column != self._id)

    def blocks(self, numbers: Sequence[int], words: Sequence[int]) -> Iterator[Block]:
        """Yield the patients in order."""
        read = list(dict.fromkeys([self._id, *(self.columns[j] for j in (*numbers, *words))]))
        row = 1
        try:
            for batch in self._file.iter_batches(BLOCK_ROWS, columns=read, use_threads=False):
                yield self._block(batch, numbers, words, row)
                row += len(batch)
        except (pa.ArrowException, OSError) as error:
            raise ProfileFileError(f"{self._name}: is damaged ({type(error).__name__}); copy it anew.") from error

    def _block(self, batch: pa.RecordBatch, numbers: Sequence[int], words: Sequence[int], row: int) -> Block:
        columns = []
        for j in numbers:
            try:
                columns.append(numbers_of(batch.column(self.columns[j]).cast(pa.float64())))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                raise ProfileFileError(
                    f"{self._name}: column {self.columns[j]!r} holds words where numbers must stand."
                ) from None
        return Block(
            np.arange(row, row + len(batch)),
            ["" if name is None else str(name) for name in batch.column(self._id).to_pylist()],
            stacked(columns, len(batch)),
            {self.columns[j]: [word_of(value) for value in batch.column(self.columns[j]).to_pylist()] for j in words},
            {},
        )


class AnnDataProfiles:
    """An AnnData file: patients in ``obs``, genes in ``var``; columns of ``obs`` follow the genes."""

    def __init__(self, path: Path, name: str) -> None:
        self._name = name
        try:
            with warnings.catch_warnings():
                # Its own about pandas' and zarr's, which are nobody's here.
                warnings.simplefilter("ignore")
                # Imported late: it takes a second, and other formats need none of it.
                import anndata  # noqa: PLC0415

                self._data: Any = anndata.read_h5ad(path, backed="r")
        except Exception as error:
            raise ProfileFileError(f"{name}: is not an AnnData file ({type(error).__name__}).") from error
        self._genes = [str(gene) for gene in self._data.var_names]
        self.columns = (*self._genes, *(str(column) for column in self._data.obs.columns))

    def blocks(self, numbers: Sequence[int], words: Sequence[int]) -> Iterator[Block]:
        """Yield the patients in order."""
        for start in range(0, self._data.n_obs, BLOCK_ROWS):
            stop = min(start + BLOCK_ROWS, self._data.n_obs)
            yield self._block(start, stop, numbers, words)

    def _block(self, start: int, stop: int, numbers: Sequence[int], words: Sequence[int]) -> Block:
        whole = self._data.X[start:stop]
        dense = np.asarray(whole.todense() if hasattr(whole, "todense") else whole, dtype=np.float64)
        table = self._data.obs.iloc[start:stop]
        cells = [
            dense[:, j] if j < len(self._genes) else table.iloc[:, j - len(self._genes)].to_numpy(np.float64)
            for j in numbers
        ]
        found = {self.columns[j]: self._words(dense, table, j) for j in words}
        ids = [str(name) for name in self._data.obs_names[start:stop]]
        return Block(np.arange(start + 1, stop + 1), ids, stacked(cells, stop - start), found, {})

    def _words(self, dense: Floats, table: Any, j: int) -> list[Any]:
        if j < len(self._genes):
            return [word_of(value) for value in dense[:, j].tolist()]
        return [word_of(value) for value in table.iloc[:, j - len(self._genes)].astype(object).tolist()]
