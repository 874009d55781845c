"""Firth's penalised Cox model: against R's likelihood, by hand, where genes separate the outcome, and its laws."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import chi2

from features.readers import read_cohort
from training.scan.firth import FirthCox, firth_univariate
from training.univariate_cox import cox_univariate

ORACLES = Path(__file__).parent / "oracles"
MODELS = json.loads((ORACLES / "firth.json").read_text())["models"]
SEPARATING = ("rising", "falling", "high")


@pytest.fixture(scope="module")
def patients() -> pd.DataFrame:
    return pd.read_csv(ORACLES / "firth.csv")


def fitted(patients: pd.DataFrame, names: list[str], version: str = "ties", **options) -> FirthCox:
    time = patients[version].to_numpy(np.float64)
    return firth_univariate(patients[names].to_numpy(np.float64), time, patients["event"].to_numpy() > 0, **options)


def simulated(seed: int, n_patients: int = 60, n_genes: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n_patients, n_genes))
    time = np.ceil(rng.exponential(np.exp(-0.5 * values[:, 0])) * 20)
    return values, time, rng.random(n_patients) < 0.4


@pytest.mark.parametrize("model", MODELS, ids=lambda model: "-".join(map(str, list(model.values())[:4])))
def test_coefficient_limits_and_p_value_equal_the_maximum_of_coxphs_penalised_likelihood(patients, model):
    strata = patients["stratum"].to_numpy() if model["stratified"] else None
    found = fitted(patients, [model["covariate"]], model["version"], strata=strata, ties=model["ties"])
    for name in ("coefficient", "lower", "upper", "p_value"):
        assert getattr(found, name)[0] == pytest.approx(model[name], rel=1e-8), name
    assert found.status[0] == "converged"


def test_the_oracles_genes_that_separate_the_outcome_have_no_finite_unpenalised_coefficient(patients):
    event = patients["event"].to_numpy() > 0
    for version in ("tie_free", "ties"):
        values = patients[list(SEPARATING)].to_numpy(np.float64)
        unpenalised = cox_univariate(values, patients[version].to_numpy(np.float64), event)
        assert set(unpenalised.status) == {"separated"}


def test_two_patients_by_hand():
    # One event, of the patient with x = 1; the other, x = 0, is at risk. l = log p, I = p (1 - p), p = e^b / (1 + e^b):
    # the score (1 - p) + (1 - 2 p) / 2 vanishes at p = 3/4, b = log 3.
    found = firth_univariate(np.array([[1.0], [0.0]]), np.array([1.0, 2.0]), np.array([True, False]))

    def penalised(p: float) -> float:
        return 1.5 * np.log(p) + 0.5 * np.log(1 - p)

    threshold = penalised(0.75) - chi2.ppf(0.95, 1) / 2
    ends = [
        brentq(lambda p: penalised(p) - threshold, *around, xtol=1e-15) for around in ((1e-9, 0.75), (0.75, 1 - 1e-9))
    ]
    np.testing.assert_allclose(found.hazard_ratio, [3.0], rtol=1e-12)
    np.testing.assert_allclose([found.lower[0], found.upper[0]], np.log(ends) - np.log1p(-np.array(ends)), rtol=1e-10)
    np.testing.assert_allclose(found.p_value, chi2.sf(2 * (penalised(0.75) - penalised(0.5)), 1), rtol=1e-12)


def test_the_hazard_ratio_of_a_separating_gene_is_finite_and_on_the_side_of_its_separation(patients):
    found = fitted(patients, list(SEPARATING))
    assert np.isfinite([found.hazard_ratio, found.hazard_ratio_lower, found.hazard_ratio_upper]).all()
    np.testing.assert_array_equal(found.coefficient > 0, [True, False, False])


def test_the_correction_vanishes_as_events_accumulate():
    values, time, event = simulated(seed=3, n_patients=5000, n_genes=2)
    corrected, maximum = firth_univariate(values, time, event), cox_univariate(values, time, event)
    np.testing.assert_allclose(corrected.coefficient, maximum.coefficient, atol=2e-3)
    np.testing.assert_allclose(corrected.upper, np.log(maximum.upper), atol=4e-3)


def test_the_correction_takes_the_bias_out_of_small_samples():
    # Samples of 20, about half of them censored: the maximum likelihood exaggerates a log hazard ratio of 1.5.
    rng = np.random.default_rng(5)
    x = rng.normal(size=(20, 1))
    estimates = []
    for _ in range(300):
        death, censored = rng.exponential(np.exp(-1.5 * x[:, 0])), rng.exponential(size=20)
        outcome = np.minimum(death, censored), death <= censored
        estimates.append([fit(x, *outcome).coefficient[0] for fit in (firth_univariate, cox_univariate)])
    estimates = np.array(estimates)
    corrected, maximum = estimates[np.isfinite(estimates).all(axis=1)].mean(axis=0)
    assert corrected == pytest.approx(1.5, abs=0.08)
    assert maximum - corrected > 0.07


def test_a_separating_gene_without_effect_is_rarely_called(patients):
    # A random fifth of the patients against rare events: often none falls into it, and Firth's test keeps its level.
    rng = np.random.default_rng(9)
    time, event = rng.permutation(150).astype(np.float64) + 1, np.zeros(150, dtype=np.bool_)
    event[:8] = True
    values = (rng.random((150, 2000)) < 0.2).astype(np.float64)
    found = firth_univariate(values, time, event)
    assert (cox_univariate(values, time, event).status == "separated").mean() > 0.1
    assert (found.p_value < 0.05).mean() < 0.065


def test_an_outlier_that_separates_does_not_hide_the_highest_maximum():
    # One value of 36,890 makes the standard deviation; the likelihood then varies on a scale of thousands of it.
    values, time, event = simulated(seed=4)
    values[np.argmin(np.where(event, time, np.inf)), 0] = 36_890.0
    found = firth_univariate(values[:, :1], time, event)
    log_likelihood = brute_force(values[:, 0], time, event)
    grid = np.concatenate([-np.geomspace(1e-7, 40, 3000), np.geomspace(1e-7, 40, 3000)])
    with np.errstate(all="ignore"):
        best = grid[np.nanargmax([log_likelihood(b) for b in grid])]
        exact = minimize_scalar(lambda b: -log_likelihood(b), bracket=(best * 0.99, best, best * 1.01), tol=1e-12).x
    assert found.coefficient[0] == pytest.approx(exact, rel=1e-5)


def brute_force(x, time, event):
    """Return the penalised log-likelihood, Breslow's ties, term by term."""

    def value(b: float) -> float:
        total = 0.0
        information = 0.0
        for i in np.flatnonzero(event):
            at_risk = x[time >= time[i]]
            weight = np.exp(b * at_risk - np.max(b * at_risk))
            mean = np.average(at_risk, weights=weight)
            total += b * x[i] - np.max(b * at_risk) - np.log(weight.sum())
            information += np.average((at_risk - mean) ** 2, weights=weight)
        return total + np.log(information) / 2

    return value


