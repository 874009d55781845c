"""What the service keeps of a registry on this machine: the list of versions that it read last, and their bundles."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from features.errors import PrognosisError
from training.bundle import BundleError, bundle_digest

_LOG = logging.getLogger("bentoml.prognosis")
#: Bundles of a model that are kept, those that were used last: an alias that moves back finds its own.
KEPT = 4
_LISTING, _LOCK, _SCRATCH = "versions.json", ".lock", ".scratch-"
#: How long one process waits for another that stores into the same folder; both may, it only costs.
_LOCK_SECONDS = 20.0


class RegistryAwayError(PrognosisError):
    """The registry does not answer, or does not exist yet."""


class CacheError(PrognosisError):
    """What was fetched cannot be kept on this machine."""


@dataclass(frozen=True)
class RegisteredVersion:
    """A version of a registered model that bears an alias.

    Parameters
    ----------
    name : str
        ``KIRC-OS``.
    version : str
    alias : str
        ``champion``, or ``candidate`` where there is no champion.
    digest : str
        What the bundle's digest must be, by the registry.
    """

    name: str
    version: str
    alias: str
    digest: str


@dataclass(frozen=True)
class Listing:
    """What a registry answered last.

    Parameters
    ----------
    versions : tuple of RegisteredVersion
        None, if it never answered.
    read_at : datetime or None
        When it answered, by this machine's clock (UTC).
    """

    versions: tuple[RegisteredVersion, ...] = ()
    read_at: datetime | None = None


class BundleCache:
    """A folder that several processes share, any of which may be killed at any time.

    Parameters
    ----------
    folder : Path
        Of one registry alone: two may share a name.

    Notes
    -----
    Everything is put together beside its place and renamed into it, under a lock that ends with its process; whoever
    holds the lock removes what those that were killed left. A version's folder is told apart by its digest too:
    version numbers start anew where a model was deleted.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._complained = False

    def last_listing(self) -> Listing:
        """Return what `keep` kept last, perhaps in an earlier process; an empty listing if it never did."""
        path = self._folder / _LISTING
        try:
            versions = tuple(_version_of(entry) for entry in json.loads(path.read_text("utf-8")))
            return Listing(versions, datetime.fromtimestamp(path.stat().st_mtime, UTC))
        except (OSError, ValueError, TypeError):
            return Listing()

    def keep(self, versions: tuple[RegisteredVersion, ...]) -> Listing:
        """Keep what the registry has just answered; where that fails, the answer counts all the same."""
        try:
            if versions == self.last_listing().versions and (self._folder / _LISTING).is_file():
                os.utime(self._folder / _LISTING)
            else:
                self._write(versions)
            self._complained = False
        except OSError as error:
            if not self._complained:
                _LOG.warning("what the registry answers cannot be kept for a restart (%s)", error.strerror)
            self._complained = True
        return Listing(versions, datetime.now(UTC))

    def bundle(self, version: RegisteredVersion, fetch: Callable[[Path], Path]) -> Path:
        """Return the folder of the version's bundle, fetched unless it is here already.

        Parameters
        ----------
        version : RegisteredVersion
        fetch : callable
            Puts the bundle into the folder that it is given, which does not exist, and returns where it is.

        Raises
        ------
        BundleError
            If the bundle is damaged, or is not the one that was registered.
        CacheError
            If it cannot be written here.
        """
        folder = (
            self._folder / _path_part(version.name) / f"{_path_part(version.version)}-{_path_part(version.digest[:16])}"
        )
        try:
            if not _is_bundle(folder, version.digest):
                with _alone(folder.parent):
                    # Another worker may have fetched it while this one waited.
                    if not _is_bundle(folder, version.digest):
                        self._store(version, folder, fetch)
            with suppress(OSError):
                os.utime(folder)
        except OSError as error:
            raise CacheError(
                f"{version.name} version {version.version}: its bundle cannot be kept on this machine "
                f"({error.strerror or type(error).__name__}); mend the folder below PROGNOSIS_HOME, or set another."
            ) from error
        return folder

    def _write(self, versions: tuple[RegisteredVersion, ...]) -> None:
        with _alone(self._folder), _scratch_in(self._folder) as scratch:
            path = scratch / _LISTING
            path.write_text(json.dumps([asdict(version) for version in versions], indent=1), encoding="utf-8")
            _to_disk(path)
            path.replace(self._folder / _LISTING)

    def _store(self, version: RegisteredVersion, folder: Path, fetch: Callable[[Path], Path]) -> None:
        with _scratch_in(folder.parent) as scratch:
            # A folder inside the scratch one: what comes may be the destination itself, which is then moved away.
            fetched = fetch(scratch / "bundle")
            require_digest(fetched, version)
            for path in (*fetched.rglob("*"), fetched):
                _to_disk(path)
            _put_in_place(fetched, folder, version.digest)
        _LOG.info("%s: fetched version %s", version.name, version.version)
        self._prune(folder)

    def _prune(self, newest: Path) -> None:
        """Remove a model's bundles but the few that were used last; never one that the listing names."""
        listed = {_folder_name(version) for version in self.last_listing().versions}
        others = [path for path in newest.parent.iterdir() if not path.name.startswith(".") and path != newest]
        by_use = sorted(others, key=lambda path: path.stat().st_mtime, reverse=True)
        for path in by_use[KEPT - 1 :]:
            if path.name not in listed:
                with suppress(OSError), _scratch_in(newest.parent) as scratch:
                    path.rename(scratch / path.name)


def require_digest(folder: Path, version: RegisteredVersion) -> None:
    """Raise unless a folder is the bundle that was registered.

    Raises
    ------
    BundleError
        If it is damaged, or another.
    """
    digest = bundle_digest(folder)
    if digest != version.digest:
        raise BundleError(
            f"{version.name} version {version.version}: the bundle has digest {digest[:16]}…, but "
            f"{version.digest[:16]}… was registered; register it anew."
        )


def _version_of(entry: dict[str, str]) -> RegisteredVersion:
    version = RegisteredVersion(**entry)
    if not all(isinstance(getattr(version, field.name), str) for field in fields(version)):
        raise TypeError("a version is four texts")
    return version


def _folder_name(version: RegisteredVersion) -> str:
    return f"{_path_part(version.version)}-{_path_part(version.digest[:16])}"


def _path_part(text: str) -> str:
    # Names, versions and digests are a registry's words: none of them may lead out of the folder.
    return quote(text, safe="").replace(".", "%2E")


def _is_bundle(folder: Path, digest: str) -> bool:
    try:
        return bundle_digest(folder) == digest
    except (BundleError, OSError):
        return False


def _put_in_place(fetched: Path, folder: Path, digest: str) -> None:
    # Another worker may have put its own there meanwhile, and may be reading it: of two equals the first stays.
    if _is_bundle(folder, digest):
        return
    if folder.exists():
        folder.rename(fetched.with_name("damaged"))
    try:
        fetched.rename(folder)
    except OSError:
        if not _is_bundle(folder, digest):
            raise


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Store into a folder as the only process, as far as the others let that happen in time."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as lock:
        if _locked(lock.fileno()):
            for left in folder.glob(f"{_SCRATCH}*"):
                shutil.rmtree(left, ignore_errors=True)
        yield


def _locked(descriptor: int) -> bool:
    end = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        except OSError:
            # Not every network file system can lock: what is stored there is whole without it too.
            return False
        else:
            return True


@contextmanager
def _scratch_in(folder: Path) -> Iterator[Path]:
    scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=folder))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _to_disk(path: Path) -> None:
    # A rename may reach the disk before what was renamed does, and the power may fail between the two.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
