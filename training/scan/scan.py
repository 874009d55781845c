"""The scan of a cohort: for each gene and each way of cutting it, its hazard ratio and what qualifies it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.cohort import ENDPOINTS, Cohort
from training.scan.coded_rows import COLUMNS, Columns, remarks, rows_of_coding
from training.scan.multiplicity import with_q
from training.scan.optimal_rows import rows_of_optimal_cut
from training.scan.scan_settings import ScanError, ScanSettings
from training.univariate_cox import SEPARATED

__all__ = ["FEWEST_EVENTS", "ScanError", "ScanSettings", "directions", "scan_cohort"]

Floats = NDArray[np.float64]
Words = NDArray[np.object_]

#: "Worse survival" where the endpoint is a survival, "shorter interval" where it is an interval.
COMPARATIVES = {
    "OS": ("worse", "better"),
    "DSS": ("worse", "better"),
    "DFI": ("shorter", "longer"),
    "PFI": ("shorter", "longer"),
}
NO_ASSOCIATION = "no association shown at the 5 % level"
UNCONFIRMED = "association at the chosen cut, of which resampling confirms nothing"
WITHOUT_RATIO = "association at the chosen cut, without a hazard ratio: not resampled"
#: With fewer, likelihood ratios are far from chi-square, and no verdict is given; a cohort needs as many to be pooled.
FEWEST_EVENTS = 5


def scan_cohort(
    cohort: Cohort, genes: Sequence[str] | None = None, settings: ScanSettings | None = None
) -> pd.DataFrame:
    """Estimate univariate hazard ratios of genes in every way asked for.

    Parameters
    ----------
    cohort : Cohort
    genes : sequence of str, optional
        Symbols; all that the cohort has, unless given. Those it lacks have no rows.
    settings : ScanSettings, optional

    Returns
    -------
    DataFrame
        One row a gene and cut, cut by cut. Identity: ``cancer_type``, ``endpoint``, ``gene``, ``cut``, ``cut_point``.
        Counts: ``n``, ``events``, ``n_high``, ``events_high``. The estimate: ``estimator``, ``status``, ``remark``,
        ``log_hazard_ratio``, ``standard_error``, ``hazard_ratio``, ``lower``, ``upper`` (95 %, Wald), ``firth_…`` where
        the gene separates the outcome, ``stratified_by``. Tests: ``p_wald``, ``p_score``, ``p_likelihood_ratio``,
        ``p_proportional_hazards``, ``p_nonlinearity``; ``p``, the one that counts (likelihood ratio; Firth's where
        separated; Lausen and Schumacher's of 1994 for an optimal cut), and its ``q`` over these genes. Companions:
        ``restricted_mean_difference_months`` with ``…_lower``, ``…_upper``, ``p_restricted_mean`` and
        ``restricted_to_months``, of splits that were not chosen; ``adjusted_…``; of optimal cuts ``p_naive``,
        ``p_lausen_schumacher_1992``, ``…_1994``, ``p_permutation``, ``shrunken_…``, and ``biased``. ``direction`` in
        words.

    Raises
    ------
    ScanError
        If the cohort has none of the genes, or no events.

    Notes
    -----
    A hazard ratio above 1 means that higher expression is worse. That of an optimal cut is the naive one, and is
    there only beside the shrunken one.
    """
    settings = settings or ScanSettings()
    chosen = list(cohort.expression.columns if genes is None else dict.fromkeys(genes))
    chosen = chosen if genes is None else [gene for gene in chosen if gene in cohort.expression.columns]
    if not chosen or not cohort.n_events:
        what = (
            f"it has none of {_some(genes)}" if cohort.n_events else f"none of {len(cohort.time)} patients has an event"
        )
        raise ScanError(f"{cohort}: {what}, so there is nothing to scan.")
    cohort = _with_strata(cohort, settings.strata) if settings.strata else cohort
    values = cohort.expression.to_numpy(np.float64) if genes is None else cohort.expression[chosen].to_numpy(np.float64)
    remark = remarks(values)
    names = {"cancer_type": cohort.cancer_type, "endpoint": cohort.endpoint, "gene": chosen}
    parts = [
        pd.DataFrame({**names, **_rows_of_cut(cohort, values, cut, settings), "remark": remark})
        for cut in settings.cuts
    ]
    table = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
    table = with_q(table.assign(direction=directions(table, cohort.endpoint)))
    return table[[name for name in COLUMNS if name in table.columns]]


def _rows_of_cut(cohort: Cohort, values: Floats, cut: str, settings: ScanSettings) -> Columns:
    if cut == "optimal":
        return rows_of_optimal_cut(cohort, values, settings)
    return rows_of_coding(cohort, values, cut, settings)


def _some(genes: Sequence[str] | None) -> str:
    """Name a few genes."""
    named = list(dict.fromkeys(genes or ()))
    return f"the {len(named)} genes asked for (first: {named[0] if named else 'none'})"


def _with_strata(cohort: Cohort, column: str) -> Cohort:
    """Return the patients whose stratum is known.

    Raises
    ------
    ScanError
        If the cohort lacks the column, or no patient has it.
    """
    if column not in cohort.clinical.columns:
        there = ", ".join(map(str, cohort.clinical.columns)) or "no clinical column"
        raise ScanError(f"{cohort}: there is no column {column!r} to stratify by; the cohort has {there}.")
    known = cohort.clinical[column].notna().to_numpy()
    if not (known & cohort.event).any():
        raise ScanError(f"{cohort}: no patient with an event has a {column} to stratify by; name another column.")
    return cohort.subset(np.flatnonzero(known))


def directions(table: pd.DataFrame, endpoint: str) -> Words:
    """Say in words what each row shows at the 5 % level, and which way; why not, where it does not tell."""
    worse, better = (f"higher expression, {word} {ENDPOINTS[endpoint]}" for word in COMPARATIVES[endpoint])
    ratio = table["hazard_ratio"].where(table["status"] != SEPARATED, table["firth_hazard_ratio"])
    optimal = table["cut"] == "optimal"
    if "shrunken_hazard_ratio" in table.columns:
        ratio = ratio.mask(optimal, table["shrunken_hazard_ratio"])
    few, significant = table["events"] < FEWEST_EVENTS, table["p"] < 0.05
    unknown = table["p"].isna() | (ratio.isna() & significant & ~optimal)
    cases = [unknown | few, ~significant, optimal & ratio.isna(), optimal & (ratio == 1), ratio > 1]
    words = ["", NO_ASSOCIATION, WITHOUT_RATIO, UNCONFIRMED, worse]
    found = np.select([case.to_numpy() for case in cases], words, better).astype(object)
    # Few rows: words of their own are slow to make.
    found[unknown] = "not estimable: " + table.loc[unknown, "status"].astype(object)
    found[few & ~unknown] = "too few events: " + table.loc[few & ~unknown, "events"].astype(str).astype(object)
    return found
