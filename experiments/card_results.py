"""The model card's results: who was analysed, the model in full, and how it did."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from experiments.card_cohorts import between_cohorts
from experiments.card_context import null_in_words, reported_evaluation
from experiments.card_markdown import bullets, escaped, interval, number, table
from experiments.card_methods import dropped
from experiments.contribution_figures import coefficients, is_linear, members_of
from experiments.metric_words import told
from features.cohort import months_to_days
from training.estimate import Estimate
from training.evaluation import GAIN
from training.model import Variant
from training.results import TrainingResult

STANDARD = ("age", "sex", "stage", "grade")
#: What is told of every learner and baseline; the rest stands in ``tables/metrics.csv``.
COMPARED = {"concordance_harrell": "Harrell's concordance", GAIN: "gain over clinical", "integrated_brier_score": "IBS"}

#: Value, lower and upper bound of each figure of a subgroup.
OF_SUBGROUPS = (
    ("concordance", "lower", "upper"),
    ("log_observed_expected", "log_observed_expected_lower", "log_observed_expected_upper"),
)


def result_items(result: TrainingResult, bundle_digest: str | None) -> dict[str, str]:
    """Return the items of the results by number.

    Parameters
    ----------
    result : TrainingResult
    bundle_digest : str or None
        Where None, the card says where it stands.
    """
    cohort = result.cohort
    everyone = f"{len(cohort.time)} patients with {cohort.n_events} events"
    left_out = dropped(result) or ["nobody and nothing was left out"]
    return {
        "20a": f"{everyone} were analysed. Before:\n\n{bullets(left_out)}\n\nMore in `cohort/ledger.txt`.",
        "20b": characteristics(result),
        "20c": "Not applicable: no evaluation on other patients.",
        "21": f"Fitting and recalibration of the kept model: {everyone}. Every outer fold: see the "
        f"table.\n\n{_folds(result)}",
        "22": _model(result, bundle_digest),
        "23a": _performance(result),
        "23b": between_cohorts(result),
        "24": "Not applicable: nothing was updated after evaluation.",
    }


def characteristics(result: TrainingResult) -> str:
    """Return the table of the patients: age in quartiles, the other columns in counts, with events."""
    clinical = result.cohort.clinical
    wanted = dict.fromkeys((*STANDARD, *result.definition.features.clinical))
    rows = [row for column in wanted if column in clinical.columns for row in _characteristic(result, column)]
    return table(("Characteristic", "group", "n", "events"), rows)


def _characteristic(result: TrainingResult, column: str) -> Iterator[tuple[object, ...]]:
    values, event = result.cohort.clinical[column], result.cohort.event
    known = values.notna().to_numpy()
    if column == "age" and known.any():
        low, middle, high = np.nanquantile(values.to_numpy(dtype=np.float64, na_value=np.nan), [0.25, 0.5, 0.75])
        yield column, f"median {middle:.0f} years (quartiles {low:.0f} to {high:.0f})", known.sum(), event[known].sum()
    else:
        for group in sorted(values.dropna().astype(str).unique()):
            members = (values.astype(str) == group).to_numpy() & known
            yield column, group, members.sum(), event[members].sum()
    if not known.all():
        yield column, "missing", (~known).sum(), event[~known].sum()


def _folds(result: TrainingResult) -> str:
    rows = []
    for repeat, labels in enumerate(result.folds, start=1):
        for fold in range(int(labels.max()) + 1):
            held_out = labels == fold
            n, events = int(held_out.sum()), int(result.cohort.event[held_out].sum())
            rows.append((repeat, fold + 1, len(labels) - n, result.cohort.n_events - events, n, events))
    return table(("Repeat", "fold", "n fitted", "events", "n held out", "events held out"), rows)


def _model(result: TrainingResult, bundle_digest: str | None) -> str:
    digest = f"`{bundle_digest}`" if bundle_digest else "the registered version's tag `bundle_digest`"
    parts = [
        "The whole model is the folder `bundle` beside this card: `model.json` holds covariates, reference quantiles, "
        "coefficients and baseline, and it is what the service loads. Digest of its manifest (SHA-256): "
        f"{digest}. Below the recalibrated model, in units of its covariates (genes: normal scores; clinical: standard "
        "deviations from the training mean).",
    ]
    for name, variant in result.model.variants.items():
        parts.append(f"**Variant {name.replace('_', ' ')}** ({escaped(variant.learner.replace('_', ' '))})")
        parts += [_coefficients(variant), _baseline(result, variant)]
    return "\n\n".join(parts)


def _coefficients(variant: Variant) -> str:
    members, covariates = members_of(variant), variant.features.covariates
    if not is_linear(members):
        return "Trees have no coefficients; `bundle` holds them whole, and `figures` what the reported variant's do."
    values = coefficients(members, len(covariates))
    order = [j for j in np.argsort(-np.abs(values), kind="stable") if values[j]]
    rows = [(covariates[j].name, covariates[j].kind, f"{values[j]:+.4f}", f"{np.exp(values[j]):.3f}") for j in order]
    if not rows:
        return "No covariate has a coefficient: everybody gets the cohort's survival."
    return table(("Covariate", "kind", "log hazard ratio", "hazard ratio"), rows)


def _baseline(result: TrainingResult, variant: Variant) -> str:
    months = result.model.horizons_months
    days = months_to_days(np.array(months))
    survival = variant.baseline.survival(np.zeros(1), days)[0]
    rows = [(f"{month:g}", number(float(value))) for month, value in zip(months, survival, strict=True)]
    return table(("Months", "survival of a patient whose linear predictor is 0"), rows)


def _performance(result: TrainingResult) -> str:
    reported = reported_evaluation(result)
    return "\n\n".join(
        [
            f"Out of fold, of the whole procedure `{reported.name}`:",
            metrics_table(result),
            "All learners and baselines:",
            _compared(result),
            f"Random gene sets: {null_in_words(result)}",
            "By sex, age band, stage and grade:",
            subgroups_table(result),
            "Diagnostics:",
            _proportional_hazards(result),
            _further_tables(result),
        ]
    )


def metrics_table(result: TrainingResult) -> str:
    """Return every metric of the reported procedure with its interval."""
    metrics = reported_evaluation(result).metrics
    rows = [(words, interval(estimate)) for _, words, estimate in told(metrics, result.model.horizons_months)]
    return table(("Metric", "Figure (95 % interval)"), rows)


def _compared(result: TrainingResult) -> str:
    rows = [
        (e.name, *(interval(e.metrics.get(metric)) for metric in COMPARED)) for e in result.evaluations.values()
    ]  # fmt: skip
    return table(("Learner or baseline", *COMPARED.values()), rows)


def subgroups_table(result: TrainingResult) -> str:
    """Return concordance and calibration by subgroup with numbers and events, where they were assessed."""
    found = result.tables.get("subgroups", pd.DataFrame())
    rows = [
        (row["column"], row["group"], row["n"], row["events"], *(_figure(row, *names) for names in OF_SUBGROUPS))
        for row in found.to_dict("records")
    ]
    months = found["horizon_months"].iloc[0] if "horizon_months" in found and len(found) else None
    observed = "log observed/expected risk" + ("" if months is None else f" at {months:g} months")
    return table(("Column", "group", "n", "events", "Harrell's concordance", observed), rows)


def _figure(row: Mapping[Hashable, Any], *names: str) -> str:
    return interval(Estimate(*(float(row.get(name, np.nan)) for name in names)))


def _further_tables(result: TrainingResult) -> str:
    names = (f"`tables/{name}.csv`" for name in sorted(result.tables))
    return f"Tables of the run: {', '.join(names) or 'none'}."


def _proportional_hazards(result: TrainingResult) -> str:
    found = result.tables.get("proportional_hazards", pd.DataFrame())
    rows = [
        (row["covariate"], number(row["chi_square"]), row["degrees_of_freedom"], number(row["p_value"]))
        for row in found.to_dict("records")
    ]
    return table(("Proportional hazards", "chi-square", "degrees of freedom", "p"), rows)
