"""What the workers' memory did during the soak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.benchmarks.soak_record import Sample

#: Of a worker's life, not counted in its growth: until every kind of request was answered, everything is compiled and
#: both models were swapped.
_WARM_UP_SECONDS = 120.0
#: Fewer answers, counted after it, tell of no growth.
_ENOUGH_ANSWERS = 5_000


@dataclass(frozen=True)
class Growth:
    """The resident set of one worker.

    Parameters
    ----------
    begun, ended : float
        The first look at it and the last, seconds since the beginning.
    first, last, highest : int
        Bytes.
    per_answer : float or None
        Bytes for each answer that the service gave, by a straight line through all samples but the first minutes';
        None where the life was too short to tell.
    """

    begun: float
    ended: float
    first: int
    last: int
    highest: int
    per_answer: float | None

    @property
    def seconds(self) -> float:
        """How long it was looked at."""
        return self.ended - self.begun


def growth(samples: Sequence[Sample]) -> list[Growth]:
    """Return the resident sets of all workers, those that lived longest first."""
    lives: dict[int, list[Sample]] = {}
    for sample in samples:
        lives.setdefault(sample.worker, []).append(sample)
    return sorted((_growth(life) for life in lives.values()), key=lambda each: -each.seconds)


def _growth(life: Sequence[Sample]) -> Growth:
    sizes = [sample.n_bytes for sample in life]
    return Growth(life[0].at, life[-1].at, sizes[0], sizes[-1], max(sizes), _slope(life))


def _slope(life: Sequence[Sample]) -> float | None:
    warm = [sample for sample in life if sample.at - life[0].at >= _WARM_UP_SECONDS]
    if not warm or warm[-1].n_answers - warm[0].n_answers < _ENOUGH_ANSWERS:
        return None
    slope, _ = np.polyfit([sample.n_answers for sample in warm], [sample.n_bytes for sample in warm], 1)
    return float(slope)
