"""A model as plain numbers, texts and lists, and back: the content of a bundle's ``model.json``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import xgboost

from features.clinical_covariates import ClinicalCovariate, ClinicalEncoder
from features.normal_scores import NormalScoreReference
from features.panel import Gene, Interaction, Panel
from features.transform import DerivedTerm, FeatureState
from training.blend import Blend, FittedLearner
from training.boosted import FittedBooster
from training.breslow import BaselineHazard
from training.estimate import Estimate
from training.model import CohortSummary, PrognosticModel, Variant
from training.penalised_cox import FittedCox

type Fields = dict[str, Any]


def model_fields(model: PrognosticModel) -> tuple[Fields, dict[str, xgboost.Booster]]:
    """Return what stands in ``model.json``, and the boosters by the names of their files."""
    boosters = {
        booster_file(name, position): learner.predictor.booster
        for name, variant in model.variants.items()
        for position, (_, learner) in enumerate(_members(variant.fitted))
        if isinstance(learner.predictor, FittedBooster)
    }
    fields = {
        "cancer_type": model.cancer_type,
        "endpoint": model.endpoint,
        "scale": model.scale,
        "zscore_reference": model.zscore_reference,
        "horizons_months": list(model.horizons_months),
        "horizon_months_max": model.horizon_months_max,
        "cohort": {**asdict(model.cohort), "median_follow_up_months": _or_none(model.cohort.median_follow_up_months)},
        "variants": {name: _variant_fields(variant) for name, variant in model.variants.items()},
        "panel": asdict(model.panel),
        "gate": [list(clause) for clause in model.gate],
        "champion_earned": model.champion_earned,
        "definition": dict(model.definition),
        "provenance": dict(model.provenance),
        "patient_hashes": list(model.patient_hashes),
    }
    return fields, boosters


def model_of(fields: Fields, boosters: Mapping[str, xgboost.Booster], hazard_ratios: pd.DataFrame) -> PrognosticModel:
    """Return the model; anything unknown, missing or unread is an Attribute-, Key-, Type- or ValueError."""
    rest, unread = dict(fields), dict(boosters)
    cohort = rest.pop("cohort")
    variants = {
        name: _variant_of(content, {i: unread.pop(booster_file(name, i), None) for i in range(len(content["members"]))})
        for name, content in rest.pop("variants").items()
    }
    if unread:
        raise ValueError(f"no variant reads {min(unread)}")
    return PrognosticModel(
        cohort=CohortSummary(**{**cohort, "median_follow_up_months": _or_nan(cohort["median_follow_up_months"])}),
        variants=variants,
        panel=_panel_of(rest.pop("panel")),
        hazard_ratios=hazard_ratios,
        horizons_months=tuple(rest.pop("horizons_months")),
        gate=tuple((clause, verdict, figure) for clause, verdict, figure in rest.pop("gate")),
        patient_hashes=tuple(rest.pop("patient_hashes")),
        **rest,
    )


def from_format_1(fields: Fields, contents: Mapping[str, bytes]) -> tuple[Fields, dict[str, bytes]]:
    """Return the fields and the boosters' files of the first format as those of today's: one member a variant."""
    variants = {}
    for name, variant in fields["variants"].items():
        rest = dict(variant)
        only = {"weight": 1.0, "columns": rest.pop("columns"), "predictor": rest.pop("predictor")}
        variants[name] = {**rest, "members": [only]}
    files = {f"booster_{name}.ubj": booster_file(name, 0) for name in variants}
    return {**fields, "variants": variants}, {files.get(name, name): content for name, content in contents.items()}


def _panel_of(fields: Fields) -> Panel:
    rest = dict(fields)
    genes = (Gene(**{key: _tuples(value) for key, value in gene.items()}) for gene in rest.pop("genes"))
    interactions = (
        Interaction(**{key: _tuples(value) for key, value in each.items()}) for each in rest.pop("interactions")
    )
    return Panel(genes=tuple(genes), interactions=tuple(interactions), **rest)


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def booster_file(variant: str, position: int) -> str:
    """Return the name of the file of a booster, by its variant and its place among the variant's members."""
    return f"booster_{variant}_{position}.ubj"


