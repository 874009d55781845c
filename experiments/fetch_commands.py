"""The command ``prognosis cohort fetch``."""

from __future__ import annotations

from pathlib import Path

import click

from experiments import cli_options

# requests takes a while to import: the command imports what it needs.
# ruff: noqa: PLC0415


@click.command()
@click.argument("project")
@click.option("--to", "target", type=cli_options.folder, required=True, help="The cohort's folder, not there yet.")
@click.option("--from", "source", type=click.Choice(["xena", "xena-gdc", "gdc"]), default="xena", show_default=True,
              help="xena: log2(RSEM+1), curated endpoints. xena-gdc: log2(TPM+1). gdc: STAR counts.")  # fmt: skip
@click.option("--no-cache", is_flag=True, help="Neither use nor keep downloads under PROGNOSIS_HOME.")
def fetch(project: str, target: Path, source: str, no_cache: bool) -> None:  # noqa: FBT001
    """Download the public cohort PROJECT, such as TCGA-KIRC, into a folder that `cohort inspect` reads.

    From UCSC Xena's hubs or NCI's Genomic Data Commons. What was interrupted goes on where it stopped; the folder
    appears when all is there. fetched.json in it says what came from where, with checksums, licence and citations.
    """
    from tqdm import tqdm

    from experiments import fetching
    from experiments.fetch_catalogue import SOURCES, citations
    from experiments.fetch_settings import fetch_settings

    with tqdm(unit="B", unit_scale=True, unit_divisor=1024, desc=project, disable=None, leave=False) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        try:
            fetched = fetching.fetch(project, target, source, settings=fetch_settings(), cached=not no_cache, show=show)
        except KeyboardInterrupt:
            click.echo("prognosis: stopped; what came is kept, and the same command goes on from there.", err=True)
            raise
    click.echo(f"{target}: {fetched.project} from {SOURCES[source].name} ({fetched.version or 'no version stated'}), "
               f"{len(fetched.files)} files, {fetched.size / 2**20:,.1f} MiB")  # fmt: skip
    click.echo(f"Licence: {SOURCES[source].licence}")
    for citation in citations(source, fetched.project):
        click.echo(f"Cite: {citation}")
