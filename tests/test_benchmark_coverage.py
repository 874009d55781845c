"""The benchmark of intervals: what it counts, and what is written and said of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from experiments.benchmarks.coverage import NUMBERS, Coverage, benchmark_coverage
from experiments.benchmarks.coverage_tables import PUBLISHED, WORDS, by_learner, markdown, quoted, write_coverage
from training.definition import ReplicatesDefinition
from training.interval_coverage import MEASURED, interval_coverage

ABOUT = {"created": "2026-01-02", "code_version": "0.1.0+abc", "commit": "", "cancer_type": "SIMULATED-KIRC"}
ABOUT |= {"trials": 1, "replicates": 20, "replicates_of_trees": 5, "seed": 1, "workers": 1, "seconds": 3}


@pytest.fixture(scope="module")
def measured():
    """Two learners, one cohort each, few replicates."""
    return benchmark_coverage(
        {"penalised_cox": 1, "boosted": 1}, workers=1, trials=1, replicates=ReplicatesDefinition(cox=20, boosted=5)
    )


def by_hand() -> pd.DataFrame:
    rows = [("auto", 0, 12.0, 0.9), ("auto", 0, 36.0, 0.8), ("auto", 1, 12.0, 1.0), ("auto", 1, 36.0, 0.8)]
    table = pd.DataFrame(rows, columns=["learner", "cohort", "horizon_months", "covered"])
    return table.assign(patients=50, width=0.25, error=0.1, spread=0.5, events=30)


def test_most_intervals_hold_the_true_survival_and_none_is_wider_than_all_there_is(measured):
    rows = measured.rows
    assert list(zip(rows["learner"], rows["cohort"], strict=True)) == [
        *[("penalised_cox", 0)] * 3, *[("boosted", 0)] * 3
    ]  # fmt: skip
    assert set(rows["horizon_months"]) == {12, 36, 60}
    # Coverage of a cohort's patients is far from independent: all share one model.
    assert (rows.loc[rows["learner"] == "penalised_cox", "covered"] > 0.6).all()
    assert rows["covered"].between(0.3, 1).all()
    assert rows["width"].between(0.02, 0.7).all()
    assert (rows["patients"] > 400).all()
    assert rows["error"].abs().max() < 1


def test_means_and_their_intervals_are_over_cohorts():
    summary = by_learner(by_hand()).set_index("horizon_months")
    assert summary.loc[12, ["covered", "cohorts", "patients"]].tolist() == [pytest.approx(0.95), 2, 100]
    assert summary.loc[12, "lower"] == pytest.approx(0.95 - 1.959964 * np.std([0.9, 1.0], ddof=1) / np.sqrt(2))
    assert summary.loc[12, "upper"] == 1.0
    assert summary.loc[36, ["lower", "covered", "upper"]].tolist() == pytest.approx([0.8] * 3)


def test_tables_are_written_and_a_card_quotes_them(tmp_path):
    found = Coverage(ABOUT, by_hand())
    write_coverage(found, tmp_path)
    text = (tmp_path / "coverage.md").read_text(encoding="utf-8")
    assert text == markdown(found)
    assert "| auto (all learners, weighed) | 12 | 2 | 100 | 0.950 (0.852 to 1.000) | 0.25 | +0.10 | 0.50 |" in text
    quoted(by_hand().assign(**ABOUT)).to_csv(tmp_path / "quoted.tsv", sep="\t", index=False)
    coverage = interval_coverage("auto", tmp_path / "quoted.tsv")
    assert coverage.measured == pytest.approx((0.95 + 0.8) / 2)
    assert "2 cohorts of SIMULATED-KIRC" in coverage.in_full
    assert "0.950 (0.852 to 1.000) at 12 months; 0.800 (0.800 to 0.800) at 36 months" in coverage.in_full
    assert "code 0.1.0+abc" in coverage.in_full
    assert "held the true survival of 95 % at 12 months, 80 % at 36 months" in coverage.words
    assert interval_coverage("pooled_cox", tmp_path / "quoted.tsv") is None


def test_every_learner_that_is_measured_has_words():
    assert set(NUMBERS) == set(WORDS)


def test_what_answers_quote_is_what_is_published():
    published, told = quoted(pd.read_csv(PUBLISHED)), pd.read_csv(MEASURED, sep="\t")
    assert list(told) == list(published)
    for name, column in published.items():
        numbers = column.dtype.kind in "fi"
        assert told[name].tolist() == (pytest.approx(column.tolist()) if numbers else column.tolist())
    assert all(interval_coverage(learner) is not None for learner in ("penalised_cox", "boosted", "auto"))
