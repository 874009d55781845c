"""A patient who never was: usual values by a model's own reference, with a few genes moved; to try a model with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from features.clinical_covariates import NUMERIC, ORDERED, ClinicalCovariate
from features.transform import FeatureState, impute_conditional_mean
from training.model import PrognosticModel, Variant
from training.scores import CLINICAL, GENES_ONLY

Floats = NDArray[np.float64]

#: Normal scores of the genes that count most, in that order; all others follow from them.
DEVIATIONS = (1.3, -1.0, 0.9, 0.7)
_DIGITS = 4


def synthetic_profile(model: PrognosticModel) -> tuple[dict[str, float], dict[str, float | str | None]]:
    """Make a patient of the model's fuller variant from its frozen state alone; nobody's values.

    Returns
    -------
    expression : dict of str to float
        By gene, on the model's scale: the heaviest genes at `DEVIATIONS`, the others where they are expected given
        these, read back from the curves of normal scores.
    clinical : dict of str to float or str
        The reference cohort's mean age and what is usual of every other covariate; empty without any.
    """
    variant = model.variants.get(CLINICAL) or model.variants[GENES_ONLY]
    state = variant.features
    expression = {
        gene: float(f"{np.interp(score, reference.scores, reference.knots):.{_DIGITS + 2}g}")
        for score, (gene, reference) in zip(_scores(variant), state.references.items(), strict=True)
    }
    return expression, {column: _usual(column, state) for column in variant.clinical}


def _scores(variant: Variant) -> Floats:
    genes = variant.features.genes
    weights = variant.gene_weights
    heaviest = sorted(variant.genes, key=lambda gene: (-weights.get(gene, 0.0), gene))[: len(DEVIATIONS)]
    scores = np.full((1, len(genes)), np.nan)
    for gene, deviation in zip(heaviest, DEVIATIONS, strict=False):
        scores[0, genes.index(gene)] = deviation
    filled: Floats = impute_conditional_mean(scores, variant.features.correlation)[0]
    return filled


def _usual(column: str, state: FeatureState) -> float | str:
    covariates = [each for each in state.clinical.covariates if each.column == column and not each.is_shape]
    if column in NUMERIC:
        return float(round(covariates[0].mean))
    if column in ORDERED:
        # Ranks count from 1.
        return ORDERED[column][round(covariates[0].mean) - 1]
    return _most_frequent(covariates)


def _most_frequent(covariates: list[ClinicalCovariate]) -> str:
    shares = {str(each.category): each.mean for each in covariates}
    # The category that the others are compared with has no covariate: what is left is its share, and the rarest's.
    for category in covariates[0].known:
        shares.setdefault(category, 1.0 - sum(each.mean for each in covariates))
    return max(sorted(shares), key=lambda category: shares[category])
