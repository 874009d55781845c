"""A figure with its interval."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval; NaN bounds where there is none."""

    value: float
    lower: float
    upper: float
