"""Gradient-boosted trees on survival objectives, answering with a log relative hazard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from training.penalised_cox import FitError
from training.stratified_gradients import StratifiedGradients
from training.ubjson import read_ubjson

if TYPE_CHECKING:
    import xgboost

# xgboost takes longer to import than all else that scores: what a bundle holds is read and scored without it.
# ruff: noqa: PLC0415

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Of the histograms in which splits are looked for: as many as a few hundred patients can fill.
BINS = 16
OBJECTIVES = {"cox": "survival:cox", "aft": "survival:aft"}


@dataclass(frozen=True, eq=False)
class FittedBooster:
    """Boosted trees and the sign and centre that make their margin a linear predictor.

    Parameters
    ----------
    kept : xgboost.Booster or bytes
        As it was fitted, or as a bundle holds it: in xgboost's UBJSON.
    objective : str
        ``cox`` or ``aft``. The margin of the latter is a log time, so its sign is turned.
    centre : float
        Mean of the signed margin over the training patients.
    """

    kept: xgboost.Booster | bytes
    objective: str
    centre: float

    @cached_property
    def booster(self) -> xgboost.Booster:
        """The booster, loaded where it was not fitted here."""
        if not isinstance(self.kept, bytes):
            return self.kept
        import xgboost

        return xgboost.Booster(model_file=bytearray(self.kept))

    @property
    def content(self) -> bytes:
        """The booster in xgboost's UBJSON."""
        return self.kept if isinstance(self.kept, bytes) else bytes(self.kept.save_raw("ubj"))

    @property
    def learner(self) -> Mapping[str, Any]:
        """What xgboost writes of the booster, lists of numbers as arrays; a KeyError or ValueError where it is none."""
        learner: Mapping[str, Any] = read_ubjson(self.content)["learner"]
        return learner

    def linear_predictor(self, X: Floats) -> Floats:
        """Return the log relative hazard against the training mean, shape (n_patients,); higher is worse."""
        return _signed_margin(self.booster, self.objective, X) - self.centre


def fit_boosted(
    X: Floats,
    time: Floats,
    event: Bools,
    *,
    parameters: Mapping[str, float | int | str | bool],
    seed: int,
    strata: NDArray[np.int64] | None = None,
) -> FittedBooster:
    """Fit boosted trees.

    Parameters
    ----------
    X : array, shape (n_patients, n_covariates)
    time : array, shape (n_patients,)
        Days.
    event : array of bool, shape (n_patients,)
    parameters : mapping
        ``objective`` (``cox``: Breslow's partial likelihood; ``aft``: log-logistic accelerated failure time),
        ``rounds``, and xgboost's ``learning_rate``, ``max_depth``, ``min_child_weight``, ``subsample``,
        ``colsample_bytree``, ``reg_lambda``.
    seed : int
        Of row and column sampling.
    strata : array of int, shape (n_patients,), optional
        Numbers of the cohorts that were pooled; risk sets are kept within them (``cox`` only).

    Raises
    ------
    FitError
        If nobody had the event, or times of several cohorts are to be accelerated.
    """
    if not event.any():
        raise FitError(f"boosted survival trees need events, but none of the {len(event)} patients had one.")
    if strata is not None and parameters["objective"] != "cox":
        raise FitError("accelerated failure times of pooled cohorts have no strata; choose the objective cox.")
    import xgboost

    settings = dict(parameters)
    objective, rounds = str(settings.pop("objective")), int(settings.pop("rounds"))
    # One thread: the patients are few, folds run beside each other, and sums keep their order.
    settings |= {"objective": OBJECTIVES[objective], "nthread": 1, "seed": seed, "verbosity": 0, "max_bin": BINS}
    if objective == "aft":
        # Where the trees start from: left alone it is half a day, and the first hundred trees only climb from there.
        middle = float(np.exp(np.log(time).mean()))
        settings |= {"aft_loss_distribution": "logistic", "aft_loss_distribution_scale": 1.0, "base_score": middle}
    labelled = _labelled(X, time, event, objective)
    booster = xgboost.Booster(settings, [labelled])
    gradients = None if strata is None else StratifiedGradients.of(time, event, strata)
    # What `xgboost.train` does without callbacks, at less cost a round: the same trees.
    for number in range(rounds):
        if gradients is None:
            booster.update(labelled, number)
        else:
            margin = booster.predict(labelled, output_margin=True, training=True, validate_features=False)
            gradient, hessian = gradients(margin)
            booster.boost(labelled, number, grad=gradient, hess=hessian)
    return FittedBooster(booster, objective, float(_signed_margin(booster, objective, X).mean()))


def _labelled(X: Floats, time: Floats, event: Bools, objective: str) -> xgboost.DMatrix:
    import xgboost

    if objective == "cox":
        return xgboost.DMatrix(X, label=np.where(event, time, -time), nthread=1)
    upper = np.where(event, time, np.inf)
    return xgboost.DMatrix(X, label_lower_bound=time, label_upper_bound=upper, nthread=1)


def _signed_margin(booster: xgboost.Booster, objective: str, X: Floats) -> Floats:
    import xgboost

    margin = booster.predict(xgboost.DMatrix(X, nthread=1), output_margin=True).astype(np.float64)
    return np.asarray(-margin if objective == "aft" else margin)
