"""The soak: a service of two workers under load while everything around it fails, and every answer is compared."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import psutil

from experiments.benchmarks.soak_events import Director, Lineage
from experiments.benchmarks.soak_hostile import Provocation, hostile_requests, stalling_requests
from experiments.benchmarks.soak_leaks import leaks
from experiments.benchmarks.soak_load import Caller, keep_asking
from experiments.benchmarks.soak_record import Gate, Record
from experiments.benchmarks.soak_requests import RightRequest, right_requests
from experiments.benchmarks.soak_site import Site
from experiments.benchmarks.soak_strangers import HANGS_SECONDS, keep_provoking
from experiments.benchmarks.unlike_models import unlike
from experiments.supervisor import interruptible
from training.model import PrognosticModel

#: What is done in a round of some minutes, besides the promotions between; the restart is done in the first only.
ROUND = ("kill", "damage", "away", "kill", "damage and kill", "away and kill")
RESTART = "restart"
_ROUND_MINUTES = 5.0
_SAMPLE_SECONDS = 2.0
#: After a kill, requests that were under way on the worker's connections may be sent again.
_AFTER_KILL_SECONDS = 3.0


@dataclass(frozen=True)
class Plan:
    """How long, how much, and what is done.

    Parameters
    ----------
    seconds : float
        Over which the acts are spread; what they take beyond it comes on top.
    acts : tuple of str
        Keys of `Director.acts`.
    connections : int
    pause_seconds : float
        Between two requests of a connection.
    poll_seconds, timeout_seconds : float
        Of the service.
    hold_seconds : float
        How long what is wrong stays wrong.
    """

    seconds: float
    acts: tuple[str, ...]
    connections: int = 6
    pause_seconds: float = 0.02
    hostile_pause_seconds: float = 0.1
    poll_seconds: float = 1.0
    timeout_seconds: float = 30.0
    hold_seconds: float = 10.0

    @classmethod
    def of_minutes(cls, minutes: float) -> Plan:
        """Return the plan of a soak of so many minutes: a round of every act about each five of them."""
        rounds = max(1, round(minutes / _ROUND_MINUTES))
        return cls(60 * minutes, (*ROUND, RESTART, *ROUND * (rounds - 1)))


class Load(NamedTuple):
    """What is sent: requests that must be answered, that must be refused, and whose bodies never end."""

    right: Sequence[RightRequest]
    hostile: Sequence[Provocation]
    stalling: Sequence[Provocation]


@dataclass(frozen=True)
class Soak:
    """What came of a soak.

    Parameters
    ----------
    plan : Plan
    record : Record
    seconds : float
        From the first request to the last.
    load : Load
    leaks : list of str
        What logs and meters hold that they must not.
    """

    plan: Plan
    record: Record
    seconds: float
    load: Load
    leaks: list[str]

    @property
    def unexplained(self) -> int:
        """How many requests were sent again though no worker had just been killed."""
        kills = [event.at for event in self.record.events if event.kind == "killed worker"]
        return sum(not any(0 <= at - kill <= _AFTER_KILL_SECONDS for kill in kills) for at in self.record.resent)

    @property
    def clean(self) -> bool:
        """Whether nothing was lost or wrong, everything was followed and refused as it must be, and nothing leaked."""
        record = self.record
        faults = (record.lost, record.wrong, record.mixed, record.broken)
        return not (any(each.count for each in faults) or self.leaks or self.unexplained) and record.n_answers > 0


def soak(model: PrognosticModel, plan: Plan) -> Soak:
    """Put a service under load, do to it what the plan says, and compare every answer.

    Parameters
    ----------
    model : PrognosticModel
        Of which six unlike versions of two registered models are made, two of them damaged.
    plan : Plan

    Returns
    -------
    Soak

    Raises
    ------
    ChildError
        If the service or the registry ends by itself, or does not start.
    """
    with (
        interruptible(),
        tempfile.TemporaryDirectory(prefix="prognosis-soak-", ignore_cleanup_errors=True) as home,
        Site(Path(home), poll_seconds=plan.poll_seconds, timeout_seconds=plan.timeout_seconds) as site,
    ):
        site.registry.start()
        lineages, load = _registered(site, model)
        site.service.start()
        record, gate = Record(), Gate()
        with _under_load(site, plan, load, record, gate):
            director = Director(site, record, gate, lineages, hold_seconds=plan.hold_seconds)
            director.direct(plan.acts, plan.seconds)
        seconds = record.now
        meters = site.door.get("/metrics")[1]
        site.service.stop()
        return Soak(plan, record, seconds, load, leaks(site.logs, meters, site.door.token))


def _registered(site: Site, model: PrognosticModel) -> tuple[list[Lineage], Load]:
    """Register the versions, make the first of each champion, and answer all requests by every good one."""
    lineages, requests = [], list[RightRequest]()
    for position in range(2):
        of_its_own = replace(model, cancer_type=f"{model.cancer_type}-{position + 1}")
        first, second, third = (unlike(of_its_own, 3 * position + step) for step in range(3))
        good = [site.register(first), site.register(second)]
        one, other = (served.registered.version for served in good)
        lineages.append(Lineage(of_its_own.name, (one, other), site.register_damaged(third)))
        site.promote(of_its_own.name, one)
        requests += right_requests(good, seed=position)
    served, token = good[0].model, site.door.token
    return lineages, Load(requests, hostile_requests(served, token), stalling_requests(served, token))


@contextmanager
def _under_load(site: Site, plan: Plan, load: Load, record: Record, gate: Gate) -> Iterator[None]:
    """Ask, provoke and look at the memory in threads, for as long as the block lasts."""
    stopped, port = threading.Event(), site.door.port
    with ThreadPoolExecutor(plan.connections + 3) as threads:
        ask = partial(keep_asking, requests=load.right, gate=gate, stopped=stopped, pause_seconds=plan.pause_seconds)
        provoke = partial(keep_provoking, port, record=record, gate=gate, stopped=stopped)
        working = [threads.submit(ask, Caller(site.door, record), seed=i) for i in range(plan.connections)]
        working += [
            threads.submit(provoke, load.hostile, pause_seconds=plan.hostile_pause_seconds),
            threads.submit(provoke, load.stalling, seconds=plan.timeout_seconds + HANGS_SECONDS),
            threads.submit(_keep_sampling, site, record, stopped),
        ]
        try:
            yield
        finally:
            stopped.set()
    for work in working:
        # What a thread met that nobody foresaw is raised here.
        work.result()


def _keep_sampling(site: Site, record: Record, stopped: threading.Event) -> None:
    while not stopped.wait(_SAMPLE_SECONDS):
        for worker in site.workers():
            with suppress(psutil.NoSuchProcess):
                record.sample(worker.pid, worker.memory_info().rss)
