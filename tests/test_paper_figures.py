"""The paper's Figure 3: what its pictures show is the table's, and can be read."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.axis import Axis
from matplotlib.collections import PathCollection, PolyCollection, QuadMesh
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.testing import assert_allclose, assert_array_equal
from scan_tables import row, table_of
from scipy.spatial.distance import pdist

from experiments.figure_style import DOTS_PER_INCH, SMALLEST
from experiments.gene_grid import (
    GeneGrid,
    agreement_by_choice,
    cluster_rows,
    gene_grid,
    group_agreement,
    two_groups,
)
from experiments.gene_survival_figures import survival_by_gene
from experiments.paper_figures import clustered_heatmap, heatmap
from experiments.paper_reproduction import declared_groups
from experiments.scan_rows import ScanTableError
from experiments.simulation import simulate_cohort
from features.cohort import Cohort, days_to_months, months_to_days
from features.panel import load_panel
from features.published import literature_direction, published_hazard_ratios
from features.readers import read_cohort
from training.kaplan_meier import at_risk, kaplan_meier
from training.scan.scan import ScanSettings, scan_cohort

CORE = load_panel("ctc_core").symbols
QUICK = ScanSettings(cuts=("per_sd", "median", "optimal"), permutations=0, samples=30, curves=False)


@pytest.fixture(scope="module")
def cohorts() -> dict[str, Cohort]:
    return {name: simulate_cohort(name, seed=3, n_patients=150) for name in ("BRCA", "KIRC", "LGG", "KIRP")}


@pytest.fixture(scope="module")
def table(cohorts: dict[str, Cohort]) -> pd.DataFrame:
    scans = [scan_cohort(cohort, CORE, QUICK) for cohort in cohorts.values()]
    # NODAL as where a cohort lacks a gene.
    together = pd.concat(scans, ignore_index=True)
    return together[(together["gene"] != "NODAL") | (together["cancer_type"] == "SIMULATED-LGG")]


@pytest.fixture(scope="module")
def grid(table: pd.DataFrame) -> GeneGrid:
    return gene_grid(table, CORE, endpoint="OS")


def clustered(grid: GeneGrid) -> Figure:
    genes, cancer_types = cluster_rows(grid.log2_hazard_ratio), cluster_rows(grid.log2_hazard_ratio.T)
    assert genes is not None
    groups = two_groups(grid, genes)
    return clustered_heatmap(grid, genes, groups, declared=declared_groups(), cancer_types=cancer_types)


def texts(figure: Figure) -> str:
    return " ".join(" ".join(text.get_text() for text in figure.findobj(Text)).split())


def one_row(table: pd.DataFrame, cohort: Cohort, gene: str, cut: str) -> pd.Series:
    rows = table[(table["cancer_type"] == cohort.cancer_type) & (table["gene"] == gene) & (table["cut"] == cut)]
    assert len(rows) == 1
    return rows.iloc[0]


# A: survival by one gene.


def test_the_curves_are_kaplan_meiers_of_who_is_above_the_median_and_who_is_not(cohorts, table):
    cohort = cohorts["KIRC"]
    axes = survival_by_gene(cohort, "CD44", table).axes[0]
    values = cohort.expression["CD44"].to_numpy()
    for name, members in (("high", values > np.nanmedian(values)), ("low", values <= np.nanmedian(values))):
        line = next(line for line in axes.get_lines() if str(line.get_label()).startswith(name))
        curve = kaplan_meier(cohort.time[members], cohort.event[members])
        assert_allclose(line.get_xdata()[1:], days_to_months(curve.days))
        assert_allclose(line.get_ydata()[1:], curve.survival)
        assert line.get_label() == f"{name} ({cohort.event[members].sum()} of {members.sum()} with event)"


def test_the_bands_end_where_the_log_log_interval_does(cohorts, table):
    cohort = cohorts["KIRC"]
    figure = survival_by_gene(cohort, "CD44", table)
    values = cohort.expression["CD44"].to_numpy()
    members = values > np.nanmedian(values)
    curve = kaplan_meier(cohort.time[members], cohort.event[members])
    band = next(part for part in figure.axes[0].collections if isinstance(part, PolyCollection))
    heights = band.get_paths()[0].vertices[:, 1]
    assert np.isclose(heights.min(), np.nanmin(curve.lower))
    assert "log–log" in texts(figure)
    assert "95 %" in texts(figure)


def test_every_group_has_its_numbers_at_risk(cohorts, table):
    cohort = cohorts["LGG"]
    figure = survival_by_gene(cohort, "IL1R1", table)
    values = cohort.expression["IL1R1"].to_numpy()
    below = figure.axes[1]
    months = np.array(below.get_xticks())
    shown = [text.get_text() for text in below.texts]
    expected = [
        str(count)
        for members in (values > np.nanmedian(values), values <= np.nanmedian(values))
        for count in at_risk(cohort.time[members], months_to_days(months))
    ]
    assert shown == expected


def test_the_picture_says_the_tables_hazard_ratio_p_and_how_it_was_cut(cohorts, table):
    cohort = cohorts["KIRC"]
    found = one_row(table, cohort, "TGFBR2", "median")
    said = texts(survival_by_gene(cohort, "TGFBR2", table))
    assert f"{found['hazard_ratio']:.2f} ({found['lower']:.2f} to {found['upper']:.2f})" in said
    assert "the cohort's median" in said
    assert f"{one_row(table, cohort, 'TGFBR2', 'per_sd')['hazard_ratio']:.2f}" in said
    assert "SIMULATED" in said


def test_an_optimal_cut_shows_the_shrunken_ratio_and_the_corrected_p_and_never_the_naive_ones(cohorts, table):
    cohort = cohorts["BRCA"]
    found = one_row(table, cohort, "CXCR4", "optimal")
    # Figures that no other figure of the picture can be taken for.
    marked = table.copy()
    chosen = marked.index == found.name
    marked.loc[chosen, ["hazard_ratio", "p_naive", "p_lausen_schumacher_1994"]] = [7.77, 0.0123, 0.345]
    marked.loc[chosen, ["shrunken_hazard_ratio", "shrunken_lower", "shrunken_upper"]] = [1.23, 0.98, 1.57]
    said = texts(survival_by_gene(cohort, "CXCR4", marked, cut="optimal"))
    assert "shrunken 1.23 (0.98 to 1.57), p = 0.34, corrected" in said
    assert "found on these patients" in said
    assert "7.77" not in said
    assert "0.012" not in said


def test_patients_without_a_value_are_counted_and_in_neither_group(cohorts):
    cohort = cohorts["KIRC"]
    expression = cohort.expression.copy()
    expression.iloc[:7, expression.columns.get_loc("CD44")] = np.nan
    gaps = replace(cohort, expression=expression)
    figure = survival_by_gene(gaps, "CD44", scan_cohort(gaps, ["CD44"], QUICK))
    known = int(expression["CD44"].notna().sum())
    assert f"{known} patients, {150 - known} without a value left out" in texts(figure)


@pytest.mark.parametrize(
    ("gene", "cut", "rule"),
    [
        ("CD44", "per_sd", "parts no patients in two"),
        ("NOGENE", "median", "not among its"),
        ("CD44", "quantile", "no row of CD44"),
    ],
)
def test_a_curve_that_cannot_be_drawn_says_why(cohorts, table, gene, cut, rule):
    with pytest.raises(ScanTableError, match=rule):
        survival_by_gene(cohorts["KIRC"], gene, table, cut=cut)


def test_a_table_of_other_patients_is_refused(cohorts, table):
    with pytest.raises(ScanTableError, match="scan this very cohort"):
        survival_by_gene(cohorts["KIRC"].subset(np.arange(100)), "CD44", table)


# B: the heat map.


def mesh(figure: Figure, place: int = 0) -> np.ma.MaskedArray:
    found = [part for part in figure.axes[place].collections if isinstance(part, QuadMesh)]
    return np.ma.asarray(found[0].get_array())


def test_the_colours_are_the_tables_and_only_significant_cells_have_one(table, grid):
    shown = mesh(heatmap(grid))
    for row_, gene in enumerate(grid.genes):
        for column, cancer_type in enumerate(grid.cancer_types):
            rows = table[(table["gene"] == gene) & (table["cancer_type"] == cancer_type) & (table["cut"] == "per_sd")]
            significant = bool((rows["q"] < 0.05).any())
            assert np.ma.getmaskarray(shown)[row_, column] == (not significant)
            if significant:
                assert shown[row_, column] == pytest.approx(np.log2(rows["hazard_ratio"].iloc[0]), rel=1e-12)
    assert 0 < shown.count() < shown.size


def test_colours_are_centred_at_no_effect_and_the_worse_is_the_redder(grid):
    figure = heatmap(grid)
    cells = next(part for part in figure.axes[0].collections if isinstance(part, QuadMesh))
    low, high = cells.get_clim()
    assert low == -high
    red, _, blue, _ = cells.cmap(cells.norm(high))
    assert red > blue
    assert_allclose(cells.cmap(cells.norm(0.0))[:3], 0.97, atol=0.01)


def test_values_are_printed_where_there_is_a_colour_and_nowhere_else(grid):
    axes = heatmap(grid).axes[0]
    printed = {(int(t.get_position()[1]), int(t.get_position()[0])): t.get_text() for t in axes.texts}
    expected = {
        (row_, column): f"{grid.log2_hazard_ratio[row_, column]:+.1f}".replace("-", "−")
        for row_, column in np.argwhere(grid.significant())
    }
    assert printed == expected


def test_significance_may_be_asked_of_p_or_of_q():
    table = table_of(row("A", "KIRC", 1.5, p=0.01, q=0.2), row("A", "LGG", 1.5, p=0.001, q=0.01))
    grid = gene_grid(table, ["A"], endpoint="OS")
    assert mesh(heatmap(grid, by="q")).count() == 1
    assert mesh(heatmap(grid, by="p")).count() == 2
    assert "not corrected" in texts(heatmap(grid, by="p"))


def test_cells_that_were_not_tested_are_hatched_and_no_others(grid):
    axes = heatmap(grid).axes[0]
    hatched = next(part for part in axes.collections if isinstance(part, PolyCollection) and part.get_hatch())
    centres = {tuple(np.floor(path.vertices[:4].mean(axis=0)).astype(int)[::-1]) for path in hatched.get_paths()}
    assert centres == {tuple(cell) for cell in np.argwhere(~grid.tested)}
    assert len(centres) == 3


def test_a_separated_gene_has_firths_ratio_and_an_optimal_cut_the_shrunken_one():
    separated = row("A", "KIRC", np.nan, status="separated", firth_hazard_ratio=8.0, q=0.01)
    optimal = row("A", "KIRC", 6.0, cut="optimal", shrunken_hazard_ratio=2.0, q=0.01)
    table = table_of(separated, optimal)
    assert gene_grid(table, ["A"], endpoint="OS").log2_hazard_ratio == [[3.0]]
    assert gene_grid(table, ["A"], endpoint="OS", cut="optimal").log2_hazard_ratio == [[1.0]]


def test_two_cohorts_of_one_cancer_type_must_be_pooled_first():
    with pytest.raises(ScanTableError, match="occur twice"):
        gene_grid(table_of(row("A", "KIRC", 1.5), row("A", "KIRC", 1.6)), ["A"], endpoint="OS")


def test_genes_that_nobody_scanned_are_refused(table):
    with pytest.raises(ScanTableError, match="none of the 1 genes"):
        gene_grid(table, ["NOGENE"], endpoint="OS")


# C: the clustering.


def test_two_groups_of_genes_are_found_where_there_are_two():
    rng = np.random.default_rng(2)
    worse, mixed = np.array([1.0, 1, 1, 1, 1]), np.array([-1.0, 1, -1, 1, 0])
    values = np.concatenate([worse + rng.normal(0, 0.2, (4, 5)), mixed + rng.normal(0, 0.2, (3, 5))])
    grid = made_grid(values)
    tree = cluster_rows(values)
    assert tree is not None
    assert list(two_groups(grid, tree).values()) == [1, 1, 1, 1, 2, 2, 2]


def made_grid(values: np.ndarray) -> GeneGrid:
    names = tuple(f"G{i}" for i in range(len(values)))
    types = tuple(f"T{i}" for i in range(values.shape[1]))
    nothing = np.full(values.shape, np.nan)
    return GeneGrid(names, types, "OS", "per_sd", values, nothing, nothing)


def test_distances_over_complete_rows_are_scipys():
    values = np.random.default_rng(1).normal(size=(6, 5))
    for metric, expected in (
        ("root mean square", pdist(values) / np.sqrt(5)),
        ("correlation", pdist(values, "correlation")),
    ):
        tree = cluster_rows(values, metric=metric, method="single")
        assert tree is not None
        # Single linkage merges first what is nearest.
        assert tree.linkage[0, 2] == pytest.approx(expected.min(), rel=1e-12)


def test_distances_over_missing_cells_by_hand():
    # Shared by the first two: columns 1 and 3, differences 3 and 4; nothing is imputed for column 2.
    values = np.array([[0.0, np.nan, 0.0], [3.0, 9.0, 4.0], [100.0, 100.0, 100.0]])
    tree = cluster_rows(values)
    assert tree is not None
    assert tree.linkage[0, 2] == pytest.approx(np.sqrt((9 + 16) / 2))


def test_genes_that_share_too_little_are_left_out_and_named(grid):
    tree = cluster_rows(grid.log2_hazard_ratio)
    assert tree is not None
    assert [grid.genes[row_] for row_ in tree.left_out] == ["NODAL"]
    assert "NODAL" in texts(clustered(grid))
    assert "NODAL" not in [text.get_text() for text in clustered(grid).axes[4].texts]


def test_too_few_genes_are_not_clustered():
    assert cluster_rows(np.zeros((2, 4))) is None
    assert cluster_rows(np.full((5, 4), np.nan)) is None


@given(arrays(np.float64, (6, 4), elements=st.floats(-2, 2)), st.permutations(range(4)))
def test_the_order_of_cancer_types_does_not_matter(values, order):
    one, other = cluster_rows(values), cluster_rows(values[:, order])
    assert one is not None
    assert other is not None
    assert_allclose(one.linkage[:, 2], other.linkage[:, 2], atol=1e-9)


def test_groups_agree_whatever_they_are_called():
    found = {"A": 1, "B": 1, "C": 2, "D": 2, "E": 1}
    assert group_agreement(found, {"A": 2, "B": 2, "C": 1, "D": 1}) == pytest.approx(1.0)
    assert group_agreement(found, {"A": 1, "B": 2, "C": 1, "D": 2}) < 0.0
    assert np.isnan(group_agreement(found, {"A": 1}))


def test_the_agreement_is_told_for_every_metric_and_linkage(grid):
    table = agreement_by_choice({("all", "all", "per_sd"): grid}, declared_groups())
    assert len(table) == 6
    assert not table[["metric", "method"]].duplicated().any()
    tree = cluster_rows(grid.log2_hazard_ratio)
    assert tree is not None
    drawn = table[(table["metric"] == "root mean square") & (table["method"] == "average")]["adjusted_rand_index"]
    assert drawn.item() == group_agreement(two_groups(grid, tree), declared_groups())


def test_the_clustered_map_shows_the_same_values_in_the_order_of_the_tree(grid):
    figure = clustered(grid)
    genes = [text.get_text() for text in figure.axes[4].texts if text.get_text() in grid.genes]
    types = [f"SIMULATED-{label.get_text()}" for label in figure.axes[5].get_xticklabels()]
    drawn = grid.at([grid.genes.index(g) for g in genes], [grid.cancer_types.index(t) for t in types])
    shown = mesh(figure, 5)
    assert_array_equal(np.ma.getmaskarray(shown), ~drawn.significant())
    assert_allclose(shown.compressed(), drawn.log2_hazard_ratio[drawn.significant()])
    tree = cluster_rows(grid.log2_hazard_ratio)
    assert tree is not None
    groups = [two_groups(grid, tree)[gene] for gene in genes]
    assert groups == sorted(groups)


def test_the_literatures_directions_stand_in_the_corners_of_their_cells(grid):
    figure = clustered(grid)
    genes = [text.get_text() for text in figure.axes[4].texts if text.get_text() in grid.genes]
    types = [label.get_text() for label in figure.axes[5].get_xticklabels()]
    found = {
        (genes[int(y)], types[int(x)]): str(marks.get_gid())
        for marks in figure.axes[5].collections
        if isinstance(marks, PathCollection)
        for x, y in np.asarray(marks.get_offsets())
    }
    expected = {
        (gene, name): direction
        for gene in genes
        for name in types
        if (direction := literature_direction(gene, name)) is not None
    }
    assert found == expected
    assert len(set(found.values())) == 3


# All of them.


def large_grid() -> GeneGrid:
    rng = np.random.default_rng(8)
    values = rng.normal(0, 0.8, (40, 30))
    names = tuple(f"CEACAM{i}" for i in range(40))
    types = ("COADREAD", "KIRC", "LGG", "BRCA", "GBM", *(f"TYPE{i}" for i in range(25)))
    p = rng.uniform(0, 0.1, values.shape)
    return GeneGrid(names, types, "OS", "per_sd", values, p, p)


@pytest.fixture(scope="module")
def drawn(cohorts, table, grid) -> dict[str, Figure]:
    small = grid.at(range(3), range(2))
    pictures = {
        "median": survival_by_gene(cohorts["KIRC"], "CD44", table),
        "optimal": survival_by_gene(cohorts["KIRC"], "CD44", table, cut="optimal"),
        "heatmap": heatmap(grid),
        "small heatmap": heatmap(small),
        "large heatmap": heatmap(large_grid()),
        "clustered": clustered(grid),
        "large clustered": clustered(large_grid()),
    }
    for figure in pictures.values():
        figure.set_dpi(DOTS_PER_INCH)
        figure.draw_without_rendering()
    return pictures


def visible(figure: Figure) -> list[Text]:
    hidden = {
        id(label)
        for axis in figure.findobj(Axis)
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]
        if not min(axis.get_view_interval()) - 1e-9 <= tick.get_loc() <= max(axis.get_view_interval()) + 1e-9
        for label in (tick.label1, tick.label2)
    }
    return [
        text
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and id(text) not in hidden and text.get_text() != "SIMULATED"
    ]


def test_no_text_runs_out_of_its_picture(drawn):
    for name, figure in drawn.items():
        for text in visible(figure):
            box = text.get_window_extent()
            inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
            assert inside, f"{name}: {text.get_text()!r} at {box}"


def test_no_text_lies_on_another(drawn):
    for name, figure in drawn.items():
        # Boxes of leaning names overlap where the names do not; the title's has blank lines for what stands below it.
        straight = [text for text in visible(figure) if text.get_rotation() in (0, 90)]
        straight = [text for text in straight if text.get_text() != figure.get_suptitle()]
        boxes = [(text, text.get_window_extent().padded(-1)) for text in straight]
        for (first, one), (second, other) in combinations(boxes, 2):
            assert not one.overlaps(other), f"{name}: {first.get_text()!r} and {second.get_text()!r}"


def test_every_text_is_large_enough(drawn):
    for name, figure in drawn.items():
        assert min(text.get_fontsize() for text in visible(figure)) >= SMALLEST, name


def test_the_papers_two_groups_come_out_of_its_cancer_types_again(real_cohorts: Path, record_property):
    names = [name for name in published_hazard_ratios()["cohort_cancer_type"].unique() if name != "THCA"]
    settings = ScanSettings(cuts=("per_sd",), curves=False)
    scans = [scan_cohort(read_cohort(real_cohorts / name, endpoint="OS"), CORE, settings) for name in names]
    grid = gene_grid(pd.concat(scans), CORE, endpoint="OS")
    tree = cluster_rows(grid.log2_hazard_ratio)
    assert tree is not None
    index = group_agreement(two_groups(grid, tree), declared_groups())
    record_property("figure", f"Figure 3C over {len(names)} cancer types: adjusted Rand index {index:.2f}")
    assert index == pytest.approx(1.0)
