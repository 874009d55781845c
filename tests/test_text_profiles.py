"""Text files of patients: a line means the same whatever stands before or after it, and memory is bounded."""

from __future__ import annotations

import csv
import gzip
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import text_lines
from features.profile_blocks import ProfileFileError
from features.text_profiles import TextProfiles
from features.text_rows import RowError, fields_of, is_plain

HEADER = b"id,CD44,CXCR4,stage\n"
SOUND = [b"p1,1.5,2,III\n", b'"p 2",,-3e-2,"Stage II"\n', b"NA, 4 ,5.25,NA\r\n", "Müller,7,.5,\n".encode()]
BAD = [
    b"p9,1,2\n",
    b"p9,1,2,III,IV\n",
    b"p9,high,2,III\n",
    b"p9,inf,2,III\n",
    b"p9,1_0,2,III\n",
    b'p9,1,2,"III\n',
    b'p"9,1,2,III\n',
    b'"p"9",1,2,III\n',
    b"p\xff9,1,2,III\n",
    b"p9,1,\r2,III\n",
    b"   \n",
    b"p9,1,2,III",
]


def patients_of(tmp_path, text, **options):
    """Each patient's id, numbers, words and fault."""
    path = tmp_path / "p.csv"
    path.write_bytes(text)
    found = []
    for block in TextProfiles(path, "p.csv", separator=",", **options).blocks([0, 1], [2]):
        rows = zip(block.rows.tolist(), block.ids, block.numbers.tolist(), block.words["stage"], strict=True)
        found += [(*map(repr, row), block.faults.get(i)) for i, row in enumerate(rows)]
    return found


@given(
    lines=st.lists(st.sampled_from(SOUND), min_size=1, max_size=8),
    bad=st.sampled_from(BAD) | st.binary(max_size=30).map(lambda junk: junk.replace(b"\n", b"") + b"\n"),
    block_bytes=st.integers(1, 200),
)
def test_a_bad_row_changes_no_other_row_in_any_block_size(tmp_path_factory, lines, bad, block_bytes):
    tmp_path = tmp_path_factory.getbasetemp()
    alone = patients_of(tmp_path, HEADER + b"".join(lines))
    assert len(alone) == len(lines)
    assert [each[-1] for each in alone] == [None] * len(lines)
    for size in (block_bytes, text_lines.BLOCK_BYTES):
        together = patients_of(tmp_path, HEADER + b"".join(lines) + bad, block_bytes=size)
        assert together[: len(lines)] == alone
        assert len(together) <= len(lines) + 1


@given(cell=st.text(alphabet="0123456789+-.eE _infaNx\t", max_size=7))
def test_a_number_is_the_same_beside_a_bad_row_and_alone(tmp_path_factory, cell):
    tmp_path = tmp_path_factory.getbasetemp()
    text = HEADER + f"p1,{cell},2,III\n".encode()
    alone, beside = (patients_of(tmp_path, text + more)[0] for more in (b"", b"x,y\n"))
    assert alone == beside


@pytest.mark.parametrize("word", ["1_0", "inf", "-Infinity", "nan(1)", "１", "0x10", "1e400", "1d3", "True", "1,5"])
def test_what_other_readers_take_for_a_number_is_a_word(tmp_path, word):
    (patient,) = patients_of(tmp_path, HEADER + f'p1,"{word}",2,III\n'.encode())
    assert patient[-1] == "column 'CD44' holds a word where a number must stand."


def test_a_field_of_any_length_is_a_fault_of_its_row_alone(tmp_path):
    found = patients_of(tmp_path, HEADER + b"".join(SOUND) + b"p9," + b"z" * 200_000 + b",2,III\n")
    assert found[:-1] == patients_of(tmp_path, HEADER + b"".join(SOUND))
    assert "holds a word" in found[-1][-1]


def test_ids_are_stripped_and_may_be_any_word(tmp_path):
    ids = [each[1] for each in patients_of(tmp_path, HEADER + b" p1,1,2,III\nNA,1,2,III\nnull,1,2,III\n,1,2,III\n")]
    assert ids == ["'p1'", "'NA'", "'null'", "''"]


