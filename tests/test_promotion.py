"""Promotion, rollback and their record, as a user does it: over a real MLflow, with processes that are killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from experiments import promotion
from experiments.cli import main
from experiments.promotion import verify
from experiments.promotion_entries import COMPARED_BUNDLE, COMPARED_WITH
from experiments.tracking import record_of, track
from experiments.transfer import import_models
from serving import settings as settings_module
from serving.champions import Champions
from serving.registry import Registry
from serving.routes import score_body
from serving.settings import Settings
from training.bundle import bundle_digest, write_bundle
from training.non_inferiority import LOCKED
from training.results import GateVerdict
from training.synthetic_profile import synthetic_profile

if TYPE_CHECKING:
    from conftest import ModelStore

    from training.model import PrognosticModel
    from training.results import TrainingResult

NAME = "SIMULATED-KIRC-OS"
BOTH_PROMOTE = 16


class Site:
    """One installation, with an MLflow of its own."""

    def __init__(self, store: ModelStore, **environment: str) -> None:
        self.store, self.client = store, store.client
        home = {"PROGNOSIS_HOME": str(store.folder), "MLFLOW_TRACKING_URI": store.uri, "PROGNOSIS_USER": "ada"}
        self.environment = home | environment
        self.settings = Settings.from_environment(self.environment)

    def __call__(self, *arguments: object) -> Result:
        settings_module.settings.cache_clear()
        return CliRunner().invoke(main, list(map(str, arguments)), env=self.environment)

    def register(self, *models: PrognosticModel) -> None:
        for model in models:
            version = self.store.register(model, alias=None)
            for key in ("data_digest", "definition_digest"):
                self.client.set_model_version_tag(model.name, version, key, model.provenance[key])

    @property
    def champion(self) -> str | None:
        version = self.client.get_registered_model(NAME).aliases.get("champion")
        return None if version is None else str(version)

    def by_hand(self, version: str) -> None:
        self.client.set_registered_model_alias(NAME, "champion", version)

    @property
    def record(self) -> Path:
        return record_of(self.settings).path

    @property
    def entries(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.record.read_text(encoding="utf-8").splitlines()]

    def told(self) -> list[tuple[str, str, str | None, str | None]]:
        return [
            (entry["stage"], entry["action"], entry.get("from_version"), entry.get("to_version"))
            for entry in self.entries
        ]


@pytest.fixture(scope="module")
def model(small_training: TrainingResult) -> PrognosticModel:
    """One that has earned it."""
    gate = tuple((clause, "passed", figure) for clause, _, figure in small_training.model.gate)
    return replace(small_training.model, champion_earned=True, gate=gate)


@pytest.fixture(scope="module")
def unearned(model: PrognosticModel) -> PrognosticModel:
    (first, _, figure), *others = model.gate
    return replace(model, champion_earned=False, gate=((first, "failed", figure), *others))


@pytest.fixture
def site(model_store: ModelStore, model: PrognosticModel) -> Site:
    """Three versions that passed their gates, of which none is champion."""
    made = Site(model_store)
    made.register(model, another(model, "2027"), another(model, "2028"))
    return made


def another(model: PrognosticModel, created: str, **provenance: str) -> PrognosticModel:
    return replace(model, provenance={**model.provenance, "created": created, **provenance})


def refused(result: Result, reason: str) -> bool:
    return (result.exit_code, len(result.stderr.splitlines())) == (2, 1) and reason in result.stderr


def test_a_promotion_moves_the_alias_and_says_who_what_and_on_which_figures(site: Site, model: PrognosticModel):
    done = site("promote", f"{NAME}:2", "--reason", "better on\nthe new cohort")
    assert done.exit_code == 0, done.output
    assert "version 2 is champion (before: none)" in done.stdout
    assert site.champion == "2"
    assert site.told() == [("intent", "promote", None, "2"), ("done", "promote", None, "2")]
    entry = site.entries[-1]
    assert entry["who"].startswith("ada@")
    assert (entry["name"], entry["intent"], entry["reason"]) == (NAME, 1, "better on the new cohort")
    shown = model.variants["clinical"].metrics["concordance_harrell"]
    assert entry["figures"]["concordance_harrell"] == {
        "value": shown.value,
        "lower": shown.lower,
        "upper": shown.upper,
    }
    assert (entry["figures"]["gate"], entry["figures"]["missed"]) == ("passed", [])
    registered = site.client.get_model_version(NAME, "2").tags
    assert entry["digests"] == {key: registered[f"{key}_digest"] for key in ("data", "definition", "bundle")}


def test_no_patient_is_named_in_the_record(site: Site, small_training: TrainingResult):
    site("promote", f"{NAME}:1")
    content = site.record.read_text(encoding="utf-8")
    assert not [patient for patient in small_training.cohort.patients if str(patient) in content]


def test_what_has_not_passed_its_gate_is_refused_with_the_clauses(site: Site, unearned: PrognosticModel):
    site.register(unearned)
    result = site("promote", f"{NAME}:4")
    (first, _, figure), *_ = unearned.gate
    assert refused(result, f"{first}: failed ({figure})")
    assert site.champion is None
    assert not site.record.exists()


def test_a_tag_that_says_passed_does_not_make_it_so(site: Site, unearned: PrognosticModel):
    site.register(unearned)
    site.client.set_model_version_tag(NAME, "4", "gate", "passed")
    assert refused(site("promote", f"{NAME}:4"), "its gate was not passed")


def test_a_forced_champion_needs_a_reason_is_recorded_so_and_warned_of(site: Site, unearned: PrognosticModel):
    site.register(unearned)
    assert refused(site("promote", f"{NAME}:4", "--force"), "gives a reason")
    done = site("promote", f"{NAME}:4", "--force", "--reason", "a trial")
    assert done.exit_code == 0, done.output
    assert "gate failed; FORCED" in done.stdout
    assert site.told()[-1] == ("done", "force", None, "4")
    assert site.entries[-1]["figures"]["missed"] == [unearned.gate[0][0]]
    assert any("exploratory model, gate not passed" in warning for warning in warnings_of_an_answer(site, unearned))


def warnings_of_an_answer(site: Site, model: PrognosticModel) -> list[str]:
    champions = Champions(Registry(site.store.uri, site.store.folder / "served"), poll_seconds=60)
    champions.refresh()
    expression, _ = synthetic_profile(model)
    asked = {"cancer_type": model.cancer_type, "endpoint": model.endpoint, "scale": model.scale}
    body = json.dumps({**asked, "profiles": [{"id": "p", "expression": expression}]}).encode()
    warnings: list[str] = json.loads(score_body(champions.snapshot, body))["results"][0]["warnings"]
    return warnings


def test_force_is_no_force_where_the_gate_was_passed(site: Site):
    site("promote", f"{NAME}:1", "--force", "--reason", "to be sure")
    assert site.told()[-1][1] == "promote"


def other(model: PrognosticModel, digit: str, *, beside: str = "", clause: str = LOCKED) -> PrognosticModel:
    """A model of other data, that was judged beside the bundle of a digest."""
    compared = {COMPARED_WITH: "version 7 (champion)", COMPARED_BUNDLE: beside} if beside else {}
    made = another(model, "2029", data_digest=digit * 64, **compared)
    return replace(made, gate=(*made.gate, (clause, "passed", "no loss"))) if beside else made


def digest_of(site: Site, version: str) -> str:
    tags: dict[str, str] = site.client.get_model_version(NAME, version).tags
    return tags["bundle_digest"]


def test_only_what_was_judged_beside_the_present_champion_takes_its_place(site: Site, model: PrognosticModel):
    first, second = digest_of(site, "1"), digest_of(site, "2")
    site.register(
        other(model, "4"),
        other(model, "5", beside=second),
        other(model, "6", beside=first, clause="minimum_events"),
        another(other(model, "7"), "2029", data_digest="7" * 64, **{COMPARED_WITH: "no version"}),
        other(model, "8", beside=first),
    )
    site("promote", f"{NAME}:1")
    for version, told in {
        "4": "its bundle names no version that it was compared with",
        "5": f"it was compared with another, version 7 (champion) of bundle {second[:8]}",
        "6": "was none when this one was compared with it, for information",
        "7": "none stood to compare it with when it was made",
    }.items():
        result = site("promote", f"{NAME}:{version}")
        assert refused(result, f"{NAME}:{version} cannot be champion: version 1 is champion now, ")
        assert told in result.stderr
        assert "prognosis retrain compares the two, and only --force with a --reason" in result.stderr
    assert (site.champion, len(site.entries)) == ("1", 2)
    assert site("promote", f"{NAME}:8").exit_code == 0
    assert (site.told()[-1], site.entries[-1]["figures"][COMPARED_BUNDLE]) == (("done", "promote", "1", "8"), first)
    # Beside version 1, which is champion no longer; its data, definition and reference are not the champion's either.
    back = site("promote", f"{NAME}:1")
    assert refused(back, f"prognosis rollback {NAME} --to 1 brings back what was champion before, ")
    assert site("rollback", NAME).exit_code == 0
    assert site.champion == "1"


def test_tags_say_nothing_of_whom_a_version_was_compared_with(site: Site, model: PrognosticModel):
    site.register(other(model, "4", beside="f" * 64))
    site("promote", f"{NAME}:1")
    for key in ("data_digest", "definition_digest", "compared_with", COMPARED_BUNDLE):
        site.client.set_model_version_tag(NAME, "4", key, site.client.get_model_version(NAME, "1").tags.get(key, "1"))
    assert refused(site("promote", f"{NAME}:4"), "it was compared with another")
    # Nor does the champion's tag: by it, a bundle is looked for that is not there.
    site.client.set_model_version_tag(NAME, "1", "bundle_digest", "f" * 64)
    result = site("promote", f"{NAME}:4")
    assert (result.exit_code, site.champion) == (2, "1")
    assert "version 1 is champion, whose bundle cannot be compared with" in result.stderr


def test_a_champion_that_came_after_the_gate_was_looked_at_is_seen(
    site: Site, model: PrognosticModel, monkeypatch: pytest.MonkeyPatch
):
    site.register(other(model, "4", beside=digest_of(site, "1")), other(model, "5"))
    site("promote", f"{NAME}:1")
    opened = promotion.open_door

    def overtaken(*arguments: Any) -> Any:
        site.by_hand("5")
        return opened(*arguments)

    monkeypatch.setattr(promotion, "open_door", overtaken)
    result = site("promote", f"{NAME}:4")
    assert (result.exit_code, site.champion) == (2, "5")
    assert "version 5 is champion now, and it was compared with another" in result.stderr


def test_another_default_reference_is_another_model(site: Site, model: PrognosticModel):
    one, two = (replace(model, reference=name, reference_names=(name,)) for name in ("old", "new"))
    site.register(one, another(one, "2030"), another(two, "2031"))
    site("promote", f"{NAME}:4")
    assert site("promote", f"{NAME}:5").exit_code == 0
    assert refused(site("promote", f"{NAME}:6"), "version 5 is champion now")


def test_who_forces_one_past_the_champion_is_in_the_record(site: Site, model: PrognosticModel):
    site.register(other(model, "4"))
    site("promote", f"{NAME}:1")
    assert site("promote", f"{NAME}:4", "--force", "--reason", "a trial").exit_code == 0
    assert site.told()[-1] == ("done", "force", "1", "4")
    figures = site.entries[-1]["figures"]
    assert (figures["gate"], figures["missed"]) == ("passed", ["judged_beside_the_champion"])
    assert site("rollback", NAME).exit_code == 0
    assert site("rollback", NAME, "--to", "4").exit_code == 0


def test_what_is_champion_already_is_not_promoted_twice(site: Site):
    site("promote", f"{NAME}:1")
    again = site("promote", f"{NAME}@champion")
    assert (again.exit_code, "champion already; nothing was done" in again.stdout) == (0, True)
    assert len(site.entries) == 2


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("promote", NAME), "say which version"),
        (("promote", f"{NAME}:9"), "there is no such version; registered: 1, 2, 3"),
        (("promote", "LGG-OS:1"), "there is no such model"),
        (("rollback", NAME), "the record tells of no champion before the present one"),
        (("rollback", "LGG-OS"), "there is no such model"),
        (("rollback", f"{NAME}:1"), "--to says which version"),
        (("rollback", NAME, "--to", "2"), "version 2 was not champion before, by the record; those were: none"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(site: Site, arguments: tuple[str, ...], reason: str):
    assert refused(site(*arguments), reason)
    assert site.champion is None


def test_a_rollback_brings_back_the_champion_before_and_the_next_one_the_one_before_that(site: Site):
    for version in (1, 2, 3):
        site("promote", f"{NAME}:{version}")
    done = site("rollback", NAME, "--reason", "it drifted")
    assert done.exit_code == 0, done.output
    assert site.champion == "2"
    assert site.told()[-1] == ("done", "rollback", "3", "2")
    site("rollback", NAME)
    assert site.champion == "1"
    assert refused(site("rollback", NAME), "no champion before the present one")
    site("promote", f"{NAME}:3")
    site("rollback", NAME)
    assert site.champion == "1"


def test_a_rollback_may_name_any_version_that_was_champion_and_no_other(site: Site):
    site("promote", f"{NAME}:1")
    site("promote", f"{NAME}:2")
    assert refused(site("rollback", NAME, "--to", "3"), "was not champion before, by the record; those were: 1")
    assert refused(site("rollback", NAME, "--to", "2"), "version 2 is champion already")
    assert site("rollback", NAME, "--to", "1").exit_code == 0
    assert site("rollback", NAME, "--to", "2").exit_code == 0
    assert site.champion == "2"


def test_a_rollback_to_a_version_that_is_gone_or_made_anew_is_refused(site: Site, model: PrognosticModel):
    site("promote", f"{NAME}:1")
    site("promote", f"{NAME}:2")
    site.client.delete_model_version(NAME, "1")
    assert refused(site("rollback", NAME), "there is no such version; registered: 2, 3; champion is 2")
    site.client.delete_registered_model(NAME)
    site.register(another(model, "2030"), another(model, "2031"))
    assert site("promote", f"{NAME}:2").exit_code == 0
    assert refused(site("rollback", NAME, "--to", "1"), "is not the model that was champion: its bundle is another")


def test_a_rollback_to_what_was_put_there_by_hand_without_earning_it_is_refused(site: Site, unearned: PrognosticModel):
    site.register(unearned)
    site.by_hand("4")
    site("promote", f"{NAME}:1")
    assert refused(site("rollback", NAME), "was made champion past the record, and its gate was not passed")
    site("promote", f"{NAME}:4", "--force", "--reason", "a trial")
    site("promote", f"{NAME}:1")
    done = site("rollback", NAME)
    assert (done.exit_code, site.champion) == (0, "4")
    assert "FORCED" in done.stdout


def test_a_record_that_is_whole_and_agrees_with_mlflow_is_verified(site: Site):
    assert site("history", "--verify").exit_code == 0
    site("promote", f"{NAME}:1")
    site("promote", f"{NAME}:2")
    result = site("history", "--verify")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "4 entries, the chain is whole" in result.stdout


def test_an_alias_that_was_moved_by_hand_is_told_and_the_next_promotion_writes_it_down(site: Site):
    site("promote", f"{NAME}:1")
    site.by_hand("3")
    result = site("history", "--verify")
    assert result.exit_code == 1
    assert "version 3 is champion, but the record says version 1: the alias was moved past the record" in result.stderr
    assert site("promote", f"{NAME}:2").exit_code == 0
    assert site.told()[2:] == [
        ("note", "found", "1", "3"),
        ("intent", "promote", "3", "2"),
        ("done", "promote", "3", "2"),
    ]
    assert site("history", "--verify").exit_code == 0
    site.client.delete_registered_model_alias(NAME, "champion")
    assert "no version is champion, but the record says version 2" in site("history", "--verify").stderr
    assert site("rollback", NAME).exit_code == 0
    assert site.champion == "2"


def test_a_champion_from_before_the_record_is_written_down_and_can_be_brought_back(site: Site):
    site.by_hand("1")
    for end, figure in {"": "0.7512", "_lower": "0.7015", "_upper": "not a number"}.items():
        site.client.set_model_version_tag(NAME, "1", f"concordance_harrell{end}", figure)
    told = site("history", "--verify")
    assert (told.exit_code, "but the record tells of none" in told.stderr) == (1, True)
    site("promote", f"{NAME}:2")
    assert site.told()[0] == ("note", "found", None, "1")
    assert site.entries[0]["figures"]["concordance_harrell"] == {"value": 0.7512, "lower": 0.7015, "upper": None}
    assert site("rollback", NAME).exit_code == 0
    assert (site.champion, site("history", "--verify").exit_code) == ("1", 0)


def test_a_changed_line_is_named_and_nothing_is_promoted_upon_it(site: Site):
    for version in (1, 2):
        site("promote", f"{NAME}:{version}")
    lines = site.record.read_text(encoding="utf-8").splitlines(keepends=True)
    site.record.write_text("".join([lines[0], lines[1].replace('"ada@', '"eve@'), *lines[2:]]), encoding="utf-8")
    result = site("history", "--verify")
    assert result.exit_code == 1
    assert "line 2 was changed after it was written" in result.stderr
    assert refused(site("promote", f"{NAME}:3"), "line 2 was changed after it was written")
    assert site.champion == "2"
    assert "line 2 was changed" in site("history").stderr
    site.record.rename(site.record.with_suffix(".kept"))
    assert site("promote", f"{NAME}:3").exit_code == 0
    assert site.told()[0] == ("note", "found", None, "2")
    assert site.entries[0]["elsewhere"]["sequence"] == 4


def test_a_record_whose_end_was_cut_off_is_whole_by_itself_but_not_beside_mlflow(site: Site):
    site("promote", f"{NAME}:1")
    before = site.record.read_bytes()
    site("promote", f"{NAME}:2")
    site.by_hand("1")
    site.record.write_bytes(before)
    result = site("history", "--verify")
    assert (result.exit_code, "entry 4" in result.stderr, "end was cut off" in result.stderr) == (1, True, True)
    assert refused(site("promote", f"{NAME}:3"), "its end was cut off")
    site.record.unlink()
    assert "entry 4 of another record" in site("history", "--verify").stderr


def test_two_machines_with_a_record_each_see_that_the_other_promoted(site: Site, tmp_path: Path):
    # An address that names no file of this machine, though it is one: each home keeps a record of its own.
    uri = site.store.uri.replace("sqlite:", "sqlite+pysqlite:")
    here, there = (
        Site(site.store, MLFLOW_TRACKING_URI=uri, PROGNOSIS_HOME=str(tmp_path / home), PROGNOSIS_USER=home)
        for home in ("here", "there")
    )
    assert here.record.parent == tmp_path / "here" / "promotions"
    assert here("promote", f"{NAME}:1").exit_code == 0
    assert here("history", "--verify").exit_code == 0
    assert there("promote", f"{NAME}:2").exit_code == 0
    assert there.told()[0] == ("note", "found", None, "1")
    assert there.entries[0]["elsewhere"]["hash"] == here.entries[-1]["hash"]
    result = here("history", "--verify")
    assert result.exit_code == 1
    assert "version 2 is champion; entry 3 of another record, by there@" in result.stderr
    assert here("promote", f"{NAME}:1").exit_code == 0
    assert [entry["elsewhere"]["hash"] for entry in here.entries if entry["action"] == "found"] == [
        there.entries[-1]["hash"]
    ]
    assert here("history", "--verify").exit_code == 0


def test_a_torn_last_line_is_told_and_moved_aside_by_the_next_promotion(site: Site):
    site("promote", f"{NAME}:1")
    with site.record.open("ab") as file:
        file.write(b'{"action":"pro')
    assert "line 3 is half-written" in site("history", "--verify").stderr
    assert site("promote", f"{NAME}:2").exit_code == 0
    assert [action for _, action, *_ in site.told()] == ["promote", "promote", "torn", "promote", "promote"]
    assert "half-written last line of 14 bytes was moved to mlflow.promotions.jsonl.torn-" in site("history").stdout
    assert site("history", "--verify").exit_code == 0


def test_the_history_is_a_table_with_what_was_tried_on_the_same_data(site: Site, model: PrognosticModel):
    site("promote", f"{NAME}:1", "--reason", "the first")
    site("promote", f"{NAME}:3")
    site.register(another(model, "2029"), another(model, "2030", data_digest="0" * 64))
    header, first, second, since = site("history").stdout.splitlines()
    shown = model.variants["clinical"].metrics["concordance_harrell"]
    assert f"{shown.value:.3f} ({shown.lower:.3f} to {shown.upper:.3f})" in first
    assert "the first" in first
    assert model.provenance["data_digest"][:8] in first
    # Versions 1 to 3 stood before the first promotion.
    tried = header.index("tried")
    assert (first[tried], second[tried]) == ("3", "1")
    assert since == f"{NAME}  tried on the champion's data since: 1 (version 4)"
    assert site("promote", f"{NAME}:4").exit_code == 0
    assert site.entries[-1]["figures"]["challengers"] == 1
    assert site("history", "LGG-OS").stdout.splitlines() == [site("history", "LGG-OS").stdout.strip()]


def test_the_history_as_json_is_the_record(site: Site):
    assert "No promotion is recorded yet" in site("history").stderr
    site("promote", f"{NAME}:1")
    told = json.loads(site("history", "--json").stdout)
    assert told["entries"] == site.entries
    assert (told["whole"], told["fault"], told["record"]) == (True, None, str(site.record))
    assert json.loads(site("history", "LGG-OS", "--json").stdout)["entries"] == []
    assert site("history", NAME, "--verify").exit_code == 2


def test_a_training_that_passes_its_gate_is_in_the_record_once(
    small_training: TrainingResult, model: PrognosticModel, model_store: ModelStore, tmp_path: Path
):
    site = Site(model_store)
    site.register(model)
    site("promote", f"{NAME}:1")
    write_bundle(model, tmp_path / "bundle")
    passed = replace(small_training, model=model, gate=GateVerdict(True, model.gate))
    tracked = track(passed, tmp_path / "bundle", settings=site.settings, training="a-training")
    assert tracked.aliases == ("candidate", "champion")
    assert site.told()[2:] == [("intent", "train", "1", "2"), ("done", "train", "1", "2")]
    assert site.entries[-1]["digests"]["bundle"] == bundle_digest(tmp_path / "bundle")
    assert site("rollback", NAME).exit_code == 0
    # Taken up again after a kill at its very end, it does not undo what was decided since.
    resumed = track(passed, tmp_path / "bundle", settings=site.settings, training="a-training")
    assert (resumed.version, resumed.aliases, site.champion) == ("2", ("candidate",), "1")
    assert verify(site.settings).faults == ()


def test_an_import_as_champion_is_in_the_record_and_one_as_candidate_is_not(
    site: Site, model: PrognosticModel, new_model_store: Callable[[], ModelStore], tmp_path: Path
):
    there = Site(new_model_store())
    site("models", "export", f"{NAME}:1", "--to", tmp_path)
    (candidate,) = import_models(tmp_path, alias="candidate", settings=there.settings)
    assert candidate.aliases == ("candidate",)
    assert not there.record.exists()
    for _ in range(2):
        (champion,) = import_models(tmp_path, alias="champion", settings=there.settings)
        assert champion.aliases == ("candidate", "champion")
        assert there.told() == [("intent", "import", None, "1"), ("done", "import", None, "1")]
    assert verify(there.settings).faults == ()
    # Another model, of other data: the other site's decision, which the record tells with what it was compared with.
    site.register(other(model, "4", beside="f" * 64))
    site("models", "export", f"{NAME}:4", "--to", tmp_path / "other")
    import_models(tmp_path / "other", alias="champion", settings=there.settings)
    assert there.told()[-1] == ("done", "import", "1", "2")
    assert there.entries[-1]["figures"][COMPARED_BUNDLE] == "f" * 64


def test_a_running_service_serves_what_is_promoted_and_rolled_back(site: Site):
    champions = Champions(Registry(site.store.uri, site.store.folder / "served"), poll_seconds=0.05)
    site("promote", f"{NAME}:1")
    champions.start(patience_seconds=30)
    try:
        for command, version in ((("promote", f"{NAME}:2"), "2"), (("rollback", NAME), "1")):
            assert site(*command).exit_code == 0
            wait_for(lambda version=version: served(champions) == (version, "champion"))
    finally:
        champions.stop()


def served(champions: Champions) -> tuple[str, str]:
    registered = champions.snapshot.models[NAME].registered
    return registered.version, registered.alias


def wait_for(condition: Callable[[], bool], *, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def driven(script: str, site: Site, *arguments: object) -> list[dict[str, Any]]:
    """Run a script that forks the processes which promote, and read what it prints, one JSON a line."""
    command = [sys.executable, "-c", FORKING + script, *map(str, arguments)]
    environment = {**os.environ, **site.environment}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, timeout=500, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


#: What the scripts share: all is imported once, and the store is first opened in the forked processes.
FORKING = """
import json, os, random, shutil, signal, sys, time, traceback
from dataclasses import replace
import pandas, pyarrow.parquet
from mlflow import MlflowClient
from experiments.promotion import promote, verify
from experiments.tracking import client_of, record_of
from experiments.transfer import Reference
from serving.settings import settings

