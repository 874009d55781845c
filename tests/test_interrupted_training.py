"""A training that is killed outright goes on where it was, and ends with the same numbers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from experiments.simulated_study import write_simulated_cohorts
from experiments.trainings import UNFINISHED

PROGNOSIS = Path(sys.executable).with_name("prognosis")
#: How much is kept when the process is killed: a few trials of the first study, some folds, some random sets.
KEPT_AT_KILLS = (3, 25, 45)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    (written,) = write_simulated_cohorts(tmp_path_factory.mktemp("cohorts"), cancer_types=("GBM",))
    return written


@pytest.fixture(scope="module")
def definition(small_definition, tmp_path_factory):
    text = small_definition.read_text(encoding="utf-8").replace('learner = "penalised_cox"', 'learner = "auto"')
    path = tmp_path_factory.mktemp("definition") / "auto.toml"
    path.write_text(text, encoding="utf-8")
    return path


def start(folder, definition, home, *, trials=3):
    arguments = ["train", folder, "--definition", definition, "--trials", trials, "--workers", 1]
    home.mkdir(exist_ok=True)
    with said(home).open("ab") as output:
        # A session of its own, so that its workers die with it.
        return subprocess.Popen(
            [PROGNOSIS, *map(str, arguments)],
            env={**os.environ, "PROGNOSIS_HOME": str(home), "OMP_NUM_THREADS": "1"},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def said(home):
    return home / "output.txt"


def kept(home):
    """Return every finished part by its name: lines of studies, and files of folds with when they were written."""
    parts = {}
    for path in (home / UNFINISHED).rglob("*"):
        if path.suffix == ".jsonl":
            parts |= {(path.name, path.parent.name, i): line for i, line in enumerate(path.read_bytes().splitlines())}
        elif path.suffix == ".npz":
            parts[path.name,] = path.stat().st_mtime_ns
    return parts


def kill_when(process, home, n_parts):
    """Kill a training outright once so much is kept; return what was."""
    deadline = time.monotonic() + 120
    while len(kept(home)) < n_parts:
        assert process.poll() is None, said(home).read_text()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return kept(home)


def finished(process, home):
    assert process.wait(timeout=300) == 0, said(home).read_text()
    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    (experiment,) = client.search_experiments(filter_string="name = 'SIMULATED-GBM-OS'")
    runs = client.search_runs([experiment.experiment_id])
    metrics = {run.info.run_name: run.data.metrics for run in runs if not run.info.run_name.startswith("training")}
    (model,) = (home / "artifacts").rglob("model.json")
    content = json.loads(model.read_text(encoding="utf-8"))
    content["provenance"].pop("created")
    return repr(sorted(metrics.items())), content


def test_a_training_killed_three_times_ends_with_the_numbers_of_one_that_never_was(folder, definition, tmp_path):
    whole = finished(start(folder, definition, tmp_path / "whole"), tmp_path / "whole")
    home, before = tmp_path / "killed", {}
    for n_parts in KEPT_AT_KILLS:
        now = kill_when(start(folder, definition, home), home, n_parts)
        torn = {key for key, part in before.items() if now.get(key) != part}
        # What was kept is neither done again nor written again; a line that the kill tore is.
        assert len(torn) <= 1
        before = now
    assert finished(start(folder, definition, home), home) == whole
    assert not list((home / UNFINISHED).iterdir())


def test_two_processes_at_the_same_training_are_one_too_many(folder, definition, tmp_path):
    first = start(folder, definition, tmp_path, trials=50)
    try:
        deadline = time.monotonic() + 60
        while not kept(tmp_path):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        start(folder, definition, tmp_path, trials=50).wait(timeout=60)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    assert "another process is at this very training" in said(tmp_path).read_text()
    assert "Traceback" not in said(tmp_path).read_text()
