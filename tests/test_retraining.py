"""Retraining as a data manager does it: over a real MLflow and a real record, with trainings that take seconds."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from experiments.audit_log import AuditError, Entry
from experiments.choices import Choices
from experiments.cli import main
from experiments.promotion import history, verify
from experiments.promotion_entries import COMPARED_BUNDLE, COMPARED_WITH
from experiments.retrain_tables import retraining_summary
from experiments.retraining import Asked, Retrained, retrain
from experiments.rivals import RivalError
from experiments.simulated_study import write_simulated_cohorts
from experiments.simulation import simulate_cohort
from experiments.tracking import list_models, record_of
from experiments.trainings import UNFINISHED
from experiments.transfer import Reference
from features.cohort import Cohort
from features.pooled_cohorts import pooled
from serving import settings as settings_module
from serving.settings import Settings
from training.gate import FAILED, NOT_ASSESSED, PASSED
from training.non_inferiority import BY_DEFINITION, LOCKED
from training.paired_comparison import BRIER, CONCORDANCE, SLOPE

if TYPE_CHECKING:
    from conftest import ModelStore

    from training.model import PrognosticModel
    from training.results import TrainingResult

NAME = "SIMULATED-KIRC-OS"
PROGNOSIS = Path(sys.executable).with_name("prognosis")


@dataclass(frozen=True)
class Site:
    """One installation, with an MLflow of its own."""

    store: ModelStore
    definition: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"PROGNOSIS_HOME": str(self.store.folder), "MLFLOW_TRACKING_URI": self.store.uri}

    @property
    def settings(self) -> Settings:
        return Settings.from_environment(self.environment)

    def __call__(self, *arguments: object) -> Result:
        settings_module.settings.cache_clear()
        return CliRunner().invoke(main, list(map(str, arguments)), env=self.environment)

    def retrain(self, cohort: Cohort, *, definition: Path | None = None, trials: int = 1, **asked: Any) -> Retrained:
        choices = Choices("OS", definition=definition, trials=trials, workers=1)
        progress = asked.pop("progress", None)
        return retrain(cohort, Asked(choices, **asked), settings=self.settings, progress=progress)

    @property
    def champion(self) -> str | None:
        version = self.store.client.get_registered_model(NAME).aliases.get("champion")
        return None if version is None else str(version)

    @property
    def entries(self) -> tuple[Entry, ...]:
        return history(self.settings).chain.entries

    def dumped(self) -> list[str]:
        """Return all that MLflow's database holds."""
        with closing(sqlite3.connect(self.store.folder / "mlflow.db")) as database:
            return list(database.iterdump())


