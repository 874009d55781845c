"""The matrix of an AnnData file, dense or sparse, of which only the genes asked for are kept.

References
----------
AnnData's on-disk format: encodings ``array``, ``csr_matrix`` and ``csc_matrix``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import h5py  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from features.hdf5_nodes import Hdf5Error, array, attribute, is_numeric, member, numbers
from features.profile_blocks import BLOCK_ROWS

Floats = NDArray[np.float64]

#: Of a matrix that are read at once.
BYTES_AT_ONCE = 2**25
#: Of a part of a sparse matrix, zeros and all.
_PART_BYTES = 2**28
#: Values of a sparse matrix that are read at once.
VALUES_AT_ONCE = 2**21
_MOST_ROWS = 2**16


class Matrix(Protocol):
    """Patients × genes."""

    def parts(self, genes: Sequence[int]) -> Iterator[tuple[int, Floats]]:
        """Yield the first row of a part, and its values, shape (n_rows, n_genes), in order."""


def matrix(parent: h5py.Group, name: str = "X", *, n_rows: int, n_genes: int) -> Matrix:
    """Return a matrix of a file: ``X``, one of its layers, or that of ``raw``.

    Raises
    ------
    Hdf5Error
        If there is none, its shape is another, or it holds no real numbers.
    """
    found = member(parent, name)
    if found is None:
        raise Hdf5Error(f"has no {name}, which must hold the expression values; values in layers or raw are not read")
    if isinstance(found, h5py.Dataset):
        _require_numbers(found, name)
        _require_shape(tuple(found.shape or ()), n_rows, n_genes, name)
        return DenseMatrix(found)
    kind = (attribute(found, "encoding-type") or attribute(found, "h5sparse_format") or "").removesuffix("_matrix")
    if kind not in ("csr", "csc"):
        raise Hdf5Error(f"its {name} is of encoding {kind[:40]!r}; write it as an array, or as a CSR or CSC matrix")
    shape = "shape" if "shape" in found.attrs else "h5sparse_shape"
    if shape not in found.attrs or found.attrs.get_id(shape).shape != (2,):
        raise Hdf5Error(f"its {name} states no shape")
    _require_shape(tuple(int(each) for each in found.attrs[shape]), n_rows, n_genes, name)
    return (
        CsrMatrix(*_members(found, n_rows), n_genes) if kind == "csr" else CscMatrix(*_members(found, n_genes), n_rows)
    )


@dataclass(frozen=True)
class DenseMatrix:
    """A matrix of which every value is written."""

    values: h5py.Dataset

    def parts(self, genes: Sequence[int]) -> Iterator[tuple[int, Floats]]:
        """Yield rows, of them only the chunks in which a gene lies."""
        n_rows, n_genes = self.values.shape
        chunk_rows, width = self.values.chunks or (1, n_genes)
        step = self._rows_at_once(chunk_rows, max(width, 1))
        wanted = np.asarray(genes, dtype=np.int64)
        for start in range(0, n_rows, step):
            stop = min(start + step, n_rows)
            part = np.empty((stop - start, len(wanted)))
            for first in np.unique(wanted // max(width, 1)).tolist():
                left = first * width
                inside = np.flatnonzero(wanted // width == first)
                slab = self.values[start:stop, left : min(left + width, n_genes)]
                part[:, inside] = slab[:, wanted[inside] - left]
            yield start, part

    def _rows_at_once(self, chunk_rows: int, width: int) -> int:
        """Return how many rows are read at once: whole chunks, for each is unpacked as a whole."""
        fitting = max(1, BYTES_AT_ONCE // (width * int(self.values.dtype.itemsize)))
        return min(max(fitting // chunk_rows, 1) * chunk_rows, _MOST_ROWS)


@dataclass(frozen=True)
class _Sparse:
    """The values of a sparse matrix line by line, where each stands in its line, and where each line begins."""

    values: h5py.Dataset
    places: h5py.Dataset
    starts: h5py.Dataset
    n_across: int

    @property
    def n_lines(self) -> int:
        """How many lines there are."""
        return int(self.starts.shape[0]) - 1

    def bounds(self, first: int, last: int) -> NDArray[np.int64]:
        """Return where the lines from the first to before the last begin and end."""
        found = numbers(self.starts, first, last + 1).astype(np.int64)
        if np.any(np.diff(found) < 0) or np.any(found < 0) or np.any(found > self.values.shape[0]):
            raise Hdf5Error(f"its {self.name} is no sparse matrix: where its lines begin contradicts itself")
        return found

    @property
    def name(self) -> str:
        """What errors call it."""
        return str(self.values.parent.name).strip("/")[:60]

    def entries(self, start: int, stop: int) -> tuple[NDArray[np.int64], Floats]:
        """Return places and values."""
        places = numbers(self.places, start, stop).astype(np.int64)
        if len(places) and not (int(places.min()) >= 0 and int(places.max()) < self.n_across):
            raise Hdf5Error(f"its {self.name} is no sparse matrix: values stand outside its shape")
        return places, numbers(self.values, start, stop).astype(np.float64)


class CsrMatrix(_Sparse):
    """A sparse matrix, row by row; what is not written is 0."""

    def parts(self, genes: Sequence[int]) -> Iterator[tuple[int, Floats]]:
        """Yield rows."""
        column_of = np.full(self.n_across, -1, dtype=np.int64)
        column_of[np.asarray(genes, dtype=np.int64)] = np.arange(len(genes))
        start = 0
        while start < self.n_lines:
            bounds = self.bounds(start, min(start + _rows_at_once(len(genes)), self.n_lines))
            n_rows = max(1, int(np.searchsorted(bounds, bounds[0] + VALUES_AT_ONCE, side="right")) - 1)
            if bounds[n_rows] - bounds[0] > 2 * VALUES_AT_ONCE:
                raise Hdf5Error(f"its {self.name} has more values in a row than it can have genes; sum duplicates")
            part = np.zeros((n_rows, len(genes)))
            places, values = self.entries(int(bounds[0]), int(bounds[n_rows]))
            rows = np.repeat(np.arange(n_rows), np.diff(bounds[: n_rows + 1]))
            kept = column_of[places] >= 0
            # Entries of one place add up, as everywhere.
            np.add.at(part, (rows[kept], column_of[places[kept]]), values[kept])
            yield start, part
            start += n_rows


class CscMatrix(_Sparse):
    """A sparse matrix, gene by gene; what is not written is 0."""

    def parts(self, genes: Sequence[int]) -> Iterator[tuple[int, Floats]]:
        """Yield rows; of each gene no more is read at a time than they can hold."""
        ends = [self.bounds(j, j + 1) for j in genes]
        at = [int(each[0]) for each in ends]
        step = _rows_at_once(len(genes))
        for start in range(0, self.n_across, step):
            stop = min(start + step, self.n_across)
            part = np.zeros((stop - start, len(genes)))
            for k, (_, end) in enumerate(ends):
                places, values = self.entries(at[k], min(int(end), at[k] + stop - start + 1))
                if len(places) and (places[0] < start or np.any(np.diff(places) <= 0)):
                    raise Hdf5Error(
                        f"its {self.name} is a CSC matrix out of order; call sum_duplicates() and write it anew"
                    )
                n_here = int(np.searchsorted(places, stop))
                part[places[:n_here] - start, k] = values[:n_here]
                at[k] += n_here
            yield start, part


def _rows_at_once(n_genes: int) -> int:
    return max(1, min(BLOCK_ROWS, _PART_BYTES // (8 * max(n_genes, 1))))


def _members(found: h5py.Group, n_lines: int) -> tuple[Any, Any, Any]:
    values, places, starts = (array(found, name) for name in ("data", "indices", "indptr"))
    name = str(found.name).strip("/")[:60]
    _require_numbers(values, f"{name}/data")
    if any(each.dtype.kind not in "iu" for each in (places, starts)):
        raise Hdf5Error(f"its {name} is no sparse matrix: its indices are no whole numbers")
    if values.shape != places.shape or starts.shape[0] != n_lines + 1:
        raise Hdf5Error(f"its {name} is no sparse matrix: its arrays differ in length")
    return values, places, starts


def _require_numbers(values: h5py.Dataset, name: str) -> None:
    if not is_numeric(values):
        raise Hdf5Error(f"its {name} holds values of type {str(values.dtype)[:40]}, where numbers must stand")


def _require_shape(shape: tuple[int, ...], n_rows: int, n_genes: int, name: str) -> None:
    if shape != (n_rows, n_genes):
        raise Hdf5Error(f"its {name} has shape {shape}, but there are {n_rows} patients and {n_genes} genes")
