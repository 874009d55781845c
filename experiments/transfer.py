"""Moves models between sites: out of MLflow into a folder, and out of a folder into another site's MLflow."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.aliases import make_champion
from experiments.labels import flat_metrics, identity, origin_tags, verdict_of, verdict_tags, warning
from experiments.promotion_entries import IMPORT, evidence
from experiments.tracking import (
    BUNDLE,
    CANDIDATE,
    CHAMPION,
    TRAINING,
    TrackedModel,
    answering,
    client_of,
    close_interrupted,
    exists,
    experiment_of,
    open_run,
    record_of,
    require_registered_model,
)
from features.errors import PrognosisError
from serving.bundle_cache import RegisteredVersion, require_digest
from serving.bundle_folder import SERVED, Exported, read_exported, write_exported
from serving.registry import ALIASES, Registry
from serving.settings import Settings
from training.bundle import read_bundle
from training.model import PrognosticModel

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

_REFERENCE = re.compile(r"(?P<name>[^@:'\"/]+)(@(?P<alias>champion|candidate)|:(?P<version>[0-9]+))?")


class TransferError(PrognosisError):
    """A model cannot be exported or imported as asked."""


@dataclass(frozen=True)
class Reference:
    """Which version of a registered model is meant.

    Parameters
    ----------
    name : str
    alias : str or None
    version : str or None
        Neither: what is served, the champion or else the candidate.
    """

    name: str
    alias: str | None = None
    version: str | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read ``NAME``, ``NAME@champion``, ``NAME@candidate`` or ``NAME:VERSION``.

        Raises
        ------
        TransferError
            If it is none of them.
        """
        found = _REFERENCE.fullmatch(text)
        if found is None:
            raise TransferError(f"{text!r} names no model; write NAME, NAME@champion, NAME@candidate or NAME:VERSION.")
        return cls(**{key: found.group(key) for key in ("name", "alias", "version")})

    def __str__(self) -> str:
        return (
            f"{self.name}@{self.alias}" if self.alias else f"{self.name}:{self.version}" if self.version else self.name
        )


