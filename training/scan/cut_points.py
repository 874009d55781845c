"""Optimal cut-offs: the log-rank statistic at every admissible cut of every gene, its largest, and honest p-values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from features.errors import PrognosisError
from training.scan.cut_point_kernel import exchange_neighbours, log_rank_scores, search_block

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]
Positions = NDArray[np.intp]

#: Genes sorted at a time: 1 MiB of values for 500 patients.
BLOCK = 256


class CutPointError(PrognosisError):
    """These cut-offs cannot be searched."""


@dataclass(frozen=True)
class MaximallySelectedLogRank:
    """The best cut of each gene; every array has shape (n_genes,), and floats are NaN where no cut is admissible.

    Parameters
    ----------
    statistic : array
        Largest absolute standardised log-rank statistic.
    cut_point : array
        Largest value of the low group, on the genes' own scale: high is strictly above it.
    n, n_high : array of int
        Patients with a known value, and those of them above the cut.
    p_naive : array
        As if the cut had been fixed before; far too small, never to be shown alone.
    p_1992, p_1994 : array
        Corrected for the search over the cuts; at most 1.
    """

    statistic: Floats
    cut_point: Floats
    n: Integers
    n_high: Integers
    p_naive: Floats
    p_1992: Floats
    p_1994: Floats


def maximally_selected_log_rank(
    values: Floats, time: Floats, event: Bools, *, smallest_share: float = 0.1
) -> MaximallySelectedLogRank:
    r"""Find the cut of each gene at which the log-rank statistic is largest.

    .. math::
        a_i = \delta_i - \sum_{j:\, t_j \le t_i} \frac{\delta_j}{1 + \#\{k: t_k > t_j\}}, \qquad
        M = \max_m \left| \sum_{i:\, x_i \le x_{(m)}} a_i - m \bar a \right| \Big/
        \sqrt{\frac{m (n - m)}{n (n - 1)} \sum_i (a_i - \bar a)^2}

    Parameters
    ----------
    values : array, shape (n_patients, n_genes)
        Expression on any scale; NaN where missing: such a patient is left out for that gene only.
    time : array, shape (n_patients,)
        Follow-up, in any unit.
    event : array of bool, shape (n_patients,)
        True where the event was observed.
    smallest_share : float
        Of the patients, in either group; cuts that leave fewer are not admissible.

    Returns
    -------
    MaximallySelectedLogRank
        In the genes' order.

    Raises
    ------
    CutPointError
        If `smallest_share` is not between 0 and ½.
    ValueError
        If the three arrays do not have the same number of patients.

    Notes
    -----
    Equal to R's ``maxstat.test(smethod = "LogRank", minprop = smallest_share, maxprop = 1 - smallest_share)``. Its
    conventions: the scores count each of several tied events as if it came last among those tied with it; the variance
    is that of all permutations of the scores; :math:`m` counts the patients at or below a distinct value, from
    :math:`\lfloor n s \rfloor` to :math:`\lfloor n (1 - s) \rfloor`. Two differences: both p-values, which are
    approximations and exceed 1 for small statistics, are cut off there; and where several cuts share the largest
    statistic, the lowest is taken, whatever the rounding.

    References
    ----------
    Lausen B, Schumacher M. Maximally selected rank statistics. Biometrics 1992;48:73-85. doi:10.2307/2532740

    Lausen B, Sauerbrei W, Schumacher M. Classification and regression trees (CART) used for the exploration of
    prognostic factors measured on different scales. In: Dirschedl P, Ostermann R (eds), Computational Statistics.
    Physica, Heidelberg 1994:483-496.

    Hothorn T, Lausen B. On the exact distribution of maximally selected rank statistics. Comput Stat Data Anal
    2003;43:121-137. doi:10.1016/S0167-9473(02)00225-6
    """
    check_patients(values, time, event)
    check_share(smallest_share)
    time, event = np.asarray(time, dtype=np.float64), np.asarray(event, dtype=np.bool_)
    by_time, scores = np.argsort(time, kind="stable"), np.empty(len(time))
    log_rank_scores(time, event, by_time, np.ones(len(time)), scores)
    found, n, n_high = np.full((4, values.shape[1]), np.nan), *np.zeros((2, values.shape[1]), dtype=np.int64)
    for genes, block, order in sorted_genes(values):
        search_block(
            block, order, time, event, by_time, scores, smallest_share, found[:, genes], n[genes], n_high[genes]
        )
    statistic, cut_point, widths, cubes = found
    return MaximallySelectedLogRank(
        statistic=statistic,
        cut_point=cut_point,
        n=n,
        n_high=n_high,
        p_naive=2 * norm.sf(statistic),
        p_1992=p_lausen_schumacher_1992(statistic, smallest_share),
        p_1994=_p_1994(statistic, widths, cubes),
    )


def check_patients(values: Floats, time: Floats, event: Bools) -> None:
    """Raise a ValueError unless there is one row of values, one time and one event for each patient."""
    if values.ndim != 2 or not len(values) == len(time) == len(event):
        shapes = f"{values.shape}, {time.shape}, {event.shape}"
        raise ValueError(f"values, time and event must have the same number of patients, not {shapes}.")


def check_share(smallest_share: float) -> None:
    """Raise a CutPointError unless two groups of this share can be cut."""
    if not 0 < smallest_share < 0.5:
        raise CutPointError(
            f"The smaller group's share of the patients must be above 0 and below 0.5, not {smallest_share:g}; "
            "0.1 is usual."
        )


def sorted_genes(values: Floats) -> Iterator[tuple[slice, Floats, Positions]]:
    """Yield the genes in blocks: their columns, their values and the order of these, a row a gene.

    Missing values, NaN, come last in the order.
    """
    for start in range(0, values.shape[1], BLOCK):
        columns = slice(start, start + BLOCK)
        block = np.array(values[:, columns].T, dtype=np.float64, order="C")
        finite = np.isfinite(block)
        if not finite.all():
            block[~finite] = np.nan
        yield columns, block, _order(block)


def _order(block: Floats) -> Positions:
    """Sort each row: positions by increasing value, NaN last.

    What is sorted is one integer a value, its leading bits followed by its position: twice as fast as an argsort.
    """
    keys = block.view(np.int64)
    # The bits of a negative number fall as it rises.
    keys = keys ^ ((keys >> 63) & np.int64(2**63 - 1))
    positions = np.int64((1 << block.shape[1].bit_length()) - 1)
    keys &= ~positions
    keys |= np.arange(block.shape[1])
    keys.sort(axis=1)
    keys &= positions
    exchange_neighbours(block, keys)
    return keys


def p_lausen_schumacher_1992(statistic: Floats, smallest_share: float) -> Floats:
    r"""Return the p-value of a maximally selected statistic, from the limiting Brownian bridge.

    .. math:: \frac{4 \varphi(b)}{b} + \varphi(b) \Big(b - \frac1b\Big) \log \frac{(1 - s)^2}{s^2}

    Parameters
    ----------
    statistic : array, any shape
        :math:`b`; below 1 the p-value is 1.
    smallest_share : float
        :math:`s`.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = 2 * np.log((1 - smallest_share) / smallest_share)
        p_value = norm.pdf(statistic) * (4 / statistic + (statistic - 1 / statistic) * spread)
    return np.where(statistic < 1, 1.0, np.minimum(p_value, 1.0))


def _p_1994(statistic: Floats, widths: Floats, cubes: Floats) -> Floats:
    r"""Return the p-value from the improved Bonferroni inequality over neighbouring cuts.

    .. math::
        2 (1 - \Phi(b)) + \frac{e^{-b^2/2}}{\pi} \sum_m \Big[t_m - \Big(\frac{b^2}{4} - 1\Big) \frac{t_m^3}{6}\Big],
        \quad t_m = \sqrt{1 - \frac{m_1 (n - m_2)}{(n - m_1) m_2}}

    `widths` and `cubes` are the sums of :math:`t_m` and of its cube.
    """
    search = np.exp(-(statistic**2) / 2) / np.pi * (widths - (statistic**2 / 4 - 1) * cubes / 6)
    # Few cuts far apart can make the approximation negative: a search costs nothing at least.
    return np.asarray(np.minimum(2 * norm.sf(statistic) + np.maximum(search, 0.0), 1.0))
