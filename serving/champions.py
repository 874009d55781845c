"""The models that answer: loaded at start, followed when an alias moves, kept when the registry is away."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from features.errors import PrognosisError
from serving.answers import RenderedModel, render
from serving.problems import ProblemError
from serving.registry import RegisteredVersion, Registry, RegistryAwayError
from training.bundle import BundleError, read_bundle
from training.model import PrognosticModel

_LOG = logging.getLogger("bentoml.prognosis")
_STOP_SECONDS = 5.0


@dataclass(frozen=True)
class ServedModel:
    """A model in memory, and what the registry says of it."""

    registered: RegisteredVersion
    model: PrognosticModel
    rendered: RenderedModel


@dataclass(frozen=True)
class Snapshot:
    """All that is served at one moment; never changed, only replaced.

    Parameters
    ----------
    models : mapping of str to ServedModel
        By registered name, in order.
    refused : mapping of str to (RegisteredVersion, reason)
        Registered models whose bundle could not be read; an older version may still be among `models`.
    registry_reachable : bool
        Whether the registry answered when it was last asked.
    """

    models: Mapping[str, ServedModel] = field(default_factory=lambda: MappingProxyType({}))
    refused: Mapping[str, tuple[RegisteredVersion, str]] = field(default_factory=lambda: MappingProxyType({}))
    registry_reachable: bool = False

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
            raise ProblemError("not-ready", f"{name} is registered, but is not served: {self.refused[name][1]}")
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
    """Holds the snapshot and follows the registry in a thread of its own.

    Parameters
    ----------
    registry : Registry
    poll_seconds : float
        How long to wait between two looks at the aliases.
    """

    def __init__(self, registry: Registry, *, poll_seconds: float) -> None:
        self._registry = registry
        self._poll_seconds = poll_seconds
        self._snapshot = Snapshot()
        self._stopped = threading.Event()
        self._looked = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="champions", daemon=True)

    @property
    def snapshot(self) -> Snapshot:
        """What is served now; take it once per request."""
        return self._snapshot

    def start(self, *, patience_seconds: float) -> None:
        """Load the models, then follow the registry; go on without it where it does not answer in time."""
        self._thread.start()
        if not self._looked.wait(patience_seconds):
            self._serve_what_is_here()

    def stop(self) -> None:
        """End the thread; one that waits for an absent registry ends with the process."""
        self._stopped.set()
        self._thread.join(timeout=_STOP_SECONDS)

    def refresh(self) -> None:
        """Look at the registry once; on every failure what is served stays."""
        try:
            versions = self._registry.versions()
        except RegistryAwayError as away:
            self._note_registry(away)
            if not self._snapshot.models:
                self._serve_what_is_here()
            return
        self._note_registry(None)
        self._swap(versions, registry_reachable=True)

    def _follow(self) -> None:
        while not self._stopped.is_set():
            try:
                self.refresh()
            except Exception:
                _LOG.exception("the registry could not be followed; what is served stays")
            self._looked.set()
            self._stopped.wait(self._poll_seconds)

    def _serve_what_is_here(self) -> None:
        self._swap(self._registry.last_versions(), registry_reachable=False)

    def _note_registry(self, away: RegistryAwayError | None) -> None:
        reachable = away is None
        if away is not None and (self._snapshot.registry_reachable or not self._looked.is_set()):
            _LOG.warning("%s", away)
        elif reachable and self._looked.is_set() and not self._snapshot.registry_reachable:
            _LOG.info("the model registry answers again")
        now = self._snapshot
        self._snapshot = Snapshot(now.models, now.refused, registry_reachable=reachable)

    def _swap(self, versions: tuple[RegisteredVersion, ...], *, registry_reachable: bool) -> None:
        before = self._snapshot
        models: dict[str, ServedModel] = {}
        refused: dict[str, tuple[RegisteredVersion, str]] = {}
        for version in versions:
            old = before.models.get(version.name)
            try:
                models[version.name] = self._load(version, old)
            except (BundleError, RegistryAwayError) as error:
                refused[version.name] = (version, str(error))
                if old is not None:
                    models[version.name] = old
        _report(before, models, refused)
        self._snapshot = Snapshot(
            MappingProxyType(models), MappingProxyType(refused), registry_reachable=registry_reachable
        )

    def _load(self, version: RegisteredVersion, old: ServedModel | None) -> ServedModel:
        if old is not None and old.registered == version:
            return old
        try:
            model = read_bundle(self._registry.bundle(version))
        except PrognosisError:
            raise
        # A bundle whose digest is right and that still cannot be read was written by other code than this.
        except Exception as error:
            raise BundleError(
                f"{version.name} version {version.version}: {type(error).__name__} on reading."
            ) from error
        if model.name != version.name:
            raise BundleError(f"{version.name} version {version.version}: the bundle is of {model.name}.")
        return ServedModel(version, model, render(version, model))


def _report(
    before: Snapshot, models: Mapping[str, ServedModel], refused: Mapping[str, tuple[RegisteredVersion, str]]
) -> None:
    for name, served in models.items():
        if before.models.get(name) is not served:
            _LOG.info("%s: serving version %s (%s)", name, served.registered.version, served.registered.alias)
    for name in before.models.keys() - models.keys():
        _LOG.info("%s: no longer served, it bears no alias any more", name)
    for name, (version, reason) in refused.items():
        if before.refused.get(name) != (version, reason):
            _LOG.error("%s: version %s refused: %s", name, version.version, reason)
