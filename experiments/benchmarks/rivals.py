"""Ridge Cox fits and concordances of this project against two other packages, on the same inner folds."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.metrics import concordance_index_censored
from sksurv.util import Surv
from threadpoolctl import threadpool_limits

from features.cohort import Cohort
from features.panel import Panel
from training.concordance import concordance, harrell_pairs
from training.definition import Definition, Range
from training.learners import LearnerSetting, penalties
from training.penalised_cox import fit_penalised_cox
from training.resampling import generator
from training.ridge_path import ridge_path
from training.splits import inner_splits

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

OURS, OUR_PATH = "ours", "ours, one penalty after another (random sets)"
SKSURV, LIFELINES = "scikit-survival", "lifelines"
N_PENALTIES = 6
#: The median of so many is taken; rivals take turns, so that a busy moment meets them all.
REPEATS = 3
#: Coefficients per standard deviation, ours against scikit-survival's.
AGREEMENT = 1e-6


@dataclass(frozen=True, eq=False)
class InnerFold:
    """The patients of one inner fold, the penalties under which it is fitted, and those that it is scored on.

    Parameters
    ----------
    X : array, shape (n_patients, n_covariates)
    time, event : arrays, shape (n_patients,)
    penalty : array, shape (n_penalties, n_covariates)
        Per patient, from the strongest down.
    X_test, time_test, event_test : arrays
        Of the patients held out.
    """

    X: Floats
    time: Floats
    event: Bools
    penalty: Floats
    X_test: Floats
    time_test: Floats
    event_test: Bools


@dataclass(frozen=True)
class Rival:
    """How quick one package is, and how far its numbers lie from ours.

    Parameters
    ----------
    per_second : float
    times_ours : float
        How many times as many ours does in that time.
    difference : float
        The largest from ours, of coefficients or of concordances.
    """

    name: str
    per_second: float
    times_ours: float
    difference: float


#: What has been made ready for one inner fold: what remains is what is timed.
type Ready = Callable[[], Floats]


def inner_folds(cohort: Cohort, panel: Panel, definition: Definition, members: NDArray[np.intp]) -> list[InnerFold]:
    """Return the inner folds of an outer fold's training patients, with the penalties of the learner's search."""
    splits = inner_splits(cohort.subset(members), panel, definition, generator(definition.seed, "rivals"))
    outcome, parameters = splits.cohort, definition.penalised_cox.default
    searched = definition.penalised_cox.search.get("penalty", Range(low=0.03, high=5.0, log=True))
    assert isinstance(searched, Range)  # noqa: S101
    found = []
    for split in splits.each:
        columns = LearnerSetting("penalised_cox", "clinical", panel).columns(split.features.covariates, parameters)
        # A column that is constant in these patients has no spread for lifelines to divide by.
        columns = columns[np.ptp(split.X_train[:, columns], axis=0) > 0]
        kinds = [split.features.covariates[j].kind for j in columns]
        path = [
            penalties(kinds, parameters | {"penalty": float(penalty)})
            for penalty in np.geomspace(searched.high, searched.low, N_PENALTIES)
        ]
        found.append(
            InnerFold(
                split.X_train[:, columns],
                outcome.time[split.train],
                outcome.event[split.train],
                np.array(path),
                split.X_test[:, columns],
                outcome.time[split.test],
                outcome.event[split.test],
            )
        )
    return found


def _ours(fold: InnerFold) -> Ready:
    def fits() -> Floats:
        fitted = [fit_penalised_cox(fold.X, fold.time, fold.event, penalty=p, l1_ratio=0.0) for p in fold.penalty]
        return np.array([each.coefficients for each in fitted])

    return fits


def _our_path(fold: InnerFold) -> Ready:
    return lambda: ridge_path(fold.X, fold.time, fold.event, fold.penalty)


def _sksurv(fold: InnerFold) -> Ready:
    outcome, n_patients = Surv.from_arrays(fold.event, fold.time), len(fold.time)
    return lambda: np.array(
        [CoxPHSurvivalAnalysis(alpha=n_patients * p).fit(fold.X, outcome).coef_ for p in fold.penalty]
    )


def _lifelines(package: Any) -> Callable[[InnerFold], Ready]:
    def ready(fold: InnerFold) -> Ready:
        frame = pd.DataFrame(fold.X, columns=[f"x{j}" for j in range(fold.X.shape[1])])
        frame["days"], frame["event"] = fold.time, fold.event
        # It standardises the covariates and penalises the coefficients of the standardised ones.
        variance = fold.X.var(axis=0, ddof=1)

        def fits() -> Floats:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of its own use of datetime, and of columns that hardly vary
                fitted = [package.CoxPHFitter(penalizer=p / variance).fit(frame, "days", "event") for p in fold.penalty]
            return np.array([each.params_ for each in fitted])

        return fits

    return ready


def fits_per_second(folds: Sequence[InnerFold]) -> list[Rival]:
    """Fit every inner fold under every penalty by each package, after a check that the maxima are the same.

    Raises
    ------
    ArithmeticError
        If our coefficients are not scikit-survival's to `AGREEMENT`.

    Notes
    -----
    Each as it comes, on one thread: scikit-survival and lifelines estimate a baseline hazard with every fit, lifelines
    a covariance too; lifelines takes tied days by Efron's method, all others by Breslow's.
    """
    package = lifelines()
    solvers = {OURS: _ours, OUR_PATH: _our_path, SKSURV: _sksurv} | (
        {LIFELINES: _lifelines(package)} if package else {}
    )
    return _raced(solvers, folds, n_each=N_PENALTIES)


def concordances_per_second(folds: Sequence[InnerFold]) -> list[Rival]:
    """Score the held-out patients of every inner fold, as predicted by our fits, by Harrell's concordance."""
    package = lifelines()
    scorers: dict[str, Callable[[InnerFold, Floats], float]] = {
        OURS: lambda fold, eta: concordance(harrell_pairs(eta, fold.time_test, fold.event_test)),
        SKSURV: lambda fold, eta: float(concordance_index_censored(fold.event_test, fold.time_test, eta)[0]),
    }
    if package:
        index = importlib.import_module("lifelines.utils").concordance_index
        scorers[LIFELINES] = lambda fold, eta: float(index(fold.time_test, -eta, fold.event_test))
    predicted = {id(fold): _ours(fold)() @ fold.X_test.T for fold in folds}

    def ready(score: Callable[[InnerFold, Floats], float]) -> Callable[[InnerFold], Ready]:
        return lambda fold: lambda: np.array([score(fold, eta) for eta in predicted[id(fold)]])

    return _raced({name: ready(score) for name, score in scorers.items()}, folds, n_each=N_PENALTIES)


