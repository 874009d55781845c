"""STAR-counts files of the GDC, one a sample: one table of genes × samples, each file checked against the others."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import batched
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from features.errors import CohortError
from features.gdc_genes import GeneRows, gene_rows
from features.gdc_tables import refuse_other_content
from features.scales import convert
from features.tables import readable, shown

_GZIP = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_POINTER = b"version https://git-lfs"
#: What is shown of Arrow's reason: no field of the file.
_REASON = re.compile(r"Expected \d+ columns, got \d+|CSV conversion error to \w+|invalid UTF-?8", re.IGNORECASE)
_WORDS = ("gene_id", "gene_name")
#: Arrow and the checksums let other threads run; more of them than these wait for the disk.
_THREADS_MAX = 4
_BATCH = 32


@dataclass(frozen=True)
class CountsFile:
    """One sample's file.

    Parameters
    ----------
    path : Path
    md5 : str or None
        The checksum that a manifest states of it, in hexadecimal.
    """

    path: Path
    md5: str | None = None


def read_counts(
    files: Mapping[str, CountsFile], *, column: str, unit: str, scale: str, only: Collection[str] | None = None
) -> tuple[pd.DataFrame, GeneRows]:
    """Read the files of a cohort.

    Parameters
    ----------
    files : mapping of str to CountsFile
        By sample; at least one.
    column : str
        ``tpm_unstranded``, say.
    unit, scale : str
        The scale that the column is on, and the one that is wanted.
    only : collection of str or None
        The genes that are asked for; None for all.

    Returns
    -------
    values : DataFrame of float64, shape (n_genes, n_samples)
    genes : GeneRows
        What its rows are.

    Raises
    ------
    CohortError
        If a file cannot be read, is not what the manifest says, is cut short, or has other genes than the first.
    """
    first = next(iter(files.values()))
    listed = _table(first, _WORDS)
    identifiers, names = (pd.Series(listed.column(name).to_pylist(), dtype="str") for name in _WORDS)
    genes = gene_rows(identifiers, names, only)
    if not len(genes.rows):
        which = "no gene" if only is None else f"none of the {len(only)} genes that are asked for"
        raise CohortError(f"{shown(first.path)}: has {which}; download it anew, or ask for others.")
    reference = listed.column("gene_id").combine_chunks()
    # A column a sample, each in one piece: at no time is there more than one copy of the whole.
    values = np.empty((len(genes.rows), len(files)), order="F")

    def read_one(file: CountsFile) -> NDArray[np.float64]:
        table = _table(file, ("gene_id", column))
        _require_same_genes(table.column("gene_id").combine_chunks(), reference, file.path, first.path)
        abundance: NDArray[np.float64] = table.column(column).to_numpy()[genes.rows]
        _require_abundance(abundance, column, file.path)
        return convert(abundance, source=unit, target=scale)

    with ThreadPoolExecutor(min(os.cpu_count() or 1, _THREADS_MAX)) as pool:
        # By batches: after an error, no more than one is read in vain.
        read = (one for batch in batched(files.values(), _BATCH) for one in pool.map(read_one, batch))
        for position, abundance in enumerate(read):
            values[:, position] = abundance
    return pd.DataFrame(values, columns=pd.Index(list(files), dtype="str"), copy=False), genes


def _content(file: CountsFile) -> bytes:
    """Return a file's text, unpacked, after it was compared with its checksum."""
    with readable(file.path):
        stored = file.path.read_bytes()
        data = gzip.decompress(stored) if stored.startswith(_GZIP) else stored
    if file.md5 is not None and file.md5.lower() not in map(_md5, (stored, data) if data is not stored else (data,)):
        raise CohortError(f"{shown(file.path)}: its MD5 is not the manifest's: it is damaged; download it anew.")
    if data.startswith(_POINTER):
        raise CohortError(f"{shown(file.path)}: is a Git LFS pointer, not the data; fetch it with 'git lfs pull'.")
    refuse_other_content(data, file.path)
    if not data.endswith(b"\n"):
        raise CohortError(f"{shown(file.path)}: its last line has no end: it is cut short; download it anew.")
    return data.removeprefix(_BYTE_ORDER_MARK)


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _table(file: CountsFile, columns: Sequence[str]) -> Any:
    """Return columns of a file as a table of Arrow's: identifiers as words, all else as float64."""
    data = _content(file)
    n_comments, header = _header(data)
    for name in columns:
        if header.count(name) != 1:
            raise CohortError(
                f"{shown(file.path)}: has {header.count(name)} columns {name!r}, a STAR-counts file has one; "
                "download it anew."
            )
    kinds = {name: pa.string() if name in _WORDS else pa.float64() for name in columns}
    try:
        return csv.read_csv(
            pa.BufferReader(data),
            csv.ReadOptions(skip_rows=n_comments, use_threads=False),
            csv.ParseOptions(delimiter="\t", quote_char=False),
            csv.ConvertOptions(include_columns=list(columns), column_types=kinds, null_values=["", "NA"]),
        )
    except pa.ArrowException as error:
        reason = _REASON.search(str(error))
        raise CohortError(
            f"{shown(file.path)}: is not a whole table of numbers ({reason[0] if reason else 'malformed'}); "
            "download it anew."
        ) from error


def _header(data: bytes) -> tuple[int, list[str]]:
    """Return how many comment lines come first, and the column names after them."""
    n_comments, start = 0, 0
    while data.startswith(b"#", start):
        n_comments, start = n_comments + 1, data.find(b"\n", start) + 1
    line = data[start : data.find(b"\n", start)]
    return n_comments, line.decode("utf-8", "replace").rstrip("\r").split("\t")


def _require_same_genes(genes: Any, reference: Any, path: Path, first: Path) -> None:
    if not genes.equals(reference):
        raise CohortError(
            f"{shown(path)}: has other genes than {shown(first)} ({len(genes)} rows against {len(reference)}), or in "
            "another order: one of them is cut short, edited or of another release; download both anew."
        )


def _require_abundance(values: NDArray[np.float64], column: str, path: Path) -> None:
    if np.isnan(values).all():
        raise CohortError(f"{shown(path)}: has no gene with a value of {column}; download it anew.")
    n_wrong = int(np.count_nonzero((values < 0) | np.isinf(values)))
    if n_wrong:
        raise CohortError(
            f"{shown(path)}: {n_wrong} values of {column} are negative or infinite, which no abundance is; "
            "download it anew."
        )
