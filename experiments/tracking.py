"""Write trainings into MLflow, and ask it what is registered: the one module that does."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import batched
from pathlib import Path
from urllib.parse import unquote, urlparse

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # before mlflow is imported, which reads it
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # a store that is away is said to be so in seconds
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import (
    MLFLOW_DATASET_CONTEXT,
    MLFLOW_PARENT_RUN_ID,
    MLFLOW_RUN_NOTE,
)

from experiments.aliases import open_door, record_beside
from experiments.artifacts import write_evaluation, write_training
from experiments.audit_log import AuditLog
from experiments.claims import objection, registered_model
from experiments.contests import NO_CONTEST, Contest
from experiments.labels import (
    MADE_FROM,
    gate_tags,
    identity,
    note,
    run_tags,
    version_tags,
    warning,
)
from experiments.mlflow_views import experiment_tags, missing_tags, training_links
from experiments.promotion_entries import COMPARED_WITH, RETRAIN, TRAIN, Evidence, evidence, was_promoted
from experiments.run_figures import of_evaluation, of_null, of_training
from features.errors import PrognosisError
from serving.bundle_cache import RegisteredVersion
from serving.settings import Settings
from training.bundle import bundle_digest, read_bundle
from training.model import PrognosticModel
from training.results import Estimate, Evaluation, TrainingResult
from training.trainer import headline_name

logger = logging.getLogger(__name__)

CHAMPION, CANDIDATE = "champion", "candidate"
COMPARE_THEM = "prognosis retrain compares the two"
BUNDLE = "bundle"
#: The tag by which a training finds its own runs and its version again after it was killed.
TRAINING = "training"
#: What MLflow calls an experiment of this kind; its pages lead with conversations of chat models otherwise.
MODEL_TRAINING = {"mlflow.experimentKind": "custom_model_development"}
#: MLflow's limits: parameters in one batch, and characters of a data set's digest.
PARAMETERS_PER_BATCH, DATASET_DIGEST_LENGTH = 100, 36


@dataclass(frozen=True)
class TrackedModel:
    """A registered version and its figures.

    Parameters
    ----------
    name : str
        ``KIRC-OS``.
    version : str
    run_id : str
        The parent run.
    aliases : tuple of str
        ``champion`` and ``candidate``, or one of them, or none.
    tags : mapping of str to str
        The version's: ``concordance_harrell`` and its bounds, ``learner``, ``gate``, ``simulated``, digests …
    """

    name: str
    version: str
    run_id: str
    aliases: tuple[str, ...]
    tags: Mapping[str, str]

    def figure(self, metric: str) -> Estimate:
        """Return a figure of the whole procedure as the version's tags hold it; NaN where they do not."""
        return Estimate(*(float(self.tags.get(metric + end, "nan")) for end in ("", "_lower", "_upper")))