def export_model(reference: Reference, target: Path, *, settings: Settings) -> Path:
    """Write a registered model into a folder, and return its own folder within.

    Parameters
    ----------
    reference : Reference
    target : Path
        Made if need be; a model of the same name gives way at one stroke.
    settings : Settings
        Where MLflow is.

    Raises
    ------
    TransferError
        If there is no such model, or if the folder cannot be written.
    BundleError
        If the registered bundle is damaged.
    """
    version = find_version(reference, settings)
    bundle = Registry(settings.tracking_uri, settings.bundle_cache).bundle(version)
    model = read_bundle(bundle)
    exported = Exported(
        name=version.name,
        version=version.version,
        alias=CHAMPION if version.alias == CHAMPION else CANDIDATE if version.alias else None,
        digest=version.digest,
        bundle=f"bundle-{version.digest[:16]}",
        gate=verdict_of(model.gate),
        exported=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    try:
        return write_exported(bundle, exported, target)
    except OSError as error:
        raise TransferError(f"{target}: cannot be written ({error.strerror}); name another folder.") from error


def fetched(reference: Reference, *, settings: Settings) -> Path:
    """Return the folder of a registered model's bundle on this machine, fetched unless it is here already.

    Raises
    ------
    TransferError
        If there is no such model.
    BundleError
        If the registered bundle is damaged.
    """
    return Registry(settings.tracking_uri, settings.bundle_cache).bundle(find_version(reference, settings))


def import_models(folder: Path, *, alias: str, settings: Settings) -> list[TrackedModel]:
    """Register the exported models of a folder in this site's MLflow.

    Parameters
    ----------
    folder : Path
        Of one exported model, or of several: what `export_model` wrote, or where it wrote to.
    alias : str
        ``candidate``; or ``champion``, which the gate must have been passed for. A champion is the candidate too.
    settings : Settings
        Where MLflow is.

    Raises
    ------
    TransferError
        If the folder holds no exported model, or one that may not be champion; before anything is registered.
    BundleError
        If a bundle is damaged, or is not what was exported; before anything is registered.
    """
    read = [_read(path) for path in _exported_folders(folder)]
    if alias == CHAMPION:
        for _, _, model in read:
            _require_earned(model)
    return [_register(bundle, exported, model, alias, settings) for bundle, exported, model in read]


def find_version(reference: Reference, settings: Settings) -> RegisteredVersion:
    """Return the registered version that is meant, with the better of its aliases and its bundle's digest.

    Raises
    ------
    TransferError
        If there is none, or if it is not a model of ours.
    """
    if not exists(settings):
        raise TransferError(f"{reference}: nothing is registered here yet; train or import a model first.")
    client = client_of(settings)
    with answering(settings):
        models = {model.name: model for model in client.search_registered_models(max_results=1000)}
        model = models.get(reference.name)
        if model is None:
            raise TransferError(f"{reference}: there is no such model; registered: {', '.join(models) or 'none'}.")
        versions = {str(each.version): each for each in client.search_model_versions(f"name = '{reference.name}'")}
    aliases = {alias: str(version) for alias, version in model.aliases.items() if alias in ALIASES}
    served = next((aliases[alias] for alias in ALIASES if alias in aliases), None)
    number = reference.version or (aliases.get(reference.alias) if reference.alias else served)
    if number not in versions:
        borne_by = "".join(f"; {alias} is {version}" for alias, version in aliases.items())
        there = ", ".join(sorted(versions, key=int)) or "none"
        raise TransferError(f"{reference}: there is no such version; registered: {there}{borne_by}.")
    digest = versions[number].tags.get("bundle_digest")
    if digest is None:
        raise TransferError(f"{reference}: version {number} holds no bundle, so it is not a model of ours.")
    borne = next((alias for alias in ALIASES if aliases.get(alias) == number), "")
    return RegisteredVersion(reference.name, number, borne, digest)


def _exported_folders(folder: Path) -> list[Path]:
    own = folder.resolve()  # `.` has no name, and a model's folder bears the model's
    found = [own] if (own / SERVED).is_file() else sorted(path.parent for path in own.glob(f"*/{SERVED}"))
    if not found:
        raise TransferError(f"{folder}: holds no exported model (no {SERVED}); name the folder it was exported to.")
    return found


def _read(folder: Path) -> tuple[Path, Exported, PrognosticModel]:
    exported = read_exported(folder)
    bundle = folder / exported.bundle
    require_digest(bundle, RegisteredVersion(exported.name, exported.version, exported.alias or "", exported.digest))
    model = read_bundle(bundle)
    if model.name != exported.name:
        raise TransferError(f"{folder}: {SERVED} is of {exported.name}, but the bundle of {model.name}.")
    return bundle, exported, model


def _require_earned(model: PrognosticModel) -> None:
    if not model.champion_earned:
        verdict = verdict_of(model.gate)
        raise TransferError(f"{model.name}: its gate {verdict}, so it cannot be champion; import it as candidate.")


def _register(bundle: Path, exported: Exported, model: PrognosticModel, alias: str, settings: Settings) -> TrackedModel:
    """Register a bundle unless it is, close what an import that was killed left open, and give it the alias."""
    mark = f"import-{exported.digest[:16]}"
    close_interrupted(mark, model.name, settings=settings)
    client = client_of(settings)
    with answering(settings):
        same = f"name = '{model.name}' and tags.bundle_digest = '{exported.digest}'"
        known = list(client.search_model_versions(same)) or [_new_version(client, bundle, exported, model, settings)]
        version = known[0]
        client.set_registered_model_alias(model.name, CANDIDATE, version.version)
        if alias == CHAMPION:
            proof = evidence(model, exported.digest)
            make_champion(client, version, proof, action=IMPORT, log=record_of(settings))
    aliases = (CANDIDATE, CHAMPION) if alias == CHAMPION else (CANDIDATE,)
    return TrackedModel(model.name, str(version.version), version.run_id or "", aliases, dict(version.tags))


def _new_version(
    client: MlflowClient, bundle: Path, exported: Exported, model: PrognosticModel, settings: Settings
) -> ModelVersion:
    mark = {TRAINING: f"import-{exported.digest[:16]}"}
    require_registered_model(client, model.name, identity(model), warning(model))
    experiment_id = experiment_of(client, model, settings=settings)
    of_run = origin_tags(model) | {"role": "import"} | mark
    with open_run(client, experiment_id, f"import of version {exported.version}", of_run) as run_id:
        try:
            client.log_artifacts(run_id, str(bundle), BUNDLE)
        except OSError as error:
            raise TransferError(f"{model.name}: MLflow cannot store the bundle ({error.strerror}).") from error
        source = f"{client.get_run(run_id).info.artifact_uri}/{BUNDLE}"
        # Last, so that a version stands for a bundle that is there.
        return client.create_model_version(model.name, source, run_id=run_id, tags=_tags(exported, model) | mark)


def _tags(exported: Exported, model: PrognosticModel) -> dict[str, str]:
    """Return what the version says of itself, all of it read from the bundle, whose digest was compared."""
    variant = model.variants.get("clinical") or model.variants["genes_only"]
    figures = {key: f"{value:.4f}" for key, value in flat_metrics(variant.metrics).items() if math.isfinite(value)}
    return {
        **origin_tags(model),
        **verdict_tags(model.gate),
        **figures,
        "learner": variant.learner,
        "scale": model.scale,
        "n_patients": str(model.cohort.n_patients),
        "n_events": str(model.cohort.n_events),
        "bundle_digest": exported.digest,
        "imported": datetime.now(UTC).isoformat(timespec="seconds"),
        "imported.version": exported.version,
        "imported.alias": exported.alias or "none",
    }
