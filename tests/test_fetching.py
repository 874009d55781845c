"""``prognosis cohort fetch``: from hosts on this machine to a folder that is read, or to no folder at all."""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from public_hosts import GdcHost, Host, Stored, endless, page, running, status, torn, wait_for

from experiments.cli import main
from experiments.fetch_catalogue import SOURCES, project_of
from experiments.fetch_http import FetchError, NotThereError
from experiments.fetch_parts import Slot
from experiments.fetch_settings import FetchSettings, fetch_settings
from experiments.fetching import fetch
from features.readers import read_cohort

pytestmark = pytest.mark.usefixtures("no_proxy")

PATIENTS = [f"TCGA-AA-{number:04}" for number in range(40)]
GENES = ("CD44", "CXCR4", "ICAM1", "NOTCH1", "EPCAM")
ENSEMBL = {"CD44": "ENSG00000026508.18", "NOTCH1": "ENSG00000148400.12"}
SAMPLES = "/download/TCGA.KIRC.sampleMap%2F"
SURVIVAL, CLINICAL = "/download/survival%2FKIRC_survival.txt", f"{SAMPLES}KIRC_clinicalMatrix"
MATRIX, METADATA = f"{SAMPLES}HiSeqV2.gz", f"{SAMPLES}HiSeqV2.json"


def table(*rows: tuple[object, ...]) -> bytes:
    return "".join("\t".join(map(str, row)) + "\n" for row in rows).encode()


def matrix(corner: str, genes: tuple[str, ...], samples: list[str]) -> bytes:
    values = [(gene, *((7 * row + 3 * place) % 11 for place in range(len(samples)))) for row, gene in enumerate(genes)]
    # The same bytes at every call, so that a changed file is one that the test changed.
    return gzip.compress(table((corner, *samples), *values), mtime=0)


def legacy_hub(host: Host) -> None:
    """Fill a host as Xena's TCGA hub is for one cohort; headers as in its KIRC files."""
    samples = [f"{patient}-01" for patient in PATIENTS]
    survival = [("sample", "_PATIENT", "OS", "OS.time", "DSS", "DSS.time", "DFI", "DFI.time", "PFI", "PFI.time",
                 "Redaction")]  # fmt: skip
    survival += [(f"{p}-01", p, day % 2, 100 + 61 * day, "", "", "", "", day % 2, 90 + 61 * day, "")
                 for day, p in enumerate(PATIENTS)]  # fmt: skip
    clinical: list[tuple[object, ...]] = [("sampleID", "_PATIENT", "age_at_initial_pathologic_diagnosis", "gender",
                                           "pathologic_stage", "neoplasm_histologic_grade", "sample_type")]  # fmt: skip
    clinical += [(f"{p}-01", p, 50 + age % 30, "MALE", "Stage II", "G2", "Primary Tumor")
                 for age, p in enumerate(PATIENTS)]  # fmt: skip
    unit = {"cohort": "TCGA Kidney Clear Cell Carcinoma (KIRC)", "version": "2017-10-13", "type": "genomicMatrix",
            "unit": "log2(norm_count+1)", "dataSubType": "gene expression RNAseq"}  # fmt: skip
    host.files = {
        SURVIVAL: Stored(table(*survival)),
        CLINICAL: Stored(table(*clinical)),
        METADATA: Stored(json.dumps(unit).encode()),
        MATRIX: Stored(matrix("sample", GENES, samples)),
    }


def gdc_hub(host: Host) -> None:
    """Fill a host as Xena's GDC hub is for one project: versioned Ensembl ids, sample ids with their vials."""
    samples = [f"{patient}-01A" for patient in PATIENTS]
    survival = [("sample", "OS.time", "OS", "_PATIENT")]
    survival += [(f"{p}-01A", 100 + 61 * day, day % 2, p) for day, p in enumerate(PATIENTS)]
    clinical: list[tuple[object, ...]] = [("sample", "submitter_id", "gender.demographic", "age_at_index.demographic",
                                           "ajcc_pathologic_stage.diagnoses", "sample_type.samples")]  # fmt: skip
    clinical += [(f"{p}-01A", p, "male", 60, "Stage I", "Primary Tumor") for p in PATIENTS]
    at = "/download/TCGA-KIRC."
    host.files = {
        f"{at}survival.tsv": Stored(table(*survival)),
        f"{at}clinical.tsv.gz": Stored(gzip.compress(table(*clinical), mtime=0)),
        f"{at}star_tpm.tsv.gz": Stored(matrix("Ensembl_ID", tuple(ENSEMBL.values()), samples)),
    }


