"""Boosted trees as plain arrays, groups of them, and the compiled loop that adds up their leaves."""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from features.errors import PrognosisError
from training.compiled import compiled

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Integers = NDArray[np.int32]

#: Rows that go through a tree before the next tree: they and the tree stay in a core's nearest cache.
BLOCK = 256
#: Deeper trees are not laid out: each level doubles their size.
DEEPEST = 12


class TreesError(PrognosisError):
    """Trees are too deep to be kept by the hundred."""


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
        _add_leaves(self._narrowed(X), self.column, self.threshold, self.value, self.depth, self.starts, sums)
        return np.asarray(sums - self.centre)

    def margins_of(self, X: Floats | Singles, group: Integers) -> Floats:
        """Return each row's sum of its own group, shape (n_rows,).

        Parameters
        ----------
        X : array, shape (n_rows, n_covariates)
        group : array of int, shape (n_rows,)
        """
        if len(group) and not 0 <= group.min() <= group.max() < self.n_groups:
            raise ValueError(f"there are {self.n_groups} groups, but group {group.max()} is asked for")
        sums = np.zeros(len(X))
        narrowed, each = self._narrowed(X), np.argsort(group, kind="stable")
        for number in np.unique(group):
            rows = each[np.searchsorted(group[each], number) : np.searchsorted(group[each], number, side="right")]
            sums[rows] = self._only(int(number), narrowed[rows])
        return np.asarray(sums - self.centre[group])

    def _only(self, group: int, X: Singles) -> Floats:
        first, last = self.starts[group], self.starts[group + 1]
        nodes, leaves = self._offsets
        sums = np.empty((len(X), 1))
        _add_leaves(
            X,
            self.column[nodes[first] : nodes[last]],
            self.threshold[nodes[first] : nodes[last]],
            self.value[leaves[first] : leaves[last]],
            self.depth[first:last],
            np.array([0, last - first], dtype=np.int32),
            sums,
        )
        return sums[:, 0]

    @cached_property
    def _offsets(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the nodes and the leaves of each tree begin, and where the last ones end."""
        leaves = np.concatenate([[0], np.cumsum(2 ** self.depth.astype(np.int64))])
        return leaves - np.arange(len(leaves)), leaves

    def _narrowed(self, X: Floats | Singles) -> Singles:
        if len(self.column) and X.shape[1] <= self.column.max():
            raise ValueError(f"trees compare covariate {self.column.max()}, but there are only {X.shape[1]}")
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


def laid_out(tree: dict[str, Any]) -> tuple[NDArray[np.intp], Singles, Singles]:
    """Return a tree's columns and thresholds level by level, and its leaves' values.

    Parameters
    ----------
    tree : mapping
        As xgboost writes it in JSON.

    Returns
    -------
    columns, thresholds : arrays, shape (2**depth - 1,)
        Of a complete tree, level by level; where the tree itself ends earlier, the threshold is NaN and the left child
        is what follows.
    values : array, shape (2**depth,)

    Raises
    ------
    TreesError
        If the tree has more than `DEEPEST` levels of nodes.
    """
    children = np.array([tree["left_children"], tree["right_children"]])
    stated, split = np.array(tree["split_conditions"], dtype=np.float32), np.array(tree["split_indices"], dtype=np.intp)
    level, columns, thresholds = np.zeros(1, dtype=np.intp), [split[:0]], [stated[:0]]
    while (goes_on := children[0, level] >= 0).any():
        columns.append(np.where(goes_on, split[level], 0))
        thresholds.append(np.where(goes_on, stated[level], np.float32(np.nan)))
        level = np.where(goes_on, children[:, level], level).T.ravel()
        if len(columns) > DEEPEST + 1:
            raise TreesError(f"trees of more than {DEEPEST} levels are not kept by the hundred; lower max_depth.")
    return np.concatenate(columns), np.concatenate(thresholds), stated[level]


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


@compiled
def _add_leaves(X, column, threshold, value, depth, starts, sums):  # type: ignore[no-untyped-def] # noqa: PLR0917
    """Write the sum of the leaves that each row reaches in each group's trees."""
    block = np.empty((X.shape[1], min(BLOCK, X.shape[0])), dtype=np.float32)
    leaf = np.empty(block.shape[1], dtype=np.float64)
    for first in range(0, X.shape[0], BLOCK):
        size = min(BLOCK, X.shape[0] - first)
        for row in range(size):
            for j in range(X.shape[1]):
                block[j, row] = X[first + row, j]
        node, end = 0, 0
        for group in range(starts.size - 1):
            for row in range(size):
                leaf[row] = 0.0
            for tree in range(starts[group], starts[group + 1]):
                if depth[tree] == 3:
                    _add_tree_of_three(block, size, column, threshold, value, node, end, leaf)
                elif depth[tree] == 2:
                    _add_tree_of_two(block, size, column, threshold, value, node, end, leaf)
                else:
                    _add_tree(block, size, column, threshold, value, node, end, depth[tree], leaf)
                end += 1 << depth[tree]
                node += (1 << depth[tree]) - 1
            for row in range(size):
                sums[first + row, group] = leaf[row]


@compiled(inline="always")
def _add_tree_of_three(block, size, column, threshold, value, node, end, leaf):  # type: ignore[no-untyped-def] # noqa: PLR0917
    """Add the leaf of a tree of depth 3 that each row reaches, without a jump: several rows at a time."""
    a, b, c, d = column[node], column[node + 1], column[node + 2], column[node + 3]
    e, f, g = column[node + 4], column[node + 5], column[node + 6]
    at_a, at_b, at_c, at_d = threshold[node], threshold[node + 1], threshold[node + 2], threshold[node + 3]
    at_e, at_f, at_g = threshold[node + 4], threshold[node + 5], threshold[node + 6]
    v0, v1, v2, v3 = value[end], value[end + 1], value[end + 2], value[end + 3]
    v4, v5, v6, v7 = value[end + 4], value[end + 5], value[end + 6], value[end + 7]
    for row in range(size):
        lowest = v1 if block[d, row] >= at_d else v0
        low = v3 if block[e, row] >= at_e else v2
        high = v5 if block[f, row] >= at_f else v4
        highest = v7 if block[g, row] >= at_g else v6
        left = low if block[b, row] >= at_b else lowest
        right = highest if block[c, row] >= at_c else high
        leaf[row] += right if block[a, row] >= at_a else left


@compiled(inline="always")
def _add_tree_of_two(block, size, column, threshold, value, node, end, leaf):  # type: ignore[no-untyped-def] # noqa: PLR0917
    """Add the leaf of a tree of depth 2 that each row reaches, without a jump: several rows at a time."""
    a, b, c = column[node], column[node + 1], column[node + 2]
    at_a, at_b, at_c = threshold[node], threshold[node + 1], threshold[node + 2]
    v0, v1, v2, v3 = value[end], value[end + 1], value[end + 2], value[end + 3]
    for row in range(size):
        left = v1 if block[b, row] >= at_b else v0
        right = v3 if block[c, row] >= at_c else v2
        leaf[row] += right if block[a, row] >= at_a else left


@compiled(inline="always")
def _add_tree(block, size, column, threshold, value, node, end, depth, leaf):  # type: ignore[no-untyped-def] # noqa: PLR0917
    """Add the leaf of a tree of any depth that each row reaches."""
    for row in range(size):
        place = 0
        for _ in range(depth):
            right = block[column[node + place], row] >= threshold[node + place]
            place = 2 * place + 1 + int(right)
        leaf[row] += value[end + place + 1 - (1 << depth)]
