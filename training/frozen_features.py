"""The feature state of a model, laid out to turn rows of plain numbers into covariates without data frames."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from features.clinical_covariates import ColumnValues
from features.transform import FeatureState
from training.scoring_kernel import given_known, normal_scores

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
class FrozenFeatures:
    """A `FeatureState` for scoring: equal to its `transform` to the last bits, at a fraction of the cost.

    Parameters
    ----------
    state : FeatureState
    knots, scores : array, shape (n_knots,)
        The references of all genes, one after the other.
    starts : array of int, shape (n_genes + 1,)
        Where each gene's begin.
    """

    state: FeatureState
    knots: Floats
    scores: Floats
    starts: Integers
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
        scores = known_scores.copy()
        for rows, pattern in self.patterns(np.isnan(scores)):
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
        distinct, which = np.unique(missing[incomplete], axis=0, return_inverse=True)
        return [(incomplete[which == k], self._pattern(distinct[k])) for k in range(len(distinct))]

    def covariates(self, filled: Floats, clinical: Mapping[str, ColumnValues]) -> Floats:
        """Return the covariates, shape (n_patients, n_covariates), of filled normal scores and clinical columns.

        Parameters
        ----------
        filled : array, shape (n_patients, n_genes)
        clinical : mapping of str to array, shape (n_patients,)
            See `features.clinical_covariates.parsed_values`; what is not known takes the training mean.
        """
        encoded = np.nan_to_num(self.state.clinical.standardised(clinical, len(filled)))
        return np.column_stack([filled, *self.state.derived(filled), encoded])

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