def test_genes_without_spread_or_events_are_named_and_missing_patients_left_out_gene_by_gene():
    values, time, event = simulated(seed=6, n_genes=4)
    values[:, 1] = 7.1
    values[event, 2] = np.nan
    values[:9, 3] = np.nan
    found = firth_univariate(values, time, event)
    assert list(found.status) == ["converged", "constant", "no events", "converged"]
    assert np.isnan(found.coefficient[1:3]).all()
    assert np.isnan(found.p_value[1:3]).all()
    alone = firth_univariate(values[9:, 3:], time[9:], event[9:])
    assert (found.n[3], found.n_events[3]) == (51, event[9:].sum())
    np.testing.assert_allclose(found.coefficient[3], alone.coefficient[0], rtol=1e-10)


def test_a_gene_that_only_tells_strata_apart_is_constant():
    _, time, event = simulated(seed=8)
    strata = np.arange(60) % 2
    found = firth_univariate(strata[:, None].astype(np.float64), time, event, strata=strata)
    assert found.status[0] == "constant"


def test_a_stratum_without_events_says_nothing():
    values, time, event = simulated(seed=8)
    strata = np.where(np.arange(60) < 20, "quiet", "busy")
    event = event & (strata == "busy")
    with_it = firth_univariate(values, time, event, strata=strata)
    without = firth_univariate(values[20:], time[20:], event[20:])
    np.testing.assert_allclose(with_it.coefficient, without.coefficient, rtol=1e-10)
    np.testing.assert_allclose(with_it.lower, without.lower, rtol=1e-10)


def test_no_genes_give_empty_arrays_and_lengths_must_agree():
    assert firth_univariate(np.empty((3, 0)), np.array([1.0, 2.0, 3.0]), np.array([True] * 3)).coefficient.shape == (0,)
    with pytest.raises(ValueError, match="same number of patients"):
        firth_univariate(np.ones((3, 1)), np.ones(2), np.array([True, False]))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    factor=st.floats(1e-3, 1e3),
    shift=st.floats(-1e3, 1e3),
    unit=st.floats(1e-2, 1e2),
)
def test_order_shift_and_time_unit_change_nothing_and_the_scale_is_carried(seed, factor, shift, unit):
    values, time, event = simulated(seed, n_patients=30)
    if not event.any():
        return
    first = firth_univariate(values, time, event)
    shuffled = np.random.default_rng(seed).permutation(30)
    again = firth_univariate((values * factor + shift)[shuffled], (time * unit)[shuffled], event[shuffled])
    for name in ("coefficient", "lower", "upper"):
        np.testing.assert_allclose(getattr(again, name) * factor, getattr(first, name), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(again.p_value, first.p_value, rtol=1e-5)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_mirrored_gene_has_the_mirrored_interval(seed):
    values, time, event = simulated(seed, n_patients=25)
    if not event.any():
        return
    one, other = firth_univariate(values, time, event), firth_univariate(-values, time, event)
    np.testing.assert_allclose(one.coefficient, -other.coefficient, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(one.lower, -other.upper, rtol=1e-8, atol=1e-10)


def test_every_gene_of_a_real_transcriptome_that_separates_the_outcome_has_a_finite_hazard_ratio(real_cohorts):
    cohort = read_cohort(real_cohorts / "UVM", endpoint="OS")
    values = cohort.expression.to_numpy(np.float64)
    separated = cox_univariate(values, cohort.time, cohort.event).status == "separated"
    found = firth_univariate(values[:, separated], cohort.time, cohort.event)
    assert separated.sum() > 300
    assert set(found.status) == {"converged"}
    assert (found.lower < found.coefficient).all()
    assert (found.coefficient < found.upper).all()
    assert np.isfinite([found.lower, found.upper, found.p_value]).all()
