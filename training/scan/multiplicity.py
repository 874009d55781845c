"""False discovery rates over the family of tests that a reader looks through."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from features.errors import PrognosisError

Floats = NDArray[np.float64]

#: What a false discovery rate can be over, and the columns within which it is then taken.
FAMILIES = {
    "genes": ("cancer_type", "endpoint"),
    "genes and cancer types": ("endpoint",),
    "genes and endpoints": ("cancer_type",),
    "genes, cancer types and endpoints": (),
}


def with_q(table: pd.DataFrame, family: str = "genes") -> pd.DataFrame:
    """Add ``q``, the Benjamini–Hochberg false discovery rate of ``p``; each way of cutting is a family of its own.

    Parameters
    ----------
    table : DataFrame
        With ``cancer_type``, ``endpoint``, ``cut`` and ``p``; NaN is not counted.
    family : str
        One of `FAMILIES`.

    Raises
    ------
    PrognosisError
        If there is no such family.

    References
    ----------
    Benjamini Y, Hochberg Y. Controlling the false discovery rate: a practical and powerful approach to multiple
    testing. J R Stat Soc B 1995;57:289-300. doi:10.1111/j.2517-6161.1995.tb02031.x
    """
    if family not in FAMILIES:
        raise PrognosisError(f"q-values over {family!r} are unknown; choose one of: {'; '.join(FAMILIES)}.")
    keys: Sequence[str] = ["cut", *FAMILIES[family]]
    q = table.groupby(keys, observed=True)["p"].transform(lambda p: benjamini_hochberg(p.to_numpy(np.float64)))
    return table.assign(q=q.to_numpy(np.float64))


def benjamini_hochberg(p_value: Floats) -> Floats:
    """Return the false discovery rate at which each p-value would be called; NaN stays NaN and is not counted."""
    known = np.isfinite(p_value)
    q_value = np.full_like(p_value, np.nan)
    if known.any():
        q_value[known] = false_discovery_control(p_value[known], method="bh")
    return q_value
