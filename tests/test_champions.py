"""Which models answer, and how that changes."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from near_service import NearService

from serving.answers import health, models
from serving.bundle_cache import KEPT, Listing, RegisteredVersion
from serving.champions import Champions
from serving.problems import ProblemError
from serving.registry import Registry
from training.bundle import bundle_digest, write_bundle

if TYPE_CHECKING:
    from conftest import ModelStore

    from training.model import PrognosticModel
    from training.results import TrainingResult


@pytest.fixture(scope="module")
def model(small_training: TrainingResult) -> PrognosticModel:
    return small_training.model


@pytest.fixture
def champions(model_store: ModelStore, tmp_path: Path) -> Champions:
    return Champions(Registry(model_store.uri, tmp_path), poll_seconds=0.05)


def made_at(model: PrognosticModel, created: str) -> PrognosticModel:
    return replace(model, provenance={**model.provenance, "created": created})


def versions(champions: Champions) -> dict[str, tuple[str, str]]:
    models = champions.snapshot.models
    return {name: (served.registered.version, served.registered.alias) for name, served in models.items()}


def following() -> bool:
    return any(thread.name == "champions" for thread in threading.enumerate())


def wait_for(condition: Callable[[], bool], *, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_an_alias_that_moves_changes_what_is_served_and_no_snapshot_that_was_taken(
    champions: Champions, model_store: ModelStore, model: PrognosticModel
):
    model_store.register(model)
    champions.refresh()
    taken = champions.snapshot
    earned = replace(made_at(model, "2027"), champion_earned=True)
    model_store.register(earned, alias="champion")
    champions.refresh()
    assert versions(champions) == {model.name: ("2", "champion")}
    assert taken.models[model.name].registered.version == "1"
    assert not champions.snapshot.models[model.name].rendered.block.exploratory
    assert taken.models[model.name].rendered.block.exploratory


def test_a_champion_whose_gate_was_not_passed_is_exploratory(
    champions: Champions, model_store: ModelStore, model: PrognosticModel
):
    model_store.register(replace(model, champion_earned=False), alias="champion")
    champions.refresh()
    assert versions(champions) == {model.name: ("1", "champion")}
    assert champions.snapshot.models[model.name].rendered.block.exploratory


def test_a_model_whose_alias_stayed_is_not_read_again(
    champions: Champions, model_store: ModelStore, model: PrognosticModel
):
    model_store.register(model)
    champions.refresh()
    before = champions.snapshot.models[model.name]
    champions.refresh()
    assert champions.snapshot.models[model.name] is before


def test_a_model_without_alias_is_no_longer_served(
    champions: Champions, model_store: ModelStore, model: PrognosticModel
):
    model_store.register(model)
    champions.refresh()
    model_store.client.delete_registered_model_alias(model.name, "candidate")
    champions.refresh()
    assert versions(champions) == {}


def test_a_broken_bundle_is_refused_and_the_old_one_kept(
    champions: Champions, model_store: ModelStore, model: PrognosticModel, caplog: pytest.LogCaptureFixture
):
    model_store.register(model)
    champions.refresh()
    model_store.register(made_at(model, "2027"), digest="f" * 64)
    for _ in range(3):
        champions.refresh()
    assert versions(champions) == {model.name: ("1", "candidate")}
    refused = champions.snapshot.refused[model.name]
    assert refused.registered.version == "2"
    assert "was registered" in refused.reason
    assert sum("version 2 refused" in record.message for record in caplog.records) == 1


def test_a_broken_first_bundle_is_a_model_that_is_not_ready(
    champions: Champions, model_store: ModelStore, model: PrognosticModel
):
    model_store.register(model, digest="f" * 64)
    champions.refresh()
    with pytest.raises(ProblemError) as caught:
        champions.snapshot.find(model.cancer_type, "OS", kind="not-scorable")
    assert caught.value.problem.status == 503
    (refused,) = models(champions.snapshot).refused
    assert (refused.version, refused.served_version) == ("1", None)
    told = NearService(champions.snapshot).ask("GET", "/readyz")
    assert told.status_code == 503
    words = f"Refused, with none before it that could be served: {model.name} version 1; `/models` says why."
    assert told.json()["detail"] == words


def test_what_is_not_ready_says_what_is_missing(champions: Champions, model_store: ModelStore):
    def told() -> str:
        detail: str = NearService(champions.snapshot).ask("GET", "/readyz").json()["detail"]
        return detail

    assert told() == "no model is loaded: the model registry was not asked yet."
    champions.refresh()
    assert told() == "no model is loaded: no model bears an alias."
    shutil.rmtree(model_store.folder)
    champions.refresh()
    assert told().startswith("no model is loaded: the model registry does not exist yet; train a model first. It last")


@pytest.fixture
def spoiled(champions: Champions, model_store: ModelStore, model: PrognosticModel) -> PrognosticModel:
    """A model whose version 1 was served, and whose alias stands on a version 2 that is whole and yet refused."""
    model_store.register(model, alias="champion")
    champions.refresh()
    other = replace(model, cancer_type="SIMULATED-OTHER")
    model_store.register(other, alias=None)
    tags = model_store.client.get_model_version(other.name, "1")
    client = model_store.client
    second = client.create_model_version(model.name, tags.source, tags.run_id, tags.tags)
    client.set_registered_model_alias(model.name, "champion", second.version)
    champions.refresh()
    assert versions(champions) == {model.name: ("1", "champion")}
    return model


def anew(model_store: ModelStore, cache: Path) -> Champions:
    """What a worker serves that takes the place of one that was killed, once it has asked the registry."""
    started = Champions(Registry(model_store.uri, cache), poll_seconds=60)
    started.start(patience_seconds=0)
    started.stop()
    started.refresh()
    return started


def test_a_worker_that_starts_while_the_alias_stands_on_a_refused_version_serves_the_last_good_one(
    spoiled: PrognosticModel, model_store: ModelStore, tmp_path: Path
):
    for _ in range(2):
        started = anew(model_store, tmp_path)
        assert versions(started) == {spoiled.name: ("1", "champion")}
        (refused,) = models(started.snapshot).refused
        assert (refused.version, refused.served_version) == ("2", "1")
        assert health(started.snapshot).served_versions == {spoiled.name: "1"}
        assert health(started.snapshot).refused_since == {spoiled.name: refused.since}


def test_the_last_good_version_is_fetched_again_if_its_copy_was_damaged_meanwhile(
    spoiled: PrognosticModel, model_store: ModelStore, tmp_path: Path
):
    for path in tmp_path.rglob("1-*/model.json"):
        path.write_text("{}")
    assert versions(anew(model_store, tmp_path)) == {spoiled.name: ("1", "champion")}


def test_the_last_good_version_is_found_where_a_start_could_not_read_it(
    spoiled: PrognosticModel, model_store: ModelStore, tmp_path: Path
):
    # No start of its own: nothing is in memory when the refused version is met.
    late = Champions(Registry(model_store.uri, tmp_path), poll_seconds=60)
    late.refresh()
    assert versions(late) == {spoiled.name: ("1", "champion")}
    assert late.snapshot.refused[spoiled.name].registered.version == "2"


def test_a_model_that_lost_its_alias_does_not_come_back_with_a_version_that_is_refused(
    spoiled: PrognosticModel, champions: Champions, model_store: ModelStore, tmp_path: Path
):
    model_store.client.delete_registered_model_alias(spoiled.name, "champion")
    champions.refresh()
    assert versions(champions) == {}
    model_store.client.set_registered_model_alias(spoiled.name, "champion", "2")
    assert versions(anew(model_store, tmp_path)) == {}


def test_the_last_good_bundle_outlives_every_version_that_is_refused_after_it(
    spoiled: PrognosticModel, model_store: ModelStore, tmp_path: Path
):
    (good,) = tmp_path.rglob("1-*")
    os.utime(good, (0, 0))
    for year in range(KEPT + 2):
        other = made_at(replace(spoiled, cancer_type="SIMULATED-OTHER"), f"20{27 + year}")
        made = model_store.register(other, alias=None)
        tags = model_store.client.get_model_version(other.name, made)
        later = model_store.client.create_model_version(spoiled.name, tags.source, tags.run_id, tags.tags)
        model_store.client.set_registered_model_alias(spoiled.name, "champion", later.version)
        assert versions(anew(model_store, tmp_path)) == {spoiled.name: ("1", "champion")}
        os.utime(good, (0, 0))


def test_a_bundle_under_the_name_of_another_is_refused(
    champions: Champions, model_store: ModelStore, model: PrognosticModel
):
    model_store.register(model)
    model_store.client.rename_registered_model(model.name, "BRCA-OS")
    champions.refresh()
    assert versions(champions) == {}
    assert f"the bundle is of {model.name}" in champions.snapshot.refused["BRCA-OS"].reason


def test_what_is_served_stays_while_the_registry_is_away(
    champions: Champions, model_store: ModelStore, model: PrognosticModel
):
    model_store.register(model)
    champions.refresh()
    assert champions.snapshot.registry_reachable
    shutil.rmtree(model_store.folder)
    champions.refresh()
    assert versions(champions) == {model.name: ("1", "candidate")}
    assert not champions.snapshot.registry_reachable


def test_a_start_without_the_registry_serves_what_was_served_last(
    champions: Champions, model_store: ModelStore, model: PrognosticModel, tmp_path: Path
):
    model_store.register(model)
    champions.refresh()
    shutil.rmtree(model_store.folder)
    anew = Champions(Registry(model_store.uri, tmp_path), poll_seconds=60)
    anew.start(patience_seconds=20)
    assert versions(anew) == {model.name: ("1", "candidate")}
    anew.stop()


def test_it_is_said_since_when_and_when_the_registry_last_answered(
    champions: Champions, model_store: ModelStore, model: PrognosticModel
):
    assert champions.snapshot.answered_at is None
    model_store.register(model)
    before = datetime.now(UTC)
    champions.refresh()
    since = champions.snapshot.models[model.name].since
    answered = champions.snapshot.answered_at
    assert answered is not None
    assert before <= answered <= since <= datetime.now(UTC)
    model_store.register(made_at(model, "2027"), digest="f" * 64)
    champions.refresh()
    refused_since = champions.snapshot.refused[model.name].since
    shutil.rmtree(model_store.folder)
    last = champions.snapshot.answered_at
    champions.refresh()
    now = champions.snapshot
    assert (now.models[model.name].since, now.refused[model.name].since, now.answered_at) == (
        since,
        refused_since,
        last,
    )
    told = models(now)
    assert datetime.fromisoformat(told.served_since[model.name]).utcoffset() == timedelta(0)
    assert (told.registry.reachable, "does not exist" in (told.registry.problem or "")) == (False, True)
    assert health(now).refused_since == {model.name: told.refused[0].since}


def test_a_restart_remembers_when_the_registry_last_answered(
    champions: Champions, model_store: ModelStore, model: PrognosticModel, tmp_path: Path
):
    model_store.register(model)
    champions.refresh()
    first = champions.snapshot.answered_at
    assert first is not None
    shutil.rmtree(model_store.folder)
    anew = Champions(Registry(model_store.uri, tmp_path), poll_seconds=60)
    anew.refresh()
    remembered = anew.snapshot.answered_at
    assert remembered is not None
    assert abs(remembered - first) < timedelta(seconds=1)
    assert not anew.snapshot.registry_reachable


def test_a_registry_that_was_emptied_takes_no_model_away(
    champions: Champions, model_store: ModelStore, model: PrognosticModel, empty_database: Path
):
    model_store.register(model)
    champions.refresh()
    shutil.copy(empty_database, model_store.folder / "mlflow.db")
    champions.refresh()
    assert versions(champions) == {model.name: ("1", "candidate")}
    assert "is empty, though it held models" in (champions.snapshot.away or "")


def test_a_database_that_is_about_to_be_restored_is_left_alone(
    champions: Champions, model_store: ModelStore, model: PrognosticModel
):
    model_store.register(model)
    champions.refresh()
    (model_store.folder / "mlflow.db").write_bytes(b"")
    champions.refresh()
    assert versions(champions) == {model.name: ("1", "candidate")}
    assert (model_store.folder / "mlflow.db").stat().st_size == 0


def test_one_model_that_cannot_be_served_holds_no_other_up(
    champions: Champions, model_store: ModelStore, model: PrognosticModel
):
    for name in ("SIMULATED-A", "SIMULATED-B", "SIMULATED-C"):
        model_store.register(replace(model, cancer_type=name))
    champions.refresh()
    for name in ("SIMULATED-A", "SIMULATED-B", "SIMULATED-C"):
        later = made_at(replace(model, cancer_type=name), "2027")
        model_store.register(later, digest="0" * 64 if name == "SIMULATED-B" else None)
    champions.refresh()
    assert [version for version, _ in versions(champions).values()] == ["2", "1", "2"]
    assert list(champions.snapshot.refused) == ["SIMULATED-B-OS"]


def test_an_alias_that_moves_to_and_fro_ends_where_it_ended(
    champions: Champions, model_store: ModelStore, model: PrognosticModel
):
    model_store.register(model, alias="champion")
    model_store.register(made_at(model, "2027"), alias=None)
    champions.start(patience_seconds=20)
    for turn in range(41):
        model_store.client.set_registered_model_alias(model.name, "champion", "2" if turn % 2 else "1")
    wait_for(lambda: versions(champions) == {model.name: ("1", "champion")})
    model_store.client.set_registered_model_alias(model.name, "champion", "2")
    wait_for(lambda: versions(champions) == {model.name: ("2", "champion")})
    champions.stop()


class Silent:
    """A source that answers once and then hangs."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.asked = 0
        self.released = threading.Event()

    def listing(self) -> Listing:
        self.asked += 1
        if self.asked > 1:
            self.released.wait(60)
        return self.registry.listing()

    def last_listing(self) -> Listing:
        return self.registry.last_listing()

    def proved(self, version: RegisteredVersion) -> None:
        self.registry.proved(version)

    def bundle(self, version: RegisteredVersion) -> Path:
        return self.registry.bundle(version)


