"""What lies on the disk of a download: the part that came, which revision of the file it is of, and what is whole."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from experiments.fetch_http import FetchError, StoppedError, shown
from serving.storing import to_disk

if TYPE_CHECKING:
    from requests import Response

logger = logging.getLogger(__name__)

_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
_WEAK = "W/"


class NoRoomError(FetchError):
    """The disk does not take what is fetched."""


@dataclass(frozen=True)
class Revision:
    """One state of a file at its source: what tells it from the file's other states.

    Parameters
    ----------
    url : str
    etag, last_modified : str or None
        As the server states them.
    length : int or None
        In bytes.
    packed : bool
        Whether the server sends a plain file in gzip's packing (``Content-Encoding``).
    """

    url: str
    etag: str | None = None
    last_modified: str | None = None
    length: int | None = None
    packed: bool = False

    @classmethod
    def of(cls, url: str, response: Response, stated: int | None) -> Revision:
        """Read the revision from an answer with the file or with a range of it; `stated` is the length known before."""
        headers = response.headers
        part = headers.get("Content-Range")
        total = _RANGE.fullmatch(part.strip()) if part else None
        # Of a range the length is the part's: only the total after the stroke is the file's.
        length = total[2] if total else "" if part else headers.get("Content-Length", "")
        whole = headers.get("Content-Encoding", "identity").strip().lower()
        return cls(
            url,
            headers.get("ETag"),
            headers.get("Last-Modified"),
            int(length) if length.isdigit() else stated,
            packed=whole in {"gzip", "x-gzip"},
        )

    @property
    def condition(self) -> str | None:
        """What ``If-Range`` takes (RFC 9110, 13.1.5): a strong ETag, else the date, else nothing."""
        return self.etag if self.etag and not self.etag.startswith(_WEAK) else self.last_modified

    def is_same(self, other: Revision) -> bool:
        """Tell whether another answer is certainly of the same bytes."""
        if self.packed != other.packed or (self.length != other.length and None not in {self.length, other.length}):
            return False
        if self.etag or other.etag:
            return self.etag == other.etag and not (self.etag or "").startswith(_WEAK)
        return self.last_modified is not None and self.last_modified == other.last_modified


@dataclass(frozen=True)
class Kept:
    """A whole file, and where it came from.

    Parameters
    ----------
    revision : Revision
    sha256, md5 : str
        Of the bytes as kept.
    size : int
    fetched : str
        When, as ISO 8601 in UTC.
    """

    revision: Revision
    sha256: str
    md5: str
    size: int
    fetched: str


class Slot:
    """The place of one URL in a folder of downloads: a part, or a whole file, or both.

    Parameters
    ----------
    folder : Path
    url : str
    """

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        key = hashlib.sha256(url.encode()).hexdigest()[:40]
        self.part, self.file, self.lock = (folder / f"{key}{end}" for end in (".part", ".whole", ".lock"))
        self._part_note, self._file_note = (Path(f"{path}.json") for path in (self.part, self.file))

    @property
    def offset(self) -> int:
        """How many bytes of the part have come."""
        return self.part.stat().st_size if self.part.is_file() else 0

    def begun(self) -> Revision | None:
        """Return the revision of the part; None if there is no part, or its note does not fit it."""
        try:
            revision = Revision(**json.loads(self._part_note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        fits = revision.url == self.url and (revision.length is None or self.offset <= revision.length)
        return revision if fits and self.offset else None

    def begin(self, revision: Revision) -> None:
        """Throw the part away and note of which revision the next one is."""
        self.discard()
        self.note(revision)

    def end(self) -> None:
        """Note that the part has come to its end, where the server did not say before how long it is."""
        if (revision := self.begun()) is not None:
            self.note(replace(revision, length=self.offset))

    def note(self, revision: Revision) -> None:
        """Note of which revision the part is."""
        with keeping(self.part):
            _write(self._part_note, asdict(revision))

    def discard(self) -> None:
        """Throw the part away."""
        self.part.unlink(missing_ok=True)
        self._part_note.unlink(missing_ok=True)

    def kept(self) -> Kept | None:
        """Return what is known of the whole file; None if there is none."""
        try:
            note = json.loads(self._file_note.read_text(encoding="utf-8"))
            kept = Kept(**{**note, "revision": Revision(**note["revision"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None
        whole = self.file.is_file() and self.file.stat().st_size == kept.size and kept.revision.url == self.url
        return kept if whole else None

    def keep(self, kept: Kept) -> None:
        """Make the part the whole file."""
        with keeping(self.file):
            # Without its note a file is none: whoever is killed in between leaves nothing that is believed.
            self._file_note.unlink(missing_ok=True)
            to_disk(self.part)
            self.part.replace(self.file)
            _write(self._file_note, asdict(kept))
        self._part_note.unlink(missing_ok=True)

    def forget(self) -> None:
        """Throw the whole file away."""
        self._file_note.unlink(missing_ok=True)
        self.file.unlink(missing_ok=True)

    @contextmanager
    def alone(self, stop: Event) -> Iterator[None]:
        """Wait until no other process or thread works here.

        Raises
        ------
        FetchError
            If the file system knows no locks.
        """
        with keeping(self.lock):
            self.lock.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor, self.url, stop)
            yield
        finally:
            os.close(descriptor)


@contextmanager
def keeping(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into an error that says so.

    Raises
    ------
    NoRoomError
    """
    try:
        yield
    except OSError as error:
        raise NoRoomError(
            f"{path.parent}: cannot be written ({error.strerror or type(error).__name__}); "
            "make room there, or set PROGNOSIS_HOME to another disk. What came is kept."
        ) from error


def _lock(descriptor: int, url: str, stop: Event) -> None:
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not told:
                logger.info("%s: another process is fetching it; waiting", shown(url))
            told = True
            if stop.wait(0.1):
                raise StoppedError from None
        except OSError as error:
            raise FetchError(
                f"the file system of the downloads knows no locks ({error.strerror}), so two processes could mix what "
                "they fetch; set PROGNOSIS_HOME to a folder on a local disk."
            ) from error
        else:
            return


def _write(path: Path, note: dict[str, object]) -> None:
    scratch = path.with_name(f"{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    scratch.write_text(json.dumps(note, indent=1), encoding="utf-8")
    scratch.replace(path)
