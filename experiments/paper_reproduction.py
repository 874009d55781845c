"""The paper's Figure 3 and Table 2 from cohorts: every picture, the comparison and the groups of genes, in a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from experiments.figure_frame import MINUS
from experiments.gene_grid import GeneGrid, Tree, agreement_by_choice, cluster_rows, gene_grid, two_groups
from experiments.gene_survival_figures import survival_by_gene
from experiments.paper_comparison import compare_with_table_2, comparison_markdown, summary
from experiments.paper_figures import agreement_words, clustered_heatmap, heatmap
from experiments.scan_columns import CHOICE, NUMBER, RATIO, TEXT, P, PageColumn
from experiments.scan_outputs import FIGURES, PAGE, write_figures, written_whole
from experiments.scan_page import note_list, page
from experiments.scan_rows import MEDIAN, PER_SD, ScanTableError, is_simulated
from features.cohort import SIMULATED_PREFIX, Cohort
from features.panel import load_panel
from features.published import published_hazard_ratios

PANEL = "ctc_core"
#: The curve that the paper shows in its Figure 3A.
PAPER_CURVES = (("IL1R1", "BRCA"),)
TITLE = "The paper's Figure 3 and Table 2, from cohorts"
FEWEST_CANCER_TYPES = 3


def reproduce_paper(
    cohorts: Sequence[Cohort],
    table: pd.DataFrame,
    folder: Path,
    *,
    genes: Sequence[str] | None = None,
    curves: Sequence[tuple[str, str]] = (),
    notes: Sequence[str] = (),
) -> list[Path]:
    """Draw Figure 3, compare with Table 2, and write both with a page into a folder.

    Parameters
    ----------
    cohorts : sequence of Cohort
        One a cancer type, all of one endpoint.
    table : DataFrame
        The long table of their scan, with the cuts ``per_sd``, ``median`` and, if it shall be compared, ``optimal``.
    folder : Path
        Made if it is not there; what else lies in it stays, but not what an earlier run has left.
    genes : sequence of str or None
        Of the heat maps; the paper's own (panel ``ctc_core``) unless some are named.
    curves : sequence of (gene, cancer type)
        Of the Kaplan–Meier curves; the paper's own, where its cohort is there, unless some are named.
    notes : sequence of str
        What could not be read or scanned, for the page.

    Returns
    -------
    list of Path
        The page first.

    Raises
    ------
    ScanTableError
        If there is no cohort, endpoints or simulated and real patients are mixed, two cohorts are of one cancer type,
        or a curve's gene or cohort is not there.
    ScanOutputError
        If the folder cannot be written to.
    """
    endpoint = _one_endpoint(cohorts)
    table = table[table["endpoint"] == endpoint]
    simulated = is_simulated(table)
    chosen = tuple(genes) if genes is not None else load_panel(PANEL).symbols
    compared = compare_with_table_2(table)
    figures = {**_curves(cohorts, table, curves), **_heatmaps(table, chosen, endpoint)}
    grids = _grids(table, chosen, endpoint)
    clustered = _clustered(grids)
    if clustered is not None:
        figures["figure_3c_clusters"] = clustered[0]
    with written_whole(folder) as (draft, written):
        write_figures(figures, draft / FIGURES)
        compared.to_csv(draft / "table_2.csv", index=False)
        compared.to_parquet(draft / "table_2.parquet", index=False)
        (draft / "table_2.md").write_text(comparison_markdown(compared), encoding="utf-8")
        lines = summary(compared)
        if clustered is not None:
            lines = [*lines, *_write_groups(clustered[1], grids, draft)]
        (draft / PAGE).write_text(_paper_page(compared, lines, figures, notes, simulated=simulated), encoding="utf-8")
    return written


def _one_endpoint(cohorts: Sequence[Cohort]) -> str:
    endpoints = sorted({cohort.endpoint for cohort in cohorts})
    if len(endpoints) != 1:
        named = ", ".join(endpoints) or "none"
        raise ScanTableError(
            f"{len(cohorts)} cohorts: they must have one endpoint, but have {named}; name cohorts of one."
        )
    return endpoints[0]


def _curves(cohorts: Sequence[Cohort], table: pd.DataFrame, curves: Sequence[tuple[str, str]]) -> dict[str, Figure]:
    """Draw the curves that were asked for, or the paper's where its cohort and gene are there."""
    by_type = _by_type(cohorts)
    if not curves:
        curves = [(gene, name) for gene, name in PAPER_CURVES if name in by_type and gene in by_type[name].expression]
    check_curves(cohorts, curves)
    pairs = [(gene, name.removeprefix(SIMULATED_PREFIX)) for gene, name in curves]
    return {f"figure_3a_{gene}_{name}": survival_by_gene(by_type[name], gene, table) for gene, name in pairs}