@pytest.fixture
def host():
    with running(Host()) as host:
        legacy_hub(host)
        yield host


@pytest.fixture
def settings(host, tmp_path):
    return FetchSettings(
        tmp_path / "cache", xena_hub=host.url, xena_gdc_hub=host.url, attempts=3, backoff_seconds=0.0, timeout_seconds=5
    )


def fetched(settings: FetchSettings, target: Path, source: str = "xena", *, name: str = "TCGA-KIRC", **more: Any):
    options = {"cached": True, "show": lambda done, total: None, **more}
    return fetch(name, target, source, settings=settings, **options)


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "cache")


def test_a_cohort_from_xena_is_read_as_it_is(settings, host, tmp_path):
    found = fetched(settings, tmp_path / "KIRC")
    assert (found.project, found.version, len(found.files)) == ("TCGA-KIRC", "2017-10-13", 4)
    cohort = read_cohort(tmp_path / "KIRC", endpoint="OS")
    assert (cohort.cancer_type, cohort.scale, len(cohort.patients)) == ("KIRC", "log2_rsem_1", len(PATIENTS))
    assert set(cohort.expression) == set(GENES)
    assert cohort.n_events == 20
    assert left_in(tmp_path) == ["KIRC"]


def test_a_cohort_from_xena_s_gdc_hub_is_read_as_it_is(settings, host, tmp_path):
    gdc_hub(host)
    found = fetched(settings, tmp_path / "new", "xena-gdc")
    names = sorted(file.place.path for file in found.files)
    assert names == ["TCGA-KIRC.clinical.tsv.gz", "TCGA-KIRC.star_tpm.tsv.gz", "TCGA-KIRC.survival.tsv"]
    cohort = read_cohort(tmp_path / "new", endpoint="OS")
    assert (cohort.cancer_type, cohort.scale, len(cohort.patients)) == ("KIRC", "log2_tpm_1", len(PATIENTS))
    assert {"CD44", "NOTCH1"} <= set(cohort.expression)


