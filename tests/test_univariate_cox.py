"""The univariate Cox fits: by hand, against R's coxph, and by the laws that any of them keeps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.normal_scores import normal_scores
from training.univariate_cox import cox_univariate

ORACLES = Path(__file__).parent / "oracles"
SCALINGS = {
    "per_unit": lambda values: values,
    "per_sd": lambda values: normal_scores(values) / np.nanstd(normal_scores(values), axis=0, ddof=1),
    "median_split": lambda values: np.where(np.isnan(values), np.nan, values > np.nanmedian(values, axis=0)),
}


@pytest.fixture(scope="module")
def patients() -> pd.DataFrame:
    return pd.read_csv(ORACLES / "univariate.csv")


@pytest.fixture(scope="module")
def oracle() -> dict:
    return json.loads((ORACLES / "univariate.json").read_text())


def one(covariate, time, event):
    return cox_univariate(np.array(covariate, dtype=float)[:, None], np.array(time, dtype=float), np.array(event) > 0)


def test_two_events_by_hand():
    # Day 1: x = 1 dies among {1, 0, 1, 0}; day 2: x = 0 dies among {0, 1, 0}. So l = b - log(2 e^b + 2) - log(2 + e^b);
    # the score 1 - e^b / (e^b + 1) - e^b / (2 + e^b) is 0 where e^(2b) = 2.
    fitted = one([1, 0, 1, 0], [1, 2, 3, 4], [1, 1, 0, 0])
    assert fitted.coefficient[0] == pytest.approx(np.log(2) / 2, rel=1e-12)
    # Information: the two Bernoulli variances p(1-p) with odds e^b and e^b/2.
    odds = np.array([np.sqrt(2), np.sqrt(2) / 2])
    information = (odds / (1 + odds) ** 2).sum()
    assert fitted.standard_error[0] == pytest.approx(1 / np.sqrt(information), rel=1e-12)
    assert fitted.n_events[0] == 2


def test_efrons_ties_by_hand():
    # Two tied deaths (x = 1, 0) with one survivor of each kind: with u = e^b the denominators are 2u + 2 and
    # 2u + 2 - (u + 1)/2, so the score is 1 - 2 u/(u + 1) = 0 at b = 0; each term's information is 1/4.
    fitted = one([1, 0, 1, 0], [5, 5, 9, 9], [1, 1, 0, 0])
    assert fitted.coefficient[0] == pytest.approx(0, abs=1e-14)
    assert fitted.standard_error[0] == pytest.approx(np.sqrt(2), rel=1e-12)
    assert fitted.p_value[0] == pytest.approx(1)


@pytest.mark.parametrize("control", ["default", "tight"])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_equal_to_coxph_with_ties_and_missing_values(patients, oracle, scaling, control):
    expected = pd.DataFrame(oracle["fits"][control][scaling]).T
    covariates = SCALINGS[scaling](patients[list(expected.index)].to_numpy(float))
    fitted = cox_univariate(covariates, patients["time"].to_numpy(float), patients["event"].to_numpy() > 0)
    for name in ("coefficient", "standard_error", "hazard_ratio", "lower", "upper", "n", "n_events"):
        np.testing.assert_allclose(getattr(fitted, name), expected[name].astype(float), rtol=1e-6, err_msg=name)
    # A p-value is more sensitive than what it is computed from: z enters squared.
    np.testing.assert_allclose(fitted.p_value, expected["p_value"].astype(float), rtol=1e-5)
    assert set(fitted.status) == {"converged"}


@pytest.mark.parametrize("variant", ["efron", "breslow", "efron_strata", "breslow_strata"])
def test_ties_strata_and_every_test_are_equal_to_coxph(patients, oracle, variant):
    expected = pd.DataFrame(oracle["tests"][variant]).T.replace("NA", np.nan)
    covariates = SCALINGS["per_sd"](patients[list(expected.index)].to_numpy(float))
    ties, *stratified = variant.split("_")
    strata = np.arange(len(patients)) % 3 if stratified else None
    time, event = patients["time"].to_numpy(float), patients["event"].to_numpy() > 0
    fitted = cox_univariate(covariates, time, event, strata=strata, ties=ties)
    for name in expected.columns:
        if name == "p_proportional_hazards" and ties == "breslow":
            continue
        np.testing.assert_allclose(getattr(fitted, name), expected[name].astype(float), rtol=1e-8, err_msg=name)


def test_strata_compare_patients_with_their_own_only():
    # In each stratum one death; x of the dead is not the stratum's largest in the first, and is in the second.
    time, event, strata = [1, 2, 9, 1, 2, 9], [1, 0, 0, 1, 0, 0], np.array([0, 0, 0, 1, 1, 1])
    covariate = np.array([[1.0], [2], [0], [7], [5], [6]])
    fitted = cox_univariate(covariate, np.array(time, float), np.array(event) > 0, strata=strata)
    shifted = cox_univariate(
        covariate + 100 * strata[:, None], np.array(time, float), np.array(event) > 0, strata=strata
    )
    assert fitted.status[0] == "converged"
    assert shifted.coefficient[0] == pytest.approx(fitted.coefficient[0], rel=1e-9)


def test_a_stratum_without_events_changes_nothing(patients):
    time, event = patients["time"].to_numpy(float), patients["event"].to_numpy() > 0
    covariate = patients[["VCAM1"]].to_numpy(float)
    strata = np.where((time > np.median(time)) & ~event, 1, 0)
    kept = strata == 0
    with_it = cox_univariate(covariate, time, event, strata=strata)
    without = cox_univariate(covariate[kept], time[kept], event[kept])
    assert with_it.coefficient[0] == pytest.approx(without.coefficient[0], rel=1e-10)


def test_threads_and_neighbours_change_no_bit():
    rng = np.random.default_rng(4)
    covariates, time, event = rng.normal(size=(120, 1100)), rng.exponential(size=120), rng.random(120) < 0.4
    covariates[:7, ::3] = np.nan
    one_thread, two_threads = (cox_univariate(covariates, time, event, threads=k) for k in (1, 2))
    turned = cox_univariate(np.asfortranarray(covariates[:, ::-1]), time, event)
    for name in ("coefficient", "standard_error", "p_score", "p_likelihood_ratio", "p_proportional_hazards"):
        np.testing.assert_array_equal(getattr(one_thread, name), getattr(two_threads, name))
        np.testing.assert_array_equal(getattr(one_thread, name), getattr(turned, name)[::-1])


def test_a_hazard_that_is_almost_infinite_is_found():
    # All but one event has the largest value of its risk set.
    covariate = np.append(np.arange(100.0, 1, -1), 50)
    fitted = one(covariate, np.arange(1.0, 101), np.ones(100))
    assert fitted.status[0] == "converged"
    # The score is 0 there.
    moved = 1e-3 * fitted.standard_error[0]
    below, above = (_log_likelihood(covariate, fitted.coefficient[0] + s * moved) for s in (-1, 1))
    assert _log_likelihood(covariate, fitted.coefficient[0]) > max(below, above)


def _log_likelihood(covariate, coefficient):
    """Of patients in order of their deaths, without ties."""
    predictor = coefficient * np.asarray(covariate)
    return float(sum(predictor[i] - np.logaddexp.reduce(predictor[i:]) for i in range(len(predictor))))


def test_the_oracle_holds_ties_and_a_gene_with_missing_values(patients):
    deaths = patients.loc[patients["event"] == 1, "time"]
    assert deaths.duplicated().sum() >= 10
    assert patients["VCAM1"].isna().sum() == 9


def test_a_gene_with_missing_values_is_fitted_on_its_complete_cases(patients):
    complete = patients.dropna()
    fitted = one(patients["VCAM1"], patients["time"], patients["event"])
    alone = one(complete["VCAM1"], complete["time"], complete["event"])
    assert fitted.coefficient[0] == alone.coefficient[0]
    assert (fitted.n[0], fitted.n_events[0]) == (71, complete["event"].sum())


def test_a_constant_covariate_is_reported_not_fitted():
    fitted = one([3, 3, 3, 3], [1, 2, 3, 4], [1, 0, 1, 0])
    assert (fitted.status[0], np.isnan(fitted.coefficient[0]), np.isnan(fitted.p_value[0])) == ("constant", True, True)


def test_a_covariate_that_varies_only_before_the_first_event_is_constant():
    assert one([9, 1, 1, 1], [1, 2, 3, 4], [0, 1, 1, 0]).status[0] == "constant"


@pytest.mark.parametrize("sign", [1, -1])
def test_separation_is_reported_in_either_direction(sign):
    fitted = one(sign * np.array([4, 3, 2, 1]), [1, 2, 3, 4], [1, 1, 1, 0])
    assert fitted.status[0] == "separated"
    assert np.isnan([fitted.coefficient[0], fitted.standard_error[0], fitted.upper[0]]).all()


def test_tied_deaths_on_both_sides_are_not_separated():
    assert one([2, 1, 0, 0], [5, 5, 9, 9], [1, 1, 0, 0]).status[0] == "converged"


def test_no_events_and_no_values_are_reported():
    covariates = np.array([[1.0, np.nan], [2.0, np.nan], [3.0, np.nan]])
    fitted = cox_univariate(covariates, np.arange(1.0, 4), np.zeros(3, dtype=bool))
    assert list(fitted.status) == ["no events", "no events"]
    assert list(fitted.n) == [3, 0]


def test_no_covariates_give_an_empty_result():
    assert len(cox_univariate(np.empty((3, 0)), np.arange(1.0, 4), np.ones(3, dtype=bool)).coefficient) == 0


def test_patients_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match="same number of patients"):
        cox_univariate(np.ones((3, 1)), np.ones(2), np.ones(2, dtype=bool))


def test_a_covariate_with_a_wild_outlier_converges():
    rng = np.random.default_rng(1)
    covariate = rng.normal(size=200)
    covariate[0] = 36_890
    fitted = one(covariate, rng.exponential(size=200), rng.random(200) < 0.5)
    assert fitted.status[0] == "converged"


def test_a_known_hazard_ratio_is_recovered():
    rng = np.random.default_rng(2)
    covariates = rng.normal(size=(4000, 2))
    time = rng.exponential(1 / np.exp(covariates @ [0.5, -0.25]))
    fitted = cox_univariate(covariates[:, :1] * 2, np.minimum(time, 2), time < 2)
    # Alone and in standard deviations doubled: a little under .25 (the other covariate is left out).
    assert fitted.coefficient[0] == pytest.approx(0.25, abs=0.03)


cohorts = st.integers(0, 2**32 - 1).map(
    lambda seed: (
        (rng := np.random.default_rng(seed)).normal(size=(40, 3)).round(1),
        np.ceil(rng.exponential(10, size=40)),
        rng.random(40) < 0.6,
    )
)


@settings(max_examples=30, deadline=None)
@given(cohorts, st.integers(0, 2**32 - 1))
def test_the_order_of_the_patients_does_not_matter(cohort, seed):
    covariates, time, event = cohort
    order = np.random.default_rng(seed).permutation(len(time))
    one_way, other_way = cox_univariate(*cohort), cox_univariate(covariates[order], time[order], event[order])
    np.testing.assert_allclose(one_way.coefficient, other_way.coefficient, rtol=1e-9, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(cohorts, st.floats(1e-3, 1e3))
def test_the_unit_of_time_does_not_matter(cohort, unit):
    covariates, time, event = cohort
    rescaled = cox_univariate(covariates, time * unit, event)
    np.testing.assert_allclose(cox_univariate(*cohort).standard_error, rescaled.standard_error, rtol=1e-12)


@settings(max_examples=30, deadline=None)
@given(cohorts, st.floats(0.01, 100), st.floats(-50, 50), st.sampled_from([-1, 1]))
def test_the_coefficient_follows_the_covariates_unit_and_sign_and_ignores_its_origin(cohort, unit, origin, sign):
    covariates, time, event = cohort
    straight, moved = cox_univariate(*cohort), cox_univariate(sign * unit * covariates + origin, time, event)
    np.testing.assert_allclose(moved.coefficient * sign * unit, straight.coefficient, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(moved.p_value, straight.p_value, rtol=1e-6, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(cohorts)
def test_columns_are_fitted_as_if_alone(cohort):
    covariates, time, event = cohort
    covariates = covariates.copy()
    covariates[:5, 1] = np.nan
    together = cox_univariate(covariates, time, event).coefficient
    alone = [cox_univariate(covariates[:, [k]], time, event).coefficient[0] for k in range(3)]
    np.testing.assert_array_equal(together, alone)
