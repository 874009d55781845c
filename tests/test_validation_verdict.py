"""The verdict follows its rules: shown right, shown wrong, or neither; not assessed is not passed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from training.case_mix import Typical
from training.estimate import Estimate
from training.external_figures import RATIO_REFERENCE
from training.input_shift import Shift
from training.recalibration import Recalibration
from training.validation_results import Row, nearer
from training.validation_summary import summary
from training.validation_verdict import BAD, GOOD, NOT_ASSESSED, OPEN, TOO_FEW, Evidence, Finding, findings

RIGHT = {
    "concordance_harrell": Estimate(0.7, 0.65, 0.75),
    "log_observed_expected_36m": Estimate(0.0, -0.1, 0.1),
    "calibration_slope": Estimate(1.0, 0.9, 1.1),
    RATIO_REFERENCE: Estimate(0.8, 0.7, 0.9),
    "net_benefit_36m": Estimate(0.05, 0.02, 0.08),
}
LIKE = Typical(np.full(10, 30), 0.04, 0.0)


def evidence(
    *,
    n_events=150,
    absolute_reason=None,
    psi=0.02,
    typical=LIKE,
    refused=None,
    renormalised=False,
    others=(),
    **changed,
) -> Evidence:
    metrics = {**RIGHT, **changed}
    shift = Shift("CD44", "gene", 1.0, 300, 0.0, psi, 0.1, "large" if psi >= 0.25 else "little", 0.1, 0.5)
    return Evidence(
        {name: figure for name, figure in metrics.items() if figure is not None},
        (36.0,),
        n_events,
        absolute_reason,
        pd.DataFrame([vars(each) for each in (shift, *others)]),
        typical,
        n_asked=300,
        refused=refused or {},
        renormalised=renormalised,
    )


def finding(question: str, found: Evidence) -> Finding:
    return next(each for each in findings(found) if each.question == question)


def test_a_model_that_holds_is_said_to_hold():
    assert {each.standing for each in findings(evidence())} == {GOOD}
    assert summary(findings(evidence())).startswith("The model holds")


@pytest.mark.parametrize(
    ("figure", "verdict", "standing"),
    [
        (Estimate(0.55, 0.501, 0.6), "discriminates", GOOD),
        (Estimate(0.55, 0.49, 0.6), "not shown to discriminate", OPEN),
        (Estimate(0.4, 0.3, 0.499), "worse than chance", BAD),
        (Estimate(0.6, np.nan, np.nan), NOT_ASSESSED, OPEN),
    ],
)
def test_discrimination(figure, verdict, standing):
    found = finding("discrimination", evidence(concordance_harrell=figure))
    assert (found.verdict, found.standing) == (verdict, standing)


@pytest.mark.parametrize(
    ("ratio", "verdict", "standing"),
    [
        ((1.0, 0.81, 1.24), "calibrated in the large", GOOD),
        ((1.1, 1.02, 1.2), "calibrated in the large", GOOD),
        ((1.0, 0.7, 1.3), "neither shown right nor wrong", OPEN),
        ((1.5, 1.1, 2.0), "underestimates risk", BAD),
        ((0.6, 0.4, 0.9), "overestimates risk", BAD),
    ],
)
def test_calibration_in_the_large(ratio, verdict, standing):
    figure = Estimate(*np.log(ratio).tolist())
    found = finding("calibration at 36 months", evidence(log_observed_expected_36m=figure))
    assert (found.verdict, found.standing) == (verdict, standing)


def test_the_figure_stands_beside_the_verdict_and_the_rule():
    found = finding("accuracy", evidence(**{RATIO_REFERENCE: Estimate(1.2, 1.1, 1.3)}))
    assert found.verdict == "worse than Kaplan–Meier"
    assert "1.200 (1.100 to 1.300)" in found.basis
    assert "interval below 1" in found.basis


def test_few_events_tell_nothing_however_good_the_figures():
    found = findings(evidence(n_events=9))
    told = {each.question: each for each in found}
    assert told["discrimination"].verdict == told["calibration slope"].verdict == TOO_FEW
    assert summary(found).startswith("Too few events")


def test_what_could_not_be_assessed_is_not_passed():
    absent = dict.fromkeys(["log_observed_expected_36m", "calibration_slope", RATIO_REFERENCE, "net_benefit_36m"])
    found = findings(evidence(absolute_reason="no conversion", typical=None, psi=np.nan, **absent))
    assert sum(each.verdict == NOT_ASSESSED for each in found) == 6
    assert next(each for each in found if each.question == "accuracy").basis.startswith("no risk was judged")
    assert "neither shown nor refuted" in summary(found)


def test_wrong_risks_are_named_in_the_summary():
    found = findings(evidence(calibration_slope=Estimate(0.5, 0.3, 0.7)))
    assert "predictions too far apart" in summary(found)


def test_offers_are_recommended_only_where_they_help():
    found = findings(evidence(calibration_slope=Estimate(0.5, 0.3, 0.7)))
    assert summary(found, offers_help=True).endswith("(predictions too far apart): see the offers.")
    assert summary(found).endswith("(predictions too far apart).")


@pytest.mark.parametrize(("after", "helps"), [(0.1, True), (-0.1, True), (-0.6, False), (0.5, False), (np.nan, False)])
def test_an_offer_helps_where_observed_over_expected_comes_nearer_to_1(after, helps):
    name = "log_observed_expected_36m"
    figures = {name: Estimate(0.5, 0.3, 0.7)}
    row = Row("clinical", "as_is", np.ones(3), np.ones(3, dtype=bool), np.zeros(3), figures, (36.0,))
    one = Estimate(1.0, np.nan, np.nan)
    assert nearer(row, Recalibration("shift", one, one, {name: Estimate(after, after, after)})) == helps


def test_inputs_that_moved_and_patients_unlike_the_references_are_said():
    moved = evidence(psi=0.6, typical=Typical(np.full(10, 30), 0.2, 0.05))
    assert finding("inputs", moved).verdict == "inputs shifted"
    assert finding("patients", moved).verdict == "unlike the reference's"


@pytest.mark.parametrize(
    ("other", "standing", "said"),
    [
        (Shift("CDH1", "gene", 0.1, 0, 1.0), OPEN, "1 of 2 known in no patient"),
        (Shift("stage", "clinical", np.nan, 0, 1.0), OPEN, "1 of 2 known in no patient"),
        (Shift("CDH1", "gene", np.nan, 120, 0.6, 0.02, 0.1, "little"), OPEN, "1 of 2 missing in more than 50%"),
        (Shift("CDH1", "gene", 0.1, 150, 0.5, 0.02, 0.1, "little"), GOOD, "0 of 2 moved far; rule"),
        (Shift("CDH1", "gene", 0.0, 0, 1.0), GOOD, "0 of 1 moved far; rule"),
    ],
)
def test_inputs_that_most_patients_lack_are_not_as_in_training(other, standing, said):
    found = finding("inputs", evidence(others=(other,)))
    assert found.standing == standing
    assert said in found.basis


def test_a_few_more_warnings_than_expected_are_chance():
    assert finding("patients", evidence(typical=Typical(np.full(10, 5), 0.06, 0.0))).standing == GOOD


def test_figures_of_a_remnant_are_no_verdict_on_the_cohort():
    found = findings(evidence(refused={"too far from the reference cohort": 200}))
    assert summary(found).startswith("The model is not for these patients: the service would refuse most of them")
    assert "200 of 300 refused, too far from the reference cohort: 200" in summary(found)


def test_some_refusals_are_said_and_do_not_decide():
    found = evidence(refused={"too many genes missing": 20})
    assert finding("answerable", found).verdict == "refuses some"
    assert summary(findings(found)).startswith("The model holds")


def test_renormalised_figures_answer_no_single_patient():
    found = findings(evidence(renormalised=True, absolute_reason="counts cannot be converted to log2_tpm_1"))
    assert "no single patient can be answered (counts cannot be converted" in summary(found)
