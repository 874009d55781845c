"""Score patients with a frozen model: a request's own words checked, and the answer for each patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from features.errors import PrognosisError
from features.scales import refusal
from training.model import PrognosticModel
from training.patient_scores import PatientScore, patient_scores
from training.profiles import Patients, Profile, ProfileError
from training.scorer import scorer_of
from training.scores import Scored, Wanted

#: A request's word for z-scores against its own patients.
OWN_REFERENCE = "own"


class RequestError(PrognosisError):
    """The request cannot be answered for any profile; `field` names what is at fault (``horizons_months``)."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, eq=False)
class ScoredPatients:
    """Patients with their figures, column by column, and what was asked.

    Parameters
    ----------
    model : PrognosticModel
    patients : Patients
    scored : Scored
    wanted : Wanted
    relative_only : bool
        See `PatientScore`.
    """

    model: PrognosticModel
    patients: Patients
    scored: Scored
    wanted: Wanted
    relative_only: bool

    @property
    def n_failed(self) -> int:
        """Patients that could not be scored."""
        return len(self.scored.faults)

    def answers(self) -> list[PatientScore | ProfileError]:
        """Return the answer for each patient, in order."""
        answers: dict[int, PatientScore | ProfileError] = dict(self.scored.faults)
        for scores in self.scored.by_variant:
            each = patient_scores(self.model, self.patients, scores, self.wanted, relative_only=self.relative_only)
            answers |= zip(scores.rows.tolist(), each, strict=True)
        return [answers[row] for row in range(len(self.patients.ids))]


def scored_profiles(
    model: PrognosticModel,
    profiles: Sequence[Profile],
    *,
    scale: str,
    zscore_reference: str | None,
    horizons_months: Sequence[float] | None,
    contributions: bool = True,
) -> ScoredPatients:
    """Score each profile with the variant that its clinical covariates allow, in order.

    Parameters
    ----------
    model : PrognosticModel
    profiles : sequence of Profile
    scale : str
        Of the expression values; see `features.scales.SCALES`.
    zscore_reference : str or None
        What z-scores refer to: the model's reference by name, or ``own`` (also if None).
    horizons_months : sequence of float or None
        The model's own if None.
    contributions : bool
        Whether to divide the linear predictor among the covariates.

    Raises
    ------
    RequestError
        If the scale, its reference or a horizon cannot be answered by this model.
    """
    relative_only = check_scale(model, scale, zscore_reference)
    wanted = wanted_of(model, horizons_months, contributions=contributions)
    scorer = scorer_of(model)
    patients = scorer.reader.profiles(profiles, scale)
    return ScoredPatients(model, patients, scorer.score(patients, wanted), wanted, relative_only)


def score_profiles(
    model: PrognosticModel, profiles: Sequence[Profile], **asked: Any
) -> list[PatientScore | ProfileError]:
    """Return the answers of `scored_profiles`, in order."""
    return scored_profiles(model, profiles, **asked).answers()


def check_scale(model: PrognosticModel, scale: str, zscore_reference: str | None) -> bool:
    """Return whether the answer is relative only, after refusing what has no conversion.

    Raises
    ------
    RequestError
    """
    reason = refusal(scale, model.scale)
    if reason is not None:
        raise RequestError(f"{model.name} was trained on scale {model.scale}: {reason}", field="scale")
    if scale != "zscore":
        if zscore_reference is not None:
            raise RequestError(
                f"zscore_reference {zscore_reference!r} means nothing on scale {scale}; leave it out.",
                field="zscore_reference",
            )
        return False
    if zscore_reference not in (None, OWN_REFERENCE, model.zscore_reference):
        raise RequestError(
            f"{model.name}: z-scores against {zscore_reference!r} mean nothing to a model whose reference is "
            f"{model.zscore_reference!r}; state that name, or {OWN_REFERENCE!r} for a relative answer.",
            field="zscore_reference",
        )
    return zscore_reference != model.zscore_reference


def wanted_of(model: PrognosticModel, horizons_months: Sequence[float] | None, *, contributions: bool) -> Wanted:
    """Return what is asked of every patient; past the cohort's follow-up nothing is answered.

    Raises
    ------
    RequestError
        If a horizon lies beyond it, or is not above 0.
    """
    if horizons_months is None:
        return Wanted(model.horizons_months, horizons_stated=False, contributions=contributions)
    refused = [horizon for horizon in horizons_months if not 0 < horizon <= model.horizon_months_max]
    if refused:
        raise RequestError(
            f"{model.name}: survival at {refused[0]:.12g} months cannot be answered; the last time with enough "
            f"patients at risk is {model.horizon_months_max:.12g} months (horizon_months_max), and a horizon is above "
            "0.",
            field="horizons_months",
        )
    asked = tuple(float(horizon) for horizon in horizons_months)
    return Wanted(asked, horizons_stated=True, contributions=contributions)
