"""A training, whole: the same numbers however it is run, and figures that mean what they say."""

from __future__ import annotations

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from experiments.figures import pictures
from experiments.simulation import simulate_cohort
from experiments.tracking import track
from features.panel import load_panel
from serving.settings import Settings
from training.bundle import write_bundle
from training.definition import DefinitionError, load_definition
from training.evaluation import GAIN, GENES_GAIN, judge_of
from training.gate import NOT_ASSESSED
from training.kaplan_meier import kaplan_meier
from training.profiles import Profile
from training.scoring import score_profiles
from training.tasks import WHOLE, Work, planned, run
from training.trainer import headline_name, train

PANEL = load_panel("ctc_core")
CLINICAL = ["clinical_only", "clinical_boosted"]
BASELINES = ["kaplan_meier", *CLINICAL, "auto_clinical", "best_single_gene"]
LEARNERS = ["penalised_cox", "boosted"]
GENES_ONLY = [f"{name}_genes_only" for name in LEARNERS]


@pytest.fixture(scope="module")
def definition(small_definition):
    """Two trials, few trees, two repeats of two folds, and the choice between both learners."""
    read = load_definition(small_definition)
    few_trees = {"default": {**read.boosted.default, "rounds": 15}, "search": {}}
    return read.model_copy(
        update={
            "trials": 2,
            "learner": "auto",
            "boosted": read.boosted.model_copy(update=few_trees),
            "resampling": read.resampling.model_copy(update={"outer_repeats": 2}),
        }
    )


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort("KIRC", seed=5, n_patients=120, n_background=3)


def trained(cohort, definition, *, workers=1, panel=PANEL, others=()):
    made = {"created": "2026-01-02T03:04:05+00:00", "code_version": "0", "data_digest": "0" * 64}
    provenance = {**made, "definition_digest": "0" * 64, "seed": str(definition.seed)}
    return train(cohort, panel, definition, provenance=provenance, workers=workers, others=others)


@pytest.fixture(scope="module")
def result(cohort, definition):
    return trained(cohort, definition)


def without_clinical(cohort):
    return replace(cohort, clinical=pd.DataFrame(index=cohort.patients))


@pytest.fixture(scope="module")
def genes_alone(cohort, definition):
    """A training of a cohort that has no clinical column at all."""
    return trained(without_clinical(cohort), definition)


def figures(result):
    return {name: dict(evaluation.metrics) for name, evaluation in result.evaluations.items()}


def fitted_state(result):
    state = {}
    for name, variant in result.model.variants.items():
        X = variant.features.transform(result.cohort.expression, result.cohort.clinical)
        state[name] = (variant.learner, variant.slope, variant.parameters, variant.fitted.linear_predictor(X).tobytes())
    return state


def test_the_numbers_are_the_same_to_the_bit_whatever_the_worker_count(result, cohort, definition):
    again = trained(cohort, definition, workers=2)
    assert figures(again) == figures(result)
    assert fitted_state(again) == fitted_state(result)
    for name, evaluation in result.evaluations.items():
        assert np.array_equal(again.evaluations[name].linear_predictor, evaluation.linear_predictor)
        assert np.array_equal(again.evaluations[name].survival, evaluation.survival)
        if evaluation.tuning is not None:
            assert again.evaluations[name].tuning.trials.equals(evaluation.tuning.trials)


def test_another_seed_gives_other_folds_and_other_numbers(result, cohort, definition):
    other = trained(cohort, definition.model_copy(update={"seed": 1}))
    assert not np.array_equal(other.folds, result.folds)
    changed = [name for name, metrics in figures(result).items() if figures(other)[name] != metrics]
    assert set(changed) == set(result.evaluations)


def test_every_learner_and_baseline_is_reported_in_order(result):
    expected = [*BASELINES, *LEARNERS, "auto", *GENES_ONLY, "auto_genes_only"]
    assert list(result.evaluations) == expected
    assert [evaluation.name for evaluation in result.evaluations.values()] == expected
    tuned = [name for name, evaluation in result.evaluations.items() if evaluation.tuning is not None]
    assert tuned == [*CLINICAL, *LEARNERS, *GENES_ONLY]


def test_every_patient_is_judged_in_every_repeat(result):
    for evaluation in result.evaluations.values():
        assert evaluation.linear_predictor.shape == (2, 120)
        assert evaluation.survival.shape == (2, 120, len(result.grid_days))
        assert np.isfinite(evaluation.linear_predictor).all()
        assert ((evaluation.survival >= 0) & (evaluation.survival <= 1)).all()
        assert (np.diff(evaluation.survival, axis=2) <= 0).all()


def test_the_average_patients_concordance_is_exactly_one_half(result):
    for metric in ("concordance_harrell", "concordance_uno"):
        estimate = result.evaluations["kaplan_meier"].metrics[metric]
        assert (estimate.value, estimate.lower, estimate.upper) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("suffix", ["", "_genes_only"])
