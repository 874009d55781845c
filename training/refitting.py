"""Refit a procedure on bootstrap samples of its patients, for the intervals of its answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import joblib
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from features.cohort import Cohort
from training.blend import FittedLearner
from training.boosted import FittedBooster
from training.breslow import BaselineHazard, breslow, breslow_within
from training.definition import ReplicatesDefinition
from training.learners import penalties
from training.partial_likelihood import likelihood_of
from training.penalised_cox import FitError, FittedCox
from training.procedure import FittedProcedure, Ingredient, calibration_slope
from training.replicate_source import ALONE, ReplicateSource
from training.replicates import Replicates
from training.resampling import derived_seed, generator
from training.trees import Trees, in_one_group, side_by_side, trees_of

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

#: Replicates that a worker makes at a time.
CHUNK = 5

type Progress = Callable[[str, int, int], None]


def refit(
    procedure: FittedProcedure,
    cohort: Cohort,
    settings: ReplicatesDefinition,
    *,
    seed: int,
    workers: int,
    progress: Progress | None = None,
    prior_scale: float = 1.0,
) -> Replicates | None:
    r"""Refit a procedure on bootstrap samples of the patients.

    Parameters
    ----------
    procedure : FittedProcedure
        Fitted to all patients of `cohort`.
    cohort : Cohort
    settings : ReplicatesDefinition
        How many; None is returned where none is wanted.
    seed : int
        Each replicate derives its own from it and its number.
    workers : int
        Processes; the numbers do not depend on it.
    progress : callable, optional
    prior_scale : float
        Of the coefficients that penalties draw towards; with 0 the replicates are of resampling alone.

    Notes
    -----
    Patients are drawn with replacement. Feature state, parameters and weights are kept: how they were chosen is not
    repeated. Slope and Breslow baseline of a sample come from the model's own out-of-fold linear predictors of the
    patients in it, as the model's come from those of all. Where a sample's baseline hazard is 0 up to a day, as its
    first event is later than the cohort's, half of its first increment stands there: the logarithm of 0 would have
    no spread. A sample that cannot be fitted (nobody in it had the event) is drawn anew.

    A penalty makes a Cox model too sure as well as too flat: resampling shows how far its coefficients vary, not how
    far they are shrunk. So each replicate's penalty draws towards a coefficient vector from the prior that the penalty
    stands for, :math:`\beta_0 \sim N(0, \Lambda^{-1})`, and not towards 0, by one Newton step:

    .. math:: \beta^* = \hat\beta^* + (I + \Lambda)^{-1} \Lambda^{1/2} \xi, \quad \xi \sim N(0, 1)

    The spread is then about the posterior's :math:`(I + \Lambda)^{-1}`, whose intervals hold the truth on average over
    patients; without the step they are too narrow (``experiments/results/coverage.md``). An elastic net counts as a
    ridge of the same strength. Trees have no such prior, and their intervals are too narrow.

    References
    ----------
    Nychka D. Bayesian confidence intervals for smoothing splines. J Am Stat Assoc 1988;83:1134-1143.
    doi:10.1080/01621459.1988.10478711

    Bardsley JM, Solonen A, Haario H, Laine M. Randomize-then-optimize. SIAM J Sci Comput 2014;36:A1895-A1910.
    doi:10.1137/140964023

    Efron B. Censored data and the bootstrap. J Am Stat Assoc 1981;76:312-319. doi:10.1080/01621459.1981.10477650
    """
    found = refit_by_cohort(
        procedure, cohort, settings, seed=seed, workers=workers, progress=progress, prior_scale=prior_scale
    )
    return found.get(ALONE)


def refit_by_cohort(
    procedure: FittedProcedure,
    cohort: Cohort,
    settings: ReplicatesDefinition,
    *,
    seed: int,
    workers: int,
    progress: Progress | None = None,
    prior_scale: float = 1.0,
) -> dict[str, Replicates]:
    """Refit as `refit` does, and return the replicates with the baselines of each cohort that was pooled.

    Parameters
    ----------
    procedure, cohort, settings, seed, workers, progress, prior_scale
        As in `refit`. Of pooled cohorts, patients are drawn within each.

    Returns
    -------
    dict of str to Replicates
        By the cohorts' names; `ALONE` where none were pooled; empty where no replicates are wanted.
    """
    if not settings.cox:
        return {}
    # Without the study, which a worker has no use for.
    source = ReplicateSource(
        replace(procedure, tuning=None),
        procedure.features.of(cohort),
        cohort.time,
        cohort.event,
        settings.boosted,
        seed,
        prior_scale,
        cohort.strata,
    )
    chunks = [range(start, min(start + CHUNK, settings.cox)) for start in range(0, settings.cox, CHUNK)]
    parallel = joblib.Parallel(n_jobs=workers, return_as="generator", max_nbytes=None)
    drawn: list[_Replicate] = []
    for found in parallel(joblib.delayed(_refitted)(source, chunk) for chunk in chunks):
        drawn += found
        if progress is not None:
            progress(f"{cohort} replicates", len(drawn), settings.cox)
    return {name: _collected(source, drawn, name) for name in source.baselines}


@dataclass(frozen=True, eq=False)
class _Replicate:
    """One sample's model."""

    slope: float
    coefficients: Floats
    log_baselines: Mapping[str, Floats]
    trees: Trees | None
    redrawn: int


def _refitted(source: ReplicateSource, numbers: range) -> list[_Replicate]:
    # One thread: replicates are made beside each other, and a sum's order must not depend on how many are.
    with threadpool_limits(1):
        return [_replicate(source, number) for number in numbers]