def _by_type(cohorts: Sequence[Cohort]) -> dict[str, Cohort]:
    return {cohort.cancer_type.removeprefix(SIMULATED_PREFIX): cohort for cohort in cohorts}


def check_curves(cohorts: Sequence[Cohort], curves: Sequence[tuple[str, str]]) -> None:
    """Refuse curves that cannot be drawn.

    Raises
    ------
    ScanTableError
        If there is no cohort of a curve's cancer type, or it lacks the gene.
    """
    by_type = _by_type(cohorts)
    for gene, cancer_type in curves:
        cohort = by_type.get(cancer_type.removeprefix(SIMULATED_PREFIX))
        if cohort is None:
            raise ScanTableError(
                f"curve of {gene} in {cancer_type}: there is no such cohort; there are {', '.join(sorted(by_type))}."
            )
        if gene not in cohort.expression.columns:
            raise ScanTableError(f"curve of {gene} in {cancer_type}: the cohort lacks the gene; name another.")


def _heatmaps(table: pd.DataFrame, genes: Sequence[str], endpoint: str) -> dict[str, Figure]:
    return {
        f"figure_3b_{cut}": heatmap(gene_grid(table, genes, endpoint=endpoint, cut=cut)) for cut in (PER_SD, MEDIAN)
    }


def _grids(table: pd.DataFrame, genes: Sequence[str], endpoint: str) -> dict[tuple[str, str, str], GeneGrid]:
    """Return what may be clustered: first the paper's cancer types, per SD, unless too few; then other choices.

    Figure 3C is a clustering over the cancer types of Table 2: further cohorts, above all small ones, change it.
    """
    names = set(published_hazard_ratios()["cohort_cancer_type"])
    of_paper = table[table["cancer_type"].str.removeprefix(SIMULATED_PREFIX).isin(names)]
    parts = {"the paper's cancer types": of_paper, "all cancer types": table}
    if of_paper["cancer_type"].nunique() in (0, table["cancer_type"].nunique()):
        parts = {"all cancer types": table}
    elif of_paper["cancer_type"].nunique() < FEWEST_CANCER_TYPES:
        parts = dict(reversed(parts.items()))
    declared = [gene for gene in genes if gene in declared_groups()]
    choices = {"all genes": list(genes), "genes of the paper's groups": declared}
    return {
        (where, which, cut): gene_grid(part, chosen, endpoint=endpoint, cut=cut)
        for where, part in parts.items()
        for which, chosen in choices.items()
        for cut in (PER_SD, MEDIAN)
        if chosen and part["gene"].isin(chosen).any()
    }


def declared_groups() -> dict[str, int]:
    """Return the groups of Figure 3 as the shipped panel declares them."""
    return {gene.symbol: gene.cluster for gene in load_panel(PANEL).genes if gene.cluster is not None}


def _clustered(grids: Mapping[tuple[str, str, str], GeneGrid]) -> tuple[Figure, dict[str, int]] | None:
    """Draw the first grid clustered, and return its groups; None where there is too little to cluster."""
    grid = next(iter(grids.values()))
    genes: Tree | None = cluster_rows(grid.log2_hazard_ratio)
    if genes is None:
        return None
    groups = two_groups(grid, genes)
    cancer_types = cluster_rows(grid.log2_hazard_ratio.T)
    return clustered_heatmap(grid, genes, groups, declared=declared_groups(), cancer_types=cancer_types), groups


