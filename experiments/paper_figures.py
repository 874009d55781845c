"""The paper's Figure 3 from cohorts: genes by cancer types, coloured where significant, and clustered."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.colors import CenteredNorm, LinearSegmentedColormap, ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray
from scipy.cluster.hierarchy import dendrogram

from experiments.figure_frame import MINUS, frame
from experiments.figure_style import BLUE, FAINT, GREEN, INK, PURPLE, SMALL, SMALLEST, VERMILLION, WIDTH
from experiments.gene_grid import METHOD, METRIC, GeneGrid, Tree, group_agreement
from experiments.scan_rows import CUT_WORDS
from features.cohort import ENDPOINTS, SIMULATED_PREFIX
from features.published import BETTER, DISAGREE, WORSE, literature_direction

Floats = NDArray[np.float64]

#: Blue better, vermillion worse, as in every picture; both told apart by the colour-blind.
COLOURS = LinearSegmentedColormap.from_list("better_worse", ["#003a5c", BLUE, "#f7f7f7", VERMILLION, "#6b2f00"])
UNTESTED, HATCH = "#e4e4e4", "#9a9a9a"
#: The colours end between these, in steps of a half, so that one outlier does not pale all others.
LEAST_LOG2, LARGEST_LOG2 = 1.0, 2.0
#: What the literature found, as (marker, face, edge): its form too, so that the marks also read in grey.
MARKS = {WORSE: ("^", INK, "white"), BETTER: ("v", INK, "white"), DISAGREE: ("D", "white", INK)}
MARK_WORDS = {WORSE: "literature: worse", BETTER: "literature: better", DISAGREE: "literature disagrees"}
GROUP_COLOURS = {1: PURPLE, 2: GREEN}
#: Inches.
CELL_HEIGHT, NARROWEST_CELL, BESIDE_CELLS, LETTER = 0.3, 0.42, 3.6, 0.085
BY_WORDS = {"q": "q < 0.05 (Benjamini–Hochberg over the scan's family)", "p": "p < 0.05, not corrected"}


def heatmap(grid: GeneGrid, *, by: str = "q") -> Figure:
    """Draw the log2 hazard ratios of genes by cancer types, in colour where they are significant.

    Parameters
    ----------
    grid : GeneGrid
        Its first gene is drawn at the top.
    by : str
        ``q`` or ``p``: which of them must be below 0.05.
    """
    figure = Figure(figsize=(_width(grid), 2.7 + CELL_HEIGHT * len(grid.genes)), layout="constrained")
    axes = figure.subplots()
    cells = _draw_cells(axes, grid, by)
    axes.set_yticks(np.arange(len(grid.genes)) + 0.5, grid.genes, fontsize=SMALL)
    _colour_bar(figure, axes, cells)
    _legend(axes, grid, {})
    title = "Hazard ratios of genes by cancer type"
    frame(figure, title=title, subtitle=_subtitle(grid), caption=_caption(grid, by), simulated=_simulated(grid))
    return figure


def clustered_heatmap(
    grid: GeneGrid,
    genes: Tree,
    groups: Mapping[str, int],
    *,
    declared: Mapping[str, int],
    cancer_types: Tree | None = None,
    by: str = "q",
) -> Figure:
    """Draw the heat map in the order of a clustering, with its two groups of genes and the literature's directions.

    Parameters
    ----------
    grid : GeneGrid
    genes : Tree
        Of the grid's rows; what it leaves out is not drawn.
    groups : dict of int
        1 or 2 for each gene of the tree.
    declared : dict of int
        1 or 2 for genes that the paper puts into a group.
    cancer_types : Tree or None
        Of the grid's columns; alphabetical without.
    by : str
        As in `heatmap`.

    Notes
    -----
    The tree is of all estimates, significant or not: a threshold would make noise of what lies near it.
    """
    # Group 1 at the top, as in the paper.
    turned = groups[grid.genes[genes.leaves[0]]] != 1
    columns = range(len(grid.cancer_types))
    drawn = grid.at(
        genes.leaves[::-1] if turned else genes.leaves,
        columns if cancer_types is None else (*cancer_types.leaves, *cancer_types.left_out),
    )
    figure = Figure(figsize=(_width(grid) + 0.6, 3.6 + CELL_HEIGHT * len(drawn.genes)), layout="constrained")
    parts = figure.subplots(2, 3, width_ratios=[0.9, 1.4, 6], height_ratios=[1, 0.5 * len(drawn.genes)], squeeze=False)
    cells = _draw_cells(parts[1, 2], drawn, by)
    parts[1, 2].set_yticks([])
    _draw_tree(parts[1, 0], genes, turned=turned)
    _draw_tree_above(parts[0, 2], cancer_types, len(drawn.cancer_types))
    _draw_groups(parts[0, 1], parts[1, 1], drawn.genes, {"found": groups, "paper": declared})
    parts[0, 0].set_axis_off()
    marks = _mark_literature(parts[1, 2], drawn)
    _colour_bar(figure, parts[1, 2], cells)
    _legend(parts[1, 2], drawn, marks)
    frame(
        figure,
        title="Two groups of genes, clustered by their hazard ratios",
        subtitle=f"{_subtitle(drawn)} {agreement_words(groups, declared)}",
        caption=_caption(drawn, by) + _cluster_caption(grid, genes),
        simulated=_simulated(grid),
    )
    return figure


def agreement_words(groups: Mapping[str, int], declared: Mapping[str, int]) -> str:
    """Say how far two groupings agree."""
    shared = [gene for gene in groups if gene in declared]
    index = group_agreement(groups, declared)
    if not np.isfinite(index):
        return "Fewer than two genes of the paper's groups are among them."
    agreement = f"{index:.2f}".replace("-", MINUS)
    return f"Adjusted Rand index with the paper's groups: {agreement} over {len(shared)} genes (1 equal, 0 chance)."


def _width(grid: GeneGrid) -> float:
    return max(WIDTH, BESIDE_CELLS + NARROWEST_CELL * len(grid.cancer_types))


def _simulated(grid: GeneGrid) -> bool:
    return any(name.startswith(SIMULATED_PREFIX) for name in grid.cancer_types)


def _short(cancer_type: str) -> str:
    """Return a cancer type without the mark of simulation, which the whole picture bears."""
    return cancer_type.removeprefix(SIMULATED_PREFIX)


def _draw_cells(axes: Axes, grid: GeneGrid, by: str) -> QuadMesh:
    """Colour the significant cells and print their values, leave the others blank, hatch what was not tested."""
    shown = np.ma.masked_where(~grid.significant(by), grid.log2_hazard_ratio)
    norm = CenteredNorm(0.0, _limit(shown))
    cells = axes.pcolormesh(shown, cmap=COLOURS, norm=norm, zorder=1)
    untested = np.ma.masked_where(grid.tested, np.zeros(grid.tested.shape))
    grey = ListedColormap([UNTESTED])
    axes.pcolor(untested, cmap=grey, hatch="////", edgecolor=HATCH, linewidth=0, zorder=1)
    for row, column in np.argwhere(~np.ma.getmaskarray(shown)):
        value = float(shown[row, column])
        axes.text(column + 0.45, row + 0.53, _signed(value), fontsize=SMALLEST, ha="center", va="center", zorder=4,
                  color=_ink_on(COLOURS(norm(value))))  # fmt: skip
    _draw_lines_between(axes, grid)
    return cells


def _draw_lines_between(axes: Axes, grid: GeneGrid) -> None:
    """Set the cells apart, first gene at the top, and name the cancer types."""
    n_genes, n_types = grid.tested.shape
    names = [_short(name) for name in grid.cancer_types]
    axes.set(xlim=(0, n_types), ylim=(n_genes, 0))
    axes.set_xticks(np.arange(n_types) + 0.5, names, fontsize=SMALL)
    if max(map(len, names)) * LETTER > (_width(grid) - BESIDE_CELLS) / n_types:
        axes.tick_params(axis="x", rotation=40)
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    axes.set_xticks(np.arange(n_types + 1), minor=True)
    axes.set_yticks(np.arange(n_genes + 1), minor=True)
    axes.grid(which="minor", color="#d0d0d0", linewidth=0.6)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_color("#d0d0d0")


def _limit(shown: np.ma.MaskedArray) -> float:
    """Return where the colours end: the largest that is shown, in steps of a half."""
    largest = float(np.abs(shown).max()) if shown.count() else 0.0
    return float(np.clip(np.ceil(2 * largest) / 2, LEAST_LOG2, LARGEST_LOG2))


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", MINUS)


def _ink_on(colour: tuple[float, float, float, float]) -> str:
    """Return black or white, whichever can be read on a colour."""
    red, green, blue, _ = colour
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.5 else INK


def _colour_bar(figure: Figure, axes: Axes, cells: QuadMesh) -> None:
    limit = float(cells.get_clim()[1] or LARGEST_LOG2)
    bar = figure.colorbar(cells, ax=axes, fraction=0.05, pad=0.02, aspect=18, extend="both")
    ticks = np.arange(-limit, limit + 0.1, 0.5)
    bar.set_ticks(list(ticks), labels=[f"{_signed(tick) if tick else '0'}  (HR {2.0**tick:.2g})" for tick in ticks])
    bar.ax.tick_params(labelsize=SMALLEST)
    bar.set_label("log2 hazard ratio; above 0: worse", fontsize=SMALL)


def _legend(axes: Axes, grid: GeneGrid, marks: Mapping[str, str]) -> None:
    handles: list[Patch | Line2D] = [Patch(facecolor="white", edgecolor=FAINT, label="tested, not significant")]
    if not grid.tested.all():
        handles.append(Patch(facecolor=UNTESTED, edgecolor=HATCH, hatch="////", label="not tested"))
    for found, words in marks.items():
        marker, face, _ = MARKS[found]
        handles.append(
            Line2D([], [], linestyle="none", marker=marker, markerfacecolor=face, markeredgecolor=INK, label=words)
        )
    # Below the names of the cancer types, which may lean.
    lowest = 5.5 if any(label.get_rotation() for label in axes.get_xticklabels()) else 2.6
    axes.legend(handles=handles, loc="upper right", bbox_to_anchor=(1, 0), borderaxespad=lowest, ncols=2,
                fontsize=SMALLEST, frameon=False, columnspacing=1.2)  # fmt: skip


def _mark_literature(axes: Axes, grid: GeneGrid) -> dict[str, str]:
    """Mark in the corner of a cell what Table 3 reports of it, and return the words for the marks that were drawn."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row, gene in enumerate(grid.genes):
        for column, cancer_type in enumerate(grid.cancer_types):
            direction = literature_direction(gene, _short(cancer_type))
            if direction is not None:
                found.setdefault(direction, []).append((column + 0.88, row + 0.23))
    for direction, places in found.items():
        marker, face, edge = MARKS[direction]
        x, y = np.array(places).T
        axes.scatter(x, y, s=30, c=face, marker=marker, edgecolors=edge, linewidths=0.7, zorder=5, gid=direction)
    return {direction: words for direction, words in MARK_WORDS.items() if direction in found}


