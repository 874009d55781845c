"""Whether a challenger gets past the champion: the clauses, and how the two of them combine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.definition import GateDefinition, Range
from training.estimate import Estimate
from training.gate import FAILED, NOT_ASSESSED, PASSED, GateVerdict, judge_gate
from training.non_inferiority import (
    BY_DEFINITION,
    LOCKED,
    by_definition_clause,
    locked_clause,
    not_assessed,
    stricter,
    weighed,
    with_clauses,
)
from training.paired_comparison import CONCORDANCE, Comparison, Difference

GATE = GateDefinition(
    minimum_events=20,
    concordance_lower_above=0.5,
    gain_upper_least=0.0,
    calibration_slope=Range(low=0.8, high=1.2),
    random_signature_percentile_above=90.0,
    non_inferiority_margin=0.03,
)
ANY = Estimate(0.7, 0.6, 0.8)
VERDICTS = (PASSED, FAILED, NOT_ASSESSED)


def comparison(lower: float, *, n_events: int = 40, note: str = "") -> Comparison:
    difference = Difference(ANY, ANY, Estimate(lower + 0.05, lower, lower + 0.1))
    return Comparison(100, n_events, {CONCORDANCE: difference}, note=note)


@pytest.mark.parametrize(("lower", "verdict"), [(-0.03, PASSED), (-0.0299, PASSED), (-0.0301, FAILED), (0.1, PASSED)])
def test_the_lower_bound_of_the_difference_decides_and_the_margin_itself_passes(lower, verdict):
    assert by_definition_clause(GATE, comparison(lower), same=False)[:2] == (BY_DEFINITION, verdict)
    assert locked_clause(GATE, comparison(lower))[:2] == (LOCKED, verdict)


def test_a_difference_that_looks_good_does_not_pass_if_its_interval_leaves_harm_open():
    wide = Comparison(30, 25, {CONCORDANCE: Difference(ANY, ANY, Estimate(0.05, -0.08, 0.2))})
    assert locked_clause(GATE, wide)[1] == FAILED


def test_fewer_events_than_the_gate_asks_for_cannot_assess_the_locked_champion():
    name, verdict, figure = locked_clause(GATE, comparison(0.1, n_events=19))
    assert (name, verdict) == (LOCKED, NOT_ASSESSED)
    assert "19 events" in figure
    assert "at least 20" in figure
    assert locked_clause(GATE, comparison(0.1, n_events=20))[1] == PASSED


def test_a_difference_without_an_interval_is_not_assessed():
    nothing = Comparison(100, 40, {CONCORDANCE: Difference(ANY, ANY, Estimate(0.2, np.nan, np.nan))})
    assert by_definition_clause(GATE, nothing, same=False)[1] == NOT_ASSESSED
    assert by_definition_clause(GATE, Comparison(100, 40, reason="no such column"), same=False) == (
        BY_DEFINITION,
        NOT_ASSESSED,
        "no such column; lower bound at least -0.03",
    )


def test_one_definition_is_said_to_be_one_and_gets_no_figure_of_zero():
    _, verdict, figure = by_definition_clause(GATE, Comparison(100, 40, reason="the same"), same=True)
    assert (verdict, figure) == (PASSED, "the same")


def test_what_a_reader_must_know_stands_beside_the_figure():
    assert locked_clause(GATE, comparison(0.1, note="renormalised"))[2].endswith("; renormalised")


@given(st.sampled_from(VERDICTS), st.sampled_from(VERDICTS), st.booleans())
def test_a_gate_passes_if_no_comparison_failed_and_one_that_can_stand_alone_passed(by_definition, locked, doubtful):
    found = weighed((BY_DEFINITION, by_definition, "a"), (LOCKED, locked, "b"), doubt="c" if doubtful else "")
    passed = with_clauses(GateVerdict(passed=True, clauses=()), found).passed
    alone = by_definition == PASSED and not doubtful
    assert passed == (FAILED not in {by_definition, locked} and (locked == PASSED or alone))
    # Whatever the verdict, nothing that was found out is left unsaid.
    said = " ".join(figure for *_, figure in found)
    assert "a" in said
    assert "b" in said
    assert FAILED not in {by_definition, locked} or FAILED in {verdict for _, verdict, _ in found}


def test_an_equal_definition_alone_makes_no_champion_where_its_patients_are_in_doubt():
    same = by_definition_clause(GATE, Comparison(60, 30, reason="the same"), same=True)
    unseen = locked_clause(GATE, Comparison(0, 0, reason="the champion has learned from all of these patients"))
    (_, verdict, figure), (_, locked, _) = weighed(same, unseen, doubt="these may be others")
    assert {verdict, locked} == {NOT_ASSESSED}
    assert figure == "the same; but these may be others"


@pytest.mark.parametrize(
    ("key", "lax", "strict"),
    [
        ("minimum_events", 5, 50),
        ("concordance_lower_above", 0.0, 0.6),
        ("gain_upper_least", -1.0, 0.1),
        ("random_signature_percentile_above", 0.0, 95.0),
        ("non_inferiority_margin", 0.1, 0.0),
    ],
)
def test_the_stricter_of_two_gates_is_asked_for_whoever_states_it(key: str, lax: float, strict: float):
    laxer, sterner = (GATE.model_copy(update={key: value}) for value in (lax, strict))
    assert getattr(stricter(laxer, sterner), key) == getattr(stricter(sterner, laxer), key) == strict
    assert stricter(laxer, laxer) == laxer


def test_a_slope_must_lie_in_both_ranges_and_in_none_if_they_do_not_meet():
    slopes = {"any": Range(low=-9, high=9), "high": Range(low=1.1, high=9), "low": Range(low=0.2, high=1.0)}
    any_, high, low = (GATE.model_copy(update={"calibration_slope": each}) for each in slopes.values())
    found = stricter(any_, low).calibration_slope
    assert (found.low, found.high) == (0.2, 1.0)
    none = stricter(high, low)
    for value in (0.9, 1.05, 1.2):
        slope = {"calibration_slope": Estimate(value, value, value)}
        verdicts = {
            name: verdict for name, verdict, _ in judge_gate(none, n_events=99, metrics=slope, null=None).clauses
        }
        assert verdicts["calibration_slope"] == FAILED


def test_a_gate_that_failed_is_not_passed_by_beating_the_champion():
    failed = GateVerdict(passed=False, clauses=(("minimum_events", FAILED, "9 of 20"),))
    found = with_clauses(failed, [(LOCKED, PASSED, "much better")])
    assert not found.passed
    assert [clause for clause, *_ in found.clauses] == ["minimum_events", LOCKED]


def test_what_was_never_compared_is_not_passed():
    assert not with_clauses(GateVerdict(passed=True, clauses=()), not_assessed("another version")).passed
