"""A folder of exported models as what is served."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from service_process import free_port, running_service, wait_for

from serving.bundle_cache import RegistryAwayError
from serving.bundle_folder import SERVED, BundleFolder, Exported, read_exported, write_exported
from serving.champions import Champions
from serving.launch import launch
from serving.settings import Settings, SettingsError
from training.bundle import BundleError, bundle_digest, write_bundle

if TYPE_CHECKING:
    from training.model import PrognosticModel
    from training.results import TrainingResult


@pytest.fixture(scope="module")
def model(small_training: TrainingResult) -> PrognosticModel:
    return small_training.model


@pytest.fixture(scope="module")
def bundles(model: PrognosticModel, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two versions of one model."""
    folder = tmp_path_factory.mktemp("bundles")
    write_bundle(model, folder / "1")
    write_bundle(replace(model, provenance={**model.provenance, "created": "2027"}), folder / "2")
    return folder / "1", folder / "2"


def put(bundle: Path, folder: Path, name: str, version: str = "1", alias: str | None = "champion") -> Path:
    digest = bundle_digest(bundle)
    exported = Exported(
        name=name,
        version=version,
        alias=alias,
        digest=digest,
        bundle=f"bundle-{digest[:16]}",
        gate="passed",
        exported="2026-01-02T03:04:05+00:00",
    )
    return write_exported(bundle, exported, folder)


def champions_of(folder: Path, cache: Path | None = None) -> Champions:
    return Champions(BundleFolder(folder, cache), poll_seconds=60)


def started(folder: Path, cache: Path) -> Champions:
    """What serves a folder after a restart, once it has looked there."""
    champions = champions_of(folder, cache)
    champions.start(patience_seconds=0)
    champions.stop()
    champions.refresh()
    return champions


def served(champions: Champions) -> dict[str, tuple[str, str]]:
    found = champions.snapshot.models
    return {name: (each.registered.version, each.registered.alias) for name, each in found.items()}


def test_what_was_exported_is_served_with_the_same_digest(
    bundles: tuple[Path, Path], model: PrognosticModel, tmp_path: Path
):
    put(bundles[0], tmp_path, model.name)
    champions = champions_of(tmp_path)
    champions.refresh()
    assert served(champions) == {model.name: ("1", "champion")}
    assert champions.snapshot.models[model.name].rendered.block.bundle_digest == bundle_digest(bundles[0])


def test_a_version_that_bore_no_alias_is_a_candidate(
    bundles: tuple[Path, Path], model: PrognosticModel, tmp_path: Path
):
    put(bundles[0], tmp_path, model.name, alias=None)
    champions = champions_of(tmp_path)
    champions.refresh()
    assert champions.snapshot.models[model.name].rendered.block.exploratory


def test_a_later_export_takes_over_and_a_folder_that_is_gone_is_no_longer_served(
    bundles: tuple[Path, Path], model: PrognosticModel, tmp_path: Path
):
    other = replace(model, cancer_type="SIMULATED-OTHER")
    write_bundle(other, tmp_path / "other")
    folder = tmp_path / "served"
    put(bundles[0], folder, model.name)
    put(tmp_path / "other", folder, other.name)
    champions = champions_of(folder)
    champions.refresh()
    put(bundles[1], folder, model.name, version="2")
    champions.refresh()
    assert served(champions)[model.name] == ("2", "champion")
    shutil.rmtree(folder / other.name)
    champions.refresh()
    assert served(champions) == {model.name: ("2", "champion")}


def test_a_whole_model_can_be_renamed_into_the_folder(
    bundles: tuple[Path, Path], model: PrognosticModel, tmp_path: Path
):
    (tmp_path / "served").mkdir()
    made = put(bundles[0], tmp_path / "elsewhere", model.name)
    champions = champions_of(tmp_path / "served")
    champions.refresh()
    made.rename(tmp_path / "served" / model.name)
    champions.refresh()
    assert served(champions) == {model.name: ("1", "champion")}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "the file: Invalid JSON"),
        ("[]", "the file: Input should be an object"),
        ('{"bundle": "../../etc"}', "name: Field required"),
        ("\x00", "the file: Invalid JSON"),
    ],
)
def test_what_cannot_be_read_is_refused_and_the_old_one_stays(
    text: str, reason: str, bundles: tuple[Path, Path], model: PrognosticModel, tmp_path: Path
):
    made = put(bundles[0], tmp_path, model.name)
    champions = champions_of(tmp_path)
    champions.refresh()
    (made / SERVED).write_text(text)
    champions.refresh()
    assert served(champions) == {model.name: ("1", "champion")}
    assert reason in champions.snapshot.refused[model.name].reason


