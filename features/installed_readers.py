"""Readers of formats that are not shipped: installed packages offer them, and what goes wrong in one is said of it.

A package offers a reader by an entry point; its name is what ``reader = "…"`` in ``cohort.toml`` calls it::

    [project.entry-points."ctc_prognosis.readers"]
    loom = "our_formats.loom:LoomReader"

A whole example is in ``docs/cohort_formats.md``.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from features.assembly import RawCohort
from features.errors import CohortError, PrognosisError
from features.profiles import Declared

GROUP = "ctc_prognosis.readers"
logger = logging.getLogger(__name__)


class InstalledReader:
    """A reader that another package offers.

    Parameters
    ----------
    entry : EntryPoint
        Leads to the reader, or to the class that makes it.

    Raises
    ------
    CohortError
        If it cannot be imported, or is no reader.
    """

    def __init__(self, entry: EntryPoint) -> None:
        self.name, self._entry = entry.name, entry
        with self.held_to("be imported"):
            offered = entry.load()
            self._reader: Any = offered() if isinstance(offered, type) else offered
            self.layout = str(self._reader.layout)
            if not callable(self._reader.recognises) or not callable(self._reader.read):
                raise TypeError("recognises and read must be methods")

    def recognises(self, folder: Path) -> bool:
        """Return whether the reader recognises a folder."""
        with self.held_to(f"look at {folder.name}"):
            return bool(self._reader.recognises(folder))

    def read(self, folder: Path, declared: Declared) -> RawCohort:
        """Read a folder.

        Raises
        ------
        CohortError
            If the reader fails, or returns no `RawCohort`.
        """
        with self.held_to(f"read {folder.name}"):
            raw = self._reader.read(folder, declared)
        if not isinstance(raw, RawCohort):
            raise CohortError(
                f"{self}: read {folder.name} and returned {type(raw).__name__}, but a reader returns a "
                "features.assembly.RawCohort; tell whoever wrote it."
            )
        return raw

    @contextmanager
    def held_to(self, task: str) -> Iterator[None]:
        """Turn whatever the reader raises that is no PrognosisError into a CohortError that names it.

        Notes
        -----
        The words of its error are left out: they may hold a patient's value.
        """
        try:
            yield
        except PrognosisError:
            raise
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(last.filename).name}, line {last.lineno}"
            raise CohortError(
                f"{self}: could not {task}: {type(error).__name__} in {where}; that is a fault of this reader: tell "
                "whoever wrote it, or uninstall it."
            ) from error

    def __str__(self) -> str:
        package = self._entry.dist.name if self._entry.dist else self._entry.value
        return f"installed reader {self.name!r} ({package})"


def installed_readers() -> tuple[InstalledReader, ...]:
    """Return the readers that installed packages offer, by name; one that cannot be imported is left out and logged."""
    found = []
    for entry in _entries():
        try:
            found.append(_reader(entry))
        except CohortError as error:
            logger.warning("%s", error)
    return tuple(found)


def installed_reader(name: str) -> InstalledReader | None:
    """Return the installed reader of that name; None where there is none.

    Raises
    ------
    CohortError
        If it cannot be imported, or several packages offer one of that name.
    """
    named = [entry for entry in _entries() if entry.name == name]
    if len(named) > 1:
        packages = ", ".join(entry.dist.name if entry.dist else entry.value for entry in named)
        raise CohortError(f"reader {name!r} is offered by {len(named)} packages ({packages}); uninstall all but one.")
    return _reader(named[0]) if named else None


def _entries() -> list[EntryPoint]:
    # A package that stands twice on the path is found twice.
    found = {(entry.name, entry.value): entry for entry in entry_points(group=GROUP)}
    return [found[key] for key in sorted(found)]


@cache
def _reader(entry: EntryPoint) -> InstalledReader:
    return InstalledReader(entry)
