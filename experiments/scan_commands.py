"""The commands of the univariate scan: ``prognosis scan`` and ``prognosis paper``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from experiments import cli_options
from experiments.choices import Choices
from experiments.console import progress_bars

# What computes and draws takes seconds to import: each command imports what it needs.
# ruff: noqa: PLC0415

CUTS = ("per_sd", "per_unit", "median", "optimal")
FAMILIES = ("genes", "genes and cancer types", "genes and endpoints", "genes, cancer types and endpoints")


@click.command()
@click.argument("folders", nargs=-1, required=True, type=cli_options.folder)
@cli_options.endpoints
@click.option("--to", "target", type=cli_options.folder, required=True, help="Where tables, page and pictures go.")
@click.option("--genes", default="all", show_default=True,
              help="all, ctc_core, ctc_interaction, ctc_review, a file of one a line, or CD44,CXCR4,…")  # fmt: skip
@click.option("--cut", "cuts", multiple=True, type=click.Choice([*CUTS, "quantile"]), default=CUTS, show_default=True,
              help="How genes enter; may be given several times.")  # fmt: skip
@click.option("--quantile", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.75,
              show_default=True, help="Where --cut quantile cuts.")  # fmt: skip
@click.option("--ties", type=click.Choice(["efron", "breslow"]), default="efron", show_default=True)
@click.option("--strata", metavar="COLUMN", help="Compare patients within each value of a clinical column only.")
@click.option("--adjust", default="", help="Clinical columns beside each gene in a second model: age,stage.")
@click.option("--q-over", "family", type=click.Choice(FAMILIES), default="genes", show_default=True,
              help="The tests over which q, the false discovery rate, is taken.")  # fmt: skip
@click.option("--by-site", is_flag=True, help="Split each TCGA cohort by tissue-source site, and pool the sites.")
@click.option("--curve", "curves", multiple=True, help="A gene to draw survival by; may be given several times.")
@click.option("--forest", "forests", multiple=True, help="A gene to draw over the cohorts of one cancer type.")
@click.option(
    "--restricted-to", type=click.FloatRange(0, min_open=True), help="Months up to which survival is averaged."
)
@cli_options.workers
def scan(  # noqa: PLR0917
    folders: tuple[Path, ...],
    endpoints: tuple[str, ...],
    target: Path,
    genes: str,
    cuts: tuple[str, ...],
    strata: str | None,
    adjust: str,
    family: str,
    by_site: bool,  # noqa: FBT001
    curves: tuple[str, ...],
    forests: tuple[str, ...],
    restricted_to: float | None,
    workers: int | None,
    **settings: Any,
) -> None:
    """Estimate the univariate hazard ratios of genes in the cohorts in FOLDERS.

    Writes Parquet, CSV, pictures and one page that needs nothing beside it. Cohorts of one cancer type are pooled too.
    """
    from experiments import scan_genes, scan_pictures, scanning
    from experiments.scan_outputs import check_writable, write_scan
    from features.readers import find_cohorts
    from training.scan.scan import ScanSettings

    reading = {name: settings.pop(name) for name in cli_options.OF_THE_FOLDER}
    chosen = ScanSettings(
        cuts=_cuts(cuts, strata),
        strata=strata,
        adjusted_for=_words(adjust),
        restricted_to_months=restricted_to,
        **settings,
    )
    wanted = scan_genes.genes_named(genes)
    curves, forests = tuple(dict.fromkeys(curves)), tuple(dict.fromkeys(forests))
    check_writable(target)
    choices = Choices(endpoint=endpoints[0], **reading)
    with progress_bars() as progress:
        cohorts, unread = scanning.read_cohorts(find_cohorts(folders), choices, endpoints, by_site=by_site)
        found = scan_genes.found_genes(wanted, scanning.genes_of(cohorts))
        scan_pictures.check_pictures(cohorts, found.genes, chosen.cuts, curves=curves, forests=forests)
        scans, failed = scanning.scan_cohorts(
            cohorts, found.genes, chosen, family=family, workers=workers, progress=progress
        )
    figures, undrawn = scan_pictures.figures_of(scans, curves=curves, forests=forests)
    notes = [*map(str, (*unread, *failed)), *found.notes, *scanning.absent_genes(scans, found.genes), *undrawn]
    pages = write_scan(
        scanning.together(scans),
        scanning.evidence_of(scans),
        figures,
        target,
        pooled=scanning.pooled(scans, family),
        ledger=scanning.ledger_of(scans),
        notes=notes,
    )
    _report(notes, [*map(scanning.ledger_words, scans), *map(scanning.counted, scans), str(pages[0])])


def _cuts(cuts: tuple[str, ...], strata: str | None) -> tuple[str, ...]:
    """Return each cut once; an optimal one that nobody asked for is not sought within strata."""
    source = click.get_current_context().get_parameter_source("cuts")
    unasked = strata is not None and source is ParameterSource.DEFAULT
    return tuple(cut for cut in dict.fromkeys(cuts) if not (unasked and cut == "optimal"))


def _words(words: str) -> tuple[str, ...]:
    return tuple(filter(None, dict.fromkeys(map(str.strip, words.split(",")))))


def _report(notes: list[str], lines: list[str]) -> None:
    """Write what could not be done to stderr, and what was to stdout."""
    for note in notes:
        click.echo(note, err=True)
    click.echo("\n".join(lines))


@click.command()
@click.argument("folders", nargs=-1, required=True, type=cli_options.folder)
@cli_options.reading
@click.option("--to", "target", type=cli_options.folder, required=True, help="Where tables, page and pictures go.")
@click.option("--genes", help="Of the heat maps, in place of the paper's: a panel, a file, or symbols.")
@click.option("--curve", "curves", multiple=True, metavar="GENE:CANCER", help="Survival by a gene in a cancer type.")
@cli_options.workers
def paper(
    folders: tuple[Path, ...],
    target: Path,
    genes: str | None,
    curves: tuple[str, ...],
    workers: int | None,
    **reading: Any,
) -> None:
    """Rebuild the paper's Figure 3 from the cohorts in FOLDERS, and set its Table 2 beside what they show."""
    from experiments import scan_genes, scanning
    from experiments.paper_comparison import compare_with_table_2, summary
    from experiments.paper_reproduction import check_curves, reproduce_paper
    from experiments.scan_outputs import check_writable
    from features.readers import find_cohorts
    from training.scan.scan import ScanSettings

    if bad := [curve for curve in curves if ":" not in curve]:
        raise click.UsageError(f"--curve {bad[0]} names no cancer type; write it as IL1R1:BRCA.")
    pairs = [(gene, cancer) for gene, _, cancer in (curve.partition(":") for curve in dict.fromkeys(curves))]
    named = scan_genes.genes_named(genes) if genes else None
    check_writable(target)
    choices = Choices(**reading)
    cohorts, unread = scanning.read_cohorts(find_cohorts(folders), choices, [choices.endpoint], by_site=False)
    check_curves(cohorts, pairs)
    wanted = scan_genes.found_genes(named or (), scanning.genes_of(cohorts))
    further = [*(wanted.genes or ()), *(gene for gene, _ in pairs)]
    settings = ScanSettings(cuts=("per_sd", "median", "optimal"))
    with progress_bars() as progress:
        scans, failed = scanning.scan_cohorts(
            cohorts, scan_genes.genes_of_paper(further), settings, workers=workers, progress=progress
        )
    scans = scanning.with_q_of(scans, scan_genes.genes_of_paper())
    notes = [*map(str, (*unread, *failed)), *wanted.notes]
    table = scanning.together(scans)
    pages = reproduce_paper(
        [scan.cohort for scan in scans],
        table,
        target,
        genes=wanted.genes if named else None,
        curves=pairs,
        notes=notes,
    )
    _report(notes, [*summary(compare_with_table_2(table)), str(pages[0])])
