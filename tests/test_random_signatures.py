"""Random sets of genes: the procedure written out once more, its laws, and what it says of known cohorts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.clinical_covariates import ClinicalEncoder
from features.cohort import Cohort
from features.normal_scores import NormalScoreReference
from features.panel import load_panel
from training.concordance import concordance_within_folds, harrell_pairs
from training.definition import load_definition
from training.evaluation import judge_of
from training.null_procedure import (
    GeneSet,
    NullData,
    NullSettings,
    SplitCovariates,
    eligible_genes,
    held_out_linear_predictors,
    symbols_of_panels,
)
from training.penalised_cox import fit_penalised_cox
from training.random_signatures import concordant_pairs, random_sets, random_signatures, universe
from training.resampling import generator, stratified_folds

PANEL = load_panel("ctc_core")
SETTINGS = NullSettings(
    clinical=("age", "stage"),
    penalties=(0.1, 0.8, 3.0),
    clinical_penalty=0.005,
    shape_penalty=0.1,
    minimum_known_fraction=0.5,
    inner_folds=3,
)


class Memory:
    """What a run keeps, in a dictionary."""

    def __init__(self):
        self.figures = {}
        self.written = []

    def get(self, key):
        return self.figures.get(key)

    def put(self, key, value):
        self.written.append(key)
        self.figures[key] = value


@pytest.fixture(scope="module")
def definition(small_definition):
    read = load_definition(small_definition)
    resampling = read.resampling.model_copy(update={"outer_folds": 3, "outer_repeats": 2, "bootstrap": 100})
    return read.model_copy(update={"resampling": resampling})


def simulated(seed=0, *, n_patients=150, n_others=60, effect=0.6, genes=PANEL.symbols):
    """A cohort in which `effect` is the log hazard per unit of every second gene of the panel; others do nothing."""
    rng = np.random.default_rng(seed)
    patients = pd.Index([f"p{i:03}" for i in range(n_patients)])
    names = [*genes, *(f"OTHER{j}" for j in range(n_others))]
    values = rng.normal(size=(n_patients, len(names)))
    values[rng.random(values.shape) < 0.02] = np.nan
    age = rng.normal(60, 10, size=n_patients)
    log_hazard = effect * np.nan_to_num(values[:, : len(genes) : 2]).sum(axis=1) + 0.04 * (age - 60)
    death, censored = rng.exponential(1000 / np.exp(log_hazard)), rng.exponential(3000, size=n_patients)
    clinical = pd.DataFrame({"age": age, "stage": rng.choice(["I", "II", "III"], n_patients)}, index=patients)
    return Cohort(
        cancer_type="KIRC",
        endpoint="OS",
        scale="log2_tpm_1",
        zscore_reference=None,
        expression=pd.DataFrame(np.exp(values), index=patients, columns=names),
        clinical=clinical,
        time=np.ceil(np.minimum(death, censored)),
        event=death <= censored,
        source="a test",
    )


def compared(cohort, definition, *, settings=SETTINGS, n_sets=19, workers=1, **options):
    judge = judge_of(cohort, definition)
    return random_signatures(cohort, PANEL, judge, settings, n_sets=n_sets, seed=7, workers=workers, **options)


def written_out(cohort, judge, genes, seed):
    """The procedure on one set of genes, step by step, with the pieces that other models use."""
    predictors = np.empty(judge.folds.shape)
    for repeat, labels in enumerate(judge.folds):
        for fold in range(labels.max() + 1):
            training, held_out = np.flatnonzero(labels != fold), np.flatnonzero(labels == fold)
            rng = generator(seed, "inner folds of the null", repeat, fold)
            inner = stratified_folds(judge.time[training], judge.event[training], SETTINGS.inner_folds, rng)
            score = {
                penalty: sum(
                    _gain(
                        _fitted(cohort, judge, genes, penalty, training[inner != k]),
                        judge,
                        training[inner != k],
                        training,
                    )
                    for k in range(SETTINGS.inner_folds)
                )
                for penalty in SETTINGS.penalties
            }
            best = max(score, key=score.get)
            predictors[repeat, held_out] = _fitted(cohort, judge, genes, best, training)(held_out)
    return predictors


def _gain(predict, judge, part, whole):
    def log_likelihood(rows):
        eta, time = predict(rows), judge.time[rows]
        dead = np.flatnonzero(judge.event[rows])
        return sum(eta[i] - np.log(np.exp(eta[time >= time[i]]).sum()) for i in dead)

    return log_likelihood(whole) - log_likelihood(part)


def _fitted(cohort, judge, genes, penalty, training):
    encoder = ClinicalEncoder.fit(cohort.clinical.iloc[training], SETTINGS.clinical, minimum_known=0.5)
    references = [NormalScoreReference.fit(cohort.expression[gene].to_numpy()[training]) for gene in genes]

    def design(rows):
        scores = [
            np.nan_to_num(r.score(cohort.expression[g].to_numpy()[rows]))
            for r, g in zip(references, genes, strict=True)
        ]
        return np.column_stack([encoder.transform(cohort.clinical.iloc[rows]), *scores])

    of_clinical = [
        SETTINGS.shape_penalty if " above " in name or " from " in name else SETTINGS.clinical_penalty
        for name in encoder.names
    ]
    penalties = np.array(of_clinical + [penalty] * len(genes))
    fitted = fit_penalised_cox(
        design(training), judge.time[training], judge.event[training], penalty=penalties, l1_ratio=0
    )
    return lambda rows: fitted.linear_predictor(design(rows))


def harrell(judge, predictors):
    pairs = [
        [harrell_pairs(eta[labels == k], judge.time[labels == k], judge.event[labels == k]) for k in range(3)]
        for labels, eta in zip(judge.folds, predictors, strict=True)
    ]
    return concordance_within_folds(pairs, judge.folds, np.ones((1, len(judge.time))))[0]


def test_the_figures_are_those_of_the_procedure_written_out(definition):
    cohort = simulated(1, n_patients=90, n_others=40)
    result, judge = compared(cohort, definition, n_sets=1), judge_of(cohort, definition)
    assert result.model == pytest.approx(harrell(judge, written_out(cohort, judge, PANEL.symbols, 7)), abs=1e-9)
    others = sorted(name for name in cohort.expression.columns if name.startswith("OTHER"))
    (drawn,) = random_sets(others, len(PANEL.symbols), n_sets=1, seed=7)
    expected = harrell(judge, written_out(cohort, judge, drawn, 7))
    assert result.concordance[0] == pytest.approx(expected, abs=1e-9)
    assert result.clinical == pytest.approx(harrell(judge, written_out(cohort, judge, [], 7)), abs=1e-9)


def test_without_clinical_covariates_there_is_no_procedure_without_genes(definition):
    cohort = simulated(1, n_patients=90, n_others=40)
    for clinical in ((), ("grade",)):
        memory = Memory()
        result = compared(cohort, definition, n_sets=1, settings=replace(SETTINGS, clinical=clinical), kept=memory)
        assert np.isnan(result.clinical)
        assert np.isfinite([result.model, *result.concordance]).all()
        assert len(memory.written) == 6 * 2
        assert result.procedure == "a ridge Cox on the genes, tuned the same way for every set"


def test_a_fold_in_which_no_clinical_covariate_is_known_well_enough_ranks_nobody():
    cohort = simulated(14, n_patients=60)
    # Known in none of the training patients of the fold, though in a third of the cohort.
    clinical = cohort.clinical.assign(age=np.where(np.arange(60) < 40, np.nan, cohort.clinical["age"]))
    data = NullData(np.empty((60, 0)), clinical, cohort.time, cohort.event, np.repeat([[0, 1]], [40, 20], axis=1))
    settings, none = replace(SETTINGS, clinical=("age",)), np.array([], dtype=np.intp)
    predictors = held_out_linear_predictors(data, [GeneSet(none, none)], settings, repeat=0, fold=1, seed=3)
    np.testing.assert_array_equal(predictors, np.zeros((1, 20)))


def test_shapes_are_penalised_by_their_own(definition):
    cohort = simulated(15, n_patients=100)
    # Risk rises with the distance from 60 years: a straight line says nothing, and the hinges all.
    distance = np.abs(cohort.clinical["age"].to_numpy() - 60)
    cohort = replace(cohort, time=np.ceil(5000 * np.exp(-0.2 * distance)) + 1, event=np.ones(100, dtype=bool))
    free, straight = (
        compared(cohort, definition, n_sets=1, settings=replace(SETTINGS, clinical=("age",), shape_penalty=penalty))
        for penalty in (0.005, 1e4)
    )
    assert free.clinical > 0.8
    assert straight.clinical < 0.65


def test_a_panel_that_drives_the_outcome_exceeds_every_random_set(definition):
    result = compared(simulated(), definition)
    assert result.model > 0.7
    assert result.percentile == 100
    assert result.p_value == 1 / 20
    assert (result.n_genes, result.universe_size, len(result.concordance)) == (len(PANEL.symbols), 60, 19)
    assert result.reason is None


def test_a_panel_that_does_nothing_stands_anywhere_among_random_sets(definition):
    drawn = simulated(2, n_patients=120)
    rng = np.random.default_rng(3)
    p_values = []
    for _ in range(12):
        order = rng.permutation(120)
        permuted = replace(drawn, time=drawn.time[order], event=drawn.event[order])
        result = compared(permuted, definition, n_sets=9)
        assert result.p_value == pytest.approx((1 + np.sum(result.concordance >= result.model)) / 10)
        p_values.append(result.p_value)
    # Uniform on 0.1, 0.2, … 1: mean 0.55, standard deviation 0.29, of which twelve leave a standard error of 0.083.
    assert abs(np.mean(p_values) - 0.55) < 3 * 0.083
    assert np.ptp(p_values) > 0.4


def test_random_sets_have_the_panels_clinical_covariates(definition):
    # Age alone carries the outcome: sets of noise predict as well as age does, far from one half.
    cohort = simulated(4, effect=0.0)
    cohort = replace(cohort, time=np.ceil(5000 * np.exp(-0.1 * cohort.clinical["age"].to_numpy())) + 1)
    result = compared(cohort, definition, n_sets=5)
    assert result.concordance.min() > 0.75
    without = compared(cohort, definition, n_sets=5, settings=replace(SETTINGS, clinical=()))
    assert without.concordance.max() < 0.65


def test_numbers_do_not_depend_on_the_workers(definition):
    cohort = simulated(5)
    one, two = (compared(cohort, definition, n_sets=5, workers=workers) for workers in (1, 2))
    assert (one.model, one.clinical) == (two.model, two.clinical)
    assert np.array_equal(one.concordance, two.concordance)


def test_more_sets_leave_the_first_as_they_were(definition):
    cohort = simulated(6, n_patients=100)
    few, many = (compared(cohort, definition, n_sets=n_sets) for n_sets in (2, 6))
    assert (few.model, few.clinical) == (many.model, many.clinical)
    assert np.array_equal(few.concordance, many.concordance[:2])


def test_the_order_of_genes_in_the_cohort_does_not_matter(definition):
    cohort = simulated(6, n_patients=100)
    turned = replace(cohort, expression=cohort.expression.iloc[:, ::-1])
    one, other = (compared(c, definition, n_sets=4) for c in (cohort, turned))
    np.testing.assert_array_equal(one.concordance, other.concordance)


@given(st.integers(0, 10_000), st.integers(1, 30))
def test_a_random_set_holds_each_gene_once_and_sets_differ(seed, size):
    genes = [f"OTHER{j}" for j in range(60)]
    first, second = random_sets(genes, size, n_sets=2, seed=seed)
    assert set(first) <= set(genes)
    assert len(set(first)) == len(first) == size
    assert size < 5 or first != second


def test_no_gene_of_any_panel_is_in_the_universe(definition):
    # The widest panel's genes are in the cohort; the model reads the narrowest.
    review = load_panel("ctc_review").symbols
    cohort = simulated(
        7, n_patients=100, n_others=30, genes=(*PANEL.symbols, *sorted(set(review) - set(PANEL.symbols)))
    )
    result = compared(cohort, definition, n_sets=1)
    assert (result.n_genes, result.universe_size) == (len(PANEL.symbols), 30)
    assert symbols_of_panels(PANEL) == set(review)


def test_genes_that_are_rarely_known_or_constant_are_not_eligible():
    cohort = simulated(8, n_others=3)
    expression = cohort.expression.copy()
    expression["OTHER0"] = 1.5
    expression.iloc[: len(expression) // 2 + 1, expression.columns.get_loc("OTHER1")] = np.nan
    expression["OTHER2"] = np.nan
    eligible = eligible_genes(replace(cohort, expression=expression), 0.5)
    assert eligible == tuple(sorted(PANEL.symbols))


def test_too_few_other_genes_are_not_assessable(definition):
    needed = 2 * len(PANEL.symbols)
    result = compared(simulated(9, n_others=needed - 1), definition)
    assert result.reason == f"{needed - 1} other genes are too few for random sets of 14: at least {needed} are needed"
    assert len(result.concordance) == 0
    assert np.isnan([result.model, result.percentile, result.p_value, result.clinical]).all()
    assert result.universe_size == needed - 1
    assert compared(simulated(9, n_others=needed), definition, n_sets=1).reason is None


def test_a_cohort_without_the_panels_genes_is_not_assessable(definition):
    result = compared(simulated(10, genes=("A", "B")), definition)
    assert result.reason is not None
    assert result.reason.startswith("none of the 14 genes of panel ctc_core")


def test_the_universe_is_named_for_what_it_is():
    assert universe(1495) == "the cohort's 1,495 other genes: a curated list, not a transcriptome"
    assert universe(19706) == "the cohort's 19,706 other genes: a transcriptome"


class Interruption(BaseException):
    """The run ends here."""


def test_an_interrupted_run_continues_to_the_same_numbers(definition):
    cohort = simulated(11, n_patients=100)
    whole = Memory()
    uninterrupted = compared(cohort, definition, n_sets=4, kept=whole)
    assert len(whole.written) == len(set(whole.written)) == 6 * 6

    def stop(stage, done, total):
        assert (stage, total) == ("KIRC/OS random gene sets", 6)
        if done == 2:
            raise Interruption

    memory = Memory()
    with pytest.raises(Interruption):
        compared(cohort, definition, n_sets=4, kept=memory, progress=stop)
    # As if it had ended in the midst of writing: of one outer fold the sets are there, and not that without genes.
    assert memory.written[-1].endswith("/clinical")
    memory.figures.pop(memory.written[-1])
    memory.written.clear()
    steps = []
    continued = compared(
        cohort, definition, n_sets=4, kept=memory, progress=lambda stage, done, total: steps.append(done)
    )
    assert len(memory.written) == 4 * 6 + 1
    assert steps == [2, 3, 4, 5, 6]
    assert (continued.model, continued.clinical) == (uninterrupted.model, uninterrupted.clinical)
    assert np.array_equal(continued.concordance, uninterrupted.concordance)
    assert memory.figures == whole.figures


def null_data(cohort, judge):
    return NullData(cohort.expression.to_numpy(), cohort.clinical, judge.time, judge.event, judge.folds)


def predictions(cohort, judge):
    sets = [GeneSet(np.arange(14), np.array([], dtype=int)), GeneSet(np.arange(14, 30), np.array([31, 33, 35]))]
    return held_out_linear_predictors(null_data(cohort, judge), sets, SETTINGS, repeat=0, fold=1, seed=3)


def test_nothing_is_learned_from_held_out_patients(definition):
    cohort = simulated(12, n_patients=100)
    judge = judge_of(cohort, definition)
    held_out = np.flatnonzero(judge.folds[0] == 1)
    first, others = held_out[0], slice(1, None)
    before = predictions(cohort, judge)
    expression, clinical = cohort.expression.copy(), cohort.clinical.copy()
    expression.iloc[first] *= 50
    clinical.iloc[first, 0] = 119.0
    changed = replace(cohort, expression=expression, clinical=clinical)
    time, event = judge.time.copy(), judge.event.copy()
    time[held_out], event[held_out] = 1.0, ~event[held_out]
    after = predictions(changed, replace(judge, time=time, event=event))
    np.testing.assert_array_equal(after[:, others], before[:, others])
    assert np.all(after[:, 0] != before[:, 0])


def test_the_state_of_a_split_is_the_training_patients():
    cohort = simulated(13, n_patients=60)
    training, others = np.arange(40), np.arange(40, 60)
    data = NullData(
        cohort.expression.to_numpy(), cohort.clinical, cohort.time, cohort.event, np.zeros((1, 60), dtype=np.int64)
    )
    state = SplitCovariates.fit(data, training, others, SETTINGS)
    changed = data.expression.copy()
    changed[others, 5] = 1e6
    again = SplitCovariates.fit(replace(data, expression=changed), training, others, SETTINGS)
    np.testing.assert_array_equal(again.scores[:40], state.scores[:40])
    assert np.all(again.scores[40:, 5] == state.scores[:40, 5].max())
    one_gene_less = np.delete(np.arange(changed.shape[1]), 5)
    np.testing.assert_array_equal(again.scores[:, one_gene_less], state.scores[:, one_gene_less])
    np.testing.assert_allclose(state.clinical[:40].mean(axis=0), 0, atol=1e-12)


@given(st.integers(0, 10_000), st.integers(2, 30))
def test_concordant_pairs_are_harrells_with_ties(seed, n_patients):
    rng = np.random.default_rng(seed)
    time, event = rng.integers(1, 10, n_patients).astype(float), rng.random(n_patients) < 0.6
    predictors = rng.integers(0, 5, (3, n_patients)).astype(float)
    concordant, comparable = concordant_pairs(predictors, time, event)
    for eta, counted in zip(predictors, concordant, strict=True):
        pairs = harrell_pairs(eta, time, event)
        assert (counted, comparable) == (pairs.concordant.sum(), pairs.comparable.sum())
