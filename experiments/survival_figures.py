"""Survival by predicted risk: Kaplan–Meier curves of the out-of-fold risk groups, with the numbers at risk."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from experiments.figure_style import (
    BLUE,
    INK,
    ORANGE,
    SMALL,
    VERMILLION,
    WIDTH,
    finish,
    learner_words,
    month_ticks,
    survival_words,
)
from features.cohort import days_to_months, months_to_days
from training.kaplan_meier import at_risk, kaplan_meier
from training.results import Evaluation, TrainingResult

Floats = NDArray[np.float64]

#: Low to high risk.
RISK_GROUPS = {"low": BLUE, "intermediate": ORANGE, "high": VERMILLION}
CAPTION = (
    "Groups: tertiles of the out-of-fold linear predictor (mean over repeats); each patient was held out of the fit "
    "that predicted for them. Bands: pointwise 95 % intervals (Greenwood, log–log) of each group as it is, without the "
    "uncertainty of who is in it."
)


def risk_groups(linear_predictor: Floats) -> dict[str, NDArray[np.bool_]]:
    """Part patients into tertiles of their out-of-fold linear predictor, averaged over repeats.

    Parameters
    ----------
    linear_predictor : array, shape (n_repeats, n_patients)
        Higher is worse.

    Returns
    -------
    dict of array of bool, shape (n_patients,)
        The members of each group, low risk first; equal predictors stay together, so a group may be empty.
    """
    mean = linear_predictor.mean(axis=0)
    group = np.searchsorted(np.quantile(mean, [1 / 3, 2 / 3]), mean, side="left")
    return {name: group == i for i, name in enumerate(RISK_GROUPS)}


def kaplan_meier_by_risk_group(result: TrainingResult, evaluation: Evaluation) -> Figure:
    """Draw survival by tertile of the out-of-fold linear predictor, with 95 % bands and numbers at risk."""
    cohort = result.cohort
    figure = Figure(figsize=(WIDTH, 6.6), layout="constrained")
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[6, 1])
    groups = {name: members for name, members in risk_groups(evaluation.linear_predictor).items() if members.any()}
    for name, members in groups.items():
        draw_curve(axes, cohort.time[members], cohort.event[members], name)
    limit = float(days_to_months(result.grid_days[-1:])[0])
    axes.set(xlim=(0, limit), ylim=(0, 1.02), ylabel=survival_words(cohort))
    axes.legend(loc="lower left", framealpha=0.8, edgecolor="none", title="Predicted risk, out of fold")
    axes.tick_params(labelbottom=False)
    write_at_risk(below, {name: cohort.time[members] for name, members in groups.items()}, limit)
    subject = learner_words(evaluation.name)
    finish(figure, axes, result, title="Survival by predicted risk", subject=subject, caption=CAPTION)
    return figure


def draw_curve(axes: Axes, time: Floats, event: NDArray[np.bool_], name: str) -> None:
    """Draw the Kaplan–Meier curve of a group of `RISK_GROUPS`, follow-up in days, with its band."""
    curve, colour = kaplan_meier(time, event), RISK_GROUPS[name]
    months = days_to_months(np.concatenate([[0.0], curve.days]))
    survival, lower, upper = (
        np.concatenate([[1.0], steps]) for steps in (curve.survival, curve.lower, curve.upper)
    )  # fmt: skip
    label = f"{name} ({int(event.sum())} of {len(time)} with event)"
    axes.step(months, survival, where="post", color=colour, label=label)
    axes.fill_between(months, lower, upper, step="post", color=colour, alpha=0.15, linewidth=0)


def write_at_risk(axes: Axes, times: Mapping[str, Floats], limit: float) -> None:
    """Write a row a group, from its follow-up in days, its numbers under the ticks of the picture above."""
    months = month_ticks(limit)
    for row, (name, time) in enumerate(times.items()):
        for month, count in zip(months, at_risk(time, months_to_days(months)), strict=True):
            axes.text(month, row, str(count), ha="center", va="center", color=RISK_GROUPS[name], fontsize=SMALL)
    axes.set(xticks=months, ylim=(len(times) - 0.4, -0.6), xlabel="Months from diagnosis")
    axes.set_yticks(range(len(times)), list(times), fontsize=SMALL)
    axes.set_title("Patients at risk", loc="left", fontsize=SMALL, color=INK)
    axes.tick_params(left=False)
    axes.tick_params(axis="y", pad=16)
    axes.spines[:].set_visible(False)
