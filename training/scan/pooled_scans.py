"""Scans of several cohorts of one cancer type as one table: every gene's hazard ratio pooled, those left out named."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from training.scan.meta_analysis import PoolingError, pooled_hazard_ratios
from training.univariate_cox import CONVERGED

Floats = NDArray[np.float64]

KEY = ["cancer_type", "endpoint", "gene", "cut"]
#: Not per unit, for scales differ between cohorts; not at an optimal cut, for its hazard ratio is biased in each.
POOLED_CUTS = ("per_sd", "median", "quantile")
NEEDED = [*KEY, "n", "events", "status", "log_hazard_ratio", "standard_error"]


def pool_scans(scans: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Pool the long tables of several cohorts, row by row of cancer type, endpoint, gene and cut.

    Parameters
    ----------
    scans : mapping of str to DataFrame
        Each cohort's scan by the cohort's name.

    Returns
    -------
    DataFrame
        One row for each cancer type, endpoint, gene and cut (per SD, median, quantile) in any of the tables, in the
        order of first appearance: ``n``, ``events`` and ``cohorts`` (names) that are pooled; ``left_out``, the
        cohorts without a finite hazard ratio, with the reason; the columns of `PooledHazardRatios.table`, of which
        ``p_value`` is called ``p``; ``q``, Benjamini and Hochberg's over the rows of the same cut.

    Raises
    ------
    PoolingError
        If there are not two tables, one lacks a column, or a row occurs twice in one.

    Notes
    -----
    A cohort in which a gene separates the outcome has no standard error, and is left out: where that happens to the
    cohorts with the strongest effects, the mean is too weak.
    """
    if len(scans) < 2:
        raise PoolingError(f"pooling needs the scans of two cohorts, but there are {len(scans)}; add cohorts.")
    for name, scan in scans.items():
        _check(name, scan)
    rows = pd.concat(
        [scan.loc[scan["cut"].isin(POOLED_CUTS), NEEDED].assign(cohort=name) for name, scan in scans.items()]
    )
    keys = pd.MultiIndex.from_frame(rows[KEY].drop_duplicates())
    position = keys.get_indexer(pd.MultiIndex.from_frame(rows[KEY]))
    column = pd.Index(list(scans)).get_indexer(rows["cohort"])
    usable = (rows["status"] == CONVERGED).to_numpy()

    def matrix(name: str) -> Floats:
        values = np.full((len(keys), len(scans)), np.nan)
        values[position[usable], column[usable]] = rows[name].to_numpy(np.float64)[usable]
        return values

    pooled = pooled_hazard_ratios(matrix("log_hazard_ratio"), matrix("standard_error")).table()
    counts = {name: np.nansum(matrix(name), axis=1).astype(np.int64) for name in ("n", "events")}
    names = _names(rows.assign(position=position), usable, len(keys))
    table = keys.to_frame(index=False).assign(**counts, **names)
    return table.join(pooled.rename(columns={"p_value": "p"})).assign(q=lambda row: _q_values(row["p"], row["cut"]))


def _check(name: str, scan: pd.DataFrame) -> None:
    missing = [column for column in NEEDED if column not in scan.columns]
    if missing:
        raise PoolingError(f"the scan of {name} lacks the column {missing[0]!r}; give the long table of a scan.")
    twice = scan[scan["cut"].isin(POOLED_CUTS) & scan.duplicated(KEY)]
    if len(twice):
        first = ", ".join(map(str, twice.iloc[0][KEY]))
        raise PoolingError(
            f"the scan of {name}: {len(twice)} rows occur twice (first: {first}); give each cohort's scan by itself."
        )


def _names(rows: pd.DataFrame, usable: NDArray[np.bool_], n_keys: int) -> dict[str, pd.Series]:
    """Return which cohorts are pooled in each row, and which are not and why."""
    reasons = rows["cohort"] + ": " + rows["status"]
    parts = {"cohorts": rows["cohort"][usable], "left_out": reasons[~usable]}
    by = {"cohorts": rows["position"][usable], "left_out": rows["position"][~usable]}
    return {
        name: words.groupby(by[name].to_numpy()).agg(", ".join).reindex(range(n_keys), fill_value="")
        for name, words in parts.items()
    }


def _q_values(p: pd.Series, cut: pd.Series) -> Floats:
    q = np.full(len(p), np.nan)
    for family in cut.unique():
        known = ((cut == family) & p.notna()).to_numpy()
        if known.any():
            q[known] = false_discovery_control(p.to_numpy(np.float64)[known], method="bh")
    return q
