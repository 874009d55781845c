"""The gate between candidate and champion."""

from __future__ import annotations

import math

import pytest

from training.definition import GateDefinition
from training.estimate import Estimate
from training.gate import judge_gate

GATE = GateDefinition(minimum_events=20, concordance_lower_above=0.5)
GOOD = Estimate(0.68, 0.61, 0.74)


def verdicts(**changed):
    gate = judge_gate(GATE, **{"n_events": 90, "concordance": GOOD} | changed)
    return gate.passed, {name: verdict for name, verdict, _ in gate.clauses}


def test_a_model_passes_when_every_clause_does():
    assert verdicts() == (True, {"minimum_events": "passed", "concordance_lower_above": "passed"})


@pytest.mark.parametrize(("n_events", "verdict"), [(19, "failed"), (20, "passed")])
def test_the_minimum_of_events_is_itself_enough(n_events, verdict):
    passed, clauses = verdicts(n_events=n_events)
    assert clauses["minimum_events"] == verdict
    assert passed == (verdict == "passed")


@pytest.mark.parametrize(("lower", "verdict"), [(0.49, "failed"), (0.5, "failed"), (0.501, "passed")])
def test_the_lower_bound_of_the_concordance_must_lie_above_the_gates(lower, verdict):
    passed, clauses = verdicts(concordance=Estimate(0.6, lower, 0.7))
    assert clauses["concordance_lower_above"] == verdict
    assert passed == (verdict == "passed")


@pytest.mark.parametrize("concordance", [Estimate(0.7, math.nan, math.nan), Estimate(math.nan, math.nan, math.nan)])
def test_what_could_not_be_assessed_has_not_passed(concordance):
    passed, clauses = verdicts(concordance=concordance)
    assert clauses == {"minimum_events": "passed", "concordance_lower_above": "could not be assessed"}
    assert not passed


def test_every_clause_says_its_figures():
    clauses = judge_gate(GATE, n_events=12, concordance=GOOD).clauses
    assert [figure for _, _, figure in clauses] == ["12 of 20", "0.680 (0.610 to 0.740), lower bound above 0.5"]
