"""What a scan and the paper's reproduction leave in a folder: whole files, and nothing where it failed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scan_tables import row, table_of

from experiments.paper_reproduction import reproduce_paper
from experiments.scan_outputs import ScanOutputError, write_scan
from experiments.scan_rows import ScanTableError
from experiments.simulation import simulate_cohort
from features.cohort import Cohort
from features.panel import load_panel
from training.scan.scan import ScanSettings, scan_cohort

NO_EVIDENCE = pd.DataFrame({"gene": pd.Series(dtype=object)})
QUICK = ScanSettings(cuts=("per_sd", "median", "optimal"), permutations=0, samples=20, curves=False)


@pytest.fixture(scope="module")
def cohorts() -> list[Cohort]:
    return [simulate_cohort(name, seed=3, n_patients=120) for name in ("BRCA", "KIRC", "LGG")]


@pytest.fixture(scope="module")
def table(cohorts: list[Cohort]) -> pd.DataFrame:
    return pd.concat([scan_cohort(c, load_panel("ctc_core").symbols, QUICK) for c in cohorts], ignore_index=True)


def a_figure() -> Figure:
    figure = Figure()
    figure.subplots().plot([1, 2])
    return figure


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_scan_leaves_its_table_evidence_figures_and_page(table, tmp_path):
    evidence = pd.DataFrame([{"gene": "CD44", "drugs": "RG7356"}])
    folder = tmp_path / "new" / "scan"
    written = write_scan(table, evidence, {"curve": a_figure()}, folder)
    assert written[0] == folder / "index.html"
    named = {
        "index.html",
        "hazard_ratios.parquet",
        "hazard_ratios.csv",
        "evidence.csv",
        "figures/curve.png",
        "figures/curve.svg",
    }
    assert files(folder) == named == {str(path.relative_to(folder)) for path in written}
    assert (folder / "figures" / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_parquet_and_csv_hold_the_table_to_the_last_digit(table, tmp_path):
    write_scan(table, NO_EVIDENCE, {}, tmp_path)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "hazard_ratios.parquet"), table)
    read = pd.read_csv(tmp_path / "hazard_ratios.csv")
    for column in ("hazard_ratio", "p", "q", "shrunken_hazard_ratio"):
        np.testing.assert_array_equal(read[column], table[column])


def test_a_scan_written_again_replaces_its_files_and_leaves_others(table, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    write_scan(table, NO_EVIDENCE, {}, tmp_path)
    write_scan(table[table["cancer_type"] == "SIMULATED-LGG"], NO_EVIDENCE, {}, tmp_path)
    assert set(pd.read_csv(tmp_path / "hazard_ratios.csv")["cancer_type"]) == {"SIMULATED-LGG"}
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_what_an_earlier_run_left_does_not_outlive_the_next(table, tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "mine.png").touch()
    pooled = pd.DataFrame(
        [{"gene": "CD44", "cancer_type": "KIRC", "endpoint": "OS", "cut": "per_sd", "n": 10, "events": 5,
          "hazard_ratio": 1.5, "held_lower": 1.1, "held_upper": 2.0, "held_p": 0.01, "p": 0.001,
          "q": 0.001, "i_squared": 0.0,
          "cohorts": "A, B", "left_out": "C: lacks the gene", "remark": ""}]
    )  # fmt: skip
    ledger = pd.DataFrame({"cohort": ["A"]})
    write_scan(table, NO_EVIDENCE, {"forest_CD44_KIRC_OS": a_figure()}, tmp_path, pooled=pooled, ledger=ledger,
               notes=["B/OS could not be scanned: <no>"])  # fmt: skip
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    for words in ("1.50 (1.10 to 2.00)", "C: lacks the gene", "B/OS could not be scanned: &lt;no&gt;"):
        assert words in page
    write_scan(table, NO_EVIDENCE, {}, tmp_path)
    assert files(tmp_path) == {
        "index.html", "hazard_ratios.parquet", "hazard_ratios.csv", "evidence.csv", "figures/mine.png"
    }  # fmt: skip
    assert "Pooled over cohorts" not in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_short_evidence_stands_beside_each_row(table, tmp_path):
    evidence = pd.DataFrame([{"gene": "CD44", "drugs": "RG7356", "literature_direction": "high", "literature": "long"}])
    write_scan(table, evidence, {}, tmp_path)
    for read in (pd.read_csv(tmp_path / "hazard_ratios.csv"), pd.read_parquet(tmp_path / "hazard_ratios.parquet")):
        assert set(read.loc[read["gene"] == "CD44", "drugs"]) == {"RG7356"}
        assert read.loc[read["gene"] != "CD44", "drugs"].isna().all()
        assert "literature" not in read


def test_a_scan_that_fails_on_the_way_changes_nothing(table, tmp_path):
    write_scan(table, NO_EVIDENCE, {}, tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    twice = table_of(row("A", "KIRC", 1.5), row("A", "KIRC", 1.6))
    with pytest.raises(ScanTableError, match="occur twice"):
        write_scan(twice, NO_EVIDENCE, {"curve": a_figure()}, tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before


def test_a_folder_that_cannot_be_one_is_an_error_with_its_name(table, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ScanOutputError, match="taken"):
        write_scan(table, NO_EVIDENCE, {}, tmp_path / "taken")


def test_the_paper_is_drawn_compared_and_shown(cohorts, table, tmp_path):
    written = reproduce_paper(cohorts, table, tmp_path)
    assert written[0].name == "index.html"
    pictures = ("figure_3a_IL1R1_BRCA", "figure_3b_per_sd", "figure_3b_median", "figure_3c_clusters")
    tables = {"table_2.csv", "table_2.parquet", "table_2.md", "gene_groups.csv", "gene_groups_by_choice.csv"}
    assert files(tmp_path) == {
        "index.html",
        *tables,
        *(f"figures/{p}.{kind}" for p in pictures for kind in ("png", "svg")),
    }
    page = written[0].read_text(encoding="utf-8")
    assert "SIMULATED" in page
    assert "of the 62 rows of Table 2 could be tested" in page
    assert page.count("<figure") == len(pictures)
    groups = pd.read_csv(tmp_path / "gene_groups.csv")
    assert set(groups["found"]) == {1, 2}
    assert set(groups["gene"]) <= set(load_panel("ctc_core").symbols)


def test_curves_and_genes_are_those_that_were_asked_for(cohorts, table, tmp_path):
    reproduce_paper(cohorts, table, tmp_path, genes=["CD44", "CDH1"], curves=[("CD44", "KIRC"), ("CDH1", "LGG")])
    pictures = {name for name in files(tmp_path) if name.endswith(".png")}
    # Two genes are too few to cluster.
    assert pictures == {
        "figures/figure_3a_CD44_KIRC.png",
        "figures/figure_3a_CDH1_LGG.png",
        "figures/figure_3b_per_sd.png",
        "figures/figure_3b_median.png",
    }


def test_a_curve_of_a_cohort_that_is_not_there_says_which_are(cohorts, table, tmp_path):
    with pytest.raises(ScanTableError, match="there are BRCA, KIRC, LGG"):
        reproduce_paper(cohorts, table, tmp_path, curves=[("CD44", "GBM")])
    assert files(tmp_path) == set()


def test_cohorts_of_several_endpoints_are_refused(cohorts, table, tmp_path):
    other = replace(cohorts[0], endpoint="PFI")
    with pytest.raises(ScanTableError, match="OS, PFI"):
        reproduce_paper([other, *cohorts[1:]], table, tmp_path)
    with pytest.raises(ScanTableError, match="none"):
        reproduce_paper([], table, tmp_path)


def test_without_the_papers_cohort_no_curve_is_chosen_for_its_looks(cohorts, table, tmp_path):
    without = table[table["cancer_type"] != "SIMULATED-BRCA"]
    reproduce_paper(cohorts[1:], without, tmp_path)
    assert not any("3a" in name for name in files(tmp_path))
