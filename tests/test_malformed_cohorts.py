"""Malformed folders of text formats: an error in words, or a cohort that is right, with every lost patient counted.

Each file of a small sound folder is spoiled in each way that is listed here, one at a time. What is read must be what
the sound folder holds of it: the same times, events and values of the same patients. Some two thousand cases are more
than each run needs: PROGNOSIS_ALL_SPOILED_COHORTS=1 in the environment tries them all, as was done when they were made.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from cohort_folders import FORMATS, PATIENTS, Format, parquet, written
from spoiled_cohorts import attempt, require_clear, require_right

from features.cohort import Cohort
from features.readers import read_cohort

Text = Callable[[str, str], str | bytes]

#: How many cases of each format a run tries.
N_CASES = {
    **{"cBioPortal": 85, "Xena legacy": 75, "Xena GDC": 55, "Toil": 55, "GDC": 60},
    **{"GCT": 60, "GCT 1.3": 40, "plain TSV": 45, "plain CSV": 30, "one table": 30},
}


def lines(change: Callable[[list[str]], list[str]]) -> Text:
    return lambda text, _: "".join(line + "\n" for line in change(text.splitlines()))


def header_at(text_lines: list[str]) -> int:
    """Where the header of a table stands: after comments, and the two lines of a GCT file."""
    after = 2 if text_lines[0].startswith("#1.") else 0
    return next(at for at, line in enumerate(text_lines) if at >= after and not line.startswith("#"))


def rows(change: Callable[[list[list[str]]], list[list[str]]], *, header: bool = True) -> Text:
    """Change the fields of the header and the rows, or of the rows alone."""

    def changed(text: str, divider: str) -> str:
        found = text.splitlines()
        at = header_at(found) + (not header)
        fields = change([line.split(divider) for line in found[at:]])
        return "".join(line + "\n" for line in [*found[:at], *(divider.join(row) for row in fields)])

    return changed


def without_column(at: int) -> Text:
    return rows(lambda table: [row[:at] + row[at + 1 :] if at >= 0 else row[:at] for row in table])


def as_bytes(change: Callable[[bytes], bytes]) -> Text:
    return lambda text, _: change(text.encode())


def with_byte_changed(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0x80]) + data[middle + 1 :]


#: What is done to any text file.
ANY_TEXT: dict[str, Text] = {
    "empty": lambda text, _: "",
    "blank lines only": lambda text, _: "\n\n\n",
    "cut after a third": lambda text, _: text[: len(text) // 3],
    "cut after two thirds": lambda text, _: text[: 2 * len(text) // 3],
    "cut before the last three letters": lambda text, _: text[:-4],
    "cut after the last line but one": lines(lambda found: found[:-1]),
    "no line end at the end": lambda text, _: text.rstrip("\n"),
    "UTF-16": as_bytes(lambda data: data.decode().encode("utf-16")),
    "UTF-16 without a mark": as_bytes(lambda data: data.decode().encode("utf-16-be")),
    "a byte-order mark": lambda text, _: "\ufeff" + text,
    "carriage returns": lambda text, _: text.replace("\n", "\r\n"),
    "old Macintosh line ends": lambda text, _: text.replace("\n", "\r"),
    "a NUL byte in the middle": lambda text, _: text[: len(text) // 2] + "\0" + text[len(text) // 2 :],
    "NUL bytes at the end": lambda text, _: text + "\0" * 512,
    "one byte no UTF-8": as_bytes(with_byte_changed),
    "a picture": lambda text, _: b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4,
    "packed under a bare name": as_bytes(lambda data: gzip.compress(gzip.compress(data))),
    "a page of the web": lambda text, _: "<!DOCTYPE html>\n<html><body>503 Service Unavailable</body></html>\n",
    "a server's message": lambda text, _: '{"error": {"code": 404, "message": "not found"}}\n',
    "a pointer of Git LFS": lambda text, _: "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n",
    "a line of words at the end": lambda text, _: text + "-- exported by a program\n",
}
#: What is done to tables of any kind.
ANY_TABLE: dict[str, Text] = {
    "the rows the other way round": rows(lambda table: table[::-1], header=False),
    "the last row twice": rows(lambda table: [*table, table[-1]], header=False),
    "the header twice": rows(lambda table: [table[0], *table]),
    "the header once more in the middle": rows(lambda table: [*table[:3], table[0], *table[3:]]),
    "no header": rows(lambda table: table[1:]),
    "the header only": rows(lambda table: table[:1]),
    "the first column gone": without_column(0),
    "the second column gone": without_column(1),
    "the last column gone": without_column(-1),
    "the last column twice": rows(lambda table: [[*row, row[-1]] for row in table]),
    "the first two names exchanged": rows(lambda table: [[table[0][1], table[0][0], *table[0][2:]], *table[1:]]),
    "a name of a column gone": rows(lambda table: [[table[0][0], "", *table[0][2:]], *table[1:]]),
    "the header in capitals": rows(lambda table: [[name.upper() for name in table[0]], *table[1:]]),
    "a row cut to its half": rows(lambda table: [*table[:-2], table[-2][: len(table[-2]) // 2], table[-1]]),
    "the last row cut to its half": rows(lambda table: [*table[:-1], table[-1][: len(table[-1]) // 2]]),
    "a divider of the header gone": rows(
        lambda table: [[table[0][0], table[0][1] + table[0][2], *table[0][3:]], *table[1:]]
    ),
    "a field more in a row": rows(lambda table: [*table[:2], [*table[2], "7"], *table[3:]]),
    "a blank row in the middle": rows(lambda table: [*table[:3], [""], *table[3:]]),
    "a row without its id": rows(lambda table: [*table[:2], ["", *table[2][1:]], *table[3:]]),
    "two rows of one id": rows(lambda table: [*table[:2], [table[1][0], *table[2][1:]], *table[3:]]),
    "a tab at the end of each row": rows(lambda table: [[*row, ""] for row in table]),
    "blanks around the fields": rows(lambda table: [[f" {field} " for field in row] for row in table]),
    "blanks for dividers": lambda text, divider: text.replace(divider, " "),
    "commas for dividers": lambda text, divider: text.replace(divider, ","),
    "semicolons for dividers": lambda text, divider: text.replace(divider, ";"),
    "all fields in quotation marks": rows(lambda table: [[f'"{field}"' for field in row] for row in table]),
    "an open quotation mark": rows(lambda table: [*table[:2], ['"' + table[2][0], *table[2][1:]], *table[3:]]),
    "decimal commas": lambda text, divider: text if divider == "," else text.replace(".", ","),
    "one letter no UTF-8": rows(lambda table: [*table[:-1], [*table[-1][:-1], "Müller"]]),
}


def in_numbers(word: str) -> Text:
    """Put a word in place of a value of the matrix."""
    return rows(lambda table: [*table[:2], [*table[2][:4], word, *table[2][5:]], *table[3:]])


def in_samples(change: Callable[[str], str]) -> Text:
    return rows(lambda table: [[change(name) if "TCGA-" in name else name for name in table[0]], *table[1:]])


def gene_named(name: str) -> Text:
    return rows(lambda table: [*table[:2], [name, *table[2][1:]], *table[3:]])


MATRIX: dict[str, Text] = {
    **{
        f"{word!r} for a number": in_numbers(word) for word in ("high", "inf", "-Inf", "1e400", "0x1F", "TRUE", "1 234")
    },
    **{f"{word!r} for a number": in_numbers(word) for word in ("#REF!", "--", "1;5", "٣", "1.2.3", "", "NA")},
    **{
        f"{name!r} for a gene": gene_named(name)
        for name in ("1-Mar", "2.31E+19", "", "NA", "Ген", "?|?", "a|b|c", "x" * 9999)
    },
    "a further aliquot of each sample": rows(
        lambda table: [
            [*table[0], *(f"{name}-B" for name in table[0][1:]), *[]],
            *([*row, *row[1:]] for row in table[1:]),
        ]
    ),
    "a gene twice with other values": rows(lambda table: [*table, [table[1][0], *table[2][1:]]]),
    "normal samples only": in_samples(lambda name: name.replace("-01", "-11")),
    "samples in small letters": in_samples(str.lower),
    "samples of others": in_samples(lambda name: name.replace("TCGA-AA", "TCGA-ZZ")),
    "a sample twice": rows(lambda table: [[*table[0][:-1], table[0][-2]], *table[1:]]),
    "a sample without a name": rows(lambda table: [[*table[0][:-2], "", table[0][-1]], *table[1:]]),
}
TIMES = (
    "0",
    "-12",
    "1e9",
    "99999",
    "nan",
    "inf",
    "-inf",
    "long",
    "12 months",
    "2019-09-02",
    "1.234,5",
    "",
    "NA",
    "0x10",
)
STATUSES = ("2", "perhaps", "dead?", "-1", "1:LIVING", "0:DECEASED", "", "NA", "yes and no", "1.5")


def in_column(name: str, word: str) -> Text:
    """Put a word in the third row's field of a column."""

    def changed(table: list[list[str]]) -> list[list[str]]:
        at = table[0].index(name)
        return [*table[:3], [*table[3][:at], word, *table[3][at + 1 :]], *table[4:]]

    return rows(changed)


