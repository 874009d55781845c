"""How the service stands beside a FastAPI handler and ``mlflow models serve``, and how fast files are scored."""

from __future__ import annotations

import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psutil

from experiments.benchmarks.http_load import Load, load
from experiments.benchmarks.small_service import ended, exported, free_port, request_of, trained_model, wait_until_ready
from experiments.simulation import simulate_cohort
from training.model import PrognosticModel

CONNECTIONS = 16
#: Rounds in which all servers take turns.
ROUNDS = 5
MANY = 1000
#: Profiles of a file that are made, before they are repeated under other ids.
DISTINCT = 10_000
OURS, PLAIN, LEAN = "service", "plain FastAPI", "FastAPI, the service's scoring"
MLFLOW, MLFLOW_LEAN = "mlflow models serve, plain", "mlflow models serve, the service's scoring"
#: Saved as what; these take a data frame and answer with one.
BY_MLFLOW = {MLFLOW: "plain", MLFLOW_LEAN: "lean"}
SERVERS = (OURS, PLAIN, LEAN, MLFLOW, MLFLOW_LEAN)


@dataclass(frozen=True)
class ServingBenchmark:
    """What was measured.

    Parameters
    ----------
    loads : mapping of str to list of (per_second, p50, p99)
        By server, one a round; seconds.
    many : list of float
        Seconds of one request of `MANY` profiles.
    file_seconds, file_bytes : float
        Of ``prognosis score``: wall clock, and the largest resident set.
    n_file, n_memory : int
        Patients of the file; requests between the two measures of memory.
    memory : tuple of float
        Bytes of the worker's resident set after the first round and in the end.
    body_bytes : int
        Of an answer.
    """

    loads: Mapping[str, list[tuple[float, float, float]]]
    many: list[float]
    file_seconds: float
    file_bytes: float
    n_file: int
    n_memory: int
    memory: tuple[float, float]
    body_bytes: int

    def ratio(self, of: str, to: str, which: int = 0) -> float:
        """Return the median over rounds of one server's figure to another's in the same round."""
        return median(a[which] / b[which] for a, b in zip(self.loads[of], self.loads[to], strict=True))

    @property
    def cheaper_together(self) -> float:
        """How many times cheaper a profile is among `MANY` than alone, one after another on one worker."""
        alone = median(1 / per_second for per_second, _, _ in self.loads[OURS])
        return alone / (median(self.many) / MANY)


def benchmark_serving(definition: Path, *, n_requests: int, n_file: int, n_memory: int) -> ServingBenchmark:
    """Ask all servers the same, in turns, each of one worker process.

    Parameters
    ----------
    definition : Path
        By which the one SIMULATED model is trained.
    n_requests : int
        Of the service in a round; the slowest rival gets fewer.
    n_file, n_memory : int
        Patients in the file; further requests before memory is measured again.
    """
    with tempfile.TemporaryDirectory(prefix="prognosis-serving-") as scratch, ExitStack() as running:
        home = Path(scratch)
        model = trained_model(definition)
        bundles = exported(model, home / "exported", 1)
        request = request_of(model)
        ports = {name: running.enter_context(_server(name, home, bundles)) for name in SERVERS}
        body = _same_answers(ports, request)
        loads: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ports}
        for turn in range(ROUNDS + 1):
            for name, port in ports.items():
                found = _asked(name, port, request, n_requests)
                if turn:
                    loads[name].append((found.per_second, found.quantile(0.5), found.quantile(0.99)))
        together = _many(request)
        many = [load(ports[OURS], "/score", together, n_requests=1, connections=1).seconds for _ in range(ROUNDS + 1)]
        memory = _memory(ports[OURS], request, n_memory)
    seconds, largest = scored_file(model, n_file)
    return ServingBenchmark(loads, many[1:], seconds, largest, n_file, n_memory, memory, len(body))


