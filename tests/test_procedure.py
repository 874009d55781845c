"""One whole procedure: its folds, its slope, the learners' average, and what it must never see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from experiments.simulation import simulate_cohort
from features.panel import load_panel
from training import splits
from training.averaging import bootstrapped_weights, tempered_weights
from training.blend import Blend
from training.breslow import breslow
from training.checkpoints import Checkpoints
from training.definition import load_definition
from training.kaplan_meier import kaplan_meier
from training.learners import LearnerSetting
from training.parameters import CLINICAL_KINDS
from training.pooling import SharedPredictor
from training.procedure import AUTO, AUTO_CLINICAL, calibration_slope, fit_procedures, learners_of, searched
from training.resampling import derived_seed, generator
from training.splits import inner_splits

PANEL = load_panel("ctc_core")
SHARED = SharedPredictor(("SIMULATED-LGG",), {"CD44": 0.3, "CXCR4": -0.2, "ICAM1": 0.1}, "0" * 64)
CLINICAL = ("clinical_only", "clinical_boosted", "penalised_cox", "pooled_cox", "boosted")
GENES_ONLY = ("best_single_gene", "penalised_cox", "pooled_cox", "boosted")
AVERAGES = (AUTO, AUTO_CLINICAL)
SEED = 7


@pytest.fixture(scope="module")
def definition(small_definition):
    read = load_definition(small_definition)
    trees = {name: getattr(read, name).at(rounds=12) for name in ("boosted", "clinical_boosted")}
    return read.model_copy(update={"trials": 4, **trees})


@pytest.fixture(scope="module")
def cohort():
    simulated = simulate_cohort("KIRC", seed=5, n_patients=120, n_background=0)
    return replace(simulated, expression=simulated.expression[list(PANEL.symbols)])


def fit(cohort, definition, *, variant="clinical", seed=SEED, shared=SHARED, panel=PANEL, **others):
    return fit_procedures(cohort, panel, definition, variant=variant, seed=seed, shared=shared, **others)


def one(cohort, definition, learner, **others):
    return fit(cohort, definition, learners=(learner,), **others)[learner]


@pytest.fixture(scope="module", params=["clinical", "genes_only"])
def variant(request):
    return request.param


@pytest.fixture(scope="module")
def fitted(cohort, definition, variant):
    """Every learner of both variants, and their average."""
    return fit(cohort, definition, variant=variant)


def equal(first, second):
    """Whether two procedures are the same to the bit."""
    assert (first.slope, first.weights) == (second.slope, second.weights)
    assert np.array_equal(first.out_of_fold, second.out_of_fold)
    assert np.array_equal(first.baseline.days, second.baseline.days)
    assert np.array_equal(first.baseline.cumulative_hazard, second.baseline.cumulative_hazard)
    if first.tuning is not None:
        assert first.tuning.trials.equals(second.tuning.trials)


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


def test_every_learner_of_a_variant_is_fitted_and_then_their_average(fitted, variant):
    averages = (AUTO_CLINICAL, AUTO) if variant == "clinical" else (AUTO,)
    assert tuple(fitted) == (*(CLINICAL if variant == "clinical" else GENES_ONLY), *averages)
    assert all(each.learner == name for name, each in fitted.items())
    assert {name for name, each in fitted.items() if each.tuning is None} == {*AVERAGES, "best_single_gene"} & set(
        fitted
    )


def test_where_nothing_is_shared_no_learner_leans_on_it():
    without = SharedPredictor()
    assert learners_of("clinical", without) == ("clinical_only", "clinical_boosted", "penalised_cox", "boosted")
    assert learners_of("genes_only", without) == ("best_single_gene", "penalised_cox", "boosted")
    assert "pooled_cox" in learners_of("genes_only", SHARED)


def test_one_learner_alone_has_no_average(cohort, definition):
    assert list(fit(cohort, definition, learners=("clinical_only", "penalised_cox"))) == [
        "clinical_only",
        "penalised_cox",
    ]


def test_a_learner_is_fitted_the_same_whichever_others_are_fitted_beside_it(cohort, definition, fitted, variant):
    for name in ("penalised_cox", "boosted"):
        alone = one(cohort, definition, name, variant=variant)
        equal(alone, fitted[name])
        assert np.array_equal(alone.linear_predictor(cohort), fitted[name].linear_predictor(cohort))


def test_equal_seeds_give_equal_procedures_and_others_do_not(cohort, definition):
    first, again, other = (one(cohort, definition, "boosted", seed=seed) for seed in (7, 7, 8))
    equal(first, again)
    assert np.array_equal(first.linear_predictor(cohort), again.linear_predictor(cohort))
    assert not np.array_equal(first.out_of_fold, other.out_of_fold)


def spoilt(cohort, positions):
    """The same cohort with other values, clinical covariates and outcomes in these patients."""
    expression, clinical = cohort.expression.copy(), cohort.clinical.copy()
    time, event = cohort.time.copy(), cohort.event.copy()
    expression.iloc[positions] = expression.iloc[positions] * 5 + 40
    clinical.iloc[positions, clinical.columns.get_loc("age")] = 3.0
    time[positions], event[positions] = 1.0, True
    return replace(cohort, expression=expression, clinical=clinical, time=time, event=event)


def test_the_procedure_is_the_same_whatever_the_held_out_patients_hold(cohort, definition, variant):
    training, held_out = np.arange(90), np.arange(90, 120)
    first, second = (
        fit(each.subset(training), definition, variant=variant) for each in (cohort, spoilt(cohort, held_out))
    )
    for name, procedure in first.items():
        equal(procedure, second[name])
        # Also for the patients that it has not seen.
        assert np.array_equal(procedure.linear_predictor(cohort), second[name].linear_predictor(cohort))


@pytest.mark.parametrize("learner", ["penalised_cox", "pooled_cox", "boosted", "clinical_boosted"])
def test_a_fold_is_predicted_by_a_fit_that_never_saw_its_outcomes(definition, learner, monkeypatch):
    cohort = simulate_cohort("KIRC", seed=1, n_patients=400, n_background=0)
    # The same folds before and after outcomes change hands within one fold: only that fold may keep its figures.
    folds = np.arange(400) % 2
    monkeypatch.setattr(splits, "stratified_folds", lambda *_: folds)
    untuned = definition.model_copy(update={learner: getattr(definition, learner).model_copy(update={"search": {}})})
    order = np.arange(400)
    by_time = np.flatnonzero(folds == 0)[np.argsort(cohort.time[folds == 0])]
    order[by_time] = by_time.reshape(-1, 2)[:, ::-1].ravel()  # neighbours in time: the signal stays
    exchanged = replace(cohort, time=cohort.time[order], event=cohort.event[order])
    first, second = (one(each, untuned, learner) for each in (cohort, exchanged))
    assert first.slope > 0
    assert second.slope > 0  # else there is nothing to compare
    # Boosted predictions are scaled by what suits the tuning folds best, before the slope.
    before, after = (each.out_of_fold / np.abs(each.out_of_fold).max() for each in (first, second))
    factor = before[folds == 0][0] / after[folds == 0][0]
    np.testing.assert_allclose(factor * after[folds == 0], before[folds == 0], rtol=1e-9)
    assert not np.allclose(factor * after[folds == 1], before[folds == 1])


def test_all_learners_are_tuned_on_the_same_inner_folds_and_recalibrated_on_others(cohort, definition, monkeypatch):
    dealt, deal = [], splits.stratified_folds
    monkeypatch.setattr(splits, "stratified_folds", lambda *given: dealt.append(deal(*given)) or dealt[-1])
    untuned = definition.model_copy(update={"trials": 1})
    for variant, seed in (("clinical", 7), ("genes_only", 7), ("clinical", 8)):
        fit(cohort, untuned, variant=variant, seed=seed)
    # Twice a variant, not twice a learner: folds that choose, and others for slope and baseline.
    assert len(dealt) == 6
    tuned_on, recalibrated_on = dealt[::2], dealt[1::2]
    assert np.array_equal(tuned_on[0], tuned_on[1])
    assert np.array_equal(recalibrated_on[0], recalibrated_on[1])
    assert not np.array_equal(tuned_on[0], tuned_on[2])
    assert not np.array_equal(tuned_on[0], recalibrated_on[0])


def inner(cohort, definition, what):
    return inner_splits(cohort, PANEL, definition, generator(SEED, what))


@pytest.mark.parametrize("learner", ["penalised_cox", "boosted"])
def test_a_learner_is_its_best_trials_average_weighed_by_how_likely_each_made_the_outcomes(cohort, definition, learner):
    procedure = one(cohort, definition, learner)
    at_most = getattr(definition, learner).averaged_trials
    best = sorted(procedure.tuning.completed, key=lambda trial: -trial.score)[:at_most]
    assert len(best) == min(at_most, getattr(definition, learner).trials_at_most or 4)
    outcome = inner(cohort, definition, "inner folds").outcome
    factors = [outcome.slope(trial.out_of_fold) if learner == "boosted" else 1.0 for trial in best]
    terms = np.array([outcome.terms(f * trial.out_of_fold) for f, trial in zip(factors, best, strict=True)])
    weights = bootstrapped_weights(terms[:, cohort.event], generator(SEED, learner, "clinical", "weights"))
    X = procedure.features.transform(cohort.expression, cohort.clinical)
    others, setting = inner(cohort, definition, "recalibration folds"), LearnerSetting(learner, "clinical", PANEL)
    expected, out_of_fold = np.zeros(120), np.zeros(120)
    for weight, factor, trial in zip(weights, factors, best, strict=True):
        given = {"covariates": procedure.features.covariates, "parameters": trial.parameters}
        refitted = setting.fit(X, cohort.time, cohort.event, **given, seed=derived_seed(SEED, "trees"))
        expected += weight * factor * refitted.linear_predictor(X)
        seed = derived_seed(SEED, "trees")
        out_of_fold += weight * factor * others.out_of_fold(setting, trial.parameters, seed=seed)
    np.testing.assert_allclose(procedure.fitted.linear_predictor(X), expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(procedure.out_of_fold, procedure.slope * out_of_fold, rtol=1e-9, atol=1e-9)


def test_slope_and_baseline_are_those_of_predictions_on_the_other_folds(cohort, fitted):
    for procedure in fitted.values():
        # Recalibrated once, their slope is 1; where nothing held out of fold it stays 0.
        again = calibration_slope(procedure.out_of_fold, cohort.time, cohort.event)
        assert again == pytest.approx(1.0 if procedure.slope else 0.0, abs=1e-6)
        baseline = breslow(procedure.out_of_fold, cohort.time, cohort.event)
        assert np.array_equal(procedure.baseline.cumulative_hazard, baseline.cumulative_hazard)


def test_what_a_procedure_predicts_is_its_fit_times_its_slope(cohort, fitted):
    for procedure in fitted.values():
        X = procedure.features.transform(cohort.expression, cohort.clinical)
        expected = procedure.slope * procedure.fitted.linear_predictor(X)
        assert np.array_equal(procedure.linear_predictor(cohort), expected)


def test_the_average_without_genes_weighs_those_that_read_none_and_never_reads_one(cohort, definition):
    shuffled = cohort.expression.iloc[::-1].set_axis(cohort.patients)
    first, second = (fit(each, definition)[AUTO_CLINICAL] for each in (cohort, replace(cohort, expression=shuffled)))
    assert set(first.weights) == {"clinical_only", "clinical_boosted"}
    assert sum(first.weights.values()) == pytest.approx(1, rel=1e-12)
    equal(first, second)


def test_the_average_weighs_every_learner_but_the_best_single_gene(fitted):
    weights = fitted[AUTO].weights
    assert set(weights) == set(fitted) - {*AVERAGES, "best_single_gene"}
    assert sum(weights.values()) == pytest.approx(1, rel=1e-12)
    assert all(0 <= weight <= 1 for weight in weights.values())


def tuned_predictions(cohort, definition, fitted):
    """Return what each learner of the average predicts on the folds that chose its parameters."""
    outcome = inner(cohort, definition, "inner folds").outcome
    variant = "clinical" if "clinical_only" in fitted else "genes_only"
    predictions = {}
    for name in fitted[AUTO].weights:
        best = sorted(fitted[name].tuning.completed, key=lambda trial: -trial.score)
        best = best[: getattr(definition, name).averaged_trials]
        factors = [outcome.slope(t.out_of_fold) if "objective" in t.parameters else 1.0 for t in best]
        terms = np.array([outcome.terms(f * t.out_of_fold) for f, t in zip(factors, best, strict=True)])
        weights = bootstrapped_weights(terms[:, cohort.event], generator(SEED, name, variant, "weights"))
        predictions[name] = sum(w * f * t.out_of_fold for w, f, t in zip(weights, factors, best, strict=True))
    return predictions


def scores_on_the_tuning_folds(cohort, definition, fitted):
    """Return, for each learner of the average, the likelihood that it reached at its own best scale."""
    outcome = inner(cohort, definition, "inner folds").outcome
    tuned = tuned_predictions(cohort, definition, fitted)
    return {name: outcome.terms(outcome.slope(each) * each).sum() for name, each in tuned.items()}


def test_a_better_learner_weighs_more_by_the_temperature(cohort, definition, fitted):
    scores = scores_on_the_tuning_folds(cohort, definition, fitted)
    expected = tempered_weights(np.array(list(scores.values())), definition.auto.temperature)
    np.testing.assert_allclose(list(fitted[AUTO].weights.values()), expected, rtol=1e-9)
    ranked = sorted(scores, key=scores.__getitem__)
    assert sorted(ranked, key=fitted[AUTO].weights.__getitem__) == ranked
    assert scores[ranked[-1]] > scores[ranked[0]]


def test_a_temperature_near_0_leaves_the_best_learner_alone(cohort, definition, fitted, variant):
    cold = definition.model_copy(update={"auto": definition.auto.model_copy(update={"temperature": 1e-9})})
    scores = scores_on_the_tuning_folds(cohort, definition, fitted)
    best = max(scores, key=scores.__getitem__)
    average = fit(cohort, cold, variant=variant)[AUTO]
    assert average.weights == {name: float(name == best) for name in scores}
    # On its own scale, which the slope makes good.
    np.testing.assert_allclose(average.linear_predictor(cohort), fitted[best].linear_predictor(cohort), rtol=1e-6)
    np.testing.assert_allclose(average.out_of_fold, fitted[best].out_of_fold, rtol=1e-6)


def test_a_high_temperature_makes_all_learners_equal(cohort, definition):
    hot = definition.model_copy(update={"auto": definition.auto.model_copy(update={"temperature": 1e9})})
    weights = fit(cohort, hot)[AUTO].weights
    np.testing.assert_allclose(list(weights.values()), 1 / len(weights), rtol=1e-6)


def test_the_average_is_the_weighted_sum_of_the_learners_each_on_the_scale_that_suits_it_best(
    cohort, definition, fitted
):
    average, outcome = fitted[AUTO], inner(cohort, definition, "inner folds").outcome
    tuned = tuned_predictions(cohort, definition, fitted)
    factors = {name: weight * outcome.slope(tuned[name]) for name, weight in average.weights.items()}
    X = average.features.transform(cohort.expression, cohort.clinical)
    expected = sum(factor * fitted[name].fitted.linear_predictor(X) for name, factor in factors.items())
    np.testing.assert_allclose(average.fitted.linear_predictor(X), expected, rtol=1e-9, atol=1e-9)
    out_of_fold = sum(factor * fitted[name].out_of_fold / fitted[name].slope for name, factor in factors.items())
    np.testing.assert_allclose(average.out_of_fold, average.slope * out_of_fold, rtol=1e-9, atol=1e-9)
    assert isinstance(average.fitted, Blend)  # of one Cox model and the trees


def reversed_index(table: pd.DataFrame) -> pd.DataFrame:
    """Give every patient the values of another."""
    return table.iloc[::-1].set_axis(table.index)


def test_genes_only_never_reads_a_clinical_column(cohort, definition):
    other = replace(cohort, clinical=reversed_index(cohort.clinical))
    first, second = (fit(each, definition, variant="genes_only") for each in (cohort, other))
    for name, procedure in first.items():
        kinds = {procedure.features.covariates[j].kind for j in procedure.fitted.columns}
        assert kinds <= {"gene", "interaction", "score"}
        equal(procedure, second[name])
        assert np.array_equal(procedure.linear_predictor(cohort), second[name].linear_predictor(other))
        if procedure.tuning is not None:
            assert not {"clinical_penalty", "shape_penalty"} & set(procedure.tuning.parameters)


def test_clinical_baselines_never_read_a_gene(cohort, definition):
    learners = ("clinical_only", "clinical_boosted")
    other = replace(cohort, expression=reversed_index(cohort.expression))
    first, second = (fit(each, definition, learners=learners) for each in (cohort, other))
    for name, procedure in first.items():
        assert {procedure.features.covariates[j].kind for j in procedure.fitted.columns} <= set(CLINICAL_KINDS)
        equal(procedure, second[name])
        assert np.array_equal(procedure.linear_predictor(cohort), second[name].linear_predictor(other))


def test_the_clinical_variant_does_read_both(cohort, definition):
    # Else the two tests above would pass without a reader.
    procedure = one(cohort, definition, "penalised_cox")
    for other in (
        replace(cohort, clinical=reversed_index(cohort.clinical)),
        replace(cohort, expression=reversed_index(cohort.expression)),
    ):
        assert not np.allclose(procedure.linear_predictor(other), procedure.linear_predictor(cohort))


@pytest.mark.parametrize("learner", ["penalised_cox", "pooled_cox"])
def test_the_space_of_the_genes_only_twin_has_no_clinical_parameter(definition, learner):
    twin, full = (searched(definition, learner, variant) for variant in ("genes_only", "clinical"))
    assert set(full.default) - set(twin.default) == {"clinical_penalty", "shape_penalty"}
    assert "shape_penalty" in full.search
    assert "shape_penalty" not in twin.search


def test_the_baseline_survival_of_the_training_patients_is_that_of_kaplan_meier(cohort, fitted):
    # Estimated on the recalibrated out-of-fold predictions, which is what a new patient's is like.
    days = np.quantile(cohort.time, [0.25, 0.5])
    for procedure in fitted.values():
        mean = procedure.baseline.survival(procedure.out_of_fold, days).mean(axis=0)
        np.testing.assert_allclose(mean, kaplan_meier(cohort.time, cohort.event).at(days), atol=0.03)


def test_a_cohort_that_holds_no_gene_of_the_narrower_panel_is_fitted_without_covariates(definition):
    # A targeted panel: only genes that ctc_core does not hold.
    wider = load_panel("ctc_interaction")
    simulated = simulate_cohort("KIRC", seed=5, n_patients=120, n_background=0)
    outside = [symbol for symbol in wider.symbols if symbol not in PANEL.symbols]
    narrow = replace(simulated, expression=simulated.expression[outside])
    learners = ("penalised_cox", "boosted")
    core = {name: getattr(definition, name).at(panel="ctc_core") for name in learners}
    fitted = fit(
        narrow, definition.model_copy(update=core), variant="genes_only", panel=wider, learners=learners, seed=1
    )
    for procedure in fitted.values():
        assert procedure.slope == 0.0
        assert np.array_equal(procedure.linear_predictor(narrow), np.zeros(120))


def test_a_learner_whose_genes_weigh_nothing_is_fitted_and_has_slope_0(cohort, definition):
    without = definition.model_copy(update={"penalised_cox": definition.penalised_cox.at(panel="none")})
    procedure = one(cohort, without, "penalised_cox", variant="genes_only")
    assert len(procedure.fitted.columns) == 0
    assert procedure.slope == 0.0


def test_a_procedure_that_goes_on_after_an_interruption_ends_the_same(cohort, definition, fitted, variant, tmp_path):
    kept = Checkpoints(tmp_path)
    equal(fit(cohort, definition, variant=variant, checkpoints=kept)[AUTO], fitted[AUTO])
    files = sorted(tmp_path.glob("*.jsonl"))
    assert {path.stem for path in files} == {f"{name}_{variant}" for name in fitted if name not in AVERAGES}
    # Killed at another place of every study: one is done, one torn, one not begun.
    whole = {path: path.read_bytes() for path in files}
    for part, path in zip((1.0, 0.6, 0.0, 0.3, 0.9), files, strict=False):
        path.write_bytes(whole[path][: int(part * len(whole[path]))])
    again = fit(cohort, definition, variant=variant, checkpoints=kept)
    for name, procedure in fitted.items():
        equal(again[name], procedure)
        assert np.array_equal(again[name].linear_predictor(cohort), procedure.linear_predictor(cohort))
    assert {path: path.read_bytes() for path in files} == whole


def test_known_hazards_of_later_patients_are_found_by_every_learner_and_their_average(definition):
    training, later = (simulate_cohort("KIRC", seed=seed, n_patients=400, n_background=0) for seed in (1, 2))
    panel = load_panel("ctc_review")
    wide = definition.model_copy(
        update={"features": definition.features.model_copy(update={"panel": "ctc_review"}), "trials": 2}
    )
    for name, procedure in fit(training, wide, panel=panel, shared=SharedPredictor()).items():
        linear_predictor = procedure.linear_predictor(later)
        slope = calibration_slope(linear_predictor, later.time, later.event)
        # Recalibrated on patients that it was not fitted to, it is right for others.
        assert slope == pytest.approx(1, abs=4 / np.sqrt(later.event.sum()) / linear_predictor.std()), name


def test_folds_that_know_no_gene_of_the_panel_have_models_without_genes(cohort, definition):
    # One gene, known in just as many of the patients as is asked for: some folds know it in fewer, and leave it out.
    values = cohort.expression[["CD44"]].where(np.arange(120)[:, None] < 60)
    sparse = replace(cohort, expression=values)
    dealt = inner_splits(sparse, PANEL, definition, generator(SEED, "inner folds"))
    assert {split.features.genes for split in dealt.each} == {(), ("CD44",)}
    for variant in ("clinical", "genes_only"):
        for each in fit(sparse, definition, variant=variant).values():
            assert np.isfinite(each.out_of_fold).all()
            assert np.isfinite(each.linear_predictor(sparse)).all()


def test_training_patients_who_know_no_gene_of_the_panel_have_one_risk_without_clinical_covariates(cohort, definition):
    unknown = replace(cohort, expression=cohort.expression * np.nan)
    for each in fit(unknown, definition, variant="genes_only").values():
        assert each.slope == 0
        assert not each.linear_predictor(cohort).any()


def test_the_recipe_of_a_procedure_makes_it_again(fitted, cohort):
    for procedure in fitted.values():
        X = procedure.features.transform(cohort.expression, cohort.clinical)
        again = np.zeros(len(X))
        for part in procedure.recipe:
            learner = part.setting.fit(
                X,
                cohort.time,
                cohort.event,
                covariates=procedure.features.covariates,
                parameters=part.parameters,
                seed=part.seed,
            )
            again += part.weight * learner.linear_predictor(X)
        np.testing.assert_allclose(again, procedure.fitted.linear_predictor(X), rtol=1e-9, atol=1e-9)
        np.testing.assert_array_equal(procedure.slope * procedure.recalibration_folds, procedure.out_of_fold)
