"""Folds stratified by event and time, bootstrap counts, and the seeds of each part of a training."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def stratified_folds(time: Floats, event: Bools, n_folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Deal patients into folds that are alike in events and in follow-up.

    Parameters
    ----------
    time : array, shape (n_patients,)
        Days.
    event : array of bool, shape (n_patients,)
    n_folds : int
    rng : Generator

    Returns
    -------
    array of int, shape (n_patients,)
        The fold of each patient. Sizes differ by at most one, and so do the numbers of events.

    Notes
    -----
    Patients are ordered by event and then time, and every `n_folds` neighbours go to different folds at random.
    """
    order = np.lexsort((rng.permutation(len(time)), time, ~event))
    n_blocks = -(-len(time) // n_folds)
    dealt = rng.permuted(np.tile(np.arange(n_folds), (n_blocks, 1)), axis=1).ravel()
    folds = np.empty(len(time), dtype=np.int64)
    folds[order] = dealt[: len(time)]
    return folds


def repeated_folds(
    time: Floats, event: Bools, n_folds: int, generators: Iterable[np.random.Generator]
) -> NDArray[np.int64]:
    """Return `stratified_folds` by each of the generators, shape (n_repeats, n_patients)."""
    return np.stack([stratified_folds(time, event, n_folds, rng) for rng in generators])


def bootstrap_counts(n_patients: int, n_samples: int, rng: np.random.Generator) -> Floats:
    """Return how often each patient stands in each bootstrap sample, shape (n_samples, n_patients)."""
    return rng.multinomial(n_patients, np.full(n_patients, 1 / n_patients), size=n_samples).astype(np.float64)


def derived_seed(*parts: int | str) -> int:
    """Return the seed of one part of a training from the definition's seed and the part's name and numbers.

    Notes
    -----
    Equal parts give equal seeds on every machine and in every order of work, whatever the worker count.
    """
    numbers = [part if isinstance(part, int) else zlib.crc32(part.encode()) for part in parts]
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def generator(*parts: int | str) -> np.random.Generator:
    """Return the random generator of one part of a training (see `derived_seed`)."""
    return np.random.default_rng(derived_seed(*parts))
