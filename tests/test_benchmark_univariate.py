"""The univariate benchmark: what it measures is measured, and its tables say so."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from experiments.benchmarks.peak import peak_of_scan
from experiments.benchmarks.univariate import (
    Agreement,
    Timed,
    UnivariateBenchmark,
    benchmark_univariate,
    simulated_genes,
)
from experiments.benchmarks.univariate_tables import RACES, markdown, rows, write_univariate
from features.errors import PrognosisError


def found(**changes) -> UnivariateBenchmark:
    names = sorted({name for race in RACES for name in race[:2]})
    about = {"created": "2026-01-02T03:04:05+00:00", "code_version": "0.1.0+abc", "commit": "", "processors": 2,
             "load": "0.1", "patients": 500, "events": 120, "genes": 20_000, "R": "R version 4"}  # fmt: skip
    timed = tuple(Timed(name, 1000, (3.0, 1.0, 2.0) if name == "kernel" else (400.0, 600.0, 500.0)) for name in names)
    agreement = (Agreement("UVM/OS", 19_532, 19_117, 5.7e-11, 7.9e-13, 394, (), ("CD44",), ("UCN3",)),)
    return UnivariateBenchmark(about, timed, 3.2, agreement, **changes)


def test_a_ratio_is_the_median_of_those_of_the_rounds():
    table = rows(found()).set_index(["ours", "rival"])
    # 400/3, 600/1, 500/2.
    assert table.loc[("kernel, prepared arrays", "lifelines' CoxPHFitter"), "ratio"] == pytest.approx(250)
    assert table.loc[("kernel, prepared arrays", "lifelines' CoxPHFitter"), "our_microseconds_a_gene"] == 2000
    assert (table["target"] > 1).all()


def test_the_tables_say_the_figures_targets_and_disagreements(tmp_path):
    text = markdown(found())
    for words in (
        "2026-01-02",
        "**250 ×**",
        "3,000 ×",
        "1.7 ×",
        "3.2 copies",
        "5.7e-11",
        "| none | CD44 | UCN3 |",
        "R version 4",
    ):
        assert words in text
    write_univariate(found(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["univariate.csv", "univariate.md"]


def test_simulated_genes_hold_effects_ties_and_censoring():
    cohort = simulated_genes(300, 40)
    assert cohort.simulated
    assert 0.1 < cohort.event.mean() < 0.9
    assert len(np.unique(cohort.time)) < 300


def test_memory_is_that_of_a_scan():
    assert 1 < peak_of_scan(400, 4000) < 12


def test_without_r_the_benchmark_says_what_to_install(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(PrognosisError, match="install R with survival and maxstat"):
        benchmark_univariate([], n_genes=100)
