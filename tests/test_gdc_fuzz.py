"""Sound GDC downloads, damaged: a CohortError that says where, or a cohort with every patient accounted for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from gdc_folders import (
    NEW_HEADERS,
    OLD_HEADERS,
    OLDEST_HEADERS,
    case,
    manifest_text,
    patient,
    sheet_row,
    sheet_text,
    table_text,
    visits_text,
    write_counts,
)
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from features.clinical import is_missing_word
from features.cohort import Cohort
from features.errors import CohortError
from features.readers import read_cohort

#: What may have happened to a patient of the clinical table, and to a row of the sample sheet.
PATIENTS_LOST = (
    *("patients without expression", "patients without OS status or time", "patients with OS event but no time"),
    "OS time is zero or negative",
)
SAMPLES_LOST = (
    *("rows of the sample sheet without a file", "files of the sample sheet that are no gene counts"),
    *("rows that the sample sheet repeats", "files of the sample sheet without a case or sample"),
    *("files of several patients at once", "files of several kinds of samples at once"),
    *("files of the sample sheet that are not in the folder", "further files (aliquots) of a sample"),
    *("samples that are not ", "normal or control samples", "samples whose patient is not in the clinical table"),
    *("further samples of a patient", *PATIENTS_LOST[1:]),
)
SHEET = "gdc_sample_sheet.2025-08-18.tsv"
CELLS = st.sampled_from(
    [
        *("", "'--", "--", "x", "-1", "0", "1e999", "nan", "inf", "1,5", "0x1F", '"', "'", "\x00", "Alive", "Dead"),
        *("TCGA-KIRP", "TCGA-AA-0002", "TCGA-AA-0002-01A", "TCGA-AA-0001, TCGA-AA-0002", "Normal", ",", "true", "é"),
    ]
)
DAMAGES = st.sampled_from([b"", b"\t", b"\n", b'"', b"\x00", b"\xff", b"\r", b"inf", b"'--", b"ENSG", b"#", b"<"])
#: Drawn evenly: numbers are drawn near zero, where the headers are.
PLACE = st.sampled_from([number / 211 for number in range(211)])
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("bytes"), PLACE, PLACE, DAMAGES, st.integers(0, 12)),
        st.tuples(st.just("cut short"), PLACE, PLACE),
        st.tuples(st.just("file gone"), PLACE),
        st.tuples(st.just("file of another"), PLACE, PLACE),
        st.tuples(st.just("row gone"), PLACE, PLACE),
        st.tuples(st.just("row twice"), PLACE, PLACE),
        st.tuples(st.just("column gone"), PLACE, PLACE),
        st.tuples(st.just("column twice"), PLACE, PLACE),
        st.tuples(st.just("cell"), PLACE, PLACE, PLACE, CELLS),
    ),
    min_size=1,
    max_size=3,
)


def write_sound(folder: Path, *, headers: dict[str, str], new: bool) -> None:
    """Six patients: one normal sample, one second sample, one of unknown follow-up, one never followed."""
    rows = [sheet_row(number, patient(number), f"{patient(number)}-01A") for number in range(1, 7)]
    rows += [sheet_row(7, patient(1), f"{patient(1)}-11A", "Solid Tissue Normal")]
    rows += [sheet_row(8, patient(2), f"{patient(2)}-06A", "Metastatic")]
    cases = [*case(1, vital_status="Dead", days_to_death=90, stage="Stage I"), *case(2, last=50), *case(3, last=60)]
    cases += [*case(4, vital_status="Dead", days_to_death=70), *case(5), *case(6, last=0), *case(9, last=30)]
    folder.mkdir()
    write_counts(folder, range(1, 9))
    (folder / SHEET).write_text(sheet_text(rows, new=new))
    (folder / "clinical.tsv").write_text(table_text(cases, headers))
    (folder / "follow_up.tsv").write_text(visits_text([(patient(2), 80), (patient(3), 20)], new=new))


@pytest.fixture(scope="module", params=[(NEW_HEADERS, True), (OLD_HEADERS, False), (OLDEST_HEADERS, False)])
def sound(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    headers, new = request.param
    folder = tmp_path_factory.mktemp("sound") / "download"
    write_sound(folder, headers=headers, new=new)
    return folder


def at(place: float, n: int) -> int:
    return int(place * n)


def changed(content: bytes, change: tuple) -> bytes:
    """Return a file's bytes after a change; a table stays one if the change is of rows, columns or cells."""
    what, _, place, *rest = change
    if what == "bytes":
        start = at(place, len(content) + 1)
        return content[:start] + rest[0] + content[start + rest[1] :]
    if what == "cut short":
        return content[: at(place, len(content))]
    lines = content.split(b"\n")[:-1]
    if not lines:
        return content
    row = at(place, len(lines))
    if what == "row gone":
        lines = lines[:row] + lines[row + 1 :]
    elif what == "row twice":
        lines = [*lines[: row + 1], *lines[row:]]
    else:
        lines = list(changed_columns(lines, what, place, *rest))
    return b"\n".join([*lines, b""])


