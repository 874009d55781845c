"""One gene over several cohorts: the forest plot of its hazard ratios, and what they say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from numpy.typing import NDArray

from experiments.figure_frame import frame, p_words, ratio_words
from experiments.figure_style import BETTER, FAINT, INK, SMALL, WIDTH, WORSE
from training.scan.meta_analysis import TOO_ALIKE, PooledHazardRatio
from training.univariate_cox import Z95

Floats = NDArray[np.float64]

#: An interval that few events leave wide open shall not squeeze the others; it ends in an arrow.
RATIOS_SHOWN = (0.05, 20.0)
TICKS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)
#: Where the axis spans less than a factor of 8.
FINE_TICKS = (0.33, 0.4, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 2.5, 3, 4, 5)
#: Points squared: the area of a square at a weight of 0 and how much it grows to a weight of 1.
SMALLEST_SQUARE, SQUARE_PER_WEIGHT = 12.0, 320.0
#: Inches of a row, and of all that is not rows.
ROW, REST = 0.27, 2.6
#: Where the columns of words stand, in points to the right of the axes.
WEIGHT_AT, RATIO_AT = 46, 58
#: Stands for the weight of a cohort without an estimate.
MISSING = "–"
CAPTION = (
    "Squares: Cox models of this gene alone in each cohort, their area the weight in the mean; lines: 95 % Wald "
    "intervals, an arrow where they leave the picture. Diamond: mean over cohorts, random effects by restricted "
    "maximum likelihood, 95 % interval by Hartung and Knapp with its variance held at no less than a common effect's. "
    "Above 1: higher expression is worse. "
)


@dataclass(frozen=True, eq=False)
class CohortHazardRatios:
    """One gene's hazard ratio in each of several cohorts.

    Parameters
    ----------
    cohorts : sequence of str
        Their names, from the top down.
    patients, events : array of int, shape (n_cohorts,)
    log_hazard_ratio, standard_error : array, shape (n_cohorts,)
        Natural logarithms; NaN where a cohort has no estimate: it is named without a square.
    """

    cohorts: Sequence[str]
    patients: NDArray[np.int64]
    events: NDArray[np.int64]
    log_hazard_ratio: Floats
    standard_error: Floats


def forest_of_cohorts(
    estimates: CohortHazardRatios,
    pooled: PooledHazardRatio,
    *,
    gene: str,
    subject: str,
    unit: str = "standard deviation of the cohort's normal scores",
    simulated: bool = False,
) -> Figure:
    """Draw a gene's hazard ratio in each cohort, and below them their mean and the prediction interval.

    Parameters
    ----------
    estimates : CohortHazardRatios
    pooled : PooledHazardRatio
        Of these estimates.
    gene : str
    subject : str
        What the cohorts are: ``KIRC, overall survival, by tissue-source site``.
    unit : str
        Of the hazard ratios.
    simulated : bool
        Whether the patients were made by the generator.
    """
    n_rows = len(estimates.cohorts)
    figure = Figure(figsize=(WIDTH, REST + ROW * (n_rows + 3)), layout="constrained")
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.set_xlim(_ratios_shown(estimates, pooled))
    axes.set_ylim(n_rows + 1.8, -1.5)
    axes.axvline(1, color=INK, linewidth=0.8)
    _draw_cohorts(axes, estimates, pooled.weights)
    _draw_mean(axes, pooled, row=n_rows + 0.3)
    _write_columns(axes, estimates, pooled)
    _label(axes, estimates, pooled, unit)
    frame(
        figure,
        title=f"{gene} over {pooled.n_cohorts} cohorts",
        subtitle=f"{subject}: {_heterogeneity_words(pooled)}",
        caption=CAPTION + _as_found_words(pooled) + _prediction_words(pooled),
        simulated=simulated,
    )
    return figure


def _intervals(estimates: CohortHazardRatios) -> tuple[Floats, Floats, Floats]:
    """Return each cohort's hazard ratio and the ends of its 95 % Wald interval."""
    half = Z95 * estimates.standard_error
    ends = (estimates.log_hazard_ratio, estimates.log_hazard_ratio - half, estimates.log_hazard_ratio + half)
    with np.errstate(over="ignore"):
        ratio, lower, upper = (np.asarray(np.exp(end)) for end in ends)
    return ratio, lower, upper


def _ratios_shown(estimates: CohortHazardRatios, pooled: PooledHazardRatio) -> tuple[float, float]:
    """Return the ends of the axis: all estimates in it, and as much of their intervals as a reader can compare."""
    ratio, lower, upper = _intervals(estimates)
    lowest, highest = (
        (pooled.log_held_lower, pooled.log_held_prediction_lower),
        (pooled.log_held_upper, pooled.log_held_prediction_upper),
    )
    low = np.clip(np.nanmin([*lower, *np.exp(lowest)]), RATIOS_SHOWN[0], 0.8)
    high = np.clip(np.nanmax([*upper, *np.exp(highest)]), 1.25, RATIOS_SHOWN[1])
    return float(min(low, np.nanmin(ratio)) * 0.9), float(max(high, np.nanmax(ratio)) * 1.1)


