"""How often a token may ask: buckets that all workers share."""

from __future__ import annotations

import fcntl
import hashlib
import math
import mmap
import os
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

#: Of a holder: what identifies it, and when its two buckets will be full again (seconds, monotonic clock).
_SLOT = struct.Struct("=16sdd")
_N_SLOTS = 1024
_WINDOW_SECONDS = 60.0
#: Against the rounding of sums of intervals.
_SLACK_SECONDS = 1e-6


@dataclass(frozen=True)
class Refusal:
    """A request that came too early.

    Parameters
    ----------
    limit : str
        ``requests`` or ``profiles``.
    per_minute : float
        What is allowed.
    wait_seconds : float
        After which one more is allowed.
    """

    limit: str
    per_minute: float
    wait_seconds: float


class RateLimits:
    r"""Two token buckets for each holder of a token: one for requests, one for profiles.

    A bucket holds what is allowed in a minute and is refilled evenly. It is kept as one number, the time
    :math:`T` at which it will be full again: with :math:`i = 60 / \mathrm{rate}` seconds for one,

    .. math:: \text{allowed} \iff T - t \le 60 - i, \qquad T \leftarrow \max(T, t) + i .

    How many profiles a request has is known only after it was read: they are taken out afterwards, the bucket may go
    below empty, and the next request waits until it no longer is.

    Parameters
    ----------
    requests_per_minute, profiles_per_minute : float
        Infinite: no limit.
    path : Path
        A file that the workers of one service share; made if it is not there.
    clock : callable
        Seconds, the same in all workers.

    References
    ----------
    ITU-T I.371 (generic cell rate algorithm).
    """

    def __init__(
        self,
        *,
        requests_per_minute: float,
        profiles_per_minute: float,
        path: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._requests_per_minute = requests_per_minute
        self._profiles_per_minute = profiles_per_minute
        self._clock = clock
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.ftruncate(self._file, _SLOT.size * _N_SLOTS)
        self._slots = mmap.mmap(self._file, _SLOT.size * _N_SLOTS)

    def close(self) -> None:
        """Let go of the file."""
        self._slots.close()
        os.close(self._file)

    def admit(self, holder: str) -> Refusal | None:
        """Take one request out of the holder's bucket, or say how long to wait."""
        key = _key(holder)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            now = self._clock()
            slot, requests_full, profiles_full = self._find(key, now)
            wait = max(0.0, requests_full - now - _tolerance(self._requests_per_minute) - _SLACK_SECONDS)
            if wait:
                return Refusal("requests", self._requests_per_minute, wait)
            wait = max(0.0, profiles_full - now - _tolerance(self._profiles_per_minute) - _SLACK_SECONDS)
            if wait:
                return Refusal("profiles", self._profiles_per_minute, wait)
            requests_full = max(requests_full, now) + _WINDOW_SECONDS / self._requests_per_minute
            _SLOT.pack_into(self._slots, slot, key, requests_full, profiles_full)
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        return None

    def charge_profiles(self, holder: str, n_profiles: int) -> None:
        """Take the profiles of an answered request out of the holder's bucket."""
        if math.isinf(self._profiles_per_minute) or not n_profiles:
            return
        key = _key(holder)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            now = self._clock()
            slot, requests_full, profiles_full = self._find(key, now)
            profiles_full = max(profiles_full, now) + n_profiles * _WINDOW_SECONDS / self._profiles_per_minute
            _SLOT.pack_into(self._slots, slot, key, requests_full, profiles_full)
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _find(self, key: bytes, now: float) -> tuple[int, float, float]:
        """Return where the holder's buckets are, or a place where they can be put, and when they are full."""
        first = int.from_bytes(key[:4], "big") % _N_SLOTS
        free: int | None = None
        for step in range(_N_SLOTS):
            slot = (first + step) % _N_SLOTS * _SLOT.size
            found, requests_full, profiles_full = _SLOT.unpack_from(self._slots, slot)
            if found == key:
                return slot, requests_full, profiles_full
            # Full buckets need not be remembered.
            if free is None and max(requests_full, profiles_full) <= now:
                free = slot
            if not any(found):
                break
        return (first * _SLOT.size if free is None else free), 0.0, 0.0


@lru_cache(maxsize=_N_SLOTS)
def _key(holder: str) -> bytes:
    return hashlib.blake2b(holder.encode(), digest_size=16).digest()


def _tolerance(per_minute: float) -> float:
    return max(0.0, _WINDOW_SECONDS - _WINDOW_SECONDS / per_minute)
