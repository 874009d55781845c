"""From a model and its scores to the JSON of the answer; computes nothing of its own."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from serving import meters
from serving.evidence_block import CitationBlock, citation_blocks, evidence_block
from serving.parsing import ParsedRequest
from serving.problems import Problem, ProblemError
from serving.schemas import (
    OWN_REFERENCE,
    RESEARCH_USE_ONLY,
    CancerTypeEntry,
    CancerTypes,
    Figure,
    GateClause,
    HazardRatio,
    HazardRatios,
    Health,
    ModelBlock,
    Models,
    RefusedModel,
    RegistryBlock,
    ScoreRequest,
    VariantBlock,
)
from training.model import PrognosticModel, Variant
from training.results import Estimate
from training.scoring import PatientScore, Profile, ProfileError, RequestError, score_profiles

if TYPE_CHECKING:
    from serving.bundle_cache import RegisteredVersion
    from serving.champions import RefusedVersion, ServedModel, Snapshot

CLINICAL = "clinical"
GENES_ONLY = "genes_only"
CONCORDANCE = "concordance_harrell"


@dataclass(frozen=True)
class RenderedModel:
    """What every answer of a model repeats, made once.

    Parameters
    ----------
    blocks : mapping of str to ModelBlock
        By variant.
    blocks_json : mapping of str to bytes
        The same as JSON.
    hazard_ratios : list of HazardRatio
    citations : list of CitationBlock
        What the evidence beside the genes cites.
    scan_json : bytes
        Both as members of a JSON object.
    """

    blocks: Mapping[str, ModelBlock]
    blocks_json: Mapping[str, bytes]
    hazard_ratios: list[HazardRatio]
    citations: list[CitationBlock]
    scan_json: bytes

    @property
    def block(self) -> ModelBlock:
        """The block of the fuller variant."""
        return self.blocks.get(CLINICAL) or self.blocks[GENES_ONLY]


def render(registered: RegisteredVersion, model: PrognosticModel) -> RenderedModel:
    """Make what every answer of the model repeats."""
    blocks = {variant: _model_block(registered, model, variant) for variant in model.variants}
    rows = [_hazard_ratio(row, model.cancer_type) for row in model.hazard_ratios.to_dict(orient="records")]
    cited = citation_blocks(row.gene for row in rows)
    return RenderedModel(
        blocks=blocks,
        blocks_json={variant: block.model_dump_json().encode() for variant, block in blocks.items()},
        hazard_ratios=rows,
        citations=cited,
        scan_json=b'"hazard_ratios":' + _array(rows) + b',"citations":' + _array(cited),
    )


def score_answer(snapshot: Snapshot, parsed: ParsedRequest) -> bytes:
    """Score the profiles of a request.

    Returns
    -------
    bytes
        A `ScoreResponse` as JSON.

    Raises
    ------
    ProblemError
        If there is no such model, if the request cannot be answered by it, or if no profile can be scored.
    """
    request = parsed.request
    served = snapshot.find(request.cancer_type, request.endpoint, kind="not-scorable")
    answers = iter(_scores(served.model, request))
    results: list[PatientScore | Problem] = []
    for position in range(len(parsed.ids)):
        fault = parsed.faults.get(position)
        results.append(fault or _answer_or_problem(next(answers), position))
    failed = sum(isinstance(result, Problem) for result in results)
    meters.PROFILES.labels(served.model.name, "refused").inc(failed)
    meters.PROFILES.labels(served.model.name, "scored").inc(len(results) - failed)
    _require_one_score(results)
    return _joined(served.rendered, _result_entries(parsed.ids, results), _variant_of(results))


def cancer_types(snapshot: Snapshot) -> CancerTypes:
    """List everything that can be asked for."""
    return CancerTypes(cancer_types=[_cancer_type_entry(served) for served in snapshot.models.values()])


def models(snapshot: Snapshot) -> Models:
    """List the models that answer, and those that were refused."""
    refused = [
        RefusedModel(name=name, version=each.registered.version, reason=each.reason, since=_time(each.since))
        for name, each in snapshot.refused.items()
    ]
    return Models(
        models=[served.rendered.block for served in snapshot.models.values()],
        refused=refused,
        served_since=_since(snapshot.models),
        registry=RegistryBlock(
            reachable=snapshot.registry_reachable,
            answered_at=_time(snapshot.answered_at) if snapshot.answered_at else None,
            problem=snapshot.away,
        ),
    )


def health(snapshot: Snapshot) -> Health:
    """Say what is loaded, and since when."""
    return Health(
        status="ready",
        models=len(snapshot.models),
        registry_reachable=snapshot.registry_reachable,
        registry_answered_at=_time(snapshot.answered_at) if snapshot.answered_at else None,
        served_since=_since(snapshot.models),
        refused_since=_since(snapshot.refused),
    )


def hazard_ratios(served: ServedModel) -> HazardRatios:
    """Return the univariate scan that the model carries."""
    rendered = served.rendered
    return HazardRatios(model=rendered.block, hazard_ratios=rendered.hazard_ratios, citations=rendered.citations)


def _scores(model: PrognosticModel, request: ScoreRequest) -> list[PatientScore | ProfileError]:
    profiles = [Profile(profile.id, profile.expression, profile.clinical) for profile in request.profiles]
    reference = request.zscore_reference
    if reference is None and request.scale == "zscore":
        reference = OWN_REFERENCE
    try:
        return score_profiles(
            model,
            profiles,
            scale=request.scale,
            zscore_reference=reference,
            horizons_months=request.horizons_months,
        )
    except RequestError as error:
        raise ProblemError("not-scorable", str(error), field=error.field) from None


def _answer_or_problem(answer: PatientScore | ProfileError, position: int) -> PatientScore | Problem:
    if isinstance(answer, ProfileError):
        return Problem.of("not-scorable", str(answer), field=f"profiles[{position}]")
    return answer


def _require_one_score(results: Sequence[PatientScore | Problem]) -> None:
    problems = [result for result in results if isinstance(result, Problem)]
    if len(problems) < len(results):
        return
    first = problems[0]
    if len(problems) > 1:
        detail = f"none of the {len(problems)} profiles can be scored; the first: {first.detail}"
        first = first.model_copy(update={"detail": detail})
    raise ProblemError.of(first)


def _result_entries(ids: Sequence[str], results: Sequence[PatientScore | Problem]) -> list[dict[str, Any]]:
    return [
        {"id": name, "error": result.model_dump()} if isinstance(result, Problem) else _score_entry(name, result)
        for name, result in zip(ids, results, strict=True)
    ]


def _score_entry(name: str, score: PatientScore) -> dict[str, Any]:
    return {
        "id": name,
        "variant": score.variant,
        "linear_predictor": score.linear_predictor,
        "risk_percentile": score.risk_percentile,
        "risk_group": score.risk_group,
        "survival": [{"horizon_months": months, "probability": probability} for months, probability in score.survival],
        "relative_only": score.relative_only,
        "warnings": list(score.warnings),
    }


def _variant_of(results: Iterable[PatientScore | Problem]) -> str:
    """Name the variant that answered; where both did, the genes-only one, whose figures claim less."""
    answered = {result.variant for result in results if isinstance(result, PatientScore)}
    return GENES_ONLY if GENES_ONLY in answered else next(iter(answered))


def _joined(rendered: RenderedModel, entries: list[dict[str, Any]], variant: str) -> bytes:
    # A figure that is not finite is our fault, and must not leave as null.
    results = json.dumps(entries, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
    parts = (b'{"model":', rendered.blocks_json[variant], b',"results":', results, b",", rendered.scan_json, b"}")
    return b"".join(parts)


def _array(blocks: Sequence[BaseModel]) -> bytes:
    return b"[" + b",".join(block.model_dump_json().encode() for block in blocks) + b"]"


def _model_block(registered: RegisteredVersion, model: PrognosticModel, variant: str) -> ModelBlock:
    variants = {name: _variant_block(each) for name, each in model.variants.items()}
    return ModelBlock(
        name=model.name,
        version=registered.version,
        alias="champion" if registered.alias == "champion" else "candidate",
        exploratory=registered.alias != "champion",
        simulated=model.simulated,
        cancer_type=model.cancer_type,
        endpoint=model.endpoint,
        estimand=None if model.endpoint == "OS" else "net",
        variant=variant,
        learner=variants[variant].learner,
        concordance=variants[variant].metrics[CONCORDANCE],
        variants=variants,
        scale=model.scale,
        zscore_reference=model.zscore_reference,
        cohort=model.cohort.source,
        n_patients=model.cohort.n_patients,
        n_events=model.cohort.n_events,
        median_follow_up_months=_finite(model.cohort.median_follow_up_months),
        horizons_months=[float(months) for months in model.horizons_months],
        horizon_months_max=float(model.horizon_months_max),
        gate=[GateClause(clause=clause, verdict=verdict, figure=figure) for clause, verdict, figure in model.gate],
        created=model.provenance["created"],
        data_digest=model.provenance["data_digest"],
        bundle_digest=registered.digest,
        code_version=model.provenance["code_version"],
        use=RESEARCH_USE_ONLY,
    )


def _variant_block(variant: Variant) -> VariantBlock:
    return VariantBlock(
        learner=variant.learner,
        n_genes=len(variant.genes),
        clinical=list(variant.clinical),
        metrics={name: _figure(estimate) for name, estimate in variant.metrics.items()},
    )


def _figure(estimate: Estimate) -> Figure:
    return Figure(value=_finite(estimate.value), lower=_finite(estimate.lower), upper=_finite(estimate.upper))


def _since(entries: Mapping[str, ServedModel] | Mapping[str, RefusedVersion]) -> dict[str, str]:
    return {name: _time(entry.since) for name, entry in entries.items()}


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def _finite(value: float) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None


def _hazard_ratio(row: Mapping[Any, Any], cancer_type: str) -> HazardRatio:
    scanned = {name: _cell(row[name], name) for name in HazardRatio.model_fields if name != "evidence"}
    return HazardRatio.model_validate({**scanned, "evidence": evidence_block(row["gene"], cancer_type)})


def _cell(value: Any, name: str) -> Any:
    if name in ("n", "events"):
        return int(value)
    if value is None or isinstance(value, str):
        return value
    return _finite(value)


def _cancer_type_entry(served: ServedModel) -> CancerTypeEntry:
    shared = served.rendered.block.model_dump(include=set(CancerTypeEntry.model_fields) - {"model", "concordance"})
    block = served.rendered.block
    return CancerTypeEntry(model=block.name, concordance=block.concordance, **shared)
