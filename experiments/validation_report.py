"""The report of a validation: one page that stands alone, its pictures within."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from experiments.card_markdown import NOT_ASSESSED, bullets, escaped, html_page, interval, number, table
from experiments.metric_words import told
from experiments.validated_model import Locked
from experiments.validation_tables import (
    LABELS,
    attendance_lines,
    middle_horizon,
    observed_expected,
    recalibration_lines,
    trained_words,
    training_words,
)
from training.case_mix import NEW, TRAINING
from training.external_figures import FURTHER_METRICS, RATIO_OWN, RATIO_REFERENCE
from training.input_shift import LARGE, MODERATE
from training.validation import Row, Validation

CONCORDANCE = "concordance_harrell"
_WORDS = {
    CONCORDANCE: "Harrell's concordance (½ is chance, 1 the best)",
    RATIO_REFERENCE: "Integrated Brier ratio to the reference's Kaplan–Meier (below 1 is better)",
    RATIO_OWN: "Integrated Brier ratio to the new cohort's own Kaplan–Meier (below 1 is better; optimistic)",
}
PICTURES = {
    "concordance": "Verdict",
    "survival_by_risk_group": "Figures",
    "calibration": "Calibration",
    "decision_curve": "Usefulness",
    "shifts": "Inputs",
    "linear_predictor": "Patients",
}


def report_html(validation: Validation, locked: Locked, pictures: Mapping[str, str]) -> str:
    """Return the page.

    Parameters
    ----------
    validation : Validation
    locked : Locked
    pictures : mapping of str to str
        By name, each as a ``data:`` address.
    """
    title = f"Validation of {validation.model.name} on {validation.cancer_type}"
    return html_page(report(validation, locked, pictures), title=title)


def report(validation: Validation, locked: Locked, pictures: Mapping[str, str]) -> str:
    """Return the same as Markdown (see `report_html`)."""
    parts = [f"# Validation of {escaped(locked.name)}", *_head(validation, locked)]
    shown = {section: name for name, section in PICTURES.items() if name in pictures}
    for section, text in {
        "Verdict": _verdict(validation),
        "Figures": _figures(validation),
        "Calibration": _recalibration(validation),
        "Usefulness": "",
        "Inputs": _inputs(validation),
        "Patients": _patients(validation),
        "How it was done": _methods(validation),
    }.items():
        picture = shown.get(section)
        body = [each for each in (text, f"![{section}]({pictures[picture]})" if picture else "") if each]
        if body:
            parts += [f"## {section}", *body]
    return "\n\n".join(parts) + "\n"


def _head(validation: Validation, locked: Locked) -> list[str]:
    new = validation.cohort
    warnings = ["> **Research use only.**"]
    if validation.model.simulated:
        warnings.append("> - SIMULATED patients: nothing here says anything of a real one.")
    if validation.cancer_type != validation.model.cancer_type:
        warnings.append(f"> - The model is of {validation.model.cancer_type}, the patients have "
                        f"{validation.cancer_type}.")  # fmt: skip
    if validation.relative_reason:
        warnings.append(f"> - No risk was judged: {escaped(validation.relative_reason)}.")
    facts = [
        f"**Model**: {escaped(locked.name)}, bundle `{locked.digest[:16]}`; {escaped(trained_words(validation.model))} "
        f"({escaped(validation.model.cohort.source)}); locked, nothing was refitted",
        f"**New patients**: {new.n_patients}, {new.n_events} events ({escaped(new.source)})",
        *map(escaped, attendance_lines(validation)),
        f"**{escaped(validation.summary)}**",
    ]
    return ["\n>\n".join([warnings[0], "\n".join(warnings[1:])]) if warnings[1:] else warnings[0], bullets(facts)]


def _verdict(validation: Validation) -> str:
    row = validation.judged
    rows = [(each.question, each.verdict, each.basis) for each in validation.findings]
    return (
        f"Of the row *{_row_words(row)}*. What could not be assessed has not been passed.\n\n"
        f"{table(('Question', 'verdict', 'figure and rule'), rows)}"
    )


def _figures(validation: Validation) -> str:
    rows = validation.rows
    horizons = validation.judged.horizons_months
    names = dict.fromkeys(name for row in rows for name in row.metrics)
    worded = {name: words for name, words, _ in told({}, horizons)} | _WORDS
    lines = [
        (worded.get(name, name), *(interval(row.metrics.get(name)) for row in rows)) for name in worded if name in names
    ]
    lines.insert(0, ("Patients, events", *(f"{row.n_patients}, {row.n_events}" for row in rows)))
    for months in horizons:
        ratios = (observed_expected(row.metrics, months) for row in rows)
        lines.append((f"Observed over expected risk at {months:g} months (1 is right)", *map(interval, ratios)))
    trained = (validation.model.variants[row.variant].metrics.get(CONCORDANCE) for row in rows)
    lines.insert(1, (f"Harrell's concordance {training_words(validation.model)}, out of fold", *map(interval, trained)))
    note = (
        "*Renormalised*: the genes against the quantiles of the new cohort itself. It tells how much of a loss is a "
        "shift of scale or batch; **no single new patient can be answered so**."
    )
    further = bullets([f"{_WORDS[name]}: {metric.definition}" for name, metric in FURTHER_METRICS.items()])
    return "\n\n".join([table(("Figure (95 % interval)", *map(_row_words, rows)), lines), note, further])


def _recalibration(validation: Validation) -> str:
    offers = recalibration_lines(validation)
    if not offers:
        return "No recalibration is offered." if validation.judged.calibration is not None else ""
    words = (
        "Offered, and **not applied**; the bundle is as it was. Figures after it are cross-validated: each patient's "
        "shift and slope come from the others. Estimated on these patients, it holds for patients like them only."
    )
    return f"{words}\n\n{bullets([escaped(each) for each in offers])}"


def _inputs(validation: Validation) -> str:
    rows = [
        (row["input"], row["kind"], number(row["psi"]), number(row["psi_chance"]), row["reading"], number(row["ks"]),
         _p(row["ks_p"]), f"{row['missing']:.0%}", _share(row["weight"]))
        for row in validation.shifts.to_dict("records")
    ]  # fmt: skip
    header = ("Input", "kind", "PSI", "by chance", "reading", "KS", "p", "missing", "weight in the genes")
    words = (
        "PSI: the population stability index over tenths of the reference, Σ (q − p) log(q/p), half a patient added to "
        f"each bin; below {MODERATE:g} usually read as little, from {LARGE:g} as large. *By chance*: what it stays "
        "below where nothing moved, for cohorts of these sizes and all inputs together (5 %). KS: the largest distance "
        "of the distribution functions; of clinical covariates at the points that the bundle knows, without a p-value."
    )
    if validation.model.reference:
        words += " Genes are set beside the reference named above, clinical covariates beside all pooled cohorts."
    return f"{words}\n\n{table(header, rows)}"


def _patients(validation: Validation) -> str:
    rows = [
        (row["characteristic"], _count_or_share(row[TRAINING]), _count_or_share(row[NEW]))
        for row in validation.case_mix.to_dict("records")
    ]
    parts = [table(("Characteristic", "training", "new"), rows)]
    found = validation.typical
    if found is not None:
        tenths = ", ".join(map(str, found.tenths.tolist()))
        parts.append(
            f"Distance of the profiles from the reference cohort, new patients by tenths of the reference's own "
            f"distances, nearest first: {tenths}. Warned of: {found.share_warned:.1%} "
            f"({found.expected_warned:.0%} of the reference's own); refused: {found.share_refused:.1%}."
        )
    return "\n\n".join(parts)


def _methods(validation: Validation) -> str:
    horizons = ", ".join(f"{months:g}" for months in validation.judged.horizons_months) or NOT_ASSESSED
    lines = [
        f"Intervals: {validation.n_samples} bootstrap samples of patients (seed {validation.seed}), 95 %; smoothed "
        "calibration errors, decision curves and figures after recalibration from the first 200. The model is locked: "
        "they hold for it, not for the way it was made.",
        f"Horizons: {horizons} months: the model's, as far as it and the new follow-up go.",
        f"The row of the verdict is the fullest variant with enough events; figures at one horizon are at "
        f"{middle_horizon(validation):g} months.",
        "After TRIPOD+AI (doi 10.1136/bmj-2023-078378), Royston and Altman (doi 10.1186/1471-2288-13-33), McLernon et "
        "al. (doi 10.7326/M22-0844), Debray et al. (doi 10.1016/j.jclinepi.2014.06.018), Crowson et al. (doi "
        "10.1177/0962280213497434), van Klaveren et al. (doi 10.1002/sim.6997).",
    ]
    return bullets(lines)


def _row_words(row: Row) -> str:
    return f"{row.variant.replace('_', ' ')}, {LABELS[row.normalisation].rstrip('*')}"


def _p(value: float) -> str:
    if pd.isna(value):
        return NOT_ASSESSED
    return f"{value:.2g}" if value >= 0.001 else "< 0.001"


def _count_or_share(value: float) -> str:
    return f"{value:.0f}" if value >= 1 and float(value).is_integer() else number(float(value))


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.1%}"
