"""A booster as plain arrays: its margins to the bit and its Shapley values, without a call into xgboost."""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from training.boosted import FittedBooster
from training.compiled import compiled
from training.tree_kernel import DEEPEST, laid_out

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Integers = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class CompiledBooster:
    """Boosted trees, complete and level by level (see `training.tree_kernel.laid_out`).

    Parameters
    ----------
    sign, centre : float
        As in `training.boosted.FittedBooster`: they make the margin a log relative hazard.
    base : float
        The margin before the first tree, in single precision.
    column, threshold : arrays, shape (n_nodes,)
    left_share : array, shape (n_nodes,)
        Of the training weight that reaches a node, the share that goes left.
    value : array, shape (n_leaves,)
    depth : array of int, shape (n_trees,)
    """

    sign: float
    centre: float
    base: np.float32
    column: Integers
    threshold: Singles
    left_share: Floats
    value: Singles
    depth: Integers

    @classmethod
    def of(cls, fitted: FittedBooster) -> CompiledBooster:
        """Lay a booster out, at the first call.

        Raises
        ------
        TreesError
            If a tree has more than `training.tree_kernel.DEEPEST` levels of nodes.
        IndexError, KeyError, TypeError, ValueError
            If what a bundle holds is no booster.
        """
        found = _LAID_OUT.get(fitted)
        if found is None:
            found = _LAID_OUT[fitted] = cls._laid_out(fitted)
        return found

    @classmethod
    def _laid_out(cls, fitted: FittedBooster) -> CompiledBooster:
        learner = fitted.learner
        trees = learner["gradient_booster"]["model"]["trees"]
        each = [laid_out(tree) for tree in trees]
        stated = learner["learner_model_param"]["base_score"].strip("[]")
        return cls(
            sign=-1.0 if fitted.objective == "aft" else 1.0,
            centre=fitted.centre,
            # Either objective's score is the exponential of its margin.
            base=np.float32(math.log(np.float32(stated))),
            column=np.concatenate([column for column, _, _ in each]).astype(np.int32),
            threshold=np.concatenate([threshold for _, threshold, _ in each]),
            left_share=np.concatenate([_left_shares(tree) for tree in trees]),
            value=np.concatenate([value for _, _, value in each]),
            depth=np.array([len(value).bit_length() - 1 for _, _, value in each], dtype=np.int32),
        )

    def linear_predictor(self, X: Floats) -> Floats:
        """Return what `FittedBooster.linear_predictor` does, to the bit."""
        margins = np.empty(len(X), dtype=np.float32)
        _margins(X.astype(np.float32), self.column, self.threshold, self.value, self.depth, self.base, margins)
        return np.asarray(self.sign * margins.astype(np.float64) - self.centre)

    def contributions(self, X: Floats) -> tuple[Floats, float]:
        r"""Return each covariate's Shapley value, shape as `X`, and what is left: the trees' own mean.

        .. math:: f(x) = E_\emptyset + \sum_j \phi_j

        where :math:`E_S` goes, at a node whose covariate is not in :math:`S`, both ways, by the training weight.

        References
        ----------
        Lundberg SM et al. (2020), doi 10.1038/s42256-019-0138-9: TreeSHAP, path-dependent.
        """
        values = np.zeros(X.shape)
        expected = np.zeros(1)
        _shapley(
            X.astype(np.float32),
            self.column,
            self.threshold,
            self.left_share,
            self.value,
            self.depth,
            _WEIGHTS,
            values,
            expected,
        )
        return self.sign * values, float(self.sign * (float(self.base) + expected[0]) - self.centre)


_LAID_OUT: WeakKeyDictionary[FittedBooster, CompiledBooster] = WeakKeyDictionary()