def exchanged(first: str, second: str) -> Text:
    def changed(table: list[list[str]]) -> list[list[str]]:
        other = {first: second, second: first}
        return [[other.get(name, name) for name in table[0]], *table[1:]]

    return rows(changed)


def outcome_changes(form: Format) -> dict[str, Text]:
    return {
        **{f"{word!r} for a time": in_column(form.time, word) for word in TIMES},
        **{f"{word!r} for a status": in_column(form.status, word) for word in STATUSES},
        "status and time exchanged": exchanged(form.status, form.time),
        "no time at all": rows(lambda table: [["other" if n == form.time else n for n in table[0]], *table[1:]]),
        "no status at all": rows(lambda table: [["other" if n == form.status else n for n in table[0]], *table[1:]]),
        "times twice": rows(lambda table: [[form.time if n == form.status else n for n in table[0]], *table[1:]]),
    }


def all_cases() -> Iterator[tuple[str, str, str]]:
    for name, form in FORMATS.items():
        files = dict.fromkeys((form.matrix, form.outcome, *form.tables, *form.texts))
        for file in files:
            yield from ((name, file, change) for change in ANY_TEXT)
            yield from ((name, file, change) for change in PLACES)
            if file.endswith(".gz"):
                yield from ((name, file, change) for change in PACKINGS)
            if file in form.texts:
                continue
            yield from ((name, file, change) for change in ANY_TABLE)
            if file == form.matrix != form.outcome:
                yield from ((name, file, change) for change in MATRIX)
            if file == form.outcome and not file.endswith(".gct.gz"):
                yield from ((name, file, change) for change in outcome_changes(form))


