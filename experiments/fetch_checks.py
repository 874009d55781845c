"""What a download must show before it is believed: a file and no page, its checksum, a gzip that reads to its end."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import requests

from experiments.fetch_catalogue import Place
from experiments.fetch_http import FetchError, shown
from experiments.fetch_parts import Kept, Revision, Slot, keeping
from serving.storing import to_disk

_BLOCK = 2**20
_PAGES = {"text/html", "application/xhtml+xml"}
_PAGE = (b"<!doctype", b"<html", b"<?xml")
_BEFORE_A_PAGE = b"\xef\xbb\xbf \t\r\n"
_GZIP = ".gz"


class DamagedError(FetchError):
    """What came is not the file that the source describes."""


class PageError(FetchError):
    """A web page came in place of a file."""


def require_a_file(response: requests.Response, place: Place) -> None:
    """Refuse an answer that calls itself a web page.

    Raises
    ------
    PageError
    """
    if response.headers.get("Content-Type", "").partition(";")[0].strip().lower() in _PAGES:
        raise _page(place)


def checked(slot: Slot, place: Place) -> Kept:
    """Check a part that has its full length, and make it the whole file.

    Parameters
    ----------
    slot : Slot
    place : Place

    Returns
    -------
    Kept

    Raises
    ------
    DamagedError
        If it has another MD5 than the source states, or is no gzip file where its name says that it is.
    PageError
        If it is a web page; it is thrown away.
    """
    begun = slot.begun() or Revision(place.url, length=slot.offset)
    if begun.packed and not place.path.endswith(_GZIP):
        _unpack(slot.part, place)
    sha256, md5 = _digests(slot.part)
    if place.md5 is not None and md5 != place.md5:
        raise DamagedError(
            f"{shown(place.url)}: the source states the MD5 {place.md5}, but what came has {md5}, more than once; "
            "try again later, or tell the source."
        )
    _require_content(slot, place)
    kept = Kept(begun, sha256, md5, slot.part.stat().st_size, datetime.now(UTC).isoformat(timespec="seconds"))
    slot.keep(kept)
    return kept


def copied(source: Path, target: Path) -> str:
    """Copy a file and return the SHA-256 of what was copied.

    Raises
    ------
    NoRoomError
        If the disk does not take it.
    """
    sha256 = hashlib.sha256()
    with keeping(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with source.open("rb") as file, target.open("wb") as copy:
            while block := file.read(_BLOCK):
                sha256.update(block)
                copy.write(block)
        to_disk(target)
    return sha256.hexdigest()


def _page(place: Place) -> PageError:
    return PageError(
        f"{shown(place.url)}: a web page came in place of {place.path}; a proxy or a login may stand in between. "
        "Open the address in a browser, or check the configured host."
    )


def _unpack(part: Path, place: Place) -> None:
    plain = part.with_suffix(".plain")
    try:
        with keeping(plain), plain.open("wb") as file:
            for block in _unpacked(part, place):
                file.write(block)
        plain.replace(part)
    finally:
        plain.unlink(missing_ok=True)


def _unpacked(part: Path, place: Place) -> Iterator[bytes]:
    """Read a gzip file to its end, where it holds a checksum of its own.

    Raises
    ------
    DamagedError
    """
    try:
        with gzip.open(part) as file:
            while block := file.read(_BLOCK):
                yield block
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DamagedError(f"{shown(place.url)}: is no undamaged gzip file; try again later.") from error


def _require_content(slot: Slot, place: Place) -> None:
    with slot.part.open("rb") as file:
        start = file.read(512)
    if start.lstrip(_BEFORE_A_PAGE).lower().startswith(_PAGE):
        slot.discard()
        raise _page(place)
    if place.path.endswith(_GZIP):
        # The only checksum there is, where the source states none.
        for _ in _unpacked(slot.part, place):
            pass


def _digests(path: Path) -> tuple[str, str]:
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            sha256.update(block)
            md5.update(block)
    return sha256.hexdigest(), md5.hexdigest()
