"""AUC, calibration, separation and net benefit against R, on the patients of oracles/judging.csv."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from training.brier import censoring_distribution
from training.calibration import calibration_slope, d_calibration, integrated_calibration, log_observed_expected
from training.concordance import concordance
from training.counted_survival import survival_at
from training.decision_curve import decision_curve
from training.discrimination import explained_variation, royston_sauerbrei_d
from training.time_dependent_auc import auc_pairs

ORACLES = Path(__file__).parent / "oracles"
NUMBERS = json.loads((ORACLES / "judging.json").read_text())
DAY = float(NUMBERS["day"])


@pytest.fixture(params=["tie_free", "ties"])
def version(request) -> str:
    return request.param


@pytest.fixture(params=["fine", "coarse"])
def predictor(request) -> str:
    return request.param


@pytest.fixture
def oracle(version, predictor) -> dict:
    return NUMBERS[version][predictor]


@pytest.fixture
def patients(version, predictor) -> pd.DataFrame:
    table = pd.read_csv(ORACLES / "judging.csv")
    return pd.DataFrame(
        {
            "linear_predictor": table[predictor].astype(float),
            "survival": table[f"survival_{predictor}"],
            "own": table[f"own_{predictor}"],
            "time": table[version].astype(float),
            "event": table["event"] > 0,
            "count": table["count"].astype(float),
        }
    )


def column(patients: pd.DataFrame, name: str) -> np.ndarray:
    return patients[name].to_numpy()


def outcome_and_counts(patients: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The cohort itself and its bootstrap sample, as two samples."""
    counts = np.stack([np.ones(len(patients)), column(patients, "count")])
    return column(patients, "time"), column(patients, "event"), counts


def expected(oracle: dict, *path: str) -> list:
    values = []
    for sample in ("cohort", "sample"):
        value = oracle[sample]
        for key in path:
            value = value[key]
        values.append(value)
    return values


def test_the_auc_equals_riskregressions(patients, oracle):
    linear_predictor, (time, event, _) = column(patients, "linear_predictor"), outcome_and_counts(patients)
    censoring = censoring_distribution(time, event)
    for day, auc in zip(map(float, NUMBERS["auc_days"]), oracle["auc"], strict=True):
        pairs = auc_pairs(
            linear_predictor,
            time,
            event,
            day=day,
            censoring_before=censoring.before(time),
            censoring_at=float(censoring.at(np.array(day))),
        )
        assert concordance(pairs) == pytest.approx(auc, rel=1e-10)


def test_survival_of_counted_patients_equals_survfits(patients, oracle):
    survival = survival_at(*outcome_and_counts(patients), day=DAY)
    np.testing.assert_allclose(survival, expected(oracle, "survival"), rtol=1e-12)


def test_the_calibration_slope_equals_coxphs_with_weights(patients, oracle):
    slope = calibration_slope(column(patients, "linear_predictor")[None], *outcome_and_counts(patients))
    np.testing.assert_allclose(slope, expected(oracle, "slope"), rtol=1e-10)


def test_log_observed_to_expected_equals_rs(patients, oracle):
    ratio = log_observed_expected(column(patients, "survival")[None], *outcome_and_counts(patients), day=DAY)
    np.testing.assert_allclose(ratio, expected(oracle, "log_observed_expected"), rtol=1e-10)


@pytest.mark.parametrize("figure", ["ici", "e50", "e90"])
def test_the_smoothed_calibration_error_equals_that_of_coxph_on_the_spline(patients, oracle, figure):
    error = integrated_calibration(column(patients, "survival")[None], *outcome_and_counts(patients), day=DAY)
    np.testing.assert_allclose(getattr(error, figure), expected(oracle, "smoothed_error", figure), rtol=1e-8)


@pytest.mark.parametrize("figure", ["bins", "statistic", "p_value"])
def test_d_calibration_equals_rs(patients, oracle, figure):
    _, event, counts = outcome_and_counts(patients)
    result = d_calibration(column(patients, "own")[None], event, counts)
    np.testing.assert_allclose(getattr(result, figure), expected(oracle, "d_calibration", figure), rtol=1e-9)


def test_the_separation_equals_coxphs_on_normal_scores(patients, oracle):
    d = royston_sauerbrei_d(column(patients, "linear_predictor")[None], *outcome_and_counts(patients))
    np.testing.assert_allclose(d, expected(oracle, "separation"), rtol=1e-9)


@pytest.mark.parametrize("version", ["tie_free"])
def test_without_tied_events_the_separation_equals_rs_royston(patients, oracle):
    d = royston_sauerbrei_d(column(patients, "linear_predictor")[None], *outcome_and_counts(patients))
    assert d[0] == pytest.approx(oracle["royston"]["D"], rel=1e-8)
    assert explained_variation(d)[0] == pytest.approx(oracle["royston"]["R.D"], rel=1e-8)


@pytest.mark.parametrize("version", ["ties"])
def test_with_tied_events_rs_royston_is_efrons_and_a_little_larger(patients, oracle):
    d = royston_sauerbrei_d(column(patients, "linear_predictor")[None], *outcome_and_counts(patients))
    assert 1.0 < oracle["royston"]["D"] / d[0] < 1.05


@pytest.mark.parametrize(("policy", "key"), [("model", "net_benefit"), ("treat_all", "treat_all")])
def test_net_benefit_equals_that_of_survfit_by_hand(patients, oracle, policy, key):
    thresholds = np.array(NUMBERS["thresholds"], dtype=float)
    curve = decision_curve(
        column(patients, "survival")[None], *outcome_and_counts(patients), day=DAY, thresholds=thresholds
    )
    np.testing.assert_allclose(getattr(curve, policy), expected(oracle, key), rtol=1e-10, atol=1e-14)
