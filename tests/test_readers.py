"""Any folder to a cohort: recognition, the laws that hold for every format, and errors for what is no cohort."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.cancer_types import cancer_type, named_in
from features.errors import CohortError, PrognosisError
from features.panel import load_panel
from features.profiles import stated_scale
from features.readers import find_cohorts, read_cohort, reader_of

REAL = ("ACC", "BRCA", "COADREAD", "GBM", "KIRC", "KIRP", "LGG", "LUAD", "LUSC", "UVM")
PATIENTS = [f"TCGA-AA-000{number}" for number in range(6)]
#: Two rows of TP53: the second has no gap, so it is kept wherever it stands.
GENES = ["CD44", "SDF1", "ENSG00000090339.9", "TP53", "TP53", "FLAT"]


def write_study(folder: Path, patients: list[int], genes: list[int]) -> None:
    folder.mkdir(exist_ok=True)
    values = np.random.default_rng(0).normal(size=(len(GENES), len(PATIENTS))).round(3)
    values[3, 1], values[5] = np.nan, 2.0
    matrix = pd.DataFrame(values, index=GENES, columns=[f"{patient}-01" for patient in PATIENTS])
    clinical = pd.DataFrame(
        {
            "OS_STATUS": ["0:LIVING", "1:DECEASED"] * 3,
            "OS_MONTHS": np.arange(len(PATIENTS)) * 1.5,  # the first has no follow-up
            "AGE": np.arange(len(PATIENTS)) + 40,
        },
        index=PATIENTS,
    )
    (folder / "meta_study.txt").write_text("type_of_cancer: kirc\ncancer_study_identifier: laws\n")
    matrix.iloc[genes, patients].to_csv(folder / "data_mrna_zscores.txt", sep="\t", index_label="Hugo_Symbol")
    order = patients[::-1]
    clinical.iloc[order].to_csv(folder / "data_clinical_patient.txt", sep="\t", index_label="PATIENT_ID")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(patients=st.permutations(range(len(PATIENTS))), genes=st.permutations(range(len(GENES))))
def test_the_order_of_patients_and_genes_does_not_matter(tmp_path: Path, patients: list[int], genes: list[int]):
    write_study(tmp_path / "sorted", list(range(len(PATIENTS))), list(range(len(GENES))))
    write_study(tmp_path / "shuffled", patients, genes)
    expected = read_cohort(tmp_path / "sorted", endpoint="OS")
    shuffled = read_cohort(tmp_path / "shuffled", endpoint="OS")
    assert list(expected.expression.columns) == ["CD44", "CXCL12", "ICAM1", "TP53"]
    assert shuffled.digest() == expected.digest()
    assert {(e.action, e.what, e.count) for e in shuffled.ledger.entries} == {
        (e.action, e.what, e.count) for e in expected.ledger.entries
    }


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    file=st.sampled_from(["meta_study.txt", "data_mrna_zscores.txt", "data_clinical_patient.txt"]),
    place=st.floats(0, 1),
    length=st.integers(0, 12),
    damage=st.sampled_from([b"", b"\t", b"\n", b'"', b"\x00", b"\xff", b"inf", b"CD44", b"AGE", b"-1", b"OS_STATUS"]),
)
def test_a_damaged_file_is_read_or_refused_in_words(
    tmp_path: Path, file: str, place: float, length: int, damage: bytes
):
    write_study(tmp_path / "damaged", list(range(len(PATIENTS))), list(range(len(GENES))))
    path = tmp_path / "damaged" / file
    content = path.read_bytes()
    start = int(place * len(content))
    path.write_bytes(content[:start] + damage + content[start + length :])
    try:
        cohort = read_cohort(tmp_path / "damaged", endpoint="OS")
    except PrognosisError as error:
        message = str(error)
    else:
        message = str(cohort)
        assert len(cohort.patients) <= len(PATIENTS)
    assert message
    assert "\n" not in message


def test_real_cohorts_are_found_in_their_parent_and_each_is_read(real_cohorts: Path):
    folders = find_cohorts([real_cohorts])
    assert [folder.name for folder in folders] == list(REAL)
    for folder in folders:
        cohort = read_cohort(folder, endpoint="OS")
        assert cohort.cancer_type == folder.name
        assert np.array_equal(cohort.time, np.round(cohort.time))
        assert list(cohort.clinical.columns[:4]) == ["age", "sex", "stage", "grade"]
        assert cohort.clinical["age"].dtype == np.float64
        assert cohort.expression.dtypes.eq(np.float64).all()
        assert len(set(load_panel("ctc_core").symbols) & set(cohort.expression.columns)) >= 12


@pytest.mark.parametrize("endpoint", ["DSS", "DFI", "PFI"])
def test_other_endpoints_of_real_cohorts_are_read_or_refused_in_words(real_cohorts: Path, endpoint: str):
    refused = set()
    for folder in find_cohorts([real_cohorts]):
        try:
            cohort = read_cohort(folder, endpoint=endpoint)
        except PrognosisError:
            refused.add(folder.name)
        else:
            assert cohort.endpoint == endpoint
            assert cohort.n_events >= 10
    assert refused == ({"GBM", "UVM"} if endpoint == "DFI" else set())


def test_the_largest_real_cohort_is_read_within_seconds(real_cohorts: Path):
    start = time.perf_counter()
    read_cohort(real_cohorts / "BRCA", endpoint="OS")
    assert time.perf_counter() - start < 5.0  # about half a second on a quiet machine


def test_cohorts_are_found_once_each_in_the_order_given(tmp_path: Path):
    for name in ("b", "a"):
        write_study(tmp_path / name, list(range(6)), list(range(6)))
    (tmp_path / "notes").mkdir()
    assert find_cohorts([tmp_path / "b", tmp_path]) == [tmp_path / "b", tmp_path / "a"]


def test_a_folder_of_no_known_format_is_answered_with_the_known_ones(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("nothing")
    for attempt in (lambda: reader_of(tmp_path), lambda: find_cohorts([tmp_path])):
        with pytest.raises(CohortError, match=r"known are cBioPortal .* UCSC Xena .* plain table"):
            attempt()


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path):
    for attempt in (lambda: read_cohort(tmp_path / "no", endpoint="OS"), lambda: find_cohorts([tmp_path / "no"])):
        with pytest.raises(CohortError, match="no: is no folder"):
            attempt()


def test_an_unknown_endpoint_is_answered_with_the_known_ones(tmp_path: Path):
    with pytest.raises(CohortError, match="'RFS' is not one of OS, DSS, DFI, PFI"):
        read_cohort(tmp_path, endpoint="RFS")


def test_a_source_names_no_path(tmp_path: Path):
    write_study(tmp_path / "study", list(range(6)), list(range(6)))
    cohort = read_cohort(tmp_path / "study", endpoint="OS")
    assert cohort.source == "cBioPortal study folder study"
    assert str(tmp_path) not in str(cohort.ledger)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        *[("ccrcc", "KIRC"), ("COAD", "COADREAD"), ("read", "COADREAD"), ("DIFG", "LGG"), ("UM", "UVM")],
        *[("simulated-kirc", "SIMULATED-KIRC"), ("SIMULATED-CCRCC", "SIMULATED-KIRC"), ("prad", "PRAD")],
        *[("OURTYPE", "OURTYPE")],
    ],
)
def test_codes_become_tcga_s(code: str, expected: str):
    assert cancer_type(code) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *[("TCGA-KIRC.star_tpm.tsv.gz", "KIRC"), ("READ_survival.txt", "COADREAD"), ("my_kirc_cohort", "KIRC")],
        *[("simulated_lgg", "SIMULATED-LGG"), ("read_counts.tsv", None), ("HiSeqV2.gz", None)],
    ],
)
def test_file_names_name_a_cancer_type_only_by_a_whole_word(name: str, expected: str | None):
    assert named_in([name]) == expected


@pytest.mark.parametrize(
    ("text", "scale"),
    [
        ("rna_seq_v2_mrna | mRNA expression (RNA Seq V2 RSEM)", "rsem"),
        ("rna_seq_v2_mrna | mRNA expression, RSEM (Batch normalized from Illumina HiSeq_RNASeqV2)", "rsem"),
        ("rna_seq_v2_mrna_median_all_sample_Zscores", "zscore"),
        ("mrna_seq_tpm | mRNA expression (TPM)", "tpm"),
        ("mrna_seq_fpkm_uq", "fpkm_uq"),
        ("mrna_seq_read_counts", "counts"),
        ("mRNA expression log2(TPM+1)", "log2_tpm_1"),
        ("log2(tpm+0.001)", "log2_tpm_0001"),
        ("log2(fpkm-uq+1)", "log2_fpkm_uq_1"),
        ("log2(RSEM + 1)", "log2_rsem_1"),
        ("mrna_U133 | mRNA expression (U133 microarray only)", "microarray_log2"),
        ("mRNA expression (log TPM)", None),
        ("log2(TPM + 0.1)", None),
        ("log2(TPM + 10)", None),
        ("mrna_seq_fpkm", None),
        ("rna_seq_mrna | mRNA expression (RPKM)", None),
        ("log2(count + 1)", None),
    ],
)
def test_a_scale_is_what_the_description_states_and_nothing_else(text: str, scale: str | None):
    assert stated_scale(text) == scale
