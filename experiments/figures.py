"""The pictures of a training that a paper would print, as pure functions from the result to a figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from features.cohort import ENDPOINTS, Cohort, days_to_months, months_to_days
from training.kaplan_meier import KaplanMeier, at_risk, kaplan_meier
from training.results import Evaluation, TrainingResult

Floats = NDArray[np.float64]

#: Low to high risk; told apart by the colour-blind too (Okabe and Ito).
RISK_GROUPS = {"low": "#0072B2", "intermediate": "#E69F00", "high": "#D55E00"}
INK, FAINT, WORSE, BETTER = "#222222", "#999999", "#D55E00", "#0072B2"
GENES_ONLY = "_genes_only"
LEARNERS = {
    "kaplan_meier": "Kaplan–Meier",
    "clinical_only": "clinical only",
    "penalised_cox": "penalised Cox",
    "boosted": "boosted trees",
    "auto": "learner chosen inside the folds",
}
#: Patients per group of the calibration picture, and how many groups there are at most.
CALIBRATION_GROUP_SIZE, CALIBRATION_GROUPS_MAX = 40, 5
#: An interval that few events leave wide open shall not squeeze the others.
RATIOS_SHOWN = (0.1, 10)


def pictures(result: TrainingResult, evaluation: Evaluation) -> Iterator[tuple[str, Figure]]:
    """Yield name and figure of each picture of one learner that ranks patients."""
    yield "kaplan_meier_by_risk_group", kaplan_meier_by_risk_group(result, evaluation)
    horizons = result.model.horizons_months
    yield "calibration", calibration(result, evaluation, horizon_months=horizons[len(horizons) // 2])


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
    figure = Figure(figsize=(7, 6), layout="constrained")
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[6, 1])
    groups = {name: members for name, members in risk_groups(evaluation.linear_predictor).items() if members.any()}
    for name, members in groups.items():
        _draw_curve(axes, cohort.time[members], cohort.event[members], name)
    limit = float(days_to_months(result.grid_days[-1:])[0])
    axes.set(xlim=(0, limit), ylim=(0, 1.02), ylabel=_survival_words(cohort))
    axes.legend(loc="lower left", frameon=False, title="Predicted risk, out of fold")
    axes.tick_params(labelbottom=False)
    _draw_numbers_at_risk(below, cohort, groups, limit)
    _finish(figure, axes, result, f"Survival by predicted risk ({_words(evaluation.name)})")
    return figure


def calibration(result: TrainingResult, evaluation: Evaluation, *, horizon_months: float) -> Figure:
    """Draw observed against predicted survival at a horizon, in groups of equal size, with 95 % intervals."""
    figure = Figure(figsize=(5.6, 5.6), layout="constrained")
    axes = figure.subplots()
    table = calibration_table(result, evaluation, horizon_months=horizon_months)
    below, above = table["observed"] - table["lower"], table["upper"] - table["observed"]
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle="--", label="perfect")
    axes.errorbar(
        table["predicted"],
        table["observed"],
        yerr=[below, above],
        fmt="o",
        color=BETTER,
        capsize=3,
        label="patients of like prediction, 95 % interval",
    )
    months = f"{horizon_months:g} months"
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), aspect="equal")
    axes.set(xlabel=f"Predicted survival at {months}, out of fold", ylabel=f"Kaplan–Meier survival at {months}")
    axes.legend(loc="upper left", frameon=False)
    _finish(figure, axes, result, f"Calibration ({_words(evaluation.name)})")
    return figure


def calibration_table(result: TrainingResult, evaluation: Evaluation, *, horizon_months: float) -> pd.DataFrame:
    """Return, for each group of patients of like predicted survival, what was predicted and what was observed.

    Returns
    -------
    DataFrame
        ``n``, ``predicted`` (mean out-of-fold survival), ``observed`` (Kaplan–Meier), ``lower``, ``upper`` (95 %).
    """
    cohort, horizon = result.cohort, float(months_to_days(np.array([horizon_months]))[0])
    predicted = _on_day(evaluation.survival.mean(axis=0), result.grid_days, horizon)
    n_groups = int(np.clip(len(predicted) // CALIBRATION_GROUP_SIZE, 2, CALIBRATION_GROUPS_MAX))
    rows = []
    for members in np.array_split(np.argsort(predicted, kind="stable"), n_groups):
        observed = _survival_at(kaplan_meier(cohort.time[members], cohort.event[members]), horizon)
        rows.append((len(members), float(predicted[members].mean()), *observed))
    return pd.DataFrame(rows, columns=["n", "predicted", "observed", "lower", "upper"])


def forest_of_hazard_ratios(result: TrainingResult) -> Figure:
    """Draw each panel gene's univariate hazard ratio per standard deviation, worst first, on a log axis."""
    table = result.model.hazard_ratios.dropna(subset=["hazard_ratio_per_sd"])
    table = table.sort_values("hazard_ratio_per_sd", ignore_index=True)
    figure = Figure(figsize=(7, max(2.5, 1.3 + 0.17 * len(table))), layout="constrained")
    axes = figure.subplots()
    hazard_ratio = table["hazard_ratio_per_sd"].to_numpy()
    lower, upper = (table[f"hazard_ratio_per_sd_{end}"].to_numpy() for end in ("lower", "upper"))
    colours = np.where(table["q_per_sd"] < 0.05, np.where(hazard_ratio > 1, WORSE, BETTER), FAINT)
    axes.set_xscale("log")
    axes.axvline(1, color=INK, linewidth=0.8)
    axes.hlines(range(len(table)), lower, upper, colors=list(colours), linewidth=1.4)
    axes.scatter(hazard_ratio, range(len(table)), c=list(colours), s=18, zorder=3)
    axes.set_yticks(range(len(table)), table["gene"], fontsize=7)
    axes.set_ylim(-0.8, len(table) - 0.2)
    axes.set_xlabel(
        "Hazard ratio per standard deviation of normal scores, 95 % interval (above 1: worse)\n"
        "coloured: q < 0.05 (Benjamini–Hochberg)"
    )
    _plain_ratios(axes)
    _mark_published(axes, table)
    _finish(figure, axes, result, "Univariate hazard ratios")
    return figure