def test_no_bundle_outside_of_the_folder_can_be_named(
    bundles: tuple[Path, Path], model: PrognosticModel, tmp_path: Path
):
    made = put(bundles[0], tmp_path, model.name)
    told = json.loads((made / SERVED).read_text())
    (made / SERVED).write_text(json.dumps(told | {"bundle": "../other"}))
    with pytest.raises(BundleError, match=rf"{SERVED}: bundle: .*export the model again"):
        read_exported(made)


def test_a_bundle_that_is_copied_piece_by_piece_is_refused_until_it_is_whole(
    bundles: tuple[Path, Path], model: PrognosticModel, tmp_path: Path
):
    folder = tmp_path / "served"
    put(bundles[0], folder, model.name)
    champions = champions_of(folder)
    champions.refresh()
    new = put(bundles[1], tmp_path / "elsewhere", model.name, version="2")
    pieces = sorted(path for path in new.rglob("*") if path.is_file())
    for piece in sorted(pieces, key=lambda path: path.name != SERVED):
        target = folder / model.name / piece.relative_to(new)
        target.parent.mkdir(exist_ok=True, parents=True)
        assert served(champions) == {model.name: ("1", "champion")}
        target.write_bytes(piece.read_bytes()[:100])
        champions.refresh()
        target.write_bytes(piece.read_bytes())
        champions.refresh()
    assert served(champions) == {model.name: ("2", "champion")}
    assert champions.snapshot.refused == {}


def test_a_model_under_the_name_of_another_is_refused(
    bundles: tuple[Path, Path], model: PrognosticModel, tmp_path: Path
):
    put(bundles[0], tmp_path, model.name).rename(tmp_path / "BRCA-OS")
    champions = champions_of(tmp_path)
    champions.refresh()
    assert served(champions) == {}
    assert "the folder must bear the model's name" in champions.snapshot.refused["BRCA-OS"].reason
    put(bundles[0], tmp_path, "LUAD-OS")
    champions.refresh()
    assert f"the bundle is of {model.name}" in champions.snapshot.refused["LUAD-OS"].reason


@pytest.mark.parametrize("how", ["empty", "gone", "a file"])
def test_a_folder_that_is_not_mounted_takes_no_model_away(
    how: str, bundles: tuple[Path, Path], model: PrognosticModel, tmp_path: Path
):
    folder = tmp_path / "served"
    put(bundles[0], folder, model.name)
    champions = champions_of(folder)
    champions.refresh()
    shutil.rmtree(folder)
    if how == "empty":
        folder.mkdir()
    elif how == "a file":
        folder.write_text("")
    with pytest.raises(RegistryAwayError):
        BundleFolder(folder).listing()
    champions.refresh()
    assert served(champions) == {model.name: ("1", "champion")}
    assert "the folder of exported models" in (champions.snapshot.away or "")


@pytest.mark.parametrize("how", ["empty", "gone", "a file"])
def test_a_restart_while_the_folder_is_away_serves_what_was_served_last(
    how: str, bundles: tuple[Path, Path], model: PrognosticModel, tmp_path: Path
):
    folder, cache = tmp_path / "served", tmp_path / "cache"
    put(bundles[0], folder, model.name)
    champions_of(folder, cache).refresh()
    shutil.rmtree(folder)
    if how == "empty":
        folder.mkdir()
    elif how == "a file":
        folder.write_text("")
    for _ in range(2):
        after = started(folder, cache)
        assert served(after) == {model.name: ("1", "champion")}
        assert "the folder of exported models" in (after.snapshot.away or "")
        assert after.snapshot.answered_at is not None


def test_a_restart_with_a_damaged_later_export_serves_the_one_before(
    bundles: tuple[Path, Path], model: PrognosticModel, tmp_path: Path
):
    folder, cache = tmp_path / "served", tmp_path / "cache"
    put(bundles[0], folder, model.name)
    champions_of(folder, cache).refresh()
    made = put(bundles[1], folder, model.name, version="2")
    damaged = made / read_exported(made).bundle / "model.json"
    damaged.write_bytes(damaged.read_bytes()[:-7])
    after = started(folder, cache)
    assert served(after) == {model.name: ("1", "champion")}
    assert after.snapshot.refused[model.name].registered.version == "2"
    (made / SERVED).write_text("{")
    assert served(started(folder, cache)) == {model.name: ("1", "champion")}


def test_what_is_damaged_in_its_place_is_served_from_its_copy(
    bundles: tuple[Path, Path], model: PrognosticModel, tmp_path: Path
):
    folder, cache = tmp_path / "served", tmp_path / "cache"
    made = put(bundles[0], folder, model.name)
    champions_of(folder, cache).refresh()
    (made / read_exported(made).bundle / "model.json").write_text("{}")
    assert served(started(folder, cache)) == {model.name: ("1", "champion")}


