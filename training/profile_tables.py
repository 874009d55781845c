"""Files of patients as one model reads them: which columns are genes, which are clinical, and what is wrong where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.clinical_covariates import parsed_values
from features.errors import ClinicalError
from features.profile_blocks import Block, ProfileFile, ProfileFileError
from features.profile_cells import is_number
from training.model import PrognosticModel
from training.profiles import Layout, PatientReader, Patients, parse_clinical

Floats = NDArray[np.float64]

SURVIVED = "survived_months"


@dataclass(frozen=True, eq=False)
class _Columns:
    """Where in the file what stands: genes in the order of the layout's targets, words by their column's name."""

    layout: Layout
    numbers: list[int]
    words: dict[str, int]
    passed_over: tuple[str, ...]


class PatientFile:
    """A file of patients, read for one model.

    Parameters
    ----------
    file : ProfileFile
    reader : PatientReader
        The model's.
    scale : str
        Of the expression values.

    Raises
    ------
    ProfileFileError
        If no column names a gene of the model's panel, or two name the same gene or clinical covariate.

    Notes
    -----
    A previous symbol or an alias can be another thing's name: a column ``HER2`` of ``positive`` and ``negative`` is no
    expression of *ERBB2*. Such a column is passed over if the first patients have words in it and no number.
    """

    def __init__(self, file: ProfileFile, reader: PatientReader, scale: str) -> None:
        self._file, self._reader, self._scale = file, reader, scale
        self._columns = _columns_of(file, reader)
        self._seen: dict[str, int] = {}
        self._parsed: dict[tuple[str, Any], tuple[Any, str | None]] = {}

    @property
    def passed_over(self) -> tuple[str, ...]:
        """Columns that bear another name of a gene, and hold words."""
        return self._columns.passed_over

    def patients(self) -> Iterator[tuple[NDArray[np.int64], Patients]]:
        """Yield the patients in order, some at a time, with their rows in the file.

        Raises
        ------
        ProfileFileError
            If there is none, or the file turns out damaged.
        """
        columns, is_empty = self._columns, True
        for block in self._file.blocks(columns.numbers, list(columns.words.values())):
            is_empty = False
            yield block.rows, self._patients(block)
        if is_empty:
            raise ProfileFileError("the file holds no patient; each needs a row below the names of the columns.")

    def _patients(self, block: Block) -> Patients:
        faults = dict(block.faults)
        faults |= {i: fault for i, fault in self._id_faults(block) if i not in faults}
        names = {name: block.words[self._file.columns[j]] for name, j in self._columns.words.items()}
        survived = _survived(names.pop(SURVIVED, [None] * len(block.ids)), faults)
        raw = np.full((len(block.ids), len(self._reader.symbols)), np.nan)
        raw[:, self._columns.layout.targets] = block.numbers
        return self._reader.read(
            block.ids,
            raw,
            self._scale,
            clinical={name: parsed_values(name, self._clinical(name, cells, faults)) for name, cells in names.items()},
            survived_months=survived,
            layouts=[self._columns.layout],
            ignored_clinical={},
            faults=faults,
        )

    def _id_faults(self, block: Block) -> Iterator[tuple[int, str]]:
        for i, (name, row) in enumerate(zip(block.ids, block.rows.tolist(), strict=True)):
            if not name:
                yield i, "has no id."
            elif (first := self._seen.setdefault(name, row)) != row:
                yield i, f"has the id of row {first}; give every patient an id of its own."

    def _clinical(self, name: str, cells: list[Any], faults: dict[int, str]) -> list[Any]:
        # A file says "III" a thousand times: each word is read once.
        values = []
        for i, cell in enumerate(cells):
            key = (name, cell)
            if key not in self._parsed:
                self._parsed[key] = _parsed(name, cell)
            value, fault = self._parsed[key]
            values.append(value)
            if fault is not None:
                faults.setdefault(i, fault)
        return values


def _columns_of(file: ProfileFile, reader: PatientReader) -> _Columns:
    words = _clinical_columns(file, reader)
    taken = set(words.values())
    others = [j for j in file.gene_positions if j not in taken]
    layout, passed_over = _genes(file, reader, others), set[int]()
    while without := _without_numbers(file, _by_another_name(reader.model, layout, others, file.columns)):
        passed_over |= without
        others = [j for j in others if j not in without]
        layout = _genes(file, reader, others)
    if layout.fault is not None:
        raise ProfileFileError(f"the file's columns {layout.fault}")
    if not len(layout.sources):
        raise ProfileFileError(_no_gene(file, reader.model))
    genes = [others[i] for i in layout.sources.tolist()]
    return _Columns(layout, genes, words, tuple(file.columns[j] for j in sorted(passed_over)))


def _clinical_columns(file: ProfileFile, reader: PatientReader) -> dict[str, int]:
    expected = {name.lower(): name for name in (*reader.clinical_columns, SURVIVED)}
    words: dict[str, int] = {}
    for j in file.clinical_positions:
        name = expected.get(file.columns[j].strip().lower())
        if name is not None and words.setdefault(name, j) != j:
            raise ProfileFileError(f"the file has two columns of {name}; keep one.")
    return words


def _genes(file: ProfileFile, reader: PatientReader, positions: Sequence[int]) -> Layout:
    return reader.layout(tuple(file.columns[j] for j in positions))


def _by_another_name(
    model: PrognosticModel, layout: Layout, positions: Sequence[int], columns: Sequence[str]
) -> list[int]:
    """Return the columns that name a gene by a previous symbol or an alias."""
    named = [positions[i] for i in layout.sources.tolist()]
    certain = model.resolver.certain
    return [j for j in named if not any(level.lookup(columns[j].strip()) for level in certain)]


def _without_numbers(file: ProfileFile, positions: Sequence[int]) -> set[int]:
    """Return the columns in which the first patients have words and no number."""
    if not positions or not set(positions) & set(file.clinical_positions):
        return set()
    first = next(file.blocks((), positions), None)
    if first is None:
        return set()
    found = set()
    for j in positions:
        known = [cell for cell in first.words[file.columns[j]] if cell is not None]
        if known and not any(map(is_number, known)):
            found.add(j)
    return found


def _no_gene(file: ProfileFile, model: PrognosticModel) -> str:
    first = ", ".join(map(repr, file.columns[:3]))
    return (
        f"none of the file's {len(file.columns)} columns (first: {first}) names a gene that {model.name} knows; "
        "patients stand in rows and genes in columns, by symbol, Ensembl or Entrez identifier: turn the table if it "
        "is the other way round."
    )


def _parsed(name: str, cell: Any) -> tuple[Any, str | None]:
    try:
        return parse_clinical(name, cell), None
    except ClinicalError as error:
        return None, str(error)


def _survived(cells: list[Any], faults: dict[int, str]) -> Floats:
    months = np.zeros(len(cells))
    for i, cell in enumerate(cells):
        if cell is None:
            continue
        if not is_number(cell):
            faults.setdefault(i, f"{SURVIVED} must be a number of months above 0, or empty; it is a word.")
            continue
        months[i] = float(cell)
        if not 0 < months[i] < np.inf:
            faults.setdefault(i, f"{SURVIVED} must be a number of months above 0, or empty.")
            months[i] = 0.0
    return months
