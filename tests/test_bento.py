"""The bento that `bentoml build` makes: what scores is in it, and nothing else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY


@pytest.fixture(scope="module")
def bento(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it in a home of its own; `bentoml` wants uv to be there, and with a lock asks nothing of it."""
    own = REPOSITORY / ".tools" / "uv" / "bin"
    places = os.pathsep.join((str(own), os.environ["PATH"]))
    if shutil.which("uv", path=places) is None:
        pytest.skip("no uv on this machine: `make install` brings one")
    home = tmp_path_factory.mktemp("bento")
    own_environment = {"PATH": places, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "true", "UV_OFFLINE": "1"}
    command = [sys.executable, "-m", "bentoml", "build", "--version", "1"]
    environment = {**os.environ, **own_environment}
    subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True)
    return home / "bentos" / "prognosis" / "1"


def test_all_that_scores_is_in_it_and_nothing_of_anybody(bento: Path):
    source = bento / "src"
    names = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    tracked = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    wanted = {name for name in tracked.stdout.splitlines() if name.startswith(("features/", "training/", "serving/"))}
    assert wanted <= names
    assert {name.partition("/")[0] for name in names} == {
        "features",
        "training",
        "serving",
        "pyproject.toml",
        "bentofile.yaml",
    }
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".nbc", ".nbi"))]
    assert {"features/panels/ctc.toml", "serving/ui/index.html"} <= names
    assert sum((source / name).stat().st_size for name in names) < 5_000_000


def test_its_packages_are_those_of_the_lock(bento: Path):
    locked = (REPOSITORY / "requirements.lock").read_text()
    written = (bento / "env" / "python" / "requirements.txt").read_text()
    assert len(pins(locked)) > 100
    assert pins(written) == pins(locked)


def pins(requirements: str) -> set[str]:
    return set(re.findall(r"^[\w.-]+==[^\s;]+", requirements, flags=re.MULTILINE))


def test_it_starts_the_service_and_calls_nobody(bento: Path):
    described = yaml.safe_load((bento / "bento.yaml").read_text())
    assert described["service"] == "serving.service:PrognosisService"
    environment = {each["name"]: each["value"] for each in described["envs"]}
    assert environment["BENTOML_DO_NOT_TRACK"] == environment["MLFLOW_DISABLE_TELEMETRY"] == "true"
