"""Patients whom no model saw: trained on 70 % of a real cohort, the other 30 % scored over HTTP by a real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from service_process import free_port, running_service, wait_for

from experiments.choices import Choices
from experiments.runner import DEFINITIONS
from experiments.trainings import train_and_register
from features.cohort import Cohort
from features.readers import read_cohort
from serving.launch import launch
from serving.settings import Settings
from training.concordance import concordance, concordance_within_folds, harrell_pairs
from training.resampling import bootstrap_counts, stratified_folds

#: Which patients are held back; never changed, whatever it shows.
SEED, HELD_BACK = 0, 0.3
TRIALS = 5
CANCER_TYPES = ("KIRC", "LGG", "UVM")
#: What the model must reach on patients whom it never saw.
FLOOR = 0.6


@dataclass(frozen=True)
class HeldBack:
    """The patients of one cohort whom its model never saw, and the service's answers about them."""

    cohort: Cohort
    answer: dict[str, Any]

    @property
    def linear_predictor(self) -> np.ndarray:
        return np.array([result["linear_predictor"] for result in self.answer["results"]])


def split(cohort: Cohort) -> tuple[Cohort, Cohort]:
    """Return the patients to train on and those to hold back, stratified by event and time."""
    tenths = stratified_folds(cohort.time, cohort.event, 10, np.random.default_rng(SEED))
    held_back = tenths < 10 * HELD_BACK
    return cohort.subset(np.flatnonzero(~held_back)), cohort.subset(np.flatnonzero(held_back))


def profiles(cohort: Cohort) -> list[dict[str, Any]]:
    """Return what a clinic would send: what is known of each patient, and nothing of the outcome."""
    return [
        {
            "id": str(patient),
            "expression": cohort.expression.loc[patient].dropna().to_dict(),
            "clinical": {k: cohort.clinical.at[patient, k] for k in known(cohort, patient)},
        }
        for patient in cohort.patients
    ]


def known(cohort: Cohort, patient: object) -> list[str]:
    covariates = cohort.clinical.loc[patient, ["age", "sex", "stage", "grade"]]
    return list(covariates[covariates.notna()].index)


def ask(http: httpx.Client, cohort: Cohort) -> dict[str, Any]:
    asked = {"cancer_type": cohort.cancer_type, "endpoint": "OS", "scale": cohort.scale}
    if cohort.zscore_reference:
        asked["zscore_reference"] = cohort.zscore_reference
    response = http.post("/score", json=asked | {"profiles": profiles(cohort)})
    assert response.status_code == 200, response.text[:500]
    answer: dict[str, Any] = response.json()
    return answer


def shorter(cancer_type: str, folder: Path) -> Choices:
    """Return the choices of a training by the cancer type's definition, with one repeat and fewer random sets."""
    text = (DEFINITIONS / f"{cancer_type}-OS.toml").read_text(encoding="utf-8")
    for choice, fewer in {"outer_repeats = 3": "outer_repeats = 1", "n_sets = 100": "n_sets = 20"}.items():
        assert choice in text
        text = text.replace(choice, fewer)
    path = folder / f"{cancer_type}.toml"
    path.write_text(text, encoding="utf-8")
    return Choices(endpoint="OS", trials=TRIALS, definition=path)


@pytest.fixture(scope="module")
def held_back(real_cohorts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, HeldBack]]:
    home = tmp_path_factory.mktemp("home")
    installation = Settings(home=home, tracking_uri=f"sqlite:///{home / 'mlflow.db'}", cohorts=real_cohorts)
    unseen: dict[str, Cohort] = {}
    for cancer_type in CANCER_TYPES:
        training, unseen[cancer_type] = split(read_cohort(real_cohorts / cancer_type, endpoint="OS"))
        train_and_register(training, shorter(cancer_type, home), settings=installation)
    with running_service(launch(port=free_port(), workers=1, installation=installation), home / "service.log") as http:
        wait_for(lambda: http.get("/readyz").status_code == 200)
        yield {cancer_type: HeldBack(cohort, ask(http, cohort)) for cancer_type, cohort in unseen.items()}


