"""The command that begins a definition: ``prognosis init``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from experiments import cli_options
from experiments.choices import Choices

# What trains takes seconds to import.
# ruff: noqa: PLC0415


@click.command()
@click.argument("folder", type=cli_options.folder)
@cli_options.reading
@click.option(
    "--to", "target", type=click.Path(path_type=Path), help="File or folder; CANCER-ENDPOINT.toml unless set."
)
@click.option("--overwrite", is_flag=True, help="Replace the file if it is there.")
def init(folder: Path, target: Path | None, overwrite: bool, **options: Any) -> None:  # noqa: FBT001
    """Write a definition for the cohort in FOLDER, to be edited: horizons, folds and learners that suit its size.

    It is the default definition with what the cohort asks for and why, and it trains as it stands: prognosis train
    FOLDER --definition FILE, or prognosis retrain. It also says which clauses of the gate the cohort cannot pass.
    """
    from experiments.definition_writing import definition_name, definition_text, write_definition

    cohort = Choices(**options).read(folder)
    path = target or Path(definition_name(cohort))
    path = path / definition_name(cohort) if path.is_dir() else path
    write_definition(definition_text(cohort), path, overwrite=overwrite)
    click.echo(str(path))
