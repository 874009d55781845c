"""From expression and clinical values to covariates, with all state learned on training patients and frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.clinical_covariates import ClinicalEncoder
from features.cohort import Cohort
from features.errors import PanelError
from features.normal_scores import NormalScoreReference
from features.panel import Panel

Floats = NDArray[np.float64]

#: Weight of the identity in the genes' correlation: keeps it invertible when genes outnumber patients.
CORRELATION_SHRINKAGE = 0.1


@dataclass(frozen=True)
class Covariate:
    """A column of a model.

    Parameters
    ----------
    name : str
        ``CD44``, ``CXCR4×CXCL12``, ``cluster_1``, ``em_balance``, ``age`` …
    kind : str
        ``gene``, ``interaction``, ``score``, ``clinical`` or ``clinical_shape`` (what bends a clinical line).
    genes : tuple of str
        The genes that it is made of; none for a clinical one.
    """

    name: str
    kind: str
    genes: tuple[str, ...]


@dataclass(frozen=True)
class DerivedTerm:
    """A difference of two means of normal scores, or their product, brought to training mean 0 and SD 1.

    Parameters
    ----------
    name, kind : str
        As in `Covariate`; an ``interaction`` is a product, a ``score`` a difference.
    first, second : tuple of str
        Genes; `second` may be empty for a score.
    mean, scale : float
        Of the raw term over the training patients.
    """

    name: str
    kind: str
    first: tuple[str, ...]
    second: tuple[str, ...]
    mean: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True)
class FeatureState:
    """What was learned from the training patients; transforms any number of patients, also one alone.

    Parameters
    ----------
    references : mapping of str to NormalScoreReference
        One a gene: genes of the panel that the training cohort holds and that vary.
    correlation : array, shape (n_genes, n_genes)
        Of the training normal scores, shrunk towards the identity; gives missing genes their conditional mean.
    terms : tuple of DerivedTerm
    clinical : ClinicalEncoder
    """

    references: Mapping[str, NormalScoreReference]
    correlation: Floats
    terms: tuple[DerivedTerm, ...]
    clinical: ClinicalEncoder

    @property
    def genes(self) -> tuple[str, ...]:
        """The genes that are read, in order."""
        return tuple(self.references)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {gene: j for j, gene in enumerate(self.references)}

    @cached_property
    def covariates(self) -> tuple[Covariate, ...]:
        """The columns of `transform`, in order."""
        return (
            *(Covariate(gene, "gene", (gene,)) for gene in self.genes),
            *(Covariate(term.name, term.kind, term.first + term.second) for term in self.terms),
            *(Covariate(c.name, "clinical_shape" if c.is_shape else "clinical", ()) for c in self.clinical.covariates),
        )

    def gene_scores(self, expression: pd.DataFrame) -> Floats:
        """Return normal scores against the reference, missing genes at their conditional mean.

        Parameters
        ----------
        expression : DataFrame, shape (n_patients, any)
            On the training scale; columns that are not read are ignored, absent ones are missing.

        Returns
        -------
        array, shape (n_patients, n_genes)
        """
        return impute_conditional_mean(normal_scores_of(expression, self.references), self.correlation)

    def transform(self, expression: pd.DataFrame, clinical: pd.DataFrame) -> Floats:
        """Return the covariates, shape (n_patients, n_covariates); no value is missing.

        Parameters
        ----------
        expression : DataFrame, shape (n_patients, any)
            As in `gene_scores`.
        clinical : DataFrame, shape (n_patients, any)
            As in `Cohort.clinical`; a missing value takes the training mean, so a caller that must not impute
            asks ``clinical.missing`` first.
        """
        scores = self.gene_scores(expression)
        return np.column_stack([scores, *self.derived(scores), self.clinical.transform(clinical)])

    def of(self, cohort: Cohort) -> Floats:
        """Return the covariates of a cohort's patients, shape (n_patients, n_covariates)."""
        return self.transform(cohort.expression, cohort.clinical)

    def derived(self, filled: Floats) -> list[Floats]:
        """Return the derived terms of filled normal scores, each of shape (n_patients,)."""
        return [(raw_term(term, filled, self._positions) - term.mean) / term.scale for term in self.terms]


