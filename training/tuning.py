"""Search a learner's parameters with Optuna; the only module that knows it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import optuna
import pandas as pd

from training.definition import Choices, LearnerDefinition, Parameters, ParameterValue

#: With fewer finished trials than this, an importance is an accident.
MINIMUM_TRIALS_FOR_IMPORTANCES = 8


@dataclass(frozen=True)
class Tuning:
    """One Optuna study, run on inner folds of all patients.

    Parameters
    ----------
    parameters : mapping
        The best trial's parameters; never worse on the inner folds than the default's.
    score, default_score : float
        Inner-fold concordance of the tuned and of the default parameters (optimistic: it was maximised).
    importances : mapping of str to float
        Share of the score's variance that each parameter explains; empty with too few trials.
    trials : DataFrame
        One row a trial: ``number``, ``score``, and a column a parameter.
    """

    parameters: Mapping[str, ParameterValue]
    score: float
    default_score: float
    importances: Mapping[str, float]
    trials: pd.DataFrame


def tune(score: Callable[[Parameters], float], learner: LearnerDefinition, *, trials: int, seed: int) -> Tuning:
    """Return the parameters with the highest score among `trials`, of which the default is the first.

    Parameters
    ----------
    score : callable
        From parameters to a figure, higher is better; NaN counts as the worst.
    learner : LearnerDefinition
        Where it searches nothing, the default is scored once.
    trials : int
    seed : int
        Of the sampler; equal seeds and scores give equal trials.

    References
    ----------
    Bergstra J et al. (2011) Algorithms for hyper-parameter optimization, NIPS 24 (the sampler).
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=_sampler(trials, seed))
    study.enqueue_trial({name: learner.default[name] for name in learner.search})
    study.optimize(
        lambda trial: float(np.nan_to_num(score(_suggested(trial, learner)), nan=-np.inf)),
        n_trials=trials if learner.search else 1,
    )
    return Tuning(
        parameters=learner.default | study.best_params,
        score=study.best_value,
        default_score=float(study.trials[0].value or 0.0),
        importances=_importances(study),
        trials=_trials(study),
    )


def _sampler(trials: int, seed: int) -> optuna.samplers.BaseSampler:
    # A third of the trials at random, ten at most: with the sampler's own ten, a short study would be all chance.
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=max(1, min(10, trials // 3)))


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


def _importances(study: optuna.Study) -> dict[str, float]:
    scores = [trial.value for trial in study.trials if trial.value is not None and np.isfinite(trial.value)]
    if len(scores) < MINIMUM_TRIALS_FOR_IMPORTANCES or np.ptp(scores) == 0:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=optuna.exceptions.ExperimentalWarning)
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    return optuna.importance.get_param_importances(study, evaluator=evaluator)


def _trials(study: optuna.Study) -> pd.DataFrame:
    rows = [{"number": trial.number, "score": trial.value, **trial.params} for trial in study.trials]
    return pd.DataFrame(rows)
