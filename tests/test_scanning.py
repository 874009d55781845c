"""Scans from the command line: several cohorts side by side, split by site, pooled, and the paper rebuilt."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from experiments.choices import Choices
from experiments.cli import main
from experiments.scan_genes import found_genes, genes_named, genes_of_paper
from experiments.scanning import evidence_of, pooled, read_cohorts, scan_cohorts, together, with_q_of
from experiments.simulated_study import write_simulated_cohorts
from features.errors import PrognosisError
from training.scan.scan import ScanSettings, scan_cohort

QUICK = ScanSettings(cuts=("per_sd", "median"), curves=False)


def run(*arguments: object):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("simulated")
    return list(write_simulated_cohorts(folder, cancer_types=("GBM", "KIRP")))


def test_genes_are_named_by_panel_file_or_symbols(tmp_path):
    assert genes_named("all") is None
    assert len(genes_named("ctc_core")) == 14
    assert genes_named("CD44, CXCR4,") == ("CD44", "CXCR4")
    path = tmp_path / "genes.txt"
    path.write_text("\ufeffCD44\r\n\r\nIL6\r\n", encoding="utf-8")
    assert genes_named(str(path)) == ("CD44", "IL6")


@pytest.mark.parametrize("content", [b"\n\n", b"\xff\xfe\x00CD44"])
def test_a_file_that_names_no_gene_is_refused(tmp_path, content):
    path = tmp_path / "genes.txt"
    path.write_bytes(content)
    with pytest.raises(PrognosisError, match="one"):
        genes_named(str(path))


def test_a_scan_of_several_cohorts_is_each_ones_own_and_q_is_over_the_family(simulated):
    cohorts, _ = read_cohorts(simulated, Choices("OS"), ["OS"], by_site=False)
    alone = [scan_cohort(cohort, settings=QUICK) for cohort in cohorts]
    apart, _ = scan_cohorts(cohorts, None, QUICK, workers=2)
    joint, _ = scan_cohorts(cohorts, None, QUICK, family="genes and cancer types", workers=2)
    for table, scan in zip(alone, apart, strict=True):
        pd.testing.assert_frame_equal(scan.table, table)
    q = pd.concat([scan.table["q"] for scan in joint])
    assert not np.allclose(q, pd.concat([table["q"] for table in alone]))
    assert [scan.name for scan in joint] == ["SIMULATED-GBM", "SIMULATED-KIRP"]
    assert set(evidence_of(apart)["cancer_type"]) == {"SIMULATED-GBM", "SIMULATED-KIRP"}
    assert pooled(apart) is None


def test_the_command_writes_tables_and_a_page(simulated, tmp_path):
    cuts = ("--cut", "per_sd", "--cut", "median")
    options = ("--genes", "ctc_core", *cuts, "--adjust", "age", "--curve", "CD44")
    done = run("scan", *simulated, "--to", tmp_path / "out", *options)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == str(tmp_path / "out" / "index.html")
    table = pd.read_parquet(tmp_path / "out" / "hazard_ratios.parquet")
    pd.testing.assert_frame_equal(
        table[["gene", "p"]], pd.read_csv(tmp_path / "out" / "hazard_ratios.csv")[["gene", "p"]], check_dtype=False
    )
    assert set(table["cut"]) == {"per_sd", "median"}
    assert (table["adjusted_for"] == "age").all()
    drawn = {path.name for path in (tmp_path / "out" / "figures").iterdir()}
    assert {"survival_CD44_SIMULATED-GBM_OS.png", "heatmap_OS.png"} <= drawn


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--genes", "NOSUCHGENE"], "no cohort has any of the 1 genes asked for (NOSUCHGENE)"),
        (["--genes", "CD44", "--forest", "IL6"], "forest of IL6: no cohort of the scan has it"),
        (["--genes", "no/such.txt"], "there is no such file of genes"),
        (["--genes", "CD44", "--strata", "centre"], "no column 'centre' to stratify by"),
        (["--genes", "CD44", "--curve", "IL6"], "survival by IL6: no cohort of the scan has it"),
        (["--genes", "CD44", "--forest", "CD44"], "several cohorts of one cancer type"),
        (["--genes", "CD44", "--adjust", "shoe size"], "shoe size cannot be adjusted for"),
        (["--genes", "CD44", "--by-site"], "tissue-source sites stand in TCGA barcodes"),
    ],
)
def test_what_cannot_be_scanned_is_one_line_and_writes_nothing(simulated, tmp_path, options, words):
    done = run("scan", simulated[0], "--to", tmp_path / "out", "--cut", "per_sd", "--cut", "median", *options)
    assert done.exit_code == 2
    assert words in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.output
    assert not (tmp_path / "out").exists()


def test_the_paper_is_rebuilt_from_simulated_cohorts_and_says_so(simulated, tmp_path):
    done = run("paper", *simulated, "--to", tmp_path / "out", "--curve", "CD44:KIRP")
    assert done.exit_code == 0, done.output
    assert "of the 62 rows of Table 2 could be tested" in done.output
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "SIMULATED" in page
    compared = pd.read_csv(tmp_path / "out" / "table_2.csv")
    assert len(compared) == 62
    refused = run("paper", simulated[0], "--to", tmp_path / "no", "--curve", "CD44")
    assert refused.exit_code == 2
    assert "write it as IL1R1:BRCA" in refused.output


def test_a_cohort_split_by_site_is_pooled_and_drawn(real_cohorts, tmp_path):
    done = run("scan", real_cohorts / "KIRC", "--by-site", "--genes", "ctc_core", "--cut", "per_sd", "--forest", "CD44",
               "--to", tmp_path / "out")  # fmt: skip
    assert done.exit_code == 0, done.output
    found = pd.read_parquet(tmp_path / "out" / "pooled_hazard_ratios.parquet").set_index("gene")
    assert found.loc["CD44", "cohorts"].count("KIRC: ") == 5
    assert (tmp_path / "out" / "figures" / "forest_CD44_KIRC_OS.png").stat().st_size > 10_000
    table = pd.read_parquet(tmp_path / "out" / "hazard_ratios.parquet")
    assert "KIRC: B0" in set(table["cancer_type"])
    assert len(table) == 5 * 13


def test_all_ten_cohorts_stand_in_one_table(real_cohorts):
    folders = sorted(folder for folder in real_cohorts.iterdir() if folder.is_dir())
    cohorts, _ = read_cohorts(folders, Choices("OS"), ["OS"], by_site=False)
    scans, _ = scan_cohorts(cohorts, genes_named("ctc_core"), QUICK, family="genes and cancer types")
    table = together(scans)
    assert table["cancer_type"].nunique() == 10
    kirc = table.query("cancer_type == 'KIRC' and gene == 'CD44' and cut == 'per_sd'").iloc[0]
    assert kirc["hazard_ratio"] > 1
    assert kirc["q"] < 0.05


def test_genes_are_found_by_other_names_and_the_unknown_are_counted_and_named():
    found = found_genes(["CD44", "PDL1", "NOSUCH", "cd8a"], {"CD44", "CD274", "CD8A"})
    assert found.genes == ("CD44", "CD274", "CD8A")
    assert found.unknown == ("NOSUCH",)
    assert found.notes == [
        "Taken under their current symbols: CD274 for PDL1, CD8A for cd8a.",
        "1 of 4 genes are in no cohort: NOSUCH.",
    ]
    assert found_genes(None, {"CD44"}).notes == []


def test_one_bad_cohort_or_unknown_gene_is_named_and_the_rest_is_scanned(simulated, tmp_path):
    bad = tmp_path / "BAD"
    shutil.copytree(simulated[0], bad)
    for path in bad.iterdir():
        if "clinical" in path.name:
            path.write_text("garbage\n", encoding="utf-8")
    done = run("scan", bad, simulated[1], "--to", tmp_path / "out", "--genes", "CD44,NOSUCH", "--cut", "per_sd",
               "--cut", "per_sd", "--endpoint", "OS", "--endpoint", "OS")  # fmt: skip
    assert done.exit_code == 0, done.output
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    for words in ("BAD/OS could not be scanned", "1 of 2 genes are in no cohort: NOSUCH"):
        assert words in done.stderr
        assert words in page
    table = pd.read_csv(tmp_path / "out" / "hazard_ratios.csv")
    assert len(table) == 1
    assert table.loc[0, "partners"] != ""
    ledger = pd.read_csv(tmp_path / "out" / "ledger.csv")
    assert set(ledger["cohort"]) == {"SIMULATED-KIRP"}
    assert "reader's ledger:" in done.stdout


def test_what_cannot_be_drawn_or_written_is_refused_before_anything_is_scanned(simulated, tmp_path, monkeypatch):
    def never(*_, **__):
        raise AssertionError

    monkeypatch.setattr("experiments.scanning.scan_cohort", never)
    (tmp_path / "taken").touch()
    for words, options in (
        ("parted by one of median", ["--cut", "per_sd", "--curve", "CD44"]),
        ("add per_sd", ["--cut", "median", "--forest", "CD44"]),
        ("nothing can be written", ["--to", tmp_path / "taken" / "out"]),
    ):
        done = run("scan", *simulated, "--genes", "CD44", "--to", tmp_path / "out", *options)
        assert done.exit_code == 2, words
        assert words in done.stderr
    done = run("paper", *simulated, "--to", tmp_path / "out", "--curve", "NOSUCH:KIRP")
    assert "lacks the gene" in done.stderr


def test_a_curve_needs_no_ratio_per_sd_and_strata_no_optimal_cut(simulated, tmp_path):
    done = run("scan", simulated[0], "--to", tmp_path / "out", "--genes", "CD44", "--cut", "median", "--curve", "CD44",
               "--curve", "CD44", "--strata", "sex")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert len(list((tmp_path / "out" / "figures").glob("survival_CD44_*.png"))) == 1
    assert set(pd.read_csv(tmp_path / "out" / "hazard_ratios.csv")["stratified_by"]) == {"sex"}


def test_q_tells_cohorts_of_one_cancer_type_apart_and_extras_change_none(simulated):
    cohorts, _ = read_cohorts(simulated[:1], Choices("OS"), ["OS"], by_site=False)
    halves = [replace(cohorts[0].subset(np.arange(k, len(cohorts[0].time), 2)), source=f"half {k}") for k in (0, 1)]
    scans, _ = scan_cohorts(halves, ("CD44", "CXCR4", "ICAM1"), QUICK)
    for half, scan in zip(halves, scans, strict=True):
        alone = scan_cohort(half, ("CD44", "CXCR4", "ICAM1"), QUICK)
        np.testing.assert_allclose(scan.table["q"], alone["q"], rtol=1e-12)
    few, many = (scan_cohorts(halves, genes_of_paper(extra), QUICK)[0] for extra in ((), ("SELP", "TNF", "VIM")))
    own = genes_of_paper()
    for one, other in zip(with_q_of(few, own), with_q_of(many, own), strict=True):
        kept = other.table[other.table["gene"].isin(own)].reset_index(drop=True)
        np.testing.assert_array_equal(kept["q"], one.table["q"])
        assert len(other.table) > len(one.table)
