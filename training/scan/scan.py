"""The scan of a cohort: for each gene and each way of cutting it, its hazard ratio and what qualifies it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.cohort import ENDPOINTS, Cohort
from training.scan.coded_rows import COLUMNS, remarks, rows_of_cut
from training.scan.multiplicity import with_q
from training.scan.scan_settings import ScanError, ScanSettings
from training.univariate_cox import SEPARATED

__all__ = ["ScanError", "ScanSettings", "directions", "scan_cohort"]

Words = NDArray[np.object_]

#: "Worse survival" where the endpoint is a survival, "shorter interval" where it is an interval.
COMPARATIVES = {
    "OS": ("worse", "better"),
    "DSS": ("worse", "better"),
    "DFI": ("shorter", "longer"),
    "PFI": ("shorter", "longer"),
}
NO_ASSOCIATION = "no association shown at the 5 % level"


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
        the gene separates the outcome. Tests: ``p_wald``, ``p_score``, ``p_likelihood_ratio``,
        ``p_proportional_hazards``, ``p_nonlinearity``; ``p``, the one that counts (likelihood ratio; Firth's where
        separated; Lausen and Schumacher's of 1994 for an optimal cut), and its ``q`` over these genes. Companions:
        ``restricted_mean_difference_months`` with ``restricted_mean_lower``, ``restricted_mean_upper``,
        ``p_restricted_mean`` and ``restricted_to_months``; ``adjusted_…``; of optimal cuts ``p_naive``,
        ``p_lausen_schumacher_1992``, ``…_1994``, ``p_permutation``, ``shrunken_…``, and ``biased``. ``direction`` in
        words.

    Raises
    ------
    ScanError
        If the cohort has none of the genes, or no events.

    Notes
    -----
    A hazard ratio above 1 means that higher expression is worse. That of an optimal cut is the naive one.
    """
    settings = settings or ScanSettings()
    chosen = list(cohort.expression.columns if genes is None else dict.fromkeys(genes))
    chosen = chosen if genes is None else [gene for gene in chosen if gene in cohort.expression.columns]
    if not chosen or not cohort.n_events:
        what = "none of these genes" if cohort.n_events else f"no events among {len(cohort.time)} patients"
        raise ScanError(f"{cohort}: there is {what}, so there is nothing to scan.")
    values = cohort.expression.to_numpy(np.float64) if genes is None else cohort.expression[chosen].to_numpy(np.float64)
    remark = remarks(values)
    names = {"cancer_type": cohort.cancer_type, "endpoint": cohort.endpoint, "gene": chosen}
    parts = [
        pd.DataFrame({**names, **rows_of_cut(cohort, values, cut, settings), "remark": remark}) for cut in settings.cuts
    ]
    table = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
    table = with_q(table.assign(direction=directions(table, cohort.endpoint)))
    return table[[name for name in COLUMNS if name in table.columns]]


def directions(table: pd.DataFrame, endpoint: str) -> Words:
    """Say in words what each row shows at the 5 % level, and which way; why not, where there is no estimate."""
    worse, better = (f"higher expression, {word} {ENDPOINTS[endpoint]}" for word in COMPARATIVES[endpoint])
    ratio = table["hazard_ratio"].where(table["status"] != SEPARATED, table["firth_hazard_ratio"])
    found = np.where(table["p"] < 0.05, np.where(ratio > 1, worse, better), NO_ASSOCIATION)
    estimable = table["p"].notna() & (ratio.notna() | (table["p"] >= 0.05))
    return np.where(estimable, found, ("not estimable: " + table["status"].astype(object)).to_numpy(object))
