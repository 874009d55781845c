"""The compiled interpolation between knots that features, distances and percentiles share."""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

from training.compiled import compiled


@compiled
def interpolated(value, knots, scores, first, last):  # type: ignore[no-untyped-def]
    """Return the score at a value between knots `first` and `last` (exclusive), as `numpy.interp` does, to the bit.

    Parameters
    ----------
    value : float
        Not NaN; beyond the knots the score at their end holds.
    knots, scores : array, shape (n_knots,)
        Knots increase strictly from `first` to `last`.
    """
    if value <= knots[first]:
        return scores[first]
    if value >= knots[last - 1]:
        return scores[last - 1]
    low, n = first, last - first
    # Halving without a choice that the processor would have to guess.
    while n > 1:
        half = n // 2
        low = low + half if knots[low + half] <= value else low
        n -= half
    if value == knots[low]:
        return scores[low]
    slope = (scores[low + 1] - scores[low]) / (knots[low + 1] - knots[low])
    return slope * (value - knots[low]) + scores[low]