def test_a_registry_that_hangs_is_given_up_on_and_found_again(
    model_store: ModelStore, model: PrognosticModel, tmp_path: Path
):
    model_store.register(model)
    source = Silent(Registry(model_store.uri, tmp_path))
    champions = Champions(source, poll_seconds=60, silence_seconds=20)
    champions.refresh()
    champions._source._seconds = 0.2
    for _ in range(3):
        champions.refresh()
        assert "has been silent for more than 0.2 s" in (champions.snapshot.away or "")
        assert versions(champions) == {model.name: ("1", "candidate")}
    assert source.asked == 2
    source.released.set()
    champions._source._seconds = 20
    wait_for(lambda: not champions._source._still_hangs())
    champions.refresh()
    assert champions.snapshot.registry_reachable


def test_a_server_that_takes_connections_and_never_answers_is_away(
    model_store: ModelStore, model: PrognosticModel, tmp_path: Path
):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        registry = Registry(f"http://127.0.0.1:{listening.getsockname()[1]}", tmp_path)
        champions = Champions(registry, poll_seconds=60, silence_seconds=0.5)
        champions.refresh()
        assert "silent" in (champions.snapshot.away or "")


def test_what_is_here_is_served_before_the_registry_is_asked(
    champions: Champions, model_store: ModelStore, model: PrognosticModel, tmp_path: Path
):
    model_store.register(model)
    champions.refresh()
    source = Silent(Registry(model_store.uri, tmp_path))
    source.asked = 1
    anew = Champions(source, poll_seconds=60)
    anew.start(patience_seconds=0)
    assert versions(anew) == {model.name: ("1", "candidate")}
    assert anew.snapshot.away == "the model registry was not asked yet."
    source.released.set()
    anew.stop()


