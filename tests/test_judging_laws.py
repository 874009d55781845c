"""What every resampled figure of calibration, separation and net benefit must and must not depend on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.calibration import (
    calibration_slope,
    d_calibration,
    integrated_calibration,
    log_observed_expected,
    within_grid,
)
from training.counted_survival import survival_at
from training.decision_curve import decision_curve
from training.discrimination import royston_sauerbrei_d
from training.resampling import bootstrap_counts

THRESHOLDS = np.array([0.0, 0.2, 0.5, 0.8])


@dataclass(frozen=True)
class Predicted:
    """A cohort with two repeats of predictions; survival has the grid's days last."""

    linear_predictor: np.ndarray
    survival: np.ndarray
    grid_days: np.ndarray
    time: np.ndarray
    event: np.ndarray
    counts: np.ndarray

    @property
    def day(self) -> float:
        return float(self.grid_days[1])

    @property
    def at_day(self) -> np.ndarray:
        return self.survival[:, :, 1]

    def rows(self, chosen: np.ndarray) -> Predicted:
        return replace(
            self,
            linear_predictor=self.linear_predictor[:, chosen],
            survival=self.survival[:, chosen],
            time=self.time[chosen],
            event=self.event[chosen],
            counts=self.counts[:, chosen],
        )

    def repeat(self, index: int) -> Predicted:
        one = slice(index, index + 1)
        return replace(self, linear_predictor=self.linear_predictor[one], survival=self.survival[one])

    def once(self) -> Predicted:
        return replace(self, counts=np.ones((1, len(self.time))))

    def outcome(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.time, self.event, self.counts


def d_statistic(p: Predicted) -> np.ndarray:
    own, event = within_grid(p.survival, p.time, p.event, grid_days=p.grid_days)
    return d_calibration(own, event, p.counts).statistic


def decisions(p: Predicted) -> np.ndarray:
    curve = decision_curve(p.at_day, *p.outcome(), day=p.day, thresholds=THRESHOLDS)
    return np.concatenate([curve.model, curve.treat_all, curve.treat_none], axis=1)


FIGURES: dict[str, Callable[[Predicted], np.ndarray]] = {
    "slope": lambda p: calibration_slope(p.linear_predictor, *p.outcome()),
    "log_observed_expected": lambda p: log_observed_expected(p.at_day, *p.outcome(), day=p.day),
    "ici": lambda p: integrated_calibration(p.at_day, *p.outcome(), day=p.day).ici,
    "e50": lambda p: integrated_calibration(p.at_day, *p.outcome(), day=p.day).e50,
    "e90": lambda p: integrated_calibration(p.at_day, *p.outcome(), day=p.day).e90,
    "d_statistic": d_statistic,
    "separation": lambda p: royston_sauerbrei_d(p.linear_predictor, *p.outcome()),
    "decisions": decisions,
}
every_figure = pytest.mark.parametrize("figure", list(FIGURES.values()), ids=list(FIGURES))


@st.composite
def cohorts(draw: st.DrawFn) -> Predicted:
    n_patients = draw(st.integers(40, 80))
    unit = draw(st.sampled_from([1.0, 10.0, 50.0]))
    decimals = draw(st.sampled_from([0, 1, 6]))
    rng = np.random.default_rng(draw(st.integers(0, 100_000)))
    truth = rng.normal(size=n_patients)
    death, censored = rng.exponential(300 / np.exp(truth)), rng.uniform(50, 900, n_patients)
    linear_predictor = np.round(0.7 * truth + rng.normal(scale=0.6, size=(2, n_patients)), decimals)
    grid_days = np.array([100.0, 200.0, 400.0])
    return Predicted(
        linear_predictor=linear_predictor,
        survival=np.exp(-np.exp(linear_predictor)[..., None] * grid_days / 300),
        grid_days=grid_days,
        time=unit * np.ceil(np.minimum(death, censored) / unit),
        event=death <= censored,
        counts=np.stack([np.ones(n_patients), *bootstrap_counts(n_patients, 3, rng)]),
    )


@every_figure
@settings(max_examples=12)
@given(p=cohorts(), random=st.randoms(use_true_random=False))
def test_the_order_of_patients_does_not_matter(figure, p, random):
    order = list(range(len(p.time)))
    random.shuffle(order)
    np.testing.assert_allclose(figure(p.rows(np.array(order))), figure(p), rtol=1e-7, atol=1e-9)


@every_figure
@settings(max_examples=12)
@given(p=cohorts(), unit=st.sampled_from([1 / 32, 0.25, 8.0, 1024.0]))
def test_the_unit_of_time_does_not_matter(figure, p, unit):
    scaled = replace(p, time=unit * p.time, grid_days=unit * p.grid_days)
    np.testing.assert_allclose(figure(scaled), figure(p), rtol=1e-9, atol=1e-12)


@every_figure
@settings(max_examples=12)
@given(p=cohorts())
def test_a_patient_counted_twice_is_a_patient_who_stands_there_twice(figure, p):
    for sample, counts in zip(figure(p), p.counts.astype(int), strict=True):
        copies = p.rows(np.repeat(np.arange(len(p.time)), counts))
        np.testing.assert_allclose(sample, figure(copies.once())[0], rtol=1e-7, atol=1e-9)


@every_figure
@settings(max_examples=12)
@given(p=cohorts())
def test_counts_of_two_are_the_doubled_cohort(figure, p):
    doubled = p.rows(np.tile(np.arange(len(p.time)), 2)).once()
    twice = replace(p, counts=np.full((1, len(p.time)), 2.0))
    np.testing.assert_allclose(figure(twice), figure(doubled), rtol=1e-7, atol=1e-9)


@every_figure
@settings(max_examples=8)
@given(p=cohorts())
def test_samples_are_answered_alike_alone_and_together(figure, p):
    alone = [figure(replace(p, counts=counts[None]))[0] for counts in p.counts]
    np.testing.assert_allclose(figure(p), alone, rtol=1e-8, atol=1e-10)


@every_figure
@settings(max_examples=8)
@given(p=cohorts())
def test_a_figure_is_the_mean_over_repeats(figure, p):
    np.testing.assert_allclose(figure(p), (figure(p.repeat(0)) + figure(p.repeat(1))) / 2, rtol=1e-9, atol=1e-12)


@settings(max_examples=12)
@given(cohorts(), st.floats(10, 500))
def test_survival_is_the_kaplan_meier_of_the_copies(p, day):
    for survival, counts in zip(survival_at(*p.outcome(), day=day), p.counts.astype(int), strict=True):
        time, event = np.repeat(p.time, counts), np.repeat(p.event, counts)
        factors = [1 - np.sum(event & (time == t)) / np.sum(time >= t) for t in np.unique(time[event & (time <= day)])]
        assert survival == pytest.approx(np.prod(factors), rel=1e-12, abs=1e-15)
