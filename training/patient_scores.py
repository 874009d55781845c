"""The answer for one patient, figure by figure, from the columns of many."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.cohort import DAYS_PER_MONTH
from training.cautions import Cautions
from training.model import PrognosticModel
from training.profiles import Patients
from training.scores import Scores, Wanted, risk_group

#: The normal score of the 99th percentile.
EXTREME_SCORE = 2.3263478740408408


@dataclass(slots=True)
class HorizonSurvival:
    """Survival at a horizon, of the patient and of the reference cohort; None where there is no figure."""

    horizon_months: float
    probability: float
    lower: float | None
    upper: float | None
    cohort_probability: float | None
    cohort_lower: float | None
    cohort_upper: float | None
    cohort_at_risk: int | None


@dataclass(slots=True)
class MedianAnswer:
    """The months by which half of such patients are dead; None where it is not reached, or has no interval."""

    months: float | None
    lower: float | None
    upper: float | None
    words: str


@dataclass(slots=True)
class DistanceAnswer:
    """How far a profile is from the reference cohort: percentiles among its own patients, and what lies outside.

    `gene_percentiles` are of genes below the 1st or above the 99th: share of the cohort's patients with a lower value.
    """

    joint_percentile: float
    warned_above: float
    genes_outside: tuple[str, ...]
    gene_percentiles: Mapping[str, float]


@dataclass(slots=True)
class PatientScore:
    """The answer for one profile; as JSON it is a `Result` of the service.

    Parameters
    ----------
    variant : str
        ``clinical`` or ``genes_only``: which twin answered.
    linear_predictor : float
        Log relative hazard against the reference cohort's mean; higher is worse.
    risk_percentile : float
        0 to 100 among the reference cohort's out-of-fold linear predictors; higher is worse.
    risk_group : str
        ``low``, ``intermediate`` or ``high`` (tertiles of the same).
    survival : tuple of HorizonSurvival
    median_survival : MedianAnswer
    survived_months : float or None
        What survival and its median are given.
    contributions : mapping of str to float, or None
        Of each covariate to the linear predictor, the largest first; None where they were not asked for.
    contributions_constant : float or None
        They and it add up to the linear predictor.
    missing_genes : tuple of str
        Estimated from the others.
    resolved_genes : mapping of str to str
        Identifier as sent → symbol, where they differ.
    ignored_genes : int
    distance : DistanceAnswer or None
        None where the model's bundle knows no reference.
    relative_only : bool
        True where the z-scores' reference is not the model's own: figures compare, they do not predict.
    warnings : tuple of str
        Sentences; the gravest first.
    """

    id: str
    variant: str
    linear_predictor: float
    risk_percentile: float
    risk_group: str
    survival: tuple[HorizonSurvival, ...]
    median_survival: MedianAnswer
    survived_months: float | None
    contributions: Mapping[str, float] | None
    contributions_constant: float | None
    missing_genes: tuple[str, ...]
    resolved_genes: Mapping[str, str]
    ignored_genes: int
    distance: DistanceAnswer | None
    relative_only: bool
    warnings: tuple[str, ...]


def patient_scores(
    model: PrognosticModel, patients: Patients, scores: Scores, wanted: Wanted, *, relative_only: bool
) -> Iterator[PatientScore]:
    """Yield the answer for each patient whom one variant answered, in the order of the scores.

    Parameters
    ----------
    model : PrognosticModel
    patients : Patients
    scores : Scores
    wanted : Wanted
    relative_only : bool
        See `PatientScore`.
    """
    cautions = Cautions(model, scores, patients, relative_only=relative_only)
    variant = model.variants[scores.variant]
    covariates = [variant.features.covariates[j].name for j in variant.fitted.columns]
    survival, medians = _survival(scores, wanted), _medians(scores, model.horizon_months_max)
    contributions, extreme = _contributions(covariates, scores), _extreme_genes(variant.features.genes, scores)
    figures = zip(scores.rows.tolist(), scores.linear_predictor.tolist(), scores.risk_percentile.tolist(), strict=True)
    for position, (row, linear_predictor, percentile) in enumerate(figures):
        layout = patients.layout(row)
        yield PatientScore(
            id=patients.ids[row],
            variant=scores.variant,
            linear_predictor=linear_predictor,
            risk_percentile=percentile,
            risk_group=risk_group(percentile),
            survival=survival[position],
            median_survival=medians[position],
            survived_months=float(patients.survived_months[row]) or None,
            contributions=contributions[position],
            contributions_constant=None if scores.contributions is None else scores.constant,
            missing_genes=cautions.missing_genes(position),
            resolved_genes=layout.renamed,
            ignored_genes=layout.n_ignored,
            distance=_distance(scores, position, extreme[position]),
            relative_only=relative_only,
            warnings=cautions.of(position),
        )


def _survival(scores: Scores, wanted: Wanted) -> list[tuple[HorizonSurvival, ...]]:
    bands = scores.survival
    table = np.concatenate([np.stack([bands.probability, bands.lower, bands.upper], axis=2), scores.cohort], axis=2)
    return [
        tuple(
            _at_horizon(months, cells)
            for months, cells in zip(wanted.horizons_months, row, strict=True)
            if cells[0] is not None
        )
        for row in _with_none(table)
    ]


def _at_horizon(months: float, cells: Sequence[Any]) -> HorizonSurvival:
    followed = cells[-1]
    return HorizonSurvival(months, *cells[:-1], None if followed is None else int(followed))  # type: ignore[call-arg]


def _medians(scores: Scores, last_months: float) -> list[MedianAnswer]:
    median = scores.median
    table = np.column_stack([median.days, median.lower, median.upper]) / DAYS_PER_MONTH
    return [_median(months, lower, upper, last_months) for months, lower, upper in _with_none(table)]


def _median(months: float | None, lower: float | None, upper: float | None, last_months: float) -> MedianAnswer:
    if months is None:
        since = "" if lower is None else f" (the interval begins at {lower:.0f})"
        return MedianAnswer(None, lower, upper, f"not reached within {last_months:.0f} months{since}")
    if lower is None:
        return MedianAnswer(months, None, None, f"{months:.0f} months")
    end = "not reached" if upper is None else f"{upper:.0f}"
    return MedianAnswer(months, lower, upper, f"{months:.0f} months ({lower:.0f} to {end})")


def _contributions(covariates: Sequence[str], scores: Scores) -> list[dict[str, float]] | list[None]:
    """Return each patient's contributions by covariate, the largest first."""
    if scores.contributions is None:
        return [None] * len(scores.rows)
    order = np.argsort(-np.abs(scores.contributions), axis=1, kind="stable")
    names, values = np.array(covariates, dtype=object)[order], np.take_along_axis(scores.contributions, order, axis=1)
    return [dict(zip(*row, strict=True)) for row in zip(names.tolist(), values.tolist(), strict=True)]


def _extreme_genes(genes: Sequence[str], scores: Scores) -> list[dict[str, float]]:
    """Return the percentile of each patient's genes that lie beyond `EXTREME_SCORE`."""
    found: list[dict[str, float]] = [{} for _ in scores.rows]
    rows, columns = np.nonzero(np.abs(scores.gene_scores) > EXTREME_SCORE)
    for row, column, score in zip(rows.tolist(), columns.tolist(), scores.gene_scores[rows, columns], strict=True):
        found[row][genes[column]] = 50.0 * math.erfc(-score / math.sqrt(2.0))
    return found


def _distance(scores: Scores, position: int, extreme: Mapping[str, float]) -> DistanceAnswer | None:
    distance = scores.distance
    if distance is None:
        return None
    percentile, warned_above = float(distance.percentile[position]), distance.applicability.warned_above
    return DistanceAnswer(percentile, warned_above, distance.genes_outside(position), extreme)


def _with_none(table: NDArray[np.float64]) -> list[Any]:
    """Return an array as lists, with None for NaN."""
    cells = table.astype(object)
    cells[np.isnan(table)] = None
    return list(cells.tolist())
