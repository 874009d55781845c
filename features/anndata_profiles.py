"""AnnData files of patients, read by their on-disk format: genes in ``var``, clinical covariates in ``obs``.

References
----------
AnnData's on-disk format: encodings ``dataframe``, ``string-array``, ``categorical`` and ``nullable-*``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import h5py  # type: ignore[import-untyped]
import numpy as np

from features.anndata_matrices import matrix
from features.hdf5_nodes import Hdf5Error, array, attribute, group, is_text, member, numbers, texts
from features.profile_blocks import BLOCK_ROWS, MOST_COLUMNS, Block, Floats, ProfileFileError, require_plausible
from features.profile_cells import ids_of, words_of

#: Where files of AnnData before 0.8 keep what the codes of a column stand for.
_OLD_CATEGORIES = "__categories"


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
        with self._opened() as root:
            obs, var = group(root, "obs"), group(root, "var")
            index, genes = _index(obs), _index(var)
            n_rows, self._n_genes = len(index), len(genes)
            size = path.stat().st_size
            require_plausible(name, n_rows=n_rows, n_columns=self._n_genes, n_bytes=size)
            matrix(root, n_rows=n_rows, n_genes=self._n_genes)
            self.columns = (*_names(genes), *_columns(obs))

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
        with self._opened() as root:
            obs = group(root, "obs")
            ids = _index(obs)
            columns = {self.columns[j]: _column(obs, self.columns[j], len(ids)) for j in words}
            for first, values in matrix(root, n_rows=len(ids), n_genes=self._n_genes).parts(numbers):
                for start in range(0, len(values), BLOCK_ROWS):
                    yield _block(ids, values[start : start + BLOCK_ROWS], columns, first + start)

    @contextmanager
    def _opened(self) -> Iterator[h5py.File]:
        try:
            with h5py.File(self._path, "r", locking=False) as root:
                yield root
        except ProfileFileError:
            raise
        except Hdf5Error as error:
            raise ProfileFileError(f"{self._name}: {error}.") from None
        except FileNotFoundError as error:
            raise ProfileFileError(f"{self._name}: cannot be read (No such file or directory).") from error
        # What HDF5 raises of damaged bytes is of many kinds: OSError, RuntimeError, KeyError, ValueError, TypeError.
        except Exception as error:
            reason = f"is not an AnnData file, or is damaged ({type(error).__name__}); write it anew"
            raise ProfileFileError(f"{self._name}: {reason}.") from error


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
    return ["" if name is None else str(name) for name in column.cells(0, len(column))]


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


def _block(ids: _Column, values: Floats, columns: Mapping[str, _Column], start: int) -> Block:
    stop = start + len(values)
    return Block(
        np.arange(start + 1, stop + 1),
        ids_of(ids.cells(start, stop)),
        values,
        {name: words_of(column.cells(start, stop)) for name, column in columns.items()},
        {},
    )
