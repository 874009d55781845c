"""The parts of a training that run side by side: one procedure per fold, learner and variant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import joblib
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from features.cohort import Cohort
from features.panel import Panel
from training.definition import Definition
from training.evaluation import Judge
from training.learners import LEARNERS
from training.procedure import FittedProcedure, fit_procedure
from training.resampling import derived_seed

Floats = NDArray[np.float64]

#: In place of a repeat and fold: the fit on all patients.
WHOLE = -1

type Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Task:
    """One procedure to be run: a learner and variant, on all patients or without one fold's."""

    repeat: int
    fold: int
    learner: str
    variant: str

    @property
    def name(self) -> str:
        """What the learner's run is called."""
        return run_name(self.learner, self.variant)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a task yields: the held-out patients' predictions, or the procedure fitted on all."""

    inner_score: float
    linear_predictor: Floats | None
    survival: Floats | None
    procedure: FittedProcedure | None


def run_name(learner: str, variant: str) -> str:
    """Return the name under which a learner's variant is reported."""
    return learner if variant == "clinical" or learner == "clinical_only" else f"{learner}_{variant}"


def planned(judge: Judge, variants: tuple[str, ...]) -> Iterator[Task]:
    """Yield every procedure of a training: on all patients, then without each fold's."""
    splits = [(WHOLE, WHOLE), *((r, k) for r, labels in enumerate(judge.folds) for k in range(labels.max() + 1))]
    for repeat, fold in splits:
        if "clinical" in variants:
            yield Task(repeat, fold, "clinical_only", "clinical")
        for variant in variants:
            # The slow ones first, so that no worker is left with one at the end.
            yield from (Task(repeat, fold, learner, variant) for learner in reversed(LEARNERS))


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
    """

    cohort: Cohort
    panel: Panel
    definition: Definition
    folds: NDArray[np.int64]
    grid_days: Floats

    def held_out(self, task: Task) -> NDArray[np.intp]:
        """Return the positions of the patients that the task must not learn from."""
        if task.repeat == WHOLE:
            return np.array([], dtype=np.intp)
        return np.flatnonzero(self.folds[task.repeat] == task.fold)


def run(tasks: list[Task], work: Work, *, workers: int, progress: Progress | None) -> dict[Task, Outcome]:
    """Run the tasks side by side; each derives its own seeds, so their order does not matter."""
    parallel = joblib.Parallel(n_jobs=workers, return_as="generator_unordered", max_nbytes=None)
    finished = parallel(joblib.delayed(_perform)(task, work) for task in tasks)
    return dict(_counted(finished, len(tasks), str(work.cohort), progress))


def _counted(
    finished: Iterable[tuple[Task, Outcome]], total: int, stage: str, progress: Progress | None
) -> Iterator[tuple[Task, Outcome]]:
    for done, result in enumerate(finished, start=1):
        if progress is not None:
            progress(stage, done, total)
        yield result


def _perform(task: Task, work: Work) -> tuple[Task, Outcome]:
    cohort, held_out = work.cohort, work.held_out(task)
    training = cohort.subset(np.setdiff1d(np.arange(len(cohort.patients)), held_out))
    seed = derived_seed(work.definition.seed, str(cohort), task.repeat + 1, task.fold + 1)
    # One thread: tasks run beside each other, and a sum's order must not depend on how many do.
    with threadpool_limits(1):
        fitted = fit_procedure(
            training, work.panel, work.definition, learner=task.learner, variant=task.variant, seed=seed
        )
        if task.repeat == WHOLE:
            return task, Outcome(fitted.tuning.score, None, None, fitted)
        linear_predictor = fitted.linear_predictor(cohort.subset(held_out))
        survival = fitted.baseline.survival(linear_predictor, work.grid_days)
    return task, Outcome(fitted.tuning.score, linear_predictor, survival, None)
