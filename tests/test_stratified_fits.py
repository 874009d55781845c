"""Fits stratified by cohort: R's coefficients, baselines and concordance, xgboost's own trees for one cohort."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sksurv.metrics import concordance_index_censored

from features.panel import load_panel
from features.transform import Covariate
from training.boosted import fit_boosted
from training.breslow import breslow, breslow_within, survival_within
from training.learners import LearnerSetting
from training.partial_likelihood import likelihood_of
from training.penalised_cox import FitError, fit_penalised_cox
from training.procedure import calibration_slope
from training.random_signatures import concordant_pairs
from training.ridge_path import ridge_path, sorted_patients
from training.stratified_gradients import StratifiedGradients

ORACLES = Path(__file__).parent / "oracles"
NUMBERS = json.loads((ORACLES / "stratified.json").read_text())
PATIENTS = pd.read_csv(ORACLES / "pooling.csv")
NAMES = PATIENTS["type"].to_numpy(str)
STRATA = np.unique(NAMES, return_inverse=True)[1].astype(np.int64)
X = PATIENTS[["g1", "g2", "g3"]].to_numpy(float)
EVENT = PATIENTS["event"].to_numpy() > 0
PREDICTOR = 0.5 * X[:, 0] - 0.25 * X[:, 1]
TREES = {
    "objective": "cox",
    "rounds": 40,
    "learning_rate": 0.1,
    "max_depth": 2,
    "min_child_weight": 2.0,
    "subsample": 0.8,
    "colsample_bytree": 0.8,
    "reg_lambda": 2.0,
}
both_versions = pytest.mark.parametrize("version", ["tie_free", "ties"])


def time_of(version: str) -> np.ndarray:
    return PATIENTS[version].to_numpy(float)


@both_versions
@pytest.mark.parametrize(("strength", "penalty"), [("weak", 0.05), ("strong", 0.5)])
def test_the_ridge_coefficients_equal_coxphs_with_strata(version, strength, penalty):
    penalties = np.full(3, penalty)
    fitted = fit_penalised_cox(X, time_of(version), EVENT, penalty=penalties, l1_ratio=0.0, strata=STRATA)
    np.testing.assert_allclose(fitted.coefficients, NUMBERS[version]["ridge"][strength], rtol=1e-8)


@both_versions
@pytest.mark.parametrize(("strength", "penalty"), [("weak", 0.05), ("strong", 0.5)])
def test_the_nulls_ridge_path_has_them_too(version, strength, penalty):
    path = ridge_path(X - X.mean(axis=0), time_of(version), EVENT, np.full((1, 3), penalty), strata=STRATA)
    np.testing.assert_allclose(path[0], NUMBERS[version]["ridge"][strength], rtol=1e-5, atol=1e-7)


@both_versions
def test_slope_and_baselines_of_each_cohort_equal_coxphs_with_strata(version):
    oracle, time = NUMBERS[version], time_of(version)
    slope = calibration_slope(PREDICTOR, time, EVENT, STRATA)
    assert slope == pytest.approx(oracle["slope"], rel=1e-9)
    baselines = breslow_within(slope * PREDICTOR, time, EVENT, NAMES)
    assert list(baselines) == ["A", "B", "C"]
    for name, steps in oracle["baselines"].items():
        np.testing.assert_allclose(baselines[name].at(np.array(steps["days"])), steps["hazard"], rtol=1e-9)


@both_versions
def test_concordance_within_cohorts_equals_rs_with_strata(version):
    concordant, comparable = concordant_pairs(PREDICTOR[None], time_of(version), EVENT, STRATA)
    assert concordant[0] / comparable == pytest.approx(NUMBERS[version]["concordance"], rel=1e-12)


def test_concordance_of_one_cohort_equals_scikit_survivals():
    time = time_of("tie_free")
    concordant, comparable = concordant_pairs(PREDICTOR[None], time, EVENT, np.zeros(len(time), dtype=np.int64))
    assert concordant[0] / comparable == pytest.approx(concordance_index_censored(EVENT, time, PREDICTOR)[0])


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
def test_one_stratum_is_the_unstratified_fit(l1_ratio):
    asked = {"penalty": np.array([0.02, 0.05, 0.05]), "l1_ratio": l1_ratio}
    time, one = time_of("ties"), np.zeros(len(EVENT), dtype=np.int64)
    alone = fit_penalised_cox(X, time, EVENT, **asked)
    stratified = fit_penalised_cox(X, time, EVENT, **asked, strata=one)
    # Coxnet stops where its steps are small, the other where the optimum is.
    np.testing.assert_allclose(stratified.coefficients, alone.coefficients, atol=2e-5 if l1_ratio else 0)


@pytest.mark.parametrize("l1_ratio", [0.3, 1.0])
@pytest.mark.parametrize("factor", [0.03, 0.08])
def test_the_stratified_elastic_net_stands_where_no_direction_improves(l1_ratio, factor):
    rng = np.random.default_rng(5)
    wide = np.column_stack([X, rng.standard_normal((len(X), 30))])
    penalty = np.r_[0.002, np.full(wide.shape[1] - 1, factor)]
    time, centred = time_of("ties"), wide - wide.mean(axis=0)
    beta = fit_penalised_cox(wide, time, EVENT, penalty=penalty, l1_ratio=l1_ratio, strata=STRATA).coefficients
    gradient = likelihood_of(centred, time, EVENT, STRATA).derivatives(beta)[0] / len(time)
    slope = gradient - (1 - l1_ratio) * penalty * beta
    inside = beta != 0
    assert 0 < inside.sum() < len(beta)
    np.testing.assert_allclose(slope[inside], (l1_ratio * penalty * np.sign(beta))[inside], atol=1e-9)
    assert (np.abs(slope[~inside]) <= (l1_ratio * penalty)[~inside] + 1e-9).all()


def test_a_shift_of_one_cohorts_follow_up_or_covariates_changes_no_coefficient():
    time = time_of("ties")
    asked = {"penalty": np.full(3, 0.05), "l1_ratio": 0.5}
    moved = X + np.array([0.0, 3.0, -2.0])[STRATA][:, None]
    slower = time * np.array([1.0, 10.0, 0.1])[STRATA]
    before = fit_penalised_cox(X, time, EVENT, **asked, strata=STRATA).coefficients
    after = fit_penalised_cox(moved, slower, EVENT, **asked, strata=STRATA).coefficients
    np.testing.assert_allclose(after, before, atol=1e-7)
    unstratified = fit_penalised_cox(moved, slower, EVENT, **asked).coefficients
    assert np.abs(unstratified - before).max() > 0.1


def test_trees_of_one_cohort_are_xgboosts_own():
    time, one = time_of("tie_free"), np.zeros(len(EVENT), dtype=np.int64)
    # Its own gradients count of tied events those that are sorted first: without ties both are the same.
    distinct = np.argsort(np.argsort(time)) + 1.0
    own = fit_boosted(X, distinct, EVENT, parameters=TREES, seed=3)
    stratified = fit_boosted(X, distinct, EVENT, parameters=TREES, seed=3, strata=one)
    assert np.ptp(own.linear_predictor(X)) > 1
    np.testing.assert_allclose(stratified.linear_predictor(X), own.linear_predictor(X), atol=1e-5)


@both_versions
def test_gradients_are_the_derivatives_of_the_stratified_likelihood(version):
    time = time_of(version)
    gradients = StratifiedGradients.of(time, EVENT, STRATA)
    # Each patient's own margin is the coefficient of an indicator.
    likelihood = likelihood_of(np.eye(len(time)), time, EVENT, STRATA)
    first, information = likelihood.derivatives(PREDICTOR)
    gradient, hessian = gradients(PREDICTOR)
    np.testing.assert_allclose(gradient, -first, atol=1e-12)
    np.testing.assert_allclose(hessian, np.diag(information), atol=1e-12)


def test_trees_of_two_cohorts_do_not_learn_which_cohort_fares_worse():
    rng = np.random.default_rng(2)
    strata = np.repeat([0, 1], 150)
    covariates = np.column_stack([strata + 0.0, rng.standard_normal(300)])
    time = np.ceil(rng.exponential(np.where(strata == 1, 100.0, 2000.0)))
    event = np.ones(300, dtype=bool)
    stratified = fit_boosted(covariates, time, event, parameters=TREES, seed=1, strata=strata)
    pooled = fit_boosted(covariates, time, event, parameters=TREES, seed=1)
    apart = [
        np.diff([f.linear_predictor(covariates)[strata == k].mean() for k in (0, 1)])[0] for f in (stratified, pooled)
    ]
    assert abs(apart[0]) < 0.2
    assert apart[1] > 1.0


def test_accelerated_failure_times_of_several_cohorts_are_refused():
    with pytest.raises(FitError, match="choose the objective cox"):
        fit_boosted(X, time_of("ties"), EVENT, parameters={**TREES, "objective": "aft"}, seed=1, strata=STRATA)


def test_everyone_survives_by_the_baseline_of_the_own_cohort():
    time, days = time_of("ties"), np.array([300.0, 900.0])
    baselines = breslow_within(PREDICTOR, time, EVENT, NAMES)
    survival = survival_within(baselines, PREDICTOR, days, NAMES)
    for name in "ABC":
        m = name == NAMES
        alone = breslow(PREDICTOR[m], time[m], EVENT[m]).survival(PREDICTOR[m], days)
        np.testing.assert_array_equal(survival[m], alone)


def test_risk_sets_of_sorted_patients_are_kept_within_cohorts():
    patients = sorted_patients(time_of("ties"), EVENT, STRATA)
    value, hazard, at_risk = patients.log_likelihood(PREDICTOR[patients.order])
    expected = likelihood_of(X, time_of("ties"), EVENT, STRATA).value(np.array([0.5, -0.25, 0.0]))
    assert value == pytest.approx(expected, rel=1e-12)
    residual = patients.event - hazard * patients.cumulative_hazard(at_risk)
    for stratum in np.split(residual, np.flatnonzero(np.diff(STRATA[patients.order])) + 1):
        assert stratum.sum() == pytest.approx(0.0, abs=1e-9)


def test_the_best_single_gene_is_the_one_that_matters_within_cohorts():
    rng = np.random.default_rng(8)
    strata = np.repeat([0, 1], 200)
    gene = rng.standard_normal(400)
    # What tells the cohorts apart tells nothing within them.
    batch = strata + 0.01 * rng.standard_normal(400)
    time = np.ceil(rng.exponential(np.where(strata == 1, 100.0, 5000.0)) * np.exp(-0.5 * gene)) + 1

    setting = LearnerSetting("best_single_gene", "genes_only", load_panel("ctc_core"))
    asked = {"covariates": (Covariate("CD44", "gene", ("CD44",)), Covariate("CXCR4", "gene", ("CXCR4",)))}
    asked |= {"parameters": {}, "seed": 0}
    covariates, event = np.column_stack([batch, gene]), np.ones(400, dtype=bool)
    assert setting.fit(covariates, time, event, **asked, strata=strata).columns.tolist() == [1]
    assert setting.fit(covariates, time, event, **asked).columns.tolist() == [0]
