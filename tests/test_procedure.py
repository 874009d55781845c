"""One whole procedure: its slope, its folds, and what it must never see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from experiments.simulation import simulate_cohort
from features.panel import load_panel
from training import procedure
from training.definition import load_definition
from training.kaplan_meier import kaplan_meier
from training.procedure import calibration_slope, fit_procedure, searched

PANEL = load_panel("ctc_core")


@pytest.fixture(scope="module")
def definition(small_definition):
    read = load_definition(small_definition)
    rounds = read.boosted.model_copy(update={"default": {**read.boosted.default, "rounds": 15}, "search": {}})
    return read.model_copy(update={"trials": 4, "boosted": rounds})


@pytest.fixture(scope="module")
def cohort():
    simulated = simulate_cohort("KIRC", seed=5, n_patients=120, n_background=0)
    return replace(simulated, expression=simulated.expression[list(PANEL.symbols)])


def fit(cohort, definition, *, learner="penalised_cox", variant="clinical", seed=7):
    return fit_procedure(cohort, PANEL, definition, learner=learner, variant=variant, seed=seed)


def outcomes(linear_predictor, rng):
    time = np.ceil(rng.exponential(1000 * np.exp(-linear_predictor)))
    censored = np.ceil(rng.exponential(2000, size=len(time)))
    return np.minimum(time, censored), time <= censored


@pytest.mark.parametrize("slope", [1.0, 0.4])
def test_the_calibration_slope_of_predictions_is_the_factor_between_them_and_the_truth(slope):
    rng = np.random.default_rng(0)
    linear_predictor = rng.normal(size=4000)
    time, event = outcomes(slope * linear_predictor, rng)
    # Its standard error is about 1/sqrt(events).
    assert calibration_slope(linear_predictor, time, event) == pytest.approx(slope, abs=3 / np.sqrt(event.sum()))


def test_the_calibration_slope_goes_with_the_unit_of_the_predictions():
    rng = np.random.default_rng(1)
    linear_predictor = rng.normal(size=300)
    time, event = outcomes(linear_predictor, rng)
    slope = calibration_slope(linear_predictor, time, event)
    assert calibration_slope(100 * linear_predictor + 3, time, event) == pytest.approx(slope / 100, rel=1e-8)


def test_predictions_that_are_worse_than_chance_count_for_nothing():
    rng = np.random.default_rng(2)
    linear_predictor = rng.normal(size=300)
    time, event = outcomes(linear_predictor, rng)
    assert calibration_slope(-linear_predictor, time, event) == 0.0


def test_predictions_that_do_not_vary_have_slope_zero():
    rng = np.random.default_rng(3)
    time, event = outcomes(np.zeros(50), rng)
    assert calibration_slope(np.full(50, 0.3), time, event) == 0.0


def test_the_fitted_procedure_is_the_same_whatever_the_held_out_patients_hold(cohort, definition):
    training = np.arange(0, 90)
    expression, clinical = cohort.expression.copy(), cohort.clinical.copy()
    time, event = cohort.time.copy(), cohort.event.copy()
    expression.iloc[90:] = expression.iloc[90:] * 5 + 40
    clinical.iloc[90:, clinical.columns.get_loc("age")] = 3.0
    time[90:], event[90:] = 1.0, True
    other = replace(cohort, expression=expression, clinical=clinical, time=time, event=event)
    first, second = (fit(each.subset(training), definition) for each in (cohort, other))
    assert np.array_equal(first.fitted.predictor.coefficients, second.fitted.predictor.coefficients)
    assert np.array_equal(first.out_of_fold, second.out_of_fold)
    assert (first.slope, first.tuning.parameters) == (second.slope, second.tuning.parameters)
    assert np.array_equal(first.baseline.cumulative_hazard, second.baseline.cumulative_hazard)


@pytest.mark.parametrize("learner", ["penalised_cox", "boosted"])
def test_a_fold_is_predicted_by_a_fit_that_never_saw_its_outcomes(definition, learner, monkeypatch):
    cohort = simulate_cohort("KIRC", seed=1, n_patients=400, n_background=0)
    # The same folds before and after outcomes change hands within one fold: only that fold may keep its figures.
    folds = np.arange(400) % 2
    monkeypatch.setattr("training.procedure.stratified_folds", lambda *_: folds)
    untuned = definition.model_copy(update={learner: getattr(definition, learner).model_copy(update={"search": {}})})
    order = np.arange(400)
    by_time = np.flatnonzero(folds == 0)[np.argsort(cohort.time[folds == 0])]
    order[by_time] = by_time.reshape(-1, 2)[:, ::-1].ravel()  # neighbours in time: the signal stays
    exchanged = replace(cohort, time=cohort.time[order], event=cohort.event[order])
    first, second = (fit(each, untuned, learner=learner, variant="clinical") for each in (cohort, exchanged))
    assert first.slope > 0
    assert second.slope > 0  # else there is nothing to compare
    before, after = first.out_of_fold / first.slope, second.out_of_fold / second.slope
    np.testing.assert_allclose(after[folds == 0], before[folds == 0], rtol=1e-12)
    assert not np.allclose(after[folds == 1], before[folds == 1])


def test_learners_that_are_given_one_seed_are_tuned_on_the_same_inner_folds(cohort, definition, monkeypatch):
    dealt, deal = [], procedure.stratified_folds
    monkeypatch.setattr(procedure, "stratified_folds", lambda *given: dealt.append(deal(*given)) or dealt[-1])
    untuned = definition.model_copy(update={"trials": 1})
    for learner, variant in (("clinical_only", "clinical"), ("penalised_cox", "clinical"), ("boosted", "genes_only")):
        fit(cohort, untuned, learner=learner, variant=variant)
    fit(cohort, untuned, seed=8)
    # Each procedure deals twice: folds that choose the parameters, and others for slope and baseline.
    tuned_on, recalibrated_on = dealt[::2], dealt[1::2]
    assert np.array_equal(tuned_on[0], tuned_on[1])
    assert np.array_equal(tuned_on[0], tuned_on[2])
    assert not np.array_equal(tuned_on[0], tuned_on[3])
    assert not np.array_equal(tuned_on[0], recalibrated_on[0])


@pytest.mark.parametrize("learner", ["penalised_cox", "boosted"])
def test_genes_only_never_reads_a_clinical_column(cohort, definition, learner):
    other = cohort.clinical.iloc[::-1].set_axis(cohort.patients)
    first, second = (
        fit(each, definition, learner=learner, variant="genes_only")
        for each in (cohort, replace(cohort, clinical=other))
    )
    assert {first.features.covariates[j].kind for j in first.fitted.columns} <= {"gene", "interaction", "score"}
    assert np.array_equal(first.out_of_fold, second.out_of_fold)
    assert np.array_equal(first.linear_predictor(cohort), second.linear_predictor(cohort))
    assert "clinical_factor" not in first.tuning.parameters


def test_clinical_only_never_reads_a_gene(cohort, definition):
    shuffled = cohort.expression.iloc[::-1].set_axis(cohort.patients)
    first, second = (
        fit(each, definition, learner="clinical_only") for each in (cohort, replace(cohort, expression=shuffled))
    )
    assert {first.features.covariates[j].kind for j in first.fitted.columns} == {"clinical"}
    assert np.array_equal(first.out_of_fold, second.out_of_fold)


def test_the_space_of_the_genes_only_twin_has_no_clinical_factor(definition):
    assert "clinical_factor" in searched(definition, "penalised_cox", "clinical").search
    assert "clinical_factor" not in searched(definition, "penalised_cox", "genes_only").search


def test_the_baseline_survival_of_the_training_patients_is_that_of_kaplan_meier(cohort, definition):
    # Estimated on the recalibrated out-of-fold predictors, which is what a new patient's is like.
    fitted = fit(cohort, definition)
    days = np.quantile(cohort.time, [0.25, 0.5])
    mean = fitted.baseline.survival(fitted.out_of_fold, days).mean(axis=0)
    np.testing.assert_allclose(mean, kaplan_meier(cohort.time, cohort.event).at(days), atol=0.03)


@pytest.mark.parametrize("learner", ["penalised_cox", "boosted"])
def test_a_cohort_that_holds_no_gene_of_the_narrower_panel_is_fitted_without_covariates(cohort, definition, learner):
    # A targeted panel: only genes that ctc_core does not hold.
    wider = load_panel("ctc_interaction")
    simulated = simulate_cohort("KIRC", seed=5, n_patients=120, n_background=0)
    outside = [symbol for symbol in wider.symbols if symbol not in PANEL.symbols]
    narrow = replace(simulated, expression=simulated.expression[outside])
    chosen = getattr(definition, learner)
    core = chosen.model_copy(update={"default": {**chosen.default, "panel": "ctc_core"}, "search": {}})
    fitted = fit_procedure(
        narrow, wider, definition.model_copy(update={learner: core}), learner=learner, variant="genes_only", seed=1
    )
    assert fitted.slope == 0.0
    assert np.array_equal(fitted.linear_predictor(narrow), np.zeros(120))
