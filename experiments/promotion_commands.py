"""The commands that say which version leads: ``prognosis promote``, ``rollback`` and ``history``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from experiments.promotion import Verdict

# MLflow takes seconds to import: each command imports what it needs.
# ruff: noqa: PLC0415

_reason = click.option("--reason", default="", help="For the record; it must hold no patient's data.")


@click.command()
@click.argument("reference", metavar="NAME:VERSION")
@_reason
@click.option("--force", is_flag=True, help="Though it has not earned it; a --reason must be given.")
def promote(reference: str, reason: str, force: bool) -> None:  # noqa: FBT001
    """Make a version champion if it has earned it, and write that into the record.

    Its gate must be passed and, where a champion stands, it must have been judged beside that very one (by prognosis
    retrain), or be the same made again by other code. To go back to an earlier champion is a rollback.

    Running services serve it within seconds. NAME@candidate names the newest version.
    """
    from experiments.audit_log import plain
    from experiments.promotion import promote as make_champion
    from experiments.promotion_tables import moved_line
    from experiments.transfer import Reference
    from serving.settings import settings

    named = Reference.parse(reference)
    click.echo(moved_line(make_champion(named, settings=settings(), reason=plain(reason), force=force)))


@click.command()
@click.argument("name")
@click.option("--to", metavar="VERSION", help="One that was champion earlier; the one before, unless set.")
@_reason
def rollback(name: str, to: str | None, reason: str) -> None:
    """Make the champion before the present one of NAME champion again, by the record."""
    from experiments.audit_log import plain
    from experiments.promotion import rollback as roll_back
    from experiments.promotion_tables import moved_line
    from serving.settings import settings

    click.echo(moved_line(roll_back(name, settings=settings(), to=to, reason=plain(reason))))


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Every entry as the record has it.")
@click.option(
    "--verify", "examine", is_flag=True, help="Check the record against itself and MLflow; exit code 1 if not."
)
@click.pass_context
def history(context: click.Context, name: str | None, as_json: bool, examine: bool) -> None:  # noqa: FBT001
    """List who made which version champion, when, on which figures and why; or check that record.

    The challengers that retrain has looked at are listed too, dry runs among them: how many were tried on the same
    patients tells what the best of them is worth.
    """
    from experiments.promotion import history as read_history
    from experiments.promotion import verify
    from experiments.promotion_tables import history_json, history_table
    from serving.settings import settings

    if examine:
        if name or as_json:
            raise click.UsageError("--verify checks the whole record; give neither NAME nor --json.")
        context.exit(_told(verify(settings())))
    found = read_history(settings())
    if as_json:
        click.echo(json.dumps(history_json(found, name), indent=2, ensure_ascii=False))
    elif not found.chain.entries:
        click.echo("No promotion is recorded yet: prognosis promote NAME:VERSION makes one.", err=True)
    else:
        click.echo(history_table(found, name))
    if found.chain.fault or found.chain.torn:
        fault = found.chain.fault or f"line {len(found.chain.entries) + 1} is half-written"
        click.echo(f"prognosis: {found.record}: {fault}; it and what follows is not shown. See --verify.", err=True)


def _told(verdict: Verdict) -> int:
    """Print what an examination found, and return the exit code."""
    for note in verdict.notes:
        click.echo(f"{verdict.record}: {note}")
    for fault in verdict.faults:
        click.echo(f"prognosis: {verdict.record}: {fault}", err=True)
    if verdict.faults:
        return 1
    entries = f"{verdict.n_entries} entries"
    click.echo(f"{verdict.record}: {entries}, the chain is whole, and MLflow's champions are those of the record")
    return 0