def concordance_of_learners(result: TrainingResult) -> Figure:
    """Draw the out-of-fold concordance of every learner and baseline with its 95 % interval."""
    shown = [(_words(e.name), e.metrics["concordance_harrell"]) for e in reversed(list(result.evaluations.values()))]
    figure = Figure(figsize=(7.5, 1.9 + 0.36 * len(shown)), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0.5, color=INK, linewidth=0.8)
    for row, (_, estimate) in enumerate(shown):
        axes.hlines(row, estimate.lower, estimate.upper, colors=BETTER, linewidth=2)
        axes.scatter(estimate.value, row, color=BETTER, s=30, zorder=3)
        axes.text(1.02, row, _interval(estimate.value, estimate.lower, estimate.upper), va="center", fontsize=8,
                  transform=axes.get_yaxis_transform())  # fmt: skip
    axes.set_yticks(range(len(shown)), [name for name, _ in shown])
    axes.set_ylim(-0.6, len(shown) - 0.4)
    axes.set_xlabel("Harrell's concordance within folds\n95 % bootstrap interval, conditional on the fits")
    _finish(figure, axes, result, "Out-of-fold concordance")
    return figure


def _on_day(survival: Floats, grid_days: Floats, day: float) -> Floats:
    """Return each patient's survival on a day, on the straight line between the days of the grid."""
    days = np.concatenate([[0.0], grid_days])
    survival = np.column_stack([np.ones(len(survival)), survival])
    after = int(np.clip(np.searchsorted(days, day), 1, len(grid_days)))
    part = (day - days[after - 1]) / (days[after] - days[after - 1])
    return np.asarray((1 - part) * survival[:, after - 1] + part * survival[:, after], dtype=np.float64)


