"""The commands ``prognosis benchmark …``: what the models reach, and how fast everything is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from experiments import cli_options
from experiments.choices import Choices
from experiments.console import progress_bars

# What is measured takes seconds to import: each command imports what it needs.
# ruff: noqa: PLC0415


@click.group()
def benchmark() -> None:
    """Measure what the models reach."""


@benchmark.command("models")
@click.argument("folders", nargs=-1, required=True, type=cli_options.folder)
@cli_options.training
@click.option("--to", "target", type=cli_options.folder, default=Path("experiments/results"), show_default=True,
              help="Where the tables go.")  # fmt: skip
@click.option("--configuration-trials", type=click.IntRange(min=1), default=12, show_default=True,
              help="Trials of each study whose panel is fixed.")  # fmt: skip
def benchmark_models(folders: tuple[Path, ...], target: Path, configuration_trials: int, **options: Any) -> None:
    """Judge every learner on every panel in the cohorts in FOLDERS, and write the tables.

    A benchmark that was interrupted goes on where it was.
    """
    from experiments.benchmarks import models as benchmarks
    from features.readers import find_cohorts
    from serving.settings import settings

    choices = Choices(**options)
    cohorts = [choices.read(folder) for folder in find_cohorts(folders)]
    with progress_bars() as progress:
        benchmarks.benchmark_models(
            cohorts,
            choices,
            folder=target,
            settings=settings(),
            configuration_trials=configuration_trials,
            progress=progress,
        )
    click.echo(str(target / "models.md"))


@benchmark.command("objectives")
@click.argument("folders", nargs=-1, required=True, type=cli_options.folder)
@cli_options.training
@click.option("--to", "target", type=cli_options.folder, default=Path("experiments/results"), show_default=True,
              help="Where the tables go.")  # fmt: skip
def benchmark_objectives(folders: tuple[Path, ...], target: Path, **options: Any) -> None:
    """Set xgboost's Cox beside its AFT objective, and models with derived terms beside those without.

    In the cohorts in FOLDERS; 8 trials a study, unless set. A benchmark that was interrupted goes on where it was.
    """
    from experiments.benchmarks import objectives as benchmarks
    from features.readers import find_cohorts
    from serving.settings import settings

    choices = Choices(**options)
    cohorts = [choices.read(folder) for folder in find_cohorts(folders)]
    with progress_bars() as progress:
        benchmarks.benchmark_objectives(cohorts, choices, folder=target, settings=settings(), progress=progress)
    click.echo(str(target / "objectives.md"))


@benchmark.command("speed")
@click.argument("folders", nargs=-1, type=cli_options.folder)
@cli_options.training
@click.option("--to", "target", type=cli_options.folder, default=Path("experiments/results"), show_default=True,
              help="Where the tables go.")  # fmt: skip
@click.option("--patients", type=click.IntRange(min=50), default=500, show_default=True,
              help="Of the simulated cohort whose training is taken apart.")  # fmt: skip
def benchmark_speed(folders: tuple[Path, ...], target: Path, patients: int, **options: Any) -> None:
    """Print and write where the time of a training goes, and how other packages do on the same folds.

    In the cohorts in FOLDERS, if any, it estimates what stopping trials early costs; 50 trials of either learner,
    unless set, also where the definition has fewer. A benchmark that was interrupted goes on there where it was.
    """
    from experiments.benchmarks.speed import benchmark_speed as measured
    from experiments.benchmarks.speed_tables import markdown, write_speed
    from features.readers import find_cohorts
    from serving.settings import settings

    choices = Choices(**options)
    cohorts = [choices.read(folder) for folder in find_cohorts(folders)] if folders else []
    with progress_bars() as progress:
        speed = measured(cohorts, choices, settings=settings(), n_patients=patients, progress=progress)
    write_speed(speed, target)
    click.echo(markdown(speed), nl=False)


@benchmark.command("coverage")
@click.option("--to", "target", type=cli_options.folder, default=Path("experiments/results"), show_default=True,
              help="Where the tables go.")  # fmt: skip
@click.option("--cohorts", type=click.IntRange(min=1), help="Of each learner at most, in place of 20 and 10.")
@cli_options.workers
def benchmark_coverage(target: Path, cohorts: int | None, workers: int | None) -> None:
    """Measure on simulated cohorts how often intervals hold the true survival of new patients."""
    from experiments.benchmarks.coverage import NUMBERS
    from experiments.benchmarks.coverage import benchmark_coverage as measured
    from experiments.benchmarks.coverage_tables import markdown, write_coverage

    numbers = {name: min(number, cohorts or number) for name, number in NUMBERS.items()}
    with progress_bars() as progress:
        found = measured(numbers, workers=workers, progress=progress)
    write_coverage(found, target)
    click.echo(markdown(found), nl=False)


@benchmark.command("start")
@click.option("--to", "target", type=cli_options.folder, default=Path("experiments/results"), show_default=True,
              help="Where the table goes.")  # fmt: skip
@click.option("--models", "n_models", type=click.IntRange(min=1), default=10, show_default=True, help="Served.")
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Scoring processes.")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Starts of each kind.")
def benchmark_start(target: Path, n_models: int, workers: int, rounds: int) -> None:
    """Measure how long the service takes from its start until it is ready, and write the table."""
    from experiments.benchmarks.start import benchmark_start as measured
    from experiments.benchmarks.start import write_start
    from experiments.runner import DEFINITIONS

    found = measured(DEFINITIONS / "default.toml", n_models=n_models, workers=workers, rounds=rounds)
    click.echo(write_start(found, target, n_models=n_models, workers=workers), nl=False)


@benchmark.command("reading")
@click.option("--to", "target", type=cli_options.folder, default=Path("experiments/results"), show_default=True,
              help="Where the table goes.")  # fmt: skip
@click.option("--genes", "n_genes", type=click.IntRange(min=100), default=20_531, show_default=True, help="Simulated.")
@click.option("--patients", "n_patients", type=click.IntRange(min=10), default=1_000, show_default=True,
              help="Simulated.")  # fmt: skip
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Readings of each kind.")
def benchmark_reading(target: Path, n_genes: int, n_patients: int, rounds: int) -> None:
    """Measure how long a whole-transcriptome cohort takes to read, and how much memory, and write the table."""
    from experiments.benchmarks.reading import benchmark_reading as measured
    from experiments.benchmarks.reading import write_reading

    found = measured(n_genes=n_genes, n_patients=n_patients, rounds=rounds)
    click.echo(write_reading(found, target), nl=False)


@benchmark.command("univariate")
@click.argument("folders", nargs=-1, type=cli_options.folder)
@cli_options.reading
@click.option("--to", "target", type=cli_options.folder, default=Path("experiments/results"), show_default=True,
              help="Where the tables go.")  # fmt: skip
@click.option("--genes", type=click.IntRange(min=100), default=20_000, show_default=True, help="Of the race.")
@click.option("--patients", type=click.IntRange(min=50), default=500, show_default=True, help="Of the race.")
def benchmark_univariate(folders: tuple[Path, ...], target: Path, genes: int, patients: int, **options: Any) -> None:
    """Race the univariate scan against R and lifelines, and compare it with R in the cohorts in FOLDERS.

    Needs R with its packages survival and maxstat.
    """
    from experiments.benchmarks.univariate import benchmark_univariate as measured
    from experiments.benchmarks.univariate_tables import markdown, write_univariate
    from features.readers import find_cohorts

    choices = Choices(**options)
    cohorts = [choices.read(folder) for folder in find_cohorts(folders)] if folders else []
    with progress_bars() as progress:
        found = measured(cohorts, n_patients=patients, n_genes=genes, progress=progress)
    write_univariate(found, target)
    click.echo(markdown(found), nl=False)


@benchmark.command("applicability")
@click.argument("folders", nargs=-1, required=True, type=cli_options.folder)
@cli_options.reading
@click.option("--definition", type=click.Path(dir_okay=False, path_type=Path), help="Definition file (TOML).")
@click.option("--seed", type=click.IntRange(min=0), help="In place of the definition's.")
@click.option("--to", "target", type=cli_options.folder, default=Path("experiments/results"), show_default=True,
              help="Where the tables go.")  # fmt: skip
def benchmark_applicability(folders: tuple[Path, ...], target: Path, **options: Any) -> None:
    """Hold back patients of the cohorts in FOLDERS, send each model what it cannot score, and count what is caught."""
    from experiments.benchmarks.applicability import benchmark_applicability as measured
    from experiments.benchmarks.applicability_tables import markdown, write_applicability
    from features.readers import find_cohorts

    choices = Choices(**options)
    cohorts = [choices.read(folder) for folder in find_cohorts(folders)]
    with progress_bars() as progress:
        found = measured(cohorts, choices, progress=progress)
    write_applicability(found, target)
    click.echo(markdown(found), nl=False)


@benchmark.command("serving")
@click.option("--to", "target", type=cli_options.folder, default=Path("experiments/results"), show_default=True,
              help="Where the table goes.")  # fmt: skip
@click.option("--requests", "n_requests", type=click.IntRange(min=50), default=2_000, show_default=True,
              help="Of each server in a round.")  # fmt: skip
@click.option("--patients", "n_file", type=click.IntRange(min=1), default=1_000_000, show_default=True,
              help="Of the file that is scored.")  # fmt: skip
@click.option("--further", "n_memory", type=click.IntRange(min=1), default=200_000, show_default=True,
              help="Requests before memory is measured again.")  # fmt: skip
def benchmark_serving(target: Path, n_requests: int, n_file: int, n_memory: int) -> None:
    """Race the service against a FastAPI handler and `mlflow models serve`, score a file, and write the table."""
    from experiments.benchmarks.serving import benchmark_serving as measured
    from experiments.benchmarks.serving_tables import write_serving
    from experiments.runner import DEFINITIONS

    found = measured(DEFINITIONS / "simulated.toml", n_requests=n_requests, n_file=n_file, n_memory=n_memory)
    click.echo(write_serving(found, target), nl=False)


@benchmark.command("soak")
@click.option("--minutes", type=click.FloatRange(min=0.1), default=30, show_default=True, help="Of steady load.")
@click.option("--to", "target", type=cli_options.folder, default=Path("experiments/results"), show_default=True,
              help="Where the tables go.")  # fmt: skip
@click.pass_context
def benchmark_soak(context: click.Context, minutes: float, target: Path) -> None:
    """Put the service under load, promote, kill workers, stop the registry, send hostile bodies; compare every answer.

    Exits with 1 if anything was lost or wrong, or if anything else was not as it must be.
    """
    from experiments.benchmarks.small_service import trained_model
    from experiments.benchmarks.soak import Plan, soak
    from experiments.benchmarks.soak_tables import write_soak
    from experiments.runner import DEFINITIONS

    found = soak(trained_model(DEFINITIONS / "simulated.toml"), Plan.of_minutes(minutes))
    click.echo(write_soak(found, target), nl=False)
    if not found.clean:
        context.exit(1)
