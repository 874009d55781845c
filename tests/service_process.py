"""A real service in a process of its own, for the tests that ask one."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from serving.launch import Launch


@contextmanager
def running_service(start: Launch, log: Path, **environment: str) -> Iterator[httpx.Client]:
    """Run the service as a process of its own, and stop it in the end; the client knows its address."""
    with log.open("wb") as output, httpx.Client(base_url=start.address, timeout=60) as http:
        process = subprocess.Popen(
            start.command, env={**start.environment, **environment}, stdout=output, stderr=output
        )
        try:
            wait_for(lambda: answers(http, "/livez"), seconds=90)
            yield http
        finally:
            process.terminate()
            process.wait(timeout=30)


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(http: httpx.Client, path: str) -> bool:
    """Tell whether a page is there and well."""
    try:
        return http.get(path).is_success
    except httpx.TransportError:
        return False


def wait_for(condition: Callable[[], bool], *, seconds: float = 30) -> None:
    """Return as soon as the condition holds; fail if it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
