"""Files of patients: every format gives the same patients, and what is wrong is told by its row."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest

from features.profile_blocks import ProfileFileError
from features.profile_files import format_of, open_profiles

GENES = ["CD44", "CXCR4", "ENSG00000090339"]
WORDS = ["stage", "age"]


@pytest.fixture
def patients():
    values = [[1.5, 2.25, np.nan], [0.0, -3.5, 1e-3], [4.0, 5.0, 6.0]]
    table = pd.DataFrame(values, index=["a", "b", "c, d"], columns=GENES).rename_axis("id")
    return table.assign(stage=["III", None, "Stage IIA"], age=["61", "70", None], other="x")


def all_of(file):
    """All blocks of a file as one table, its faults by row, and the row numbers."""
    numbers = [file.columns.index(gene) for gene in GENES]
    words = [file.columns.index(word) for word in WORDS]
    blocks = list(file.blocks(numbers, words))
    table = pd.DataFrame(
        np.concatenate([b.numbers for b in blocks]), columns=GENES, index=[i for b in blocks for i in b.ids]
    )
    for word in WORDS:
        table[word] = pd.Series([v for block in blocks for v in block.words[word]], table.index, dtype=object)
    faults = {int(block.rows[i]): fault for block in blocks for i, fault in block.faults.items()}
    return table, faults, [int(row) for block in blocks for row in block.rows]


def write_anndata(patients, path):
    anndata = pytest.importorskip("anndata")
    obs = patients.drop(columns=GENES).fillna("").astype(str)
    anndata.AnnData(patients[GENES].to_numpy(), obs=obs, var=pd.DataFrame(index=GENES)).write_h5ad(path)


WRITERS = {
    "p.csv": lambda patients, path: patients.to_csv(path),
    "p.tsv": lambda patients, path: patients.to_csv(path, sep="\t"),
    "p.csv.gz": lambda patients, path: path.write_bytes(gzip.compress(patients.to_csv().encode())),
    "p.parquet": lambda patients, path: patients.to_parquet(path),
    "p.pq": lambda patients, path: patients.reset_index().to_parquet(path, index=False),
    "p.h5ad": write_anndata,
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning", "ignore::pandas.errors.Pandas4Warning")
def test_every_format_gives_the_same_patients(patients, tmp_path, name):
    WRITERS[name](patients, tmp_path / name)
    table, faults, rows = all_of(open_profiles(tmp_path / name))
    assert not faults
    assert rows == [1, 2, 3]
    pd.testing.assert_frame_equal(table[GENES], patients[GENES], check_names=False)
    assert table["stage"].tolist() == ["III", None, "Stage IIA"]
    assert [None if age is None else float(age) for age in table["age"]] == [61.0, 70.0, None]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "\n", "\n\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_marks_and_line_endings_change_nothing(patients, tmp_path, ending, last, mark):
    text = mark + patients.to_csv(lineterminator=ending).rstrip() + last
    (tmp_path / "p.csv").write_bytes(text.encode())
    table, faults, rows = all_of(open_profiles(tmp_path / "p.csv"))
    assert not faults
    assert rows == [1, 2, 3]
    pd.testing.assert_frame_equal(table[GENES], patients[GENES], check_names=False)


def test_a_word_or_a_short_row_is_the_fault_of_its_row_alone(patients, tmp_path):
    lines = patients.to_csv().splitlines()
    lines[2] = lines[2].replace("-3.5", "high")
    lines.append("e,1,2")
    (tmp_path / "p.csv").write_text("\n".join(lines))
    table, faults, rows = all_of(open_profiles(tmp_path / "p.csv"))
    assert rows == [1, 2, 3, 4]
    assert faults == {
        2: "column 'CXCR4' holds a word where a number must stand.",
        4: "has 3 fields where the header has 7.",
    }
    np.testing.assert_array_equal(table[GENES].to_numpy()[[0, 2]], patients[GENES].to_numpy()[[0, 2]])
    assert table.index.tolist() == ["a", "b", "c, d", "e"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("p.csv", b"", "its header has 0 column"),
        ("p.csv", b"id\n1\n", "its header has 1 column"),
        ("p.csv", "id,CD44,größe\n".encode("latin-1"), "is not text in UTF-8"),
        ("p.parquet", b"PAR1 not", "is not a Parquet file"),
        ("p.h5ad", b"not", "is not an AnnData file"),
        ("p.xlsx", b"x", "its format is not known"),
    ],
)
def test_what_is_no_file_of_patients_is_refused_by_name(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ProfileFileError, match=f"{name}: .*{words}"):
        open_profiles(tmp_path / name)


def test_a_file_that_was_cut_off_is_refused(patients, tmp_path):
    whole = gzip.compress(pd.concat([patients] * 50).to_csv().encode())
    (tmp_path / "p.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ProfileFileError, match=r"p\.csv\.gz: is damaged"):
        all_of(open_profiles(tmp_path / "p.csv.gz"))


def test_words_in_a_parquet_column_are_faults_of_their_rows_as_in_text(patients, tmp_path):
    patients.assign(CD44=["1.5", "high", "NA"]).to_parquet(tmp_path / "p.parquet")
    table, faults, _ = all_of(open_profiles(tmp_path / "p.parquet"))
    assert faults == {2: "column 'CD44' holds a word where a number must stand."}
    np.testing.assert_array_equal(table["CD44"], [1.5, np.nan, np.nan])


def test_a_missing_file_is_refused_without_a_trace(tmp_path):
    with pytest.raises(ProfileFileError, match=r"gone\.csv: cannot be read \(No such file"):
        open_profiles(tmp_path / "gone.csv")


@pytest.mark.parametrize(("name", "form"), [("A.CSV", "csv"), ("a.txt.gz", "tsv"), ("a.h5ad", "h5ad"), ("a", None)])
def test_the_suffix_tells_the_format(name, form):
    assert format_of(name) == form
