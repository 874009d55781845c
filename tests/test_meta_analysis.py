"""Random-effects meta-analysis: against metafor on simulated and real sites, by hand, where it is weak; its laws."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from features.errors import PrognosisError
from features.readers import read_cohort
from training.scan.between_cohorts import CohortEstimates, restricted_maximum
from training.scan.meta_analysis import (
    NO_COHORT,
    ONE_COHORT,
    TOO_ALIKE,
    TWO_COHORTS,
    PooledHazardRatio,
    PoolingError,
    pooled_hazard_ratio,
    pooled_hazard_ratios,
)
from training.scan.tissue_sources import split_by_tissue_source
from training.univariate import standardised_normal_scores
from training.univariate_cox import cox_univariate

ORACLES = Path(__file__).parent / "oracles"
ORACLE = json.loads((ORACLES / "meta_analysis.json").read_text())
#: What needs three cohorts; metafor gives it for two.
PREDICTION = ("log_prediction_lower", "log_prediction_upper", "log_held_prediction_lower", "log_held_prediction_upper",
              "prediction_degrees_of_freedom")  # fmt: skip
COLUMNS = ["log_hazard_ratio", "standard_error"]


def assert_equals_metafors(pooled: PooledHazardRatio, expected: dict, rtol: float = 1e-8) -> None:
    for name, value in expected.items():
        if name in PREDICTION and expected["n_cohorts"] < 3:
            assert np.isnan(getattr(pooled, name)), name
        else:
            np.testing.assert_allclose(getattr(pooled, name), value, rtol=rtol, atol=1e-10, err_msg=name)


def sites() -> pd.DataFrame:
    return pd.read_csv(ORACLES / "tissue_sources.csv", dtype={"site": "str"})


@pytest.mark.parametrize("gene", range(41))
def test_every_figure_equals_metafors(gene):
    simulated = pd.read_csv(ORACLES / "meta_analysis.csv")
    estimates = simulated[simulated["gene"] == gene + 1]
    pooled = pooled_hazard_ratio(*(estimates[column].to_numpy() for column in COLUMNS))
    assert_equals_metafors(pooled, ORACLE["simulated"][gene])


@pytest.mark.parametrize("cancer_type", ["KIRC", "LGG"])
def test_sites_of_a_real_cohort_pool_as_metafor_pools_them(cancer_type):
    for gene, estimates in sites().query("cancer_type == @cancer_type").groupby("gene"):
        pooled = pooled_hazard_ratio(*(estimates[column].to_numpy() for column in COLUMNS))
        assert_equals_metafors(pooled, ORACLE["tissue_sources"][cancer_type][gene])


@pytest.mark.parametrize("cancer_type", ["KIRC", "LGG"])
def test_a_real_cohort_split_by_site_gives_rs_hazard_ratios_and_metafors_means(real_cohorts, cancer_type):
    recorded = sites().query("cancer_type == @cancer_type").set_index(["site", "gene"])
    genes = sorted(recorded.index.unique("gene"))
    split = split_by_tissue_source(read_cohort(real_cohorts / cancer_type, endpoint="OS"))
    assert set(split.cohorts) == set(recorded.index.unique("site"))
    estimates = []
    for site, part in split.cohorts.items():
        scores = standardised_normal_scores(part.expression[genes].to_numpy(np.float64))
        fitted = cox_univariate(scores, part.time, part.event)
        expected = recorded.loc[site].loc[genes]
        assert set(expected["patients"]) == {len(part.time)}
        assert set(expected["events"]) == {part.n_events}
        np.testing.assert_allclose(fitted.coefficient, expected["log_hazard_ratio"], rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(fitted.standard_error, expected["standard_error"], rtol=1e-8)
        estimates.append((fitted.coefficient, fitted.standard_error))
    pooled = pooled_hazard_ratios(*np.array(estimates).transpose(1, 2, 0))
    for position, gene in enumerate(genes):
        expected = {**ORACLE["tissue_sources"][cancer_type][gene]}
        # metafor's weights are in the order of its own file.
        del expected["weights"]
        assert_equals_metafors(pooled.row(position), expected, rtol=1e-6)


def test_two_equal_standard_errors_by_hand():
    # y = 0 and 1, s = 1/2: the mean is 1/2, tau^2 = 1/2 - 1/4, the standard error 1/2, Q = 2, I^2 = (Q - 1) / Q.
    pooled = pooled_hazard_ratio([0.0, 1.0], [0.5, 0.5])
    assert pooled.tau_squared == pytest.approx(0.25, rel=1e-12)
    assert pooled.log_hazard_ratio == pytest.approx(0.5, rel=1e-12)
    assert pooled.hazard_ratio == pytest.approx(np.exp(0.5), rel=1e-12)
    assert pooled.standard_error == pytest.approx(0.5, rel=1e-12)
    assert pooled.log_upper == pytest.approx(0.5 + 0.5 * t.ppf(0.975, 1), rel=1e-12)
    assert (pooled.cochran_q, pooled.i_squared) == (pytest.approx(2.0), pytest.approx(0.5))
    np.testing.assert_allclose(pooled.weights, [0.5, 0.5], rtol=1e-14)


def test_an_interval_is_held_at_that_of_a_common_effect():
    pooled = pooled_hazard_ratio([0.35, 0.34, 0.36], [0.3, 0.2, 0.25])
    common = 1 / np.sqrt(np.sum(1 / np.square([0.3, 0.2, 0.25])))
    assert pooled.standard_error < common / 5
    assert pooled.held_standard_error == pytest.approx(common, rel=1e-12)
    assert pooled.remark == TOO_ALIKE


def test_two_cohorts_are_flagged_and_predict_nothing():
    pooled = pooled_hazard_ratio([0.1, np.nan, 0.4], [0.2, 0.1, 0.3])
    assert (pooled.n_cohorts, pooled.remark) == (2, f"{TWO_COHORTS}; {TOO_ALIKE}")
    assert np.isnan([getattr(pooled, name) for name in PREDICTION]).all()
    assert pooled.weights[1] == 0


@pytest.mark.parametrize("estimates", [[0.3], [0.3, np.nan], [np.nan, np.nan], []])
def test_fewer_than_two_cohorts_are_refused_with_their_number(estimates):
    with pytest.raises(PrognosisError, match=rf"needs two cohorts.*{np.isfinite(estimates).sum()} of {len(estimates)}"):
        pooled_hazard_ratio(estimates, [0.1] * len(estimates))


def test_a_standard_error_that_is_not_positive_is_refused_and_named():
    with pytest.raises(PoolingError, match=r"1 of 3 are not \(first: 0, of cohort 2 and gene 1\)"):
        pooled_hazard_ratio([0.1, 0.2, 0.3], [0.1, 0.0, 0.3])
    with pytest.raises(ValueError, match="do not fit together"):
        pooled_hazard_ratio([0.1, 0.2], [0.1, 0.2, 0.3])


def test_genes_that_few_cohorts_have_are_remarked_and_the_others_pooled_as_if_alone():
    value = np.array([[0.1, 0.5, -0.2], [0.1, np.nan, np.nan], [np.nan] * 3, [0.3, np.nan, 0.2]])
    error = np.where(np.isfinite(value), 0.2, np.nan)
    pooled = pooled_hazard_ratios(value, error)
    assert list(pooled.remark) == ["", ONE_COHORT, NO_COHORT, f"{TWO_COHORTS}; {TOO_ALIKE}"]
    assert list(pooled.n_cohorts) == [3, 1, 0, 2]
    table = pooled.table()
    estimates = ["log_hazard_ratio", "lower", "p_value", "tau_squared", "tau_squared_upper", "i_squared", "cochran_q"]
    np.testing.assert_array_equal(table[estimates].notna().all(axis=1), [True, False, False, True])
    assert table.loc[1:2, [*estimates, "upper", "standard_error", "prediction_upper"]].isna().all(axis=None)
    alone = pooled_hazard_ratio([0.3, 0.2], [0.2, 0.2])
    assert table.loc[3, "hazard_ratio"] == pytest.approx(alone.hazard_ratio, rel=1e-12)
    assert table.loc[3, "lower"] == pytest.approx(np.exp(alone.log_lower), rel=1e-12)


def test_a_whole_transcriptome_has_a_variance_and_its_limits_at_every_gene():
    value, error = simulated_estimates(
        np.random.default_rng(1), n_genes=5000, between=np.repeat([0, 0.1, 0.7, 3, 20], 1000)
    )
    pooled = pooled_hazard_ratios(value, error)
    for name in ("tau_squared", "tau_squared_lower", "tau_squared_upper", "log_prediction_lower"):
        assert np.isfinite(getattr(pooled, name)).all(), name
    assert (pooled.tau_squared_lower <= pooled.tau_squared_upper).all()


def simulated_estimates(rng, n_genes, between, n_cohorts=6, errors=(0.1, 0.6)):
    error = np.exp(rng.uniform(*np.log(errors), (n_genes, n_cohorts)))
    centre = 0.3 + np.asarray(between)[..., None] * rng.normal(size=(n_genes, n_cohorts))
    return centre + error * rng.normal(size=error.shape), error


def test_the_variance_is_where_the_restricted_likelihood_is_highest():
    value, error = simulated_estimates(np.random.default_rng(2), n_genes=300, between=0.3, n_cohorts=4)
    # Standard errors so unlike that some likelihoods have two maxima.
    error[:, 0] /= 50
    estimates = CohortEstimates(value, error**2)
    every = estimates.every
    best = estimates.likelihood(restricted_maximum(estimates), every)
    for tau_squared in np.concatenate([[0.0], np.geomspace(1e-7, 30, 400)]):
        assert (estimates.likelihood(np.full(300, tau_squared), every) <= best + 1e-9).all()


def test_the_intervals_cover_what_they_promise():
    # Where standard errors are alike, Hartung and Knapp's is Student's own interval, and so exact.
    rng = np.random.default_rng(3)
    estimates = simulated_estimates(rng, n_genes=8000, between=0.3, n_cohorts=7, errors=(0.3, 0.3))
    pooled = pooled_hazard_ratios(*estimates)
    covered = (pooled.log_lower < 0.3) & (pooled.log_upper > 0.3)
    true_inside = (pooled.tau_squared_lower <= 0.09) & (pooled.tau_squared_upper >= 0.09)
    assert covered.mean() == pytest.approx(0.95, abs=0.01)
    assert true_inside.mean() == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize(("between", "coverage"), [(1.5, 0.94), (0.3, 0.86)])
def test_the_prediction_interval_is_too_short_where_few_cohorts_hide_the_heterogeneity(between, coverage):
    # Seven cohorts: right where the variance between them outweighs that within, short where it is often estimated 0.
    rng = np.random.default_rng(4)
    pooled = pooled_hazard_ratios(*simulated_estimates(rng, 8000, between, n_cohorts=7, errors=(0.3, 0.3)))
    another = 0.3 + between * rng.normal(size=8000)
    predicted = (pooled.log_prediction_lower < another) & (pooled.log_prediction_upper > another)
    assert predicted.mean() == pytest.approx(coverage, abs=0.015)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n_cohorts=st.integers(2, 9),
    between=st.floats(0, 3),
    shift=st.floats(-5, 5),
    factor=st.floats(0.05, 20),
)
def test_order_is_nothing_and_the_mean_moves_and_scales_with_the_estimates(seed, n_cohorts, between, shift, factor):
    value, error = simulated_estimates(np.random.default_rng(seed), 1, between, n_cohorts)
    order = np.random.default_rng(seed).permutation(n_cohorts)
    one = pooled_hazard_ratio(value[0], error[0])
    other = pooled_hazard_ratio((factor * value[0] + shift)[order], factor * error[0][order])
    assert other.log_hazard_ratio == pytest.approx(factor * one.log_hazard_ratio + shift, rel=1e-7, abs=1e-7)
    assert other.standard_error == pytest.approx(factor * one.standard_error, rel=1e-6)
    assert other.tau_squared == pytest.approx(factor**2 * one.tau_squared, rel=1e-6, abs=1e-9 * factor**2)
    assert other.i_squared_upper == pytest.approx(one.i_squared_upper, rel=1e-7)
    np.testing.assert_allclose(other.weights, one.weights[order], rtol=1e-6)
