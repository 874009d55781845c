"""Univariate scans of several cohorts side by side, and what is made of them together."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import cpu_count
from matplotlib.figure import Figure

from experiments.choices import Choices
from experiments.console import Progress
from experiments.gene_grid import gene_grid
from experiments.gene_survival_figures import survival_by_gene
from experiments.meta_figures import CohortHazardRatios, forest_of_cohorts
from experiments.paper_figures import heatmap
from experiments.scan_outputs import written_whole
from features.cohort import ENDPOINTS, SIMULATED_PREFIX, Cohort
from features.errors import PrognosisError
from features.evidence import evidence_table
from features.panel import PANELS, load_panel
from features.published import published_hazard_ratios
from training.scan.meta_analysis import pooled_hazard_ratio
from training.scan.multiplicity import with_q
from training.scan.pooled_scans import pool_scans
from training.scan.scan import ScanError, ScanSettings, scan_cohort
from training.scan.tissue_sources import split_by_tissue_source
from training.univariate_cox import CONVERGED

logger = logging.getLogger(__name__)

#: A picture of more rows than these can no longer be read.
LARGEST_HEATMAP = 100


@dataclass(frozen=True)
class ScannedCohort:
    """One cohort's scan.

    Parameters
    ----------
    name : str
        The cancer type where no other cohort of the scan has it; else what tells it from the others, too.
    cohort : Cohort
    table : DataFrame
        Its long table.
    """

    name: str
    cohort: Cohort
    table: pd.DataFrame


def genes_named(words: str) -> tuple[str, ...] | None:
    """Return the genes that a command line names: a shipped panel, a file of one symbol a line, symbols; None for all.

    Raises
    ------
    PrognosisError
        If a file cannot be read or is empty.
    """
    if words == "all":
        return None
    if words in PANELS or words.endswith(".toml"):
        return tuple(load_panel(words).symbols)
    path = Path(words)
    if not path.is_file():
        return tuple(symbol.strip() for symbol in words.split(",") if symbol.strip())
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PrognosisError(f"{path}: is no list of genes that can be read ({error}); write one a line.") from error
    symbols = tuple(line.strip() for line in lines if line.strip())
    if not symbols:
        raise PrognosisError(f"{path}: names no gene; write one symbol a line.")
    return symbols


def read_cohorts(folders: Sequence[Path], choices: Choices, endpoints: Sequence[str], *, by_site: bool) -> list[Cohort]:
    """Read each folder for each endpoint, and split it by tissue-source site if that is asked for."""
    wanted = [replace(choices, endpoint=endpoint) for endpoint in endpoints]
    with ThreadPoolExecutor(cpu_count()) as pool:
        cohorts = list(pool.map(lambda pair: pair[0].read(pair[1]), product(wanted, folders)))
    if not by_site:
        return cohorts
    splits = [split_by_tissue_source(cohort) for cohort in cohorts]
    for cohort, split in zip(cohorts, splits, strict=True):
        logger.info("%s: %s", cohort, split)
    return [part for split in splits for part in split.cohorts.values()]


def scan_cohorts(
    cohorts: Sequence[Cohort],
    genes: Sequence[str] | None,
    settings: ScanSettings,
    *,
    family: str = "genes",
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[ScannedCohort]:
    """Scan cohorts in parallel; q-values are over the family asked for, of all of them together.

    Parameters
    ----------
    cohorts : sequence of Cohort
    genes : sequence of str or None
        All that a cohort has if None.
    settings : ScanSettings
    family : str
        One of `training.scan.multiplicity.FAMILIES`.
    workers : int, optional
        Threads; what is left of them over cohorts are threads of each.
    progress : callable, optional
    """
    # Threads, not processes: compiled loops hold no lock, and a process would load all that is compiled anew.
    at_once = min(workers or cpu_count(), len(cohorts))
    settings = replace(settings, threads=max(1, (workers or cpu_count()) // at_once))
    tables: dict[int, pd.DataFrame] = {}
    with ThreadPoolExecutor(at_once) as pool:
        work = {pool.submit(scan_cohort, cohort, genes, settings): place for place, cohort in enumerate(cohorts)}
        for done in as_completed(work):
            tables[work[done]] = done.result()
            if progress:
                progress("cohorts", len(tables), len(cohorts))
    # In the order of the cohorts, whichever came first.
    ordered = [tables[place] for place in range(len(cohorts))]
    together = with_q(pd.concat(ordered, ignore_index=True), family)["q"].to_numpy()
    starts = np.cumsum([0, *map(len, ordered)])
    return [
        ScannedCohort(name, cohort, table.assign(q=together[start : start + len(table)]))
        for name, cohort, table, start in zip(_names(cohorts), cohorts, ordered, starts, strict=False)
    ]


def _names(cohorts: Sequence[Cohort]) -> list[str]:
    """Name each cohort by its cancer type, and by what tells its source where the endpoint has several of that type."""
    names = []
    for cohort in cohorts:
        sources = [other.source for other in cohorts if str(other) == str(cohort)]
        own = cohort.source.split()
        shared = 0 if len(sources) > 1 else len(own)
        while shared < len(own) - 1 and len({tuple(source.split()[: shared + 1]) for source in sources}) == 1:
            shared += 1
        names.append(": ".join(filter(None, (cohort.cancer_type, " ".join(own[shared:])))))
    return names


def genes_of_paper(further: Sequence[str]) -> tuple[str, ...]:
    """Return the genes of Table 2 and of the core panel, and further ones, each once."""
    return tuple(dict.fromkeys([*published_hazard_ratios()["gene"], *load_panel("ctc_core").symbols, *further]))


def counted(scan: ScannedCohort) -> str:
    """Say in a line what a scan found: how many genes, how many at a false discovery rate of 5 %, how many odd."""
    first = scan.table[scan.table["cut"] == scan.table["cut"].iloc[0]]
    cut = first["cut"].iloc[0].replace("_", " ")
    odd = [f"{count:,} {status}" for status, count in first["status"].value_counts().items() if status != CONVERGED]
    words = [f"{len(first):,} genes", f"{(first['q'] < 0.05).sum():,} with q < 0.05 ({cut})", *odd]
    return f"{scan.name}/{scan.cohort.endpoint}: {scan.cohort.n_events} events; {', '.join(words)}"


def together(scans: Sequence[ScannedCohort]) -> pd.DataFrame:
    """Return one long table; the cancer types of cohorts that share theirs are replaced by the cohorts' names."""
    return pd.concat([scan.table.assign(cancer_type=scan.name) for scan in scans], ignore_index=True)


