"""Which models answer, and how that changes."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from serving.champions import Champions
from serving.problems import ProblemError
from serving.registry import Registry

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
    model_store.register(made_at(model, "2027"), alias="champion")
    champions.refresh()
    assert versions(champions) == {model.name: ("2", "champion")}
    assert taken.models[model.name].registered.version == "1"
    assert not champions.snapshot.models[model.name].rendered.block.exploratory
    assert taken.models[model.name].rendered.block.exploratory


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
