"""Each panel gene by itself: univariate hazard ratios beside the direction that was published."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.figure_style import BETTER, FAINT, INK, SMALLEST, WIDTH, WORSE, finish
from training.results import TrainingResult

#: An interval that few events leave wide open shall not squeeze the others.
RATIOS_SHOWN = (0.1, 10)
TICKS = (0.1, 0.2, 0.33, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 3, 5, 10)
CAPTION = (
    "Cox models of one gene each, on all patients and not out of fold. Per standard deviation of the cohort's normal "
    "scores; above 1: worse. Coloured: q < 0.05 (Benjamini–Hochberg)."
)


def forest_of_hazard_ratios(result: TrainingResult) -> Figure:
    """Draw each panel gene's univariate hazard ratio per standard deviation, worst first, on a log axis."""
    table = result.model.hazard_ratios.dropna(subset=["hazard_ratio_per_sd"])
    table = table.sort_values("hazard_ratio_per_sd", ignore_index=True)
    figure = Figure(figsize=(WIDTH, max(3.0, 1.9 + 0.17 * len(table))), layout="constrained")
    axes = figure.subplots()
    hazard_ratio = table["hazard_ratio_per_sd"].to_numpy()
    lower, upper = (table[f"hazard_ratio_per_sd_{end}"].to_numpy() for end in ("lower", "upper"))
    colours = np.where(table["q_per_sd"] < 0.05, np.where(hazard_ratio > 1, WORSE, BETTER), FAINT)
    axes.set_xscale("log")
    axes.axvline(1, color=INK, linewidth=0.8)
    axes.hlines(range(len(table)), lower, upper, colors=list(colours), linewidth=1.4)
    axes.scatter(hazard_ratio, range(len(table)), c=list(colours), s=18, zorder=3)
    axes.set_yticks(range(len(table)), table["gene"], fontsize=SMALLEST)
    axes.set_ylim(-0.8, len(table) - 0.2)
    axes.set_xlabel("Hazard ratio per standard deviation, 95 % interval")
    _plain_ratios(axes)
    caption = CAPTION + _mark_published(axes, table)
    finish(figure, axes, result, title="Univariate hazard ratios", caption=caption)
    return figure


def _mark_published(axes: Axes, table: pd.DataFrame) -> str:
    """Mark in the right margin which way the paper's Table 2 points, read high against low, and explain the marks."""
    published = table["published_hazard_ratio"].to_numpy(dtype=np.float64)
    for row in np.flatnonzero(np.isfinite(published)):
        marker, colour = ("▶", WORSE) if published[row] > 1 else ("◀", BETTER)
        axes.text(1.02, float(row), marker, color=colour, fontsize=SMALLEST, va="center",
                  transform=axes.get_yaxis_transform())  # fmt: skip
    if not np.isfinite(published).any():
        return ""
    return " In the margin what the paper's Table 2 says, read high against low: right worse, left better."


def _plain_ratios(axes: Axes) -> None:
    """Label a log axis of hazard ratios with plain numbers."""
    low, high = np.clip(axes.get_xlim(), *RATIOS_SHOWN)
    axes.set_xlim(low, high)
    ticks = [tick for tick in TICKS if low <= tick <= high]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
