"""Genes with an outlier far beyond the rest: a finite maximum is found, as R finds it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from training.scan.cox_kernel import LARGEST_PREDICTOR
from training.univariate_cox import cox_univariate

ORACLES = Path(__file__).parent / "oracles"


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_hazards_that_span_hundreds_of_powers_of_ten_are_fitted_as_by_r(ties):
    patients = pd.read_csv(ORACLES / "steep.csv")
    expected = pd.DataFrame(json.loads((ORACLES / "steep.json").read_text())["models"][ties])
    values = patients[expected.columns].to_numpy(float)
    found = cox_univariate(values, patients["time"].to_numpy(float), patients["event"].to_numpy() > 0, ties=ties)
    assert set(found.status) == {"converged"}
    assert (np.abs(found.coefficient * values).max(axis=0) > LARGEST_PREDICTOR).all()
    for name in ("coefficient", "standard_error"):
        np.testing.assert_allclose(getattr(found, name), expected.loc[name], rtol=1e-8, err_msg=name)
    for name in ("p_likelihood_ratio", "p_proportional_hazards"):
        assert getattr(found, name)[0] == pytest.approx(expected.loc[name, "protected"], rel=1e-7)


def test_a_gene_without_outliers_is_fitted_alike_by_either_kernel():
    rng = np.random.default_rng(0)
    values, time, event = rng.normal(size=(70, 1)), np.ceil(rng.exponential(9, 70)), rng.random(70) < 0.6
    strata = np.arange(70) % 3
    plain = cox_univariate(values, time, event, strata=strata)
    # One patient alone in a stratum is compared with nobody, and counts for the spread only.
    far = np.append(values, [[1e7], [0.0]], axis=0)
    alone = (np.append(time, [5, 5]), np.append(event, [True, False]))
    steep = cox_univariate(far, *alone, strata=np.append(strata, [3, 4]))
    np.testing.assert_allclose(steep.coefficient, plain.coefficient, rtol=1e-9)
    np.testing.assert_allclose(steep.standard_error, plain.standard_error, rtol=1e-9)
    np.testing.assert_allclose(steep.p_likelihood_ratio, plain.p_likelihood_ratio, rtol=1e-7)


def test_a_ratio_beyond_all_numbers_is_infinite_and_no_warning():
    rng = np.random.default_rng(1)
    gene = rng.normal(size=(50, 1))
    time = rng.exponential(np.exp(-gene[:, 0]))
    found = cox_univariate(gene * 1e-4, time, np.ones(50, bool))
    assert found.hazard_ratio[0] == np.inf
    assert found.status[0] == "converged"
