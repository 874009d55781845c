"""A challenger beside a champion, both of one small training: whom they are compared on, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from features.panel import Interaction
from training.challenge import SAME, challenged
from training.definition import Range
from training.definitions_alone import doubt_of, share_held
from training.evaluation import judge_of
from training.gate import FAILED, NOT_ASSESSED, PASSED
from training.locked_predictions import locked_predictions
from training.model import PrognosticModel
from training.non_inferiority import BY_DEFINITION
from training.paired_comparison import BRIER, CONCORDANCE, SLOPE, Predictions, compared, of_patients
from training.results import TrainingResult
from training.training_patients import hashed


@pytest.fixture
def forgetful(small_training: TrainingResult):
    """The same model as a champion that has learned from nobody here: its figures flatter it, which is no matter."""
    return replace(small_training.model, patient_hashes=())


def test_the_locked_champion_is_compared_on_those_whom_it_has_not_seen(small_training: TrainingResult):
    cohort = small_training.cohort
    seen = cohort.patients[:40]
    champion = replace(small_training.model, patient_hashes=tuple(map(hashed, seen)))
    found = challenged(small_training, champion, workers=1)
    judge = judge_of(cohort, small_training.definition)
    locked = locked_predictions(champion, cohort, judge.grid_days)
    members = locked.answered
    assert not members[:40].any()
    assert (found.locked.n_patients, found.locked.n_events) == (members.sum(), cohort.event[members].sum())
    assert found.share_held == 1.0
    reported = small_training.evaluations["penalised_cox"]
    repeats = len(judge.folds)
    own = Predictions(
        np.tile(locked.linear_predictor, (repeats, 1)), np.tile(locked.survival, (repeats, 1, 1)), locked.until_days
    )
    both = (of_patients(each, members) for each in (own, Predictions(reported.linear_predictor, reported.survival)))
    assert found.locked.differences == compared(judge.among(members), *both)
    assert list(found.locked.differences) == [CONCORDANCE, BRIER, SLOPE]


def test_one_procedure_is_not_fitted_twice_to_find_a_difference_of_zero(small_training: TrainingResult, forgetful):
    found = challenged(small_training, forgetful, workers=1)
    assert found.same
    assert (found.changed, found.by_definition.differences, found.by_definition.reason) == ({}, {}, SAME)


def test_patients_whom_the_champion_refuses_are_counted(small_training: TrainingResult, forgetful):
    cohort = small_training.cohort
    expression = cohort.expression.copy()
    expression.iloc[:3] = np.nan
    found = challenged(replace(small_training, cohort=replace(cohort, expression=expression)), forgetful, workers=1)
    whole = challenged(small_training, forgetful, workers=1)
    assert found.locked.n_patients <= whole.locked.n_patients
    assert "it refuses" in found.locked.note
    assert found.locked.n_patients + 3 <= len(cohort.patients)


def test_too_few_events_among_the_unseen_are_said_to_be_too_few(small_training: TrainingResult):
    seen = small_training.cohort.patients[5:]
    champion = replace(small_training.model, patient_hashes=tuple(map(hashed, seen)))
    found = challenged(small_training, champion, workers=1)
    assert found.locked.n_patients <= 5
    assert found.locked.differences == {}
    assert "at least 20 events are needed" in found.locked.reason


def test_another_panel_is_another_procedure(small_training: TrainingResult, forgetful):
    one_more = (Interaction("CXCR4×CD44", "CXCR4", ("CD44",)),)
    champion = replace(forgetful, panel=replace(forgetful.panel, interactions=one_more))
    found = challenged(small_training, champion, workers=1)
    assert not found.same
    was, now = found.changed["features.panel"]
    assert (was, now) == ("14 genes, 1 interactions", "14 genes, 0 interactions")
    assert found.by_definition.differences[CONCORDANCE].difference.value == pytest.approx(0, abs=0.1)


def test_a_definition_that_cannot_be_read_is_said_not_to_be_compared(small_training: TrainingResult, forgetful):
    champion = replace(forgetful, definition={**forgetful.definition, "format": 1})
    found = challenged(small_training, champion, workers=1)
    assert not found.same
    assert "is not one of this version (format" in found.by_definition.reason
    assert found.locked.differences


def test_the_share_of_the_champions_patients_is_counted(small_training: TrainingResult, forgetful):
    names = [*small_training.cohort.patients[:30], *(f"elsewhere-{k}" for k in range(10))]
    champion = replace(forgetful, patient_hashes=tuple(map(hashed, names)))
    assert share_held(champion, small_training) == 0.75


@pytest.mark.parametrize(
    ("key", "lax", "strict", "clause"),
    [
        ("concordance_lower_above", 0.0, 0.99, "concordance_lower_above"),
        ("gain_upper_least", -1.0, 0.9, "not_shown_worse_than_clinical_only"),
        ("random_signature_percentile_above", 0.0, 99.0, "above_random_genes"),
        ("calibration_slope", Range(low=-9, high=9), Range(low=8, high=9), "calibration_slope"),
        ("minimum_events", 1, 10_000, "minimum_events"),
    ],
)
def test_a_challenger_that_loosens_the_gate_is_judged_by_the_champions(
    small_training: TrainingResult, key: str, lax: Any, strict: Any, clause: str
):
    champion = stating(small_training.model, **{key: strict})
    loosened = by_gate(small_training, **{key: lax})
    verdicts = {
        name: verdict for name, verdict, _ in challenged(loosened, champion, workers=1).verdict(loosened).clauses
    }
    assert verdicts[clause] != PASSED
    assert not challenged(loosened, champion, workers=1).verdict(loosened).passed


def test_a_challenger_cannot_grant_itself_a_wider_margin(small_training: TrainingResult, forgetful):
    loosened = by_gate(small_training, non_inferiority_margin=0.1)
    older = {key: value for key, value in forgetful.definition["gate"].items() if key != "non_inferiority_margin"}
    for champion, margin in (
        (stating(forgetful, non_inferiority_margin=0.01), 0.01),
        (replace(forgetful, definition={**forgetful.definition, "gate": older}), 0.02),
        (stating(forgetful, non_inferiority_margin=0.5), 0.02),
    ):
        found = challenged(loosened, champion, workers=1)
        assert found.gate.non_inferiority_margin == found.locked_gate.non_inferiority_margin == margin
        assert f"lower bound at least -{margin:g}" in found.both[1][2]


def test_a_challenger_that_asks_for_more_events_does_not_spare_itself_the_locked_champion(
    small_training: TrainingResult, forgetful
):
    raised = by_gate(small_training, minimum_events=10_000)
    found = challenged(raised, forgetful, workers=1)
    assert found.locked.differences
    assert found.both[1][1] in {PASSED, FAILED}
    assert not found.verdict(raised).passed


def test_the_very_data_of_the_champion_leave_no_doubt(small_training: TrainingResult):
    assert challenged(small_training, small_training.model, workers=1).doubt == ""


def test_other_people_under_the_same_identifiers_are_not_taken_for_the_champions(small_training: TrainingResult):
    champion = of_data(small_training.model, "f" * 64)
    found = challenged(small_training, champion, workers=1)
    assert (found.same, found.share_held, found.both[1][1]) == (True, 1.0, NOT_ASSESSED)
    assert "cannot be told by their identifiers alone" in found.doubt
    verdict = found.verdict(small_training)
    assert not verdict.passed
    assert {name: each for name, each, _ in verdict.clauses}[BY_DEFINITION] == NOT_ASSESSED


def test_poorer_data_on_the_champions_own_patients_are_seen_though_both_definitions_lose_by_them(
    small_training: TrainingResult,
):
    barcodes = [f"TCGA-AB-{k:04d}" for k in range(len(small_training.cohort.patients))]
    cohort = small_training.cohort
    named = replace(
        cohort, expression=cohort.expression.set_axis(barcodes), clinical=cohort.clinical.set_axis(barcodes)
    )
    again = replace(small_training, cohort=named)
    champion = replace(of_data(small_training.model, "f" * 64), patient_hashes=tuple(map(hashed, barcodes)))
    assert doubt_of(champion, again, margin=0.02) == ""
    reported = champion.variants["clinical"]
    # The champion had columns, or a concordance, that the challenger does not have.
    references = {**reported.features.references, "ZZZ3": next(iter(reported.features.references.values()))}
    read = replace(reported, features=replace(reported.features, references=references))
    richer = replace(champion, variants={**champion.variants, "clinical": read})
    assert "are not used (first: ZZZ3)" in doubt_of(richer, again, margin=0.02)
    poor = replace(again, model=replace(again.model, variants={"genes_only": again.model.variants["genes_only"]}))
    assert "are not used (first: age)" in doubt_of(champion, poor, margin=0.02)
    shown = reported.metrics[CONCORDANCE]
    better = {**reported.metrics, CONCORDANCE: replace(shown, value=shown.value + 0.03)}
    higher = replace(champion, variants={**champion.variants, "clinical": replace(reported, metrics=better)})
    assert "was recorded with the champion (not paired" in doubt_of(higher, again, margin=0.02)
    assert doubt_of(higher, again, margin=0.04) == ""


def stating(model: PrognosticModel, **gate: Any) -> PrognosticModel:
    """The model as if its definition had stated this in its gate."""
    stated = {key: each.model_dump() if isinstance(each, Range) else each for key, each in gate.items()}
    return replace(model, definition={**model.definition, "gate": {**model.definition["gate"], **stated}})


def by_gate(result: TrainingResult, **gate: Any) -> TrainingResult:
    definition = result.definition
    return replace(result, definition=definition.model_copy(update={"gate": definition.gate.model_copy(update=gate)}))


def of_data(model: PrognosticModel, digest: str) -> PrognosticModel:
    """The model as if it had been made from other data."""
    return replace(model, cohort=replace(model.cohort, digest=digest))