def _draw_cohorts(axes: Axes, estimates: CohortHazardRatios, weights: Floats) -> None:
    ratio, lower, upper = _intervals(estimates)
    shown = axes.get_xlim()
    for row in np.flatnonzero(np.isfinite(ratio)):
        excludes_one = lower[row] > 1 or upper[row] < 1
        colour = (WORSE if ratio[row] > 1 else BETTER) if excludes_one else FAINT
        axes.hlines(row, max(lower[row], shown[0]), min(upper[row], shown[1]), color=colour, linewidth=1.4)
        area = SMALLEST_SQUARE + SQUARE_PER_WEIGHT * weights[row]
        axes.scatter(ratio[row], row, marker="s", s=area, color=colour, zorder=3)
        for beyond, end, marker in ((lower[row] < shown[0], shown[0], "<"), (upper[row] > shown[1], shown[1], ">")):
            if beyond:
                axes.scatter(end, row, marker=marker, s=24, color=colour, clip_on=False, zorder=3)


def _draw_mean(axes: Axes, pooled: PooledHazardRatio, row: float) -> None:
    """Draw the diamond, and below it the prediction interval; the axis cuts off what it does not reach."""
    lower, upper = np.exp([pooled.log_held_lower, pooled.log_held_upper])
    corners = [(lower, row), (pooled.hazard_ratio, row - 0.32), (upper, row), (pooled.hazard_ratio, row + 0.32)]
    axes.add_patch(Polygon(corners, closed=True, facecolor=INK, edgecolor=INK, zorder=3))
    axes.axvline(pooled.hazard_ratio, color=INK, linewidth=0.7, linestyle=(0, (2, 3)))
    if np.isfinite(pooled.log_held_prediction_lower):
        ends = np.exp([pooled.log_held_prediction_lower, pooled.log_held_prediction_upper])
        axes.hlines(row + 0.85, *ends, color=INK, linewidth=3, alpha=0.55)


def _write_columns(axes: Axes, estimates: CohortHazardRatios, pooled: PooledHazardRatio) -> None:
    """Write weights and hazard ratios as a table in the right margin."""
    ratios = zip(*_intervals(estimates), strict=True)
    rows = [
        (float(row), _percent(weight) if weight else MISSING, ratio_words(*ratio))
        for row, (weight, ratio) in enumerate(zip(pooled.weights, ratios, strict=True))
    ]
    below = len(rows) + 0.3
    mean = ratio_words(pooled.hazard_ratio, *np.exp([pooled.log_held_lower, pooled.log_held_upper]))
    rows += [(-1.0, "weight", "HR (95 % interval)"), (below, _percent(1.0), mean)]
    if np.isfinite(pooled.log_held_prediction_lower):
        lower, upper = np.exp([pooled.log_held_prediction_lower, pooled.log_held_prediction_upper])
        rows.append((below + 0.85, "", f"{lower:.2f} to {upper:.2f}"))
    for row, weight, ratio in rows:
        for at, words, side in ((WEIGHT_AT, weight, "right"), (RATIO_AT, ratio, "left")):
            axes.annotate(words, (1, row), (at, 0), axes.get_yaxis_transform(), "offset points",
                          annotation_clip=False, fontsize=SMALL, ha=side, va="center",
                          fontweight="bold" if row == below else "normal")  # fmt: skip


def _label(axes: Axes, estimates: CohortHazardRatios, pooled: PooledHazardRatio, unit: str) -> None:
    """Name the rows and the axis."""
    counted = zip(estimates.cohorts, estimates.patients, estimates.events, strict=True)
    names = [f"{name}: {events} of {patients}" for name, patients, events in counted]
    below = len(names) + 0.3
    ticks: dict[float, str] = {-1.0: "Cohort: events of patients", **dict(enumerate(names)), below: "Mean over cohorts"}
    if np.isfinite(pooled.log_held_prediction_lower):
        ticks[below + 0.85] = "Prediction, another cohort"
    axes.set_yticks(list(ticks), list(ticks.values()), fontsize=SMALL)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    low, high = axes.get_xlim()
    shown = [tick for tick in (FINE_TICKS if high < 8 * low else TICKS) if low <= tick <= high]
    axes.set_xticks(shown, [f"{tick:g}" for tick in shown], fontsize=SMALL)
    axes.set_xticks([], minor=True)
    axes.set_xlabel(f"Hazard ratio per {unit}", fontsize=SMALL)


def _heterogeneity_words(pooled: PooledHazardRatio) -> str:
    share = (
        f"I² {_percent(pooled.i_squared)} ({100 * pooled.i_squared_lower:.0f} to {_percent(pooled.i_squared_upper)})"
    )
    words = f"mean {p_words(pooled.held_p_value)}; {share}, heterogeneity {p_words(pooled.p_heterogeneity)}"
    # What is held is drawn, and the caption says so.
    remark = "; ".join(each for each in pooled.remark.split("; ") if each != TOO_ALIKE)
    return f"{words}. {remark[:1].upper()}{remark[1:]}" if remark else words


def _as_found_words(pooled: PooledHazardRatio) -> str:
    """Give Hartung and Knapp's own interval where it is not the one that is drawn."""
    if pooled.held_standard_error < 1.005 * pooled.standard_error:
        return ""
    lower, upper = np.exp([pooled.log_lower, pooled.log_upper])
    return f"Not held it is {lower:.2f} to {upper:.2f}, for the cohorts agree by chance. "


def _prediction_words(pooled: PooledHazardRatio) -> str:
    if not np.isfinite(pooled.prediction_degrees_of_freedom):
        return "No prediction interval: it needs three cohorts."
    return (
        "Grey bar: where the hazard ratio of another cohort is expected, 95 %, from Student's t with "
        f"{pooled.prediction_degrees_of_freedom:.0f} degrees of freedom; too short where few cohorts hide what differs."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
