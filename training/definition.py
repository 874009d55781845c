"""The definition of a training: one TOML per cancer type and endpoint that holds every choice."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from features.errors import PrognosisError


class DefinitionError(PrognosisError):
    """A definition file has an unknown key or a value that cannot be."""


class Strict(BaseModel):
    """A table of the definition: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Range(Strict):
    """A numeric range of the search space, both ends included."""

    low: float
    high: float
    log: bool = False
    integer: bool = False


class Choices(Strict):
    """A categorical dimension of the search space."""

    choices: tuple[str | bool, ...] = Field(min_length=1)


Value = Annotated[bool | int | float | str, Field(union_mode="left_to_right")]


class LearnerDefinition(Strict):
    """The default parameters of a learner, and the space that is searched around them."""

    default: dict[str, bool | int | float | str]
    search: dict[str, Range | Choices]


class FeaturesDefinition(Strict):
    """What goes in."""

    panel: str
    clinical: tuple[str, ...]
    minimum_known_fraction: float = Field(ge=0, le=1)
    minimum_gene_fraction: float = Field(ge=0, le=1)


class ResamplingDefinition(Strict):
    """Folds, repeats and bootstrap."""

    outer_folds: int = Field(ge=2)
    outer_repeats: int = Field(ge=1)
    inner_folds: int = Field(ge=2)
    bootstrap: int = Field(ge=0)


class HorizonsDefinition(Strict):
    """Where survival is answered."""

    months: tuple[float, ...]
    minimum_at_risk: int = Field(ge=1)


class GateDefinition(Strict):
    """What a model must show to become champion."""

    minimum_events: int = Field(ge=1)
    concordance_lower_above: float = Field(ge=0, le=1)


class Definition(Strict):
    """Every choice of one training.

    Notes
    -----
    `cancer_type` and `endpoint` are ``*`` in a default that any cohort may use.
    """

    format: Literal[1]
    cancer_type: str
    endpoint: str
    seed: int = Field(ge=0)
    trials: int = Field(ge=1)
    learner: Literal["auto", "penalised_cox", "boosted"]
    features: FeaturesDefinition
    resampling: ResamplingDefinition
    horizons: HorizonsDefinition
    penalised_cox: LearnerDefinition
    boosted: LearnerDefinition
    clinical_only: LearnerDefinition
    gate: GateDefinition


def load_definition(path: Path) -> Definition:
    """Read a definition file.

    Raises
    ------
    DefinitionError
        If it is not TOML, a key is unknown or missing, or a value is out of range; names the key.
    """
    raise NotImplementedError
