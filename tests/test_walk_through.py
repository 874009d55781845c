"""The walk of docs/retraining.md, taken: its commands in their order, and what it shows of their output."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from conftest import REPOSITORY

WALK = REPOSITORY / "docs" / "retraining.md"
COMMAND, SHOWN, LEFT_OUT = "    $ ", "    ", "…"
#: What a command that was refused says first, and its exit code.
REFUSED, EXIT_CODE = "prognosis: ", 2
NUMBER = re.compile(r"[-+−]?\d+(\.\d+)?")


@dataclass
class Step:
    """A command of the walk, and the lines of its output that are shown."""

    command: str
    shown: list[str] = field(default_factory=list)


def steps(text: str) -> list[Step]:
    found: list[Step] = []
    for line in text.splitlines():
        if line.startswith(COMMAND):
            found.append(Step(line.removeprefix(COMMAND)))
        elif line.startswith(SHOWN) and found:
            found[-1].shown.append(line.strip())
    return found


def plain(text: str) -> str:
    """The text with single blanks, and every number as one sign: they may differ between processors."""
    return NUMBER.sub("#", " ".join(text.split()))


def is_shown(shown: str, output: str) -> bool:
    """Whether some line of the output is the one shown, what stands for more of it aside."""
    pattern = ".*".join(re.escape(plain(part)) for part in shown.split(LEFT_OUT))
    return any(re.search(pattern, plain(line)) for line in output.splitlines())


def test_every_command_does_what_the_walk_says(tmp_path: Path):
    environment = {
        **os.environ,
        "PROGNOSIS_HOME": str(tmp_path / "home"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "BENTOML_DO_NOT_TRACK": "true",
    }
    taken = steps(WALK.read_text(encoding="utf-8"))
    assert len(taken) > 10
    for step in taken:
        ended = subprocess.run(
            ["/bin/sh", "-c", step.command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        output = ended.stdout + ended.stderr
        refused = step.shown and step.shown[0].startswith(REFUSED)
        assert ended.returncode == (EXIT_CODE if refused else 0), f"{step.command}\n{output}"
        for shown in step.shown:
            assert is_shown(shown, output), f"{step.command}\nsays nowhere: {shown}\n{output}"


@pytest.mark.parametrize(
    ("shown", "output", "found"),
    [
        ("gate, slope: passed …", "x\nname  gate,   slope: passed (1.02 of 3)\n", True),
        ("version 1 is champion …; gate", "version 12 is champion in place of 3; gate passed", True),
        ("version 1 is champion", "version 1 is candidate", False),
    ],
)
def test_a_shown_line_is_found_by_its_words(shown: str, output: str, found: bool):
    assert is_shown(shown, output) == found
