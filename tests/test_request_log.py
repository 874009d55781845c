"""The log: one line a request, and nothing that an error says."""

from __future__ import annotations

import contextvars
import json
import logging
import threading
import warnings
from collections.abc import Iterator

import pytest

from serving import request_log as module
from serving.request_log import JsonFormatter, TextFormatter, begin, note, places, request_log, shape_logs

SECRET = "7.318293847"


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """Leave no request behind."""
    yield
    module._CURRENT.set(None)


def failed(error: Exception) -> logging.LogRecord:
    with pytest.raises(type(error)) as caught:
        raise error
    info = (caught.type, caught.value, caught.tb)
    return logging.LogRecord("bentoml", logging.ERROR, "path", 1, "it\nfailed", None, info)


@pytest.mark.parametrize("sane", [b"abc-123", b"0af7651916cd43dd8448eb211c80319c", b"a", b"A.b_c-1"])
def test_a_sane_id_of_the_clients_is_taken(sane: bytes):
    assert begin(sane).request_id == sane.decode()


@pytest.mark.parametrize("other", [None, b"", b"a b", b"a" * 65, b'"}', b"a\xff", b"a\nb", b"a/b", b"a\n"])
def test_any_other_is_replaced_by_a_new_one(other: bytes | None):
    ids = {begin(other).request_id for _ in range(100)}
    assert len(ids) == 100
    assert all(len(made) == 16 and made.isalnum() for made in ids)


def test_a_line_has_every_part_and_is_json():
    lines: list[bytes] = []
    notes = begin(b"abc-123")
    note(model="KIRC-OS", version="3", profiles=20)
    notes.method, notes.route, notes.status, notes.seconds = "POST", "/score", 200, 0.0012345
    notes.bytes_in, notes.token = 812, "clinic"
    request_log("json", lines.append)(notes)
    (line,) = lines
    assert line.endswith(b"\n")
    read = json.loads(line)
    assert read.pop("time").endswith("Z")
    assert read == {
        "level": "info",
        "request_id": "abc-123",
        "method": "POST",
        "route": "/score",
        "status": 200,
        "milliseconds": 1.234,
        "bytes_in": 812,
        "profiles": 20,
        "model": "KIRC-OS",
        "version": "3",
        "token": "clinic",
        "problem": None,
    }


def test_as_text_it_is_a_line_too():
    lines: list[bytes] = []
    notes = begin(b"abc-123")
    note(model="KIRC-OS", version="3", profiles=20)
    notes.method, notes.route, notes.status, notes.token, notes.problem = "POST", "/score", 504, "clinic", "timeout"
    request_log("text", lines.append)(notes)
    text = lines[0].decode()
    assert "ERROR [abc-123] POST /score 504 timeout 0.0 ms 0 bytes 20 profiles by KIRC-OS version 3 for clinic" in text


def test_turned_off_nothing_is_written():
    lines: list[bytes] = []
    request_log("off", lines.append)(begin(None))
    assert lines == []


@pytest.mark.parametrize(("status", "level"), [(200, "info"), (422, "warning"), (500, "error"), (None, "warning")])
def test_the_level_follows_the_status(status: int | None, level: str):
    lines: list[bytes] = []
    notes = begin(None)
    notes.status = status
    request_log("json", lines.append)(notes)
    assert json.loads(lines[0])["level"] == level


def test_a_log_that_cannot_be_written_fails_no_request():
    def broken(line: bytes) -> None:
        raise BrokenPipeError

    request_log("json", broken)(begin(None))


def test_a_thread_of_the_request_notes_for_it_and_one_of_another_does_not():
    notes = begin(None)
    inside = contextvars.copy_context()
    ours = threading.Thread(target=lambda: inside.run(note, model="a", version="1", profiles=2))
    other = threading.Thread(target=lambda: contextvars.Context().run(note, model="b", version="1", profiles=5))
    for thread in (ours, other):
        thread.start()
        thread.join()
    note(model="a", version="1", profiles=3)
    assert (notes.model, notes.profiles) == ("a", 5)


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_of_an_exception_the_log_says_where_and_not_what(formatter: logging.Formatter):
    begin(b"abc-123")
    line = formatter.format(failed(KeyError(SECRET)))
    assert SECRET not in line
    assert "KeyError at test_request_log.py:" in line
    assert "in failed" in line
    assert "abc-123" in line
    assert "\n" not in line


def test_json_lines_of_other_loggers_are_json():
    read = json.loads(JsonFormatter().format(failed(KeyError(SECRET))))
    assert (read["level"], read["message"].startswith("it failed (KeyError at ")) == ("error", True)


def deep(depth: int) -> None:
    if depth == 0:
        raise ValueError(SECRET)
    deep(depth - 1)


def test_places_of_a_deep_error_are_the_ends_of_its_way():
    with pytest.raises(ValueError, match=SECRET) as caught:
        deep(50)
    told = places(caught.value)
    assert told.count(">") == 6
    assert "…" in told
    assert SECRET not in told


def test_shaping_takes_the_servers_handler_and_silences_what_warnings_repeat(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    handler = logging.StreamHandler()
    handler.name = "tracehandler"
    monkeypatch.setattr(logging.getLogger("bentoml"), "handlers", [handler])
    # pytest has its own in its place while it catches warnings.
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    shape_logs("json")
    assert isinstance(handler.formatter, JsonFormatter)
    with caplog.at_level(logging.WARNING):
        warnings.showwarning(UserWarning(SECRET), UserWarning, "/x/y.py", 7)
    assert "UserWarning at y.py:7" in caplog.text
    assert SECRET not in caplog.text
    shape_logs("off")
    assert isinstance(handler.formatter, TextFormatter)
