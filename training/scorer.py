"""A model made ready to score: all patients that one variant answers at once, one column a figure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from features.cohort import DAYS_PER_MONTH
from training.contributions import Predictor
from training.frozen_features import FrozenFeatures
from training.kaplan_meier import KaplanMeier, survival_given
from training.model import PrognosticModel, Variant
from training.profiles import PatientReader, Patients, ProfileError, profile_error
from training.scorable import MISSING_WEIGHT_MAX, distance_refusal, smallest_addition, smallest_omission
from training.scores import CLINICAL, GENES_ONLY, Distance, Scored, Scores, Wanted, genes_outside, risk_percentile
from training.survival_bands import SurvivalBands, median_survival, survival_bands

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Ready:
    """A variant laid out for scoring.

    ``gene_columns`` are its genes among the panel's, ``used`` those of them that the learner reads.
    """

    variant: Variant
    frozen: FrozenFeatures
    predictor: Predictor
    gene_columns: Integers
    used: Integers

    @classmethod
    def of(cls, model: PrognosticModel, variant: Variant) -> Ready:
        """Lay a variant out."""
        genes, panel = variant.features.genes, model.panel.symbols
        return cls(
            variant,
            FrozenFeatures.of(variant.features),
            Predictor.of(variant),
            gene_columns=np.array([panel.index(gene) for gene in genes], dtype=np.int64),
            used=np.array([genes.index(gene) for gene in variant.genes], dtype=np.int64),
        )

    @cached_property
    def weights(self) -> Floats:
        """The share of each used gene in what the genes contribute; equal shares where a bundle does not tell."""
        known = self.variant.gene_weights
        shares = np.array([known.get(gene, 0.0) for gene in self.variant.genes])
        return shares / shares.sum() if shares.sum() > 0 else np.full(len(self.used), 1 / max(len(self.used), 1))


class Scorer:
    """Scores patients with a model; make one and keep it, as it remembers what it worked out.

    Parameters
    ----------
    model : PrognosticModel

    Attributes
    ----------
    reader : PatientReader
    ready : dict of str to Ready
        By variant.
    """

    def __init__(self, model: PrognosticModel) -> None:
        self.model = model
        self.reader = PatientReader(model)
        self.ready = {name: Ready.of(model, variant) for name, variant in model.variants.items()}

    def score(self, patients: Patients, wanted: Wanted) -> Scored:
        """Score every patient with the variant that is known enough of them.

        Parameters
        ----------
        patients : Patients
            As the scorer's `reader` reads them.
        wanted : Wanted
        """
        faults = dict(patients.faults)
        faults |= _survived_too_long(self.model, patients, wanted, faults)
        distance, too_far = self._distance(patients)
        faults = {**too_far, **faults}
        unknown = self._unknown_clinical(patients)
        sound = np.array([i not in faults for i in range(len(patients.ids))], dtype=np.bool_)
        full = sound & ~unknown.any(axis=1) if CLINICAL in self.ready else np.zeros_like(sound)
        scores = []
        for name, rows in ((CLINICAL, np.flatnonzero(full)), (GENES_ONLY, np.flatnonzero(sound & ~full))):
            lacking = self._lacking_genes(name, rows, patients) if len(rows) else {}
            faults |= lacking
            kept = np.setdiff1d(rows, list(lacking)) if lacking else rows
            if len(kept):
                scores.append(
                    self._scores(name, kept, patients, wanted, unknown=unknown[kept], distance=_of_rows(distance, kept))
                )
        return Scored(tuple(scores), faults)

    def _unknown_clinical(self, patients: Patients) -> Bools:
        """Return which clinical columns of the fuller variant are not known, shape (n_patients, n_columns)."""
        read = self.reader.clinical_columns
        encoder = self.model.variants[CLINICAL].features.clinical if read else None
        if encoder is None:
            return np.zeros((len(patients.ids), 0), dtype=np.bool_)
        unknown = encoder.unknown(encoder.standardised(patients.clinical, len(patients.ids)))
        return unknown[:, [encoder.columns.index(name) for name in read]]

    def _missing(self, ready: Ready, rows: Integers, patients: Patients) -> Bools:
        return np.isnan(patients.values[np.ix_(rows, ready.gene_columns[ready.used])])

    def _lacking_genes(self, name: str, rows: Integers, patients: Patients) -> dict[int, ProfileError]:
        ready = self.ready[name]
        missing = self._missing(ready, rows, patients)
        needed = ready.variant.minimum_gene_fraction * len(ready.used)
        too_few = (~missing).sum(axis=1) < needed
        too_much = missing @ ready.weights > MISSING_WEIGHT_MAX
        return {
            row: profile_error(patients.ids[row], self._lacks(ready, missing[i], int(np.ceil(needed))))
            for i, row in enumerate(rows.tolist())
            if too_few[i] or too_much[i]
        }

    def _lacks(self, ready: Ready, missing: Bools, needed: int) -> str:
        genes = ready.variant.genes
        by_weight = [genes[j] for j in np.argsort(-ready.weights, kind="stable") if missing[j]]
        weights = dict(zip(genes, ready.weights.tolist(), strict=True))
        enough = max(len(smallest_addition(weights, by_weight)), needed - len(genes) + len(by_weight))
        share = float(missing @ ready.weights)
        return (
            f"holds {len(genes) - missing.sum()} of the {len(genes)} genes that {self.model.name} reads, and at least "
            f"{needed} are needed; the missing ones carry {share:.0%} of what its genes contribute, and at most "
            f"{MISSING_WEIGHT_MAX:.0%} may be estimated. The smallest addition that makes it scorable: "
            f"{', '.join(by_weight[:enough])}."
        )

    def _distance(self, patients: Patients) -> tuple[Distance | None, dict[int, ProfileError]]:
        """Return how far all patients are from the reference cohort, and the error of each who is too far."""
        known = self.model.applicability
        if known is None:
            return None, {}
        values = patients.values[:, self.reader.reference_columns]
        judged, outside = known.judge(values), known.outside(values)
        refused = np.flatnonzero(judged.refused & ~np.isnan(values).all(axis=1)).tolist()
        faults = {
            row: profile_error(
                patients.ids[row],
                distance_refusal(genes_outside(known, outside[row]), smallest_omission(known, values[row])),
            )
            for row in refused
        }
        return Distance(known, judged.percentile, judged.warned, np.nan_to_num(outside)), faults

    def _scores(
        self,
        name: str,
        rows: Integers,
        patients: Patients,
        wanted: Wanted,
        *,
        unknown: Bools,
        distance: Distance | None,
    ) -> Scores:
        ready = self.ready[name]
        known = ready.frozen.known_scores(patients.values[np.ix_(rows, ready.gene_columns)])
        clinical = {column: values[rows] for column, values in patients.clinical.items()}
        X = ready.frozen.covariates(ready.frozen.filled(known), clinical)
        linear_predictor = ready.predictor.linear_predictor(X)
        survived = patients.survived_days[rows]
        answers = ready.variant.answers(
            X, linear_predictor, missing=np.isnan(known), survived_days=survived if survived.any() else None
        )
        divided = ready.predictor.contributions(X) if wanted.contributions else (None, math.nan)
        read = self.reader.clinical_columns
        return Scores(
            variant=name,
            rows=rows,
            linear_predictor=linear_predictor,
            risk_percentile=risk_percentile(ready.variant.reference, linear_predictor),
            survival=_not_yet_survived(survival_bands(answers, wanted.days), survived, wanted.days),
            cohort=_cohort(self.model.kaplan_meier, wanted.days, survived),
            median=median_survival(answers, last_day=self.model.horizon_months_max * DAYS_PER_MONTH),
            contributions=divided[0],
            constant=divided[1],
            missing=self._missing(ready, rows, patients),
            unknown_clinical=tuple(tuple(compress(read, row)) for row in unknown),
            distance=distance,
        )


_SCORERS: WeakKeyDictionary[PrognosticModel, Scorer] = WeakKeyDictionary()


def scorer_of(model: PrognosticModel) -> Scorer:
    """Return the model's scorer, made at the first call."""
    scorer = _SCORERS.get(model)
    if scorer is None:
        scorer = _SCORERS[model] = Scorer(model)
    return scorer


