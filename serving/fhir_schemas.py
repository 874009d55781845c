"""The parts of FHIR R4 that an answer is made of: RiskAssessment, Bundle, OperationOutcome."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from serving.wire import Wire

MEDIA_TYPE = "application/fhir+json"


class _Fhir(Wire):
    """An element; what is not there is left out, as FHIR knows no null."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )


class Coding(_Fhir):
    """A code and the system that defines it; ours are URNs."""

    system: str
    version: str | None = None
    code: str
    display: str | None = None


class CodeableConcept(_Fhir):
    """A concept in code and words."""

    coding: list[Coding] = Field(min_length=1)
    text: str


class Identifier(_Fhir):
    """A name and the system in which it is one."""

    system: str
    value: str


class Reference(_Fhir):
    """Another resource, by identifier: none is resolved here."""

    type: str | None = None
    identifier: Identifier | None = None
    display: str | None = None


class Quantity(_Fhir):
    """A number with its UCUM unit."""

    value: float
    unit: str
    system: Literal["http://unitsofmeasure.org"] = "http://unitsofmeasure.org"
    code: str


class QuantityRange(_Fhir):
    """From low to high, both in the same unit."""

    low: Quantity
    high: Quantity


class Extension(_Fhir):
    """What R4 has no element for; see the descriptions of the URLs in `serving.fhir`."""

    url: str
    value_decimal: float | None = None
    value_code: str | None = None
    value_quantity: Quantity | None = None
    value_range: QuantityRange | None = None


class Timeframe(QuantityRange):
    """A range of months, and what they are counted from: R4 would else take it for ages."""

    extension: list[Extension] = Field(min_length=1)


class Prediction(_Fhir):
    """The risk of the event until a horizon."""

    extension: list[Extension] | None = None
    outcome: CodeableConcept
    probability_decimal: float = Field(
        ge=0,
        le=100,
        description="Risk of the event until the horizon in percent, as R4 defines the element: 100 (1 − survival).",
    )
    when_range: Timeframe
    rationale: str


class Annotation(_Fhir):
    """A remark."""

    text: str


class Meta(_Fhir):
    """What kind of data it is."""

    tag: list[Coding]


class RiskAssessment(_Fhir):
    """A patient's risks at each horizon, after FHIR R4 (https://hl7.org/fhir/R4/riskassessment.html)."""

    resource_type: Literal["RiskAssessment"] = "RiskAssessment"
    meta: Meta | None = None
    extension: list[Extension] | None = None
    status: Literal["final", "preliminary"] = Field(description="`preliminary` from a model that is exploratory.")
    method: CodeableConcept = Field(description="The model and its version.")
    subject: Reference = Field(description="The patient, by the id of the profile.")
    occurrence_date_time: str = Field(description="When it was computed (ISO 8601, UTC).")
    performer: Reference = Field(description="The model's bundle, by digest.")
    basis: list[Reference] = Field(description="What was known of the patient.")
    prediction: list[Prediction] | None = Field(
        default=None, description="By horizon; left out where the figures compare the request's patients only."
    )
    note: list[Annotation] = Field(description="The warnings, and that it is for research only.")


class Issue(_Fhir):
    """Why a profile has no figures."""

    severity: Literal["error"] = "error"
    code: Literal["processing"] = "processing"
    diagnostics: str
    expression: list[str] | None = None


class OperationOutcome(_Fhir):
    """What is answered for a profile without figures, after FHIR R4."""

    resource_type: Literal["OperationOutcome"] = "OperationOutcome"
    issue: list[Issue] = Field(min_length=1)


class BundleEntry(_Fhir):
    """A resource of a bundle."""

    full_url: str
    resource: RiskAssessment | OperationOutcome


class Bundle(_Fhir):
    """The assessments of several patients, in the order of the request, after FHIR R4."""

    resource_type: Literal["Bundle"] = "Bundle"
    type: Literal["collection"] = "collection"
    timestamp: str
    entry: list[BundleEntry]
