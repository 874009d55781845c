"""GDC's tables as it writes them: whole rows or none, quotation marks or not, and ``'--`` where nothing is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from features.errors import CohortError
from features.tables import known_words, read_header, read_strings, readable, shown

#: What GDC writes where nothing is known; older releases wrote two hyphens alone.
NOT_KNOWN = "'--"
_MARK = b"\xef\xbb\xbf"


def read_gdc_table(path: Path) -> pd.DataFrame:
    """Read a sample sheet, a manifest or a clinical table as words.

    Parameters
    ----------
    path : Path

    Returns
    -------
    DataFrame of str
        NaN where nothing is known; columns under their names, stripped.

    Raises
    ------
    CohortError
        If it is no table, a column occurs twice, or a row is cut short.
    """
    with readable(path):
        data = path.read_bytes()
    refuse_other_content(data, path)
    _require_whole_rows(data, path)
    words = read_strings(path)
    # Not read as quotation: a lone mark would swallow the rows after it.
    bare = {name: words[name].str.strip('"').replace(NOT_KNOWN, "") for name in words.columns}
    table = known_words(pd.DataFrame(bare, index=words.index))
    names = pd.Index([name.strip('"').strip() for name in table.columns])
    if names.has_duplicates:
        raise CohortError(f"{shown(path)}: column {names[names.duplicated()][0]!r} occurs twice; download it anew.")
    return table.set_axis(names, axis=1)


def require_columns(table: pd.DataFrame, names: Sequence[str], path: Path) -> None:
    """Raise CohortError unless the table has all these columns."""
    missing = [name for name in names if name not in table]
    if missing:
        has = ", ".join(table.columns[:6])
        raise CohortError(f"{shown(path)}: has no column {missing[0]!r} (it has {has} …); download it anew.")


def refuse_other_content(data: bytes, path: Path) -> None:
    """Raise CohortError if a file holds nothing, or the page or message that a server sent in its place."""
    start = data[:256].removeprefix(_MARK).lstrip()
    if not data.strip():
        raise CohortError(f"{shown(path)}: is empty; download it anew.")
    if start.startswith((b"<", b"{")):
        what = "a web page" if start.startswith(b"<") else "a server's message"
        raise CohortError(f"{shown(path)}: is {what}, not a table; download the file itself.")


def _require_whole_rows(data: bytes, path: Path) -> None:
    n_comments, header = read_header(path)
    for number, line in enumerate(data.replace(b"\r\n", b"\n").split(b"\n"), start=1):
        if b"\0" in line or b"\r" in line:
            raise CohortError(f"{shown(path)}: line {number} holds bytes that are no text; download it anew.")
        n_fields = line.count(b"\t") + 1
        if number > n_comments and line and n_fields != len(header):
            raise CohortError(
                f"{shown(path)}: line {number} has {n_fields} fields, the header {len(header)}: it is cut short or was "
                "edited; download it anew."
            )