def evidence_of(scans: Sequence[ScannedCohort]) -> pd.DataFrame:
    """Return what the paper's tables say of each scanned gene, cohort by cohort."""
    tables = {scan.name: (scan.cohort.cancer_type, scan.table["gene"].unique()) for scan in scans}
    rows = [
        evidence_table(genes, cancer_type.removeprefix(SIMULATED_PREFIX)).assign(cancer_type=name)
        for name, (cancer_type, genes) in tables.items()
    ]
    return pd.concat(rows, ignore_index=True)


def pooled(scans: Sequence[ScannedCohort]) -> pd.DataFrame | None:
    """Pool the cohorts of each cancer type and endpoint that has several; None if none has."""
    tables = [
        pool_scans({scan.name: scan.table for scan in group}) for group in _groups(scans).values() if len(group) > 1
    ]
    return pd.concat(tables, ignore_index=True) if tables else None


def write_pooled(table: pd.DataFrame, folder: Path) -> list[Path]:
    """Write pooled hazard ratios beside the scans that they were pooled from."""
    with written_whole(folder) as (draft, written):
        table.to_parquet(draft / "pooled_hazard_ratios.parquet", index=False)
        table.to_csv(draft / "pooled_hazard_ratios.csv", index=False)
    return written


def _groups(scans: Sequence[ScannedCohort]) -> dict[str, list[ScannedCohort]]:
    groups: dict[str, list[ScannedCohort]] = {}
    for scan in scans:
        groups.setdefault(str(scan.cohort), []).append(scan)
    return groups


def figures_of(
    scans: Sequence[ScannedCohort], *, curves: Sequence[str] = (), forests: Sequence[str] = ()
) -> dict[str, Figure]:
    """Draw what was asked for: survival by gene in each cohort, a gene's forest over cohorts, and a heat map.

    Raises
    ------
    ScanError
        If no cohort has a gene of `curves`, or none of the cancer types has several cohorts for `forests`.
    """
    figures: dict[str, Figure] = {}
    for gene in curves:
        having = [scan for scan in scans if gene in set(scan.table["gene"])]
        if not having:
            raise ScanError(f"survival by {gene}: no cohort of the scan has it; name a gene that was scanned.")
        for scan in having:
            figures[_file_name("survival", gene, scan)] = survival_by_gene(scan.cohort, gene, scan.table)
    several = {key: group for key, group in _groups(scans).items() if len(group) > 1}
    if forests and not several:
        raise ScanError("a forest needs several cohorts of one cancer type; add cohorts, or split one by site.")
    for gene in forests:
        figures |= {f"forest_{gene}_{_file_safe(key)}": _forest(gene, group) for key, group in several.items()}
    return figures | _heatmaps(scans)


def _heatmaps(scans: Sequence[ScannedCohort]) -> dict[str, Figure]:
    """Draw the genes by the cohorts of each endpoint, where that can still be read."""
    table = together(scans)
    genes = list(table["gene"].unique())
    if len(genes) > LARGEST_HEATMAP or "per_sd" not in set(table["cut"]):
        return {}
    return {
        f"heatmap_{endpoint}": heatmap(gene_grid(table, genes, endpoint=str(endpoint)))
        for endpoint, rows in table.groupby("endpoint")
        if len(set(rows["cancer_type"])) > 1
    }


def _forest(gene: str, group: Sequence[ScannedCohort]) -> Figure:
    """Draw one gene's hazard ratios per standard deviation in the cohorts of one cancer type."""
    rows = pd.concat([scan.table.query("gene == @gene and cut == 'per_sd'").assign(cohort=scan.name) for scan in group])
    if len(rows) < 2:
        raise ScanError(f"forest of {gene}: {len(rows)} of {len(group)} cohorts have it per SD; name another gene.")
    first = group[0].cohort
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