def _left_shares(tree: dict[str, Any]) -> Floats:
    """Return the shares level by level, 1 where the tree itself has ended."""
    children = np.array([tree["left_children"], tree["right_children"]])
    weight = np.array(tree["sum_hessian"], dtype=np.float64)
    level, shares = np.zeros(1, dtype=np.intp), [np.zeros(0)]
    while (goes_on := children[0, level] >= 0).any():
        shares.append(np.where(goes_on, weight[children[0, level]] / weight[level], 1.0))
        level = np.where(goes_on, children[:, level], level).T.ravel()
    return np.concatenate(shares)


def _shapley_weights() -> Floats:
    """Return s! (d - 1 - s)! / d! by d and s: how often a player comes after s given others of d in all."""
    weights = np.zeros((DEEPEST + 2, DEEPEST + 2))
    for d in range(1, DEEPEST + 2):
        weights[d, 0] = 1.0 / d
        for s in range(1, d):
            weights[d, s] = weights[d, s - 1] * s / (d - s)
    return weights


_WEIGHTS = _shapley_weights()


@compiled
def _margins(X, column, threshold, value, depth, base, margins):  # type: ignore[no-untyped-def] # noqa: PLR0917
    """Add up each row's leaves in the trees' order and in single precision, as xgboost does."""
    for row in range(X.shape[0]):
        total = np.float32(base)
        node, leaf = 0, 0
        for tree in range(depth.size):
            place = 0
            for _ in range(depth[tree]):
                right = X[row, column[node + place]] >= threshold[node + place]
                place = 2 * place + 1 + int(right)
            total = np.float32(total + value[leaf + place + 1 - (1 << depth[tree])])
            node += (1 << depth[tree]) - 1
            leaf += 1 << depth[tree]
        margins[row] = total


@compiled
def _shapley(X, column, threshold, left_share, value, depth, weights, values, expected):  # type: ignore[no-untyped-def] # noqa: PLR0917
    """Add each leaf's share to the covariates on its path; `expected` is the trees' mean."""
    deepest = weights.shape[0]
    path = np.empty(deepest, dtype=np.int64)
    given, absent, others = np.empty(deepest), np.empty(deepest), np.empty(deepest)
    for row in range(X.shape[0]):
        node, first = 0, 0
        for tree in range(depth.size):
            for leaf in range(1 << depth[tree]):
                n, reach = 0, 1.0
                for level in range(depth[tree]):
                    place = node + (1 << level) - 1 + (leaf >> (depth[tree] - level))
                    to_right = (leaf >> (depth[tree] - level - 1)) & 1
                    goes_right = X[row, column[place]] >= threshold[place]
                    share = 1.0 - left_share[place] if to_right else left_share[place]
                    follows = 1.0 if int(goes_right) == to_right else 0.0
                    reach *= share
                    k = 0
                    while k < n and path[k] != column[place]:
                        k += 1
                    if k == n:
                        path[n], given[n], absent[n] = column[place], follows, share
                        n += 1
                    else:
                        given[k] *= follows
                        absent[k] *= share
                if row == 0:
                    expected[0] += value[first + leaf] * reach
                _add_path(path, given, absent, others, n, weights, value[first + leaf], values[row])
            node += (1 << depth[tree]) - 1
            first += 1 << depth[tree]


@compiled(inline="always")
def _add_path(path, given, absent, others, n, weights, leaf, values):  # type: ignore[no-untyped-def] # noqa: PLR0917
    """Add a leaf's Shapley values: `others[s]` sums the products over sets of s of the other covariates."""
    for k in range(n):
        difference = given[k] - absent[k]
        if difference == 0.0:
            continue
        others[0] = 1.0
        size = 0
        for m in range(n):
            if m == k:
                continue
            others[size + 1] = others[size] * given[m]
            for s in range(size, 0, -1):
                others[s] = others[s] * absent[m] + others[s - 1] * given[m]
            others[0] *= absent[m]
            size += 1
        total = 0.0
        for s in range(size + 1):
            total += weights[n, s] * others[s]
        values[path[k]] += leaf * difference * total
