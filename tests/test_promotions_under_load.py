"""Promotions while requests come in: none is lost, and every answer is of one model alone."""

from __future__ import annotations

import http.client
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from service_process import free_port, running_service, wait_for

from experiments.benchmarks.unlike_models import unlike
from serving.champions import Champions
from serving.launch import SERVICE, launch
from serving.registry import Registry
from serving.routes import score_body
from serving.settings import Settings
from training.synthetic_profile import synthetic_profile

if TYPE_CHECKING:
    from conftest import ModelStore

    from training.model import PrognosticModel
    from training.results import TrainingResult

PROMOTIONS, CONNECTIONS, WORKERS = 100, 4, 2
#: Between two requests of a connection: a constant load, with air for the swaps.
PAUSE_SECONDS = 0.01
HERE = Path(__file__).resolve().parent
#: What two models of one cohort, asked for the same, have in common.
COMMON = {"horizon_months", "horizons_months", "horizon_months_max", "n_genes", "ignored_genes", "n", "events"}
COMMON |= {"joint_percentile", "warned_above", "number", "year", "row", "references", "cohort_at_risk"}
#: And these are steps: two curves may pass one half on the same day.
COMMON |= {"median_survival", "risk_percentile"}
#: What is measured of the kind of model, not of this one.
COMMON |= {"nominal", "measured"}


@dataclass(frozen=True)
class Pair:
    """Two versions of a registered model that differ in every figure, and what each answers, byte by byte."""

    store: ModelStore
    name: str
    body: bytes
    answers: dict[bytes, str]

    def promote(self, version: str) -> None:
        self.store.client.set_registered_model_alias(self.name, "champion", version)


@dataclass
class Load:
    """What the connections met."""

    answers: dict[bytes, str]
    seen: Counter[str] = field(default_factory=Counter)
    odd: list[bytes] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def count(self, status: int, content: bytes) -> None:
        if status != 200:
            self.lost.append(f"{status}: {content[:300]!r}")
        elif content in self.answers:
            self.seen[self.answers[content]] += 1
        else:
            self.odd.append(content)


@pytest.fixture(scope="module")
def pair(
    small_training: TrainingResult, new_model_store: Callable[[], ModelStore], tmp_path_factory: pytest.TempPathFactory
) -> Pair:
    store, model = new_model_store(), small_training.model
    store.register(model, alias="champion")
    store.register(unlike(model), alias=None)
    champions = Champions(Registry(store.uri, tmp_path_factory.mktemp("cache")), poll_seconds=60)
    made = Pair(store, model.name, request_for(model), {})
    for version in ("1", "2"):
        made.promote(version)
        champions.refresh()
        made.answers[score_body(champions.snapshot, made.body)] = version
    return made


def request_for(model: PrognosticModel) -> bytes:
    expression, _ = synthetic_profile(model)
    clinical = {"age": 61, "sex": "female", "stage": "III", "grade": "G3"}
    profiles = [{"id": f"p{i}", "expression": expression | {"CD44": 6.0 + 0.2 * i}} for i in range(8)]
    profiles = [{**profile, "clinical": clinical} for profile in profiles]
    asked = {"cancer_type": model.cancer_type, "endpoint": model.endpoint, "scale": model.scale}
    return json.dumps({**asked, "profiles": profiles}).encode()


@contextmanager
def under_load(port: int, pair: Pair) -> Iterator[Load]:
    """Ask without end over several connections."""
    load, stopped = Load(pair.answers), threading.Event()
    threads = [threading.Thread(target=ask, args=(port, pair.body, load, stopped)) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        stopped.set()
        for thread in threads:
            thread.join(timeout=60)


def ask(port: int, body: bytes, load: Load, stopped: threading.Event) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    while not stopped.is_set():
        try:
            connection.request("POST", "/score", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            load.count(response.status, response.read())
        except (OSError, http.client.HTTPException) as error:
            load.lost.append(repr(error))
            connection.close()
        time.sleep(PAUSE_SECONDS)
    connection.close()


@contextmanager
def serving(pair: Pair, folder: Path, service: str) -> Iterator[tuple[Load, Path]]:
    """Run a service with the pair's first version and put it under load; yields what is met, and the log."""
    pair.promote("1")
    port = free_port()
    start = launch(
        port=port,
        workers=WORKERS,
        installation=Settings(home=folder, tracking_uri=pair.store.uri, cohorts=folder),
        environment={**os.environ, "PYTHONPATH": str(HERE)},
    )
    start = replace(start, command=tuple(service if part == SERVICE else part for part in start.command))
    log = folder / "log"
    with running_service(start, log, PROGNOSIS_POLL_SECONDS="0.05") as http:
        wait_for(lambda: http.get("/readyz").status_code == 200 and swaps(log) == WORKERS, seconds=60)
        with under_load(port, pair) as load:
            yield load, log


def swaps(log: Path) -> int:
    return log.read_text().count("serving version")


def promotions(pair: Pair, log: Path) -> Iterator[int]:
    """Promote the other version again and again, each time until every worker has swapped."""
    for done in range(1, PROMOTIONS + 1):
        pair.promote("2" if done % 2 else "1")
        wait_for(lambda done=done: swaps(log) >= WORKERS * (done + 1), seconds=60)
        yield done


def figures(answer: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], float]:
    """The numbers of an answer by where they stand."""
    if isinstance(answer, bool) or answer is None or isinstance(answer, str):
        return {}
    if isinstance(answer, int | float):
        return {path: answer}
    parts = answer.items() if isinstance(answer, dict) else enumerate(answer)
    return {where: value for key, part in parts for where, value in figures(part, (*path, str(key))).items()}


def test_the_two_models_differ_in_every_figure(pair: Pair):
    one, other = (figures(json.loads(content)) for content in pair.answers)
    common = {path for path in one.keys() & other.keys() if one[path] == other[path]}
    left = {path for path in common if not COMMON & set(path) and "published" not in str(path) and one[path] != 0}
    assert {path: one[path] for path in left} == {}
    assert len(one) > 500


def test_a_swap_that_is_not_atomic_mixes_two_models_in_one_answer(pair: Pair, tmp_path: Path):
    with serving(pair, tmp_path, "torn_service:PrognosisService") as (load, log):
        for _ in promotions(pair, log):
            if load.odd:
                break
    assert load.odd
    one, other = (figures(json.loads(content)) for content in pair.answers)
    mixed = figures(json.loads(load.odd[0]))
    assert any(mixed[path] == one[path] != other[path] for path in mixed.keys() & one.keys() & other.keys())
    assert any(mixed[path] == other[path] != one[path] for path in mixed.keys() & one.keys() & other.keys())


def test_promotions_under_load_lose_no_request_and_mix_no_two_models(
    pair: Pair, tmp_path: Path, record_property: Callable[[str, object], None]
):
    with serving(pair, tmp_path, SERVICE) as (load, log):
        started = time.monotonic()
        done = max(promotions(pair, log))
        seconds = time.monotonic() - started
    assert done == PROMOTIONS
    assert load.lost == []
    assert load.odd == []
    assert min(load.seen["1"], load.seen["2"]) > PROMOTIONS
    record_property(
        "figure", f"{done} promotions in {seconds:.0f} s under {load.seen.total()} answers, none mixed or lost"
    )
