"""The gate between candidate and champion: clauses of the definition, each with its figure."""

from __future__ import annotations

import numpy as np

from training.definition import GateDefinition
from training.estimate import Estimate
from training.results import GateVerdict

PASSED, FAILED, NOT_ASSESSED = "passed", "failed", "could not be assessed"


def judge_gate(gate: GateDefinition, *, n_events: int, concordance: Estimate) -> GateVerdict:
    """Return the verdict on a model; a clause that could not be assessed has not passed.

    Parameters
    ----------
    gate : GateDefinition
    n_events : int
        Events among the training patients.
    concordance : Estimate
        Harrell's, out of fold, of the whole procedure that led to the model.
    """
    clauses = (
        ("minimum_events", _verdict(float(n_events) >= gate.minimum_events), f"{n_events} of {gate.minimum_events}"),
        _concordance_clause(gate, concordance),
    )
    return GateVerdict(all(verdict == PASSED for _, verdict, _ in clauses), clauses)


def _concordance_clause(gate: GateDefinition, concordance: Estimate) -> tuple[str, str, str]:
    figure = (
        f"{concordance.value:.3f} ({concordance.lower:.3f} to {concordance.upper:.3f}), "
        f"lower bound above {gate.concordance_lower_above:g}"
    )
    verdict = _verdict(concordance.lower > gate.concordance_lower_above)
    return "concordance_lower_above", verdict if np.isfinite(concordance.lower) else NOT_ASSESSED, figure


def _verdict(holds: bool) -> str:  # noqa: FBT001
    return PASSED if holds else FAILED
