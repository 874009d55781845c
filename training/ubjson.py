"""Universal Binary JSON, in which xgboost keeps boosters: read as plain mappings, lists, texts and arrays."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

#: Types of numbers by their marker, as files have them: the most significant byte first.
_KINDS = {"i": "i1", "U": "u1", "I": "i2", "l": "i4", "L": "i8", "d": "f4", "D": "f8"}
_TYPES = {ord(marker): np.dtype(f">{kind}") for marker, kind in _KINDS.items()}
_SIZES = {marker: kind.itemsize for marker, kind in _TYPES.items()}
_NATIVE = {marker: kind.newbyteorder("=") for marker, kind in _TYPES.items()}
#: The whole numbers, one at a time.
_READ = {ord(marker): struct.Struct(f">{kind}").unpack_from for marker, kind in zip("iUIlL", "bBhiq", strict=True)}
_WORDS = {ord("Z"): None, ord("T"): True, ord("F"): False}
#: Objects and lists within each other: a booster's are a quarter as many.
_DEEPEST = 40


def read_ubjson(content: bytes) -> Any:
    """Return the value that a whole file holds; lists of numbers of one type are arrays.

    Raises
    ------
    ValueError
        If the file is not UBJSON, ends early, or goes on after its value.

    References
    ----------
    The format: https://ubjson.org (draft 12).
    """
    reader = _Reader(content)
    value = reader.value(reader.marker(), 0)
    if reader.place != len(content):
        raise ValueError(f"{len(content) - reader.place} bytes follow the UBJSON value")
    return value


class _Reader:
    def __init__(self, content: bytes) -> None:
        self.content = content
        self.place = 0

    def marker(self) -> int:
        return self.content[self._passed(1)]

    def value(self, marker: int, depth: int) -> Any:
        if depth > _DEEPEST:
            raise ValueError("UBJSON values lie too deep within each other")
        if marker in _READ:
            return self._whole(marker)
        if marker in _TYPES:
            return self._numbers(marker, 1)[0].item()
        if marker in _WORDS:
            return _WORDS[marker]
        if marker == ord("S"):
            return self._text(self.marker())
        if marker == ord("["):
            return self._list(depth)
        if marker == ord("{"):
            return self._mapping(depth)
        raise ValueError(f"byte {self.place - 1} is {marker:#x}, which begins no UBJSON value")

    def _mapping(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while (marker := self.marker()) != ord("}"):
            name = self._text(marker)
            found[name] = self.value(self.marker(), depth + 1)
        return found

    def _list(self, depth: int) -> Any:
        marker = self.marker()
        if marker == ord("$"):
            kind = self.marker()
            if self.marker() != ord("#"):
                raise ValueError(f"a UBJSON list of one type without a length ends at byte {self.place}")
            return self._numbers(kind, self._length(self.marker()))
        if marker == ord("#"):
            return [self.value(self.marker(), depth + 1) for _ in range(self._length(self.marker()))]
        found = []
        while marker != ord("]"):
            found.append(self.value(marker, depth + 1))
            marker = self.marker()
        return found

    def _numbers(self, marker: int, length: int) -> Any:
        kind = _TYPES.get(marker)
        if kind is None:
            raise ValueError(f"{marker:#x} at byte {self.place} is no type of number in UBJSON")
        start = self._passed(length * _SIZES[marker])
        return np.frombuffer(self.content, kind, length, start).astype(_NATIVE[marker])

    def _whole(self, marker: int) -> int:
        start = self._passed(_SIZES[marker])
        whole: int = _READ[marker](self.content, start)[0]
        return whole

    def _text(self, marker: int) -> str:
        start = self._passed(self._length(marker))
        return self.content[start : self.place].decode("utf-8")

    def _length(self, marker: int) -> int:
        if marker not in _READ:
            raise ValueError(f"{marker:#x} at byte {self.place} begins no length in UBJSON")
        length = self._whole(marker)
        if length < 0:
            raise ValueError(f"a UBJSON length at byte {self.place} is {length}")
        return length

    def _passed(self, n_bytes: int) -> int:
        """Go on by so many bytes, and return where they begin."""
        start = self.place
        self.place = start + n_bytes
        if self.place > len(self.content):
            raise ValueError(f"the UBJSON value ends early, at byte {len(self.content)}")
        return start
