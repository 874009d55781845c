"""Observed against expected risk of a locked model: of probabilities as served, and where few or none fail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from training.breslow import BaselineHazard
from training.evaluation import Judge
from training.external_figures import Predictions, calibration_groups, external_judge, external_metrics, log_ratio
from training.survival_grid import horizon_day

YEAR = horizon_day(12)
#: Two steps in five years, none of them near a step of the grid.
STEPS = BaselineHazard(np.array([300.0, 900.0]), np.array([0.02, 0.3]))


@pytest.fixture(scope="module")
def model(small_training):
    return replace(small_training.model, horizons_months=(12.0, 36.0), horizon_months_max=60.0)


def judged(model, time: np.ndarray) -> Judge:
    """Everybody dies on their day but for every second of those past two years."""
    event = (time < 2 * YEAR) | (np.arange(len(time)) % 2 == 0)
    judge = external_judge(model, time, event, n_samples=400, seed=3)
    assert judge is not None
    return judge


def late(n: int) -> np.ndarray:
    return 2 * YEAR + np.arange(n) * 1200.0 / n


def test_the_probability_that_is_judged_at_a_horizon_is_the_one_that_is_served(model):
    judge, predictor = judged(model, late(60)), np.linspace(-1, 1, 60)
    predicted = Predictions.of(STEPS, predictor, judge)
    groups = calibration_groups(judge, predicted.survival).groupby("horizon_months")["predicted"].mean()
    for months in (12.0, 36.0):
        served = STEPS.survival(predictor, np.array([horizon_day(months)]))[:, 0]
        assert groups[months] == pytest.approx(served.mean(), rel=1e-12)


def test_one_failure_where_less_than_one_was_expected_does_not_show_that_risk_is_underestimated(model):
    time = late(40)
    time[0] = 200.0
    judge = judged(model, time)
    survival = Predictions.of(STEPS, np.zeros(40), judge).survival
    ratio = log_ratio(judge, survival, 12.0)
    assert ratio.value == pytest.approx(np.log((1 / 40) / (1 - np.exp(-0.02))))
    assert ratio.value > 0
    assert ratio.lower == -np.inf
    assert ratio.upper > ratio.value


def test_of_many_expected_and_none_observed_the_ratio_is_0_and_its_bound_that_of_poisson_counts(model):
    judge = judged(model, late(200))
    predicted = Predictions.of(STEPS, np.full(200, np.log(50.0)), judge)
    found = external_metrics(model, judge, predicted)["log_observed_expected_12m"]
    assert (found.value, found.lower) == (-np.inf, -np.inf)
    expected = 200 * (1 - np.exp(-1.0))
    # The chance of no failure among Poisson counts whose mean is the bound times what is expected.
    assert np.exp(-np.exp(found.upper) * expected) == pytest.approx(0.025)
