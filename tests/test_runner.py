"""Which definition a training runs by, and what a model says of its making."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from experiments import runner
from experiments.runner import (
    checkpoint_name,
    code_version,
    definition_digest,
    definition_for,
    provenance_of,
    train_cohort,
)
from experiments.simulation import simulate_cohort
from features import panel as panel_module
from features.errors import CohortError
from features.panel import load_panel
from features.pooled_cohorts import pooled
from training.definition import DefinitionError, load_definition

DEFAULT = runner.DEFINITIONS / "default.toml"
PANEL_FILE = Path(panel_module.__file__).parent / "panels" / "ctc.toml"


@pytest.fixture
def definitions(tmp_path, monkeypatch):
    """A folder of definitions as it is shipped, to which a cancer type's own can be added."""
    folder = tmp_path / "definitions"
    folder.mkdir()
    (folder / "default.toml").write_bytes(DEFAULT.read_bytes())
    monkeypatch.setattr(runner, "DEFINITIONS", folder)
    return folder


def written(path: Path, **changed: str) -> Path:
    """Write the default definition with top-level keys changed."""
    lines = DEFAULT.read_text(encoding="utf-8").splitlines()
    for key, value in changed.items():
        (position,) = [i for i, line in enumerate(lines) if line.startswith(f"{key} = ")]
        lines[position] = f"{key} = {json.dumps(value)}"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_cancer_type_and_endpoint_with_a_definition_of_their_own_get_it(definitions):
    written(definitions / "KIRC-OS.toml", cancer_type="KIRC", endpoint="OS", seed=7)
    assert (definition_for("KIRC", "OS").cancer_type, definition_for("KIRC", "OS").seed) == ("KIRC", 7)


def test_others_get_the_default(definitions):
    written(definitions / "KIRC-OS.toml", cancer_type="KIRC", endpoint="OS", seed=7)
    default = load_definition(DEFAULT)
    assert definition_for("KIRC", "PFI") == definition_for("LGG", "OS") == default


def test_a_definition_that_is_named_goes_before_both(definitions, tmp_path):
    written(definitions / "KIRC-OS.toml", cancer_type="KIRC", endpoint="OS", seed=7)
    assert definition_for("KIRC", "OS", path=written(tmp_path / "mine.toml", seed=8)).seed == 8


@pytest.mark.parametrize(
    ("stated", "named"), [({"cancer_type": "LGG"}, "cancer_type LGG, not KIRC"), ({"endpoint": "PFI"}, "endpoint PFI")]
)
def test_a_definition_for_another_cancer_type_or_endpoint_is_refused(tmp_path, stated, named):
    path = written(tmp_path / "other.toml", **stated)
    with pytest.raises(DefinitionError) as refused:
        definition_for("KIRC", "OS", path=path)
    assert named in str(refused.value)
    assert str(path) in str(refused.value)


def test_trials_and_seed_take_the_place_of_the_definitions_and_nothing_else_changes(definitions):
    default = load_definition(DEFAULT)
    changed = definition_for("KIRC", "OS", trials=3, seed=0)
    assert (changed.trials, changed.seed) == (3, 0)
    restored = changed.model_copy(update={"trials": default.trials, "seed": default.seed})
    assert restored.model_dump() == default.model_dump()


@pytest.mark.parametrize("impossible", [{"trials": 0}, {"trials": -1}, {"seed": -1}])
def test_impossible_trials_and_seeds_are_refused(impossible):
    with pytest.raises(DefinitionError, match=next(iter(impossible))):
        definition_for("KIRC", "OS", **impossible)


