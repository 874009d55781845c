"""What the service reads of MLflow, and what it keeps of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from serving.bundle_cache import RegisteredVersion, RegistryAwayError
from serving.registry import Registry
from training.bundle import BundleError, bundle_digest, read_bundle

if TYPE_CHECKING:
    from conftest import ModelStore

    from training.model import PrognosticModel
    from training.results import TrainingResult


@pytest.fixture(scope="module")
def model(small_training: TrainingResult) -> PrognosticModel:
    return small_training.model


def renamed(model: PrognosticModel, cancer_type: str) -> PrognosticModel:
    return replace(model, cancer_type=cancer_type)


def test_a_registry_that_does_not_exist_yet_is_away_and_is_not_created(tmp_path: Path):
    registry = Registry(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "cache")
    with pytest.raises(RegistryAwayError, match="does not exist yet"):
        registry.listing()
    assert not (tmp_path / "mlflow.db").exists()
    assert registry.last_listing().versions == ()


def test_a_file_that_is_no_database_is_a_registry_that_is_away(tmp_path: Path):
    (tmp_path / "mlflow.db").write_text("no database at all, but long enough to be read as one" * 50)
    with pytest.raises(RegistryAwayError, match="does not answer"):
        Registry(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "cache").listing()


def test_a_champion_goes_before_a_candidate_and_a_version_without_alias_is_not_served(
    model_store: ModelStore, model: PrognosticModel, tmp_path: Path
):
    model_store.register(renamed(model, "SIMULATED-AAA"), alias="champion")
    model_store.register(renamed(model, "SIMULATED-AAA"), alias="candidate")
    model_store.register(renamed(model, "SIMULATED-BBB"), alias="candidate")
    model_store.register(renamed(model, "SIMULATED-CCC"), alias=None)
    model_store.client.create_registered_model("SIMULATED-DDD-OS")
    found = Registry(model_store.uri, tmp_path).listing().versions
    assert [(version.name, version.version, version.alias) for version in found] == [
        ("SIMULATED-AAA-OS", "1", "champion"),
        ("SIMULATED-BBB-OS", "1", "candidate"),
    ]


def test_a_registered_model_of_someone_else_is_passed_over(model_store: ModelStore, tmp_path: Path):
    client = model_store.client
    client.create_registered_model("churn")
    client.create_model_version("churn", (tmp_path / "elsewhere").as_uri())
    client.set_registered_model_alias("churn", "champion", "1")
    assert Registry(model_store.uri, tmp_path).listing().versions == ()


def test_the_fetched_bundle_is_the_one_that_was_written(
    model_store: ModelStore, model: PrognosticModel, tmp_path: Path
):
    model_store.register(model)
    registry = Registry(model_store.uri, tmp_path)
    (version,) = registry.listing().versions
    folder = registry.bundle(version)
    assert folder.is_relative_to(tmp_path)
    assert bundle_digest(folder) == version.digest
    assert read_bundle(folder).name == model.name


def test_what_was_fetched_and_listed_once_outlives_the_registry(
    model_store: ModelStore, model: PrognosticModel, tmp_path: Path
):
    model_store.register(model)
    first = Registry(model_store.uri, tmp_path)
    versions = first.listing().versions
    first.bundle(versions[0])
    shutil.rmtree(model_store.folder)
    later = Registry(model_store.uri, tmp_path)
    with pytest.raises(RegistryAwayError):
        later.listing()
    assert later.last_listing().versions == versions
    assert bundle_digest(later.bundle(versions[0])) == versions[0].digest


def test_a_bundle_that_is_not_here_cannot_be_had_while_the_registry_is_away(
    model_store: ModelStore, model: PrognosticModel, tmp_path: Path
):
    model_store.register(model)
    registry = Registry(model_store.uri, tmp_path)
    (version,) = registry.listing().versions
    shutil.rmtree(model_store.folder / "artifacts")
    with pytest.raises(RegistryAwayError, match=rf"{model.name} version 1: its bundle cannot be fetched"):
        registry.bundle(version)


def test_a_bundle_other_than_the_registered_one_is_refused(
    model_store: ModelStore, model: PrognosticModel, tmp_path: Path
):
    model_store.register(model, digest="f" * 64)
    registry = Registry(model_store.uri, tmp_path)
    with pytest.raises(BundleError, match="but ffffffffffffffff… was registered"):
        registry.bundle(registry.listing().versions[0])


def test_a_damaged_bundle_is_refused_and_leaves_nothing_behind(
    model_store: ModelStore, model: PrognosticModel, tmp_path: Path
):
    model_store.register(model)
    for path in model_store.bundle_files():
        path.write_bytes(path.read_bytes()[:-7])
    registry = Registry(model_store.uri, tmp_path)
    with pytest.raises(BundleError):
        registry.bundle(registry.listing().versions[0])
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith((".scratch", "1-"))]


def test_a_damaged_copy_is_fetched_anew(model_store: ModelStore, model: PrognosticModel, tmp_path: Path):
    model_store.register(model)
    registry = Registry(model_store.uri, tmp_path)
    (version,) = registry.listing().versions
    damaged = registry.bundle(version) / "model.json"
    damaged.write_text("{}")
    assert bundle_digest(registry.bundle(version)) == version.digest
    assert json.loads(damaged.read_text())


def test_a_version_number_that_starts_anew_is_not_mistaken_for_the_old_one(
    model_store: ModelStore, model: PrognosticModel, tmp_path: Path
):
    registry = Registry(model_store.uri, tmp_path)
    model_store.register(model)
    (before,) = registry.listing().versions
    model_store.client.delete_registered_model(model.name)
    model_store.register(replace(model, provenance={**model.provenance, "created": "2027-01-01T00:00:00+00:00"}))
    (after,) = registry.listing().versions
    assert (before.version, after.version) == ("1", "1")
    assert before.digest != after.digest
    assert read_bundle(registry.bundle(after)).provenance["created"].startswith("2027")


def test_two_registries_do_not_share_what_they_keep(tmp_path: Path):
    here, there = (Registry(f"sqlite:///{tmp_path}/{name}.db", tmp_path / "cache") for name in ("here", "there"))
    here._cache.keep((RegisteredVersion("A-OS", "1", "champion", "0" * 64),))
    assert here.last_listing().versions
    assert there.last_listing().versions == ()
