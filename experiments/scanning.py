"""Univariate scans of several cohorts side by side: read, scanned, named and pooled together; what failed is named."""

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

from experiments.choices import Choices
from experiments.console import Progress
from experiments.scan_genes import some
from features.cohort import SIMULATED_PREFIX, Cohort
from features.errors import PrognosisError
from features.evidence import evidence_table
from training.scan.multiplicity import with_q
from training.scan.pooled_scans import pool_scans, with_held_q
from training.scan.scan import ScanError, ScanSettings, scan_cohort
from training.scan.tissue_sources import split_by_tissue_source
from training.univariate_cox import CONVERGED

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Unscanned:
    """A cohort that could not be read or scanned.

    Parameters
    ----------
    where : str
        Cohort or folder, and endpoint.
    error : PrognosisError
    """

    where: str
    error: PrognosisError

    def __str__(self) -> str:
        return f"{self.where} could not be scanned: {self.error}"


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


def read_cohorts(
    folders: Sequence[Path], choices: Choices, endpoints: Sequence[str], *, by_site: bool
) -> tuple[list[Cohort], list[Unscanned]]:
    """Read each folder for each endpoint, and split it by tissue-source site if that is asked for.

    Returns
    -------
    cohorts : list of Cohort
    unscanned : list of Unscanned
        What cannot be read or split; the others go on.

    Raises
    ------
    PrognosisError
        If none can be read.
    """
    wanted = [replace(choices, endpoint=endpoint) for endpoint in dict.fromkeys(endpoints)]

    def read(pair: tuple[Choices, Path]) -> list[Cohort] | Unscanned:
        how, folder = pair
        try:
            cohort = how.read(folder)
            return _sites(cohort) if by_site else [cohort]
        except PrognosisError as error:
            return Unscanned(f"{folder.name}/{how.endpoint}", error)

    with ThreadPoolExecutor(cpu_count()) as pool:
        found = list(pool.map(read, product(wanted, folders)))
    unscanned = [each for each in found if isinstance(each, Unscanned)]
    cohorts = [cohort for each in found if not isinstance(each, Unscanned) for cohort in each]
    _check_any(cohorts, unscanned)
    return cohorts, unscanned


def _sites(cohort: Cohort) -> list[Cohort]:
    split = split_by_tissue_source(cohort)
    logger.info("%s: %s", cohort, split)
    return list(split.cohorts.values())


def _check_any(left: Sequence[object], unscanned: Sequence[Unscanned]) -> None:
    """Raise what went wrong if it went wrong everywhere."""
    if left or not unscanned:
        return
    if len(unscanned) == 1:
        raise unscanned[0].error
    raise ScanError(f"none of {len(unscanned)} cohorts could be scanned. {unscanned[0]}")


def scan_cohorts(
    cohorts: Sequence[Cohort],
    genes: Sequence[str] | None,
    settings: ScanSettings,
    *,
    family: str = "genes",
    workers: int | None = None,
    progress: Progress | None = None,
) -> tuple[list[ScannedCohort], list[Unscanned]]:
    """Scan cohorts in parallel; q-values are over the family asked for, of all of them together.

    Parameters
    ----------
    cohorts : sequence of Cohort
    genes : sequence of str or None
        All that a cohort has if None.
    settings : ScanSettings
    family : str
        One of `training.scan.multiplicity.FAMILIES`; cohorts of one cancer type are told apart by their names.
    workers : int, optional
        Threads; what is left of them over cohorts are threads of each.
    progress : callable, optional

    Returns
    -------
    scans : list of ScannedCohort
        In the order of the cohorts.
    unscanned : list of Unscanned

    Raises
    ------
    PrognosisError
        If none can be scanned.
    """
    names = _names(cohorts)
    tables, unscanned = _tables(cohorts, names, genes, settings, workers, progress)
    _check_any(list(tables), unscanned)
    parts = [tables[place].assign(cancer_type=names[place]) for place in sorted(tables)]
    q = with_q(pd.concat(parts, ignore_index=True), family)["q"].to_numpy()
    starts = np.cumsum([0, *map(len, parts)])
    return [
        ScannedCohort(names[place], cohorts[place], tables[place].assign(q=q[start : start + len(tables[place])]))
        for place, start in zip(sorted(tables), starts, strict=False)
    ], unscanned


