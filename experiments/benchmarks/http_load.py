"""Requests over several connections at once, kept open: how many are answered, and how long each takes."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class LoadError(Exception):
    """A request was not answered with 200."""


@dataclass(frozen=True, eq=False)
class Load:
    """What came of a load.

    Parameters
    ----------
    seconds : float
        From the first request to the last answer.
    latencies : array, shape (n_requests,)
        Seconds of each.
    body : bytes
        The last answer.
    """

    seconds: float
    latencies: Floats
    body: bytes

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        """Return the time within which a share of the requests was answered, in seconds."""
        return float(np.quantile(self.latencies, share))


def load(port: int, path: str, body: bytes, *, n_requests: int, connections: int) -> Load:
    """Post the body again and again, each connection its next request when the last is answered.

    Raises
    ------
    LoadError
        If an answer is not 200, with its beginning.
    """
    return asyncio.run(_load(port, path, body, n_requests=n_requests, connections=connections))


async def _load(port: int, path: str, body: bytes, *, n_requests: int, connections: int) -> Load:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    left = iter(range(n_requests))
    begun = time.perf_counter()
    found = await asyncio.gather(*(_connection(port, request, left) for _ in range(connections)))
    seconds = time.perf_counter() - begun
    return Load(seconds, np.concatenate([np.array(each) for each, _ in found]), found[0][1])


async def _connection(port: int, request: bytes, left: object) -> tuple[list[float], bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
    latencies, body = list[float](), b""
    try:
        while next(left, None) is not None:  # type: ignore[call-overload]
            begun = time.perf_counter()
            writer.write(request)
            body = await _answer(reader)
            latencies.append(time.perf_counter() - begun)
    finally:
        writer.close()
    return latencies, body


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
    body = await reader.readexactly(int(length.partition(b":")[2]))
    if not head.startswith(b"http/1.1 200"):
        raise LoadError(f"{head.partition(b'\r\n')[0].decode()}: {body[:300].decode(errors='replace')}")
    return body
