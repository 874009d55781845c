"""The model registry as the service sees it: which versions bear an alias, and their bundles on this machine."""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.errors import PrognosisError
from training.bundle import BundleError, bundle_digest

if TYPE_CHECKING:
    from mlflow.entities.model_registry import RegisteredModel

_LOG = logging.getLogger("bentoml.prognosis")
#: In the order in which they are preferred.
ALIASES = ("champion", "candidate")
_SQLITE = "sqlite:///"


class RegistryAwayError(PrognosisError):
    """The registry does not answer, or does not exist yet."""


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


class Registry:
    """Reads MLflow's model registry, and keeps what it fetched.

    Parameters
    ----------
    tracking_uri : str
        MLflow's.
    cache : Path
        Folder of the fetched bundles and of the list of versions that was read last.

    Notes
    -----
    What was fetched is told apart by registry, version and digest: version numbers start anew where a model was
    deleted, and two registries may share a name.
    """

    def __init__(self, tracking_uri: str, cache: Path) -> None:
        self._tracking_uri = tracking_uri
        self._cache = cache / hashlib.sha256(tracking_uri.encode()).hexdigest()[:12]
        self._listing = self._cache / "versions.json"
        self._digests: dict[tuple[str, str, int], str | None] = {}

    def versions(self) -> tuple[RegisteredVersion, ...]:
        """Ask the registry for the versions to serve, one a registered model, by name.

        Raises
        ------
        RegistryAwayError
            If it does not answer.
        """
        self._require_database()
        try:
            found = tuple(sorted(self._served_versions(), key=lambda version: version.name))
        # MLflow raises its own, SQLAlchemy's, requests' and the operating system's errors when a store is away.
        except Exception as error:
            raise RegistryAwayError(f"the model registry does not answer ({type(error).__name__}).") from error
        self._keep_listing(found)
        return found

    def last_versions(self) -> tuple[RegisteredVersion, ...]:
        """Return what `versions` returned last, perhaps in an earlier process; nothing if it never did."""
        try:
            return tuple(RegisteredVersion(**entry) for entry in json.loads(self._listing.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return ()

    def bundle(self, version: RegisteredVersion) -> Path:
        """Return the folder of the version's bundle, fetched unless it is here already.

        Raises
        ------
        BundleError
            If the bundle is damaged, or is not the one that was registered.
        RegistryAwayError
            If it is not here and cannot be fetched.
        """
        folder = self._cache / version.name / f"{version.version}-{version.digest[:16]}"
        if not _is_bundle(folder, version.digest):
            self._fetch(version, folder)
        return folder

    def _require_database(self) -> None:
        # MLflow would create the missing file and its tables; to read is not to write.
        path = self._tracking_uri.removeprefix(_SQLITE)
        if path != self._tracking_uri and not Path(path).is_file():
            raise RegistryAwayError("the model registry does not exist yet; train a model first.")

    def _served_versions(self) -> Iterator[RegisteredVersion]:
        for model in self._registered_models():
            alias = next((alias for alias in ALIASES if alias in model.aliases), None)
            if alias is None:
                continue
            version = str(model.aliases[alias])
            digest = self._digest(model, version)
            # A model without a bundle is not of this service's making.
            if digest is not None:
                yield RegisteredVersion(model.name, version, alias, digest)

    def _registered_models(self) -> Iterator[RegisteredModel]:
        token: str | None = None
        while True:
            page = self._client().search_registered_models(page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _digest(self, model: RegisteredModel, version: str) -> str | None:
        key = (model.name, version, model.creation_timestamp)
        if key not in self._digests:
            tags: Mapping[str, str] = self._client().get_model_version(model.name, version).tags
            self._digests[key] = tags.get("bundle_digest")
        return self._digests[key]

    def _client(self) -> Any:
        # Imported late: it takes seconds, and the process that only starts the workers needs none of it.
        from mlflow import MlflowClient  # noqa: PLC0415

        return MlflowClient(tracking_uri=self._tracking_uri, registry_uri=self._tracking_uri)

    def _fetch(self, version: RegisteredVersion, folder: Path) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=folder.parent) as scratch:
            fetched = self._download(version, scratch)
            digest = bundle_digest(fetched)
            if digest != version.digest:
                raise BundleError(
                    f"{version.name} version {version.version}: the bundle has digest {digest[:16]}…, but "
                    f"{version.digest[:16]}… was registered; register it anew."
                )
            _put_in_place(fetched, folder, version.digest)
        _LOG.info("%s: fetched version %s", version.name, version.version)

    def _download(self, version: RegisteredVersion, scratch: str) -> Path:
        from mlflow.artifacts import download_artifacts  # noqa: PLC0415

        try:
            source = self._client().get_model_version_download_uri(version.name, version.version)
            # A folder inside the scratch one: the answer may be the destination itself, which is then moved away.
            return Path(download_artifacts(source, dst_path=f"{scratch}/bundle", tracking_uri=self._tracking_uri))
        except Exception as error:
            message = (
                f"{version.name} version {version.version}: its bundle cannot be fetched ({type(error).__name__})."
            )
            raise RegistryAwayError(message) from error

    def _keep_listing(self, versions: tuple[RegisteredVersion, ...]) -> None:
        if versions == self.last_versions():
            return
        self._cache.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=self._cache, delete=False, encoding="utf-8") as scratch:
            json.dump([asdict(version) for version in versions], scratch, indent=1)
        Path(scratch.name).replace(self._listing)


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
