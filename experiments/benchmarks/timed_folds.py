"""The outer folds of one configuration, each with where its time went; what is finished is not timed twice."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import joblib
import numpy as np
from numpy.typing import NDArray

from experiments.benchmarks.stopwatch import (
    FEATURES,
    KEEPING,
    OPTUNA,
    REFITS,
    REST,
    SCORING,
    Stopwatch,
    timed_parts,
    tuning_fits,
)
from features.cohort import Cohort
from features.panel import Panel
from training.checkpoints import Checkpoints
from training.definition import Definition
from training.evaluation import Judge
from training.tasks import Predictions, Procedures, Progress, Task, Work, run
from training.tuning import STOPPED

Floats = NDArray[np.float64]

#: The two learners and the variant that are timed.
LEARNERS = ("penalised_cox", "boosted")
VARIANT = "clinical"
TAKEN = "taken"
PARTS = (FEATURES, *map(tuning_fits, LEARNERS), SCORING, OPTUNA, REFITS, KEEPING, REST)


@dataclass(frozen=True, eq=False)
class TimedTask:
    """One task's outcome, and what it took.

    Parameters
    ----------
    seconds : mapping of str to float
        Of one process, by part.
    trials, stopped : mapping of str to int
        Those of each learner's study, and those among them that were stopped early.
    """

    task: Task
    outcome: Procedures | Predictions
    seconds: Mapping[str, float]
    trials: Mapping[str, int]
    stopped: Mapping[str, int]


def work_on(cohort: Cohort, panel: Panel, definition: Definition, judge: Judge, kept: Checkpoints) -> Work:
    """Return what the tasks of both learners need."""
    present = [symbol for symbol in panel.symbols if symbol in cohort.expression.columns]
    return Work(
        cohort=replace(cohort, expression=cohort.expression[present]),
        panel=panel,
        definition=definition,
        folds=judge.folds,
        grid_days=judge.grid_days,
        checkpoints=kept,
        learners=LEARNERS,
    )


def timed_tasks(
    tasks: Sequence[Task], work: Work, *, workers: int, stage: str, progress: Progress | None = None
) -> list[TimedTask]:
    """Run the tasks side by side as a training does, and time the parts of each in its own process."""
    parallel = joblib.Parallel(n_jobs=workers, return_as="generator_unordered", max_nbytes=None)
    finished: Iterator[TimedTask] = parallel(joblib.delayed(_timed)(task, work) for task in tasks)
    done: list[TimedTask] = []
    for each in finished:
        done.append(each)
        if progress is not None:
            progress(stage, len(done), len(tasks))
    return done


def _timed(task: Task, work: Work) -> TimedTask:
    kept = work.checkpoints
    # A folder of its own, which can be forgotten without a look at what the training keeps in it, or where.
    own = replace(work, checkpoints=kept.within(task.name))
    known = kept.within(TAKEN).lines(task.name)
    if known:
        return TimedTask(task, run([task], own, workers=1, progress=None)[task], **known[-1])
    if own.checkpoints.folder is not None:
        # Going on with what an interruption has left, it would seem quicker than it is.
        shutil.rmtree(own.checkpoints.folder, ignore_errors=True)
    with timed_parts() as watch:
        outcome = run([task], own, workers=1, progress=None)[task]
    taken: dict[str, Any] = {"seconds": dict(watch.seconds), **_trials(watch)}
    kept.within(TAKEN).append(task.name, taken)
    return TimedTask(task, outcome, **taken)


def _trials(watch: Stopwatch) -> dict[str, dict[str, int]]:
    studies = {learner: tuning.trials for learner in LEARNERS if (tuning := watch.procedures[learner].tuning)}
    return {
        "trials": {learner: len(trials) for learner, trials in studies.items()},
        "stopped": {learner: int((trials["state"] == STOPPED).sum()) for learner, trials in studies.items()},
    }


def seconds_by_part(timed: Sequence[TimedTask]) -> dict[str, float]:
    """Return the seconds of all processes together, by part, in the order in which a task comes to them."""
    return {part: sum(each.seconds.get(part, 0.0) for each in timed) for part in PARTS}


def linear_predictors(timed: Sequence[TimedTask], judge: Judge) -> dict[str, Floats]:
    """Return each learner's out-of-fold linear predictors, shape (n_repeats, n_patients)."""
    found: dict[str, Floats] = {}
    for each in timed:
        members = judge.folds[each.task.repeat] == each.task.fold
        for learner, held_out in cast("Predictions", each.outcome).items():
            of_learner = found.setdefault(learner, np.full(judge.folds.shape, np.nan))
            of_learner[each.task.repeat, members] = held_out.linear_predictor
    return found


@dataclass(frozen=True)
class Counts:
    """What the studies of one learner on all outer folds would take, and took.

    Parameters
    ----------
    trials, stopped : int
    fits_planned, fits_done : int
        On inner folds.
    """

    trials: int
    stopped: int
    fits_planned: int
    fits_done: int


def counts_of(timed: Sequence[TimedTask]) -> dict[str, Counts]:
    """Count trials and fits of each learner over the tasks of outer folds."""
    return {
        learner: Counts(
            trials=sum(each.trials[learner] for each in timed),
            stopped=sum(each.stopped[learner] for each in timed),
            fits_planned=sum(cast("Predictions", each.outcome)[learner].fits_planned for each in timed),
            fits_done=sum(cast("Predictions", each.outcome)[learner].fits_done for each in timed),
        )
        for learner in LEARNERS
    }
