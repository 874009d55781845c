"""Replicates of a model: R's standard errors, what each sample gives by hand, missing genes, and their laws."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.simulation import simulate_cohort
from features.cohort import Cohort
from features.panel import Panel, load_panel
from features.transform import fit_features
from training.blend import Blend
from training.boosted import FittedBooster
from training.breslow import BaselineHazard, breslow
from training.definition import ReplicatesDefinition, load_definition
from training.gene_weights import gene_weights
from training.learners import LearnerSetting
from training.missing_genes import MissingGenes, conditional_root
from training.penalised_cox import FittedCox
from training.procedure import FittedProcedure, Ingredient, calibration_slope, fit_procedures
from training.refitting import log_hazard_at, refit
from training.replicates import Replicates
from training.resampling import generator
from training.survival_bands import Answers, Curves, survival_bands

ORACLES = Path(__file__).parent / "oracles"
PANEL = load_panel("ctc_core")
SIZES = ReplicatesDefinition(cox=9, boosted=4)


@pytest.fixture(scope="module")
def cohort():
    simulated = simulate_cohort("KIRC", seed=5, n_patients=130, n_background=0)
    return replace(simulated, expression=simulated.expression[list(PANEL.symbols)])


@pytest.fixture(scope="module")
def procedure(cohort, small_definition):
    """All learners weighed, derived terms let in: a Cox part and trees of both objectives."""
    read = load_definition(small_definition)
    few = {name: getattr(read, name).at(rounds=6) for name in ("boosted", "clinical_boosted")}
    cox = read.penalised_cox.at(derived_terms=True, l1_ratio=0.0, penalty=0.05)
    boosted = few["boosted"].at(derived_terms=True, panel="ctc_core")
    definition = read.model_copy(update={"trials": 2, **few, "penalised_cox": cox, "boosted": boosted})
    learners = ("clinical_only", "penalised_cox", "boosted")
    return fit_procedures(cohort, PANEL, definition, variant="clinical", seed=3, learners=learners)["auto"]


@pytest.fixture(scope="module")
def replicates(procedure, cohort):
    return refit(procedure, cohort, SIZES, seed=11, workers=1)


@pytest.fixture(scope="module")
def covariates(procedure, cohort):
    return procedure.features.transform(cohort.expression, cohort.clinical)


def cox_procedure(cohort: Cohort, panel: Panel, penalty: float) -> FittedProcedure:
    """One Cox model of a panel's genes, its slope and baseline from its own predictions."""
    features = fit_features(cohort, panel, clinical=(), minimum_known=0.5)
    parameters = {"panel": panel.name, "derived_terms": False, "penalty": penalty, "l1_ratio": 0.0}
    recipe = Ingredient(1.0, LearnerSetting("penalised_cox", "genes_only", panel), parameters, 0)
    X = features.transform(cohort.expression, cohort.clinical)
    fitted = recipe.setting.fit(
        X, cohort.time, cohort.event, covariates=features.covariates, parameters=parameters, seed=0
    )
    folds = fitted.linear_predictor(X)
    slope = calibration_slope(folds, cohort.time, cohort.event)
    baseline = breslow(slope * folds, cohort.time, cohort.event)
    return FittedProcedure("penalised_cox", features, fitted, slope, baseline, slope * folds, None, folds, (recipe,))


