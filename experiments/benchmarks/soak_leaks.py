"""What logs and meters must not hold after the soak: patients, tokens, stack traces, failures of the service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from experiments.benchmarks.soak_requests import MARKS

#: Of a place, as much is shown.
_SHOWN = 300
_FAILED = 500
#: Answers 503 for as long as nothing is loaded, as it must.
_READINESS = "/readyz"


def leaks(logs: Path, meters: bytes, secret: str) -> list[str]:
    """Return the places that hold what they must not, a sentence each.

    Parameters
    ----------
    logs : Path
        Folder of the service's logs.
    meters : bytes
        What ``/metrics`` answered.
    secret : str
        The token that opened the service.
    """
    forbidden = (*MARKS, secret, "Traceback")
    found = list(_in_text("the meters", meters.decode().splitlines(), forbidden))
    for log in sorted(logs.glob("service-*.log")):
        with log.open(encoding="utf-8", errors="replace") as lines:
            found += _in_text(log.name, lines, forbidden)
    return found


def _in_text(name: str, lines: Iterator[str] | list[str], forbidden: tuple[str, ...]) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        held = [word for word in forbidden if word in line]
        if held:
            yield f"{name}, line {number} holds {held[0]}: {line[:_SHOWN].strip()}"
        elif '"status":5' in line and _failed(line):
            yield f"{name}, line {number}: the service failed: {line[:_SHOWN].strip()}"


def _failed(line: str) -> bool:
    try:
        entry = json.loads(line)
    except ValueError:
        return False
    return isinstance(entry, dict) and int(entry.get("status") or 0) >= _FAILED and entry.get("route") != _READINESS
