"""Decimal commas: told from points and from thousands where that can be told, and refused where it cannot."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.decimal_marks import decimal_mark, with_decimal_points
from features.errors import CohortError


@pytest.mark.parametrize(
    ("rows", "mark"),
    [
        *[([["1.5", "2"]], "."), ([["1,5", "2"]], ","), ([["3", "2"]], "."), ([], "."), ([["-0,25"]], ",")],
        *[([["3", "0,125"]], ","), ([[",5"]], ","), ([["1,234"], ["7,5"]], ","), ([["1,234"], ["7.5"]], ".")],
        *[([["1,5e-3"]], ","), ([["a,b", "x"]], "."), ([["1,2,3"]], "."), ([["1234,567"]], ",")],
    ],
)
def test_a_file_s_mark_is_told_by_the_first_row_that_can_tell(rows: list[list[str]], mark: str):
    assert decimal_mark(rows, "here") == mark


@pytest.mark.parametrize(
    ("rows", "message"),
    [([["1,5", "2.5"]], "with decimal points and with decimal commas"), ([["1,234", "56,789"]], "divides thousands")],
)
def test_what_cannot_be_told_is_refused_with_how_to_mend_it(rows: list[list[str]], message: str):
    with pytest.raises(CohortError, match=rf"here: .*{message}.*; write"):
        decimal_mark(rows, "here")


@given(st.lists(st.floats(0.001, 9_000), min_size=1))
def test_times_and_ages_come_back_whatever_mark_they_are_written_with(numbers: list[float]):
    written = [f"{number:.4f}".replace(".", ",") for number in numbers]
    table = pd.DataFrame({"OS": "1", "OS_MONTHS": written, "age": written, "sites": "1,2"}, dtype="str")
    mended, ledger = with_decimal_points(table, "here")
    for name in ("OS_MONTHS", "age"):
        assert mended[name].astype(float).tolist() == [float(f"{number:.4f}") for number in numbers]
    assert mended["sites"].tolist() == table["sites"].tolist()
    assert [entry.count for entry in ledger.entries] == [len(numbers)] * 2


def test_a_table_with_points_stays_as_it_is():
    table = pd.DataFrame({"OS": ["1", "0"], "OS.time": ["12.5", None], "age": ["50", "61"]}, dtype="str")
    mended, ledger = with_decimal_points(table, "here")
    assert mended.equals(table)
    assert not ledger.entries
