"""Genes beside clinical covariates and along a curve: against R, and by what the words mean."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from training.scan.adjusted_cox import cox_adjusted, p_nonlinearity
from training.scan.cox_kernel import LANES
from training.univariate import standardised_normal_scores
from training.univariate_cox import cox_univariate

ORACLES = Path(__file__).parent / "oracles"


@pytest.fixture(scope="module")
def patients() -> pd.DataFrame:
    return pd.read_csv(ORACLES / "univariate.csv")


@pytest.fixture(scope="module")
def oracle() -> dict:
    return json.loads((ORACLES / "adjusted.json").read_text())


def made_up(patients):
    """Return the covariates and strata that the R script makes from the rows' numbers."""
    row = np.arange(len(patients))
    age = np.where(row % 11 == 10, np.nan, 50.0 + (7 * row) % 31)
    return np.column_stack([age, row % 5 < 2]), row % 3


def test_equal_to_coxph_with_ties_strata_and_missing_values(patients, oracle):
    expected = pd.DataFrame(oracle["adjusted"]).T
    scores = standardised_normal_scores(patients[list(expected.index)].to_numpy(float))
    # The R script scores each gene on all of its patients, before those without age are left out.
    others, strata = made_up(patients)
    fitted = cox_adjusted(
        scores, others, patients["time"].to_numpy(float), patients["event"].to_numpy() > 0, strata=strata
    )
    assert set(fitted.status) == {"converged"}
    for name in expected.columns:
        np.testing.assert_allclose(getattr(fitted, name), expected[name].astype(float), rtol=1e-8, err_msg=name)


def test_the_test_of_a_curve_is_equal_to_rms_and_coxph(patients, oracle):
    expected = pd.Series(oracle["p_nonlinearity"])
    scores = standardised_normal_scores(patients[list(expected.index)].to_numpy(float))
    found = p_nonlinearity(scores, patients["time"].to_numpy(float), patients["event"].to_numpy() > 0)
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_a_gene_that_only_stands_for_age_loses_its_hazard_ratio_beside_age():
    rng = np.random.default_rng(0)
    age = rng.normal(size=2000)
    gene = age + rng.normal(size=2000)
    time = rng.exponential(1 / np.exp(age))
    alone = cox_univariate(gene[:, None], time, np.ones(2000, bool))
    beside = cox_adjusted(gene[:, None], age[:, None], time, np.ones(2000, bool))
    assert alone.coefficient[0] > 0.3
    assert abs(beside.coefficient[0]) < 3 * beside.standard_error[0] < 0.1


def test_others_that_say_nothing_new_are_left_out():
    rng = np.random.default_rng(1)
    gene, age, time = rng.normal(size=(80, 3)), rng.normal(size=80), rng.exponential(size=80)
    event = rng.random(80) < 0.6
    plain = cox_adjusted(gene, age[:, None], time, event)
    repeated = cox_adjusted(gene, np.column_stack([age, 2 * age + 1, np.ones(80)]), time, event)
    np.testing.assert_allclose(repeated.coefficient, plain.coefficient, rtol=1e-9)
    nothing = cox_adjusted(gene, np.ones((80, 1)), time, event)
    univariate = cox_univariate(gene, time, event)
    np.testing.assert_allclose(nothing.coefficient, univariate.coefficient, rtol=1e-9)
    assert not np.allclose(plain.coefficient, univariate.coefficient, rtol=1e-3)


def test_genes_without_a_finite_estimate_say_why():
    rng = np.random.default_rng(2)
    age, time, event = rng.normal(size=60), np.arange(1.0, 61), rng.random(60) < 0.5
    genes = np.column_stack([np.full(60, 3.0), 2 * age, -time, rng.normal(size=60), np.full(60, np.nan)])
    fitted = cox_adjusted(genes, age[:, None], time, event)
    assert list(fitted.status) == ["constant", "constant", "separated", "converged", "no events"]
    assert np.isnan(fitted.coefficient[[0, 1, 2, 4]]).all()
    assert np.isnan(fitted.p_likelihood_ratio[[0, 1, 2, 4]]).all()


def test_a_valley_of_risk_is_seen_as_a_curve_and_a_slope_is_not():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(1500, 2))
    valley = rng.exponential(1 / np.exp(0.5 * values[:, 0] ** 2))
    slope = rng.exponential(1 / np.exp(0.5 * values[:, 1]))
    everyone = np.ones(1500, bool)
    assert p_nonlinearity(values[:, :1], valley, everyone)[0] < 1e-6
    assert p_nonlinearity(values[:, 1:], slope, everyone)[0] > 0.01


def test_straight_hazards_call_a_curve_in_one_gene_of_twenty():
    rng = np.random.default_rng(4)
    values, time = rng.normal(size=(200, 1000)), rng.exponential(size=200)
    share = (p_nonlinearity(values, time, rng.random(200) < 0.6) < 0.05).mean()
    assert share == pytest.approx(0.05, abs=0.025)


def test_a_gene_of_few_values_has_no_curve():
    rng = np.random.default_rng(5)
    values = (rng.random((100, 1)) < 0.5).astype(float)
    assert np.isnan(p_nonlinearity(values, rng.exponential(size=100), np.ones(100, bool))[0])


def test_patients_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match="same number of patients"):
        cox_adjusted(np.ones((3, 1)), np.ones((2, 1)), np.ones(3), np.ones(3, bool))


def test_copies_of_a_gene_are_equal_however_many_there_are():
    rng = np.random.default_rng(6)
    gene, age, time, event = rng.normal(size=(60, 1)), rng.normal(size=(60, 1)), np.arange(1.0, 61), np.arange(60) % 2
    copies = np.repeat(gene, 2 * LANES + 3, axis=1)
    for fitted in (cox_adjusted(copies, age, time, event > 0), cox_univariate(copies, time, event > 0)):
        assert set(fitted.status) == {"converged"}
        assert len(np.unique(fitted.coefficient)) == len(np.unique(fitted.standard_error)) == 1


def test_a_covariate_that_runs_away_is_told_from_a_gene_that_does():
    rng = np.random.default_rng(7)
    time, event = np.arange(1.0, 61), np.arange(60) % 3 > 0
    stage = np.where(event, 1.0, rng.integers(0, 2, 60))
    fitted = cox_adjusted(rng.normal(size=(60, 2)), stage[:, None], time, event)
    assert set(fitted.status) == {"another covariate separates"}
    assert np.isnan(fitted.coefficient).all()
    own = cox_adjusted(np.column_stack([stage, rng.normal(size=60)]), rng.normal(size=(60, 1)), time, event)
    assert list(own.status) == ["separated", "converged"]
