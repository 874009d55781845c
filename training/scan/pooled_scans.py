"""Scans of several cohorts of one cancer type as one table: every gene's hazard ratio pooled, those left out named."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.scan.meta_analysis import PoolingError, pooled_hazard_ratios
from training.scan.multiplicity import with_q
from training.univariate_cox import CONVERGED

Floats = NDArray[np.float64]

KEY = ["cancer_type", "endpoint", "gene", "cut"]
#: In place of a status, where a cohort has no such row.
ABSENT = "lacks the gene"
#: Not per unit, for scales differ between cohorts; not at an optimal cut, for its hazard ratio is biased in each.
POOLED_CUTS = ("per_sd", "median", "quantile")
NEEDED = [*KEY, "n", "events", "status", "log_hazard_ratio", "standard_error"]


def pool_scans(scans: Mapping[str, pd.DataFrame], family: str = "genes") -> pd.DataFrame:
    """Pool the long tables of several cohorts, row by row of cancer type, endpoint, gene and cut.

    Parameters
    ----------
    scans : mapping of str to DataFrame
        Each cohort's scan by the cohort's name.
    family : str
        Of `training.scan.multiplicity.FAMILIES`: what q is over.

    Returns
    -------
    DataFrame
        One row for each cancer type, endpoint, gene and cut (per SD, median, quantile) in any of the tables, in the
        order of first appearance: ``n``, ``events`` and ``cohorts`` (names) that are pooled; ``left_out``, the
        cohorts without a finite hazard ratio or without the gene, with the reason; the columns of
        `PooledHazardRatios.table`, of which ``p_value`` is called ``p`` and ``held_p_value`` ``held_p``; ``q``
        of the latter, Benjamini and Hochberg's over the family.

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
    names = _names(_with_absent(rows.assign(position=position), len(keys), list(scans)), len(keys))
    table = keys.to_frame(index=False).assign(**counts, **names)
    return with_held_q(table.join(pooled.rename(columns={"p_value": "p", "held_p_value": "held_p"})), family)


def with_held_q(table: pd.DataFrame, family: str = "genes") -> pd.DataFrame:
    """Add ``q`` of ``held_p``, for where two cohorts agree by chance ``p`` is absurdly small; see `with_q`."""
    return table.assign(q=with_q(table.assign(p=table["held_p"]), family)["q"])


def _with_absent(rows: pd.DataFrame, n_keys: int, cohorts: list[str]) -> pd.DataFrame:
    """Add a row for each cohort that has none of a key, and order the rows by key and cohort."""
    every = pd.MultiIndex.from_product([range(n_keys), cohorts], names=["position", "cohort"])
    status = rows.set_index(["position", "cohort"])["status"].reindex(every).fillna(ABSENT)
    return status.reset_index()


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


def _names(rows: pd.DataFrame, n_keys: int) -> dict[str, pd.Series]:
    """Return which cohorts are pooled in each row, and which are not and why."""
    usable = rows["status"] == CONVERGED
    parts = {"cohorts": rows["cohort"][usable], "left_out": (rows["cohort"] + ": " + rows["status"])[~usable]}
    return {
        name: words.groupby(rows.loc[words.index, "position"]).agg(", ".join).reindex(range(n_keys), fill_value="")
        for name, words in parts.items()
    }
