"""Score a file of patients block by block: the same figures over HTTP and on the command line."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from features.profile_blocks import ProfileFile
from training.model import PrognosticModel
from training.profile_tables import PatientFile
from training.profiles import Patients
from training.score_tables import score_table
from training.scorer import scorer_of
from training.scoring import ScoredPatients, check_scale, wanted_of


@dataclass(frozen=True)
class Asked:
    """What is asked of a file of patients.

    Parameters
    ----------
    scale : str
    zscore_reference : str or None
    horizons_months : tuple of float or None
    contributions : bool
    """

    scale: str
    zscore_reference: str | None = None
    horizons_months: tuple[float, ...] | None = None
    contributions: bool = False


@dataclass(frozen=True, eq=False)
class ScoredBlock(ScoredPatients):
    """Patients of a file, and their answers.

    Parameters
    ----------
    rows : array of int, shape (n_patients,)
        Where each stands in the file, from 1, the header not counted.
    passed_over : tuple of str
        The file's columns that bear a previous symbol or an alias of a gene, but hold words: they are not read.
    """

    rows: NDArray[np.int64]
    passed_over: tuple[str, ...] = ()

    def failures(self) -> Iterator[tuple[int, str, str]]:
        """Yield row, id and what is wrong, of every patient that could not be scored."""
        for position in sorted(self.scored.faults):
            yield int(self.rows[position]), self.patients.ids[position], str(self.scored.faults[position])

    def table(self) -> pa.Table:
        """Return the answers, one row a patient."""
        return score_table(self, self.rows)


def score_file(model: PrognosticModel, file: ProfileFile, asked: Asked, *, threads: int = 1) -> Iterator[ScoredBlock]:
    """Score the patients of a file, in order.

    What is wrong with the file as a whole, or with what is asked, is raised before the first block.

    Parameters
    ----------
    model : PrognosticModel
    file : ProfileFile
    asked : Asked
    threads : int
        In which blocks are scored while others are read and written; the answers are the same.

    Raises
    ------
    RequestError
        If the scale, its reference or a horizon cannot be answered by this model.
    ProfileFileError
        If the file holds no patient or no gene of the model, or turns out damaged.
    """
    relative_only = check_scale(model, asked.scale, asked.zscore_reference)
    wanted = wanted_of(model, asked.horizons_months, contributions=asked.contributions)
    scorer = scorer_of(model)
    read = PatientFile(file, scorer.reader, asked.scale)

    def scored(block: tuple[NDArray[np.int64], Patients]) -> ScoredBlock:
        rows, patients = block
        return ScoredBlock(
            model, patients, scorer.score(patients, wanted), wanted, relative_only, rows, read.passed_over
        )

    return map(scored, read.patients()) if threads == 1 else _ahead(scored, read.patients(), threads)


def _ahead[Block, Answer](answer: Callable[[Block], Answer], blocks: Iterator[Block], threads: int) -> Iterator[Answer]:
    """Yield the answer to each block, in order, while those to the next ones are worked out."""
    with ThreadPoolExecutor(threads, thread_name_prefix="scoring") as pool:
        waiting: deque[Future[Answer]] = deque()
        try:
            for block in blocks:
                waiting.append(pool.submit(answer, block))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()
