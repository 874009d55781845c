"""What a bundle tells of the patients behind its gene references: values with the reference's ranks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from features.normal_scores import NormalScoreReference

Floats = NDArray[np.float64]

#: A rank this near to a whole or a half one is one: scores are kept to 15 digits.
ROUNDING = 1e-6


def n_behind(reference: NormalScoreReference, n_patients: int) -> int:
    r"""Return of how many patients a reference was made; fewer than the cohort's where the gene was missing in some.

    .. math:: r_k = \Phi(s_k) \, (n + 1/4) + 3/8

    Parameters
    ----------
    reference : NormalScoreReference
    n_patients : int
        Of the cohort; taken where no number explains the curve.

    Returns
    -------
    int
        :math:`n` for which every mean rank :math:`r_k` is a whole or a half number, from 1: the cohort's if it is one,
        else the lowest.
    """
    numbers = np.append(n_patients, np.arange(1, n_patients))
    ranks = _ranks(reference, numbers[:, None])
    explained = (np.abs(2 * ranks - np.round(2 * ranks)) < ROUNDING * n_patients).all(axis=1)
    return int(numbers[(explained & (ranks[:, 0] > 1 - ROUNDING)).argmax()])


def _ranks(reference: NormalScoreReference, n: int | NDArray[np.int64]) -> Floats:
    """Return the mean rank of each knot among `n` patients."""
    return np.asarray(ndtr(reference.scores) * (n + 0.25) + 0.375)


def reference_sample(reference: NormalScoreReference, n_patients: int) -> Floats:
    """Return values distributed as the reference's, one for each of its patients, increasing.

    Parameters
    ----------
    reference : NormalScoreReference
    n_patients : int
        Of the reference cohort.

    Notes
    -----
    A reference of at most 200 distinct values keeps all of them, and their ranks tell how often each occurred: then
    the sample is exact. Of more, a bundle keeps 200 that are spread evenly in score; between them the values lie on
    straight lines here, and those equal to the lowest, as genes without a read are, are counted from its mean rank.
    """
    n = n_behind(reference, n_patients)
    ranks = _ranks(reference, n)
    counts = _counts(ranks)
    if counts is not None and counts.sum() == n:
        return np.repeat(reference.knots, counts)
    places = np.arange(1, n + 1)
    n_lowest = round(2 * ranks[0] - 1)
    between = np.interp(places, ranks[1:], reference.knots[1:])
    return np.asarray(np.where(places <= n_lowest, reference.knots[0], np.minimum(between, reference.knots[-1])))


def _counts(ranks: Floats) -> NDArray[np.int64] | None:
    """Return how often each value stood, from the mean rank of each; None where some in between were not kept."""
    counts, below = np.zeros(len(ranks), dtype=np.int64), 0
    for k, rank in enumerate(ranks.tolist()):
        count = 2 * (rank - below) - 1
        counts[k] = round(count)
        if counts[k] < 1 or abs(count - counts[k]) > ROUNDING * max(rank, 1.0):
            return None
        below += int(counts[k])
    return counts
