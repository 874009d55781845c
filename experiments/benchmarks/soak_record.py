"""What the soak met, written down by many threads at once."""

from __future__ import annotations

import threading
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

#: Of sentences about what went wrong, as many are kept; all are counted.
_KEPT = 20


class Event(NamedTuple):
    """Something that was done to the service, and what came of it.

    Parameters
    ----------
    kind : str
        ``promotion``, ``damaged version``, ``killed worker``, ``registry stopped``, ``registry started``, ``restart``.
    at : float
        When it was done: seconds since the beginning.
    seconds : float or None
        Until it was followed, noticed or mended; None: not in time.
    """

    kind: str
    at: float
    seconds: float | None


class Sample(NamedTuple):
    """The resident set of one worker.

    Parameters
    ----------
    at : float
        Seconds since the beginning.
    worker : int
        The process.
    n_bytes : int
    n_answers : int
        That the whole service had given until then.
    """

    at: float
    worker: int
    n_bytes: int
    n_answers: int


class Faults:
    """Sentences about what must not happen: all are counted, the first are kept."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[str] = []

    def add(self, words: str) -> None:
        """Count one."""
        self.count += 1
        if len(self.first) < _KEPT:
            self.first.append(words)


@dataclass
class Answers:
    """The right answers to one kind of request: when each came, and how long it took; seconds."""

    at: array[float] = field(default_factory=lambda: array("d"))
    seconds: array[float] = field(default_factory=lambda: array("d"))


class Record:
    """What the soak met.

    Notes
    -----
    Times are seconds since the record was made.
    """

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._lock = threading.Lock()
        self.answers: dict[str, Answers] = {}
        self.lost, self.wrong, self.mixed, self.broken = Faults(), Faults(), Faults(), Faults()
        self.resent = array("d")
        self.hostile: Counter[tuple[str, int]] = Counter()
        self.events: list[Event] = []
        self.samples: list[Sample] = []
        self._last_sent: dict[tuple[str, str], float] = {}
        self._n_by: Counter[tuple[str, str]] = Counter()
        self._settled: dict[str, tuple[str, float]] = {}

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._begun

    @property
    def n_answers(self) -> int:
        """Right answers."""
        return sum(len(each.at) for each in self.answers.values())

    def right(self, kind: str, model: str, version: str, *, sent: float, seconds: float) -> None:
        """Write down a right answer, by which version of which model it is, and when it was asked for."""
        with self._lock:
            answers = self.answers.setdefault(kind, Answers())
            answers.at.append(self.now)
            answers.seconds.append(seconds)
            self._last_sent[model, version] = max(sent, self._last_sent.get((model, version), 0.0))
            self._n_by[model, version] += 1
            settled, since = self._settled.get(model, (version, 0.0))
            if version != settled and sent > since:
                self.broken.add(f"{sent:.1f} s: {model} answered by version {version}, after {settled} was followed")

    def settle(self, model: str, version: str | None) -> None:
        """Count as a fault whatever another version answers to a request from now on; None: both may."""
        with self._lock:
            self._settled.pop(model, None)
            if version is not None:
                self._settled[model] = version, self.now

    def again(self) -> None:
        """Write down that a request had to be sent again, since its connection broke."""
        with self._lock:
            self.resent.append(self.now)

    def refused(self, name: str, status: int) -> None:
        """Write down the status of a hostile request."""
        with self._lock:
            self.hostile[name, status] += 1

    def event(self, kind: str, at: float, seconds: float | None) -> None:
        """Write down an event; one that was not followed in time is a fault too."""
        with self._lock:
            self.events.append(Event(kind, at, seconds))
        if seconds is None:
            self.fault(self.broken, f"{kind} at {at:.0f} s: not followed in time")

    def sample(self, worker: int, n_bytes: int) -> None:
        """Write down the resident set of a worker."""
        with self._lock:
            self.samples.append(Sample(self.now, worker, n_bytes, self.n_answers))

    def fault(self, faults: Faults, words: str) -> None:
        """Write down what must not happen."""
        with self._lock:
            faults.add(f"{self.now:.1f} s: {words}")

    def versions(self, model: str) -> Counter[str]:
        """Return how many right answers each version of a model gave."""
        with self._lock:
            return Counter({version: n for (name, version), n in self._n_by.items() if name == model})

    def last_of_others(self, model: str, version: str) -> float:
        """Return when something was asked for last that another version of the model answered; 0 if it never was."""
        with self._lock:
            others = [at for (name, number), at in self._last_sent.items() if name == model and number != version]
            return max(others, default=0.0)


class Gate:
    """Holds the load back while there is nobody to answer it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open, self._inside = True, 0

    @contextmanager
    def through(self) -> Iterator[None]:
        """Go through as soon as the gate is open, and be counted as inside for as long as the block lasts."""
        with self._changed:
            self._changed.wait_for(lambda: self._open)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Close the gate, wait until nobody is inside, and open it where the block ends."""
        try:
            with self._changed:
                self._open = False
                self._changed.wait_for(lambda: not self._inside)
            yield
        finally:
            with self._changed:
                self._open = True
                self._changed.notify_all()
