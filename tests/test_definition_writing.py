"""A definition that is begun from a cohort: it loads, it trains, and it says why it is as it is."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from experiments.cli import main
from experiments.definition_advice import Advice
from experiments.definition_writing import (
    DefinitionFileError,
    definition_name,
    definition_text,
    edited,
    toml_value,
    write_definition,
)
from experiments.runner import DEFINITIONS, definition_for
from experiments.simulated_study import write_simulated_cohorts
from experiments.simulation import simulate_cohort
from features.cohort import Cohort
from features.errors import CohortError, PanelError
from features.readers import find_cohorts, read_cohort
from training.definition import Definition, load_definition
from training.evaluation import judge_of
from training.follow_up import require_enough

SIMULATED = DEFINITIONS / "simulated.toml"


def cohort_of(n_events: int, n_patients: int = 300, **changed: object) -> Cohort:
    """Return simulated patients of whom so many have had the event, at their own times."""
    cohort = simulate_cohort("LUAD", seed=4, n_patients=n_patients, n_background=200)
    event = np.zeros(n_patients, dtype=np.bool_)
    event[np.argsort(cohort.time)[:: max(1, n_patients // n_events)][:n_events]] = True
    assert event.sum() == n_events
    return replace(cohort, event=event, **changed)


def written(cohort: Cohort) -> Definition:
    return Definition.model_validate(tomllib.loads(definition_text(cohort)))


def as_default(cohort: Cohort) -> Definition:
    return load_definition(SIMULATED if cohort.simulated else DEFINITIONS / "default.toml")


@pytest.mark.parametrize("n_events", [6, 15, 30, 60, 99, 100, 150])
def test_it_can_be_judged_by_what_is_written_for_it(n_events):
    cohort = cohort_of(n_events)
    definition = written(cohort)
    assert (definition.cancer_type, definition.endpoint) == (cohort.cancer_type, "OS")
    require_enough(cohort, definition)
    assert judge_of(cohort, definition).horizons_months == definition.horizons.months


def test_many_events_change_no_choice_of_the_default():
    cohort = cohort_of(150)
    definition, default = written(cohort), as_default(cohort)
    named = {"cancer_type": cohort.cancer_type, "endpoint": "OS"}
    features = default.features.model_copy(update={"clinical": definition.features.clinical})
    horizons = default.horizons.model_copy(update={"months": definition.horizons.months})
    assert definition == default.model_copy(update={**named, "features": features, "horizons": horizons})


def test_few_events_have_no_trees_no_selection_and_fewer_folds():
    few, some = written(cohort_of(30)), written(cohort_of(60))
    default = as_default(cohort_of(30))
    assert (few.learner, some.learner) == ("penalised_cox", "penalised_cox")
    assert few.boosted.trials_at_most == 1
    assert few.resampling.outer_folds < default.resampling.outer_folds == some.resampling.outer_folds
    assert few.resampling.outer_repeats > default.resampling.outer_repeats
    assert few.penalised_cox.search["l1_ratio"].choices == (0.0,)
    assert some.penalised_cox.search["l1_ratio"] == default.penalised_cox.search["l1_ratio"]


def test_the_panel_stays_as_wide_as_it_was_as_a_penalty_weighs_it():
    few = written(cohort_of(15))
    assert few.penalised_cox.search["panel"] == as_default(cohort_of(15)).penalised_cox.search["panel"]
    assert few.features.panel == "ctc_review"


def test_every_change_is_explained_above_it_with_its_figure():
    lines = definition_text(cohort_of(30)).splitlines()
    above = {line: before for before, line in pairwise(lines)}
    for changed in ('learner = "pen', "outer_folds", "outer_repeats", "derived_terms = { choices = [false] }"):
        (line,) = [line for line in above if line.startswith(changed)]
        assert above[line].startswith("# "), line
    text = "\n".join(lines)
    assert "30 events" in text
    assert "10.1002/sim.7992" in text
    assert "10.1186/1471-2288-14-137" in text
    assert max(map(len, lines)) <= 120


def test_what_is_not_changed_keeps_its_line_and_its_comment():
    ours = definition_text(cohort_of(150)).splitlines()
    default = SIMULATED.read_text(encoding="utf-8").splitlines()
    lost = [line for line in default if line not in ours]
    assert all(re.match("# |cancer_type|endpoint|clinical =|months =", line) for line in lost), lost
    assert "temperature = 8.0       # log-likelihood by which a learner may fall behind" in "\n".join(ours)


def test_clinical_columns_are_those_that_enough_patients_know():
    cohort = cohort_of(60)
    clinical = cohort.clinical.assign(subtype=["x", "y"] * 150)
    clinical["stage"] = pd.Series([None] * 300, index=clinical.index, dtype=object)
    changed = replace(cohort, clinical=clinical)
    assert written(changed).features.clinical == ("age", "sex")
    assert "stage, grade: known in too few patients" in definition_text(changed)
    assert "may be added: subtype" in definition_text(changed)


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b", "\x7f", "\x85", "\u2028", "\n[gate]\n"])
def test_no_sign_in_a_name_breaks_the_file(character):
    cohort = cohort_of(60, source=f"a{character}folder")
    clinical = cohort.clinical.assign(**{f"sub{character}type": ["x", "y"] * 150})
    text = definition_text(replace(cohort, clinical=clinical))
    assert tomllib.loads(text)["features"]["clinical"] == tomllib.loads(definition_text(cohort))["features"]["clinical"]
    assert all(line.isprintable() for line in text.split("\n"))


@pytest.mark.parametrize(("days", "months"), [(800.0, (6.0, 12.0, 24.0)), (4000.0, (12.0, 36.0, 60.0)), (60.0, (1.9,))])
def test_horizons_lie_within_the_follow_up(days, months):
    cohort = cohort_of(60)
    time = np.round(cohort.time / cohort.time.max() * days) + 1
    time[np.argsort(time)[-12:]] = days
    assert written(replace(cohort, time=time)).horizons.months == months


@pytest.mark.parametrize(
    ("cohort", "said"),
    [
        (lambda: cohort_of(15), "this cohort has 15 events: it can make no champion"),
        (lambda: without_clinical(cohort_of(60)), "no clinical columns to compare with"),
        (lambda: with_genes(cohort_of(60), 60), "other genes are too few for random sets"),
    ],
)
def test_it_says_which_clauses_no_model_of_this_cohort_can_pass(cohort, said):
    assert said in " ".join(definition_text(cohort()).replace("\n# ", " ").split())
    assert said not in " ".join(definition_text(cohort_of(60)).replace("\n# ", " ").split())


def without_clinical(cohort: Cohort) -> Cohort:
    return replace(cohort, clinical=cohort.clinical[[]])


def with_genes(cohort: Cohort, n_genes: int) -> Cohort:
    return replace(cohort, expression=cohort.expression.iloc[:, :n_genes])


def test_no_patient_is_named(tmp_path):
    cohort = cohort_of(60)
    text = definition_text(cohort)
    assert not any(str(patient) in text for patient in cohort.patients)


def test_a_cohort_that_no_definition_suits_is_refused():
    with pytest.raises(CohortError, match="too few to be judged"):
        definition_text(cohort_of(5))
    with pytest.raises(CohortError, match="too few to be judged"):
        definition_text(cohort_of(8, n_patients=16))
    nothing = cohort_of(60)
    with pytest.raises(PanelError, match="none of the"):
        definition_text(replace(nothing, expression=nothing.expression[["BG001"]] if "BG001" in nothing.expression
                                else nothing.expression.iloc[:, -1:]))  # fmt: skip
    sparse = nothing.expression.where(np.random.default_rng(0).random(nothing.expression.shape) > 0.7)
    with pytest.raises(PanelError, match=r"none is known in 50% of the 300 patients .*; fill in the missing values"):
        definition_text(replace(nothing, expression=sparse))


def test_a_key_that_the_text_does_not_hold_is_no_advice():
    with pytest.raises(AssertionError, match="no such keys"):
        edited("seed = 1\n", [Advice("gate", "seed", 2)])


@pytest.mark.parametrize(
    "value", ['a "b" ü', "\x00\x07\x7f\x85\n", 1, 0.5, True, [1, 2.5], ["x"], {"choices": [False, "none"]}]
)
def test_values_are_read_back_from_what_is_written(value):
    assert tomllib.loads(f"key = {toml_value(value)}")["key"] == value


def test_no_value_of_the_shipped_definitions_holds_the_sign_of_a_comment():
    for path in DEFINITIONS.glob("*.toml"):
        assert all("#" not in repr(value) for value in tomllib.loads(path.read_text(encoding="utf-8")).values())


def test_a_file_is_replaced_only_when_asked(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(DefinitionFileError, match="is there already"):
        write_definition("new", path, overwrite=False)
    assert path.read_text(encoding="utf-8") == "mine"
    write_definition("new", path, overwrite=True)
    assert path.read_text(encoding="utf-8") == "new"
    assert [each.name for each in tmp_path.iterdir()] == ["own.toml"]
    with pytest.raises(DefinitionFileError, match="cannot be written"):
        write_definition("new", tmp_path / "nowhere" / "own.toml", overwrite=False)


def test_the_command_writes_what_training_reads(tmp_path):
    (folder,) = write_simulated_cohorts(tmp_path / "cohorts", cancer_types=("GBM",))
    done = CliRunner().invoke(main, ["init", str(folder), "--to", str(tmp_path)])
    assert done.exit_code == 0, done.output
    path = Path(done.stdout.strip())
    assert path == tmp_path / "SIMULATED-GBM-OS.toml"
    assert definition_for("SIMULATED-GBM", "OS", path=path).cancer_type == "SIMULATED-GBM"
    again = CliRunner().invoke(main, ["init", str(folder), "--to", str(path)])
    assert (again.exit_code, "is there already" in again.stderr) == (2, True)
    assert CliRunner().invoke(main, ["init", str(folder), "--to", str(path), "--overwrite"]).exit_code == 0


def test_every_real_cohort_gets_a_definition_that_suits_it(real_cohorts):
    for folder in find_cohorts([real_cohorts]):
        cohort = read_cohort(folder, endpoint="OS")
        require_enough(cohort, written(cohort))
        assert definition_name(cohort) == f"{cohort.cancer_type}-OS.toml"
