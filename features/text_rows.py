"""One line of CSV or TSV as its fields: what a line means depends on no other line."""

from __future__ import annotations

import re

import numpy as np

_QUOTE, _NEWLINE, _RETURN = b'"\n\r'
_BOM = b"\xef\xbb\xbf"
# Possessive: a mark that is never closed is found out in one pass.
_QUOTED = re.compile(r'"((?:[^"]++|"")*+)"')


class RowError(ValueError):
    """A line cannot be divided into fields; its words complete "row 3 …"."""


def fields_of(line: bytes, separator: str) -> list[str]:
    """Return the fields of a line.

    Parameters
    ----------
    line : bytes
        With or without its end.
    separator : str

    Returns
    -------
    list of str
        A field in quotation marks without them, a doubled mark in it as one; marks within other fields as they are.

    Raises
    ------
    RowError
        If it is not UTF-8, holds a carriage return, or a quotation mark is never closed: no field goes beyond its line.
    """
    text = _decoded(line.removesuffix(b"\n").removesuffix(b"\r"))
    if '"' not in text:
        return text.split(separator)
    if text.count('"') % 2:
        raise RowError("has a quotation mark without its pair; a field ends in the line in which it begins.")
    fields, at = [], 0
    while True:
        field, at = _field(text, at, separator)
        fields.append(field)
        if at == len(text):
            return fields
        at += 1


def is_plain(lines: bytes, separator: str) -> bool:
    """Return whether any reader of CSV divides these whole lines as `fields_of` does.

    They are when they are UTF-8, end in a newline with or without one carriage return, which stands nowhere else, and
    quotation marks stand in pairs at the edges of fields of one line only.
    """
    if lines.startswith(_BOM) or not _is_utf8(lines):
        return False
    if b"\r" in lines and lines.count(b"\r") != lines.count(b"\r\n"):
        return False
    return b'"' not in lines or _marks_are_edges(lines, ord(separator))


def _decoded(line: bytes) -> str:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise RowError(f"is not text in UTF-8 (byte {error.start + 1} of its line); save the file as UTF-8.") from None
    if "\r" in text:
        raise RowError("holds a carriage return within its line; end lines with \\n, and nothing else.")
    return text


def _field(text: str, at: int, separator: str) -> tuple[str, int]:
    """Return the field that begins here, and where it ends."""
    if text.startswith('"', at):
        match = _QUOTED.match(text, at)
        if match is None or text[match.end() : match.end() + 1] not in ("", separator):
            raise RowError("has a field that begins with a quotation mark and does not end with one.")
        return match[1].replace('""', '"'), match.end()
    end = text.find(separator, at)
    end = len(text) if end < 0 else end
    return text[at:end], end


def _is_utf8(lines: bytes) -> bool:
    if lines.isascii():
        return True
    try:
        lines.decode()
    except UnicodeDecodeError:
        return False
    return True


def _marks_are_edges(lines: bytes, separator: int) -> bool:
    # The last byte is a newline: it stands before the first field too, at -1, and after the last.
    text = np.frombuffer(lines, np.uint8)
    marks = np.flatnonzero(text == _QUOTE)
    if len(marks) % 2:
        return False
    opening, closing = marks[::2], marks[1::2]
    before, after = text[opening - 1], text[closing + 1]
    newlines = np.flatnonzero(text == _NEWLINE)
    return bool(
        np.all((before == separator) | (before == _NEWLINE))
        and np.all((after == separator) | (after == _NEWLINE) | (after == _RETURN))
        and np.array_equal(np.searchsorted(newlines, opening), np.searchsorted(newlines, closing))
    )
