"""From the bytes of a request to a valid request, or to the sentence that says what is wrong with it."""

from __future__ import annotations

import codecs
import contextlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import ValidationError

from serving.problems import Problem, ProblemError
from serving.schemas import ScoreRequest

Location = tuple[int | str, ...]
#: Where the fault of a profile is the profile's own and leaves the others of the request alone.
_PROFILE_PARTS = ("expression", "clinical", "survived_months")
_LONGEST_NAME = 80


@dataclass(frozen=True)
class ParsedRequest:
    """A valid request, without the profiles that are faulty in themselves.

    Parameters
    ----------
    request : ScoreRequest
        Its `profiles` are the sound ones, in order.
    ids : tuple of str
        The ids of all profiles, in order.
    faults : mapping of int to Problem
        What is wrong with the others, by their position in `ids`.
    """

    request: ScoreRequest
    ids: tuple[str, ...]
    faults: Mapping[int, Problem]


def parse_request(body: bytes) -> ParsedRequest:
    """Read a request for scores.

    Raises
    ------
    ProblemError
        400 if it is not JSON or repeats a key; 422 if a field is missing, unknown or impossible, or if no profile
        can be scored.
    """
    document = parse_json(body)
    try:
        request = ScoreRequest.model_validate(document)
    except ValidationError as error:
        return _without_faulty_profiles(document, _errors(error))
    return ParsedRequest(request, _unique_ids(document), {})


