"""The answer for one patient, field by field."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from serving.problems import Problem
from serving.wire import Wire

_NO_REPLICATES = "null where the model's bundle holds no bootstrap replicates"


class SurvivalPoint(Wire):
    """The probability of being free of the event at a horizon, the patient's and the reference cohort's."""

    horizon_months: float = Field(gt=0, description="Months from diagnosis.", examples=[36.0])
    probability: float = Field(ge=0, le=1, description="Survival to the horizon.", examples=[0.81])
    lower: float | None = Field(ge=0, le=1, description=f"End of the 95 % interval; {_NO_REPLICATES}.")
    upper: float | None = Field(ge=0, le=1)
    cohort_probability: float | None = Field(ge=0, le=1, description="The reference cohort's Kaplan–Meier estimate.")
    cohort_lower: float | None = Field(ge=0, le=1, description="End of its 95 % interval.")
    cohort_upper: float | None = Field(ge=0, le=1)
    cohort_at_risk: int | None = Field(ge=0, description="Patients of the cohort who were followed until then.")


class MedianSurvivalBlock(Wire):
    """The months from diagnosis by which half of such patients have had the event."""

    months: float | None = Field(
        ge=0, description="null where it is not reached within the model's `horizon_months_max`."
    )
    lower: float | None = Field(ge=0, description="End of the 95 % interval; null where that end is not reached.")
    upper: float | None = Field(ge=0)
    words: str = Field(examples=["34 months (20 to 61)", "not reached within 120 months"])


class DistanceBlock(Wire):
    """How far the profile lies from the reference cohort."""

    joint_percentile: float = Field(
        ge=0, le=100, description="Share of the cohort's own patients, held back, who lie nearer."
    )
    warned_above: float = Field(ge=0, le=100, description="A percentile above it is warned of.")
    genes_outside: list[str] = Field(description="Genes beyond all that the cohort had, the farthest first.")
    gene_percentiles: dict[str, Annotated[float, Field(ge=0, le=100)]] = Field(
        description="Of the genes below the 1st percentile of the reference cohort or above the 99th: where the value "
        "stands among the cohort's, 0 to 100.",
        examples=[{"CXCR4": 99.6}],
    )


class Result(Wire):
    """The answer for one profile: figures, or an error."""

    id: str
    variant: Literal["clinical", "genes_only"] | None = Field(default=None, description="Which twin answered.")
    linear_predictor: float | None = Field(
        default=None, description="Log relative hazard (natural logarithm) against the cohort's mean; higher is worse."
    )
    risk_percentile: float | None = Field(
        default=None, ge=0, le=100, description="Among the reference cohort's patients; higher is worse."
    )
    risk_group: Literal["low", "intermediate", "high"] | None = Field(default=None, description="Tertile of the same.")
    survival: list[SurvivalPoint] | None = Field(
        default=None, description="With `survived_months`, given that the patient is alive then."
    )
    median_survival: MedianSurvivalBlock | None = None
    survived_months: float | None = Field(default=None, gt=0, description="As the request said, in months.")
    contributions: dict[str, float] | None = Field(
        default=None,
        description="Of each covariate to the linear predictor, the largest first; null if not asked for. Exact for "
        "Cox models, Shapley values for trees; see the model's `covariates`.",
    )
    contributions_constant: float | None = Field(
        default=None,
        description="The contributions and it add up to the linear predictor, to 1e-6: trees are summed in single "
        "precision.",
    )
    missing_genes: list[str] | None = Field(
        default=None,
        description="Estimated from the profile's other genes. The intervals hold what that leaves open; where a known "
        "value would have been an extreme one, whose own effect is uncertain, they may be narrower all the same.",
    )
    resolved_genes: dict[str, str] | None = Field(
        default=None, description="Identifier as sent → symbol, where they differ."
    )
    ignored_genes: int | None = Field(default=None, ge=0, description="Sent, and not in the model's panel.")
    distance: DistanceBlock | None = None
    relative_only: bool | None = Field(
        default=None, description="True where the figures compare the patients of the request and predict nothing."
    )
    warnings: list[str] | None = Field(default=None, description="The gravest first.")
    error: Problem | None = Field(default=None, description="Why this profile has no figures.")