#: What is done to a packed file.
PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "packed and cut": lambda data: gzip.compress(data)[:-12],
    "packed and cut in the head": lambda data: gzip.compress(data)[:7],
    "not packed": lambda data: data,
    "packed in another way": zlib.compress,
    "packed with a changed byte": lambda data: with_byte_changed(gzip.compress(data)),
    "packed with a changed sum": lambda data: gzip.compress(data)[:-8] + b"\1\2\3\4" + gzip.compress(data)[-4:],
    "packed with rubbish behind": lambda data: gzip.compress(data) + b"rubbish",
    "packed in two parts": lambda data: gzip.compress(data[:100]) + gzip.compress(data[100:]),
}


def is_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def is_circle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def leads_nowhere(path: Path) -> None:
    path.unlink()
    path.symlink_to("nothing")


def leads_elsewhere(path: Path) -> None:
    path.rename(path.with_name(".kept"))
    path.symlink_to(".kept")


def is_locked(path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    path.chmod(0)


PLACES: dict[str, Callable[[Path], None]] = {
    "is not there": Path.unlink,
    "is a folder": is_folder,
    "is a link to itself": is_circle,
    "is a link to nothing": leads_nowhere,
    "is a link to a file": leads_elsewhere,
    "must not be read": is_locked,
}


def spoiled(folder: Path, form: Format, file: str, change: str) -> Path:
    """Write a sound folder with one file spoiled."""
    files: dict[str, str | bytes] = dict(form.files())
    text = str(files[file])
    if change in PLACES:
        written(folder, files)
        PLACES[change](folder / file)
        return folder
    if change in PACKINGS:
        files[file] = PACKINGS[change](text.encode())
        return written(folder, files)
    divider = "," if ".csv" in file else "\t"
    changes = ANY_TEXT | ANY_TABLE | MATRIX | outcome_changes(form)
    made = changes[change](text, divider)
    files[file] = gzip.compress(made) if isinstance(made, bytes) and file.endswith(".gz") else made
    return written(folder, files)


@cache
def sound(name: str, folder: Path) -> Cohort:
    return read_cohort(
        written(folder / name.replace(" ", "_"), FORMATS[name].files()), endpoint="OS", **FORMATS[name].declared
    )


def leaves_no_trace(form: Format, file: str, change: str) -> bool:
    """Return whether nothing in a file shows that something of it is gone: whole rows, or what was packed after it."""
    return change.startswith("cut ") and (file.endswith(".gz") or (file == form.matrix and change.endswith("but one")))


def cases() -> list[tuple[str, str, str]]:
    """Return as many cases of each format as its number, evenly drawn by their names; all if the environment asks."""
    drawn = sorted(all_cases(), key=lambda case: zlib.crc32("|".join(case).encode()))
    most = len(drawn) if "PROGNOSIS_ALL_SPOILED_COHORTS" in os.environ else 0
    return sorted(
        case for name, n in N_CASES.items() for case in [case for case in drawn if case[0] == name][: most or n]
    )


@pytest.mark.parametrize(("name", "file", "change"), cases())
def test_a_spoiled_folder_is_refused_in_words_or_read_rightly(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, name: str, file: str, change: str
):
    whole = sound(name, tmp_path_factory.getbasetemp() / "sound")
    folder = spoiled(tmp_path / "cohort", FORMATS[name], file, change)
    found = attempt(folder, FORMATS[name].declared)
    if isinstance(found, Cohort):
        require_right(found, whole, traceless=leaves_no_trace(FORMATS[name], file, change))
    else:
        require_clear(found, file)


def retyped(name: str, column: str, kind: str) -> Callable[[Path], None]:
    """Write a Parquet table anew, one of its columns of another kind."""

    def change(folder: Path) -> None:
        table = pd.read_parquet(folder / name)
        table.assign(**{column: table[column].astype(kind)}).to_parquet(folder / name)

    return change


def rewritten(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes())) and None  # type: ignore[func-returns-value]


