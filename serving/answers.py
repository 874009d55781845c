"""What is answered about models: figures of the bundle and of the registry, none computed here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from serving.evidence_block import CitationBlock, citation_blocks, evidence_block
from serving.reference_schemas import ReferenceBlock
from serving.schemas import (
    RESEARCH_USE_ONLY,
    CancerTypeEntry,
    CancerTypes,
    CovariateBlock,
    CoverageBlock,
    Figure,
    GateClause,
    HazardRatio,
    HazardRatios,
    Health,
    ModelBlock,
    Models,
    RefusedModel,
    RegistryBlock,
    VariantBlock,
)
from training.estimate import Estimate
from training.interval_coverage import NOMINAL, interval_coverage
from training.model import PrognosticModel, Variant
from training.scores import CLINICAL, GENES_ONLY
from training.self_check import require_scoring

if TYPE_CHECKING:
    from serving.bundle_cache import RegisteredVersion
    from serving.champions import RefusedVersion, ServedModel, Snapshot

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
    references : mapping of str to RenderedModel
        The same of the model's other references, by their names; empty where it was trained on one cohort.
    """

    blocks: Mapping[str, ModelBlock]
    blocks_json: Mapping[str, bytes]
    hazard_ratios: list[HazardRatio]
    citations: list[CitationBlock]
    scan_json: bytes
    references: Mapping[str, RenderedModel] = field(default_factory=dict)

    @property
    def block_json(self) -> bytes:
        """The block of the fuller variant, as JSON."""
        return self.blocks_json[CLINICAL if CLINICAL in self.blocks_json else GENES_ONLY]

    @property
    def block(self) -> ModelBlock:
        """The block of the fuller variant."""
        return self.blocks.get(CLINICAL) or self.blocks[GENES_ONLY]


def render(registered: RegisteredVersion, model: PrognosticModel) -> RenderedModel:
    """Make what every answer of the model repeats, once the model is seen to score.

    Raises
    ------
    UnfitModelError
        If it does not: a model that cannot answer is not served.
    """
    require_scoring(model)
    listed = [_reference_block(model.reference_named(name)) for name in model.reference_names]
    others = {name: _rendered(registered, other, listed) for name, other in model.references.items()}
    own = _rendered(registered, model, listed)
    return replace(own, references=others) if others else own


def _rendered(registered: RegisteredVersion, model: PrognosticModel, listed: list[ReferenceBlock]) -> RenderedModel:
    blocks = {variant: _model_block(registered, model, variant, listed) for variant in model.variants}
    rows = [_hazard_ratio(row, model.cancer_type) for row in model.hazard_ratios.to_dict(orient="records")]
    cited = citation_blocks(row.gene for row in rows)
    return RenderedModel(
        blocks=blocks,
        blocks_json={variant: block.model_dump_json().encode() for variant, block in blocks.items()},
        hazard_ratios=rows,
        citations=cited,
        scan_json=b'"hazard_ratios":' + _array(rows) + b',"citations":' + _array(cited),
    )


def cancer_types(snapshot: Snapshot) -> CancerTypes:
    """List everything that can be asked for."""
    return CancerTypes(cancer_types=[_cancer_type_entry(served) for served in snapshot.models.values()])


def models(snapshot: Snapshot) -> Models:
    """List the models that answer, and the versions that were refused."""
    served = _versions(snapshot)
    refused = [
        RefusedModel(
            name=name,
            version=each.registered.version,
            served_version=served.get(name),
            reason=each.reason,
            since=_time(each.since),
        )
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
        served_versions=_versions(snapshot),
        registry_reachable=snapshot.registry_reachable,
        registry_answered_at=_time(snapshot.answered_at) if snapshot.answered_at else None,
        served_since=_since(snapshot.models),
        refused_since=_since(snapshot.refused),
    )


def hazard_ratios(served: ServedModel) -> HazardRatios:
    """Return the univariate scan that the model carries."""
    rendered = served.rendered
    return HazardRatios(model=rendered.block, hazard_ratios=rendered.hazard_ratios, citations=rendered.citations)


def _array(blocks: Sequence[BaseModel]) -> bytes:
    return b"[" + b",".join(block.model_dump_json().encode() for block in blocks) + b"]"


def _reference_block(model: PrognosticModel) -> ReferenceBlock:
    return ReferenceBlock(
        name=model.reference,
        is_default=model.reference == model.reference_names[0],
        scale=model.scale,
        zscore_reference=model.zscore_reference,
        cohort=model.cohort.source,
        n_patients=model.cohort.n_patients,
        n_events=model.cohort.n_events,
        horizon_months_max=float(model.horizon_months_max),
    )


def _model_block(
    registered: RegisteredVersion, model: PrognosticModel, variant: str, listed: list[ReferenceBlock]
) -> ModelBlock:
    variants = {name: _variant_block(each) for name, each in model.variants.items()}
    return ModelBlock(
        name=model.name,
        version=registered.version,
        alias="champion" if registered.alias == "champion" else "candidate",
        exploratory=registered.alias != "champion" or not model.champion_earned,
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
        reference=model.reference or None,
        reference_is_default=model.reference == model.reference_names[0] if listed else None,
        references=listed,
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
        covariates=_covariates(variant),
        metrics={name: _figure(estimate) for name, estimate in variant.metrics.items()},
        interval_coverage=_coverage(variant),
    )


def _coverage(variant: Variant) -> CoverageBlock | None:
    found = interval_coverage(variant.learner) if variant.replicates is not None else None
    return None if found is None else CoverageBlock(nominal=NOMINAL, measured=found.measured, words=found.words)


def _covariates(variant: Variant) -> dict[str, CovariateBlock]:
    columns = {covariate.name: covariate.column for covariate in variant.features.clinical.covariates}
    read = (variant.features.covariates[j] for j in variant.fitted.columns)
    return {
        c.name: CovariateBlock(kind=c.kind, genes=list(c.genes), column=None if c.genes else columns[c.name])
        for c in read
    }


def _figure(estimate: Estimate) -> Figure:
    return Figure(value=_finite(estimate.value), lower=_finite(estimate.lower), upper=_finite(estimate.upper))


def _since(entries: Mapping[str, ServedModel] | Mapping[str, RefusedVersion]) -> dict[str, str]:
    return {name: _time(entry.since) for name, entry in entries.items()}


def _versions(snapshot: Snapshot) -> dict[str, str]:
    return {name: served.registered.version for name, served in snapshot.models.items()}


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
