"""The figures of an external validation against R, on the patients of oracles/external.csv."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.normal_scores import NormalScoreReference
from training.breslow import BaselineHazard
from training.case_mix import model_based_concordance
from training.external_figures import Predictions, external_judge, external_metrics
from training.input_shift import LARGE, MODERATE, chance_index, gene_shift
from training.kaplan_meier import kaplan_meier
from training.recalibration import hazard_shift

ORACLES = Path(__file__).parent / "oracles"
NUMBERS = json.loads((ORACLES / "external.json").read_text())
PATIENTS = pd.read_csv(ORACLES / "external.csv")
REFERENCE, NEW = (PATIENTS[PATIENTS["set"] == name] for name in ("reference", "new"))
#: A step a day: whole days are what patients are followed for.
BASELINE = BaselineHazard(np.arange(1.0, 3000.0), NUMBERS["daily_hazard"] * np.arange(1.0, 3000.0))


def outcome(patients: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return patients["time"].to_numpy(np.float64), patients["event"].to_numpy() > 0


@pytest.fixture(scope="module")
def model(small_training):
    """A model whose frozen curve is the reference patients', and whose horizons are the oracle's."""
    return replace(
        small_training.model,
        kaplan_meier=kaplan_meier(*outcome(REFERENCE)),
        horizons_months=tuple(map(float, NUMBERS["horizons_months"])),
        horizon_months_max=float(NUMBERS["last_month"]),
    )


@pytest.fixture(scope="module")
def judge(model):
    return external_judge(model, *outcome(NEW), n_samples=50, seed=1)


@pytest.fixture(params=["right", "wrong"])
def predictor(request) -> str:
    return request.param


@pytest.fixture
def linear_predictor(predictor) -> np.ndarray:
    return NEW[predictor].to_numpy(np.float64)


def test_horizon_is_the_last_day_with_ten_patients_at_risk_before_the_models_own(judge):
    assert judge.horizon_days == NUMBERS["horizon_days"]
    assert judge.horizons_months == (12.0, 36.0)


def test_figures_are_those_of_survival_and_risk_regression(model, judge, predictor, linear_predictor):
    found = external_metrics(model, judge, Predictions.of(BASELINE, linear_predictor, judge))
    oracle = NUMBERS[predictor]
    ours = {
        "harrell": "concordance_harrell",
        "uno": "concordance_uno",
        "slope": "calibration_slope",
        "brier_ratio_to_reference": "integrated_brier_ratio_to_reference",
        "brier_ratio_to_own": "integrated_brier_ratio_to_own",
    }
    for name, metric in ours.items():
        assert found[metric].value == pytest.approx(oracle[name], rel=1e-8), name
    for months, expected in zip(judge.horizons_months, oracle["log_observed_expected"], strict=True):
        assert found[f"log_observed_expected_{months:g}m"].value == pytest.approx(expected, rel=1e-9)


def test_a_predictor_that_points_the_wrong_way_keeps_its_concordance_below_one_half(model, judge):
    found = external_metrics(model, judge, Predictions.of(BASELINE, NEW["wrong"].to_numpy(np.float64), judge))
    assert found["concordance_harrell"].upper < 0.5
    assert found["royston_sauerbrei_d"].value < 0
    assert found["calibration_slope"].value < 0


def test_hazard_shift_is_the_intercept_of_a_poisson_regression(judge, predictor, linear_predictor):
    oracle, once = NUMBERS[predictor], np.ones((2, len(NEW)))
    shifts = hazard_shift(BASELINE, linear_predictor, judge, once, np.array([1.0, oracle["slope"]]))
    np.testing.assert_allclose(shifts, [oracle["shift"], oracle["shift_with_slope"]], rtol=1e-9)


def test_model_based_concordance_is_gonen_and_hellers(predictor, linear_predictor):
    assert model_based_concordance(linear_predictor) == pytest.approx(
        NUMBERS[predictor]["model_based_concordance"], rel=1e-12
    )


def test_shift_of_a_gene_is_rs_from_the_frozen_curve_alone():
    oracle = NUMBERS["gene"]
    curve = NormalScoreReference.fit(REFERENCE["gene"].to_numpy(np.float64))
    shift = gene_shift("CD44", curve, NEW["gene"].to_numpy(np.float64), n_reference=len(REFERENCE), level=0.05)
    assert shift.psi == pytest.approx(oracle["psi"], rel=1e-12)
    assert shift.psi_chance == pytest.approx(oracle["by_chance"], rel=1e-12)
    assert shift.ks == pytest.approx(oracle["ks"], rel=1e-12)
    # R takes Kolmogorov's limit, SciPy the law for the effective number of patients: as small, not the same.
    assert np.log10(shift.ks_p) == pytest.approx(np.log10(oracle["ks_p"]), abs=1)
    assert shift.reading == "large"


def test_chance_index_falls_as_cohorts_grow():
    assert chance_index(10, 80, 80, level=0.05) > LARGE
    assert chance_index(10, 2000, 2000, level=0.05) < MODERATE
