"""The pictures of a validation, of the row that the verdict is of: each a pure function of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from experiments.figure_frame import frame
from experiments.figure_style import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    ORANGE,
    SMALL,
    VERMILLION,
    WIDTH,
    interval_words,
)
from experiments.survival_figures import RISK_GROUPS, draw_curve, write_at_risk
from experiments.validation_shift_figures import predictor_figure, shift_figure
from experiments.validation_tables import LABELS, training_words
from features.cohort import days_to_months
from training.estimate import Estimate
from training.scores import risk_percentile
from training.validation import Row, Validation

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

CONCORDANCE = "concordance_harrell"
_BAND = "95 % intervals from resampled patients; the model is locked, nothing is refitted"


def pictures(validation: Validation) -> Iterator[tuple[str, Figure]]:
    """Yield name and figure of each picture; what was not assessed is left out."""
    row = validation.judged
    if row.metrics:
        yield "concordance", concordance_figure(validation)
        yield "survival_by_risk_group", survival_figure(validation, row)
        yield "linear_predictor", predictor_figure(validation, row)
    if row.calibration is not None:
        yield "calibration", calibration_figure(validation, row)
    if row.decision_curve is not None:
        yield "decision_curve", decision_figure(validation, row)
    if validation.shifts["psi"].notna().any():
        yield "shifts", shift_figure(validation)


def whose(validation: Validation, row: Row | None = None) -> str:
    """Say whose picture it is."""
    model, new = validation.model, validation.cohort
    on = f"{model.name} on {validation.cancer_type}, {new.source}"
    if row is None:
        return on
    variant = row.variant.replace("_", " ")
    return f"{on}: {row.n_patients} patients, {row.n_events} events; {variant}, {LABELS[row.normalisation].rstrip('*')}"


def concordance_figure(validation: Validation) -> Figure:
    """Draw Harrell's concordance of every row beside the out-of-fold one at training."""
    rows: list[tuple[str, Estimate, str]] = []
    for variant in dict.fromkeys(row.variant for row in validation.rows):
        own, name = validation.model.variants[variant].metrics[CONCORDANCE], variant.replace("_", " ")
        rows.append((f"{name}, {training_words(validation.model)}", own, FAINT))
        rows += [
            (f"{name}, {LABELS[row.normalisation].rstrip('*')}", row.metrics[CONCORDANCE], _colour(row))
            for row in validation.rows
            if row.variant == variant and CONCORDANCE in row.metrics
        ]
    figure = Figure(figsize=(WIDTH, 2.3 + 0.32 * len(rows)), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0.5, color=INK, linewidth=0.8)
    for place, (_, estimate, colour) in enumerate(rows):
        axes.hlines(place, estimate.lower, estimate.upper, colors=colour, linewidth=2)
        axes.scatter(estimate.value, place, color=colour, s=36, zorder=3)
        axes.text(1.02, place, interval_words(estimate), va="center", fontsize=SMALL,
                  transform=axes.get_yaxis_transform())  # fmt: skip
    axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel="Harrell's concordance (½ is chance, drawn as a line)")
    _open(axes)
    caption = (
        f"Bars: {_BAND}. At training: out of fold. Renormalised: genes against the new cohort's own quantiles, not "
        "what a new patient would get."
    )
    frame(figure, title="Concordance in new patients", subtitle=whose(validation), caption=caption,
          simulated=validation.model.simulated)  # fmt: skip
    return figure


def survival_figure(validation: Validation, row: Row) -> Figure:
    """Draw Kaplan–Meier curves of the new patients in the reference cohort's thirds of risk, and numbers at risk."""
    figure = Figure(figsize=(WIDTH, 6.6), layout="constrained")
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[6, 1])
    reference = validation.model.variants[row.variant].reference
    thirds = np.minimum((risk_percentile(reference, row.linear_predictor) * 3 / 100).astype(np.int64), 2)
    groups = {name: thirds == third for third, name in enumerate(RISK_GROUPS) if (thirds == third).any()}
    for name, members in groups.items():
        draw_curve(axes, row.time[members], row.event[members], name)
    limit = min(validation.model.horizon_months_max, float(days_to_months(row.time).max()))
    axes.set(xlim=(0, limit), ylim=(0, 1.02), ylabel="Kaplan–Meier, new patients")
    axes.legend(loc="lower left", framealpha=0.8, edgecolor="none", title="Risk by the reference's thirds")
    axes.tick_params(labelbottom=False)
    _open(axes)
    write_at_risk(below, {name: row.time[members] for name, members in groups.items()}, limit)
    caption = (
        "Groups: the thirds of the reference cohort's out-of-fold linear predictor, frozen in the bundle; new patients "
        "need not fall into them evenly. Bands: pointwise 95 % intervals (Greenwood, log–log)."
    )
    frame(figure, title="Survival by predicted risk", subtitle=whose(validation, row), caption=caption,
          simulated=validation.model.simulated)  # fmt: skip
    return figure


