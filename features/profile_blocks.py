"""What a file of patients to be scored is read into: blocks of rows, whatever its format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from features.errors import PrognosisError

Floats = NDArray[np.float64]

#: Patients in a block.
BLOCK_ROWS = 8192
#: Columns of a file: more than probes of any array, fewer than would fill the memory with their names.
MOST_COLUMNS = 2**20
#: Patients that even the smallest file may have; further ones need a byte each.
ROWS_OF_ANY_FILE = 1_000_000


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
    """A file of patients, one a row.

    What a row means depends on that row alone: a fault in one changes nothing of another.
    """

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns but the one that holds the ids."""

    @property
    def gene_positions(self) -> Sequence[int]:
        """Which of the columns may be genes."""

    @property
    def clinical_positions(self) -> Sequence[int]:
        """Which of the columns may be clinical covariates."""

    def blocks(self, numbers: Sequence[int], words: Sequence[int]) -> Iterator[Block]:
        """Yield the patients in order, of them the columns at these positions.

        Parameters
        ----------
        numbers : sequence of int
            Among `gene_positions`.
        words : sequence of int
            Among either.

        Raises
        ------
        ProfileFileError
            If the file turns out damaged.
        """


def require_plausible(name: str, *, n_rows: int, n_columns: int, n_bytes: int) -> None:
    """Refuse a table whose stated size its file cannot hold.

    Raises
    ------
    ProfileFileError
        If it has more columns than `MOST_COLUMNS`, or more rows than bytes beyond `ROWS_OF_ANY_FILE`.
    """
    if n_columns > MOST_COLUMNS:
        raise ProfileFileError(f"{name}: has {n_columns} columns, {MOST_COLUMNS} at most are read; keep the genes.")
    if n_rows > ROWS_OF_ANY_FILE + n_bytes:
        raise ProfileFileError(f"{name}: states {n_rows} patients in {n_bytes} bytes; divide it, or write it anew.")
