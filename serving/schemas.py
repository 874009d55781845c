"""What goes over the wire: the request and the answers, field by field."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from features.endpoints import ENDPOINTS
from features.scale_names import SCALES
from serving.evidence_block import CitationBlock, EvidenceBlock
from serving.reference_schemas import ASKED_FOR, ReferenceBlock
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
#: What a person or a FHIR server can read: not blank, and no control characters.
Label = Annotated[
    str,
    StringConstraints(
        min_length=1,
        max_length=200,
        pattern=r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
    ),
]
Endpoint = Annotated[
    str,
    AfterValidator(_known_endpoint),
    Field(
        description="Overall (OS), disease-specific (DSS), disease-free (DFI) or progression-free survival (PFI).",
        json_schema_extra={"enum": list(ENDPOINTS)},
    ),
]
Scale = Annotated[str, AfterValidator(_known_scale), Field(json_schema_extra={"enum": list(SCALES)})]
Months = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, le=1)]
#: High against low expression; above 1: high is worse.
Ratio = Annotated[float, Field(ge=0)]


class ProfileRequest(Wire):
    """One patient."""

    id: Label = Field(description="Any name that is unique within the request; it comes back with the result.")
    expression: dict[Name, float] = Field(
        min_length=1,
        description="Expression by gene, on the `scale` of the request: symbol, previous symbol, alias, Ensembl or "
        "Entrez identifier. Genes that the model does not use are ignored; a gene without a value is left out.",
        examples=[{"CD44": 7.6, "CXCR4": 5.5, "ENSG00000090339": 5.3}],
    )
    clinical: dict[Name, float | str | None] | None = Field(
        default=None,
        description="Clinical covariates: `age` in years (0 to 120), `sex` (female, male), `stage` (I to IV, also "
        "`Stage IIIA`), `grade` (G1 to G4); null for what is not known. Without any the genes-only variant answers.",
        examples=[{"age": 61, "sex": "female", "stage": "III", "grade": "G3"}],
    )
    survived_months: Months | None = Field(
        default=None,
        description="How long the patient is alive already, in months from diagnosis: survival is then given that. "
        "Horizons still count from diagnosis; the model's own that are survived are left out.",
        examples=[6],
    )


class ScoreRequest(Wire):
    """Patients to be scored with one model."""

    cancer_type: Name = Field(description="TCGA's code of the cancer type; see `/cancer-types`.", examples=["KIRC"])
    endpoint: Endpoint = Field(examples=["OS"])
    scale: Scale = Field(description="The scale of every expression value in the request.", examples=["log2_tpm_1"])
    zscore_reference: Name | None = Field(
        default=None,
        description=f"What z-scores refer to: the model's own reference by name, or `{OWN_REFERENCE}` (also where "
        "it is left out); with the latter the answer is relative only.",
    )
    reference: Name | None = Field(default=None, description=ASKED_FOR)
    horizons_months: list[Months] | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="Where survival is asked for, in months from diagnosis; the model's own if left out.",
        examples=[[12, 36, 60]],
    )
    profiles: list[ProfileRequest] = Field(min_length=1, description="The patients; their ids differ.")
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


class CoverageBlock(Wire):
    """How often 95 % intervals of this kind of learner held the true survival of new, simulated patients."""

    nominal: Probability
    measured: Probability = Field(description="Mean over the horizons; below `nominal` the intervals are too narrow.")
    words: str = Field(description="The same at each horizon.")


class VariantBlock(Wire):
    """One of the two twins of a model, and its out-of-fold figures."""

    learner: str = Field(examples=["penalised_cox"])
    n_genes: Count
    clinical: list[str] = Field(description="The clinical covariates that it reads.")
    covariates: dict[str, CovariateBlock] = Field(description="By the name that they have in `contributions`.")
    metrics: dict[str, Figure] = Field(description="Out-of-fold; `concordance_harrell`, `concordance_uno`, …")
    interval_coverage: CoverageBlock | None = Field(
        description="null where it was not measured for the learner, or answers have no interval."
    )


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
    exploratory: bool = Field(description="True where the gate was not passed: for a candidate, and a forced champion.")
    simulated: bool = Field(description="True if it was trained on a simulated cohort: its figures mean nothing.")
    cancer_type: str
    endpoint: str
    estimand: Literal["net"] | None = Field(description="`net`: other deaths were censored. Null for OS.")
    variant: str = Field(description="The variant that `learner` and `concordance` speak of.")
    learner: str
    concordance: Figure = Field(description="Harrell's, out-of-fold, of all cohorts that it was trained on.")
    variants: dict[str, VariantBlock]
    scale: str
    zscore_reference: str | None
    reference: str | None = Field(description="The reference that answered; null for a model of one cohort.")
    reference_is_default: bool | None = Field(description="Whether it answers where none is named; null likewise.")
    references: list[ReferenceBlock] = Field(description="Those that can be named, the default first; empty likewise.")
    cohort: str = Field(description="What it was trained on; of several cohorts the one that is the reference.")
    n_patients: Count
    n_events: Count
    median_follow_up_months: Months | None = Field(description="Reverse Kaplan–Meier; null where not reached.")
    horizons_months: list[Months] = Field(description="Where survival is answered unless other horizons are asked for.")
    horizon_months_max: Months = Field(description="Months from diagnosis beyond which nothing is answered.")
    gate: list[GateClause] = Field(description="What it had to show to become champion.")
    created: str
    data_digest: str
    bundle_digest: str
    code_version: str
    use: str = Field(examples=[RESEARCH_USE_ONLY])


class HazardRatio(Wire):
    """The univariate scan of one gene; hazard ratios above 1 mean that high expression is worse."""

    gene: str
    n: Count = Field(description="Patients with a value.")
    events: Count
    hazard_ratio_per_sd: Ratio | None = Field(description="Per standard deviation of the cohort's normal scores.")
    hazard_ratio_per_sd_lower: Ratio | None = Field(description="End of its 95 % interval.")
    hazard_ratio_per_sd_upper: Ratio | None
    p_per_sd: Probability | None
    q_per_sd: Probability | None = Field(description="Adjusted for all genes of the panel.")
    hazard_ratio_per_unit: Ratio | None = Field(description="Per unit of the expression as the cohort supplies it.")
    hazard_ratio_per_unit_lower: Ratio | None
    hazard_ratio_per_unit_upper: Ratio | None
    p_per_unit: Probability | None
    hazard_ratio_median_split: Ratio | None = Field(description="Strictly above the median against the others.")
    hazard_ratio_median_split_lower: Ratio | None
    hazard_ratio_median_split_upper: Ratio | None
    p_median_split: Probability | None
    q_median_split: Probability | None
    direction: str | None
    published_hazard_ratio: Ratio | None = Field(description="Table 2, turned to high against low.")
    published_hazard_ratio_as_printed: Ratio | None = Field(description="Table 2 as printed: low against high.")
    published_p: Probability | None
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
    scale: str = Field(description="The scale that it was trained on.")
    n_patients: Count
    n_events: Count
    concordance: Figure = Field(description="Harrell's, out-of-fold, of all cohorts that it was trained on.")
    horizon_months_max: Months = Field(description="Months from diagnosis beyond which nothing is answered.")


class CancerTypes(Wire):
    """Everything that can be asked for."""

    cancer_types: list[CancerTypeEntry]


class RegistryBlock(Wire):
    """Whether the source of the models answers; while it does not, the last good models do."""

    reachable: bool = Field(description="Whether it answered when it was last asked.")
    answered_at: str | None = Field(description="When it last answered (ISO 8601, UTC); null if it never did.")
    problem: str | None = Field(description="What was wrong when it was last asked.")


class RefusedModel(Wire):
    """A registered version that is not served, and why."""

    name: str
    version: str
    served_version: str | None = Field(description="The last good one, which answers in its place; null if none does.")
    reason: str
    since: str = Field(description=_SINCE)


class Models(Wire):
    """The models that answer, and the versions that were refused."""

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
    models: Count = Field(description="How many models answer.")
    served_versions: dict[str, str] = Field(description="By model: the version that answers.")
    registry_reachable: bool = Field(description="Whether the source of the models answered when last asked.")
    registry_answered_at: str | None = Field(description="When it last answered (ISO 8601, UTC).")
    served_since: dict[str, str] = Field(description=f"By model: {_SINCE}")
    refused_since: dict[str, str] = Field(description=f"By model that is not served as registered: {_SINCE}")
