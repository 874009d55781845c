"""The model registry as the service sees it: which versions bear an alias, and where their bundles are."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serving.bundle_cache import BundleCache, Listing, RegisteredVersion, RegistryAwayError

if TYPE_CHECKING:
    from mlflow.entities.model_registry import RegisteredModel

#: In the order in which they are preferred.
ALIASES = ("champion", "candidate")
_SQLITE = "sqlite:///"
#: In one answer, so that no model that is made or deleted meanwhile moves another between two pages; MLflow's most.
_PAGE = 1000
_GONE = "RESOURCE_DOES_NOT_EXIST"


class Registry:
    """Reads MLflow's model registry, and keeps what it fetched.

    Parameters
    ----------
    tracking_uri : str
        MLflow's.
    cache : Path
        Folder of what was fetched, of this registry and of others.
    """

    def __init__(self, tracking_uri: str, cache: Path) -> None:
        self._tracking_uri = tracking_uri
        self._cache = BundleCache(cache / hashlib.sha256(tracking_uri.encode()).hexdigest()[:12])
        self._digests: dict[tuple[str, str, int], str] = {}

    def listing(self) -> Listing:
        """Ask the registry for the versions to serve, one a registered model, by name.

        Raises
        ------
        RegistryAwayError
            If it does not answer, or if it holds no model at all though it did: that is another registry, or one
            whose database was lost.
        """
        self._require_database()
        try:
            models = list(self._registered_models())
            found = tuple(sorted(self._served_versions(models), key=lambda version: version.name))
        # MLflow raises its own, SQLAlchemy's, requests' and the operating system's errors when a store is away.
        except Exception as error:
            raise RegistryAwayError(f"the model registry does not answer ({_kind(error)}).") from error
        if not models and self.last_listing().versions:
            raise RegistryAwayError("the model registry is empty, though it held models; check MLFLOW_TRACKING_URI.")
        return self._cache.keep(found)

    def last_listing(self) -> Listing:
        """Return what was last good of all that `listing` named; without asking the registry."""
        return self._cache.last_listing()

    def proved(self, version: RegisteredVersion) -> None:
        """Keep a version that was loaded and scores for a start at which the registry, or a later version, fails."""
        self._cache.proved(version)

    def bundle(self, version: RegisteredVersion) -> Path:
        """Return the folder of the version's bundle, fetched unless it is here already.

        Raises
        ------
        BundleError
            If the bundle is damaged, or is not the one that was registered.
        RegistryAwayError
            If it is not here and cannot be fetched.
        CacheError
            If it cannot be written here.
        """
        return self._cache.bundle(version, partial(self._download, version))

    def _require_database(self) -> None:
        # MLflow would create the missing file and its tables; to read is not to write.
        path = self._tracking_uri.removeprefix(_SQLITE)
        if path != self._tracking_uri and not _holds_a_registry(Path(path.partition("?")[0])):
            raise RegistryAwayError("the model registry does not exist yet; train a model first.")

    def _served_versions(self, models: list[RegisteredModel]) -> Iterator[RegisteredVersion]:
        for model in models:
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
            page = self._client().search_registered_models(max_results=_PAGE, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _digest(self, model: RegisteredModel, version: str) -> str | None:
        key = (model.name, version, model.creation_timestamp)
        if key not in self._digests:
            tags = self._tags(model.name, version)
            # One without it is asked again: the tag may follow the alias.
            if "bundle_digest" not in tags:
                return None
            self._digests[key] = tags["bundle_digest"]
        return self._digests[key]

    def _tags(self, name: str, version: str) -> Mapping[str, str]:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        try:
            tags: Mapping[str, str] = self._client().get_model_version(name, version).tags
        except MlflowException as error:
            # Deleted since the aliases were read: as if it bore none. The registry answers, so it is not away.
            if error.error_code != _GONE:
                raise
            return {}
        return tags

    def _client(self) -> Any:
        # Imported late: it takes seconds, and what was fetched before is served meanwhile.
        from mlflow import MlflowClient  # noqa: PLC0415

        return MlflowClient(tracking_uri=self._tracking_uri, registry_uri=self._tracking_uri)

    def _download(self, version: RegisteredVersion, target: Path) -> Path:
        from mlflow.artifacts import download_artifacts  # noqa: PLC0415

        try:
            source = self._client().get_model_version_download_uri(version.name, version.version)
            return Path(download_artifacts(source, dst_path=str(target), tracking_uri=self._tracking_uri))
        except Exception as error:
            message = f"{version.name} version {version.version}: its bundle cannot be fetched ({_kind(error)})."
            raise RegistryAwayError(message) from error


def _holds_a_registry(database: Path) -> bool:
    if not database.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            query = "SELECT 1 FROM sqlite_master WHERE name = 'registered_models'"
            return connection.execute(query).fetchone() is not None
    except sqlite3.Error:
        # MLflow will say what is wrong with it.
        return database.stat().st_size > 0


def _kind(error: Exception) -> str:
    strerror = error.strerror if isinstance(error, OSError) else None
    return strerror or type(error).__name__
