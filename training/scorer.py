"""A model made ready to score: all patients that one variant answers at once, one column a figure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from features.cohort import DAYS_PER_MONTH
from training.contributions import Predictor
from training.frozen_features import FrozenFeatures
from training.kaplan_meier import survival_given
from training.model import PrognosticModel, Variant
from training.profiles import PatientReader, Patients, ProfileError, profile_error
from training.scorable import MISSING_WEIGHT_MAX, distance_refusal, smallest_addition, smallest_omission
from training.scores import CLINICAL, GENES_ONLY, Distance, Scored, Scores, Wanted, genes_outside, risk_percentile
from training.survival_bands import SurvivalBands, median_survival, survival_bands

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]

#: Curves of the cohort that are kept: by days survived and days asked for.
CURVES_KEPT = 64
_KEPT = "_scorer"


@dataclass(frozen=True, eq=False)
class Ready:
    """A variant laid out for scoring.

    ``gene_columns`` are its genes among the panel's, ``used`` those of them that the learner reads, and ``clinical``
    its columns that must be known, among those that its feature state reads.
    """

    variant: Variant
    frozen: FrozenFeatures
    predictor: Predictor
    gene_columns: Integers
    used: Integers
    genes: tuple[str, ...]
    clinical: Integers

    @classmethod
    def of(cls, model: PrognosticModel, variant: Variant) -> Ready:
        """Lay a variant out."""
        genes, panel = variant.features.genes, model.panel.symbols
        read = variant.features.clinical.columns
        return cls(
            variant,
            FrozenFeatures.of(variant.features),
            Predictor.of(variant),
            gene_columns=np.array([panel.index(gene) for gene in genes], dtype=np.int64),
            used=np.array([genes.index(gene) for gene in variant.genes], dtype=np.int64),
            genes=variant.genes,
            clinical=np.array([read.index(column) for column in variant.clinical], dtype=np.int64),
        )

    @cached_property
    def weights(self) -> Floats:
        """The share of each used gene in what the genes contribute; equal shares where a bundle does not tell."""
        known = self.variant.gene_weights
        shares = np.array([known.get(gene, 0.0) for gene in self.genes])
        return shares / shares.sum() if shares.sum() > 0 else np.full(len(self.used), 1 / max(len(self.used), 1))


@dataclass(frozen=True, eq=False)
class _Rows:
    """Patients whom one variant answers: their rows, and what is known of them; the first axis of all is theirs."""

    rows: Integers
    known: Floats
    clinical: Floats
    unknown: Bools
    distance: Distance | None


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
        clinical, unknown = self._clinical(patients)
        sound = np.ones(len(patients.ids), dtype=np.bool_)
        sound[list(faults)] = False
        full = sound & ~unknown.any(axis=1) if CLINICAL in self.ready else np.zeros_like(sound)
        scores = []
        for name, answered in ((CLINICAL, full), (GENES_ONLY, sound & ~full)):
            if not answered.any():
                continue
            known, lacking = self._known(name, answered, patients)
            faults |= lacking
            rows = np.flatnonzero(answered)
            if len(rows):
                read = clinical[rows] if name == CLINICAL else clinical[rows, :0]
                each = _Rows(rows, known, read, unknown[rows], _of_rows(distance, rows))
                scores.append(self._scores(name, each, patients, wanted))
        return Scored(tuple(scores), faults)

    def _known(self, name: str, answered: Bools, patients: Patients) -> tuple[Floats, dict[int, ProfileError]]:
        """Return the normal scores of a variant's patients, and the error of each who lacks too many genes.

        `answered` says who the variant's patients are, and is rid of those who lack too many.
        """
        ready, rows = self.ready[name], np.flatnonzero(answered)
        known = ready.frozen.known_scores(patients.values[np.ix_(rows, ready.gene_columns)])
        lacking = self._lacking_genes(ready, rows, patients, known)
        if lacking:
            answered[list(lacking)] = False
            known = known[answered[rows]]
        return known, lacking

    def _clinical(self, patients: Patients) -> tuple[Floats, Bools]:
        """Return the fuller variant's clinical covariates, NaN where not known, and which columns are not known."""
        if CLINICAL not in self.ready:
            return np.zeros((len(patients.ids), 0)), np.zeros((len(patients.ids), 0), dtype=np.bool_)
        ready = self.ready[CLINICAL]
        numbers = ready.frozen.clinical.numbers(patients.clinical, len(patients.ids))
        return ready.frozen.clinical.standardised(numbers), np.isnan(numbers[:, ready.clinical])

    def _lacking_genes(
        self, ready: Ready, rows: Integers, patients: Patients, known: Floats
    ) -> dict[int, ProfileError]:
        missing = np.isnan(known[:, ready.used])
        if not missing.any():
            return {}
        needed = ready.variant.minimum_gene_fraction * len(ready.used)
        too_few = (~missing).sum(axis=1) < needed
        too_much = missing @ ready.weights > MISSING_WEIGHT_MAX
        return {
            row: profile_error(patients.ids[row], self._lacks(ready, missing[i], int(np.ceil(needed))))
            for i, row in enumerate(rows.tolist())
            if too_few[i] or too_much[i]
        }

    def _lacks(self, ready: Ready, missing: Bools, needed: int) -> str:
        genes = ready.genes
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
        judged = known.judge(values)
        refused = [row for row in np.flatnonzero(judged.refused).tolist() if not np.isnan(values[row]).all()]
        faults = {
            row: profile_error(
                patients.ids[row],
                distance_refusal(genes_outside(known, judged.outside[row]), smallest_omission(known, values[row])),
            )
            for row in refused
        }
        return Distance(known, judged.percentile, judged.warned, judged.outside), faults

    def _scores(self, name: str, of: _Rows, patients: Patients, wanted: Wanted) -> Scores:
        ready = self.ready[name]
        X = ready.frozen.covariates(ready.frozen.filled(of.known), of.clinical)
        linear_predictor = ready.predictor.linear_predictor(X)
        survived = patients.survived_days[of.rows]
        answers = ready.variant.answers(
            X, linear_predictor, missing=np.isnan(of.known), survived_days=survived if survived.any() else None
        )
        divided = ready.predictor.contributions(X) if wanted.contributions else (None, math.nan)
        read = self.reader.clinical_columns
        return Scores(
            variant=name,
            rows=of.rows,
            linear_predictor=linear_predictor,
            risk_percentile=risk_percentile(ready.variant.reference, linear_predictor),
            survival=_not_yet_survived(survival_bands(answers, wanted.days), survived, wanted.days),
            cohort=self._cohort(wanted.days, survived),
            median=median_survival(answers, last_day=self.model.horizon_months_max * DAYS_PER_MONTH),
            contributions=divided[0],
            constant=divided[1],
            missing=np.isnan(of.known[:, ready.used]),
            unknown_clinical=tuple(tuple(compress(read, row)) for row in of.unknown.tolist()),
            distance=of.distance,
            gene_scores=of.known,
        )

    def _cohort(self, days: Floats, survived: Floats) -> Floats:
        if self.model.kaplan_meier is None:
            return np.full((len(survived), len(days), 4), np.nan)
        if not survived.any():
            return np.broadcast_to(self._given(0.0, days.tobytes()), (len(survived), len(days), 4))
        distinct, which = np.unique(survived, return_inverse=True)
        return np.stack([self._given(day, days.tobytes()) for day in distinct.tolist()])[which]

    @cached_property
    def _given(self) -> Callable[[float, bytes], Floats]:
        curve = self.model.kaplan_meier
        assert curve is not None  # noqa: S101
        return lru_cache(CURVES_KEPT)(lambda survived, days: survival_given(curve, survived, np.frombuffer(days)))


def scorer_of(model: PrognosticModel) -> Scorer:
    """Return the model's scorer, made at the first call."""
    # It stands on the model and ends with it: it holds the model, so that no mapping from models would ever let go.
    kept = vars(model)
    scorer: Scorer | None = kept.get(_KEPT)
    if scorer is None:
        scorer = kept[_KEPT] = Scorer(model)
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
