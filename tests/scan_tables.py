"""Long tables of scans for tests: rows by hand, and scans of simulated cohorts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

EMPTY = {
    "firth_hazard_ratio": np.nan, "firth_lower": np.nan, "firth_upper": np.nan, "firth_p": np.nan,
    "p_lausen_schumacher_1994": np.nan, "p_naive": np.nan,
    "shrunken_hazard_ratio": np.nan, "shrunken_lower": np.nan, "shrunken_upper": np.nan,
}  # fmt: skip


def row(gene: str, cancer_type: str, hazard_ratio: float, **other: object) -> Mapping[str, object]:
    """Return a row of a long table; what is not named is as in a fit that converged, per SD and without effect."""
    standard_error = 0.2
    return {
        "cancer_type": cancer_type,
        "endpoint": "OS",
        "gene": gene,
        "cut": "per_sd",
        "cut_point": np.nan,
        "n": 100,
        "events": 40,
        "n_high": pd.NA,
        "events_high": pd.NA,
        "estimator": "efron",
        "status": "converged",
        "remark": "",
        "biased": False,
        "log_hazard_ratio": np.log(hazard_ratio),
        "standard_error": standard_error,
        "hazard_ratio": hazard_ratio,
        "lower": hazard_ratio * np.exp(-1.96 * standard_error),
        "upper": hazard_ratio * np.exp(1.96 * standard_error),
        "p": 0.5,
        "q": 0.5,
        "direction": "",
        **EMPTY,
        **other,
    }


def table_of(*rows: Mapping[str, object]) -> pd.DataFrame:
    """Return a long table of these rows."""
    return pd.DataFrame(list(rows)).astype({"n_high": "Int64", "events_high": "Int64"})
