"""Registered models listed, exported and imported, as a user does it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from experiments import tracking
from experiments.cli import main
from experiments.transfer import Reference, TransferError
from serving import settings as settings_module
from serving.bundle_folder import SERVED, read_exported
from serving.champions import Champions
from serving.registry import Registry
from serving.settings import Settings
from training.bundle import bundle_digest, read_bundle

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import ModelStore

    from training.model import PrognosticModel
    from training.results import TrainingResult


@pytest.fixture(scope="module")
def model(small_training: TrainingResult) -> PrognosticModel:
    return small_training.model


class Site:
    """One installation, with an MLflow of its own."""

    def __init__(self, store: ModelStore) -> None:
        self.store = store
        self.environment = {"PROGNOSIS_HOME": str(store.folder), "MLFLOW_TRACKING_URI": store.uri}
        self.settings = Settings.from_environment(self.environment)

    def __call__(self, *arguments: object) -> Result:
        settings_module.settings.cache_clear()
        return CliRunner().invoke(main, ["models", *map(str, arguments)], env=self.environment)

    def served(self) -> dict[str, tuple[str, str]]:
        champions = Champions(Registry(self.store.uri, self.store.folder / "served"), poll_seconds=60)
        champions.refresh()
        models = champions.snapshot.models
        return {name: (each.registered.alias, each.registered.digest) for name, each in models.items()}


@pytest.fixture
def here(model_store: ModelStore) -> Site:
    return Site(model_store)


@pytest.fixture
def there(new_model_store: Callable[[], ModelStore]) -> Site:
    return Site(new_model_store())


def earned(model: PrognosticModel) -> PrognosticModel:
    gate = tuple((clause, "passed", figure) for clause, _, figure in model.gate)
    return replace(model, champion_earned=True, gate=gate)


def test_a_model_moves_from_one_site_to_another_with_its_digest(
    here: Site, there: Site, model: PrognosticModel, tmp_path: Path
):
    here.store.register(model, alias="champion")
    exported = here("export", model.name, "--to", tmp_path)
    assert exported.exit_code == 0, exported.output
    assert exported.stdout.splitlines() == [str(tmp_path / model.name)]
    told = read_exported(tmp_path / model.name)
    assert (told.name, told.version, told.alias, told.gate) == (model.name, "1", "champion", "failed")
    assert read_bundle(tmp_path / model.name / told.bundle).name == model.name
    imported = there("import", tmp_path)
    assert imported.exit_code == 0, imported.output
    assert there.served() == {model.name: ("candidate", told.digest)}
    (version,) = there.store.client.search_model_versions(f"name = '{model.name}'")
    assert {"imported", "imported.version", "imported.alias"} <= set(version.tags)
    assert (version.tags["imported.version"], version.tags["imported.alias"]) == ("1", "champion")
    assert float(version.tags["concordance_harrell"]) > 0.5
    assert model.name in there("list").stdout
    assert there().stdout == there("list").stdout


def test_a_second_import_registers_nothing_more(here: Site, there: Site, model: PrognosticModel, tmp_path: Path):
    here.store.register(model)
    here("export", model.name, "--to", tmp_path)
    first, second = there("import", tmp_path), there("import", tmp_path / model.name)
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert len(there.store.client.search_model_versions(f"name = '{model.name}'")) == 1


def test_a_champion_must_have_passed_the_gate_here_too(here: Site, there: Site, model: PrognosticModel, tmp_path: Path):
    here.store.register(model, alias="champion")
    here("export", f"{model.name}@champion", "--to", tmp_path / "failed")
    refused = there("import", tmp_path / "failed", "--champion")
    assert (refused.exit_code, len(refused.stderr.splitlines())) == (2, 1)
    assert "its gate failed, so it cannot be champion; import it as candidate" in refused.stderr
    assert there.served() == {}
    here.store.register(earned(model), alias="champion")
    here("export", f"{model.name}:2", "--to", tmp_path / "passed")
    imported = there("import", tmp_path / "passed", "--champion")
    assert imported.exit_code == 0, imported.output
    assert [alias for alias, _ in there.served().values()] == ["champion"]


def test_a_version_is_named_by_alias_or_number(here: Site, model: PrognosticModel, tmp_path: Path):
    here.store.register(model, alias=None)
    here.store.register(earned(model), alias="champion")
    here.store.register(replace(model, provenance={**model.provenance, "created": "2027"}), alias="candidate")
    for reference, version, alias in (
        (model.name, "2", "champion"),
        (f"{model.name}@candidate", "3", "candidate"),
        (f"{model.name}:1", "1", None),
    ):
        assert here("export", reference, "--to", tmp_path).exit_code == 0
        told = read_exported(tmp_path / model.name)
        assert (told.version, told.alias) == (version, alias)


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("KIRC-OS@newest", "names no model; write NAME, NAME@champion, NAME@candidate or NAME:VERSION"),
        ("KIRC-OS", "there is no such model; registered: SIMULATED-KIRC-OS"),
        ("SIMULATED-KIRC-OS:9", "there is no such version; registered: 1; candidate is 1"),
        ("SIMULATED-KIRC-OS@champion", "there is no such version; registered: 1; candidate is 1"),
    ],
)
def test_a_model_that_is_not_there_is_one_sentence(
    reference: str, reason: str, here: Site, model: PrognosticModel, tmp_path: Path
):
    here.store.register(model)
    result = here("export", reference, "--to", tmp_path / "new")
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert reason in result.stderr
    assert not (tmp_path / "new").exists()


def test_references_are_read_and_written_back():
    for text in ("KIRC-OS", "KIRC-OS@champion", "KIRC-OS:12"):
        assert str(Reference.parse(text)) == text
    for text in ("", "@champion", "A'B", "A/B", "A:x", "A@champion:1"):
        with pytest.raises(TransferError):
            Reference.parse(text)


def test_a_damaged_bundle_is_not_imported(here: Site, there: Site, model: PrognosticModel, tmp_path: Path):
    here.store.register(model)
    here("export", model.name, "--to", tmp_path)
    told = read_exported(tmp_path / model.name)
    damaged = tmp_path / model.name / told.bundle / "model.json"
    damaged.write_bytes(damaged.read_bytes().replace(b"0.1", b"0.2", 1))
    result = there("import", tmp_path)
    assert (result.exit_code, "model.json is damaged" in result.stderr) == (2, True)
    assert there.served() == {}


def test_a_bundle_other_than_the_exported_one_is_not_imported(
    here: Site, there: Site, model: PrognosticModel, tmp_path: Path
):
    here.store.register(model)
    here("export", model.name, "--to", tmp_path)
    path = tmp_path / model.name / SERVED
    path.write_text(json.dumps(json.loads(path.read_text()) | {"digest": "0" * 64}))
    result = there("import", tmp_path)
    assert (result.exit_code, "but 0000000000000000… was registered" in result.stderr) == (2, True)


def test_a_folder_without_a_model_and_one_that_cannot_be_written_are_one_sentence(
    here: Site, model: PrognosticModel, tmp_path: Path
):
    result = here("import", tmp_path)
    assert (result.exit_code, f"holds no exported model (no {SERVED})" in result.stderr) == (2, True)
    here.store.register(model)
    (tmp_path / "file").write_text("")
    result = here("export", model.name, "--to", tmp_path / "file" / "below")
    assert result.exit_code == 2
    assert "cannot be written (Not a directory)" in result.stderr


KILLED = """
import os, sys
from experiments import transfer
from experiments.cli import main

