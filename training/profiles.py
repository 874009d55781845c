"""One patient's profile before it is scored: identifiers resolved, values converted, clinical words read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from features.clinical import parse_age, parse_grade, parse_sex, parse_stage
from features.errors import ClinicalError, PrognosisError, ScaleError
from features.scales import contradiction, convert
from training.model import PrognosticModel, Variant

type ClinicalValue = float | str | None

SHOWN = 5
_PARSERS = {"age": parse_age, "sex": parse_sex, "stage": parse_stage, "grade": parse_grade}


class ProfileError(PrognosisError):
    """One profile cannot be scored; the others of the request can."""


@dataclass(frozen=True)
class Profile:
    """One patient's expression (identifier to value, on the request's scale) and, where given, clinical covariates."""

    id: str
    expression: Mapping[str, float]
    clinical: Mapping[str, ClinicalValue] | None = None


@dataclass(frozen=True)
class ReadProfile:
    """A profile under the model's symbols and on its scale.

    Parameters
    ----------
    id : str
    genes : mapping of str to float
        Symbol to value.
    n_ignored : int
        Genes that were sent and are not in the model's panel.
    clinical : mapping
        As in `features.cohort.Cohort.clinical`; None where missing.
    """

    id: str
    genes: Mapping[str, float]
    n_ignored: int
    clinical: Mapping[str, ClinicalValue]


def read_profile(model: PrognosticModel, profile: Profile, scale: str) -> ReadProfile:
    """Resolve identifiers, convert to the model's scale, and read clinical words.

    Raises
    ------
    ProfileError
        If one gene is given twice, a value cannot be on the scale, or a clinical value cannot be what it says.
    """
    resolution = model.resolver.resolve(profile.expression)
    if resolution.duplicated:
        gene, given = next(iter(resolution.duplicated.items()))
        raise ProfileError(
            f"profile {profile.id!r}: {' and '.join(map(repr, given))} are the same gene, {gene}; send one of them."
        )
    raw = np.array([profile.expression[given] for given in resolution.symbols], dtype=np.float64)
    contradicted = contradiction(raw, scale)
    if contradicted is not None:
        raise ProfileError(f"profile {profile.id!r}: sent as {scale}, but {contradicted}; state the scale they are on.")
    try:
        with np.errstate(over="ignore"):
            converted = convert(raw, source=scale, target=model.scale)
        clinical = {k: _PARSERS[k](v) if k in _PARSERS else v for k, v in (profile.clinical or {}).items()}
    except (ClinicalError, ScaleError) as error:
        raise ProfileError(f"profile {profile.id!r}: {error}") from error
    genes = dict(zip(resolution.symbols.values(), converted.tolist(), strict=True))
    boundless = [gene for gene, value in genes.items() if math.isinf(value)]
    if boundless:
        raise ProfileError(
            f"profile {profile.id!r}: {len(boundless)} values are too large for scale {scale} (first: "
            f"{boundless[0]}); check the scale that they are on."
        )
    known = {gene: value for gene, value in genes.items() if not math.isnan(value)}
    return ReadProfile(profile.id, known, len(profile.expression) - len(genes), clinical)


def missing_genes(model: PrognosticModel, variant: Variant, profile: ReadProfile) -> list[str]:
    """Return the variant's genes that the profile lacks.

    Raises
    ------
    ProfileError
        If it lacks too many.
    """
    missing = [gene for gene in variant.genes if gene not in profile.genes]
    present, needed = len(variant.genes) - len(missing), variant.minimum_gene_fraction * len(variant.genes)
    if present < needed:
        raise ProfileError(
            f"profile {profile.id!r}: holds {present} of the {len(variant.genes)} genes that {model.name} reads, and "
            f"at least {int(np.ceil(needed))} are needed; the first missing ones are {listed(missing)}."
        )
    return missing


def listed(names: Sequence[str]) -> str:
    """Return the first few names, and whether there are more."""
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
