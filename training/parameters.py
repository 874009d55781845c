"""The parameters that each learner takes, and the values that they can have."""

from __future__ import annotations

from math import inf

type ParameterValue = bool | int | float | str
type Parameters = dict[str, ParameterValue]

#: In place of a panel: no gene at all, which sets the weight of the genes to zero.
NO_GENES = "none"
#: The kinds of covariates (see `features.transform.Covariate`) that are made of no gene.
CLINICAL_KINDS = ("clinical", "clinical_shape")
_TREES = {"rounds", "learning_rate", "max_depth", "min_child_weight", "subsample", "colsample_bytree", "reg_lambda"}
_COX = {"panel", "derived_terms", "penalty", "l1_ratio", "clinical_penalty", "shape_penalty"}
#: The parameters that each learner takes; each must have a default, and may have a dimension to search.
REQUIRED_PARAMETERS = {
    "clinical_only": {"clinical_penalty", "shape_penalty"},
    "clinical_boosted": _TREES | {"objective"},
    "penalised_cox": _COX,
    "pooled_cox": _COX | {"shared_penalty"},
    "boosted": _TREES | {"objective", "panel", "derived_terms"},
}
#: What a learner has no use for in the variant without clinical covariates.
CLINICAL_PARAMETERS = ("clinical_penalty", "shape_penalty")

#: The least of what must be above 0.
POSITIVE = 1e-9
#: The numbers that a parameter can be, both ends included; only whole ones where the lower end is an `int`.
NUMBERS: dict[str, tuple[float, float]] = {
    "penalty": (POSITIVE, inf),
    "l1_ratio": (0.0, 1.0),
    "clinical_penalty": (POSITIVE, inf),
    "shape_penalty": (POSITIVE, inf),
    "shared_penalty": (POSITIVE, inf),
    "rounds": (1, inf),
    "learning_rate": (POSITIVE, 1.0),
    "max_depth": (1, inf),
    "min_child_weight": (0.0, inf),
    "subsample": (POSITIVE, 1.0),
    "colsample_bytree": (POSITIVE, 1.0),
    "reg_lambda": (0.0, inf),
}
OBJECTIVES = ("cox", "aft")


def not_a_value(name: str, value: ParameterValue, *, panels: tuple[str, ...]) -> str | None:
    """Say what a parameter must be; None where it is."""
    if name in NUMBERS:
        low, high = NUMBERS[name]
        number = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        kind = "a whole number" if isinstance(low, int) else "a number"
        fits = number and not (isinstance(low, int) and float(value) % 1)
        return None if fits else f"{kind} from {low:g} to {high:g}"
    if name == "derived_terms":
        return None if isinstance(value, bool) else "true or false"
    words = (NO_GENES, *panels) if name == "panel" else OBJECTIVES
    return None if value in words else f"one of {', '.join(dict.fromkeys(words))}"
