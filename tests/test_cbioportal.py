"""cBioPortal study folders: real ones by their known numbers, hand-made ones for every quirk."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.cohort import DAYS_PER_MONTH, Cohort
from features.errors import CohortError, ScaleError
from features.readers import read_cohort

PATIENTS = """#Patient Identifier\tAge\tSex
#STRING\tNUMBER\tSTRING
PATIENT_ID\tAGE\tSEX\tAJCC_PATHOLOGIC_TUMOR_STAGE\tEMPTY\tOS_STATUS\tOS_MONTHS\tPFS_STATUS\tPFS_MONTHS
TCGA-AA-0001\t61\tFemale\tStage IIIA\t\t1:DECEASED\t10\t1:PROGRESSION\t5
TCGA-AA-0002\t52\tMale\tStage X\t\t0:LIVING\t20\t0:CENSORED\t20
TCGA-AA-0003\t[Not Available]\tMale\tTX\t\tLIVING\t30\t\t
TCGA-AA-0004\t70\tFemale\tStage I\t\t1:DECEASED\t0\t1:PROGRESSION\t1
TCGA-AA-0005\t70\tFemale\tStage I\t\t[Not Available]\t12\t0:CENSORED\t12
TCGA-AA-0006\t70\tFemale\tStage I\t\t0:LIVING\t12\t0:CENSORED\t12
"""
SAMPLES = """#Patient\tSample
PATIENT_ID\tSAMPLE_ID\tONCOTREE_CODE\tGRADE
TCGA-AA-0001\tTCGA-AA-0001-01\tCCRCC\tG2
TCGA-AA-0001\tTCGA-AA-0001-06\tCCRCC\tG4
TCGA-AA-0002\tTCGA-AA-0002-01\tCCRCC\tGX
"""
EXPRESSION = """Hugo_Symbol\tEntrez_Gene_Id\tTCGA-AA-0001-06\tTCGA-AA-0001-01\tTCGA-AA-0002-01\tTCGA-AA-0002-11\
\tTCGA-AA-0003-02\tTCGA-AA-0004-01\tTCGA-AA-0005-01\tTCGA-AA-0009-01
CD44\t960\t9\t1\t2\t8\t3\t4\t5\t6
SDF1\t6387\t9\t2\t4\t8\t6\t4\t5\t6
\t3383\t9\t3\t1\t8\t2\t4\t5\t6
\t\t9\t1\t2\t8\t3\t4\t5\t6
TP53\t7157\t9\t1\tNA\t8\t\t4\t5\t6
TP53\t7157\t9\t1\t2\t8\t3\t4\t5\t6
FLAT\t1\t9\t7\t7\t8\t7\t4\t5\t6
"""
STUDY = "type_of_cancer: ccrcc\ncancer_study_identifier: kirc_test\nname: Kidney\n"
PROFILE = """cancer_study_identifier: kirc_test
genetic_alteration_type: MRNA_EXPRESSION
datatype: CONTINUOUS
stable_id: rna_seq_v2_mrna
profile_name: mRNA expression (RNA Seq V2 RSEM)
data_filename: data_mrna_seq_v2_rsem.txt
"""
DEATHS = {"BRCA": 130, "COADREAD": 79, "GBM": 75, "KIRC": 92, "KIRP": 40, "LGG": 111, "LUAD": 158, "LUSC": 191}
LISTED = {"BRCA": 956, "COADREAD": 340, "GBM": 90, "KIRC": 345, "KIRP": 260, "LGG": 479, "LUAD": 453, "LUSC": 450}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "study"
    folder.mkdir()
    files = {
        "meta_study.txt": STUDY,
        "data_clinical_patient.txt": PATIENTS,
        "data_clinical_sample.txt": SAMPLES,
        "data_mrna_seq_v2_rsem.txt": EXPRESSION,
        "meta_mrna_seq_v2_rsem.txt": PROFILE,
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def entry(cohort: Cohort, words: str) -> tuple[str, int, tuple[str, ...]]:
    found = [line for line in cohort.ledger.entries if words in line.what]
    assert len(found) == 1, (words, str(cohort.ledger))
    return found[0].action, found[0].count, found[0].examples


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("cancer_type", sorted(DEATHS))
def test_real_cohorts_have_their_known_patients_and_deaths(real_cohorts: Path, cancer_type: str):
    cohort = read_cohort(real_cohorts / cancer_type, endpoint="OS")
    without = sum(line.count for line in cohort.ledger.entries if "without OS status" in line.what)
    assert cohort.cancer_type == cancer_type
    assert cohort.n_events == DEATHS[cancer_type]
    assert len(cohort.patients) + without == LISTED[cancer_type]
    assert cohort.scale == "zscore"
    study = f"{cancer_type.lower()}_tcga_panel_subset"
    assert cohort.zscore_reference == f"{study}:rna_seq_v2_mrna_median_all_sample_Zscores"
    assert {"CD44", "CXCR4", "CXCL12"} <= set(cohort.expression.columns)
    assert not {"IGFBP5", "VIM", "CFC1B"} & set(cohort.expression.columns)


def test_months_of_real_cohorts_give_back_whole_days(real_cohorts: Path):
    months = pd.read_csv(real_cohorts / "KIRC" / "data_clinical_patient.txt", sep="\t", comment="#", index_col=0)
    cohort = read_cohort(real_cohorts / "KIRC", endpoint="OS")
    exact = months.loc[cohort.patients, "OS_MONTHS"].to_numpy() * DAYS_PER_MONTH
    np.testing.assert_allclose(cohort.time, exact, atol=2e-5)
    assert np.all(cohort.time == np.round(cohort.time))


def test_the_cohort_by_hand(study: Path):
    cohort = read_cohort(study, endpoint="OS")
    assert cohort.cancer_type == "KIRC"
    assert cohort.scale == "rsem"
    assert cohort.zscore_reference is None
    assert list(cohort.patients) == ["TCGA-AA-0001", "TCGA-AA-0002", "TCGA-AA-0003"]
    assert list(cohort.time) == [304, 609, 913]  # 10, 20 and 30 times 30.436875 days
    assert list(cohort.event) == [True, False, False]
    assert list(cohort.expression.columns) == ["CD44", "CXCL12", "ICAM1", "TP53"]
    assert cohort.expression.to_numpy().tolist() == [[1, 2, 3, 1], [2, 4, 1, 2], [3, 6, 2, 3]]
    assert list(cohort.clinical.columns) == ["age", "sex", "stage", "grade", "oncotree_code"]
    assert list(cohort.clinical["age"].isna()) == [False, False, True]
    assert list(cohort.clinical["sex"]) == ["female", "male", "male"]
    assert cohort.clinical["stage"].fillna("-").tolist() == ["III", "-", "-"]
    assert cohort.clinical["grade"].fillna("-").tolist() == ["G2", "-", "-"]


def test_all_that_was_done_is_in_the_ledger_with_its_count(study: Path):
    cohort = read_cohort(study, endpoint="OS")
    assert entry(cohort, "normal or control") == ("dropped", 1, ("TCGA-AA-0002-11",))
    assert entry(cohort, "further samples of a patient") == ("dropped", 1, ("TCGA-AA-0001-06",))
    assert entry(cohort, "no primary tumour") == ("kept", 1, ("TCGA-AA-0003-02",))
    assert entry(cohort, "not in the clinical table") == ("dropped", 1, ("TCGA-AA-0009-01",))
    assert entry(cohort, "without expression") == ("dropped", 1, ("TCGA-AA-0006",))
    assert entry(cohort, "without OS status or time") == ("dropped", 1, ("TCGA-AA-0005",))
    assert entry(cohort, "zero or negative") == ("dropped", 1, ("TCGA-AA-0004",))
    assert entry(cohort, "without any gene identifier") == ("dropped", 1, ())
    assert entry(cohort, "current symbol") == ("mapped", 2, ("SDF1 → CXCL12", "(blank) → ICAM1"))
    assert entry(cohort, "further rows of a gene") == ("dropped", 1, ("TP53",))
    assert entry(cohort, "one value in all patients") == ("dropped", 1, ("FLAT",))
    assert entry(cohort, "wholly empty") == ("dropped", 1, ("empty",))
    assert entry(cohort, "no stage, read as missing") == ("dropped", 1, ())
    assert entry(cohort, "months to whole days") == ("converted", 5, ())
    assert entry(cohort, "type_of_cancer read as KIRC") == ("mapped", 1, ("ccrcc",))


def test_pfs_columns_are_read_as_pfi_and_said_so(study: Path):
    cohort = read_cohort(study, endpoint="PFI")
    assert list(cohort.patients) == ["TCGA-AA-0001", "TCGA-AA-0002", "TCGA-AA-0004", "TCGA-AA-0005"]
    assert entry(cohort, "PFS columns read as PFI") == ("mapped", 2, ("PFS_STATUS", "PFS_MONTHS"))


def test_a_missing_endpoint_is_answered_with_those_that_are_there(study: Path):
    with pytest.raises(CohortError, match=r"has no DSS .*; it has OS, PFI"):
        read_cohort(study, endpoint="DSS")


def test_an_empty_endpoint_of_a_real_cohort_is_answered_with_the_others(real_cohorts: Path):
    with pytest.raises(CohortError, match="no patient has a usable DFI outcome; it has OS, DSS, PFI"):
        read_cohort(real_cohorts / "GBM", endpoint="DFI")


def test_byte_order_mark_line_endings_and_gzip_change_nothing(study: Path):
    expected = read_cohort(study, endpoint="OS").digest()
    for name in (
        "data_clinical_patient.txt",
        "data_clinical_sample.txt",
        "meta_study.txt",
        "meta_mrna_seq_v2_rsem.txt",
    ):
        path = study / name
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    matrix = study / "data_mrna_seq_v2_rsem.txt"
    with gzip.open(study / "data_mrna_seq_v2_rsem.txt.gz", "wb") as file:
        file.write(b"\xef\xbb\xbf" + matrix.read_bytes().replace(b"\n", b"\r\n"))
    matrix.unlink()
    assert read_cohort(study, endpoint="OS").digest() == expected


def test_raw_is_read_before_z_scores_and_a_named_profile_before_both(study: Path):
    (study / "data_mrna_z.txt").write_text(EXPRESSION)
    (study / "meta_mrna_z.txt").write_text(
        PROFILE.replace("CONTINUOUS", "Z-SCORE").replace("rna_seq_v2_mrna", "zz").replace("_seq_v2_rsem.txt", "_z.txt")
    )
    cohort = read_cohort(study, endpoint="OS")
    assert cohort.scale == "rsem"
    assert entry(cohort, "expression profiles beside rna_seq_v2_mrna")[1:] == (1, ("zz",))
    named = read_cohort(study, endpoint="OS", profile="zz")
    assert (named.scale, named.zscore_reference) == ("zscore", "kirc_test:zz")
    assert read_cohort(study, endpoint="OS", profile="zz", zscore_reference="ours").zscore_reference == "ours"
    with pytest.raises(CohortError, match="no expression profile 'zzz'; it has rna_seq_v2_mrna, zz"):
        read_cohort(study, endpoint="OS", profile="zzz")


def test_a_declared_scale_that_the_folder_contradicts_needs_the_profile_named(study: Path):
    with pytest.raises(CohortError, match=r"declared as tpm, but the folder says otherwise: rna_seq_v2_mrna \(rsem\)"):
        read_cohort(study, endpoint="OS", scale="tpm")
    cohort = read_cohort(study, endpoint="OS", scale="tpm", profile="rna_seq_v2_mrna")
    assert cohort.scale == "tpm"
    assert entry(cohort, "although the folder says rsem")[0] == "converted"


@pytest.mark.parametrize("unit", ["RNA Seq RPKM", "RNA Seq FPKM", "log2(TPM)", "normalised", "log2(count + 1)"])
def test_a_scale_that_is_not_stated_is_asked_for_and_not_guessed(study: Path, unit: str):
    (study / "data_mrna_seq_v2_rsem.txt").rename(study / "data_expression.txt")
    meta = PROFILE.replace("rna_seq_v2_mrna", "expression").replace("mRNA expression (RNA Seq V2 RSEM)", unit)
    (study / "meta_mrna_seq_v2_rsem.txt").write_text(meta.replace("data_mrna_seq_v2_rsem.txt", "data_expression.txt"))
    with pytest.raises(ScaleError, match="declare one of log2_tpm_1"):
        read_cohort(study, endpoint="OS")
    assert read_cohort(study, endpoint="OS", scale="log2_tpm_1").scale == "log2_tpm_1"


def test_log2_tpm_is_read_from_the_profile_s_words(study: Path):
    meta = PROFILE.replace("rna_seq_v2_mrna", "rna_seq_mrna_log2_tpm_1").replace(
        "mRNA expression (RNA Seq V2 RSEM)", "mRNA expression, log2(TPM + 1)"
    )
    (study / "data_mrna_seq_v2_rsem.txt").rename(study / "data_mrna_seq_log2_tpm.txt")
    meta = meta.replace("data_mrna_seq_v2_rsem.txt", "data_mrna_seq_log2_tpm.txt")
    (study / "meta_mrna_seq_v2_rsem.txt").write_text(meta)
    assert read_cohort(study, endpoint="OS").scale == "log2_tpm_1"


def test_a_simulated_study_stays_simulated_whatever_is_declared(study: Path):
    replaced(study / "meta_study.txt", "type_of_cancer: ccrcc", "type_of_cancer: simulated-kirc")
    assert read_cohort(study, endpoint="OS").cancer_type == "SIMULATED-KIRC"
    assert read_cohort(study, endpoint="OS", cancer_type="KIRP").cancer_type == "SIMULATED-KIRP"
    assert read_cohort(study, endpoint="OS").simulated


def test_a_mixed_study_yields_only_the_declared_cancer_type(study: Path):
    replaced(study / "meta_study.txt", "ccrcc", "mixed")
    rows = "".join(f"TCGA-AA-000{n}\tTCGA-AA-000{n}-0{k}\tPRCC\t\n" for n, k in ((3, 2), (4, 1), (5, 1), (6, 1)))
    (study / "data_clinical_sample.txt").write_text(SAMPLES + rows)
    with pytest.raises(CohortError, match="2 cancer types"):
        read_cohort(study, endpoint="OS")
    cohort = read_cohort(study, endpoint="OS", cancer_type="CCRCC")
    assert cohort.cancer_type == "KIRC"
    assert list(cohort.patients) == ["TCGA-AA-0001", "TCGA-AA-0002"]
    assert entry(cohort, "samples that are not KIRC")[1] == 4


def test_batch_corrected_values_below_zero_are_raised_to_it_and_counted(study: Path):
    wide = [f"G{number}\t\t1\t1\t2\t1\t3\t4\t5\t6" for number in range(20)]
    (study / "data_mrna_seq_v2_rsem.txt").write_text(
        EXPRESSION + "\n".join(wide) + "\nNEG\t\t1\t-0.5\t1\t1\t2\t3\t4\t5\n"
    )
    cohort = read_cohort(study, endpoint="OS")
    assert cohort.expression.loc["TCGA-AA-0001", "NEG"] == 0.0
    assert entry(cohort, "raised to it") == ("converted", 1, ())


def test_z_scores_declared_as_abundances_are_refused(study: Path):
    text = EXPRESSION.replace("\t1\t", "\t-1\t").replace("\t2\t", "\t-2\t")
    (study / "data_mrna_seq_v2_rsem.txt").write_text(text)
    with pytest.raises(CohortError, match=r"declared as rsem, but .* lie below 0"):
        read_cohort(study, endpoint="OS")


MALFORMED = {
    "a status that contradicts itself": ("data_clinical_patient.txt", "0:LIVING", "0:DECEASED", "'0:DECEASED'"),
    "a status without meaning": ("data_clinical_patient.txt", "0:LIVING", "MOVED AWAY", "1 status words are unknown"),
    "a time that is a word": ("data_clinical_patient.txt", "\t20\t0:CENS", "\tlong\t0:CENS", "time must be a number"),
    "a word in the matrix": ("data_mrna_seq_v2_rsem.txt", "\t2\t4\t8", "\t2\thigh\t8", "holds 1 words .first: 'high'"),
    "an infinite value": ("data_mrna_seq_v2_rsem.txt", "\t2\t4\t8", "\t2\t-inf\t8", "1 values are infinite"),
    "a row that is too long": ("data_mrna_seq_v2_rsem.txt", "SDF1\t6387", "SDF1\t6387\t1", "not a table|more fields"),
    "no gene column": ("data_mrna_seq_v2_rsem.txt", "Hugo_Symbol\tEntrez_Gene_Id", "a\tb", "neither a column Hugo"),
    "no patient column": ("data_clinical_patient.txt", "PATIENT_ID", "WHO", "no column PATIENT_ID"),
    "a column twice": ("data_clinical_patient.txt", "EMPTY", "AGE", "column 'AGE' occurs twice"),
    "other patients": ("data_clinical_patient.txt", "TCGA-AA-", "TCGA-BB-", "use the same ids"),
    "an LFS pointer": ("data_mrna_seq_v2_rsem.txt", "Hugo_Symbol", "version https://git-lfs\n", "Git LFS pointer"),
}


@pytest.mark.parametrize("fault", sorted(MALFORMED))
def test_a_malformed_study_is_an_error_that_names_the_fault(study: Path, fault: str):
    file, old, new, message = MALFORMED[fault]
    replaced(study / file, old, new)
    with pytest.raises(CohortError, match=message):
        read_cohort(study, endpoint="OS")


def test_the_digit_of_a_status_decides_where_its_word_is_unknown(study: Path):
    replaced(study / "data_clinical_patient.txt", "1:DECEASED", "1:Died in an accident")
    assert read_cohort(study, endpoint="OS").n_events == 1


@pytest.mark.parametrize("file", ["data_clinical_patient.txt", "data_mrna_seq_v2_rsem.txt"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00bad", b"#only a comment\n"])
def test_an_unreadable_file_is_an_error_that_names_it(study: Path, file: str, content: bytes):
    (study / file).write_bytes(content)
    with pytest.raises(CohortError, match=file.removesuffix(".txt")):
        read_cohort(study, endpoint="OS")


@pytest.mark.parametrize("content", [b"not gzip", gzip.compress(EXPRESSION.encode())[:-20]])
def test_a_broken_gzip_is_an_error_that_names_it(study: Path, content: bytes):
    (study / "data_mrna_seq_v2_rsem.txt").unlink()
    (study / "data_mrna_seq_v2_rsem.txt.gz").write_bytes(content)
    with pytest.raises(CohortError, match=r"data_mrna_seq_v2_rsem\.txt\.gz: cannot be read"):
        read_cohort(study, endpoint="OS")


@pytest.mark.parametrize("file", ["data_clinical_patient.txt", "data_mrna_seq_v2_rsem.txt"])
def test_a_missing_file_is_an_error_that_says_what_to_add(study: Path, file: str):
    (study / file).unlink()
    with pytest.raises(CohortError, match="add"):
        read_cohort(study, endpoint="OS")
