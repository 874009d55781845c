"""Whether a model that was read can score: a made-up patient, before any real one asks."""

from __future__ import annotations

import math

from features.errors import PrognosisError
from training.model import PrognosticModel
from training.patient_scores import PatientScore
from training.profiles import Profile, ProfileError
from training.scoring import score_profiles
from training.synthetic_profile import synthetic_profile


class UnfitModelError(PrognosisError):
    """A model was read, but cannot score its own made-up patient."""


def require_scoring(model: PrognosticModel) -> None:
    """Score a patient at the usual values of each reference with each variant; what scores is compiled on the way.

    Raises
    ------
    UnfitModelError
        If the patient is refused, or a figure is no number.
    """
    for reference in (model, *model.references.values()):
        _require_scoring(reference)


def _require_scoring(model: PrognosticModel) -> None:
    expression, clinical = synthetic_profile(model)
    profiles = [Profile("with clinical covariates", expression, clinical or None), Profile("genes only", expression)]
    # A gene less, so that what is missing is estimated too.
    profiles.append(Profile("a gene less", dict(list(expression.items())[1:])))
    try:
        answers = score_profiles(
            model, profiles, scale=model.scale, zscore_reference=model.zscore_reference, horizons_months=None
        )
    except ArithmeticError as error:
        raise UnfitModelError(f"{model.name}: of its own made-up patient {error}.") from error
    for answer in answers:
        if isinstance(answer, ProfileError):
            raise UnfitModelError(f"{model.name}: its own made-up patient is refused: {answer}")
        _require_figures(model, answer)


def _require_figures(model: PrognosticModel, answer: PatientScore) -> None:
    figures = [answer.linear_predictor, answer.risk_percentile, *(at.probability for at in answer.survival)]
    if not all(map(math.isfinite, figures)):
        raise UnfitModelError(f"{model.name}: a figure of its own made-up patient ({answer.id}) is no number.")
