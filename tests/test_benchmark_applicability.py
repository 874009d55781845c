"""The benchmark of applicability: rates of what was sent, and a choice in which the judged cohort takes no part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from experiments.benchmarks.applicability import (
    MISSING,
    OTHER,
    OWN,
    SHUFFLED,
    UNLOGGED,
    Applicabilities,
    benchmark_applicability,
    chosen_elsewhere,
    told_apart,
)
from experiments.benchmarks.applicability_tables import markdown, write_applicability
from experiments.choices import Choices
from experiments.simulation import simulate_cohort


@pytest.fixture(scope="module")
def found() -> Applicabilities:
    cohorts = [
        replace(simulate_cohort(name, seed=seed, n_patients=120, n_background=0), cancer_type=f"SIMULATED-{name}")
        for seed, name in enumerate(("KIRC", "LUAD"))
    ]
    return benchmark_applicability(cohorts, Choices(endpoint="OS"))


def test_every_abuse_is_sent_to_every_model(found: Applicabilities):
    rates = found.rates
    assert set(rates["kind"]) == {OWN, SHUFFLED, UNLOGGED, OTHER}
    assert (rates.groupby(["model", "kind", "of"]).size() == len(MISSING)).all()
    assert (rates["profiles"] == 120).all()
    assert (rates["caught"] >= rates[["warned", "scale"]].max(axis=1)).all()


def test_simulated_abuses_are_caught_and_own_patients_are_not(found: Applicabilities):
    known = found.rates[found.rates["missing"] == 0].groupby("kind")["caught"].min()
    assert known[SHUFFLED] >= 0.95
    assert known[UNLOGGED] >= 0.95
    # Of 120 patients; two standard errors above 4 %.
    assert found.rates.loc[found.rates["kind"] == OWN, "caught"].max() <= 0.04 + 2 * np.sqrt(0.04 * 0.96 / 120) + 1e-9


def test_a_candidate_is_chosen_without_the_judged_cohort():
    rows = [
        ("A", "B", "first", 0.0), ("A", "B", "second", 1.0),
        ("B", "A", "first", 0.0), ("B", "A", "second", 1.0),
        ("B", "C", "first", 0.9), ("B", "C", "second", 0.8),
        ("C", "B", "first", 0.9), ("C", "B", "second", 0.8),
    ]  # fmt: skip
    candidates = pd.DataFrame(rows, columns=["model", "of", "candidate", "caught"]).assign(kind=OTHER)
    assert chosen_elsewhere(candidates, "A") == "first"
    assert chosen_elsewhere(candidates, "C") == "second"


def test_a_classifier_that_is_shown_both_tells_different_cohorts_apart_and_equal_ones_not():
    rng = np.random.default_rng(1)
    genes = ["CD44", "CXCR4", "VIM"]
    own, alike = (pd.DataFrame(rng.standard_normal((100, 3)), columns=genes) for _ in range(2))
    assert told_apart(own, alike + 6) > 0.95
    assert told_apart(own, alike) < 0.3


def test_the_tables_say_the_rates_and_the_choice(found: Applicabilities, tmp_path):
    text = markdown(found)
    for words in ("held back", "SIMULATED-KIRC", "50 % of genes missing", SHUFFLED, "chosen for each model"):
        assert words in text
    write_applicability(found, tmp_path)
    table = pd.read_csv(tmp_path / "applicability.csv")
    assert len(table) == len(found.rates)
    assert {"warned", "refused", "scale", "caught", "commit"} <= set(table.columns)