def _of_rows(distance: Distance | None, rows: Integers) -> Distance | None:
    if distance is None:
        return None
    return Distance(distance.applicability, distance.percentile[rows], distance.warned[rows], distance.outside[rows])


def _survived_too_long(
    model: PrognosticModel, patients: Patients, wanted: Wanted, faults: Mapping[int, ProfileError]
) -> dict[int, ProfileError]:
    first = min(wanted.days) if wanted.horizons_stated else model.horizon_months_max * DAYS_PER_MONTH
    late = np.flatnonzero(~(patients.survived_days < first))
    what = "the first horizon asked for" if wanted.horizons_stated else "horizon_months_max, the last that is answered"
    words = f"survived_months must lie before {first / DAYS_PER_MONTH:g} months, {what}; horizons count from diagnosis."
    return {row: profile_error(patients.ids[row], words) for row in late.tolist() if row not in faults}


def _not_yet_survived(bands: SurvivalBands, survived: Floats, days: Floats) -> SurvivalBands:
    if np.isnan(bands.probability).any():
        raise ArithmeticError("a probability of survival is not a number")
    if not survived.any():
        return bands
    past = survived[:, None] >= days
    return SurvivalBands(*(np.where(past, np.nan, each) for each in (bands.probability, bands.lower, bands.upper)))


def _cohort(curve: KaplanMeier | None, days: Floats, survived: Floats) -> Floats:
    if curve is None:
        return np.full((len(survived), len(days), 4), np.nan)
    distinct, which = np.unique(survived, return_inverse=True)
    return np.stack([survival_given(curve, day, days) for day in distinct])[which]
