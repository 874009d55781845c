"""The champion's definition on the challenger's folds: the same procedure to the bit, and what a change of it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from features.panel import Panel
from training.checkpoints import Checkpoints
from training.definition import Definition, DefinitionError
from training.evaluation import judge_of
from training.model import PrognosticModel
from training.paired_comparison import Predictions
from training.refitted_definition import changes, definition_in, refitted, same_procedure
from training.results import TrainingResult


def test_a_definition_refitted_on_its_own_folds_is_its_training_to_the_bit(small_training: TrainingResult):
    definition = definition_in(small_training.model)
    judge = judge_of(small_training.cohort, definition)
    found = refitted(small_training.cohort, small_training.model.panel, definition, judge, workers=1)
    reported = small_training.evaluations["penalised_cox"]
    np.testing.assert_array_equal(found.linear_predictor, reported.linear_predictor)
    np.testing.assert_array_equal(found.survival, reported.survival)


def test_what_was_kept_of_another_panel_is_not_taken_for_this_ones(small_training: TrainingResult, tmp_path: Path):
    # A panel that is a file: its definition is the same after an edit of its genes.
    core, definition = small_training.model.panel, definition_in(small_training.model)
    edited = replace(core, genes=core.genes[:4], interactions=())
    judge, kept = judge_of(small_training.cohort, definition), Checkpoints(tmp_path)

    def fitted(panel: Panel, checkpoints: Checkpoints | None = None) -> Predictions:
        return refitted(small_training.cohort, panel, definition, judge, workers=1, checkpoints=checkpoints)

    before, after, again = fitted(core, kept), fitted(edited, kept), fitted(core, kept)
    np.testing.assert_array_equal(after.linear_predictor, fitted(edited).linear_predictor)
    np.testing.assert_array_equal(again.linear_predictor, before.linear_predictor)
    assert (before.linear_predictor != after.linear_predictor).any()


def test_no_patient_takes_part_in_the_fit_that_predicts_them(small_training: TrainingResult):
    cohort, definition = small_training.cohort, definition_in(small_training.model)
    judge = judge_of(cohort, definition)
    # Whoever dies does so at another time: folds stay as the judge has them, and no other patient's fold knows.
    own = int(np.flatnonzero(cohort.event)[0])
    time = cohort.time.copy()
    time[own] = time[own] * 3 + 17
    before, after = (
        refitted(each, small_training.model.panel, definition, judge, workers=1).linear_predictor[0]
        for each in (cohort, replace(cohort, time=time))
    )
    mates = judge.folds[0] == judge.folds[0, own]
    np.testing.assert_array_equal(before[mates], after[mates])
    assert (before[~mates] != after[~mates]).any()


def test_the_definition_of_a_bundle_is_the_one_that_it_was_trained_by(small_training: TrainingResult):
    assert definition_in(small_training.model) == small_training.definition


def test_a_bundle_from_before_champions_were_challenged_has_the_default_margin(small_training: TrainingResult):
    stated = dict(small_training.model.definition)
    stated["gate"] = {key: value for key, value in stated["gate"].items() if key != "non_inferiority_margin"}
    old = replace(small_training.model, definition=stated)
    assert definition_in(old).gate.non_inferiority_margin == pytest.approx(0.02)


def test_a_users_panel_has_the_name_that_the_bundle_gives_it(small_training: TrainingResult):
    model = with_own_panel(small_training.model)
    definition = definition_in(model)
    assert definition.features.panel == "mine"
    assert definition.penalised_cox.default["panel"] == "mine"
    assert definition.boosted.search["panel"].choices == ("none", "mine")


def with_own_panel(model: PrognosticModel) -> PrognosticModel:
    """Return a model whose definition named a panel file, as its training states it: by name where it is read."""
    stated = {key: dict(value) if isinstance(value, dict) else value for key, value in model.definition.items()}
    stated["features"] = {**stated["features"], "panel": "mine"}
    for learner in ("penalised_cox", "pooled_cox", "boosted"):
        table = stated[learner]
        stated[learner] = {
            **table,
            "default": {**table["default"], "panel": "../mine.toml"},
            "search": {**table["search"], "panel": {"choices": ["none", "../mine.toml"]}},
        }
    return replace(model, definition=stated, panel=replace(model.panel, name="mine"))


def test_a_definition_that_cannot_be_read_names_its_key(small_training: TrainingResult):
    stranger = replace(small_training.model, definition={**small_training.model.definition, "colour": "red"})
    with pytest.raises(DefinitionError, match="colour"):
        definition_in(stranger)


@pytest.mark.parametrize(
    ("table", "change", "same"),
    [
        ("gate", {"minimum_events": 21}, True),
        ("null", {"n_sets": 1}, True),
        ("horizons", {"months": (12.0,)}, True),
        ("resampling", {"outer_folds": 3}, True),
        ("resampling", {"bootstrap": 101}, True),
        ("resampling", {"inner_folds": 3}, False),
        ("features", {"clinical": ("age",)}, False),
        ("features", {"minimum_gene_fraction": 0.4}, True),
        ("penalised_cox", {"averaged_trials": 2}, False),
        ("auto", {"temperature": 7.0}, False),
    ],
)
def test_what_a_patient_is_predicted_decides_whether_two_definitions_are_one(
    small_training: TrainingResult, table: str, change: dict[str, object], same: bool
):
    old = small_training.definition
    new = old.model_copy(update={table: getattr(old, table).model_copy(update=change)})
    assert same_procedure(old, new) is same
    ((key, (was, now)),) = changes(old, new).items()
    (name,) = change
    assert key == f"{table}.{name}"
    assert was != now


def test_seed_and_trials_make_another_procedure(small_training: TrainingResult):
    old: Definition = small_training.definition
    for change in ({"seed": old.seed + 1}, {"trials": old.trials + 1}, {"learner": "boosted"}):
        assert not same_procedure(old, old.model_copy(update=change))
    assert changes(old, old) == {}
    assert same_procedure(old, old.model_copy(update={"cancer_type": "KIRC", "endpoint": "OS"}))
