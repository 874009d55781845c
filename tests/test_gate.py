"""The gate between candidate and champion: each clause passed, failed and not assessed, with its figure."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from training.definition import GateDefinition, Range
from training.estimate import Estimate
from training.evaluation import GAIN
from training.gate import FAILED, NO_BETTER_THAN_RANDOM, NOT_ASSESSED, PASSED, judge_gate
from training.results import RandomSignatures

GATE = GateDefinition(
    minimum_events=20,
    concordance_lower_above=0.5,
    gain_upper_least=0.0,
    calibration_slope=Range(low=0.8, high=1.2),
    random_signature_percentile_above=90.0,
)
CLAUSES = (
    "minimum_events",
    "concordance_lower_above",
    "not_shown_worse_than_clinical_only",
    "calibration_slope",
    "above_random_genes",
)
GOOD = {
    "concordance_harrell": Estimate(0.68, 0.61, 0.74),
    GAIN: Estimate(0.02, -0.01, 0.05),
    "calibration_slope": Estimate(0.97, 0.7, 1.3),
}
NAN = math.nan


def null(percentile=97.0, reason=None, *, n_sets=100):
    at_least_as_good = 0 if reason else round(n_sets * (1 - percentile / 100))
    return RandomSignatures(
        universe_size=1500,
        universe="curated genes",
        n_genes=50,
        concordance=np.linspace(0.5, 0.6, n_sets),
        model=0.62,
        percentile=percentile,
        p_value=NAN if reason else (1 + at_least_as_good) / (n_sets + 1),
        reason=reason,
    )


def judged(*, n_events=90, against=null(), gate=GATE, **metrics):  # noqa: B008
    return judge_gate(gate, n_events=n_events, metrics=GOOD | metrics, null=against)


def verdict_of(gate, clause):
    return {name: verdict for name, verdict, _ in gate.clauses}[clause]


def figure_of(gate, clause):
    return {name: figure for name, _, figure in gate.clauses}[clause]


def test_a_model_passes_when_every_clause_does():
    gate = judged()
    assert gate.passed
    assert [(name, verdict) for name, verdict, _ in gate.clauses] == [(name, PASSED) for name in CLAUSES]


#: For each clause: what makes it fail, and what leaves it without a figure.
FAULTS = {
    "minimum_events": ({"n_events": 19}, None),
    "concordance_lower_above": (
        {"concordance_harrell": Estimate(0.6, 0.45, 0.7)},
        {"concordance_harrell": Estimate(0.7, NAN, NAN)},
    ),
    "not_shown_worse_than_clinical_only": ({GAIN: Estimate(-0.05, -0.09, -0.01)}, {GAIN: Estimate(NAN, NAN, NAN)}),
    "calibration_slope": (
        {"calibration_slope": Estimate(0.5, 0.3, 0.7)},
        {"calibration_slope": Estimate(NAN, NAN, NAN)},
    ),
    "above_random_genes": ({"against": null(40.0)}, {"against": null(NAN, "only 12 other genes")}),
}


@pytest.mark.parametrize("clause", CLAUSES)
def test_one_failed_clause_fails_the_model_and_leaves_the_others_as_they_are(clause):
    gate = judged(**FAULTS[clause][0])
    assert not gate.passed
    assert {name: verdict for name, verdict, _ in gate.clauses} == dict.fromkeys(CLAUSES, PASSED) | {clause: FAILED}


@pytest.mark.parametrize("clause", [name for name in CLAUSES if FAULTS[name][1]])
def test_a_clause_that_could_not_be_assessed_is_neither_passed_nor_failed_and_the_model_has_not_passed(clause):
    gate = judged(**FAULTS[clause][1])
    assert not gate.passed
    expected = dict.fromkeys(CLAUSES, PASSED) | {clause: NOT_ASSESSED}
    assert {name: verdict for name, verdict, _ in gate.clauses} == expected


@pytest.mark.parametrize("faulty", [pair for n in (2, 5) for pair in itertools.combinations(CLAUSES, n)])
def test_every_clause_is_judged_whatever_the_others_say(faulty):
    given = {key: value for clause in faulty for key, value in FAULTS[clause][0].items()}
    gate = judged(**given)
    assert not gate.passed
    assert tuple(name for name, verdict, _ in gate.clauses if verdict == FAILED) == faulty


def test_a_model_without_any_figure_passes_no_clause_but_its_events():
    gate = judge_gate(GATE, n_events=90, metrics={}, null=None)
    assert not gate.passed
    assert [verdict for _, verdict, _ in gate.clauses] == [PASSED, *[NOT_ASSESSED] * 4]


@pytest.mark.parametrize(("n_events", "verdict"), [(0, FAILED), (19, FAILED), (20, PASSED)])
def test_the_minimum_of_events_is_itself_enough(n_events, verdict):
    assert verdict_of(judged(n_events=n_events), "minimum_events") == verdict


@pytest.mark.parametrize(("lower", "verdict"), [(0.49, FAILED), (0.5, FAILED), (0.501, PASSED)])
def test_the_lower_bound_of_the_concordance_must_lie_above_the_gates(lower, verdict):
    gate = judged(concordance_harrell=Estimate(0.6, lower, 0.7))
    assert verdict_of(gate, "concordance_lower_above") == verdict


@pytest.mark.parametrize(("upper", "verdict"), [(-0.001, FAILED), (0.0, PASSED), (0.001, PASSED)])
def test_a_model_is_shown_worse_than_clinical_covariates_where_the_whole_interval_says_so(upper, verdict):
    gate = judged(**{GAIN: Estimate(-0.03, -0.06, upper)})
    assert verdict_of(gate, "not_shown_worse_than_clinical_only") == verdict


@pytest.mark.parametrize(
    ("slope", "verdict"), [(0.79, FAILED), (0.8, PASSED), (1.2, PASSED), (1.21, FAILED), (-1, FAILED)]
)
def test_the_calibration_slope_lies_within_the_gates_range_ends_included(slope, verdict):
    gate = judged(calibration_slope=Estimate(slope, slope - 0.5, slope + 0.5))
    assert verdict_of(gate, "calibration_slope") == verdict


@pytest.mark.parametrize(("percentile", "verdict"), [(89.0, FAILED), (90.0, FAILED), (91.0, PASSED)])
def test_the_panel_must_exceed_the_gates_share_of_random_sets_else_it_is_called_no_better(percentile, verdict):
    gate = judged(against=null(percentile))
    assert verdict_of(gate, "above_random_genes") == verdict
    assert figure_of(gate, "above_random_genes").startswith(f"{NO_BETTER_THAN_RANDOM}: ") == (verdict == FAILED)


@pytest.mark.parametrize(
    ("n_sets", "n_as_good", "verdict"),
    [
        (1, 0, NOT_ASSESSED),  # half of all panels of no worth exceed the one set
        (8, 0, NOT_ASSESSED),
        (9, 0, PASSED),  # p = 1/10
        (15, 0, PASSED),
        (15, 1, FAILED),  # percentile 93, but p = 2/16
        (19, 1, PASSED),  # p = 2/20
        (100, 9, PASSED),
        (100, 10, FAILED),
    ],
)
def test_random_sets_are_exceeded_where_there_are_enough_of_them_to_say_so(n_sets, n_as_good, verdict):
    gate = judged(against=null(100 * (1 - n_as_good / n_sets), n_sets=n_sets))
    assert verdict_of(gate, "above_random_genes") == verdict
    assert gate.passed == (verdict == PASSED)


@pytest.mark.parametrize(("threshold", "needed"), [(0.0, 0), (50.0, 1), (86.0, 7), (90.0, 9), (95.0, 19), (99.0, 99)])
def test_a_gate_says_how_many_random_sets_it_needs(threshold, needed):
    gate = GATE.model_copy(update={"random_signature_percentile_above": threshold})
    assert verdict_of(judged(against=null(100.0, n_sets=max(needed, 1)), gate=gate), "above_random_genes") == PASSED
    if needed > 1:
        refused = judged(against=null(100.0, n_sets=needed - 1), gate=gate)
        assert verdict_of(refused, "above_random_genes") == NOT_ASSESSED
        assert f"too few random sets ({needed - 1}: " in figure_of(refused, "above_random_genes")
        assert f"at least {needed} sets are needed" in figure_of(refused, "above_random_genes")


def test_a_p_value_is_compared_in_whole_numbers_of_sets():
    # p = 7/50 = 0.14 is not above 1 - 86/100, though 100 * 0.14 is above 14 in floating point.
    gate = GATE.model_copy(update={"random_signature_percentile_above": 86.0})
    against = null(100 * (1 - 6 / 49), n_sets=49)
    assert 100 * against.p_value > 14
    assert verdict_of(judged(against=against, gate=gate), "above_random_genes") == PASSED


def test_every_clause_says_its_figures_and_what_was_needed():
    assert [figure for _, _, figure in judged(n_events=23).clauses] == [
        "23 of 20",
        "0.680 (0.610 to 0.740), lower bound above 0.5",
        "0.020 (-0.010 to 0.050), upper bound of the difference at least 0",
        "0.970 (0.700 to 1.300), between 0.8 and 1.2",
        "percentile 97 among 100 random sets of 50 genes (p 0.040), above the 90th percentile",
    ]


def test_a_clause_that_could_not_be_assessed_says_why_and_what_was_needed():
    nothing = judge_gate(GATE, n_events=90, metrics={}, null=None)
    assert [figure for _, _, figure in nothing.clauses[1:]] == [
        "no interval; lower bound above 0.5",
        "no clinical covariates to compare with; upper bound of the difference at least 0",
        "predictions do not vary; between 0.8 and 1.2",
        "no random sets were asked for; above the 90th percentile",
    ]
    too_few = judged(against=null(NAN, "only 12 other genes"))
    assert figure_of(too_few, "above_random_genes") == "only 12 other genes; above the 90th percentile"


def test_no_figure_of_a_clause_that_could_not_be_assessed_reads_as_a_number():
    for clause, (_, unknown) in FAULTS.items():
        if unknown:
            assert "nan" not in figure_of(judged(**unknown), clause)
