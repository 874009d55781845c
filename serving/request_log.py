"""The log: a line a request with its id, and no sentence of an error that might hold a patient's value."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
import time
import traceback
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson

#: What a client may call its request; anything else might be a patient's and is not taken up.
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_LOGGERS = ("", "bentoml", "uvicorn.error", "circus")
_OUTERMOST, _INNERMOST = 2, 4
_ONE_LINE = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z


@dataclass(slots=True)
class RequestNotes:
    """What the log says of a request; filled while it is answered.

    Parameters
    ----------
    request_id : str
    method, route : str
        The route as a template: what a stranger asks for may be anything.
    token : str or None
        The name of the token.
    status : int or None
        None if whoever asked was gone.
    seconds : float
    bytes_in : int
    profiles : int
        How many were sent; 0 until `note` is called.
    model, version : str or None
        Of the model that answered.
    problem : str or None
        The kind of problem that was answered.
    """

    request_id: str
    method: str = ""
    route: str = "unknown"
    token: str | None = None
    status: int | None = None
    seconds: float = 0.0
    bytes_in: int = 0
    profiles: int = 0
    model: str | None = None
    version: str | None = None
    problem: str | None = None


_CURRENT: ContextVar[RequestNotes | None] = ContextVar("request_notes", default=None)


def begin(headers_request_id: bytes | None) -> RequestNotes:
    """Begin the notes of a request, under its own id if that is a sane one."""
    if headers_request_id is not None and _REQUEST_ID.fullmatch(headers_request_id):
        notes = RequestNotes(headers_request_id.decode("ascii"))
    else:
        notes = RequestNotes(secrets.token_hex(8))
    _CURRENT.set(notes)
    return notes


def note(*, model: str, version: str, profiles: int) -> None:
    """Note which model answers the present request, and how many profiles were sent; calls add up.

    Works in the threads too that a request starts; outside a request it does nothing.
    """
    notes = _CURRENT.get()
    if notes is not None:
        notes.model, notes.version = model, version
        notes.profiles += profiles


Write = Callable[[bytes], object]


def request_log(kind: str, write: Write | None = None) -> Callable[[RequestNotes], None]:
    """Return what writes a line for a request that was answered.

    Parameters
    ----------
    kind : str
        ``json``, ``text`` or ``off``.
    write : callable or None
        Takes a line; standard output unless given.
    """
    match kind:
        case "json":
            return _writer(_json_line, write or _to_stdout)
        case "text":
            return _writer(_text_line, write or _to_stdout)
    return lambda _: None


def shape_logs(kind: str) -> None:
    """Let every other line of this process be of the same kind, and say of exceptions and warnings only where.

    Parameters
    ----------
    kind : str
        ``json``; or ``text`` or ``off``, which both leave these lines as text.
    """
    formatter = JsonFormatter() if kind == "json" else TextFormatter()
    for name in _LOGGERS:
        for handler in logging.getLogger(name).handlers:
            # BentoML's own handler only: whoever imports us may have others.
            if handler.name == "tracehandler":
                handler.setFormatter(formatter)
    warnings.showwarning = _log_warning  # type: ignore[assignment]


def places(error: BaseException) -> str:
    """Return where an error happened, from the outermost call to the innermost, and nothing of what it says."""
    frames = traceback.extract_tb(error.__traceback__)
    named = [f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in frames]
    if len(named) > _OUTERMOST + _INNERMOST:
        named[_OUTERMOST:-_INNERMOST] = ["…"]
    return f"{type(error).__name__} at {' > '.join(named) or 'an unknown place'}"


class TextFormatter(logging.Formatter):
    """A line of text: time, level, message; of an exception only its kind and place."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        notes = _CURRENT.get()
        request = f" [{notes.request_id}]" if notes else ""
        return f"{_time(record.created)} {record.levelname}{request} {_message(record)}"


class JsonFormatter(logging.Formatter):
    """A line of JSON with the same."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        line = {"time": _time(record.created), "level": record.levelname.lower(), "message": _message(record)}
        notes = _CURRENT.get()
        if notes is not None:
            line["request_id"] = notes.request_id
        return orjson.dumps(line).decode()


def _message(record: logging.LogRecord) -> str:
    message = " ".join(record.getMessage().split())
    error = record.exc_info[1] if record.exc_info else None
    return f"{message} ({places(error)})" if error is not None else message


def _log_warning(
    _: Warning | str, category: type[Warning], filename: str, lineno: int, *_file_and_line: object
) -> None:
    # Some packages repeat the value that they warn of.
    logging.getLogger("bentoml.prognosis").warning("%s at %s:%d", category.__name__, Path(filename).name, lineno)


def _writer(line: Callable[[RequestNotes], bytes], write: Write) -> Callable[[RequestNotes], None]:
    def log(notes: RequestNotes) -> None:
        # If nobody reads the log any more, the answer was given all the same.
        with contextlib.suppress(OSError):
            write(line(notes))

    return log


def _to_stdout(line: bytes) -> None:
    # One call a line: workers share the stream, and a line must not be torn.
    os.write(1, line)


def _json_line(notes: RequestNotes) -> bytes:
    return orjson.dumps(
        {
            "time": datetime.now(UTC),
            "level": _level(notes),
            "request_id": notes.request_id,
            "method": notes.method,
            "route": notes.route,
            "status": notes.status,
            "milliseconds": round(notes.seconds * 1000, 3),
            "bytes_in": notes.bytes_in,
            "profiles": notes.profiles,
            "model": notes.model,
            "version": notes.version,
            "token": notes.token,
            "problem": notes.problem,
        },
        option=_ONE_LINE,
    )


def _text_line(notes: RequestNotes) -> bytes:
    model = f" {notes.profiles} profiles by {notes.model} version {notes.version}" if notes.model else ""
    token = f" for {notes.token}" if notes.token else ""
    problem = f" {notes.problem}" if notes.problem else ""
    text = (
        f"{_time(time.time())} {_level(notes).upper()} [{notes.request_id}] {notes.method} {notes.route} "
        f"{notes.status or 'gone'}{problem} {notes.seconds * 1000:.1f} ms {notes.bytes_in} bytes{model}{token}\n"
    )
    return text.encode()


def _level(notes: RequestNotes) -> str:
    if notes.status is None:
        return "warning"
    return "info" if notes.status < 400 else "warning" if notes.status < 500 else "error"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
