"""A validation as tables: what the terminal shows, and the frames that are written as CSV and JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from experiments.summaries import table
from experiments.validated_model import Locked
from training.estimate import Estimate
from training.external_figures import RATIO_REFERENCE
from training.metrics import at_horizon
from training.model import PrognosticModel
from training.new_patients import AS_IS
from training.recalibration import SHIFT
from training.validation import Row, Validation
from training.validation_verdict import Finding

#: Inputs that the terminal names; all stand in ``shifts.csv``.
SHIFTS_SHOWN = 5
LABELS = {AS_IS: "as it is", "renormalised": "renormalised*"}
RENORMALISED_NOTE = (
    "* genes against the new cohort's own quantiles: a figure on the cohort, not what a new patient would get"
)


def middle_horizon(validation: Validation) -> float:
    """Return the horizon of figures that are shown at one only; the model's where none was judged."""
    horizons = validation.judged.horizons_months or validation.model.horizons_months
    return horizons[len(horizons) // 2]


def observed_expected(metrics: Mapping[str, Estimate], months: float) -> Estimate | None:
    """Return observed over expected risk at a horizon; None where it was not assessed."""
    found = metrics.get(at_horizon("log_observed_expected", months))
    return (
        None if found is None else Estimate(*(float(np.exp(each)) for each in (found.value, found.lower, found.upper)))
    )


def figures(validation: Validation) -> pd.DataFrame:
    """Return every figure of every row, beside the model's own out-of-fold figure of the same name.

    Returns
    -------
    DataFrame
        ``variant``, ``normalisation``, ``n_patients``, ``n_events``, ``metric``, ``value``, ``lower``, ``upper``,
        ``training``, ``training_lower``, ``training_upper``; NaN where there is none.
    """
    rows = [
        (row.variant, row.normalisation, row.n_patients, row.n_events, name, *_values(figure), *_values(own.get(name)))
        for row in validation.rows
        for own in (validation.model.variants[row.variant].metrics,)
        for name, figure in row.metrics.items()
    ]
    bounds = ("value", "lower", "upper", "training", "training_lower", "training_upper")
    return pd.DataFrame(rows, columns=["variant", "normalisation", "n_patients", "n_events", "metric", *bounds])


def calibration(validation: Validation) -> pd.DataFrame:
    """Return the calibration groups of every row; empty where probabilities mean nothing."""
    return _of_rows(validation, "calibration")


def decision_curve(validation: Validation) -> pd.DataFrame:
    """Return the decision curves of every row; empty where probabilities mean nothing."""
    return _of_rows(validation, "decision_curve").drop(columns="name", errors="ignore")


def recalibrations(validation: Validation) -> pd.DataFrame:
    """Return what each offer would change: ``variant``, ``offer``, ``figure``, and before and after with intervals."""
    rows = []
    for row in validation.rows:
        for offer in row.offers:
            rows += [(row.variant, offer.name, "shift", *_values(None), *_values(offer.shift))]
            rows += [(row.variant, offer.name, "slope", *_values(None), *_values(offer.slope))]
            rows += [
                (row.variant, offer.name, name, *_values(row.metrics[name]), *_values(figure))
                for name, figure in offer.after.items()
            ]
    bounds = [f"{when}{end}" for when in ("before", "after") for end in ("", "_lower", "_upper")]
    return pd.DataFrame(rows, columns=["variant", "offer", "figure", *bounds])


def as_json(validation: Validation, locked: Locked) -> dict[str, Any]:
    """Return the whole validation as plain data: figures and counts, no patient's id or value."""
    model = validation.model
    return {
        "format": 1,
        "model": {
            "name": model.name,
            "version": locked.version,
            "alias": locked.alias,
            "bundle_digest": locked.digest,
            "reference": reference_facts(model),
            "trained_on": asdict(model.cohort),
            "n_trained_on": len(model.patient_hashes),
        },
        "cohort": {"cancer_type": validation.cancer_type, **asdict(validation.cohort)},
        "attendance": {**asdict(validation.attendance), "n_refused": validation.attendance.n_refused},
        "summary": validation.summary,
        "judged_row": {"variant": validation.judged.variant, "normalisation": validation.judged.normalisation},
        "findings": [asdict(finding) for finding in validation.findings],
        "no_probabilities_because": validation.relative_reason,
        "rows": [_row_json(row) for row in validation.rows],
        "shifts": validation.shifts.to_dict("records"),
        "typicality": None if validation.typical is None else asdict(validation.typical),
        "case_mix": validation.case_mix.to_dict("records"),
        "bootstrap": {"samples": validation.n_samples, "seed": validation.seed, "resampled": "patients; no refit"},
    }


def reference_facts(model: PrognosticModel) -> dict[str, Any] | None:
    """Return which of the pooled cohorts' references was asked, as plain data; None where none were pooled."""
    if not model.reference:
        return None
    names = model.reference_names
    return {"name": model.reference, "default": model.reference == names[0], "all": list(names)}


def trained_words(model: PrognosticModel) -> str:
    """Say what the model was trained on, and of pooled cohorts which one it was asked against."""
    known = model.cohort
    counts = f"{known.n_patients} patients ({known.n_events} events)"
    facts = reference_facts(model)
    if facts is None:
        return f"trained on {counts}"
    default = "the default" if facts["default"] else f"not the default, {facts['all'][0]}"
    pooled = f"{len(model.patient_hashes)} patients of {len(facts['all'])} cohorts"
    return f"reference {model.reference} ({default}): {counts}; trained on {pooled}"


def training_words(model: PrognosticModel) -> str:
    """Say of whom figures at training are: a pooled model's are of all its cohorts, on each reference."""
    return "at training, all pooled cohorts" if model.reference else "at training"


def terminal(validation: Validation, locked: Locked) -> str:
    """Return what the terminal shows."""
    return "\n".join(
        [
            _whose(validation, locked),
            *attendance_lines(validation),
            "",
            _figures_table(validation, locked),
            *([RENORMALISED_NOTE] if any(row.normalisation != AS_IS for row in validation.rows) else []),
            *([f"no risk was judged: {validation.relative_reason}"] if validation.relative_reason else []),
            "",
            table(("question", "verdict", "figure"), [_told(each) for each in validation.findings]),
            "",
            _moved(validation),
            *recalibration_lines(validation),
            "",
            validation.summary,
        ]
    )


def attendance_lines(validation: Validation) -> list[str]:
    """Say who was left out, refused and warned of."""
    found = validation.attendance
    lines = []
    if found.n_learned_from:
        lines.append(
            f"the model was trained on {found.n_learned_from} of these {found.n_patients} patients: left out of all "
            f"figures; {found.n_absent} remain, {found.n_absent_events} events"
        )
    refused = "; ".join(f"{reason}: {count}" for reason, count in found.refused.items())
    if validation.relative_reason is None or found.n_refused:
        lines.append(f"patients the service would refuse: {found.n_refused}{f' ({refused})' if refused else ''}; "
                     f"would warn of: {found.n_warned}")  # fmt: skip
    unknown = ", ".join(f"{column} {count}" for column, count in found.unknown_clinical.items() if count)
    if unknown:
        lines.append(f"clinical covariates not known, so answered by the genes alone: {unknown}")
    return lines


def recalibration_lines(validation: Validation) -> list[str]:
    """Say what recalibration is offered, and what it would lead to; nothing is applied."""
    row = validation.judged
    months = middle_horizon(validation)
    return [
        f"offer ({row.variant}), not applied: {_offered(offer.name, offer.shift, offer.slope)}; observed/expected at "
        f"{months:g} months {_short(observed_expected(offer.after, months))}, "
        f"slope {_short(offer.after['calibration_slope'])}, both cross-validated"
        for offer in row.offers
    ]


def _offered(name: str, shift: Estimate, slope: Estimate) -> str:
    words = f"log hazard {shift.value:+.2f} ({shift.lower:+.2f} to {shift.upper:+.2f})"
    return words if name == SHIFT else f"{words} and slope {_short(slope)}"


def _whose(validation: Validation, locked: Locked) -> str:
    new = validation.cohort
    return (
        f"{locked.name}, {trained_words(validation.model)}, locked, on {validation.cancer_type}: {new.n_patients} "
        f"patients, {new.n_events} events; {new.source}"
    )


def _figures_table(validation: Validation, locked: Locked) -> str:
    months = middle_horizon(validation)
    header = ("figures", "patients", "events", "Harrell", "slope", f"obs/exp {months:g} m", "Brier/Kaplan–Meier")
    rows = []
    for variant in dict.fromkeys(row.variant for row in validation.rows):
        known = validation.model.variants[variant].metrics
        # Figures out of fold are of all cohorts that were pooled, whichever is the reference.
        trained = [each.cohort for each in (locked.model, *locked.model.references.values())]
        counts = (str(sum(each.n_patients for each in trained)), str(sum(each.n_events for each in trained)))
        brier = known.get("integrated_brier_ratio")
        rows.append((f"{_plain(variant)}, {training_words(locked.model)}", *counts, *_shown(known, months, brier)))
        rows += [
            (f"{_plain(variant)}, {LABELS[row.normalisation]}", str(row.n_patients), str(row.n_events),
             *_shown(row.metrics, months, row.metrics.get(RATIO_REFERENCE)))
            for row in validation.rows if row.variant == variant
        ]  # fmt: skip
    return table(header, rows)


def _shown(metrics: Mapping[str, Estimate], months: float, brier: Estimate | None) -> Iterator[str]:
    chosen = (metrics.get("concordance_harrell"), metrics.get("calibration_slope"), observed_expected(metrics, months))
    yield from (_short(figure) for figure in (*chosen, brier))


def _told(finding: Finding) -> tuple[str, str, str]:
    return finding.question, finding.verdict, finding.basis.partition("; rule:")[0]


def _moved(validation: Validation) -> str:
    shown = validation.shifts[validation.shifts["psi"].notna()].head(SHIFTS_SHOWN)
    if not len(shown):
        return "inputs: shift could not be assessed"
    rows = [
        (str(row["input"]), f"{row['psi']:.2f}", f"{row['psi_chance']:.2f}", str(row["reading"]), _number(row["ks"]),
         f"{row['missing']:.0%}")
        for row in shown.to_dict("records")
    ]  # fmt: skip
    return table(("input", "PSI", "by chance", "reading", "KS", "missing"), rows)


def _short(figure: Estimate | None) -> str:
    if figure is None or not math.isfinite(figure.value):
        return "not assessed"
    if not math.isfinite(figure.lower):
        return f"{figure.value:.2f}"
    return f"{figure.value:.2f} ({figure.lower:.2f}–{figure.upper:.2f})"


def _number(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "–"


def _plain(variant: str) -> str:
    return variant.replace("_", " ")


def _values(figure: Estimate | None) -> tuple[float, float, float]:
    return (math.nan,) * 3 if figure is None else (figure.value, figure.lower, figure.upper)


def _of_rows(validation: Validation, what: str) -> pd.DataFrame:
    found = []
    for row in validation.rows:
        frame: pd.DataFrame | None = getattr(row, what)
        if frame is not None:
            frame = frame.copy()
            frame.insert(0, "normalisation", row.normalisation)
            frame.insert(0, "variant", row.variant)
            found.append(frame)
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=["variant", "normalisation"])


def _row_json(row: Row) -> dict[str, Any]:
    return {
        "variant": row.variant,
        "normalisation": row.normalisation,
        "n_patients": row.n_patients,
        "n_events": row.n_events,
        "horizons_months": list(row.horizons_months),
        "figures": {name: asdict(figure) for name, figure in row.metrics.items()},
        "linear_predictor": None if row.mix is None else asdict(row.mix),
        "recalibration_offers": [asdict(offer) for offer in row.offers],
    }
