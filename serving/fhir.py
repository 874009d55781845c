"""Patients' answers as FHIR R4 resources, for systems that speak nothing else; computes nothing of its own.

What R4 has no element or code for bears a URN of ours: the systems ``urn:ctc-prognosis:profile`` (ids of profiles),
``:model`` (registered models), ``:bundle`` (digests of bundles), ``:endpoint``, and the extensions
``urn:ctc-prognosis:fhir:risk-percentile`` (0 to 100 in the reference cohort), ``:risk-group`` (its tertile),
``:interval`` (95 %, of the risk), ``:cohort-risk`` (the reference cohort's Kaplan–Meier estimate) and
``:counted-from`` (what the months of a timeframe are counted from).

References
----------
HL7, FHIR Release 4 (4.0.1), RiskAssessment: https://hl7.org/fhir/R4/riskassessment.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import uuid4

from serving.fhir_schemas import (
    MEDIA_TYPE,
    Annotation,
    Bundle,
    BundleEntry,
    CodeableConcept,
    Coding,
    Extension,
    Identifier,
    Issue,
    Meta,
    OperationOutcome,
    Prediction,
    Quantity,
    QuantityRange,
    Reference,
    RiskAssessment,
    Timeframe,
)
from serving.problems import Problem
from serving.schemas import RESEARCH_USE_ONLY, ModelBlock
from training.patient_scores import HorizonSurvival, PatientScore

_JSON = "application/json"
_OURS = "urn:ctc-prognosis"
_EXTENSION = f"{_OURS}:fhir"
#: HL7's own code for what is no patient's.
_TEST_DATA = Coding(
    system="http://terminology.hl7.org/CodeSystem/v3-ActReason", code="HTEST", display="test health data"
)
#: What is counted as event (Liu et al. 2018, doi 10.1016/j.cell.2018.02.052).
_EVENTS: Mapping[str, str] = {
    "OS": "death from any cause",
    "DSS": "death from the cancer",
    "DFI": "recurrence of the cancer",
    "PFI": "progression of the cancer, or death from it",
}


def prefers_fhir(accept: str) -> bool:
    """Tell whether an ``Accept`` header names FHIR before plain JSON, by weight, then by place (RFC 9110, 12.5.1)."""
    if MEDIA_TYPE not in accept.lower():
        return False
    weights: dict[str, float] = {}
    for each in accept.lower().split(","):
        name, _, parameters = each.partition(";")
        weights.setdefault(name.strip(), _weight(parameters))
    named = [name for name in weights if name in (MEDIA_TYPE, _JSON)]
    return max(named, key=weights.__getitem__, default=_JSON) == MEDIA_TYPE and weights[MEDIA_TYPE] > 0


def _weight(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def fhir_answer(
    ids: Sequence[str], results: Sequence[PatientScore | Problem], block: ModelBlock
) -> RiskAssessment | Bundle:
    """Return the answer to a request: one patient's assessment, or a collection of several.

    Parameters
    ----------
    ids : sequence of str
        Of the profiles.
    results : sequence of PatientScore or Problem
        One a profile; a problem becomes an OperationOutcome.
    block : ModelBlock
        The model that answered.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    resources = [
        _outcome(result, name) if isinstance(result, Problem) else risk_assessment(result, block, now)
        for name, result in zip(ids, results, strict=True)
    ]
    if len(resources) == 1 and isinstance(resources[0], RiskAssessment):
        return resources[0]
    return Bundle(timestamp=now, entry=[BundleEntry(full_url=uuid4().urn, resource=each) for each in resources])


def risk_assessment(score: PatientScore, block: ModelBlock, occurred: str) -> RiskAssessment:
    """Return a patient's answer.

    Parameters
    ----------
    score : PatientScore
    block : ModelBlock
        The model that answered.
    occurred : str
        When (ISO 8601, UTC).
    """
    predicted = [] if score.relative_only else [_prediction(at, score, block.endpoint) for at in score.survival]
    return RiskAssessment(
        meta=Meta(tag=[_TEST_DATA]) if block.simulated else None,
        extension=[
            Extension(url=f"{_EXTENSION}:risk-percentile", value_decimal=score.risk_percentile),
            Extension(url=f"{_EXTENSION}:risk-group", value_code=score.risk_group),
        ],
        status="preliminary" if block.exploratory else "final",
        method=_method(block),
        subject=Reference(type="Patient", identifier=Identifier(system=f"{_OURS}:profile", value=score.id)),
        occurrence_date_time=occurred,
        performer=_performer(block),
        basis=[Reference(display=_basis(score))],
        # FHIR knows no empty list.
        prediction=predicted or None,
        note=[Annotation(text=text) for text in (RESEARCH_USE_ONLY, *_estimand(block), *score.warnings)],
    )


