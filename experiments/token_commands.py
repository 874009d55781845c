"""The commands that make, list and revoke the tokens of the scoring service: ``prognosis token``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

# ruff: noqa: PLC0415

_file: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="PROGNOSIS_TOKENS_FILE or tokens under PROGNOSIS_HOME, unless set.",
)


@click.group()
def token() -> None:
    """Make, list and revoke the tokens that open the scoring service."""


@token.command()
@click.argument("name")
@_file
def new(name: str, file: Path | None) -> None:
    """Make a token for NAME and print it once: only its hash is kept."""
    from serving.tokens import add_token

    path = _chosen(file)
    secret = add_token(path, name)
    click.echo(secret)
    click.echo(
        f"Keep it: only its hash is in {path}. A service started before the first token is started anew.", err=True
    )


@token.command("list")
@_file
def list_tokens(file: Path | None) -> None:
    """List the names of the tokens, and when they were made."""
    from serving.tokens import read_tokens

    for known in read_tokens(_chosen(file)):
        click.echo(f"{known.name}\t{known.created}")


@token.command()
@click.argument("name")
@_file
def revoke(name: str, file: Path | None) -> None:
    """Take the token of NAME away: running services refuse it within seconds."""
    from serving.tokens import faults_in, revoke_token

    path = _chosen(file)
    revoke_token(path, name)
    click.echo(f"{name} is no longer in {path}.", err=True)
    for fault in faults_in(path):
        click.echo(f"prognosis: {fault} Nobody is let in by it.", err=True)


def _chosen(file: Path | None) -> Path:
    from serving.settings import settings

    return file or settings().new_tokens_file
