"""What goes over the wire about a model's cohort: curves by gene, the learners compared, an example patient."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from serving.schemas import Count, Endpoint, Figure, Probability, ProfileRequest, Scale
from serving.wire import Wire


class GroupCurve(Wire):
    """A Kaplan–Meier curve of one side of a gene's median split; its lists are of one length."""

    group: Literal["high", "low"] = Field(description="Strictly above the gene's median, or not.")
    months: list[Annotated[float, Field(ge=0)]] = Field(description="From diagnosis.")
    survival: list[Probability] = Field(description="The probability of being free of the event beyond then.")
    lower: list[Probability | None] = Field(description="End of the 95 % interval; null where there is none.")
    upper: list[Probability | None]
    at_risk: list[Count] = Field(description="Patients of the group who were followed until then.")


class GeneCurves(Wire):
    """Survival of the reference cohort by one gene."""

    model: str = Field(examples=["KIRC-OS"])
    version: str
    simulated: bool
    reference: str | None = Field(description="The cohort whose curves these are; null for a model of one cohort.")
    gene: str
    curves: list[GroupCurve]


class ComparedRun(Wire):
    """The out-of-fold figures of one learner or baseline."""

    name: str = Field(examples=["penalised_cox_genes_only"])
    metrics: dict[str, Figure]


class Comparison(Wire):
    """Every learner and baseline that was judged beside the model, on the same folds."""

    model: str = Field(examples=["KIRC-OS"])
    version: str
    simulated: bool
    reference: str | None = Field(
        description="The reference that answered; the figures of `runs` are of the whole model, whichever it is. null "
        "for a model of one cohort."
    )
    runs: list[ComparedRun]
    curve_genes: list[str] = Field(description="The genes that `/kaplan-meier` has curves of.")
    mlflow: str | None = Field(description="Where MLflow shows the version and its run; null if it is not known.")


class ExampleRequest(Wire):
    """A request for scores of a patient who never was, ready to be sent to `/score`."""

    cancer_type: str
    endpoint: Endpoint
    scale: Scale
    zscore_reference: str | None
    reference: str | None = Field(description="null for a model that was trained on one cohort.")
    profiles: list[ProfileRequest]