def test_two_folders_do_not_share_what_they_keep(bundles: tuple[Path, Path], model: PrognosticModel, tmp_path: Path):
    put(bundles[0], tmp_path / "here", model.name)
    champions_of(tmp_path / "here", tmp_path / "cache").refresh()
    assert served(started(tmp_path / "there", tmp_path / "cache")) == {}


def test_where_no_copy_can_be_kept_the_folder_itself_is_served(
    bundles: tuple[Path, Path], model: PrognosticModel, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    put(bundles[0], tmp_path / "served", model.name)
    (tmp_path / "cache").write_text("a file, where a folder should be")
    champions = champions_of(tmp_path / "served", tmp_path / "cache")
    for _ in range(2):
        champions.refresh()
    assert served(champions) == {model.name: ("1", "champion")}
    assert caplog.text.count("comes from the folder itself, and not without it") == 1


KILLED = """
import os, sys
from pathlib import Path
from training.bundle import bundle_digest
import serving.bundle_folder as bundle_folder
from serving.bundle_folder import Exported, write_exported

steps, bundle, target = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
def trace(frame, event, argument):
    global steps
    if frame.f_code.co_filename.endswith(("bundle_folder.py", "storing.py")) and event == "line":
        steps -= 1
        if not steps:
            os.kill(os.getpid(), 9)
    return trace
digest = bundle_digest(bundle)
exported = Exported(name=sys.argv[4], version="2", alias="champion", digest=digest, bundle=f"bundle-{digest[:16]}",
                    gate="passed", exported="2026")
sys.settrace(trace)
write_exported(bundle, exported, target)
"""


@pytest.mark.parametrize("steps", [5, 25, 45, 60, 75])
def test_an_export_that_is_killed_leaves_the_old_model_or_the_new_one(
    steps: int, bundles: tuple[Path, Path], model: PrognosticModel, tmp_path: Path
):
    put(bundles[0], tmp_path, model.name)
    arguments = [str(steps), str(bundles[1]), str(tmp_path), model.name]
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False, capture_output=True)
    champions = champions_of(tmp_path)
    champions.refresh()
    assert champions.snapshot.refused == {}
    assert served(champions)[model.name][0] in ("1", "2")
    assert done.returncode in (0, -9)
    put(bundles[1], tmp_path, model.name, version="2")
    assert not list(tmp_path.rglob(".scratch-*"))


def test_a_site_without_mlflow_serves_the_folder_and_follows_it(
    bundles: tuple[Path, Path], model: PrognosticModel, tmp_path: Path
):
    folder, without = tmp_path / "served", tmp_path / "without"
    put(bundles[0], folder, model.name)
    # Whoever imports MLflow in any process of this service fails, and is found out.
    (without / "mlflow").mkdir(parents=True)
    (without / "mlflow" / "__init__.py").write_text(
        textwrap.dedent(f"""
        from pathlib import Path
        Path({str(tmp_path / "imported")!r}).touch()
        raise ImportError("this site has no MLflow")
        """)
    )
    start = launch(
        port=free_port(),
        workers=2,
        bundles=folder,
        installation=Settings(home=tmp_path / "home", tracking_uri="sqlite:///none.db", cohorts=tmp_path),
        environment={**os.environ, "PYTHONPATH": str(without)},
    )
    (tmp_path / "home").mkdir()
    with running_service(start, tmp_path / "log", PROGNOSIS_POLL_SECONDS="0.1") as http:
        wait_for(lambda: http.get("/readyz").status_code == 200)
        block = http.get("/models").json()["models"][0]
        assert (block["name"], block["bundle_digest"]) == (model.name, bundle_digest(bundles[0]))
        put(bundles[1], folder, model.name, version="2")
        wait_for(lambda: http.get("/models").json()["models"][0]["bundle_digest"] == bundle_digest(bundles[1]))
    assert not (tmp_path / "imported").exists()


def test_a_folder_that_is_none_is_refused_before_the_start(tmp_path: Path):
    installation = Settings(home=tmp_path, tracking_uri="", cohorts=tmp_path)
    with pytest.raises(SettingsError, match="nowhere: is no folder; name the one that models were exported to"):
        launch(port=free_port(), bundles=tmp_path / "nowhere", installation=installation)


def test_a_folder_that_was_served_before_may_be_away_at_a_start(
    bundles: tuple[Path, Path], model: PrognosticModel, tmp_path: Path
):
    folder, installation = tmp_path / "served", Settings(home=tmp_path, tracking_uri="", cohorts=tmp_path)
    put(bundles[0], folder, model.name)
    champions_of(folder, installation.bundle_cache).refresh()
    shutil.rmtree(folder)
    start = launch(port=free_port(), bundles=folder, installation=installation)
    assert start.environment["PROGNOSIS_BUNDLES"] == str(folder)
