"""An AnnData file by its on-disk format: genes in ``var``, clinical covariates in ``obs``, expression in ``X``.

References
----------
AnnData's on-disk format: encodings ``dataframe``, ``string-array``, ``categorical`` and ``nullable-*``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import h5py  # type: ignore[import-untyped]
import numpy as np

from features.anndata_matrices import matrix
from features.hdf5_nodes import Hdf5Error, array, attribute, group, is_text, member, numbers, texts
from features.profile_blocks import BLOCK_ROWS, MOST_COLUMNS, Floats

#: Of the names of all genes.
MOST_NAMES_BYTES = 2**26
#: Where files of AnnData before 0.8 keep what the codes of a column stand for.
_OLD_CATEGORIES = "__categories"
#: Columns of ``var`` that are looked at for names of genes.
_MOST_NAMINGS = 64


@dataclass(frozen=True)
class Part:
    """Some patients: ids, values of the genes asked for, and the cells of the columns asked for; None where empty."""

    ids: list[Any]
    values: Floats
    cells: list[list[Any]]


class AnnDataTable:
    """An AnnData file that is open.

    Parameters
    ----------
    root : h5py.File
    place : str
        Which matrix is read: ``X``, ``raw``, or ``layers/`` and its name.

    Raises
    ------
    Hdf5Error
        If it is not AnnData, has no such matrix, or keeps anything that is read in another file.
    """

    def __init__(self, root: h5py.File, place: str = "X") -> None:
        self._obs = group(root, "obs")
        of_genes = group(group(root, "raw") if place == "raw" else root, "var")
        self._ids, names = _index(self._obs), _index(of_genes)
        self.n_patients, n_genes = len(self._ids), len(names)
        if n_genes > MOST_COLUMNS:
            raise Hdf5Error(f"has {n_genes} genes, {MOST_COLUMNS} at most are read; keep those of the panel")
        self._parent, self._name = _place(root, place)
        matrix(self._parent, self._name, n_rows=self.n_patients, n_genes=n_genes)
        self.genes, self.columns = _names(names), _columns(self._obs)

    def parts(self, genes: Sequence[int], columns: Sequence[str]) -> Iterator[Part]:
        """Yield the patients in order."""
        read = [_column(self._obs, name, self.n_patients) for name in columns]
        found = matrix(self._parent, self._name, n_rows=self.n_patients, n_genes=len(self.genes))
        parts = found.parts(genes)
        for first, values in parts:
            for start in range(0, len(values), BLOCK_ROWS):
                some = values[start : start + BLOCK_ROWS]
                span = (first + start, first + start + len(some))
                yield Part(self._ids.cells(*span), some, [column.cells(*span) for column in read])


def places(root: h5py.File) -> list[str]:
    """Return the matrices of a file, by the names that `AnnDataTable` knows them by."""
    found = ["X"] if member(root, "X") is not None else []
    raw, layers = member(root, "raw"), member(root, "layers")
    if isinstance(raw, h5py.Group) and member(raw, "X") is not None:
        found.append("raw")
    return found + [f"layers/{name}" for name in (layers if isinstance(layers, h5py.Group) else ())]


def words_of_genes(root: h5py.File, place: str) -> dict[str, list[str]]:
    """Return what may name the genes of a matrix: the index of its ``var``, and the columns of words, by name."""
    of_genes = group(group(root, "raw") if place == "raw" else root, "var")
    names = _index(of_genes)
    found = {attribute(of_genes, "_index") or "_index": _names(names)}
    for name in _columns(of_genes)[:_MOST_NAMINGS]:
        column = _column(of_genes, name, None)
        if len(column) != len(names):
            raise Hdf5Error(f"column {name[:40]!r} of var has {len(column)} cells for {len(names)} genes")
        if _may_name(name, column):
            found[name] = _names(column)
    return found


def _may_name(name: str, column: _Column) -> bool:
    """Return whether a column holds words; numbers name genes only where they are said to be Entrez's."""
    return any(isinstance(cell, str) for cell in column.cells(0, min(len(column), BLOCK_ROWS))) or (
        "entrez" in name.lower()
    )


def _place(root: h5py.File, place: str) -> tuple[h5py.Group, str]:
    """Return the group that holds a matrix, and its name in that."""
    before, slash, name = place.partition("/")
    if place == "raw":
        return group(root, "raw"), "X"
    return (group(root, before), name) if slash else (root, place)


