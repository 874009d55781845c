"""Asks a source of models that may hang, and gives up on it in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Protocol

from serving.bundle_cache import Listing, RegisteredVersion, RegistryAwayError

#: A call that never comes back is followed by another after this time: nothing else would find the source back.
_ANOTHER_TRY_SECONDS = 300.0


class Source(Protocol):
    """Where the models come from."""

    def listing(self) -> Listing:
        """Return the versions to serve, one a model; a RegistryAwayError if that cannot be known now."""

    def last_listing(self) -> Listing:
        """Return what was last good of all that `listing` named, in any process; without asking anyone."""

    def proved(self, version: RegisteredVersion) -> None:
        """Keep a version that was loaded and scores as what is last good of its model."""

    def bundle(self, version: RegisteredVersion) -> Path:
        """Return the folder of a version's bundle, whose digest was compared with the version's."""


class Patience:
    """A source whose calls end in time.

    Parameters
    ----------
    source : Source
    seconds : float
        After which a call counts as not answered. Its thread waits on; what it still brings is left.
    """

    def __init__(self, source: Source, *, seconds: float) -> None:
        self._source = source
        self._seconds = seconds
        self._hanging: threading.Thread | None = None
        self._hanging_since = 0.0

    def listing(self) -> Listing:
        """Return the source's listing.

        Raises
        ------
        RegistryAwayError
            If the source says so, or is silent.
        """
        return self._within(self._source.listing)

    def last_listing(self) -> Listing:
        """Return what was last good; that is on this machine."""
        return self._source.last_listing()

    def proved(self, version: RegisteredVersion) -> None:
        """Keep a version that was loaded and scores; on this machine too."""
        self._source.proved(version)

    def bundle(self, version: RegisteredVersion) -> Path:
        """Return the folder of a version's bundle.

        Raises
        ------
        RegistryAwayError
            If the source says so, or is silent.
        """
        return self._within(partial(self._source.bundle, version))

    def _within[Answer](self, ask: Callable[[], Answer]) -> Answer:
        if self._still_hangs():
            raise self._silence()
        answer: Future[Answer] = Future()
        thread = threading.Thread(target=_answer, args=(ask, answer), name="registry", daemon=True)
        thread.start()
        thread.join(self._seconds)
        if not answer.done():
            self._hanging, self._hanging_since = thread, time.monotonic()
            raise self._silence()
        return answer.result()

    def _still_hangs(self) -> bool:
        if self._hanging is not None and self._hanging.is_alive():
            return time.monotonic() - self._hanging_since < _ANOTHER_TRY_SECONDS
        self._hanging = None
        return False

    def _silence(self) -> RegistryAwayError:
        return RegistryAwayError(f"the model registry has been silent for more than {self._seconds:g} s.")


def _answer[Answer](ask: Callable[[], Answer], answer: Future[Answer]) -> None:
    try:
        answer.set_result(ask())
    except BaseException as error:
        # Raised again where the answer is waited for.
        answer.set_exception(error)
