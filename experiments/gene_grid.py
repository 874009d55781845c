"""Genes by cancer types: the hazard ratios of a scan as a matrix, which of them count, and how genes group."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.cluster.hierarchy import cut_tree, leaves_list, linkage
from scipy.spatial.distance import squareform
from sklearn.metrics import adjusted_rand_score

from experiments.scan_rows import PER_SD, ScanTableError, rows_of_cut

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LEVEL = 0.05
METRICS = ("root mean square", "correlation")
METHODS = ("average", "complete", "single")
#: The metric that keeps size and sign, and the linkage between the extremes; `agreement_by_choice` shows the others.
METRIC, METHOD = METRICS[0], METHODS[0]
#: Of the columns, which two rows must share to be compared: those that few cohorts have would group by these few.
SMALLEST_SHARE = 0.5


@dataclass(frozen=True)
class GeneGrid:
    """Log2 hazard ratios of genes (rows) in cancer types (columns); every array has shape (n_genes, n_cancer_types).

    Parameters
    ----------
    genes, cancer_types : tuple of str
    endpoint, cut : str
    log2_hazard_ratio : array
        Above 0: higher expression is worse. NaN where the gene is absent or not estimable.
    p, q : array
        Of the same rows of the table.
    """

    genes: tuple[str, ...]
    cancer_types: tuple[str, ...]
    endpoint: str
    cut: str
    log2_hazard_ratio: Floats
    p: Floats
    q: Floats

    @property
    def tested(self) -> Bools:
        """Where there is an estimate."""
        return np.isfinite(self.log2_hazard_ratio)

    def significant(self, by: str = "q") -> Bools:
        """Where there is an estimate whose `by` (``p`` or ``q``) is below 0.05."""
        return self.tested & (np.nan_to_num({"p": self.p, "q": self.q}[by], nan=1.0) < LEVEL)

    def at(self, genes: Sequence[int], cancer_types: Sequence[int]) -> GeneGrid:
        """Return the grid of these rows and columns, in this order."""
        where = np.ix_(np.asarray(genes, dtype=np.intp), np.asarray(cancer_types, dtype=np.intp))
        return replace(
            self,
            genes=tuple(self.genes[row] for row in genes),
            cancer_types=tuple(self.cancer_types[column] for column in cancer_types),
            log2_hazard_ratio=self.log2_hazard_ratio[where],
            p=self.p[where],
            q=self.q[where],
        )


def gene_grid(table: pd.DataFrame, genes: Sequence[str], *, endpoint: str, cut: str = PER_SD) -> GeneGrid:
    """Arrange the rows of one endpoint and one way to cut as a matrix.

    Parameters
    ----------
    table : DataFrame
        The long table of a scan.
    genes : sequence of str
        The rows, in this order; a gene that no cohort has is a row without any estimate.
    endpoint : str
    cut : str
        At the optimal cut the hazard ratio is the shrunken one.

    Raises
    ------
    ScanTableError
        If the table has no row of them, or two of one gene and cancer type.
    """
    rows = rows_of_cut(table[(table["endpoint"] == endpoint) & table["gene"].isin(genes)], cut)
    if rows.empty:
        raise ScanTableError(
            f"hazard ratios: none of the {len(genes)} genes has a row for {endpoint} at the cut {cut!r}; scan them, or "
            "name others."
        )
    cancer_types = sorted(rows["cancer_type"].unique())

    where = (pd.Index(genes).get_indexer(rows["gene"]), pd.Index(cancer_types).get_indexer(rows["cancer_type"]))

    def matrix(column: str) -> Floats:
        values = np.full((len(genes), len(cancer_types)), np.nan)
        values[where] = rows[column].to_numpy(np.float64)
        return values

    return GeneGrid(
        genes=tuple(genes),
        cancer_types=tuple(cancer_types),
        endpoint=endpoint,
        cut=cut,
        log2_hazard_ratio=np.log2(matrix("hazard_ratio")),
        p=matrix("p"),
        q=matrix("q"),
    )


@dataclass(frozen=True)
class Tree:
    """A hierarchical clustering of the rows of a matrix.

    Parameters
    ----------
    rows : tuple of int
        The rows that could be clustered.
    left_out : tuple of int
        The others: too few values that they share with the rest.
    linkage : array, shape (n_rows - 1, 4)
        As scipy's ``linkage``.
    """

    rows: tuple[int, ...]
    left_out: tuple[int, ...]
    linkage: Floats

    @property
    def leaves(self) -> tuple[int, ...]:
        """The clustered rows in the order of the tree."""
        return tuple(self.rows[leaf] for leaf in leaves_list(self.linkage))


def cluster_rows(values: Floats, *, metric: str = METRIC, method: str = METHOD) -> Tree | None:
    r"""Cluster rows hierarchically, whatever values are missing; None where fewer than three can be.

    .. math::
        d(a, b) = \sqrt{\frac{1}{|K|} \sum_{k \in K} (x_{ak} - x_{bk})^2}
        \quad\text{or}\quad 1 - \mathrm{cor}_{k \in K}(x_{ak}, x_{bk})

    Parameters
    ----------
    values : array, shape (n_rows, n_columns)
        NaN where missing.
    metric : str
        One of ``METRICS``; :math:`K` are the columns in which both rows are known: at least half of all, and three for
        a correlation.
    method : str
        One of ``METHODS``.

    Notes
    -----
    Nothing is imputed. Rows are left out, the one with most undefined distances first, until every distance is known.
    Ward's method is no choice: its update assumes Euclidean distances, which these are not where values are missing.
    """
    distance = _distances(values, metric)
    kept = np.flatnonzero(np.isfinite(values).any(axis=1))
    while len(kept) and (undefined := ~np.isfinite(distance[np.ix_(kept, kept)])).any():
        kept = np.delete(kept, undefined.sum(axis=1).argmax())
    if len(kept) < 3:
        return None
    tree = linkage(squareform(distance[np.ix_(kept, kept)], checks=False), method=method, optimal_ordering=True)
    left_out = np.setdiff1d(np.arange(len(values)), kept)
    return Tree(tuple(kept.tolist()), tuple(left_out.tolist()), np.asarray(tree, dtype=np.float64))


def _distances(values: Floats, metric: str) -> Floats:
    fewest = max(1, math.ceil(SMALLEST_SHARE * values.shape[1]))
    if metric == METRICS[1]:
        similarity = pd.DataFrame(values.T).corr(min_periods=max(3, fewest)).to_numpy(np.float64, copy=True)
        np.fill_diagonal(similarity, 1.0)
        return np.asarray(1 - similarity, dtype=np.float64)
    squares = (values[:, None, :] - values[None, :, :]) ** 2
    shared = np.isfinite(squares).sum(axis=2)
    total = np.nansum(squares, axis=2)
    mean = np.divide(total, shared, out=np.full_like(total, np.nan), where=shared >= fewest)
    return np.asarray(np.sqrt(mean), dtype=np.float64)


def two_groups(grid: GeneGrid, tree: Tree) -> dict[str, int]:
    """Cut a tree of genes in two: group 1 is the one whose mean log2 hazard ratio is higher (the worse).

    Returns
    -------
    dict of int
        1 or 2 for each gene in the tree.
    """
    label = cut_tree(tree.linkage, n_clusters=2).ravel()
    means = [np.nanmean(grid.log2_hazard_ratio[np.array(tree.rows)[label == side]]) for side in (0, 1)]
    worse = int(np.argmax(means))
    return {grid.genes[row]: 1 if side == worse else 2 for row, side in zip(tree.rows, label, strict=True)}


def group_agreement(found: Mapping[str, int], declared: Mapping[str, int]) -> float:
    """Return the adjusted Rand index of two groupings over the genes that both have; NaN below two genes.

    References
    ----------
    Hubert L, Arabie P. Comparing partitions. J Classif 1985;2:193-218. doi:10.1007/BF01908075
    """
    both = [gene for gene in found if gene in declared]
    if len(both) < 2:
        return float("nan")
    return float(adjusted_rand_score([declared[gene] for gene in both], [found[gene] for gene in both]))


def agreement_by_choice(grids: Mapping[tuple[str, str, str], GeneGrid], declared: Mapping[str, int]) -> pd.DataFrame:
    """Return how the agreement with declared groups hangs on what is clustered, the metric and the linkage.

    Parameters
    ----------
    grids : dict of GeneGrid
        Under the choice of its cancer types, that of its genes, and its way to cut.
    declared : dict of int

    Returns
    -------
    DataFrame
        ``cancer_types``, ``genes``, ``cut``, ``metric``, ``method``, ``n_genes`` (that both groupings have),
        ``adjusted_rand_index`` (NaN where nothing could be clustered).
    """
    rows = []
    for (choice, grid), metric, method in product(grids.items(), METRICS, METHODS):
        tree = cluster_rows(grid.log2_hazard_ratio, metric=metric, method=method)
        found = two_groups(grid, tree) if tree is not None else {}
        shared = sum(gene in declared for gene in found)
        rows.append((*choice, metric, method, shared, group_agreement(found, declared)))
    columns = ["cancer_types", "genes", "cut", "metric", "method", "n_genes", "adjusted_rand_index"]
    return pd.DataFrame(rows, columns=columns)
