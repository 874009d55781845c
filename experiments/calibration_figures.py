"""Predicted against observed survival: groups of like prediction, and how the predictions are spread."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from experiments.figure_style import BLUE, FAINT, finish, interval_words, learner_words
from features.cohort import months_to_days
from training.kaplan_meier import KaplanMeier, kaplan_meier
from training.results import Evaluation, TrainingResult
from training.survival_grid import survival_on_day

Floats = NDArray[np.float64]

#: Patients per group of the calibration picture, and how many groups there are at most.
CALIBRATION_GROUP_SIZE, CALIBRATION_GROUPS_MAX = 40, 10
BINS = 40
CAPTION = (
    "Out-of-fold predictions (mean over repeats), for patients who took no part in fitting or recalibrating. "
    "Points: groups of equal size, Kaplan–Meier with its 95 % interval (Greenwood, log–log), conditional on the "
    "predictions."
)


def calibration(result: TrainingResult, evaluation: Evaluation, *, horizon_months: float) -> Figure:
    """Draw observed against predicted survival at a horizon in groups of equal size, above all the predictions."""
    figure = Figure(figsize=(7.2, 8.2), layout="constrained")
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[5, 1])
    _draw_groups(axes, calibration_table(result, evaluation, horizon_months=horizon_months))
    months = f"{horizon_months:g} months"
    axes.set(xlim=(0, 1), ylim=(0, 1.02), ylabel=f"Kaplan–Meier survival at {months}")
    axes.legend(loc="upper left", frameon=False)
    below.hist(predicted_survival(result, evaluation, horizon_months), bins=np.linspace(0, 1, BINS + 1), color=BLUE)
    below.set(xlabel=f"Predicted survival at {months}, out of fold", ylabel="patients")
    below.spines[["top", "right"]].set_visible(False)
    caption = " ".join([CAPTION, *_figures(evaluation, horizon_months)])
    subject = learner_words(evaluation.name)
    finish(figure, axes, result, title=f"Calibration at {months}", subject=subject, caption=caption)
    return figure


def calibration_table(result: TrainingResult, evaluation: Evaluation, *, horizon_months: float) -> pd.DataFrame:
    """Return, for each group of patients of like predicted survival, what was predicted and what was observed.

    Returns
    -------
    DataFrame
        ``n``, ``predicted`` (mean out-of-fold survival), ``observed`` (Kaplan–Meier), ``lower``, ``upper`` (95 %).
    """
    cohort, horizon = result.cohort, _days(horizon_months)
    predicted = predicted_survival(result, evaluation, horizon_months)
    n_groups = int(np.clip(len(predicted) // CALIBRATION_GROUP_SIZE, 2, CALIBRATION_GROUPS_MAX))
    rows = []
    for members in np.array_split(np.argsort(predicted, kind="stable"), n_groups):
        observed = _survival_at(kaplan_meier(cohort.time[members], cohort.event[members]), horizon)
        rows.append((len(members), float(predicted[members].mean()), *observed))
    return pd.DataFrame(rows, columns=["n", "predicted", "observed", "lower", "upper"])


def predicted_survival(result: TrainingResult, evaluation: Evaluation, horizon_months: float) -> Floats:
    """Return each patient's out-of-fold survival at a horizon, the mean over repeats, shape (n_patients,)."""
    return survival_on_day(evaluation.survival.mean(axis=0), grid_days=result.grid_days, day=_days(horizon_months))


def _draw_groups(axes: Axes, table: pd.DataFrame) -> None:
    below, above = table["observed"] - table["lower"], table["upper"] - table["observed"]
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle="--", label="perfect")
    axes.errorbar(
        table["predicted"],
        table["observed"],
        yerr=[below, above],
        fmt="o",
        color=BLUE,
        capsize=3,
        label="patients of like prediction, 95 % interval",
    )


def _figures(evaluation: Evaluation, horizon_months: float) -> list[str]:
    """Say in figures what the picture shows, where they were assessed."""
    month = f"{horizon_months:g}m"
    named = {
        "calibration_slope": "Slope",
        f"log_observed_expected_{month}": "Log observed/expected risk",
        f"ici_{month}": "Mean distance (ICI)",
    }
    return [
        f"{words} {interval_words(evaluation.metrics[name])}."
        for name, words in named.items()
        if name in evaluation.metrics
    ]


def _days(months: float) -> float:
    return float(months_to_days(np.array([months]))[0])


def _survival_at(curve: KaplanMeier, days: float) -> tuple[float, float, float]:
    """Return survival and its interval on a day; NaN past a follow-up that ended before."""
    survival = float(curve.at(np.array([days]))[0])
    last = int(np.searchsorted(curve.days, days, side="right")) - 1
    if np.isnan(survival) or last < 0:
        return survival, survival, survival
    return survival, float(curve.lower[last]), float(curve.upper[last])