def test_a_panel_file_is_found_beside_its_definition_wherever_it_is_run(tmp_path, monkeypatch):
    folder = tmp_path / "study"
    folder.mkdir()
    text = DEFAULT.read_text(encoding="utf-8").replace(
        'panel = "ctc_review"\nclinical', 'panel = "mine.toml"\nclinical'
    )
    (folder / "mine.toml").write_bytes(PANEL_FILE.read_bytes())
    (folder / "study.toml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    definition = definition_for("KIRC", "OS", path=Path("study/study.toml"))
    assert load_panel(definition.features.panel).symbols == load_panel("ctc_review").symbols


def test_the_digest_of_a_definition_changes_with_every_choice():
    definition, panel = load_definition(DEFAULT), load_panel("ctc_core")
    changes = [
        {"seed": 1},
        {"trials": 7},
        {"learner": "boosted"},
        {"resampling": definition.resampling.model_copy(update={"inner_folds": 3})},
        {"features": definition.features.model_copy(update={"clinical": ("age",)})},
        {"gate": definition.gate.model_copy(update={"minimum_events": 21})},
        {"boosted": definition.boosted.model_copy(update={"search": {}})},
    ]
    digests = {definition_digest(definition.model_copy(update=change), panel) for change in changes}
    digests.add(definition_digest(definition, panel))
    assert len(digests) == len(changes) + 1
    assert definition_digest(load_definition(DEFAULT), load_panel("ctc_core")) in digests


def test_the_digest_of_a_definition_changes_with_the_panels_content_and_not_with_its_path():
    definition, panel = load_definition(DEFAULT), load_panel("ctc_interaction")
    elsewhere = definition.features.model_copy(update={"panel": "/elsewhere/panel.toml"})
    moved = definition.model_copy(update={"features": elsewhere})
    assert definition_digest(moved, panel) == definition_digest(definition, panel)
    shorter = replace(panel, genes=panel.genes[:-1])
    unpaired = replace(panel, interactions=panel.interactions[:-1])
    renamed = replace(panel, genes=(replace(panel.genes[0], aliases=("X",)), *panel.genes[1:]))
    others = {definition_digest(definition, changed) for changed in (shorter, unpaired, renamed)}
    assert len(others | {definition_digest(definition, panel)}) == 4


def test_the_code_version_is_the_same_throughout_and_names_the_release():
    assert code_version() == code_version()
    code_version.cache_clear()
    release, digest = code_version().split("+")
    assert release.count(".") == 2
    assert len(digest) == 12


def test_equal_data_and_choices_are_made_from_the_same_and_a_changed_value_is_not():
    cohort = simulate_cohort("KIRC", seed=5, n_patients=40, n_background=0)
    definition = definition_for(cohort.cancer_type, "OS")
    made = provenance_of(cohort, definition)
    assert set(made) == {"data_digest", "definition_digest", "code_version"}
    assert provenance_of(simulate_cohort("KIRC", seed=5, n_patients=40, n_background=0), definition) == made
    expression = cohort.expression.copy()
    expression.iloc[3, 2] = 1.25
    changed = provenance_of(replace(cohort, expression=expression), definition)
    assert changed["data_digest"] != made["data_digest"]
    assert changed["definition_digest"] == made["definition_digest"]


def test_another_default_reference_of_pooled_cohorts_is_another_training():
    small, large = (simulate_cohort("KIRC", seed=n, n_patients=n, n_background=0) for n in (40, 50))
    small = replace(
        small, expression=small.expression.rename("other-{}".format), clinical=small.clinical.rename("other-{}".format)
    )
    both = pooled([small, large], ["small", "large"])
    definition = definition_for(both.cancer_type, "OS")
    made = {name: provenance_of(both, definition, reference=name) for name in ("", "small", "large")}
    assert made[""] == made["large"]
    assert checkpoint_name(both, made["small"]) != checkpoint_name(both, made["large"])
    with pytest.raises(CohortError, match="none"):
        provenance_of(both, definition, reference="none")


def test_a_model_says_when_and_from_what_it_was_made(small_definition):
    cohort = simulate_cohort("KIRC", seed=5, n_patients=80, n_background=0)
    definition = definition_for(cohort.cancer_type, "OS", path=small_definition, trials=1, seed=11)
    before = datetime.now(UTC).replace(microsecond=0)
    reports = []
    model = train_cohort(cohort, definition, workers=1, progress=lambda *report: reports.append(report)).model
    provenance = dict(model.provenance)
    assert before <= datetime.fromisoformat(provenance.pop("created")) <= datetime.now(UTC)
    assert provenance == {**provenance_of(cohort, definition), "seed": "11"}
    assert model.definition["seed"] == 11
    stages = ("SIMULATED-KIRC/OS", "SIMULATED-KIRC/OS replicates")
    folds, replicates = ([(done, total) for name, done, total in reports if name == stage] for stage in stages)
    assert [done for done, _ in folds] == list(range(1, folds[0][1] + 1))
    # Of either variant.
    assert [done for done, total in replicates if done == total] == [definition.replicates.cox] * 2
    assert len(folds) + len(replicates) == len(reports)