def test_the_thread_follows_the_aliases_and_ends(champions: Champions, model_store: ModelStore, model: PrognosticModel):
    champions.start(patience_seconds=20)
    assert following()
    assert versions(champions) == {}
    model_store.register(model)
    wait_for(lambda: versions(champions) == {model.name: ("1", "candidate")})
    champions.stop()
    assert not following()


def test_what_is_not_there_is_answered_with_what_is(
    champions: Champions, model_store: ModelStore, model: PrognosticModel
):
    with pytest.raises(ProblemError) as nothing:
        champions.snapshot.find("KIRC", "OS", kind="not-scorable")
    assert nothing.value.problem.detail == "no model for cancer type 'KIRC'; available: none."
    model_store.register(model)
    champions.refresh()
    with pytest.raises(ProblemError) as other_type:
        champions.snapshot.find("KIRC", "OS", kind="not-scorable")
    assert other_type.value.problem.detail == "no model for cancer type 'KIRC'; available: SIMULATED-KIRC."
    assert other_type.value.problem.field == "cancer_type"
    with pytest.raises(ProblemError) as other_endpoint:
        champions.snapshot.find("SIMULATED-KIRC", "PFI", kind="no-such-model")
    assert other_endpoint.value.problem.detail == "no model for SIMULATED-KIRC and endpoint PFI; available: OS."
    assert (other_endpoint.value.problem.field, other_endpoint.value.problem.status) == ("endpoint", 404)


