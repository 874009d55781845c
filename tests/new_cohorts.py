"""New cohorts for a locked model, and where to find a figure in what it is worth on them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from features.cohort import Cohort
from training.model import PrognosticModel
from training.new_patients import AS_IS
from training.survival_grid import horizon_day
from training.validation import Row, Validation


def named(cohort: Cohort, prefix: str = "NEW") -> Cohort:
    """The same patients under names that no other cohort has."""
    index = pd.Index([f"{prefix}-{i:04d}" for i in range(len(cohort.time))], name="patient")
    return replace(
        cohort, expression=cohort.expression.set_axis(index, axis=0), clinical=cohort.clinical.set_axis(index, axis=0)
    )


def row(validation: Validation, variant: str, normalisation: str = AS_IS) -> Row:
    return next(each for each in validation.rows if (each.variant, each.normalisation) == (variant, normalisation))


def verdict(validation: Validation, question: str) -> str:
    return next(each.verdict for each in validation.findings if each.question == question)


def drawn(model: PrognosticModel, cohort: Cohort, *, factor: float = 1.0, slope: float = 1.0) -> Cohort:
    """Draw outcomes from the model's own law, its hazard times a factor and its linear predictor times a slope."""
    rng = np.random.default_rng(7)
    variant = model.variants["genes_only"]
    predictor = variant.linear_predictor(cohort.expression, cohort.clinical)
    last = horizon_day(model.horizon_months_max)
    needed = rng.standard_exponential(len(predictor)) / (factor * np.exp(slope * predictor))
    # The first day on which the cumulative hazard has reached what was drawn.
    steps, days = variant.baseline.cumulative_hazard, variant.baseline.days
    reached = np.searchsorted(steps, needed)
    death = np.append(days, np.inf)[reached]
    censored = np.ceil(rng.uniform(0.3, 1.3, len(death)) * last)
    time = np.minimum(death, np.minimum(censored, last + 30))
    return replace(cohort, time=time, event=death <= time)
