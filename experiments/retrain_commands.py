"""The command that gives a model a new cohort: ``prognosis retrain``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from experiments import cli_options
from experiments.choices import Choices
from experiments.console import progress_bars
from features.errors import PrognosisError

if TYPE_CHECKING:
    from experiments.retraining import Asked
    from features.cohort import Cohort

# MLflow and what trains take seconds to import.
# ruff: noqa: PLC0415


@click.command()
@click.argument("folders", nargs=-1, required=True, type=cli_options.folder)
@cli_options.training
@click.option("--pool", is_flag=True, help="Train one model on all FOLDERS of a cancer type, stratified by cohort.")
@click.option("--name", "names", multiple=True, help="What to call each pooled cohort, in the order of FOLDERS.")
@click.option(
    "--reference", default="", help="The pooled cohort whose quantiles are the default; the largest, unless set."
)
@click.option("--champion", metavar="NAME[:VERSION]", help="Compare with this version, in place of the champion.")
@click.option("--dry-run", is_flag=True, help="Train and compare, but register nothing; the look is counted.")
@click.option("--reason", default="", help="For the record; it must hold no patient's data.")
def retrain(  # noqa: PLR0917
    folders: tuple[Path, ...],
    pool: bool,  # noqa: FBT001
    names: tuple[str, ...],
    reference: str,
    champion: str | None,
    dry_run: bool,  # noqa: FBT001
    reason: str,
    **options: Any,
) -> None:
    """Train on the cohorts in FOLDERS, compare with the champion, and promote what earned it.

    The cohort takes the place of the one that the champion was trained on. To add to that one instead, name its
    folder again with the new one and --pool: a model holds no patients. The definition is the champion's (that of the
    newest candidate where no champion stands), unless --definition names another.

    Compared are, on the new cohort, both definitions refitted without each fold's patients (by definition), and the
    champion as it is on patients whom it has not learned from (locked). Differences are paired, with intervals.

    A challenger becomes champion if it passes the gate, and is shown to lose no more concordance than the definition's
    non_inferiority_margin; else it is registered as a candidate and the champion stays. Where no champion stands, the
    gate alone decides. Every look at the same patients is counted, dry runs too; prognosis history lists them. What
    was trained is kept after --dry-run, so that the same command without it is done soon.
    """
    from experiments.audit_log import plain
    from experiments.retraining import Asked
    from experiments.transfer import Reference

    choices = Choices(**options)
    rival = Reference.parse(champion) if champion else None
    asked = Asked(choices, rival=rival, reason=plain(reason), dry_run=dry_run, reference=reference)
    cohorts = list(_cohorts(folders, choices, pool=pool, names=names))
    failed = [str(cohort) for cohort in cohorts if not _retrained(cohort, asked)]
    if failed:
        raise PrognosisError(f"{len(cohorts) - len(failed)} of {len(cohorts)} retrained; not {', '.join(failed)}.")


def _cohorts(folders: Sequence[Path], choices: Choices, *, pool: bool, names: Sequence[str]) -> Iterator[Cohort]:
    """Read the folders and yield one cohort a cancer type."""
    from features.pooled_cohorts import pooled
    from features.readers import find_cohorts

    found = find_cohorts(folders)
    if choices.cancer_type and len(found) > 1 and not pool:
        raise click.UsageError(f"--cancer-type names one cohort's, but there are {len(found)} cohorts.")
    called = _called(names, found)
    by_type: dict[str, list[tuple[Cohort, str | None]]] = {}
    for folder, name in zip(found, called, strict=True):
        read = choices.read(folder)
        by_type.setdefault(read.cancer_type, []).append((read, name))
    _check_pooling({cancer_type: len(each) for cancer_type, each in by_type.items()}, pool=pool)
    for several in by_type.values():
        cohorts, own = [cohort for cohort, _ in several], [name for _, name in several if name is not None]
        yield pooled(cohorts, own or None) if len(cohorts) > 1 else cohorts[0]


def _called(names: Sequence[str], found: Sequence[Path]) -> Sequence[str | None]:
    if names and len(names) != len(found):
        raise click.UsageError(f"--name stands {len(names)} times, but there are {len(found)} cohorts; name each once.")
    return names or [None] * len(found)


def _check_pooling(sizes: dict[str, int], *, pool: bool) -> None:
    several = [cancer_type for cancer_type, n_cohorts in sizes.items() if n_cohorts > 1]
    if several and not pool:
        raise click.UsageError(
            f"{sizes[several[0]]} cohorts are of {several[0]}: name one alone to train on it in place of the others, "
            "or say --pool to train on all of them, stratified by cohort."
        )
    if pool and not several:
        raise click.UsageError("--pool: no two of these cohorts are of one cancer type; name the old folder again too.")


def _retrained(cohort: Cohort, asked: Asked) -> bool:
    """Retrain on one cohort and print what came of it; say so and go on if it cannot be done."""
    from experiments.retrain_tables import retraining_summary
    from experiments.retraining import retrain as run
    from serving.settings import settings

    try:
        with progress_bars() as progress:
            came_of_it = run(cohort, asked, settings=settings(), progress=progress)
    except PrognosisError as error:
        told = " ".join(str(error).split())
        # What is wrong with a cohort begins with its name.
        where = "" if told.startswith(f"{cohort}: ") else f"{cohort}: "
        click.echo(f"prognosis: {where}{told}", err=True)
        return False
    click.echo(retraining_summary(came_of_it))
    return True