def _replicate(source: ReplicateSource, number: int) -> _Replicate:
    """Return one replicate, of the first sample that can be fitted."""
    attempt = 0
    while True:
        rng = generator(source.seed, number, attempt)
        rows = source.sample(rng)
        prior = source.prior_scale * rng.standard_normal((source.X.shape[1],))
        try:
            fitted = _fit(source, rows, number, prior)
        except FitError:
            attempt += 1
            continue
        slope, log_baselines = _recalibrated(source, rows)
        coefficients, trees = _aligned(source.cox, fitted), _trees(source, fitted, number)
        return _Replicate(slope, coefficients, log_baselines, trees, redrawn=attempt)


def _fit(source: ReplicateSource, rows: Positions, number: int, prior: Floats) -> list[tuple[float, FittedLearner]]:
    wanted = [i for i in source.procedure.recipe if i.weight and (number < source.n_boosted or not _grows_trees(i))]
    if source.strata is not None and set(source.strata[rows][source.event[rows]].tolist()) != set(source.baselines):
        raise FitError("nobody of a cohort in the sample had the event")
    if not source.event[rows].any():
        raise FitError("nobody in the sample had the event")
    return [(each.weight, _moved(each, source, rows, _fitted(each, source, rows, number), prior)) for each in wanted]


def _moved(
    ingredient: Ingredient, source: ReplicateSource, rows: Positions, fitted: FittedLearner, prior: Floats
) -> FittedLearner:
    """Return the Cox model that a penalty drawing towards `prior`, and not towards 0, would have given."""
    if not isinstance(fitted.predictor, FittedCox) or not len(fitted.columns):
        return fitted
    covariates = source.procedure.features.covariates
    own = ingredient.setting.columns(covariates, ingredient.parameters)
    penalty = len(rows) * penalties([covariates[j].kind for j in own], ingredient.parameters)
    X = source.X[rows][:, fitted.columns]
    likelihood = likelihood_of(X, source.time[rows], source.event[rows], source.numbers(rows))
    information = likelihood.derivatives(fitted.predictor.coefficients)[1]
    at = np.searchsorted(fitted.columns, own)
    step = np.linalg.solve(information[np.ix_(at, at)] + np.diag(penalty), np.sqrt(penalty) * prior[own])
    coefficients = fitted.predictor.coefficients.copy()
    coefficients[at] += step
    return replace(fitted, predictor=replace(fitted.predictor, coefficients=coefficients))


def _grows_trees(ingredient: Ingredient) -> bool:
    return "objective" in ingredient.parameters


def _fitted(ingredient: Ingredient, source: ReplicateSource, rows: Positions, number: int) -> FittedLearner:
    return ingredient.setting.fit(
        source.X[rows],
        source.time[rows],
        source.event[rows],
        covariates=source.procedure.features.covariates,
        parameters=ingredient.parameters,
        # What trees draw is of the procedure, too: it varies with the sample.
        seed=derived_seed(ingredient.seed, number),
        strata=source.numbers(rows),
    )


def _aligned(cox: FittedLearner, fitted: list[tuple[float, FittedLearner]]) -> Floats:
    """Return the sum of a replicate's Cox models on the columns of the model's Cox part."""
    coefficients = np.zeros(len(cox.columns))
    for weight, each in fitted:
        if isinstance(each.predictor, FittedCox):
            coefficients[np.searchsorted(cox.columns, each.columns)] += weight * each.predictor.coefficients
    return coefficients


def _trees(source: ReplicateSource, fitted: list[tuple[float, FittedLearner]], number: int) -> Trees | None:
    """Return a replicate's trees as one group, whose mean over the model's patients is 0."""
    if number >= source.n_boosted:
        return None
    parts = [
        trees_of(
            each.predictor.booster,
            columns=each.columns,
            factor=-weight if each.predictor.objective == "aft" else weight,
        )
        for weight, each in fitted
        if isinstance(each.predictor, FittedBooster)
    ]
    if not parts:
        return None
    uncentred = in_one_group(parts, 0.0)
    return in_one_group(parts, float(uncentred.margins(source.X).mean()))


def _recalibrated(source: ReplicateSource, rows: Positions) -> tuple[float, dict[str, Floats]]:
    """Return a sample's slope, and its log cumulative baseline hazards at the days of the model's."""
    folds, time, event = source.procedure.recalibration_folds[rows], source.time[rows], source.event[rows]
    slope = calibration_slope(folds, time, event, source.numbers(rows))
    if source.strata is None:
        found = {ALONE: breslow(slope * folds, time, event)}
    else:
        found = breslow_within(slope * folds, time, event, source.strata[rows])
    return slope, {name: log_hazard_at(found[name], own.days) for name, own in source.baselines.items()}


def log_hazard_at(baseline: BaselineHazard, days: Floats) -> Floats:
    """Return the log cumulative baseline hazard at `days`; before its first step, of half that step."""
    hazard = baseline.at(days)
    return np.asarray(np.log(np.where(hazard > 0, hazard, baseline.cumulative_hazard[0] / 2)))


def _collected(source: ReplicateSource, drawn: list[_Replicate], name: str) -> Replicates:
    cox, trees = source.cox, list(_grown(drawn))
    assert isinstance(cox.predictor, FittedCox)  # noqa: S101
    return Replicates(
        slope=np.array([each.slope for each in drawn]),
        columns=cox.columns,
        means=cox.predictor.means,
        coefficients=np.array([each.coefficients for each in drawn]).reshape(len(drawn), len(cox.columns)),
        log_baseline=np.array([each.log_baselines[name] for each in drawn]),
        trees=side_by_side(trees) if trees else None,
        redrawn=sum(each.redrawn for each in drawn),
    )


def _grown(drawn: list[_Replicate]) -> Iterator[Trees]:
    yield from (each.trees for each in drawn if each.trees is not None)
