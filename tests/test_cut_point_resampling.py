"""Permutation p-values against R's maxstat, and what shrinkage makes of effects that are there and that are not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from training.scan.cut_point_resampling import Z95, permutation_p_values, shrunken_hazard_ratios
from training.scan.cut_point_resampling_kernel import two_group_cox
from training.scan.cut_points import CutPointError, maximally_selected_log_rank
from training.scan.firth import firth_univariate
from training.univariate_cox import cox_univariate

ORACLES = Path(__file__).parent / "oracles"


def simulated(rng, n: int, n_genes: int, *, log_hazard_ratio: float = 0.0) -> tuple[np.ndarray, ...]:
    """Genes of which the first changes the hazard above its 60th percentile."""
    values = rng.normal(size=(n, n_genes))
    above = values[:, 0] > np.quantile(values[:, 0], 0.6)
    death = rng.exponential(900, size=n) / np.exp(log_hazard_ratio * above)
    censored = rng.uniform(300, 2500, size=n)
    return values, np.ceil(np.minimum(death, censored)), death <= censored


@pytest.mark.parametrize("version", ["tie_free", "ties"])
def test_permutation_p_values_are_within_three_monte_carlo_errors_of_maxstats(version):
    table = pd.read_csv(ORACLES / "cut_points.csv")
    oracle = json.loads((ORACLES / "cut_points.json").read_text())
    expected = pd.DataFrame(oracle[version]["permutation"])
    permutations = 100_000
    found = permutation_p_values(
        table[expected["gene"]].to_numpy(dtype=float),
        table[version].to_numpy(),
        table["event"].to_numpy() > 0,
        generator=np.random.default_rng(1),
        permutations=permutations,
    )
    p = expected["p"].to_numpy()
    error = np.sqrt(p * (1 - p) * (1 / permutations + 1 / oracle["permutations"]))
    assert (np.abs(found - p) < 3 * error).all()


def test_all_24_orders_of_four_patients_by_hand():
    # Scores 3/4, -1/4, 1/4, -3/4: the variance of one of them (a low group of one or of three) is 5/16, that of the sum
    # of two 5/12. Observed is the cut after the first: 3/4 / sqrt(5/16).
    scores, orders = np.array([0.75, -0.25, 0.25, -0.75]), 0
    observed = 0.75 / np.sqrt(5 / 16)
    for first in range(4):
        for second in set(range(4)) - {first}:
            for third in set(range(4)) - {first, second}:
                last = 6 - first - second - third
                one, two = np.abs(scores[[first, last]]).max(), abs(scores[first] + scores[second])
                orders += max(one / np.sqrt(5 / 16), two / np.sqrt(5 / 12)) >= observed - 1e-9
    found = permutation_p_values(
        np.array([[1.0], [2.0], [3.0], [4.0]]),
        np.array([1.0, 2.0, 3.0, 4.0]),
        np.array([True, False, True, False]),
        generator=np.random.default_rng(2),
        permutations=20_000,
        smallest_share=0.25,
    )
    exact = orders / 24
    assert found[0] == pytest.approx(exact, abs=3 * np.sqrt(exact * (1 - exact) / 20_000))


def test_a_genes_resampling_does_not_depend_on_the_other_genes():
    rng = np.random.default_rng(3)
    values, time, event = simulated(rng, 80, 5)
    values[:, 1] = np.round(values[:, 1])
    values[:15, 2] = np.nan
    together = permutation_p_values(values, time, event, generator=np.random.default_rng(4), permutations=700)
    shrunken = shrunken_hazard_ratios(values, time, event, generator=np.random.default_rng(4), samples=20)
    for gene in range(5):
        one = values[:, [gene]]
        alone = permutation_p_values(one, time, event, generator=np.random.default_rng(4), permutations=700)
        assert alone[0] == together[gene]
        by_itself = shrunken_hazard_ratios(one, time, event, generator=np.random.default_rng(4), samples=20)
        assert by_itself.hazard_ratio[0] == shrunken.hazard_ratio[gene]


def test_on_null_data_permutation_p_values_are_uniform_with_ties_and_missing_values_too():
    rng = np.random.default_rng(5)
    values, time, event = simulated(rng, 60, 900)
    values[:, 300:600] = np.maximum(values[:, 300:600], 0.3)
    values[:20, 600:] = np.nan
    p = permutation_p_values(values, time, event, generator=rng, permutations=999)
    for genes in (slice(0, 300), slice(300, 600), slice(600, 900)):
        # Three binomial standard errors of 300 tests.
        assert (p[genes] <= 0.05).mean() == pytest.approx(0.05, abs=0.038)
        assert (p[genes] <= 0.5).mean() == pytest.approx(0.5, abs=0.087)


def test_permutation_and_asymptotic_p_values_agree_in_a_large_cohort():
    values, time, event = simulated(np.random.default_rng(6), 400, 40, log_hazard_ratio=0.4)
    p = permutation_p_values(values, time, event, generator=np.random.default_rng(7))
    found = maximally_selected_log_rank(values, time, event)
    chosen = p < 0.2
    assert chosen.sum() > 3
    np.testing.assert_allclose(found.p_1992[chosen], p[chosen], atol=0.05)
    assert (p[chosen] < found.p_1994[chosen] + 0.01).all()


def test_on_null_data_the_naive_hazard_ratio_is_far_from_one_and_the_shrunken_is_about_one():
    rng = np.random.default_rng(8)
    values, time, event = simulated(rng, 150, 250)
    found = shrunken_hazard_ratios(values, time, event, generator=rng, samples=100)
    naive, shrunken = np.abs(np.log(found.naive)), np.abs(np.log(found.hazard_ratio))
    assert np.exp(naive.mean()) > 1.4
    assert np.exp(shrunken.mean()) < 1.12
    assert np.median(found.hazard_ratio) == pytest.approx(1.0, abs=0.01)
    assert (shrunken < naive).all()
    assert ((found.lower < 1) & (found.upper > 1)).mean() > 0.93


def test_a_true_effect_is_kept_and_its_interval_holds_it():
    rng, truth, results = np.random.default_rng(9), 0.8, []
    for _ in range(100):
        data = simulated(rng, 200, 1, log_hazard_ratio=truth)
        results.append(shrunken_hazard_ratios(*data, generator=rng, samples=100))
    shrunken = np.log([result.hazard_ratio[0] for result in results])
    naive = np.log([result.naive[0] for result in results])
    covered = [result.lower[0] <= np.exp(truth) <= result.upper[0] for result in results]
    assert naive.mean() > truth
    assert shrunken.mean() == pytest.approx(truth, abs=0.12)
    # Three binomial standard errors of 100 intervals at 95 %.
    assert np.mean(covered) > 0.95 - 0.066


def test_high_expression_that_protects_stays_below_one():
    values, time, event = simulated(np.random.default_rng(10), 300, 1, log_hazard_ratio=-1.0)
    found = shrunken_hazard_ratios(values, time, event, generator=np.random.default_rng(11), samples=100)
    assert found.naive[0] < found.hazard_ratio[0] < 0.6
    assert found.lower[0] < found.hazard_ratio[0] < found.upper[0] < 1


def test_the_naive_hazard_ratio_is_firths_at_the_best_cut():
    values, time, event = simulated(np.random.default_rng(12), 90, 6, log_hazard_ratio=1.0)
    time = np.ceil(time / 60)
    values[:10, 2] = np.nan
    found = shrunken_hazard_ratios(values, time, event, generator=np.random.default_rng(13), samples=5)
    cut = maximally_selected_log_rank(values, time, event).cut_point
    high = np.where(np.isnan(values), np.nan, values > cut)
    expected = firth_univariate(high, time, event)
    np.testing.assert_allclose(np.log(found.naive), expected.coefficient, rtol=1e-5)


def test_copies_of_a_patient_share_the_risk_set_of_its_event():
    # Weights 2, 1, 3; all die, one after the other; the second is low. At risk, high and low: (5, 1), (3, 1), (3, 0).
    time, event, weight = np.array([1.0, 2.0, 3.0]), np.ones(3, dtype=bool), np.array([2.0, 1.0, 3.0])
    coefficient, information = two_group_cox(np.array([True, False, True]), weight, time, event, np.empty((5, 3)))
    ratio = np.exp(coefficient)
    early, late = 5 * ratio / (5 * ratio + 1), 3 * ratio / (3 * ratio + 1)
    variances = np.array([2 * early * (1 - early), late * (1 - late)])
    assert information == pytest.approx(variances.sum(), rel=1e-6)
    slope = variances @ [1 - 2 * early, 1 - 2 * late]
    # Firth: the score, 2 - 2 early - late, and half the slope of the log information are together 0.
    assert 2 * (1 - early) - late + slope / (2 * variances.sum()) == pytest.approx(0, abs=1e-6)


def test_a_cut_that_separates_the_outcome_has_a_finite_hazard_ratio():
    rng = np.random.default_rng(14)
    values = np.arange(40.0)[:, None]
    event = values[:, 0] >= 20
    found = shrunken_hazard_ratios(values, rng.uniform(1, 100, 40).round(1), event, generator=rng, samples=50)
    assert np.isfinite([found.naive[0], found.hazard_ratio[0], found.lower[0], found.upper[0]]).all()
    assert found.hazard_ratio[0] > 5


def test_an_interval_is_never_narrower_than_if_the_cut_had_been_fixed():
    rng = np.random.default_rng(17)
    values, time, event = simulated(rng, 80, 40, log_hazard_ratio=2.0)
    event &= time < 500
    event[values[:, 1] < 0.3] = False
    found = shrunken_hazard_ratios(values, time, event, generator=rng, samples=50)
    high = (values > maximally_selected_log_rank(values, time, event).cut_point).astype(float)
    wald, profile = cox_univariate(high, time, event), firth_univariate(high, time, event)
    separated = wald.status == "separated"
    assert 1 <= separated.sum() < 39
    width = np.log(found.upper / found.lower)
    assert (width >= 0.999 * 2 * Z95 * wald.standard_error)[~separated].mean() > 0.9
    assert (width >= (profile.upper - profile.lower) - 1e-9)[separated].all()
    assert found.upper[1] / found.hazard_ratio[1] > 2 * found.hazard_ratio[1] / found.lower[1]


def test_the_interval_of_a_strong_effect_holds_it():
    rng, truth = np.random.default_rng(18), 3.0
    found = [
        shrunken_hazard_ratios(*simulated(rng, 80, 1, log_hazard_ratio=truth), generator=rng, samples=50)
        for _ in range(100)
    ]
    # Three binomial standard errors of 100 intervals at 95 %.
    assert np.mean([each.lower[0] <= np.exp(truth) <= each.upper[0] for each in found]) > 0.95 - 0.066


def test_genes_without_an_admissible_cut_have_neither():
    rng = np.random.default_rng(15)
    values, time, event = simulated(rng, 40, 3)
    values[:, 1], values[:, 2] = 1.0, np.nan
    p = permutation_p_values(values, time, event, generator=rng, permutations=50)
    found = shrunken_hazard_ratios(values, time, event, generator=rng, samples=10)
    np.testing.assert_array_equal(np.isnan(p), [False, True, True])
    for array in (found.naive, found.factor, found.hazard_ratio, found.lower, found.upper):
        np.testing.assert_array_equal(np.isnan(array), [False, True, True])
    assert np.isnan(permutation_p_values(values[:, 1:], time, event, generator=rng, permutations=5)).all()


def test_too_few_resamples_and_impossible_shares_are_refused():
    rng = np.random.default_rng(16)
    data = simulated(rng, 30, 1)
    with pytest.raises(CutPointError, match="permutation is needed, not 0"):
        permutation_p_values(*data, generator=rng, permutations=0)
    with pytest.raises(CutPointError, match="samples are needed, not 1"):
        shrunken_hazard_ratios(*data, generator=rng, samples=1)
    with pytest.raises(CutPointError, match=r"not 0\.7"):
        shrunken_hazard_ratios(*data, generator=rng, smallest_share=0.7)
    with pytest.raises(ValueError, match="same number of patients"):
        shrunken_hazard_ratios(data[0], data[1][1:], data[2], generator=rng)
