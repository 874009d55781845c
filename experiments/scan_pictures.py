"""The pictures of a scan: survival by gene in each cohort, a gene's forest over cohorts, and a heat map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.gene_grid import gene_grid
from experiments.gene_survival_figures import survival_by_gene
from experiments.meta_figures import CohortHazardRatios, forest_of_cohorts
from experiments.paper_figures import heatmap
from experiments.scan_rows import MEDIAN, OPTIMAL, PER_SD, QUANTILE
from experiments.scanning import ScannedCohort, groups_of, together
from features.cohort import ENDPOINTS, Cohort
from training.scan.meta_analysis import pooled_hazard_ratio
from training.scan.scan import ScanError

#: A picture of more rows than these can no longer be read.
LARGEST_HEATMAP = 100
#: What a curve is cut by, the best first.
CURVE_CUTS = (MEDIAN, QUANTILE, OPTIMAL)


def check_pictures(
    cohorts: Sequence[Cohort],
    genes: Sequence[str] | None,
    cuts: Sequence[str],
    *,
    curves: Sequence[str],
    forests: Sequence[str],
) -> None:
    """Refuse pictures that the scan that is about to begin cannot give.

    Parameters
    ----------
    cohorts : sequence of Cohort
    genes : sequence of str or None
        That will be scanned; all if None.
    cuts : sequence of str
    curves, forests : sequence of str
        Genes.

    Raises
    ------
    ScanError
        If a gene is not scanned, or no cut or no pair of cohorts is there for the pictures.
    """
    scanned = set().union(*(cohort.expression.columns for cohort in cohorts)) if genes is None else set(genes)
    for what, gene in [*(("survival by", gene) for gene in curves), *(("forest of", gene) for gene in forests)]:
        if gene not in scanned:
            raise ScanError(f"{what} {gene}: no cohort of the scan has it; name a gene that is scanned.")
    if curves and not set(CURVE_CUTS) & set(cuts):
        raise ScanError(
            f"survival by {curves[0]}: patients are parted by one of {', '.join(CURVE_CUTS)}, and the scan cuts "
            f"{', '.join(cuts)} only; add one of them."
        )
    if forests and PER_SD not in cuts:
        raise ScanError(f"forest of {forests[0]}: it shows ratios per SD; add per_sd to the ways to cut.")
    if forests and len({str(cohort) for cohort in cohorts}) == len(cohorts):
        raise ScanError("a forest needs several cohorts of one cancer type; add cohorts, or split one by site.")


def figures_of(
    scans: Sequence[ScannedCohort], *, curves: Sequence[str] = (), forests: Sequence[str] = ()
) -> tuple[dict[str, Figure], list[str]]:
    """Draw what was asked for, and say in sentences what could not be drawn."""
    figures: dict[str, Figure] = {}
    notes: list[str] = []
    for gene in curves:
        for scan in scans:
            drawn = _curve(gene, scan)
            if isinstance(drawn, Figure):
                figures[_file_name("survival", gene, scan)] = drawn
            else:
                notes.append(drawn)
    for gene in forests:
        for key, group in groups_of(scans).items():
            if len(group) > 1:
                try:
                    figures[f"forest_{gene}_{_file_safe(key)}"] = _forest(gene, group)
                except ScanError as error:
                    notes.append(str(error))
    return figures | _heatmaps(scans), notes


def _curve(gene: str, scan: ScannedCohort) -> Figure | str:
    """Draw survival by a gene, cut in the best way that gives two groups; or say why not."""
    rows = scan.table[scan.table["gene"] == gene].set_index("cut")
    possible = [cut for cut in CURVE_CUTS if cut in rows.index and np.isfinite(rows.loc[cut, "cut_point"])]
    if not possible:
        return f"Survival by {gene} in {scan.name}/{scan.cohort.endpoint} is not drawn: it has no such gene or cut."
    return survival_by_gene(scan.cohort, gene, scan.table, cut=possible[0])


def _heatmaps(scans: Sequence[ScannedCohort]) -> dict[str, Figure]:
    """Draw the genes by the cohorts of each endpoint, where that can still be read."""
    table = together(scans)
    genes = list(table["gene"].unique())
    if len(genes) > LARGEST_HEATMAP or PER_SD not in set(table["cut"]):
        return {}
    return {
        f"heatmap_{endpoint}": heatmap(gene_grid(table, genes, endpoint=str(endpoint)))
        for endpoint, rows in table.groupby("endpoint")
        if len(set(rows["cancer_type"])) > 1
    }


def _forest(gene: str, group: Sequence[ScannedCohort]) -> Figure:
    """Draw one gene's hazard ratios per standard deviation in the cohorts of one cancer type.

    Raises
    ------
    ScanError
        If fewer than two cohorts have an estimate of it.
    """
    first = group[0].cohort
    rows = pd.concat([scan.table.query("gene == @gene and cut == 'per_sd'").assign(cohort=scan.name) for scan in group])
    known = int(rows["log_hazard_ratio"].notna().sum())
    if known < 2:
        raise ScanError(f"Forest of {gene} in {first} is not drawn: {known} of {len(group)} cohorts have an estimate.")
    estimates = CohortHazardRatios(
        cohorts=rows["cohort"].tolist(),
        patients=rows["n"].to_numpy(np.int64),
        events=rows["events"].to_numpy(np.int64),
        log_hazard_ratio=rows["log_hazard_ratio"].to_numpy(np.float64),
        standard_error=rows["standard_error"].to_numpy(np.float64),
    )
    found = pooled_hazard_ratio(estimates.log_hazard_ratio, estimates.standard_error)
    subject = f"{first.cancer_type}, {ENDPOINTS[first.endpoint]}"
    return forest_of_cohorts(estimates, found, gene=gene, subject=subject, simulated=first.simulated)


def _file_name(what: str, gene: str, scan: ScannedCohort) -> str:
    return f"{what}_{gene}_{_file_safe(scan.name)}_{scan.cohort.endpoint}"


def _file_safe(words: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in words)