def fit_features(cohort: Cohort, panel: Panel, *, clinical: tuple[str, ...], minimum_known: float) -> FeatureState:
    """Learn the feature state of a cohort (see `fit_fold_features`), and refuse one without genes.

    Raises
    ------
    PanelError
        If no gene of the panel is known in enough of these patients and varies.
    """
    state = fit_fold_features(cohort, panel, clinical=clinical, minimum_known=minimum_known)
    if not state.references:
        raise PanelError(f"{cohort}: {_why_no_gene(cohort, panel, minimum_known)}")
    return state


def _why_no_gene(cohort: Cohort, panel: Panel, minimum_known: float) -> str:
    """Say which of the three it is: other identifiers, too few values, or the same value in all."""
    present = [symbol for symbol in panel.symbols if symbol in cohort.expression.columns]
    whose = f"the {len(panel.genes)} genes of panel {panel.name}"
    if not present:
        n_genes = cohort.expression.shape[1]
        return f"none of {whose} is in the cohort (it holds {n_genes} genes); check the gene identifiers."
    shares = np.isfinite(cohort.expression[present].to_numpy(np.float64)).mean(axis=0)
    best, share = present[int(shares.argmax())], float(shares.max())
    here = f"{len(present)} of {whose} are in the cohort"
    if share < minimum_known or not share:
        return (
            f"{here}, but none is known in {minimum_known:.0%} of the {len(cohort.expression)} patients (most: {best}, "
            f"in {share:.0%}); fill in the missing values, or leave out the patients without any."
        )
    known = int((shares >= minimum_known).sum())
    return (
        f"{here}, but none of the {known} that are known in enough patients varies (first: {best}, the same in all); "
        "check that these columns hold expression."
    )


def fit_fold_features(cohort: Cohort, panel: Panel, *, clinical: tuple[str, ...], minimum_known: float) -> FeatureState:
    """Learn the feature state from training patients; there may be no gene, and no clinical column, that they know.

    Parameters
    ----------
    cohort : Cohort
        The training patients only.
    panel : Panel
    clinical : tuple of str
        Clinical columns to use where they are known well enough.
    minimum_known : float
        Share of the training patients in whom a gene or clinical column must be known to be used.
    """
    references = gene_references(cohort, panel, minimum_known)
    scores = normal_scores_of(cohort.expression, references)
    correlation = shrunk_correlation(scores)
    filled = impute_conditional_mean(scores, correlation)
    positions = {gene: j for j, gene in enumerate(references)}
    terms = tuple(fit_term(term, filled, positions) for term in derived_terms(panel, tuple(references)))
    encoder = ClinicalEncoder.fit(cohort.clinical, clinical, minimum_known=minimum_known)
    return FeatureState(references, correlation, terms, encoder)


def normal_scores_of(expression: pd.DataFrame, references: Mapping[str, NormalScoreReference]) -> Floats:
    """Return the normal score of each gene, shape (n_patients, n_genes); NaN where the gene is missing."""
    raw = expression.reindex(columns=list(references)).to_numpy(np.float64)
    scores = np.empty(raw.shape)
    for j, reference in enumerate(references.values()):
        scores[:, j] = reference.score(raw[:, j])
    return scores


def gene_references(cohort: Cohort, panel: Panel, minimum_known: float) -> dict[str, NormalScoreReference]:
    """Learn the reference of each gene of the panel that is known well enough and varies."""
    references = {}
    present = [symbol for symbol in panel.symbols if symbol in cohort.expression.columns]
    for symbol, values in zip(present, cohort.expression[present].to_numpy(np.float64).T, strict=True):
        known = values[np.isfinite(values)]
        if len(known) and len(known) >= minimum_known * len(values) and known.min() < known.max():
            references[symbol] = NormalScoreReference.fit(values)
    return references


