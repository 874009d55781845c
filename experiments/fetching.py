"""``prognosis cohort fetch``: a public cohort into a folder of its own, which appears whole or not at all."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from experiments.fetch_catalogue import (
    GDC,
    XENA,
    Wanted,
    project_of,
    wanted_from_xena,
    wanted_from_xena_gdc,
)
from experiments.fetch_download import Downloads, Meter
from experiments.fetch_gdc import BuiltTable, gdc_cohort
from experiments.fetch_http import Client, FetchError, NotThereError, StoppedError
from experiments.fetch_parts import keeping
from experiments.fetch_record import FetchedFile, write_record
from experiments.fetch_settings import FetchSettings
from serving.storing import to_disk

logger = logging.getLogger(__name__)

_STAGING, _PARTS = "fetching", "parts"


@dataclass(frozen=True)
class Fetched:
    """A cohort that was fetched.

    Parameters
    ----------
    project : str
    folder : Path
    version : str or None
        The source's own, of its data.
    files : tuple of FetchedFile
    """

    project: str
    folder: Path
    version: str | None
    files: tuple[FetchedFile, ...]

    @property
    def size(self) -> int:
        """Bytes, over all files."""
        return sum(file.kept.size for file in self.files)


@dataclass(frozen=True)
class _Plan:
    """What to fetch, the source's version of it if it is known before, and tables that are there already."""

    wanted: tuple[Wanted, ...]
    version: str | None = None
    tables: tuple[BuiltTable, ...] = ()


def fetch(
    name: str,
    target: Path,
    source: str,
    *,
    settings: FetchSettings,
    cached: bool,
    show: Callable[[int, int], None],
) -> Fetched:
    """Fetch a public cohort into a folder.

    Parameters
    ----------
    name : str
        The project's, such as ``TCGA-KIRC`` or ``kirc``.
    target : Path
        It must not be there yet, or be empty.
    source : str
        One of `fetch_catalogue.SOURCES`.
    settings : FetchSettings
    cached : bool
        Whether downloads are taken from, and kept in, the shared folder under ``PROGNOSIS_HOME``. If not, what came of
        a fetch that was interrupted waits beside `target` until the same command goes on with it.
    show : callable
        Takes the bytes that are here and those that are expected so far; called from several threads, one at a time.

    Returns
    -------
    Fetched

    Raises
    ------
    NotThereError
        If the source has no such project, or not all files that a cohort needs.
    FetchError
        If the target is taken, or anything does not come as it should; see `fetch_download.Downloads.fetch`.
    """
    project = project_of(name, source)
    target = target.absolute()
    _require_free(target)
    parts = target.with_name(f".{target.name}.{_PARTS}")
    stop = Event()
    with closing(Client(settings, stop)) as client, _staging(target) as staging:
        plan = _plan(client, project, source)
        downloads = Downloads(settings.cache if cached else parts, client, stop, Meter(show))
        files = _all(downloads, plan.wanted, staging, settings.connections)
        for table in plan.tables:
            with keeping(staging / table.name):
                (staging / table.name).write_text(table.text, encoding="utf-8")
        version = plan.version or _stated_version(staging, files)
        built = {table.name: table.url for table in plan.tables}
        write_record(staging, project=project, source=source, version=version, files=files, built=built)
        _appear(staging, target)
    if not cached:
        shutil.rmtree(parts, ignore_errors=True)
    return Fetched(project, target, version, tuple(files))


def _plan(client: Client, project: str, source: str) -> _Plan:
    if source != GDC:
        wanted = wanted_from_xena if source == XENA else wanted_from_xena_gdc
        return _Plan(wanted(project, client.settings))
    cohort = gdc_cohort(client, project)
    logger.info("%s: %d files, %s", project, len(cohort.files), cohort.release)
    return _Plan(tuple(Wanted((place,)) for place in cohort.files), cohort.release, cohort.tables)


def _all(downloads: Downloads, wanted: Sequence[Wanted], staging: Path, connections: int) -> list[FetchedFile]:
    """Fetch several files at a time; after the first failure, or Ctrl-C, the others stop where they are."""
    with ThreadPoolExecutor(connections, thread_name_prefix="fetch") as pool:
        futures = [pool.submit(_one, downloads, each, staging) for each in wanted]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            if not all(future.done() and not future.exception() for future in futures):
                downloads.stop.set()
                pool.shutdown(cancel_futures=True)
    errors = [error for future in futures if not future.cancelled() and (error := future.exception())]
    if errors:
        raise next((error for error in errors if not isinstance(error, StoppedError)), errors[0])
    return [file for future in futures if (file := future.result()) is not None]


def _one(downloads: Downloads, wanted: Wanted, staging: Path) -> FetchedFile | None:
    """Fetch a file from the first of its places that is there."""
    missing: NotThereError | None = None
    for place in wanted.places:
        try:
            return FetchedFile(place, downloads.fetch(place, staging / place.path))
        except NotThereError as error:
            missing = missing or error
    if wanted.needed and missing is not None:
        raise missing
    return None


def _stated_version(staging: Path, files: Sequence[FetchedFile]) -> str | None:
    """Return the version in Xena's metadata, else the date that the server gives the largest file."""
    for path in staging.glob("*.json"):
        try:
            version = json.loads(path.read_text(encoding="utf-8-sig")).get("version")
        except (ValueError, AttributeError):
            continue
        if isinstance(version, str):
            return version
    largest = max(files, key=lambda file: file.kept.size)
    return largest.kept.revision.last_modified


def _require_free(target: Path) -> None:
    taken = os.path.lexists(target)
    if taken and (target.is_symlink() or not target.is_dir() or any(target.iterdir())):
        raise FetchError(f"{target}: is there already; name another folder, or take that one away first.")


@contextmanager
def _staging(target: Path) -> Iterator[Path]:
    """Lend a folder beside the target; what another process left of one when it was killed is taken away."""
    with keeping(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        for left in target.parent.glob(f".{target.name}.{_STAGING}-*"):
            _take_away_if_left(left)
        staging = target.with_name(f".{target.name}.{_STAGING}-{secrets.token_hex(4)}")
        staging.mkdir()
    descriptor = os.open(staging, os.O_RDONLY)
    try:
        _held(descriptor)
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        os.close(descriptor)


def _take_away_if_left(staging: Path) -> None:
    descriptor = os.open(staging, os.O_RDONLY)
    try:
        if _held(descriptor):
            shutil.rmtree(staging, ignore_errors=True)
    finally:
        os.close(descriptor)


def _held(descriptor: int) -> bool:
    """Hold a folder as its only process; tell whether nobody else does."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _appear(staging: Path, target: Path) -> None:
    for path in (*staging.rglob("*"), staging):
        to_disk(path)
    try:
        # Takes the place of an empty folder, and of no other.
        staging.rename(target)
    except OSError as error:
        raise FetchError(
            f"{target}: was made by someone else meanwhile, or cannot be made ({error.strerror}); name another folder. "
            "What was downloaded is kept."
        ) from error
    to_disk(target.parent)
