"""External validation: a locked model, applied and never refitted, to a cohort that it has not seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.cohort import DAYS_PER_MONTH, SIMULATED_PREFIX, Cohort
from features.errors import PrognosisError
from training.case_mix import Typical, case_mix, predictor_mix, typical
from training.evaluation import Judge
from training.external_figures import (
    Predictions,
    calibration_groups,
    decision_curves,
    external_judge,
    external_metrics,
    relative_metrics,
)
from training.input_shift import input_shifts
from training.kaplan_meier import median_follow_up
from training.model import CohortSummary, PrognosticModel, Variant
from training.new_patients import AS_IS, Answered, NewPatients
from training.recalibration import Study
from training.validation_results import Row, Validation, judged_row
from training.validation_verdict import FEWEST_EVENTS, Evidence, findings

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

type Progress = Callable[[str, int, int], None]

__all__ = ["SAMPLES", "SEED", "Row", "Validation", "ValidationError", "validate"]

SAMPLES = 1000
SEED = 20130306


class ValidationError(PrognosisError):
    """A model cannot be validated on a cohort."""


def validate(
    model: PrognosticModel,
    cohort: Cohort,
    *,
    reference: str | None = None,
    cross: bool = False,
    n_samples: int = SAMPLES,
    seed: int = SEED,
    progress: Progress | None = None,
) -> Validation:
    """Apply a locked model to a new cohort, and say what it is worth there.

    Parameters
    ----------
    model : PrognosticModel
        Not changed, and not refitted: no outcome of the cohort enters a prediction.
    cohort : Cohort
    reference : str or None
        Of a model of pooled cohorts: the one to be asked against; the one that it is on where none is named.
    cross : bool
        Whether another cancer type is meant.
    n_samples : int
        Bootstrap samples of patients.
    seed : int
    progress : callable, optional
        Told of every row that is done.

    Raises
    ------
    ValidationError
        If the cohort's endpoint or cancer type is not the model's, real and simulated patients would meet, or the model
        was trained on all of these patients.

    Notes
    -----
    Patients whom the model was trained on are left out of every figure and counted. Those whom the service would refuse
    are counted by reason, and have no figure; all others are judged.

    References
    ----------
    Collins GS et al. TRIPOD+AI statement. BMJ 2024;385:e078378. doi:10.1136/bmj-2023-078378

    Royston P, Altman DG. External validation of a Cox prognostic model: principles and methods. BMC Med Res Methodol
    2013;13:33. doi:10.1186/1471-2288-13-33

    Debray TPA et al. A new framework to enhance the interpretation of external validation studies of clinical
    prediction models. J Clin Epidemiol 2015;68:279-289. doi:10.1016/j.jclinepi.2014.06.018
    """
    whole, model = model, model.reference_named(reference)
    require_same_question(model, cohort, cross=cross)
    patients = NewPatients(model, cohort)
    _require_unseen(patients)
    rows = _rows(patients, n_samples=n_samples, seed=seed, progress=progress)
    shifts, distance = input_shifts(patients), typical(patients)
    return Validation(
        model=model,
        cohort=_summary(cohort),
        cancer_type=cohort.cancer_type,
        attendance=patients.attendance,
        rows=rows,
        shifts=shifts,
        typical=distance,
        case_mix=case_mix(patients),
        relative_reason=patients.relative_reason,
        findings=findings(
            replace(_evidence(patients, judged_row(rows), shifts, distance), fitting=_fitting(whole, cohort))
        ),
        seed=seed,
        n_samples=n_samples,
    )


def require_same_question(model: PrognosticModel, cohort: Cohort, *, cross: bool) -> None:
    """Raise unless the model answers for such patients.

    Raises
    ------
    ValidationError
        See `validate`.
    """
    if cohort.endpoint != model.endpoint:
        raise ValidationError(f"{cohort}: {model.name} predicts {model.endpoint}; read the cohort for that endpoint.")
    if cohort.simulated != model.simulated:
        raise ValidationError(
            f"{cohort}: {model.name} and these patients are not both {SIMULATED_PREFIX.rstrip('-').lower()} or both "
            "real; figures across the two would mean nothing."
        )
    if cohort.cancer_type != model.cancer_type and not cross:
        raise ValidationError(
            f"{cohort}: {model.name} was trained on {model.cancer_type}, and these patients have "
            f"{cohort.cancer_type}; name a model of their cancer type, or say that another one is meant."
        )


def _require_unseen(patients: NewPatients) -> None:
    if not patients.absent.any():
        raise ValidationError(
            f"{patients.cohort}: {patients.model.name} was trained on all {len(patients.absent)} patients of this "
            "cohort; figures on them would be no validation. Name a cohort that it has not seen."
        )


def _fitting(model: PrognosticModel, cohort: Cohort) -> tuple[str, ...]:
    """Return the references of a pooled model against which the cohort's risks could be judged."""
    if not model.reference:
        return ()
    each = (model, *model.references.values())
    return tuple(one.reference for one in each if NewPatients(one, cohort).relative_reason is None)


def _evidence(patients: NewPatients, judged: Row, shifts: pd.DataFrame, distance: Typical | None) -> Evidence:
    return Evidence(
        judged.metrics,
        judged.horizons_months,
        judged.n_events,
        patients.relative_reason,
        shifts,
        distance,
        n_asked=patients.attendance.n_absent,
        refused=patients.attendance.refused,
        renormalised=judged.normalisation != AS_IS,
    )


def _rows(patients: NewPatients, *, n_samples: int, seed: int, progress: Progress | None) -> tuple[Row, ...]:
    answered = tuple(patients.answered())
    rows = []
    for done, each in enumerate(answered, start=1):
        rows.append(_row(patients, each, n_samples=n_samples, seed=seed))
        if progress is not None:
            progress("rows", done, len(answered))
    return tuple(rows)


def _row(patients: NewPatients, answered: Answered, *, n_samples: int, seed: int) -> Row:
    cohort, model = patients.cohort, patients.model
    variant = model.variants[answered.variant]
    time, event = cohort.time[answered.rows], cohort.event[answered.rows]
    judge = external_judge(model, time, event, n_samples=n_samples, seed=seed)
    row = Row(answered.variant, answered.normalisation, time, event, answered.linear_predictor, {})
    if judge is None or not event.any():
        return row
    return _judged(row, variant, judge, patients, seed=seed)


def _judged(row: Row, variant: Variant, judge: Judge, patients: NewPatients, *, seed: int) -> Row:
    predicted = Predictions.of(variant.baseline, row.linear_predictor, judge)
    metrics = external_metrics(patients.model, judge, predicted)
    mix = predictor_mix(variant, row.linear_predictor)
    row = replace(row, metrics=metrics, horizons_months=judge.horizons_months, mix=mix)
    if patients.relative_reason is not None:
        return replace(row, metrics=relative_metrics(metrics))
    offered = row.normalisation == AS_IS and row.n_events >= FEWEST_EVENTS
    study = Study(patients.model, variant.baseline, judge, row.linear_predictor, seed)
    return replace(
        row,
        calibration=calibration_groups(judge, predicted.survival),
        decision_curve=decision_curves(judge, predicted.survival, row.variant),
        offers=study.offers() if offered else (),
    )


def _summary(cohort: Cohort) -> CohortSummary:
    follow_up = median_follow_up(cohort.time, cohort.event) / DAYS_PER_MONTH
    return CohortSummary(cohort.source, len(cohort.time), cohort.n_events, follow_up, cohort.digest())
