"""The sentences beside a patient's figures: what the model has not shown, and what was not known of the patient."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from training.gate import PASSED
from training.metrics import gain_of_genes
from training.model import PrognosticModel, Variant
from training.profiles import Patients, listed
from training.scorable import distance_warning, far_values_warning
from training.scores import CLINICAL, GENES_ONLY, Scores

_SIMULATED = "SIMULATED: this model was trained on simulated patients; its figures say nothing of a real one."
_NO_INTERVAL = "this model's bundle holds no bootstrap replicates: its figures have no intervals."


class Cautions:
    """Words the warnings to the patients whom one variant answered; the gravest first.

    Parameters
    ----------
    model : PrognosticModel
    scores : Scores
    patients : Patients
    relative_only : bool
    """

    def __init__(self, model: PrognosticModel, scores: Scores, patients: Patients, *, relative_only: bool) -> None:
        self._model, self._scores, self._patients = model, scores, patients
        variant = model.variants[scores.variant]
        self._genes = variant.genes
        self._first = (*_of_figures(model, relative_only=relative_only),)
        self._gate = (*_of_gate(model, scores.variant),)
        self._variant = (*_of_variant(variant),)
        self._complete = not scores.missing.any()
        self._past = np.isnan(scores.survival.probability).all(axis=1).tolist()
        self._warned = [False] * len(scores.rows) if scores.distance is None else scores.distance.warned.tolist()

    def of(self, position: int) -> tuple[str, ...]:
        """Return those of the patient at a position of the scores."""
        unknown = self._scores.unknown_clinical[position]
        return (
            *self._first,
            *self._of_distance(position),
            *self._gate,
            *([_not_known(unknown)] if unknown else []),
            *self._variant,
            *self._of_horizons(position),
            *self._of_genes(position),
            *self._of_clinical(position),
        )

    def key(self, position: int) -> tuple[object, ...]:
        """Return what the warnings and the missing genes of a patient follow from: equal keys, equal words."""
        row = int(self._scores.rows[position])
        return (
            b"" if self._complete else self._scores.missing[position].tobytes(),
            self._scores.unknown_clinical[position],
            self._patients.ignored_clinical.get(row),
            self._patients.layout(row).n_ignored,
            position if self._warned[position] else None,
            self._past[position],
        )

    def missing_genes(self, position: int) -> tuple[str, ...]:
        """Return the genes that the patient lacks."""
        if self._complete:
            return ()
        return tuple(self._genes[j] for j in np.flatnonzero(self._scores.missing[position]))

    def _of_distance(self, position: int) -> Iterator[str]:
        distance = self._scores.distance
        if distance is None or not self._warned[position]:
            return
        percentile = float(distance.percentile[position])
        if not percentile <= distance.applicability.warned_above:
            yield distance_warning(distance.applicability, percentile, distance.genes_outside(position))
        far = distance.far_genes(position)
        if far:
            yield far_values_warning(far)

    def _of_horizons(self, position: int) -> Iterator[str]:
        if self._past[position]:
            yield "the patient has survived every horizon that is answered: ask for later ones in horizons_months."

    def _of_genes(self, position: int) -> Iterator[str]:
        missing = self.missing_genes(position)
        if missing:
            yield f"{len(missing)} genes are missing and were estimated from the others: {listed(missing)}."
        ignored = self._patients.layout(int(self._scores.rows[position])).n_ignored
        if ignored:
            yield f"{ignored} of the genes sent are not in the model's panel and were ignored."

    def _of_clinical(self, position: int) -> Iterator[str]:
        ignored = self._patients.ignored_clinical.get(int(self._scores.rows[position]))
        if ignored:
            yield f"clinical covariates that this model does not read were ignored: {listed(ignored)}."


def _not_known(columns: tuple[str, ...]) -> str:
    return f"clinical covariates not known: {', '.join(columns)}; the genes-only model answered."


def _of_figures(model: PrognosticModel, *, relative_only: bool) -> Iterator[str]:
    if relative_only:
        yield (
            f"z-scores against another reference than the model's ({model.zscore_reference}): the figures rank "
            "patients that share a reference, they do not predict survival."
        )
    if model.simulated:
        yield _SIMULATED


def _of_gate(model: PrognosticModel, variant: str) -> Iterator[str]:
    # Name the clauses of the gate that the model has not passed, and say where it judged the other variant.
    missed = [f"{clause}: {verdict} ({figure})" for clause, verdict, figure in model.gate if verdict != PASSED]
    if missed and not model.champion_earned:
        yield f"exploratory model, gate not passed: {'; '.join(missed)}."
    elif variant == GENES_ONLY and CLINICAL in model.variants:
        yield "the gate judged the model with clinical covariates, not the genes-only one that answered."


def _of_variant(variant: Variant) -> Iterator[str]:
    concordance = variant.metrics["concordance_harrell"]
    if not concordance.lower > 0.5:
        yield (
            f"this model is not shown to be better than chance: out-of-fold concordance {concordance.value:.2f} "
            f"({concordance.lower:.2f} to {concordance.upper:.2f})."
        )
    gain = gain_of_genes(variant.metrics)
    if variant.clinical and gain is not None and not gain.lower > 0:
        yield (
            f"the genes are not shown to add to {', '.join(variant.clinical)}: out-of-fold concordance beyond them "
            f"{gain.value:+.2f} ({gain.lower:+.2f} to {gain.upper:+.2f})."
        )
    if variant.slope == 0:
        yield "the model found no signal that held out of fold: every patient gets the cohort's survival."
    if variant.replicates is None:
        yield _NO_INTERVAL
