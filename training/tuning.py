"""Search a learner's parameters with Optuna; the only module that knows it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import optuna
import pandas as pd
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState, create_trial

from training.checkpoints import Checkpoints, as_text, from_text
from training.definition import Choices, LearnerDefinition, Range
from training.parameters import Parameters, ParameterValue
from training.resampling import derived_seed

Floats = NDArray[np.float64]

#: With fewer finished trials than this, an importance is an accident.
MINIMUM_TRIALS_FOR_IMPORTANCES = 8
#: A trial is stopped after this many folds or more if it is then behind the median of those before it.
FOLDS_BEFORE_PRUNING = 2
TRIALS_BEFORE_PRUNING = 5
DONE, STOPPED = "done", "stopped"


@dataclass(frozen=True, eq=False)
class Trial:
    """One set of parameters and how it did on the inner folds.

    Parameters
    ----------
    parameters : mapping
        All of the learner's, also what is not searched.
    score : float
        Higher is better; of the folds that were run.
    out_of_fold : array, shape (n_patients,)
        Predictions for the patients of each fold by the fit without them; empty if it was stopped early.
    """

    number: int
    parameters: Parameters
    score: float
    out_of_fold: Floats


@dataclass(frozen=True, eq=False)
class Tuning:
    """One Optuna study, run on inner folds.

    Parameters
    ----------
    parameters : mapping
        The best trial's parameters; never worse on the inner folds than the default's.
    score, default_score : float
        Log partial likelihood within inner folds, of the best and of the default parameters.
    importances : mapping of str to float
        Share of the score's variance that each parameter explains; empty with too few trials.
    trials : DataFrame
        One row a trial: ``number``, ``score``, ``state``, and a column a parameter.
    completed : tuple of Trial
        Those that ran through all folds, in order.
    fits_planned, fits_done : int
        Fits on inner folds that the trials would take and did take.
    """

    parameters: Mapping[str, ParameterValue]
    score: float
    default_score: float
    importances: Mapping[str, float]
    trials: pd.DataFrame
    completed: tuple[Trial, ...]
    fits_planned: int
    fits_done: int


#: From parameters to (score so far, predictions so far) after each fold; NaN predictions where not yet made.
type Folds = Callable[[Parameters], Iterator[tuple[float, Floats]]]


def tune(
    folds: Folds,
    learner: LearnerDefinition,
    *,
    trials: int,
    n_folds: int,
    seed: int,
    prune: bool = True,
    checkpoints: Checkpoints | None = None,
    name: str = "study",
) -> Tuning:
    """Try `trials` sets of parameters on the inner folds, of which the default is the first.

    Parameters
    ----------
    folds : callable
        Scores a set of parameters fold by fold; higher is better; NaN counts as the worst.
    learner : LearnerDefinition
        Where it searches nothing, the default is scored once.
    trials, n_folds : int
    seed : int
        Each trial's sampler derives its own from it and the trial's number: equal seeds and scores give equal
        trials, also where a study goes on that was interrupted.
    prune : bool
        Whether trials that fall behind are stopped early.
    checkpoints : Checkpoints, optional
        Where finished trials are kept, and looked for under `name`.

    References
    ----------
    Bergstra J et al. (2011) Algorithms for hyper-parameter optimization, NIPS 24 (the sampler).
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    planned = min(trials, learner.trials_at_most or trials) if learner.search else 1
    study = optuna.create_study(direction="maximize")
    kept = checkpoints or Checkpoints()
    records = _kept_in_order(kept, name)[:planned]
    for record in records:
        study.add_trial(_frozen(record, learner))
    for number in range(len(records), planned):
        # A third of the trials at random, ten at most: with the sampler's own ten, a short study is all chance.
        # A sampler of its own, so that a trial's draw does not hang on how many were drawn in this process.
        study.sampler = optuna.samplers.TPESampler(
            seed=derived_seed(seed, number), n_startup_trials=max(1, min(10, planned // 3))
        )
        record = _tried(study, folds, learner, n_folds=n_folds, records=records if prune else [])
        records.append(record)
        kept.append(name, record)
    return _summary(study, records, learner, fits_planned=planned * n_folds)


def _kept_in_order(kept: Checkpoints, name: str) -> list[dict[str, Any]]:
    """Return the kept trials up to the first that is missing, and keep no others.

    A trial's draw and when it is stopped depend on those before it. Two processes that were at one study may have kept
    a trial twice, or one without the other's.
    """
    lines: list[dict[str, Any]] = kept.lines(name)
    records: list[dict[str, Any]] = []
    for record in lines:
        if record["number"] > len(records):
            break
        if record["number"] == len(records):
            records.append(record)
    if len(records) < len(lines):
        kept.replace(name, records)
    return records


def _tried(
    study: optuna.Study, folds: Folds, learner: LearnerDefinition, *, n_folds: int, records: list[dict[str, Any]]
) -> Any:
    """Run one trial and return what is kept of it; stop it where it falls behind the median of `records`."""
    if not study.get_trials(deepcopy=False):
        study.enqueue_trial({name: learner.default[name] for name in learner.search})
    trial = study.ask()
    suggested = _suggested(trial, learner)
    scores: list[float] = []
    predictions, stopped = np.array([]), False
    for step, (score, predicted) in enumerate(folds(suggested)):
        predictions = predicted
        scores.append(float(np.nan_to_num(score, nan=-np.inf)))
        trial.report(scores[-1], step)
        stopped = len(scores) < n_folds and _is_behind(scores, records)
        if stopped:
            break
    study.tell(trial, state=TrialState.PRUNED if stopped else None, values=None if stopped else scores[-1])
    return {
        "number": trial.number,
        "state": STOPPED if stopped else DONE,
        "parameters": {name: suggested[name] for name in learner.search},
        "scores": scores,
        "out_of_fold": "" if stopped else as_text(predictions),
    }


def _is_behind(scores: list[float], records: list[dict[str, Any]]) -> bool:
    """Whether a trial is worse than the median of those before it, after as many folds.

    Optuna's own median pruner compares the best value that a trial has shown so far, but a likelihood summed over
    folds only falls.
    """
    seen = len(scores)
    if seen < FOLDS_BEFORE_PRUNING or len(records) < TRIALS_BEFORE_PRUNING:
        return False
    return scores[-1] < float(np.median([r["scores"][seen - 1] for r in records if len(r["scores"]) >= seen]))


def _frozen(record: Mapping[str, Any], learner: LearnerDefinition) -> FrozenTrial:
    """Return a kept trial as the study knew it."""
    done = record["state"] == DONE
    return create_trial(
        state=TrialState.COMPLETE if done else TrialState.PRUNED,
        value=record["scores"][-1] if done else None,
        params=record["parameters"],
        distributions={name: _distribution(learner.search[name]) for name in record["parameters"]},
        intermediate_values=dict(enumerate(record["scores"])),
    )


def _distribution(dimension: Range | Choices) -> optuna.distributions.BaseDistribution:
    if isinstance(dimension, Choices):
        return optuna.distributions.CategoricalDistribution(dimension.choices)
    if dimension.whole:
        return optuna.distributions.IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return optuna.distributions.FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def _suggested(trial: optuna.Trial, learner: LearnerDefinition) -> Parameters:
    suggested: Parameters = {}
    for name, dimension in learner.search.items():
        if isinstance(dimension, Choices):
            suggested[name] = cast("ParameterValue", trial.suggest_categorical(name, dimension.choices))
        elif dimension.whole:
            suggested[name] = trial.suggest_int(name, int(dimension.low), int(dimension.high), log=dimension.log)
        else:
            suggested[name] = trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log)
    return learner.default | suggested


def _summary(
    study: optuna.Study, records: list[dict[str, Any]], learner: LearnerDefinition, *, fits_planned: int
) -> Tuning:
    completed = tuple(
        Trial(r["number"], learner.default | r["parameters"], r["scores"][-1], from_text(r["out_of_fold"]))
        for r in records
        if r["state"] == DONE
    )
    best = max(completed, key=lambda trial: trial.score)
    rows = [{"number": r["number"], "score": r["scores"][-1], "state": r["state"], **r["parameters"]} for r in records]
    return Tuning(
        parameters=best.parameters,
        score=best.score,
        default_score=completed[0].score,
        importances=_importances(study),
        trials=pd.DataFrame(rows),
        completed=completed,
        fits_planned=fits_planned,
        fits_done=sum(len(r["scores"]) for r in records),
    )


def _importances(study: optuna.Study) -> dict[str, float]:
    # Not those that were stopped: Optuna gives them their last score, but not where they are put back into a study.
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    scores = [trial.value for trial in finished if trial.value is not None and np.isfinite(trial.value)]
    if len(scores) < MINIMUM_TRIALS_FOR_IMPORTANCES or np.ptp(scores) == 0:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=optuna.exceptions.ExperimentalWarning)
        # Few trials may leave nothing to compare; all importances are then equal.
        warnings.simplefilter("ignore", category=UserWarning)
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        return optuna.importance.get_param_importances(study, evaluator=evaluator)
