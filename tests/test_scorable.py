"""What would make a refused profile scorable: few genes where few are at fault, and words that say so."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import REPOSITORY

from experiments.simulation import simulate_cohort
from features.panel import load_panel
from training.applicability import Applicability, fit_applicability
from training.definition import load_definition
from training.scorable import (
    distance_refusal,
    distance_warning,
    far_values_warning,
    missing_weight,
    missing_weight_refusal,
    smallest_addition,
    smallest_omission,
)

WEIGHTS = {"CD44": 0.4, "CXCR4": 0.3, "ICAM1": 0.2, "CCR1": 0.1}


@pytest.fixture(scope="module")
def model() -> Applicability:
    definition = load_definition(REPOSITORY / "experiments" / "definitions" / "default.toml")
    cohort = simulate_cohort("KIRC", seed=1, n_patients=200, n_background=0)
    return fit_applicability(cohort, load_panel("ctc_review"), definition)


@pytest.fixture(scope="module")
def typical(model: Applicability) -> np.ndarray:
    cohort = simulate_cohort("KIRC", seed=2, n_patients=50, n_background=0)
    values = cohort.expression[list(model.genes)].to_numpy(np.float64)
    known = values[~np.isnan(values).any(axis=1)]
    return known[np.argmin(np.abs(model.judge(known).distance))]


@pytest.mark.parametrize(
    ("missing", "limit", "expected"),
    [
        (["CCR1", "ICAM1"], 0.5, []),
        (["CCR1", "CXCR4", "CD44"], 0.5, ["CD44"]),
        (["CD44", "CXCR4", "ICAM1", "CCR1"], 0.3, ["CD44", "CXCR4"]),
        (["CD44", "CD44", "NODAL"], 0.4, []),
        (["CD44", "CXCR4"], 0.0, ["CD44", "CXCR4"]),
    ],
)
def test_the_weightiest_genes_are_asked_for_by_hand(missing: list[str], limit: float, expected: list[str]):
    assert smallest_addition(WEIGHTS, missing, limit) == expected
    assert missing_weight(WEIGHTS, set(missing) - set(expected)) <= limit + 1e-9


def test_no_smaller_addition_suffices():
    rng = np.random.default_rng(1)
    for _ in range(50):
        weights = dict(zip("abcdefgh", rng.dirichlet(np.ones(8)), strict=True))
        missing = list("abcdef")
        added = smallest_addition(weights, missing, 0.3)
        if added:
            # Any set of one gene less is at most as heavy as the heaviest of that size.
            heaviest = sorted((weights[gene] for gene in missing), reverse=True)[: len(added) - 1]
            assert missing_weight(weights, missing) - sum(heaviest) > 0.3


def test_the_genes_at_fault_are_found_and_leaving_them_out_suffices(model: Applicability, typical: np.ndarray):
    sent = typical.copy()
    faulty = ["CD44", "VIM", "EGFR", "STAT3", "SRC", "JAK2"]
    columns = [model.genes.index(gene) for gene in faulty]
    sent[columns] = -40.0
    assert model.judge(sent[np.newaxis]).refused[0]
    omission = smallest_omission(model, sent)
    assert omission
    assert set(omission) <= set(faulty)
    sent[[model.genes.index(gene) for gene in omission]] = np.nan
    assert not model.judge(sent[np.newaxis]).refused[0]


def test_nothing_is_left_out_of_a_profile_that_is_not_refused(model: Applicability, typical: np.ndarray):
    assert smallest_omission(model, typical) == []


def test_a_profile_that_is_wrong_throughout_is_not_mended_by_a_few_genes(model: Applicability, typical: np.ndarray):
    assert smallest_omission(model, np.exp2(typical) * 1000) is None
    assert smallest_omission(model, np.full(len(model.genes), np.nan)) is None


def test_the_sentences_say_what_where_and_how_to_mend(model: Applicability):
    genes = ["CD44", "VIM", "EGFR", "STAT3", "SRC", "JAK2", "ICAM1"]
    warning = distance_warning(model, 99.4, genes)
    assert "99 % of the cohort's own patients (warned above 96 %)" in warning
    assert "7 genes lie outside of its range, farthest CD44, VIM, EGFR, STAT3, SRC and 2 more" in warning
    assert "gene" not in distance_warning(model, 97.0, []).split(";")[0]
    # A remedy is given whole.
    assert "with CD44, VIM, EGFR, STAT3, SRC, JAK2, ICAM1 corrected or left out" in distance_refusal(genes, genes)
    assert "check the cancer type" in distance_refusal(genes, genes).partition("Only where")[0]
    assert far_values_warning(genes[:1]).startswith("one value lies far beyond")
    assert "1 gene lies outside" in distance_refusal(genes[:1], genes[:1])
    assert "the whole profile is in question" in distance_refusal([], None)
    refusal = missing_weight_refusal(WEIGHTS, ["CD44", "CXCR4", "CCR1"])
    assert refusal == (
        "the 3 missing genes carry 80% of the model's weight, and at most 50% may be missing; with CD44 added it can "
        "be scored."
    )
