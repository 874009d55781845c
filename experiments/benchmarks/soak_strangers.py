"""Sends what nobody should send, over and over, and looks whether it is refused as documented."""

from __future__ import annotations

import http.client
import itertools
import select
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from experiments.benchmarks.soak_hostile import Provocation
from experiments.benchmarks.soak_judge import refusal_fault
from experiments.benchmarks.soak_load import TRIES
from experiments.benchmarks.soak_record import Gate, Record

#: Within which a hostile request has its answer, or else hangs; one that stalls has the service's own limit besides.
HANGS_SECONDS = 30.0
_PIECE_BYTES = 2**16
_DRIP_SECONDS = 1.0
_PAUSE_BEFORE_AGAIN_SECONDS = 0.5


@dataclass(frozen=True)
class Refusal:
    """What came back over the wire."""

    status: int
    media_type: str
    body: bytes


def exchange(port: int, raw: bytes, *, drop: bytes = b"", seconds: float = HANGS_SECONDS) -> Refusal:
    """Send bytes as they are, until an answer comes, and read it.

    Parameters
    ----------
    port : int
    raw : bytes
        What is sent at once.
    drop : bytes
        What is sent once a second thereafter, for as long as there is no answer.
    seconds : float
        How long to wait.

    Raises
    ------
    OSError
        If the connection breaks, or no answer comes in time.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as wire:
        # Who is refused in the middle of a body may have the connection closed on the rest: the answer is there.
        with suppress(BrokenPipeError, ConnectionResetError):
            _send(wire, raw)
        for _ in range(int(seconds / _DRIP_SECONDS)):
            if _answered(wire, _DRIP_SECONDS):
                return _read(wire, raw)
            wire.sendall(drop)
        raise TimeoutError


def _send(wire: socket.socket, raw: bytes) -> None:
    for start in range(0, len(raw), _PIECE_BYTES):
        if _answered(wire, 0):
            return
        wire.sendall(raw[start : start + _PIECE_BYTES])


def _answered(wire: socket.socket, seconds: float) -> bool:
    return bool(select.select([wire], [], [], seconds)[0])


def keep_provoking(
    port: int,
    provocations: Sequence[Provocation],
    record: Record,
    gate: Gate,
    stopped: threading.Event,
    *,
    pause_seconds: float = 0.0,
    seconds: float = HANGS_SECONDS,
) -> None:
    """Send what must be refused and write down what is answered, until it is to stop.

    Parameters
    ----------
    port : int
    provocations : sequence of Provocation
    record : Record
    gate : Gate
        Closed while the whole service is restarted.
    stopped : Event
    pause_seconds : float
        Between two requests.
    seconds : float
        Within which each has its answer, or else hangs.
    """
    for provocation in itertools.cycle(provocations):
        if stopped.is_set():
            return
        with gate.through():
            provoke(port, provocation, record, seconds=seconds)
        stopped.wait(pause_seconds)


def provoke(port: int, provocation: Provocation, record: Record, *, seconds: float) -> None:
    """Send one request; one whose connection broke, as a killed worker's does, is sent again."""
    for attempt in itertools.count(1):
        try:
            answer = exchange(port, provocation.raw, drop=provocation.drop, seconds=seconds)
        except TimeoutError:
            record.fault(record.broken, f"{provocation.what}: no answer within {seconds:g} s")
            return
        except (OSError, http.client.HTTPException) as error:
            if attempt == TRIES:
                record.fault(record.broken, f"{provocation.what}: {TRIES} tries, {error!r}")
                return
            record.again()
            time.sleep(_PAUSE_BEFORE_AGAIN_SECONDS)
        else:
            _judge(provocation, answer, record)
            return


def _judge(provocation: Provocation, answer: Refusal, record: Record) -> None:
    record.refused(provocation.what, answer.status)
    fault = refusal_fault(provocation.kind, answer.status, answer.media_type, answer.body)
    if fault:
        record.fault(record.broken, f"{provocation.what}: {fault}")


def _read(wire: socket.socket, raw: bytes) -> Refusal:
    response = http.client.HTTPResponse(wire, method=raw.partition(b" ")[0].decode("latin-1"))
    try:
        response.begin()
        return Refusal(response.status, response.headers.get("content-type", ""), response.read())
    finally:
        response.close()
