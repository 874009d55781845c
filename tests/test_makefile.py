"""The commands that a newcomer types first, and what they install."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
LOCK = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
TARGETS = re.findall(r"^([a-z]+):", MAKEFILE, flags=re.MULTILINE)


def make(*arguments: str, directory: Path) -> str:
    command = ["make", "--no-print-directory", "-C", str(REPOSITORY), *arguments]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True).stdout


def test_make_alone_lists_every_target_from_anywhere(tmp_path):
    listed = [line.split()[0] for line in make(directory=tmp_path).splitlines()]
    assert listed == TARGETS
    assert {"install", "run", "test", "check", "format"} <= set(listed)


@pytest.mark.parametrize("target", ["run", "test", "check", "format"])
def test_what_needs_the_environment_sets_it_up_first(tmp_path, target):
    assert make("--dry-run", target, directory=tmp_path).splitlines()[0] == "sh deploy/install"


def test_cohorts_and_ports_reach_the_command(tmp_path):
    *_, line = make(
        "--dry-run", "run", "COHORTS='/a b/KIRC' /c", "PORT=3100", "MLFLOW_PORT=5100", directory=tmp_path
    ).splitlines()
    assert line.endswith("-- '/a b/KIRC' /c")
    assert "--port 3100 --mlflow-port 5100" in line


def test_the_lock_pins_every_declared_package_with_hashes():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    declared = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = {re.match(r"[A-Za-z0-9._-]+", requirement).group().lower() for requirement in declared}
    pinned = dict(re.findall(r"^([a-z0-9._-]+)==\S+(?: ; [^\\]+)? \\\n {4}--hash=(sha256):", LOCK, flags=re.MULTILINE))
    assert names <= set(pinned)
    assert len(pinned) == len(re.findall(r"^[a-z0-9]", LOCK, flags=re.MULTILINE))


def test_the_lock_names_no_index():
    assert "://" not in LOCK
    assert "index-url" not in LOCK