def track(
    result: TrainingResult,
    bundle_folder: Path,
    *,
    settings: Settings,
    started: float | None = None,
    training: str = "",
    contest: Contest = NO_CONTEST,
) -> TrackedModel:
    """Write a training into MLflow: a parent run, a child run per learner and baseline, and the registered model.

    Parameters
    ----------
    result : TrainingResult
    bundle_folder : Path
        The bundle of `result.model`; what is registered. Artefacts are put together beside it.
    settings : Settings
        Where MLflow's database and its artefacts are.
    started : float, optional
        When the training began, in seconds since the epoch; now, unless given.
    training : str
        A name for this training alone: if a version bears it already, from before a kill, there is no second.
    contest : Contest
        What the model was compared with; its clauses are in the gate already.

    Returns
    -------
    TrackedModel
        The version, with the aliases that it earned.

    Notes
    -----
    The model is registered last, so that a version stands for a run that is whole. A run that could not be written
    is marked as failed. A version's aliases follow from its own bundle: what a training that was taken up again has
    made may differ from what was registered, as another champion may stand by now.

    Raises
    ------
    BundleError
        If the bundle is damaged; before anything is written.
    """
    digest = bundle_digest(bundle_folder)
    client = client_of(settings)
    before = version_of(client, result.model.name, training)
    if before is not None:
        logger.info("%s: version %s is of this training, registered before it was stopped", before.name, before.version)
        model = registered_model(_as_candidate(before), settings)
        return _tracked(before, _give_aliases(client, before, model, settings, contest))
    experiment_id = experiment_of(client, result.model, settings=settings)
    own, scratch = {TRAINING: training} if training else {}, bundle_folder.parent
    reported = result.evaluations[headline_name(result.evaluations, result.definition)]
    of_all = {**run_tags(result), **own}
    parent_tags = {MLFLOW_RUN_NOTE: note(result, reported), "role": "training", **of_all, **gate_tags(result)}
    parent_tags |= contest.tags()
    name = f"training {result.model.provenance.get('created', '')}".strip()
    with open_run(client, experiment_id, name, parent_tags, started=started) as run_id:
        _log_training(client, run_id, result, reported, contest, scratch=scratch, digest=digest)
        for evaluation in result.evaluations.values():
            child_tags = {MLFLOW_PARENT_RUN_ID: run_id, "role": "learner", **of_all}
            with open_run(client, experiment_id, evaluation.name, child_tags, started=started) as child_id:
                _log_evaluation(client, child_id, result, evaluation, scratch)
        if result.random_signatures is not None and result.random_signatures.reason is None:
            child_tags = {MLFLOW_PARENT_RUN_ID: run_id, "role": "null", **of_all}
            with open_run(client, experiment_id, "random_signatures", child_tags, started=started) as child_id:
                _log_batches(client, child_id, *of_null(result.random_signatures, reported))
                client.log_inputs(child_id, datasets=[_dataset(result)])
        client.log_artifacts(run_id, str(bundle_folder), BUNDLE)
        version = _register(client, run_id, result, reported, {"bundle_digest": digest, **contest.tags(), **own})
        _describe(client, experiment_id, run_id, version, note(result, reported))
    return _tracked(version, _give_aliases(client, version, read_bundle(bundle_folder), settings, contest))


def close_interrupted(training: str, name: str, *, settings: Settings) -> None:
    """Close the runs of a training whose process was killed: as killed, or finished if its model is registered.

    Parameters
    ----------
    training : str
        As `track` was given it; no process is at it.
    name : str
        ``KIRC-OS``.
    """
    if not exists(settings):
        return
    client = client_of(settings)
    with answering(settings):
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            return
        runs = client.search_runs([experiment.experiment_id], f"tags.{TRAINING} = '{training}'")
        # What an unfinished training has finished is nobody's: a rerun writes all of it again.
        registered = version_of(client, name, training) is not None
        status, still_open = ("FINISHED", {"RUNNING"}) if registered else ("KILLED", {"RUNNING", "FINISHED"})
        for run in runs:
            if run.info.status in still_open:
                client.set_terminated(run.info.run_id, status)


def list_models(settings: Settings) -> list[TrackedModel]:
    """Return the versions that bear an alias, by name; none where nothing was ever registered."""
    if not exists(settings):
        return []
    client = client_of(settings)
    found = []
    for model in _registered(client, settings):
        aliases: Mapping[str, str | int] = model.aliases
        for version in sorted({str(version) for version in aliases.values()}, key=int):
            borne = tuple(sorted(alias for alias, at in aliases.items() if str(at) == version))
            found.append(_tracked(client.get_model_version(model.name, version), borne))
    return sorted(found, key=lambda model: (model.name, int(model.version)))


class StoreError(PrognosisError):
    """MLflow's store does not answer, or is of a kind that MLflow does not know."""


@contextmanager
def answering(settings: Settings) -> Iterator[None]:
    """Turn what MLflow raises within into a sentence on its store."""
    try:
        yield
    except MlflowException as error:
        where = settings.tracking_uri.rpartition("@")[2]  # what stands before it may be a password
        raise StoreError(f"MLflow's store at {where} does not answer; check MLFLOW_TRACKING_URI.") from error


def _registered(client: MlflowClient, settings: Settings) -> list[RegisteredModel]:
    with answering(settings):
        return list(client.search_registered_models(max_results=1000))


def unchanged(name: str, made_from: Mapping[str, str], *, settings: Settings) -> TrackedModel | None:
    """Return the newest version of a model if it was made from the same data, definition and code; else None.

    Parameters
    ----------
    name : str
        ``KIRC-OS``.
    made_from : mapping
        ``data_digest``, ``definition_digest`` and ``code_version``.
    """
    newest = [model for model in list_models(settings) if model.name == name and CANDIDATE in model.aliases]
    same = [model for model in newest if all(model.tags.get(key) == made_from[key] for key in MADE_FROM)]
    return same[0] if same and _has_bundle(client_of(settings), same[0]) else None


