"""What lies in an HDF5 file that a stranger sent, and in no other: members by name, and arrays of them in bounds.

HDF5 lets a file borrow its contents from any other that the reader may open (external links, external storage, virtual
datasets), and lets a small one unpack to any size. Here a member is opened only if it is in the file itself.

References
----------
The HDF Group, HDF5 File Format Specification 3.0, sections IV.A.2.g, IV.A.2.h and IV.A.2.l.
"""

from __future__ import annotations

import math
import zlib
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from features.errors import PrognosisError

#: Of an array's piece that is unpacked at once.
LARGEST_CHUNK = 2**26
#: Of a piece that its compressed bytes may unpack to without being looked at first; zlib makes 1032 bytes of one.
UNSEEN_CHUNK = 2**28 // 1032
#: Of text of which each cell may be as long as the file.
TEXT_AT_ONCE = 2**28
#: Of one id, name or word.
LONGEST_TEXT = 4096
_DEFLATE, _SHUFFLE, _FLETCHER32, _LZF = h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, 3, h5py.h5z.FILTER_LZF
_KNOWN_FILTERS = (_DEFLATE, _SHUFFLE, _FLETCHER32, _LZF)
_INFLATED_AT_ONCE = 2**20


class Hdf5Error(PrognosisError):
    """A member of an HDF5 file is missing, lies elsewhere, or is not what it should be; the words complete its name."""