def _prediction(at: HorizonSurvival, score: PatientScore, endpoint: str) -> Prediction:
    return Prediction(
        extension=_beside(at) or None,
        outcome=CodeableConcept(coding=[Coding(system=f"{_OURS}:endpoint", code=endpoint)], text=_EVENTS[endpoint]),
        probability_decimal=_percent(1.0 - at.probability),
        when_range=_months(score.survived_months or 0.0, at.horizon_months),
        rationale=_rationale(at, score.survived_months, f"Risk of {_EVENTS[endpoint]}"),
    )


def _beside(at: HorizonSurvival) -> list[Extension]:
    """Return the interval of a risk and the cohort's own, where they are known."""
    beside = []
    if at.lower is not None and at.upper is not None:
        interval = QuantityRange(low=_share(1.0 - at.upper), high=_share(1.0 - at.lower))
        beside.append(Extension(url=f"{_EXTENSION}:interval", value_range=interval))
    if at.cohort_probability is not None:
        cohort = _share(1.0 - at.cohort_probability)
        beside.append(Extension(url=f"{_EXTENSION}:cohort-risk", value_quantity=cohort))
    return beside


def _rationale(at: HorizonSurvival, survived_months: float | None, risk: str) -> str:
    interval = ""
    if at.lower is not None and at.upper is not None:
        interval = f" (95 % interval {_percent(1.0 - at.upper):.1f} % to {_percent(1.0 - at.lower):.1f} %)"
    given = "" if survived_months is None else f", given that the patient is alive at {survived_months:g} months"
    figure = f"{_percent(1.0 - at.probability):.1f} %{interval}"
    return f"{risk} within {at.horizon_months:g} months of diagnosis{given}: {figure}."


def _method(block: ModelBlock) -> CodeableConcept:
    coding = Coding(system=f"{_OURS}:model", version=block.version, code=block.name)
    kind = "SIMULATED, " if block.simulated else ""
    among = "" if block.reference is None else f"reference {block.reference}, "
    fitted = f"{kind}{block.learner}, {among}{block.n_patients} patients, {block.n_events} events"
    return CodeableConcept(coding=[coding], text=f"{block.name} version {block.version} ({fitted})")


def _performer(block: ModelBlock) -> Reference:
    digest = Identifier(system=f"{_OURS}:bundle", value=block.bundle_digest)
    return Reference(type="Device", identifier=digest, display=f"Model {block.name}, version {block.version}")


def _basis(score: PatientScore) -> str:
    known = "Gene expression and clinical covariates" if score.variant == "clinical" else "Gene expression"
    if not score.missing_genes:
        return known
    return f"{known}; estimated from the other genes: {', '.join(score.missing_genes)}"


def _estimand(block: ModelBlock) -> list[str]:
    return ["Deaths of other causes were censored: the risk is net of them."] if block.estimand == "net" else []


def _outcome(problem: Problem, name: str) -> OperationOutcome:
    told = f"{name}: {problem.detail}"
    return OperationOutcome(issue=[Issue(diagnostics=told, expression=[problem.field] if problem.field else None)])


def _months(low: float, high: float) -> Timeframe:
    start = Extension(url=f"{_EXTENSION}:counted-from", value_code="diagnosis")
    return Timeframe(extension=[start], low=_quantity(low, "months", "mo"), high=_quantity(high, "months", "mo"))


def _share(risk: float) -> Quantity:
    return _quantity(_percent(risk), "%", "%")


def _quantity(value: float, unit: str, code: str) -> Quantity:
    return Quantity(value=value, unit=unit, code=code)


def _percent(share: float) -> float:
    return 100.0 * min(max(share, 0.0), 1.0)
