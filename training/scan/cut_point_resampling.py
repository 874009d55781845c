"""What resampling says of an optimal cut: its permutation p-value, and how much of its hazard ratio remains outside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from training.scan.codings import at_points
from training.scan.cut_point_kernel import log_rank_scores
from training.scan.cut_point_resampling_kernel import bootstrap_block, count_exceedances, squared_statistics
from training.scan.cut_points import (
    CutPointError,
    check_patients,
    check_share,
    maximally_selected_log_rank,
    sorted_genes,
)
from training.scan.firth import firth_univariate

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]

#: Half width of a 95 % interval in standard errors.
Z95 = float(norm.ppf(0.975))
#: Permutations held at a time: 2 MiB of statistics for 500 patients.
CHUNK = 512
#: A permuted statistic that falls short of the observed one by no more than this, relative, is equal to it.
SAME_STATISTIC = 1e-9
#: With fewer events in a group the likelihood is lopsided, and the interval takes its shape.
FEW_EVENTS = 5
#: Share of the patients that a bootstrap sample draws, 1 - 1/e.
DRAWN = 0.632


@dataclass(frozen=True)
class ShrunkenHazardRatios:
    """Hazard ratios, high against low, at the best cut of each gene; every array has shape (n_genes,).

    Parameters
    ----------
    naive : array
        At the cut that was chosen for it: far from 1 on data without any effect. NaN where no cut is admissible.
    factor : array
        Share of its logarithm that remains, from 0 to 1.
    hazard_ratio : array
        Shrunken: the naive one to the power of the factor.
    lower, upper : array
        Ends of its 95 % interval.
    """

    naive: Floats
    factor: Floats
    hazard_ratio: Floats
    lower: Floats
    upper: Floats


def permutation_p_values(
    values: Floats,
    time: Floats,
    event: Bools,
    *,
    generator: np.random.Generator,
    permutations: int = 10_000,
    smallest_share: float = 0.1,
) -> Floats:
    r"""Estimate the p-value of each gene's maximally selected log-rank statistic by permuting the outcomes.

    .. math:: p = \frac{1 + \#\{b: M_b \ge M\}}{1 + B}

    Parameters
    ----------
    values : array, shape (n_patients, n_genes)
        Expression on any scale; NaN where missing: such a patient is left out for that gene only.
    time : array, shape (n_patients,)
        Follow-up, in any unit.
    event : array of bool, shape (n_patients,)
        True where the event was observed.
    generator : Generator
        Draws the permutations; one draw of it seeds those of all genes.
    permutations : int
        :math:`B`.
    smallest_share : float
        Of the patients, in either group.

    Returns
    -------
    array, shape (n_genes,)
        NaN where no cut is admissible.

    Raises
    ------
    CutPointError
        If `smallest_share` is not between 0 and ½, or `permutations` is not positive.
    ValueError
        If the three arrays do not have the same number of patients.

    Notes
    -----
    The distribution that R's ``maxstat.test(pmethod = "condMC")`` simulates, by a count that is never 0. It depends on
    a gene only through its ties and missing values, so that all genes share the permutations; a gene's p-value does not
    depend on which other genes are tested with it. Monte Carlo error: :math:`\sqrt{p (1 - p) / B}`.

    References
    ----------
    Hothorn T, Lausen B. On the exact distribution of maximally selected rank statistics. Comput Stat Data Anal
    2003;43:121-137. doi:10.1016/S0167-9473(02)00225-6

    Phipson B, Smyth GK. Permutation p-values should never be zero: calculating exact p-values when permutations are
    randomly drawn. Stat Appl Genet Mol Biol 2010;9:39. doi:10.2202/1544-6115.1585
    """
    if permutations < 1:
        raise CutPointError(f"At least one permutation is needed, not {permutations}; 10000 are usual.")
    found = maximally_selected_log_rank(values, time, event, smallest_share=smallest_share)
    time, event = np.asarray(time, dtype=np.float64), np.asarray(event, dtype=np.bool_)
    seed = generator.integers(2**63)
    counts = np.zeros(values.shape[1], dtype=np.int64)
    for genes, patients in _by_missing_patients(values, np.isfinite(found.statistic)):
        scores = _scores(time[patients], event[patients], np.ones((1, len(patients))))[0]
        counts[genes] = _exceedances(
            scores,
            found.statistic[genes] ** 2 * (1 - SAME_STATISTIC),
            _distinct_sizes(values[np.ix_(patients, genes)]),
            generator=np.random.default_rng(seed),
            permutations=permutations,
            smallest_share=smallest_share,
        )
    return np.where(np.isfinite(found.statistic), (1 + counts) / (1 + permutations), np.nan)


def shrunken_hazard_ratios(
    values: Floats,
    time: Floats,
    event: Bools,
    *,
    generator: np.random.Generator,
    samples: int = 200,
    smallest_share: float = 0.1,
) -> ShrunkenHazardRatios:
    r"""Shrink the hazard ratio of each gene's best cut to what bootstrap samples confirm outside themselves.

    .. math::
        \hat\beta \cdot \frac{c}{0.632 + 0.368\, c}, \qquad
        c = \frac{1}{|\hat\beta|} \frac{\sum_b I_b\, \mathrm{sign}(\hat\beta_b)\, \tilde\beta_b}{\sum_b I_b}
        \text{, no less than 0 and no more than 1}

    Parameters
    ----------
    values : array, shape (n_patients, n_genes)
        Expression on any scale; NaN where missing: such a patient is left out for that gene only.
    time : array, shape (n_patients,)
        Follow-up, in any unit.
    event : array of bool, shape (n_patients,)
        True where the event was observed.
    generator : Generator
        Draws the bootstrap samples, which all genes share.
    samples : int
    smallest_share : float
        Of the patients, in either group.

    Returns
    -------
    ShrunkenHazardRatios
        In the genes' order.

    Raises
    ------
    CutPointError
        If `smallest_share` is not between 0 and ½, or `samples` is below 2.
    ValueError
        If the three arrays do not have the same number of patients.

    Notes
    -----
    In each bootstrap sample the best cut is sought anew; :math:`\hat\beta_b` is its log hazard ratio there,
    :math:`\tilde\beta_b` the same cut's among the patients that were not drawn, :math:`I_b` the information about it.
    That the sign is the sample's makes the confirmed effect 0 on average where there is none, as in the
    cross-validation of Faraggi and Simon (1996). Samples know less than the whole cohort and confirm too little of a
    true effect; Efron and Tibshirani's .632+ rule, with 0 for what would be seen by chance, gives back what depends on
    that, and nothing where nothing is confirmed. A factor below 0 counts as 0: no effect is claimed in the other
    direction. All log hazard ratios are Firth's, finite where a cut separates the outcome, with Efron's ties.

    The interval goes from half a width on the near side of the shrunken ratio to half a width on the far side of the
    naive one: how much had to be taken back is uncertain, too. The half width is that of a standard error: the standard
    deviation of the :math:`\hat\beta_b`, for it holds the cut's own uncertainty, as in Holländer et al. (2004), but no
    smaller than were the cut fixed. Where a group has fewer than five events, as where the cut separates the outcome,
    it is on either side no smaller than that of Firth's profile interval. Simulated, 400 cohorts each of 80 and of 200
    patients with 13 to 160 events and a true step at the median or the 80th percentile of log hazard ratio 0, 0.5, 1, 2
    or 3: 98.0 to 100 % of the intervals held the truth up to a log hazard ratio of 1, 97.3 to 100 % at 2 and 95.5 to
    98.8 % at 3. Most are wider than they need be.

    References
    ----------
    Schumacher M, Holländer N, Sauerbrei W. Resampling and cross-validation techniques: a tool to reduce bias caused by
    model building? Stat Med 1997;16:2813-2827. doi:10.1002/(SICI)1097-0258(19971230)16:24<2813::AID-SIM701>3.0.CO;2-Z

    Holländer N, Sauerbrei W, Schumacher M. Confidence intervals for the effect of a prognostic factor after selection
    of an 'optimal' cutpoint. Stat Med 2004;23:1701-1713. doi:10.1002/sim.1611

    Faraggi D, Simon R. A simulation study of cross-validation for selecting an optimal cutpoint in univariate survival
    analysis. Stat Med 1996;15:2203-2213. doi:10.1002/(SICI)1097-0258(19961030)15:20<2203::AID-SIM357>3.0.CO;2-G

    Efron B, Tibshirani R. Improvements on cross-validation: the .632+ bootstrap method. J Am Stat Assoc
    1997;92:548-560. doi:10.1080/01621459.1997.10474007

    Heinze G, Schemper M. A solution to the problem of monotone likelihood in Cox regression. Biometrics
    2001;57:114-119. doi:10.1111/j.0006-341X.2001.00114.x
    """
    check_patients(values, time, event)
    check_share(smallest_share)
    if samples < 2:
        raise CutPointError(f"At least two bootstrap samples are needed, not {samples}; 200 are usual.")
    n_patients, by_time = len(time), np.argsort(time, kind="stable")
    time, event = np.asarray(time, dtype=np.float64)[by_time], np.asarray(event, dtype=np.bool_)[by_time]
    drawn = generator.multinomial(n_patients, np.full(n_patients, 1 / n_patients), size=samples)
    weights = np.concatenate([np.ones((1, n_patients)), drawn])
    scores, results = _scores(time, event, weights), np.full((5, values.shape[1]), np.nan)
    values = values[by_time]
    for genes, block, order in sorted_genes(values):
        bootstrap_block(block, order, time, event, weights, scores, smallest_share, results[:, genes])
    naive, confirmed, spread, information, cut_point = results
    with np.errstate(divide="ignore"):
        spread = np.maximum(spread, 1 / np.sqrt(information))
    reach = _profile_reach(at_points(values, "optimal", cut_point).covariates, time, event)
    return _shrunken(naive, confirmed, np.fmax(Z95 * spread, reach))


def _profile_reach(high: Floats, time: Floats, event: Bools) -> Floats:
    """Return how far Firth's profile interval reaches from its estimate; NaN but where a group has few events.

    Parameters
    ----------
    high : array, shape (n_patients, n_genes)
        1 above the cut, 0 below it, NaN where missing.

    Returns
    -------
    array, shape (2, n_genes)
        Below and above, in log hazard ratio.
    """
    reach = np.full((2, high.shape[1]), np.nan)
    fewest = np.minimum((high[event] == 1).sum(axis=0), (high[event] == 0).sum(axis=0))
    few = np.flatnonzero((fewest < FEW_EVENTS) & np.isfinite(high).any(axis=0))
    if len(few):
        found = firth_univariate(high[:, few], time, event)
        reach[:, few] = found.coefficient - found.lower, found.upper - found.coefficient
    return reach


def _shrunken(naive: Floats, confirmed: Floats, reach: Floats) -> ShrunkenHazardRatios:
    """Shrink the naive log hazard ratios by the .632+ rule towards those confirmed outside the samples."""
    with np.errstate(divide="ignore", invalid="ignore"):
        calibration = np.clip(confirmed / np.abs(naive), 0.0, 1.0)
    factor = calibration / (DRAWN + (1 - DRAWN) * calibration)
    log_hazard_ratio = factor * naive
    return ShrunkenHazardRatios(
        naive=np.exp(naive),
        factor=factor,
        hazard_ratio=np.exp(log_hazard_ratio),
        lower=np.exp(np.minimum(log_hazard_ratio, naive) - reach[0]),
        upper=np.exp(np.maximum(log_hazard_ratio, naive) + reach[1]),
    )


def _scores(time: Floats, event: Bools, weights: Floats) -> Floats:
    """Return the log-rank scores of the patients under each row of weights."""
    scores, by_time = np.empty_like(weights), np.argsort(time, kind="stable")
    for weight, row in zip(weights, scores, strict=True):
        log_rank_scores(time, event, by_time, weight, row)
    return scores


def _by_missing_patients(values: Floats, testable: Bools) -> list[tuple[Integers, Integers]]:
    """Group the testable genes that lack the same patients: (genes, patients who are known)."""
    genes = np.flatnonzero(testable)
    known = np.isfinite(values[:, genes])
    packed = np.ascontiguousarray(np.packbits(known, axis=0).T)
    _, first, which = np.unique(packed.view(f"V{packed.shape[1]}"), return_index=True, return_inverse=True)
    return [(genes[which.ravel() == k], np.flatnonzero(known[:, gene])) for k, gene in enumerate(first)]


def _distinct_sizes(values: Floats) -> Bools:
    """Say of each size of the low group, 0 to n, whether a cut of the gene gives it; shape (n_genes, n + 1)."""
    distinct = np.ones((values.shape[1], len(values) + 1), dtype=np.bool_)
    for genes, block, order in sorted_genes(values):
        distinct[genes, 1:-1] = np.diff(np.take_along_axis(block, order, axis=1), axis=1) > 0
    return distinct


def _exceedances(
    scores: Floats,
    observed: Floats,
    distinct: Bools,
    *,
    generator: np.random.Generator,
    permutations: int,
    smallest_share: float,
) -> Integers:
    """Count for each gene the permutations whose largest squared statistic reaches the observed one."""
    counts = np.zeros(len(observed), dtype=np.int64)
    for start in range(0, permutations, CHUNK):
        rows = min(CHUNK, permutations - start)
        permuted = generator.permuted(np.broadcast_to(scores, (rows, len(scores))), axis=1)
        count_exceedances(squared_statistics(permuted, smallest_share), observed, distinct, counts)
    return counts
