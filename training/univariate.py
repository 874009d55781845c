"""The univariate scan of a cohort: each panel gene's hazard ratios, with the published ones beside them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.cohort import ENDPOINTS, SIMULATED_PREFIX, Cohort
from features.panel import Panel
from features.published import (
    literature_direction,
    literature_directions,
    published_cancer_type,
    published_hazard_ratios,
)
from training.scan.multiplicity import benjamini_hochberg
from training.scan.normal_score_columns import standardised_normal_scores
from training.univariate_cox import CONVERGED, UnivariateCox, cox_univariate

__all__ = ["UnivariateCox", "cox_univariate", "hazard_ratios", "median_split", "standardised_normal_scores"]

Floats = NDArray[np.float64]

#: The endpoint that the paper's Table 2 is about; its values mean nothing beside another's.
PUBLISHED_ENDPOINT = "OS"
NO_ASSOCIATION = "no association shown at the 5 % level"
#: "Worse survival" where the endpoint is a survival, "shorter interval" where it is an interval.
COMPARATIVES = {
    "OS": ("worse", "better"),
    "DSS": ("worse", "better"),
    "DFI": ("shorter", "longer"),
    "PFI": ("shorter", "longer"),
}


def hazard_ratios(cohort: Cohort, panel: Panel) -> pd.DataFrame:
    """Estimate the univariate hazard ratios of the panel's genes that the cohort has.

    Returns
    -------
    DataFrame
        One row a gene, in the panel's order: ``gene``, ``n``, ``events`` (complete cases); for each of ``per_sd``
        (standard deviation of the cohort's normal scores), ``per_unit`` (the scale as supplied) and ``median_split``
        (strictly above the median against the rest) ``hazard_ratio_…`` with ``…_lower`` and ``…_upper`` (95 %, Wald)
        and ``p_…``; for the first and the last ``q_…`` (Benjamini–Hochberg over these genes); ``direction`` in words,
        from the hazard ratio per standard deviation; ``published_hazard_ratio`` (high against low: the inverse of what
        Table 2 prints), ``published_hazard_ratio_as_printed``, ``published_p``; ``literature_direction`` (Table 3).

    Notes
    -----
    A hazard ratio above 1 means that higher expression is worse. NaN where there is no estimate: `direction` then says
    why. The published values are of overall survival, so other endpoints have none beside them.
    """
    genes = [symbol for symbol in panel.symbols if symbol in cohort.expression.columns]
    values = cohort.expression[genes].to_numpy(np.float64)
    per_sd = cox_univariate(standardised_normal_scores(values), cohort.time, cohort.event)
    per_unit = cox_univariate(values, cohort.time, cohort.event)
    split = cox_univariate(median_split(values), cohort.time, cohort.event)
    table = pd.DataFrame(
        {
            "gene": pd.Series(genes, dtype=object),
            "n": per_sd.n,
            "events": per_sd.n_events,
            **_columns("per_sd", per_sd),
            "q_per_sd": benjamini_hochberg(per_sd.p_value),
            **_columns("per_unit", per_unit),
            **_columns("median_split", split),
            "q_median_split": benjamini_hochberg(split.p_value),
            "direction": pd.Series(_directions(per_sd, cohort.endpoint), dtype=object),
        }
    )
    return table.join(_published(genes, cohort))


def median_split(values: Floats) -> Floats:
    """Return 1 where a value is strictly above its column's median, 0 elsewhere, NaN where it is missing.

    Parameters
    ----------
    values : array, shape (n_patients, n_genes)
    """
    median = pd.DataFrame(values).median().to_numpy(np.float64)
    return np.where(np.isfinite(values), values > median, np.nan)


def _columns(name: str, fitted: UnivariateCox) -> dict[str, Floats]:
    """Name a fit's hazard ratio, interval and p-value."""
    return {
        f"hazard_ratio_{name}": fitted.hazard_ratio,
        f"hazard_ratio_{name}_lower": fitted.lower,
        f"hazard_ratio_{name}_upper": fitted.upper,
        f"p_{name}": fitted.p_value,
    }


def _directions(fitted: UnivariateCox, endpoint: str) -> list[str]:
    """Say in words what each coefficient means, or why there is none."""
    worse, better = (f"higher expression, {word} {ENDPOINTS[endpoint]}" for word in COMPARATIVES[endpoint])
    words = []
    for coefficient, p_value, status in zip(fitted.coefficient, fitted.p_value, fitted.status, strict=True):
        if status != CONVERGED:
            words.append(f"not estimable: {status}")
        elif p_value >= 0.05:
            words.append(NO_ASSOCIATION)
        else:
            words.append(worse if coefficient > 0 else better)
    return words


def _published(genes: list[str], cohort: Cohort) -> pd.DataFrame:
    """Look up what Tables 2 and 3 say of each gene in the cohort's cancer type."""
    cancer_type = published_cancer_type(cohort.cancer_type.removeprefix(SIMULATED_PREFIX))
    printed = published_hazard_ratios()
    concerned = (printed["cancer_type"] == cancer_type) & (cohort.endpoint == PUBLISHED_ENDPOINT)
    rows = printed[concerned].set_index("gene").reindex(genes)
    studied = set(literature_directions()["gene"])
    literature = [literature_direction(gene, cancer_type) if gene in studied else None for gene in genes]
    return pd.DataFrame(
        {
            "published_hazard_ratio": rows["hazard_ratio_high_vs_low"].to_numpy(np.float64),
            "published_hazard_ratio_as_printed": rows["hazard_ratio_as_printed"].to_numpy(np.float64),
            "published_p": rows["p_value"].to_numpy(np.float64),
            "literature_direction": pd.Series(literature, dtype=object),
        }
    )
