"""``prognosis score``: a file of patients in, a file of results out, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import orjson
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from joblib import cpu_count

from features.errors import PrognosisError
from features.profile_files import format_of, open_profiles
from serving.score_answers import answer_line
from training.file_scoring import Asked, ScoredBlock, score_file
from training.model import PrognosticModel

_GZIP = ".gz"
#: Failed rows that the terminal is told of; all of them stand in the file of results.
TOLD = 10


class ResultFileError(PrognosisError):
    """The file of results cannot be written."""


@dataclass(frozen=True)
class Outcome:
    """How the scoring of a file ended.

    Parameters
    ----------
    n_scored, n_failed : int
    failures : tuple of (row, id, what is wrong)
        The first of them.
    passed_over : tuple of str
        Columns that bear another name of a gene, but hold words: they were not read.
    """

    n_scored: int
    n_failed: int
    failures: tuple[tuple[int, str, str], ...]
    passed_over: tuple[str, ...] = ()


class Writer(Protocol):
    """Writes scored patients, some at a time."""

    def write(self, block: ScoredBlock) -> None:
        """Write those of a block."""

    def close(self) -> None:
        """End the file."""


class _Tables:
    """CSV, TSV or Parquet, with one row a patient."""

    def __init__(self, path: Path, suffix: str) -> None:
        self._path, self._suffix = path, suffix
        self._writer: pacsv.CSVWriter | pq.ParquetWriter | None = None

    def write(self, block: ScoredBlock) -> None:
        table = block.table()
        if self._writer is None:
            self._writer = self._opened(table.schema)
        self._writer.write_table(table)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def _opened(self, schema: pa.Schema) -> pacsv.CSVWriter | pq.ParquetWriter:
        if self._suffix == ".parquet":
            return pq.ParquetWriter(self._path, schema)
        delimiter = "," if self._suffix == ".csv" else "\t"
        return pacsv.CSVWriter(self._path, schema, write_options=pacsv.WriteOptions(delimiter=delimiter))


class _Lines:
    """Newline-delimited JSON: each line as the service would answer."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def write(self, block: ScoredBlock) -> None:
        for row, name, answer in zip(block.rows.tolist(), block.patients.ids, block.answers(), strict=True):
            self._file.write(orjson.dumps(answer_line(row, name, answer)) + b"\n")

    def close(self) -> None:
        self._file.close()


SUFFIXES = (".csv", ".tsv", ".parquet", ".ndjson")


def results_beside(source: Path) -> Path:
    """Return where the results of a file of patients are written unless it is said: ``a.b.csv.gz``, ``a.b.scores.csv``.

    Notes
    -----
    Only a suffix that tells of a format is taken away: ``kirc.batch1.csv`` and ``kirc.batch2.csv`` are two files.
    """
    plain = source.name[: -len(_GZIP)] if source.name.lower().endswith(_GZIP) else source.name
    stem = plain.rpartition(".")[0] if format_of(plain) is not None else plain
    return source.with_name(f"{stem}.scores.csv")


def require_free(target: Path) -> None:
    """Raise if something is where results are to be written.

    Raises
    ------
    ResultFileError
        If there is, be it a link that leads nowhere.
    """
    if os.path.lexists(target):
        raise ResultFileError(f"{target.name}: is there already; say --overwrite, or name another place with --to.")


def _require_other(source: Path, target: Path) -> None:
    if target.exists() and target.samefile(source):
        raise ResultFileError(
            f"{target.name}: is the file of patients itself, which results never replace; name another with --to."
        )


def write_scores(
    model: PrognosticModel, source: Path, target: Path, asked: Asked, *, form: str | None = None
) -> Iterator[Outcome]:
    """Score a file of patients into a file of results, and yield how far it is after every block.

    Parameters
    ----------
    model : PrognosticModel
    source : Path
    target : Path
        One of `SUFFIXES`, and not the source under another name; it appears when all is written.
    asked : Asked
    form : str or None
        The source's format, where its name does not tell.

    Raises
    ------
    ResultFileError
        If the target cannot be written, or is the source.
    ProfileFileError, RequestError
        See `training.file_scoring.score_file`.
    """
    if target.suffix.lower() not in SUFFIXES:
        raise ResultFileError(f"{target.name}: results are written as {', '.join(SUFFIXES)}; name one of these.")
    _require_other(source, target)
    blocks = score_file(model, open_profiles(source, form), asked, threads=cpu_count())
    n_scored, n_failed = 0, 0
    failures: list[tuple[int, str, str]] = []
    with _written_whole(target) as writer:
        for block in blocks:
            writer.write(block)
            n_failed += block.n_failed
            n_scored += len(block.rows) - block.n_failed
            failures += list(block.failures())[: TOLD - len(failures)]
            yield Outcome(n_scored, n_failed, tuple(failures), block.passed_over)


@contextmanager
def _written_whole(target: Path) -> Iterator[Writer]:
    # One for each process: two may be told to write the same file.
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    suffix = target.suffix.lower()
    try:
        writer: Writer = _Lines(partial) if suffix == ".ndjson" else _Tables(partial, suffix)
        try:
            yield writer
        finally:
            writer.close()
        partial.replace(target)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ResultFileError(f"{target.name}: cannot be written ({reason}); name another place with --to.") from error
    finally:
        partial.unlink(missing_ok=True)


def words_of(outcome: Outcome) -> list[str]:
    """Return what the terminal is told of the columns that were passed over and the rows that failed."""
    told = [f"column {name!r} holds words, and was not read as a gene" for name in outcome.passed_over]
    told += [f"row {row}: {fault}" for row, _, fault in outcome.failures]
    more = outcome.n_failed - len(outcome.failures)
    return [*told, *([f"… and {more:,} more; the column error of the results names all"] if more else [])]
