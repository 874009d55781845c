"""What the service keeps of a source of models on this machine: the versions that were last good, and their bundles."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from features.errors import PrognosisError
from serving.storing import alone_in, is_bundle, put_in_place, scratch_in, to_disk
from training.bundle import MANIFEST, BundleError, bundle_digest

_LOG = logging.getLogger("bentoml.prognosis")
#: Bundles of a model that are kept, those that were used last: an alias that moves back finds its own.
KEPT = 4
_LISTING = "versions.json"


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


Versions = tuple[RegisteredVersion, ...]


@dataclass(frozen=True)
class Listing:
    """Versions to serve, one a model.

    Parameters
    ----------
    versions : tuple of RegisteredVersion
        None, if the source never answered.
    read_at : datetime or None
        When it answered last, by this machine's clock (UTC).
    """

    versions: Versions = ()
    read_at: datetime | None = None


class BundleCache:
    """A folder that several processes share, any of which may be killed at any time.

    Parameters
    ----------
    folder : Path
        Of one source alone: models of two may share a name.

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
        """Return what is to be served without asking anyone, by `keep` and `proved` of any process; perhaps nothing."""
        path = self._folder / _LISTING
        try:
            return Listing(
                _versions_of(json.loads(path.read_text("utf-8"))), datetime.fromtimestamp(path.stat().st_mtime, UTC)
            )
        except (OSError, ValueError, TypeError):
            return Listing()

    def keep(self, versions: Versions) -> Listing:
        """Keep what the source has just answered; where that fails, the answer counts all the same.

        Notes
        -----
        Of a model that is kept already the version stays, until another is `proved`: a process that starts now,
        perhaps in the place of one that was killed, serves that. A model that is no longer named is forgotten.
        """
        answered_at = datetime.now(UTC)

        def still_named(kept: Versions) -> Versions:
            before = {version.name: version for version in kept}
            return tuple(before.get(version.name, version) for version in versions)

        self._revise(still_named, answered_at.timestamp())
        return Listing(versions, answered_at)

    def proved(self, version: RegisteredVersion) -> None:
        """Keep a version that was loaded and scores as the one that its model falls back to."""

        def with_it(kept: Versions) -> Versions:
            return tuple(sorted(({known.name: known for known in kept} | {version.name: version}).values(), key=_name))

        read_at = self.last_listing().read_at
        self._revise(with_it, read_at.timestamp() if read_at is not None else time.time())

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
        folder = self._place(version)
        try:
            if not is_bundle(folder, version.digest):
                with alone_in(folder.parent):
                    # Another worker may have fetched it while this one waited.
                    if not is_bundle(folder, version.digest):
                        self._store(version, folder, fetch)
            with suppress(OSError):
                os.utime(folder)
        except OSError as error:
            raise CacheError(
                f"{version.name} version {version.version}: its bundle cannot be kept on this machine "
                f"({error.strerror or type(error).__name__}); mend the folder below PROGNOSIS_HOME, or set another."
            ) from error
        return folder

    def _place(self, version: RegisteredVersion) -> Path:
        return self._folder / _path_part(version.name) / _folder_name(version)

    def _revise(self, change: Callable[[Versions], Versions], read_at: float) -> None:
        # Several workers revise one list: whoever changes it reads it anew once it is alone.
        path = self._folder / _LISTING
        try:
            kept = self.last_listing()
            if kept.read_at is None or change(kept.versions) != kept.versions:
                with alone_in(self._folder):
                    self._write(change(self.last_listing().versions))
            os.utime(path, (read_at, read_at))
            self._complained = False
        except OSError as error:
            if not self._complained:
                _LOG.warning("what is served cannot be kept for a restart (%s)", error.strerror)
            self._complained = True

    def _write(self, versions: Versions) -> None:
        with scratch_in(self._folder) as scratch:
            path = scratch / _LISTING
            path.write_text(json.dumps([asdict(version) for version in versions], indent=1), encoding="utf-8")
            to_disk(path)
            path.replace(self._folder / _LISTING)

    def _store(self, version: RegisteredVersion, folder: Path, fetch: Callable[[Path], Path]) -> None:
        with scratch_in(folder.parent) as scratch:
            # A folder inside the scratch one: what comes may be the destination itself, which is then moved away.
            fetched = fetch(scratch / "bundle")
            require_digest(fetched, version)
            put_in_place(fetched, folder, version.digest)
        _LOG.info("%s: fetched version %s", version.name, version.version)
        self._prune(folder)

    def _prune(self, newest: Path) -> None:
        """Remove a model's bundles but the few that were used last; never one that a restart would serve."""
        listed = {_folder_name(version) for version in self.last_listing().versions}
        others = [path for path in newest.parent.iterdir() if not path.name.startswith(".") and path != newest]
        by_use = sorted(others, key=lambda path: path.stat().st_mtime, reverse=True)
        for path in by_use[KEPT - 1 :]:
            if path.name not in listed:
                with suppress(OSError), scratch_in(newest.parent) as scratch:
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


def require_manifest(folder: Path, version: RegisteredVersion) -> None:
    """Raise unless a folder that was just read, and so compared with its manifest, has the registered one.

    Raises
    ------
    BundleError
        If it has another.
    """
    if hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest() != version.digest:
        raise BundleError(f"{version.name} version {version.version}: the bundle was changed while it was read.")


def _name(version: RegisteredVersion) -> str:
    return version.name


def _versions_of(entries: object) -> Versions:
    if not isinstance(entries, list):
        raise TypeError("a listing is a list")
    versions = tuple(RegisteredVersion(**entry) for entry in entries)
    if not all(isinstance(text, str) for version in versions for text in astuple(version)):
        raise TypeError("a version is four texts")
    return versions


def _folder_name(version: RegisteredVersion) -> str:
    return f"{_path_part(version.version)}-{_path_part(version.digest[:16])}"


def _path_part(text: str) -> str:
    # Names, versions and digests are a registry's words: none of them may lead out of the folder.
    return quote(text, safe="").replace(".", "%2E")
