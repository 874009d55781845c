"""The panel beside proliferation: what it adds where it adds, and nothing where both say the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.cohort import Cohort
from features.normal_scores import NormalScoreReference
from features.panel import load_panel
from training.concordance import concordance_within_folds, harrell_pairs
from training.definition import load_definition
from training.evaluation import judge_of
from training.null_procedure import NullSettings
from training.proliferation import PROLIFERATION_GENES, proliferation_comparison, proliferation_genes

PANEL = load_panel("ctc_core")
CYCLING = ("MKI67", "PCNA", "TOP2A", "BUB1", "AURKA")
SETTINGS = NullSettings(
    clinical=("age",),
    penalties=(0.1, 0.8, 3.0),
    clinical_penalty=0.005,
    shape_penalty=0.1,
    minimum_known_fraction=0.5,
    inner_folds=3,
)


@pytest.fixture(scope="module")
def definition(small_definition):
    read = load_definition(small_definition)
    resampling = read.resampling.model_copy(update={"outer_folds": 3, "outer_repeats": 2, "bootstrap": 200})
    return read.model_copy(update={"resampling": resampling})


def simulated(seed, *, of_proliferation, of_panel, shared=0.0, n_patients=240, cycling=CYCLING):
    """A cohort with a latent rate of division behind the cycling genes and, by `shared`, behind the panel's."""
    rng = np.random.default_rng(seed)
    patients = pd.Index([f"p{i:03}" for i in range(n_patients)])
    rate = rng.normal(size=n_patients)
    cycle = rate[:, None] + 0.3 * rng.normal(size=(n_patients, len(cycling)))
    own = rng.normal(size=(n_patients, len(PANEL.symbols)))
    genes = np.column_stack([cycle, shared * rate[:, None] + np.sqrt(1 - shared**2) * own])
    log_hazard = of_proliferation * rate + of_panel * own[:, :5].sum(axis=1)
    death, censored = rng.exponential(1000 / np.exp(log_hazard)), rng.exponential(3000, size=n_patients)
    return Cohort(
        cancer_type="KIRC",
        endpoint="OS",
        scale="log2_tpm_1",
        zscore_reference=None,
        expression=pd.DataFrame(np.exp(genes), index=patients, columns=[*cycling, *PANEL.symbols]),
        clinical=pd.DataFrame({"age": rng.normal(60, 10, n_patients)}, index=patients),
        time=np.ceil(np.minimum(death, censored)),
        event=death <= censored,
        source="a test",
    )


def compared(cohort, definition, settings=SETTINGS):
    return proliferation_comparison(cohort, PANEL, judge_of(cohort, definition), settings, seed=5)


def test_the_list_names_each_gene_once_and_none_of_the_panels():
    assert len(set(PROLIFERATION_GENES)) == len(PROLIFERATION_GENES) == 94
    assert {"MKI67", "PCNA", "TOP2A", "MCM2", "BUB1", "CDK1", "AURKA", "BIRC5"} <= set(PROLIFERATION_GENES)
    assert not set(PROLIFERATION_GENES) & set(load_panel("ctc_review").symbols)


def test_a_panel_with_an_effect_of_its_own_adds_to_proliferation(definition):
    result = compared(simulated(1, of_proliferation=0.8, of_panel=0.6), definition)
    assert result.genes == tuple(gene for gene in PROLIFERATION_GENES if gene in CYCLING)
    assert result.n_genes == 5
    assert result.gain.lower > 0.03
    assert result.reason is None


def test_a_panel_that_only_follows_proliferation_adds_nothing_to_it(definition):
    cohort = simulated(2, of_proliferation=1.2, of_panel=0.0, shared=0.8)
    result = compared(cohort, definition)
    assert result.baseline.lower > 0.6
    assert result.gain.lower < 0
    assert result.gain.value < 0.01


def test_the_gain_is_the_difference_and_intervals_hold_their_figures(definition):
    result = compared(simulated(3, of_proliferation=0.5, of_panel=0.3), definition)
    assert result.gain.value == pytest.approx(result.with_panel.value - result.baseline.value, abs=1e-12)
    for estimate in (result.baseline, result.with_panel, result.gain):
        assert estimate.lower < estimate.value < estimate.upper


def test_without_clinical_covariates_the_baseline_ranks_by_the_mean_score(definition):
    cohort = simulated(4, of_proliferation=0.8, of_panel=0.0)
    judge = judge_of(cohort, definition)
    values = cohort.expression[list(CYCLING)].to_numpy()
    pairs = []
    for labels in judge.folds:
        by_fold = []
        for fold in range(3):
            members = labels == fold
            scores = [NormalScoreReference.fit(g[~members]).score(g[members]) for g in values.T]
            by_fold.append(harrell_pairs(np.mean(scores, axis=0), judge.time[members], judge.event[members]))
        pairs.append(by_fold)
    expected = concordance_within_folds(pairs, judge.folds, np.ones((1, len(judge.time))))[0]
    result = compared(cohort, definition, replace(SETTINGS, clinical=()))
    assert result.baseline.value == pytest.approx(expected, abs=1e-12)


def test_equal_seeds_give_equal_numbers(definition):
    cohort = simulated(5, of_proliferation=0.5, of_panel=0.3, n_patients=100)
    assert compared(cohort, definition) == compared(cohort, definition)


def test_a_panels_own_genes_are_no_part_of_the_score():
    cohort = simulated(6, of_proliferation=0.5, of_panel=0.3, n_patients=60)
    with_marker = replace(PANEL, genes=(*PANEL.genes, replace(PANEL.genes[0], symbol="MKI67")))
    assert "MKI67" in proliferation_genes(cohort, PANEL, 0.5)
    assert "MKI67" not in proliferation_genes(cohort, with_marker, 0.5)


def test_too_few_genes_of_proliferation_are_not_assessable(definition):
    cohort = simulated(7, of_proliferation=0.5, of_panel=0.3, n_patients=60, cycling=("MKI67", "PCNA"))
    result = compared(cohort, definition)
    assert result.reason is not None
    assert result.reason.startswith("of 94 genes of proliferation that are not the panel's the cohort knows 2 ")
    assert (result.n_genes, result.genes) == (2, ("PCNA", "MKI67"))
    for estimate in (result.baseline, result.with_panel, result.gain):
        assert np.isnan([estimate.value, estimate.lower, estimate.upper]).all()


def test_a_cohort_without_the_panels_genes_is_not_assessable(definition):
    cohort = simulated(8, of_proliferation=0.5, of_panel=0.3, n_patients=60)
    result = compared(replace(cohort, expression=cohort.expression[list(CYCLING)]), definition)
    assert result.reason is not None
    assert result.reason.startswith("none of the 14 genes of panel ctc_core")
