"""Cox models of counted patients: by hand, against the other Cox models, and where there is no figure."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.counted_cox import BLOCK_SIZE, coefficients, counted_cox, risk_by
from training.penalised_cox import fit_penalised_cox
from training.resampling import bootstrap_counts
from training.univariate_cox import cox_univariate

seeds = st.integers(0, 100_000)
#: Covariate, day, event and count of each patient: few values, so that ties, separation and constants abound.
patient = st.tuples(st.integers(-2, 2).map(float), st.integers(1, 6).map(float), st.booleans(), st.integers(0, 2))


def cohort(seed, n_patients=60):
    rng = np.random.default_rng(seed)
    covariates = rng.normal(size=(2, n_patients))
    time = rng.permutation(n_patients) + 1.0 - 5 * covariates[0]
    return covariates, time - time.min() + 1, rng.random(n_patients) < 0.6


def once(time):
    return np.ones((1, len(time)))


def test_two_events_by_hand():
    # Deaths of 1, 0 and 1 on days 1, 2 and 3 with a 0 alive: of x = e^b the score is 0 where x² - x - 4 = 0
    # (2/x = 2/(x + 1) + 1/(x + 2)).
    covariate, time, event = np.array([1.0, 0, 1, 0]), np.array([1.0, 2, 3, 4]), np.array([True, True, True, False])
    fitted = coefficients(covariate, time, event, once(time))
    np.testing.assert_allclose(fitted, np.log((1 + np.sqrt(17)) / 2), rtol=1e-12)


def test_copies_are_tied_as_breslow_has_it():
    # A death of 1 counted twice, among another 1 and two 0s; then a death of 0 among a 1 and itself and a 0.
    covariate, time, event = np.array([1.0, 0, 1, 0]), np.array([1.0, 2, 3, 4]), np.array([True, True, False, False])
    counts = np.array([[2.0, 1, 1, 1]])
    x = np.exp(coefficients(covariate, time, event, counts)[0])
    # At the maximum the score is 0: both copies see both copies at risk.
    assert 2 * (1 - 3 * x / (3 * x + 2)) == pytest.approx(x / (x + 2), rel=1e-10)


@given(seeds)
def test_without_ties_it_is_efrons_univariate_model(seed):
    covariates, time, event = cohort(seed)
    efron = cox_univariate(covariates.T, time, event)
    mine = [coefficients(covariate, time, event, once(time))[0] for covariate in covariates]
    np.testing.assert_allclose(mine, efron.coefficient, rtol=1e-8, atol=1e-10)


@settings(max_examples=30)
@given(seeds)
def test_two_covariates_without_a_penalty_are_the_penalised_model_with_none(seed):
    covariates, time, event = cohort(seed)
    expected = fit_penalised_cox(covariates.T, time, event, penalty=np.zeros(2), l1_ratio=0).coefficients
    fitted = counted_cox(covariates[:, None], time, event, once(time))
    assert fitted.converged.all()
    np.testing.assert_allclose(fitted.coefficients[0], expected, rtol=1e-5, atol=1e-6)


@given(seeds, st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_a_shift_changes_nothing_and_a_scale_divides(seed, shift, scale):
    (covariate, _), time, event = cohort(seed)
    before = coefficients(covariate, time, event, once(time))
    after = coefficients(scale * covariate + shift, time, event, once(time))
    np.testing.assert_allclose(after * scale, before, rtol=1e-5, atol=1e-8)


@given(st.lists(patient, min_size=1, max_size=12))
def test_a_figure_is_there_exactly_where_the_likelihood_has_a_maximum(patients):
    covariate, time, event, counts = (np.array(column) for column in zip(*patients, strict=True))
    fitted = coefficients(covariate, time, event, counts[None].astype(float))[0]
    present, dead = counts > 0, event & (counts > 0)
    risk_sets = [covariate[present & (time >= t)] for t in time[dead]]
    rising = all(x >= at_risk.max() for x, at_risk in zip(covariate[dead], risk_sets, strict=True))
    falling = all(x <= at_risk.min() for x, at_risk in zip(covariate[dead], risk_sets, strict=True))
    assert np.isfinite(fitted) == (not rising and not falling)


def test_nobodys_event_and_everybodys_covariate_have_no_figure():
    time = np.array([1.0, 2.0, 3.0])
    assert np.isnan(coefficients(np.array([1.0, 0, 2]), time, np.zeros(3, dtype=bool), once(time)))[0]
    assert np.isnan(coefficients(np.full(3, 0.1 + 0.2), time, np.ones(3, dtype=bool), once(time)))[0]


def test_a_constant_covariate_has_the_coefficient_0_and_leaves_the_other_alone():
    (covariate, _), time, event = cohort(4)
    fitted = counted_cox(np.stack([covariate, np.full(60, 0.3)])[:, None], time, event, once(time))
    assert fitted.coefficients[0, 1] == 0
    assert fitted.coefficients[0, 0] == pytest.approx(coefficients(covariate, time, event, once(time))[0], rel=1e-9)
    assert fitted.converged.all()


def test_where_the_likelihood_rises_for_ever_it_stops_finite_and_says_so():
    time, event = np.arange(1.0, 21.0), np.ones(20, dtype=bool)
    covariates = np.stack([-time, time % 3])[:, None]
    fitted = counted_cox(covariates, time, event, once(time))
    assert not fitted.converged.any()
    assert np.isfinite(fitted.coefficients).all()
    risk = risk_by(np.einsum("psn,sp->sn", covariates, fitted.coefficients), time, event, once(time), day=10.0)
    assert ((risk >= 0) & (risk <= 1)).all()
    # The next to fail is certain to, the last to fail is not.
    assert risk[0, 0] > 0.99
    assert risk[0, -1] < 0.01


def test_more_samples_than_a_block_holds_are_all_answered():
    (covariate, _), time, event = cohort(5)
    n_samples = 2 * BLOCK_SIZE // len(time) + 7
    counts = bootstrap_counts(len(time), n_samples, np.random.default_rng(0))
    together = coefficients(covariate, time, event, counts)
    assert together.shape == (n_samples,)
    some = [0, n_samples // 2, n_samples - 1]
    np.testing.assert_allclose(together[some], coefficients(covariate, time, event, counts[some]), rtol=1e-8)


def test_risk_by_a_day_by_hand():
    # Hazards 1, 2 and 4: at risk on day 1 are 7, on day 3 the last (4), or twice the last if it is counted twice.
    log_hazard, time = np.log([[1.0, 2, 4]]), np.array([1.0, 2.0, 3.0])
    event = np.array([True, False, True])
    risk = risk_by(log_hazard, time, event, once(time), day=3.0)
    np.testing.assert_allclose(risk[0], 1 - np.exp(-(1 / 7 + 1 / 4) * np.array([1, 2, 4])), rtol=1e-14)
    np.testing.assert_allclose(
        risk_by(log_hazard, time, event, np.array([[1.0, 1, 2]]), day=2.9)[0],
        1 - np.exp(-np.array([1, 2, 4]) / 11),
        rtol=1e-14,
    )
    np.testing.assert_array_equal(risk_by(log_hazard, time, ~np.ones(3, dtype=bool), once(time), day=3.0), 0)


@given(seeds, st.floats(-300, 300))
def test_a_constant_on_the_log_hazards_changes_no_risk(seed, shift):
    (covariate, _), time, event = cohort(seed)
    before = risk_by(covariate[None], time, event, once(time), day=30.0)
    np.testing.assert_allclose(risk_by(covariate[None] + shift, time, event, once(time), day=30.0), before, rtol=1e-9)