def _members(fitted: FittedLearner | Blend) -> tuple[tuple[float, FittedLearner], ...]:
    return fitted.members if isinstance(fitted, Blend) else ((1.0, fitted),)


def _variant_fields(variant: Variant) -> Fields:
    return {
        "learner": variant.learner,
        "features": _feature_fields(variant.features),
        "members": [_member_fields(weight, learner) for weight, learner in _members(variant.fitted)],
        "slope": variant.slope,
        "baseline": {
            "days": variant.baseline.days.tolist(),
            "cumulative_hazard": variant.baseline.cumulative_hazard.tolist(),
        },
        "reference": variant.reference.tolist(),
        "metrics": {name: [_or_none(v) for v in (e.value, e.lower, e.upper)] for name, e in variant.metrics.items()},
        "parameters": dict(variant.parameters),
        "minimum_gene_fraction": variant.minimum_gene_fraction,
    }


def _member_fields(weight: float, learner: FittedLearner) -> Fields:
    return {
        "weight": weight,
        "columns": learner.columns.tolist(),
        "predictor": _predictor_fields(learner.predictor),
        "shared_weight": learner.shared_weight,
    }


def _member_of(fields: Fields, booster: xgboost.Booster | None) -> tuple[float, FittedLearner]:
    rest = dict(fields)
    weight, columns = _number(rest.pop("weight")), np.array(rest.pop("columns"), dtype=np.intp)
    return weight, FittedLearner(columns, _predictor_of(rest.pop("predictor"), booster), **rest)


def _variant_of(fields: Fields, boosters: Mapping[int, xgboost.Booster | None]) -> Variant:
    rest = dict(fields)
    members = tuple(_member_of(each, boosters[position]) for position, each in enumerate(rest.pop("members")))
    alone = len(members) == 1 and members[0][0] == 1.0
    return Variant(
        features=_features_of(rest.pop("features")),
        fitted=members[0][1] if alone else Blend(members),
        slope=_number(rest.pop("slope")),
        baseline=BaselineHazard(**{name: _floats(values) for name, values in rest.pop("baseline").items()}),
        reference=_floats(rest.pop("reference")),
        metrics={name: Estimate(*map(_or_nan, values)) for name, values in rest.pop("metrics").items()},
        **rest,
    )


def _predictor_fields(predictor: FittedCox | FittedBooster) -> Fields:
    if isinstance(predictor, FittedCox):
        return {"coefficients": predictor.coefficients.tolist(), "means": predictor.means.tolist()}
    return {"objective": predictor.objective, "centre": predictor.centre}


def _predictor_of(fields: Fields, booster: xgboost.Booster | None) -> FittedCox | FittedBooster:
    if booster is not None:
        return FittedBooster(booster, **fields)
    return FittedCox(**{name: _floats(values) for name, values in fields.items()})


def _feature_fields(features: FeatureState) -> Fields:
    return {
        "genes": {
            gene: {"knots": reference.knots.tolist(), "scores": reference.scores.tolist()}
            for gene, reference in features.references.items()
        },
        "correlation": features.correlation.tolist(),
        "terms": [asdict(term) for term in features.terms],
        "clinical": [asdict(covariate) for covariate in features.clinical.covariates],
    }


def _features_of(fields: Fields) -> FeatureState:
    rest = dict(fields)
    references = {
        gene: NormalScoreReference(**{name: _floats(values) for name, values in knots.items()})
        for gene, knots in rest.pop("genes").items()
    }
    terms = tuple(
        DerivedTerm(**{**term, "first": tuple(term["first"]), "second": tuple(term["second"])})
        for term in rest.pop("terms")
    )
    clinical = (ClinicalCovariate(**{**each, "known": tuple(each["known"])}) for each in rest.pop("clinical"))
    return FeatureState(
        references=references,
        correlation=_floats(rest.pop("correlation")),
        terms=terms,
        clinical=ClinicalEncoder(tuple(clinical)),
        **rest,
    )


def _floats(values: list[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array(values, dtype=np.float64)


def _number(value: Any) -> float:
    if not isinstance(value, float):
        raise TypeError(f"{value!r} stands where a number with a decimal point does")
    return value


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value