@pytest.fixture(scope="module")
def oracle():
    return json.loads((ORACLES / "replicates.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def oracle_cohort(oracle):
    patients = pd.read_csv(ORACLES / "replicates.csv", index_col=False)
    names = [f"p{number}" for number in range(len(patients))]
    return Cohort(
        cancer_type="SIMULATED-KIRC",
        endpoint="OS",
        scale="log2_tpm_1",
        zscore_reference=None,
        expression=patients[oracle["genes"]].set_axis(names),
        clinical=pd.DataFrame({name: [None] * len(names) for name in ("age", "sex", "stage", "grade")}, index=names),
        time=patients["time"].to_numpy(np.float64),
        event=patients["event"].to_numpy() > 0,
        source="simulated",
    )


@pytest.fixture(scope="module")
def unpenalised(oracle_cohort, oracle):
    genes = tuple(gene for gene in PANEL.genes if gene.symbol in oracle["genes"])
    panel = Panel("own", genes, ())
    found = cox_procedure(oracle_cohort, panel, penalty=1e-9)
    return found, refit(found, oracle_cohort, ReplicatesDefinition(cox=400), seed=1, workers=1)


def in_order(procedure, oracle) -> list[int]:
    return [procedure.features.genes.index(gene) for gene in oracle["genes"]]


def test_coefficients_scatter_as_rs_standard_errors_say(unpenalised, oracle):
    procedure, replicates = unpenalised
    columns = in_order(procedure, oracle)
    fitted = procedure.fitted.predictor
    np.testing.assert_allclose(fitted.coefficients[columns], oracle["coefficients"], rtol=1e-5)
    # The standard error of a standard deviation of 400 is 4 %; a bootstrap's is some per cent above the information's.
    scatter = replicates.coefficients.std(axis=0, ddof=1)[columns]
    np.testing.assert_allclose(scatter, oracle["standard_errors"], rtol=0.12)
    np.testing.assert_allclose(
        replicates.coefficients.mean(axis=0)[columns], oracle["coefficients"], atol=0.3 * scatter.max()
    )


def test_intervals_of_survival_are_those_of_the_delta_method(unpenalised, oracle, oracle_cohort):
    procedure, replicates = unpenalised
    chosen = oracle_cohort.subset(np.array(oracle["patients"]))
    X = procedure.features.transform(chosen.expression, chosen.clinical)
    # R's interval knows of no recalibration.
    replicates = replace(replicates, slope=np.ones(len(replicates)))
    curves = Curves(procedure.baseline, replicates)
    answers = Answers(curves, procedure.fitted.linear_predictor(X), replicates.linear_predictors(X))
    bands = survival_bands(answers, np.array(oracle["days"], dtype=np.float64))
    log_hazards = {name: np.log(-np.log(np.array(oracle[name]))) for name in ("survival", "lower", "upper")}
    np.testing.assert_allclose(bands.probability, oracle["survival"], atol=0.005)
    widths = np.log(-np.log(bands.lower)) - np.log(-np.log(bands.upper))
    np.testing.assert_allclose(widths, log_hazards["lower"] - log_hazards["upper"], rtol=0.15)


def test_a_replicate_is_the_same_fit_on_the_patients_that_its_seed_draws(oracle_cohort):
    procedure = cox_procedure(oracle_cohort, Panel("own", PANEL.genes[:3], ()), penalty=0.2)
    replicates = refit(
        procedure, oracle_cohort, ReplicatesDefinition(cox=3, boosted=1), seed=8, workers=1, prior_scale=0.0
    )
    rows = np.sort(generator(8, 2, 0).integers(200, size=200))
    X = procedure.features.transform(oracle_cohort.expression, oracle_cohort.clinical)
    time, event = oracle_cohort.time[rows], oracle_cohort.event[rows]
    (ingredient,) = procedure.recipe
    again = ingredient.setting.fit(
        X[rows], time, event, covariates=procedure.features.covariates, parameters=ingredient.parameters, seed=0
    )
    np.testing.assert_allclose(replicates.coefficients[2], again.predictor.coefficients, rtol=1e-12)
    slope = calibration_slope(procedure.recalibration_folds[rows], time, event)
    assert replicates.slope[2] == slope
    hazard = breslow(slope * procedure.recalibration_folds[rows], time, event).at(procedure.baseline.days)
    known = hazard > 0
    np.testing.assert_allclose(replicates.log_baseline[2][known], np.log(hazard[known]), rtol=1e-12)
    np.testing.assert_array_equal(replicates.means, procedure.fitted.predictor.means)


def test_draws_of_the_penalty_spread_a_ridge_as_its_posterior(oracle_cohort):
    procedure = cox_procedure(oracle_cohort, Panel("own", PANEL.genes[:3], ()), penalty=1.0)
    sizes = ReplicatesDefinition(cox=200, boosted=1)
    alone, drawn = (
        refit(procedure, oracle_cohort, sizes, seed=4, workers=1, prior_scale=scale).coefficients.std(axis=0)
        for scale in (0.0, 1.0)
    )
    # With H about 129 events' information and 200 of penalty: H/(H + 200)² of resampling, 1/(H + 200) of the posterior.
    assert (drawn**2 / alone**2 > 1.8).all()
    posterior = drawn[0] ** -2
    assert 200 + 60 < posterior < 200 + 200


def test_before_a_samples_first_event_half_of_its_first_step_stands():
    late = BaselineHazard(np.array([10.0, 20.0]), np.array([0.2, 0.5]))
    np.testing.assert_allclose(np.exp(log_hazard_at(late, np.array([5.0, 10.0, 25.0]))), [0.1, 0.2, 0.5], rtol=1e-14)


def test_the_numbers_do_not_depend_on_the_number_of_workers(replicates, procedure, cohort):
    several = refit(procedure, cohort, SIZES, seed=11, workers=2)
    for name, array in replicates.arrays().items():
        np.testing.assert_array_equal(array, several.arrays()[name], err_msg=name)


def test_another_seed_draws_other_samples(replicates, procedure, cohort):
    other = refit(procedure, cohort, SIZES, seed=12, workers=1)
    assert not np.isclose(other.slope, replicates.slope).any()


def test_samples_in_which_nobody_had_the_event_are_drawn_anew_and_counted(oracle_cohort):
    event = np.zeros(200, dtype=np.bool_)
    event[[40, 90]] = True
    rare = replace(oracle_cohort, event=event)
    procedure = cox_procedure(rare, Panel("own", PANEL.genes[:3], ()), penalty=0.5)
    replicates = refit(procedure, rare, ReplicatesDefinition(cox=60, boosted=1), seed=0, workers=1)
    # Of samples 13 % hold neither: about 9 on the way to 60.
    assert 2 <= replicates.redrawn <= 20
    assert np.isfinite(replicates.log_baseline).all()


def test_where_none_is_wanted_there_is_none(procedure, cohort):
    assert refit(procedure, cohort, ReplicatesDefinition(cox=0), seed=0, workers=1) is None


def test_trees_are_of_the_first_replicates_and_take_turns(replicates, covariates):
    assert replicates.trees.n_groups == 4
    np.testing.assert_array_equal(replicates.turn, [0, 1, 2, 3, 0, 1, 2, 3, 0])
    margins = replicates.trees.margins(covariates)
    # Every replicate gives the model's own patients 0 on average, as the model does.
    np.testing.assert_allclose(margins.mean(axis=0), 0, atol=1e-12)
    assert (margins.std(axis=0) > 0).all()


def test_linear_predictors_are_slope_times_products_and_trees(replicates, covariates):
    found = replicates.linear_predictors(covariates)
    products = (covariates[:, replicates.columns] - replicates.means) @ replicates.coefficients.T
    expected = replicates.slope * (products + replicates.trees.margins(covariates)[:, replicates.turn])
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_replicates_scatter_about_the_model(replicates, procedure, covariates):
    own = procedure.slope * procedure.fitted.linear_predictor(covariates)
    found = replicates.linear_predictors(covariates)
    assert np.corrcoef(own, found.mean(axis=1))[0, 1] > 0.9
    assert abs(found.mean()) < 0.1


def test_a_patient_alone_has_the_same_figures_to_the_bit_as_among_many(replicates, procedure, covariates):
    missing = np.random.default_rng(0).random((len(covariates), len(procedure.features.genes))) < 0.1
    gaps = MissingGenes(replicates, procedure.features)
    complete, lacking = replicates.linear_predictors(covariates), gaps.linear_predictors(covariates, missing)
    for row in range(0, len(covariates), 13):
        one = slice(row, row + 1)
        assert np.array_equal(replicates.linear_predictors(covariates[one])[0], complete[row])
        assert np.array_equal(gaps.linear_predictors(covariates[one], missing[one])[0], lacking[row])


def test_arrays_give_the_same_replicates_back(replicates, covariates):
    again = Replicates.of(replicates.arrays())
    assert again.redrawn == replicates.redrawn
    assert np.array_equal(again.linear_predictors(covariates), replicates.linear_predictors(covariates))


@pytest.mark.parametrize(
    "change",
    [
        {"slope": lambda r: r.slope[:-1]},
        {"slope": lambda r: r.slope * np.nan},
        {"coefficients": lambda r: r.coefficients[:, :-1]},
        {"means": lambda r: r.means[:-1]},
        {"columns": lambda r: r.columns - 1000},
        {"log_baseline": lambda r: r.log_baseline[1:]},
        {"log_baseline": lambda r: np.full_like(r.log_baseline, -np.inf)},
    ],
)
def test_arrays_that_contradict_each_other_are_refused(replicates, change):
    with pytest.raises(ValueError, match="replicates"):
        replace(replicates, **{name: of(replicates) for name, of in change.items()})


def test_covariates_that_are_not_there_are_refused(replicates, covariates):
    with pytest.raises(ValueError, match="there are only 3"):
        replicates.linear_predictors(covariates[:, :3])


# Missing genes.


def test_the_root_of_what_is_not_known_is_that_of_the_conditional_covariance():
    correlation = np.array([[1.0, 0.6, 0.0], [0.6, 1.0, 0.0], [0.0, 0.0, 1.0]])
    np.testing.assert_allclose(conditional_root(correlation, np.array([True, False, True])), [[0.8, 0], [0, 1.0]])
    np.testing.assert_allclose(conditional_root(correlation, np.ones(3, dtype=bool)) @ [0, 0, 1], [0, 0, 1])


def brute_force(replicates, features, cohort, row, missing):
    """Each replicate's own draw of the missing scores, put through the whole model one by one."""
    scores = features.gene_scores(cohort.expression.iloc[[row]])[0]
    normals = np.random.default_rng(20231).standard_normal((len(replicates), len(features.genes)))
    root = conditional_root(features.correlation, missing)
    X = features.transform(cohort.expression.iloc[[row]], cohort.clinical.iloc[[row]])[0]
    n_genes, found = len(features.genes), []
    for number in range(len(replicates)):
        drawn = scores.copy()
        drawn[missing] += root @ normals[number, missing]
        by_gene = dict(zip(features.genes, drawn, strict=True))
        full = X.copy()
        full[:n_genes] = drawn
        for k, term in enumerate(features.terms):
            first, second = ([by_gene[gene] for gene in side] for side in (term.first, term.second))
            raw = np.mean(first)
            if second:
                raw = raw * np.mean(second) if term.kind == "interaction" else raw - np.mean(second)
            full[n_genes + k] = (raw - term.mean) / term.scale
        found.append(replicates.linear_predictors(full[None])[0, number])
    return np.array(found)


@pytest.fixture(scope="module")
def lacking(cohort):
    """Patients who lack some genes, in patterns of which some are shared."""
    rng = np.random.default_rng(2)
    patterns = rng.random((4, len(PANEL.symbols))) < 0.3
    missing = patterns[np.arange(len(cohort.patients)) % 4]
    return replace(cohort, expression=cohort.expression.mask(missing))


def test_each_replicate_draws_the_missing_genes_and_derives_its_terms_from_them(replicates, procedure, lacking):
    features = procedure.features
    X = features.transform(lacking.expression, lacking.clinical)
    missing = lacking.expression[list(features.genes)].isna().to_numpy()
    found = MissingGenes(replicates, features).linear_predictors(X, missing)
    read = {features.covariates[j].kind for j in replicates.columns}
    assert {"gene", "score"} <= read
    for row in range(0, 12):
        expected = brute_force(replicates, features, lacking, row, missing[row])
        np.testing.assert_allclose(found[row], expected, atol=2e-6)


def test_products_of_drawn_genes_are_drawn_too(small_definition):
    panel = load_panel("ctc_interaction")
    simulated = simulate_cohort("KIRC", seed=9, n_patients=150, n_background=0)
    cohort = replace(simulated, expression=simulated.expression[list(panel.symbols)])
    definition = load_definition(small_definition)
    cox = definition.penalised_cox.at(derived_terms=True, l1_ratio=0.0, penalty=0.05, panel="ctc_interaction")
    definition = definition.model_copy(
        update={
            "trials": 1,
            "penalised_cox": cox,
            "features": definition.features.model_copy(update={"panel": "ctc_interaction"}),
        }
    )
    fitted = fit_procedures(cohort, panel, definition, variant="genes_only", seed=1, learners=("penalised_cox",))
    procedure = fitted["penalised_cox"]
    features = procedure.features
    replicates = refit(procedure, cohort, ReplicatesDefinition(cox=5, boosted=1), seed=2, workers=1)
    assert "interaction" in {features.covariates[j].kind for j in replicates.columns}
    missing = np.zeros((len(cohort.patients), len(features.genes)), dtype=bool)
    missing[:, [features.genes.index(gene) for gene in ("CXCR4", "CXCL12", "CD44", "ITGB1")]] = True
    lacking = replace(
        cohort,
        expression=cohort.expression.mask(
            pd.DataFrame(missing, index=cohort.expression.index, columns=list(features.genes)).reindex(
                columns=cohort.expression.columns, fill_value=False
            )
        ),
    )
    X = features.transform(lacking.expression, lacking.clinical)
    missing = lacking.expression[list(features.genes)].isna().to_numpy()
    found = MissingGenes(replicates, features).linear_predictors(X, missing)
    for row in range(0, 150, 15):
        np.testing.assert_allclose(
            found[row], brute_force(replicates, features, lacking, row, missing[row]), rtol=1e-9, atol=1e-12
        )


def test_the_more_genes_are_missing_the_further_replicates_lie_from_the_model(procedure, cohort, covariates):
    features = procedure.features
    replicates = refit(procedure, cohort, ReplicatesDefinition(cox=60, boosted=10), seed=6, workers=1)
    gaps = MissingGenes(replicates, features)
    own = procedure.slope * procedure.fitted.linear_predictor(covariates)

    def distance(n_missing: int) -> float:
        missing = np.zeros((len(covariates), len(features.genes)), dtype=bool)
        missing[:, :n_missing] = True
        found = gaps.linear_predictors(covariates, missing)
        return float(np.sqrt(((found - own[:, None]) ** 2).mean(axis=1)).mean())

    assert distance(0) < distance(7) < distance(14)
    assert distance(14) > 1.2 * distance(0)


# Weights of genes.


def test_the_weights_of_genes_by_hand(procedure, covariates):
    features = procedure.features
    members = procedure.fitted.members if isinstance(procedure.fitted, Blend) else ((1.0, procedure.fitted),)
    assert {type(each.predictor) for _, each in members} == {FittedCox, FittedBooster}
    linear = next(each for _, each in members if isinstance(each.predictor, FittedCox))
    size = np.abs((covariates[:, linear.columns] - linear.predictor.means) * linear.predictor.coefficients).mean(axis=0)
    expected = dict.fromkeys(features.genes, 0.0)
    for j, part in zip(linear.columns, size, strict=True):
        genes = features.covariates[j].genes
        for gene in genes:
            expected[gene] += part / len(genes)
    found = gene_weights(linear, features.covariates, covariates)
    total = sum(expected.values())
    assert found == pytest.approx({gene: each / total for gene, each in expected.items()}, rel=1e-12)
    whole = gene_weights(procedure.fitted, features.covariates, covariates)
    assert sum(whole.values()) == pytest.approx(1.0)
    assert set(whole) == set(features.genes)


def test_genes_without_any_effect_share_the_weight(procedure, covariates):
    members = procedure.fitted.members
    linear = next(each for _, each in members if isinstance(each.predictor, FittedCox))
    flat = replace(linear, predictor=replace(linear.predictor, coefficients=np.zeros(len(linear.columns))))
    found = gene_weights(flat, procedure.features.covariates, covariates)
    assert set(found.values()) == {1 / len(found)}