def _branches(tree: Tree) -> tuple[Floats, Floats]:
    """Return where each branch runs along the leaves and at what distance; leaf k lies at k + ½."""
    plan = dendrogram(tree.linkage, no_plot=True)
    # Scipy puts leaves at 5, 15, 25 and so on.
    return np.array(plan["icoord"]) / 10, np.array(plan["dcoord"])


def _draw_tree(axes: Axes, tree: Tree, *, turned: bool) -> None:
    along, distance = _branches(tree)
    along = len(tree.rows) - along if turned else along
    axes.add_collection(LineCollection(list(np.stack([distance, along], axis=-1)), colors=INK, linewidths=0.9))
    axes.set(xlim=(distance.max() * 1.03 or 1.0, 0), ylim=(len(tree.rows), 0))
    axes.set_axis_off()


def _draw_tree_above(axes: Axes, tree: Tree | None, n_columns: int) -> None:
    axes.set_axis_off()
    if tree is not None:
        along, distance = _branches(tree)
        axes.add_collection(LineCollection(list(np.stack([along, distance], axis=-1)), colors=INK, linewidths=0.9))
        axes.set(xlim=(0, n_columns), ylim=(0, distance.max() * 1.03 or 1.0))


def _draw_groups(head: Axes, axes: Axes, genes: tuple[str, ...], groupings: Mapping[str, Mapping[str, int]]) -> None:
    """Write beside each gene the group that was found and the one that the paper puts it into."""
    places = dict(zip(groupings, (0.72, 0.92), strict=True))
    for name, place in places.items():
        head.text(place, 0.02, name, rotation=90, ha="center", va="bottom", fontsize=SMALLEST)
    for row, gene in enumerate(genes):
        axes.text(0.0, row + 0.5, gene, ha="left", va="center", fontsize=SMALL)
        for name, place in places.items():
            group = groupings[name].get(gene)
            words, colour = ("–", FAINT) if group is None else (str(group), GROUP_COLOURS[group])
            axes.text(place, row + 0.5, words, ha="center", va="center", fontsize=SMALL, color=colour, weight="bold")
    axes.set(xlim=(0, 1), ylim=(len(genes), 0))
    for each in (head, axes):
        each.set_axis_off()


