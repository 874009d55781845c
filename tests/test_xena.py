"""UCSC Xena folders: the real pairs by their known numbers, hand-made ones for every quirk."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest

from features.cohort import Cohort
from features.errors import CohortError, ScaleError
from features.readers import read_cohort

MATRIX = """sample\tTCGA-AA-0001-01\tTCGA-AA-0001-11\tTCGA-AA-0002-01\tTCGA-AA-0003-01\tTCGA-AA-0004-06
?|6387\t1\t9\t2\t3\t4
?|100130426\t5\t9\t6\t7\t5
CD44\t2.5\t9\t2.0\t1.0\t3
SLC35E2|728661\t0\t0\t1\t0\t0
SLC35E2\t1\t0\t3\t5\t9
"""
SURVIVAL = """sample\t_PATIENT\tOS\tOS.time\tDSS\tDSS.time\tRedaction
TCGA-AA-0001-01\tTCGA-AA-0001\t1\t100\t\t\t
TCGA-AA-0001-11\tTCGA-AA-0001\t1\t100\t\t\t
TCGA-AA-0002-01\tTCGA-AA-0002\t0\t200\t\t\t
TCGA-AA-0003-01\tTCGA-AA-0003\t0\t300\t\t\tRedacted
TCGA-AA-0004-06\tTCGA-AA-0004\t0.0\t400.0\t\t\t
"""
CLINICAL = """sampleID\t_PATIENT\
\tage_at_initial_pathologic_diagnosis\tgender\tpathologic_stage\tneoplasm_histologic_grade
TCGA-AA-0001-01\tTCGA-AA-0001\t50\tFEMALE\tStage II\tHigh Grade
TCGA-AA-0002-01\tTCGA-AA-0002\t\tMALE\t[Discrepancy]\tG2
"""


def entry(cohort: Cohort, words: str) -> tuple[str, int, tuple[str, ...]]:
    found = [line for line in cohort.ledger.entries if words in line.what]
    assert len(found) == 1, (words, str(cohort.ledger))
    return found[0].action, found[0].count, found[0].examples


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    folder = tmp_path / "xena"
    folder.mkdir()
    with gzip.open(folder / "HiSeqV2.gz", "wt") as file:
        file.write(MATRIX)
    (folder / "UVM_survival.txt").write_text(SURVIVAL)
    (folder / "UVM_clinicalMatrix").write_text(CLINICAL)
    return folder


@pytest.mark.parametrize(("name", "patients", "deaths"), [("ACC", 77, 27), ("UVM", 79, 22)])
def test_real_pairs_have_their_known_patients_and_deaths(real_cohorts: Path, name: str, patients: int, deaths: int):
    cohort = read_cohort(real_cohorts / name, endpoint="OS")
    assert (cohort.cancer_type, len(cohort.patients), cohort.n_events) == (name, patients, deaths)
    assert (cohort.scale, cohort.zscore_reference) == ("log2_rsem_1", None)
    survival = pd.read_csv(real_cohorts / name / f"{name}_survival.txt", sep="\t", index_col="_PATIENT")
    assert cohort.time.tolist() == survival.loc[cohort.patients, "OS.time"].tolist()


def test_real_values_stand_where_the_file_has_them(real_cohorts: Path):
    matrix = pd.read_csv(real_cohorts / "UVM" / "HiSeqV2.gz", sep="\t", index_col=0)
    cohort = read_cohort(real_cohorts / "UVM", endpoint="OS")
    for gene in ("CD44", "ICAM1", "A1BG"):
        assert cohort.expression[gene].tolist() == matrix.loc[gene, [f"{p}-01" for p in cohort.patients]].tolist()
    dropped = sum(line.count for line in cohort.ledger.entries if line.action == "dropped" and "gene" in line.what)
    assert cohort.expression.shape[1] + dropped == len(matrix)


def test_the_cohort_by_hand(pair: Path):
    cohort = read_cohort(pair, endpoint="OS")
    assert cohort.cancer_type == "UVM"
    assert list(cohort.patients) == ["TCGA-AA-0001", "TCGA-AA-0002", "TCGA-AA-0004"]
    assert cohort.time.tolist() == [100, 200, 400]
    assert cohort.event.tolist() == [True, False, False]
    assert cohort.expression.to_dict("list") == {
        "100130426": [5, 6, 5],
        "CD44": [2.5, 2.0, 3.0],
        "CXCL12": [1, 2, 4],
        "SLC35E2": [1, 3, 9],
    }
    assert cohort.clinical["stage"].fillna("-").tolist() == ["II", "-", "-"]
    assert cohort.clinical["grade"].fillna("-").tolist() == ["-", "G2", "-"]
    assert cohort.clinical["age"].fillna(-1).tolist() == [50, -1, -1]


def test_all_that_was_done_is_in_the_ledger_with_its_count(pair: Path):
    cohort = read_cohort(pair, endpoint="OS")
    assert entry(cohort, "cancer type") == ("guessed", 1, ("UVM",))
    assert entry(cohort, "normal or control") == ("dropped", 1, ("TCGA-AA-0001-11",))
    assert entry(cohort, "redacted") == ("dropped", 1, ("TCGA-AA-0003-01",))
    assert entry(cohort, "not in the clinical table") == ("dropped", 1, ("TCGA-AA-0003-01",))
    assert entry(cohort, "no primary tumour") == ("kept", 1, ("TCGA-AA-0004-06",))
    assert entry(cohort, "without a symbol") == ("kept", 1, ("100130426",))
    assert entry(cohort, "current symbol") == ("mapped", 1, ("(blank) → CXCL12",))
    assert entry(cohort, "further rows of a gene") == ("dropped", 1, ("SLC35E2",))
    assert entry(cohort, "gender read as sex") == ("mapped", 2, ())
    assert entry(cohort, "no grade, read as missing") == ("dropped", 1, ())


def test_an_empty_endpoint_is_answered_with_those_that_have_values(pair: Path):
    with pytest.raises(CohortError, match="no patient has a usable DSS outcome; it has OS"):
        read_cohort(pair, endpoint="DSS")


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        ("tcga_RSEM_gene_tpm.gz", "log2_tpm_0001"),
        ("TCGA-UVM.star_tpm.tsv.gz", "log2_tpm_1"),
        ("TCGA-UVM.htseq_fpkm-uq.tsv.gz", "log2_fpkm_uq_1"),
        ("AgilentG4502A_07_3.gz", "microarray_log2"),
    ],
)
def test_a_data_set_of_xena_is_known_by_its_name(pair: Path, name: str, scale: str):
    (pair / "HiSeqV2.gz").rename(pair / name)
    assert read_cohort(pair, endpoint="OS").scale == scale


@pytest.mark.parametrize("name", ["HiSeqV2_PANCAN.gz", "HiSeqV2_percentile.gz", "TCGA-UVM.star_counts.tsv.gz"])
def test_a_data_set_on_no_known_scale_is_refused_until_declared(pair: Path, name: str):
    (pair / "HiSeqV2.gz").rename(pair / name)
    with pytest.raises(ScaleError, match="on none of the known scales"):
        read_cohort(pair, endpoint="OS")


def test_xena_s_own_metadata_states_the_scale(pair: Path):
    (pair / "HiSeqV2.gz").rename(pair / "HiSeqV2_PANCAN.gz")
    (pair / "HiSeqV2_PANCAN.json").write_text('{"unit": "log2(tpm+0.001)"}')
    assert read_cohort(pair, endpoint="OS").scale == "log2_tpm_0001"


def test_a_pan_cancer_survival_table_yields_one_cancer_type(pair: Path):
    lines = SURVIVAL.splitlines()
    types = ["cancer type abbreviation", "UVM", "UVM", "KIRC", "UVM", "UVM"]
    table = "\n".join(f"{line}\t{kind}" for line, kind in zip(lines, types, strict=True))
    (pair / "UVM_survival.txt").write_text(table)
    cohort = read_cohort(pair, endpoint="OS", cancer_type="UVM")
    assert list(cohort.patients) == ["TCGA-AA-0001", "TCGA-AA-0004"]
    assert entry(cohort, "samples that are not UVM")[1] == 1


def test_versioned_ensembl_ids_name_the_panel_s_genes(pair: Path):
    matrix = MATRIX.replace("CD44", "ENSG00000026508.18").replace("?|6387", "ENSG00000000003.15")
    with gzip.open(pair / "HiSeqV2.gz", "wt") as file:
        file.write(matrix)
    cohort = read_cohort(pair, endpoint="OS")
    assert {"CD44", "ENSG00000000003"} <= set(cohort.expression.columns)
    assert entry(cohort, "without their version") == ("mapped", 2, ())


def test_without_a_cancer_type_in_any_name_it_is_asked_for(pair: Path):
    (pair / "UVM_survival.txt").rename(pair / "survival.txt")
    (pair / "UVM_clinicalMatrix").rename(pair / "clinicalMatrix")
    with pytest.raises(CohortError, match="declare the cancer type"):
        read_cohort(pair, endpoint="OS")
    assert read_cohort(pair, endpoint="OS", cancer_type="uvm").cancer_type == "UVM"


def test_without_a_survival_table_it_is_asked_for(pair: Path):
    (pair / "UVM_survival.txt").unlink()
    with pytest.raises(CohortError, match="no table of survival"):
        read_cohort(pair, endpoint="OS")
