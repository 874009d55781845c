"""The gate between candidate and champion: clauses of the definition, each with its figure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from training.estimate import Estimate
from training.metrics import GAIN

if TYPE_CHECKING:
    # What scores reads the verdicts of this module, and has no use for what they are made from.
    from training.definition import GateDefinition
    from training.results import RandomSignatures

PASSED, FAILED, NOT_ASSESSED = "passed", "failed", "could not be assessed"
#: What a model is called whose genes do not stand out among random sets of others.
NO_BETTER_THAN_RANDOM = "no better than random genes"

type Clause = tuple[str, str, str]


@dataclass(frozen=True)
class GateVerdict:
    """Whether the model earned the alias ``champion``, clause by clause.

    Parameters
    ----------
    passed : bool
        True if every clause passed; a clause that could not be assessed has not passed.
    clauses : tuple of (name, verdict, figure)
        Verdict: ``passed``, ``failed`` or ``could not be assessed``; figure: the numbers in words.
    """

    passed: bool
    clauses: tuple[tuple[str, str, str], ...]


def judge_gate(
    gate: GateDefinition, *, n_events: int, metrics: Mapping[str, Estimate], null: RandomSignatures | None
) -> GateVerdict:
    """Return the verdict on a model; a clause that could not be assessed has not passed.

    Parameters
    ----------
    gate : GateDefinition
    n_events : int
        Events among the training patients.
    metrics : mapping of str to Estimate
        Out of fold, of the whole procedure that led to the model.
    null : RandomSignatures or None
        The panel among random sets of other genes.
    """
    clauses = (
        ("minimum_events", _verdict(float(n_events) >= gate.minimum_events), f"{n_events} of {gate.minimum_events}"),
        _concordance_clause(gate, metrics.get("concordance_harrell")),
        _gain_clause(gate, metrics.get(GAIN)),
        _slope_clause(gate, metrics.get("calibration_slope")),
        _null_clause(gate, null),
    )
    return GateVerdict(all(verdict == PASSED for _, verdict, _ in clauses), clauses)


def _concordance_clause(gate: GateDefinition, concordance: Estimate | None) -> Clause:
    name, needed = "concordance_lower_above", f"lower bound above {gate.concordance_lower_above:g}"
    if concordance is None or not np.isfinite(concordance.lower):
        return name, NOT_ASSESSED, f"no interval; {needed}"
    return name, _verdict(concordance.lower > gate.concordance_lower_above), f"{_in_words(concordance)}, {needed}"


def _gain_clause(gate: GateDefinition, gain: Estimate | None) -> Clause:
    """Judge whether the model is shown to be worse than clinical covariates alone."""
    name, needed = (
        "not_shown_worse_than_clinical_only",
        f"upper bound of the difference at least {gate.gain_upper_least:g}",
    )
    if gain is None or not np.isfinite(gain.upper):
        return name, NOT_ASSESSED, f"no clinical covariates to compare with; {needed}"
    return name, _verdict(gain.upper >= gate.gain_upper_least), f"{_in_words(gain)}, {needed}"


def _slope_clause(gate: GateDefinition, slope: Estimate | None) -> Clause:
    accepted = gate.calibration_slope
    name, needed = "calibration_slope", f"between {accepted.low:g} and {accepted.high:g}"
    if slope is None or not np.isfinite(slope.value):
        return name, NOT_ASSESSED, f"predictions do not vary; {needed}"
    return name, _verdict(accepted.low <= slope.value <= accepted.high), f"{_in_words(slope)}, {needed}"


def _null_clause(gate: GateDefinition, null: RandomSignatures | None) -> Clause:
    name, threshold = "above_random_genes", gate.random_signature_percentile_above
    needed = f"above the {threshold:g}th percentile"
    reason = "no random sets were asked for" if null is None else null.reason or _too_few_sets(null, threshold)
    if null is None or reason is not None:
        return name, NOT_ASSESSED, f"{reason}; {needed}"
    figure = (
        f"percentile {null.percentile:.0f} among {len(null.concordance)} random sets of {null.n_genes} genes "
        f"(p {null.p_value:.3f}), {needed}"
    )
    if null.percentile > threshold and _is_unlikely(null, threshold):
        return name, PASSED, figure
    return name, FAILED, f"{NO_BETTER_THAN_RANDOM}: {figure}"


def _too_few_sets(null: RandomSignatures, threshold: float) -> str | None:
    """Say so if the panel's p-value could not be small enough though it exceeded every random set."""
    n_sets, needed = len(null.concordance), math.ceil(100 / (100 - threshold)) - 1
    if n_sets >= needed:
        return None
    return f"too few random sets ({n_sets}: p is at least {1 / (n_sets + 1):.3f}; at least {needed} sets are needed)"


def _is_unlikely(null: RandomSignatures, threshold: float) -> bool:
    """Whether p is at most 1 − threshold/100; in whole numbers of sets, as 0.14 × 50 is not quite 7."""
    n_drawn = len(null.concordance) + 1
    return 100 * round(null.p_value * n_drawn) <= (100 - threshold) * n_drawn


def _in_words(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} ({estimate.lower:.3f} to {estimate.upper:.3f})"


def _verdict(holds: bool) -> str:  # noqa: FBT001
    return PASSED if holds else FAILED