def _subtitle(grid: GeneGrid) -> str:
    n_cohorts = len(grid.cancer_types)
    cohorts = f"{n_cohorts} cancer types" if n_cohorts > 1 else _short(grid.cancer_types[0])
    return f"{cohorts}, {len(grid.genes)} genes, {ENDPOINTS[grid.endpoint]}; {CUT_WORDS[grid.cut]}."


def _caption(grid: GeneGrid, by: str) -> str:
    significant, tested = int(grid.significant(by).sum()), int(grid.tested.sum())
    counts = f"Univariate Cox models. Coloured and printed: {BY_WORDS[by]}, {significant} of {tested} tested cells."
    return counts if grid.tested.all() else f"{counts} Not tested: the cohort lacks the gene, or it has no estimate."


def _cluster_caption(grid: GeneGrid, genes: Tree) -> str:
    left_out = ", ".join(grid.genes[row] for row in genes.left_out)
    without = f" Left out, in fewer than half of the cancer types: {left_out}." if left_out else ""
    return (
        f" Trees: {METRIC} difference of the log2 hazard ratios over the cells that two genes (cancer types) share, "
        f"{METHOD} linkage, on all tested cells, nothing imputed; group 1 has the higher mean.{without} Triangles and "
        "diamonds: what the studies of the paper's Table 3 found of high expression."
    )