class _Column(Protocol):
    """A column of ``obs`` or ``var``."""

    def __len__(self) -> int:
        """How many cells there are."""

    def cells(self, start: int, stop: int) -> list[Any]:
        """Return words or numbers, None where empty."""


@dataclass(frozen=True)
class _Plain:
    values: h5py.Dataset

    def __len__(self) -> int:
        return int(self.values.shape[0])

    def cells(self, start: int, stop: int) -> list[Any]:
        return texts(self.values, start, stop) if is_text(self.values) else numbers(self.values, start, stop).tolist()


@dataclass(frozen=True)
class _Nullable:
    values: _Plain
    mask: h5py.Dataset

    def __len__(self) -> int:
        return len(self.values)

    def cells(self, start: int, stop: int) -> list[Any]:
        empty = numbers(self.mask, start, stop).astype(bool).tolist()
        found = self.values.cells(start, stop)
        return [None if is_empty else cell for cell, is_empty in zip(found, empty, strict=True)]


@dataclass(frozen=True)
class _Categorical:
    codes: h5py.Dataset
    categories: list[Any]

    def __len__(self) -> int:
        return int(self.codes.shape[0])

    def cells(self, start: int, stop: int) -> list[Any]:
        codes = numbers(self.codes, start, stop)
        if codes.dtype.kind not in "iu" or np.any(codes < -1) or np.any(codes >= len(self.categories)):
            raise Hdf5Error(f"{str(self.codes.name)[:60]!r} holds codes of no category")
        return [None if code < 0 else self.categories[code] for code in codes.tolist()]


def _index(table: h5py.Group) -> _Column:
    found = _column(table, attribute(table, "_index") or "_index", None)
    if len(found) == 0:
        raise Hdf5Error(f"its {str(table.name).lstrip('/')} is empty")
    return found


def _columns(table: h5py.Group) -> list[str]:
    """Return the names of the columns, without the index."""
    hidden = {attribute(table, "_index") or "_index", _OLD_CATEGORIES}
    if len(table) > MOST_COLUMNS:
        raise Hdf5Error(f"has {len(table)} columns in obs; keep the clinical ones")
    return [name for name in table if name not in hidden]


def _names(column: _Column) -> list[str]:
    names: list[str] = []
    n_bytes = 0
    for start in range(0, len(column), BLOCK_ROWS):
        some = ["" if name is None else str(name) for name in column.cells(start, min(start + BLOCK_ROWS, len(column)))]
        n_bytes += sum(map(len, some))
        if n_bytes > MOST_NAMES_BYTES:
            raise Hdf5Error(f"the names of its genes have more than {MOST_NAMES_BYTES} characters")
        names += some
    return names


def _column(table: h5py.Group, name: str, n_rows: int | None) -> _Column:
    found = member(table, name)
    if found is None:
        raise Hdf5Error(f"has no {str(table.name).lstrip('/')} column {name[:40]!r}")
    column = _of_array(table, name) if isinstance(found, h5py.Dataset) else _of_group(found, name)
    if n_rows is not None and len(column) != n_rows:
        raise Hdf5Error(f"column {name[:40]!r} has {len(column)} cells for {n_rows} patients")
    return column


def _of_array(table: h5py.Group, name: str) -> _Column:
    values = array(table, name)
    old = member(table, _OLD_CATEGORIES)
    if isinstance(old, h5py.Group) and member(old, name) is not None:
        return _Categorical(values, _all(old, name))
    return _Plain(values)


def _of_group(found: h5py.Group, name: str) -> _Column:
    kind = attribute(found, "encoding-type") or ""
    if kind == "categorical":
        return _Categorical(array(found, "codes"), _all(found, "categories"))
    if kind.startswith("nullable-"):
        values, mask = _Plain(array(found, "values")), array(found, "mask")
        if mask.shape[0] != len(values):
            raise Hdf5Error(f"column {name[:40]!r} has values and gaps of different lengths")
        return _Nullable(values, mask)
    raise Hdf5Error(f"column {name[:40]!r} is of encoding {kind[:40]!r}; store it as words or numbers")


def _all(parent: h5py.Group, name: str) -> list[Any]:
    found = member(parent, name)
    column = _of_group(found, name) if isinstance(found, h5py.Group) else _Plain(array(parent, name))
    if len(column) > MOST_COLUMNS:
        raise Hdf5Error(f"{name[:40]!r} has {len(column)} categories; store such a column as words")
    return column.cells(0, len(column))
