"""Fitted learners and their weighted sums, with one call for a linear predictor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from training.boosted import FittedBooster
from training.penalised_cox import FittedCox

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FittedLearner:
    """A fitted learner and the columns of the feature state that it reads.

    Parameters
    ----------
    columns : array of int, shape (n_used,)
    predictor : FittedCox or FittedBooster
    shared_weight : float
        What a linear predictor shared with other cancer types counts, per standard deviation; 0 where none is.
    """

    columns: NDArray[np.intp]
    predictor: FittedCox | FittedBooster
    shared_weight: float = 0.0

    def linear_predictor(self, X: Floats) -> Floats:
        """Return the log relative hazard against the training mean, shape (n_patients,); higher is worse."""
        return self.predictor.linear_predictor(X[:, self.columns])


@dataclass(frozen=True, eq=False)
class Blend:
    """A weighted sum of fitted learners.

    Parameters
    ----------
    members : tuple of (weight, FittedLearner)
    """

    members: tuple[tuple[float, FittedLearner], ...]

    @cached_property
    def columns(self) -> NDArray[np.intp]:
        """The columns that any member reads."""
        return np.unique(np.concatenate([learner.columns for _, learner in self.members])).astype(np.intp)

    @property
    def shared_weight(self) -> float:
        """What the shared linear predictor counts in the sum."""
        return sum(weight * learner.shared_weight for weight, learner in self.members)

    def linear_predictor(self, X: Floats) -> Floats:
        """Return the log relative hazard against the training mean, shape (n_patients,); higher is worse."""
        total = np.zeros(len(X))
        for weight, learner in self.members:
            total += weight * learner.linear_predictor(X)
        return total


def blended(members: Sequence[tuple[float, FittedLearner | Blend]]) -> FittedLearner | Blend:
    """Return a weighted sum, its Cox models folded into one.

    Parameters
    ----------
    members : sequence of (weight, FittedLearner or Blend)
        At least one; members of weight 0 are left out unless nothing else is there.
    """
    flat = [part for weight, member in members for part in _parts(weight, member)]
    cox = [(w, each) for w, each in flat if isinstance(each.predictor, FittedCox)]
    others = [(w, each) for w, each in flat if w != 0 and not isinstance(each.predictor, FittedCox)]
    folded = _folded(cox)
    if not others:
        return folded
    linear = [(1.0, folded)] if len(folded.columns) else []
    return Blend((*linear, *others))


def _parts(weight: float, member: FittedLearner | Blend) -> list[tuple[float, FittedLearner]]:
    if isinstance(member, FittedLearner):
        return [(weight, member)]
    return [(weight * w, each) for w, each in member.members]


def _folded(members: Sequence[tuple[float, FittedLearner]]) -> FittedLearner:
    """Return the one Cox model that a weighted sum of Cox models is."""
    kept = [(w, each) for w, each in members if w != 0]
    if not kept:
        return FittedLearner(np.array([], dtype=np.intp), FittedCox(np.zeros(0), np.zeros(0)))
    columns = np.unique(np.concatenate([each.columns for _, each in kept])).astype(np.intp)
    coefficients, means = np.zeros(len(columns)), np.zeros(len(columns))
    for weight, each in kept:
        assert isinstance(each.predictor, FittedCox)  # noqa: S101
        at = np.searchsorted(columns, each.columns)
        coefficients[at] += weight * each.predictor.coefficients
        means[at] = each.predictor.means  # of the same training patients, so equal for all
    shared = sum(w * each.shared_weight for w, each in kept)
    return FittedLearner(columns, FittedCox(coefficients, means), shared_weight=shared)
