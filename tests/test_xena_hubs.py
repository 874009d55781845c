"""Layouts of UCSC Xena's hubs: GDC's of before and since 2024, Toil's with all of TCGA, TARGET and GTEx, a panel only.

Names of files and columns are those of the hubs' own files, as analyses that read them quote them in public:
``TCGA-KIRC.survival.tsv`` (sample, OS, _PATIENT, OS.time), ``TCGA-KIRC.GDC_phenotype.tsv.gz`` (submitter_id.samples,
tumor_stage.diagnoses), ``TCGA-KIRC.clinical.tsv.gz`` (sample, ajcc_pathologic_stage.diagnoses),
``TcgaTargetGTEX_phenotype.txt.gz`` (detailed_category, primary disease or tissue, _primary_site, _sample_type, _gender,
_study; in Latin-1), ``TCGA_survival_data``; how GDC's are made is public in github.com/ucscXena/xena-GDC-ETL.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from features.cohort import Cohort
from features.errors import CohortError
from features.panel import load_panel
from features.readers import read_cohort

GDC_MATRIX = """Ensembl_ID\tTCGA-AA-0001-01A\tTCGA-AA-0001-11A\tTCGA-AA-0002-01A\tTCGA-AA-0002-01B\tTCGA-AA-0003-01A
ENSG00000026508.18\t2.5\t9.0\t2.0\t7.0\t1.0
ENSG00000002586.20\t1.5\t9.0\t2.5\t7.0\t3.0
ENSG00000002586.20_PAR_Y\t0.0\t0.0\t0.0\t0.0\t0.0
ENSG00000223972.5\t0.1\t9.0\t0.2\t7.0\t0.4
"""
GDC_SURVIVAL = """sample\tOS\t_PATIENT\tOS.time
TCGA-AA-0001-01A\t1\tTCGA-AA-0001\t100
TCGA-AA-0001-11A\t1\tTCGA-AA-0001\t100
TCGA-AA-0002-01A\t0\tTCGA-AA-0002\t2000
TCGA-AA-0003-01A\t0\tTCGA-AA-0003\t300
TCGA-AA-0009-01A\t0\tTCGA-AA-0009\t900
"""
GDC_PHENOTYPE = """submitter_id.samples\tage_at_initial_pathologic_diagnosis\tneoplasm_histologic_grade\tsubmitter_id\
\tgender.demographic\tvital_status.demographic\ttumor_stage.diagnoses\tsample_type.samples
TCGA-AA-0001-01A\t50\tG2\tTCGA-AA-0001\tmale\tDead\tstage iii\tPrimary Tumor
TCGA-AA-0001-11A\t50\tG2\tTCGA-AA-0001\tmale\tDead\tstage iii\tSolid Tissue Normal
TCGA-AA-0002-01A\t61\t\tTCGA-AA-0002\tfemale\tAlive\tnot reported\tPrimary Tumor
"""
GDC_CLINICAL = """sample\tid\tdisease_type\tcase_id\tsubmitter_id\tgender.demographic\tage_at_index.demographic\
\tajcc_pathologic_stage.diagnoses\ttumor_grade.diagnoses\tproject_id.project\tsample_type.samples\ttissue_type.samples
TCGA-AA-0001-01A\tx1\tAdenomas\tc1\tTCGA-AA-0001\tmale\t50\tStage III\tG2\tTCGA-KIRC\tPrimary Tumor\tTumor
TCGA-AA-0001-11A\tx1\tAdenomas\tc1\tTCGA-AA-0001\tmale\t50\tStage III\tG2\tTCGA-KIRC\tSolid Tissue Normal\tNormal
TCGA-AA-0002-01A\tx2\tAdenomas\tc2\tTCGA-AA-0002\tfemale\t61\t\t\tTCGA-KIRC\tPrimary Tumor\tTumor
"""
PROBE_MAP = "id\tgene\tchrom\tchromStart\tchromEnd\tstrand\nENSG00000026508.18\tCD44\tchr11\t1\t2\t+\n"
TOIL_MATRIX = """sample\tGTEX-S341-1126-SM-6PAN6\tTCGA-AA-0001-01\tTCGA-BB-0002-01\tTCGA-AA-0003-01\tTARGET-20-PASRRB-09
ENSG00000026508.17\t1.0\t-9.9658\t2.0\t3.0\t4.0
ENSG00000223972.5\t1.0\t2.0\t2.0\t-1.0\t4.0
"""
TOIL_SURVIVAL = """sample\t_PATIENT\tOS\tOS.time\tDSS\tDSS.time
TCGA-AA-0001-01\tTCGA-AA-0001\t1\t100\t1\t100
TCGA-BB-0002-01\tTCGA-BB-0002\t0\t2000\t0\t2000
TCGA-AA-0003-01\tTCGA-AA-0003\t0\t700\t0\t700
"""
TOIL_PHENOTYPE = (
    "sample\tdetailed_category\tprimary disease or tissue\t_primary_site\t_sample_type\t_gender\t_study\n"
    "TCGA-AA-0001-01\tKidney Clear Cell Carcinoma\tKidney Clear Cell Carcinoma\tKidney\tPrimary Tumor\tMale\tTCGA\n"
    "TCGA-BB-0002-01\tSarcoma\tSarcoma\tSoft tissue,Bone\tPrimary Tumor\tFemale\tTCGA\n"
    "TCGA-AA-0003-01\tKidney Clear Cell Carcinoma\tKidney Clear Cell Carcinoma\tKidney\tPrimary Tumor\tFemale\tTCGA\n"
    "GTEX-S341-1126-SM-6PAN6\tKidney \x96 Cortex\tKidney - Cortex\tKidney\tNormal Tissue\tmale\tGTEX\n"
    "TARGET-20-PASRRB-09\tAcute Myeloid Leukemia\tAcute Myeloid Leukemia\tWhite blood cell\t"
    "Primary Blood Derived Cancer - Bone Marrow\tFemale\tTARGET\n"
)


def packed(file: Path, text: str, encoding: str = "utf-8") -> None:
    file.write_bytes(gzip.compress(text.encode(encoding)))


def gdc_folder(folder: Path, data_set: str = "star_tpm") -> Path:
    folder.mkdir()
    packed(folder / f"TCGA-KIRC.{data_set}.tsv.gz", GDC_MATRIX)
    (folder / "TCGA-KIRC.survival.tsv").write_text(GDC_SURVIVAL)
    return folder


def toil_folder(folder: Path) -> Path:
    folder.mkdir()
    packed(folder / "TcgaTargetGtex_rsem_gene_tpm.gz", TOIL_MATRIX)
    (folder / "TCGA_survival_data").write_text(TOIL_SURVIVAL)
    packed(folder / "TcgaTargetGTEX_phenotype.txt.gz", TOIL_PHENOTYPE, "latin-1")
    return folder


def entries(cohort: Cohort) -> list[str]:
    return [str(entry) for entry in cohort.ledger.entries]


@pytest.mark.parametrize(
    ("name", "phenotype"),
    [("TCGA-KIRC.GDC_phenotype.tsv.gz", GDC_PHENOTYPE), ("TCGA-KIRC.clinical.tsv.gz", GDC_CLINICAL)],
)
def test_gdc_s_hub_of_both_times_is_one_cohort(tmp_path: Path, name: str, phenotype: str):
    folder = gdc_folder(tmp_path / "hub")
    packed(folder / name, phenotype)
    (folder / "gencode.v36.annotation.gtf.gene.probemap").write_text(PROBE_MAP)
    cohort = read_cohort(folder, endpoint="OS")
    assert (cohort.cancer_type, cohort.scale) == ("KIRC", "log2_tpm_1")
    assert cohort.expression.to_dict("list") == {
        "CD44": [2.5, 2.0, 1.0],
        "ENSG00000002586": [1.5, 2.5, 3.0],
        "ENSG00000223972": [0.1, 0.2, 0.4],
    }
    assert cohort.time.tolist() == [100, 2000, 300]
    clinical = cohort.clinical.astype("object").where(cohort.clinical.notna(), None)
    assert clinical["age"].tolist()[:2] == [50, 61]
    assert clinical["sex"].tolist() == ["male", "female", None]
    assert clinical["stage"].tolist() == ["III", None, None]
    assert clinical["grade"].tolist() == ["G2", None, None]
    told = entries(cohort)
    assert "dropped 1: normal or control samples (TCGA-AA-0001-11A)" in told
    assert "dropped 1: further samples of a patient (kept: the primary tumour's) (TCGA-AA-0002-01B)" in told
    assert "dropped 1: patients without expression (TCGA-AA-0009)" in told
    assert any("Y copies" in line for line in told)


@pytest.mark.parametrize(
    ("data_set", "scale"), [("htseq_fpkm-uq", "log2_fpkm_uq_1"), ("star_fpkm-uq", "log2_fpkm_uq_1")]
)
def test_gdc_s_other_units_are_known(tmp_path: Path, data_set: str, scale: str):
    assert read_cohort(gdc_folder(tmp_path / "hub", data_set), endpoint="OS").scale == scale


def test_toil_yields_the_declared_cancer_type_and_reads_no_other_sample(tmp_path: Path):
    cohort = read_cohort(toil_folder(tmp_path / "toil"), endpoint="OS", cancer_type="KIRC")
    assert (cohort.scale, list(cohort.patients)) == ("log2_tpm_0001", ["TCGA-AA-0001", "TCGA-AA-0003"])
    assert cohort.expression["CD44"].tolist() == [-9.9658, 3.0]
    assert cohort.clinical["sex"].tolist() == ["male", "female"]
    told = entries(cohort)
    assert "converted 1: tables in Latin-1, which are not UTF-8 (TcgaTargetGTEX_phenotype.txt.gz)" in told
    assert any(line.startswith("dropped 3: samples that are not KIRC") for line in told)
    assert not any("not in the clinical table" in line for line in told)


def test_toil_without_a_word_of_which_sample_is_of_which_type_is_refused(tmp_path: Path):
    folder = toil_folder(tmp_path / "toil")
    with pytest.raises(CohortError, match="declare the cancer type"):
        read_cohort(folder, endpoint="OS")
    (folder / "TcgaTargetGTEX_phenotype.txt.gz").unlink()
    with pytest.raises(CohortError, match=r"many cancer types, and no table says .* add TcgaTargetGTEX_phenotype"):
        read_cohort(folder, endpoint="OS", cancer_type="KIRC")


def test_a_cancer_type_of_which_there_is_no_sample_is_an_error(tmp_path: Path):
    with pytest.raises(CohortError, match="none of its 5 samples is of LUAD"):
        read_cohort(toil_folder(tmp_path / "toil"), endpoint="OS", cancer_type="LUAD")


def test_samples_of_one_patient_with_different_outcomes_are_named(tmp_path: Path):
    folder = gdc_folder(tmp_path / "hub")
    text = GDC_SURVIVAL.replace("0001-11A\t1\tTCGA-AA-0001\t100", "0001-11A\t0\tTCGA-AA-0001\t90")
    (folder / "TCGA-KIRC.survival.tsv").write_text(text + "TCGA-AA-0003-01A\t0\tTCGA-AA-0003\t300\n\t0\tx\t3\n")
    told = entries(read_cohort(folder, endpoint="OS"))
    kept = "that of the first barcode that has both status and time"
    assert f"kept 1: patients whose samples have different outcomes (kept: {kept}) (TCGA-AA-0001)" in told
    assert "dropped 1: further rows of a sample in TCGA-KIRC.survival.tsv (TCGA-AA-0003-01A)" in told
    assert "dropped 1: rows of TCGA-KIRC.survival.tsv without a sample" in told


@pytest.mark.parametrize("names", ["symbols", "ensembl"])
def test_a_panel_only_is_what_the_whole_cohort_holds_of_it(tmp_path: Path, names: str):
    folder = tmp_path / "panel"
    folder.mkdir()
    panel = load_panel("ctc_review")
    genes = [gene.symbol if names == "symbols" else f"{gene.ensembl_id}.7" for gene in panel.genes]
    others = ["?|100130426", "SDF1", "TACSTD1", "CD44|5663", "1-Mar", "TP53", "", "CD44", "ENSG00000141510.17"]
    values = np.random.default_rng(0).uniform(0, 12, (len(genes) + len(others), 6)).round(4)
    patients = [f"TCGA-AA-000{number}-01" for number in range(6)]
    rows = ["\t".join([name, *map(str, row)]) for name, row in zip([*others, *genes], values, strict=True)]
    packed(folder / "HiSeqV2.gz", "\n".join(["\t".join(["sample", *patients]), *rows]) + "\n")
    survival = [f"{patient}\t1\t{100 * number + 700}" for number, patient in enumerate(patients)]
    (folder / "KIRC_survival.txt").write_text("\n".join(["sample\tOS\tOS.time", *survival]))
    whole = read_cohort(folder, endpoint="OS")
    part = read_cohort(folder, endpoint="OS", only=panel.symbols)
    wanted = [gene for gene in whole.expression.columns if gene in panel.symbols]
    assert part.expression.equals(whole.expression[wanted])
    assert part.clinical.equals(whole.clinical)
    assert part.time.tolist() == whole.time.tolist()
    assert any("rows of genes that were not asked for" in line for line in entries(part))


def test_a_panel_only_of_the_real_cohorts_is_what_they_hold_of_it(real_cohorts: Path):
    symbols = load_panel("ctc_review").symbols
    for name in ("ACC", "KIRP"):
        whole = read_cohort(real_cohorts / name, endpoint="OS")
        part = read_cohort(real_cohorts / name, endpoint="OS", only=symbols)
        assert part.expression.equals(whole.expression[part.expression.columns])
        assert set(part.expression.columns) == set(symbols) & set(whole.expression.columns)


def test_genes_that_are_asked_for_and_not_there_are_an_error(tmp_path: Path):
    with pytest.raises(CohortError, match=r"none of the 1 genes that are asked for \(first: \['NOSUCH'\]\)"):
        read_cohort(gdc_folder(tmp_path / "hub"), endpoint="OS", only=["NOSUCH"])
