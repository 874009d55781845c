"""A model as plain numbers, texts and lists, and back: the content of a bundle's ``model.json``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from features.clinical_covariates import ClinicalCovariate, ClinicalEncoder
from features.normal_scores import NormalScoreReference
from features.panel import Gene, Interaction, Panel
from features.transform import DerivedTerm, FeatureState
from training.applicability import Applicability
from training.blend import Blend, FittedLearner
from training.boosted import FittedBooster
from training.breslow import BaselineHazard
from training.compiled_booster import CompiledBooster
from training.estimate import Estimate
from training.kaplan_meier import KaplanMeier
from training.model import CohortSummary, PrognosticModel, Variant
from training.penalised_cox import FittedCox
from training.replicates import Replicates
from training.tree_kernel import TreesError

type Fields = dict[str, Any]


def model_fields(model: PrognosticModel) -> tuple[Fields, dict[str, bytes]]:
    """Return what stands in ``model.json``, and the boosters by the names of their files."""
    boosters = {
        booster_file(name, position): learner.predictor.content
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
        "kaplan_meier": None if model.kaplan_meier is None else _curve_fields(model.kaplan_meier),
        "applicability": None if model.applicability is None else model.applicability.fields(),
    }
    if model.reference_names:
        fields |= {"reference": model.reference, "reference_names": list(model.reference_names)}
    return fields, boosters


def replicates_of(model: PrognosticModel) -> dict[str, Replicates]:
    """Return the replicates of each variant that has any, by the names of their files."""
    kept = ((replicates_file(name), variant.replicates) for name, variant in model.variants.items())
    return {name: replicates for name, replicates in kept if replicates is not None}


def model_of(
    fields: Fields,
    boosters: Mapping[str, bytes],
    replicates: Mapping[str, Replicates],
    hazard_ratios: pd.DataFrame,
) -> PrognosticModel:
    """Return the model; anything unknown, missing or unread is an Attribute-, Index-, Key-, Type- or ValueError."""
    rest, unread, drawn = dict(fields), dict(boosters), dict(replicates)
    cohort = rest.pop("cohort")
    variants = {
        name: _variant_of(
            content,
            {i: unread.pop(booster_file(name, i), None) for i in range(len(content["members"]))},
            drawn.pop(replicates_file(name), None),
        )
        for name, content in rest.pop("variants").items()
    }
    if unread or drawn:
        raise ValueError(f"no variant reads {min([*unread, *drawn])}")
    curve, applicability = rest.pop("kaplan_meier"), rest.pop("applicability")
    return PrognosticModel(
        cohort=CohortSummary(**{**cohort, "median_follow_up_months": _or_nan(cohort["median_follow_up_months"])}),
        variants=variants,
        panel=_panel_of(rest.pop("panel")),
        hazard_ratios=hazard_ratios,
        horizons_months=tuple(rest.pop("horizons_months")),
        gate=tuple((clause, verdict, figure) for clause, verdict, figure in rest.pop("gate")),
        patient_hashes=tuple(rest.pop("patient_hashes")),
        reference_names=tuple(rest.pop("reference_names")),
        kaplan_meier=None if curve is None else _curve_of(curve),
        applicability=None if applicability is None else Applicability.of(applicability),
        **rest,
    )


def from_format_3(fields: Fields) -> Fields:
    """Return the fields of the third format as those of today's: of one reference, which has no name."""
    if "reference" in fields or "reference_names" in fields:
        raise ValueError("a model of one reference names several")
    return {**fields, "reference": "", "reference_names": []}


def from_format_2(fields: Fields) -> Fields:
    """Return the fields of the second format as those of today's: without what intervals need."""
    variants = {
        name: {**variant, "gene_weights": {}, "has_replicates": False} for name, variant in fields["variants"].items()
    }
    return {**fields, "variants": variants, "kaplan_meier": None, "applicability": None}


def from_format_1(fields: Fields, contents: Mapping[str, bytes]) -> tuple[Fields, dict[str, bytes]]:
    """Return the fields and the boosters' files of the first format as those of the second: one member a variant."""
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


def replicates_file(variant: str) -> str:
    """Return the name of the file of a variant's replicates."""
    return f"replicates/{variant}.npz"


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
        "gene_weights": dict(variant.gene_weights),
        "has_replicates": variant.replicates is not None,
    }


def _member_fields(weight: float, learner: FittedLearner) -> Fields:
    return {
        "weight": weight,
        "columns": learner.columns.tolist(),
        "predictor": _predictor_fields(learner.predictor),
        "shared_weight": learner.shared_weight,
    }


def _member_of(fields: Fields, booster: bytes | None) -> tuple[float, FittedLearner]:
    rest = dict(fields)
    weight, columns = _number(rest.pop("weight")), np.array(rest.pop("columns"), dtype=np.intp)
    return weight, FittedLearner(columns, _predictor_of(rest.pop("predictor"), booster), **rest)


def _variant_of(fields: Fields, boosters: Mapping[int, bytes | None], replicates: Replicates | None) -> Variant:
    rest = dict(fields)
    if rest.pop("has_replicates") != (replicates is not None):
        raise ValueError("a variant's replicates are missing, or belong to none")
    members = tuple(_member_of(each, boosters[position]) for position, each in enumerate(rest.pop("members")))
    alone = len(members) == 1 and members[0][0] == 1.0
    return Variant(
        features=_features_of(rest.pop("features")),
        fitted=members[0][1] if alone else Blend(members),
        slope=_number(rest.pop("slope")),
        baseline=_fitting(BaselineHazard(**_arrays_of(rest.pop("baseline"))), replicates),
        reference=_floats(rest.pop("reference")),
        metrics={name: Estimate(*map(_or_nan, values)) for name, values in rest.pop("metrics").items()},
        replicates=replicates,
        **rest,
    )


def _fitting(baseline: BaselineHazard, replicates: Replicates | None) -> BaselineHazard:
    if replicates is not None and replicates.log_baseline.shape[1] != len(baseline.days):
        raise ValueError("the replicates' baselines are of other days than the model's")
    return baseline


def _arrays_of(fields: Fields) -> dict[str, Any]:
    return {name: _floats(values) for name, values in fields.items()}


def _curve_fields(curve: KaplanMeier) -> Fields:
    ends = {name: [_or_none(value) for value in getattr(curve, name)] for name in ("lower", "upper")}
    return {
        "days": curve.days.tolist(),
        "survival": curve.survival.tolist(),
        **ends,
        "at_risk": curve.at_risk.tolist(),
    }


def _curve_of(fields: Fields) -> KaplanMeier:
    rest = dict(fields)
    at_risk = np.array(rest.pop("at_risk"), dtype=np.int64)
    ends = {name: _floats([_or_nan(value) for value in rest.pop(name)]) for name in ("lower", "upper")}
    return KaplanMeier(**_arrays_of(rest), **ends, at_risk=at_risk)


def _predictor_fields(predictor: FittedCox | FittedBooster) -> Fields:
    if isinstance(predictor, FittedCox):
        return {"coefficients": predictor.coefficients.tolist(), "means": predictor.means.tolist()}
    return {"objective": predictor.objective, "centre": predictor.centre}


def _predictor_of(fields: Fields, booster: bytes | None) -> FittedCox | FittedBooster:
    if booster is not None:
        fitted = FittedBooster(booster, **fields)
        # Laid out now, and not by whoever scores first: what is no booster is to be refused with the bundle.
        with suppress(TreesError):
            CompiledBooster.of(fitted)
        return fitted
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
