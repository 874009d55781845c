"""The assumption-free companion of a hazard ratio: the difference in restricted mean survival between two groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from features.errors import PrognosisError
from training.scan.restricted_mean_kernel import average_groups

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Half width of a 95 % interval in standard errors.
Z95 = float(norm.ppf(0.975))
#: Genes taken at a time: what is kept of them stays in the cache.
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
    Means and standard errors equal R's ``survfit(...)`` printed with ``rmean``. A group of which nobody is followed to
    :math:`\tau` has a mean only if its survival has reached 0 before, as in `training.kaplan_meier`; R draws its last
    step on to :math:`\tau`. Written for many genes at once: patients in the outer loop, no array per curve.

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
    time, event = np.asarray(time, dtype=np.float64), np.asarray(event, dtype=np.bool_)
    by_time = np.argsort(time, kind="stable")
    results = np.empty((3, 2, high.shape[1]))
    for start in range(0, high.shape[1], BLOCK):
        genes = slice(start, start + BLOCK)
        average_groups(high[:, genes], by_time, time, event, restrictions[genes], results[:, :, genes])
        if results[2, :, genes].sum() != np.isfinite(high[:, genes]).sum():
            raise ValueError("high must be 1 in the high group, 0 in the low group and NaN in neither.")
    return _differences(*results[:2])


def _check_restrictions(restrictions: Floats) -> None:
    """Raise a RestrictionError unless all times are positive and finite."""
    wrong = np.flatnonzero(~(np.isfinite(restrictions) & (restrictions > 0)))
    if len(wrong):
        raise RestrictionError(
            f"Survival is averaged up to a positive time, but {len(wrong)} of {len(restrictions)} are not (first: "
            f"{restrictions[wrong[0]]:g}); restrict to a time to which both groups are followed."
        )


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
