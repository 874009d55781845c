"""The one decorator of compiled functions, and where their machine code is kept between processes."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Literal

from numba import njit
from numba.core import config as untyped_config

__all__ = ["CONTRACT", "cache_folder", "compiled", "defining_sources", "digest"]

#: numba's settings, which its types do not know.
config: Any = untyped_config
PACKAGE = Path(__file__).resolve().parent
#: A module that defines compiled functions imports the decorator, from here.
MARK = b"training.compiled import"
PREFIX = "compiled-"
#: Products and sums may be joined, of LLVM's liberties with floating point.
CONTRACT = frozenset({"contract"})


def compiled(
    function: Callable[..., Any] | None = None,
    *,
    inline: Literal["never", "always"] = "never",
    fastmath: frozenset[str] = frozenset(),
) -> Any:
    """Compile a function where it is first called, without Python's lock, and keep the machine code on disk.

    Parameters
    ----------
    function : callable
    inline : str
        ``always`` puts it into its callers.
    fastmath : set of str
        LLVM's liberties with floating point, such as `CONTRACT`.

    Notes
    -----
    numba asks of kept machine code only whether the file of that one function is the same. But what a function takes
    from other modules is in it, too: their constants, as numbers, and the functions that it calls. Kept by that rule,
    a kernel goes on with a constant that was changed elsewhere, and says nothing. So all of it is kept in a folder
    named by a digest of every module that defines compiled functions.
    """
    if function is None:
        return lambda wrapped: compiled(wrapped, inline=inline, fastmath=fastmath)
    folder = cache_folder()
    with _kept_in(folder):
        dispatcher = njit(
            error_model="numpy", nogil=True, cache=folder is not None, inline=inline, fastmath=set(fastmath)
        )(function)
    if folder is not None:
        _save_one_at_a_time(dispatcher, folder / "lock")
    return dispatcher


@cache
def cache_folder() -> Path | None:
    """Return the folder of this code's machine code, made if it is not there; None if no place can be written to.

    Notes
    -----
    Beside the package, else in the user's cache folder; in ``NUMBA_CACHE_DIR`` where that is set. What other states of
    this code left is removed: a process that still runs such a one then compiles what it lacks.
    """
    name = PREFIX + digest(defining_sources())
    for parent in _parents():
        folder = parent / name
        try:
            new = not folder.is_dir()
            folder.mkdir(parents=True, exist_ok=True)
            # Asked by writing: permissions say nothing of a file system that is mounted to be read only.
            tempfile.TemporaryFile(dir=folder).close()
        except OSError:
            continue
        if new:
            for other in parent.glob(f"{PREFIX}*"):
                if other != folder:
                    shutil.rmtree(other, ignore_errors=True)
        return folder
    return None


def _parents() -> tuple[Path, ...]:
    """Return the places to keep machine code in, the best first; each is this installation's own."""
    own = "ctc-prognosis-" + hashlib.sha256(bytes(PACKAGE)).hexdigest()[:12]
    if config.CACHE_DIR:
        return (Path(config.CACHE_DIR) / own,)
    of_user = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - without a home it stays
    return (PACKAGE / "__pycache__", *([Path(of_user) / own] if os.path.isabs(of_user) else []))  # noqa: PTH117


def defining_sources(package: Path = PACKAGE) -> dict[str, bytes]:
    """Return the source of every module of a package that defines compiled functions, by its path in it."""
    sources = {path.relative_to(package).as_posix(): path.read_bytes() for path in sorted(package.rglob("*.py"))}
    return {name: source for name, source in sources.items() if MARK in source}


def digest(sources: dict[str, bytes]) -> str:
    """Return what names these sources: another text, or another module, gives another name."""
    found = hashlib.sha256()
    for name, source in sources.items():
        found.update(f"{name}\0{len(source)}\0".encode() + source)
    return found.hexdigest()[:16]


@contextmanager
def _kept_in(folder: Path | None) -> Iterator[None]:
    """Let numba keep what is declared within in a folder; what other packages compile stays where it was."""
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder or before)
    try:
        yield
    finally:
        config.CACHE_DIR = before


def _save_one_at_a_time(dispatcher: Any, lock: Path) -> None:
    """Let one process at a time write to the folder.

    numba replaces whole files, but reads its index before: two processes that compile one function for two kinds of
    arguments at once would take the same file for both, and the index would then name the other's machine code. What
    cannot be written, as after another state of the code has removed the folder, is compiled again next time.
    """
    kept = dispatcher._cache._cache_file
    save = kept.save

    def alone(key: object, data: object) -> None:
        with suppress(OSError), lock.open("wb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            save(key, data)

    kept.save = alone
