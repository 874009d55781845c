"""Whether an answer is the right one: exactly what one version answers, and no other body at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from experiments.benchmarks.soak_requests import RightRequest
from serving.problems import KINDS, MEDIA_TYPE

RIGHT, WRONG, MIXED, REFUSED = "right", "wrong", "mixed", "refused"
_OK = 200
_TYPE = "urn:ctc-prognosis:problem:"
_MEMBERS = ["type", "title", "status", "detail", "field"]


class Verdict(NamedTuple):
    """What an answer is.

    Parameters
    ----------
    kind : str
        `RIGHT`; `MIXED`, if every part of it is of one version or another, but not all of the same; `REFUSED`, if
        the status is not 200; `WRONG`, whatever else it is.
    version : str
        Of the model that answered, where it is right.
    words : str
        What is wrong with it.
    """

    kind: str
    version: str = ""
    words: str = ""


def verdict(request: RightRequest, status: int, body: bytes) -> Verdict:
    """Judge the answer to a right request."""
    if status != _OK:
        return Verdict(REFUSED, words=f"{status}: {body[:300].decode(errors='replace')}")
    version = request.answers.get(body)
    if version is not None:
        return Verdict(RIGHT, version)
    parts = _parts(body)
    known = [dict(_parts(answer) or ()) for answer in request.answers]
    if parts is None:
        return Verdict(WRONG, words="the body is no JSON")
    for path, value in parts:
        if not any(each.get(path, _NOTHING) == value for each in known):
            return Verdict(WRONG, words=f"{'.'.join(map(str, path))} is {value!r}, as no version answers")
    if not any({path for path, _ in parts} == each.keys() for each in known):
        return Verdict(WRONG, words="a part of it is missing")
    return Verdict(MIXED, words=f"parts of versions {' and '.join(sorted(request.answers.values()))} in one answer")


def refusal_fault(kind: str, status: int, media_type: str, body: bytes) -> str:
    """Return what is wrong with the answer to a hostile request; an empty text if it is as documented.

    Parameters
    ----------
    kind : str
        The key of `serving.problems.KINDS` that must be answered.
    status, media_type, body
        The answer's.
    """
    wanted, title = KINDS[kind]
    if (status, media_type) != (wanted, MEDIA_TYPE):
        return f"{status} {media_type} in place of {wanted} {MEDIA_TYPE}"
    try:
        problem = json.loads(body)
    except ValueError:
        return "the body is no JSON"
    if not isinstance(problem, dict) or list(problem) != _MEMBERS:
        return "the body is no problem"
    said = (problem["type"], problem["title"], problem["status"])
    return "" if said == (_TYPE + kind, title, wanted) and problem["detail"] else f"it is said to be {said}"


_NOTHING = object()


def _parts(body: bytes) -> list[tuple[tuple[str | int, ...], Any]] | None:
    """Return every leaf of an answer with where it stands; None if it is not JSON."""
    try:
        documents = [json.loads(line) for line in body.splitlines()]
    except ValueError:
        return None
    return [leaf for position, document in enumerate(documents) for leaf in _leaves(document, (position,))]


def _leaves(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if isinstance(value, dict | list):
        yield path, len(value)
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(part, (*path, key))
    else:
        yield path, value
