"""How well patients are told apart: the AUC over time, all learners in one forest, and the random signatures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.figure_style import (
    BASELINES,
    BLUE,
    CONDITIONAL,
    FAINT,
    GENES_ONLY,
    GREEN,
    INK,
    ORANGE,
    SMALL,
    VERMILLION,
    WIDTH,
    finish,
    interval_words,
    learner_words,
    month_ticks,
)
from training.estimate import Estimate
from training.results import Evaluation, RandomSignatures, TrainingResult
from training.trainer import headline_name

CONCORDANCE = "concordance_harrell"
CLINICAL_ONLY = "clinical_only"
#: The marker of the procedure whose figures are the model's.
REPORTED = "D"


@dataclass(frozen=True)
class _Row:
    """A line of the forest."""

    label: str
    estimate: Estimate
    colour: str
    marker: str = "o"


def time_dependent_auc(result: TrainingResult, evaluation: Evaluation) -> Figure | None:
    """Draw the AUC over months of a learner beside clinical covariates alone; None where it was not assessed."""
    table = result.tables.get("time_dependent_auc")
    if table is None or not (table["name"] == evaluation.name).any():
        return None
    figure = Figure(figsize=(WIDTH, 5.6), layout="constrained")
    axes = figure.subplots()
    lowest = 0.4
    for name, colour in curve_colours(evaluation).items():
        curve = table[(table["name"] == name) & table["auc"].notna()].sort_values("months")
        if len(curve):
            _draw_band(axes, curve, "months", "auc", colour=colour, label=learner_words(name))
            lowest = min(lowest, float(curve["lower"].min()))
    limit = float(table["months"].max())
    axes.axhline(0.5, color=INK, linewidth=0.8)
    # Room for the legend below the curves.
    axes.set(xlim=(0, limit * 1.02), ylim=(max(lowest - 0.12, 0.0), 1.005), xticks=month_ticks(limit))
    axes.set(xlabel="Months from diagnosis", ylabel="AUC, cumulative cases against survivors")
    axes.legend(loc="lower left", framealpha=0.8, edgecolor="none")
    caption = f"Out of fold; pairs within one fold. ½ is chance. Bands: pointwise {CONDITIONAL}."
    finish(figure, axes, result, title="AUC over time", subject=learner_words(evaluation.name), caption=caption)
    return figure


def curve_colours(evaluation: Evaluation) -> dict[str, str]:
    """Return the colours of a learner and of clinical covariates alone, which may be the learner."""
    return {evaluation.name: BLUE, **({} if evaluation.name == CLINICAL_ONLY else {CLINICAL_ONLY: ORANGE})}


def _draw_band(axes: Axes, curve: pd.DataFrame, x: str, y: str, *, colour: str, label: str) -> None:
    axes.plot(curve[x], curve[y], color=colour, marker="o", markersize=4, label=label)
    axes.fill_between(curve[x], curve["lower"], curve["upper"], color=colour, alpha=0.15, linewidth=0)


def concordance_of_learners(result: TrainingResult) -> Figure:
    """Draw the out-of-fold concordance of every baseline, the random signatures and every learner, with intervals."""
    groups = [group for group in _rows(result) if group]
    n_rows = sum(map(len, groups)) + len(groups) - 1
    figure = Figure(figsize=(9.5, 2.1 + 0.3 * n_rows), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0.5, color=INK, linewidth=0.8)
    positions = list(_draw_rows(axes, groups))
    rows = [row for group in groups for row in group]
    for label, row in zip(axes.set_yticks(positions, [row.label for row in rows]), rows, strict=True):
        label.label1.set_fontweight("bold" if row.marker == REPORTED else "normal")
    axes.set_ylim(n_rows - 0.3, -0.7)
    axes.set_xlabel("Harrell's concordance within folds, out of fold")
    clinical = result.evaluations.get(CLINICAL_ONLY)
    if clinical is not None:
        axes.axvline(clinical.metrics[CONCORDANCE].value, color=ORANGE, linewidth=1, linestyle="--", zorder=0)
    null = _drawn(result)
    random = "" if null is None else f" {_null_rows_caption(null)}"
    dashed = " Dashed: clinical covariates only." if clinical is not None else ""
    caption = f"Diamond: the procedure that is reported. ½ is chance.{dashed} Bars: {CONDITIONAL}.{random}"
    finish(figure, axes, result, title="Concordance of all learners and baselines", caption=caption)
    return figure


def _drawn(result: TrainingResult) -> RandomSignatures | None:
    """Return the random signatures where they could be assessed."""
    null = result.random_signatures
    return null if null is not None and len(null.concordance) else None


def _rows(result: TrainingResult) -> Iterator[list[_Row]]:
    """Yield the baselines, the null, the learners with clinical covariates, and those of genes alone."""
    reported = headline_name(result.evaluations, result.definition)
    by_group: Mapping[str, list[_Row]] = {"baselines": [], "learners": [], "twins": []}
    for name, evaluation in result.evaluations.items():
        twin = "twins" if name.endswith(GENES_ONLY) else "learners"
        group = "baselines" if name in BASELINES else twin
        look = (FAINT, "o") if group == "baselines" else (BLUE, "o")
        look = (VERMILLION, REPORTED) if name == reported else look
        missing = Estimate(np.nan, np.nan, np.nan)
        by_group[group].append(_Row(learner_words(name), evaluation.metrics.get(CONCORDANCE, missing), *look))
    yield by_group["baselines"]
    null = _drawn(result)
    yield [] if null is None else _null_rows(null)
    yield by_group["learners"]
    yield by_group["twins"]


def _null_rows(null: RandomSignatures) -> list[_Row]:
    """Return the random sets, and the panel in the procedure that was theirs."""
    low, middle, high = np.quantile(null.concordance, [0.025, 0.5, 0.975])
    label = f"{len(null.concordance)} random sets of {null.n_genes} genes"
    return [
        _Row(label, Estimate(float(middle), float(low), float(high)), GREEN, "s"),
        _Row("panel, same ridge Cox", Estimate(null.model, np.nan, np.nan), GREEN),
    ]


def _null_rows_caption(null: RandomSignatures) -> str:
    return (
        f"Random sets: the middle 95 % of the sets and their median; they and the panel's row beside them come from "
        f"{null.procedure}, not from the procedure that is reported."
    )


def _draw_rows(axes: Axes, groups: list[list[_Row]]) -> Iterator[int]:
    """Draw each row, a free line between groups, and yield its position."""
    position = 0
    for group in groups:
        for row in group:
            estimate = row.estimate
            axes.hlines(position, estimate.lower, estimate.upper, colors=row.colour, linewidth=2)
            axes.scatter(estimate.value, position, color=row.colour, marker=row.marker, s=36, zorder=3)
            axes.text(1.02, position, interval_words(estimate), va="center", fontsize=SMALL,
                      transform=axes.get_yaxis_transform())  # fmt: skip
            yield position
            position += 1
        position += 1


def random_signatures(result: TrainingResult) -> Figure | None:
    """Draw the concordance of random gene sets, with the panel's and that without genes; None without a null."""
    null = _drawn(result)
    if null is None:
        return None
    figure = Figure(figsize=(WIDTH, 5.4), layout="constrained")
    axes = figure.subplots()
    counts, _, _ = axes.hist(null.concordance, bins="auto", color=FAINT, alpha=0.6, label="random gene sets")
    axes.axvline(null.model, color=VERMILLION, linewidth=2, label=f"the panel: {null.model:.3f}")
    if np.isfinite(null.clinical):
        label = f"same procedure, no genes: {null.clinical:.3f}"
        axes.axvline(null.clinical, color=ORANGE, linewidth=2, linestyle="--", label=label)
    axes.set(xlabel="Harrell's concordance within folds, out of fold", ylabel="Random gene sets")
    # Room for the legend above the bars.
    axes.set_ylim(0, 1.45 * np.max(counts))
    axes.legend(loc="upper left", framealpha=0.8, edgecolor="none")
    finish(figure, axes, result, title="The panel among random gene sets", caption=_null_caption(null))
    return figure


def _null_caption(null: RandomSignatures) -> str:
    return (
        f"The panel's {null.n_genes} genes replaced by as many random others, {len(null.concordance)} times; "
        f"covariates, folds and tuning kept. All figures come from {null.procedure}, not from the learner that is "
        f"reported. Drawn from {null.universe}. The panel exceeds {null.percentile:.0f} % of the sets "
        f"(p = {null.p_value:.3f}, one-sided; conditional on the folds)."
    )
