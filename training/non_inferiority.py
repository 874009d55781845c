"""The clauses of the gate that a challenger meets where a champion stands: it must be shown to be no worse."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.definition import GateDefinition, Range
from training.gate import FAILED, NOT_ASSESSED, PASSED, Clause, GateVerdict
from training.paired_comparison import CONCORDANCE, Comparison

BY_DEFINITION, LOCKED = "not_inferior_to_champion", "not_inferior_to_locked_champion"


def stricter(own: GateDefinition, champion: GateDefinition) -> GateDefinition:
    """Return the gate that asks for all that either of two asks for: no challenger is judged by a laxer one.

    Notes
    -----
    If no slope lies in both accepted ranges, the range that is returned holds none.
    """
    slopes = (own.calibration_slope, champion.calibration_slope)
    # Not validated: low may exceed high, which no slope satisfies.
    slope = Range.model_construct(low=max(each.low for each in slopes), high=min(each.high for each in slopes))
    largest = ("minimum_events", "concordance_lower_above", "gain_upper_least", "random_signature_percentile_above")
    asked = {key: max(getattr(own, key), getattr(champion, key)) for key in largest}
    margin = min(own.non_inferiority_margin, champion.non_inferiority_margin)
    return own.model_copy(update={**asked, "calibration_slope": slope, "non_inferiority_margin": margin})


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


def weighed(by_definition: Clause, locked: Clause, *, doubt: str) -> tuple[Clause, ...]:
    """Return the clauses that the gate gets of the two, of which one may be enough.

    Parameters
    ----------
    by_definition, locked : tuple of (name, verdict, figure)
    doubt : str
        Why the definitions' comparison cannot stand for the models' (`training.definitions_alone`); empty if it can.

    Notes
    -----
    A challenger gets past them if none of the two failed and

    * the locked champion could be judged, and the challenger is not inferior to it; or
    * it could not, the challenger's definition is not inferior to the champion's, and nothing speaks against taking
      that for the models: from other patients, or poorer data on the same ones, a procedure that is as good may give
      a model that is worse, which nothing here would show.

    What could not be assessed never counts as passed. Where one clause decides alone, the other is told in its figure,
    as a gate passes only if every clause of it does.
    """
    (_, verdict, figure), (_, locked_verdict, locked_figure) = by_definition, locked
    if locked_verdict == NOT_ASSESSED and verdict == PASSED and doubt:
        return (BY_DEFINITION, NOT_ASSESSED, f"{figure}; but {doubt}"), locked
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