def test_auto_says_what_each_learner_counts_and_lies_between_them(result, suffix):
    auto = result.evaluations[f"auto{suffix}"]
    members = [*CLINICAL, *LEARNERS] if not suffix else LEARNERS
    assert list(auto.weights) == members
    assert sum(auto.weights.values()) == pytest.approx(1, abs=1e-12)
    assert all(0 < weight < 1 for weight in auto.weights.values())


def test_the_kept_model_weighs_all_learners_fitted_on_all_patients(result):
    for variant, members in (("clinical", [*CLINICAL, *LEARNERS]), ("genes_only", LEARNERS)):
        kept = result.model.variants[variant]
        assert kept.learner == "auto"
        weights = {name: kept.parameters[f"weight.{name}"] for name in members}
        assert sum(weights.values()) == pytest.approx(1, abs=1e-12)


def test_the_models_figures_are_those_of_the_whole_procedure_that_led_to_it(result, definition):
    assert result.model.variants["clinical"].metrics == result.evaluations["auto"].metrics
    assert result.model.variants["genes_only"].metrics == result.evaluations["auto_genes_only"].metrics
    assert headline_name(result.evaluations, definition) == "auto"
    concordance = result.evaluations["auto"].metrics["concordance_harrell"]
    assert f"{concordance.value:.3f} ({concordance.lower:.3f}" in result.gate.clauses[1][2]


def test_percentiles_refer_to_out_of_fold_predictions_of_every_patient(result):
    for variant in result.model.variants.values():
        assert len(variant.reference) == 120
        assert (np.diff(variant.reference) >= 0).all()


def test_genes_outside_the_panel_change_nothing_but_the_digest(result, cohort, definition):
    noise = cohort.expression.assign(**{cohort.expression.columns[-1]: 1.5})
    again = trained(replace(cohort, expression=noise), definition)
    assert figures(again) == figures(result)
    assert again.model.cohort.digest != result.model.cohort.digest


def test_a_cohort_without_a_clinical_column_gives_a_model_of_genes_alone(genes_alone, definition):
    assert list(genes_alone.evaluations) == ["kaplan_meier", "best_single_gene", *GENES_ONLY, "auto_genes_only"]
    assert list(genes_alone.model.variants) == ["genes_only"]
    assert headline_name(genes_alone.evaluations, definition) == "auto_genes_only"


def test_a_model_of_genes_alone_gives_the_figures_of_the_twin(genes_alone, result):
    # The twin is fitted as if there were no clinical columns.
    for name in GENES_ONLY:
        twin = {
            key: estimate for key, estimate in result.evaluations[name].metrics.items() if key not in (GAIN, GENES_GAIN)
        }
        assert genes_alone.evaluations[name].metrics == twin


def test_a_model_of_genes_alone_scores_with_and_without_clinical_covariates(genes_alone):
    cohort = genes_alone.cohort
    expression = cohort.expression.iloc[0].dropna().to_dict()
    profiles = [Profile("a", expression), Profile("b", expression, {"age": 60, "stage": "II"})]
    answers = score_profiles(
        genes_alone.model, profiles, scale=cohort.scale, zscore_reference=None, horizons_months=None
    )
    assert [answer.variant for answer in answers] == ["genes_only", "genes_only"]
    assert answers[0].linear_predictor == answers[1].linear_predictor
    assert not any("not known" in warning for answer in answers for warning in answer.warnings)
    assert any("does not read were ignored: age, stage" in warning for warning in answers[1].warnings)


def test_a_training_of_genes_alone_is_pictured_and_tracked(genes_alone, tmp_path):
    for evaluation in genes_alone.evaluations.values():
        for _, figure in pictures(genes_alone, evaluation):
            plt.close(figure)
    write_bundle(genes_alone.model, tmp_path / "bundle")
    settings = Settings.from_environment({"PROGNOSIS_HOME": str(tmp_path / "home")})
    tracked = track(genes_alone, tmp_path / "bundle", settings=settings, started=1_700_000_000.0)
    assert tracked.name == "SIMULATED-KIRC-OS"


def test_a_clinical_column_that_some_folds_know_too_rarely_does_not_stop_a_training(cohort, definition):
    # Known in just half of all patients: below the least share in one of any two folds.
    clinical = cohort.clinical[["age"]].copy()
    clinical["age"] = np.where(np.arange(120) < 60, clinical["age"].fillna(60.0), np.nan)
    cox_only = definition.model_copy(update={"learner": "penalised_cox", "trials": 1})
    result = trained(replace(cohort, clinical=clinical), cox_only)
    assert list(result.model.variants) == ["clinical", "genes_only"]
    assert np.isfinite(result.evaluations["clinical_only"].metrics["concordance_harrell"].value)