def test_a_quoted_line_break_makes_no_patient(tmp_path):
    found = patients_of(tmp_path, HEADER + b'"a\nb",1,2,III\nc,1,2,III\n')
    assert [each[1] for each in found] == ["''", "''", "'c'"]
    assert [each[-1] is None for each in found] == [False, False, True]
    assert "quotation mark without its pair" in found[0][-1]


def test_bytes_that_are_not_utf_8_are_a_fault_and_merge_no_ids(tmp_path):
    found = patients_of(tmp_path, HEADER + b"M\xfcller,1,2,III\nM\xf6ller,1,2,III\n")
    assert all("is not text in UTF-8 (byte 2 of its line)" in each[-1] for each in found)


CELLS = st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), max_size=6)


@given(st.lists(CELLS, min_size=2, max_size=5))
def test_what_a_csv_writer_writes_is_read_back(cells):
    class Sink(list):
        write = list.append

    sink = Sink()
    csv.writer(sink, lineterminator="\n").writerow(cells)
    assert fields_of(sink[0].encode(), ",") == cells


@given(st.lists(st.text('ab",\r ', max_size=8), min_size=1, max_size=4))
def test_plain_lines_are_divided_alike_by_other_readers(lines):
    text = "".join(line + "\n" for line in lines).encode()
    if not is_plain(text, ","):
        return
    expected = [row for row in csv.reader(text.decode().splitlines()) if row]
    assert [fields_of(line, ",") for line in text.split(b"\n") if line.strip(b"\r")] == expected


@given(st.binary(max_size=40))
def test_any_line_is_divided_or_refused_in_words(line):
    try:
        fields = fields_of(line, ",")
    except RowError:
        return
    assert len(fields) >= 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"id,CD44\rp1,1\r", "its first line holds a carriage return"),
        (b'id,"CD44\np1,1\n', "its first line has a quotation mark without its pair"),
        (b"a" * (2**23 + 1), "has a line of more than 8388608 bytes"),
        (b"id,CD44\n" + b"a" * (2**23 + 1) + b"\n", "has a line of more than 8388608 bytes"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, text, words):
    path = tmp_path / "p.csv"
    path.write_bytes(text)
    with pytest.raises(ProfileFileError, match=rf"p\.csv: {words}"):
        list(TextProfiles(path, "p.csv", separator=",").blocks([0], []))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"a" * 2**28, "has a line of more than"),
        (HEADER + b"a" * 2**28, "has a line of more than"),
        (HEADER + (b"p,1,2,III" + b" " * 1000 + b"\n") * 2**17, "unpacks to more than 100 times"),
    ],
    ids=["first line", "a line", "many lines"],
)
def test_a_small_file_that_unpacks_to_much_is_refused_in_bounded_memory(tmp_path, text, words):
    path = tmp_path / "p.csv.gz"
    path.write_bytes(gzip.compress(text, 1))
    tracemalloc.start()
    try:
        with pytest.raises(ProfileFileError, match=words):
            for _ in TextProfiles(path, "p.csv.gz", separator=",").blocks([0], []):
                pass
        assert tracemalloc.get_traced_memory()[1] < 2**27
    finally:
        tracemalloc.stop()


def test_a_file_of_many_blocks_is_read_whole_and_in_order(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("id,CD44\n" + "".join(f"p{i},{i}.0\n" for i in range(500)))
    blocks = list(TextProfiles(path, "p.csv", separator=",", block_bytes=200).blocks([0], []))
    assert len(blocks) > 10
    assert [name for block in blocks for name in block.ids] == [f"p{i}" for i in range(500)]
    np.testing.assert_array_equal(np.concatenate([block.numbers[:, 0] for block in blocks]), np.arange(500.0))
    np.testing.assert_array_equal(np.concatenate([block.rows for block in blocks]), np.arange(1, 501))
