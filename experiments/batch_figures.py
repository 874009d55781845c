"""How far pooled cohorts differ in expression, gene by gene, before and after each has its own normal scores."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from experiments.figure_style import BLUE, FAINT, INK, ORANGE, finish
from training.results import TrainingResult

CAPTION = (
    "Share of each gene's variance that lies between the cohorts, as supplied (open) and as each cohort's own normal "
    "scores (filled), where it is 0 by construction; line: by chance. What cohorts still differ in is how genes go "
    "together, and shows among nearest neighbours. Nothing is corrected by the outcome."
)


def batch_effects(result: TrainingResult) -> Figure | None:
    """Draw the share of variance between cohorts; None for a training on one cohort."""
    table = result.tables.get("batch_effects")
    if table is None:
        return None
    genes = table[table["kind"] == "gene"].dropna(subset="before").sort_values("before")
    around = table[table["kind"] == "neighbours"].iloc[0]
    figure = Figure(figsize=(8.0, 2.2 + 0.2 * len(genes)), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(genes))
    axes.hlines(places, genes["after"], genes["before"], color=FAINT, linewidth=1)
    axes.scatter(genes["before"], places, facecolors="none", edgecolors=ORANGE, zorder=3)
    axes.scatter(genes["after"], places, color=BLUE, zorder=3)
    axes.axvline(float(genes["expected"].iloc[0]), color=INK, linewidth=0.8)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.7, len(genes) - 0.3), xlabel="Share of variance between cohorts")
    axes.set_yticks(places, list(genes["name"]))
    near = (
        f"Of the {around['name']} patients {around['before']:.0%} are of the own cohort as supplied, "
        f"{around['after']:.0%} after, and {around['expected']:.0%} by chance."
    )
    finish(figure, axes, result, title="Batch effects between the cohorts", caption=f"{CAPTION} {near}")
    return figure