NAME = "SIMULATED-KIRC-OS"
# A store is asked, of its own so that no connection is shared: most of MLflow is imported by that.
home = settings().home
shutil.copy(home / "mlflow.db", home / "asked.db")
client_of(replace(settings(), tracking_uri=f"sqlite:///{home / 'asked.db'}")).search_registered_models()

def champion():
    return str(client_of(settings()).get_registered_model(NAME).aliases["champion"])

def forked(work):
    child = os.fork()
    if child:
        return child
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    sys.stdout.flush()
    os._exit(0)

def ended(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def to(version):
    return promote(Reference(NAME, version=version), settings=settings())

def seen(**more):
    # What a person finds after the kill, and what the next command makes of it.
    before, left = champion(), verify(settings())
    to(more["wanted"])
    actions = [entry["action"] for entry in record_of(settings()).chain().entries]
    after = verify(settings())
    print(json.dumps({**more, "champion": before, "faults_before": left.faults, "notes_before": left.notes,
                      "actions": actions, "champion_after": champion(), "faults_after": after.faults}))
"""

TWO_AT_ONCE = """
def many(first, second):
    for _ in range(int(sys.argv[1]) // 2):
        to(first)
        to(second)

children = [forked(lambda pair=pair: many(*pair)) for pair in (("1", "2"), ("2", "3"))]
print(json.dumps({"ends": [ended(child) for child in children]}))
"""


def test_two_processes_that_promote_at_once_leave_a_whole_record_and_the_alias_of_its_last_entry(site: Site):
    (told,) = driven(TWO_AT_ONCE, site, BOTH_PROMOTE)
    assert told == {"ends": [0, 0]}
    verdict = verify(site.settings)
    assert (verdict.faults, verdict.notes) == ((), ())
    assert verdict.n_entries > BOTH_PROMOTE
    assert site.champion == site.entries[-1]["to_version"]
    done = [(entry["from_version"], entry["to_version"]) for entry in site.entries if entry["stage"] == "done"]
    assert [before for before, _ in done] == [None, *(after for _, after in done[:-1])]


KILLED_AT_EVERY_STEP = """
def deadly(owner, name, fatal):
    whole = getattr(owner, name)

    def point(where, torn=None):
        fatal["left"] -= 1
        if not fatal["left"]:
            if torn:
                torn()
            with open(sys.argv[1], "w") as file:
                file.write(where + " " + name)
            os.kill(os.getpid(), signal.SIGKILL)

    def stepped(*arguments, **named):
        point("before")
        if name == "write":
            point("within", lambda: whole(arguments[0], arguments[1][: len(arguments[1]) // 2]))
        result = whole(*arguments, **named)
        point("after")
        return result

    setattr(owner, name, stepped)

def doomed(step, wanted):
    fatal = {"left": step}
    for name in ("write", "fsync"):
        deadly(os, name, fatal)
    for name in ("set_registered_model_alias", "set_registered_model_tag"):
        deadly(MlflowClient, name, fatal)
    to(wanted)

# All bundles are fetched, so that only what moves the champion is counted.
for version in "121":
    assert ended(forked(lambda: to(version))) == 0
for step in range(1, 100):
    wanted = "2" if step % 2 else "1"
    if ended(forked(lambda: doomed(step, wanted))) == 0:
        break
    where = open(sys.argv[1]).read()
    assert ended(forked(lambda: seen(wanted=wanted, where=where))) == 0
"""


def test_a_process_killed_at_any_step_leaves_the_old_or_the_new_champion_and_a_record_that_goes_on(
    site: Site, tmp_path: Path
):
    rounds = driven(KILLED_AT_EVERY_STEP, site, tmp_path / "where")
    steps = [each["where"] for each in rounds]
    # Intent, alias, entry, head: each before and after, what is written also half-way.
    intent_and_entry = ["before write", "within write", "after write", "before fsync", "after fsync"]
    alias = ["before set_registered_model_alias", "after set_registered_model_alias"]
    assert steps == [*intent_and_entry, *alias, *intent_and_entry, *(step.replace("alias", "tag") for step in alias)]
    moved = steps.index("after set_registered_model_alias")
    for at, found in enumerate(rounds):
        old = "1" if found["wanted"] == "2" else "2"
        assert found["champion"] == (found["wanted"] if at >= moved else old), found
        assert (found["champion_after"], found["faults_after"]) == (found["wanted"], []), found
        # A half-written line is all that the kill may break, and no entry is lost: each round adds to the record.
        assert all("half-written" in fault for fault in found["faults_before"]), found
        assert ("torn" in newest(rounds, at)) == (found["where"] == "within write"), found
    assert [("recovered" in newest(rounds, at)) for at in range(len(rounds))] == [
        moved <= at < steps.index("after write", moved) for at in range(len(rounds))
    ]
    assert [("abandoned" in newest(rounds, at)) for at in range(len(rounds))] == [
        steps.index("after write") <= at < moved for at in range(len(rounds))
    ]


def newest(rounds: list[dict[str, Any]], at: int) -> list[str]:
    """What a round added to the record."""
    before = rounds[at - 1]["actions"] if at else ["promote"] * 6
    actions: list[str] = rounds[at]["actions"]
    assert actions[: len(before)] == before
    return actions[len(before) :]


KILLED_AT_RANDOM = """
def endless():
    while True:
        to("1")
        to("2")

random.seed(6)
ended(forked(lambda: to("1")))
for number in range(int(sys.argv[1])):
    child, path = forked(endless), record_of(settings()).path
    size = path.stat().st_size
    while path.stat().st_size == size:
        time.sleep(0.002)
    time.sleep(random.random() / 5)
    os.kill(child, signal.SIGKILL)
    assert ended(child) == -signal.SIGKILL
    assert ended(forked(lambda: seen(wanted="3"))) == 0
"""


def test_processes_killed_at_random_instants_leave_a_champion_that_the_record_explains(site: Site):
    rounds = driven(KILLED_AT_RANDOM, site, 6)
    assert len(rounds) == 6
    for found in rounds:
        assert found["champion"] in {"1", "2", "3"}
        assert all("half-written" in fault for fault in found["faults_before"]), found
        assert (found["champion_after"], found["faults_after"]) == ("3", [])
    assert len(rounds[-1]["actions"]) > len(rounds)
