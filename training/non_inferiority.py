"""The clauses of the gate that a challenger meets where a champion stands: it must be shown to be no worse."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.definition import GateDefinition
from training.gate import FAILED, NOT_ASSESSED, PASSED, Clause, GateVerdict
from training.paired_comparison import CONCORDANCE, Comparison

BY_DEFINITION, LOCKED = "not_inferior_to_champion", "not_inferior_to_locked_champion"
#: Share of the champion's patients that the challenger must have learned from too, for a comparison of their
#: definitions alone to stand for one of the two models.
SHARE_HELD = 0.9


def by_definition_clause(gate: GateDefinition, comparison: Comparison, *, same: bool) -> Clause:
    """Judge the challenger's definition against the champion's, both refitted without each fold's patients.

    Parameters
    ----------
    gate : GateDefinition
    comparison : Comparison
    same : bool
        Whether both definitions are one procedure: refitted on these patients, the champion is the challenger itself,
        whose difference is 0 by construction.
    """
    return (BY_DEFINITION, PASSED, comparison.reason) if same else _clause(BY_DEFINITION, gate, comparison)


def locked_clause(gate: GateDefinition, comparison: Comparison) -> Clause:
    """Judge the challenger against the champion as it is, on patients whom the champion has not learned from."""
    if comparison.n_events < gate.minimum_events:
        told = f"{comparison.n_patients} patients with {comparison.n_events} events that the champion has not seen"
        reason = comparison.reason or f"at least {gate.minimum_events} events are needed"
        return LOCKED, NOT_ASSESSED, f"{told}: {reason}"
    return _clause(LOCKED, gate, comparison)


def not_assessed(reason: str) -> tuple[Clause, Clause]:
    """Return both clauses where nothing was compared with the champion."""
    return (BY_DEFINITION, NOT_ASSESSED, reason), (LOCKED, NOT_ASSESSED, reason)


def weighed(by_definition: Clause, locked: Clause, *, share_held: float) -> tuple[Clause, ...]:
    """Return the clauses that the gate gets of the two, of which one may be enough.

    Parameters
    ----------
    by_definition, locked : tuple of (name, verdict, figure)
    share_held : float
        Share of the champion's training patients that the challenger learned from too.

    Notes
    -----
    A challenger gets past them if none of the two failed and

    * the locked champion could be judged, and the challenger is not inferior to it; or
    * it could not, the challenger's definition is not inferior to the champion's, and the challenger learned from at
      least 90 % of the champion's patients. From other patients a procedure that is as good may give a model that is
      worse, which nothing here would show.

    What could not be assessed never counts as passed. Where one clause decides alone, the other is told in its figure,
    as a gate passes only if every clause of it does.
    """
    (_, verdict, figure), (_, locked_verdict, locked_figure) = by_definition, locked
    if locked_verdict == NOT_ASSESSED and verdict == PASSED and share_held < SHARE_HELD:
        moved = f"{figure}; but only {share_held:.0%} of the champion's patients are here, and its model may be better"
        return (BY_DEFINITION, NOT_ASSESSED, moved), locked
    if NOT_ASSESSED not in (verdict, locked_verdict) or verdict == locked_verdict:
        return by_definition, locked
    if locked_verdict == NOT_ASSESSED:
        return ((BY_DEFINITION, verdict, f"{figure}; the locked champion {NOT_ASSESSED}: {locked_figure}"),)
    return ((LOCKED, locked_verdict, f"{locked_figure}; its definition {NOT_ASSESSED}: {figure}"),)


def with_clauses(verdict: GateVerdict, clauses: Sequence[Clause]) -> GateVerdict:
    """Return a gate's verdict with more clauses."""
    return GateVerdict(verdict.passed and all(each == PASSED for _, each, _ in clauses), (*verdict.clauses, *clauses))


def _clause(name: str, gate: GateDefinition, comparison: Comparison) -> Clause:
    found = comparison.differences.get(CONCORDANCE)
    needed = f"lower bound at least {-gate.non_inferiority_margin:g}"
    if found is None or not np.isfinite(found.difference.lower):
        return name, NOT_ASSESSED, f"{comparison.reason or 'no interval'}; {needed}"
    gain = found.difference
    holds = gain.lower >= -gate.non_inferiority_margin
    figure = f"concordance {gain.value:+.3f} ({gain.lower:+.3f} to {gain.upper:+.3f})"
    whom = f"{comparison.n_patients} patients, {comparison.n_events} events"
    note = f"; {comparison.note}" if comparison.note else ""
    return name, PASSED if holds else FAILED, f"{figure} in {whom}, {needed}{note}"
