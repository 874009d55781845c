"""The definition of a training: one TOML per cancer type and endpoint that holds every choice."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError, model_validator

from features.cohort import ENDPOINTS
from features.errors import PrognosisError
from features.panel import PANELS
from training.parameters import NUMBERS, REQUIRED_PARAMETERS, Parameters, ParameterValue, not_a_value

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
    the first trial and its score can be compared. The best `averaged_trials` trials are averaged, each with the
    weight that it earned.
    """

    default: Parameters
    search: dict[str, Range | Choices] = Field(default_factory=dict)
    trials_at_most: int | None = Field(default=None, ge=1)
    averaged_trials: int = Field(default=1, ge=1)

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
        return self.model_copy(
            update={
                "default": {k: v for k, v in self.default.items() if k not in names},
                "search": {k: v for k, v in self.search.items() if k not in names},
            }
        )

    def at(self, **fixed: ParameterValue) -> LearnerDefinition:
        """Return the definition with these parameters fixed instead of searched."""
        left = self.without(*fixed)
        return left.model_copy(update={"default": {**left.default, **fixed}})


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


class ReplicatesDefinition(Strict):
    """Bootstrap samples on which the model is refitted for its intervals; 0 of Cox leaves the intervals out.

    Notes
    -----
    All `cox` samples refit the Cox part, slope and baseline; the first `boosted` of them the trees, too.
    """

    cox: int = Field(default=200, ge=0)
    boosted: int = Field(default=50, ge=1)

    @model_validator(mode="after")
    def _check_numbers(self) -> Self:
        if self.cox and not 2 <= max(2, self.boosted) <= self.cox:
            raise ValueError(f"cox = {self.cox}, boosted = {self.boosted}: cox must be 0, or 2 or more and >= boosted")
        return self


class HorizonsDefinition(Strict):
    """Where survival is answered, and how many patients must be at risk there."""

    months: tuple[PositiveFloat, ...] = Field(min_length=1)
    minimum_at_risk: int = Field(ge=1)


class AutoDefinition(Strict):
    """How learners are weighed against each other on inner folds."""

    temperature: PositiveFloat


class NullDefinition(Strict):
    """The random gene sets that the panel is compared with, and the ridge Cox that both go through."""

    n_sets: int = Field(ge=0)
    penalties: tuple[PositiveFloat, ...] = Field(min_length=1)
    clinical_penalty: PositiveFloat
    shape_penalty: PositiveFloat


class PoolingDefinition(Strict):
    """The Cox model over other cancer types, stratified by them, whose linear predictor may be leaned on."""

    penalty: PositiveFloat
    clinical_penalty: PositiveFloat


class GateDefinition(Strict):
    """What a model must show to become champion.

    Notes
    -----
    `non_inferiority_margin` is of Harrell's concordance, and is asked for only where a model is trained to replace
    another: by so much it may at most fall behind, at the lower end of the difference's interval.
    """

    minimum_events: int = Field(ge=1)
    concordance_lower_above: float = Field(ge=0, le=1)
    gain_upper_least: float = Field(ge=-1, le=1)
    calibration_slope: Range
    random_signature_percentile_above: float = Field(ge=0, lt=100)
    non_inferiority_margin: float = Field(default=0.02, ge=0, le=0.1)


class Definition(Strict):
    """Every choice of one training; `cancer_type` and `endpoint` are ``*`` in one that any cohort may use."""

    format: Literal[2]
    cancer_type: str
    endpoint: str
    seed: int = Field(ge=0)
    trials: int = Field(ge=1)
    learner: Literal["auto", "penalised_cox", "pooled_cox", "boosted"]
    features: FeaturesDefinition
    resampling: ResamplingDefinition
    horizons: HorizonsDefinition
    auto: AutoDefinition
    null: NullDefinition
    pooling: PoolingDefinition
    clinical_only: LearnerDefinition
    clinical_boosted: LearnerDefinition
    penalised_cox: LearnerDefinition
    pooled_cox: LearnerDefinition
    boosted: LearnerDefinition
    gate: GateDefinition
    replicates: ReplicatesDefinition = ReplicatesDefinition()

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
                reason = not_a_value(name, value, panels=(*PANELS, self.features.panel))
                if reason is not None:
                    raise ValueError(f"{learner}.{key} = {value!r}: must be {reason}")
        return self


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
