"""What goes over the wire: the request and the answers, field by field."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from features.cohort import ENDPOINTS
from features.scales import SCALES
from serving.evidence_block import CitationBlock, EvidenceBlock
from serving.result_schemas import Result
from serving.wire import Wire

RESEARCH_USE_ONLY = "For research only; not for clinical decisions."
OWN_REFERENCE = "own"
_SINCE = "When it became so in the process that answers (ISO 8601, UTC)."


def _known_endpoint(value: str) -> str:
    if value not in ENDPOINTS:
        raise ValueError(f"must be one of {', '.join(ENDPOINTS)}")
    return value


def _known_scale(value: str) -> str:
    if value not in SCALES:
        raise ValueError(f"must be one of {', '.join(SCALES)}")
    return value


Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Endpoint = Annotated[str, AfterValidator(_known_endpoint), Field(json_schema_extra={"enum": list(ENDPOINTS)})]
Scale = Annotated[str, AfterValidator(_known_scale), Field(json_schema_extra={"enum": list(SCALES)})]
Months = Annotated[float, Field(gt=0)]


class ProfileRequest(Wire):
    """One patient."""

    id: Name = Field(description="Any name that is unique within the request; it comes back with the result.")
    expression: dict[Name, float] = Field(
        min_length=1,
        description="Expression by gene: symbol, previous symbol, alias, Ensembl or Entrez identifier. "
        "Genes that the model does not use are ignored; a gene without a value is left out.",
    )
    clinical: dict[Name, float | str | None] | None = Field(
        default=None,
        description="Clinical covariates (`age` in years, `sex`, `stage`, `grade`); without them the genes-only "
        "variant of the model answers.",
        examples=[{"age": 61, "sex": "female", "stage": "III", "grade": "G3"}],
    )
    survived_months: Months | None = Field(
        default=None,
        description="How long the patient is alive already, from diagnosis: survival is then given that. Horizons "
        "still count from diagnosis; the model's own that are survived are left out.",
    )


class ScoreRequest(Wire):
    """Patients to be scored with one model."""

    cancer_type: Name = Field(description="TCGA's code of the cancer type; see `/cancer-types`.", examples=["KIRC"])
    endpoint: Endpoint = Field(examples=["OS"])
    scale: Scale = Field(description="The scale of every expression value in the request.")
    zscore_reference: Name | None = Field(
        default=None,
        description=f"What z-scores refer to: the model's own reference by name, or `{OWN_REFERENCE}` (also where "
        "it is left out); with the latter the answer is relative only.",
    )
    horizons_months: list[Months] | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="Where survival is asked for; the model's own if left out.",
    )
    profiles: list[ProfileRequest] = Field(min_length=1)
    contributions: bool = Field(default=True, description="Whether to divide each linear predictor among covariates.")
    hazard_ratios: bool = Field(
        default=True, description="Whether to repeat the univariate scan in the answer; see `/hazard-ratios`."
    )


class Figure(Wire):
    """A figure with its 95 % interval; null where it could not be estimated."""

    value: float | None
    lower: float | None
    upper: float | None


class CovariateBlock(Wire):
    """A covariate that contributes to a linear predictor."""

    kind: str = Field(description="`gene`, `interaction`, `score`, `clinical`, or `clinical_shape`: what bends one.")
    genes: list[str] = Field(description="What it is made of; empty for a clinical one.")
    column: str | None = Field(description="The clinical covariate that it belongs to.")


class VariantBlock(Wire):
    """One of the two twins of a model, and its out-of-fold figures."""

    learner: str
    n_genes: int
    clinical: list[str]
    covariates: dict[str, CovariateBlock]
    metrics: dict[str, Figure] = Field(description="Out-of-fold; `concordance_harrell`, `concordance_uno`, …")


class GateClause(Wire):
    """One clause of what a model must show to become champion."""

    clause: str
    verdict: str
    figure: str


class ModelBlock(Wire):
    """Which model answered, what it was trained on, and how good it is."""

    name: str = Field(examples=["KIRC-OS"])
    version: str
    alias: Literal["champion", "candidate"]
    exploratory: bool = Field(description="True for a candidate: it has not earned the alias champion.")
    simulated: bool = Field(description="True if it was trained on a simulated cohort: its figures mean nothing.")
    cancer_type: str
    endpoint: str
    estimand: Literal["net"] | None = Field(description="`net`: other deaths were censored. Null for OS.")
    variant: str = Field(description="The variant that `learner` and `concordance` speak of.")
    learner: str
    concordance: Figure = Field(description="Harrell's, out-of-fold.")
    variants: dict[str, VariantBlock]
    scale: str
    zscore_reference: str | None
    cohort: str = Field(description="What it was trained on.")
    n_patients: int
    n_events: int
    median_follow_up_months: float | None
    horizons_months: list[float]
    horizon_months_max: float = Field(description="Beyond it nothing is answered.")
    gate: list[GateClause]
    created: str
    data_digest: str
    bundle_digest: str
    code_version: str
    use: str = Field(examples=[RESEARCH_USE_ONLY])


class HazardRatio(Wire):
    """The univariate scan of one gene; hazard ratios above 1 mean that high expression is worse."""

    gene: str
    n: int
    events: int
    hazard_ratio_per_sd: float | None = Field(description="Per standard deviation of the cohort's normal scores.")
    hazard_ratio_per_sd_lower: float | None
    hazard_ratio_per_sd_upper: float | None
    p_per_sd: float | None
    q_per_sd: float | None
    hazard_ratio_per_unit: float | None = Field(description="Per unit of the expression as the cohort supplies it.")
    hazard_ratio_per_unit_lower: float | None
    hazard_ratio_per_unit_upper: float | None
    p_per_unit: float | None
    hazard_ratio_median_split: float | None = Field(description="Strictly above the median against the others.")
    hazard_ratio_median_split_lower: float | None
    hazard_ratio_median_split_upper: float | None
    p_median_split: float | None
    q_median_split: float | None
    direction: str | None
    published_hazard_ratio: float | None = Field(description="Table 2, turned to high against low.")
    published_hazard_ratio_as_printed: float | None = Field(description="Table 2 as printed: low against high.")
    published_p: float | None
    literature_direction: str | None
    evidence: EvidenceBlock | None = Field(description="What the review's tables say of the gene; null if nothing.")


class ScoreResponse(Wire):
    """The model, the results in the order of the request, and the univariate hazard ratios of its cancer type."""

    model: ModelBlock
    results: list[Result]
    hazard_ratios: list[HazardRatio] | None = Field(description="null if not asked for.")
    citations: list[CitationBlock] | None = Field(description="The references that the evidence beside a gene cites.")


class CancerTypeEntry(Wire):
    """One endpoint of one cancer type that can be asked for."""

    cancer_type: str
    endpoint: str
    model: str
    alias: Literal["champion", "candidate"]
    exploratory: bool
    simulated: bool
    scale: str
    n_patients: int
    n_events: int
    concordance: Figure
    horizon_months_max: float


class CancerTypes(Wire):
    """Everything that can be asked for."""

    cancer_types: list[CancerTypeEntry]


class RegistryBlock(Wire):
    """Whether the source of the models answers; while it does not, the last good models do."""

    reachable: bool = Field(description="Whether it answered when it was last asked.")
    answered_at: str | None = Field(description="When it last answered (ISO 8601, UTC); null if it never did.")
    problem: str | None = Field(description="What was wrong when it was last asked.")


class RefusedModel(Wire):
    """A registered model that is not served, and why."""

    name: str
    version: str
    reason: str
    since: str = Field(description=_SINCE)


class Models(Wire):
    """The models that answer, and those whose bundles were refused."""

    models: list[ModelBlock]
    refused: list[RefusedModel]
    served_since: dict[str, str] = Field(description=f"By model: {_SINCE}")
    registry: RegistryBlock


class HazardRatios(Wire):
    """The univariate scan of one cancer type and endpoint."""

    model: ModelBlock
    hazard_ratios: list[HazardRatio]
    citations: list[CitationBlock] = Field(description="The references that the evidence beside a gene cites.")


class Health(Wire):
    """What is loaded."""

    status: Literal["ready"]
    models: int
    registry_reachable: bool
    registry_answered_at: str | None = Field(description="When it last answered (ISO 8601, UTC).")
    served_since: dict[str, str] = Field(description=f"By model: {_SINCE}")
    refused_since: dict[str, str] = Field(description=f"By model that is not served as registered: {_SINCE}")
