"""A baseline that is wrong is found, and what is offered brings it back; risks that are right are left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from new_cohorts import drawn, named, row, verdict

from experiments.simulation import simulate_cohort
from features.cohort import Cohort
from training.validation import Validation, validate


@pytest.fixture(scope="module")
def model(small_training):
    """Only the twin that reads genes: one law to draw from."""
    model = small_training.model
    return replace(model, variants={"genes_only": model.variants["genes_only"]})


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    whole = named(simulate_cohort("KIRC", seed=43, n_patients=600, n_background=0))
    # Nothing missing: the law is that of the linear predictor which is drawn from.
    return whole.subset(np.flatnonzero(whole.expression.notna().all(axis=1)))


@pytest.fixture(scope="module")
def as_predicted(model, cohort) -> Validation:
    return validate(model, drawn(model, cohort), n_samples=100)


@pytest.fixture(scope="module")
def doubled(model, cohort) -> Validation:
    return validate(model, drawn(model, cohort, factor=2.0), n_samples=100)


def test_risks_that_are_right_are_found_right(as_predicted):
    found = row(as_predicted, "genes_only")
    for months in found.horizons_months:
        ratio = found.metrics[f"log_observed_expected_{months:g}m"]
        assert ratio.lower < 0 < ratio.upper
    assert found.metrics["calibration_slope"].lower < 1 < found.metrics["calibration_slope"].upper
    shift = found.offers[0].shift
    assert shift.lower < 0 < shift.upper


def test_a_doubled_hazard_is_found_by_observed_over_expected(doubled):
    found = row(doubled, "genes_only")
    months = found.horizons_months[len(found.horizons_months) // 2]
    assert found.metrics[f"log_observed_expected_{months:g}m"].lower > 0
    assert verdict(doubled, f"calibration at {months:g} months") == "underestimates risk"
    assert "its risks do not fit them (underestimates risk" in doubled.summary


def test_the_shift_that_is_offered_is_the_log_of_the_factor(doubled):
    shift = row(doubled, "genes_only").offers[0].shift
    # Steps of the hazard make the law that is drawn from a little milder than its sum.
    assert shift.value == pytest.approx(np.log(2), abs=0.15)
    assert shift.lower > 0


def test_after_the_shift_observed_is_expected_in_patients_who_took_no_part_in_it(doubled):
    found = row(doubled, "genes_only")
    shifted = found.offers[0].after
    for months in found.horizons_months:
        name = f"log_observed_expected_{months:g}m"
        assert abs(shifted[name].value) < 0.5 * abs(found.metrics[name].value)
    last = f"log_observed_expected_{found.horizons_months[-1]:g}m"
    assert shifted[last].lower < 0 < shifted[last].upper
    assert shifted["integrated_brier_score"].value < found.metrics["integrated_brier_score"].value


def test_a_flattened_predictor_is_found_by_the_slope_and_brought_back(model, cohort):
    found = row(validate(model, drawn(model, cohort, slope=0.5), n_samples=100), "genes_only")
    assert found.metrics["calibration_slope"].upper < 1
    offer = next(each for each in found.offers if each.name == "shift_and_slope")
    assert offer.slope.lower < 0.5 < offer.slope.upper
    assert abs(offer.after["calibration_slope"].value - 1) < 0.3


def test_what_is_offered_is_not_applied(model, doubled):
    baseline = model.variants["genes_only"].baseline
    assert row(doubled, "genes_only").metrics["calibration_slope"].value != 1.0
    assert doubled.model.variants["genes_only"].baseline is baseline
