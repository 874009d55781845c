"""Proportional-hazards tests and influence against R, on the patients of oracles/metrics.csv."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from training.influence import influence
from training.proportional_hazards import proportional_hazards
from training.unpenalised_cox import fit_unpenalised_cox

ORACLES = Path(__file__).parent / "oracles"


@pytest.fixture(params=["tie_free", "ties"])
def version(request) -> str:
    return request.param


@pytest.fixture(params=["one", "several"])
def oracle(version, request) -> dict:
    return json.loads((ORACLES / "diagnostics.json").read_text())[version][request.param]


@pytest.fixture
def arrays(version, oracle) -> tuple:
    patients = pd.read_csv(ORACLES / "metrics.csv")
    names = oracle["covariates"]
    return patients[names].to_numpy(), patients[version].to_numpy(float), patients["event"].to_numpy() > 0, names


def test_coefficients_and_their_covariance_equal_rs(arrays, oracle):
    fitted = fit_unpenalised_cox(*arrays)
    np.testing.assert_allclose(fitted.coefficients, oracle["coefficients"], rtol=1e-9)
    np.testing.assert_allclose(fitted.covariance, oracle["covariance"], rtol=1e-9)


def test_the_proportional_hazards_test_equals_rs_cox_zph(arrays, oracle):
    tested = proportional_hazards(*arrays)
    assert list(tested.names) == oracle["tests"]
    np.testing.assert_array_equal(tested.degrees_of_freedom, oracle["degrees_of_freedom"])
    np.testing.assert_allclose(tested.chi_square, oracle["chi_square"], rtol=1e-8)
    np.testing.assert_allclose(tested.p_value, oracle["p_value"], rtol=1e-8)
    assert not tested.reason


def test_the_influence_of_each_patient_equals_rs_residuals(arrays, oracle):
    found = influence(*arrays)
    np.testing.assert_allclose(found.dfbeta, oracle["dfbeta"], rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(found.dfbetas, oracle["dfbetas"], rtol=1e-8, atol=1e-12)
    displacement = oracle["likelihood_displacement"]
    np.testing.assert_allclose(found.likelihood_displacement, displacement, rtol=1e-8, atol=1e-12)
