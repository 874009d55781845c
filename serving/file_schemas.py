"""What the lines of an answer about a file hold: the model, the patients, and how many there were."""

from __future__ import annotations

from pydantic import Field

from serving.problems import Problem
from serving.result_schemas import Result
from serving.schemas import ModelBlock
from serving.wire import Wire


class ModelLine(Wire):
    """The first line: which model answers."""

    model: ModelBlock


class PatientLine(Result):
    """The line of a patient: figures, or an error."""

    row: int = Field(ge=1, description="Where the patient stands in the file, from 1, the header not counted.")


class FileSummary(Wire):
    """How many patients a file had."""

    patients: int = Field(ge=0)
    scored: int = Field(ge=0)
    failed: int = Field(ge=0, description="Patients whose lines bear an `error`.")
    passed_over: list[str] = Field(
        default=[],
        description="Columns that bear a previous symbol or an alias of a gene, but hold words, and were not read; "
        "left out where there are none.",
    )


class SummaryLine(Wire):
    """The last line; an answer without it was broken off."""

    summary: FileSummary


class BrokenOffLine(Wire):
    """The last line where the file turned out damaged half way."""

    error: Problem


FileLine = ModelLine | PatientLine | SummaryLine | BrokenOffLine
