"""The feature state of pooled cohorts: each cohort's own normal scores, everything that is learned from them shared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.clinical_covariates import ClinicalEncoder
from features.cohort import Cohort
from features.errors import PanelError
from features.panel import Panel
from features.pooled_cohorts import stratum
from features.transform import (
    Covariate,
    FeatureState,
    derived_terms,
    fit_features,
    fit_fold_features,
    fit_term,
    gene_references,
    impute_conditional_mean,
    normal_scores_of,
    shrunk_correlation,
)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PooledFeatures:
    """What was learned from the training patients of several cohorts.

    Parameters
    ----------
    states : mapping of str to FeatureState
        By cohort. Their genes' references are their own; correlation, derived terms and clinical encoder are one and
        the same, so that a covariate means the same in all.
    """

    states: Mapping[str, FeatureState]

    @property
    def _any(self) -> FeatureState:
        return next(iter(self.states.values()))

    @property
    def genes(self) -> tuple[str, ...]:
        """The genes that are read, in order."""
        return self._any.genes

    @property
    def clinical(self) -> ClinicalEncoder:
        """The encoder of all cohorts."""
        return self._any.clinical

    @property
    def covariates(self) -> tuple[Covariate, ...]:
        """The columns of `of`, in order."""
        return self._any.covariates

    def of(self, cohort: Cohort) -> Floats:
        """Return the covariates of pooled patients, each by its own cohort's references.

        Returns
        -------
        array, shape (n_patients, n_covariates)
        """
        assert cohort.strata is not None  # noqa: S101
        X = np.full((len(cohort.time), len(self.covariates)), np.nan)
        for name, state in self.states.items():
            members = np.flatnonzero(cohort.strata == name)
            X[members] = state.transform(cohort.expression.iloc[members], cohort.clinical.iloc[members])
        return X


#: The state of one cohort alone, or of several.
type Features = FeatureState | PooledFeatures


def features_within(cohort: Cohort, panel: Panel, *, clinical: tuple[str, ...], minimum_known: float) -> Features:
    """Learn the feature state of training patients, of each of their cohorts where several were pooled.

    Parameters
    ----------
    cohort, panel, clinical, minimum_known
        As in `features.transform.fit_fold_features`. A gene is used if it is known well enough, and varies, in the
        training patients of every cohort; a clinical column by all of them together.

    Notes
    -----
    Normal scores have mean 0 and standard deviation 1 in each cohort, whatever its scale and batch: a difference
    between cohorts in the level or spread of a gene is taken away, and with it what may be a true difference between
    their patients, which a Cox model stratified by cohort does not read either.
    """
    if cohort.strata is None:
        return fit_fold_features(cohort, panel, clinical=clinical, minimum_known=minimum_known)
    parts = {part.name: stratum(cohort, part.name) for part in cohort.parts if (cohort.strata == part.name).any()}
    known = {name: gene_references(part, panel, minimum_known) for name, part in parts.items()}
    genes = [gene for gene in panel.symbols if all(gene in references for references in known.values())]
    references = {name: {gene: found[gene] for gene in genes} for name, found in known.items()}
    scores = np.vstack([normal_scores_of(part.expression, references[name]) for name, part in parts.items()])
    correlation = shrunk_correlation(scores)
    filled = impute_conditional_mean(scores, correlation)
    positions = {gene: j for j, gene in enumerate(genes)}
    terms = tuple(fit_term(term, filled, positions) for term in derived_terms(panel, tuple(genes)))
    encoder = ClinicalEncoder.fit(cohort.clinical, clinical, minimum_known=minimum_known)
    return PooledFeatures({name: FeatureState(references[name], correlation, terms, encoder) for name in parts})


def require_features(cohort: Cohort, panel: Panel, *, clinical: tuple[str, ...], minimum_known: float) -> Features:
    """Learn the feature state of a cohort (see `features_within`), and refuse one without genes.

    Raises
    ------
    PanelError
        If no gene of the panel is known in enough of these patients, of each cohort that was pooled, and varies.
    """
    if cohort.strata is None:
        return fit_features(cohort, panel, clinical=clinical, minimum_known=minimum_known)
    state = features_within(cohort, panel, clinical=clinical, minimum_known=minimum_known)
    if not state.genes:
        raise PanelError(
            f"{cohort}: none of the {len(panel.genes)} genes of panel {panel.name} is in every pooled cohort and "
            f"varies among its patients, of whom {minimum_known:.0%} must know it (they have "
            f"{cohort.expression.shape[1]} genes in common); check the gene identifiers, and for missing values."
        )
    return state
