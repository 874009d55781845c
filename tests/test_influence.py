"""The influence of single patients: against models fitted without them."""

from __future__ import annotations

import numpy as np

from training.influence import influence
from training.unpenalised_cox import fit_unpenalised_cox

NAMES = ("linear_predictor", "age")


def patients(n: int = 150, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    time = np.ceil(rng.exponential(30 * np.exp(-X @ [0.8, 0.3])))
    censored = np.ceil(rng.exponential(60, size=n))
    return X, np.minimum(time, censored), time <= censored


def test_dfbeta_is_nearly_what_leaving_each_patient_out_does():
    X, time, event = patients()
    found = influence(X, time, event, NAMES)
    whole = fit_unpenalised_cox(X, time, event, NAMES).coefficients
    kept = [np.arange(len(X)) != i for i in range(len(X))]
    exact = np.array([whole - fit_unpenalised_cox(X[k], time[k], event[k], NAMES).coefficients for k in kept])
    for j in range(2):
        assert np.corrcoef(found.dfbeta[:, j], exact[:, j])[0, 1] > 0.97
        assert np.polyfit(found.dfbeta[:, j], exact[:, j], 1)[0] > 0.9


def test_residuals_add_up_to_nothing_and_early_losses_owe_nothing():
    X, time, event = patients(seed=2)
    early = time < time[event].min()
    time[:3], event[:3] = time[event].min() / 2, False
    found = influence(X, time, event, NAMES)
    np.testing.assert_allclose(found.dfbeta.sum(axis=0), 0, atol=1e-9)
    assert (found.dfbeta[:3] == 0).all()
    assert (found.dfbeta[early] == 0).all()
    assert (found.likelihood_displacement >= 0).all()


def test_the_patient_who_contradicts_the_model_is_named_first_by_position():
    X, time, event = patients(seed=3)
    # By far the highest predictor, and outlives everybody.
    X[77, 0], time[77], event[77] = 6.0, time.max() + 100, False
    largest = influence(X, time, event, NAMES).largest(3)
    assert largest["position"][0] == 77
    assert largest["covariate"][0] == "linear_predictor"
    assert largest["dfbetas"][0] < -1
    assert list(largest["likelihood_displacement"]) == sorted(largest["likelihood_displacement"], reverse=True)


def test_a_singular_design_has_a_reason_and_no_figures():
    X, time, event = patients()
    X[:, 1] = X[:, 0]
    found = influence(X, time, event, NAMES)
    assert found.reason.startswith("not assessable: ")
    assert np.isnan(found.dfbeta).all()
    assert found.largest().empty
