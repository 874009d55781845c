"""The interface against its description, under requests that nobody thought of: a real server and schemathesis."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from exported_model import export
from service_process import free_port, running_service

from serving.launch import launch
from serving.settings import Settings
from serving.tokens import add_token
from training.synthetic_profile import synthetic_profile

if TYPE_CHECKING:
    from training.model import PrognosticModel
    from training.results import TrainingResult

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
SEED = "20230315"


@pytest.fixture(scope="module")
def model(small_training: TrainingResult) -> PrognosticModel:
    return small_training.model


@pytest.fixture(scope="module")
def server(model: PrognosticModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service with tokens, so that their refusals are tried too."""
    home = tmp_path_factory.mktemp("contract")
    secret = add_token(home / "tokens", "stranger")
    installation = Settings(home=home, tracking_uri="", cohorts=home, tokens_file=home / "tokens")
    start = launch(port=free_port(), workers=1, bundles=export(model, home), installation=installation)
    no_limits = {"PROGNOSIS_RATE_PER_MINUTE": "off", "PROGNOSIS_PROFILES_PER_MINUTE": "off"}
    with running_service(start, home / "log", **no_limits) as http:
        http.headers["Authorization"] = f"Bearer {secret}"
        yield http


def asked_at_random(server: httpx.Client, location: str, folder: Path, *options: str) -> str:
    """Run schemathesis, fail if it found anything, and return what it printed."""
    program = Path(sys.executable).with_name("schemathesis")
    stable = ("--seed", SEED, "--generation-database", "none", "--no-color", "--report-dir", str(folder))
    header = ("--header", f"Authorization: {server.headers['Authorization']}")
    command = [program, "--config-file", CONFIGURATION, "run", location, *header, *stable, *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


def test_random_requests_meet_no_fault_and_no_answer_that_is_not_described(server: httpx.Client, tmp_path: Path):
    address = str(server.base_url.join("/docs.json"))
    printed = asked_at_random(server, address, tmp_path, "--checks", "all", "--max-examples", "10")
    operations = sum(len(item) for item in server.get("/docs.json").json()["paths"].values())
    assert f"Operations:       {operations} selected / {operations} total" in printed


def with_sound_values(document: dict[str, Any], model: PrognosticModel) -> dict[str, Any]:
    """Narrow what is asked to what the model can answer, so that random requests get as far as its figures."""
    near, _ = synthetic_profile(model)
    parts = document["components"]["schemas"]
    asked, profile = parts["ScoreRequest"]["properties"], parts["ProfileRequest"]["properties"]
    asked["cancer_type"]["enum"], asked["endpoint"]["enum"] = [model.cancer_type], [model.endpoint]
    asked["scale"]["enum"] = [model.scale]
    asked["zscore_reference"] = {"type": "null"}
    asked["reference"] = {"type": "null"}
    months = {"type": "number", "minimum": 1, "maximum": model.horizon_months_max}
    asked["horizons_months"] = {"type": "array", "items": months, "minItems": 1, "maxItems": 5}
    asked["profiles"]["maxItems"] = 3
    profile["expression"] = {
        "type": "object",
        "properties": {gene: {"type": "number", "minimum": x - 0.3, "maximum": x + 0.3} for gene, x in near.items()},
        "required": [*near],
        "additionalProperties": False,
    }
    profile["clinical"] = {
        "type": ["object", "null"],
        "properties": {
            "age": {"type": "number", "minimum": 18, "maximum": 100},
            "sex": {"enum": ["female", "male", None]},
            "stage": {"enum": ["I", "II", "Stage IIIA", "IV", "X", None]},
        },
        "additionalProperties": False,
    }
    return document


def test_random_patients_who_can_be_scored_are_answered_as_described(
    server: httpx.Client, model: PrognosticModel, tmp_path: Path
):
    narrowed = tmp_path / "narrowed.json"
    narrowed.write_text(json.dumps(with_sound_values(server.get("/docs.json").json(), model)))
    before = scored(server, model)
    asked_at_random(
        server,
        str(narrowed),
        tmp_path,
        *("--url", str(server.base_url), "--mode", "positive", "--phases", "fuzzing", "--max-examples", "100"),
        *("--include-operation-id", "score"),
    )
    assert scored(server, model) - before > 50


def scored(server: httpx.Client, model: PrognosticModel) -> float:
    """Return how many profiles the service says that it scored."""
    name = f'prognosis_profiles_total{{model="{model.name}",outcome="scored"}} '
    lines = server.get("/metrics").text.splitlines()
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))