def lifelines() -> Any:
    """Return the package, which is there for development only; None where it is not."""
    try:
        return importlib.import_module("lifelines")
    except ModuleNotFoundError:
        return None


def _raced(
    entrants: Mapping[str, Callable[[InnerFold], Ready]], folds: Sequence[InnerFold], *, n_each: int
) -> list[Rival]:
    ready = {name: [make(fold) for fold in folds] for name, make in entrants.items()}
    with threadpool_limits(1):
        differences = _differences(ready)
        rounds = [_seconds(ready) for _ in range(REPEATS)]
    seconds = {name: median(each[name] for each in rounds) for name in ready}
    n_done = n_each * len(folds)
    return [Rival(n, n_done / s, s / seconds[OURS], differences[n]) for n, s in seconds.items()]


def _differences(ready: Mapping[str, list[Ready]]) -> dict[str, float]:
    answers = {name: [answer() for answer in of_folds] for name, of_folds in ready.items()}
    found = {
        name: max(float(np.abs(one - other).max()) for one, other in zip(answers[OURS], of_name, strict=True))
        for name, of_name in answers.items()
    }
    if not found[SKSURV] <= AGREEMENT:
        raise ArithmeticError(
            f"ours and scikit-survival's differ by {found[SKSURV]:.2g}, more than {AGREEMENT:g}: not to be compared."
        )
    return found


def _seconds(ready: Mapping[str, list[Ready]]) -> dict[str, float]:
    total = dict.fromkeys(ready, 0.0)
    for fold in range(len(ready[OURS])):
        for name, of_folds in ready.items():
            started = perf_counter()
            of_folds[fold]()
            total[name] += perf_counter() - started
    return total
