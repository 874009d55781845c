"""The processes that a training works with: they leave Ctrl-C to their parent, and do not outlive it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

from joblib import parallel_config

from experiments.supervisor import leave_ctrl_c_to_the_parent

#: Of Linux's prctl: the signal that a process gets when its parent ends.
PR_SET_PDEATHSIG = 1
POLL_SECONDS = 1.0


def with_own_workers() -> parallel_config:
    """Return the context in which joblib's workers are children that end with this process, however it ends."""
    return parallel_config("loky", initializer=belong_to, initargs=(os.getpid(),))


def belong_to(parent: int) -> None:
    """Make this process a worker of its parent, whose process id is `parent`.

    Notes
    -----
    A worker whose parent was killed would wait for its next task for ever, and until then write what it finishes
    among the checkpoints of a training that another process may have taken up again.
    """
    leave_ctrl_c_to_the_parent()
    if not dies_with_parent():
        threading.Thread(target=watch, args=(parent,), daemon=True).start()
    # The parent may have ended before it was watched.
    _end_if_orphaned(parent)


def dies_with_parent() -> bool:
    """Ask the kernel to kill this process when its parent ends, and tell whether it will; only Linux does."""
    if sys.platform != "linux":
        return False
    return bool(ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) == 0)


def watch(parent: int) -> None:
    """End this process within a second or so after its parent."""
    while True:
        _end_if_orphaned(parent)
        time.sleep(POLL_SECONDS)


def _end_if_orphaned(parent: int) -> None:
    if os.getppid() != parent:
        # Not sys.exit, which would end only the thread, nor wait for what the worker is at.
        os._exit(1)
