"""What is done to the service while it is under load, and how long it takes until that is followed or mended."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psutil

from experiments.benchmarks.soak_record import Gate, Record
from experiments.benchmarks.soak_site import WORKERS, Site

#: Within which an alias that moved is followed by all workers, a registry that went away or came back is noticed, and
#: a worker that was killed has been replaced by one that answers.
FOLLOWED_SECONDS, NOTICED_SECONDS, BACK_SECONDS = 20.0, 30.0, 60.0
#: An alias counts as followed once the new version has given so many answers, and the old one none for so long.
_ENOUGH_ANSWERS, _QUIET_SECONDS = 20, 1.5
#: How often a page is asked for, each time over a connection of its own, before all workers are taken to say it.
_ASKED = 10
_LOOK_SECONDS = 0.1
_BETWEEN_PROMOTIONS_SECONDS = 1.0


@dataclass(frozen=True)
class Lineage:
    """The versions of one registered model: two good ones, and one whose bundle is damaged."""

    name: str
    good: tuple[str, str]
    damaged: str


class Director:
    """Does one thing after another to a site under load.

    Parameters
    ----------
    site : Site
    record : Record
    gate : Gate
        Closed while the whole service is restarted.
    lineages : sequence of Lineage
        Whose first version is champion now.
    hold_seconds : float
        How long what is wrong stays wrong: a damaged champion, a registry that is away.
    """

    def __init__(
        self, site: Site, record: Record, gate: Gate, lineages: Sequence[Lineage], *, hold_seconds: float
    ) -> None:
        self._site, self._record, self._gate, self._hold_seconds = site, record, gate, hold_seconds
        self._turns = itertools.cycle(lineages)
        self._champion = {lineage.name: lineage.good[0] for lineage in lineages}
        self._watching: list[threading.Thread] = []
        self.acts: Mapping[str, Callable[[], None]] = {
            "kill": self.kill_under_promotion,
            "damage": self.promote_damaged,
            "damage and kill": self.kill_while_champion_is_damaged,
            "away": self.stop_registry,
            "away and kill": self.kill_while_registry_is_away,
            "restart": self.restart_without_registry,
        }

    def direct(self, acts: Sequence[str], seconds: float) -> None:
        """Do all acts, evenly within a time, and move aliases to and fro between them."""
        begun = time.monotonic()
        for position, act in enumerate((*acts, None), start=1):
            due = begun + seconds * position / (len(acts) + 1)
            self.promote()
            while time.monotonic() < due:
                self._site.service.require_running()
                time.sleep(_BETWEEN_PROMOTIONS_SECONDS)
                self.promote()
            if act is not None:
                self.acts[act]()
        self._wait_for_workers()

    def promote(self) -> None:
        """Move the alias of the next model to its other good version, and wait until that is followed."""
        lineage = next(self._turns)
        first, second = lineage.good
        self._move(lineage.name, second if self._champion[lineage.name] == first else first)

    def kill_under_promotion(self) -> None:
        """Kill a worker and move an alias; others are moved while its successor comes."""
        self._kill()
        self.promote()

    def promote_damaged(self) -> None:
        """Move the alias of the next model to its damaged version: it must be refused, and the old one stay."""
        self._with_damaged(self._hold)

    def kill_while_champion_is_damaged(self) -> None:
        """Kill a worker while the registry names a damaged version: its successor must serve the old one too."""
        self._with_damaged(self._kill_and_wait)

    def stop_registry(self) -> None:
        """Stop the registry for a while: answers go on, and the service says that it is away and since when."""
        self._without_registry(self._hold)

    def kill_while_registry_is_away(self) -> None:
        """Kill a worker meanwhile: its successor has nobody to ask."""
        self._without_registry(self._kill_and_wait)

    def restart_without_registry(self) -> None:
        """Restart the whole service while the registry is away; the load waits only until it is ready."""
        self._without_registry(self._restart)

    def _move(self, name: str, version: str) -> None:
        record, before = self._record, self._record.versions(name)[version]
        record.settle(name, None)
        self._site.promote(name, version)
        self._champion[name], moved = version, record.now

        def followed() -> bool:
            silent = record.now - max(record.last_of_others(name, version), moved)
            return silent > _QUIET_SECONDS and record.versions(name)[version] - before >= _ENOUGH_ANSWERS

        in_time = _until(followed, FOLLOWED_SECONDS) is not None
        seconds = max(record.last_of_others(name, version) - moved, 0.0)
        record.event("promotion", moved, seconds if in_time else None)
        record.settle(name, version)

    def _with_damaged(self, meanwhile: Callable[[], None]) -> None:
        lineage, record = next(self._turns), self._record
        self._site.promote(lineage.name, lineage.damaged)
        at = record.now

        def refused(models: Any) -> bool:
            return (lineage.name, lineage.damaged) in {(each["name"], each["version"]) for each in models["refused"]}

        record.event("damaged version", at, _until(lambda: self._all_say("/models", refused), NOTICED_SECONDS))
        meanwhile()
        self._move(lineage.name, next(version for version in lineage.good if version != self._champion[lineage.name]))

    def _without_registry(self, meanwhile: Callable[[], None]) -> None:
        record = self._record
        self._site.registry.stop()
        at = record.now
        record.event("registry stopped", at, _until(self._says_away, NOTICED_SECONDS))
        meanwhile()
        if not self._says_away():
            record.fault(record.broken, "the registry is away, and not all workers say so")
        self._site.registry.start()
        at = record.now
        record.event("registry started", at, _until(self._says_reachable, NOTICED_SECONDS))
        self.promote()

    def _says_away(self) -> bool:
        """Tell whether all workers say that the registry is away, and when it answered last."""

        def on_health(health: Any) -> bool:
            return not health["registry_reachable"] and health["registry_answered_at"] is not None

        def on_models(models: Any) -> bool:
            return bool(models["registry"]["problem"]) and models["registry"]["answered_at"] is not None

        return self._all_say("/readyz", on_health) and self._all_say("/models", on_models)

    def _says_reachable(self) -> bool:
        return self._all_say("/readyz", lambda health: bool(health["registry_reachable"]))

    def _all_say(self, path: str, what: Callable[[Any], bool]) -> bool:
        # Which worker answers is not told: asked often enough, each has.
        try:
            answers = [self._site.door.get(path) for _ in range(_ASKED)]
        except OSError:
            return False
        return all(status == 200 and what(json.loads(body)) for status, body in answers)

    def _restart(self) -> None:
        self._wait_for_workers()
        with self._gate.closed():
            at = self._record.now
            self._site.service.stop()
            self._site.service.start()
            self._record.event("restart", at, self._record.now - at)
        self._hold()
        _until(self._says_away, NOTICED_SECONDS)

    def _hold(self) -> None:
        time.sleep(self._hold_seconds)

    def _kill_and_wait(self) -> None:
        self._wait_for_workers()
        self._kill()
        self._wait_for_workers()
        self._hold()

    def _kill(self) -> None:
        """Kill the youngest worker: what the oldest one's memory does is seen over a long time."""
        workers = self._site.workers()
        if len(workers) < WORKERS:
            self._wait_for_workers()
            workers = self._site.workers()
        known, at = {worker.pid for worker in workers}, self._record.now
        with suppress(psutil.NoSuchProcess):
            workers[-1].kill()
        watch = threading.Thread(target=self._watch_for_successor, args=(known, at), daemon=True)
        watch.start()
        self._watching.append(watch)

    def _watch_for_successor(self, known: set[int], at: float) -> None:
        def back() -> bool:
            return len(self._site.workers()) == WORKERS and bool(self._site.answering_workers() - known)

        self._record.event("killed worker", at, _until(back, BACK_SECONDS))

    def _wait_for_workers(self) -> None:
        while self._watching:
            self._watching.pop().join()


def _until(condition: Callable[[], bool], seconds: float) -> float | None:
    """Return how long it took until the condition held; None if it did not in time."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > seconds:
            return None
        time.sleep(_LOOK_SECONDS)
    return time.monotonic() - begun
