"""Survival by the expression of one gene: Kaplan–Meier curves with bands, numbers at risk, and how it was cut."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from experiments.figure_frame import MINUS, frame, p_words, ratio_words
from experiments.figure_style import BLUE, INK, SMALL, VERMILLION, WIDTH, month_ticks, survival_words
from experiments.scan_rows import MEDIAN, OPTIMAL, PER_SD, SPLITS, ScanTableError, row_of
from features.cohort import Cohort, days_to_months, months_to_days
from training.kaplan_meier import at_risk, kaplan_meier

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

COLOURS = {"high": VERMILLION, "low": BLUE}
#: Beyond the time at which fewer are left a curve is noise.
FEWEST_AT_RISK = 10
HOW_CUT = {
    "median": "the cohort's median",
    "quantile": "a quantile set beforehand",
    "optimal": "the cut with the largest log-rank statistic, found on these patients",
}
CAPTION = (
    "High: expression strictly above the cut. Bands: pointwise 95 % intervals (Greenwood, log–log). Hazard ratios: Cox "
    "models of this gene alone, high against low, above 1 worse, with 95 % intervals; p: likelihood ratio."
)
CORRECTED = (
    " The hazard ratio at an optimal cut is shrunken by the bootstrap, for the naive one is biased away from 1; its p "
    "is corrected for the search (Lausen and Schumacher 1994)."
)


def survival_by_gene(cohort: Cohort, gene: str, table: pd.DataFrame, *, cut: str = MEDIAN) -> Figure:
    """Draw survival of patients with high and with low expression of a gene, with numbers at risk.

    Parameters
    ----------
    cohort : Cohort
    gene : str
        A column of the cohort's expression; patients without a value are left out.
    table : DataFrame
        The long table of the scan of this cohort: cut point, hazard ratios and p-values are its.
    cut : str
        ``median``, ``quantile`` or ``optimal``.

    Raises
    ------
    ScanTableError
        If the table has no such row, the row no cut point, or cuts other patients than these.
    """
    row = _split_row(cohort, gene, table, cut)
    groups = expression_groups(cohort, gene, float(row["cut_point"]))
    _check_same_patients(cohort, gene, row, groups)
    figure = Figure(figsize=(WIDTH, 6.2), layout="constrained")
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[6, 1])
    limit = _months_shown(cohort)
    for name, members in groups.items():
        if members.any():
            _draw_curve(axes, cohort, name, members)
    axes.set(xlim=(0, limit), ylim=(0, 1.02), ylabel=survival_words(cohort))
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelbottom=False)
    axes.legend(loc="lower left", framealpha=0.8, edgecolor="none", title=f"{gene} expression")
    _draw_numbers_at_risk(below, cohort, groups, limit)
    continuous = _continuous_words(cohort, gene, table)
    _frame(figure, cohort, gene, row=row, continuous=continuous)
    return figure


def expression_groups(cohort: Cohort, gene: str, cut_point: float) -> dict[str, Bools]:
    """Return who has high (strictly above the cut) and who has low expression; missing values are in neither.

    Parameters
    ----------
    cut_point : float
        On the scale as supplied.

    Returns
    -------
    dict of array of bool, shape (n_patients,)
        ``high`` and ``low``.
    """
    values = cohort.expression[gene].to_numpy(np.float64)
    return {"high": values > cut_point, "low": values <= cut_point}


def _split_row(cohort: Cohort, gene: str, table: pd.DataFrame, cut: str) -> pd.Series:
    if cut not in SPLITS:
        raise ScanTableError(f"{cohort}: {cut!r} parts no patients in two; the cuts that do are {', '.join(SPLITS)}.")
    if gene not in cohort.expression.columns:
        raise ScanTableError(
            f"{cohort}: {gene!r} is not among its {cohort.expression.shape[1]} genes; name one that is."
        )
    row = row_of(table, cancer_type=cohort.cancer_type, endpoint=cohort.endpoint, gene=gene, cut=cut)
    if not np.isfinite(row["cut_point"]):
        raise ScanTableError(f"{cohort}: {gene} has no {cut} cut ({row['status']}); name another gene or another cut.")
    return row


def _check_same_patients(cohort: Cohort, gene: str, row: pd.Series, groups: dict[str, Bools]) -> None:
    high, both = int(groups["high"].sum()), int(sum(members.sum() for members in groups.values()))
    if (high, both) != (row["n_high"], row["n"]):
        raise ScanTableError(
            f"{cohort}: the hazard ratio of {gene} is of {row['n_high']} high among {row['n']} patients, but the "
            f"cohort has {high} among {both}; scan this very cohort."
        )


def _months_shown(cohort: Cohort) -> float:
    """Return the last month until which enough patients are followed; the longest follow-up where they never were."""
    ordered = np.sort(cohort.time)
    last = ordered[-FEWEST_AT_RISK] if len(ordered) >= FEWEST_AT_RISK else ordered[-1]
    return float(days_to_months(np.array([last]))[0])


def _draw_curve(axes: Axes, cohort: Cohort, name: str, members: Bools) -> None:
    time, event = cohort.time[members], cohort.event[members]
    curve = kaplan_meier(time, event)
    months = days_to_months(np.concatenate([[0.0], curve.days]))
    steps = [np.concatenate([[1.0], each]) for each in (curve.survival, curve.lower, curve.upper)]
    label = f"{name} ({int(event.sum())} of {len(time)} with event)"
    axes.step(months, steps[0], where="post", color=COLOURS[name], label=label)
    axes.fill_between(months, steps[1], steps[2], step="post", color=COLOURS[name], alpha=0.15, linewidth=0)
    censored = days_to_months(np.unique(time[~event]))
    heights = curve.at(np.unique(time[~event]))
    axes.plot(censored, heights, linestyle="none", marker="|", markersize=4, markeredgewidth=0.7, color=COLOURS[name])


def _draw_numbers_at_risk(axes: Axes, cohort: Cohort, groups: dict[str, Bools], limit: float) -> None:
    """Write a row per group, its numbers under the ticks of the picture above."""
    months = month_ticks(limit)
    for row, (name, members) in enumerate(groups.items()):
        for month, count in zip(months, at_risk(cohort.time[members], months_to_days(months)), strict=True):
            axes.text(month, row, str(count), ha="center", va="center", color=COLOURS[name], fontsize=SMALL)
    axes.set(xticks=months, ylim=(len(groups) - 0.4, -0.6), xlabel="Months from diagnosis")
    axes.set_yticks(range(len(groups)), list(groups), fontsize=SMALL)
    axes.set_title("Patients at risk", loc="left", fontsize=SMALL, color=INK)
    axes.tick_params(left=False)
    axes.tick_params(axis="y", pad=16)
    axes.spines[:].set_visible(False)


def _continuous_words(cohort: Cohort, gene: str, table: pd.DataFrame) -> str:
    """Say what the gene does without any cut, which comes first; nothing where it was not scanned so."""
    if PER_SD not in set(table["cut"]):
        return ""
    row = row_of(table, cancer_type=cohort.cancer_type, endpoint=cohort.endpoint, gene=gene, cut=PER_SD)
    ratio = ratio_words(row["hazard_ratio"], row["lower"], row["upper"])
    return f"HR per SD, no cut: {ratio}, {p_words(row['p'])}."


def _frame(figure: Figure, cohort: Cohort, gene: str, *, row: pd.Series, continuous: str) -> None:
    shrunken = row["cut"] == OPTIMAL
    ratio = ratio_words(row["hazard_ratio"], row["lower"], row["upper"])
    what, p = ("HR, shrunken", row["p_lausen_schumacher_1994"]) if shrunken else ("HR", row["p"])
    which = ", corrected" if shrunken else ""
    point = f"{row['cut_point']:.3g}".replace("-", MINUS)
    cut = f"Cut at {point} ({cohort.scale}), {HOW_CUT[row['cut']]}: {what} {ratio}, {p_words(p)}{which}."
    missing = len(cohort.time) - int(row["n"])
    without = f", {missing} without a value left out" if missing else ""
    whose = f"{cohort}: {row['n']} patients{without}, {row['events']} events."
    frame(
        figure,
        title=f"Survival by expression of {gene}",
        subtitle=f"{whose} {continuous} {cut}",
        caption=CAPTION + (CORRECTED if shrunken else ""),
        simulated=cohort.simulated,
    )
