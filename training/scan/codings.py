"""How expression enters a univariate model: continuous, or cut in two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.scan.normal_score_columns import standardised_normal_scores

Floats = NDArray[np.float64]

#: In words, as tables and pages say them.
CUTS = {
    "per_sd": "continuous, per standard deviation of the cohort's normal scores",
    "per_unit": "continuous, per unit as supplied",
    "median": "strictly above the median against the rest",
    "quantile": "strictly above a chosen quantile against the rest",
    "optimal": "strictly above the cut with the largest log-rank statistic against the rest",
}
CONTINUOUS = ("per_sd", "per_unit")


@dataclass(frozen=True)
class Coding:
    """Genes as the covariates of univariate models.

    Parameters
    ----------
    cut : str
        One of `CUTS`.
    covariates : array, shape (n_patients, n_genes)
        Continuous, or 1 where high and 0 where not; NaN where missing.
    cut_point : array, shape (n_genes,)
        On the scale as supplied; high is strictly above it. NaN where nothing is cut.
    """

    cut: str
    covariates: Floats
    cut_point: Floats

    @property
    def splits(self) -> bool:
        """Whether the patients are cut in two."""
        return self.cut not in CONTINUOUS


def continuous(values: Floats, cut: str) -> Coding:
    """Code genes per standard deviation of their normal scores, or per unit as supplied."""
    covariates = standardised_normal_scores(values) if cut == "per_sd" else values
    return Coding(cut, covariates, np.full(values.shape[1], np.nan))


def at_quantile(values: Floats, cut: str, quantile: float) -> Coding:
    """Cut each gene strictly above a quantile of its known values (linear interpolation)."""
    if np.isfinite(values).all():
        points = np.quantile(values, quantile, axis=0)
    else:
        points = pd.DataFrame(values).quantile(quantile).to_numpy(np.float64)
    return at_points(values, cut, points)


def at_points(values: Floats, cut: str, points: Floats) -> Coding:
    """Cut each gene strictly above its own point; a gene whose point is NaN has no covariate."""
    known = np.isfinite(values) & np.isfinite(points)
    return Coding(cut, np.where(known, values > points, np.nan), points)
