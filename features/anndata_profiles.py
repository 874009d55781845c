"""AnnData files of patients, read by a process of their own."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from features.anndata_process import AnnDataProcess, unpacked
from features.profile_blocks import Block, Floats, ProfileFileError, require_plausible
from features.profile_cells import ids_of, stacked, words_of


class AnnDataProfiles:
    """An AnnData file (``.h5ad``); columns of ``obs`` follow the genes.

    Parameters
    ----------
    path : Path
    name : str
        What errors call the file.

    Raises
    ------
    ProfileFileError
        If it is not AnnData, has no matrix, or keeps anything that is read in another file.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name = path, name
        try:
            n_bytes = path.stat().st_size
        except OSError as error:
            raise ProfileFileError(f"{name}: cannot be read ({error.strerror or type(error).__name__}).") from error
        with tempfile.TemporaryFile() as said, AnnDataProcess("columns", path, {}, said) as reader:
            written = reader.stdout.read()
            reader.require_ended(name)
        stated = json.loads(written)
        self._n_genes = len(stated["genes"])
        self.columns = (*stated["genes"], *stated["columns"])
        require_plausible(name, n_rows=stated["n_patients"], n_columns=len(self.columns), n_bytes=n_bytes)

    @property
    def gene_positions(self) -> Sequence[int]:
        """The genes of ``var``: a column of ``obs`` that bears a gene's name is a finding about it."""
        return range(self._n_genes)

    @property
    def clinical_positions(self) -> Sequence[int]:
        """The columns of ``obs``."""
        return range(self._n_genes, len(self.columns))

    def blocks(self, numbers: Sequence[int], words: Sequence[int]) -> Iterator[Block]:
        """Yield the patients in order; words only of ``obs``."""
        columns = [self.columns[j] for j in words]
        row = 1
        asked = {"genes": list(numbers), "columns": columns}
        with tempfile.TemporaryFile() as said, AnnDataProcess("rows", self._path, asked, said) as reader:
            for batch in reader.batches():
                yield _block(batch, len(numbers), columns, row)
                row += len(batch)
            reader.require_ended(self._name)


def _block(batch: pa.RecordBatch, n_genes: int, columns: Sequence[str], row: int) -> Block:
    values: list[Floats] = [np.asarray(batch.column(1 + k)) for k in range(n_genes)]
    cells = (batch.column(1 + n_genes + k).to_pylist() for k in range(len(columns)))
    return Block(
        np.arange(row, row + len(batch)),
        ids_of(batch.column(0).to_pylist()),
        stacked(values, len(batch)),
        {name: words_of(unpacked(column)) for name, column in zip(columns, cells, strict=True)},
        {},
    )
