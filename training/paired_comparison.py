"""A champion beside its challenger: both on the same patients, folds and samples, so that the difference is paired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from training.estimate import Estimate
from training.evaluation import Judge
from training.metrics import estimated
from training.pooled_judge import PooledJudge

Floats = NDArray[np.float64]

CONCORDANCE, BRIER, SLOPE = "concordance_harrell", "integrated_brier_score", "calibration_slope"
#: The Brier score is integrated between two days at least.
FEWEST_DAYS = 2


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model or a procedure predicts for the patients of a judge.

    Parameters
    ----------
    linear_predictor : array, shape (n_repeats, n_patients)
        Log relative hazard, by a fit that has not seen the patient; higher is worse.
    survival : array or None, shape (n_repeats, n_patients, n_grid)
        Probabilities on the judge's grid; None where there are none.
    until_days : float
        The last day on which survival is answered.
    """

    linear_predictor: Floats
    survival: Floats | None = None
    until_days: float = float("inf")


@dataclass(frozen=True)
class Difference:
    """One figure of both, and challenger − champion, each with its interval.

    Parameters
    ----------
    champion, challenger, difference : Estimate
    """

    champion: Estimate
    challenger: Estimate
    difference: Estimate


@dataclass(frozen=True)
class Comparison:
    """A challenger beside a champion on some patients.

    Parameters
    ----------
    n_patients, n_events : int
        Those whom both predict.
    differences : mapping of str to Difference
        By metric: ``concordance_harrell``, ``integrated_brier_score`` where both answer survival, and
        ``calibration_slope``; empty where nothing could be compared.
    reason : str
        Why nothing could be compared, or why there was nothing to compare; empty where it was.
    note : str
        What a reader must know of a comparison that was made.
    """

    n_patients: int
    n_events: int
    differences: Mapping[str, Difference] = field(default_factory=dict)
    reason: str = ""
    note: str = ""


def compared(judge: Judge, champion: Predictions, challenger: Predictions) -> dict[str, Difference]:
    """Return each figure of both and the difference, challenger − champion.

    Parameters
    ----------
    judge : Judge
        Of the patients that both predict.
    champion, challenger : Predictions

    Notes
    -----
    Concordance counts pairs within one repeat and fold of the judge, for a champion that knows no folds too: the same
    pairs for both. Each bootstrap sample holds patients with all their repeats, and is the same for both, so that what
    makes both figures high or low in a sample is not in the interval of the difference. Nothing is fitted again in a
    sample: intervals are conditional on the fits, and say nothing of how another training cohort would have come out.
    """
    ranks = champion.linear_predictor, challenger.linear_predictor
    figures = {
        CONCORDANCE: [judge.concordance(each) for each in ranks],
        **_brier(judge, champion, challenger),
        SLOPE: [_slope(judge, each) for each in ranks],
    }
    return {
        metric: Difference(estimated(old), estimated(new), estimated(new - old))
        for metric, (old, new) in figures.items()
    }


def of_patients(predictions: Predictions, members: NDArray[np.bool_] | NDArray[np.intp]) -> Predictions:
    """Return the predictions for some of the patients, by mask or position."""
    survival = predictions.survival
    return replace(
        predictions,
        linear_predictor=predictions.linear_predictor[:, members],
        survival=None if survival is None else survival[:, members],
    )


def _parts(judge: Judge) -> list[tuple[NDArray[np.bool_], Judge]]:
    """Return the members and the judge of each cohort that was pooled; of one alone, all and the judge itself."""
    return (
        list(judge.parts.values())
        if isinstance(judge, PooledJudge)
        else [(np.ones(len(judge.time), dtype=np.bool_), judge)]
    )


def _slope(judge: Judge, linear_predictor: Floats) -> Floats:
    """Return the figures of the calibration slope; of pooled cohorts the mean by their events."""
    parts = _parts(judge)
    each = [own.calibration_slope(linear_predictor[:, members]) for members, own in parts]
    return _mean(each, [int(own.event.sum()) for _, own in parts])


def _brier(judge: Judge, *both: Predictions) -> dict[str, list[Floats]]:
    """Return the integrated Brier scores of both over the days that both answer; of cohorts the mean by patients."""
    until = min(each.until_days for each in both)
    parts = [(members, _shortened(own, until)) for members, own in _parts(judge)]
    survivals = [each.survival for each in both if each.survival is not None]
    if len(survivals) < len(both) or any(_n_judged(own) < FEWEST_DAYS for _, own in parts):
        return {}
    sizes = [len(own.time) for _, own in parts]
    days = [np.searchsorted(judge.grid_days, own.grid_days) for _, own in parts]
    return {
        BRIER: [
            _mean([own.integrated_brier(each[:, m][..., on]) for (m, own), on in zip(parts, days, strict=True)], sizes)
            for each in survivals
        ]
    }


def _shortened(judge: Judge, until_days: float) -> Judge:
    return replace(judge, grid_days=judge.grid_days[judge.grid_days <= until_days])


def _n_judged(judge: Judge) -> int:
    return int((judge.censoring.at(judge.grid_days) > 0).sum())


def _mean(figures: list[Floats], weights: list[int]) -> Floats:
    """Return the weighted mean of the cohorts' figures; one whose own figure cannot be estimated is left out."""
    known = [k for k, each in enumerate(figures) if not np.isnan(each[0])] or list(range(len(figures)))
    mean = np.average([figures[k] for k in known], axis=0, weights=[weights[k] for k in known])
    return np.asarray(mean, dtype=np.float64)
