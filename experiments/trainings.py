"""From a cohort to a registered model: trained, bundled and tracked, or kept where nothing changed."""

from __future__ import annotations

import fcntl
import logging
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from joblib import cpu_count, parallel_config

from experiments.choices import Choices
from experiments.console import Progress
from experiments.runner import checkpoint_name, definition_for, provenance_of, train_cohort
from experiments.supervisor import leave_ctrl_c_to_the_parent
from experiments.tracking import TrackedModel, track, unchanged
from features.cohort import Cohort
from features.errors import PrognosisError
from serving.settings import Settings
from training.bundle import write_bundle
from training.definition import Definition
from training.results import TrainingResult

logger = logging.getLogger(__name__)

#: The folder of trainings that are under way, or were interrupted.
UNFINISHED = "unfinished"


class HomeError(PrognosisError):
    """The folder that all is written to cannot be written to."""


class TrainingError(PrognosisError):
    """A training cannot be started now."""


def train_and_register(
    cohort: Cohort,
    choices: Choices,
    *,
    settings: Settings,
    progress: Progress | None = None,
    others: Sequence[Cohort] = (),
) -> tuple[TrainingResult, TrackedModel]:
    """Train a cohort's model, write its bundle, and register it with all its figures.

    Parameters
    ----------
    cohort : Cohort
    choices : Choices
    settings : Settings
    progress : callable, optional
    others : sequence of Cohort
        Of other cancer types, to lean on; the cohort itself may be among them.

    Notes
    -----
    What is finished is kept until the model is registered: where the process is stopped, however harshly, the next
    training of the same data, definition and code goes on from there, and ends with the same numbers.

    Raises
    ------
    TrainingError
        If another process is at the same training.
    """
    started = time.time()
    require_writable(settings.home)
    definition, unfinished = definition_of(cohort, choices), settings.home / UNFINISHED
    kept = unfinished / checkpoint_name(cohort, provenance_of(cohort, definition, others))
    with alone(kept), parallel_config("loky", initializer=leave_ctrl_c_to_the_parent):
        result = train_cohort(
            cohort,
            definition,
            workers=choices.workers or cpu_count(),
            progress=progress,
            others=others,
            unfinished=unfinished,
        )
        logger.info("%s: trained in %.0f s; writing runs and pictures", cohort, time.time() - started)
        model = _registered(result, settings=settings, started=started)
        shutil.rmtree(kept)
    return result, model


@contextmanager
def alone(kept: Path) -> Iterator[None]:
    """Hold a training's checkpoints, so that no other process writes to them; the hold ends with the process."""
    kept.mkdir(parents=True, exist_ok=True)
    with (kept / "hold").open("w") as hold:
        try:
            fcntl.flock(hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TrainingError(
                f"{kept.name}: another process is at this very training; wait for it, or stop it."
            ) from error
        yield


def _registered(result: TrainingResult, *, settings: Settings, started: float) -> TrackedModel:
    with tempfile.TemporaryDirectory(prefix=".bundle-", dir=settings.home) as scratch:
        bundle = Path(scratch, "bundle")
        write_bundle(result.model, bundle)
        model = track(result, bundle, settings=settings, started=started)
    logger.info("%s: version %s registered as %s", model.name, model.version, " and ".join(model.aliases))
    return model


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