def parse_json(body: bytes) -> Any:
    """Parse JSON, and refuse keys that occur twice in one object.

    Notes
    -----
    NaN and infinity, which are no JSON but which many writers emit, are let through here so that the refusal can
    name the gene and the profile.
    """
    # Some editors begin a file with this mark, which is none of its content.
    body = body.removeprefix(codecs.BOM_UTF8)
    with contextlib.suppress(orjson.JSONDecodeError):
        document = orjson.loads(body)
        # Every key is followed by a colon: no more colons than keys, and none was written twice.
        if body.count(b":") == _n_keys(document):
            return document
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_object_without_duplicates)
    except UnicodeDecodeError:
        raise ProblemError("malformed-request", "the body is not UTF-8; encode it so.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ProblemError("malformed-request", f"the body is not JSON: {error.msg} at {where}.") from None
    except (RecursionError, ValueError):
        # Nested too deeply, or an integer of thousands of digits.
        raise ProblemError("malformed-request", "the body is nested too deeply or holds an endless number.") from None


def _n_keys(document: Any) -> int:
    """Count the keys of a request, of its profiles and of what these hold; deeper ones are not counted."""
    if not isinstance(document, dict):
        return 0
    profiles = document.get("profiles")
    sound = [profile for profile in profiles if isinstance(profile, dict)] if isinstance(profiles, list) else []
    parts = (part for profile in sound for part in profile.values() if isinstance(part, dict))
    return len(document) + sum(map(len, sound)) + sum(map(len, parts))


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        detail = f"the key {_clipped(twice)!r} occurs twice in one object; send each key once."
        raise ProblemError("malformed-request", detail)
    return members


def _errors(error: ValidationError) -> list[Mapping[str, Any]]:
    return list(error.errors(include_url=False, include_context=True, include_input=False))


def _without_faulty_profiles(document: Any, errors: Sequence[Mapping[str, Any]]) -> ParsedRequest:
    general = [error for error in errors if _profile_at_fault(error["loc"]) is None]
    if general:
        raise _problem_error(document, general[0])
    ids = _unique_ids(document)
    faults = _faults(document, errors)
    sound = [profile for position, profile in enumerate(document["profiles"]) if position not in faults]
    if not sound:
        raise ProblemError.of(faults[0])
    return ParsedRequest(ScoreRequest.model_validate({**document, "profiles": sound}), ids, faults)


def _faults(document: Any, errors: Sequence[Mapping[str, Any]]) -> dict[int, Problem]:
    first: dict[int, Problem] = {}
    # A union complains once for each of its members: places are counted, not complaints.
    places: dict[int, set[Location]] = {}
    for error in errors:
        position = _profile_at_fault(error["loc"])
        if position is None:
            continue
        if position not in first:
            first[position] = _problem_error(document, error).problem
        places.setdefault(position, set()).add(_place(document, error["loc"], missing=error["type"] == "missing"))
    return {position: _with_count(problem, len(places[position]) - 1) for position, problem in first.items()}


def _with_count(first: Problem, more: int) -> Problem:
    return first if not more else first.model_copy(update={"detail": f"{first.detail} {more} more like it follow."})


def _profile_at_fault(location: Location) -> int | None:
    match location:
        case ("profiles", int(position), str(part), *_) if part in _PROFILE_PARTS:
            return position
    return None


def _unique_ids(document: Any) -> tuple[str, ...]:
    ids = tuple(profile["id"] for profile in document["profiles"])
    first_at: dict[str, int] = {}
    for position, name in enumerate(ids):
        if name in first_at:
            detail = (
                f"profiles[{position}].id is the same as profiles[{first_at[name]}].id; "
                "give every profile of a request an id of its own."
            )
            raise ProblemError("invalid-request", detail, field=f"profiles[{position}].id")
        first_at[name] = position
    return ids


def _problem_error(document: Any, error: Mapping[str, Any]) -> ProblemError:
    # Behind a union or a dictionary's key pydantic adds parts that are no place in the document.
    location: Location = _place(document, error["loc"], missing=error["type"] == "missing")
    field = _path(location)
    return ProblemError("invalid-request", f"{field or 'the body'} {_rule(document, location, error)}", field=field)


def _place(document: Any, location: Location, *, missing: bool) -> Location:
    value = document
    for depth, part in enumerate(location):
        if not _holds(value, part):
            return location[: depth + 1] if missing and isinstance(value, dict) else location[:depth]
        value = value[part]
    return location


def _holds(value: Any, part: int | str) -> bool:
    if isinstance(value, dict):
        return isinstance(part, str) and part in value
    return isinstance(value, list) and isinstance(part, int) and part < len(value)


def _path(location: Location) -> str | None:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{_clipped(part)}" for part in location)
    return text.removeprefix(".") or None


_RULES = {
    "missing": "is missing; send it.",
    "extra_forbidden": "is not a field of this request; leave it out or correct its name.",
    "finite_number": "must be a finite number, but is {value}; leave out what was not measured.",
    "float_type": "must be a number, but is {value}; send it as a bare JSON number, or leave it out.",
    "string_type": "must be a string, but is {value}.",
    "list_type": "must be a list, but is {value}.",
    "dict_type": "must be an object, but is {value}.",
    "model_type": "must be an object, but is {value}.",
    "model_attributes_type": "must be an object, but is {value}.",
    "string_unicode": "is not valid Unicode; correct its encoding.",
    "greater_than": "must be above {gt:g}.",
    "too_long": "must have at most {max_length} entries, not {actual_length}.",
    "string_pattern_mismatch": "must hold more than blanks, and no control characters.",
    "string_too_long": "must have at most {max_length} characters.",
}


def _rule(document: Any, location: Location, error: Mapping[str, Any]) -> str:
    kind = error["type"]
    if kind == "value_error":
        return f"{error['ctx']['error']}."
    if kind in ("too_short", "string_too_short"):
        return "must not be empty."
    if "clinical" in location and kind == "float_type":
        return f"must be a number, a string or null, but is {_described(_value(document, location))}."
    rule = _RULES.get(kind, "is not valid.")
    return rule.format(value=_described(_value(document, location)), **error.get("ctx", {}))


def _value(document: Any, location: Location) -> Any:
    for part in location:
        document = document[part] if not isinstance(document, dict) or part in document else None
    return document


def _described(value: Any) -> str:
    """Name the kind of a value; a value itself is a patient's, and is not repeated."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return "a string"
        case float() | int():
            return _described_number(value)
        case list():
            return "a list"
    return "an object"


def _described_number(value: float) -> str:
    try:
        number = float(value)
    except OverflowError:
        return "too large"
    return "a number" if math.isfinite(number) else "NaN" if math.isnan(number) else "infinite"


def _clipped(name: object) -> str:
    text = str(name).encode("utf-8", "replace").decode("utf-8") or '""'
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…"