def _survival_at(curve: KaplanMeier, days: float) -> tuple[float, float, float]:
    """Return survival and its interval on a day; NaN past a follow-up that ended before."""
    survival = float(curve.at(np.array([days]))[0])
    last = int(np.searchsorted(curve.days, days, side="right")) - 1
    if np.isnan(survival) or last < 0:
        return survival, survival, survival
    return survival, float(curve.lower[last]), float(curve.upper[last])


def _draw_curve(axes: Axes, time: Floats, event: NDArray[np.bool_], name: str) -> None:
    curve, colour = kaplan_meier(time, event), RISK_GROUPS[name]
    months = days_to_months(np.concatenate([[0.0], curve.days]))
    survival, lower, upper = (
        np.concatenate([[1.0], steps]) for steps in (curve.survival, curve.lower, curve.upper)
    )  # fmt: skip
    label = f"{name} ({int(event.sum())} of {len(time)} with event)"
    axes.step(months, survival, where="post", color=colour, label=label)
    axes.fill_between(months, lower, upper, step="post", color=colour, alpha=0.15, linewidth=0)


def _draw_numbers_at_risk(axes: Axes, cohort: Cohort, groups: Mapping[str, NDArray[np.bool_]], limit: float) -> None:
    """Write a row per group, its numbers under the ticks of the picture above."""
    months = _tick_months(limit)
    for row, (name, members) in enumerate(groups.items()):
        for month, count in zip(months, at_risk(cohort.time[members], months_to_days(months)), strict=True):
            axes.text(month, row, str(count), ha="center", va="center", color=RISK_GROUPS[name], fontsize=9)
    axes.set(xticks=months, ylim=(len(groups) - 0.4, -0.6), xlabel="Months from diagnosis")
    axes.set_yticks(range(len(groups)), list(groups))
    axes.set_title("Patients at risk", loc="left", fontsize=9, color=INK)
    axes.tick_params(left=False, pad=14)
    axes.spines[:].set_visible(False)


def _tick_months(limit: float) -> Floats:
    step = next((step for step in (3, 6, 12, 24, 36) if limit / step <= 8), 60)
    return np.arange(0, limit + 1e-9, step)


def _mark_published(axes: Axes, table: pd.DataFrame) -> None:
    """Mark in the right margin which way the paper's Table 2 points, read high against low."""
    published = table["published_hazard_ratio"].to_numpy(dtype=np.float64)
    for row in np.flatnonzero(np.isfinite(published)):
        marker, colour = ("▶", WORSE) if published[row] > 1 else ("◀", BETTER)
        axes.text(1.02, float(row), marker, color=colour, fontsize=7, va="center", transform=axes.get_yaxis_transform())
    if np.isfinite(published).any():
        axes.set_title("published: ▶ worse, ◀ better", loc="right", fontsize=8, color=INK)


def _plain_ratios(axes: Axes) -> None:
    """Label a log axis of hazard ratios with plain numbers."""
    low, high = np.clip(axes.get_xlim(), *RATIOS_SHOWN)
    axes.set_xlim(low, high)
    ticks = [tick for tick in (0.1, 0.2, 0.33, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 3, 5, 10) if low <= tick <= high]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)


def _finish(figure: Figure, axes: Axes, result: TrainingResult, title: str) -> None:
    """Say whose picture it is, and SIMULATED where its patients were."""
    cohort = result.cohort
    axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, x=0.02, ha="left", fontweight="bold", fontsize=12)
    axes.set_title(f"{cohort}: {len(cohort.time)} patients, {cohort.n_events} events", loc="left", fontsize=9)
    if cohort.simulated:
        figure.text(0.5, 0.5, "SIMULATED", fontsize=44, color="red", alpha=0.15, rotation=25, ha="center", va="center")


def _survival_words(cohort: Cohort) -> str:
    return f"{ENDPOINTS[cohort.endpoint].capitalize()}, Kaplan–Meier"


def _words(name: str) -> str:
    learner = name.removesuffix(GENES_ONLY)
    return LEARNERS.get(learner, learner) + (", genes only" if learner != name else "")


def _interval(value: float, lower: float, upper: float) -> str:
    return f"{value:.3f}" if np.isnan(lower) else f"{value:.3f} ({lower:.3f} to {upper:.3f})"