@contextmanager
def _server(name: str, home: Path, bundles: Path) -> Iterator[int]:
    port = free_port()
    environment = {
        **os.environ,
        # MLflow looks for uvicorn by name.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PROGNOSIS_HOME": str(home / "home"),
        "PROGNOSIS_BUNDLES": str(bundles),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    command = _command(name, port, home, environment)
    with (home / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)  # noqa: S603
    with ended(process):
        wait_until_ready(port, process, path="/ping" if name in BY_MLFLOW else "/readyz")
        yield port


def _command(name: str, port: int, home: Path, environment: Mapping[str, str]) -> list[str]:
    here = [sys.executable, "-m"]
    if name == OURS:
        prognosis = [sys.executable, "-c", "from experiments.cli import main; main()"]
        return [*prognosis, "serve", "--port", str(port), "--workers", "1"]
    if name not in BY_MLFLOW:
        application = f"experiments.benchmarks.plain_service:{'plain' if name == PLAIN else 'lean'}"
        quiet = ["--log-level", "warning", "--no-access-log"]
        return [*here, "uvicorn", "--factory", "--port", str(port), *quiet, application]
    kind = BY_MLFLOW[name]
    saved = str(home / f"pyfunc-{kind}")
    save = [*here, "experiments.benchmarks.mlflow_rival", saved, kind]
    subprocess.run(save, env=dict(environment), check=True)  # noqa: S603
    return [*here, "mlflow", "models", "serve", "-m", saved, "--env-manager", "local", "-p", str(port), "-w", "1"]


def _asked(name: str, port: int, request: bytes, n_requests: int) -> Load:
    if name not in BY_MLFLOW:
        return load(port, "/score", request, n_requests=n_requests, connections=CONNECTIONS)
    return load(port, "/invocations", _wrapped(request), n_requests=max(n_requests // 10, 50), connections=CONNECTIONS)


def _wrapped(request: bytes) -> bytes:
    return json.dumps({"dataframe_records": [{"request": request.decode()}]}).encode()


def _same_answers(ports: Mapping[str, int], request: bytes) -> bytes:
    """Return the service's answer, once the rivals' were seen to be the same."""
    answers = {name: json.loads(_asked(name, port, request, 1).body) for name, port in ports.items()}
    answers |= {name: json.loads(answers[name]["predictions"][0]) for name in BY_MLFLOW}
    for name, answer in answers.items():
        if not _alike(answer, answers[OURS]):
            raise RuntimeError(f"{name} answers otherwise than the service.")
    return _asked(OURS, ports[OURS], request, 1).body


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-4, abs_tol=1e-5)
    return bool(one == other)


def _many(request: bytes) -> bytes:
    asked = json.loads(request)
    (profile,) = asked["profiles"]
    return json.dumps({**asked, "profiles": [{**profile, "id": f"p{i}"} for i in range(MANY)]}).encode()


def _memory(port: int, request: bytes, n_requests: int) -> tuple[float, float]:
    before = _resident(port)
    load(port, "/score", request, n_requests=n_requests, connections=CONNECTIONS)
    return before, _resident(port)


def _resident(port: int) -> float:
    """Return the largest resident set among the processes of the service that listens on a port."""
    open_there = (c for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN)
    listening = {c.pid for c in open_there if c.pid and getattr(c.laddr, "port", None) == port}
    trees = [p for pid in listening for p in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True))]
    return float(max(process.memory_info().rss for process in trees))


def scored_file(model: PrognosticModel, n_patients: int) -> tuple[float, float]:
    """Return the seconds and the largest resident set, in bytes, of ``prognosis score`` on a CSV file of patients."""
    with tempfile.TemporaryDirectory(prefix="prognosis-file-") as scratch:
        folder = Path(scratch)
        bundle = exported(model, folder / "exported", 1) / f"{model.cancer_type}-1-{model.endpoint}"
        write_patients(model, folder / "patients.csv", n_patients)
        command = [sys.executable, "-c", "from experiments.cli import main; main()", "score"]
        command += [str(folder / "patients.csv"), "--bundle", str(bundle), "--scale", model.scale]
        begun = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
        seconds = time.perf_counter() - begun
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024.0


def write_patients(model: PrognosticModel, path: Path, n_patients: int) -> None:
    """Write patients of the model's own SIMULATED kind, their values a little moved."""
    cohort = simulate_cohort("KIRC", seed=int(model.provenance["seed"]))
    rng = np.random.default_rng(7)
    chosen = rng.integers(0, len(cohort.patients), min(n_patients, DISTINCT))
    genes = [gene for gene in model.panel.symbols if gene in cohort.expression]
    values = cohort.expression[genes].to_numpy(np.float64)[chosen]
    values = np.maximum(values + rng.normal(0, 0.05, values.shape), 0)
    words = cohort.clinical[["age", "sex", "stage", "grade"]].astype(object).iloc[chosen]
    known = words.where(words.notna(), "").to_numpy().tolist()
    rows = [
        ",".join((*(f"{value:.4f}" for value in row), *map(str, cells)))
        for row, cells in zip(values.tolist(), known, strict=True)
    ]
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join(("id", *genes, "age", "sex", "stage", "grade")) + "\n")
        for i in range(n_patients):
            file.write(f"P{i},{rows[i % len(rows)]}\n")
