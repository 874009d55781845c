"""Which covariates each learner reads, what each pays for them, and the best single gene."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.simulation import simulate_cohort
from features.panel import PANELS, Gene, Panel, load_panel
from features.transform import Covariate, fit_features
from training.blend import FittedLearner
from training.boosted import FittedBooster
from training.learners import LearnerSetting, genes_within, penalties
from training.penalised_cox import FittedCox, fit_penalised_cox
from training.univariate_cox import cox_univariate

REVIEW = load_panel("ctc_review")
COX = {
    "panel": "ctc_review",
    "derived_terms": False,
    "penalty": 0.2,
    "l1_ratio": 0.0,
    "clinical_penalty": 0.01,
    "shape_penalty": 0.1,
}
TREES = {
    "objective": "cox",
    "rounds": 5,
    "learning_rate": 0.1,
    "max_depth": 2,
    "min_child_weight": 2.0,
    "subsample": 0.7,
    "colsample_bytree": 1.0,
    "reg_lambda": 2.0,
}
BOOSTED = TREES | {"panel": "ctc_review", "derived_terms": False}
GENES = {name: genes_within(REVIEW, name) for name in PANELS}
CLINICAL = ("age", "sex", "stage", "grade")


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort("KIRC", seed=5, n_patients=150, n_background=0)


@pytest.fixture(scope="module")
def features(cohort):
    return fit_features(cohort, REVIEW, clinical=CLINICAL, minimum_known=0.5)


@pytest.fixture(scope="module", name="X")
def matrix(cohort, features):
    return features.transform(cohort.expression, cohort.clinical)


def setting(learner, variant="clinical", panel=REVIEW):
    return LearnerSetting(learner, variant, panel)


def admitted(chosen, features, parameters):
    return [features.covariates[j] for j in chosen.columns(features.covariates, parameters)]


def kinds(covariates):
    return {covariate.kind for covariate in covariates}


def of_genes(covariates):
    return {gene for covariate in covariates for gene in covariate.genes}


def test_the_cohort_has_covariates_of_every_kind(features):
    assert kinds(features.covariates) == {"gene", "interaction", "score", "clinical", "clinical_shape"}


@pytest.mark.parametrize(
    ("learner", "variant", "parameters", "expected"),
    [
        ("clinical_only", "clinical", {"clinical_penalty": 0.01, "shape_penalty": 0.1}, {"clinical", "clinical_shape"}),
        ("clinical_boosted", "clinical", TREES, {"clinical"}),
        ("best_single_gene", "genes_only", {}, {"gene"}),
        ("penalised_cox", "clinical", COX, {"gene", "clinical", "clinical_shape"}),
        ("penalised_cox", "genes_only", COX, {"gene"}),
        ("penalised_cox", "genes_only", COX | {"derived_terms": True}, {"gene", "interaction", "score"}),
        ("penalised_cox", "clinical", COX | {"panel": "none"}, {"clinical", "clinical_shape"}),
        ("penalised_cox", "clinical", COX | {"panel": "none", "derived_terms": True}, {"clinical", "clinical_shape"}),
        ("penalised_cox", "genes_only", COX | {"panel": "none", "derived_terms": True}, set()),
        ("pooled_cox", "clinical", COX, {"gene", "clinical", "clinical_shape"}),
        ("pooled_cox", "genes_only", COX | {"derived_terms": True}, {"gene", "interaction", "score"}),
        ("boosted", "clinical", BOOSTED, {"gene", "clinical"}),
        ("boosted", "clinical", BOOSTED | {"panel": "none"}, {"clinical"}),
        ("boosted", "genes_only", BOOSTED | {"derived_terms": True}, {"gene", "interaction", "score"}),
        ("boosted", "genes_only", BOOSTED | {"panel": "none"}, set()),
    ],
)
def test_a_learner_reads_the_covariates_of_its_variant_and_parameters(learner, variant, parameters, expected, features):
    assert kinds(admitted(setting(learner, variant), features, parameters)) == expected


@pytest.mark.parametrize("panel", PANELS)
@pytest.mark.parametrize("derived_terms", [False, True])
def test_a_narrower_panel_lets_in_its_own_genes_and_terms_made_of_them_alone(panel, derived_terms, features):
    read = admitted(
        setting("penalised_cox", "genes_only"), features, COX | {"panel": panel, "derived_terms": derived_terms}
    )
    assert of_genes(read) == GENES[panel]
    terms = {c.name for c in features.covariates if c.kind in ("interaction", "score") and GENES[panel] >= set(c.genes)}
    assert {c.name for c in read if c.kind != "gene"} == (terms if derived_terms else set())


def test_the_panels_are_nested_and_none_holds_no_gene():
    assert GENES["ctc_core"] < GENES["ctc_interaction"] < GENES["ctc_review"] == set(REVIEW.symbols)
    assert genes_within(REVIEW, "none") == frozenset()


def test_a_users_panel_is_whole_under_its_own_name_and_none_of_it_is_left_out_of_a_nested_one():
    theirs = Gene("MINE", "HGNC:1", 1, "ENSG00000000001", (), (), "own", "marker", None, None, (), "by hand")
    panel = Panel("own", (theirs, *REVIEW.genes), ())
    assert genes_within(panel, "own") == {"MINE", *REVIEW.symbols}
    assert genes_within(panel, "ctc_core") == {"MINE"} | GENES["ctc_core"]


def test_a_penalty_is_its_covariates_kinds():
    found = penalties(["gene", "clinical", "clinical_shape", "interaction", "score"], COX)
    np.testing.assert_array_equal(found, [0.2, 0.01, 0.1, 0.2, 0.2])


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
def test_the_penalised_cox_learner_is_that_model_of_its_columns(cohort, features, X, l1_ratio):
    parameters = COX | {"l1_ratio": l1_ratio, "panel": "ctc_core"}
    chosen = setting("penalised_cox")
    fitted = chosen.fit(X, cohort.time, cohort.event, covariates=features.covariates, parameters=parameters, seed=0)
    columns = chosen.columns(features.covariates, parameters)
    penalty = penalties([features.covariates[j].kind for j in columns], parameters)
    expected = fit_penalised_cox(X[:, columns], cohort.time, cohort.event, penalty=penalty, l1_ratio=l1_ratio)
    np.testing.assert_array_equal(fitted.columns, columns)
    np.testing.assert_array_equal(fitted.predictor.coefficients, expected.coefficients)


@pytest.mark.parametrize("learner", ["penalised_cox", "boosted"])
def test_a_learner_may_set_the_weight_of_the_genes_to_0(cohort, features, X, learner):
    parameters = (COX if learner == "penalised_cox" else BOOSTED) | {"panel": "none"}
    fitted = setting(learner).fit(
        X, cohort.time, cohort.event, covariates=features.covariates, parameters=parameters, seed=0
    )
    genes = [j for j, c in enumerate(features.covariates) if c.genes]
    other = X.copy()
    other[:, genes] = np.random.default_rng(1).normal(size=(len(X), len(genes)))
    assert np.ptp(fitted.linear_predictor(X)) > 0.1
    np.testing.assert_array_equal(fitted.linear_predictor(other), fitted.linear_predictor(X))


@pytest.mark.parametrize(
    ("learner", "parameters"),
    [("penalised_cox", COX | {"panel": "none"}), ("boosted", BOOSTED | {"panel": "none"})],
)
def test_a_learner_that_reads_nothing_calls_every_patient_the_average_one(cohort, features, X, learner, parameters):
    fitted = setting(learner, "genes_only").fit(
        X, cohort.time, cohort.event, covariates=features.covariates, parameters=parameters, seed=0
    )
    np.testing.assert_array_equal(fitted.linear_predictor(X), np.zeros(len(X)))


@pytest.mark.parametrize("learner", ["clinical_boosted", "boosted"])
def test_the_seed_chooses_the_trees_and_nothing_else_does(cohort, features, X, learner):
    parameters = TREES if learner == "clinical_boosted" else BOOSTED
    outcome = {"covariates": features.covariates, "parameters": parameters}
    first, again, other = (
        setting(learner).fit(X, cohort.time, cohort.event, **outcome, seed=seed) for seed in (3, 3, 4)
    )
    assert isinstance(first.predictor, FittedBooster)
    np.testing.assert_array_equal(again.linear_predictor(X), first.linear_predictor(X))
    assert not np.array_equal(other.linear_predictor(X), first.linear_predictor(X))


def best_single(X, time, event):
    covariates = tuple(Covariate(symbol, "gene", (symbol,)) for symbol in REVIEW.symbols[: X.shape[1]])
    return setting("best_single_gene", "genes_only").fit(X, time, event, covariates=covariates, parameters={}, seed=0)


def test_the_best_single_gene_is_the_one_of_the_largest_z_and_has_its_own_coefficient(cohort, features, X):
    fitted = setting("best_single_gene", "genes_only").fit(
        X, cohort.time, cohort.event, covariates=features.covariates, parameters={}, seed=0
    )
    genes = [j for j, c in enumerate(features.covariates) if c.kind == "gene"]
    scan = cox_univariate(X[:, genes], cohort.time, cohort.event)
    z = np.abs(scan.coefficient / scan.standard_error)
    assert list(fitted.columns) == [genes[int(z.argmax())]]
    assert fitted.predictor.coefficients == scan.coefficient[[z.argmax()]]


def test_of_two_genes_the_surer_one_is_chosen_and_not_the_steeper_nor_the_one_that_protects_less():
    rng = np.random.default_rng(1)
    sure, rare = rng.normal(size=300), (rng.random(300) < 0.01).astype(float)
    time = rng.exponential(1000 / np.exp(-0.8 * sure + 1.5 * rare))
    fitted = best_single(np.column_stack([rng.normal(size=300), rare, sure]), time, np.ones(300, dtype=bool))
    assert list(fitted.columns) == [2]
    assert fitted.predictor.coefficients[0] < -0.6


def test_a_gene_whose_coefficient_cannot_be_had_is_never_the_best():
    rng = np.random.default_rng(2)
    time, constant = rng.exponential(1000, 60), np.full(60, 0.7)
    separating = (time < 50).astype(float)  # infinite: all of these die before any other
    fitted = best_single(np.column_stack([constant, separating, rng.normal(size=60)]), time, np.ones(60, dtype=bool))
    assert list(fitted.columns) == [2]


def test_where_no_gene_can_be_fitted_every_patient_is_the_average_one():
    rng = np.random.default_rng(3)
    fitted = best_single(np.full((40, 2), 0.5), rng.exponential(1000, 40), np.ones(40, dtype=bool))
    assert isinstance(fitted, FittedLearner)
    assert isinstance(fitted.predictor, FittedCox)
    np.testing.assert_array_equal(fitted.linear_predictor(rng.normal(size=(5, 2))), np.zeros(5))