def client_of(settings: Settings) -> MlflowClient:
    """Return a client of the settings' MLflow; its database is made if it is not there."""
    for chatty in ("mlflow", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    settings.home.mkdir(parents=True, exist_ok=True)
    with answering(settings):
        return MlflowClient(tracking_uri=settings.tracking_uri, registry_uri=settings.tracking_uri)


def local_database(settings: Settings) -> Path | None:
    """Return the SQLite file behind the settings' MLflow, if that is what is behind it."""
    uri = settings.tracking_uri
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def record_of(settings: Settings) -> AuditLog:
    """Return the record of who made which version champion: one for each MLflow, kept beside it."""
    digest = hashlib.sha256(settings.tracking_uri.rpartition("@")[2].encode()).hexdigest()
    return record_beside(local_database(settings), home=settings.home, uri_digest=digest)


def exists(settings: Settings) -> bool:
    """Tell whether there is an MLflow to ask; a database on this machine may not be made yet."""
    database = local_database(settings)
    return database is None or database.is_file()


def _has_bundle(client: MlflowClient, model: TrackedModel) -> bool:
    """Tell whether the version's bundle is still there; one that another machine keeps is taken to be."""
    location = urlparse(client.get_model_version_download_uri(model.name, model.version))
    return location.scheme not in {"", "file"} or Path(unquote(location.path), "model.json").is_file()


def experiment_of(client: MlflowClient, model: PrognosticModel, *, settings: Settings) -> str:
    """Return the experiment of a cancer type and endpoint, made or brought back where it has to be."""
    found = client.get_experiment_by_name(model.name)
    if found is None:
        # A server keeps artefacts where it was told to; only a database on this machine needs a folder beside it.
        location = (settings.artifacts / model.name).as_uri() if local_database(settings) else None
        tags = {**identity(model), **MODEL_TRAINING}
        found = client.get_experiment(client.create_experiment(model.name, artifact_location=location, tags=tags))
    elif found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    identifier = str(found.experiment_id)
    for key, value in missing_tags(experiment_tags(identifier, model.name, warning(model)), found.tags).items():
        client.set_experiment_tag(identifier, key, value)
    return identifier


@contextmanager
def open_run(
    client: MlflowClient, experiment_id: str, name: str, tags: Mapping[str, str], *, started: float | None = None
) -> Iterator[str]:
    """Open a run and close it: finished, or failed if what was within failed."""
    start = int((started or time.time()) * 1000)
    run_id = client.create_run(experiment_id, start_time=start, tags=dict(tags), run_name=name).info.run_id
    try:
        yield run_id
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id, "FINISHED")


def _log_training(
    client: MlflowClient,
    run_id: str,
    result: TrainingResult,
    reported: Evaluation,
    contest: Contest,
    *,
    scratch: Path,
    digest: str,
) -> None:
    figures, parameters = of_training(result, reported)
    _log_batches(client, run_id, {**figures, **contest.metrics()}, parameters)
    client.log_inputs(run_id, datasets=[_dataset(result)])
    with _folder_in(scratch) as folder:
        write_training(result, reported, folder, bundle_digest=digest)
        client.log_artifacts(run_id, str(folder))


def _log_evaluation(
    client: MlflowClient, run_id: str, result: TrainingResult, evaluation: Evaluation, scratch: Path
) -> None:
    _log_batches(client, run_id, *of_evaluation(evaluation))
    client.log_inputs(run_id, datasets=[_dataset(result)])
    with _folder_in(scratch) as folder:
        write_evaluation(result, evaluation, folder)
        client.log_artifacts(run_id, str(folder))


def _register(
    client: MlflowClient, run_id: str, result: TrainingResult, reported: Evaluation, own_tags: Mapping[str, str]
) -> ModelVersion:
    name = result.model.name
    require_registered_model(client, name, identity(result.model), warning(result.model))
    tags = {**run_tags(result), **gate_tags(result), **version_tags(result, reported), **own_tags}
    source = f"{client.get_run(run_id).info.artifact_uri}/{BUNDLE}"
    return client.create_model_version(name, source, run_id=run_id, tags=tags, description=note(result, reported))


