"""A training that is killed outright goes on where it was, and ends with the same numbers."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient

from experiments.choices import Choices
from experiments.runner import checkpoint_name, provenance_of
from experiments.simulated_study import write_simulated_cohorts
from experiments.tracking import list_models
from experiments.trainings import UNFINISHED, alone, definition_of, registered_before, train_and_register
from serving.settings import Settings

PROGNOSIS = Path(sys.executable).with_name("prognosis")
#: How much is kept when the process is killed: a few trials of the first study, some folds, some random sets.
KEPT_AT_KILLS = (3, 25, 45)
#: How many runs stand in MLflow when the process is killed: the parent, and one or several of the learners.
RUNS_AT_KILLS = (2, 5)


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


@pytest.fixture(scope="module")
def whole(folder, definition, tmp_path_factory):
    """The figures and the model of a training that was never interrupted."""
    home = tmp_path_factory.mktemp("whole")
    return finished(start(folder, definition, home), home)


def start(folder, definition, home, *, trials=3, workers=1):
    arguments = ["train", folder, "--definition", definition, "--trials", trials, "--workers", workers]
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


def runs_of(home):
    """Return each run in MLflow: its name, its status and its metrics."""
    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    (experiment,) = client.search_experiments(filter_string="name = 'SIMULATED-GBM-OS'")
    runs = client.search_runs([experiment.experiment_id])
    return [(run.info.run_name, run.info.status, run.data.metrics) for run in runs]


def n_runs(home):
    """Return how many runs MLflow's database holds, 0 while there is none."""
    try:
        with closing(sqlite3.connect(f"file:{home / 'mlflow.db'}?mode=ro", uri=True)) as database:
            return database.execute("select count(*) from runs").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def finished(process, home):
    assert process.wait(timeout=300) == 0, said(home).read_text()
    metrics = [(name, each) for name, status, each in runs_of(home) if status == "FINISHED" and "training" not in name]
    (version,) = list_models(settings_of(home))
    (model,) = (home / "artifacts").glob(f"*/{version.run_id}/**/model.json")
    content = json.loads(model.read_text(encoding="utf-8"))
    content["provenance"].pop("created")
    return repr(sorted(metrics, key=lambda run: run[0])), content


def settings_of(home):
    return Settings.from_environment({"PROGNOSIS_HOME": str(home)})


def test_a_training_killed_three_times_ends_with_the_numbers_of_one_that_never_was(folder, definition, whole, tmp_path):
    home, before = tmp_path / "killed", {}
    for n_parts in KEPT_AT_KILLS:
        now = kill_when(start(folder, definition, home), home, n_parts)
        torn = {key for key, part in before.items() if now.get(key) != part}
        # What was kept is neither done again nor written again; a line that the kill tore is.
        assert len(torn) <= 1
        before = now
    assert finished(start(folder, definition, home), home) == whole
    assert not list((home / UNFINISHED).iterdir())


def test_the_workers_of_a_process_that_is_killed_alone_die_with_it(folder, definition, whole, tmp_path):
    process = start(folder, definition, tmp_path, workers=2)
    deadline = time.monotonic() + 120
    while len(kept(tmp_path)) < 10:
        assert process.poll() is None, said(tmp_path).read_text()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    workers = psutil.Process(process.pid).children(recursive=True)
    assert len(workers) >= 2
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(workers, timeout=5)
    for worker in alive:
        worker.kill()
    assert not alive
    assert finished(start(folder, definition, tmp_path, workers=2), tmp_path) == whole


def test_runs_of_a_training_that_was_killed_while_it_wrote_them_are_closed(folder, definition, whole, tmp_path):
    for n_written in RUNS_AT_KILLS:
        process, before = start(folder, definition, tmp_path), n_runs(tmp_path)
        deadline = time.monotonic() + 180
        while n_runs(tmp_path) < before + n_written:
            assert process.poll() is None, said(tmp_path).read_text()
            assert time.monotonic() < deadline
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert "RUNNING" in {status for _, status, _ in runs_of(tmp_path)}
    assert finished(start(folder, definition, tmp_path), tmp_path) == whole
    statuses = [status for _, status, _ in runs_of(tmp_path)]
    assert set(statuses) == {"FINISHED", "KILLED"}
    assert statuses.count("KILLED") >= sum(RUNS_AT_KILLS)
    assert statuses.count("FINISHED") == whole[0].count("'concordance_harrell'") + 1
    assert not list((tmp_path / UNFINISHED).iterdir())
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.fixture
def simulated(folder, small_definition):
    """A cohort and the choices for a training of it that takes seconds, in this process."""
    choices = Choices(endpoint="OS", definition=small_definition, trials=1, workers=1)
    return choices.read(folder), choices


def test_a_model_that_was_registered_when_its_training_was_killed_is_not_registered_again(
    simulated, tmp_path, monkeypatch
):
    settings = settings_of(tmp_path)

    def killed(*_):
        raise KeyboardInterrupt

    # The first thing that is done to what was kept, once the model is registered.
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            train_and_register(*simulated, settings=settings)
    (left,) = (tmp_path / UNFINISHED).iterdir()
    result, model = train_and_register(*simulated, settings=settings)
    assert not left.exists()
    assert (model.version, model.aliases) == ("1", ("candidate",))
    assert model.tags["bundle_digest"]
    assert list_models(settings) == [model]
    assert {status for _, status, _ in runs_of(tmp_path)} == {"FINISHED"}
    assert len(runs_of(tmp_path)) == len(result.evaluations) + 2  # the parent's and the random sets'
    # Asked for once more after it has finished, it is another training of the same.
    assert train_and_register(*simulated, settings=settings)[1].version == "2"


def test_what_a_killed_training_of_other_choices_left_is_removed_unless_a_process_is_at_it(simulated, tmp_path, caplog):
    settings, unfinished = settings_of(tmp_path), tmp_path / UNFINISHED
    names = ["SIMULATED-GBM-OS-" + digit * 16 for digit in "0a"] + [".done-SIMULATED-GBM-OS-" + "1" * 16]
    others = ["SIMULATED-GBM-PFI-" + "0" * 16, "SIMULATED-LGG-OS-" + "0" * 16, "speed-SIMULATED-GBM-OS-" + "0" * 16]
    for name in (*names, *others):
        (unfinished / name / "part").mkdir(parents=True)
    with alone(unfinished / names[1]), caplog.at_level(logging.INFO):
        train_and_register(*simulated, settings=settings)
    assert {path.name for path in unfinished.iterdir()} == {names[1], *others}
    assert re.search(f"SIMULATED-GBM/OS: removed {names[0]}, left by an interrupted training", caplog.text)


def test_a_model_that_is_there_leaves_nothing_of_the_training_that_was_killed_after_it(simulated, tmp_path):
    settings = settings_of(tmp_path)
    _, model = train_and_register(*simulated, settings=settings)
    cohort, choices = simulated
    unfinished = tmp_path / UNFINISHED
    kept = unfinished / checkpoint_name(cohort, provenance_of(cohort, definition_of(cohort, choices)))
    (kept / "part").mkdir(parents=True)
    with alone(kept):
        assert registered_before(*simulated, settings=settings) == model
        assert kept.exists()
    assert registered_before(*simulated, settings=settings) == model
    assert not list(unfinished.iterdir())


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
