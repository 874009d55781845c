"""A figure with its interval."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Estimate:
    """A figure with its 95 % interval; NaN bounds where there is none.

    Two are equal if their figures are, or both are NaN: not to be estimated twice is the same result.
    """

    value: float
    lower: float
    upper: float

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Estimate) and np.array_equal(astuple(self), astuple(other), equal_nan=True)

    def __hash__(self) -> int:
        return hash(tuple(None if np.isnan(figure) else figure for figure in astuple(self)))
