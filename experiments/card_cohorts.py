"""What a model card says of the cohorts that a model was trained on, where they are several."""

from __future__ import annotations

import pandas as pd

from experiments.card_markdown import NOT_ASSESSED, bullets, escaped, interval, table
from training.estimate import Estimate
from training.results import TrainingResult

ALONE = f"{NOT_ASSESSED.capitalize()}: one cohort, whose centres are not known."
#: The metrics that stand beside each other; the others are in the table of the run.
SHOWN = ("concordance_harrell", "calibration_slope", "integrated_brier_ratio")


def clusters(result: TrainingResult) -> str:
    """Return how the cohorts were kept apart."""
    if not result.cohort.parts:
        return ALONE
    default = escaped(result.model.reference)
    return (
        f"{len(result.cohort.parts)} cohorts, pooled; each patient counts in one. Coefficients are shared. Folds, "
        "bootstrap samples, risk sets and compared pairs are within a cohort; normal scores, baseline hazard, "
        "censoring distribution, percentiles and Kaplan–Meier curve are each cohort's own. Nothing is corrected for "
        f"batches but by each cohort's own normal scores. New patients are scored with the reference {default} unless "
        f"another is named.\n\n{bullets(_parts(result))}"
    )


def between_cohorts(result: TrainingResult) -> str:
    """Return the figures of each cohort, and whether they differ by more than chance."""
    if not result.cohort.parts:
        return ALONE
    figures = result.tables["by_cohort"]
    shown = figures[(figures["name"] == figures["name"].iloc[0]) & figures["metric"].isin(SHOWN)]
    rows = [[escaped(cohort), *_row(part)] for cohort, part in shown.groupby("cohort", sort=False)]
    found = result.tables["heterogeneity"]
    tests = [
        f"{escaped(row.metric)}: I² {row.i_squared:.2f}, p {row.p:.3f} (Cochran's Q)"
        for row in found[found["name"] == figures["name"].iloc[0]].itertuples()
    ]
    return f"{table(['cohort', 'patients', 'events', *SHOWN], rows)}\n\n{bullets(tests)}"


def source_limit(result: TrainingResult) -> str:
    """Return what the number of cohorts limits."""
    if not result.cohort.parts:
        return (
            "One cohort: the figures are those of patients held out of the fits, but of the same source; nothing is "
            "known of others."
        )
    return (
        f"{len(result.cohort.parts)} cohorts: the figures are those of patients held out of the fits, but of the same "
        "sources; no cohort was held out whole, and nothing is known of others."
    )


def _parts(result: TrainingResult) -> list[str]:
    model = result.model
    views = [model.reference_named(name) for name in model.reference_names]
    return [
        f"{escaped(each.reference)}: {escaped(each.cohort.source)}, {each.cohort.n_patients} patients, "
        f"{each.cohort.n_events} events, {escaped(each.scale)}, answers until {each.horizon_months_max:g} months"
        for each in views
    ]


def _row(part: pd.DataFrame) -> list[str]:
    own = {row["metric"]: Estimate(row["value"], row["lower"], row["upper"]) for row in part.to_dict("records")}
    return [str(part["n"].iloc[0]), str(part["events"].iloc[0]), *(interval(own.get(metric)) for metric in SHOWN)]
