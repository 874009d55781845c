"""Royston and Sauerbrei's D: how far apart the prognoses lie, and how much of the variation that is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from training.counted_cox import coefficients

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: From the coefficient of normal scores to the distance between the halves with the better and the worse prognosis.
KAPPA = float(np.sqrt(8 / np.pi))
#: Variance of the log of a standard exponential: the error of a proportional hazards model on its log scale.
ERROR_VARIANCE = float(np.pi**2 / 6)


def royston_sauerbrei_d(linear_predictor: Floats, time: Floats, event: Bools, counts: Floats) -> Floats:
    r"""Return D in each sample, averaged over repeats.

    .. math::
        D = \sqrt{8/\pi}\; \hat\beta, \qquad
        \hat\beta \text{ the Cox coefficient of } z_i = \Phi^{-1}\Big(\frac{r_i - 3/8}{n + 1/4}\Big)

    Parameters
    ----------
    linear_predictor : array, shape (n_repeats, n_patients)
        Out-of-fold; higher is worse.
    time : array, shape (n_patients,)
        Days.
    event : array of bool, shape (n_patients,)
    counts : array, shape (n_samples, n_patients)
        How often each patient stands in each sample, whole numbers.

    Returns
    -------
    array, shape (n_samples,)
        The log hazard ratio between two equal halves; higher is better, negative where the predictor points the wrong
        way, 0 where it is the same for all, NaN where the likelihood has no finite maximum.

    Notes
    -----
    Patients with equal predictors, and the copies of one patient, share the mean of their scores, as in R's
    ``survival::royston``. Events on one day are Breslow's (there Efron's): only so are counts the same as copies.

    References
    ----------
    Royston P, Sauerbrei W. A new measure of prognostic separation in survival data. Stat Med 2004;23:723-748.
    doi:10.1002/sim.1621
    """
    by_repeat = []
    for repeat in linear_predictor:
        separation = KAPPA * coefficients(_normal_scores(repeat, counts), time, event, counts)
        by_repeat.append(np.where(_same_for_all(repeat, counts), 0.0, separation))
    return np.asarray(np.mean(by_repeat, axis=0), dtype=np.float64)


def explained_variation(d: Floats) -> Floats:
    r"""Return :math:`R^2_D`, the share of the variation in prognosis that a D stands for.

    .. math:: R^2_D = \frac{D^2 / \kappa^2}{D^2 / \kappa^2 + \pi^2 / 6}, \qquad \kappa = \sqrt{8 / \pi}

    Parameters
    ----------
    d : array, any shape
        See `royston_sauerbrei_d`.

    Returns
    -------
    array, of the same shape
        Between 0 and 1; 0 where `d` is negative: a predictor that points the wrong way explains nothing.

    References
    ----------
    Royston P. Explained variation for survival models. Stata J 2006;6:83-96. doi:10.1177/1536867X0600600105
    """
    # np.maximum keeps NaN.
    variance = (np.maximum(d, 0.0) / KAPPA) ** 2
    return np.asarray(variance / (variance + ERROR_VARIANCE), dtype=np.float64)


def _same_for_all(linear_predictor: Floats, counts: Floats) -> Bools:
    """Say of each sample whether its patients share one predictor."""
    highest, lowest = (np.where(counts > 0, sign * linear_predictor, -np.inf).max(axis=1) for sign in (1, -1))
    return np.asarray(highest == -lowest, dtype=np.bool_)


def _normal_scores(linear_predictor: Floats, counts: Floats) -> Floats:
    """Return Blom's scores in each sample, shape (n_samples, n_patients); equal predictors share their mean score."""
    _, which = np.unique(linear_predictor, return_inverse=True)
    order = np.argsort(which, kind="stable")
    starts = np.searchsorted(which[order], np.arange(which.max() + 1))
    sizes = np.add.reduceat(counts[:, order], starts, axis=1)
    ends = sizes.cumsum(axis=1).astype(np.intp)
    scores = np.zeros_like(sizes)
    for total in np.unique(ends[:, -1]):
        rows = ends[:, -1] == total
        up_to = _summed_scores(int(total))
        within = up_to[ends[rows]] - up_to[ends[rows] - sizes[rows].astype(np.intp)]
        scores[rows] = within / np.maximum(sizes[rows], 1)
    return scores[:, which]


def _summed_scores(n_patients: int) -> Floats:
    """Return the sum of the scores of the first 0, 1, ... `n_patients` ranks."""
    scores = ndtri((np.arange(1, n_patients + 1) - 0.375) / (n_patients + 0.25))
    return np.concatenate([[0.0], np.cumsum(scores)])