def changed_columns(lines: list[bytes], what: str, place: float, *rest):
    row = at(place, len(lines))
    for number, line in enumerate(lines):
        cells = line.split(b"\t")
        column = at(rest[0] if what == "cell" else place, len(cells))
        if what == "cell" and number == row:
            cells[column] = rest[1].encode()
        elif what == "column gone":
            del cells[column]
        elif what == "column twice":
            cells.insert(column, cells[column])
        yield b"\t".join(cells)


def damage(folder: Path, changes: list[tuple]) -> None:
    for change in changes:
        paths = sorted(path for path in folder.rglob("*") if path.is_file() and "logs" not in path.parts)
        # As often a table of the portal as one of the many files of counts.
        tables, others = [path for path in paths if path.parent == folder], [p for p in paths if p.parent != folder]
        half, place = int(change[1] * 2), change[1] * 2 % 1
        chosen = (tables, others)[half if tables and others else 0 if tables else 1]
        path = chosen[at(place, len(chosen))]
        if change[0] == "file gone":
            path.unlink()
        elif change[0] == "file of another":
            path.write_bytes(paths[at(change[2], len(paths))].read_bytes())
        else:
            path.write_bytes(changed(path.read_bytes(), change))


def lines_of(path: Path) -> list[str]:
    """A table's header and rows, read with nothing of the reader's."""
    lines = [line.rstrip("\r") for line in path.read_bytes().decode("utf-8-sig").split("\n")]
    lines = [line for line in lines if line]
    while lines[0].startswith("#") or not lines[0].strip():
        lines.pop(0)
    return lines


def clinical_patients(folder: Path) -> set[str]:
    header, *rows = (
        [cell.strip().strip('"').strip() for cell in line.split("\t")] for line in lines_of(folder / "clinical.tsv")
    )
    names = ("cases.submitter_id", "case_submitter_id", "submitter_id")
    column = header.index(next(name for name in names if name in header))
    found = {row[column] for row in rows}
    return {name for name in found if name != "'--" and not is_missing_word(name.lower())}


def lost(cohort: Cohort, reasons: tuple[str, ...]) -> int:
    entries = (line for line in cohort.ledger.entries if line.action == "dropped")
    return sum(line.count for line in entries if any(reason in line.what for reason in reasons))


def require_all_accounted_for(folder: Path, cohort: Cohort) -> None:
    """Every patient and every row of the sample sheet is in the cohort or in the ledger, and in one of them."""
    patients = clinical_patients(folder)
    assert set(cohort.patients) <= patients
    assert len(cohort.patients) + lost(cohort, PATIENTS_LOST) == len(patients), str(cohort.ledger)
    assert len(cohort.patients) + lost(cohort, SAMPLES_LOST) == len(lines_of(folder / SHEET)) - 1, str(cohort.ledger)
    assert (cohort.time > 0).all()


def test_the_sound_downloads_are_accounted_for(sound: Path):
    cohort = read_cohort(sound, endpoint="OS")
    assert list(cohort.patients) == [patient(number) for number in range(1, 5)]
    assert cohort.time.tolist() == [90, 80, 60, 70]
    require_all_accounted_for(sound, cohort)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES)
@example(changes=[("cell", 0.4, 0.99, 0.75, "TCGA-AA-0002")])
def test_a_damaged_download_is_refused_in_words_or_loses_no_patient_in_silence(
    sound: Path, tmp_path_factory: pytest.TempPathFactory, changes: list[tuple]
):
    folder = tmp_path_factory.mktemp("damaged") / "download"
    shutil.copytree(sound, folder)
    damage(folder, changes)
    try:
        cohort = read_cohort(folder, endpoint="OS")
    except CohortError as error:
        said: str | Cohort = str(error)
    else:
        said = cohort
    if isinstance(said, str):
        assert str(folder.parent) not in said
    else:
        require_all_accounted_for(folder, said)
    shutil.rmtree(folder.parent)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.integers(1, 6), place=PLACE, byte=st.integers(1, 255))
def test_with_a_manifest_no_byte_of_a_file_that_is_read_can_change_unseen(
    sound: Path, tmp_path_factory: pytest.TempPathFactory, number: int, place: float, byte: int
):
    folder = tmp_path_factory.mktemp("damaged") / "download"
    shutil.copytree(sound, folder)
    (folder / "MANIFEST.txt").write_text(manifest_text(folder))
    path = sorted(folder.rglob("*star_gene_counts.tsv"))[number - 1]
    content = bytearray(path.read_bytes())
    content[at(place, len(content))] ^= byte
    path.write_bytes(content)
    with pytest.raises(CohortError, match=path.name):
        read_cohort(folder, endpoint="OS")
    shutil.rmtree(folder.parent)
