"""Trees level by level, as arrays that compiled loops read, and the loops that add up their leaves."""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.errors import PrognosisError
from training.compiled import compiled

Singles = NDArray[np.float32]

#: Rows that go through a tree before the next tree: they and the tree stay in a core's nearest cache.
BLOCK = 256
#: Deeper trees are not laid out: each level doubles their size.
DEEPEST = 12


class TreesError(PrognosisError):
    """Trees are too deep to be kept by the hundred."""


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


@compiled
def add_leaves(X, column, threshold, value, depth, starts, sums):  # type: ignore[no-untyped-def] # noqa: PLR0917
    """Write the sum of the leaves that each row reaches in each group's trees."""
    block = np.empty((X.shape[1], min(BLOCK, X.shape[0])), dtype=np.float32)
    leaf = np.empty(block.shape[1], dtype=np.float64)
    for first in range(0, X.shape[0], BLOCK):
        size = _lay_out(X, first, block)
        node, end = 0, 0
        for group in range(starts.size - 1):
            a, z = starts[group], starts[group + 1]
            node, end = _add_group(block, size, column, threshold, value, depth, a, z, node, end, leaf)
            for row in range(size):
                sums[first + row, group] = leaf[row]


@compiled
def add_leaves_of_draws(X, group, column, threshold, value, depth, starts, nodes, leaves, sums):  # type: ignore[no-untyped-def] # noqa: PLR0917
    """Write the sum of the leaves that each row of each draw reaches in the trees of the draw's group."""
    block = np.empty((X.shape[2], min(BLOCK, X.shape[1])), dtype=np.float32)
    leaf = np.empty(block.shape[1], dtype=np.float64)
    for draw in range(X.shape[0]):
        a, z = starts[group[draw]], starts[group[draw] + 1]
        for first in range(0, X.shape[1], BLOCK):
            size = _lay_out(X[draw], first, block)
            _add_group(block, size, column, threshold, value, depth, a, z, nodes[a], leaves[a], leaf)
            for row in range(size):
                sums[first + row, draw] = leaf[row]


@compiled
def _lay_out(X, first, block):  # type: ignore[no-untyped-def]
    """Write a block of rows with one covariate after another, and return how many they are."""
    size = min(block.shape[1], X.shape[0] - first)
    for row in range(size):
        for j in range(X.shape[1]):
            block[j, row] = X[first + row, j]
    return size


@compiled
def _add_group(block, size, column, threshold, value, depth, first, last, node, end, leaf):  # type: ignore[no-untyped-def] # noqa: PLR0917
    """Write the sum over a group's trees, of which the first one's nodes and leaves begin at `node` and `end`."""
    for row in range(size):
        leaf[row] = 0.0
    for tree in range(first, last):
        if depth[tree] == 3:
            _add_tree_of_three(block, size, column, threshold, value, node, end, leaf)
        elif depth[tree] == 2:
            _add_tree_of_two(block, size, column, threshold, value, node, end, leaf)
        else:
            _add_tree(block, size, column, threshold, value, node, end, depth[tree], leaf)
        end += 1 << depth[tree]
        node += (1 << depth[tree]) - 1
    return node, end


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
