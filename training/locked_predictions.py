"""What a locked model predicts for the patients of a new cohort that it has not learned from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from features.cohort import Cohort, CohortPart
from features.persons import own_identifiers
from features.pooled_cohorts import stratum
from training.model import PrognosticModel
from training.new_patients import AS_IS, RENORMALISED, Answered, NewPatients
from training.scores import CLINICAL
from training.survival_grid import horizon_day
from training.training_patients import absent_from, share_of_reference

Floats = NDArray[np.float64]

#: A cohort is the one that a reference is of, grown since, if it holds at least this share of the reference's patients.
GROWN_FROM = 0.5


@dataclass(frozen=True, eq=False)
class LockedPredictions:
    """The answers of a model that nothing is refitted in.

    Parameters
    ----------
    absent : array of bool, shape (n_patients,)
        Whom the model was not trained on.
    linear_predictor : array, shape (n_patients,)
        Log relative hazard; higher is worse. NaN for training patients, and for those whom the model refuses.
    survival : array or None, shape (n_patients, n_days)
        None where predicted probabilities mean nothing for the cohort.
    until_days : float
        The last day on which the model answers survival.
    note : str
        What a reader must know of the answers.
    """

    absent: NDArray[np.bool_]
    linear_predictor: Floats
    survival: Floats | None
    until_days: float
    note: str = ""

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Who has a prediction, shape (n_patients,)."""
        return ~np.isnan(self.linear_predictor)


def locked_predictions(model: PrognosticModel, cohort: Cohort, days: Floats) -> LockedPredictions:
    """Ask a model about a cohort's patients as the service would be asked, and leave out those it was trained on.

    Parameters
    ----------
    model : PrognosticModel
    cohort : Cohort
        Of several cohorts that were pooled, each is asked about on its own scale, and against the model's reference of
        the same patients where there is one, else against its default reference. Names decide nothing: one that nobody
        gave is a folder's last word, and numbered in the order in which cohorts came.
    days : array, shape (n_days,)

    Notes
    -----
    Who lacks a clinical covariate is answered by the genes-only twin; who is refused (too many genes missing, too far
    from the reference cohort) has no prediction. Where no formula leads to the model's scale, its genes are read
    against the cohort's own quantiles (*renormalised*), and only the order of its predictions means something.
    """
    if cohort.strata is None:
        return _asked(model, cohort, days)
    by_part = {part.name: _of_part(model, cohort, part, days) for part in cohort.parts}
    # Pooling may have given an identifier its cohort's name, under which the model has never met the patient.
    absent, linear_predictor = absent_from(model, own_identifiers(cohort)), np.full(len(cohort.time), np.nan)
    survival = np.full((len(cohort.time), len(days)), np.nan)
    for name, part in by_part.items():
        members = cohort.strata == name
        linear_predictor[members] = part.linear_predictor
        if part.survival is not None:
            survival[members] = part.survival
    linear_predictor[~absent] = np.nan
    complete = all(part.survival is not None for part in by_part.values())
    notes = dict.fromkeys(f"{name}: {part.note}" for name, part in by_part.items() if part.note)
    return LockedPredictions(
        absent,
        linear_predictor,
        survival if complete else None,
        min(part.until_days for part in by_part.values()),
        "; ".join(notes),
    )


def _of_part(model: PrognosticModel, cohort: Cohort, part: CohortPart, days: Floats) -> LockedPredictions:
    """Return the answers for one of the cohorts that were pooled, and say so where it has no reference of its own."""
    reference = _reference_of(model, cohort, part)
    asked = _asked(reference or model, stratum(cohort, part.name), days)
    if reference is not None or not model.reference_names or not asked.absent.any():
        return asked
    told = f"no reference of {model.name} is of this cohort: read against the default, {model.reference!r}"
    return replace(asked, note="; ".join(filter(None, (told, asked.note))))


def _reference_of(model: PrognosticModel, cohort: Cohort, part: CohortPart) -> PrognosticModel | None:
    """Return the model on the reference that is of this cohort, or of most of its patients; None if none or several."""
    views = [model.reference_named(name) for name in model.reference_names]
    equal = [view for view in views if _data_digest(view) == part.digest]
    if equal:
        return equal[0]
    assert cohort.strata is not None  # noqa: S101
    members = (cohort.strata == part.name).tolist()
    patients = [each for each, is_member in zip(own_identifiers(cohort), members, strict=True) if is_member]
    grown = [view for view in views if share_of_reference(view, patients) >= GROWN_FROM]
    return grown[0] if len(grown) == 1 else None


def _data_digest(view: PrognosticModel) -> str:
    """Return the digest of the data that a reference's cohort was before it was pooled."""
    return view.provenance.get(f"cohort {view.reference}", "").rpartition("data digest ")[2]


def _asked(model: PrognosticModel, cohort: Cohort, days: Floats) -> LockedPredictions:
    patients = NewPatients(model, cohort)
    normalisation = AS_IS if patients.scale_refusal is None else RENORMALISED
    answers = {each.variant: each for each in patients.answered() if each.normalisation == normalisation}
    linear_predictor = np.full(len(cohort.time), np.nan)
    survival = np.full((len(cohort.time), len(days)), np.nan)
    for answered in _fuller_last(answers.values()):
        linear_predictor[answered.rows] = answered.linear_predictor
        baseline = model.variants[answered.variant].baseline
        survival[answered.rows] = baseline.survival(answered.linear_predictor, days)
    relative = patients.relative_reason
    return LockedPredictions(
        patients.absent,
        linear_predictor,
        None if relative else survival,
        horizon_day(model.horizon_months_max),
        f"{normalisation}: {relative}" if relative else "",
    )


def _fuller_last(answers: Iterable[Answered]) -> Iterator[Answered]:
    """Yield the genes-only twin's answers first, so that those with clinical covariates take their place."""
    yield from sorted(answers, key=lambda answered: answered.variant == CLINICAL)
