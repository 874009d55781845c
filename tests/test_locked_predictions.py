"""A locked model asked about a cohort: whom it answers, and with which figure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from experiments.simulation import simulate_cohort
from features.cohort import Cohort
from features.pooled_cohorts import pooled
from training.locked_predictions import locked_predictions
from training.results import TrainingResult

DAYS = np.array([200.0, 400.0])


@pytest.fixture(scope="module")
def strangers() -> Cohort:
    return renamed(simulate_cohort("KIRC", seed=77, n_patients=40, n_background=2), "new")


def renamed(cohort: Cohort, prefix: str) -> Cohort:
    index = [f"{prefix}-{k}" for k in range(len(cohort.time))]
    return replace(cohort, expression=cohort.expression.set_axis(index), clinical=cohort.clinical.set_axis(index))


def test_strangers_get_what_the_model_predicts_for_them(small_training: TrainingResult, strangers: Cohort):
    found = locked_predictions(small_training.model, strangers, DAYS)
    variant = small_training.model.variants["clinical"]
    expected = variant.linear_predictor(strangers.expression, strangers.clinical)
    complete = strangers.clinical[list(variant.clinical)].notna().all(axis=1).to_numpy() & found.answered
    assert complete.sum() > 20
    assert found.absent.all()
    np.testing.assert_allclose(found.linear_predictor[complete], expected[complete], rtol=1e-9)
    survival = variant.baseline.survival(expected, DAYS)
    np.testing.assert_allclose(found.survival[complete], survival[complete], rtol=1e-9)
    assert found.note == ""


def test_who_lacks_a_clinical_covariate_is_answered_by_the_twin(small_training: TrainingResult, strangers: Cohort):
    clinical = strangers.clinical.copy()
    clinical.loc[:, "age"] = np.nan
    found = locked_predictions(small_training.model, replace(strangers, clinical=clinical), DAYS)
    expected = small_training.model.variants["genes_only"].linear_predictor(strangers.expression, clinical)
    assert found.answered.sum() > 20
    np.testing.assert_allclose(found.linear_predictor[found.answered], expected[found.answered], rtol=1e-9)


def test_training_patients_get_no_prediction(small_training: TrainingResult):
    found = locked_predictions(small_training.model, small_training.cohort, DAYS)
    assert not found.absent.any()
    assert not found.answered.any()


def test_where_no_formula_leads_to_the_scale_only_the_order_is_answered(
    small_training: TrainingResult, strangers: Cohort
):
    other = "counts" if small_training.model.scale != "counts" else "tpm"
    values = np.exp(strangers.expression - strangers.expression.min().min())
    found = locked_predictions(small_training.model, replace(strangers, expression=values, scale=other), DAYS)
    assert found.survival is None
    assert "renormalised" in found.note
    assert found.answered.sum() > 20


def test_pooled_cohorts_are_asked_about_one_by_one(small_training: TrainingResult, strangers: Cohort):
    together = pooled([small_training.cohort, strangers], ["old", "new"])
    found = locked_predictions(small_training.model, together, DAYS)
    alone = locked_predictions(small_training.model, strangers, DAYS)
    old = together.strata == "old"
    assert not found.answered[old].any()
    np.testing.assert_array_equal(found.linear_predictor[~old], alone.linear_predictor)
    np.testing.assert_array_equal(found.absent, ~old)


def test_an_identifier_that_pooling_has_renamed_is_still_the_patients(small_training: TrainingResult):
    learned = small_training.cohort
    first = renamed(learned.subset(np.arange(60, 120)), "other")
    # The same identifiers for other patients, of whom the model may have learned: told by the identifier alone.
    namesakes = replace(learned.subset(np.arange(60)), time=learned.time[:60] + 5)
    together = pooled([replace_index(first, namesakes), namesakes], ["one", "two"])
    assert any("/" in str(patient) for patient in together.patients)
    assert not locked_predictions(small_training.model, together, DAYS).absent.any()


def replace_index(cohort: Cohort, like: Cohort) -> Cohort:
    index = like.patients
    return replace(cohort, expression=cohort.expression.set_axis(index), clinical=cohort.clinical.set_axis(index))
