"""The command ``prognosis validate``: what a locked model is worth on a cohort that it has not seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from experiments import cli_options

if TYPE_CHECKING:
    from experiments.validated_model import Locked
    from training.validation import Validation

# MLflow and what judges take seconds to import: the command imports what it needs.
# ruff: noqa: PLC0415


@click.command()
@click.argument("folder", metavar="DIR", type=cli_options.folder)
@cli_options.reading
@click.option("--model", "reference", metavar="NAME[@ALIAS|:VERSION]",
              help="A registered model; what is served for the cohort's cancer type unless set.")  # fmt: skip
@click.option("--bundle", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="A bundle's folder, or an exported model's, in place of a registered one.")  # fmt: skip
@click.option("--reference", "pooled", metavar="COHORT",
              help="Of a model of pooled cohorts: against which one; its default unless set.")  # fmt: skip
@click.option("--cross", is_flag=True, help="A model of another cancer type is meant; name it.")
@click.option("--to", "target", type=cli_options.folder,
              help="A folder for the report, its pictures, and all tables as CSV and JSON.")  # fmt: skip
@click.option("--recalibration", "proposal", type=click.Path(dir_okay=False, path_type=Path),
              help="A file for the recalibration that is offered (JSON); it is never applied.")  # fmt: skip
@click.option("--track", "tracked", is_flag=True, help="Keep it in MLflow too, below the run that made the version.")
@click.option("--overwrite", is_flag=True, help="Replace results of an earlier validation.")
def validate(
    *,
    folder: Path,
    target: Path | None,
    proposal: Path | None,
    overwrite: bool,
    cross: bool,
    tracked: bool,
    **options: Any,
) -> None:
    """Apply a locked model to the cohort in DIR, which it has not seen, and say what it is worth there.

    Nothing is refitted and no bundle is changed. Patients whom the model was trained on are left out.
    """
    from experiments.console import progress_bars
    from experiments.validated_model import locked_with_cohort
    from experiments.validation_files import require_places
    from experiments.validation_tables import terminal
    from training.validation import validate as apply_locked

    reference, bundle, pooled = (options.pop(name) for name in ("reference", "bundle", "pooled"))
    if tracked and bundle is not None:
        raise click.UsageError("--track keeps the validation of a registered version: name it with --model.")
    require_places(target, proposal, overwrite=overwrite)
    locked, cohort = locked_with_cohort(folder, reference, bundle, **options)
    with progress_bars() as progress:
        validation = apply_locked(locked.model, cohort, reference=pooled, cross=cross, progress=progress)
    kept = [*_kept(validation, locked, target, proposal, tracked=tracked)]
    click.echo("\n".join([terminal(validation, locked), *kept]))


def _kept(
    validation: Validation, locked: Locked, target: Path | None, proposal: Path | None, *, tracked: bool
) -> Iterator[str]:
    """Write what was asked for, and yield a line of each."""
    from experiments.validation_files import write_proposal, write_validation

    if target is not None:
        write_validation(validation, locked, target)
        yield f"{target}: the report, its pictures and all tables"
    if tracked:
        from experiments.validation_tracking import track_validation
        from serving.settings import settings

        yield f"MLflow run {track_validation(validation, locked, settings=settings())}"
    if proposal is not None:
        offered = write_proposal(validation, locked, proposal)
        yield f"{proposal}: {offered}"
