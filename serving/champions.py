"""The models that answer: loaded at start, followed when an alias moves, kept when the registry is away."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType

from features.errors import PrognosisError
from serving.answers import RenderedModel, render
from serving.bundle_cache import Listing, RegisteredVersion, RegistryAwayError, require_manifest
from serving.patience import Patience, Source
from serving.problems import ProblemError
from training.bundle import BundleError, read_bundle
from training.model import PrognosticModel, UnknownReferenceError

_LOG = logging.getLogger("bentoml.prognosis")
_STOP_SECONDS = 5.0
_NOT_ASKED = "the model registry was not asked yet."
#: What is here already is served this long before the registry is asked: the first import of its client takes
#: seconds, in which the start and the first requests would have to share the interpreter with it.
_HEAD_START_SECONDS = 1.0
#: How often a start looks whether what it loaded is still what other workers serve.
_LOOKS_AT_START = 3
#: How long one question to the registry may take.
_SILENCE_SECONDS = 60.0


@dataclass(frozen=True)
class ServedModel:
    """A model in memory, what the registry says of it, and since when this process serves it (UTC)."""

    registered: RegisteredVersion
    model: PrognosticModel
    rendered: RenderedModel
    since: datetime

    def on_reference(self, name: str | None, *, kind: str) -> ServedModel:
        """Return the model on one of its references, on the default where none is named.

        Raises
        ------
        ProblemError
            Of that kind, if it has no such reference.
        """
        if name is None:
            return self
        try:
            model = self.model.reference_named(name)
        except UnknownReferenceError as error:
            raise ProblemError(kind, str(error), field="reference") from None
        return self if model is self.model else replace(self, model=model, rendered=self.rendered.references[name])


@dataclass(frozen=True)
class RefusedVersion:
    """A registered version that is not served, why, and since when this process refuses it (UTC)."""

    registered: RegisteredVersion
    reason: str
    since: datetime


@dataclass(frozen=True)
class Snapshot:
    """All that is served at one moment; never changed, only replaced.

    Parameters
    ----------
    models : mapping of str to ServedModel
        By registered name, in order.
    refused : mapping of str to RefusedVersion
        Registered models whose bundle could not be read; the last good version may still be among `models`.
    away : str or None
        Why the registry could not be asked when it was last tried; None where it answered.
    answered_at : datetime or None
        When it last answered (UTC), perhaps to an earlier process; None if it never did.
    """

    models: Mapping[str, ServedModel] = field(default_factory=lambda: MappingProxyType({}))
    refused: Mapping[str, RefusedVersion] = field(default_factory=lambda: MappingProxyType({}))
    away: str | None = _NOT_ASKED
    answered_at: datetime | None = None

    @property
    def registry_reachable(self) -> bool:
        """Whether the registry answered when it was last asked."""
        return self.away is None

    def find(self, cancer_type: str, endpoint: str, *, kind: str) -> ServedModel:
        """Return the model of a cancer type and endpoint.

        Raises
        ------
        ProblemError
            Of that kind, with what is available; 503 where the model is registered but its bundle was refused.
        """
        name = f"{cancer_type}-{endpoint}"
        served = self.models.get(name)
        if served is not None:
            return served
        if name in self.refused:
            raise ProblemError("not-ready", f"{name} is registered, but is not served: {self.refused[name].reason}")
        types = sorted({served.model.cancer_type for served in self.models.values()})
        if cancer_type not in types:
            detail = f"no model for cancer type {cancer_type!r}; available: {', '.join(types) or 'none'}."
            raise ProblemError(kind, detail, field="cancer_type")
        endpoints = [
            served.model.endpoint for served in self.models.values() if served.model.cancer_type == cancer_type
        ]
        detail = f"no model for {cancer_type} and endpoint {endpoint}; available: {', '.join(endpoints)}."
        raise ProblemError(kind, detail, field="endpoint")


class Champions:
    """Holds the snapshot and follows the source of the models in a thread of its own.

    Parameters
    ----------
    source : Source
    poll_seconds : float
        How long to wait between two looks at the aliases.
    silence_seconds : float
        How long one question to the source may take.

    Notes
    -----
    A snapshot is put together beside the one that is served, and takes its place in one assignment: whoever took one
    answers from it to the end.
    """

    def __init__(self, source: Source, *, poll_seconds: float, silence_seconds: float = _SILENCE_SECONDS) -> None:
        self._source = Patience(source, seconds=silence_seconds)
        self._poll_seconds = poll_seconds
        self._listing = Listing()
        self._snapshot = Snapshot()
        self._stopped = threading.Event()
        self._looked = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="champions", daemon=True)

    @property
    def snapshot(self) -> Snapshot:
        """What is served now; take it once per request."""
        return self._snapshot

    def start(self, *, patience_seconds: float) -> None:
        """Serve what is here, then follow the source; where nothing is here, wait for its first answer in time."""
        self._serve_kept()
        self._thread.start()
        if not self._snapshot.models:
            self._looked.wait(patience_seconds)

    def stop(self) -> None:
        """End the thread; one that waits for an absent registry ends with the process."""
        self._stopped.set()
        self._thread.join(timeout=_STOP_SECONDS)

    def refresh(self) -> None:
        """Look at the source once; on every failure what is served stays."""
        try:
            self._listing = self._source.listing()
        except RegistryAwayError as away:
            # What it said last still counts: a bundle that could not be read then may be readable now.
            self._listing = self._listing if self._listing.versions else self._source.last_listing()
            self._swap(away=str(away))
        else:
            self._swap(away=None)

    def _serve_kept(self) -> None:
        """Serve what is kept here; while that is loaded, another worker may have moved on, so look again."""
        for look in range(_LOOKS_AT_START):
            listing = self._source.last_listing()
            if look and listing.versions == self._listing.versions:
                return
            self._listing = listing
            self._swap(away=self._snapshot.away, proving=False)

    def _follow(self) -> None:
        if self._snapshot.models:
            self._stopped.wait(_HEAD_START_SECONDS)
        while not self._stopped.is_set():
            try:
                self.refresh()
            except Exception:
                _LOG.exception("the registry could not be followed; what is served stays")
            if not self._looked.is_set():
                # The registry's client is large, and stays: no collection needs to look at it.
                gc.freeze()
            self._looked.set()
            self._stopped.wait(self._poll_seconds)

    def _swap(self, *, away: str | None, proving: bool = True) -> None:
        before = self._snapshot
        models: dict[str, ServedModel] = {}
        refused: dict[str, RefusedVersion] = {}
        for version in self._listing.versions:
            old = before.models.get(version.name)
            try:
                models[version.name] = self._loaded(version, old, proving=proving)
            except PrognosisError as error:
                refused[version.name] = _refused(version, str(error), before)
                kept = old or self._last_good(version)
                if kept is not None:
                    models[version.name] = kept
        now = Snapshot(MappingProxyType(models), MappingProxyType(refused), away, self._listing.read_at)
        _report(before, now)
        self._snapshot = now

    def _last_good(self, refused: RegisteredVersion) -> ServedModel | None:
        for version in self._source.last_listing().versions:
            if version.name == refused.name and version != refused:
                with suppress(PrognosisError):
                    return self._loaded(version, None, proving=False)
        return None

    def _loaded(self, version: RegisteredVersion, old: ServedModel | None, *, proving: bool) -> ServedModel:
        if old is not None and old.registered == version:
            return old
        try:
            served = self._read(version)
        except PrognosisError:
            raise
        # A bundle whose digest is right and that still cannot be read was written by other code than this.
        except Exception as error:
            raise BundleError(
                f"{version.name} version {version.version}: {type(error).__name__} on reading."
            ) from error
        # What was kept is not proved again: another worker may have moved on while this one loaded it.
        if proving:
            self._source.proved(version)
        return served

    def _read(self, version: RegisteredVersion) -> ServedModel:
        folder = self._source.bundle(version)
        model = read_bundle(folder)
        # What was read may have been changed since the source compared its digest.
        require_manifest(folder, version)
        if model.name != version.name:
            raise BundleError(f"{version.name} version {version.version}: the bundle is of {model.name}.")
        return ServedModel(version, model, render(version, model), datetime.now(UTC))


def _refused(version: RegisteredVersion, reason: str, before: Snapshot) -> RefusedVersion:
    known = before.refused.get(version.name)
    since = known.since if known is not None and known.registered == version else datetime.now(UTC)
    return RefusedVersion(version, reason, since)


def _report(before: Snapshot, now: Snapshot) -> None:
    if now.away is None and before.away not in (None, _NOT_ASKED):
        _LOG.info("the model registry answers again")
    elif now.away is not None and now.away != before.away:
        _LOG.warning("%s", now.away)
    for name, served in now.models.items():
        if before.models.get(name) is not served:
            _LOG.info("%s: serving version %s (%s)", name, served.registered.version, served.registered.alias)
    for name in before.models.keys() - now.models.keys():
        _LOG.info("%s: no longer served, it bears no alias any more", name)
    for name, refused in now.refused.items():
        known = before.refused.get(name)
        if known is None or (known.registered, known.reason) != (refused.registered, refused.reason):
            _LOG.error("%s: version %s refused: %s", name, refused.registered.version, refused.reason)
