"""Linear predictors of the replicates for patients who lack genes: each replicate draws what is not known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from features.transform import DerivedTerm, FeatureState
from training.band_kernel import add_products
from training.replicates import Replicates
from training.trees import Trees

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Of the draws: the same for every patient and every answer.
SEED = 20231
#: Patterns of missing genes whose draws are kept: a site's profiles mostly lack the same genes.
PATTERNS_KEPT = 64
#: Numbers in one block of drawn rows: 16 MiB.
BLOCK_SIZE = 2**22


@dataclass(frozen=True, eq=False)
class _Pattern:
    """What the replicates draw for one set of missing genes.

    Parameters
    ----------
    offset : array, shape (n_replicates,)
        What is added to the Cox part of every patient.
    sides : tuple of tuple of int
        Genes whose mean score multiplies a row of `factors`: of products of which a side was drawn.
    factors : array, shape (n_sides, n_replicates)
    drawn : array, shape (n_replicates, n_genes)
        Added to each gene's score; 0 where it is known.
    columns : array of int
        The covariates that the draws change.
    parted : tuple of Trees or None
        The trees that compare any of these, and the others; None where no tree does.
    """

    offset: Floats
    sides: tuple[tuple[int, ...], ...]
    factors: Floats
    drawn: Floats
    columns: NDArray[np.intp]
    parted: tuple[Trees, Trees] | None


@dataclass(frozen=True, eq=False)
class MissingGenes:
    r"""Replicates of a model together with the feature state that says what is known of a missing gene.

    For replicate :math:`r` the missing normal scores of a patient are

    .. math:: z_m^{(r)} = \mathrm{E}[z_m \mid z_k] + L u_m^{(r)}, \quad
        L L^\top = \Sigma_{mm} - \Sigma_{mk} \Sigma_{kk}^{-1} \Sigma_{km}

    with fixed standard normal :math:`u`, so that equal profiles have equal answers.

    Parameters
    ----------
    replicates : Replicates
    features : FeatureState

    Notes
    -----
    The draws' distribution depends on which genes are missing, not on the values of the others. Cox models of genes,
    cluster scores and the like therefore shift by one number a replicate; a product of two means by two numbers times
    the patient's own means; trees are asked about every draw.
    """

    replicates: Replicates
    features: FeatureState

    def linear_predictors(self, X: Floats, missing: Bools) -> Floats:
        """Return the recalibrated log relative hazard by each replicate, shape (n_patients, n_replicates).

        Parameters
        ----------
        X : array, shape (n_patients, n_covariates)
            The model's covariates, missing genes at their conditional mean, as `FeatureState.transform` has them.
        missing : array of bool, shape (n_patients, n_genes)
            Which of the feature state's genes each patient lacks.

        Returns
        -------
        array, shape (n_patients, n_replicates)
            Higher is worse; a row alone has the same figures to the bit as among many.
        """
        lacking = missing.any(axis=1)
        if not lacking.any():
            return self.replicates.linear_predictors(X)
        answers = np.empty((len(X), len(self.replicates)))
        answers[~lacking] = self.replicates.linear_predictors(X[~lacking])
        packed = np.packbits(missing, axis=1)
        patterns, which = np.unique(packed[lacking], axis=0, return_inverse=True)
        order = np.argsort(which, kind="stable")
        alike = np.split(np.flatnonzero(lacking)[order], np.flatnonzero(np.diff(which[order])) + 1)
        for pattern, rows in zip(patterns, alike, strict=True):
            answers[rows] = self._of_pattern(X[rows], pattern.tobytes())
        return answers

    def _of_pattern(self, X: Floats, packed: bytes) -> Floats:
        pattern = self._patterns(packed)
        sums = self.replicates.cox_part(X) + pattern.offset
        if pattern.sides:
            means = np.column_stack([_mean_of([X[:, gene] for gene in side]) for side in pattern.sides])
            nothing = np.zeros(len(pattern.sides))
            add_products(np.ascontiguousarray(means), np.arange(len(nothing)), nothing, pattern.factors, sums)
        if self.replicates.trees is not None:
            sums += self._tree_part(self.replicates.trees, X, pattern)
        return np.asarray(sums * self.replicates.slope)

    @cached_property
    def _patterns(self) -> Callable[[bytes], _Pattern]:
        return lru_cache(maxsize=PATTERNS_KEPT)(self._pattern)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {gene: j for j, gene in enumerate(self.features.genes)}

    @cached_property
    def _normals(self) -> Floats:
        size = (len(self.replicates), len(self.features.genes))
        return np.random.default_rng(SEED).standard_normal(size)

    def _pattern(self, packed: bytes) -> _Pattern:
        n_genes = len(self.features.genes)
        missing = np.unpackbits(np.frombuffer(packed, dtype=np.uint8), count=n_genes).astype(np.bool_)
        drawn = np.zeros((len(self.replicates), n_genes))
        drawn[:, missing] = self._normals[:, missing] @ conditional_root(self.features.correlation, missing).T
        columns = self._drawn_columns(missing)
        trees = self.replicates.trees
        compared = trees is not None and bool(np.isin(columns, trees.columns).any())
        parted = trees.parted(columns) if trees is not None and compared else None
        return _Pattern(*self._of_cox(drawn), drawn, columns, parted)

    def _of_cox(self, drawn: Floats) -> tuple[Floats, tuple[tuple[int, ...], ...], Floats]:
        """Return what the draws change in the Cox part: the pattern's offset, sides and factors."""
        n_genes, offset = drawn.shape[1], np.zeros(len(drawn))
        factors: dict[tuple[int, ...], Floats] = {}
        for j, coefficient in zip(self.replicates.columns.tolist(), self.replicates.by_covariate, strict=True):
            if j < n_genes:
                offset += coefficient * drawn[:, j]
                continue
            if j >= n_genes + len(self.features.terms):
                continue
            term = self.features.terms[j - n_genes]
            (first, shift), (second, other) = self._shifts(term, drawn)
            scaled = coefficient / term.scale
            if term.kind != "interaction":
                offset += scaled * (shift - other)
                continue
            # (f + df)(g + dg) - fg
            offset += scaled * shift * other
            for side, factor in ((first, other), (second, shift)):
                if factor.any():
                    factors[side] = factors.get(side, 0.0) + scaled * factor
        return offset, tuple(factors), np.array([*factors.values()]).reshape(len(factors), len(drawn))

    def _shifts(self, term: DerivedTerm, drawn: Floats) -> list[tuple[tuple[int, ...], Floats]]:
        """Return the genes of both sides of a term, and by how much each replicate's draw moves their mean."""
        sides = [tuple(self._positions[gene] for gene in side) for side in (term.first, term.second)]
        return [(side, _mean_of([drawn[:, gene] for gene in side]) if side else np.zeros(len(drawn))) for side in sides]

    def _tree_part(self, trees: Trees, X: Floats, pattern: _Pattern) -> Floats:
        """Return the trees' part: those that read what was drawn are asked about every draw, the others once."""
        touched, others = pattern.parted or (None, trees)
        sums = others.margins(X)[:, self.replicates.turn]
        if touched is None:
            return sums
        size = max(1, BLOCK_SIZE // (len(self.replicates) * X.shape[1]))
        for start in range(0, len(X), size):
            drawn = self._drawn_rows(X[start : start + size], pattern)
            sums[start : start + size] += touched.margins_of_draws(drawn, self.replicates.turn)
        return sums

    def _drawn_columns(self, missing: Bools) -> NDArray[np.intp]:
        """Return the covariates that the draws change: the missing genes and the terms that are made of any."""
        n_genes = len(self.features.genes)
        lacking = {gene for gene, lacks in zip(self.features.genes, missing, strict=True) if lacks}
        terms = [n_genes + k for k, t in enumerate(self.features.terms) if lacking & {*t.first, *t.second}]
        return np.array([*np.flatnonzero(missing), *terms], dtype=np.intp)

    def _drawn_rows(self, X: Floats, pattern: _Pattern) -> NDArray[np.float32]:
        """Return each patient as each replicate draws them, shape (n_replicates, n_patients, n_covariates)."""
        n_genes = len(self.features.genes)
        rows = np.repeat(X[None].astype(np.float32), len(pattern.drawn), axis=0)
        genes = pattern.columns[pattern.columns < n_genes].tolist()
        scores = {gene: X[:, gene] + pattern.drawn[:, gene, None] for gene in genes}
        for gene, values in scores.items():
            rows[:, :, gene] = values
        for column in pattern.columns[pattern.columns >= n_genes].tolist():
            term = self.features.terms[column - n_genes]
            first, second = (
                [scores.get(self._positions[gene], X[:, self._positions[gene]]) for gene in side]
                for side in (term.first, term.second)
            )
            rows[:, :, column] = (_raw(term, first, second) - term.mean) / term.scale
        return rows


def conditional_root(correlation: Floats, missing: Bools) -> Floats:
    """Return the lower triangular root of the missing scores' covariance given the others.

    Parameters
    ----------
    correlation : array, shape (n_genes, n_genes)
        Positive definite.
    missing : array of bool, shape (n_genes,)
    """
    known = ~missing
    across = correlation[np.ix_(known, missing)]
    explained = across.T @ np.linalg.solve(correlation[np.ix_(known, known)], across)
    return np.asarray(np.linalg.cholesky(correlation[np.ix_(missing, missing)] - explained), dtype=np.float64)


def _raw(term: DerivedTerm, first: list[Floats], second: list[Floats]) -> Floats:
    if not second:
        return _mean_of(first)
    if term.kind == "interaction":
        return np.asarray(_mean_of(first) * _mean_of(second))
    return np.asarray(_mean_of(first) - _mean_of(second))


def _mean_of(parts: list[Floats]) -> Floats:
    """Return the mean of arrays, added one after another: a reduction's order may depend on how many rows there are."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return np.asarray(total / len(parts))
