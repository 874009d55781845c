"""The assumption-free companion of a hazard ratio: the difference in restricted mean survival between two groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.stats import norm

from features.errors import PrognosisError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Half width of a 95 % interval in standard errors.
Z95 = float(norm.ppf(0.975))
#: Genes taken at a time: 1 MiB of groups for 500 patients.
BLOCK = 256


class RestrictionError(PrognosisError):
    """Survival cannot be averaged up to this time."""


@dataclass(frozen=True)
class RestrictedMeanDifferences:
    """Restricted means of two groups per gene, in the unit of time as given; every array has shape (n_genes,).

    Parameters
    ----------
    mean_high, mean_low : array
        Mean survival time of each group up to the restriction; NaN where the group is empty or not followed so long.
    difference : array
        High minus low; negative is worse for the high group.
    standard_error : array
        Of the difference.
    lower, upper : array
        Ends of its 95 % interval.
    p_value : array
        Two-sided, of no difference; NaN where neither group has an event before the restriction.
    """

    mean_high: Floats
    mean_low: Floats
    difference: Floats
    standard_error: Floats
    lower: Floats
    upper: Floats
    p_value: Floats


def restricted_mean_differences(
    high: Floats, time: Floats, event: Bools, *, restricted_to: float | Floats
) -> RestrictedMeanDifferences:
    r"""Estimate the difference in restricted mean survival time between the two groups of each gene.

    .. math::
        \hat\mu = \int_0^\tau \hat S(t)\, dt, \qquad \widehat{\mathrm{Var}}(\hat\mu) = \sum_{t_k \le \tau}
        \Big( \int_{t_k}^\tau \hat S(t)\, dt \Big)^2 \frac{d_k}{n_k (n_k - d_k)}

    Parameters
    ----------
    high : array, shape (n_patients, n_genes)
        1 in the high group, 0 in the low group, NaN in neither.
    time : array, shape (n_patients,)
        Follow-up, positive, in any unit.
    event : array of bool, shape (n_patients,)
        True where the event was observed.
    restricted_to : float, or array, shape (n_genes,)
        :math:`\tau` in the unit of time; one for all genes makes their differences comparable.

    Returns
    -------
    RestrictedMeanDifferences
        In the genes' order.

    Raises
    ------
    RestrictionError
        If a `restricted_to` is not positive and finite.
    ValueError
        If the three arrays do not have the same number of patients.

    Notes
    -----
    Means and standard errors equal R's ``survfit(...)`` printed with ``rmean``. A group that nobody of is followed to
    :math:`\tau` has a mean only if its survival has reached 0 before, as in `training.kaplan_meier`; R draws its last
    step on to :math:`\tau`. Written for many genes at once: one pass over the patients of each, no array per curve.

    References
    ----------
    Royston P, Parmar MKB. Restricted mean survival time: an alternative to the hazard ratio for the design and analysis
    of randomized trials with a time-to-event outcome. BMC Med Res Methodol 2013;13:152. doi:10.1186/1471-2288-13-152
    """
    if high.ndim != 2 or not len(high) == len(time) == len(event):
        shapes = f"{high.shape}, {time.shape}, {event.shape}"
        raise ValueError(f"high, time and event must have the same number of patients, not {shapes}.")
    restrictions = np.ascontiguousarray(np.broadcast_to(np.asarray(restricted_to, dtype=np.float64), high.shape[1:]))
    _check_restrictions(restrictions)
    by_time = np.argsort(time, kind="stable")
    time, event = np.asarray(time, dtype=np.float64)[by_time], np.asarray(event, dtype=np.bool_)[by_time]
    results = np.empty((2, 2, high.shape[1]))
    for genes, groups in _groups(high, by_time):
        _average_block(groups, time, event, restrictions[genes], results[:, :, genes])
    return _differences(*results)


def _check_restrictions(restrictions: Floats) -> None:
    """Raise a RestrictionError unless all times are positive and finite."""
    wrong = np.flatnonzero(~(np.isfinite(restrictions) & (restrictions > 0)))
    if len(wrong):
        raise RestrictionError(
            f"Survival is averaged up to a positive time, but {len(wrong)} of {len(restrictions)} are not (first: "
            f"{restrictions[wrong[0]]:g}); restrict to a time to which both groups are followed."
        )


def _groups(high: Floats, by_time: NDArray[np.intp]) -> Iterator[tuple[slice, NDArray[np.int8]]]:
    """Yield the genes in blocks: their columns, and a row a gene of 1 (high), 0 (low) or -1 (neither)."""
    for start in range(0, high.shape[1], BLOCK):
        genes = slice(start, start + BLOCK)
        split = high[:, genes]
        groups = np.full(split.shape, -1, dtype=np.int8)
        groups[split == 0] = 0
        groups[split == 1] = 1
        if np.isfinite(split[groups < 0]).any():
            raise ValueError("high must be 1 in the high group, 0 in the low group and NaN in neither.")
        yield genes, np.ascontiguousarray(groups[by_time].T)


def _differences(mean: Floats, variance: Floats) -> RestrictedMeanDifferences:
    """Compare the groups, rows (low, high), gene by gene."""
    difference, standard_error = mean[1] - mean[0], np.sqrt(variance.sum(axis=0))
    varied = np.where(standard_error > 0, standard_error, np.nan)
    return RestrictedMeanDifferences(
        mean_high=mean[1],
        mean_low=mean[0],
        difference=difference,
        standard_error=standard_error,
        lower=difference - Z95 * standard_error,
        upper=difference + Z95 * standard_error,
        p_value=2 * norm.sf(np.abs(difference / varied)),
    )


@njit(error_model="numpy", nogil=True, cache=True)
def _average_block(groups, time, event, restrictions, results):  # type: ignore[no-untyped-def]
    """Write the restricted mean and its variance of each gene's low (0) and high (1) group."""
    for gene in range(len(groups)):
        for group in range(2):
            results[:, group, gene] = _restricted_mean(groups[gene], group, time, event, restrictions[gene])


@njit(error_model="numpy", nogil=True, cache=True)
def _restricted_mean(groups, group, time, event, restricted_to):  # type: ignore[no-untyped-def]
    """Return one group's restricted mean and its variance; patients are sorted by time."""
    at_risk = np.sum(groups == group)
    survival, mean, last_event, followed_to = 1.0, 0.0, 0.0, 0.0
    # Greenwood's terms of the events so far: their sum, and with the area since each event, once and squared.
    terms, with_area, with_square = 0.0, 0.0, 0.0
    i = 0
    while i < len(time) and time[i] <= restricted_to:
        now, deaths, leaving = time[i], 0, 0
        while i < len(time) and time[i] == now:
            if groups[i] == group:
                leaving += 1
                deaths += event[i]
            i += 1
        if leaving > 0:
            followed_to = now
        if deaths > 0:
            area = survival * (now - last_event)
            mean += area
            with_square += area * (2 * with_area + area * terms)
            with_area += area * terms
            if deaths < at_risk:
                terms += deaths / (at_risk * (at_risk - deaths))
            survival *= 1 - deaths / at_risk
            last_event = now
        at_risk -= leaving
    if at_risk == 0 and followed_to < restricted_to and (survival > 0 or followed_to == 0):
        return np.nan, np.nan
    area = survival * (restricted_to - last_event)
    return mean + area, with_square + area * (2 * with_area + area * terms)