class Changing:
    """A source whose bundle gives way to another, whole one between the comparison and the reading."""

    def __init__(self, version: RegisteredVersion, folder: Path, other: Path) -> None:
        self.version, self.folder, self.other = version, folder, other

    def listing(self) -> Listing:
        return Listing((self.version,))

    def last_listing(self) -> Listing:
        return Listing()

    def proved(self, version: RegisteredVersion) -> None:
        raise AssertionError(f"{version.name} was changed while it was read")

    def bundle(self, version: RegisteredVersion) -> Path:
        assert bundle_digest(self.folder) == version.digest
        shutil.rmtree(self.folder)
        shutil.copytree(self.other, self.folder)
        return self.folder


def test_a_bundle_that_changes_before_it_is_read_is_refused(model: PrognosticModel, tmp_path: Path):
    digest = write_bundle(model, tmp_path / "registered")
    write_bundle(made_at(model, "2027"), tmp_path / "other")
    version = RegisteredVersion(model.name, "1", "champion", digest)
    champions = Champions(Changing(version, tmp_path / "registered", tmp_path / "other"), poll_seconds=60)
    champions.refresh()
    assert versions(champions) == {}
    assert "was changed while it was read" in champions.snapshot.refused[model.name].reason


class Overtaken(Registry):
    """A registry whose kept list another worker revises while this one loads its first bundle."""

    newer: RegisteredVersion | None = None

    def bundle(self, version: RegisteredVersion) -> Path:
        folder = super().bundle(version)
        if self.newer is not None:
            self.proved(self.newer)
            self.newer = None
        return folder


def test_a_start_that_was_overtaken_serves_what_the_others_do_and_forgets_nothing_of_it(
    model_store: ModelStore, model: PrognosticModel, tmp_path: Path
):
    # A worker that takes the place of a killed one loads for seconds, in which the alias may have moved.
    registry = Overtaken(model_store.uri, tmp_path)
    worker = Champions(registry, poll_seconds=3600)
    model_store.register(model)
    worker.refresh()
    first = worker.snapshot.models[model.name].registered
    model_store.register(made_at(model, "2027"), alias="champion")
    worker.refresh()
    second = worker.snapshot.models[model.name].registered
    registry.proved(first)
    registry.newer = second
    started = Champions(registry, poll_seconds=3600)
    started.start(patience_seconds=0)
    try:
        assert started.snapshot.models[model.name].registered == second
        assert registry.last_listing().versions == (second,)
    finally:
        started.stop()
