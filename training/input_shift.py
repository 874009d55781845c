"""How far each input of a model has moved from the reference cohort: stability index and Kolmogorov–Smirnov."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.clinical_covariates import HINGES, NUMERIC, ClinicalCovariate, column_values
from features.cohort import Cohort
from features.normal_scores import NormalScoreReference
from training.model import PrognosticModel, Variant
from training.new_patients import NewPatients
from training.reference_sample import reference_sample
from training.scores import CLINICAL

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

N_BINS = 10
#: The usual readings: below the first little has changed, from the second much.
MODERATE, LARGE = 0.1, 0.25
#: An index is beyond chance above its 95 % quantile where nothing has moved, divided among all inputs (Bonferroni).
LEVEL = 0.05
GENE, COVARIATE = "gene", "clinical"


@dataclass(frozen=True)
class Shift:
    """One input in the new cohort and in the reference.

    Parameters
    ----------
    input, kind : str
    weight : float
        Of a gene: its share in what the genes contribute; NaN where the bundle does not tell, or for a covariate.
    n_known : int
        New patients in whom it is known.
    missing : float
        Share of the new patients in whom it is not.
    psi : float
        See `stability_index`; NaN where it could not be assessed.
    psi_chance : float
        What it is exceeded by in 5 of 100 cohorts of these sizes where nothing has moved, divided among all inputs.
    reading : str
        ``little``, ``moderate`` or ``large`` by the index alone, ``not beyond chance``, or ``not assessed``.
    ks, ks_p : float
        Largest distance between the two distribution functions, and its p-value; of a covariate the distance at the
        points that the bundle knows, without a p-value.
    """

    input: str
    kind: str
    weight: float
    n_known: int
    missing: float
    psi: float = np.nan
    psi_chance: float = np.nan
    reading: str = "not assessed"
    ks: float = np.nan
    ks_p: float = np.nan


def input_shifts(patients: NewPatients) -> pd.DataFrame:
    """Return how far every gene and clinical covariate of the model has moved, the farthest first.

    Parameters
    ----------
    patients : NewPatients
        Those whom the model never saw, refused or not, are set beside the reference.

    Returns
    -------
    DataFrame
        The fields of `Shift`. What could not be assessed comes last.

    Notes
    -----
    A bundle holds no patient's values. Genes are compared with `training.reference_sample`; age with its quartiles,
    categories with their shares, as the frozen encoders have them: of a model of pooled cohorts, those of all. Genes on
    a scale without a conversion, or z-scores of another reference, are not assessed: there is nothing that both are
    measured in.

    References
    ----------
    Siddiqi N. Credit risk scorecards. Wiley 2006.

    Yurdakul B, Naranjo J. Statistical properties of the population stability index. J Risk Model Validation
    2020;14(4):89-100.
    """
    model = patients.model
    variant = model.variants.get(CLINICAL) or next(iter(model.variants.values()))
    n_inputs = len(variant.features.genes) + len(variant.features.clinical.columns)
    members = np.flatnonzero(patients.absent)
    found = [*_genes(patients, variant, members, LEVEL / n_inputs)]
    found += _covariates(model, variant, patients.cohort.subset(members), LEVEL / n_inputs)
    table = pd.DataFrame([asdict(each) for each in found], columns=list(Shift.__dataclass_fields__))
    return table.sort_values("psi", ascending=False, kind="stable", na_position="last", ignore_index=True)


def stability_index(expected: Integers, actual: Integers) -> float:
    r"""Return the population stability index of counts in the same bins.

    .. math:: \mathrm{PSI} = \sum_b (q_b - p_b) \log \frac{q_b}{p_b}

    Parameters
    ----------
    expected, actual : arrays of int, shape (n_bins,)
        In the reference and in the new cohort; half a patient is added to each bin, so that none is empty.

    Notes
    -----
    The symmetrised Kullback–Leibler divergence of the binned distributions: 0 where they are the same. Below 0.1 it is
    usually read as little change, from 0.25 as a large one; but where nothing has moved its expectation is about
    :math:`(B - 1)(1/n + 1/m)`, which exceeds these in small cohorts (see `chance_index`).
    """
    p, q = ((counts + 0.5) / (counts.sum() + 0.5 * len(counts)) for counts in (expected, actual))
    return float(np.sum((q - p) * np.log(q / p)))


def chance_index(n_bins: int, n_expected: int, n_actual: int, *, level: float) -> float:
    r"""Return the index that is exceeded with a probability where nothing has moved.

    .. math:: \chi^2_{B-1,\,1-\alpha} \Big(\frac1n + \frac1m\Big)

    Parameters
    ----------
    n_bins, n_expected, n_actual : int
    level : float
        :math:`\alpha`.
    """
    # Imported late: scipy.stats takes half a second, and what scores reads this package.
    from scipy.stats import chi2  # noqa: PLC0415

    return float(chi2.ppf(1 - level, max(n_bins - 1, 1)) * (1 / n_expected + 1 / n_actual))


def gene_shift(
    gene: str,
    reference: NormalScoreReference,
    values: Floats,
    *,
    n_reference: int,
    level: float,
    weight: float = np.nan,
) -> Shift:
    """Set the values of a gene beside its frozen reference.

    Parameters
    ----------
    gene : str
    reference : NormalScoreReference
    values : array, shape (n_patients,)
        On the reference's scale; NaN where missing.
    n_reference : int
        Patients of the reference cohort.
    level, weight : float
        See `chance_index` and `Shift`.
    """
    shift, known = _seen(gene, values, weight), values[~np.isnan(values)]
    if not len(known):
        return shift
    sample = reference_sample(reference, n_reference)
    return _moved(shift, *_binned(sample, known), level=level, ks=_kolmogorov_smirnov(sample, known))


def _seen(gene: str, values: Floats, weight: float) -> Shift:
    n_known = int(np.count_nonzero(~np.isnan(values)))
    return Shift(gene, GENE, weight, n_known, 1 - n_known / max(len(values), 1))


def _genes(patients: NewPatients, variant: Variant, members: Integers, level: float) -> Iterator[Shift]:
    genes, model, weights = variant.features.genes, patients.model, variant.gene_weights
    table = patients.cohort.expression.reindex(columns=list(genes)).to_numpy(np.float64)
    if patients.on_model_scale is not None:
        table = patients.on_model_scale[:, [model.panel.symbols.index(gene) for gene in genes]]
    for gene, values in zip(genes, table[members].T, strict=True):
        weight = weights.get(gene, 0.0) if weights else np.nan
        if patients.relative_reason is not None:
            yield _seen(gene, values, weight)
        else:
            reference, n_reference = variant.features.references[gene], model.cohort.n_patients
            yield gene_shift(gene, reference, values, n_reference=n_reference, level=level, weight=weight)


def _binned(reference: Floats, new: Floats) -> tuple[Integers, Integers]:
    """Count both in tenths of the reference; tenths whose ends coincide are one."""
    edges = np.unique(np.quantile(reference, np.arange(1, N_BINS) / N_BINS, method="inverted_cdf"))
    # Nothing of the reference lies above its highest value.
    edges = edges[edges < reference[-1]]
    n_bins = len(edges) + 1
    first, second = (
        np.bincount(np.searchsorted(edges, values, side="left"), minlength=n_bins) for values in (reference, new)
    )
    return np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64)


def _kolmogorov_smirnov(reference: Floats, new: Floats) -> tuple[float, float]:
    from scipy.stats import ks_2samp  # noqa: PLC0415

    found = ks_2samp(reference, new, method="asymp")
    return float(found.statistic), float(found.pvalue)


def _moved(shift: Shift, expected: Integers, actual: Integers, *, level: float, ks: tuple[float, float]) -> Shift:
    psi = stability_index(expected, actual)
    chance = chance_index(len(expected), int(expected.sum()), int(actual.sum()), level=level)
    return replace(shift, psi=psi, psi_chance=chance, reading=_reading(psi, chance), ks=ks[0], ks_p=ks[1])


def _reading(psi: float, chance: float) -> str:
    if psi < MODERATE:
        return "little"
    if psi <= chance:
        return "not beyond chance"
    return "moderate" if psi < LARGE else "large"


def _covariates(model: PrognosticModel, variant: Variant, cohort: Cohort, level: float) -> Iterator[Shift]:
    for column in variant.features.clinical.columns:
        encoded = [each for each in variant.features.clinical.covariates if each.column == column]
        values = cohort.clinical[column] if column in cohort.clinical.columns else pd.Series(dtype="float64")
        known = values.dropna()
        shift = Shift(column, COVARIATE, np.nan, len(known), 1 - len(known) / max(len(cohort.time), 1))
        shares = known_shares(encoded)
        if shares is None or not len(known):
            yield shift
            continue
        # Encoders are learned from all cohorts that were pooled.
        n_learned = len(model.patient_hashes) if model.reference else model.cohort.n_patients
        expected = np.round(shares * n_learned).astype(np.int64)
        actual = _category_counts(encoded, known)
        distance = np.abs(np.cumsum(expected / expected.sum()) - np.cumsum(actual / actual.sum())).max()
        ordered = encoded[0].category is None
        yield _moved(shift, expected, actual, level=level, ks=(float(distance) if ordered else np.nan, np.nan))


def known_shares(encoded: list[ClinicalCovariate]) -> Floats | None:
    """Return the reference's shares that a clinical column's frozen encoder tells; None where it tells none.

    Parameters
    ----------
    encoded : list of ClinicalCovariate
        Of one column.

    Returns
    -------
    array or None
        Of an age the quarters between its hinges; of an ordered category what lies between its steps, the lowest
        first; of a category without order each that is encoded, and last all others.
    """
    if encoded[0].category is not None:
        own = np.array([each.mean for each in encoded])
        return np.append(own, max(1 - own.sum(), 0.0))
    if encoded[0].column in NUMERIC:
        hinges = [each for each in encoded if each.above is not None]
        # Where ages tie at a quartile there are fewer hinges, and they no longer tell which quartiles they are.
        return np.full(len(HINGES) + 1, 1 / (len(HINGES) + 1)) if len(hinges) == len(HINGES) else None
    reached = np.array([1.0, *(each.mean for each in encoded if each.at_least is not None), 0.0])
    return -np.diff(reached) if len(reached) > 2 else None


def _category_counts(encoded: list[ClinicalCovariate], known: pd.Series) -> Integers:
    """Count new patients in the groups of `known_shares`."""
    values = column_values(encoded[0].column, known)
    if encoded[0].category is not None:
        names = [each.category for each in encoded]
        places = [names.index(value) if value in names else len(names) for value in values.tolist()]
        return np.asarray(np.bincount(places, minlength=len(names) + 1), dtype=np.int64)
    edges = [each.above if each.above is not None else each.at_least for each in encoded if each.is_shape]
    # A quartile belongs to the quarter below it, a step to the category that it begins.
    ends = np.array(edges, dtype=np.float64)[:, None]
    reached = np.sum(ends < values if encoded[0].column in NUMERIC else ends <= values, axis=0)
    return np.asarray(np.bincount(reached, minlength=len(edges) + 1), dtype=np.int64)
