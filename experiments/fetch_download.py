"""Fetches one file: goes on where it stopped, never mixes two states of it, and hands out what was checked."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from threading import Event, Lock

import requests
from urllib3.exceptions import HTTPError

from experiments.fetch_catalogue import Place
from experiments.fetch_checks import DamagedError, checked, copied, require_a_file
from experiments.fetch_http import BrokenOffError, Client, FetchError, StoppedError, reason, shown
from experiments.fetch_parts import Kept, Revision, Slot, keeping

logger = logging.getLogger(__name__)

_BLOCK = 2**18
#: A connection slower than this is given up for a new one.
_SLOWEST_BYTES_PER_SECOND = 256
#: What must have come before a broken connection counts as the first one again.
_PROGRESS = 2**16
#: How often a file is fetched anew because it changed meanwhile, or came damaged.
_ANEW = 3


class _ChangedError(Exception):
    """The file at the source is no longer the one whose part is here."""


class Meter:
    """Counts bytes over all downloads and shows how far they are.

    Parameters
    ----------
    show : callable
        Takes the bytes that are here, and those that are expected so far.
    """

    def __init__(self, show: Callable[[int, int], None]) -> None:
        self._show, self._lock = show, Lock()
        self._done = self._total = 0

    def add(self, done: int = 0, total: int = 0) -> None:
        """Count further bytes; a negative number for those that were thrown away."""
        with self._lock:
            self._done += done
            self._total += total
            self._show(self._done, self._total)


@dataclass(frozen=True)
class Downloads:
    """A folder of downloads, and what is needed to fill it.

    Parameters
    ----------
    folder : Path
    client : Client
    stop : Event
    meter : Meter
    """

    folder: Path
    client: Client
    stop: Event
    meter: Meter

    def fetch(self, place: Place, target: Path) -> Kept:
        """Put a file into a place of its own: from the folder of downloads if it is current there, else fetched.

        Parameters
        ----------
        place : Place
        target : Path

        Returns
        -------
        Kept

        Raises
        ------
        NotThereError
            If the source has no such file.
        DamagedError, PageError
            If what comes is not the file; see `fetch_checks.checked`.
        FetchError
            If the source cannot be reached, or breaks off again and again; what came is kept.
        NoRoomError
            If the disk is full.
        """
        slot = Slot(self.folder, place.url)
        with slot.alone(self.stop):
            for _ in range(_ANEW):
                kept = self._current(slot, place)
                # Read and compared anyway, for what lies on a disk for months need not be what was put there.
                if copied(slot.file, target) == kept.sha256:
                    return kept
                logger.info("%s: was damaged where downloads are kept; fetching it anew", place.path)
                slot.forget()
        raise DamagedError(f"{self.folder}: files that are kept there are damaged again and again; check the disk.")

    def _current(self, slot: Slot, place: Place) -> Kept:
        """Return the whole file as the source has it now, fetching what is missing of it."""
        kept = slot.kept()
        if kept is not None and place.md5 is not None and kept.md5 == place.md5:
            self.meter.add(done=kept.size, total=kept.size)
            return kept
        for attempt in range(_ANEW):
            try:
                received = self._received(slot, place)
                return received if received is not None else checked(slot, place)
            except (_ChangedError, DamagedError) as error:
                self._throw_away(slot)
                if attempt + 1 == _ANEW and isinstance(error, DamagedError):
                    raise
                what = "came damaged" if isinstance(error, DamagedError) else "has changed at the source"
                logger.info("%s: %s; fetching it anew", place.path, what)
        raise FetchError(f"{shown(place.url)}: changes again and again while it is fetched; try again later.")

    def _received(self, slot: Slot, place: Place) -> Kept | None:
        """Receive the part until it is the whole file; return what is kept if that is still the file at the source."""
        patience, since = self.client.patience(), slot.offset
        revision = slot.begun()
        if revision is not None:
            self.meter.add(done=slot.offset, total=revision.length or 0)
        while revision is None or revision.length is None or slot.offset < revision.length:
            try:
                if (kept := self._asked(slot, place)) is not None:
                    return kept
            except BrokenOffError as error:
                if slot.offset - since >= _PROGRESS:
                    patience, since = self.client.patience(), slot.offset
                patience = self.client.after(patience, place.url, error)
            revision = slot.begun()
        return None

    def _asked(self, slot: Slot, place: Place) -> Kept | None:
        """Ask once, for what is missing of the part or for the whole file, and receive what is answered."""
        kept, begun = slot.kept(), slot.begun()
        asked = _ranged(slot, begun, place) if begun else _conditional(kept)
        with self.client.opened(place.url, asked) as response:
            if response.status_code == HTTPStatus.NOT_MODIFIED and kept is not None and not begun:
                self.meter.add(done=kept.size, total=kept.size)
                return kept
            require_a_file(response, place)
            revision = Revision.of(place.url, response, place.size)
            if response.status_code == HTTPStatus.OK:
                self._begin_anew(slot, revision, response)
            elif begun is None or not _goes_on(slot, begun, revision, response, place):
                raise _ChangedError
            elif begun.length is None:
                slot.note(revision)
                self.meter.add(total=revision.length or 0)
            self._receive(slot, response, revision.length)
        return None

    def _throw_away(self, slot: Slot) -> None:
        if (begun := slot.begun()) is not None:
            self.meter.add(done=-slot.offset, total=-(begun.length or 0))
        slot.discard()

    def _begin_anew(self, slot: Slot, revision: Revision, response: requests.Response) -> None:
        if revision.length is None and response.headers.get("Transfer-Encoding", "").lower() != "chunked":
            raise FetchError(
                f"{shown(revision.url)}: the server does not say how long the file is, so a torn one could not be told "
                "from a whole one; use another mirror."
            )
        self._throw_away(slot)
        slot.begin(revision)
        self.meter.add(total=revision.length or 0)

    def _receive(self, slot: Slot, response: requests.Response, length: int | None) -> None:
        """Append the body to the part, which then has its full length.

        Raises
        ------
        BrokenOffError
            If it ends early or hardly moves.
        DamagedError
            If the file is empty.
        """
        seconds = self.client.settings.timeout_seconds
        window, came = time.monotonic() + seconds, 0
        # Nothing else in here raises an OSError: those of the connection are BrokenOffError already.
        with keeping(slot.part), slot.part.open("ab") as file:
            while block := _block(response):
                if self.stop.is_set():
                    raise StoppedError
                file.write(block)
                # At once, so that a process that is killed loses nothing of it.
                file.flush()
                self.meter.add(done=len(block))
                came += len(block)
                if (now := time.monotonic()) > window:
                    if came < _SLOWEST_BYTES_PER_SECOND * seconds:
                        raise BrokenOffError("it hardly moved")
                    window, came = now + seconds, 0
        self._require_all(slot, length)

    def _require_all(self, slot: Slot, length: int | None) -> None:
        """Check the length of what came, and note it where the server told none before."""
        if length is not None and slot.offset < length:
            raise BrokenOffError("it ended before the file did")
        if length is not None and slot.offset > length:
            raise DamagedError(f"{shown(slot.url)}: more came than {length:,} bytes, which the source states; tell it.")
        if not slot.offset:
            raise DamagedError(f"{shown(slot.url)}: is empty; try again later, or tell the source.")
        if length is None:
            slot.end()
            self.meter.add(total=slot.offset)


def _ranged(slot: Slot, begun: Revision, place: Place) -> Mapping[str, str]:
    # Without a condition, only a checksum can tell afterwards whether both halves are of one file.
    condition = begun.condition
    if condition is None and place.md5 is None:
        return {}
    # Both ends, as gdc-client states them: not every server has been asked for an open range before.
    last = "" if begun.length is None else begun.length - 1
    return {"Range": f"bytes={slot.offset}-{last}", **({"If-Range": condition} if condition else {})}


def _conditional(kept: Kept | None) -> Mapping[str, str]:
    if kept is not None and kept.revision.etag:
        return {"If-None-Match": kept.revision.etag}
    if kept is not None and kept.revision.last_modified:
        return {"If-Modified-Since": kept.revision.last_modified}
    return {}


def _goes_on(slot: Slot, begun: Revision, revision: Revision, response: requests.Response, place: Place) -> bool:
    """Tell whether an answer to a range is the rest of the part's own file."""
    starts = response.headers.get("Content-Range", "").strip().startswith(f"bytes {slot.offset}-")
    if response.status_code != HTTPStatus.PARTIAL_CONTENT or not starts:
        return False
    if begun.condition is None and place.md5 is not None:
        return begun.length in {None, revision.length}
    return begun.is_same(revision)


def _block(response: requests.Response) -> bytes:
    try:
        return response.raw.read1(_BLOCK, decode_content=False) or b""
    except (HTTPError, OSError) as error:
        raise BrokenOffError(reason(error)) from error
