"""The diagnostics of a training: what they warn of, and what their tables hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.cohort import DAYS_PER_MONTH
from training.diagnostics import Diagnostics, diagnose
from training.selection_stability import SelectionStability, selection_stability

HORIZONS = np.array([12, 36, 60]) * DAYS_PER_MONTH


def patients(n: int = 500, *, seed: int = 0, late_effect: float = 1.0, last_day: float = 4000) -> dict:
    """Hazards exp(predictor) until day 700, exp(late_effect × predictor) after it; age acts throughout."""
    rng = np.random.default_rng(seed)
    predictor, age = rng.normal(size=(2, n))
    early = rng.exponential(1500 / np.exp(predictor + 0.4 * age))
    late = 700 + rng.exponential(1500 / np.exp(late_effect * predictor + 0.4 * age))
    time, censored = np.where(early < 700, early, late), rng.uniform(last_day / 2, last_day, size=n)
    return {
        "time": np.ceil(np.minimum(time, censored)),
        "event": time <= censored,
        "linear_predictor": predictor,
        "clinical": pd.DataFrame({"age": age}, index=[f"patient-{i}" for i in range(n)]),
        "n_parameters": 12,
        "horizons_days": HORIZONS,
        "cancer_type": "KIRC",
        "endpoint": "OS",
    }


def stability(frequency: float, n_samples: int = 50) -> SelectionStability:
    coin = np.random.default_rng(1)
    return selection_stability(lambda sample: coin.random(8) < frequency, 30, n_samples, np.random.default_rng(2))


def warned(found: Diagnostics, words: str) -> bool:
    return any(words in warning for warning in found.warnings)


def test_a_sound_training_has_no_warnings():
    found = diagnose(**patients())
    assert found.warnings == ()
    assert found.tables()["diagnostic_warnings"].empty


def test_an_effect_that_fades_is_warned_of_by_name():
    found = diagnose(**patients(late_effect=-0.5))
    assert warned(found, "the score test finds departures from proportional hazards: linear_predictor (p < 0.001)")


def test_a_follow_up_shorter_than_the_horizon_is_warned_of_in_months():
    found = diagnose(**patients(last_day=1200))
    assert warned(found, "is shorter than the horizon of 36, 60 months")
    assert warned(found, "at 60 months only 0 patients are at risk")


def test_too_many_parameters_are_warned_of():
    found = diagnose(**patients() | {"n_parameters": 80})
    assert warned(found, "for 80 parameters")


def test_a_patient_who_carries_a_coefficient_is_warned_of():
    cohort = patients(n=100, seed=4)
    cohort["linear_predictor"][13], cohort["time"][13], cohort["event"][13] = 6.0, 5000.0, False
    found = diagnose(**cohort)
    assert warned(found, "single patients move coefficients by more than 0.5 standard errors: linear_predictor")
    assert found.tables()["influence"]["position"][0] == 13


def test_an_unsound_endpoint_is_warned_of_and_a_simulated_cohort_is_not():
    assert warned(diagnose(**patients() | {"cancer_type": "BRCA"}), "OS of TCGA's BRCA is to be used with caution")
    simulated = diagnose(**patients() | {"cancer_type": "SIMULATED-BRCA"})
    assert simulated.endpoint_advice is None
    assert "endpoint_advice" not in simulated.tables()


def test_a_selection_by_chance_is_warned_of_and_a_steady_one_is_not():
    covariates = [f"G{k}" for k in range(8)]
    chance = diagnose(**patients(), stability=stability(0.5), covariates=covariates)
    assert warned(chance, "stability of the selection over 50 samples")
    assert set(chance.tables()["selection_stability"]["covariate"]) == set(covariates)
    assert not diagnose(**patients(), stability=stability(1.0), covariates=covariates).warnings


def test_a_design_that_cannot_be_fitted_is_said_and_leaves_the_rest_standing():
    cohort = patients()
    cohort["clinical"]["again"] = cohort["clinical"]["age"]
    found = diagnose(**cohort)
    assert warned(found, "proportional hazards: not assessable")
    assert "largest_dfbetas" not in found.metrics()
    assert found.tables()["follow_up"]["at_risk"].gt(0).all()


def test_without_clinical_covariates_the_prediction_stands_alone():
    cohort = patients()
    found = diagnose(**cohort | {"clinical": cohort["clinical"][[]]})
    assert list(found.tables()["proportional_hazards"]["covariate"]) == ["linear_predictor", "GLOBAL"]


def test_tables_and_metrics_name_no_patient():
    found = diagnose(**patients(), stability=stability(0.5), covariates=[f"G{k}" for k in range(8)])
    assert not any("patient-" in table.to_csv() for table in found.tables().values())
    assert found.metrics()["events_per_parameter"] == pytest.approx(found.events_per_parameter.n_events / 12)
    assert set(found.metrics()) == {
        "proportional_hazards_p_value",
        "events_per_parameter",
        "median_follow_up_months",
        "largest_dfbetas",
        "selection_stability",
    }
