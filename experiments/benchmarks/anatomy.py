"""Where the time of one training goes: one configuration of one cohort, from the folds to the tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import cast

import numpy as np
from threadpoolctl import threadpool_limits

from experiments.benchmarks.timed_folds import (
    VARIANT,
    Counts,
    TimedTask,
    counts_of,
    seconds_by_part,
    timed_tasks,
    work_on,
)
from features.cohort import Cohort
from features.panel import Panel
from features.transform import FeatureState
from training.assembling import evaluations_of
from training.checkpoints import Checkpoints
from training.definition import Definition
from training.estimate import Estimate
from training.evaluation import Judge, judge_of
from training.model import PrognosticModel, Variant
from training.procedure import AUTO, FittedProcedure
from training.references import summary_of
from training.report import diagnostics_of, proliferation_table, random_signatures_of, tables_of
from training.results import Evaluation
from training.tasks import WHOLE, Procedures, Progress, Task, Work, planned
from training.univariate import hazard_ratios

WAITING = "processes started and waited for"
JUDGING = "judging (metrics and their intervals)"
MODEL = "the model on all patients (one process)"
RANDOM_SETS = "random gene sets"
DIAGNOSTICS = "diagnostics and tables"


@dataclass(frozen=True)
class Anatomy:
    """What one training took.

    Parameters
    ----------
    evaluation, beyond : mapping of str to float
        Wall seconds by part: of the out-of-fold judgement, and of the rest of a training.
    counts : mapping of str to Counts
        By learner.
    concordance : mapping of str to Estimate
        Harrell's, by learner, and of both weighed (``auto``).
    """

    evaluation: Mapping[str, float]
    beyond: Mapping[str, float]
    counts: Mapping[str, Counts]
    concordance: Mapping[str, Estimate]


def anatomy_of(
    cohort: Cohort,
    panel: Panel,
    definition: Definition,
    *,
    workers: int,
    scratch: Path,
    progress: Progress | None = None,
) -> Anatomy:
    """Evaluate both learners, fit the model and do what else a training does, each part timed.

    Parameters
    ----------
    cohort : Cohort
        With clinical covariates, and genes beyond the panel's.
    panel : Panel
    definition : Definition
    workers : int
        Processes.
    scratch : Path
        An empty folder, for what a training keeps against interruptions.
    progress : callable, optional
    """
    started = perf_counter()
    judge = judge_of(cohort, definition)
    work = work_on(cohort, panel, definition, judge, Checkpoints(scratch))
    tasks = [task for task in planned(judge, (VARIANT,)) if task.repeat != WHOLE]
    timed = timed_tasks(tasks, work, workers=workers, stage=f"{cohort} folds", progress=progress)
    folds = perf_counter() - started
    evaluations = evaluations_of({each.task: each.outcome for each in timed}, judge, workers=workers)
    judged = perf_counter() - started - folds
    return Anatomy(
        evaluation={**_wall_seconds(timed, folds, workers), JUDGING: judged},
        beyond=_beyond(cohort, work, judge, evaluations, workers=workers, progress=progress),
        counts=counts_of(timed),
        concordance={
            name: each.metrics["concordance_harrell"] for name, each in evaluations.items() if name in timed[0].outcome
        },
    )


def _wall_seconds(timed: list[TimedTask], wall: float, workers: int) -> dict[str, float]:
    """Return each part's share of the wall seconds: its own over the processes, and what is left as waiting."""
    parts = {name: seconds / workers for name, seconds in seconds_by_part(timed).items()}
    return {**parts, WAITING: wall - sum(parts.values())}


def _beyond(
    cohort: Cohort,
    work: Work,
    judge: Judge,
    evaluations: Mapping[str, Evaluation],
    *,
    workers: int,
    progress: Progress | None,
) -> dict[str, float]:
    seconds: dict[str, float] = {}
    definition, panel = work.definition, work.panel
    with _timed(seconds, MODEL):
        stage, whole = f"{cohort} all patients", Task(WHOLE, WHOLE, VARIANT)
        (fitted,) = timed_tasks([whole], work, workers=1, stage=stage, progress=progress)
    with _timed(seconds, RANDOM_SETS):
        random_signatures_of(
            cohort,
            panel,
            definition,
            judge,
            clinical=definition.features.clinical,
            workers=workers,
            progress=progress,
            kept=work.checkpoints,
        )
    with _timed(seconds, DIAGNOSTICS), threadpool_limits(1):
        procedures = cast("Procedures", fitted.outcome)
        tuned = replace(evaluations["penalised_cox"], tuning=procedures["penalised_cox"].tuning)
        model = _model(work, judge, procedures[AUTO])
        diagnostics_of(work.cohort, judge, model, definition, reported=evaluations[AUTO], tuned=tuned).tables()
        tables_of(work.cohort, judge, evaluations, evaluations[AUTO])
        proliferation_table(cohort, panel, definition, judge, clinical=definition.features.clinical)
    return seconds


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    started = perf_counter()
    yield
    seconds[name] = perf_counter() - started


def _model(work: Work, judge: Judge, procedure: FittedProcedure) -> PrognosticModel:
    """Return the model as a training makes it, but for what is only said of it."""
    cohort = work.cohort
    variant = Variant(
        learner=procedure.learner,
        features=cast("FeatureState", procedure.features),
        fitted=procedure.fitted,
        slope=procedure.slope,
        baseline=procedure.baseline,
        reference=np.sort(procedure.out_of_fold),
        metrics={},
        parameters=dict(procedure.weights),
        minimum_gene_fraction=work.definition.features.minimum_gene_fraction,
    )
    return PrognosticModel(
        cancer_type=cohort.cancer_type,
        endpoint=cohort.endpoint,
        scale=cohort.scale,
        zscore_reference=cohort.zscore_reference,
        horizons_months=judge.horizons_months,
        horizon_months_max=judge.horizon_months,
        cohort=summary_of(cohort),
        variants={VARIANT: variant},
        panel=work.panel,
        hazard_ratios=hazard_ratios(cohort, work.panel),
        gate=(),
        champion_earned=False,
        definition={},
        provenance={},
        patient_hashes=(),
    )
