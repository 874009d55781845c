"""What an interrupted training has done already: trials, folds and random sets, kept as they are finished."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Checkpoints:
    """A folder in which finished parts are kept; without one, nothing is kept and nothing is found.

    Parameters
    ----------
    folder : Path or None
        For one training only: same data, definition, code and libraries.

    Notes
    -----
    A line is appended, or a file put in place whole, only when its part is finished: a process that is killed
    leaves at most a torn last line, which is not read and is cut off before the next is written.
    """

    folder: Path | None = None

    def within(self, name: str) -> Checkpoints:
        """Return the checkpoints of one part, in a folder of their own."""
        return Checkpoints(None if self.folder is None else self.folder / name)

    def lines(self, name: str) -> list[Any]:
        """Return what `append` has kept under a name, in order."""
        path = self._path(name, ".jsonl")
        if path is None or not path.exists():
            return []
        return [json.loads(line) for line in _whole_lines(path.read_bytes()).splitlines()]

    def append(self, name: str, content: Any) -> None:
        """Keep one more part under a name."""
        path = self._path(name, ".jsonl")
        if path is None:
            return
        with path.open("ab+") as file:
            file.seek(0)
            file.truncate(len(_whole_lines(file.read())))
            file.write(json.dumps(content).encode() + b"\n")

    def replace(self, name: str, contents: Sequence[Any]) -> None:
        """Keep these parts under a name in place of all that `append` has kept."""
        path = self._path(name, ".jsonl")
        if path is None:
            return
        unfinished = path.with_suffix(f".{os.getpid()}.part")
        unfinished.write_bytes(b"".join(json.dumps(content).encode() + b"\n" for content in contents))
        unfinished.replace(path)

    def arrays(self, name: str) -> dict[str, Any] | None:
        """Return the arrays that `keep` has kept under a name; None if it has not."""
        path = self._path(name, ".npz")
        if path is None or not path.exists():
            return None
        with np.load(path, allow_pickle=False) as kept:
            return {key: kept[key] for key in kept.files}

    def keep(self, name: str, arrays: Mapping[str, Any]) -> None:
        """Keep arrays under a name, all of them or none."""
        path = self._path(name, ".npz")
        if path is None:
            return
        unfinished = path.with_suffix(f".{os.getpid()}.part")
        with unfinished.open("wb") as file:
            np.savez(file, allow_pickle=False, **dict(arrays))
        unfinished.replace(path)

    def get(self, key: str) -> float | None:
        """Return the number that `put` has kept under a key; None if it has not."""
        return self._numbers.get(key)

    def put(self, key: str, value: float) -> None:
        """Keep a number under a key."""
        self._numbers[key] = value
        self.append("numbers", {"key": key, "value": value})

    @cached_property
    def _numbers(self) -> dict[str, float]:
        return {each["key"]: float(each["value"]) for each in self.lines("numbers")}

    def _path(self, name: str, suffix: str) -> Path | None:
        if self.folder is None:
            return None
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f"{name}{suffix}"


def _whole_lines(content: bytes) -> bytes:
    return content[: content.rfind(b"\n") + 1]


def as_text(values: Floats) -> str:
    """Return numbers as a text that `from_text` turns back into the same bits."""
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f8").tobytes()).decode()


def from_text(text: str) -> Floats:
    """Return the numbers that `as_text` was given."""
    return np.frombuffer(base64.b64decode(text), dtype="<f8").astype(np.float64)
