"""From a cohort to a registered model: trained, bundled and tracked, or kept where nothing changed."""

from __future__ import annotations

import logging
import tempfile
import time
from pathlib import Path

from joblib import cpu_count, parallel_config

from experiments.choices import Choices
from experiments.console import Progress
from experiments.runner import definition_for, provenance_of, train_cohort
from experiments.supervisor import leave_ctrl_c_to_the_parent
from experiments.tracking import TrackedModel, track, unchanged
from features.cohort import Cohort
from features.errors import PrognosisError
from serving.settings import Settings
from training.bundle import write_bundle
from training.definition import Definition
from training.results import TrainingResult

logger = logging.getLogger(__name__)


class HomeError(PrognosisError):
    """The folder that all is written to cannot be written to."""


def train_and_register(
    cohort: Cohort, choices: Choices, *, settings: Settings, progress: Progress | None = None
) -> tuple[TrainingResult, TrackedModel]:
    """Train a cohort's model, write its bundle, and register it with all its figures."""
    started = time.time()
    require_writable(settings.home)
    with parallel_config("loky", initializer=leave_ctrl_c_to_the_parent):
        result = train_cohort(
            cohort, definition_of(cohort, choices), workers=choices.workers or cpu_count(), progress=progress
        )
    logger.info("%s: trained in %.0f s; writing runs and pictures", cohort, time.time() - started)
    with tempfile.TemporaryDirectory(prefix=".bundle-", dir=settings.home) as scratch:
        bundle = Path(scratch, "bundle")
        write_bundle(result.model, bundle)
        model = track(result, bundle, settings=settings, started=started)
    logger.info("%s: version %s registered as %s", model.name, model.version, " and ".join(model.aliases))
    return result, model


def require_writable(home: Path) -> None:
    """Make the folder that all is written to, before anything is fitted that could not be kept.

    Raises
    ------
    HomeError
        If it cannot be made or written to.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        raise HomeError(f"{home}: cannot be written to ({error.strerror}); set PROGNOSIS_HOME to a folder.") from error


def registered_before(cohort: Cohort, choices: Choices, *, settings: Settings) -> TrackedModel | None:
    """Return the newest version if data, definition and code are still those that it was made from; else None."""
    made_from = provenance_of(cohort, definition_of(cohort, choices))
    return unchanged(f"{cohort.cancer_type}-{cohort.endpoint}", made_from, settings=settings)


def definition_of(cohort: Cohort, choices: Choices) -> Definition:
    """Return the definition by which a cohort is trained."""
    return definition_for(
        cohort.cancer_type, cohort.endpoint, path=choices.definition, trials=choices.trials, seed=choices.seed
    )
