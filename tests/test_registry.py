"""What the service reads of MLflow, and what it keeps of it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from serving.bundle_cache import (
    KEPT,
    BundleCache,
    CacheError,
    Listing,
    RegisteredVersion,
    RegistryAwayError,
)
from serving.champions import Champions
from serving.registry import Registry
from training.bundle import BundleError, bundle_digest, read_bundle, write_bundle

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


def test_a_start_while_the_registry_names_a_damaged_version_serves_what_was_served_last(
    model_store: ModelStore, model: PrognosticModel, tmp_path: Path
):
    def started() -> Champions:
        # The registry is asked long after what is here is served: as a worker in the place of one that was killed.
        champions = Champions(Registry(model_store.uri, tmp_path), poll_seconds=60)
        champions.start(patience_seconds=0)
        champions.stop()
        return champions

    model_store.register(model, alias="champion")
    before = Champions(Registry(model_store.uri, tmp_path), poll_seconds=60)
    before.refresh()
    good = set(model_store.bundle_files())
    model_store.register(replace(model, provenance={**model.provenance, "created": "2027"}), alias="champion")
    for path in set(model_store.bundle_files()) - good:
        path.write_bytes(path.read_bytes()[:-7])
    before.refresh()
    assert before.snapshot.models[model.name].registered.version == "1"
    after = started()
    assert after.snapshot.models[model.name].registered.version == "1"
    after.refresh()
    assert after.snapshot.models[model.name].registered.version == "1"
    assert after.snapshot.refused[model.name].registered.version == "2"


def test_a_version_that_was_never_fetched_does_not_push_out_the_last_one_that_was(
    model_store: ModelStore, model: PrognosticModel, tmp_path: Path
):
    model_store.register(model, alias="champion")
    registry = Registry(model_store.uri, tmp_path)
    (first,) = registry.listing().versions
    registry.bundle(first)
    registry.proved(first)
    model_store.register(replace(model, provenance={**model.provenance, "created": "2027"}), alias="champion")
    (second,) = registry.listing().versions
    assert (second.version, registry.last_listing().versions) == ("2", (first,))
    registry.bundle(second)
    registry.proved(second)
    assert registry.last_listing().versions == (second,)


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


@pytest.mark.parametrize("torn", ["", "[", "{}", '["a"]', '[{"name": "A-OS"}]', "null", "\x00\x00", '[{"name": 1}]'])
def test_a_listing_that_was_torn_is_as_none_and_is_written_anew(
    torn: str, model_store: ModelStore, model: PrognosticModel, tmp_path: Path
):
    model_store.register(model)
    registry = Registry(model_store.uri, tmp_path)
    versions = registry.listing().versions
    (path,) = tmp_path.rglob("versions.json")
    path.write_text(torn)
    assert registry.last_listing() == Listing()
    registry.listing()
    assert registry.last_listing().versions == versions


def test_a_listing_of_numbers_in_place_of_texts_is_as_none(tmp_path: Path):
    cache = BundleCache(tmp_path)
    (tmp_path / "versions.json").write_text('[{"name": "A-OS", "version": 1, "alias": "champion", "digest": "0"}]')
    assert cache.last_listing() == Listing()


def test_an_answer_that_cannot_be_kept_counts_all_the_same(
    model_store: ModelStore, model: PrognosticModel, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    model_store.register(model)
    (tmp_path / "cache").write_text("a file, where a folder should be")
    registry = Registry(model_store.uri, tmp_path / "cache")
    for _ in range(3):
        assert [version.name for version in registry.listing().versions] == [model.name]
    assert sum("cannot be kept for a restart" in record.message for record in caplog.records) == 1
    with pytest.raises(CacheError, match=r"cannot be kept on this machine \(Not a directory\); mend the folder"):
        registry.bundle(registry.listing().versions[0])


def test_the_last_few_bundles_of_a_model_are_kept_and_no_more(
    model_store: ModelStore, model: PrognosticModel, tmp_path: Path
):
    registry = Registry(model_store.uri, tmp_path)
    for year in range(KEPT + 3):
        model_store.register(replace(model, provenance={**model.provenance, "created": f"20{27 + year}"}))
        (version,) = registry.listing().versions
        folder = registry.bundle(version)
        registry.proved(version)
        assert bundle_digest(folder) == version.digest
    kept = sorted(path.name.partition("-")[0] for path in folder.parent.iterdir() if not path.name.startswith("."))
    assert kept == ["4", "5", "6", "7"]


def test_a_bundle_that_is_listed_is_never_removed(model_store: ModelStore, model: PrognosticModel, tmp_path: Path):
    model_store.register(model, alias="champion")
    registry = Registry(model_store.uri, tmp_path)
    (champion,) = registry.listing().versions
    folder = registry.bundle(champion)
    os.utime(folder, (0, 0))
    for year in range(KEPT + 1):
        later = replace(model, provenance={**model.provenance, "created": f"20{27 + year}"})
        version = model_store.register(later, alias=None)
        digest = model_store.client.get_model_version(model.name, version).tags["bundle_digest"]
        registry.bundle(RegisteredVersion(model.name, version, "candidate", digest))
    assert bundle_digest(folder) == champion.digest


def test_names_and_numbers_of_a_registry_do_not_lead_out_of_the_cache(
    model_store: ModelStore, model: PrognosticModel, tmp_path: Path
):
    cache = BundleCache(tmp_path / "a" / "cache")
    bundle = tmp_path / "bundle"
    digest = write_bundle(model, bundle)
    for name, version in (("..", "1"), ("../..", "1"), ("A-OS", "../../1"), ("/etc", "."), ("", "")):
        named = RegisteredVersion(name, version, "champion", digest)
        folder = cache.bundle(named, lambda target: Path(shutil.copytree(bundle, target)))
        assert (tmp_path / "a" / "cache") in folder.resolve().parents
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "bundle"]


FETCHING = """
import os, sys, shutil, time
from pathlib import Path
from serving.bundle_cache import BundleCache, RegisteredVersion