@pytest.fixture(scope="module")
def lax(small_definition: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A definition whose own gate any model passes: what is left of it is what retraining adds."""
    text = small_definition.read_text(encoding="utf-8")
    for choice, laxer in {
        r"concordance_lower_above = .*": "concordance_lower_above = 0.0",
        r"gain_upper_least = \S+": "gain_upper_least = -1.0",
        r"low = 0.8, high = 1.2": "low = -9.0, high = 9.0",
        r"n_sets = \d+": "n_sets = 2",
        r"percentile_above = \S+": "percentile_above = 0.0",
    }.items():
        text, n_changed = re.subn(choice, laxer, text)
        assert n_changed
    path = tmp_path_factory.mktemp("lax") / "lax.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def model(small_training: TrainingResult) -> PrognosticModel:
    """A champion that has earned it, trained on 120 patients."""
    gate = tuple((clause, PASSED, figure) for clause, _, figure in small_training.model.gate)
    return replace(small_training.model, champion_earned=True, gate=gate)


@pytest.fixture
def site(model_store: ModelStore, model: PrognosticModel, lax: Path) -> Site:
    """Version 1 is champion."""
    model_store.register(model, alias="champion")
    return Site(model_store, lax)


@pytest.fixture(scope="module")
def known(small_training: TrainingResult) -> Cohort:
    """The champion's own patients."""
    return simulate_cohort("KIRC", seed=5, n_patients=120, n_background=30)


@pytest.fixture(scope="module")
def strangers() -> Cohort:
    """Other patients under the same law."""
    cohort = simulate_cohort("KIRC", seed=905, n_patients=130, n_background=30)
    names = [f"new-{k}" for k in range(len(cohort.time))]
    return replace(cohort, expression=cohort.expression.set_axis(names), clinical=cohort.clinical.set_axis(names))


def shuffled(cohort: Cohort) -> Cohort:
    order = np.random.default_rng(1).permutation(len(cohort.time))
    return replace(cohort, time=cohort.time[order], event=cohort.event[order])


def clauses(retrained: Retrained) -> dict[str, tuple[str, str]]:
    return {name: (verdict, figure) for name, verdict, figure in retrained.result.gate.clauses}


def test_a_new_cancer_type_is_judged_by_its_gate_then_beaten_then_brought_back(
    model_store: ModelStore, lax: Path, known: Cohort
):
    site = Site(model_store, lax)
    first = site.retrain(known, definition=lax)
    assert first.model.aliases == ("candidate", "champion")
    assert not {BY_DEFINITION, LOCKED} & clauses(first).keys()
    text = retraining_summary(first)
    assert "there is no champion to compare with" in text
    assert "this is the first challenger on these patients" in text
    assert "version 1 is champion; gate passed" in text
    assert [entry["action"] for entry in site.entries] == ["compare", "retrain", "retrain"]
    assert first.model.tags["definition"] == "new"
    assert "compared_with" not in first.model.tags
    assert first.result.model.provenance[COMPARED_WITH] == "no version"

    second = site.retrain(known, trials=2, reason="more trials")
    assert clauses(second)[BY_DEFINITION][0] == PASSED
    assert second.model.aliases == ("candidate", "champion")
    assert "version 2 is champion in place of version 1" in retraining_summary(second)
    moved = site.entries[-1]
    assert (moved["action"], moved["reason"], moved["figures"]["challengers"]) == ("retrain", "more trials", 2)
    # In the bundle, not in its tags alone.
    assert moved["figures"][COMPARED_WITH] == "version 1 (champion)"
    assert moved["figures"][COMPARED_BUNDLE] == first.model.tags["bundle_digest"]

    assert site("rollback", NAME).exit_code == 0
    assert site.champion == "1"
    assert verify(site.settings).faults == ()
    assert [model.version for model in list_models(site.settings)] == ["1", "2"]
    # The second was judged beside the first, and the first beside none.
    assert site("promote", f"{NAME}:2").exit_code == 0
    assert "none stood to compare it with when it was made" in site("promote", f"{NAME}:1").stderr


def test_a_challenger_of_shuffled_outcomes_stays_a_candidate_and_the_champion_stays(site: Site, strangers: Cohort):
    came = site.retrain(shuffled(strangers), definition=site.definition)
    assert came.model.aliases == ("candidate",)
    assert site.champion == "1"
    assert clauses(came)[LOCKED][0] == FAILED
    assert not came.result.model.champion_earned
    assert "version 1 stays champion: the gate failed" in retraining_summary(came)
    # Nor is it made champion by name.
    refused = site("promote", f"{NAME}:{came.model.version}")
    assert (refused.exit_code, LOCKED in refused.stderr) == (2, True)


def test_a_challenger_that_reads_nothing_fails_by_both_comparisons(site: Site, strangers: Cohort, tmp_path: Path):
    text = site.definition.read_text(encoding="utf-8")
    text = text.replace('clinical = ["age", "sex", "stage", "grade"]', 'clinical = ["sex"]')
    text = re.sub(r'(?m)^panel = "ctc_review"', 'panel = "none"', text)
    text = re.sub(r"(?m)^panel = \{ choices = .*", 'panel = { choices = ["none"] }', text)
    (tmp_path / "blind.toml").write_text(text, encoding="utf-8")
    came = site.retrain(strangers, definition=tmp_path / "blind.toml")
    assert [clauses(came)[name][0] for name in (BY_DEFINITION, LOCKED)] == [FAILED, FAILED]
    assert site.champion == "1"
    assert came.contest.definition == "changed"
    assert "features.clinical: ['age', 'sex', 'stage', 'grade'] → ['sex']" in retraining_summary(came)
    found = came.contest.challenge.by_definition.differences
    assert list(found) == [CONCORDANCE, BRIER, SLOPE]
    assert found[CONCORDANCE].difference.upper < 0
    metrics = site.store.client.get_run(came.model.run_id).data.metrics
    assert metrics["concordance_harrell_minus_champion_upper"] == pytest.approx(found[CONCORDANCE].difference.upper)
    assert metrics["locked_champion_events"] == strangers.n_events
    tags = site.store.client.get_run(came.model.run_id).data.tags
    assert tags["compared_with"] == "version 1 (champion)"
    assert (tags["definition"], tags["challengers_tried"]) == ("changed", "1")


def test_the_definition_is_kept_unless_another_is_named_and_is_then_no_comparison(site: Site, strangers: Cohort):
    came = site.retrain(strangers, dry_run=True)
    challenge = came.contest.challenge
    assert came.contest.definition == "kept"
    assert challenge.same
    assert not challenge.by_definition.differences
    assert "refitted on these patients it is the challenger itself" in challenge.by_definition.reason
    assert (challenge.locked.n_patients, challenge.locked.n_events) == (len(strangers.time), strangers.n_events)
    assert challenge.share_held == 0.0


def test_a_champion_is_not_judged_on_its_own_patients(site: Site, known: Cohort):
    came = site.retrain(known, dry_run=True)
    challenge = came.contest.challenge
    assert (challenge.locked.n_patients, challenge.locked.differences) == (0, {})
    assert challenge.locked.reason == "it has learned from all of these patients"
    assert challenge.share_held == 1.0
    # One definition on the same patients: equal by construction, and what could not be assessed is said in its figure.
    verdict, figure = clauses(came)[BY_DEFINITION]
    assert verdict == PASSED
    assert f"the locked champion {NOT_ASSESSED}" in figure


def test_a_dry_run_is_counted_and_leaves_no_other_trace(site: Site, strangers: Cohort):
    before = site.dumped()
    dry = site.retrain(strangers, definition=site.definition, dry_run=True, reason="a look")
    assert site.dumped() == before
    assert dry.model is None
    (entry,) = site.entries
    assert (entry["action"], entry["dry_run"], entry["reason"]) == ("compare", True, "a look")
    assert (entry["from_version"], entry["to_version"], entry["against"]) == ("1", None, "champion")
    assert "dry run: nothing is registered, version 1 stays champion" in retraining_summary(dry)
    text = site("history").stdout
    assert "compare, dry run" in text
    assert "a look" in text
    # For good it is the same challenger, whose trainings are there already; another definition is another one.
    done = {path: path.stat().st_mtime_ns for path in (site.store.folder / UNFINISHED).rglob("*.npz")}
    assert done
    again = site.retrain(strangers, definition=site.definition)
    assert again.contest.tried == 1
    for name, evaluation in again.result.evaluations.items():
        assert evaluation.metrics == dry.result.evaluations[name].metrics
    assert site.retrain(strangers, definition=site.definition, trials=2, dry_run=True).contest.tried == 2
    assert not any(str(patient) in line for patient in strangers.patients for line in map(str, site.entries))


def test_only_a_candidate_stands_so_it_is_compared_with_and_need_not_be_beaten(
    model_store: ModelStore, model: PrognosticModel, lax: Path, strangers: Cohort
):
    model_store.register(replace(model, champion_earned=False), alias="candidate")
    came = Site(model_store, lax).retrain(strangers, dry_run=True)
    text = retraining_summary(came)
    assert "no champion stands: compared with version 1 (candidate), for information; the gate alone decides" in text
    assert "the definition is kept: that of version 1" in text
    assert came.contest.challenge.locked.differences
    assert not {BY_DEFINITION, LOCKED} & clauses(came).keys()


def test_a_version_that_is_not_the_champion_does_not_open_its_place(
    site: Site, model: PrognosticModel, strangers: Cohort
):
    site.store.register(replace(model, champion_earned=False), alias="candidate")
    came = site.retrain(strangers, definition=site.definition, rival=Reference(NAME, version="2"), dry_run=True)
    assert {clauses(came)[name][0] for name in (BY_DEFINITION, LOCKED)} == {NOT_ASSESSED}
    assert "compared with version 2 (candidate), and not with the champion, version 1" in clauses(came)[LOCKED][1]
    with pytest.raises(RivalError, match="of another cancer type or endpoint"):
        site.retrain(strangers, rival=Reference("SIMULATED-KIRP-OS"))


def test_a_champion_that_came_meanwhile_was_compared_with_nobody_and_stays(
    model_store: ModelStore, model: PrognosticModel, lax: Path, strangers: Cohort
):
    site = Site(model_store, lax)
    model_store.register(model, alias="candidate")

    def promote_meanwhile(*_: object) -> None:
        model_store.client.set_registered_model_alias(NAME, "champion", "1")

    came = site.retrain(strangers, definition=lax, progress=promote_meanwhile)
    assert came.result.gate.passed
    assert (came.model.aliases, site.champion) == (("candidate",), "1")
    assert "another version became champion while it was trained" in retraining_summary(came)
    # Compared with it was this one, but for information alone.
    assert "but was none when this one was compared with it" in site("promote", f"{NAME}:2").stderr


def test_pooled_with_the_old_cohort_the_champion_is_judged_on_the_new_patients_alone(
    site: Site, known: Cohort, strangers: Cohort
):
    came = site.retrain(pooled([known, strangers], ["old", "new"]), dry_run=True)
    assert came.contest.challenge.locked.n_patients == len(strangers.time)
    assert came.contest.challenge.share_held == 1.0
    assert set(came.result.model.reference_names) == {"old", "new"}
    for each in (came.result.model, *came.result.model.references.values()):
        assert (each.gate, each.champion_earned) == (came.result.gate.clauses, came.result.gate.passed)
        assert each.provenance[COMPARED_WITH] == "version 1 (champion)"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folders of simulated glioblastoma, several of one cancer type."""
    target = tmp_path_factory.mktemp("cohorts")
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in made:
            (made[name],) = write_simulated_cohorts(target / name, cancer_types=("GBM",), seed=len(made))
        return made[name]

    return folder


def test_a_record_that_was_changed_is_found_before_anything_is_trained(site: Site, strangers: Cohort):
    record_of(site.settings).path.write_text('{"changed":true}\n', encoding="utf-8")
    with pytest.raises(AuditError, match="nothing is written after it"):
        site.retrain(strangers)
    assert not (site.store.folder / UNFINISHED).exists()


def test_several_cohorts_of_one_type_must_be_pooled_or_chosen_among(site: Site, folders: Callable[[str], Path]):
    one, other = folders("one"), folders("other")
    for arguments, said in (
        ((one, other), "say --pool to train on all of them"),
        ((one, "--pool"), "no two of these cohorts are of one cancer type"),
        ((one, other, "--pool", "--name", "a"), "--name stands 1 times, but there are 2 cohorts"),
    ):
        result = site("retrain", *arguments)
        assert result.exit_code == 2
        assert said in " ".join(result.stderr.replace("│", " ").split())


def test_a_cohort_that_cannot_be_compared_is_said_so_in_one_line(site: Site, folders: Callable[[str], Path]):
    result = site("retrain", folders("one"), "--champion", "SIMULATED-KIRC-OS:1")
    assert result.exit_code == 2
    assert "cannot be compared with SIMULATED-GBM-OS" in result.stderr
    assert re.search(r"(?m)^prognosis: SIMULATED-GBM/OS: SIMULATED-KIRC-OS:1: ", result.stderr)


def test_a_cohort_that_cannot_be_trained_on_is_named_once(site: Site, folders: Callable[[str], Path], tmp_path: Path):
    text = site.definition.read_text(encoding="utf-8").replace("outer_folds = 2", "outer_folds = 2000")
    (tmp_path / "folds.toml").write_text(text, encoding="utf-8")
    result = site("retrain", folders("one"), "--definition", tmp_path / "folds.toml")
    # Of the cohort's own error its name is a part.
    (refusal,) = [line for line in result.stderr.splitlines() if "too few to be judged" in line]
    assert refusal.count("SIMULATED-GBM/OS: ") == 1


def test_killed_between_looking_and_registering_it_is_counted_once_and_registered_once(
    tmp_path: Path, lax: Path, folders: Callable[[str], Path]
):
    site = Site(_StoreAt(tmp_path), lax)  # type: ignore[arg-type]
    first = started(site, folders("one"), tmp_path)
    record = tmp_path / "mlflow.promotions.jsonl"
    deadline = time.monotonic() + 240
    while not (record.exists() and record.read_bytes().endswith(b"\n")):
        assert first.poll() is None, (tmp_path / "output.txt").read_text(encoding="utf-8")
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert started(site, folders("one"), tmp_path).wait(timeout=240) == 0
    assert [entry["action"] for entry in site.entries] == ["compare", "retrain", "retrain"]
    (registered,) = list_models(site.settings)
    assert (registered.version, registered.aliases) == ("1", ("candidate", "champion"))
    assert verify(site.settings).faults == ()
    assert not list((tmp_path / UNFINISHED).iterdir())
    runs = site.store.client.search_runs([site.store.client.get_experiment_by_name("SIMULATED-GBM-OS").experiment_id])
    assert {run.info.status for run in runs} <= {"FINISHED", "KILLED"}


@dataclass(frozen=True)
class _StoreAt:
    """Where a process of its own makes its MLflow."""

    folder: Path

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    @property
    def client(self) -> Any:
        from mlflow import MlflowClient  # noqa: PLC0415

        return MlflowClient(self.uri, self.uri)


def started(site: Site, folder: Path, home: Path) -> subprocess.Popen[bytes]:
    arguments = ["retrain", folder, "--definition", site.definition, "--trials", "1", "--workers", "1"]
    with (home / "output.txt").open("ab") as output:
        return subprocess.Popen(
            [PROGNOSIS, *map(str, arguments)],
            env={**os.environ, **site.environment, "OMP_NUM_THREADS": "1"},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
