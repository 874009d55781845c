"""What goes over the wire about the references of a model that was trained on several cohorts."""

from __future__ import annotations

from pydantic import Field

from serving.wire import Wire

#: In the description of a request and of an address.
ASKED_FOR = (
    "Of a model that was trained on several cohorts: the one whose reference the patients are scored with, by its name "
    "in the model's `references`; the default's if left out. Other models have none."
)


class ReferenceBlock(Wire):
    """One of the cohorts that a model was trained on: the same coefficients, on its own scale, baseline and ranks."""

    name: str
    is_default: bool = Field(description="Whether it answers where no reference is named.")
    scale: str
    zscore_reference: str | None
    cohort: str
    n_patients: int = Field(ge=0)
    n_events: int = Field(ge=0)
    horizon_months_max: float = Field(gt=0, description="Months from diagnosis beyond which nothing is answered.")