def killed(*_, **__):
    os.kill(os.getpid(), 9)
setattr(transfer, sys.argv[1], killed)
main(["models", "import", sys.argv[2]])
"""


@pytest.mark.parametrize("at", ["_new_version", "_tags"])
def test_an_import_that_is_killed_is_taken_up_by_the_next(
    at: str, here: Site, there: Site, model: PrognosticModel, tmp_path: Path
):
    here.store.register(model)
    here("export", model.name, "--to", tmp_path)
    command = [sys.executable, "-c", KILLED, at, str(tmp_path)]
    done = subprocess.run(command, env={**os.environ, **there.environment}, check=False, capture_output=True)
    assert done.returncode == -9
    assert there.served() == {}
    assert there("import", tmp_path).exit_code == 0
    assert list(there.served()) == [model.name]
    client = tracking.client_of(there.settings)
    runs = client.search_runs([client.get_experiment_by_name(model.name).experiment_id])
    assert sorted(run.info.status for run in runs) == (["FINISHED", "KILLED"] if at == "_tags" else ["FINISHED"])


def test_what_came_back_from_another_site_is_the_same_to_the_byte(
    here: Site, there: Site, model: PrognosticModel, tmp_path: Path
):
    here.store.register(model)
    here("export", model.name, "--to", tmp_path / "out")
    there("import", tmp_path / "out")
    there("export", model.name, "--to", tmp_path / "back")
    bundles = [next((tmp_path / way / model.name).glob("bundle-*")) for way in ("out", "back")]
    assert bundle_digest(bundles[0]) == bundle_digest(bundles[1])
    for path in bundles[0].rglob("*.json"):
        assert path.read_bytes() == (bundles[1] / path.relative_to(bundles[0])).read_bytes()
