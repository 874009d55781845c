"""The commands on registered models: ``prognosis models list``, ``export`` and ``import``."""

from __future__ import annotations

from pathlib import Path

import click

from experiments import cli_options

# MLflow takes seconds to import: each command imports what it needs.
# ruff: noqa: PLC0415


@click.group(invoke_without_command=True)
@click.pass_context
def models(context: click.Context) -> None:
    """List the registered models, or move them between sites."""
    if context.invoked_subcommand is None:
        context.invoke(list_registered)


@models.command("list")
def list_registered() -> None:
    """List the registered models with their figures."""
    from experiments.summaries import models_table
    from experiments.tracking import list_models
    from serving.settings import settings

    found = list_models(settings())
    if not found:
        click.echo("No model is registered yet: prognosis train DIR makes one.", err=True)
        return
    click.echo(models_table(found))


@models.command("export")
@click.argument("references", metavar="NAME[@champion|@candidate|:VERSION]...", nargs=-1, required=True)
@click.option("--to", "target", type=cli_options.folder, required=True, help="Where each model gets a folder.")
def export_registered(references: tuple[str, ...], target: Path) -> None:
    """Write registered models into a folder that `serve --bundles` serves and `models import` registers.

    NAME alone is what is served: the champion, or the candidate where there is none.
    """
    from experiments.transfer import Reference, export_model
    from serving.settings import settings

    for reference in [Reference.parse(text) for text in references]:
        click.echo(str(export_model(reference, target, settings=settings())))


@models.command("import")
@click.argument("folder", metavar="DIR", type=cli_options.folder)
@click.option("--champion", "alias", flag_value="champion", default=None,
              help="Serve it before any candidate; only where its gate was passed.")  # fmt: skip
def import_exported(folder: Path, alias: str | None) -> None:
    """Register the exported models in DIR in this site's MLflow, as candidates."""
    from experiments.transfer import import_models
    from serving.settings import settings

    for model in import_models(folder, alias=alias or "candidate", settings=settings()):
        click.echo(f"{model.name}  version {model.version}: {', '.join(model.aliases)}; gate {model.tags['gate']}")
