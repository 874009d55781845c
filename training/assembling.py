"""Put the folds of each learner together and judge it on the patients that it did not learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import joblib
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from training.evaluation import GAIN, GENES_GAIN, Judge
from training.learners import CLINICAL_BASELINES, LEARNERS, SINGLE_GENE
from training.procedure import AUTO, AUTO_CLINICAL
from training.results import Estimate, Evaluation
from training.tasks import WHOLE, HeldOut, Predictions, Procedures, Task, run_name

Floats = NDArray[np.float64]

type BySplit = Mapping[tuple[int, int], HeldOut]
type Outcomes = Mapping[Task, Procedures | Predictions]

TWIN = "_genes_only"


def evaluations_of(outcomes: Outcomes, judge: Judge, *, workers: int) -> dict[str, Evaluation]:
    """Judge every learner, baseline and weighted sum by its predictions for the patients of each fold.

    Parameters
    ----------
    outcomes : mapping of Task to its outcome
        Of every fold; where the fits on all patients are among them, their studies are reported too.
    judge : Judge
    workers : int
        Processes; the numbers do not depend on it.
    """
    by_run = _by_run(outcomes, judge)
    # Kaplan–Meier predicts that every patient is the average one of the other folds.
    predicted = {"kaplan_meier": (np.zeros(judge.folds.shape), judge.kaplan_meier_survival)}
    predicted |= {name: _put_together(by_split, judge) for name, by_split in by_run.items()}
    names = sorted(predicted, key=_reported_at)
    metrics = joblib.Parallel(n_jobs=workers, max_nbytes=None)(
        joblib.delayed(_metrics)(judge, *predicted[name]) for name in names
    )
    evaluations = {
        name: Evaluation(name, found, *predicted[name], **_about(by_run.get(name, {})))
        for name, found in zip(names, metrics, strict=True)
    }
    studies = {
        run_name(learner, task.variant): procedure.tuning
        for task, procedures in whole(outcomes).items()
        for learner, procedure in procedures.items()
    }
    tuned = {name: replace(each, tuning=studies.get(name)) for name, each in evaluations.items()}
    return _beside_clinical(tuned, judge)


def predicted(outcomes: Outcomes, judge: Judge, learner: str, variant: str) -> tuple[Floats, Floats]:
    """Return what one learner predicts for each patient without their fold.

    Returns
    -------
    linear_predictor : array, shape (n_repeats, n_patients)
        Higher is worse.
    survival : array, shape (n_repeats, n_patients, n_grid)
    """
    return _put_together({at: _held_out(outcomes, Task(*at, variant), learner) for at in _splits(judge)}, judge)


def whole(outcomes: Outcomes) -> dict[Task, Procedures]:
    """Return the procedures fitted on all patients, by task."""
    return {task: cast("Procedures", found) for task, found in outcomes.items() if task.repeat == WHOLE}


def _by_run(outcomes: Outcomes, judge: Judge) -> dict[str, BySplit]:
    """Return what each run predicts for the patients of each fold."""
    variants = dict.fromkeys(task.variant for task in outcomes)
    return {
        run_name(learner, variant): {
            split: _held_out(outcomes, Task(*split, variant), learner) for split in _splits(judge)
        }
        for variant in variants
        for learner in outcomes[Task(0, 0, variant)]
    }


def _held_out(outcomes: Outcomes, task: Task, learner: str) -> HeldOut:
    return cast("Predictions", outcomes[task])[learner]


def _reported_at(name: str) -> tuple[bool, int]:
    """Return where a run stands: baselines, learners, their weighted sum, and then the twins without clinical ones."""
    order = ("kaplan_meier", *CLINICAL_BASELINES, AUTO_CLINICAL, SINGLE_GENE, *LEARNERS, AUTO)
    twin = name.endswith(TWIN)
    return twin, order.index(name.removesuffix(TWIN))


def _beside_clinical(evaluations: dict[str, Evaluation], judge: Judge) -> dict[str, Evaluation]:
    """Add to each evaluation by how much it exceeds what reads no gene, where there are clinical covariates."""
    for metric, name in ((GAIN, "clinical_only"), (GENES_GAIN, AUTO_CLINICAL)):
        baseline = evaluations.get(name)
        if baseline is not None:
            evaluations = {
                k: replace(e, metrics={**e.metrics, metric: judge.gain(e.linear_predictor, baseline.linear_predictor)})
                for k, e in evaluations.items()
            }
    return evaluations


def _splits(judge: Judge) -> list[tuple[int, int]]:
    return [(r, k) for r, labels in enumerate(judge.folds) for k in range(labels.max() + 1)]


def _put_together(by_split: BySplit, judge: Judge) -> tuple[Floats, Floats]:
    """Return linear predictors, shape (n_repeats, n_patients), and survival on the grid."""
    linear_predictor = np.empty(judge.folds.shape)
    survival = np.empty((*judge.folds.shape, len(judge.grid_days)))
    for (repeat, fold), held_out in by_split.items():
        members = judge.folds[repeat] == fold
        linear_predictor[repeat, members] = held_out.linear_predictor
        survival[repeat, members] = held_out.survival
    return linear_predictor, survival


def _metrics(judge: Judge, linear_predictor: Floats, survival: Floats) -> dict[str, Estimate]:
    with threadpool_limits(1):
        return judge.metrics(linear_predictor, survival)


def _about(by_split: BySplit) -> dict[str, Any]:
    """Return what the folds tell of a procedure beside its predictions: weights as means, fits as sums."""
    each = list(by_split.values())
    if not each:
        return {}
    return {
        "weights": {name: float(np.mean([h.weights[name] for h in each])) for name in each[0].weights},
        "shared_weight": float(np.mean([h.shared_weight for h in each])),
        "fits_planned": sum(h.fits_planned for h in each),
        "fits_done": sum(h.fits_done for h in each),
    }
