"""The steady load of the soak: connections that ask, send again what a broken connection left open, and judge."""

from __future__ import annotations

import http.client
import itertools
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from experiments.benchmarks.soak_judge import MIXED, REFUSED, RIGHT, verdict
from experiments.benchmarks.soak_record import Gate, Record
from experiments.benchmarks.soak_requests import SHARES, RightRequest

#: A request counts as lost that has no right answer after so many tries, or within so many seconds.
TRIES, PATIENCE_SECONDS = 5, 60.0
#: A connection is given up after so many requests: all workers get new ones again and again.
_REQUESTS_PER_CONNECTION = 25
#: The service closes a connection on which nothing was asked for 5 s; ours are not left to chance.
_IDLE_SECONDS = 2.0
_PAUSE_BEFORE_AGAIN_SECONDS = 0.2
_SOCKET_SECONDS = 45.0


@dataclass(frozen=True)
class Door:
    """Where the service listens, and the token that opens it."""

    port: int
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """What opens it."""
        return {"Authorization": f"Bearer {self.token}"}

    def get(self, path: str) -> tuple[int, bytes]:
        """Ask for a page over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_SOCKET_SECONDS)
        try:
            connection.request("GET", path, headers={**self.headers, "Connection": "close"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


class Caller:
    """One connection after another to the service, each for a number of requests.

    Parameters
    ----------
    door : Door
    record : Record
    """

    def __init__(self, door: Door, record: Record) -> None:
        self._door, self._record = door, record
        self._connection: http.client.HTTPConnection | None = None
        self._left, self._used_at = 0, 0.0

    def deliver(self, request: RightRequest) -> None:
        """Send a request until it has an answer, and write down what that is, or that the request is lost."""
        begun = self._record.now
        for attempt in itertools.count(1):
            sent = self._record.now
            try:
                status, body = self._exchange(request)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if attempt == TRIES or self._record.now - begun > PATIENCE_SECONDS:
                    self._record.fault(self._record.lost, f"{request.kind}: {attempt} tries, {error!r}")
                    return
                self._record.again()
                time.sleep(_PAUSE_BEFORE_AGAIN_SECONDS)
            else:
                self._judge(request, status, body, sent=sent, seconds=self._record.now - begun)
                return

    def close(self) -> None:
        """Give the connection up."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _exchange(self, request: RightRequest) -> tuple[int, bytes]:
        if self._record.now - self._used_at > _IDLE_SECONDS:
            self.close()
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._door.port, timeout=_SOCKET_SECONDS)
            self._left = _REQUESTS_PER_CONNECTION
        headers: Mapping[str, str] = {**self._door.headers, "Content-Type": request.media_type}
        self._connection.request("POST", request.path, request.body, headers)
        response = self._connection.getresponse()
        status, body = response.status, response.read()
        self._left, self._used_at = self._left - 1, self._record.now
        if not self._left:
            self.close()
        return status, body

    def _judge(self, request: RightRequest, status: int, body: bytes, *, sent: float, seconds: float) -> None:
        record, found = self._record, verdict(request, status, body)
        words = f"{request.kind} by {request.model}: {found.words}"
        if found.kind == RIGHT and seconds <= PATIENCE_SECONDS:
            record.right(request.kind, request.model, found.version, sent=sent, seconds=seconds)
        elif found.kind == RIGHT:
            record.fault(record.lost, f"{request.kind}: answered after {seconds:.0f} s")
        else:
            # A refusal of what is right is no answer at all.
            faults = {REFUSED: record.lost, MIXED: record.mixed}.get(found.kind, record.wrong)
            record.fault(faults, words)


def keep_asking(
    caller: Caller,
    requests: Sequence[RightRequest],
    gate: Gate,
    stopped: threading.Event,
    *,
    seed: int,
    pause_seconds: float,
) -> None:
    """Send requests of all kinds, one after another, until it is to stop.

    Parameters
    ----------
    caller : Caller
    requests : sequence of RightRequest
    gate : Gate
        Closed while the whole service is restarted.
    stopped : Event
    seed : int
        Of the order.
    pause_seconds : float
        Between two requests.
    """
    choose = _chooser(requests, random.Random(seed))  # noqa: S311
    try:
        while not stopped.is_set():
            with gate.through():
                caller.deliver(choose())
            stopped.wait(pause_seconds)
    finally:
        caller.close()


def _chooser(requests: Sequence[RightRequest], rng: random.Random) -> Callable[[], RightRequest]:
    by_kind = {kind: [request for request in requests if request.kind == kind] for kind in SHARES}
    kinds, weights = list(SHARES), list(SHARES.values())
    return lambda: rng.choice(by_kind[rng.choices(kinds, weights)[0]])
