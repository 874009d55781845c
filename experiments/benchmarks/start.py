"""How long the service takes from its start until it is ready, and what its first patients wait."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import psutil

from experiments.benchmarks.origin import made_now
from experiments.benchmarks.small_service import (
    ended,
    exported,
    free_port,
    request_of,
    trained_model,
    wait_until_ready,
)
from experiments.benchmarks.tables import write_pair
from experiments.transfer import import_models
from serving.settings import Settings

#: From the start of the command to the first answer that the service is ready; what is aimed at.
TARGET_SECONDS = 5.0
_GIVEN_UP_SECONDS = 300.0
#: In which the first patients are scored while the registry's client is imported.
_FIRST_SECONDS = 5.0
_SOURCES = {"registry": "the registry's champions, in the cache", "bundles": "a folder of exported models, no MLflow"}


@dataclass(frozen=True)
class Started:
    """One start.

    Parameters
    ----------
    source : str
        ``registry`` or ``bundles``.
    seconds : float
        From the start of the command to the first 200 of ``/readyz`` (wall clock).
    cpu_seconds : float
        What the processor spent until then on the way that nothing shortens: the command, the process that starts
        the workers, and the worker that took longest.
    slowest_seconds : float
        The slowest of the scores asked for one after another in the first seconds after it.
    """

    source: str
    seconds: float
    cpu_seconds: float
    slowest_seconds: float


def benchmark_start(definition: Path, *, n_models: int, workers: int, rounds: int) -> list[Started]:
    """Start `prognosis serve` again and again, with its models in the cache, and from a folder of bundles.

    Parameters
    ----------
    definition : Path
        By which the one SIMULATED model is trained that is served under `n_models` names.
    n_models, workers, rounds : int
        The first start of each kind, which fills the caches, is not counted among the rounds.
    """
    with tempfile.TemporaryDirectory(prefix="prognosis-start-") as scratch:
        home = Path(scratch)
        settings = Settings.from_environment({"PROGNOSIS_HOME": scratch})
        model = trained_model(definition)
        folder = exported(model, home / "exported", n_models)
        import_models(folder, alias="candidate", settings=settings)
        commands = {"registry": (), "bundles": ("--bundles", str(folder))}
        turns = [(source, extra) for _ in range(rounds + 1) for source, extra in commands.items()]
        found = [_start(home, source, extra, workers, request_of(model)) for source, extra in turns]
    return found[len(commands) :]


def write_start(found: list[Started], folder: Path, *, n_models: int, workers: int) -> str:
    """Write ``start.csv`` and ``start.md``, and return the latter's text."""
    about = {
        "models": n_models,
        "workers": workers,
        **made_now(),
    }
    rows = pd.DataFrame([vars(each) for each in found]).assign(**about)
    text = markdown(rows)
    write_pair("start", rows, text, folder)
    return text


def markdown(rows: pd.DataFrame) -> str:
    """Return the benchmark as Markdown.

    Parameters
    ----------
    rows : DataFrame
        As ``start.csv`` has them.
    """
    about = rows.iloc[0]
    lines = [
        "# From the start to the first patient",
        "",
        f"Made {about['created'][:10]} with code {about['code_version']} by `prognosis benchmark start`, on "
        f"{about['processors']} processors (load average {about['load']} when it ended): {about['models']} SIMULATED "
        f"models, {about['workers']} workers; {len(rows) // rows['source'].nunique()} starts of each kind in turns, "
        "after one that is not counted.",
        "",
        f"Seconds from `prognosis serve` to the first 200 of `/readyz` (aimed at: {TARGET_SECONDS:g}); the processor's "
        "seconds are those of the command, the process that starts the workers and the slowest worker, which follow "
        "upon each other; the slowest answer is of single scores in the "
        f"{_FIRST_SECONDS:g} s thereafter, while the registry's client is imported.",
        "",
        "| models come from | ready, median (least to most) | processor's seconds | slowest answer |",
        "|---|---|---|---|",
    ]
    for source, of in rows.groupby("source", sort=False):
        seconds = of["seconds"]
        ready = f"{seconds.median():.1f} s ({seconds.min():.1f} to {seconds.max():.1f})"
        slowest = f"{1e3 * of['slowest_seconds'].median():.0f} ms"
        lines.append(f"| {_SOURCES[str(source)]} | {ready} | {of['cpu_seconds'].median():.1f} s | {slowest} |")
    return "\n".join([*lines, ""])


def _start(home: Path, source: str, extra: tuple[str, ...], workers: int, request: bytes) -> Started:
    port = free_port()
    command = [sys.executable, "-c", "from experiments.cli import main; main()", "serve", "--port", str(port)]
    environment = {**os.environ, "PROGNOSIS_HOME": str(home), "MLFLOW_TRACKING_URI": ""}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with (home / "log").open("wb") as log:
        began = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603
            [*command, "--workers", str(workers), *extra], env=environment, stdout=log, stderr=log
        )
    with ended(process):
        wait_until_ready(port, process)
        seconds = time.perf_counter() - began
        cpu_seconds = _way_seconds(process.pid)
        return Started(source, seconds, cpu_seconds, max(_answered(port, request)))


def _way_seconds(pid: int) -> float:
    service = psutil.Process(pid)
    spent = [sum(each.cpu_times()[:2]) for each in (service, *service.children())]
    return float(spent[0] + max(spent[1:], default=0.0))


def _answered(port: int, request: bytes) -> Iterator[float]:
    """Score one patient after another, each over a connection of its own, and yield what each waited (seconds)."""
    end = time.perf_counter() + _FIRST_SECONDS
    while (began := time.perf_counter()) < end:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("POST", "/score", request, {"Content-Type": "application/json"})
        response = connection.getresponse()
        body = response.read()
        connection.close()
        if response.status != 200:
            raise RuntimeError(f"the service answered {response.status}: {body[:300]!r}")
        yield time.perf_counter() - began