def _write_groups(groups: Mapping[str, int], grids: Mapping[tuple[str, str, str], GeneGrid], folder: Path) -> list[str]:
    """Write the groups and how they hang on what was chosen, and say it in sentences."""
    declared = declared_groups()
    rows = [(gene, group, declared.get(gene)) for gene, group in groups.items()]
    found = pd.DataFrame(rows, columns=["gene", "found", "paper"]).astype({"found": "Int64", "paper": "Int64"})
    found.to_csv(folder / "gene_groups.csv", index=False)
    choices = agreement_by_choice(grids, declared).dropna(subset="adjusted_rand_index")
    choices.to_csv(folder / "gene_groups_by_choice.csv", index=False)
    spread = "; ".join(_spread(where, rows) for where, rows in choices.groupby("cancer_types", sort=False))
    hangs = f" It hangs on what is clustered. Over the choices of genes, cut, metric and linkage: {spread}."
    return [f"Two groups of genes. {agreement_words(groups, declared)}{hangs if spread else ''}"]


def _spread(where: str, choices: pd.DataFrame) -> str:
    index = choices["adjusted_rand_index"]
    words = f"{where}, {index.min():.2f} to {index.max():.2f}, median {index.median():.2f} ({len(index)} choices)"
    return words.replace(" -", f" {MINUS}")


def _paper_page(
    compared: pd.DataFrame,
    lines: Sequence[str],
    figures: Mapping[str, Figure],
    notes: Sequence[str],
    *,
    simulated: bool,
) -> str:
    points = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return page(
        title=TITLE,
        lead=f"{note_list(notes)}<ul>{points}</ul>",
        figures=figures,
        table=compared.assign(p_as_printed=compared["p_published"].map("{:.4f}".format)),
        columns=COMPARISON_COLUMNS,
        simulated=simulated,
    )


def _ratio(label: str, name: str, cut: str, hint: str) -> PageColumn:
    return PageColumn(label, RATIO, (name, f"lower_{cut}", f"upper_{cut}"), f"{hint}; above 1 worse; 95 % interval.")


COMPARISON_COLUMNS = (
    PageColumn("gene", TEXT, ("gene",)),
    PageColumn("cancer", CHOICE, ("cancer_type",), "As the paper names it."),
    PageColumn("printed HR", NUMBER, ("hazard_ratio_as_printed",), "As Table 2 prints it: low against high."),
    PageColumn("high against low", NUMBER, ("hazard_ratio_published",), "The inverse of the printed one."),
    PageColumn("printed p", TEXT, ("p_as_printed",), "Of a cut-off that was chosen."),
    _ratio("HR per SD", "hazard_ratio_per_sd", PER_SD, "Per standard deviation"),
    PageColumn("p", P, ("p_per_sd",), "Of the ratio per SD."),
    PageColumn("q", P, ("q_per_sd",), "Of the ratio per SD, Benjamini–Hochberg over the scan's family."),
    _ratio("HR at median", "hazard_ratio_median", MEDIAN, "Strictly above the median against the rest"),
    PageColumn("p median", P, ("p_median",), "Of the median split."),
    _ratio("HR at optimum, shrunken", "shrunken_hazard_ratio_optimal", "optimal", "Shrunken by the bootstrap"),
    PageColumn("p optimum, corrected", P, ("p_lausen_schumacher_1994_optimal",), "Corrected for the search over cuts."),
    PageColumn("agrees per SD", CHOICE, ("agrees_per_sd",), "In direction with the inverse of the printed ratio."),
    PageColumn("agrees at median", CHOICE, ("agrees_median",), "In direction with the inverse of the printed ratio."),
    PageColumn(
        "agrees at optimum",
        CHOICE,
        ("agrees_optimal",),
        "In direction with the inverse of the printed ratio; none: shrunken to exactly 1.",
    ),
    PageColumn("not tested, for", TEXT, ("not_tested",), "Why the row could not be tested."),
)
