"""Whole lines of a text file, gzip or not, many at a time, and never more of them in memory than is stated."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from features.profile_blocks import ProfileFileError

#: Of text that are read at once.
BLOCK_BYTES = 2**23
#: Of one line: 60,000 genes with 100 characters each.
LONGEST_LINE = 2**23
#: How much a gzipped file may unpack to, in its own sizes: figures make a fifth, mere zeros a thousandth.
MOST_UNPACKED = 100
#: What every gzipped file may unpack to.
UNPACKED_OF_ANY_FILE = 2**24
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class TextLines:
    """A file of text.

    Parameters
    ----------
    path : Path
    name : str
        What errors call it.
    block_bytes : int
        How much is read at once.
    """

    path: Path
    name: str
    block_bytes: int = BLOCK_BYTES

    def first(self) -> bytes:
        """Return the first line, with its end.

        Raises
        ------
        ProfileFileError
            If the line is too long, or the file damaged.
        """
        with self._opened() as file:
            line = file.readline(LONGEST_LINE + 1)
        if len(line) > LONGEST_LINE:
            raise self._too_long()
        return line

    def after(self, n_bytes: int) -> Iterator[bytes]:
        """Yield what stands after so many bytes: whole lines, each with its end.

        Raises
        ------
        ProfileFileError
            If a line is too long, if the file is damaged, or if it unpacks to far more than its size.
        """
        with self._opened() as file:
            file.seek(n_bytes)
            rest = b""
            while read := file.read(self.block_bytes):
                self._require_bounded(file.tell())
                rest += read
                self._require_short(rest)
                if end := rest.rfind(b"\n") + 1:
                    yield rest[:end]
                    rest = rest[end:]
            if rest:
                yield rest + b"\n"

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        try:
            with self.path.open("rb") as file:
                zipped = file.read(2) == _GZIP
                file.seek(0)
                if not zipped:
                    yield file
                    return
                with gzip.GzipFile(fileobj=file) as unzipped:
                    yield cast("IO[bytes]", unzipped)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ProfileFileError(f"{self.name}: is damaged ({type(error).__name__}); copy it anew.") from error
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise ProfileFileError(f"{self.name}: cannot be read ({reason}).") from error

    def _require_short(self, lines: bytes) -> None:
        end = lines.find(b"\n")
        if (end if end >= 0 else len(lines)) > LONGEST_LINE:
            raise self._too_long()

    def _too_long(self) -> ProfileFileError:
        return ProfileFileError(
            f"{self.name}: has a line of more than {LONGEST_LINE} bytes; end each patient's line with \\n, or keep "
            "only the genes of the panel."
        )

    def _require_bounded(self, n_unpacked: int) -> None:
        n_bytes = self.path.stat().st_size
        if n_unpacked > max(UNPACKED_OF_ANY_FILE, MOST_UNPACKED * n_bytes):
            raise ProfileFileError(
                f"{self.name}: unpacks to more than {MOST_UNPACKED} times its {n_bytes} bytes; unpack it, or keep only "
                "the genes of the panel."
            )
