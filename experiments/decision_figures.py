"""What acting on a prediction would gain: net benefit over thresholds, beside treating all and none."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from experiments.discrimination_figures import curve_colours
from experiments.figure_style import CONDITIONAL, FAINT, INK, WIDTH, finish, learner_words
from training.results import Evaluation, TrainingResult

CAPTION = (
    "Net benefit: true positives per patient less false positives at the threshold's odds, Kaplan–Meier within those "
    f"treated; out-of-fold predictions. Band: the learner's pointwise {CONDITIONAL}. A picture of what the prediction "
    "could be worth, not advice to treat."
)


def decision_curve(result: TrainingResult, evaluation: Evaluation, *, horizon_months: float) -> Figure | None:
    """Draw net benefit of a learner, clinical covariates alone, treating all and none; None where not assessed.

    Parameters
    ----------
    result : TrainingResult
    evaluation : Evaluation
    horizon_months : float
        The nearest horizon that was assessed is drawn.
    """
    table = result.tables.get("decision_curve")
    if table is None or not (table["name"] == evaluation.name).any():
        return None
    horizon, table = _at_horizon(table, horizon_months)
    figure = Figure(figsize=(WIDTH, 5.8), layout="constrained")
    axes = figure.subplots()
    own = table[table["name"] == evaluation.name].sort_values("threshold")
    axes.plot(own["threshold"], own["treat_all"], color=FAINT, linewidth=1.5, label="treat all")
    axes.axhline(0, color=INK, linewidth=1.2, linestyle=":", label="treat none")
    for name, colour in curve_colours(evaluation).items():
        curve = table[table["name"] == name].sort_values("threshold")
        if curve["net_benefit"].notna().any():
            axes.plot(curve["threshold"], curve["net_benefit"], color=colour, linewidth=1.8, label=learner_words(name))
    axes.fill_between(
        own["threshold"], own["lower"], own["upper"], color=curve_colours(evaluation)[evaluation.name], alpha=0.15,
        linewidth=0,
    )  # fmt: skip
    _scale(axes, own, f"Threshold: risk of the event within {horizon:g} months from which to treat")
    subject = learner_words(evaluation.name)
    finish(figure, axes, result, title=f"Decision curve at {horizon:g} months", subject=subject, caption=CAPTION)
    return figure


def _at_horizon(table: pd.DataFrame, horizon_months: float) -> tuple[float, pd.DataFrame]:
    horizons = table["horizon_months"].to_numpy(dtype=np.float64)
    nearest = horizons[np.abs(horizons - horizon_months).argmin()]
    return float(nearest), table[horizons == nearest]


def _scale(axes: Axes, own: pd.DataFrame, xlabel: str) -> None:
    """Show what can be gained; how much treating all would cost at high thresholds is of no interest."""
    highest = max(float(own["treat_all"].max()), float(own["upper"].max()), 0.01)
    axes.set(ylim=(-0.25 * highest, 1.1 * highest), xlim=(0, float(own["threshold"].max())))
    axes.set(xlabel=xlabel, ylabel="Net benefit per patient")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.legend(loc="upper right", framealpha=0.8, edgecolor="none")
