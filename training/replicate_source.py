"""What every bootstrap replicate of a model is made from, and how its patients are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.blend import Blend, FittedLearner, blended
from training.breslow import BaselineHazard
from training.penalised_cox import FittedCox
from training.procedure import FittedProcedure

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

#: By which the baseline of one cohort alone is known.
ALONE = ""


@dataclass(frozen=True, eq=False)
class ReplicateSource:
    """What every replicate is made from."""

    procedure: FittedProcedure
    X: Floats
    time: Floats
    event: NDArray[np.bool_]
    n_boosted: int
    seed: int
    prior_scale: float
    strata: NDArray[np.str_] | None = None

    @property
    def baselines(self) -> Mapping[str, BaselineHazard]:
        """The model's own, by cohort."""
        return self.procedure.baselines or {ALONE: self.procedure.baseline}

    def numbers(self, rows: Positions) -> NDArray[np.int64] | None:
        """Return the numbers of these patients' cohorts, None where none were pooled."""
        return None if self.strata is None else np.unique(self.strata[rows], return_inverse=True)[1].astype(np.int64)

    def sample(self, rng: np.random.Generator) -> Positions:
        """Draw patients with replacement, of pooled cohorts within each."""
        if self.strata is None:
            return np.sort(rng.integers(len(self.time), size=len(self.time)))
        members = [np.flatnonzero(self.strata == name) for name in self.baselines]
        return np.sort(np.concatenate([each[rng.integers(len(each), size=len(each))] for each in members]))

    @property
    def cox(self) -> FittedLearner:
        """The Cox part of the model; one that reads nothing where there is none."""
        fitted = self.procedure.fitted
        members = fitted.members if isinstance(fitted, Blend) else ((1.0, fitted),)
        linear = [(weight, each) for weight, each in members if isinstance(each.predictor, FittedCox)]
        folded = blended(linear)
        assert isinstance(folded, FittedLearner)  # noqa: S101
        return folded
