"""An append-only file of hash-chained lines: what was written stays, and what was changed afterwards shows."""

from __future__ import annotations

import errno
import fcntl
import getpass
import hashlib
import json
import logging
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from features.errors import PrognosisError
from serving.storing import to_disk

logger = logging.getLogger(__name__)

#: What the first entry follows.
GENESIS = "0" * 64
NOTE, TORN = "note", "torn"
_LONGEST_NAME = 64
#: How long one process waits for another that writes.
PATIENCE_SECONDS = 60.0

type Entry = Mapping[str, Any]


class AuditError(PrognosisError):
    """A record cannot be read, written or trusted."""


@dataclass(frozen=True)
class Fault:
    """The first line of a record that is not what it was when it was written."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line} {self.reason}"


@dataclass(frozen=True)
class Chain:
    """What a record holds.

    Parameters
    ----------
    entries : tuple of Entry
        Up to the first line that is not whole.
    fault : Fault or None
    torn : bytes
        A last line without its end: the process that wrote it was killed, and nothing was done upon it.
    """

    entries: tuple[Entry, ...] = ()
    fault: Fault | None = None
    torn: bytes = b""


class AuditLog:
    """A record in a file: one entry a line, canonical JSON, each with the hash of the one before.

    Parameters
    ----------
    path : Path
        Made by the first entry.
    patience_seconds : float
        How long to wait for another process that holds the record.

    Notes
    -----
    An entry's ``hash`` is the SHA-256 of its canonical JSON (keys sorted, no spaces, UTF-8) without that key;
    ``previous`` is the ``hash`` of the entry before. A line counts only if it is byte for byte the canonical form of
    what it says, so that no two texts bear one hash. The order is that of ``sequence``, the line's number; ``time``
    is what the machine's clock said, and nothing relies on it.

    Whoever can write the file can write all of it anew: the chain shows slips and half-hearted changes by itself, and
    a new or shortened chain only beside a copy of its last hash that is kept elsewhere.
    """

    def __init__(self, path: Path, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self.path = path
        self._patience_seconds = patience_seconds

    def chain(self) -> Chain:
        """Read the record as it is now; an entry that is being written meanwhile may show as torn."""
        try:
            return examine(self.path.read_bytes())
        except FileNotFoundError:
            return Chain()
        except OSError as error:
            raise AuditError(f"{self.path}: cannot be read ({error.strerror}).") from error

    @contextmanager
    def at_rest(self) -> Iterator[Chain]:
        """Yield the record while no process writes to it."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY)
        except FileNotFoundError:
            yield Chain()
            return
        except OSError as error:
            raise AuditError(f"{self.path}: cannot be read ({error.strerror}).") from error
        try:
            self._lock(descriptor, fcntl.LOCK_SH)
            yield self.chain()
        finally:
            os.close(descriptor)

    @contextmanager
    def held(self) -> Iterator[HeldLog]:
        """Hold the record as the only process, to write to it; a torn last line is moved aside.

        Raises
        ------
        AuditError
            If another process holds it too long, if it cannot be written, or if its chain is broken.
        """
        descriptor = self._opened()
        try:
            held = HeldLog(self.path, descriptor)
            held.begin()
            yield held
        finally:
            os.close(descriptor)

    def _opened(self) -> int:
        """Open and lock the file; again, where it was moved away between the two."""
        while True:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
            except OSError as error:
                raise AuditError(f"{self.path}: cannot be written ({error.strerror}).") from error
            try:
                self._lock(descriptor, fcntl.LOCK_EX)
                if os.path.samestat(os.fstat(descriptor), self.path.stat()):
                    return descriptor
            except FileNotFoundError:
                pass
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def _lock(self, descriptor: int, kind: int) -> None:
        end = time.monotonic() + self._patience_seconds
        while True:
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                    raise AuditError(f"{self.path}: cannot be locked ({error.strerror}); keep it elsewhere.") from error
            else:
                return
            if time.monotonic() > end:
                raise AuditError(f"{self.path}: another process has held it too long; wait for it, or stop it.")
            time.sleep(0.02)


