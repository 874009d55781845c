"""Whether files are whole: rows as wide as the header, an end to the last line, only text, and no link to nowhere."""

from __future__ import annotations

import csv
from pathlib import Path

from features.errors import CohortError
from features.ledger import Ledger
from features.tables import LITERAL, Head, Quoting, bytes_of, decimal_commas, head, opened, readable, shown

#: What the ledger says of a file that may have been cut within its last value.
_NO_END = "files whose last line has no end: if one was cut, its last value is short"


def whole_ledger(path: Path, *, quoting: Quoting = LITERAL, encoding: str = "utf-8-sig") -> Ledger:
    """Look a clinical table through for what reading it does not show.

    Parameters
    ----------
    path : Path
        A Parquet file is whole if it can be read.
    quoting : Quoting
    encoding : str

    Returns
    -------
    Ledger
        Lines for rows with fewer fields than the header, and for a last line that has no end.

    Raises
    ------
    CohortError
        If the file holds NUL bytes, or ends within a row.
    """
    if path.suffix == ".parquet":
        return Ledger()
    first = head(path, encoding)
    n_fields = max((at for at, name in enumerate(first.fields(quoting), start=1) if name), default=1)
    with readable(path), opened(path, encoding) as lines:
        text = lines.read()
    require_text(text, path)
    rows = [row for row in csv.reader(text.splitlines(), delimiter=first.divider, quoting=quoting) if row]
    short = [len(row) for row in rows[first.n_before + 1 :] if len(row) < n_fields]
    ended = text.endswith(("\n", "\r"))
    if short and not ended and len(rows[-1]) < n_fields:
        raise CohortError(
            f"{shown(path)}: ends within a row ({len(rows[-1])} of {n_fields} fields): it was cut short; copy it anew."
        )
    what = f"rows of {path.name} with fewer fields than its header; what is not there is read as missing"
    ledger = Ledger().with_note("kept", what, len(short)) if short else Ledger()
    return ledger.with_entry("kept", _NO_END, () if ended else (path.name,))


def matrix_ledger(path: Path, *, quoting: Quoting = LITERAL, first: Head | None = None) -> Ledger:
    """Return what there is to say of a matrix in text: decimal commas, and a last line that has no end.

    Notes
    -----
    A packed file has its own proof that it is whole, and is not unpacked for this.
    """
    if path.suffix == ".parquet":
        return Ledger()
    named = (path.name,) if decimal_commas(path, quoting=quoting, first=first) else ()
    ledger = Ledger().with_entry("converted", "numbers with decimal commas read as with points", named)
    return ledger.with_entry("kept", _NO_END, () if path.suffix == ".gz" or _has_end(path) else (path.name,))


def require_text(text: str, path: Path) -> None:
    """Raise CohortError if a text holds NUL bytes."""
    at = text.find("\0")
    if at >= 0:
        line = text.count("\n", 0, at) + 1
        raise CohortError(
            f"{shown(path)}: line {line} holds a NUL byte: it is damaged, no text, or UTF-16; copy it anew, or save it "
            "as UTF-8."
        )


def _has_end(path: Path) -> bool:
    with readable(path), path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(file.tell() - 1, 0))
        return file.read(1) in {b"\n", b"\r"}


def text_encoding(path: Path) -> str:
    """Return the encoding of a clinical table: UTF-8, or Latin-1 where it cannot be that.

    Notes
    -----
    UCSC's phenotypes of Toil are in Latin-1, in which any file can be read: ids and codes are the same in both.
    """
    with readable(path), bytes_of(path) as file:
        content = file.read()
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8-sig"


def refuse_broken_links(folder: Path) -> None:
    """Raise CohortError if a folder cannot be listed, or a link in it leads nowhere: its file would not be missed."""
    with readable(folder):
        broken = sorted(file for file in folder.iterdir() if file.is_symlink() and not file.exists())
    if broken:
        raise CohortError(f"{shown(broken[0])}: is a link that leads nowhere; put the file in its place, or remove it.")
