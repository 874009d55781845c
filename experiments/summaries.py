"""What the commands print: a cohort, a training, the registered models and hazard ratios, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from features.cohort import ENDPOINTS, Cohort, days_to_months
from features.panel import Panel
from training.estimate import Estimate
from training.kaplan_meier import median_follow_up

if TYPE_CHECKING:
    # They bring MLflow and the learners, which take seconds to import.
    from experiments.tracking import TrackedModel
    from training.results import TrainingResult

RESULT_COLUMNS = {"concordance_harrell": "Harrell", "concordance_uno": "Uno", "integrated_brier_score": "Brier"}


def cohort_summary(cohort: Cohort, panel: Panel) -> str:
    """Say who is in a cohort, what was measured, what of the panel is there, and what the reader did."""
    missing = [symbol for symbol in panel.symbols if symbol not in cohort.expression.columns]
    reference = "" if cohort.zscore_reference is None else f", reference {cohort.zscore_reference}"
    known = cohort.clinical.notna().sum()
    facts = {
        "cancer type": cohort.cancer_type,
        "source": cohort.source,
        "endpoint": f"{cohort.endpoint} ({ENDPOINTS[cohort.endpoint]})",
        "patients": str(len(cohort.patients)),
        "events": str(cohort.n_events),
        "median follow-up": _months(days_to_months(np.array(median_follow_up(cohort.time, cohort.event))).item()),
        "scale": cohort.scale + reference,
        "genes": str(cohort.expression.shape[1]),
        "clinical": ", ".join(f"{name} ({count} known)" for name, count in known.items()) or "none",
        f"{panel.name} found": f"{len(panel.symbols) - len(missing)} of {len(panel.symbols)}",
        f"{panel.name} missing": ", ".join(missing) or "none",
    }
    width = max(map(len, facts))
    lines = [f"{name:<{width}}  {fact}" for name, fact in facts.items()]
    ledger = [f"  {entry}" for entry in cohort.ledger.entries] or ["  nothing was dropped, mapped or guessed"]
    return "\n".join([*lines, "", "ledger", *ledger])


def training_summary(result: TrainingResult, model: TrackedModel) -> str:
    """Say how each learner and baseline did, what gives reason for caution, and what was registered and why."""
    verdict = f"{model.name}  version {model.version}: {', '.join(model.aliases)}; gate {model.tags['gate']}"
    return "\n".join([learners_summary(result), *gate_lines(result), verdict])


def learners_summary(result: TrainingResult) -> str:
    """Say how each learner and baseline did, and what gives reason for caution."""
    name = result.model.name
    rows = [
        (name, evaluation.name, *(with_interval(evaluation.metrics[metric]) for metric in RESULT_COLUMNS))
        for evaluation in result.evaluations.values()
    ]
    warnings = result.diagnostics.warnings if result.diagnostics else ()
    said = (_fits(result), *(f"caution: {each}" for each in warnings))
    return "\n".join(
        [table(("model", "learner", *RESULT_COLUMNS.values()), rows), *(f"{name}  {line}" for line in said)]
    )


def gate_lines(result: TrainingResult) -> list[str]:
    """Say of each clause of the gate whether it passed, and on which figure."""
    return [
        f"{result.model.name}  gate, {clause}: {verdict} ({figure})" for clause, verdict, figure in result.gate.clauses
    ]


def _fits(result: TrainingResult) -> str:
    """Say how many fits were planned on inner folds, and how many the early end of trials left."""
    planned, done = (sum(getattr(e, of) for e in result.evaluations.values()) for of in ("fits_planned", "fits_done"))
    if done == planned:
        return f"{done} fits on inner folds done; no trial was stopped early"
    return f"{done} of {planned} fits on inner folds done; the others belonged to trials that fell behind"


def models_table(models: Sequence[TrackedModel]) -> str:
    """List registered versions with their figures, one a line."""
    header = ("model", "version", "alias", "Harrell", "Brier", "learner", "patients", "events", "gate", "trained on")
    return table(header, [_model_row(model) for model in models])


def hazard_ratio_table(table_of_ratios: pd.DataFrame) -> str:
    """Write the univariate hazard ratios, per standard deviation and at the median split, one gene a line."""
    header = ("gene", "n", "events", "HR per SD", "p", "q", "HR median split", "p", "q", "published", "direction")
    return table(header, [_ratio_row(row) for row in table_of_ratios.to_dict("records")])


def with_interval(estimate: Estimate) -> str:
    """Write a figure with its interval, ``0.751 (0.702 to 0.799)``."""
    if math.isnan(estimate.lower):
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} ({estimate.lower:.3f} to {estimate.upper:.3f})"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align rows under their header, two spaces between columns."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (header, *rows))
    return "\n".join(line.rstrip() for line in lines)


def _months(months: float) -> str:
    return "not reached" if math.isnan(months) else f"{months:.1f} months (reverse Kaplan–Meier)"


def _model_row(model: TrackedModel) -> tuple[str, ...]:
    tags = model.tags
    patients = "SIMULATED patients" if tags.get("simulated") == "true" else "real patients"
    figures = (with_interval(model.figure(metric)) for metric in ("concordance_harrell", "integrated_brier_score"))
    told = (tags.get(key, "") for key in ("learner", "n_patients", "n_events", "gate"))
    return (model.name, model.version, ", ".join(model.aliases), *figures, *told, patients)


def _ratio_row(row: dict[str, object]) -> tuple[str, ...]:
    figures = []
    for name in ("per_sd", "median_split"):
        value, lower, upper = (row[f"hazard_ratio_{name}{end}"] for end in ("", "_lower", "_upper"))
        figures += [f"{value:.2f} ({lower:.2f} to {upper:.2f})", f"{row[f'p_{name}']:.2g}", f"{row[f'q_{name}']:.2g}"]
    published = row["published_hazard_ratio"]
    beside = f"{published:.2f}" if isinstance(published, float) and math.isfinite(published) else ""
    return (str(row["gene"]), str(row["n"]), str(row["events"]), *figures, beside, str(row["direction"]))
