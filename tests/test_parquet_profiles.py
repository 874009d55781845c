"""Parquet files: which types are numbers, which words, and what is refused by its column."""

from __future__ import annotations

import decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.parquet_profiles import ParquetProfiles
from features.profile_blocks import ProfileFileError

BASE = {"id": ["a", " b", "NA"], "CD44": [1.0, 2.0, None], "age": [61, None, 70], "stage": ["III", " NA", "II"]}


def written(path, columns, metadata=None):
    table = pa.table(columns)
    pq.write_table(table if metadata is None else table.replace_schema_metadata({"pandas": metadata}), path)
    return path


def block_of(path):
    file = ParquetProfiles(path, "p.parquet")
    words = [file.columns.index(name) for name in ("age", "stage")]
    (block,) = file.blocks([file.columns.index("CD44")], words)
    return block


def test_cells_are_read_as_those_of_text_are(tmp_path):
    block = block_of(written(tmp_path / "p.parquet", BASE))
    assert block.ids == ["a", "b", "NA"]
    assert block.words == {"age": [61, None, 70], "stage": ["III", None, "II"]}
    assert not block.faults


@pytest.mark.parametrize(
    "cells",
    [
        pa.array([1, 2, None], pa.int8()),
        pa.array([1, 2, None], pa.float16()),
        pa.array([decimal.Decimal(1), decimal.Decimal(2), None], pa.decimal128(5, 2)),
        pa.array(["1", " 2.0", "NA"]),
        pa.array(["1", "2", None]).dictionary_encode(),
    ],
    ids=lambda cells: str(cells.type),
)
def test_numbers_of_every_type_are_read(tmp_path, cells):
    block = block_of(written(tmp_path / "p.parquet", BASE | {"CD44": cells}))
    np.testing.assert_array_equal(block.numbers[:, 0], [1.0, 2.0, np.nan])
    assert not block.faults


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("CD44", [True, False, None]),
        ("CD44", [{"a": 1}] * 3),
        ("CD44", pa.array([1, 2, 3], pa.date32())),
        ("age", [{"a": 1}] * 3),
        ("age", pa.array([1, 2, 3], pa.timestamp("s"))),
        ("stage", [b"III\xff"] * 3),
        ("id", [[1], [2], [3]]),
    ],
)
def test_other_types_are_refused_by_column(tmp_path, column, cells):
    with pytest.raises(ProfileFileError, match=f"column '{column}' holds values of type"):
        block_of(written(tmp_path / "p.parquet", BASE | {column: cells}))


@pytest.mark.parametrize("metadata", ["{bad", "[1]", "5"])
def test_broken_notes_of_pandas_are_refused_for_they_name_the_ids(tmp_path, metadata):
    with pytest.raises(ProfileFileError, match="what pandas noted in it is broken"):
        block_of(written(tmp_path / "p.parquet", BASE, metadata))


@pytest.mark.parametrize("metadata", ["{}", '{"index_columns": [["x"]]}', '{"index_columns": [{"kind": "range"}]}'])
def test_notes_of_pandas_that_name_no_column_leave_the_first_as_ids(tmp_path, metadata):
    assert block_of(written(tmp_path / "p.parquet", BASE, metadata)).ids == ["a", "b", "NA"]


def test_two_columns_of_a_name_are_refused_only_where_they_are_read(tmp_path):
    names = [*BASE, "note", "note"]
    arrays = [pa.array(cells) for cells in BASE.values()] + [pa.array([1, 2, 3])] * 2
    pq.write_table(pa.Table.from_arrays(arrays, names=names), tmp_path / "p.parquet")
    assert block_of(tmp_path / "p.parquet").ids == ["a", "b", "NA"]
    pq.write_table(pa.Table.from_arrays(arrays, names=[*BASE, "age", "note"]), tmp_path / "p.parquet")
    with pytest.raises(ProfileFileError, match="two columns 'age'"):
        block_of(tmp_path / "p.parquet")
