"""The process of its own by which an AnnData file is read: started, listened to, and ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from features.profile_blocks import ProfileFileError

#: `features.anndata_reader.REFUSED`, which is not imported: its module opens HDF5.
_REFUSED = 3
_LONGEST_WORDS = 1000
#: Of processor time that reading any file may take, and each of its MiB besides.
SECONDS_OF_ANY_FILE = 20


class AnnDataProcess:
    """The process that reads one file, for as long as it is read from.

    Parameters
    ----------
    what : str
        ``columns``, ``rows`` or ``cohort``.
    path : Path
    asked : dict or None
        What the process is told, as JSON; None where that comes later.
    said : file
        Takes its last words.
    """

    def __init__(self, what: str, path: Path, asked: dict[str, Any] | None, said: IO[bytes]) -> None:
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
        assert self._process.stdout is not None  # noqa: S101
        self.stdout = self._process.stdout
        if asked is not None:
            self.ask(asked)

    def ask(self, asked: dict[str, Any]) -> None:
        """Tell the process what to read; once."""
        assert self._process.stdin is not None  # noqa: S101
        try:
            self._process.stdin.write(json.dumps(asked).encode())
            self._process.stdin.close()
        except BrokenPipeError:
            # It has ended already, and says why.
            pass

    def __enter__(self) -> AnnDataProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.stdout.close()
        self._process.kill()
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
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


def unpacked(column: list[str | None]) -> list[Any]:
    """Return cells that the process sent as JSON."""
    known: dict[str | None, Any] = {None: None}
    for cell in column:
        if cell not in known and cell is not None:
            known[cell] = json.loads(cell)
    return [known[cell] for cell in column]
