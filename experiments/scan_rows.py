"""How pictures and pages read the long table of a scan: the rows of one way to cut, and the ratio to show."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.cohort import SIMULATED_PREFIX
from features.errors import PrognosisError

KEY = ["cancer_type", "endpoint", "gene"]
PER_SD, PER_UNIT, MEDIAN, QUANTILE, OPTIMAL = "per_sd", "per_unit", "median", "quantile", "optimal"
#: Ways to cut that part the patients in two.
SPLITS = (MEDIAN, QUANTILE, OPTIMAL)
CUT_WORDS: Mapping[str, str] = {
    PER_SD: "per standard deviation of the cohort's normal scores",
    PER_UNIT: "per unit of the scale as supplied",
    MEDIAN: "high (above the median) against low",
    QUANTILE: "high (above the quantile asked for) against low",
    OPTIMAL: "high (above the cut with the largest log-rank statistic) against low, shrunken",
}
SEPARATED = "separated"
#: What a scan leaves out where it was not asked for; empty here.
OPTIONAL = (
    "cut_point", "n_high", "events_high", "firth_hazard_ratio", "firth_lower", "firth_upper",
    "p_proportional_hazards", "p_nonlinearity",
    "restricted_mean_difference_months", "restricted_mean_difference_months_lower",
    "restricted_mean_difference_months_upper", "p_restricted_mean",
    "adjusted_hazard_ratio", "adjusted_lower", "adjusted_upper", "adjusted_p",
    "p_lausen_schumacher_1994", "shrunken_hazard_ratio", "shrunken_lower", "shrunken_upper",
)  # fmt: skip


class ScanTableError(PrognosisError):
    """A table of hazard ratios does not hold what a picture or a comparison needs."""


def rows_of_cut(table: pd.DataFrame, cut: str) -> pd.DataFrame:
    """Return the rows of one way to cut, with the hazard ratio that may be shown for each.

    Parameters
    ----------
    table : DataFrame
        The long table of a scan.
    cut : str
        A key of ``CUT_WORDS``.

    Returns
    -------
    DataFrame
        As `table`, with all of ``OPTIONAL``; ``hazard_ratio``, ``lower`` and ``upper`` are Firth's where the gene
        separates the outcome, and the bootstrap-shrunken ones at the optimal cut, whose naive ratio is biased; what was
        naive there is ``naive_hazard_ratio``.

    Raises
    ------
    ScanTableError
        If two rows are of the same cancer type, endpoint and gene.
    """
    rows = table[table["cut"] == cut].reset_index(drop=True)
    rows = rows.assign(**{name: np.nan for name in OPTIONAL if name not in rows})
    twice = rows[rows.duplicated(KEY)]
    if len(twice):
        first = twice.iloc[0]
        raise ScanTableError(
            f"hazard ratios, cut {cut}: {len(twice)} rows occur twice (first: {first['gene']} in "
            f"{first['cancer_type']}/{first['endpoint']}); pool the cohorts of one cancer type first, or "
            "leave one out."
        )
    return _shrunken(rows) if cut == OPTIMAL else _with_firth(rows)


def _with_firth(rows: pd.DataFrame) -> pd.DataFrame:
    separated = rows["status"] == SEPARATED
    firth = {"hazard_ratio": "firth_hazard_ratio", "lower": "firth_lower", "upper": "firth_upper"}
    return rows.assign(**{shown: rows[shown].mask(separated, rows[column]) for shown, column in firth.items()})


def _shrunken(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(
        naive_hazard_ratio=rows["hazard_ratio"],
        hazard_ratio=rows["shrunken_hazard_ratio"],
        lower=rows["shrunken_lower"],
        upper=rows["shrunken_upper"],
    )


def row_of(table: pd.DataFrame, *, cancer_type: str, endpoint: str, gene: str, cut: str) -> pd.Series:
    """Return the one row of a gene in a cohort (see `rows_of_cut`).

    Raises
    ------
    ScanTableError
        If there is no such row.
    """
    mine = (table["cancer_type"] == cancer_type) & (table["endpoint"] == endpoint) & (table["gene"] == gene)
    rows = rows_of_cut(table[mine], cut)
    if rows.empty:
        raise ScanTableError(
            f"hazard ratios: no row of {gene} in {cancer_type}/{endpoint} at the cut {cut!r}; scan this gene in this "
            "cohort with this cut, or name another."
        )
    return rows.iloc[0]


def is_simulated(table: pd.DataFrame) -> bool:
    """Return whether the patients were simulated.

    Raises
    ------
    ScanTableError
        If some were and some were not: they are never shown beside each other.
    """
    simulated = table["cancer_type"].str.startswith(SIMULATED_PREFIX)
    if simulated.any() and not simulated.all():
        names = sorted(table.loc[simulated, "cancer_type"].unique())
        raise ScanTableError(
            f"hazard ratios: {len(names)} cancer types are simulated (first: {names[0]}) and others are not; they are "
            "never compared: scan them apart."
        )
    return bool(simulated.any())
