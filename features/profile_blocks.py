"""What a file of patients to be scored is read into: blocks of rows, whatever its format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from features.errors import PrognosisError

Floats = NDArray[np.float64]

#: Patients in a block of a file of columns.
BLOCK_ROWS = 8192


class ProfileFileError(PrognosisError):
    """A file of patients cannot be read."""


@dataclass(frozen=True, eq=False)
class Block:
    """Some patients of a file.

    Parameters
    ----------
    rows : array of int, shape (n_patients,)
        Where each stands in the file, from 1, the header not counted.
    ids : list of str
    numbers : array, shape (n_patients, n_columns)
        Of the columns asked for; NaN where empty.
    words : mapping of str to list
        Of the other columns asked for: text or numbers, None where empty.
    faults : mapping of int to str
        What is wrong with a patient, by position in the block.
    """

    rows: NDArray[np.int64]
    ids: list[str]
    numbers: Floats
    words: Mapping[str, list[Any]]
    faults: Mapping[int, str]


class ProfileFile(Protocol):
    """A file of patients, one a row."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns but the first, which holds the ids."""

    def blocks(self, numbers: Sequence[int], words: Sequence[int]) -> Iterator[Block]:
        """Yield the patients in order, of them the columns at these positions.

        Raises
        ------
        ProfileFileError
            If the file turns out damaged.
        """


def numbers_of(column: pa.ChunkedArray | pa.Array) -> Floats:
    """Return an Arrow column as numbers; NaN where empty."""
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)


def stacked(columns: Sequence[Floats], n_rows: int) -> Floats:
    """Return columns side by side; there may be none."""
    return np.column_stack(columns) if columns else np.empty((n_rows, 0))


def word_of(value: Any) -> Any:
    """Return a cell as clinical readers take it; None where it is empty."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    if isinstance(value, str):
        return value.strip() or None
    return value.item() if isinstance(value, np.generic) else value
