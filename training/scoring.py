"""Score single patients with a frozen model: the arithmetic behind every answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.clinical import parse_age, parse_grade, parse_sex, parse_stage
from features.cohort import DAYS_PER_MONTH
from features.errors import ClinicalError, PrognosisError, ScaleError
from features.scales import convert, refusal
from training.model import PrognosticModel, Variant

Floats = NDArray[np.float64]

RISK_GROUPS = ("low", "intermediate", "high")
#: A request's word for z-scores against its own patients.
OWN_REFERENCE = "own"
SHOWN = 5
_SIMULATED = ("SIMULATED: this model was trained on simulated patients; its figures say nothing of a real one.",)
_PARSERS = {"age": parse_age, "sex": parse_sex, "stage": parse_stage, "grade": parse_grade}


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


@dataclass(frozen=True)
class _Genes:
    """A profile's values under the model's symbols and scale, and what became of the rest."""

    expression: Mapping[str, float]
    n_ignored: int


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
    answers: list[PatientScore | ProfileError] = []
    for profile in profiles:
        try:
            answers.append(_score(model, profile, scale=scale, horizons=horizons, relative_only=relative_only))
        except ProfileError as error:
            answers.append(error)
    return answers


def _check_scale(model: PrognosticModel, scale: str, zscore_reference: str | None) -> bool:
    """Return whether the answer is relative only, after refusing what has no conversion."""
    reason = refusal(scale, model.scale)
    if reason is not None:
        raise RequestError(f"{model.name} was trained on scale {model.scale}: {reason}", field="scale")
    if model.scale != "zscore":
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


def _score(
    model: PrognosticModel, profile: Profile, *, scale: str, horizons: tuple[float, ...], relative_only: bool
) -> PatientScore:
    genes = _genes(model, profile, scale)
    clinical = _clinical(profile)
    name = _variant_for(model, clinical)
    variant = model.variants[name]
    missing = _check_genes(model, variant, profile, genes)
    expression = pd.DataFrame({gene: [value] for gene, value in genes.expression.items()}, dtype=np.float64)
    linear_predictor = float(variant.linear_predictor(expression, clinical)[0])
    if not np.isfinite(linear_predictor):
        raise ProfileError(f"profile {profile.id!r}: its values give no finite risk; check the expression values.")
    days = np.array(horizons) * DAYS_PER_MONTH
    survival = variant.baseline.survival(np.array([linear_predictor]), days)[0]
    percentile = risk_percentile(variant.reference, linear_predictor)
    return PatientScore(
        id=profile.id,
        variant=name,
        linear_predictor=linear_predictor,
        risk_percentile=percentile,
        risk_group=risk_group(percentile),
        survival=tuple(zip(horizons, map(float, survival), strict=True)),
        relative_only=relative_only,
        warnings=(
            *(_SIMULATED if model.simulated else ()),
            *(_relative_warnings(model) if relative_only else ()),
            *_variant_warnings(model, variant, clinical),
            *_gene_warnings(genes, missing),
        ),
    )


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


def _genes(model: PrognosticModel, profile: Profile, scale: str) -> _Genes:
    """Resolve identifiers, refuse two values of one gene, and convert to the model's scale."""
    resolution = model.resolver.resolve(profile.expression)
    if resolution.duplicated:
        gene, given = next(iter(resolution.duplicated.items()))
        raise ProfileError(
            f"profile {profile.id!r}: {' and '.join(map(repr, given))} are the same gene, {gene}; send one of them."
        )
    values = {gene: profile.expression[given] for given, gene in resolution.symbols.items()}
    raw = np.array(list(values.values()), dtype=np.float64)
    try:
        converted = convert(raw, source=scale, target=model.scale)
    except ScaleError as error:
        raise ProfileError(f"profile {profile.id!r}: {error}") from error
    return _Genes(dict(zip(values, converted.tolist(), strict=True)), len(profile.expression) - len(values))


def _clinical(profile: Profile) -> pd.DataFrame:
    """Return the profile's clinical covariates as a table of one row; nonsense is the profile's fault."""
    given = profile.clinical or {}
    try:
        row = {name: _PARSERS[name](value) if name in _PARSERS else value for name, value in given.items()}
    except ClinicalError as error:
        raise ProfileError(f"profile {profile.id!r}: {error}") from error
    return pd.DataFrame([row], index=[0])


def _variant_for(model: PrognosticModel, clinical: pd.DataFrame) -> str:
    """Return the fuller variant if all it reads is known; stage and its like are never imputed for a new patient."""
    full = model.variants.get("clinical")
    return "clinical" if full is not None and not _unknown(full, clinical) else "genes_only"


def _unknown(variant: Variant, clinical: pd.DataFrame) -> list[str]:
    lacking = variant.features.clinical.missing(clinical)
    return [column for column in variant.clinical if column in lacking]


def _check_genes(model: PrognosticModel, variant: Variant, profile: Profile, genes: _Genes) -> list[str]:
    """Return the model's genes that the profile lacks, after refusing one that lacks too many."""
    missing = [gene for gene in variant.genes if gene not in genes.expression]
    present, needed = len(variant.genes) - len(missing), variant.minimum_gene_fraction * len(variant.genes)
    if present < needed:
        raise ProfileError(
            f"profile {profile.id!r}: holds {present} of the {len(variant.genes)} genes that {model.name} reads, and "
            f"at least {int(np.ceil(needed))} are needed; the first missing ones are {_listed(missing)}."
        )
    return missing


def _relative_warnings(model: PrognosticModel) -> list[str]:
    return [
        f"z-scores against another reference than the model's ({model.zscore_reference}): the figures rank patients "
        "that share a reference, they do not predict survival."
    ]


def _gene_warnings(genes: _Genes, missing: list[str]) -> list[str]:
    warnings = []
    if missing:
        warnings.append(f"{len(missing)} genes are missing and were estimated from the others: {_listed(missing)}.")
    if genes.n_ignored:
        warnings.append(f"{genes.n_ignored} of the genes sent are not in the model's panel and were ignored.")
    return warnings


def _variant_warnings(model: PrognosticModel, variant: Variant, clinical: pd.DataFrame) -> list[str]:
    warnings = []
    full = model.variants.get("clinical")
    if full is not None and full is not variant:
        unknown = ", ".join(_unknown(full, clinical))
        warnings.append(f"clinical covariates not known: {unknown}; the genes-only model answered.")
    concordance = variant.metrics["concordance_harrell"]
    if not concordance.lower > 0.5:
        warnings.append(
            f"this model is not shown to be better than chance: out-of-fold concordance {concordance.value:.2f} "
            f"({concordance.lower:.2f} to {concordance.upper:.2f})."
        )
    if variant.slope == 0:
        warnings.append("the model found no signal that held out of fold: every patient gets the cohort's survival.")
    return warnings


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
