"""The parts of a training that run side by side: all learners of one variant on one fold's training patients."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from features.cohort import Cohort
from features.panel import Panel
from training.checkpoints import Checkpoints
from training.definition import Definition
from training.evaluation import Judge
from training.learners import CLINICAL_BASELINES, SINGLE_GENE
from training.pooling import NOTHING_SHARED, SharedPredictor
from training.procedure import AUTO_CLINICAL, FittedProcedure, fit_procedures
from training.resampling import derived_seed

Floats = NDArray[np.float64]

#: In place of a repeat and fold: the fit on all patients.
WHOLE = -1

type Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Task:
    """All learners of one variant, on all patients or without one fold's."""

    repeat: int
    fold: int
    variant: str

    @property
    def name(self) -> str:
        """What its checkpoints are called."""
        where = "all" if self.repeat == WHOLE else f"{self.repeat}_{self.fold}"
        return f"{where}_{self.variant}"


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What one learner predicts for the patients of one fold.

    Parameters
    ----------
    linear_predictor : array, shape (n_held_out,)
    survival : array, shape (n_held_out, n_grid)
    weights : mapping of str to float
        For ``auto``: what each learner counts.
    shared_weight : float
        What the linear predictor shared with other cancer types counts, per standard deviation.
    fits_planned, fits_done : int
        On inner folds.
    """

    linear_predictor: Floats
    survival: Floats
    weights: Mapping[str, float] = field(default_factory=dict)
    shared_weight: float = 0.0
    fits_planned: int = 0
    fits_done: int = 0


type Procedures = dict[str, FittedProcedure]
type Predictions = dict[str, HeldOut]


def run_name(learner: str, variant: str) -> str:
    """Return the name under which a learner's variant is reported."""
    only_variant = (*CLINICAL_BASELINES, SINGLE_GENE, AUTO_CLINICAL)
    return learner if variant == "clinical" or learner in only_variant else f"{learner}_{variant}"


def planned(judge: Judge, variants: tuple[str, ...]) -> Iterator[Task]:
    """Yield every task of a training: on all patients, which take longest, then without each fold's."""
    yield from (Task(WHOLE, WHOLE, variant) for variant in variants)
    for repeat, labels in enumerate(judge.folds):
        yield from (Task(repeat, fold, variant) for fold in range(labels.max() + 1) for variant in variants)


@dataclass(frozen=True, eq=False)
class Work:
    """What every task of a training needs; small, as it travels to each worker with each task.

    Parameters
    ----------
    cohort : Cohort
        With the panel's genes only.
    panel : Panel
    definition : Definition
    folds : array of int, shape (n_repeats, n_patients)
    grid_days : array, shape (n_grid,)
    shared : SharedPredictor
    checkpoints : Checkpoints
        Where finished trials and folds are kept.
    prune : bool
        Whether trials that fall behind are stopped early.
    learners : tuple of str, optional
        Those of each variant, unless given.
    """

    cohort: Cohort
    panel: Panel
    definition: Definition
    folds: NDArray[np.int64]
    grid_days: Floats
    shared: SharedPredictor = NOTHING_SHARED
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    prune: bool = True
    learners: tuple[str, ...] | None = None

    @cached_property
    def digest(self) -> str:
        """Digest (hex) of the choices that decide what a task yields: its checkpoints are of these alone."""
        # A panel that is a file keeps its name when its genes change.
        panel = repr(self.panel.genes), repr(self.panel.interactions)
        choices = self.definition.model_dump_json(), repr(self.learners), repr(self.prune), self.shared.digest, *panel
        return hashlib.sha256("\n".join(choices).encode()).hexdigest()[:16]

    def held_out(self, task: Task) -> NDArray[np.intp]:
        """Return the positions of the patients that the task must not learn from."""
        if task.repeat == WHOLE:
            return np.array([], dtype=np.intp)
        return np.flatnonzero(self.folds[task.repeat] == task.fold)


def run(
    tasks: list[Task], work: Work, *, workers: int, progress: Progress | None
) -> dict[Task, Procedures | Predictions]:
    """Run the tasks side by side; each derives its own seeds, so their order does not matter."""
    parallel = joblib.Parallel(n_jobs=workers, return_as="generator_unordered", max_nbytes=None)
    finished = parallel(joblib.delayed(_perform)(task, work) for task in tasks)
    return dict(_counted(finished, len(tasks), str(work.cohort), progress))


def _counted(
    finished: Iterable[tuple[Task, Procedures | Predictions]], total: int, stage: str, progress: Progress | None
) -> Iterator[tuple[Task, Procedures | Predictions]]:
    for done, result in enumerate(finished, start=1):
        if progress is not None:
            progress(stage, done, total)
        yield result


def _perform(task: Task, work: Work) -> tuple[Task, Procedures | Predictions]:
    checkpoints = work.checkpoints.within(work.digest)
    kept = checkpoints.arrays(task.name)
    if kept is not None:
        return task, _read(kept)
    cohort, held_out = work.cohort, work.held_out(task)
    training = cohort.subset(np.setdiff1d(np.arange(len(cohort.patients)), held_out))
    # One thread: tasks run beside each other, and a sum's order must not depend on how many do.
    with threadpool_limits(1):
        fitted = fit_procedures(
            training,
            work.panel,
            work.definition,
            variant=task.variant,
            seed=derived_seed(work.definition.seed, str(cohort), task.repeat + 1, task.fold + 1),
            shared=work.shared,
            checkpoints=checkpoints.within(task.name),
            prune=work.prune,
            learners=work.learners,
        )
        if task.repeat == WHOLE:
            return task, fitted
        patients = cohort.subset(held_out)
        predictions = {learner: _predicted(each, patients, work.grid_days) for learner, each in fitted.items()}
    checkpoints.keep(task.name, _written(predictions))
    return task, predictions


def _predicted(fitted: FittedProcedure, patients: Cohort, grid_days: Floats) -> HeldOut:
    linear_predictor = fitted.linear_predictor(patients)
    tuning = fitted.tuning
    return HeldOut(
        linear_predictor,
        fitted.survival(patients, linear_predictor, grid_days),
        fitted.weights,
        fitted.slope * fitted.fitted.shared_weight,
        fits_planned=tuning.fits_planned if tuning else 0,
        fits_done=tuning.fits_done if tuning else 0,
    )


def _written(predictions: Predictions) -> dict[str, Any]:
    """Return predictions as arrays to be kept, what is not an array as a text."""
    arrays: dict[str, Any] = {}
    about = {}
    for learner, each in predictions.items():
        arrays[f"{learner}/linear_predictor"], arrays[f"{learner}/survival"] = each.linear_predictor, each.survival
        about[learner] = [dict(each.weights), each.shared_weight, each.fits_planned, each.fits_done]
    return arrays | {"about": np.array(json.dumps(about))}


def _read(arrays: Mapping[str, Any]) -> Predictions:
    about = json.loads(str(arrays["about"]))
    return {
        learner: HeldOut(arrays[f"{learner}/linear_predictor"], arrays[f"{learner}/survival"], *rest)
        for learner, rest in about.items()
    }
