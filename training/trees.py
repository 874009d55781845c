"""Groups of boosted trees as plain arrays: what they predict of rows, and of rows as a model's replicates draw them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from training.tree_kernel import DEEPEST, add_leaves, add_leaves_of_draws, laid_out

if TYPE_CHECKING:
    import xgboost

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Integers = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Trees:
    """Groups of regression trees; the sum of a group's leaves is what the group predicts.

    A tree of depth d has all :math:`2^d - 1` nodes and :math:`2^d` leaves, level by level from left to right; where it
    ends earlier, nodes lead to the left and leaves repeat.

    Parameters
    ----------
    column : array of int, shape (n_nodes,)
        The covariate that a node compares; 0 where the tree has ended.
    threshold : array, shape (n_nodes,)
        At or above it the right child follows, below it the left one; NaN, which nothing is above, where the tree has
        ended.
    value : array, shape (n_leaves,)
    depth : array of int, shape (n_trees,)
    starts : array of int, shape (n_groups + 1,)
        The first tree of each group, and the number of trees.
    centre : array, shape (n_groups,)
        Subtracted from each group's sum.

    Raises
    ------
    ValueError
        If the arrays are no trees: compiled loops read whatever they point at.
    """

    column: Integers
    threshold: Singles
    value: Singles
    depth: Integers
    starts: Integers
    centre: Floats

    def __post_init__(self) -> None:
        fault = _fault(self)
        if fault is not None:
            raise ValueError(f"the arrays are no trees: {fault}")

    @property
    def n_groups(self) -> int:
        """How many sums there are of a row."""
        return len(self.centre)

    @property
    def columns(self) -> NDArray[np.intp]:
        """The covariates that any node compares, in order."""
        return np.unique(self.column[~np.isnan(self.threshold)]).astype(np.intp)

    def margins(self, X: Floats) -> Floats:
        """Return each row's sum of each group, shape (n_rows, n_groups).

        Parameters
        ----------
        X : array, shape (n_rows, n_covariates)
            No value missing; compared as float32, as xgboost does.

        Notes
        -----
        Leaves are added in the trees' order, row by row: a row alone has the same sum to the bit as among many.
        """
        sums = np.empty((len(X), self.n_groups))
        add_leaves(self._narrowed(X), self.column, self.threshold, self.value, self.depth, self.starts, sums)
        return np.asarray(sums - self.centre)

    def margins_of_draws(self, X: Singles, group: Integers) -> Floats:
        """Return each row's sum of a draw's own group, shape (n_rows, n_draws).

        Parameters
        ----------
        X : array, shape (n_draws, n_rows, n_covariates)
            The rows as each draw has them.
        group : array of int, shape (n_draws,)
        """
        if len(group) and not 0 <= group.min() <= group.max() < self.n_groups:
            raise ValueError(f"there are {self.n_groups} groups, but group {group.max()} is asked for")
        sums = np.empty((X.shape[1], len(group)))
        nodes, leaves = self._offsets
        trees = (self.column, self.threshold, self.value, self.depth, self.starts)
        add_leaves_of_draws(self._narrowed(X), group, *trees, nodes, leaves, sums)
        return np.asarray(sums - self.centre[group])

    def parted(self, columns: NDArray[np.intp]) -> tuple[Trees, Trees]:
        """Return the trees that compare any of these covariates, with centre 0, and all others; the groups stay."""
        compares = np.isin(self.column, columns) & ~np.isnan(self.threshold)
        of_node = np.repeat(np.arange(len(self.depth)), np.diff(self._offsets[0]))
        chosen = np.bincount(of_node, compares, minlength=len(self.depth)) > 0
        return replace(self._only(chosen), centre=np.zeros(self.n_groups)), self._only(~chosen)

    def _only(self, chosen: NDArray[np.bool_]) -> Trees:
        nodes, leaves = (np.repeat(chosen, np.diff(offsets)) for offsets in self._offsets)
        before = np.concatenate([[0], np.cumsum(chosen)])
        return Trees(
            column=self.column[nodes],
            threshold=self.threshold[nodes],
            value=self.value[leaves],
            depth=self.depth[chosen],
            starts=before[self.starts].astype(np.int32),
            centre=self.centre,
        )

    @cached_property
    def _offsets(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the nodes and the leaves of each tree begin, and where the last ones end."""
        leaves = np.concatenate([[0], np.cumsum(2 ** self.depth.astype(np.int64))])
        return leaves - np.arange(len(leaves)), leaves

    def _narrowed(self, X: Floats | Singles) -> Singles:
        if len(self.column) and X.shape[-1] <= self.column.max():
            raise ValueError(f"trees compare covariate {self.column.max()}, but there are only {X.shape[-1]}")
        return np.ascontiguousarray(X, dtype=np.float32)


def trees_of(booster: xgboost.Booster, *, columns: NDArray[np.intp], factor: float) -> Trees:
    """Return a booster's trees as one group with centre 0.

    Parameters
    ----------
    booster : Booster
        Of trees with one numeric comparison a node.
    columns : array of int
        What the booster's covariates are called by the rows that will be asked for.
    factor : float
        Multiplies every leaf.

    Raises
    ------
    TreesError
        If a tree has more than `DEEPEST` levels of nodes.
    """
    model = json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]["model"]
    each = [laid_out(tree) for tree in model["trees"]]
    return Trees(
        column=columns[np.concatenate([column for column, _, _ in each])].astype(np.int32),
        threshold=np.concatenate([threshold for _, threshold, _ in each]),
        value=(factor * np.concatenate([value for _, _, value in each])).astype(np.float32),
        depth=np.array([len(value).bit_length() - 1 for _, _, value in each], dtype=np.int32),
        starts=np.array([0, len(each)], dtype=np.int32),
        centre=np.zeros(1),
    )


def in_one_group(parts: Sequence[Trees], centre: float) -> Trees:
    """Return all trees as one group, whose sum is that of the parts."""
    together = side_by_side(parts)
    starts = np.array([0, len(together.depth)], dtype=np.int32)
    return replace(together, starts=starts, centre=np.array([centre]))


def side_by_side(parts: Sequence[Trees]) -> Trees:
    """Return the groups of several, one after another."""
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _JOINED}
    before = np.cumsum([0, *(len(part.depth) for part in parts)])
    ends = [part.starts[1:] + first for part, first in zip(parts, before.tolist(), strict=False)]
    return Trees(**joined, starts=np.concatenate([[0], *ends]).astype(np.int32))


_JOINED = tuple(field.name for field in fields(Trees) if field.name != "starts")


def _fault(trees: Trees) -> str | None:
    """Say what would lead a compiled loop astray; None where nothing would."""
    depth, starts = trees.depth.astype(np.int64), trees.starts
    if not ((depth >= 0) & (depth <= DEEPEST)).all():
        return "a depth is none"
    n_leaves = int((2**depth).sum())
    if (len(trees.value), len(trees.column), len(trees.threshold)) != (n_leaves, *[n_leaves - len(depth)] * 2):
        return "nodes, leaves and depths differ in number"
    if (trees.column < 0).any():
        return "a node compares no covariate"
    if (
        len(starts) != len(trees.centre) + 1
        or starts[0] != 0
        or starts[-1] != len(depth)
        or (np.diff(starts) < 0).any()
    ):
        return "groups are out of order"
    if not (np.isfinite(trees.value).all() and np.isfinite(trees.centre).all()):
        return "a value is not finite"
    return None
