"""Concordance within folds: Harrell's and Uno's, from one count of pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Pairs:
    """Comparable pairs of patients: the weight of each, and how much of it is concordant.

    Parameters
    ----------
    comparable : array, shape (n_patients, n_patients)
        Weight of the pair (i, j) in which i is known to fail before j; 0 where that is not known.
    concordant : array, shape (n_patients, n_patients)
        The same where i has the higher linear predictor, half of it where both are equal, else 0.
    """

    comparable: Floats
    concordant: Floats

    def sums(self, counts: Floats) -> tuple[Floats, Floats]:
        """Return concordant and comparable weight where each patient stands in the sample `counts` times.

        Parameters
        ----------
        counts : array, shape (n_samples, n_patients)
        """
        return _quadratic(self.concordant, counts), _quadratic(self.comparable, counts)


def _quadratic(matrix: Floats, counts: Floats) -> Floats:
    return np.asarray(((counts @ matrix) * counts).sum(axis=1), dtype=np.float64)


def harrell_pairs(linear_predictor: Floats, time: Floats, event: Bools) -> Pairs:
    """Compare every two patients of whom it is known who failed first.

    Parameters
    ----------
    linear_predictor : array, shape (n_patients,)
        Higher is worse.
    time : array, shape (n_patients,)
        Days.
    event : array of bool, shape (n_patients,)

    Notes
    -----
    i fails before j if i has the event and j is followed longer, or as long without the event; two events on
    the same day are not compared. Equal linear predictors count half. So does R's ``survival::concordance``.

    References
    ----------
    Harrell FE et al. (1996) doi 10.1002/(SICI)1097-0258(19960229)15:4<361::AID-SIM168>3.0.CO;2-4
    """
    later = (time[:, None] < time[None, :]) | ((time[:, None] == time[None, :]) & ~event[None, :])
    return _pairs(linear_predictor, (event[:, None] & later).astype(np.float64))


def uno_pairs(linear_predictor: Floats, time: Floats, event: Bools, *, censoring: Floats, horizon_days: float) -> Pairs:
    r"""Weigh the pairs of `harrell_pairs` by :math:`1 / \hat G(t_i-)^2`, for events before the horizon.

    Parameters
    ----------
    linear_predictor, time, event
        As in `harrell_pairs`.
    censoring : array, shape (n_patients,)
        :math:`\hat G(t_i-)`: probability of being uncensored just before each patient's own time.
    horizon_days : float
        The truncation time; events at or after it are not compared.

    References
    ----------
    Uno H et al. (2011) doi 10.1002/sim.4154
    """
    pairs = harrell_pairs(linear_predictor, time, event)
    counted = event & (time < horizon_days)
    weight = np.zeros_like(time)
    weight[counted] = censoring[counted] ** -2
    return Pairs(pairs.comparable * weight[:, None], pairs.concordant * weight[:, None])


def _pairs(linear_predictor: Floats, comparable: Floats) -> Pairs:
    higher = linear_predictor[:, None] > linear_predictor[None, :]
    equal = linear_predictor[:, None] == linear_predictor[None, :]
    return Pairs(comparable, comparable * (higher + 0.5 * equal))


def concordance(pairs: Pairs) -> float:
    """Return the share of the comparable weight that is concordant; NaN where nothing can be compared."""
    total = pairs.comparable.sum()
    return float(pairs.concordant.sum() / total) if total > 0 else float("nan")


def concordance_within_folds(pairs: list[list[Pairs]], folds: NDArray[np.int64], counts: Floats) -> Floats:
    """Return concordance of each sample: pairs summed over the folds of a repeat, averaged over repeats.

    Parameters
    ----------
    pairs : list of lists of Pairs
        By repeat and fold; fold `k` of repeat `r` holds the patients with ``folds[r] == k``, in order.
    folds : array of int, shape (n_repeats, n_patients)
    counts : array, shape (n_samples, n_patients)
        How often each patient stands in each sample; all repeats of a patient are resampled together.
    """
    by_repeat = []
    for repeat, labels in enumerate(folds):
        sums = [fold.sums(counts[:, labels == k]) for k, fold in enumerate(pairs[repeat])]
        concordant, comparable = (np.sum([s[i] for s in sums], axis=0) for i in (0, 1))
        by_repeat.append(np.divide(concordant, comparable, out=np.full(len(counts), np.nan), where=comparable > 0))
    return np.asarray(np.mean(by_repeat, axis=0), dtype=np.float64)
