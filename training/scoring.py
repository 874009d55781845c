"""Score single patients with a frozen model: the arithmetic behind every answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from features.errors import PrognosisError
from training.model import PrognosticModel


@dataclass(frozen=True)
class Profile:
    """One patient's expression (identifier to value, on the request's scale) and, where given, clinical covariates."""

    id: str
    expression: Mapping[str, float]
    clinical: Mapping[str, float | str | None] | None = None


@dataclass(frozen=True)
class PatientScore:
    """The answer for one profile.

    Parameters
    ----------
    variant : str
        ``clinical`` or ``genes_only``: which twin answered.
    linear_predictor : float
        Log relative hazard against the reference cohort's mean; higher is worse.
    risk_percentile : float
        0 to 100 among the reference cohort's out-of-fold linear predictors; higher is worse.
    risk_group : str
        ``low``, ``intermediate`` or ``high`` (tertiles of the same).
    survival : tuple of (horizon_months, probability)
    relative_only : bool
        True where the z-scores' reference is not the model's own: figures compare, they do not predict.
    warnings : tuple of str
        Sentences; the gravest first.
    """

    id: str
    variant: str
    linear_predictor: float
    risk_percentile: float
    risk_group: str
    survival: tuple[tuple[float, float], ...]
    relative_only: bool
    warnings: tuple[str, ...]


class ProfileError(PrognosisError):
    """One profile cannot be scored; the others of the request can."""


class RequestError(PrognosisError):
    """The request cannot be answered for any profile; `field` names what is at fault (``horizons_months``)."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


def score_profiles(
    model: PrognosticModel,
    profiles: Sequence[Profile],
    *,
    scale: str,
    zscore_reference: str | None,
    horizons_months: Sequence[float] | None,
) -> list[PatientScore | ProfileError]:
    """Score each profile with the variant that its clinical covariates allow, in order.

    Raises
    ------
    RequestError
        If the scale, its reference or a horizon cannot be answered by this model.
    """
    raise NotImplementedError
