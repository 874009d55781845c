"""Learners on each of the nested panels, tuned and judged as a training does: the columns of the benchmark's table."""

from __future__ import annotations

from dataclasses import replace

from features.cohort import Cohort
from features.panel import PANELS, Panel
from training.assembling import evaluations_of
from training.checkpoints import Checkpoints
from training.definition import Definition
from training.evaluation import Judge
from training.results import Evaluation
from training.tasks import WHOLE, Progress, Work, planned, run

#: Those whose panel is fixed, one configuration a panel and variant.
FIXED = ("penalised_cox", "boosted")


def on_each_panel(
    cohort: Cohort,
    panel: Panel,
    definition: Definition,
    judge: Judge,
    *,
    trials: int,
    workers: int,
    variants: tuple[str, ...],
    progress: Progress | None = None,
    checkpoints: Checkpoints | None = None,
) -> dict[tuple[str, str], Evaluation]:
    """Judge the Cox and the boosted learner on each nested panel, with and without clinical covariates.

    Parameters
    ----------
    cohort : Cohort
    panel : Panel
        The widest one.
    definition : Definition
    judge : Judge
        Of the same cohort: the same folds as the training's.
    trials : int
        Of each study; the panel is fixed, the rest is tuned inside the folds.
    workers : int
    variants : tuple of str
        Those that the cohort allows: one without clinical covariates has but the genes.
    progress : callable, optional
    checkpoints : Checkpoints, optional

    Returns
    -------
    dict of (panel, run name) to Evaluation
    """
    kept = checkpoints or Checkpoints()
    found: dict[tuple[str, str], Evaluation] = {}
    for name in PANELS:
        evaluations = evaluated(
            cohort,
            panel,
            _fixed(definition, name, trials),
            judge,
            learners=FIXED,
            variants=variants,
            workers=workers,
            progress=progress,
            checkpoints=kept.within(name),
        )
        found |= {(name, learner): each for learner, each in evaluations.items() if learner.startswith(FIXED)}
    return found


def evaluated(
    cohort: Cohort,
    panel: Panel,
    definition: Definition,
    judge: Judge,
    *,
    learners: tuple[str, ...],
    variants: tuple[str, ...],
    workers: int,
    progress: Progress | None,
    checkpoints: Checkpoints,
) -> dict[str, Evaluation]:
    """Judge some learners by a definition on the outer folds, without a fit on all patients; by run name."""
    present = [symbol for symbol in panel.symbols if symbol in cohort.expression.columns]
    work = Work(
        cohort=replace(cohort, expression=cohort.expression[present]),
        panel=panel,
        definition=definition,
        folds=judge.folds,
        grid_days=judge.grid_days,
        checkpoints=checkpoints,
        learners=learners,
    )
    tasks = [task for task in planned(judge, variants) if task.repeat != WHOLE]
    outcomes = run(tasks, work, workers=workers, progress=progress)
    return evaluations_of(outcomes, judge, workers=workers)


def _fixed(definition: Definition, panel: str, trials: int) -> Definition:
    """Return the definition with the panel of the learners fixed."""
    learners = {learner: getattr(definition, learner).at(panel=panel) for learner in FIXED}
    return definition.model_copy(update={"trials": trials, **learners})
