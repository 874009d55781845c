"""The request and the answer that the README shows, beside what a real service says to the same request."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY
from service_process import free_port, running_service, wait_for

from experiments.choices import Choices
from experiments.example_patient import example_request
from experiments.runner import DEFINITIONS
from experiments.trainings import train_and_register
from features.cohort import Cohort
from features.panel import load_panel
from features.readers import read_cohort
from serving.launch import launch
from serving.settings import Settings

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
#: What the README leaves out.
ELLIPSIS = re.compile(r",\s*…")
NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")


def shown(pattern: str) -> dict[str, Any]:
    """Return the JSON that the README shows, without what stands for more of it, its lines joined."""
    found = re.search(pattern, README, flags=re.DOTALL)
    assert found
    read: dict[str, Any] = json.loads(re.sub(r"\s+", " ", ELLIPSIS.sub("", found.group(1))))
    return read


REQUEST, ANSWER = shown(r"-d '(\{.*?\})'\n"), shown(r"\n    (\{\"model\".*?\]\})\n\n")


def whole_request(cohort: Cohort) -> dict[str, Any]:
    """Return the README's request with the panel's other genes at the cohort's medians."""
    example = example_request(cohort, load_panel("ctc_review"))
    (profile,), (usual,) = REQUEST["profiles"], example["profiles"]
    return example | REQUEST | {"profiles": [profile | {"expression": usual["expression"] | profile["expression"]}]}


def short_definition(folder: Path) -> Path:
    """Write KIRC's definition with one repeat and fewer random sets: other figures, the same words."""
    text = (DEFINITIONS / "KIRC-OS.toml").read_text(encoding="utf-8")
    for choice, fewer in {"outer_repeats = 3": "outer_repeats = 1", "n_sets = 100": "n_sets = 20"}.items():
        assert choice in text
        text = text.replace(choice, fewer)
    path = folder / "KIRC-OS.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def answer(real_cohorts: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a service with a model of the whole cohort says to the README's request."""
    home = tmp_path_factory.mktemp("home")
    installation = Settings(home=home, tracking_uri=f"sqlite:///{home / 'mlflow.db'}", cohorts=real_cohorts)
    cohort = read_cohort(real_cohorts / "KIRC", endpoint="OS")
    choices = Choices(endpoint="OS", trials=1, definition=short_definition(home))
    train_and_register(cohort, choices, settings=installation)
    with running_service(launch(port=free_port(), workers=1, installation=installation), home / "service.log") as http:
        wait_for(lambda: http.get("/readyz").status_code == 200)
        response = http.post("/score", json=whole_request(cohort))
    assert response.status_code == 200, response.text[:500]
    answered: dict[str, Any] = response.json()
    return answered


def of_the_genes_shown(answered: dict[str, Any]) -> dict[str, Any]:
    genes = [row["gene"] for row in ANSWER["hazard_ratios"]]
    rows = {row["gene"]: row for row in answered["hazard_ratios"]}
    return answered | {"hazard_ratios": [rows[gene] for gene in genes]}


def without_figures(example: Any, real: Any) -> tuple[Any, Any]:
    """Return both with figures masked, and of the real one only the keys that the example shows."""
    if isinstance(example, dict):
        pairs = {key: without_figures(value, real.get(key)) for key, value in example.items()}
        return {k: v for k, (v, _) in pairs.items()}, {k: v for k, (_, v) in pairs.items()}
    if isinstance(example, list) and isinstance(real, list) and len(example) == len(real):
        items = [without_figures(*each) for each in zip(example, real, strict=True)]
        return [each for each, _ in items], [each for _, each in items]
    return masked(example), masked(real)


def masked(value: Any) -> Any:
    if isinstance(value, str):
        return NUMBER.sub("#", value)
    return "#" if isinstance(value, int | float) and not isinstance(value, bool) else value


def test_the_example_has_the_keys_and_words_of_a_real_answer(answer: dict[str, Any]):
    example, real = without_figures(ANSWER, of_the_genes_shown(answer))
    assert example == real


def test_the_example_is_called_what_the_gate_makes_of_the_model(answer: dict[str, Any]):
    words = ("learner", "alias", "exploratory", "simulated", "version")
    assert [ANSWER["model"][word] for word in words] == [answer["model"][word] for word in words]
    passed = all(clause["verdict"] == "passed" for clause in answer["model"]["gate"])
    assert (ANSWER["model"]["alias"], ANSWER["model"]["exploratory"]) == (
        ("champion", False) if passed else ("candidate", True)
    )


def test_the_hazard_ratios_of_the_example_are_those_of_the_cohort(answer: dict[str, Any]):
    for example, real in zip(ANSWER["hazard_ratios"], of_the_genes_shown(answer)["hazard_ratios"], strict=True):
        figures = {key: value for key, value in example.items() if not isinstance(value, str)}
        assert {"n", "events", "hazard_ratio_per_sd", "published_hazard_ratio"} <= set(figures)
        assert figures == pytest.approx({key: real[key] for key in figures}, abs=0.006)


def test_horizons_are_answered_as_the_request_of_the_example_asks_for_them(answer: dict[str, Any]):
    for result in (*ANSWER["results"], *answer["results"]):
        assert [each["horizon_months"] for each in result["survival"]] == REQUEST["horizons_months"]
