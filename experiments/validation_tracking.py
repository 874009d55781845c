"""Keeps a validation in MLflow: a run below the one that made the model, with its figures, tables and pictures."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

from experiments.labels import flat_metrics
from experiments.tracking import StoreError, answering, client_of, experiment_of, open_run
from experiments.validated_model import Locked
from experiments.validation_files import write_validation
from experiments.validation_tables import reference_facts, trained_words
from serving.settings import Settings
from training.validation import Validation

ROLE = "validation"
_PARENT = "mlflow.parentRunId"
_NOTE = "mlflow.note.content"


def track_validation(validation: Validation, locked: Locked, *, settings: Settings) -> str:
    """Keep a validation as a run in the model's experiment, and return the run's id.

    Parameters
    ----------
    validation : Validation
    locked : Locked
        A registered version: the run is a child of the run that made it, and bears its number and digest.
    settings : Settings
        Where MLflow is.

    Raises
    ------
    StoreError
        If the model is no registered version here, or MLflow does not answer.

    Notes
    -----
    Figures have the names that those of trainings have, so that MLflow lines them up; they are the judged row's.
    """
    if locked.version is None or not locked.registered:
        raise StoreError(
            f"{locked.model.name}: was read from a folder; only a registered version's validation is kept."
        )
    client, name = client_of(settings), locked.model.name
    with answering(settings), tempfile.TemporaryDirectory() as scratch:
        version = client.get_model_version(name, locked.version)
        tags = {**_tags(validation, locked), _PARENT: str(version.run_id)}
        experiment = experiment_of(client, locked.model, settings=settings)
        with open_run(client, experiment, f"validation on {validation.cohort.source}", tags) as run_id:
            for metric, value in flat_metrics(validation.judged.metrics).items():
                if math.isfinite(value):
                    client.log_metric(run_id, metric, value)
            folder = Path(scratch) / ROLE
            write_validation(validation, locked, folder)
            client.log_artifacts(run_id, str(folder))
    return str(run_id)


def _tags(validation: Validation, locked: Locked) -> dict[str, str]:
    row, new = validation.judged, validation.cohort
    facts = reference_facts(validation.model)
    pooled = {} if facts is None else {"reference": facts["name"], "default_reference": str(facts["default"]).lower()}
    return {
        **pooled,
        "role": ROLE,
        "cancer_type": validation.cancer_type,
        "endpoint": locked.model.endpoint,
        "simulated": str(locked.model.simulated).lower(),
        "version": str(locked.version),
        "bundle_digest": locked.digest,
        "variant": row.variant,
        "normalisation": row.normalisation,
        "data_digest": new.digest,
        "n_patients": str(row.n_patients),
        "n_events": str(row.n_events),
        _NOTE: f"{locked.name}, {trained_words(validation.model)}, on {new.source}, locked. {validation.summary}",
    }