def _tables(  # noqa: PLR0917
    cohorts: Sequence[Cohort],
    names: Sequence[str],
    genes: Sequence[str] | None,
    settings: ScanSettings,
    workers: int | None,
    progress: Progress | None,
) -> tuple[dict[int, pd.DataFrame], list[Unscanned]]:
    """Scan each cohort in a thread; return the tables by the cohorts' places, and what failed."""
    # Threads, not processes: compiled loops hold no lock, and a process would load all that is compiled anew.
    at_once = min(workers or cpu_count(), len(cohorts))
    settings = replace(settings, threads=max(1, (workers or cpu_count()) // at_once))
    tables: dict[int, pd.DataFrame] = {}
    failed: dict[int, Unscanned] = {}
    pool = ThreadPoolExecutor(at_once)
    try:
        work = {pool.submit(scan_cohort, cohort, genes, settings): place for place, cohort in enumerate(cohorts)}
        for done in as_completed(work):
            place = work[done]
            try:
                tables[place] = done.result()
            except PrognosisError as error:
                failed[place] = Unscanned(f"{names[place]}/{cohorts[place].endpoint}", error)
            if progress:
                progress("cohorts", len(tables) + len(failed), len(cohorts))
    finally:
        # Where it ends early, as at Ctrl-C, what has not begun does not begin.
        pool.shutdown(cancel_futures=True)
    return tables, [failed[place] for place in sorted(failed)]


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


def with_q_of(scans: Sequence[ScannedCohort], genes: Sequence[str]) -> list[ScannedCohort]:
    """Take q over these genes, and over the others apart: what is looked at besides changes no q of these."""
    own = set(genes)

    def parted(table: pd.DataFrame) -> pd.DataFrame:
        inside = table["gene"].isin(own)
        q = pd.concat([with_q(part)["q"] for part in (table[inside], table[~inside]) if len(part)])
        return table.assign(q=q.reindex(table.index))

    return [replace(scan, table=parted(scan.table)) for scan in scans]


def genes_of(cohorts: Sequence[Cohort]) -> set[str]:
    """Return the genes that any of the cohorts has."""
    return set().union(*(cohort.expression.columns for cohort in cohorts))


def absent_genes(scans: Sequence[ScannedCohort], genes: Sequence[str] | None) -> list[str]:
    """Say of each cohort which of the genes it lacks."""
    notes = []
    for scan in scans:
        there = set(scan.table["gene"])
        lacking = [gene for gene in genes or () if gene not in there]
        if lacking:
            where = f"{scan.name}/{scan.cohort.endpoint}"
            notes.append(f"{where} lacks {len(lacking)} of {len(genes or ())} genes: {some(lacking)}.")
    return notes


def ledger_of(scans: Sequence[ScannedCohort]) -> pd.DataFrame:
    """Return what the readers dropped, mapped, converted or guessed: a row each, no patient's name."""
    rows = [
        (scan.name, scan.cohort.endpoint, entry.action, entry.count, entry.what)
        for scan in scans
        for entry in scan.cohort.ledger.entries
    ]
    return pd.DataFrame(rows, columns=["cohort", "endpoint", "action", "count", "what"])


def ledger_words(scan: ScannedCohort) -> str:
    """Sum a cohort's ledger up in a line."""
    actions = pd.Series([entry.action for entry in scan.cohort.ledger.entries], dtype=object).value_counts(sort=False)
    counts = ", ".join(f"{count} {action}" for action, count in actions.items()) or "nothing dropped, mapped or guessed"
    return f"{scan.name}/{scan.cohort.endpoint}: reader's ledger: {counts}"


def pooled(scans: Sequence[ScannedCohort], family: str = "genes") -> pd.DataFrame | None:
    """Pool the cohorts of each cancer type and endpoint that has several, q over the family; None if none has."""
    tables = [
        pool_scans({scan.name: scan.table for scan in group}) for group in groups_of(scans).values() if len(group) > 1
    ]
    return with_held_q(pd.concat(tables, ignore_index=True), family) if tables else None


def groups_of(scans: Sequence[ScannedCohort]) -> dict[str, list[ScannedCohort]]:
    """Group the cohorts of one cancer type and endpoint."""
    groups: dict[str, list[ScannedCohort]] = {}
    for scan in scans:
        groups.setdefault(str(scan.cohort), []).append(scan)
    return groups
