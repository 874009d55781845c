"""What is shared among cancer types: R's stratified ridge, and never a patient of the type that leans on it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.simulation import simulate_cohort
from features.cohort import Cohort
from features.errors import CohortError
from features.normal_scores import normal_scores
from features.panel import Gene, Panel, load_panel
from features.transform import fit_features
from training.concordance import concordance, harrell_pairs
from training.definition import PoolingDefinition
from training.learners import LearnerSetting
from training.penalised_cox import fit_penalised_cox
from training.pooling import NOTHING_SHARED, fit_shared

ORACLES = Path(__file__).parent / "oracles"
NUMBERS = json.loads((ORACLES / "pooling.json").read_text())
GENES = ("g1", "g2", "g3", "g4")
CORE = load_panel("ctc_core")
POOLING = PoolingDefinition(penalty=0.05, clinical_penalty=0.001)


def gene(symbol: str) -> Gene:
    return Gene(symbol, "HGNC:1", 1, "ENSG00000000001", (), (), "hand", "marker", None, None, (), "by hand")


PANEL = Panel("hand", tuple(gene(symbol) for symbol in GENES), ())


def cohort_of(letter: str, version: str = "tie_free", **changed) -> Cohort:
    """The patients of one type of oracles/pooling.csv, with the genes and clinical columns that it knows."""
    table = pd.read_csv(ORACLES / "pooling.csv").query("type == @letter").reset_index(drop=True)
    known = table.dropna(axis="columns").set_index(f"{changed.get('cancer_type', letter)}-" + table.index.astype(str))
    return Cohort(
        **{
            "cancer_type": letter,
            "endpoint": "OS",
            "scale": "log2_tpm_1",
            "zscore_reference": None,
            "expression": known[[name for name in GENES if name in known]],
            "clinical": known[[name for name in ("age",) if name in known]],
            "time": known[version].to_numpy(float),
            "event": known["event"].to_numpy() > 0,
            "source": "simulated",
        }
        | changed
    )


def shared_with(cohort, others, *, panel=PANEL, pooling=POOLING, clinical=("age",)):
    return fit_shared(cohort, others, panel, pooling, clinical=clinical, minimum_known=0.5)


LEANING = cohort_of("A", cancer_type="D")


@pytest.mark.parametrize("version", ["tie_free", "ties"])
@pytest.mark.parametrize("case", [0, 1])
@pytest.mark.parametrize(("types", "named"), [("ABC", "all"), ("A", "A")])
def test_the_shared_coefficients_equal_rs_stratified_ridge(version, case, types, named):
    oracle = NUMBERS[version][case]
    pooling = PoolingDefinition(penalty=oracle["penalty"], clinical_penalty=oracle["clinical_penalty"])
    shared = shared_with(LEANING, [cohort_of(each, version) for each in types], pooling=pooling)
    assert set(shared.coefficients) == set(GENES)
    for name in GENES:
        assert shared.coefficients[name] == pytest.approx(oracle[named][name], rel=1e-6, abs=1e-9)
    assert shared.cancer_types == tuple(types)


def test_one_other_cancer_type_is_the_penalised_cox_model_of_its_patients():
    other = cohort_of("B", "ties")
    shared = shared_with(LEANING, [other])
    X = normal_scores(other.expression.to_numpy())
    alone = fit_penalised_cox(X, other.time, other.event, penalty=np.full(4, POOLING.penalty), l1_ratio=0)
    np.testing.assert_allclose([shared.coefficients[name] for name in GENES], alone.coefficients, rtol=1e-8, atol=1e-10)


def test_a_gene_that_one_cancer_type_lacks_is_learned_from_the_others():
    assert "g4" not in cohort_of("C").expression
    alone, both = (shared_with(LEANING, others) for others in ([cohort_of("C")], [cohort_of("C"), cohort_of("A")]))
    assert set(alone.coefficients) == {"g1", "g2", "g3"}
    assert both.coefficients["g4"] > 0.05


def spoilt(cohort: Cohort) -> Cohort:
    """The same cancer type with other values, outcomes and clinical covariates in every patient."""
    rng = np.random.default_rng(1)
    n, values = len(cohort.time), rng.normal(size=cohort.expression.shape) * 40
    return replace(
        cohort,
        expression=pd.DataFrame(values, index=cohort.patients, columns=cohort.expression.columns),
        clinical=cohort.clinical.assign(age=3.0),
        time=rng.integers(1, 9, n).astype(float),
        event=np.ones(n, dtype=bool),
    )


def test_the_cancer_types_own_patients_never_take_part():
    own, others = cohort_of("A"), [cohort_of("B"), cohort_of("C")]
    expected = shared_with(own, others)
    assert expected.cancer_types == ("B", "C")
    for given in (spoilt(own), own.subset(np.arange(5, 30))):
        assert shared_with(given, others) == expected
        assert shared_with(own, [given, *others]) == expected
        assert shared_with(given, [*others, own, given]) == expected


def test_other_cancer_types_patients_do_take_part():
    own, others = cohort_of("A"), [cohort_of("B"), cohort_of("C")]
    expected, other = shared_with(own, others), shared_with(own, [others[0], spoilt(others[1])])
    assert other.coefficients != expected.coefficients
    assert other.digest != expected.digest


def test_another_endpoint_of_the_own_cancer_type_is_left_out_and_not_refused():
    own = cohort_of("A")
    assert shared_with(own, [replace(own, endpoint="PFI"), cohort_of("B")]).cancer_types == ("B",)


def test_the_order_of_the_other_cancer_types_changes_nothing_that_can_be_seen():
    others = [cohort_of(each, cancer_type=f"{each}2") for each in "ABC"]
    first, second = shared_with(LEANING, others), shared_with(LEANING, others[::-1])
    assert first.digest == second.digest
    assert first.cancer_types == second.cancer_types == ("A2", "B2", "C2")
    for name in GENES:
        assert first.coefficients[name] == pytest.approx(second.coefficients[name], rel=1e-8)


def test_hazards_that_differ_between_cancer_types_are_not_taken_for_the_genes_doing():
    # The same patients at a tenth of the pace: strata, not covariates, tell the two apart.
    slow = cohort_of("A", cancer_type="S", time=10 * cohort_of("A").time)
    once, twice = shared_with(LEANING, [cohort_of("A")]), shared_with(LEANING, [cohort_of("A"), slow])
    for name in GENES:
        assert twice.coefficients[name] == pytest.approx(once.coefficients[name], rel=1e-8)


def test_a_stronger_penalty_leaves_less():
    sizes = []
    for penalty in (0.01, 0.1, 1.0, 100.0):
        pooling = PoolingDefinition(penalty=penalty, clinical_penalty=0.001)
        shared = shared_with(LEANING, [cohort_of(each) for each in "ABC"], pooling=pooling)
        sizes.append(sum(abs(coefficient) for coefficient in shared.coefficients.values()))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 0.02


def test_clinical_covariates_are_adjusted_for_and_not_shared():
    others = [cohort_of(each) for each in "ABC"]
    with_age, without = shared_with(LEANING, others), shared_with(LEANING, others, clinical=())
    assert set(with_age.coefficients) == set(without.coefficients) == set(GENES)
    assert with_age.coefficients != without.coefficients


@pytest.mark.parametrize("others", [[], [LEANING], [replace(LEANING, endpoint="PFI")]])
def test_without_other_cancer_types_nothing_is_shared(others):
    assert shared_with(LEANING, others) is NOTHING_SHARED
    assert not NOTHING_SHARED.coefficients


@pytest.mark.parametrize(
    ("leaning", "other"),
    [({}, {"endpoint": "PFI"}), ({}, {"cancer_type": "SIMULATED-B"}), ({"cancer_type": "SIMULATED-D"}, {})],
    ids=["another endpoint", "simulated beside real", "real beside simulated"],
)
def test_what_must_not_be_pooled_is_refused_by_name(leaning, other):
    refused = replace(cohort_of("B"), **other)
    with pytest.raises(CohortError, match=f"^{refused}: cannot be pooled with .*leave it out"):
        shared_with(replace(LEANING, **leaning), [refused])


def test_simulated_cancer_types_are_pooled_with_each_other():
    own, other = (cohort_of("A", cancer_type=f"SIMULATED-{each}") for each in "AB")
    assert shared_with(own, [other]).cancer_types == ("SIMULATED-B",)


REVIEW = load_panel("ctc_review")


@pytest.fixture(scope="module")
def leaning():
    """A simulated cohort, its features, and what two other simulated cancer types tell of the genes."""
    cohort = simulate_cohort("KIRC", seed=5, n_patients=150, n_background=0)
    others = [simulate_cohort(each, seed=6, n_patients=150, n_background=0) for each in ("KIRP", "LGG")]
    shared = shared_with(cohort, others, panel=REVIEW, clinical=("age", "sex", "stage", "grade"))
    features = fit_features(cohort, REVIEW, clinical=("age", "sex", "stage", "grade"), minimum_known=0.5)
    return cohort, features, shared


@pytest.mark.parametrize("variant", ["clinical", "genes_only"])
@pytest.mark.parametrize("panel", ["none", "ctc_core", "ctc_review"])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
def test_the_folded_model_is_the_sum_of_its_own_terms_and_the_shared_predictor(leaning, variant, panel, l1_ratio):
    cohort, features, shared = leaning
    setting = LearnerSetting("pooled_cox", variant, REVIEW, shared.coefficients)
    X, covariates = features.transform(cohort.expression, cohort.clinical), features.covariates
    parameters = {
        "panel": panel,
        "derived_terms": True,
        "penalty": 0.2,
        "l1_ratio": l1_ratio,
        "clinical_penalty": 0.01,
        "shape_penalty": 0.1,
        "shared_penalty": 0.05,
    }
    fitted = setting.fit(X, cohort.time, cohort.event, covariates=covariates, parameters=parameters, seed=0)
    # The same with the shared predictor as a covariate that is kept apart.
    columns = setting.columns(covariates, parameters)
    predictor = sum(X[:, j] * shared.coefficients[c.name] for j, c in enumerate(covariates) if c.kind == "gene")
    by_kind = {"clinical": 0.01, "clinical_shape": 0.1}
    penalty = np.array([*(by_kind.get(covariates[j].kind, 0.2) for j in columns), 0.05])
    apart = np.column_stack([X[:, columns], predictor / predictor.std()])
    unfolded = fit_penalised_cox(apart, cohort.time, cohort.event, penalty=penalty, l1_ratio=l1_ratio)
    np.testing.assert_allclose(fitted.linear_predictor(X), unfolded.linear_predictor(apart), rtol=1e-9, atol=1e-9)
    assert fitted.shared_weight == pytest.approx(unfolded.coefficients[-1], rel=1e-9, abs=1e-12)
    assert fitted.shared_weight != 0


TRUE = np.array([0.6, -0.5, 0.4, -0.3])


def patients_of(cancer_type: str, seed: int, n_patients: int, log_hazard_ratios: np.ndarray) -> Cohort:
    rng = np.random.default_rng(seed)
    genes = rng.normal(size=(n_patients, 4))
    death, censored = rng.exponential(1000 / np.exp(genes @ log_hazard_ratios)), rng.exponential(1500, n_patients)
    expression, outcome = pd.DataFrame(genes, columns=GENES), {"time": np.ceil(np.minimum(death, censored))}
    without = pd.DataFrame(index=expression.index)
    return cohort_of(
        "A", cancer_type=cancer_type, expression=expression, clinical=without, event=death <= censored, **outcome
    )


@pytest.mark.parametrize(("elsewhere", "helps"), [(TRUE, True), (TRUE[::-1], False)], ids=["alike", "otherwise"])
def test_a_small_cohort_leans_on_what_holds_elsewhere_where_it_holds_there_too(elsewhere, helps):
    cohort, later = patients_of("D", 1, 60, TRUE), patients_of("D", 2, 2000, TRUE)
    shared = shared_with(cohort, [patients_of(each, 3, 400, elsewhere) for each in ("E", "F")])
    features = fit_features(cohort, PANEL, clinical=(), minimum_known=0.5)
    X, X_later = (features.transform(each.expression, each.clinical) for each in (cohort, later))
    parameters = {"panel": "hand", "derived_terms": False, "penalty": 0.5, "l1_ratio": 0.0, "shared_penalty": 0.05}
    outcome = {"time": cohort.time, "event": cohort.event, "covariates": features.covariates, "seed": 0}
    pooled, alone = (
        LearnerSetting(learner, "genes_only", PANEL, shared.coefficients).fit(X, **outcome, parameters=parameters)
        for learner in ("pooled_cox", "penalised_cox")
    )
    ranked = [concordance(harrell_pairs(f.linear_predictor(X_later), later.time, later.event)) for f in (pooled, alone)]
    assert (pooled.shared_weight > 0.3) == helps
    assert (ranked[0] > ranked[1] + 0.01) == helps


def test_a_shared_predictor_whose_weight_is_penalised_away_is_not_leaned_on(leaning):
    cohort, features, shared = leaning
    X = features.transform(cohort.expression, cohort.clinical)
    parameters = {
        "panel": "ctc_core",
        "derived_terms": False,
        "penalty": 0.2,
        "l1_ratio": 0.0,
        "clinical_penalty": 0.01,
        "shape_penalty": 0.1,
    }
    outcome = {"time": cohort.time, "event": cohort.event, "covariates": features.covariates, "seed": 0}
    pooled = LearnerSetting("pooled_cox", "clinical", REVIEW, shared.coefficients)
    alone = LearnerSetting("penalised_cox", "clinical", REVIEW).fit(X, **outcome, parameters=parameters)
    leant = pooled.fit(X, **outcome, parameters=parameters | {"shared_penalty": 1e9})
    np.testing.assert_allclose(leant.linear_predictor(X), alone.linear_predictor(X), atol=1e-6)
    assert leant.shared_weight == pytest.approx(0, abs=1e-8)


def test_a_cohort_that_holds_no_shared_gene_leans_on_nothing(leaning):
    cohort, features, _ = leaning
    X = features.transform(cohort.expression, cohort.clinical)
    parameters = {"panel": "none", "penalty": 0.2, "l1_ratio": 0.0, "shared_penalty": 0.05}
    setting = LearnerSetting("pooled_cox", "genes_only", REVIEW, {"ELSEWHERE": 1.0})
    fitted = setting.fit(X, cohort.time, cohort.event, covariates=features.covariates, parameters=parameters, seed=0)
    assert fitted.shared_weight == 0
    np.testing.assert_array_equal(fitted.linear_predictor(X), np.zeros(len(X)))


def test_patients_who_are_in_both_cohorts_take_no_part_in_what_is_shared():
    # KIPAN holds KIRP's patients under another name; their outcome must not come back through what is shared.
    own, other = (simulate_cohort(name, seed=5, n_patients=80, n_background=0) for name in ("KIRP", "LGG"))
    barcodes = [f"TCGA-AA-{i:04d}-01A" for i in range(80)]
    own = renamed(own, [barcode[:12] for barcode in barcodes])
    twin = replace(renamed(own, barcodes), cancer_type="SIMULATED-KIPAN")
    apart, together = shared_with(own, [other], panel=CORE), shared_with(own, [other, twin], panel=CORE)
    assert (apart.left_out, together.left_out) == (0, 80)
    assert together.coefficients == apart.coefficients


def test_equal_identifiers_of_a_cohorts_own_making_are_not_taken_for_the_same_patient():
    own, other = (simulate_cohort(name, seed=5, n_patients=80, n_background=0) for name in ("KIRP", "LGG"))
    names = [f"P{i}" for i in range(80)]
    both = shared_with(renamed(own, names), [renamed(other, names)], panel=CORE)
    assert both.left_out < 5
    twin = replace(renamed(own, names), cancer_type="SIMULATED-X")
    assert shared_with(renamed(own, names), [other, twin], panel=CORE).left_out == 80


def renamed(cohort, names):
    index = pd.Index(names)
    return replace(cohort, expression=cohort.expression.set_axis(index), clinical=cohort.clinical.set_axis(index))
