"""The benchmark of reading: what it reads and states; never how quick anything is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from click.testing import CliRunner

from experiments.benchmarks.reading import benchmark_reading, markdown, write_cohort
from experiments.cli import main
from features.panel import load_panel
from features.readers import read_cohort

PANEL = load_panel("ctc_review").symbols


def test_each_reading_says_what_it_read_and_what_it_took():
    found = benchmark_reading(n_genes=150, n_patients=30, rounds=1)
    assert [(each.what, each.patients, each.genes) for each in found] == [
        ("all genes", 30, 150),
        ("the panel", 30, len(PANEL)),
    ]
    assert all(each.seconds > 0 and each.cpu_seconds > 0 for each in found)
    # Python with pandas alone takes so much; a whole matrix of this size is nothing beside it.
    assert all(30 < each.peak_mib < 2_000 for each in found)


def test_what_is_written_is_a_simulated_cohort_of_the_size_that_was_asked_for(tmp_path: Path):
    write_cohort(tmp_path / "SIMULATED_KIRC", n_genes=120, n_patients=12)
    cohort = read_cohort(tmp_path / "SIMULATED_KIRC", endpoint="OS")
    assert (cohort.simulated, cohort.expression.shape) == (True, (12, 120))
    assert np.array_equal(cohort.expression, cohort.expression.round(4))


def test_the_table_holds_every_figure_beside_its_aim():
    row = {"seconds": 5.0, "cpu_seconds": 4.5, "peak_mib": 700.4, "patients": 1000, "genes": 20531}
    about = {"created": "2026-01-02T03:04:05+00:00", "code_version": "0", "commit": "", "processors": 2, "load": 0.5}
    rows = pd.DataFrame([{"what": "all genes", **row}, {"what": "the panel", **row, "seconds": 1.0}]).assign(**about)
    text = markdown(rows)
    assert "| all genes | 20531 | 5.0 (5.0 to 5.0) | 4.5 | 10 | 700 MiB | 954 MiB |" in text
    assert "| the panel | 20531 | 1.0 (1.0 to 1.0) | 4.5 | 4 | 700 MiB |  |" in text
    assert "1000 patients" in text


def test_the_command_writes_the_table_and_prints_it(tmp_path: Path):
    arguments = ["--genes", "120", "--patients", "12", "--rounds", "1", "--to", str(tmp_path)]
    result = CliRunner().invoke(main, ["benchmark", "reading", *arguments])
    assert result.exit_code == 0, result.output
    assert result.output == (tmp_path / "reading.md").read_text(encoding="utf-8")
    rows = pd.read_csv(tmp_path / "reading.csv")
    assert rows["what"].tolist() == ["all genes", "the panel"]
    assert rows["patients"].tolist() == [12, 12]
