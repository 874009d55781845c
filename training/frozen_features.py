"""The feature state of a model, laid out to turn rows of plain numbers into covariates without data frames."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from features.transform import DerivedTerm, FeatureState
from training.frozen_clinical import FrozenClinical
from training.scoring_kernel import given_known, normal_scores, write_covariates

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]

#: Patterns of missing genes whose weights are kept; a file has a few, a stranger may send many.
PATTERNS_KEPT = 64


@dataclass(frozen=True, eq=False)
class MissingPattern:
    """What a set of missing genes means: how the others tell of them, and how much is left untold.

    Parameters
    ----------
    known, missing : array of int
        Positions among the genes.
    weights : array, shape (n_known, n_missing)
        Of the known normal scores in the expectation of the missing ones.
    """

    known: Integers
    missing: Integers
    weights: Floats


@dataclass(frozen=True, eq=False)
class FrozenTerms:
    """The derived terms of a feature state; see `training.scoring_kernel.write_covariates`."""

    genes: Integers
    begins: Integers
    product: Bools
    means: Floats
    scales: Floats

    @classmethod
    def of(cls, terms: Sequence[DerivedTerm], genes: Sequence[str]) -> FrozenTerms:
        """Lay terms out, given the order of the genes."""
        sides = [[genes.index(gene) for gene in side] for term in terms for side in (term.first, term.second)]
        return cls(
            genes=np.array([position for side in sides for position in side], dtype=np.int64),
            begins=np.cumsum([0, *map(len, sides)], dtype=np.int64),
            product=np.array([term.kind == "interaction" for term in terms], dtype=np.bool_),
            means=np.array([term.mean for term in terms], dtype=np.float64),
            scales=np.array([term.scale for term in terms], dtype=np.float64),
        )


@dataclass(frozen=True, eq=False)
class FrozenFeatures:
    """A `FeatureState` for scoring: equal to its `transform` to the last bits, at a fraction of the cost.

    Parameters
    ----------
    state : FeatureState
    knots, scores : array, shape (n_knots,)
        The references of all genes, one after the other.
    starts : array of int, shape (n_genes + 1,)
        Where each gene's begin.
    terms : FrozenTerms
    clinical : FrozenClinical
    """

    state: FeatureState
    knots: Floats
    scores: Floats
    starts: Integers
    terms: FrozenTerms
    clinical: FrozenClinical
    _patterns: OrderedDict[bytes, MissingPattern] = field(default_factory=OrderedDict, repr=False)

    @classmethod
    def of(cls, state: FeatureState) -> FrozenFeatures:
        """Lay a feature state out."""
        references = list(state.references.values())
        lengths = [len(reference.knots) for reference in references]
        return cls(
            state,
            knots=np.concatenate([np.zeros(0), *(reference.knots for reference in references)]),
            scores=np.concatenate([np.zeros(0), *(reference.scores for reference in references)]),
            starts=np.cumsum([0, *lengths]).astype(np.int64),
            terms=FrozenTerms.of(state.terms, state.genes),
            clinical=FrozenClinical.of(state.clinical),
        )

    def known_scores(self, values: Floats) -> Floats:
        """Return the normal score of each gene, shape (n_patients, n_genes); NaN where it is missing.

        Parameters
        ----------
        values : array, shape (n_patients, n_genes)
            On the model's scale, in the order of the state's genes.
        """
        scores = np.empty(values.shape)
        normal_scores(np.ascontiguousarray(values), self.knots, self.scores, self.starts, scores)
        return scores

    def filled(self, known_scores: Floats) -> Floats:
        """Return the same with the conditional mean of every missing gene given the patient's others."""
        missing = np.isnan(known_scores)
        if not missing.any():
            return known_scores
        scores = known_scores.copy()
        for rows, pattern in self.patterns(missing):
            part = scores[rows]
            given_known(part, pattern.known, pattern.missing, pattern.weights)
            scores[rows] = part
        return scores

    def patterns(self, missing: Bools) -> list[tuple[Integers, MissingPattern]]:
        """Return the rows of every pattern of missing genes, complete rows left out.

        Parameters
        ----------
        missing : array of bool, shape (n_patients, n_genes)
        """
        incomplete = np.flatnonzero(missing.any(axis=1))
        if not len(incomplete):
            return []
        lacking = missing[incomplete]
        if (lacking == lacking[0]).all():
            return [(incomplete, self._pattern(lacking[0]))]
        distinct, which = np.unique(lacking, axis=0, return_inverse=True)
        return [(incomplete[which == k], self._pattern(distinct[k])) for k in range(len(distinct))]

    def covariates(self, filled: Floats, clinical: Floats) -> Floats:
        """Return the covariates, shape (n_patients, n_covariates).

        Parameters
        ----------
        filled : array, shape (n_patients, n_genes)
            Normal scores, none missing.
        clinical : array, shape (n_patients, n_clinical)
            Standardised; NaN, what is not known, takes the training mean.
        """
        terms = self.terms
        X = np.empty((len(filled), filled.shape[1] + len(terms.means) + clinical.shape[1]))
        write_covariates(filled, terms.genes, terms.begins, terms.product, terms.means, terms.scales, clinical, X)
        return X

    def _pattern(self, missing: Bools) -> MissingPattern:
        key = missing.tobytes()
        pattern = self._patterns.get(key)
        if pattern is None:
            pattern = self._patterns[key] = self._new_pattern(missing)
            while len(self._patterns) > PATTERNS_KEPT:
                self._patterns.popitem(last=False)
        return pattern

    def _new_pattern(self, missing: Bools) -> MissingPattern:
        known, absent = np.flatnonzero(~missing), np.flatnonzero(missing)
        correlation = self.state.correlation
        weights = np.linalg.solve(correlation[np.ix_(known, known)], correlation[np.ix_(known, absent)])
        return MissingPattern(known, absent, np.ascontiguousarray(weights))
