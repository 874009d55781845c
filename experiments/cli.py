"""The command line: ``prognosis`` and its commands."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from experiments import cli_options
from experiments.benchmark_commands import benchmark
from experiments.choices import Choices
from experiments.console import progress_bars, show_log_lines
from experiments.definition_commands import init
from experiments.fetch_commands import fetch
from experiments.model_commands import models
from experiments.promotion_commands import history, promote, rollback
from experiments.retrain_commands import retrain
from experiments.scan_commands import paper, scan
from experiments.score_commands import score
from experiments.token_commands import token
from experiments.validate_commands import validate
from features.errors import PrognosisError

if TYPE_CHECKING:
    from features.cohort import Cohort

# MLflow, BentoML and what trains take seconds to import: each command imports what it needs.
# ruff: noqa: PLC0415

DEFAULT_PANEL = "ctc_review"
INTERRUPTED = 130


class Failure(click.ClickException):
    """The user's or the data's fault: one line on stderr, exit code 2."""

    exit_code = 2

    def show(self, file: object = None) -> None:  # noqa: ARG002
        """Print the message as one line."""
        click.echo(f"prognosis: {' '.join(self.message.split())}", err=True)


class Desk(click.Group):
    """A group of commands in which our errors are one line and Ctrl-C is quiet."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except PrognosisError as error:
            raise Failure(str(error)) from error
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)


_panel = click.option("--panel", default=DEFAULT_PANEL, show_default=True, help="A shipped panel, or a panel file.")


@click.group(cls=Desk, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ctc-prognosis")
def main() -> None:
    """Prognostic models on the gene panel behind circulating tumour cell clusters."""
    show_log_lines()


main.add_command(benchmark)
main.add_command(scan)
main.add_command(paper)
main.add_command(score)
main.add_command(models)
main.add_command(token)
main.add_command(init)
main.add_command(retrain)
main.add_command(promote)
main.add_command(rollback)
main.add_command(history)
main.add_command(validate)


@main.group()
def cohort() -> None:
    """Look at cohort folders, fetch public ones, or make simulated ones."""


cohort.add_command(fetch)


@cohort.command()
@click.argument("folder", type=cli_options.folder)
@cli_options.reading
@_panel
def inspect(folder: Path, panel: str, **options: Any) -> None:
    """Read the cohort in FOLDER and say what is in it, and what was dropped, mapped or guessed."""
    from experiments.summaries import cohort_summary
    from features.panel import load_panel

    read = Choices(**options).read(folder)
    click.echo(cohort_summary(read, load_panel(panel)))


@cohort.command()
@click.option("--to", "target", type=cli_options.folder, required=True, help="Where the study folders go.")
@click.option("--cancer-type", "cancer_types", multiple=True, help="Only this one; may be given several times.")
@click.option("--seed", type=click.IntRange(min=0), help="Another seed, other patients.")
@click.option("--patients", type=click.IntRange(min=1), help="How many in each, in place of TCGA's number.")
def simulate(target: Path, cancer_types: tuple[str, ...], seed: int | None, patients: int | None) -> None:
    """Write SIMULATED cohorts with the paper's hazard ratios, as cBioPortal study folders."""
    from experiments.simulated_study import write_simulated_cohorts
    from experiments.simulation import DEFAULT_SEED

    chosen = DEFAULT_SEED if seed is None else seed
    to_stderr = partial(click.echo, err=True)
    wanted = cancer_types or None
    for folder in write_simulated_cohorts(
        target, cancer_types=wanted, seed=chosen, n_patients=patients, progress=to_stderr
    ):
        click.echo(str(folder))


@main.command()
@click.argument("folders", nargs=-1, required=True, type=cli_options.folder)
@cli_options.training
@click.option("--pool", is_flag=True, help="Let each cancer type lean on the others in FOLDERS.")
def train(folders: tuple[Path, ...], pool: bool, **options: Any) -> None:  # noqa: FBT001
    """Train, judge and register a model for each cohort in FOLDERS (cohort folders, or parents of some).

    A training that was interrupted goes on where it was.
    """
    from features.readers import find_cohorts

    found = find_cohorts(folders)
    choices = Choices(**options)
    if choices.cancer_type and len(found) > 1:
        raise click.UsageError(f"--cancer-type names one cohort's, but there are {len(found)} cohorts.")
    others = [choices.read(folder) for folder in found] if pool else []
    failed = [folder for folder in found if not _trained(folder, choices, others)]
    if failed:
        names = ", ".join(folder.name for folder in failed)
        raise Failure(f"{len(found) - len(failed)} of {len(found)} cohorts trained; not {names} (see above).")


@main.command()
@click.option("--port", type=click.IntRange(1, 65535), help="PROGNOSIS_PORT or 3000, unless set.")
@click.option("--host", help="PROGNOSIS_HOST or this machine only, unless set.")
@click.option("--workers", type=click.IntRange(min=1), help="Scoring processes.")
@click.option("--bundles", type=cli_options.folder, help="Serve the exported models in this folder, without MLflow.")
def serve(port: int | None, host: str | None, workers: int | None, bundles: Path | None) -> None:
    """Start the scoring service with the registered champions."""
    from serving import launch

    launch.serve(port=port, host=host, workers=workers, bundles=bundles)


@main.command()
@click.argument("folders", nargs=-1, type=cli_options.folder)
@cli_options.training
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True, help="Of the service.")
@click.option(
    "--mlflow-port", type=click.IntRange(1, 65535), default=5000, show_default=True, help="Of MLflow's pages."
)
def run(folders: tuple[Path, ...], port: int, mlflow_port: int, **options: Any) -> None:
    """Train on FOLDERS (simulated cohorts unless given), start MLflow's pages and the service, and stay."""
    from experiments.desk import run as run_desk

    run_desk(folders, Choices(**options), port=port, mlflow_port=mlflow_port)


@main.command("hazard-ratios")
@click.argument("folder", type=cli_options.folder)
@cli_options.reading
@_panel
@click.option("--format", "form", type=click.Choice(["text", "csv"]), default="text", show_default=True,
              help="csv has every column, and what is known of each gene.")  # fmt: skip
def hazard_ratios(folder: Path, panel: str, form: str, **options: Any) -> None:
    """Print the univariate hazard ratios of the panel's genes in the cohort in FOLDER."""
    from experiments.summaries import hazard_ratio_table
    from features.evidence import with_evidence
    from features.panel import load_panel
    from training.univariate import hazard_ratios as scan

    read = Choices(**options).read(folder)
    found = scan(read, load_panel(panel))
    if form == "csv":
        click.echo(with_evidence(found, read.cancer_type).to_csv(index=False), nl=False)
    else:
        click.echo(hazard_ratio_table(found))


def _trained(folder: Path, choices: Choices, others: Sequence[Cohort]) -> bool:
    """Train one cohort and print its figures; say so and go on if it cannot be trained."""
    from experiments.summaries import training_summary
    from experiments.trainings import train_and_register
    from serving.settings import settings

    try:
        with progress_bars() as progress:
            result, model = train_and_register(
                choices.read(folder), choices, settings=settings(), progress=progress, others=others
            )
    except PrognosisError as error:
        Failure(f"{folder.name}: {error}").show()
        return False
    click.echo(training_summary(result, model))
    return True