def require_discrimination(cohort: Cohort, linear_predictor: np.ndarray) -> str:
    """Fail unless the patients with the higher linear predictor are those who died earlier; return the figure."""
    pairs = harrell_pairs(linear_predictor, cohort.time, cohort.event)
    counts = bootstrap_counts(len(cohort.time), 1000, np.random.default_rng(SEED))
    samples = concordance_within_folds([[pairs]], np.zeros((1, len(cohort.time)), dtype=np.int64), counts)
    lower, upper = np.nanquantile(samples, [0.025, 0.975])
    reached = concordance(pairs)
    events = f"{len(cohort.time)} patients never seen, {cohort.n_events} events"
    assert reached > FLOOR
    return f"{cohort}: concordance {reached:.3f} ({lower:.3f} to {upper:.3f}) on {events}"


@pytest.mark.parametrize("cancer_type", ["KIRC", "LGG"])
def test_the_model_ranks_patients_it_never_saw(
    held_back: dict[str, HeldBack], cancer_type: str, record_property: Callable[[str, object], None]
):
    unseen = held_back[cancer_type]
    # Whether it is a champion is the gate's to say; who is asked is told.
    block = unseen.answer["model"]
    passed = all(clause["verdict"] == "passed" for clause in block["gate"])
    assert (block["alias"], block["exploratory"]) == (("champion", False) if passed else ("candidate", True))
    warned = [any("gate not passed" in warning for warning in each["warnings"]) for each in unseen.answer["results"]]
    assert warned == [not passed] * len(warned)
    record_property("figure", require_discrimination(unseen.cohort, unseen.linear_predictor))


@pytest.mark.parametrize("cancer_type", ["KIRC", "LGG"])
def test_with_the_sign_of_the_linear_predictor_flipped_the_same_test_fails(
    held_back: dict[str, HeldBack], cancer_type: str
):
    unseen = held_back[cancer_type]
    with pytest.raises(AssertionError):
        require_discrimination(unseen.cohort, -unseen.linear_predictor)


@pytest.mark.parametrize("cancer_type", CANCER_TYPES)
def test_every_held_back_patient_gets_a_whole_answer(held_back: dict[str, HeldBack], cancer_type: str):
    unseen = held_back[cancer_type]
    results = unseen.answer["results"]
    assert [result["id"] for result in results] == list(unseen.cohort.patients)
    for result in results:
        probabilities = [each["probability"] for each in result["survival"]]
        assert probabilities == sorted(probabilities, reverse=True)
        assert all(0 <= p <= 1 for p in probabilities)
        assert 0 <= result["risk_percentile"] <= 100
        assert result["risk_group"] in ("low", "intermediate", "high")
    assert {row["gene"] for row in unseen.answer["hazard_ratios"]} >= {"CD44", "ICAM1", "IL6R"}
    assert unseen.answer["model"]["simulated"] is False


def test_mean_predicted_survival_of_unseen_patients_is_near_what_was_observed(
    held_back: dict[str, HeldBack], record_property: Callable[[str, object], None]
):
    from training.kaplan_meier import kaplan_meier  # noqa: PLC0415

    for cancer_type in ("KIRC", "LGG"):
        unseen = held_back[cancer_type]
        predicted = np.mean([result["survival"][1]["probability"] for result in unseen.answer["results"]])
        curve = kaplan_meier(unseen.cohort.time, unseen.cohort.event)
        day = np.searchsorted(curve.days, 36 * 365.2425 / 12) - 1
        figure = f"{cancer_type}: mean predicted S(36 months) {predicted:.3f}, observed {curve.survival[day]:.3f}"
        record_property("figure", figure)
        assert curve.lower[day] < predicted < curve.upper[day]
