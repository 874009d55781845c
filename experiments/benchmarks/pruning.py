"""What stopping trials early saves and costs: the same folds, seeds and trials with and without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

from experiments.benchmarks.stopwatch import tuning_fits
from experiments.benchmarks.timed_folds import (
    VARIANT,
    Counts,
    TimedTask,
    counts_of,
    linear_predictors,
    seconds_by_part,
    timed_tasks,
    work_on,
)
from features.cohort import Cohort
from features.panel import Panel
from training.checkpoints import Checkpoints
from training.definition import Definition
from training.estimate import Estimate
from training.evaluation import judge_of
from training.metrics import estimated
from training.procedure import AUTO
from training.tasks import WHOLE, Progress, planned


@dataclass(frozen=True)
class Reached:
    """What one learner's studies reached, and at what cost.

    Parameters
    ----------
    concordance : Estimate
        Harrell's.
    counts : Counts
    seconds : float
        Of all processes together: of a learner's fits in its studies, of everything for both weighed.
    """

    concordance: Estimate
    counts: Counts
    seconds: float


@dataclass(frozen=True)
class Pruned:
    """One learner of one cohort, or both weighed (``auto``), with every trial run to its end and with some stopped.

    Parameters
    ----------
    lost : Estimate
        Concordance without stopping less that with it, paired.
    """

    cohort: str
    learner: str
    unpruned: Reached
    pruned: Reached
    lost: Estimate


def lost_by_pruning(
    cohort: Cohort,
    panel: Panel,
    definition: Definition,
    *,
    workers: int,
    kept: Checkpoints,
    progress: Progress | None = None,
) -> list[Pruned]:
    """Judge both learners with and without stopping trials early.

    Parameters
    ----------
    cohort : Cohort
    panel : Panel
    definition : Definition
    workers : int
    kept : Checkpoints
        A folder: outer folds that are in it already are not run again, and keep the seconds that they took.
    progress : callable, optional
    """
    judge = judge_of(cohort, definition)
    tasks = [task for task in planned(judge, (VARIANT,)) if task.repeat != WHOLE]
    timed: dict[str, list[TimedTask]] = {}
    for name, prune in (("every trial to its end", False), ("trials stopped early", True)):
        work = replace(work_on(cohort, panel, definition, judge, kept.within(f"prune_{prune}")), prune=prune)
        timed[name] = timed_tasks(tasks, work, workers=workers, stage=f"{cohort} {name}", progress=progress)
    predicted = [linear_predictors(each, judge) for each in timed.values()]
    reached = [
        {
            learner: Reached(estimated(judge.concordance(eta)), _counts(each, learner), _seconds(each, learner))
            for learner, eta in of_learners.items()
        }
        for each, of_learners in zip(timed.values(), predicted, strict=True)
    ]
    return [
        Pruned(
            str(cohort),
            learner,
            reached[0][learner],
            reached[1][learner],
            judge.gain(predicted[0][learner], predicted[1][learner]),
        )
        for learner in predicted[0]
    ]


def _counts(timed: Sequence[TimedTask], learner: str) -> Counts:
    counts = counts_of(timed)
    if learner != AUTO:
        return counts[learner]
    return Counts(*(sum(each) for each in zip(*map(astuple, counts.values()), strict=True)))


def _seconds(timed: Sequence[TimedTask], learner: str) -> float:
    seconds = seconds_by_part(timed)
    return sum(seconds.values()) if learner == AUTO else seconds.get(tuning_fits(learner), 0.0)
