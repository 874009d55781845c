"""GDC downloads: what gdc-client and the portal leave, in every order and age that users hold."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from gdc_folders import (
    GENES,
    NEW_HEADERS,
    OLD_HEADERS,
    case,
    counts_text,
    file_id,
    file_name,
    manifest_text,
    patient,
    sheet_row,
    sheet_text,
    table_text,
    tpm,
    visits_text,
    write_counts,
)

from features.cohort import Cohort
from features.errors import CohortError, ScaleError
from features.readers import find_cohorts, read_cohort, reader_of

PATIENTS = range(1, 6)


def entry(cohort: Cohort, words: str) -> tuple[str, int, tuple[str, ...]]:
    found = [line for line in cohort.ledger.entries if words in line.what]
    assert len(found) == 1, (words, str(cohort.ledger))
    return found[0].action, found[0].count, found[0].examples


def rows() -> list[dict]:
    return [sheet_row(number, patient(number), f"{patient(number)}-01A") for number in PATIENTS]


def cases() -> list[dict]:
    dead = case(1, vital_status="Dead", days_to_death=500, stage="Stage IIA", grade="G2")
    return dead + [row for number in range(2, 6) for row in case(number, last=100.0 * number)]


def write_download(folder: Path, *, new: bool = True, flat: bool = False) -> Path:
    folder.mkdir(exist_ok=True)
    write_counts(folder, PATIENTS, flat=flat)
    (folder / "gdc_sample_sheet.2025-08-18.tsv").write_text(sheet_text(rows(), new=new))
    (folder / "clinical.tsv").write_text(table_text(cases(), NEW_HEADERS if new else OLD_HEADERS))
    (folder / "follow_up.tsv").write_text(visits_text([(patient(2), 450), (patient(2), "'--")], new=new))
    return folder


@pytest.fixture
def download(tmp_path: Path) -> Path:
    return write_download(tmp_path / "download")


def with_sheet(download: Path, listed: list[dict], *, new: bool = True) -> None:
    (download / "gdc_sample_sheet.2025-08-18.tsv").write_text(sheet_text(listed, new=new))


def test_the_cohort_by_hand(download: Path):
    cohort = read_cohort(download, endpoint="OS")
    assert (cohort.cancer_type, cohort.scale, cohort.zscore_reference) == ("KIRC", "log2_tpm_1", None)
    assert list(cohort.patients) == [patient(number) for number in PATIENTS]
    assert cohort.time.tolist() == [500, 450, 300, 400, 500]
    assert cohort.event.tolist() == [True, False, False, False, False]
    expected = [np.log2(tpm(number, 0) + 1) for number in PATIENTS]
    np.testing.assert_allclose(cohort.expression["CD44"], expected, rtol=1e-15)
    assert cohort.clinical["age"].tolist() == [41, 42, 43, 44, 45]
    assert cohort.clinical["sex"].tolist() == ["male"] * 5
    assert cohort.clinical["stage"].fillna("-").tolist() == ["II", "-", "-", "-", "-"]
    assert cohort.clinical["grade"].fillna("-").tolist() == ["G2", "-", "-", "-", "-"]


def test_every_generation_of_headers_and_layout_is_one_cohort(tmp_path: Path):
    cohorts = [
        read_cohort(write_download(tmp_path / f"{new}{flat}", new=new, flat=flat), endpoint="OS")
        for new in (True, False)
        for flat in (True, False)
    ]
    for cohort in cohorts[1:]:
        assert cohort.expression.equals(cohorts[0].expression)
        assert (cohort.time.tolist(), cohort.event.tolist()) == (cohorts[0].time.tolist(), cohorts[0].event.tolist())
        covariates = ["age", "sex", "stage", "grade"]
        assert cohort.clinical[covariates].equals(cohorts[0].clinical[covariates])


def test_each_layout_is_known_for_a_gdc_download(tmp_path: Path):
    for flat in (True, False):
        folder = write_download(tmp_path / f"{flat}", flat=flat)
        assert reader_of(folder).name == "GDC download"
        (folder / "gdc_sample_sheet.2025-08-18.tsv").unlink()
        assert reader_of(folder).name == "GDC download"


def test_a_folder_of_downloads_is_none_itself(tmp_path: Path):
    flat, nested = write_download(tmp_path / "flat", flat=True), write_download(tmp_path / "nested")
    assert find_cohorts([tmp_path]) == [flat, nested]


def test_the_portal_s_archives_may_be_unpacked_in_folders_of_their_own(download: Path):
    for name in ("clinical.tsv", "follow_up.tsv"):
        (download / "clinical.cart.2025-08-18").mkdir(exist_ok=True)
        (download / name).rename(download / "clinical.cart.2025-08-18" / name)
    (download / "data").mkdir()
    for number in PATIENTS:
        (download / file_id(number)).rename(download / "data" / file_id(number))
    assert len(read_cohort(download, endpoint="OS").patients) == 5


def test_packed_files_are_read_too(download: Path):
    before = read_cohort(download, endpoint="OS")
    (download / "MANIFEST.txt").write_text(manifest_text(download))
    for path in download.rglob("*counts.tsv"):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert read_cohort(download, endpoint="OS").digest() == before.digest()


@pytest.mark.parametrize("change", [lambda text: "\ufeff" + text, lambda text: text.replace("\n", "\r\n")])
def test_byte_order_marks_and_line_endings_of_windows_change_nothing(download: Path, change):
    before = read_cohort(download, endpoint="OS").digest()
    for path in [*download.glob("*.tsv"), *download.rglob("*counts.tsv")]:
        path.write_bytes(change(path.read_text()).encode())
    assert read_cohort(download, endpoint="OS").digest() == before


@pytest.mark.parametrize(
    ("declared", "scale", "value"),
    [
        ({"profile": "fpkm_uq_unstranded"}, "log2_fpkm_uq_1", lambda x: np.log2(round(x / 4, 4) + 1)),
        ({"scale": "fpkm_uq"}, "fpkm_uq", lambda x: round(x / 4, 4)),
        ({"profile": "unstranded"}, "counts", lambda x: round(4 * x)),
        ({"profile": "counts"}, "counts", lambda x: round(4 * x)),
        ({"scale": "tpm"}, "tpm", lambda x: x),
        ({"scale": "log2_tpm_0001"}, "log2_tpm_0001", lambda x: np.log2(x + 0.001)),
    ],
)
def test_a_profile_or_a_scale_may_be_asked_for(download: Path, declared: dict, scale: str, value):
    cohort = read_cohort(download, endpoint="OS", **declared)
    assert cohort.scale == scale
    np.testing.assert_allclose(cohort.expression["CD44"], [value(tpm(number, 0)) for number in PATIENTS], rtol=1e-12)


@pytest.mark.parametrize(
    ("declared", "error", "words"),
    [
        ({"profile": "fpkm_unstranded"}, CohortError, "has no profile 'fpkm_unstranded'; it has tpm_unstranded"),
        ({"scale": "zscore"}, ScaleError, "cannot be read as zscore"),
        ({"zscore_reference": "mine"}, ScaleError, "tpm_unstranded cannot be read as zscore; it is tpm"),
        ({"profile": "unstranded", "scale": "log2_tpm_1"}, ScaleError, "unstranded cannot be read as log2_tpm_1"),
    ],
)
def test_a_scale_that_the_files_cannot_have_is_refused(download: Path, declared: dict, error: type, words: str):
    with pytest.raises(error, match=words):
        read_cohort(download, endpoint="OS", **declared)


def test_the_rows_of_a_file_are_named_by_the_surer_identifier(download: Path):
    cohort = read_cohort(download, endpoint="OS")
    named = ["CD44", "CXCR4", "ENSG00000199000", "ENSG00000200000", "ICAM1", "PLCXD1", "TSPAN6"]
    assert list(cohort.expression.columns) == named
    assert entry(cohort, "count reads without a gene")[:2] == ("dropped", 4)
    assert entry(cohort, "Y copy") == ("dropped", 1, ("ENSG00000182378.15_PAR_Y",))
    assert entry(cohort, "symbol several Ensembl ids share") == ("kept", 2, ("Y_RNA", "Y_RNA"))


def test_a_panel_gene_is_found_by_its_ensembl_id_whatever_it_was_called(download: Path):
    genes = (("ENSG00000026508.19", "OLDNAME"), ("ENSG00000999999.1", "CD44"), *GENES[1:])
    for number in PATIENTS:
        (download / file_id(number) / file_name(number)).write_text(counts_text(number, genes))
    cohort = read_cohort(download, endpoint="OS")
    assert "ENSG00000026508 → CD44" in str(cohort.ledger)
    assert {"OLDNAME", "ENSG00000999999"} & set(cohort.expression.columns) == {"ENSG00000999999"}
    np.testing.assert_array_equal(cohort.expression["CD44"], [np.log2(tpm(number, 0) + 1) for number in PATIENTS])


def test_normal_tissue_and_further_samples_are_left_out_by_type_and_barcode(download: Path):
    listed = [*rows()[:3], sheet_row(4, patient(4), "C3L-1", "Solid Tissue Normal")]
    listed += [sheet_row(5, patient(1), f"{patient(1)}-11A", "Solid Tissue Normal")]
    listed += [sheet_row(6, patient(2), f"{patient(2)}-02A", "Recurrent Tumor")]
    listed += [sheet_row(7, patient(3), f"{patient(3)}-01A")]
    write_counts(download, range(1, 8))
    for new in (True, False):
        with_sheet(download, listed, new=new)
        cohort = read_cohort(download, endpoint="OS")
        assert list(cohort.patients) == [patient(1), patient(2), patient(3)]
        assert entry(cohort, "normal or control")[:2] == ("dropped", 2)
        assert entry(cohort, "further samples of a patient") == ("dropped", 1, (f"{patient(2)}-02A",))
        assert entry(cohort, "further files (aliquots)") == ("dropped", 1, (f"{patient(3)}-01A",))
        assert entry(cohort, "patients without expression")[:2] == ("dropped", 2)


def test_of_a_sample_s_aliquots_the_first_file_id_is_kept_wherever_it_stands(download: Path):
    listed = [*rows(), sheet_row(0, patient(3), f"{patient(3)}-01A")]
    write_counts(download, [0])
    for order in (listed, listed[::-1]):
        with_sheet(download, order)
        cohort = read_cohort(download, endpoint="OS")
        assert cohort.expression.loc[patient(3), "CD44"] == np.log2(tpm(0, 0) + 1)


def test_files_that_are_not_there_and_files_that_no_sheet_lists_are_told(download: Path):
    (download / file_id(3) / file_name(3)).rename(download / file_id(3) / f"{file_name(3)}.partial")
    write_counts(download, [9])
    cohort = read_cohort(download, endpoint="OS")
    assert patient(3) not in cohort.patients
    assert entry(cohort, "not in the folder") == ("dropped", 1, (file_name(3),))
    assert entry(cohort, "no sample sheet lists") == ("dropped", 1, (file_name(9),))
    assert entry(cohort, "patients without expression") == ("dropped", 1, (patient(3),))


def test_a_file_of_several_samples_is_read_only_if_they_are_one_patient_s_and_of_one_kind(download: Path):
    two = f"{patient(4)}, {patient(5)}"
    listed = rows()[:3]
    listed[2] |= {"patient": f"{patient(3)}, {patient(3)}", "sample": f"{patient(3)}-01B, {patient(3)}-01A"}
    listed[2]["kind"] = "Primary Tumor, Primary Tumor"
    listed += [{**rows()[3], "patient": two, "sample": f"{patient(4)}-01A, {patient(5)}-01A"}]
    listed += [{**rows()[4], "kind": "Primary Tumor, Solid Tissue Normal", "sample": "a, b"}]
    with_sheet(download, listed, new=False)
    cohort = read_cohort(download, endpoint="OS")
    assert list(cohort.patients) == [patient(1), patient(2), patient(3)]
    assert entry(cohort, "of several samples, under the first") == ("mapped", 1, (file_name(3),))
    assert entry(cohort, "several patients at once") == ("dropped", 1, (file_name(4),))
    assert entry(cohort, "several kinds of samples") == ("dropped", 1, (file_name(5),))


def test_other_files_of_the_cart_are_left_out(download: Path):
    with_sheet(download, [*rows(), {**rows()[0], "number": 8, "name": "x.mirbase21.mirnas.quantification.txt"}])
    cohort = read_cohort(download, endpoint="OS")
    assert entry(cohort, "no gene counts") == ("dropped", 1, ("x.mirbase21.mirnas.quantification.txt",))


def test_the_project_says_the_cancer_type(download: Path):
    assert entry(read_cohort(download, endpoint="OS"), "Project ID") == ("mapped", 1, ("TCGA-KIRC",))
    with_sheet(download, [{**row, "project": f"TCGA-{'COAD' if row['number'] % 2 else 'READ'}"} for row in rows()])
    cohort = read_cohort(download, endpoint="OS")
    assert (cohort.cancer_type, len(cohort.patients)) == ("COADREAD", 5)
    assert entry(cohort, "Project ID")[2] == ("TCGA-COAD", "TCGA-READ")


def test_of_several_projects_one_is_read_and_must_be_named(download: Path):
    with_sheet(download, [{**row, "project": f"TCGA-{'KIRC' if row['number'] < 4 else 'KIRP'}"} for row in rows()])
    with pytest.raises(CohortError, match=r"of 2 cancer types \(KIRC, KIRP\); declare the cancer type"):
        read_cohort(download, endpoint="OS")
    cohort = read_cohort(download, endpoint="OS", cancer_type="kirp")
    assert list(cohort.patients) == [patient(4), patient(5)]
    assert entry(cohort, "samples that are not KIRP")[:2] == ("dropped", 3)
    with pytest.raises(CohortError, match="none of its samples is LUAD; they are KIRC, KIRP"):
        read_cohort(download, endpoint="OS", cancer_type="LUAD")


def test_a_project_that_is_not_tcga_s_needs_its_cancer_type_declared(download: Path):
    with_sheet(download, [{**row, "project": "CPTAC-3"} for row in rows()])
    with pytest.raises(CohortError, match="of no project of TCGA's; declare the cancer type"):
        read_cohort(download, endpoint="OS")
    assert len(read_cohort(download, endpoint="OS", cancer_type="KIRC").patients) == 5


def test_simulated_patients_stay_simulated(download: Path):
    with_sheet(download, [{**row, "project": "SIMULATED-KIRC"} for row in rows()])
    assert read_cohort(download, endpoint="OS").cancer_type == "SIMULATED-KIRC"
    assert read_cohort(download, endpoint="OS", cancer_type="LUAD").cancer_type == "SIMULATED-LUAD"


def test_checksums_are_compared_where_there_is_a_manifest(download: Path):
    (download / "gdc_manifest.2025-08-13.134154.txt").write_text(manifest_text(download))
    assert entry(read_cohort(download, endpoint="OS"), "MD5 is the manifest's")[:2] == ("kept", 5)
    damaged = download / file_id(4) / file_name(4)
    damaged.write_text(damaged.read_text().replace("\t10.0000\t", "\t10.0001\t"))
    with pytest.raises(CohortError, match=f"{file_name(4)}: its MD5 is not the manifest's"):
        read_cohort(download, endpoint="OS")


def test_files_that_the_manifest_leaves_out_are_told(download: Path):
    lines = manifest_text(download).splitlines()
    (download / "MANIFEST.txt").write_text("\n".join(lines[:-1]) + "\n")
    cohort = read_cohort(download, endpoint="OS")
    assert entry(cohort, "no manifest states an MD5") == ("kept", 1, (f"{patient(5)}-01A",))


def test_what_a_folder_lacks_is_asked_for_by_name(download: Path):
    (download / "clinical.tsv").rename(download / "c.tsv")
    with pytest.raises(CohortError, match=r"has no clinical.tsv; add it"):
        read_cohort(download, endpoint="OS")
    (download / "clinical.cart.2025-08-18.tar.gz").write_bytes(b"")
    with pytest.raises(CohortError, match=r"has no clinical.tsv; unpack clinical.cart.2025-08-18.tar.gz"):
        read_cohort(download, endpoint="OS")
    (download / "gdc_sample_sheet.2025-08-18.tsv").unlink()
    with pytest.raises(CohortError, match="has no sample sheet"):
        read_cohort(download, endpoint="OS")


def test_a_sheet_of_other_files_is_refused(download: Path):
    with_sheet(download, [{**row, "number": int(row["number"]) + 50} for row in rows()])
    with pytest.raises(CohortError, match="none of the 5 files of expression that it lists is in the folder"):
        read_cohort(download, endpoint="OS")


def test_a_sheet_of_the_files_of_before_star_is_refused_in_words(download: Path):
    with_sheet(download, [{**row, "name": f"{row['number']}.FPKM.txt.gz"} for row in rows()], new=False)
    with pytest.raises(CohortError, match=r"lists no \*star_gene_counts.tsv; download the files of the workflow STAR"):
        read_cohort(download, endpoint="OS")


def test_a_file_listed_as_two_samples_is_refused(download: Path):
    with_sheet(download, [*rows(), {**rows()[0], "patient": patient(9), "sample": f"{patient(9)}-01A"}])
    with pytest.raises(CohortError, match=f"file {file_id(1)} is listed as several samples"):
        read_cohort(download, endpoint="OS")


def test_other_endpoints_are_not_offered(download: Path):
    with pytest.raises(CohortError, match=r"has no PFI .* it has OS"):
        read_cohort(download, endpoint="PFI")


def test_the_order_of_rows_does_not_matter(download: Path):
    before = read_cohort(download, endpoint="OS").digest()
    with_sheet(download, rows()[::-1])
    (download / "clinical.tsv").write_text(table_text(cases()[::-1], NEW_HEADERS))
    assert read_cohort(download, endpoint="OS").digest() == before


def test_genes_that_are_asked_for_are_read_as_among_all(download: Path):
    every = read_cohort(download, endpoint="OS")
    some = read_cohort(download, endpoint="OS", only=["CD44", "TSPAN6", "ENSG00000199000"])
    assert some.expression.equals(every.expression[["CD44", "ENSG00000199000", "TSPAN6"]])
    assert entry(some, "rows of genes that were not asked for") == ("dropped", 4, ())
