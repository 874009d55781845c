"""What ``prognosis retrain`` prints: champion and challenger side by side, the gate, and what became of both."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from experiments.contests import change_lines
from experiments.labels import gate_verdict
from experiments.summaries import gate_lines, learners_summary, table, with_interval
from experiments.tracking import CHAMPION
from training.estimate import Estimate
from training.gate import PASSED
from training.metrics import METRICS

if TYPE_CHECKING:
    # They bring the learners, which take seconds to import.
    from experiments.retraining import Retrained
    from training.challenge import Challenge
    from training.paired_comparison import Comparison

SHOWN = {"concordance_harrell": "Harrell", "integrated_brier_score": "Brier", "calibration_slope": "slope"}
CONDITIONAL = (
    "differences are paired, with 95 % intervals: both are judged on the same pairs and the same bootstrap samples of "
    "patients, all their repeats together; nothing is fitted again in a sample"
)


def retraining_summary(retrained: Retrained) -> str:
    """Say what was compared, what the gate said, how many were tried, and which version leads."""
    name = retrained.result.model.name
    told = [*_before(retrained), *_comparison(retrained)]
    after = [_count(retrained), _outcome(retrained)]
    lines = [*(f"{name}  {line}" for line in told), *gate_lines(retrained.result), *(f"{name}  {a}" for a in after)]
    return "\n".join([learners_summary(retrained.result), *lines])


def _before(retrained: Retrained) -> Iterator[str]:
    """Say what stands, and by which definition the challenger was trained."""
    rival, challenge = retrained.standing.rival, retrained.contest.challenge
    if rival is None or challenge is None:
        yield "nothing of this cancer type and endpoint stands: there is no champion to compare with"
        return
    if retrained.standing.champion is None:
        yield f"no champion stands: compared with {rival}, for information; the gate alone decides"
    else:
        yield f"compared with {rival}" + ("" if retrained.standing.defends else ", which is not the champion")
    if not challenge.changed:
        yield f"the definition is kept: that of version {rival.version}"
    yield from (
        f"the definition of version {rival.version} is changed, {line}" for line in change_lines(challenge.changed)
    )
    if retrained.standing.defends:
        yield from _stricter(retrained, challenge)


def _stricter(retrained: Retrained, challenge: Challenge) -> Iterator[str]:
    """Say where the challenger is judged by the gate of the champion's definition, and not by its own."""
    own, rival = retrained.result.definition.gate, retrained.standing.rival
    for key, judged in challenge.gate.model_dump(exclude={"calibration_slope": {"log"}}).items():
        stated = own.model_dump(exclude={"calibration_slope": {"log"}})[key]
        if judged != stated:
            yield f"the gate of {rival} is stricter and is kept, {key}: {judged}, and not {stated}"
    if challenge.locked_gate.minimum_events != challenge.gate.minimum_events:
        needed = challenge.locked_gate.minimum_events
        yield f"locked, {rival} is compared with from {needed} events on, as by its own definition"


def _comparison(retrained: Retrained) -> Iterator[str]:
    challenge = retrained.contest.challenge
    if challenge is None:
        return
    both = {"by definition": challenge.by_definition, "locked": challenge.locked}
    verdicts = _verdicts(retrained, challenge)
    rows = [row for kind, each in both.items() for row in _rows(kind, each, verdicts.get(kind, ""))]
    if rows:
        header = ("compared", "patients", "events", "figure", "version", "challenger", "difference", "verdict")
        yield from table(header, rows).splitlines()
        yield CONDITIONAL
    for kind, each in both.items():
        if each.reason or each.note:
            whom = f"{each.n_patients} patients, {each.n_events} events"
            yield f"{kind}, {retrained.standing.rival}: {each.reason or each.note} ({whom})"
    yield f"{challenge.share_held:.0%} of that version's training patients are in this cohort"


def _verdicts(retrained: Retrained, challenge: Challenge) -> dict[str, str]:
    """Return the verdict on each comparison by itself; none where no champion is defended."""
    if not retrained.standing.defends:
        return {}
    (_, by_definition, _), (_, locked, _) = challenge.both
    return {"by definition": by_definition, "locked": locked}


def _rows(kind: str, comparison: Comparison, verdict: str) -> Iterator[tuple[str, ...]]:
    whom = (str(comparison.n_patients), str(comparison.n_events))
    for metric, found in comparison.differences.items():
        judged = verdict if metric == next(iter(SHOWN)) else ""
        figures = (with_interval(found.champion), with_interval(found.challenger), _signed(found.difference))
        yield (kind, *whom, f"{SHOWN[metric]} ({METRICS[metric].direction})", *figures, judged)


def _signed(difference: Estimate) -> str:
    if math.isnan(difference.lower):
        return f"{difference.value:+.3f}"
    return f"{difference.value:+.3f} ({difference.lower:+.3f} to {difference.upper:+.3f})"


def _count(retrained: Retrained) -> str:
    tried = retrained.contest.tried
    if tried == 1:
        return "this is the first challenger on these patients"
    return f"this is challenger {tried} on these patients: the best of several looks better than it is"


def _outcome(retrained: Retrained) -> str:
    """Say which version leads now."""
    champion, model, passed = retrained.standing.champion, retrained.model, retrained.result.gate.passed
    stays = "there is no champion" if champion is None else f"version {champion} stays champion"
    if model is None:
        would = "it would become champion" if passed else f"it would be a candidate: the gate {_word(retrained)}"
        return f"dry run: nothing is registered, {stays}; {would}"
    if CHAMPION in model.aliases:
        before = "" if champion is None else f" in place of version {champion}"
        return f"version {model.version} is champion{before}; gate {PASSED}"
    if passed:
        return f"version {model.version} is a candidate: another version became champion while it was trained"
    return f"version {model.version} is a candidate, {stays}: the gate {_word(retrained)}"


def _word(retrained: Retrained) -> str:
    return gate_verdict(retrained.result)
