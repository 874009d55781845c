"""Cells of a file of patients as ids, numbers and words: one set of rules, whatever its format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from features.clinical import DECIMAL
from features.tables import MISSING_NUMBERS

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Blanks around a number.
BLANKS = " \t"
_MISSING = frozenset(MISSING_NUMBERS)
_MISSING_CELLS = pa.array([None, *MISSING_NUMBERS], pa.string())
_NUMBER = f"^{DECIMAL.pattern}$"


class NoNumbersError(TypeError):
    """A column is of a kind that holds no numbers."""


def ids_of(cells: Sequence[Any]) -> list[str]:
    """Return ids without blanks around them; empty where there is none. An id may be any word, ``NA`` too."""
    return ["" if cell is None else str(cell).strip() for cell in cells]


def numbers_of(column: pa.Array) -> tuple[Floats, Bools]:
    """Return an Arrow column as numbers, NaN where empty, and which of its cells hold a word.

    Raises
    ------
    NoNumbersError
        If it is a column of truth values, dates, lists or the like.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return numbers_of(column.cast(kind.value_type))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _numbers_of_text(column.cast(pa.string()))
    if not (is_numeric(kind) or pa.types.is_null(kind)):
        raise NoNumbersError(str(kind))
    values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.asarray(values, dtype=np.float64), np.zeros(len(column), dtype=bool)


def is_numeric(kind: pa.DataType) -> bool:
    """Return whether an Arrow type is one of numbers; truth values are none."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _numbers_of_text(cells: pa.Array) -> tuple[Floats, Bools]:
    bare = pc.utf8_trim(cells, BLANKS)
    looks = pc.fill_null(pc.match_substring_regex(bare, _NUMBER), fill_value=False)
    values = pc.if_else(looks, bare, pa.scalar(None, pa.string())).cast(pa.float64())
    numbers = np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)
    missing = pc.is_in(bare, value_set=_MISSING_CELLS).to_numpy(zero_copy_only=False)
    # 1e400 is written like a number, and is none.
    words = ~missing & ~np.isfinite(numbers)
    return np.where(words, np.nan, numbers), words


def words_of(cells: Sequence[Any]) -> list[Any]:
    """Return cells as clinical readers take them; most are one of a few words."""
    known: dict[Any, Any] = {}
    return [known[cell] if cell in known else known.setdefault(cell, word_of(cell)) for cell in cells]


def word_of(value: Any) -> Any:
    """Return a cell as clinical readers take it; None where it is empty."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    if isinstance(value, str):
        bare = value.strip()
        return None if bare in _MISSING else bare
    return value.item() if isinstance(value, np.generic) else value


def is_number(cell: Any) -> bool:
    """Return whether a cell, as `word_of` returns it, is a number or written like one."""
    if isinstance(cell, str):
        return DECIMAL.fullmatch(cell) is not None
    return cell is not None and not isinstance(cell, bool)


def stacked(columns: Sequence[Floats], n_rows: int) -> Floats:
    """Return columns side by side; there may be none."""
    return np.column_stack(columns) if columns else np.empty((n_rows, 0))
