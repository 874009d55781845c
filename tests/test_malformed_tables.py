"""Malformed Xena folders and plain tables: a right cohort or an error in words, and every patient accounted for."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from features.cohort import Cohort
from features.errors import CohortError, PrognosisError
from features.readers import read_cohort

PATIENTS = [f"TCGA-AA-000{number}" for number in range(6)]
DAYS = [100, 2000, 300, 900, 1500, 40]
VALUES = {
    "CD44": [1.5, 2.0, 3.25, 0.5, 4.0, 2.5],
    "ICAM1": [0.0, 1.25, 2.0, 7.5, 3.0, 1.0],
    "TP53": [5, 4, 3, 2, 1.5, 6],
}

Change = Callable[[str], str]
Packing = Callable[[bytes], bytes]


def matrix(suffix: str = "-01") -> str:
    rows = [["sample", *(patient + suffix for patient in PATIENTS)]]
    rows += [[gene, *map(str, values)] for gene, values in VALUES.items()]
    return "".join("\t".join(row) + "\n" for row in rows)


def survival(suffix: str = "-01") -> str:
    rows = [["sample", "OS", "OS.time", "gender"]]
    rows += [[p + suffix, str(n % 2), str(DAYS[n]), "FEMALE"] for n, p in enumerate(PATIENTS)]
    return "".join("\t".join(row) + "\n" for row in rows)


def each_line(change: Callable[[str], str]) -> Change:
    return lambda text: "".join(change(line) + "\n" for line in text.splitlines())


def line_at(number: int, change: Callable[[str], str]) -> Change:
    def changed(text: str) -> str:
        lines = text.splitlines()
        lines[number] = change(lines[number])
        return "\n".join(lines) + "\n"

    return changed


def field_at(row: int, column: int, word: str) -> Change:
    def changed(line: str) -> str:
        fields = line.split("\t")
        fields[column] = word
        return "\t".join(fields)

    return line_at(row, changed)


#: What may be done to a table without any harm: the cohort is the same to the bit.
HARMLESS: dict[str, Change] = {
    "carriage returns": lambda text: text.replace("\n", "\r\n"),
    "old Macintosh line ends": lambda text: text.replace("\n", "\r"),
    "no line end at the end": lambda text: text.rstrip("\n"),
    "blank lines at the end": lambda text: text + "\n\n",
    "blank lines first": lambda text: "\n\n" + text,
    "comments first": lambda text: "# made by hand\n#\n" + text,
    "a byte-order mark": lambda text: "\ufeff" + text,
    "a trailing tab in each row": each_line(lambda line: line + "\t"),
    "a trailing tab in the header": line_at(0, lambda line: line + "\t"),
    "blanks around the fields": each_line(lambda line: line.replace("\t", " \t ")),
    "commas for tabs": lambda text: text.replace("\t", ","),
    "semicolons for tabs": lambda text: text.replace("\t", ";"),
    "semicolons and decimal commas": lambda text: text.replace("\t", ";").replace(".time", "_DAYS").replace(".", ","),
    "decimal commas": lambda text: text.replace(".time", "_DAYS").replace(".", ","),
}
#: What a matrix may be spoiled by, and what is said of it; None: read, and checked for what is left.
SPOILED_MATRIX: dict[str, tuple[Change, str | None]] = {
    "empty": (lambda text: "", "is empty"),
    "a header only": (lambda text: text.splitlines()[0] + "\n", None),
    "a word": (field_at(1, 2, "high"), r"column 'TCGA-AA-0001-01' holds 1 words \(first: 'high'\)"),
    "a word in the last row": (field_at(3, 6, "#N/A!"), "holds 1 words"),
    "a truth value": (field_at(2, 3, "TRUE"), "holds 1 words"),
    "infinity": (field_at(2, 3, "inf"), "infinite"),
    "minus infinity": (field_at(2, 3, "-Inf"), "infinite"),
    "a missing value": (field_at(2, 3, "NA"), None),
    "a blank value": (field_at(2, 3, ""), None),
    "a blank in the last column": (field_at(2, 6, ""), None),
    "one decimal comma": (field_at(1, 2, "2,5"), "decimal points and with decimal commas"),
    "one decimal comma further down": (field_at(3, 2, "2,5"), "holds|decimal"),
    "thousands": (field_at(1, 1, "1,234"), "decimal|words|cannot be told"),
    "all thousands": (
        lambda text: text.replace("\t0.", "\t1.").replace(".5", ",500").replace(".25", ",250").replace(".0", ""),
        "thousands|decimal",
    ),
    "a cut row": (line_at(3, lambda line: line[:9]), "fewer fields than the header"),
    "a cut row within": (line_at(2, lambda line: "\t".join(line.split("\t")[:3])), "fewer fields than the header"),
    "a longer row": (line_at(2, lambda line: line + "\t7"), "is not a table"),
    "all rows longer": (
        line_at(0, lambda line: line.rpartition("\t")[0]),
        "more fields than the header",
    ),
    "a repeated sample": (field_at(0, 2, "TCGA-AA-0000-01"), None),
    "a nameless sample": (field_at(0, 2, ""), None),
    "a nameless gene": (field_at(2, 0, ""), None),
    "a repeated gene": (field_at(2, 0, "CD44"), None),
    "all genes nameless": (each_line(lambda line: "\t" + line.partition("\t")[2]), "no gene"),
    "a date for a gene": (field_at(2, 0, "1-Mar"), None),
    "a number for a gene": (field_at(2, 0, "2.31E+19"), None),
    "negative on a scale from zero": (lambda text: text.replace("\t", "\t-"), "lie below|belongs to|same ids"),
    "beyond any logarithm": (field_at(1, 1, "8000"), "no logarithm"),
    "no row varies": (lambda text: "".join([text.splitlines()[0] + "\n", "CD44" + "\t1" * 6 + "\n"]), "no gene varies"),
    "one column": (each_line(lambda line: line.split("\t")[0]), None),
    "null bytes": (field_at(2, 3, "1\x002"), None),
    "quotes": (each_line(lambda line: '"' + line.replace("\t", '"\t"') + '"'), None),
    "an open quote": (field_at(2, 0, '"ICAM1'), None),
    "ids of others": (lambda text: text.replace("TCGA-AA", "TCGA-ZZ"), "use the same ids"),
    "ids in small letters": (line_at(0, str.lower), None),
    "a very long line": (line_at(3, lambda line: line + "\t" * 300_000), None),
    "the letters of another script": (field_at(2, 0, "Ген"), None),
    "a pointer of Git LFS": (lambda text: "version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
    "a page of the web": (lambda text: "<html><body>503 Service Unavailable</body></html>\n", None),
}
SPOILED_SURVIVAL: dict[str, tuple[Change, str | None]] = {
    "empty": (lambda text: "", "is empty"),
    "a header only": (lambda text: text.splitlines()[0] + "\n", None),
    "no time": (lambda text: text.replace("OS.time", "other"), "no table of survival|no OS|which"),
    "a repeated column": (lambda text: text.replace("gender", "OS"), "column 'OS' occurs twice"),
    "a repeated sample": (field_at(2, 0, "TCGA-AA-0000-01"), None),
    "a nameless sample": (field_at(2, 0, ""), None),
    "a dead patient without a date": (field_at(2, 2, ""), None),
    "no status": (field_at(2, 1, ""), None),
    "an unknown status": (field_at(2, 1, "perhaps"), "status words are unknown"),
    "coded one and two": (
        lambda text: text.replace("\t1\t", "\t2\t").replace("\t0\t", "\t1\t"),
        "status words are unknown",
    ),
    "words for status": (lambda text: text.replace("\t1\t", "\tDead\t").replace("\t0\t", "\tAlive\t"), None),
    "a word for a time": (field_at(2, 2, "long"), "time must be a number"),
    "a date for a time": (field_at(2, 2, "2019-09-02"), "time must be a number"),
    "an infinite time": (field_at(2, 2, "inf"), "time must be a number"),
    "a time of zero": (field_at(2, 2, "0"), None),
    "a negative time": (field_at(2, 2, "-12"), None),
    "no usable time": (
        lambda text: "".join(
            line.rpartition("\t")[0].rpartition("\t")[0] + "\t\tx\n" if n else line + "\n"
            for n, line in enumerate(text.splitlines())
        ),
        "no patient has a usable OS",
    ),
    "a missing word": (field_at(2, 2, "[Not Available]"), None),
    "a short row": (line_at(2, lambda line: line.partition("\t")[0]), None),
    "a longer row": (line_at(2, lambda line: line + "\tmore"), "is not a table"),
    "a column without a name": (each_line(lambda line: line + "\tx"), None),
    "null bytes": (field_at(2, 2, "4\x005"), None),
    "not UTF-8": (field_at(2, 3, "M\xe4nnlich"), None),
    "ids of others": (lambda text: text.replace("TCGA-AA", "TCGA-ZZ"), "use the same ids|neither its columns nor"),
    "one column": (each_line(lambda line: line.split("\t")[0]), "one column only|no table of survival|no OS"),
    "a page of the web": (lambda text: "<html>\n<body>503</body>\n", None),
}
PACKINGS: dict[str, Packing] = {
    "cut": lambda content: gzip.compress(content)[:-20],
    "cut in the head": lambda content: gzip.compress(content)[:5],
    "not packed": lambda content: content,
    "a changed byte": lambda content: (packed := gzip.compress(content))[:40] + bytes([packed[40] ^ 255]) + packed[41:],
    "no bytes": lambda content: b"",
    "rubbish behind": lambda content: gzip.compress(content) + b"rubbish",
}


def xena(folder: Path, expression: str, outcome: str) -> Path:
    folder.mkdir()
    (folder / "HiSeqV2.gz").write_bytes(gzip.compress(expression.encode()))
    (folder / "KIRC_survival.txt").write_bytes(outcome.encode())
    return folder


def plain(folder: Path, expression: str, outcome: str) -> Path:
    folder.mkdir()
    (folder / "cohort.toml").write_text('cancer_type = "KIRC"\nscale = "log2_tpm_1"\n')
    (folder / "expression.tsv").write_bytes(expression.encode())
    (folder / "clinical.tsv").write_bytes(outcome.encode())
    return folder


WRITERS = {"Xena": xena, "plain": plain}


def attempt(folder: Path) -> Cohort | str:
    """Read a folder: the cohort, or the error in one line."""
    try:
        return read_cohort(folder, endpoint="OS")
    except PrognosisError as error:
        return str(error)


def check(found: Cohort | str, message: str | None) -> None:
    """Check that an error is the expected one, or that each patient is there with their own time, or in the ledger."""
    if isinstance(found, str):
        assert "\n" not in found
        if message is not None:
            with pytest.raises(CohortError, match=message):
                raise CohortError(found)
        return
    assert message is None, str(found.ledger)
    text = str(found.ledger)
    missing = [patient for patient in PATIENTS if patient not in found.patients]
    assert all(
        patient in text or "without a sample" in text or "in the clinical table" in text for patient in missing
    ), text
    for patient, days in zip(found.patients, found.time, strict=True):
        assert days == DAYS[PATIENTS.index(patient)], patient


def expected() -> dict[str, list[float]]:
    return {gene: [float(value) for value in values] for gene, values in VALUES.items()}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("harmless", HARMLESS)
@pytest.mark.parametrize("tables", ["the matrix", "the table of survival", "both"])
def test_what_does_no_harm_changes_nothing(tmp_path: Path, writer: str, harmless: str, tables: str):
    change = HARMLESS[harmless]
    expression = matrix() if tables == "the table of survival" else change(matrix())
    outcome = survival() if tables == "the matrix" else change(survival())
    if writer == "plain":
        expression, outcome = expression.replace("-01", ""), outcome.replace("-01", "")
    cohort = read_cohort(WRITERS[writer](tmp_path / "cohort", expression, outcome), endpoint="OS")
    assert list(cohort.patients) == PATIENTS
    assert cohort.expression.to_dict("list") == expected()
    assert cohort.time.tolist() == DAYS
    assert cohort.event.tolist() == [False, True] * 3
    assert cohort.clinical["sex"].tolist() == ["female"] * 6


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("fault", SPOILED_MATRIX)
def test_a_spoiled_matrix_is_read_rightly_or_refused_in_words(tmp_path: Path, writer: str, fault: str):
    change, message = SPOILED_MATRIX[fault]
    suffix = "" if writer == "plain" else "-01"
    expression = change(matrix()).replace("-01", suffix)
    found = attempt(WRITERS[writer](tmp_path / "cohort", expression, survival(suffix)))
    check(found, None if message is None else message.replace("-01", suffix))


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("fault", SPOILED_SURVIVAL)
def test_a_spoiled_table_of_survival_is_read_rightly_or_refused_in_words(tmp_path: Path, writer: str, fault: str):
    change, message = SPOILED_SURVIVAL[fault]
    suffix = "" if writer == "plain" else "-01"
    folder = WRITERS[writer](tmp_path / "cohort", matrix(suffix), change(survival()).replace("-01", suffix))
    if fault == "not UTF-8":
        table = folder / ("clinical.tsv" if writer == "plain" else "KIRC_survival.txt")
        table.write_bytes(table.read_text(encoding="utf-8").encode("latin-1"))
    check(attempt(folder), message)


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_damaged_package_is_refused_in_words(tmp_path: Path, packing: str):
    folder = xena(tmp_path / "cohort", matrix(), survival())
    (folder / "HiSeqV2.gz").write_bytes(PACKINGS[packing](matrix().encode()))
    found = attempt(folder)
    assert isinstance(found, str)
    assert "HiSeqV2.gz: " in found
    assert "\n" not in found


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_damaged_package_of_which_a_panel_is_read_is_refused_in_words(tmp_path: Path, packing: str):
    folder = xena(tmp_path / "cohort", matrix(), survival())
    (folder / "HiSeqV2.gz").write_bytes(PACKINGS[packing](matrix().encode()))
    with pytest.raises(CohortError, match=r"HiSeqV2\.gz: "):
        read_cohort(folder, endpoint="OS", only=["CD44"])


def test_decimal_commas_are_in_the_ledger(tmp_path: Path):
    text = survival().replace("OS.time", "OS_MONTHS").replace("\t100\t", "\t3,5\t").replace("\t2000\t", "\t65,25\t")
    text = text.replace("\t1500\t", "\t50\t").replace("\t900\t", "\t30\t").replace("\t300\t", "\t10\t")
    cohort = read_cohort(xena(tmp_path / "cohort", matrix().replace(".", ","), text), endpoint="OS")
    told = str(cohort.ledger)
    assert "converted 2: OS_MONTHS: decimal commas read as points" in told
    assert "converted 1: numbers with decimal commas read as with points (HiSeqV2.gz)" in told
    assert cohort.time.tolist()[:2] == [107, 1986]


def test_a_time_without_a_unit_is_declared_in_the_settings_of_a_plain_table(tmp_path: Path):
    text = survival("").replace("OS.time", "time").replace("\tOS\t", "\tstatus\t")
    for number, days in enumerate(DAYS):
        text = text.replace(f"\t{days}\t", f"\t{number + 12}\t")
    folder = plain(tmp_path / "cohort", matrix(""), text)
    with pytest.raises(CohortError, match=r"column time: in which unit .* time_unit = \"days\" .* in cohort\.toml"):
        read_cohort(folder, endpoint="OS")
    with (folder / "cohort.toml").open("a") as file:
        file.write('time_unit = "months"\n')
    cohort = read_cohort(folder, endpoint="OS")
    assert cohort.time.tolist() == [365, 396, 426, 457, 487, 517]
    assert "converted 6: time: months to whole days" in str(cohort.ledger)
