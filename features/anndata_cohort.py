"""AnnData folders: one ``.h5ad`` file, a row a patient or sample; outcomes in ``obs`` or in a table beside it.

::

    my_cohort/
      cohort.toml      cancer_type and scale; expression = "raw" or a layer's name, where it is not X
      cohort.h5ad      X, layers or raw: expression; obs: outcome and clinical columns; var: genes by index or a column
      clinical.tsv     as beside a plain table; not needed where obs has the outcomes

A layer that is called by a known scale (``layers["tpm"]``) states it; of X, raw and all other layers it is declared.

References
----------
AnnData's on-disk format: anndata.readthedocs.io, "On-disk format".
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.anndata_process import AnnDataProcess, unpacked
from features.assembly import RawCohort
from features.cohort_settings import SETTINGS_FILE, Settings, cancer_type_of, read_settings, said
from features.errors import CohortError
from features.gct import patients_and_samples
from features.gene_columns import gene_column
from features.gene_rows import rows_to_read
from features.ledger import Ledger
from features.profile_blocks import ProfileFileError
from features.profiles import Declared, Profile, choose
from features.scale_names import SCALES
from features.tables import known_words, shown

SUFFIX = ".h5ad"
_LAYERS = "layers/"
#: Values that are read: two GiB, all of 20,000 genes of 13,000 patients.
MOST_VALUES = 2**28


class AnnDataReader:
    """Read a folder with an AnnData file."""

    name = "AnnData folder"
    layout = (
        "one .h5ad file with outcomes in obs, or clinical.tsv beside it, and cohort.toml with cancer_type and scale"
    )

    def recognises(self, folder: Path) -> bool:
        """Return whether the folder holds an AnnData file."""
        return bool(_files(folder))

    def read(self, folder: Path, declared: Declared) -> RawCohort:
        """Read the file, and the table beside it.

        Parameters
        ----------
        folder : Path
        declared : Declared
            Goes before what ``cohort.toml`` says; the profile is ``X``, ``raw`` or a layer's name.

        Returns
        -------
        RawCohort

        Raises
        ------
        CohortError, ScaleError
            If a file is malformed, there is no outcome, or the cancer type or the scale is neither stated nor declared.
        """
        source = f"{self.name} {folder.resolve().name}"
        settings = read_settings(folder)
        path, declared = _file(folder, said(declared, settings), source)
        code, typed = cancer_type_of(declared, (folder.resolve().name, path.name), source)
        with opened(path) as file:
            declared = _with_place(declared, file.places)
            profiles = [Profile(path, place, _scale(place)) for place in file.places]
            profile = choose(profiles, declared, study=code, source=source)
            symbols, rows, named = _genes(file, profile.name, declared, settings, source)
            metadata, values = file.read(profile.name, rows)
        patients, samples, described = patients_and_samples(metadata, folder, settings, source)
        return RawCohort(
            source=source,
            cancer_type=code,
            scale=profile.scale,
            zscore_reference=profile.zscore_reference,
            expression=pd.DataFrame(values.T, columns=metadata.index, copy=False),
            symbols=symbols,
            entrez=None,
            patients=patients,
            samples=samples,
            ledger=Ledger((*typed.entries, *profile.ledger.entries, *described.entries, *named.entries)),
        )


@dataclass(frozen=True)
class AnnDataFile:
    """An AnnData file that is open in a process of its own.

    Parameters
    ----------
    path : Path
    process : AnnDataProcess
    n_patients : int
        Rows of ``obs``.
    columns : list of str
        Of ``obs``, without its index.
    places : list of str
        Its matrices: ``X``, ``raw``, and layers as ``layers/tpm``.
    naming : dict
        By ``var`` and ``raw``, what may name their genes: the index first, then columns of words.
    """

    path: Path
    process: AnnDataProcess
    n_patients: int
    columns: list[str]
    places: list[str]
    naming: dict[str, dict[str, list[str]]]

    def read(self, place: str, genes: list[int]) -> tuple[pd.DataFrame, NDArray[np.float64]]:
        """Return ``obs`` as words, its index the samples, and these genes' values, shape (n_samples, n_genes).

        Raises
        ------
        CohortError
            If a value is infinite.
        ProfileFileError
            If the file is damaged.
        """
        self.process.ask({"place": place, "genes": genes, "columns": self.columns})
        values = np.empty((self.n_patients, len(genes)))
        ids: list[str] = []
        cells: list[list[Any]] = [[] for _ in self.columns]
        for batch in self.process.batches():
            flat = np.asarray(batch.column(1).flatten())
            values[len(ids) : len(ids) + len(batch)] = flat.reshape(len(batch), len(genes))
            ids += ["" if name is None else str(name).strip() for name in batch.column(0).to_pylist()]
            for k, column in enumerate(cells):
                column.extend(unpacked(batch.column(2 + k).to_pylist()))
        self.process.require_ended(shown(self.path))
        _require_finite(values, genes, self.path)
        table = {name: _words(column) for name, column in zip(self.columns, cells, strict=True)}
        index = pd.Index(ids, dtype="str", name="sample")
        return known_words(pd.DataFrame(table, index=index, dtype="str")), values


@contextmanager
def opened(path: Path) -> Iterator[AnnDataFile]:
    """Open an AnnData file.

    Raises
    ------
    CohortError
        If it cannot be read, is not AnnData or is damaged, or has no matrix.
    """
    try:
        with tempfile.TemporaryFile() as words, AnnDataProcess("cohort", path, None, words) as process:
            written = process.stdout.readline()
            if not written.endswith(b"\n"):
                process.require_ended(shown(path))
            yield AnnDataFile(path, process, **json.loads(written))
    except ProfileFileError as error:
        raise CohortError(str(error)) from error
    except OSError as error:
        raise CohortError(f"{shown(path)}: cannot be read ({error.strerror}).") from error


def _files(folder: Path) -> list[Path]:
    found = (file for file in folder.iterdir() if file.is_file() and file.name.lower().endswith(SUFFIX))
    return sorted(file for file in found if file.name[0] != ".")


def _file(folder: Path, declared: Declared, source: str) -> tuple[Path, Declared]:
    """Return the file that is read, and what is declared of the matrices in it."""
    files = _files(folder)
    named = [file for file in files if declared.profile in {file.name, file.stem}]
    if named:
        return named[0], replace(declared, profile=None)
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise CohortError(
            f'{source}: has {len(files)} AnnData files ({names}); name one in {SETTINGS_FILE}: expression = "…".'
        )
    return files[0], declared


def _with_place(declared: Declared, places: Sequence[str]) -> Declared:
    """Return the declared profile under the name by which the file is asked for it."""
    layer = f"{_LAYERS}{declared.profile}"
    return replace(declared, profile=layer) if declared.profile not in places and layer in places else declared


def _scale(place: str) -> str | None:
    name = place.removeprefix(_LAYERS).lower()
    return name if place.startswith(_LAYERS) and name in SCALES else None


def _genes(
    file: AnnDataFile, place: str, declared: Declared, settings: Settings, source: str
) -> tuple[pd.Series, list[int], Ledger]:
    """Return the genes that are read, their positions, and what was decided."""
    naming = file.naming["raw" if place == "raw" else "var"]
    columns = {name: pd.Series(words, dtype="str") for name, words in naming.items()}
    _, genes, ledger = gene_column(columns, settings.gene_column, source)
    if declared.only is not None:
        asked = genes.map(rows_to_read(declared.only)).astype(bool)
        n_others = int((~asked).sum())
        what = "rows of genes that were not asked for"
        ledger = ledger.with_note("dropped", what, n_others) if n_others else ledger
        genes = genes[asked]
    if genes.empty:
        raise CohortError(f"{source}: has none of the genes that are asked for; ask for them by their current symbols.")
    n_values = file.n_patients * len(genes)
    if n_values > MOST_VALUES:
        raise CohortError(
            f"{source}: {file.n_patients} rows of {len(genes)} genes are {n_values} values, {MOST_VALUES} at most "
            "are read; a row must be a patient or sample, not a cell: sum the cells of each sample."
        )
    return genes.reset_index(drop=True), genes.index.tolist(), ledger


def _words(column: list[Any]) -> list[str]:
    return ["" if cell is None or cell != cell else str(cell) for cell in column]  # noqa: PLR0124 (NaN is not itself)


def _require_finite(values: NDArray[np.float64], rows: list[int], path: Path) -> None:
    infinite = np.isinf(values)
    if infinite.any():
        gene = rows[int(np.flatnonzero(infinite.any(axis=0))[0])]
        raise CohortError(
            f"{shown(path)}: {int(infinite.sum())} values are infinite (first in the gene at position {gene}); a "
            "logarithm of zero? Add an offset before taking it, or leave the value missing."
        )
