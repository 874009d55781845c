"""Bootstrap replicates of a model: what it might have been, had other patients been enrolled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.band_kernel import add_products
from training.trees import Trees

Floats = NDArray[np.float64]

#: In the file, what belongs to the trees is called so.
TREES = "trees."


@dataclass(frozen=True, eq=False)
class Replicates:
    """The same procedure on bootstrap samples of the patients: feature state and parameters kept, all else refitted.

    Parameters
    ----------
    slope : array, shape (n_replicates,)
        Recalibration of the out-of-fold linear predictors in each sample, not below 0.
    columns : array of int, shape (n_used,)
        The covariates of the model's Cox part.
    means : array, shape (n_used,)
        Of the model itself: every replicate gives the mean patient 0.
    coefficients : array, shape (n_replicates, n_used)
        Log hazard ratios per unit, before the slope.
    log_baseline : array, shape (n_replicates, n_days)
        Log cumulative baseline hazard at the days of the model's own; see `training.refitting`.
    trees : Trees or None
        The boosted part of the first replicates, one group a replicate, weights included; they take turns, so that
        replicate r has those of replicate r modulo their number.
    redrawn : int
        Samples that could not be fitted and were drawn anew.

    Raises
    ------
    ValueError
        If the shapes contradict each other.
    """

    slope: Floats
    columns: NDArray[np.intp]
    means: Floats
    coefficients: Floats
    log_baseline: Floats
    trees: Trees | None = None
    redrawn: int = 0

    def __post_init__(self) -> None:
        n, used = len(self.slope), len(self.columns)
        if self.coefficients.shape != (n, used) or self.means.shape != (used,) or len(self.log_baseline) != n:
            raise ValueError("the arrays of the replicates differ in length")
        if n < 2 or not all(np.isfinite(part).all() for part in (self.slope, self.coefficients, self.log_baseline)):
            raise ValueError("replicates are two or more, and finite")
        if used and self.columns.min() < 0:
            raise ValueError(f"the replicates read a covariate {self.columns.min()}")

    def __len__(self) -> int:
        return len(self.slope)

    def linear_predictors(self, X: Floats) -> Floats:
        """Return the recalibrated log relative hazard by each replicate, shape (n_patients, n_replicates).

        Parameters
        ----------
        X : array, shape (n_patients, n_covariates)
            The model's covariates, none missing.

        Returns
        -------
        array, shape (n_patients, n_replicates)
            Higher is worse; a row alone has the same figures to the bit as among many.
        """
        sums = self.cox_part(X)
        if self.trees is not None:
            sums += self.trees.margins(X)[:, self.turn]
        return np.asarray(sums * self.slope)

    def cox_part(self, X: Floats) -> Floats:
        """Return the Cox part of the linear predictors before the slope, shape (n_patients, n_replicates)."""
        if len(self.columns) and X.shape[1] <= self.columns.max():
            raise ValueError(f"the replicates read covariate {self.columns.max()}, but there are only {X.shape[1]}")
        sums = np.zeros((len(X), len(self)))
        add_products(np.ascontiguousarray(X), self.columns, self.means, self.by_covariate, sums)
        return sums

    @cached_property
    def by_covariate(self) -> Floats:
        """The coefficients with one row a covariate, as the compiled loop reads them."""
        return np.ascontiguousarray(self.coefficients.T)

    @cached_property
    def turn(self) -> NDArray[np.int32]:
        """Which group of trees each replicate has, shape (n_replicates,)."""
        n_groups = 1 if self.trees is None else self.trees.n_groups
        return (np.arange(len(self)) % n_groups).astype(np.int32)

    def arrays(self) -> dict[str, Any]:
        """Return everything as arrays by name, for a file."""
        own: dict[str, Any] = {f.name: np.asarray(getattr(self, f.name)) for f in fields(self) if f.name != "trees"}
        own["columns"] = self.columns.astype(np.int32)
        if self.trees is not None:
            own |= {TREES + f.name: getattr(self.trees, f.name) for f in fields(self.trees)}
        return own

    @classmethod
    def of(cls, arrays: Mapping[str, Any]) -> Replicates:
        """Return the replicates that `arrays` wrote; a KeyError, TypeError or ValueError where they are none."""
        own = {name: value for name, value in arrays.items() if not name.startswith(TREES)}
        trees = {name.removeprefix(TREES): value for name, value in arrays.items() if name.startswith(TREES)}
        own |= {"columns": own["columns"].astype(np.intp), "redrawn": int(own["redrawn"])}
        return cls(**own, trees=Trees(**trees) if trees else None)
