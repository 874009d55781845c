"""Options that several commands of the command line share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from features.endpoints import ENDPOINTS
from features.scale_names import SCALES

#: `features.follow_up_units.UNITS`, whose import takes pandas along.
TIME_UNITS = ("days", "months", "years")

type Command = Callable[..., object]
type Option = Callable[[Command], Command]


def options(*chosen: Option) -> Option:
    """Put several options on a command."""

    def put(command: Command) -> Command:
        for option in reversed(chosen):
            command = option(command)
        return command

    return put


folder = click.Path(file_okay=False, path_type=Path)
ENDPOINT_HELP = ", ".join(f"{short}: {words}" for short, words in ENDPOINTS.items()) + "."
#: Names of the options that say what a cohort's folder does not.
OF_THE_FOLDER = ("cancer_type", "profile", "scale", "zscore_reference", "time_unit")
_source = options(
    click.option("--cancer-type", help="TCGA's code, in place of what the folder says."),
    click.option("--profile", help="The expression file to read, where the folder has several."),
    click.option("--scale", type=click.Choice(SCALES), help="Of the expression, where the folder does not say it."),
    click.option("--zscore-reference", help="What z-scores refer to, where the folder does not say it."),
    click.option(
        "--time-unit", type=click.Choice(TIME_UNITS), help="Of times of follow-up whose column states no unit."
    ),
)
reading = options(click.option("--endpoint", default="OS", show_default=True, help=ENDPOINT_HELP), _source)
workers = click.option(
    "--workers", type=click.IntRange(min=1), help="Processes; as many as there are processors, unless set."
)
training = options(
    reading,
    click.option("--trials", type=click.IntRange(min=1), help="Trials of each study, in place of the definition's."),
    click.option("--definition", type=click.Path(dir_okay=False, path_type=Path), help="Definition file (TOML)."),
    click.option("--seed", type=click.IntRange(min=0), help="In place of the definition's."),
    workers,
)
endpoints = options(
    click.option(
        "--endpoint",
        "endpoints",
        multiple=True,
        type=click.Choice(list(ENDPOINTS)),
        default=("OS",),
        show_default=True,
        help=f"May be given several times. {ENDPOINT_HELP}",
    ),
    _source,
)
