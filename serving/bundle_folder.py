"""A folder of exported models as the source of what is served: a site needs no MLflow."""

from __future__ import annotations

import hashlib
import logging
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from serving.bundle_cache import (
    BundleCache,
    CacheError,
    Listing,
    RegisteredVersion,
    RegistryAwayError,
    require_digest,
)
from serving.storing import alone_in, put_in_place, scratch_in, to_disk
from training.bundle import BundleError

_LOG = logging.getLogger("bentoml.prognosis")
#: Beside the bundle, in the folder of an exported model: what the registry says of it.
SERVED = "served.json"


class Exported(BaseModel):
    """What stands in ``served.json``.

    Parameters
    ----------
    format : int
    name, version : str
        The registered model's, where it was exported.
    alias : str or None
        That the version bore there, the better of two; one without any is served as a candidate.
    digest : str
        The bundle's.
    bundle : str
        Name of the bundle's folder, beside the file.
    gate : str
        The gate's verdict in a word.
    exported : str
        When (ISO 8601, UTC).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Literal[1] = 1
    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    alias: str | None = Field(pattern="^(champion|candidate)$")
    digest: str = Field(pattern="^[0-9a-f]{64}$")
    bundle: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$")
    gate: str
    exported: str


class BundleFolder:
    """A folder that holds one folder for each exported model.

    Parameters
    ----------
    folder : Path
        ``NAME/served.json`` and, beside it, the bundle that it names.
    cache : Path or None
        Where copies are kept, of this folder's models and of others', for a start at which it is away; nowhere if
        None.

    Notes
    -----
    A model comes in, or gives way to a later one, when its ``served.json`` (or the whole ``NAME``) is renamed into
    place. What is copied in piece by piece is refused until it is whole, and what was served goes on meanwhile.
    """

    def __init__(self, folder: Path, cache: Path | None = None) -> None:
        self._folder = folder
        self._cache = _cache_of(folder, cache) if cache is not None else None
        self._complained = False

    def listing(self) -> Listing:
        """Return the exported models, by name; one that cannot be read is refused when its bundle is asked for.

        Raises
        ------
        RegistryAwayError
            If the folder cannot be read, or holds no model: one that is not mounted is empty too.
        """
        try:
            names = sorted(path.parent.name for path in self._folder.glob(f"*/{SERVED}") if path.parent.name[0] != ".")
            if not names and not self._folder.is_dir():
                raise RegistryAwayError("the folder of exported models is not there.")
        except OSError as error:
            raise RegistryAwayError(f"the folder of exported models cannot be read ({error.strerror}).") from error
        if not names:
            raise RegistryAwayError("the folder of exported models holds none.")
        found = tuple(self._version(name) for name in names)
        return self._cache.keep(found) if self._cache else Listing(found, datetime.now(UTC))

    def last_listing(self) -> Listing:
        """Return what was last good of all that `listing` named; without looking into the folder."""
        return self._cache.last_listing() if self._cache else Listing()

    def proved(self, version: RegisteredVersion) -> None:
        """Keep a version that was loaded and scores for a start at which the folder, or a later version, fails."""
        if self._cache:
            self._cache.proved(version)

    def bundle(self, version: RegisteredVersion) -> Path:
        """Return the folder of the version's bundle: its copy on this machine, or where none can be made its own.

        Raises
        ------
        BundleError
            If ``served.json`` or the bundle is damaged, or if they do not belong together.
        """
        if self._cache:
            try:
                return self._cache.bundle(version, partial(self._copy, version))
            except CacheError as error:
                if not self._complained:
                    _LOG.warning("%s What is served comes from the folder itself, and not without it.", error)
                self._complained = True
        folder = self._exported_bundle(version)
        require_digest(folder, version)
        return folder

    def _exported_bundle(self, version: RegisteredVersion) -> Path:
        return self._folder / version.name / read_exported(self._folder / version.name).bundle

    def _copy(self, version: RegisteredVersion, target: Path) -> Path:
        return Path(shutil.copytree(self._exported_bundle(version), target))

    def _version(self, name: str) -> RegisteredVersion:
        try:
            exported = read_exported(self._folder / name)
        except BundleError:
            return RegisteredVersion(name, "unknown", "candidate", digest="")
        return RegisteredVersion(name, exported.version, exported.alias or "candidate", exported.digest)


def was_served(folder: Path, cache: Path) -> bool:
    """Tell whether models of a folder, which may be away now, are kept in the cache."""
    return bool(_cache_of(folder, cache).last_listing().versions)


def read_exported(folder: Path) -> Exported:
    """Read what the registry said of an exported model.

    Parameters
    ----------
    folder : Path
        The model's, by its name.

    Raises
    ------
    BundleError
        If it cannot be read, or speaks of a model of another name.
    """
    try:
        exported = Exported.model_validate_json((folder / SERVED).read_bytes())
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise BundleError(f"{folder.name}: {SERVED}: {where}: {first['msg']}; export the model again.") from None
    except OSError as error:
        raise BundleError(f"{folder.name}: {SERVED} cannot be read ({error.strerror}); export it again.") from error
    if exported.name != folder.name:
        raise BundleError(f"{folder.name}: {SERVED} is of {exported.name}; the folder must bear the model's name.")
    return exported


def write_exported(bundle: Path, exported: Exported, target: Path) -> Path:
    """Put a bundle and what the registry says of it into a folder of exported models, and return the model's own.

    Parameters
    ----------
    bundle : Path
    exported : Exported
    target : Path
        Made if need be.

    Notes
    -----
    The bundle is put into its place first and `SERVED`, which names it, last: killed at any time, the folder holds
    the model that it held before, or this one. The bundle that was named before stays for whoever is about to read it.

    Raises
    ------
    BundleError
        If the bundle is not the one that is spoken of.
    OSError
        If the folder cannot be written.
    """
    folder = target / exported.name
    version = RegisteredVersion(exported.name, exported.version, exported.alias or "", exported.digest)
    with alone_in(folder), scratch_in(folder) as scratch:
        copy = Path(shutil.copytree(bundle, scratch / exported.bundle))
        require_digest(copy, version)
        before = _named_now(folder)
        put_in_place(copy, folder / exported.bundle, exported.digest)
        (scratch / SERVED).write_text(exported.model_dump_json(indent=1) + "\n", encoding="utf-8")
        to_disk(scratch / SERVED)
        (scratch / SERVED).replace(folder / SERVED)
        to_disk(folder)
        for old in folder.glob("bundle-*"):
            if old.name not in (before, exported.bundle):
                shutil.rmtree(old, ignore_errors=True)
    return folder


def _cache_of(folder: Path, cache: Path) -> BundleCache:
    return BundleCache(cache / hashlib.sha256(folder.absolute().as_uri().encode()).hexdigest()[:12])


def _named_now(folder: Path) -> str | None:
    with suppress(BundleError):
        return read_exported(folder).bundle
    return None
