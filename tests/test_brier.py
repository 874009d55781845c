"""The Brier score under censoring: by hand, against scikit-survival's, and what it must and must not depend on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sksurv.metrics import brier_score, integrated_brier_score
from sksurv.nonparametric import kaplan_meier_estimator
from sksurv.util import Surv

from training.brier import brier_contributions, censoring_distribution, integrated

outcomes = st.lists(st.tuples(st.integers(1, 10).map(float), st.booleans()), min_size=1, max_size=25)
seeds = st.integers(0, 100_000)


def arrays(patients):
    time, event = zip(*patients, strict=True)
    return np.array(time), np.array(event)


def tie_free(seed, n_patients=40):
    rng = np.random.default_rng(seed)
    event = rng.random(n_patients) < 0.6
    return rng.permutation(n_patients) + 1.0, event


def scores(survival, time, event, days):
    censoring = censoring_distribution(time, event)
    return brier_contributions(survival, time, event, days=days, censoring=censoring)


def test_the_censoring_distribution_by_hand():
    # Day 1: one of four is censored, 3/4. Day 2: a death and a censoring; the death is first, so one of two: 3/8.
    censoring = censoring_distribution(np.array([1.0, 2.0, 2.0, 3.0]), np.array([False, True, False, True]))
    days = np.array([0.5, 1.0, 1.5, 2.0, 3.0])
    np.testing.assert_allclose(censoring.at(days), [1, 3 / 4, 3 / 4, 3 / 8, 3 / 8], rtol=1e-14)
    np.testing.assert_allclose(censoring.before(days), [1, 1, 3 / 4, 3 / 4, 3 / 8], rtol=1e-14)


def test_without_censored_patients_nobody_is_ever_censored():
    censoring = censoring_distribution(np.array([1.0, 2.0]), np.array([True, True]))
    np.testing.assert_array_equal(censoring.at(np.array([0.0, 1, 2, 99])), 1)


def test_the_contributions_by_hand():
    # At day 2: the death of day 1 has .4² / 1; the one censored on day 1.5 nothing; the death of day 3 and the one
    # followed to day 4 are alive, (1 - S)² / (2/3).
    time, event = np.array([1.0, 1.5, 3.0, 4.0]), np.array([True, False, True, False])
    survival = np.array([[0.4], [0.7], [0.5], [0.9]])
    expected = [[0.16], [0.0], [0.25 * 3 / 2], [0.01 * 3 / 2]]
    np.testing.assert_allclose(scores(survival, time, event, np.array([2.0])), expected, rtol=1e-13)


def test_a_death_on_the_day_itself_counts_as_dead():
    time, event = np.array([2.0, 3.0]), np.array([True, True])
    np.testing.assert_allclose(scores(np.array([[0.3], [0.9]]), time, event, np.array([2.0])), [[0.09], [0.01]])


def test_the_integral_of_a_straight_line_is_its_middle():
    np.testing.assert_allclose(integrated(np.array([[0.0, 2.0, 8.0], [3.0, 3.0, 3.0]]), np.array([1.0, 2, 5])), [4, 3])


@given(outcomes)
def test_the_censoring_distribution_is_the_kaplan_meier_of_censoring(patients):
    time, event = arrays(patients)
    # Deaths are first on their day: moved half a day before the censorings, they leave the risk set in time.
    days, probability = kaplan_meier_estimator(~event, np.where(event, time - 0.5, time))
    mine = censoring_distribution(time, event)
    grid = np.arange(0.0, 12)
    theirs = np.concatenate([[1.0], probability])[np.searchsorted(days, grid, side="right")]
    np.testing.assert_allclose(mine.at(grid), theirs, rtol=1e-12, atol=1e-14)


@given(seeds)
def test_equal_to_scikit_survivals_without_ties(seed):
    time, event = tie_free(seed)
    days = np.linspace(2.2, 35.2, 9)
    survival = np.sort(np.random.default_rng(seed).random((40, 9)), axis=1)[:, ::-1]
    outcome = Surv.from_arrays(event, time)
    mine = scores(survival, time, event, days)
    np.testing.assert_allclose(mine.mean(axis=0), brier_score(outcome, outcome, survival, days)[1], rtol=1e-10)
    assert integrated(mine, days).mean() == pytest.approx(
        integrated_brier_score(outcome, outcome, survival, days), rel=1e-10
    )


@given(outcomes, seeds, st.randoms(use_true_random=False), st.floats(0.1, 1000))
def test_neither_the_order_of_patients_nor_the_unit_of_time_matters(patients, seed, random, unit):
    time, event = arrays(patients)
    days = np.array([1.5, 4.0, 7.5])
    survival = np.random.default_rng(seed).random((len(time), 3))
    order = list(range(len(time)))
    random.shuffle(order)
    before = integrated(scores(survival, time, event, days), days)
    after = integrated(scores(survival[order], unit * time[order], event[order], unit * days), unit * days)
    np.testing.assert_allclose(after, before[order], rtol=1e-9, atol=1e-12)


@given(outcomes)
def test_foresight_scores_0_and_its_opposite_the_share_that_is_weighed(patients):
    time, event = arrays(patients)
    days = np.array([2.0, 5.0, 9.0])
    foresight = (time[:, None] > days).astype(float)
    known = censoring_distribution(time, event).at(days) > 0
    np.testing.assert_array_equal(
        scores(foresight, time, event, days), np.where(known, np.zeros((len(time), 1)), np.nan)
    )
    # The weights of inverse probability make up for the censored: they add up to all patients while some are alive.
    weighed = scores(1 - foresight, time, event, days).sum(axis=0)
    alive = (time[:, None] > days).any(axis=0)
    np.testing.assert_allclose(weighed[alive], len(time), rtol=1e-9)


def test_on_the_day_on_which_follow_up_ends_for_all_there_is_no_score():
    # G falls to 0 on day 5: those alive after it have nobody to stand for them, and the death of day 1 is not all.
    time, event = np.array([1.0, 5.0, 5.0]), np.array([True, False, False])
    survival = np.full((3, 2), 0.5)
    expected = [[0.25, np.nan]] * 3
    np.testing.assert_allclose(scores(survival, time, event, np.array([4.0, 5.0])), expected, rtol=1e-14)


def test_where_all_have_died_there_is_a_score_on_the_last_day():
    time, event = np.array([1.0, 5.0, 5.0]), np.array([True, True, True])
    np.testing.assert_allclose(scores(np.full((3, 1), 0.5), time, event, np.array([5.0])), 0.25)


def test_the_truth_scores_better_than_no_knowledge_and_than_overconfidence():
    rng = np.random.default_rng(0)
    hazard = np.exp(rng.normal(size=4000)) / 100
    death, censored = rng.exponential(1 / hazard), rng.exponential(150, size=4000)
    time, event = np.minimum(death, censored), death <= censored
    days = np.linspace(10, 100, 10)
    truth = np.exp(-np.outer(hazard, days))
    brier = {
        name: integrated(scores(survival, time, event, days), days).mean()
        for name, survival in {
            "truth": truth,
            "no knowledge": np.broadcast_to(truth.mean(axis=0), truth.shape),
            "overconfident": np.exp(-np.outer(100 * hazard**2, days)),
        }.items()
    }
    assert brier["truth"] < min(brier["no knowledge"], brier["overconfident"])
    # Under the truth the expected score is the mean of S (1 - S), censoring or not.
    assert brier["truth"] == pytest.approx(integrated(truth * (1 - truth), days).mean(), rel=0.03)
