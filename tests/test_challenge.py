"""A challenger beside a champion, both of one small training: whom they are compared on, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from features.panel import Interaction
from training.challenge import SAME, challenged, share_held
from training.evaluation import judge_of
from training.locked_predictions import locked_predictions
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
