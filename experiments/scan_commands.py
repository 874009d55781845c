"""The commands of the univariate scan: ``prognosis scan`` and ``prognosis paper``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

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
    adjust: str,
    family: str,
    by_site: bool,  # noqa: FBT001
    curves: tuple[str, ...],
    forests: tuple[str, ...],
    restricted_to: float | None,
    workers: int | None,
    cancer_type: str | None,
    profile: str | None,
    **settings: Any,
) -> None:
    """Estimate the univariate hazard ratios of genes in the cohorts in FOLDERS.

    Writes Parquet, CSV, pictures and one page that needs nothing beside it. Cohorts of one cancer type are pooled too.
    """
    from experiments import scanning
    from experiments.scan_outputs import write_scan
    from features.readers import find_cohorts
    from training.scan.scan import ScanSettings

    chosen = ScanSettings(
        adjusted_for=tuple(filter(None, map(str.strip, adjust.split(",")))),
        restricted_to_months=restricted_to,
        **settings,
    )
    wanted = scanning.genes_named(genes)
    choices = Choices(endpoint=endpoints[0], cancer_type=cancer_type, profile=profile)
    with progress_bars() as progress:
        cohorts = scanning.read_cohorts(find_cohorts(folders), choices, endpoints, by_site=by_site)
        scans = scanning.scan_cohorts(cohorts, wanted, chosen, family=family, workers=workers, progress=progress)
    figures = scanning.figures_of(scans, curves=curves, forests=forests)
    pages = write_scan(scanning.together(scans), scanning.evidence_of(scans), figures, target)
    pooled = scanning.pooled(scans)
    if pooled is not None:
        scanning.write_pooled(pooled, target)
    for each in scans:
        click.echo(scanning.counted(each))
    click.echo(str(pages[0]))


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
    from experiments import scanning
    from experiments.paper_comparison import compare_with_table_2, summary
    from experiments.paper_reproduction import reproduce_paper
    from features.readers import find_cohorts
    from training.scan.scan import ScanSettings

    pairs = [tuple(curve.split(":", 1)) for curve in curves]
    if bad := [curve for curve, pair in zip(curves, pairs, strict=True) if len(pair) != 2]:
        raise click.UsageError(f"--curve {bad[0]} names no cancer type; write it as IL1R1:BRCA.")
    cohorts = [Choices(**reading).read(folder) for folder in find_cohorts(folders)]
    wanted = scanning.genes_named(genes) if genes else None
    settings = ScanSettings(cuts=("per_sd", "median", "optimal"))
    scanned = scanning.genes_of_paper([*(wanted or ()), *(pair[0] for pair in pairs)])
    with progress_bars() as progress:
        scans = scanning.scan_cohorts(cohorts, scanned, settings, workers=workers, progress=progress)
    table = scanning.together(scans)
    pages = reproduce_paper(cohorts, table, target, genes=wanted, curves=[(pair[0], pair[1]) for pair in pairs])
    click.echo("\n".join(summary(compare_with_table_2(table))))
    click.echo(str(pages[0]))