class HeldLog:
    """A record that this process alone may write to; made by `AuditLog.held`."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._entries: list[Entry] = []

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries, the last one last."""
        return tuple(self._entries)

    def begin(self) -> None:
        """Examine the chain, and move a torn last line aside."""
        data = _content(self._descriptor)
        chain = examine(data)
        if chain.fault is not None:
            raise AuditError(
                f"{self.path}: {chain.fault}, so nothing is written after it; find out who changed it, then move the "
                "file away and keep it: a new record begins beside it."
            )
        self._entries = list(chain.entries)
        if chain.torn:
            self._move_aside(chain.torn, len(data) - len(chain.torn))

    def append(self, content: Mapping[str, Any]) -> Entry:
        """Write an entry, wait until it is on the disk, and return it.

        Raises
        ------
        AuditError
            If it cannot be written.
        """
        entry = sealed(content, after=self._entries)
        try:
            _write(self._descriptor, canonical(entry) + b"\n")
            os.fsync(self._descriptor)
            if len(self._entries) == 0:
                to_disk(self.path.parent)  # the file's name, too
        except OSError as error:
            raise AuditError(f"{self.path}: cannot be written ({error.strerror}).") from error
        self._entries.append(entry)
        return entry

    def _move_aside(self, torn: bytes, whole_bytes: int) -> None:
        # Named by its content: killed between the copy and the cut, the next process makes the same copy.
        aside = self.path.with_name(f"{self.path.name}.torn-{hashlib.sha256(torn).hexdigest()[:16]}")
        try:
            aside.write_bytes(torn)
            to_disk(aside)
            to_disk(aside.parent)
            os.ftruncate(self._descriptor, whole_bytes)
        except OSError as error:
            raise AuditError(f"{self.path}: its torn end cannot be moved aside ({error.strerror}).") from error
        told = f"a half-written last line of {len(torn)} bytes was moved to {aside.name}: its writer was stopped"
        logger.warning("%s: %s", self.path, told)
        self.append({"stage": NOTE, "action": TORN, "reason": told})


def canonical(content: Mapping[str, Any]) -> bytes:
    """Return the one way to write an entry: keys sorted, no spaces, UTF-8, no NaN."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def sealed(content: Mapping[str, Any], *, after: list[Entry]) -> Entry:
    """Return an entry with its place in the chain, when and by whom it was written, and its hash."""
    entry = {
        **content,
        "format": 1,
        "sequence": len(after) + 1,
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "who": who(),
        "previous": after[-1]["hash"] if after else GENESIS,
    }
    return {**entry, "hash": _digest(entry)}


def examine(data: bytes) -> Chain:
    """Follow the chain through the bytes of a record, as far as it is whole."""
    *lines, torn = data.split(b"\n")
    entries: list[Entry] = []
    for number, line in enumerate(lines, start=1):
        try:
            entries.append(_entry(line, number, entries[-1]["hash"] if entries else GENESIS))
        except ValueError as reason:
            return Chain(tuple(entries), Fault(number, str(reason)), torn)
    return Chain(tuple(entries), None, torn)


def who() -> str:
    """Return who is at it: ``PROGNOSIS_USER``, or the name that the system knows, and the machine."""
    try:
        user = os.environ.get("PROGNOSIS_USER", "").strip() or getpass.getuser()
    except OSError:
        # In a container, a user may have a number and no name.
        user = f"uid {os.getuid()}"
    return f"{plain(user)[:_LONGEST_NAME]}@{plain(socket.gethostname())}"


def plain(text: str) -> str:
    """Return a text as one line without control characters, as terminals obey some of them."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def _entry(line: bytes, number: int, previous: str) -> Entry:
    """Read a line, or raise the reason why it is not the one that was written there."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("is not JSON") from None
    if not isinstance(entry, dict) or not _is_canonical(entry, line):
        raise ValueError("is not written as entries are (canonical JSON)")
    if entry.get("hash") != _digest({key: value for key, value in entry.items() if key != "hash"}):
        raise ValueError("was changed after it was written: its hash is not that of its content")
    if entry.get("sequence") != number or entry.get("previous") != previous:
        raise ValueError("does not follow the line before it: lines were taken out, put in or moved")
    return entry


def _is_canonical(entry: dict[str, Any], line: bytes) -> bool:
    try:
        return canonical(entry) == line
    except ValueError:
        return False


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(content)).hexdigest()


def _content(descriptor: int) -> bytes:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