PARQUET: dict[str, Callable[[Path], None]] = {
    **{
        f"{name}, {kind}": retyped(f"{name}.parquet", column, kind)
        for name, column, kinds in (
            ("clinical", "OS_DAYS", ("str", "float32", "int16", "category", "object")),
            ("clinical", "OS_STATUS", ("bool", "float64", "str", "category")),
            ("expression", PATIENTS[2], ("float32", "str", "object", "Float64")),
        )
        for kind in kinds
    },
    **{
        f"{name}, {what}": rewritten(f"{name}.parquet", change)
        for name in ("clinical", "expression")
        for what, change in {
            "empty": lambda data: b"",
            "cut": lambda data: data[: len(data) // 2],
            "cut by a byte": lambda data: data[:-1],
            "text": lambda data: b"id,OS_STATUS\np1,1\n",
            "packed": gzip.compress,
            "a changed byte": with_byte_changed,
            "nothing between its marks": lambda data: data[:4] + bytes(len(data) - 8) + data[-4:],
        }.items()
    },
}


def indexed_by_number(folder: Path) -> None:
    table = pd.read_parquet(folder / "clinical.parquet")
    table.reset_index().to_parquet(folder / "clinical.parquet")


def without_columns(folder: Path) -> None:
    pd.DataFrame(index=range(8)).to_parquet(folder / "clinical.parquet")


PARQUET |= {"clinical, its index a column": indexed_by_number, "clinical, no column": without_columns}


@pytest.mark.parametrize("change", PARQUET)
def test_spoiled_parquet_is_refused_in_words_or_read_rightly(tmp_path: Path, change: str):
    whole = read_cohort(parquet(tmp_path / "sound"), endpoint="OS")
    folder = parquet(tmp_path / "cohort")
    PARQUET[change](folder)
    found = attempt(folder, {})
    if isinstance(found, Cohort):
        require_right(found, whole, traceless=False)
    else:
        require_clear(found, f"{change.partition(',')[0]}.parquet")
