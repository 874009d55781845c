"""The part of a training on pooled cohorts that is of the patients of its default reference, as one cohort's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.pooled_cohorts import stratum
from training.estimate import Estimate
from training.results import Evaluation, TrainingResult


def of_default_reference(result: TrainingResult) -> TrainingResult:
    """Return what a training says of its default reference; one of one cohort alone as it is.

    Returns
    -------
    TrainingResult
        Cohort, folds and out-of-fold predictions of these patients; figures of theirs where `by_cohort` has them, else
        those over all cohorts. Diagnostics and the other tables stay.

    Notes
    -----
    Values, times and predictions of pooled cohorts mean nothing beside each other: what is drawn of patients is drawn
    of those of one.
    """
    if result.cohort.strata is None:
        return result
    reference = result.model.reference
    members = result.cohort.strata == reference
    own = _own_metrics(result.tables.get("by_cohort"), reference)
    return replace(
        result,
        cohort=stratum(result.cohort, reference),
        folds=result.folds[:, members],
        evaluations={
            name: _narrowed(evaluation, members, own.get(name, {})) for name, evaluation in result.evaluations.items()
        },
    )


def _narrowed(evaluation: Evaluation, members: NDArray[np.bool_], own: Mapping[str, Estimate]) -> Evaluation:
    return replace(
        evaluation,
        metrics={**evaluation.metrics, **own},
        linear_predictor=evaluation.linear_predictor[:, members],
        survival=evaluation.survival[:, members],
    )


def _own_metrics(table: pd.DataFrame | None, reference: str) -> dict[str, dict[str, Estimate]]:
    """Return the figures of one cohort, by learner and metric."""
    found: dict[str, dict[str, Estimate]] = {}
    if table is not None:
        for row in table[table["cohort"] == reference].to_dict("records"):
            estimate = Estimate(row["value"], row["lower"], row["upper"])
            found.setdefault(str(row["name"]), {})[str(row["metric"])] = estimate
    return found
