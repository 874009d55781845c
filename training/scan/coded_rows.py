"""The rows of a scan of genes that are coded in a way that was not chosen by its result."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.clinical_covariates import ClinicalEncoder
from features.cohort import DAYS_PER_MONTH, Cohort
from training.evaluation import horizon_days
from training.scan.adjusted_cox import cox_adjusted, p_nonlinearity
from training.scan.codings import Coding, at_quantile, continuous
from training.scan.firth import firth_univariate
from training.scan.restricted_means import restricted_mean_differences
from training.scan.scan_settings import ScanError, ScanSettings
from training.survival_grid import horizon_day, months_within
from training.univariate_cox import CONVERGED, SEPARATED, Z95, UnivariateCox, cox_univariate

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Columns = dict[str, object]

#: The columns of a scan's table, in order; those that nothing was asked for are left out.
COLUMNS = (
    "cancer_type", "endpoint", "gene", "cut", "cut_point", "n", "events", "n_high", "events_high",
    "estimator", "status", "remark", "biased", "stratified_by",
    "log_hazard_ratio", "standard_error", "hazard_ratio", "lower", "upper",
    "firth_hazard_ratio", "firth_lower", "firth_upper", "firth_p",
    "p_wald", "p_score", "p_likelihood_ratio", "p", "q",
    "p_proportional_hazards", "p_nonlinearity",
    "restricted_mean_difference_months", "restricted_mean_difference_months_lower",
    "restricted_mean_difference_months_upper", "p_restricted_mean", "restricted_to_months",
    "adjusted_for", "adjusted_n", "adjusted_events", "adjusted_status", "adjusted_hazard_ratio", "adjusted_lower",
    "adjusted_upper", "adjusted_p",
    "p_naive", "p_lausen_schumacher_1992", "p_lausen_schumacher_1994", "p_permutation",
    "shrunken_hazard_ratio", "shrunken_lower", "shrunken_upper", "direction",
)  # fmt: skip
#: A gene that differs from its commonest value in fewer patients than this share is hardly a covariate.
NEAR_CONSTANT = 0.05
NEAR_CONSTANT_REMARK = "near-constant: fewer than 5 % of the patients differ from the rest"
#: Survival is averaged over five years, or as far as this many patients are at risk.
USUAL_MONTHS = 60.0
FEWEST_AT_RISK = 10


def rows_of_coding(cohort: Cohort, values: Floats, cut: str, settings: ScanSettings) -> Columns:
    """Return the columns of one way of coding genes, but the optimal cut.

    Parameters
    ----------
    cohort : Cohort
        Outcomes and clinical covariates.
    values : array, shape (n_patients, n_genes)
        NaN where missing.
    cut : str
        One of `training.scan.codings.CUTS`, not ``optimal``.
    settings : ScanSettings
    """
    if cut in ("median", "quantile"):
        coding = at_quantile(values, cut, 0.5 if cut == "median" else settings.quantile)
    else:
        coding = continuous(values, cut)
    found = coded(cohort, coding, settings)
    if coding.splits:
        found.update(_restricted_means(cohort, coding, settings))
    if cut == "per_sd" and settings.curves:
        found["p_nonlinearity"] = p_nonlinearity(
            coding.covariates, cohort.time, cohort.event, strata=_strata(cohort, settings), ties=settings.ties
        )
    if settings.adjusted_for:
        found.update(_adjusted(cohort, coding, settings))
    return found


def remarks(values: Floats) -> NDArray[np.str_]:
    """Say which genes have one value in all but a few patients; empty for the others."""
    n_patients = len(values)
    repeated = np.sum(values[1:] == values[:-1], axis=0)
    # Who differs makes at most two neighbours unequal; and a value that so many share is the median.
    suspects = np.flatnonzero(
        (repeated >= n_patients - 1 - 2 * NEAR_CONSTANT * n_patients) | ~np.isfinite(values).all(axis=0)
    )
    suspects = suspects[np.isfinite(values[:, suspects]).any(axis=0)]
    chosen = values[:, suspects]
    common = np.sum(chosen == np.nanmedian(chosen, axis=0), axis=0)
    found = np.full(values.shape[1], "", dtype=f"<U{len(NEAR_CONSTANT_REMARK)}")
    found[suspects[common > (1 - NEAR_CONSTANT) * np.isfinite(chosen).sum(axis=0)]] = NEAR_CONSTANT_REMARK
    return found


def _strata(cohort: Cohort, settings: ScanSettings) -> Integers | None:
    """Number the strata; every patient is in one."""
    if not settings.strata:
        return None
    return np.asarray(pd.factorize(cohort.clinical[settings.strata].to_numpy())[0], dtype=np.int64)


def coded(cohort: Cohort, coding: Coding, settings: ScanSettings) -> Columns:
    """Estimate the hazard ratios of coded genes, and what goes with them."""
    fitted = cox_univariate(
        coding.covariates,
        cohort.time,
        cohort.event,
        strata=_strata(cohort, settings),
        ties=settings.ties,
        threads=settings.threads,
    )
    firth = _firth(cohort, coding, fitted, settings)
    converged = fitted.status == CONVERGED
    columns: Columns = {
        "cut": coding.cut,
        "cut_point": coding.cut_point,
        "n": fitted.n,
        "events": fitted.n_events,
        "estimator": np.select([converged, fitted.status == SEPARATED], [settings.ties, "firth"], "none"),
        "status": fitted.status,
        "biased": False,
        "log_hazard_ratio": fitted.coefficient,
        "standard_error": fitted.standard_error,
        "hazard_ratio": fitted.hazard_ratio,
        "lower": fitted.lower,
        "upper": fitted.upper,
        **firth,
        "p_wald": fitted.p_value,
        "p_score": fitted.p_score,
        "p_likelihood_ratio": fitted.p_likelihood_ratio,
        "p": np.where(converged, fitted.p_likelihood_ratio, firth["firth_p"]),
        "p_proportional_hazards": fitted.p_proportional_hazards,
    }
    if settings.strata:
        columns["stratified_by"] = settings.strata
    if coding.splits:
        columns.update(_counts(cohort, coding))
    return columns


def _firth(cohort: Cohort, coding: Coding, fitted: UnivariateCox, settings: ScanSettings) -> dict[str, Floats]:
    """Estimate the hazard ratios of genes that separate the outcome; NaN for the others."""
    names = ("firth_hazard_ratio", "firth_lower", "firth_upper", "firth_p")
    columns = {name: np.full(len(fitted.n), np.nan) for name in names}
    separated = np.flatnonzero(fitted.status == SEPARATED)
    if len(separated):
        found = firth_univariate(
            coding.covariates[:, separated],
            cohort.time,
            cohort.event,
            strata=_strata(cohort, settings),
            ties=settings.ties,
        )
        estimates = (found.hazard_ratio, found.hazard_ratio_lower, found.hazard_ratio_upper, found.p_value)
        for name, estimate in zip(names, estimates, strict=True):
            columns[name][separated] = estimate
    return columns


def _counts(cohort: Cohort, coding: Coding) -> Columns:
    """Count who is high, and their events."""
    high = coding.covariates == 1
    counts = {"n_high": high.sum(axis=0), "events_high": high[cohort.event].sum(axis=0)}
    # Where there is no point to cut at, nobody is high and nobody is low.
    return {name: pd.Series(count, dtype="Int64").mask(np.isnan(coding.cut_point)) for name, count in counts.items()}


def _restricted_means(cohort: Cohort, coding: Coding, settings: ScanSettings) -> Columns:
    """Compare the survival of high and low, averaged up to one time for all genes."""
    followed = horizon_days(cohort.time, min(FEWEST_AT_RISK, len(cohort.time)))
    months = settings.restricted_to_months or min(USUAL_MONTHS, months_within(followed))
    found = restricted_mean_differences(coding.covariates, cohort.time, cohort.event, restricted_to=horizon_day(months))
    name = "restricted_mean_difference_months"
    return {
        name: found.difference / DAYS_PER_MONTH,
        f"{name}_lower": found.lower / DAYS_PER_MONTH,
        f"{name}_upper": found.upper / DAYS_PER_MONTH,
        "p_restricted_mean": found.p_value,
        "restricted_to_months": months,
    }


def _adjusted(cohort: Cohort, coding: Coding, settings: ScanSettings) -> Columns:
    """Estimate hazard ratios beside clinical covariates, in the patients who have them all."""
    columns = settings.adjusted_for
    encoder = ClinicalEncoder.fit(cohort.clinical, columns, minimum_known=0.0)
    covariates = [covariate for covariate in encoder.covariates if not covariate.is_shape]
    absent = [column for column in columns if column not in {covariate.column for covariate in covariates}]
    if absent:
        raise ScanError(
            f"{cohort}: {', '.join(absent)} cannot be adjusted for: no patient has it, or all have the same; the "
            f"cohort has {', '.join(map(str, cohort.clinical.columns)) or 'no clinical column'}."
        )
    others = np.column_stack([c.raw(cohort.clinical[c.column]) for c in covariates])
    found = cox_adjusted(
        coding.covariates, others, cohort.time, cohort.event, strata=_strata(cohort, settings), ties=settings.ties
    )
    with np.errstate(over="ignore"):
        ratio, *ends = (np.exp(found.coefficient + z * found.standard_error) for z in (0.0, -Z95, Z95))
    return {
        "adjusted_for": ", ".join(columns),
        "adjusted_n": found.n,
        "adjusted_events": found.n_events,
        "adjusted_status": found.status,
        "adjusted_hazard_ratio": ratio,
        "adjusted_lower": ends[0],
        "adjusted_upper": ends[1],
        "adjusted_p": found.p_likelihood_ratio,
    }