bundle, cache, digest, killed, mark = sys.argv[1:]

def fetch(target):
    Path(mark).open("a").write("x")
    for path in sorted(Path(bundle).rglob("*")):
        (target / path.relative_to(bundle)).parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            shutil.copy(path, target / path.relative_to(bundle))
            if killed == "killed":
                os.kill(os.getpid(), 9)
        time.sleep(0.1)
    return target

print(BundleCache(Path(cache)).bundle(RegisteredVersion("A-OS", "1", "champion", digest), fetch))
"""


def fetching(bundle: Path, cache: Path, digest: str, how: str, mark: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", FETCHING, str(bundle), str(cache), digest, how, str(mark)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_worker_that_is_killed_while_it_fetches_leaves_nothing_to_the_next(model: PrognosticModel, tmp_path: Path):
    digest = write_bundle(model, tmp_path / "bundle")
    killed = fetching(tmp_path / "bundle", tmp_path / "cache", digest, "killed", tmp_path / "mark")
    killed.communicate()
    assert killed.returncode == -9
    assert len(list((tmp_path / "cache").rglob(".scratch-*"))) == 1
    version = RegisteredVersion("A-OS", "1", "champion", digest)
    fetch = partial(shutil.copytree, tmp_path / "bundle")
    folder = BundleCache(tmp_path / "cache").bundle(version, lambda target: Path(fetch(target)))
    assert bundle_digest(folder) == digest
    assert not list((tmp_path / "cache").rglob(".scratch-*"))


def test_two_workers_fetch_one_bundle_once(model: PrognosticModel, tmp_path: Path):
    digest = write_bundle(model, tmp_path / "bundle")
    workers = [fetching(tmp_path / "bundle", tmp_path / "cache", digest, "whole", tmp_path / "mark") for _ in range(3)]
    folders = {worker.communicate()[0].strip() for worker in workers}
    assert [worker.returncode for worker in workers] == [0, 0, 0]
    assert {bundle_digest(Path(folder)) for folder in folders} == {digest}
    assert len(folders) == 1
    assert (tmp_path / "mark").read_text() == "x"


def test_an_alias_whose_version_is_gone_holds_no_other_model_up(
    model_store: ModelStore, model: PrognosticModel, tmp_path: Path
):
    model_store.register(renamed(model, "SIMULATED-AAA"), alias="champion")
    model_store.register(renamed(model, "SIMULATED-BBB"), alias="champion")
    with closing(sqlite3.connect(model_store.folder / "mlflow.db")) as database, database:
        database.execute("DELETE FROM model_version_tags WHERE name = 'SIMULATED-AAA-OS'")
        database.execute("DELETE FROM model_versions WHERE name = 'SIMULATED-AAA-OS'")
    found = Registry(model_store.uri, tmp_path).listing().versions
    assert [version.name for version in found] == ["SIMULATED-BBB-OS"]


def test_a_digest_that_is_written_after_the_alias_is_found(
    model_store: ModelStore, model: PrognosticModel, tmp_path: Path
):
    version = model_store.register(model)
    digest = model_store.client.get_model_version(model.name, version).tags["bundle_digest"]
    model_store.client.delete_model_version_tag(model.name, version, "bundle_digest")
    registry = Registry(model_store.uri, tmp_path)
    assert registry.listing().versions == ()
    model_store.client.set_model_version_tag(model.name, version, "bundle_digest", digest)
    assert [version.digest for version in registry.listing().versions] == [digest]
