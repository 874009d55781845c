"""Puts bundles and files into place so that a process that is killed leaves nothing there by halves."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.bundle import BundleError, bundle_digest

_LOCK, _SCRATCH = ".lock", ".scratch-"
#: How long one process waits for another that stores into the same folder; both may, it only costs.
_LOCK_SECONDS = 20.0


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Store into a folder, made if need be, as the only process, as far as the others let that happen in time."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as lock:
        if _locked(lock.fileno()):
            for left in folder.glob(f"{_SCRATCH}*"):
                shutil.rmtree(left, ignore_errors=True)
        yield


def _locked(descriptor: int) -> bool:
    end = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        except OSError:
            # Not every network file system can lock: what is stored there is whole without it too.
            return False
        else:
            return True


@contextmanager
def scratch_in(folder: Path) -> Iterator[Path]:
    """Lend a folder beside the place of what is put together in it."""
    scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=folder))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def to_disk(path: Path) -> None:
    """Wait until a file or a folder is on the disk."""
    # A rename may reach the disk before what was renamed does, and the power may fail between the two.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_bundle(folder: Path, digest: str) -> bool:
    """Tell whether a folder is the undamaged bundle of a digest."""
    try:
        return bundle_digest(folder) == digest
    except (BundleError, OSError):
        return False


def put_in_place(fetched: Path, folder: Path, digest: str) -> None:
    """Move a bundle from a scratch folder to its place; of two equal ones the first stays.

    Parameters
    ----------
    fetched : Path
        Within a folder of `scratch_in`, on the same file system.
    folder : Path
    digest : str
        The bundle's.
    """
    for path in (*fetched.rglob("*"), fetched):
        to_disk(path)
    # Another process may have put its own there meanwhile, and may be reading it.
    if is_bundle(folder, digest):
        return
    if folder.exists():
        folder.rename(fetched.with_name("damaged"))
    try:
        fetched.rename(folder)
    except OSError:
        if not is_bundle(folder, digest):
            raise
