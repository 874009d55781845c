"""The definition of a training: one TOML per cancer type and endpoint that holds every choice."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError, model_validator

from features.cohort import ENDPOINTS
from features.errors import PrognosisError
from features.panel import PANELS

type ParameterValue = bool | int | float | str
type Parameters = dict[str, ParameterValue]

ANY = "*"


class DefinitionError(PrognosisError):
    """A definition file has an unknown key or a value that cannot be."""


class Strict(BaseModel):
    """A table of the definition: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Range(Strict):
    """A numeric dimension of a search space, both ends included; whole numbers if `low` is an integer."""

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.low > self.high or (self.log and self.low <= 0):
            raise ValueError(f"low = {self.low}, high = {self.high}: low must not exceed high, nor be <= 0 with log")
        return self

    @property
    def whole(self) -> bool:
        """Whether it holds whole numbers only."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def __contains__(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return self.low <= value <= self.high and not (self.whole and value % 1)


class Choices(Strict):
    """A categorical dimension of a search space."""

    choices: tuple[ParameterValue, ...] = Field(min_length=1)

    def __contains__(self, value: object) -> bool:
        return value in self.choices


class LearnerDefinition(Strict):
    """The default parameters of a learner, and the space that is searched around them.

    Notes
    -----
    A parameter outside `search` is fixed at its default; every default lies within the space, so that it can be
    the first trial and its score can be compared.
    """

    default: Parameters
    search: dict[str, Range | Choices] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_defaults(self) -> Self:
        for name, dimension in self.search.items():
            if name not in self.default:
                raise ValueError(f"search.{name} has no default; add default.{name}")
            if self.default[name] not in dimension:
                raise ValueError(f"default.{name} = {self.default[name]!r} lies outside search.{name}")
        return self

    def without(self, *names: str) -> LearnerDefinition:
        """Return the definition without these parameters."""
        return LearnerDefinition(
            default={k: v for k, v in self.default.items() if k not in names},
            search={k: v for k, v in self.search.items() if k not in names},
        )


class FeaturesDefinition(Strict):
    """What goes in: the panel (a name, or a file beside the definition) and the clinical columns."""

    panel: str
    clinical: tuple[str, ...]
    minimum_known_fraction: float = Field(gt=0, le=1)
    minimum_gene_fraction: float = Field(gt=0, le=1)

    @model_validator(mode="after")
    def _check_columns(self) -> Self:
        if len(set(self.clinical)) < len(self.clinical):
            raise ValueError(f"clinical = {list(self.clinical)}: a column stands twice; name each once")
        return self


class ResamplingDefinition(Strict):
    """Folds, repeats and bootstrap samples."""

    outer_folds: int = Field(ge=2)
    outer_repeats: int = Field(ge=1)
    inner_folds: int = Field(ge=2)
    bootstrap: int = Field(ge=100)


class HorizonsDefinition(Strict):
    """Where survival is answered, and how many patients must be at risk there."""

    months: tuple[PositiveFloat, ...] = Field(min_length=1)
    minimum_at_risk: int = Field(ge=1)


class GateDefinition(Strict):
    """What a model must show to become champion."""

    minimum_events: int = Field(ge=1)
    concordance_lower_above: float = Field(ge=0, le=1)


class Definition(Strict):
    """Every choice of one training; `cancer_type` and `endpoint` are ``*`` in one that any cohort may use."""

    format: Literal[1]
    cancer_type: str
    endpoint: str
    seed: int = Field(ge=0)
    trials: int = Field(ge=1)
    learner: Literal["auto", "penalised_cox", "boosted"]
    features: FeaturesDefinition
    resampling: ResamplingDefinition
    horizons: HorizonsDefinition
    clinical_only: LearnerDefinition
    penalised_cox: LearnerDefinition
    boosted: LearnerDefinition
    gate: GateDefinition

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        if self.endpoint != ANY and self.endpoint not in ENDPOINTS:
            raise ValueError(f"endpoint = {self.endpoint!r} is not one of {', '.join(ENDPOINTS)}, nor {ANY!r}")
        for learner, needed in REQUIRED_PARAMETERS.items():
            given = set(getattr(self, learner).default)
            if given != needed:
                raise ValueError(f"{learner}.default must hold exactly {sorted(needed)}, not {sorted(given)}")
        return self

    @model_validator(mode="after")
    def _check_values(self) -> Self:
        for learner in REQUIRED_PARAMETERS:
            for key, name, value in _stated(getattr(self, learner)):
                reason = _not_a_value(name, value, panels=(*PANELS, self.features.panel))
                if reason is not None:
                    raise ValueError(f"{learner}.{key} = {value!r}: must be {reason}")
        return self


#: The parameters that each learner takes; each must have a default, and may have a dimension to search.
REQUIRED_PARAMETERS = {
    "clinical_only": {"penalty"},
    "penalised_cox": {"panel", "derived_terms", "penalty", "l1_ratio", "clinical_factor"},
    "boosted": {
        "panel",
        "derived_terms",
        "objective",
        "rounds",
        "learning_rate",
        "max_depth",
        "min_child_weight",
        "subsample",
        "colsample_bytree",
        "reg_lambda",
    },
}

#: The least of what must be above 0.
POSITIVE = 1e-9
#: The numbers that a parameter can be, both ends included; only whole ones where the lower end is an `int`.
NUMBERS: dict[str, tuple[float, float]] = {
    "penalty": (POSITIVE, inf),
    "l1_ratio": (0.0, 1.0),
    "clinical_factor": (POSITIVE, inf),
    "rounds": (1, inf),
    "learning_rate": (POSITIVE, 1.0),
    "max_depth": (1, inf),
    "min_child_weight": (0.0, inf),
    "subsample": (POSITIVE, 1.0),
    "colsample_bytree": (POSITIVE, 1.0),
    "reg_lambda": (0.0, inf),
}
OBJECTIVES = ("cox", "aft")


def _stated(learner: LearnerDefinition) -> Iterator[tuple[str, str, ParameterValue]]:
    """Yield every value that a learner can be given: its key, its parameter and itself."""
    for name, value in learner.default.items():
        yield f"default.{name}", name, value
    for name, dimension in learner.search.items():
        ends = dimension.choices if isinstance(dimension, Choices) else (dimension.low, dimension.high)
        yield from ((f"search.{name}", name, value) for value in ends)
        if isinstance(dimension, Range) and isinstance(NUMBERS.get(name, (0.0,))[0], int) and not dimension.whole:
            # A float is no whole number, though it be 1.0: the sampler would draw from between.
            yield f"search.{name}", name, dimension.low + 0.5


def _not_a_value(name: str, value: ParameterValue, *, panels: tuple[str, ...]) -> str | None:
    """Say what a parameter must be; None where it is."""
    if name in NUMBERS:
        low, high = NUMBERS[name]
        number = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        kind = "a whole number" if isinstance(low, int) else "a number"
        fits = number and not (isinstance(low, int) and float(value) % 1)
        return None if fits else f"{kind} from {low:g} to {high:g}"
    if name == "derived_terms":
        return None if isinstance(value, bool) else "true or false"
    words = panels if name == "panel" else OBJECTIVES
    return None if value in words else f"one of {', '.join(dict.fromkeys(words))}"


def load_definition(path: Path) -> Definition:
    """Read a definition file.

    Raises
    ------
    DefinitionError
        If it cannot be read, is not TOML, a key is unknown or missing, or a value cannot be; names the key.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DefinitionError(f"{path}: cannot be read ({error}); name an existing definition file.") from error
    except tomllib.TOMLDecodeError as error:
        raise DefinitionError(f"{path}: is not TOML: {error}.") from error
    try:
        return Definition.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "definition"
        raise DefinitionError(
            f"{path}: {key}: {first['msg']} ({error.error_count()} faults in all); compare the default definition."
        ) from error
