"""The desk: one command that trains, serves and stops all it started; real processes throughout."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from experiments.example_patient import curl_line, example_request, write_example
from experiments.supervisor import answers
from features.panel import load_panel

SECONDS = 240


@dataclass
class Running:
    """A desk that runs, what it has said, and its processes."""

    process: subprocess.Popen[str]
    output: Path
    port: int
    mlflow_port: int

    def said(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def wait_for(self, words: str) -> str:
        deadline = time.monotonic() + SECONDS
        while words not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.2)
        return self.said()

    def processes(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


def free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def environment(home: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    return {**kept, "PROGNOSIS_HOME": str(home), "PYTHONUNBUFFERED": "1"}


def start_desk(folder: Path, *, home: Path, definition: Path) -> Running:
    port, mlflow_port = free_ports()
    output = home.parent / f"desk-{port}.txt"
    command = [sys.executable, "-c", "from experiments.cli import main; main()", "run", str(folder)]
    ports = ["--port", str(port), "--mlflow-port", str(mlflow_port)]
    choices = ["--definition", str(definition), "--trials", "1", "--workers", "1"]
    with output.open("w") as stream:
        process = subprocess.Popen(
            [*command, *ports, *choices],
            stdout=stream,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(home),
            cwd=home.parent,
            start_new_session=True,
        )
    return Running(process, output, port, mlflow_port)


def stop_as_ctrl_c_does(desk: Running) -> None:
    os.killpg(desk.process.pid, signal.SIGINT)
    desk.process.wait(timeout=60)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    # A space, as paths of users have.
    return tmp_path_factory.mktemp("a desk")


@pytest.fixture(scope="module")
def cohorts(place):
    from experiments.simulated_study import write_simulated_cohorts  # noqa: PLC0415

    write_simulated_cohorts(place / "cohorts", cancer_types=["GBM"])
    return place / "cohorts"


@pytest.fixture(scope="module")
def first_run(place, cohorts, small_definition):
    """What was said and seen while a desk ran for the first time, and what was left when it was stopped."""
    desk = start_desk(cohorts, home=place / "home", definition=small_definition)
    try:
        said = desk.wait_for("Ctrl-C stops both")
        deadline = time.monotonic() + SECONDS
        while not answers(f"http://127.0.0.1:{desk.mlflow_port}/health") and time.monotonic() < deadline:
            time.sleep(0.2)
        pages = answers(f"http://127.0.0.1:{desk.mlflow_port}/")
        line = next(line for line in said.splitlines() if line.startswith("  curl "))
        curl = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
        processes = desk.processes()
    finally:
        stop_as_ctrl_c_does(desk)
    return {"said": said, "pages": pages, "answer": json.loads(curl.stdout), "processes": processes, "desk": desk}


def test_both_addresses_are_printed_and_answer(first_run):
    desk = first_run["desk"]
    assert f"MLflow   http://127.0.0.1:{desk.mlflow_port}\n" in first_run["said"]
    assert f"Service  http://127.0.0.1:{desk.port}\n" in first_run["said"]
    assert first_run["pages"]


def test_the_printed_curl_line_scores_a_patient_when_pasted(first_run):
    answer = first_run["answer"]
    assert answer["model"]["name"] == "SIMULATED-GBM-OS"
    (result,) = answer["results"]
    assert result["id"] == "example"
    assert 0 <= result["risk_percentile"] <= 100


def test_the_first_patients_time_is_told(first_run):
    assert "SIMULATED-GBM/OS: a patient was scored" in first_run["said"]


def test_ctrl_c_stops_everything_and_leaves_no_trace(first_run):
    desk = first_run["desk"]
    assert len(first_run["processes"]) >= 3  # MLflow's and BentoML's, with workers of theirs
    _, alive = psutil.wait_procs(first_run["processes"], timeout=10)
    assert alive == []
    assert desk.process.returncode == 130
    assert "Traceback" not in desk.said()


def test_all_that_was_written_lies_under_the_home(first_run, place):
    beside_home = {path.name for path in place.iterdir()}
    assert beside_home == {"home", "cohorts", f"desk-{first_run['desk'].port}.txt"}


def test_a_second_run_keeps_the_model_that_is_there(first_run, place, cohorts, small_definition):
    desk = start_desk(cohorts, home=place / "home", definition=small_definition)
    try:
        said = desk.wait_for("Ctrl-C stops both")
    finally:
        stop_as_ctrl_c_does(desk)
    assert "SIMULATED-GBM-OS: version 1 is of the same data, definition and code; kept" in said
    assert "registered as" not in said


def test_a_taken_port_is_one_line_before_anything_is_trained(tmp_path, cohorts):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        free, _ = free_ports()
        for ports in (("--port", port, "--mlflow-port", free), ("--port", free, "--mlflow-port", port)):
            result = subprocess.run(
                [sys.executable, "-c", "from experiments.cli import main; main()", "run", str(cohorts)]
                + [str(word) for word in ports],
                env=environment(tmp_path / "home"),
                capture_output=True,
                text=True,
                check=False,
            )
            assert result.returncode == 2
            assert result.stdout == ""
            (line,) = result.stderr.splitlines()
            assert line.startswith(f"prognosis: port {port} on 127.0.0.1: ")
            assert line.endswith("choose another port.")
    assert not (tmp_path / "home").exists()


def test_the_example_is_the_cohorts_medians_and_nobodys_values(small_training):
    cohort = small_training.cohort
    request = example_request(cohort, load_panel("ctc_core"))
    (profile,) = request["profiles"]
    assert request["scale"] == cohort.scale
    assert "zscore_reference" not in request
    assert set(profile["expression"]) <= set(load_panel("ctc_core").symbols)
    assert profile["expression"]["CD44"] == pytest.approx(cohort.expression["CD44"].median(), abs=1e-4)
    assert profile["clinical"]["age"] == pytest.approx(cohort.clinical["age"].median())
    assert profile["clinical"]["sex"] in {"female", "male"}


def test_a_curl_line_survives_a_path_with_spaces(small_training, tmp_path):
    path = write_example(small_training.cohort, load_panel("ctc_core"), tmp_path / "a folder")
    line = curl_line("http://127.0.0.1:3000", path)
    words = subprocess.run(["sh", "-c", f"printf '%s\\n' {line}"], capture_output=True, text=True, check=True)
    assert words.stdout.splitlines()[-1] == f"@{path}"