def member(parent: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | None:
    """Return what a group holds under a name; None where there is nothing.

    Raises
    ------
    Hdf5Error
        If it is a link that may lead elsewhere, or an array whose values are not all in the file.
    """
    if not name or "/" in name or name == ".":
        raise Hdf5Error(f"{name[:40]!r} is no name of a member")
    encoded = name.encode()
    if not parent.id.links.exists(encoded):
        return None
    # Looked at before it is followed: opening an external link opens the other file.
    if parent.id.links.get_info(encoded).type != h5py.h5l.TYPE_HARD:
        raise Hdf5Error(f"{name!r} is a link; write the file anew, with its contents in it")
    found = parent[name]
    if isinstance(found, h5py.Dataset):
        _require_own(found, name)
    return found


def group(parent: h5py.Group, name: str) -> h5py.Group:
    """Return the group of that name; raise Hdf5Error if there is none."""
    found = member(parent, name)
    if not isinstance(found, h5py.Group):
        raise Hdf5Error(f"has no group {name!r}")
    return found


def array(parent: h5py.Group, name: str, *, n_dimensions: int = 1) -> h5py.Dataset:
    """Return the array of that name; raise Hdf5Error if there is none, or it has other dimensions."""
    found = member(parent, name)
    if not isinstance(found, h5py.Dataset):
        raise Hdf5Error(f"has no array {name!r}")
    if found.shape is None or len(found.shape) != n_dimensions:
        raise Hdf5Error(f"{name!r} is no array of {n_dimensions} dimensions")
    return found


def attribute(node: h5py.Group | h5py.Dataset, name: str) -> str | None:
    """Return an attribute that is one word; None where there is no such attribute."""
    if name not in node.attrs:
        return None
    if node.attrs.get_id(name).shape != ():
        raise Hdf5Error(f"its attribute {name!r} is not one word")
    value = node.attrs[name]
    return value.decode() if isinstance(value, bytes) else str(value)


def is_text(dataset: h5py.Dataset) -> bool:
    """Return whether an array holds words."""
    return h5py.check_string_dtype(dataset.dtype) is not None


def is_numeric(dataset: h5py.Dataset) -> bool:
    """Return whether an array holds real numbers; truth values are none."""
    return dataset.dtype.kind in "iuf"


def numbers(dataset: h5py.Dataset, start: int, stop: int) -> NDArray[Any]:
    """Return numbers or truth values of an array with one dimension."""
    if dataset.dtype.kind not in "iufb":
        raise Hdf5Error(f"{_name(dataset)} holds no numbers")
    return np.asarray(dataset[start:stop])


def texts(dataset: h5py.Dataset, start: int, stop: int) -> list[str]:
    """Return words of an array with one dimension.

    Raises
    ------
    Hdf5Error
        If they are no words, not UTF-8, or longer than `LONGEST_TEXT`.
    """
    if not is_text(dataset):
        raise Hdf5Error(f"{_name(dataset)} holds no words")
    if dataset.dtype.kind == "S" and dataset.dtype.itemsize > LONGEST_TEXT:
        raise Hdf5Error(
            f"{_name(dataset)} holds words of {dataset.dtype.itemsize} bytes; {LONGEST_TEXT} at most are read"
        )
    # Every cell of an array may name the same bytes of the file, and each is then copied.
    step = max(16, TEXT_AT_ONCE // dataset.file.id.get_filesize())
    found: list[str] = []
    for first in range(start, stop, step):
        found += [_word(cell, dataset) for cell in dataset[first : min(first + step, stop)]]
    return found


def _word(cell: Any, dataset: h5py.Dataset) -> str:
    raw = cell.encode() if isinstance(cell, str) else bytes(cell)
    if len(raw) > LONGEST_TEXT:
        raise _too_long(dataset, len(raw))
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Hdf5Error(f"{_name(dataset)} holds words that are not UTF-8") from None


def _too_long(dataset: h5py.Dataset, n_bytes: int) -> Hdf5Error:
    return Hdf5Error(f"{_name(dataset)} holds words of {n_bytes} bytes; {LONGEST_TEXT} at most are read")


def _name(dataset: h5py.Dataset) -> str:
    return repr(str(dataset.name).lstrip("/")[:60])


def _require_own(dataset: h5py.Dataset, name: str) -> None:
    made = dataset.id.get_create_plist()
    if made.get_external_count() or made.get_layout() == h5py.h5d.VIRTUAL:
        raise Hdf5Error(f"{name!r} keeps its values in another file; write the file anew, with its contents in it")
    filters = [made.get_filter(i)[0] for i in range(made.get_nfilters())]
    if len(set(filters)) < len(filters) or not set(filters) <= set(_KNOWN_FILTERS):
        raise Hdf5Error(f"{name!r} is compressed in a way that is not read here; write it with gzip, lzf or not at all")
    if dataset.chunks is not None:
        _require_chunks_in_bounds(dataset, name, inflated=_DEFLATE in filters)


def _require_chunks_in_bounds(dataset: h5py.Dataset, name: str, *, inflated: bool) -> None:
    n_bytes = math.prod(dataset.chunks) * dataset.dtype.itemsize
    if n_bytes > LARGEST_CHUNK:
        raise Hdf5Error(
            f"{name!r} is kept in chunks of {n_bytes} bytes, {LARGEST_CHUNK} at most are read; write smaller ones"
        )
    stored: list[tuple[tuple[int, ...], int]] = []
    dataset.id.chunk_iter(lambda chunk: stored.append((chunk.chunk_offset, chunk.size)))
    for offset, size in stored:
        # HDF5 unpacks a chunk to wherever its bytes lead, however small it should be.
        if size > n_bytes + UNSEEN_CHUNK or (inflated and size > UNSEEN_CHUNK and _overflows(dataset, offset, n_bytes)):
            raise Hdf5Error(f"{name!r} unpacks to more than it should; write the file anew")


def _overflows(dataset: h5py.Dataset, offset: tuple[int, ...], n_bytes: int) -> bool:
    filter_mask, packed = dataset.id.read_direct_chunk(offset)
    if filter_mask:
        return False
    unpacked, inflater = 0, zlib.decompressobj()
    while packed and not inflater.eof:
        unpacked += len(inflater.decompress(packed, _INFLATED_AT_ONCE))
        packed = inflater.unconsumed_tail
        # A checksum of four bytes may be packed along.
        if unpacked > n_bytes + 4:
            return True
    return False
