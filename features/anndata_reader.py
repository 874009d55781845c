"""A process that reads one AnnData file for another: what a hostile file does to HDF5 ends here.

HDF5 trusts its files; damaged ones have made it crash, go round for ever, or ask for any memory. So the file is read in
a process of its own, with bounds on its memory and its time, and what it holds comes back as JSON or an Arrow stream,
which are checked again::

    python -m features.anndata_reader columns FILE SECONDS
    python -m features.anndata_reader rows FILE SECONDS  < {"genes": [0, 7], "columns": ["age"]}
    python -m features.anndata_reader cohort FILE SECONDS  < {"place": "layers/tpm", "genes": [0, 7], "columns": […]}

The last says in its first line what there is, before it is asked.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import chain
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np
import pyarrow as pa

from features.anndata_table import AnnDataTable, Part, places, words_of_genes
from features.hdf5_nodes import Hdf5Error

#: Of memory that the process may address.
MEMORY_BYTES = 2**32
#: How it ends where the file is at fault, its last words on stderr.
REFUSED = 3


def main() -> int:
    """Read what is asked for, and return how it ended."""
    what, path, seconds = sys.argv[1:]
    _bound(int(seconds))
    try:
        with h5py.File(path, "r", locking=False) as root:
            _write(what, root)
    except Hdf5Error as error:
        sys.stderr.write(str(error))
        return REFUSED
    except BrokenPipeError:
        return 0
    # What HDF5 raises of damaged bytes is of many kinds: OSError, RuntimeError, KeyError, ValueError, TypeError.
    except Exception as error:
        sys.stderr.write(f"is not an AnnData file, or is damaged ({type(error).__name__}); write it anew")
        return REFUSED
    return 0


def _bound(seconds: int) -> None:
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    # A core would hold patients' values.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _write(what: str, root: h5py.File) -> None:
    if what == "columns":
        table = AnnDataTable(root)
        stated = {"genes": table.genes, "columns": table.columns, "n_patients": table.n_patients}
        sys.stdout.write(json.dumps(stated))
    elif what == "rows":
        asked = json.load(sys.stdin)
        _write_batches(_batch(part) for part in AnnDataTable(root).parts(asked["genes"], asked["columns"]))
    else:
        sys.stdout.write(json.dumps(_contents(root)) + "\n")
        sys.stdout.flush()
        asked = json.load(sys.stdin)
        table = AnnDataTable(root, asked["place"])
        _write_batches(_wide_batch(part) for part in table.parts(asked["genes"], asked["columns"]))


def _contents(root: h5py.File) -> dict[str, Any]:
    """Return what a file holds: its matrices, what may name the genes of each, and the columns of ``obs``."""
    found = places(root)
    if not found:
        raise Hdf5Error("has neither X nor layers nor raw, of which one must hold the expression values")
    table = AnnDataTable(root, found[0])
    naming = {"raw" if place == "raw" else "var": words_of_genes(root, place) for place in found}
    return {"n_patients": table.n_patients, "columns": table.columns, "places": found, "naming": naming}


def _write_batches(batches: Iterator[pa.RecordBatch]) -> None:
    first = next(batches)
    with pa.ipc.new_stream(sys.stdout.buffer, first.schema) as stream:
        for batch in chain([first], batches):
            stream.write_batch(batch)
    sys.stdout.buffer.flush()


def _batch(part: Part) -> pa.RecordBatch:
    arrays = [pa.array([None if name is None else str(name) for name in part.ids], pa.string())]
    arrays += [pa.array(np.ascontiguousarray(column)) for column in part.values.T]
    arrays += [_cells(cells) for cells in part.cells]
    return pa.record_batch(arrays, names=[f"{j}" for j in range(len(arrays))])


def _wide_batch(part: Part) -> pa.RecordBatch:
    """Return a batch with all genes in one column: a column for each would be twenty thousand."""
    n_genes = part.values.shape[1]
    values = pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(part.values).ravel()), n_genes)
    ids = pa.array([None if name is None else str(name) for name in part.ids], pa.string())
    arrays = [ids, values, *map(_cells, part.cells)]
    return pa.record_batch(arrays, names=[f"{j}" for j in range(len(arrays))])


def _cells(cells: list[Any]) -> pa.Array:
    """Return words as JSON, whatever they are: a column may be empty in one part and hold words in the next."""
    return pa.array([None if cell is None else json.dumps(cell) for cell in cells], pa.string())


if __name__ == "__main__":
    sys.exit(main())
