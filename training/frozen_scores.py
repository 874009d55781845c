"""Normal scores of thousands of genes at once, each against its own frozen training patients."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from features.normal_scores import MAXIMUM_KNOTS, NormalScoreReference

Floats = NDArray[np.float64]


def frozen_scores(training: Floats, patients: Floats) -> Floats:
    """Return the scores that `NormalScoreReference` gives each column, with 0, the training mean, where missing.

    Parameters
    ----------
    training : array, shape (n_training_patients, n_genes)
        Expression from which each gene's curve is learned; NaN where missing.
    patients : array, shape (n_patients, n_genes)
        Whom to score; nothing is learned from them.

    Returns
    -------
    array, shape (n_patients, n_genes)
        0 throughout for a gene that no training patient has, or that has one value in all of them.
    """
    known = np.where(np.isfinite(patients), patients, np.nan)
    complete = np.isfinite(training).all(axis=0)
    scores = np.zeros(patients.shape)
    scores[:, complete] = _complete(training[:, complete], known[:, complete])
    for gene in np.flatnonzero(~complete & np.isfinite(training).any(axis=0)):
        scores[:, gene] = NormalScoreReference.fit(training[:, gene]).score(known[:, gene])
    return np.nan_to_num(scores, copy=False)


def _complete(training: Floats, patients: Floats) -> Floats:
    """Score genes that every training patient has: only the interpolation is left to a loop over genes."""
    ordered = np.sort(np.ascontiguousarray(training.T), axis=1)
    curves = _scores_of(ordered)
    n_distinct = 1 + (ordered[:, 1:] > ordered[:, :-1]).sum(axis=1)
    targets = np.linspace(curves[:, 0], curves[:, -1], MAXIMUM_KNOTS, axis=1)
    rows = np.ascontiguousarray(patients.T)
    scored = np.empty(rows.shape)
    for gene, (values, curve) in enumerate(zip(ordered, curves, strict=True)):
        if n_distinct[gene] > MAXIMUM_KNOTS:
            kept = np.searchsorted(curve, targets[gene])
            values, curve = values[kept], curve[kept]  # noqa: PLW2901
        # A value that stands several times among the knots has one score, so interpolation may meet any of them.
        scored[gene] = np.interp(rows[gene], values, curve)
    return scored.T


def _scores_of(ordered: Floats) -> Floats:
    """Return Blom's scores of sorted rows, ties at their mean rank."""
    n_genes, n_patients = ordered.shape
    position = np.arange(n_patients)
    starts, ends = np.ones((2, n_genes, n_patients), dtype=np.bool_)
    starts[:, 1:] = ordered[:, 1:] > ordered[:, :-1]
    ends[:, :-1] = starts[:, 1:]
    first = np.maximum.accumulate(np.where(starts, position, 0), axis=1)
    last = np.minimum.accumulate(np.where(ends, position, n_patients)[:, ::-1], axis=1)[:, ::-1]
    # Twice the mean rank less 2 is a whole number: each possible score is computed once.
    ranks = np.arange(2, 2 * n_patients + 1) / 2
    return np.asarray(ndtri((ranks - 0.375) / (n_patients + 0.25))[first + last], dtype=np.float64)
