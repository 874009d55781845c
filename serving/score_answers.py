"""From a request for scores to the JSON of its answer; computes nothing of its own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Any

import orjson

from serving import meters
from serving.answers import RenderedModel
from serving.champions import ServedModel, Snapshot
from serving.fhir import fhir_answer
from serving.parsing import ParsedRequest
from serving.problems import Problem, ProblemError
from serving.request_log import note
from serving.schemas import ScoreRequest
from training.model import PrognosticModel
from training.patient_scores import PatientScore
from training.profiles import Profile, ProfileError
from training.scores import GENES_ONLY
from training.scoring import RequestError, ScoredPatients, scored_profiles


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
    served, results = _results(snapshot, parsed)
    return _joined(served.rendered, parsed.request, list(_result_entries(parsed.ids, results)), _variant_of(results))


def fhir_score_answer(snapshot: Snapshot, parsed: ParsedRequest) -> bytes:
    """Score the profiles of a request; return FHIR R4 as JSON, and raise what `score_answer` raises."""
    served, results = _results(snapshot, parsed)
    answer = fhir_answer(parsed.ids, results, served.rendered.blocks[_variant_of(results)])
    return answer.model_dump_json(exclude_none=True).encode()


def _results(snapshot: Snapshot, parsed: ParsedRequest) -> tuple[ServedModel, list[PatientScore | Problem]]:
    request = parsed.request
    served = snapshot.find(request.cancer_type, request.endpoint, kind="not-scorable")
    served = served.on_reference(request.reference, kind="not-scorable")
    note(model=served.model.name, version=served.registered.version, profiles=len(parsed.ids))
    block = _scored(served.model, request)
    count_block(block)
    meters.PROFILES.labels(served.model.name, "refused").inc(len(parsed.faults))
    meters.count_refusals(served.model.name, "invalid-request", len(parsed.faults))
    answers = iter(block.answers())
    results: list[PatientScore | Problem] = []
    for position in range(len(parsed.ids)):
        fault = parsed.faults.get(position)
        results.append(fault or _answer_or_problem(next(answers), position))
    _require_one_score(results)
    return served, results


def count_block(block: ScoredPatients) -> None:
    """Count patients who were scored, and those who were not: shares and percentiles, no values."""
    for scores in block.scored.by_variant:
        meters.PROFILES.labels(block.model.name, "scored").inc(len(scores.rows))
        meters.observe_results(
            block.model.name,
            missing_shares=scores.missing.mean(axis=1),
            outside_shares=None if scores.distance is None else (scores.distance.outside != 0).mean(axis=1),
            percentiles=scores.risk_percentile,
        )
    meters.PROFILES.labels(block.model.name, "refused").inc(block.n_failed)
    meters.count_refusals(block.model.name, "not-scorable", block.n_failed)


def answer_line(row: int, name: str, answer: PatientScore | ProfileError) -> dict[str, Any]:
    """Return the answer for a patient of a file: a `Result` with the row where the patient stands."""
    if isinstance(answer, ProfileError):
        return {"row": row, "id": name, "error": Problem.of("not-scorable", str(answer)).model_dump()}
    _require_finite(answer)
    return {"row": row} | {each.name: getattr(answer, each.name) for each in fields(answer)}


def _require_finite(score: PatientScore) -> None:
    figures = (score.linear_predictor, score.risk_percentile, *(at.probability for at in score.survival))
    if not all(map(math.isfinite, figures)):
        # It is our fault, and must not leave as null.
        raise ArithmeticError("a figure is not finite")


def _scored(model: PrognosticModel, request: ScoreRequest) -> ScoredPatients:
    profiles = [Profile(p.id, p.expression, p.clinical, p.survived_months) for p in request.profiles]
    try:
        return scored_profiles(
            model,
            profiles,
            scale=request.scale,
            zscore_reference=request.zscore_reference,
            horizons_months=request.horizons_months,
            contributions=request.contributions,
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


def _result_entries(
    ids: Sequence[str], results: Sequence[PatientScore | Problem]
) -> Iterator[PatientScore | dict[str, Any]]:
    for name, result in zip(ids, results, strict=True):
        if isinstance(result, Problem):
            yield {"id": name, "error": result.model_dump()}
        else:
            _require_finite(result)
            yield result


def _variant_of(results: Iterable[PatientScore | Problem]) -> str:
    """Name the variant that answered; where both did, the genes-only one, whose figures claim less."""
    answered = {result.variant for result in results if isinstance(result, PatientScore)}
    return GENES_ONLY if GENES_ONLY in answered else next(iter(answered))


def _joined(rendered: RenderedModel, request: ScoreRequest, entries: list[Any], variant: str) -> bytes:
    # A score becomes an object with its fields, and so does all that it holds.
    scan = rendered.scan_json if request.hazard_ratios else b'"hazard_ratios":null,"citations":null'
    return b"".join(
        (b'{"model":', rendered.blocks_json[variant], b',"results":', orjson.dumps(entries), b",", scan, b"}")
    )
