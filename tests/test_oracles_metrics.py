"""Concordance, baseline, Brier scores and penalised Cox models against R, on the patients of oracles/metrics.csv."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from training.breslow import BaselineHazard, breslow
from training.brier import brier_contributions, censoring_distribution, integrated
from training.concordance import concordance, harrell_pairs, uno_pairs
from training.penalised_cox import fit_penalised_cox
from training.univariate_cox import cox_univariate

ORACLES = Path(__file__).parent / "oracles"
COVARIATES = ["x1", "x2", "x3", "x4"]


@pytest.fixture(params=["tie_free", "ties"])
def version(request) -> str:
    return request.param


@pytest.fixture
def oracle(version) -> dict:
    return json.loads((ORACLES / "metrics.json").read_text())[version]


@pytest.fixture
def patients(version) -> pd.DataFrame:
    table = pd.read_csv(ORACLES / "metrics.csv")
    return table.assign(time=table[version].astype(float), event=table["event"] > 0)


def arrays(patients: pd.DataFrame, part: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    chosen = patients[patients["set"] == part]
    return tuple(chosen[name].to_numpy() for name in ("linear_predictor", "time", "event"))


def baseline(patients: pd.DataFrame) -> BaselineHazard:
    return breslow(*arrays(patients, "train"))


@pytest.mark.parametrize("part", ["train", "test"])
def test_harrells_concordance_equals_rs(patients, oracle, part):
    pairs = harrell_pairs(*arrays(patients, part))
    assert concordance(pairs) == pytest.approx(oracle["concordance"][part]["harrell"], rel=1e-12)


@pytest.mark.parametrize("part", ["train", "test"])
def test_unos_concordance_equals_rs(patients, oracle, part):
    linear_predictor, time, event = arrays(patients, part)
    censoring = censoring_distribution(time, event).before(time)
    tau = oracle["concordance"]["tau_days"]
    pairs = uno_pairs(linear_predictor, time, event, censoring=censoring, horizon_days=tau)
    assert concordance(pairs) == pytest.approx(oracle["concordance"][part]["uno"], rel=1e-10)


def test_the_concordance_of_the_flipped_predictor_is_the_rest_to_one(patients, oracle):
    linear_predictor, time, event = arrays(patients, "test")
    flipped = concordance(harrell_pairs(-linear_predictor, time, event))
    assert flipped == pytest.approx(1 - oracle["concordance"]["test"]["harrell"], rel=1e-12)


def test_the_breslow_baseline_equals_rs(patients, oracle):
    estimated = baseline(patients)
    expected = oracle["breslow"]
    np.testing.assert_array_equal(estimated.days, expected["days"])
    np.testing.assert_allclose(estimated.cumulative_hazard, expected["cumulative_hazard"], rtol=1e-10)


def test_predicted_survival_equals_rs(patients, oracle):
    linear_predictor, _, _ = arrays(patients, "test")
    days = np.array(oracle["brier"]["horizon_days"], dtype=float)
    survival = baseline(patients).survival(linear_predictor, days)
    np.testing.assert_allclose(survival, oracle["brier"]["survival_at_horizons"], rtol=1e-10)


@pytest.mark.parametrize(("days", "score"), [("horizon_days", "score"), ("grid_days", "grid_score")])
def test_the_brier_score_equals_riskregressions(patients, oracle, days, score):
    linear_predictor, time, event = arrays(patients, "test")
    at = np.array(oracle["brier"][days], dtype=float)
    survival = baseline(patients).survival(linear_predictor, at)
    parts = brier_contributions(survival, time, event, days=at, censoring=censoring_distribution(time, event))
    np.testing.assert_allclose(parts.mean(axis=0), oracle["brier"][score], rtol=1e-10)


def test_the_integrated_brier_score_equals_rs(oracle):
    grid = np.array(oracle["brier"]["grid_days"], dtype=float)
    scores = np.array(oracle["brier"]["grid_score"])[None, :]
    assert integrated(scores, grid)[0] == pytest.approx(oracle["brier"]["integrated"], rel=1e-12)


def test_the_calibration_slope_equals_coxphs(patients, oracle):
    linear_predictor, time, event = arrays(patients, "test")
    fitted = cox_univariate(linear_predictor[:, None], time, event)
    expected = oracle["calibration_slope"]["efron"]
    assert fitted.coefficient[0] == pytest.approx(expected["slope"], rel=1e-6)
    assert fitted.standard_error[0] == pytest.approx(expected["standard_error"], rel=1e-6)


@pytest.mark.parametrize("case", range(18))
def test_penalised_cox_models_equal_glmnets(patients, oracle, case):
    train = patients[patients["set"] == "train"]
    expected = oracle["penalised_cox"][case]
    fitted = fit_penalised_cox(
        train[COVARIATES].to_numpy(),
        train["time"].to_numpy(),
        train["event"].to_numpy(),
        penalty=np.array(expected["penalty"], dtype=float),
        l1_ratio=expected["l1_ratio"],
    )
    # Ridge is Newton's; Coxnet's coordinate descent stops at its own, coarser tolerance.
    tolerance = 1e-6 if expected["l1_ratio"] == 0 else 1e-3
    np.testing.assert_allclose(fitted.coefficients, expected["coefficients"], rtol=tolerance, atol=tolerance)