def _describe(client: MlflowClient, experiment_id: str, run_id: str, version: ModelVersion, note: str) -> None:
    """Let the descriptions of the run and of its version lead to each other, to the card and to the pictures."""
    described = f"{note}\n\n{training_links(experiment_id, run_id, version.name, str(version.version))}"
    client.set_tag(run_id, MLFLOW_RUN_NOTE, described)
    client.update_model_version(version.name, version.version, described)


def _give_aliases(
    client: MlflowClient, version: ModelVersion, model: PrognosticModel, settings: Settings, contest: Contest
) -> tuple[str, ...]:
    """Give a version the aliases that the model in its bundle earned, and return them.

    A training promotes once, however often it is taken up again.
    """
    client.set_registered_model_alias(version.name, CANDIDATE, version.version)
    if not model.champion_earned:
        return (CANDIDATE,)
    own, action = _as_candidate(version), RETRAIN if COMPARED_WITH in model.provenance else TRAIN
    with open_door(client, version.name, record_of(settings)) as door:
        if not was_promoted(door.entries, version.name, bundle=own.digest, action=action):
            told = objection(own, model, door, settings)
            if told:
                logger.warning("%s: version %s stays a candidate: %s; %s", own.name, own.version, told, COMPARE_THEM)
            else:
                proof = _with_count(evidence(model, own.digest), contest)
                door.move(own.version, proof, action=action, reason=contest.reason)
        return (CANDIDATE, CHAMPION) if door.state.champion == own.version else (CANDIDATE,)


def _as_candidate(version: ModelVersion) -> RegisteredVersion:
    return RegisteredVersion(version.name, str(version.version), CANDIDATE, version.tags["bundle_digest"])


def _with_count(proof: Evidence, contest: Contest) -> Evidence:
    """Return what speaks for a model with how many challengers were tried, where a retraining counted them."""
    return replace(proof, figures={**proof.figures, "challengers": contest.tried}) if contest.tried else proof


def version_of(client: MlflowClient, name: str, training: str) -> ModelVersion | None:
    """Return the version that a training has registered, if it has."""
    if not training:
        return None
    found = client.search_model_versions(f"name = '{name}' and tags.{TRAINING} = '{training}'")
    return found[0] if found else None


def require_registered_model(client: MlflowClient, name: str, tags: Mapping[str, str], description: str) -> None:
    """Make a registered model unless it is there."""
    try:
        client.create_registered_model(name, tags=dict(tags), description=description)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _log_batches(
    client: MlflowClient, run_id: str, figures: Mapping[str, float], parameters: Mapping[str, object]
) -> None:
    now = int(time.time() * 1000)
    metrics = [Metric(key, value, now, 0) for key, value in figures.items()]
    first, *others = batched((Param(key, str(value)) for key, value in parameters.items()), PARAMETERS_PER_BATCH)
    client.log_batch(run_id, metrics=metrics, params=first)
    for more in others:
        client.log_batch(run_id, params=more)


def _dataset(result: TrainingResult) -> DatasetInput:
    """Describe the cohort as a data set, without a patient's value."""
    summary = result.model.cohort
    profile = {"n_patients": summary.n_patients, "n_events": summary.n_events, "scale": result.cohort.scale}
    dataset = Dataset(
        name=result.model.name,
        digest=summary.digest[:DATASET_DIGEST_LENGTH],
        source_type="code",
        source=json.dumps({"tags": {"cohort": summary.source}}),
        profile=json.dumps(profile),
    )
    return DatasetInput(dataset=dataset, tags=[InputTag(MLFLOW_DATASET_CONTEXT, "training")])


def _tracked(version: ModelVersion, aliases: tuple[str, ...]) -> TrackedModel:
    return TrackedModel(version.name, str(version.version), version.run_id or "", aliases, dict(version.tags))


@contextmanager
def _folder_in(scratch: Path) -> Iterator[Path]:
    """Lend a folder in which artefacts are put together."""
    with tempfile.TemporaryDirectory(prefix=".tracking-", dir=scratch) as folder:
        yield Path(folder)