def test_the_record_says_what_came_from_where_and_under_which_terms(settings, host, tmp_path):
    found = fetched(settings, tmp_path / "KIRC")
    record = json.loads((tmp_path / "KIRC" / "fetched.json").read_text(encoding="utf-8"))
    assert (record["project"], record["source_version"]) == ("TCGA-KIRC", "2017-10-13")
    assert record["licence"] == SOURCES["xena"].licence
    assert any("10.1038/s41587-020-0546-8" in citation for citation in record["cite"])
    assert {file["path"] for file in record["files"]} == set(names_in(tmp_path / "KIRC")) - {"fetched.json"}
    for file in record["files"]:
        content = (tmp_path / "KIRC" / file["path"]).read_bytes()
        assert (file["sha256"], file["bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))
        assert file["url"].startswith(f"{host.url}/download/")
        assert file["etag"] == host.files[file["url"].removeprefix(host.url)].etag
    assert found.size == sum(file["bytes"] for file in record["files"])


def test_a_second_folder_is_copied_unless_the_source_has_changed(settings, host, tmp_path):
    fetched(settings, tmp_path / "first")
    host.asked.clear()
    fetched(settings, tmp_path / "second")
    assert all("if-none-match" in headers for _, headers, _ in host.asked)
    host.files[SURVIVAL] = Stored(host.files[SURVIVAL].body.replace(b"\t100\t", b"\t101\t"))
    fetched(settings, tmp_path / "third")
    first, second, third = (
        (tmp_path / name / "KIRC_survival.txt").read_bytes() for name in ("first", "second", "third")
    )
    assert first == second != third == host.files[SURVIVAL].body


def test_without_the_cache_nothing_is_left_beside_the_folder(settings, host, tmp_path):
    fetched(settings, tmp_path / "first")
    host.asked.clear()
    fetched(settings, tmp_path / "second", cached=False)
    assert not any("if-none-match" in headers for _, headers, _ in host.asked)
    assert left_in(tmp_path) == ["first", "second"]


def test_without_the_cache_an_interrupted_fetch_goes_on_too(settings, host, tmp_path):
    half = len(host.files[MATRIX].body) // 2
    host.faults[MATRIX] = [torn(half), torn(0), torn(0)]
    with pytest.raises(FetchError, match="broke off"):
        fetched(settings, tmp_path / "KIRC", cached=False)
    assert left_in(tmp_path) == [".KIRC.parts"]
    fetched(settings, tmp_path / "KIRC", cached=False)
    assert host.asked_for(MATRIX)[-1]["range"] == f"bytes={half}-{len(host.files[MATRIX].body) - 1}"
    assert left_in(tmp_path) == ["KIRC"]


@pytest.mark.parametrize("fault", [status(404), status(403), page, status(503)])
def test_no_folder_appears_unless_all_is_there(settings, host, tmp_path, fault):
    for needed in (SURVIVAL, CLINICAL, MATRIX):
        host.faults = {path: [fault] * 9 for path in (needed, f"{needed}.gz")}
        with pytest.raises(FetchError):
            fetched(settings, tmp_path / "KIRC")
        assert left_in(tmp_path) == []
    host.faults = {METADATA: [status(404)]}
    fetched(settings, tmp_path / "KIRC")
    assert not (tmp_path / "KIRC" / "HiSeqV2.json").exists()


def test_a_project_that_is_not_there_is_named(settings, host, tmp_path):
    with pytest.raises(NotThereError, match=r"survival%2FKIRP_survival.txt: is not there, or not public \(HTTP 403\)"):
        fetched(settings, tmp_path / "KIRP", name="kirp")


def test_a_table_that_is_packed_at_the_source_is_found(settings, host, tmp_path):
    host.files[f"{SURVIVAL}.gz"] = Stored(gzip.compress(host.files.pop(SURVIVAL).body, mtime=0))
    fetched(settings, tmp_path / "KIRC")
    assert len(read_cohort(tmp_path / "KIRC", endpoint="PFI").patients) == len(PATIENTS)


def test_a_folder_that_is_taken_is_left_alone_and_nobody_is_asked(settings, host, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for taken in ("mine", "mine/file", "link"):
        with pytest.raises(FetchError, match="is there already"):
            fetched(settings, tmp_path / taken)
    assert host.asked == []
    (tmp_path / "empty").mkdir()
    fetched(settings, tmp_path / "empty")
    assert (tmp_path / "empty" / "HiSeqV2.gz").is_file()


def test_what_a_killed_fetch_left_is_taken_away_and_what_another_uses_is_not(settings, host, tmp_path):
    left, used = tmp_path / ".KIRC.fetching-0", tmp_path / ".KIRC.fetching-1"
    left.mkdir()
    (left / "HiSeqV2.gz").write_text("half")
    used.mkdir()
    descriptor = os.open(used, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        fetched(settings, tmp_path / "KIRC")
    finally:
        os.close(descriptor)
    assert left_in(tmp_path) == [".KIRC.fetching-1", "KIRC"]


def test_ctrl_c_leaves_no_folder_and_the_next_run_goes_on(settings, host, tmp_path):
    stop, half = Event(), len(host.files[MATRIX].body) // 2

    def interrupt():
        wait_for(Slot(settings.cache, host.url + MATRIX).part, half)
        os.kill(os.getpid(), signal.SIGINT)

    host.faults[MATRIX] = [endless(stop, interrupt, after=half)]
    try:
        with pytest.raises(KeyboardInterrupt):
            fetched(settings, tmp_path / "KIRC")
    finally:
        stop.set()
    assert left_in(tmp_path) == []
    fetched(settings, tmp_path / "KIRC")
    start = int(host.asked_for(MATRIX)[-1]["range"].removeprefix("bytes=").partition("-")[0])
    assert start >= half
    assert (tmp_path / "KIRC" / "HiSeqV2.gz").read_bytes() == host.files[MATRIX].body


def test_two_fetches_into_the_same_folder_leave_one_whole_one(settings, host, tmp_path):
    errors: list[Exception] = []

    def one():
        try:
            fetched(settings, tmp_path / "KIRC")
        except FetchError as error:
            errors.append(error)

    threads = [Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all("meanwhile" in str(error) or "is there already" in str(error) for error in errors)
    assert len(errors) < 3
    assert left_in(tmp_path) == ["KIRC"]
    assert len(read_cohort(tmp_path / "KIRC", endpoint="OS").patients) == len(PATIENTS)


# --- The command, in processes of its own ------------------------------------------------------------------------


def command(host: Host, home: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {
        **os.environ, "PROGNOSIS_HOME": str(home), "PROGNOSIS_XENA_HUB": host.url, "PROGNOSIS_GDC_API": host.url,
    }  # fmt: skip
    started = [sys.executable, "-c", "from experiments.cli import main; main()", "cohort", "fetch", *arguments]
    return subprocess.Popen(started, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_two_processes_share_one_download(host, tmp_path):
    running_ = [command(host, tmp_path / "home", "kirc", "--to", str(tmp_path / name)) for name in ("one", "two")]
    said = [process.communicate(timeout=120) for process in running_]
    assert [process.returncode for process in running_] == [0, 0], said
    full = [headers for headers in host.asked_for(MATRIX) if "if-none-match" not in headers]
    assert len(full) == 1
    one, two = ((tmp_path / name / "HiSeqV2.gz").read_bytes() for name in ("one", "two"))
    assert one == two == host.files[MATRIX].body


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_ctrl_c_is_quiet_and_it_and_a_kill_are_gone_on_from(host, tmp_path, how):
    stop, half = Event(), len(host.files[MATRIX].body) // 2
    host.faults[MATRIX] = [endless(stop, after=half)]
    process = command(host, tmp_path / "home", "kirc", "--to", str(tmp_path / "KIRC"))
    try:
        wait_for(Slot(tmp_path / "home" / "cache" / "downloads", host.url + MATRIX).part, half)
        process.send_signal(how)
        out, err = process.communicate(timeout=120)
    finally:
        stop.set()
    if how is signal.SIGINT:
        assert (process.returncode, out) == (130, "")
        assert err.strip() == "prognosis: stopped; what came is kept, and the same command goes on from there."
        assert names_in(tmp_path) == ["home"]
    assert not (tmp_path / "KIRC").exists()
    again = command(host, tmp_path / "home", "kirc", "--to", str(tmp_path / "KIRC"))
    out, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    assert "range" in host.asked_for(MATRIX)[-1]
    assert sorted(names_in(tmp_path)) == ["KIRC", "home"]
    assert out.startswith(f"{tmp_path / 'KIRC'}: TCGA-KIRC from UCSC Xena, TCGA hub (2017-10-13), 4 files, ")
    assert "\nLicence: Open access" in out
    assert "doi:10.1038/s41587-020-0546-8" in out


def test_the_command_fetches_what_inspect_reads_and_refuses_in_one_line(host, tmp_path, monkeypatch):
    monkeypatch.setenv("PROGNOSIS_XENA_HUB", host.url)
    fetch_settings.cache_clear()
    try:
        fetched_ = CliRunner().invoke(main, ["cohort", "fetch", "TCGA-KIRC", "--to", str(tmp_path / "KIRC")])
        refused = CliRunner().invoke(main, ["cohort", "fetch", "TCGA-KICR", "--to", str(tmp_path / "other")])
    finally:
        fetch_settings.cache_clear()
    assert fetched_.exit_code == 0, fetched_.output
    read = CliRunner().invoke(main, ["cohort", "inspect", str(tmp_path / "KIRC")])
    assert read.exit_code == 0, read.output
    assert "40 patients" in read.output
    assert refused.exit_code == 2
    assert refused.output.startswith("prognosis: project 'TCGA-KICR' is none of TCGA's; these are ACC, BLCA")
    assert refused.output.count("\n") == 1


@pytest.mark.parametrize(("name", "source", "project"), [
    ("tcga-kirc", "xena", "TCGA-KIRC"), ("COADREAD", "xena", "TCGA-COADREAD"), ("read", "gdc", "TCGA-READ"),
    ("TARGET-NBL", "gdc", "TARGET-NBL"), ("CPTAC-3", "gdc", "CPTAC-3"),
    ("BEATAML1.0-COHORT", "gdc", "BEATAML1.0-COHORT"),
])  # fmt: skip
def test_projects_are_named_by_their_code(name, source, project):
    assert project_of(name, source) == project


@pytest.mark.parametrize("name", ["", "..", "TCGA-", "TCGA-../x", "kidney", "TCGA-KIRC/..", "a b-c", "TARGET-NBL"])
def test_what_is_no_project_of_the_hub_is_refused(name):
    with pytest.raises(FetchError, match="project"):
        project_of(name, "xena")


# --- The Genomic Data Commons ----------------------------------------------------------------------------------------


def uuid(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


STAR = b"# gene-model: GENCODE v36\n" + table(
    ("gene_id", "gene_name", "gene_type", "unstranded", "stranded_first", "stranded_second", "tpm_unstranded",
     "fpkm_unstranded", "fpkm_uq_unstranded"),
    *((name, "", "", 5, 6, 7, "", "", "") for name in ("N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous")),
    *((ensembl, gene, "protein_coding", 10, 5, 5, 1.5, 1.25, 1.75) for gene, ensembl in ENSEMBL.items()),
)  # fmt: skip


def star_file(number: int, patient: str, sample: str, tissue: str, project: str = "TCGA-KIRC") -> dict[str, Any]:
    body = star_body(number)
    return {
        "id": uuid(number), "file_id": uuid(number),
        "file_name": f"{uuid(number)}.rna_seq.augmented_star_gene_counts.tsv",
        "md5sum": hashlib.md5(body).hexdigest(), "file_size": len(body), "access": "open",
        "data_category": "Transcriptome Profiling", "data_type": "Gene Expression Quantification",
        "analysis": {"workflow_type": "STAR - Counts"},
        "cases": [{
            "submitter_id": patient, "project": {"project_id": project},
            "samples": [{
                "submitter_id": f"{patient}-{sample}", "sample_type": "Primary Tumor", "tissue_type": tissue,
                "tumor_descriptor": "Primary" if tissue == "Tumor" else "Not Applicable",
                "specimen_type": "Solid Tissue", "preservation_method": None,
            }],
        }],
    }  # fmt: skip


def star_body(number: int) -> bytes:
    return STAR.replace(b"\t10\t", f"\t{10 + number}\t".encode()).replace(b"\t1.5\t", f"\t{number}.5\t".encode())


def case(number: int, patient: str, **more: Any) -> dict[str, Any]:
    return {
        "id": uuid(900 + number), "case_id": uuid(900 + number), "submitter_id": patient,
        "primary_site": "Kidney", "disease_type": "Adenomas and Adenocarcinomas",
        "project": {"project_id": "TCGA-KIRC"},
        **more,
    }  # fmt: skip


FILES = [
    star_file(1, "TCGA-AA-0000", "01A", "Tumor"),
    star_file(2, "TCGA-AA-0000", "11A", "Normal"),
    star_file(3, "TCGA-AA-0001", "01A", "Tumor"),
    {**star_file(4, "TCGA-AA-0002", "01A", "Tumor"), "access": "controlled"},
    {**star_file(5, "TCGA-AA-0002", "01A", "Tumor"), "data_type": "Splice Junction Quantification"},
    star_file(6, "TCGA-BB-0001", "01A", "Tumor", project="TCGA-LUAD"),
]
CASES = [
    case(
        0,
        "TCGA-AA-0000",
        demographic={"vital_status": "Dead", "days_to_death": 612, "gender": "male", "age_at_index": 61},
        diagnoses=[
            {"ajcc_pathologic_stage": "Stage II", "tumor_grade": "G2", "age_at_diagnosis": 22_400,
             "classification_of_tumor": "primary", "sites_of_involvement": ["Kidney", "Renal\tpelvis"],
             "treatments": [{"treatment_type": "Surgery, NOS"}, {"treatment_type": "Pharmaceutical Therapy, NOS"}]},
            {"classification_of_tumor": "metastasis", "diagnosis_is_primary_disease": False},
        ],
        follow_ups=[{"days_to_follow_up": 300}, {"days_to_follow_up": 612, "disease_response": "WT-With Tumor"}],
    ),
    case(1, "TCGA-AA-0001", demographic={"vital_status": "Alive", "days_to_death": None}),
]  # fmt: skip


@pytest.fixture
def api():
    with running(GdcHost(FILES, CASES, {uuid(number): star_body(number) for number in (1, 2, 3, 4, 5, 6)})) as api:
        yield api


@pytest.fixture
def gdc(api, settings):
    return replace(settings, gdc_api=api.url)


def rows(path: Path) -> list[dict[str, str]]:
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False).to_dict("records")


def test_the_gdc_s_files_lie_as_its_own_client_leaves_them(gdc, api, tmp_path):
    found = fetched(gdc, tmp_path / "KIRC", "gdc")
    assert found.version == "Data Release 45.0 - December 04, 2025"
    for number in (1, 2, 3):
        path = tmp_path / "KIRC" / uuid(number) / f"{uuid(number)}.rna_seq.augmented_star_gene_counts.tsv"
        assert path.read_bytes() == star_body(number)
    assert sorted(names_in(tmp_path / "KIRC")) == sorted([
        uuid(1), uuid(2), uuid(3), "clinical.tsv", "fetched.json", "follow_up.tsv", "gdc_manifest.txt",
        "gdc_sample_sheet.tsv",
    ])  # fmt: skip
    record = json.loads((tmp_path / "KIRC" / "fetched.json").read_text(encoding="utf-8"))
    assert [file["md5_stated"] for file in record["files"]] == [file["md5sum"] for file in FILES[:3]]
    assert any("10.1056/NEJMp1607591" in citation for citation in record["cite"])
    assert {built["path"] for built in record["built"]} == {
        "clinical.tsv", "follow_up.tsv", "gdc_manifest.txt", "gdc_sample_sheet.tsv",
    }  # fmt: skip


def test_a_cohort_from_the_gdc_is_read_as_it_is(settings, tmp_path):
    files = [star_file(number, patient, "01A", "Tumor") for number, patient in enumerate(PATIENTS)]
    normal = star_file(900, PATIENTS[0], "11A", "Normal")
    cases = [
        case(
            number,
            patient,
            demographic={"vital_status": "Dead" if number % 2 else "Alive",
                         "days_to_death": 300 + 61 * number if number % 2 else None, "gender": "male"},
            diagnoses=[{"ajcc_pathologic_stage": "Stage II", "age_at_diagnosis": 22_400,
                        "treatments": [{"treatment_type": "Surgery, NOS"}, {"treatment_type": "Radiation, NOS"}]}],
            follow_ups=[{"days_to_follow_up": 100}, {"days_to_follow_up": 300 + 61 * number}],
        )
        for number, patient in enumerate(PATIENTS)
    ]  # fmt: skip
    bodies = {uuid(number): star_body(number) for number in (*range(len(PATIENTS)), 900)}
    with running(GdcHost([*files, normal], cases, bodies)) as api:
        fetched(replace(settings, gdc_api=api.url), tmp_path / "KIRC", "gdc")
    cohort = read_cohort(tmp_path / "KIRC", endpoint="OS")
    assert (cohort.cancer_type, cohort.scale, list(cohort.patients)) == ("KIRC", "log2_tpm_1", PATIENTS)
    assert cohort.time.tolist() == [300 + 61 * number for number in range(len(PATIENTS))]
    assert cohort.event.tolist() == [bool(number % 2) for number in range(len(PATIENTS))]
    assert cohort.expression["CD44"].to_numpy() == pytest.approx(np.log2(np.arange(len(PATIENTS)) + 1.5), rel=1e-6)
    assert set(cohort.clinical["stage"]) == {"II"}


def test_the_sample_sheet_is_the_portal_s(gdc, tmp_path):
    fetched(gdc, tmp_path / "KIRC", "gdc")
    assert rows(tmp_path / "KIRC" / "gdc_sample_sheet.tsv")[1] == {
        "File ID": uuid(2),
        "File Name": f"{uuid(2)}.rna_seq.augmented_star_gene_counts.tsv",
        "Data Category": "Transcriptome Profiling",
        "Data Type": "Gene Expression Quantification",
        "Project ID": "TCGA-KIRC",
        "Case ID": "TCGA-AA-0000",
        "Sample ID": "TCGA-AA-0000-11A",
        "Tissue Type": "Normal",
        "Tumor Descriptor": "Not Applicable",
        "Specimen Type": "Solid Tissue",
        "Preservation Method": "'--",
    }


def test_clinical_has_a_row_a_treatment_and_follow_up_a_row_a_visit(gdc, tmp_path):
    fetched(gdc, tmp_path / "KIRC", "gdc")
    clinical = rows(tmp_path / "KIRC" / "clinical.tsv")
    assert [row["cases.submitter_id"] for row in clinical] == ["TCGA-AA-0000"] * 3 + ["TCGA-AA-0001"]
    assert [row["treatments.treatment_type"] for row in clinical] == [
        "Surgery, NOS", "Pharmaceutical Therapy, NOS", "'--", "'--",
    ]  # fmt: skip
    assert clinical[0]["diagnoses.sites_of_involvement"] == "Kidney;Renal pelvis"
    assert clinical[2]["diagnoses.diagnosis_is_primary_disease"] == "false"
    assert {row["project.project_id"] for row in clinical} == {"TCGA-KIRC"}
    told = [(row["demographic.vital_status"], row["demographic.days_to_death"]) for row in clinical]
    assert told == [("Dead", "612")] * 3 + [("Alive", "'--")]
    assert not {"cases.id", "cases.project", "diagnoses.treatments"} & set(clinical[0])
    visits = rows(tmp_path / "KIRC" / "follow_up.tsv")
    assert [(row["cases.submitter_id"], row["follow_ups.days_to_follow_up"]) for row in visits] == [
        ("TCGA-AA-0000", "300"), ("TCGA-AA-0000", "612"),
    ]  # fmt: skip


def test_a_second_folder_asks_the_gdc_for_lists_but_for_no_file(gdc, api, tmp_path):
    fetched(gdc, tmp_path / "first", "gdc")
    api.asked.clear()
    fetched(gdc, tmp_path / "second", "gdc")
    assert {path for path, _, _ in api.asked} == {"/status", "/files", "/cases"}
    assert (tmp_path / "second" / uuid(1)).is_dir()


def test_a_file_of_the_gdc_that_comes_wrong_or_torn_is_mended_or_refused(gdc, api, tmp_path):
    path = f"/data/{uuid(1)}"
    api.faults[path] = [torn(20), status(429, {"Retry-After": "0"})]
    fetched(gdc, tmp_path / "KIRC", "gdc")
    assert "range" in api.asked_for(path)[-1]
    api.files[path] = Stored(star_body(77), etag=None, modified=None)
    with pytest.raises(FetchError, match="the source states the MD5"):
        fetched(gdc, tmp_path / "other", "gdc", cached=False)
    assert not (tmp_path / "other").exists()


def test_a_project_without_star_counts_is_refused(gdc, tmp_path):
    with pytest.raises(NotThereError, match="no open STAR counts of a project TCGA-UVM"):
        fetched(gdc, tmp_path / "UVM", "gdc", name="TCGA-UVM")


@pytest.mark.parametrize(("change", "words"), [
    ({"file_name": "../../escape.tsv"}, "file_name is not what the API's documentation says"),
    ({"file_id": "../escape"}, "file_id is not what"),
    ({"md5sum": None}, "md5sum is not what"),
])  # fmt: skip
def test_what_would_leave_the_folder_is_refused(settings, tmp_path, change, words):
    with running(GdcHost([{**FILES[0], **change}], CASES, {})) as api, pytest.raises(FetchError, match=words):
        fetched(replace(settings, gdc_api=api.url), tmp_path / "KIRC", "gdc")
    assert left_in(tmp_path) == []


def test_lists_that_change_between_two_pages_are_not_mixed(gdc, api, tmp_path):
    def other_total(handler, stored):
        api.json(handler, {"data": {"hits": [FILES[2]], "pagination": {"total": 7}}, "warnings": {}})

    answers = [lambda handler, stored: api.answer(handler, "/files", _query(handler)), other_total]
    api.faults["/files"] = answers
    with pytest.raises(FetchError, match="the lists of files do not agree"):
        fetched(gdc, tmp_path / "KIRC", "gdc")


def test_a_page_in_place_of_the_api_is_told(gdc, api, tmp_path):
    api.faults["/status"] = [page]
    with pytest.raises(FetchError, match="the answer is no JSON"):
        fetched(gdc, tmp_path / "KIRC", "gdc")


def test_a_short_answer_that_breaks_off_is_asked_for_again(gdc, api, tmp_path):
    def torn_answer(handler, stored):
        handler.begin(200, {"Content-Type": "application/json", "Content-Length": "999"})
        handler.wfile.write(b'{"data_release": "Dat')
        handler.close_connection = True

    api.faults["/status"] = [torn_answer]
    assert fetched(gdc, tmp_path / "KIRC", "gdc").version == "Data Release 45.0 - December 04, 2025"


def _query(handler) -> dict[str, list[str]]:
    from urllib.parse import parse_qs  # noqa: PLC0415

    return parse_qs(handler.path.partition("?")[2])