def calibration_figure(validation: Validation, row: Row) -> Figure:
    """Draw observed against predicted survival in groups of like prediction, one panel a horizon."""
    horizons = row.horizons_months
    figure = Figure(figsize=(max(WIDTH, 3.1 * len(horizons)), 5.2), layout="constrained")
    panels = figure.subplots(1, len(horizons), squeeze=False)[0]
    assert row.calibration is not None  # noqa: S101
    for axes, months in zip(panels, horizons, strict=True):
        table = row.calibration[row.calibration["horizon_months"] == months]
        below, above = table["observed"] - table["lower"], table["upper"] - table["observed"]
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle="--")
        axes.errorbar(table["predicted"], table["observed"], yerr=[below.fillna(0), above.fillna(0)], fmt="o",
                      color=BLUE, capsize=3)  # fmt: skip
        axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel=f"Predicted survival at {months:g} months")
        ratio = row.metrics[f"log_observed_expected_{months:g}m"]
        bounds = Estimate(*np.exp([ratio.value, ratio.lower, ratio.upper]).tolist())
        axes.set_title(f"O/E {interval_words(bounds)}", fontsize=SMALL, loc="left")
        _open(axes)
    panels[0].set_ylabel("Kaplan–Meier survival, new patients")
    slope = interval_words(row.metrics["calibration_slope"])
    caption = (
        "Points: groups of equal size of like prediction, with pointwise 95 % intervals (Greenwood, log–log). Dashed: "
        "right. O/E: observed over expected risk, above 1 more patients fail than predicted. Calibration slope "
        f"{slope}."
    )
    frame(figure, title="Calibration in new patients", subtitle=whose(validation, row), caption=caption,
          simulated=validation.model.simulated)  # fmt: skip
    return figure


def decision_figure(validation: Validation, row: Row) -> Figure:
    """Draw net benefit of the model, of treating all and of treating none, one panel a horizon."""
    horizons = row.horizons_months
    figure = Figure(figsize=(max(WIDTH, 3.1 * len(horizons)), 5.0), layout="constrained")
    panels = figure.subplots(1, len(horizons), squeeze=False)[0]
    assert row.decision_curve is not None  # noqa: S101
    for axes, months in zip(panels, horizons, strict=True):
        table = row.decision_curve[row.decision_curve["horizon_months"] == months]
        axes.plot(table["threshold"], table["treat_all"], color=FAINT, linewidth=1.5, label="treat all")
        axes.axhline(0, color=INK, linewidth=1.2, linestyle=":", label="treat none")
        axes.plot(table["threshold"], table["net_benefit"], color=BLUE, linewidth=1.8, label="model")
        axes.fill_between(table["threshold"], table["lower"], table["upper"], color=BLUE, alpha=0.15, linewidth=0)
        highest = max(float(table["treat_all"].max()), float(table["upper"].max()), 0.01)
        axes.set(ylim=(-0.25 * highest, 1.1 * highest), xlim=(0, float(table["threshold"].max())))
        axes.set(xlabel=f"Threshold: risk by {months:g} months")
        _open(axes)
    panels[0].set_ylabel("Net benefit per patient")
    panels[-1].legend(loc="upper right", framealpha=0.8, edgecolor="none")
    caption = (
        f"Net benefit: true positives per patient less false positives at the threshold's odds. Band: {_BAND}. A "
        "picture of what the prediction could be worth, not advice to treat."
    )
    frame(figure, title="Decision curves in new patients", subtitle=whose(validation, row), caption=caption,
          simulated=validation.model.simulated)  # fmt: skip
    return figure


def _colour(row: Row) -> str:
    if row.metrics[CONCORDANCE].upper < 0.5:
        return VERMILLION
    return GREEN if row.normalisation == "renormalised" else BLUE if row.metrics[CONCORDANCE].lower > 0.5 else ORANGE


def _open(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