def shrunk_correlation(scores: Floats) -> Floats:
    """Return the correlation of normal scores, missing ones taken as 0, shrunk towards the identity."""
    known = np.nan_to_num(scores)
    covariance = known.T @ known / len(known)
    scale = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(scale, scale)
    return np.asarray((1 - CORRELATION_SHRINKAGE) * correlation + CORRELATION_SHRINKAGE * np.eye(len(scale)))


def impute_conditional_mean(scores: Floats, correlation: Floats) -> Floats:
    """Fill missing normal scores with their expectation given the patient's known ones.

    Parameters
    ----------
    scores : array, shape (n_patients, n_genes)
        NaN where missing; a patient without any known score gets zeros.
    correlation : array, shape (n_genes, n_genes)
        Positive definite.
    """
    filled = scores.copy()
    missing = np.isnan(scores)
    for pattern in np.unique(missing[missing.any(axis=1)], axis=0):
        rows = np.flatnonzero((missing == pattern).all(axis=1))
        known = ~pattern
        weights = np.linalg.solve(correlation[np.ix_(known, known)], correlation[np.ix_(known, pattern)])
        given = scores[np.ix_(rows, np.flatnonzero(known))]
        # Not a matrix product, which may round a patient alone otherwise than the same among many.
        filled[np.ix_(rows, np.flatnonzero(pattern))] = np.einsum("ij,jk->ik", given, weights)
    return filled


def derived_terms(panel: Panel, genes: tuple[str, ...]) -> list[DerivedTerm]:
    """Return the terms that the present genes allow: Table 1's interactions, cluster scores and the E/M balance."""
    present = set(genes)
    terms = []
    for interaction in panel.interactions:
        ligands = tuple(ligand for ligand in interaction.ligands if ligand in present)
        if interaction.receptor in present and ligands:
            terms.append(DerivedTerm(interaction.name, "interaction", (interaction.receptor,), ligands))
    by_cluster = {k: tuple(g.symbol for g in panel.genes if g.cluster == k and g.symbol in present) for k in (1, 2)}
    terms += [DerivedTerm(f"cluster_{k}", "score", members, ()) for k, members in by_cluster.items() if members]
    epithelial, mesenchymal = (
        tuple(g.symbol for g in panel.genes if g.compartment == side and g.symbol in present)
        for side in ("epithelial", "mesenchymal")
    )
    if epithelial and mesenchymal:
        terms.append(DerivedTerm("em_balance", "score", epithelial, mesenchymal))
    return terms


def raw_term(term: DerivedTerm, scores: Floats, positions: Mapping[str, int]) -> Floats:
    """Return a term before it is standardised, shape (n_patients,), from filled normal scores.

    Parameters
    ----------
    term : DerivedTerm
    scores : array, shape (n_patients, n_genes)
    positions : mapping of str to int
        Where each gene stands.
    """
    first = _mean_of(scores, [positions[gene] for gene in term.first])
    if not term.second:
        return first
    second = _mean_of(scores, [positions[gene] for gene in term.second])
    return np.asarray(first * second if term.kind == "interaction" else first - second)


def _mean_of(scores: Floats, columns: Sequence[int]) -> Floats:
    # Column by column: `mean` may add up a patient alone in another order than the same among many.
    total = scores[:, columns[0]].copy()
    for j in columns[1:]:
        total += scores[:, j]
    return np.asarray(total / len(columns))


def fit_term(term: DerivedTerm, scores: Floats, positions: Mapping[str, int]) -> DerivedTerm:
    """Return the term with the mean and scale that it has in these filled normal scores."""
    raw = raw_term(term, scores, positions)
    scale = float(raw.std())
    # A constant's standard deviation is the rounding of its mean; normal scores are of the order of 1.
    return replace(term, mean=float(raw.mean()), scale=scale if scale > 1e-9 else 1.0)
