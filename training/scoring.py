"""Score single patients with a frozen model: the arithmetic behind every answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.cohort import DAYS_PER_MONTH
from features.errors import PrognosisError
from features.scales import refusal
from training.gate import PASSED
from training.metrics import gain_of_genes
from training.model import PrognosticModel, Variant
from training.profiles import Profile, ProfileError, ReadProfile, listed, missing_genes, read_profile

__all__ = ["PatientScore", "Profile", "ProfileError", "RequestError", "score_profiles"]

Floats = NDArray[np.float64]

RISK_GROUPS = ("low", "intermediate", "high")
#: A request's word for z-scores against its own patients.
OWN_REFERENCE = "own"
_SIMULATED = ("SIMULATED: this model was trained on simulated patients; its figures say nothing of a real one.",)


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

    Raises
    ------
    RequestError
        If the scale, its reference or a horizon cannot be answered by this model.
    """
    relative_only = _check_scale(model, scale, zscore_reference)
    horizons = _horizons(model, horizons_months)
    ready = _ready(model, profiles, scale, relative_only=relative_only)
    answers: list[PatientScore | ProfileError | None] = [e if isinstance(e, ProfileError) else None for e in ready]
    for name in model.variants:
        members = {i: each for i, each in enumerate(ready) if isinstance(each, _Ready) and each.variant == name}
        if members:
            scored = _scores(model, name, list(members.values()), horizons=horizons, relative_only=relative_only)
            for position, answer in zip(members, scored, strict=True):
                answers[position] = answer
    return [answer for answer in answers if answer is not None]


def _check_scale(model: PrognosticModel, scale: str, zscore_reference: str | None) -> bool:
    """Return whether the answer is relative only, after refusing what has no conversion."""
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


def _horizons(model: PrognosticModel, asked: Sequence[float] | None) -> tuple[float, ...]:
    """Return the horizons to answer, in the order asked; past the cohort's follow-up nothing is answered."""
    if asked is None:
        return model.horizons_months
    refused = [horizon for horizon in asked if not 0 < horizon <= model.horizon_months_max]
    if refused:
        raise RequestError(
            f"{model.name}: survival at {refused[0]:g} months cannot be answered; the last time with enough patients "
            f"at risk is {model.horizon_months_max:g} months (horizon_months_max), and a horizon is above 0.",
            field="horizons_months",
        )
    return tuple(float(horizon) for horizon in asked)


@dataclass(frozen=True)
class _Ready:
    """A profile that can be scored, by which variant, and what has to be said of it."""

    profile: ReadProfile
    variant: str
    warnings: tuple[str, ...]


def _ready(
    model: PrognosticModel, profiles: Sequence[Profile], scale: str, *, relative_only: bool
) -> list[_Ready | ProfileError]:
    """Read every profile and choose its variant; what cannot be scored stays in its place as an error."""
    read = [_or_error(read_profile, model, profile, scale) for profile in profiles]
    good = [profile for profile in read if isinstance(profile, ReadProfile)]
    unknown = iter(_unknown_clinical(model, good))
    return [
        profile
        if isinstance(profile, ProfileError)
        else _or_error(_made_ready, model, profile, next(unknown), relative_only)
        for profile in read
    ]


