"""A client that was generated from the description, as a site would make one, scores patients of a real service."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from exported_model import export
from service_process import free_port, running_service

from serving.launch import launch
from serving.settings import Settings
from serving.tokens import add_token

if TYPE_CHECKING:
    from training.results import TrainingResult

Part = Callable[[str], Any]


@pytest.fixture(scope="module")
def server(small_training: TrainingResult, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    home = tmp_path_factory.mktemp("client")
    secret = add_token(home / "tokens", "client")
    installation = Settings(home=home, tracking_uri="", cohorts=home, tokens_file=home / "tokens")
    bundles = export(small_training.model, home)
    start = launch(port=free_port(), workers=1, bundles=bundles, installation=installation)
    with running_service(start, home / "log") as http:
        http.headers["Authorization"] = f"Bearer {secret}"
        yield http


@pytest.fixture(scope="module")
def part(server: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    """Return what imports a part of the generated client."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "docs.json").write_bytes(server.get("/docs.json").content)
    # Its formatting afterwards would want ruff on the path; nobody reads this client.
    (folder / "config.json").write_text(json.dumps({"post_hooks": []}))
    program = Path(sys.executable).with_name("openapi-python-client")
    places = ("--path", "docs.json", "--config", "config.json", "--output-path", "prognosis_client", "--meta", "none")
    done = subprocess.run([program, "generate", *places], cwd=folder, capture_output=True, text=True, check=True)
    (folder / "printed").write_text(done.stdout)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield lambda name: importlib.import_module(f"prognosis_client{name}")


@pytest.fixture(scope="module")
def client(server: httpx.Client, part: Part) -> Iterator[Any]:
    secret = server.headers["Authorization"].removeprefix("Bearer ")
    with part("").AuthenticatedClient(base_url=str(server.base_url).rstrip("/"), token=secret) as opened:
        yield opened


def test_every_operation_has_a_function(server: httpx.Client, part: Part):
    paths = server.get("/docs.json").json()["paths"]
    names = {each["operationId"]: each["tags"][0] for item in paths.values() for each in item.values()}
    for name, tag in names.items():
        snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
        assert callable(part(f".api.{tag}.{snake}").sync_detailed)


def test_a_patient_is_scored_with_survival_and_its_interval(
    server: httpx.Client, client: Any, part: Part, small_training: TrainingResult
):
    example = part(".api.cohorts.example").sync(small_training.model.cancer_type, client=client)
    request = part(".models").ScoreRequest.from_dict(example.to_dict())
    answer = part(".api.scores.score").sync(client=client, body=request)
    raw = server.post("/score", json=example.to_dict()).json()
    (result,) = answer.results
    for point, expected in zip(result.survival, raw["results"][0]["survival"], strict=True):
        assert point.lower < point.probability < point.upper
        assert (point.horizon_months, point.probability) == (expected["horizon_months"], expected["probability"])
    assert answer.model.name == small_training.model.name
    assert result.contributions.to_dict() == raw["results"][0]["contributions"]
    assert answer.to_dict() == raw


def test_a_file_is_scored(client: Any, part: Part, server: httpx.Client):
    operation = server.get("/docs.json").json()["paths"]["/score/file"]["post"]
    text = operation["requestBody"]["content"]["text/csv"]["example"]
    query = {each["name"]: each["example"] for each in operation["parameters"] if "example" in each}
    models = part(".models")
    answer = part(".api.scores.score_file").sync(
        client=client,
        body=part(".types").File(payload=text.encode()),
        cancer_type=query["cancer_type"],
        scale=models.ScoreFileScale(query["scale"]),
        format_=models.ScoreFileFormat("csv"),
    )
    lines = [json.loads(line) for line in answer.splitlines()]
    assert lines[-1]["summary"] == {"patients": 1, "scored": 1, "failed": 0}


def test_a_refusal_is_a_problem_and_a_stranger_gets_one(client: Any, part: Part, server: httpx.Client):
    hazard_ratios = part(".api.cohorts.hazard_ratios")
    missing = hazard_ratios.sync("XYZ", client=client)
    assert (missing.status, missing.field) == (404, "cancer_type")
    with part("").Client(base_url=str(server.base_url).rstrip("/")) as stranger:
        assert hazard_ratios.sync("XYZ", client=stranger).status == 401
