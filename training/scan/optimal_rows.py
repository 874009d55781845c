"""The rows of a scan at optimal cuts: corrected, shrunken, and nothing naive that stands alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from features.cohort import Cohort
from training.resampling import generator
from training.scan.coded_rows import Columns, coded
from training.scan.codings import at_points
from training.scan.cut_point_resampling import permutation_p_values, shrunken_hazard_ratios
from training.scan.cut_points import MaximallySelectedLogRank, maximally_selected_log_rank
from training.scan.scan_settings import ScanSettings

Floats = NDArray[np.float64]

#: In place of a Cox model's status.
NO_CUT = "no admissible cut"
NOT_RESAMPLED = "not resampled"
SMALLEST_SHARE = 0.1
#: What is computed as if the cut had not been chosen: far too good, and shown beside its shrunken counterpart only.
NAIVE = (
    "log_hazard_ratio", "standard_error", "hazard_ratio", "lower", "upper",
    "firth_hazard_ratio", "firth_lower", "firth_upper", "firth_p",
    "p_wald", "p_score", "p_likelihood_ratio", "p_naive",
)  # fmt: skip


def rows_of_optimal_cut(cohort: Cohort, values: Floats, settings: ScanSettings) -> Columns:
    """Estimate hazard ratios at the cut with the largest log-rank statistic, beside what is left of them.

    Parameters
    ----------
    cohort : Cohort
    values : array, shape (n_patients, n_genes)
        NaN where missing.
    settings : ScanSettings

    Notes
    -----
    A gene that is not resampled has a corrected p-value, and nothing that tells the size or the direction of its
    effect. No restricted mean survival: nothing corrects it for the choice of the cut.
    """
    found = maximally_selected_log_rank(values, cohort.time, cohort.event, smallest_share=SMALLEST_SHARE)
    columns = coded(cohort, at_points(values, "optimal", found.cut_point), settings)
    columns.update(
        biased=True,
        p=found.p_1994,
        p_naive=found.p_naive,
        p_lausen_schumacher_1992=found.p_1992,
        p_lausen_schumacher_1994=found.p_1994,
        **_resampled(cohort, values, found, settings),
    )
    known, cut = np.isfinite(values), np.isfinite(found.cut_point)
    columns |= {"n": known.sum(axis=0), "events": known[cohort.event].sum(axis=0)}
    shown = np.isfinite(np.asarray(columns["shrunken_hazard_ratio"]))
    status, estimator = (np.asarray(columns[name]).astype(object) for name in ("status", "estimator"))
    columns["status"] = np.select([~cut, ~shown], [NO_CUT, NOT_RESAMPLED], status)
    columns["estimator"] = np.where(shown, estimator, "none")
    return columns | {name: np.where(shown, np.asarray(columns[name]), np.nan) for name in NAIVE}


def _resampled(cohort: Cohort, values: Floats, found: MaximallySelectedLogRank, settings: ScanSettings) -> Columns:
    """Return permutation p-values, and the shrunken hazard ratios of the genes with the smallest corrected p."""
    shrunken = {
        name: np.full(values.shape[1], np.nan) for name in ("shrunken_hazard_ratio", "shrunken_lower", "shrunken_upper")
    }
    order = np.argsort(np.nan_to_num(found.p_1994, nan=np.inf), kind="stable")
    chosen = np.sort(order[: settings.resampled_at_most])
    if len(chosen):
        kept = shrunken_hazard_ratios(
            values[:, chosen],
            cohort.time,
            cohort.event,
            generator=generator(settings.seed, "optimal cut, samples"),
            samples=settings.samples,
            smallest_share=SMALLEST_SHARE,
        )
        for name, estimate in zip(shrunken, (kept.hazard_ratio, kept.lower, kept.upper), strict=True):
            shrunken[name][chosen] = estimate
    if not settings.permutations:
        return dict(shrunken)
    p_permutation = permutation_p_values(
        values,
        cohort.time,
        cohort.event,
        generator=generator(settings.seed, "optimal cut, permutations"),
        permutations=settings.permutations,
        smallest_share=SMALLEST_SHARE,
    )
    return {**shrunken, "p_permutation": p_permutation}
