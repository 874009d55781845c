"""From a cohort to a registered model: trained, bundled and tracked, or kept where nothing changed."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from joblib import cpu_count

from experiments.choices import Choices
from experiments.console import Progress
from experiments.contests import NO_CONTEST, Contest
from experiments.runner import checkpoint_name, definition_for, provenance_of, train_cohort
from experiments.tracking import TrackedModel, close_interrupted, track, unchanged
from experiments.workers import with_own_workers
from features.cohort import Cohort
from features.errors import PrognosisError
from serving.settings import Settings
from training.bundle import write_bundle
from training.definition import Definition
from training.results import TrainingResult

logger = logging.getLogger(__name__)

#: The folder of trainings that are under way, or were interrupted.
UNFINISHED = "unfinished"
#: Within the folder of one: the file that its process locks, its name in MLflow, and what is put together there.
HOLD, NAME, SCRATCH = "hold", "name", "scratch"


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
    training of the same data, definition and code goes on from there, and ends with the same numbers. The runs that
    the stopped process had begun to write are closed as killed, and one that had come as far as to register its model
    is not registered again.

    Raises
    ------
    TrainingError
        If another process is at the same training.
    """
    started = time.time()
    definition = definition_of(cohort, choices)
    made_from = provenance_of(cohort, definition, others)
    with under_way(cohort, made_from, settings=settings) as unfinished:
        result = train_cohort(
            cohort,
            definition,
            workers=choices.workers or cpu_count(),
            progress=progress,
            others=others,
            unfinished=unfinished.folder.parent,
        )
        model = register(result, unfinished, settings=settings, started=started)
    return result, model


@dataclass(frozen=True)
class Unfinished:
    """A training that this process is at.

    Parameters
    ----------
    folder : Path
        Of its checkpoints.
    name : str
        By which its own runs and version are found again after a kill.
    """

    folder: Path
    name: str


@contextmanager
def under_way(cohort: Cohort, made_from: Mapping[str, str], *, settings: Settings) -> Iterator[Unfinished]:
    """Hold one training, with workers that end with this process, and clear up what killed processes left of it.

    Parameters
    ----------
    cohort : Cohort
    made_from : mapping
        As `experiments.runner.provenance_of` returns it.
    settings : Settings

    Raises
    ------
    HomeError
        If nothing can be written.
    TrainingError
        If another process is at the same training.
    """
    require_writable(settings.home)
    kept = settings.home / UNFINISHED / checkpoint_name(cohort, made_from)
    with alone(kept), with_own_workers():
        name = _name_of(kept)
        _clear_up(cohort, kept, name, settings=settings)
        yield Unfinished(kept, name)


def register(
    result: TrainingResult,
    unfinished: Unfinished,
    *,
    settings: Settings,
    started: float,
    contest: Contest | None = None,
) -> TrackedModel:
    """Write a training's bundle, register it with all its figures, and remove its checkpoints.

    Parameters
    ----------
    result : TrainingResult
    unfinished : Unfinished
    settings : Settings
    started : float
        When the training began, in seconds since the epoch.
    contest : Contest, optional
        What the model was compared with.
    """
    seconds = time.time() - started
    logger.info("%s: trained in %.0f s; writing runs and pictures", result.cohort, seconds)
    scratch = unfinished.folder / SCRATCH
    bundle = scratch / "bundle"
    scratch.mkdir()
    write_bundle(result.model, bundle)
    model = track(
        result, bundle, settings=settings, started=started, training=unfinished.name, contest=contest or NO_CONTEST
    )
    logger.info("%s: version %s registered as %s", model.name, model.version, " and ".join(model.aliases))
    _remove(unfinished.folder)
    return model


@contextmanager
def alone(kept: Path) -> Iterator[None]:
    """Hold a training's checkpoints, so that no other process writes to them; the hold ends with the process."""
    kept.mkdir(parents=True, exist_ok=True)
    with (kept / HOLD).open("w") as hold:
        try:
            fcntl.flock(hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Between opening and locking it, another process may have removed the folder as left behind.
            held = os.path.samestat(os.fstat(hold.fileno()), (kept / HOLD).stat())
        except (BlockingIOError, FileNotFoundError):
            held = False
        if not held:
            raise TrainingError(f"{kept.name}: another process is at this very training; wait for it, or stop it.")
        yield


def _name_of(kept: Path) -> str:
    """Return what MLflow calls a training until it is finished: the name of its checkpoints, and a mark of its own."""
    path = kept / NAME
    if not path.is_file() or not path.read_text(encoding="utf-8"):
        path.write_text(f"{kept.name}-{secrets.token_hex(4)}", encoding="utf-8")
    return path.read_text(encoding="utf-8")


def _clear_up(cohort: Cohort, kept: Path, name: str, *, settings: Settings) -> None:
    """Remove what processes left that were killed at this training, or at one of other data, definition or code."""
    close_interrupted(name, _model_name(cohort), settings=settings)
    shutil.rmtree(kept / SCRATCH, ignore_errors=True)
    alike = re.compile(rf"(\.done-)?{re.escape(_model_name(cohort))}-[0-9a-f]{{16}}")
    for other in sorted(kept.parent.iterdir()):
        if other != kept and alike.fullmatch(other.name):
            # Where another process is at it, it is not left behind.
            with suppress(TrainingError), alone(other):
                close_interrupted(_name_of(other), _model_name(cohort), settings=settings)
                _remove(other)
                logger.info("%s: removed %s, left by an interrupted training of other choices", cohort, other.name)


def _remove(kept: Path) -> None:
    """Remove the checkpoints of a training, at one stroke for whoever looks for them."""
    done = kept.with_name(f".done-{kept.name.removeprefix('.done-')}")
    if kept != done:
        shutil.rmtree(done, ignore_errors=True)
        kept.rename(done)
    shutil.rmtree(done)


def _model_name(cohort: Cohort) -> str:
    return f"{cohort.cancer_type}-{cohort.endpoint}"


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
    found = unchanged(_model_name(cohort), made_from, settings=settings)
    kept = settings.home / UNFINISHED / checkpoint_name(cohort, made_from)
    if found is not None and kept.is_dir():
        # Killed after it was registered, or trained again and then killed: either way it is there.
        with suppress(TrainingError), alone(kept):
            close_interrupted(_name_of(kept), found.name, settings=settings)
            _remove(kept)
    return found


def definition_of(cohort: Cohort, choices: Choices) -> Definition:
    """Return the definition by which a cohort is trained."""
    return definition_for(
        cohort.cancer_type, cohort.endpoint, path=choices.definition, trials=choices.trials, seed=choices.seed
    )
