"""Readers of other packages: the documented example as it stands, which reader wins, and what is said of a bad one."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import REPOSITORY

from features.errors import CohortError
from features.readers import find_cohorts, read_cohort, reader_of

DOCUMENTED = (REPOSITORY / "docs" / "cohort_formats.md").read_text(encoding="utf-8")
EXPORT = {
    "cancer_type": "KIRC",
    "expression": {"p1": {"CD44": 2.5, "SDF1": 1.0}, "p2": {"CD44": 1.5, "SDF1": 3.0}, "p3": {"CD44": 0.5}},
    "patients": {
        "p1": {"OS_STATUS": "1", "OS_DAYS": 100, "age": 50},
        "p2": {"OS_STATUS": "0", "OS_DAYS": 2000, "age": None},
        "p3": {"OS_STATUS": None, "OS_DAYS": 300, "age": 70},
    },
}
READER = """
from features.assembly import RawCohort
from features.errors import CohortError

class Reader:
    layout = "{name}.txt"

    def recognises(self, folder):
        {recognises}
        return (folder / "{name}.txt").is_file()

    def read(self, folder, declared):
        {read}
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Install]:
    """Install a package with one reader, as pip would: a module and its entry point on the path."""
    site = tmp_path / "site"
    sys.path.insert(0, str(site))

    def installed(package: str, reader: str, code: str, attribute: str) -> None:
        folder = site / f"{package}-1.0.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[ctc_prognosis.readers]\n{reader} = {package}:{attribute}\n")
        (site / f"{package}.py").write_text(code)

    yield installed
    sys.path.remove(str(site))


def documented(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", DOCUMENTED, re.DOTALL)
    assert found
    return found[1]


def registry(folder: Path, content: str = json.dumps(EXPORT), settings: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "registry.json").write_text(content)
    (folder / "cohort.toml").write_text(settings)
    return folder


def test_the_documented_reader_reads_a_cohort(tmp_path: Path, install: Install):
    entry = re.fullmatch(
        r'\[project\.entry-points\."ctc_prognosis\.readers"\]\n(\w+) = "(\w+):(\w+)"\n', documented("toml")
    )
    assert entry
    install(entry[2], entry[1], documented("python"), entry[3])
    folder = registry(tmp_path / "export")
    cohort = read_cohort(folder, endpoint="OS")
    assert (cohort.source, cohort.cancer_type, cohort.scale) == ("registry export export", "KIRC", "log2_tpm_1")
    assert cohort.expression.to_dict("list") == {"CD44": [2.5, 1.5], "CXCL12": [1.0, 3.0]}
    assert cohort.time.tolist() == [100, 2000]
    assert cohort.clinical["age"].fillna(-1).tolist() == [50, -1]
    told = [str(line) for line in cohort.ledger.entries]
    assert "guessed 1: scale, as the registry exports it (log2_tpm_1)" in told
    assert "dropped 1: patients without OS status or time (p3)" in told
    assert find_cohorts([tmp_path]) == [folder]
    with pytest.raises(CohortError, match=r"export/registry\.json: is not JSON"):
        read_cohort(registry(tmp_path / "export", "{"), endpoint="OS")


def test_shipped_readers_go_first_unless_the_folder_names_another(tmp_path: Path, install: Install):
    code = READER.format(name="clinical", recognises="return True", read='raise CohortError("read by the other")')
    install("greedy_formats", "greedy", code, "Reader")
    folder = tmp_path / "cohort"
    folder.mkdir()
    (folder / "cohort.toml").write_text('cancer_type = "KIRC"\nscale = "tpm"\n')
    (folder / "expression.csv").write_text("id,CD44,ICAM1\np1,1,2\np2,2,3\n")
    (folder / "clinical.csv").write_text("id,OS,OS_DAYS\np1,1,10\np2,0,20\n")
    assert read_cohort(folder, endpoint="OS").source == "plain table folder cohort"
    with (folder / "cohort.toml").open("a") as settings:
        settings.write('reader = "greedy"\n')
    with pytest.raises(CohortError, match="read by the other"):
        read_cohort(folder, endpoint="OS")
    (tmp_path / "other").mkdir()
    assert reader_of(tmp_path / "other").name == "greedy"


def test_a_reader_that_is_not_installed_is_answered_with_those_that_are(tmp_path: Path, install: Install):
    install("polite_formats", "polite", READER.format(name="x", recognises="", read="return None"), "Reader")
    folder = registry(tmp_path / "export", settings='reader = "registry of ours"\n')
    with pytest.raises(CohortError, match=r"there is no reader 'registry of ours'; known are .* polite \(x\.txt\)"):
        read_cohort(folder, endpoint="OS")


RAW = "RawCohort('', 'KIRC', 'tpm', None, None, None, None, None, None)"
FAULTS = {
    "raising": ("", 'raise KeyError("secret of p7")', r"could not read cohort: KeyError in raising\.py, line 13;"),
    "failing": ("", "return {}['secret']", r"could not read cohort: KeyError in failing\.py, line 13;"),
    "looking": ("1 / 0", "return None", r"could not look at cohort: ZeroDivisionError in looking\.py, line 9;"),
    "empty": ("", "return None", r"read cohort and returned NoneType, but a reader returns a features\.assembly"),
    "hollow": ("", f"return {RAW}", r"could not describe cohort: AttributeError in \w+\.py, line \d+;"),
}


@pytest.mark.parametrize("package", FAULTS)
def test_what_a_reader_raises_is_one_line_that_names_it_and_no_value(tmp_path: Path, install: Install, package: str):
    recognises, read, message = FAULTS[package]
    install(package, package, READER.format(name=package, recognises=recognises, read=read), "Reader")
    folder = tmp_path / "cohort"
    folder.mkdir()
    (folder / f"{package}.txt").write_text("")
    with pytest.raises(CohortError, match=rf"^installed reader '{package}' \({package}\): {message}") as caught:
        read_cohort(folder, endpoint="OS")
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_reader_that_cannot_be_imported_stops_no_other(
    tmp_path: Path, install: Install, caplog: pytest.LogCaptureFixture
):
    install("absent_formats", "absent", "import a_package_that_is_not_there\n", "Reader")
    (tmp_path / "cohort").mkdir()
    with pytest.raises(CohortError, match="is no cohort folder of a known format"):
        read_cohort(tmp_path / "cohort", endpoint="OS")
    assert "installed reader 'absent' (absent_formats): could not be imported: ModuleNotFoundError" in caplog.text
    folder = registry(tmp_path / "export", settings='reader = "absent"\n')
    with pytest.raises(CohortError, match="could not be imported: ModuleNotFoundError"):
        read_cohort(folder, endpoint="OS")
