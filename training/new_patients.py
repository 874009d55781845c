"""A new cohort as a locked model meets it: whom it answers, whom it refuses and why, and what it predicts for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.clinical_covariates import ColumnValues, parsed_values
from features.cohort import Cohort
from features.normal_scores import NormalScoreReference
from features.scales import refusal
from training.applicability import Judgement
from training.contributions import Predictor
from training.model import PrognosticModel, Variant
from training.profiles import Layout, Patients, profile_error
from training.scorable import MISSING_WEIGHT_MAX
from training.scorer import Ready, Scorer, scorer_of
from training.scores import CLINICAL, Wanted
from training.training_patients import absent_from

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]

AS_IS, RENORMALISED = "as_is", "renormalised"
#: Why the service refuses a patient.
SCALE, DISTANCE, GENES = (
    "values unlike the stated scale",
    "too far from the reference cohort",
    "too many genes missing",
)


@dataclass(frozen=True)
class Attendance:
    """Who of a cohort was judged, and who was not.

    Parameters
    ----------
    n_patients, n_events : int
        In the cohort.
    n_learned_from : int
        Patients whom the model was trained on: their figures would not be external, and they are left out of all.
    n_absent, n_absent_events : int
        The others.
    refused : mapping of str to int
        Of the others, those whom the service would not score, by reason.
    n_warned : int
        Of the others, those who would be scored with a warning of their distance from the reference cohort.
    unknown_clinical : mapping of str to int
        Of the others that are scored, by clinical column that is not known: the genes-only twin answers them.
    """

    n_patients: int
    n_events: int
    n_learned_from: int
    n_absent: int
    n_absent_events: int
    refused: Mapping[str, int]
    n_warned: int
    unknown_clinical: Mapping[str, int]

    @property
    def n_refused(self) -> int:
        """Patients whom the service would not score."""
        return sum(self.refused.values())


@dataclass(frozen=True, eq=False)
class Answered:
    """What one variant predicts for the patients whom it answers.

    Parameters
    ----------
    variant : str
    normalisation : str
        ``as_is``: against the bundle's frozen reference, as a new patient is answered; ``renormalised``: genes against
        the quantiles of the new cohort itself, which no single patient has.
    rows : array of int, shape (n_answered,)
        Positions in the cohort.
    linear_predictor : array, shape (n_answered,)
        Log relative hazard; higher is worse.
    """

    variant: str
    normalisation: str
    rows: Integers
    linear_predictor: Floats

    @property
    def name(self) -> str:
        """``clinical, as_is``."""
        return f"{self.variant}, {self.normalisation}"


class NewPatients:
    """The patients of a cohort before a locked model; nothing is fitted.

    Parameters
    ----------
    model : PrognosticModel
    cohort : Cohort
        Of the panel's genes those that it has; patients as they were read.
    """

    def __init__(self, model: PrognosticModel, cohort: Cohort) -> None:
        self.model, self.cohort = model, cohort
        self.absent: Bools = absent_from(model, cohort.patients)
        self._expression = cohort.expression.reindex(columns=list(model.panel.symbols))

    @cached_property
    def scale_refusal(self) -> str | None:
        """Why the model's scale cannot be had from the cohort's; None where it can."""
        return refusal(self.cohort.scale, self.model.scale)

    @cached_property
    def relative_reason(self) -> str | None:
        """Why predicted probabilities mean nothing for this cohort; None where they do."""
        if self.scale_refusal is not None:
            return f"{self.model.name} was trained on scale {self.model.scale}: {self.scale_refusal}"
        if self.cohort.scale == "zscore" and self.cohort.zscore_reference != self.model.zscore_reference:
            return (
                f"the cohort's z-scores refer to {self.cohort.zscore_reference}, the model's to "
                f"{self.model.zscore_reference}: such figures rank patients that share a reference, and predict no risk"
            )
        return None

    @cached_property
    def attendance(self) -> Attendance:
        """Who is judged, and who is not."""
        absent, event, reasons = self.absent, self.cohort.event, self._reasons
        scored = absent & np.array([reason is None for reason in reasons])
        kept = [reason for reason, counts in zip(reasons, absent, strict=True) if counts and reason is not None]
        unknown = self._unknown_clinical
        return Attendance(
            n_patients=len(absent),
            n_events=int(event.sum()),
            n_learned_from=int((~absent).sum()),
            n_absent=int(absent.sum()),
            n_absent_events=int(event[absent].sum()),
            refused={reason: kept.count(reason) for reason in (SCALE, DISTANCE, GENES) if reason in kept},
            n_warned=0 if self.distance is None else int((self.distance.warned & scored).sum()),
            unknown_clinical={name: int(unknown[scored, j].sum()) for j, name in enumerate(self._read_clinical)},
        )

    def answered(self) -> Iterator[Answered]:
        """Yield what each variant predicts, as it is and renormalised, for patients whom the model never saw."""
        for name in self.model.variants:
            if self.scale_refusal is None:
                yield self._as_is(name)
            yield self._renormalised(name)

    @cached_property
    def on_model_scale(self) -> Floats | None:
        """Expression on the model's scale in the panel's order, shape (n_patients, n_panel_genes).

        NaN where missing, and for patients with values unlike their scale; None where there is no conversion.
        """
        return None if self.scale_refusal is not None else self._patients.values  # noqa: PD011 - no data frame

    @cached_property
    def distance(self) -> Judgement | None:
        """How far each patient is from the reference cohort; None where the scale or the bundle does not tell."""
        if self.on_model_scale is None or self.model.applicability is None:
            return None
        return self.model.applicability.judge(self.on_model_scale[:, self._scorer.reader.reference_columns])

    @cached_property
    def _scorer(self) -> Scorer:
        return scorer_of(self.model)

    @cached_property
    def _read_clinical(self) -> tuple[str, ...]:
        return self._scorer.reader.clinical_columns

    @cached_property
    def _clinical(self) -> dict[str, ColumnValues]:
        table = self.cohort.clinical
        columns = {name: table[name] for name in self._read_clinical if name in table.columns}
        return {name: parsed_values(name, _words(column)) for name, column in columns.items()}

    @cached_property
    def _unknown_clinical(self) -> Bools:
        """Which clinical columns of the fuller variant are not known, shape (n_patients, n_columns)."""
        if CLINICAL not in self.model.variants:
            return np.zeros((len(self.absent), 0), dtype=np.bool_)
        ready = self._scorer.ready[CLINICAL]
        numbers = ready.frozen.clinical.numbers(self._clinical, len(self.absent))
        return np.asarray(np.isnan(numbers[:, ready.clinical]))

    @cached_property
    def _patients(self) -> Patients:
        n_patients, n_genes = self._expression.shape
        everywhere = np.arange(n_genes, dtype=np.int64)
        return self._scorer.reader.read(
            # Never the patients' own: a fault quotes them.
            [str(position) for position in range(n_patients)],
            self._expression.to_numpy(np.float64),
            self.cohort.scale,
            clinical=self._clinical,
            survived_months=np.zeros(n_patients),
            layouts=[Layout(everywhere, everywhere, {}, 0, None)],
            ignored_clinical={},
            faults={},
        )

    @cached_property
    def _near(self) -> Patients:
        """The patients without those who are too far: the scorer would look for what makes each of them scorable."""
        if self.distance is None:
            return self._patients
        far = np.flatnonzero(self.distance.refused)
        values = self._patients.values.copy()  # noqa: PD011 - no data frame
        values[far] = np.nan
        faults = {int(row): profile_error(str(row), DISTANCE) for row in far}
        return replace(self._patients, values=values, faults={**faults, **self._patients.faults})

    @cached_property
    def _reasons(self) -> list[str | None]:
        """Why each patient is refused; None where they are scored by one variant or the other."""
        if self.scale_refusal is not None:
            return [None] * len(self.absent)
        # A profile without a known gene has no distance, and one of few genes would be refused however near it were.
        suffice = np.any([self._genes_suffice(self._scorer.ready[name]) for name in self.model.variants], axis=0)
        far = np.zeros_like(suffice) if self.distance is None else suffice & self.distance.refused
        unscored = set(range(len(self.absent))).difference(*(rows.tolist() for rows, _ in self._scored.values()))
        return [
            None if i not in unscored else SCALE if i in self._patients.faults else DISTANCE if far[i] else GENES
            for i in range(len(self.absent))
        ]

    @cached_property
    def _scored(self) -> dict[str, tuple[Integers, Floats]]:
        """By variant: the rows that it answers, as the service would, and their linear predictors."""
        wanted = Wanted(self.model.horizons_months[:1], horizons_stated=False, contributions=False)
        found = {}
        for name in self.model.variants:
            # Without its clinical covariates every patient is the genes-only twin's.
            patients = self._near if name == CLINICAL else replace(self._near, clinical={})
            answers = {each.variant: each for each in self._scorer.score(patients, wanted).by_variant}
            scores = answers.get(name)
            nobody = (np.zeros(0, dtype=np.int64), np.zeros(0))
            found[name] = nobody if scores is None else (scores.rows, scores.linear_predictor)
        return found

    def _as_is(self, name: str) -> Answered:
        rows, linear_predictor = self._scored[name]
        kept = self.absent[rows]
        return Answered(name, AS_IS, rows[kept], linear_predictor[kept])

    def _renormalised(self, name: str) -> Answered:
        """Answer with genes against the cohort's own quantiles; how far the patients are from the reference is moot."""
        variant = renormalised(self.model.variants[name], self.cohort)
        members = self.absent & self._genes_suffice(self._scorer.ready[name])
        if name == CLINICAL:
            members &= ~self._unknown_clinical.any(axis=1)
        rows = np.flatnonzero(members)
        if not len(rows):
            return Answered(name, RENORMALISED, rows, np.zeros(0))
        X = variant.features.transform(self._expression.iloc[rows], self.cohort.clinical.iloc[rows])
        return Answered(name, RENORMALISED, rows, Predictor.of(variant).linear_predictor(X))

    def _genes_suffice(self, ready: Ready) -> Bools:
        missing = self._expression[list(ready.genes)].isna().to_numpy()
        enough = (~missing).sum(axis=1) >= ready.variant.minimum_gene_fraction * len(ready.genes)
        return np.asarray(enough & (missing @ ready.weights <= MISSING_WEIGHT_MAX))


def renormalised(variant: Variant, cohort: Cohort) -> Variant:
    """Return the variant with each gene's reference learned from the new cohort, everything else as it was.

    Parameters
    ----------
    variant : Variant
    cohort : Cohort
        All its patients; a gene that it lacks keeps the reference that nothing will be looked up in.

    Notes
    -----
    Whatever shifts a whole gene or bends its scale goes away: batches, platforms, and true differences between the
    patients alike. It is a figure on a cohort, and not what one new patient is answered.
    """
    learned = {
        gene: NormalScoreReference.fit(cohort.expression[gene].to_numpy(np.float64))
        for gene in variant.features.genes
        if gene in cohort.expression.columns and cohort.expression[gene].notna().any()
    }
    references = {gene: learned.get(gene, known) for gene, known in variant.features.references.items()}
    return replace(variant, features=replace(variant.features, references=references))


def _words(values: pd.Series) -> list[float | str | None]:
    return [None if missing else value for value, missing in zip(values.tolist(), values.isna(), strict=True)]
