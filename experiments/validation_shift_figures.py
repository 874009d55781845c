"""Pictures of how a new cohort differs from the reference: its inputs, one by one, and its linear predictor."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from experiments.figure_frame import frame
from experiments.figure_style import BLUE, FAINT, INK, ORANGE, SMALLEST, VERMILLION, WIDTH
from training.input_shift import LARGE, MODERATE
from training.validation import Row, Validation

#: Inputs in the picture; all stand in the table.
INPUTS_SHOWN = 30
COLOURS = {"large": VERMILLION, "moderate": ORANGE}


def shift_figure(validation: Validation) -> Figure:
    """Draw the stability index of the inputs that moved farthest, with what chance alone would make of it."""
    table = validation.shifts[validation.shifts["psi"].notna()].head(INPUTS_SHOWN)
    figure = Figure(figsize=(WIDTH, 2.4 + 0.21 * len(table)), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(table))
    colours = [COLOURS.get(str(reading), FAINT) for reading in table["reading"]]
    axes.barh(places, table["psi"], color=colours, height=0.7)
    axes.scatter(table["psi_chance"], places, color=INK, marker="|", s=60, label="exceeded by chance: 5 % for all")
    for bound in (MODERATE, LARGE):
        axes.axvline(bound, color=BLUE, linewidth=0.8, linestyle="--")
    axes.set_yticks(places, [str(name) for name in table["input"]], fontsize=SMALLEST)
    axes.set(ylim=(len(table) - 0.4, -0.6), xlabel="Population stability index")
    axes.set_xlim(0, 1.1 * max(float(table["psi"].max()), float(table["psi_chance"].max()), LARGE))
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False, fontsize=SMALLEST)
    axes.spines[["top", "right"]].set_visible(False)
    n = int(validation.shifts["psi"].notna().sum())
    caption = (
        f"The {len(table)} inputs of {n} that moved farthest from the reference. Dashed: 0.1 and 0.25, usually read as "
        "moderate and large. Strokes: what the index stays below by chance where nothing moved, for cohorts of these "
        "sizes and all inputs together. Orange and red: moderate and large beyond it."
    )
    on = f"{validation.model.name} on {validation.cancer_type}, {validation.cohort.source}"
    frame(figure, title="How far the inputs moved", subtitle=on, caption=caption, simulated=validation.model.simulated)
    return figure


def predictor_figure(validation: Validation, row: Row) -> Figure:
    """Draw the linear predictors of the new patients over those of the reference, and the reference's thirds."""
    figure = Figure(figsize=(WIDTH, 4.8), layout="constrained")
    axes = figure.subplots()
    reference = validation.model.variants[row.variant].reference
    both = np.concatenate([reference, row.linear_predictor])
    bins = np.linspace(both.min(), both.max(), 31) if both.min() < both.max() else np.array([-0.5, 0.5])
    for values, colour, label in ((reference, FAINT, "reference, out of fold"), (row.linear_predictor, BLUE, "new")):
        weights = np.full(len(values), 1 / len(values))
        axes.hist(values, bins=bins.tolist(), weights=weights, color=colour, alpha=0.5, label=label)
    for third in np.quantile(reference, [1 / 3, 2 / 3]).tolist():
        axes.axvline(third, color=INK, linewidth=0.8, linestyle="--")
    axes.set(xlabel="Linear predictor (log relative hazard; higher is worse)", ylabel="Share of the patients")
    axes.legend(loc="upper right", framealpha=0.8, edgecolor="none")
    axes.spines[["top", "right"]].set_visible(False)
    on = f"{validation.model.name} on {validation.cancer_type}, {validation.cohort.source}"
    frame(figure, title="Case mix: the linear predictor", subtitle=on, caption=_mix_caption(row),
          simulated=validation.model.simulated)  # fmt: skip
    return figure


def _mix_caption(row: Row) -> str:
    assert row.mix is not None  # noqa: S101
    groups = ", ".join(f"{count} {name}" for name, count in row.mix.groups.items())
    sd, expected = row.mix.sd, row.mix.concordance
    return (
        f"Dashed: the reference's thirds; of the new patients {groups} risk. Standard deviation {sd['new']:.2f}, at "
        f"training {sd['training']:.2f}: were the model right, its concordance would be {expected['new']:.2f} on the "
        f"new patients and {expected['training']:.2f} on its own, by the spread of the predictor alone."
    )
