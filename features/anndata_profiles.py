"""AnnData files of patients, read by a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from features.profile_blocks import Block, Floats, ProfileFileError, require_plausible
from features.profile_cells import ids_of, stacked, words_of

#: `features.anndata_reader.REFUSED`, which is not imported: its module opens HDF5.
_REFUSED = 3
_LONGEST_WORDS = 1000
#: Of processor time that reading any file may take, and each of its MiB besides.
SECONDS_OF_ANY_FILE = 20


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
        with tempfile.TemporaryFile() as said, _Reader("columns", path, {}, said) as reader:
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
        with tempfile.TemporaryFile() as said, _Reader("rows", self._path, asked, said) as reader:
            for batch in reader.batches():
                yield _block(batch, len(numbers), columns, row)
                row += len(batch)
            reader.require_ended(self._name)


class _Reader:
    """The process, for as long as it is read from."""

    def __init__(self, what: str, path: Path, asked: dict[str, Any], said: IO[bytes]) -> None:
        root = str(Path(__file__).resolve().parent.parent)
        known = os.environ.get("PYTHONPATH")
        # One thread: each further one would reserve address space.
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([root, known] if known else [root]),
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        self._said, self._is_broken = said, False
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "features.anndata_reader", what, str(path.resolve()), str(_seconds(path))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            env=environment,
        )
        assert self._process.stdin is not None  # noqa: S101
        assert self._process.stdout is not None  # noqa: S101
        self.stdout = self._process.stdout
        try:
            self._process.stdin.write(json.dumps(asked).encode())
            self._process.stdin.close()
        except BrokenPipeError:
            # It has ended already, and says why.
            pass

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.stdout.close()
        self._process.kill()
        self._process.wait()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield what it reads, until it ends or breaks down."""
        try:
            with pa.ipc.open_stream(self.stdout) as stream:
                for batch in stream:
                    batch.validate(full=True)
                    yield batch
        except (pa.ArrowException, OSError, EOFError):
            self._is_broken = True

    def require_ended(self, name: str) -> None:
        """Raise ProfileFileError unless it has read all."""
        code = self._process.wait()
        # A stream that makes no sense has no end either.
        code = code or int(self._is_broken)
        if code == _REFUSED:
            self._said.seek(0)
            words = self._said.read(_LONGEST_WORDS).decode("utf-8", "replace")
            raise ProfileFileError(f"{name}: {words}.")
        if code != 0:
            raise ProfileFileError(
                f"{name}: is not an AnnData file, or is damaged (reading broke down); write it anew."
            )


def _seconds(path: Path) -> int:
    return SECONDS_OF_ANY_FILE + path.stat().st_size // 2**20


def _block(batch: pa.RecordBatch, n_genes: int, columns: Sequence[str], row: int) -> Block:
    values: list[Floats] = [np.asarray(batch.column(1 + k)) for k in range(n_genes)]
    cells = (batch.column(1 + n_genes + k).to_pylist() for k in range(len(columns)))
    return Block(
        np.arange(row, row + len(batch)),
        ids_of(batch.column(0).to_pylist()),
        stacked(values, len(batch)),
        {name: words_of(_unpacked(column)) for name, column in zip(columns, cells, strict=True)},
        {},
    )


def _unpacked(column: list[str | None]) -> list[Any]:
    known: dict[str | None, Any] = {None: None}
    for cell in column:
        if cell not in known and cell is not None:
            known[cell] = json.loads(cell)
    return [known[cell] for cell in column]