def test_known_hazards_are_found_out_of_fold_and_survival_is_calibrated(definition):
    cohort = simulate_cohort("KIRC", seed=1, n_patients=500, n_background=0)
    cox = definition.model_copy(
        update={
            "learner": "penalised_cox",
            "trials": 1,
            "resampling": definition.resampling.model_copy(update={"outer_repeats": 1, "outer_folds": 4}),
        }
    )
    evaluation = trained(cohort, cox).evaluations["penalised_cox"]
    assert evaluation.metrics["concordance_harrell"].lower > 0.6
    # Thirds of predicted risk: their mean predicted survival is what Kaplan and Meier see, within its interval.
    day = len(evaluation.survival[0, 0]) // 2
    risk = evaluation.linear_predictor[0]
    grid = judge_of(cohort, cox).grid_days
    for third in np.array_split(np.argsort(risk), 3):
        observed = kaplan_meier(cohort.time[third], cohort.event[third]).at(grid[day])
        n = len(third)
        error = np.sqrt(observed * (1 - observed) / n)
        assert evaluation.survival[0, third, day].mean() == pytest.approx(observed, abs=3.5 * error)


def test_permuted_outcomes_give_a_concordance_of_about_one_half(cohort, definition):
    # The whole pipeline of two learners: features, tuning, averaging, recalibration.
    learners = ("clinical_only", "penalised_cox")
    short = definition.model_copy(update={"trials": 3})
    seen = []
    for seed in range(24):
        order = np.random.default_rng(seed).permutation(120)
        permuted = replace(cohort, time=cohort.time[order], event=cohort.event[order])
        judge = judge_of(permuted, short).with_samples(1)
        narrowed = replace(permuted, expression=permuted.expression[list(PANEL.symbols)])
        work = Work(narrowed, PANEL, short, judge.folds, judge.grid_days, learners=learners)
        tasks = [task for task in planned(judge, ("clinical",)) if task.repeat != WHOLE]
        predicted = run(tasks, work, workers=1, progress=None)
        seen.append([concordance_of(predicted, judge, learner) for learner in learners])
    mean, error = np.mean(seen, axis=0), np.std(seen, axis=0, ddof=1) / np.sqrt(len(seen))
    assert (np.abs(mean - 0.5) < 3 * error).all()
    # And the error is small enough for that to say something.
    assert (error < 0.03).all()


def concordance_of(predicted, judge, learner):
    linear_predictor = np.empty(judge.folds.shape)
    for task, of_fold in predicted.items():
        linear_predictor[task.repeat, judge.folds[task.repeat] == task.fold] = of_fold[learner].linear_predictor
    return judge.concordance(linear_predictor)[0]


def test_a_training_without_other_cancer_types_has_no_pooled_learner_and_refuses_to_be_one(cohort, definition):
    with pytest.raises(DefinitionError, match="pooled_cox' needs cohorts of other cancer types"):
        trained(cohort, definition.model_copy(update={"learner": "pooled_cox", "trials": 1}))


def test_a_cohort_leans_on_others_and_says_on_whom_and_how_much(cohort, definition):
    others = [simulate_cohort(name, seed=5, n_patients=80, n_background=0) for name in ("LGG", "LUAD")]
    small = definition.model_copy(update={"trials": 1, "learner": "pooled_cox"})
    pooled = trained(cohort, small, others=[cohort, *others])
    assert pooled.model.provenance["pooled_with"] == "SIMULATED-LGG, SIMULATED-LUAD"
    assert pooled.model.variants["clinical"].learner == "pooled_cox"
    assert pooled.evaluations["pooled_cox"].shared_weight != 0
    assert pooled.evaluations["penalised_cox"].shared_weight == 0


def test_random_sets_diagnostics_and_tables_stand_beside_the_figures(result):
    assert len(result.random_signatures.concordance) == 3 or result.random_signatures.reason
    assert {"time_dependent_auc", "decision_curve", "subgroups", "beyond_clinical_only", "proliferation"} <= set(
        result.tables
    )
    assert {"proportional_hazards", "influence", "follow_up"} <= set(result.tables)
    assert [clause for clause, _, _ in result.gate.clauses] == [
        "minimum_events",
        "concordance_lower_above",
        "not_shown_worse_than_clinical_only",
        "calibration_slope",
        "above_random_genes",
    ]


def test_three_random_sets_are_too_few_for_the_gate_whatever_the_panel_did(small_training):
    _, verdict, figure = small_training.gate.clauses[-1]
    assert verdict == NOT_ASSESSED
    assert "too few random sets (3: " in figure
    assert not small_training.gate.passed


def test_the_gain_over_clinical_covariates_is_the_difference_of_the_two_concordances(result):
    baseline = result.evaluations["clinical_only"].metrics["concordance_harrell"].value
    for evaluation in result.evaluations.values():
        gain, concordance = evaluation.metrics[GAIN], evaluation.metrics["concordance_harrell"]
        assert gain.value == pytest.approx(concordance.value - baseline, abs=1e-12)
        assert gain.lower <= gain.value <= gain.upper
    assert result.evaluations["clinical_only"].metrics[GAIN].upper == 0