def _or_error[**P, T](function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | ProfileError:
    try:
        return function(*args, **kwargs)
    except ProfileError as error:
        return error


def _unknown_clinical(model: PrognosticModel, profiles: Sequence[ReadProfile]) -> list[tuple[str, ...]]:
    """Return, for each profile, what the fuller variant reads and the profile does not tell."""
    full = model.variants.get("clinical")
    if full is None or not profiles:
        return [()] * len(profiles)
    lacking = full.features.clinical.lacking(_clinical_table(profiles))
    return [tuple(column for column in columns if column in full.clinical) for columns in lacking]


def _made_ready(
    model: PrognosticModel,
    profile: ReadProfile,
    unknown: tuple[str, ...],
    relative_only: bool,  # noqa: FBT001
) -> _Ready:
    # Stage and its like are never imputed for a new patient: the twin that does not read them answers.
    name = "clinical" if "clinical" in model.variants and not unknown else "genes_only"
    variant = model.variants[name]
    missing = missing_genes(model, variant, profile)
    warnings = (
        *(_relative_warnings(model) if relative_only else ()),
        *(_SIMULATED if model.simulated else ()),
        *_gate_warnings(model, name),
        *_variant_warnings(variant, unknown),
        *_gene_warnings(profile, missing),
        *_clinical_warnings(model, profile),
    )
    return _Ready(profile, name, warnings)


def _linear_predictors(variant: Variant, ready: Sequence[_Ready]) -> Floats:
    genes = variant.features.genes
    values = [[each.profile.genes.get(gene, np.nan) for gene in genes] for each in ready]
    expression = pd.DataFrame(np.array(values, dtype=np.float64), columns=list(genes))
    return variant.linear_predictor(expression, _clinical_table([each.profile for each in ready]))


def _clinical_table(profiles: Sequence[ReadProfile]) -> pd.DataFrame:
    return pd.DataFrame([dict(profile.clinical) for profile in profiles], index=range(len(profiles)), dtype=object)


def _scores(
    model: PrognosticModel, name: str, ready: Sequence[_Ready], *, horizons: tuple[float, ...], relative_only: bool
) -> list[PatientScore | ProfileError]:
    """Score profiles of one variant, all at once."""
    variant = model.variants[name]
    linear_predictors = _linear_predictors(variant, ready)
    survival = variant.baseline.survival(linear_predictors, np.array(horizons) * DAYS_PER_MONTH)
    answers: list[PatientScore | ProfileError] = []
    for each, linear_predictor, probabilities in zip(ready, linear_predictors.tolist(), survival.tolist(), strict=True):
        percentile = risk_percentile(variant.reference, linear_predictor)
        answers.append(
            PatientScore(
                id=each.profile.id,
                variant=name,
                linear_predictor=linear_predictor,
                risk_percentile=percentile,
                risk_group=risk_group(percentile),
                survival=tuple(zip(horizons, probabilities, strict=True)),
                relative_only=relative_only,
                warnings=each.warnings,
            )
        )
    return answers


def risk_percentile(reference: Floats, linear_predictor: float) -> float:
    """Return the share of the reference with a lower linear predictor (equal ones count half), 0 to 100.

    Parameters
    ----------
    reference : array, shape (n_patients,)
        Sorted.
    linear_predictor : float
        Higher is worse.
    """
    below, within = (np.searchsorted(reference, linear_predictor, side=side) for side in ("left", "right"))
    return float(50.0 * (below + within) / len(reference))


def risk_group(percentile: float) -> str:
    """Return the tertile that a percentile lies in: ``low``, ``intermediate`` or ``high`` risk."""
    return RISK_GROUPS[min(int(percentile * 3 / 100), 2)]


def _relative_warnings(model: PrognosticModel) -> list[str]:
    return [
        f"z-scores against another reference than the model's ({model.zscore_reference}): the figures rank patients "
        "that share a reference, they do not predict survival."
    ]


def _gene_warnings(profile: ReadProfile, missing: list[str]) -> list[str]:
    warnings = []
    if missing:
        warnings.append(f"{len(missing)} genes are missing and were estimated from the others: {listed(missing)}.")
    if profile.n_ignored:
        warnings.append(f"{profile.n_ignored} of the genes sent are not in the model's panel and were ignored.")
    return warnings


def _clinical_warnings(model: PrognosticModel, profile: ReadProfile) -> list[str]:
    read = model.variants["clinical"].clinical if "clinical" in model.variants else ()
    ignored = [name for name in profile.clinical if name not in read]
    if not ignored:
        return []
    return [f"clinical covariates that this model does not read were ignored: {listed(ignored)}."]


def _gate_warnings(model: PrognosticModel, variant: str) -> list[str]:
    """Name the clauses of the gate that a model has not passed, and say where it judged the other variant."""
    missed = [f"{clause}: {verdict} ({figure})" for clause, verdict, figure in model.gate if verdict != PASSED]
    if missed and not model.champion_earned:
        return [f"exploratory model, gate not passed: {'; '.join(missed)}."]
    if variant == "genes_only" and "clinical" in model.variants:
        return ["the gate judged the model with clinical covariates, not the genes-only one that answered."]
    return []


def _variant_warnings(variant: Variant, unknown: tuple[str, ...]) -> list[str]:
    warnings = []
    if unknown:
        warnings.append(f"clinical covariates not known: {', '.join(unknown)}; the genes-only model answered.")
    concordance = variant.metrics["concordance_harrell"]
    if not concordance.lower > 0.5:
        warnings.append(
            f"this model is not shown to be better than chance: out-of-fold concordance {concordance.value:.2f} "
            f"({concordance.lower:.2f} to {concordance.upper:.2f})."
        )
    gain = gain_of_genes(variant.metrics)
    if variant.clinical and gain is not None and not gain.lower > 0:
        warnings.append(
            f"the genes are not shown to add to {', '.join(variant.clinical)}: out-of-fold concordance beyond them "
            f"{gain.value:+.2f} ({gain.lower:+.2f} to {gain.upper:+.2f})."
        )
    if variant.slope == 0:
        warnings.append("the model found no signal that held out of fold: every patient gets the cohort's survival.")
    return warnings
