"""The hash-chained record: what was changed, taken out or half-written shows."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import audit_log
from experiments.audit_log import GENESIS, AuditError, AuditLog, examine, plain, who

CONTENTS = [
    {"action": "promote", "name": "KIRC-OS", "figures": {"value": 0.751}, "reason": f"für {n}"} for n in range(4)
]


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    return AuditLog(tmp_path / "a folder" / "record.jsonl")


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> bytes:
    log = AuditLog(tmp_path_factory.mktemp("written") / "record.jsonl")
    write(log, *CONTENTS)
    return log.path.read_bytes()


def write(log: AuditLog, *contents: dict) -> None:
    for content in contents:
        with log.held() as held:
            held.append(content)


def by_hand(*contents: dict) -> bytes:
    """A record as the docstring says that it is, made without the product."""
    lines, previous = [], "0" * 64
    for number, content in enumerate(contents, start=1):
        entry = {**content, "sequence": number, "previous": previous}
        text = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        previous = hashlib.sha256(text.encode()).hexdigest()
        whole = json.dumps({**entry, "hash": previous}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        lines.append(f"{whole}\n".encode())
    return b"".join(lines)


def test_each_line_holds_the_sha256_of_its_canonical_json_and_the_one_before(written: bytes):
    previous = GENESIS
    for number, line in enumerate(written.decode().splitlines(), start=1):
        entry = json.loads(line)
        stated = entry.pop("hash")
        text = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert stated == hashlib.sha256(text.encode()).hexdigest()
        assert (entry["previous"], entry["sequence"]) == (previous, number)
        previous = stated
    assert number == len(CONTENTS)


def test_what_was_written_is_read_back(log: AuditLog):
    write(log, *CONTENTS)
    chain = log.chain()
    assert (chain.fault, chain.torn) == (None, b"")
    assert [{key: entry[key] for key in CONTENTS[0]} for entry in chain.entries] == CONTENTS


def test_the_order_is_that_of_the_numbers_whatever_the_clock_said():
    backwards = by_hand({"time": "2026-02-01T00:00:00+00:00"}, {"time": "1999-01-01T00:00:00+00:00"}, {"time": "noon"})
    chain = examine(backwards)
    assert chain.fault is None
    assert [entry["sequence"] for entry in chain.entries] == [1, 2, 3]


@given(data=st.data())
def test_a_changed_byte_is_found_in_its_line(written: bytes, data: st.DataObject):
    at = data.draw(st.integers(0, len(written) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda value: value != written[at]))
    chain = examine(written[:at] + bytes([other]) + written[at + 1 :])
    line = written.count(b"\n", 0, at) + 1
    if at == len(written) - 1:
        assert (chain.fault, bool(chain.torn), len(chain.entries)) == (None, True, len(CONTENTS) - 1)
    else:
        assert chain.fault is not None
        assert (chain.fault.line, len(chain.entries)) == (line, line - 1)


@given(data=st.data())
def test_lines_taken_out_doubled_or_moved_are_found(written: bytes, data: st.DataObject):
    lines = written.splitlines(keepends=True)
    order = data.draw(st.lists(st.integers(0, len(lines) - 1), min_size=1, max_size=6))
    chain = examine(b"".join(lines[at] for at in order))
    agree = next((n for n, at in enumerate(order) if at != n), len(order))
    assert len(chain.entries) == agree
    assert (chain.fault is None) == (agree == len(order))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda line: line.replace(b"0.751", b"0.951"), "was changed after it was written"),
        (lambda line: line.replace(b",", b", ", 1), "is not written as entries are"),
        (lambda line: b'{"action":"train",' + line[1:], "is not written as entries are"),
        (lambda line: b"[]\n", "is not written as entries are"),
        (lambda line: b"\n", "is not JSON"),
        (lambda line: b"[" * 100_000 + b"\n", "is not JSON"),
        (lambda line: b'{"value":NaN}\n', "is not written as entries are"),
        (lambda line: line + line, "does not follow the line before it"),
    ],
)
def test_a_fault_says_what_is_wrong_with_the_first_bad_line(written: bytes, spoil, reason: str):
    first, second, *others = written.splitlines(keepends=True)
    chain = examine(b"".join([first, spoil(second), *others]))
    assert chain.fault is not None
    assert chain.fault.reason.startswith(reason)
    assert chain.fault.line == (3 if reason.startswith("does not follow") else 2)


def test_nothing_is_written_after_a_broken_chain(log: AuditLog):
    write(log, *CONTENTS)
    broken = log.path.read_bytes().replace(b"0.751", b"0.951", 1)
    log.path.write_bytes(broken)
    with pytest.raises(AuditError, match=r"record.jsonl: line 1 was changed .*move the file away and keep it"):
        write(log, {"action": "promote"})
    assert log.path.read_bytes() == broken


def test_a_line_torn_anywhere_is_moved_aside_with_a_note(written: bytes, log: AuditLog):
    whole = written[: written[:-1].rindex(b"\n") + 1]
    log.path.parent.mkdir()
    for cut in range(len(whole) + 1, len(written), 17):
        log.path.write_bytes(written[:cut])
        before = set(log.path.parent.iterdir())
        write(log, {"action": "promote"})
        (aside,) = set(log.path.parent.iterdir()) - before
        assert aside.read_bytes() == written[len(whole) : cut]
        *kept, note, last = log.chain().entries
        assert examine(whole).entries == tuple(kept)
        assert (note["action"], last["action"]) == ("torn", "promote")
        assert aside.name in note["reason"]
        assert f"{cut - len(whole)} bytes" in note["reason"]


def test_a_record_that_is_held_too_long_is_one_sentence(log: AuditLog):
    impatient = AuditLog(log.path, patience_seconds=0.05)
    with log.held():
        with pytest.raises(AuditError, match="another process has held it too long"), impatient.held():
            pass
        with pytest.raises(AuditError, match="another process has held it too long"), impatient.at_rest():
            pass
    write(impatient, *CONTENTS)
    assert len(log.chain().entries) == len(CONTENTS)


def test_a_record_in_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AuditError, match="cannot be written"):
        write(AuditLog(tmp_path / "file" / "record.jsonl"), *CONTENTS)


def test_nothing_is_made_by_reading(log: AuditLog):
    assert log.chain().entries == ()
    with log.at_rest() as chain:
        assert chain.entries == ()
    assert not log.path.parent.exists()


WRITER = """
import sys
from pathlib import Path
from experiments.audit_log import AuditLog

for number in range(60):
    with AuditLog(Path(sys.argv[1])).held() as held:
        held.append({"by": sys.argv[2], "number": number})
"""


def test_two_processes_that_write_at_once_make_one_chain(log: AuditLog):
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(log.path), by]) for by in "ab"]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    chain = log.chain()
    assert (chain.fault, chain.torn) == (None, b"")
    for by in "ab":
        assert [entry["number"] for entry in chain.entries if entry["by"] == by] == list(range(60))


def test_who_is_named_by_the_environment_or_the_system_and_cannot_write_to_a_terminal(monkeypatch):
    monkeypatch.setenv("PROGNOSIS_USER", " Ada\x1b[2J\nLovelace ")
    assert who().startswith("Ada [2J Lovelace@")
    monkeypatch.setenv("PROGNOSIS_USER", "")
    monkeypatch.setenv("LOGNAME", "grace")
    assert who().startswith("grace@")

    def nameless():
        raise OSError("No username set in the environment")

    monkeypatch.setattr(audit_log.getpass, "getuser", nameless)
    assert who().startswith("uid ")
    assert plain("one\tline\udcff\u202e") == "one line"
