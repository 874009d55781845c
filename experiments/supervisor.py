"""Child processes that live and die together: started, waited for, watched, and stopped with all they started."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import NoReturn, Self

import psutil

from features.errors import PrognosisError

#: How long a process may take to finish what it is doing before it is killed.
GRACE_SECONDS = 10.0
POLL_SECONDS = 0.2
LOG_LINES_SHOWN = 5


class ChildError(PrognosisError):
    """A process that should be running is not; the message ends with what it said last."""


@dataclass(frozen=True)
class Child:
    """A running process and the file that holds what it says."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def require_running(self) -> None:
        """Raise `ChildError` if the process has ended."""
        code = self.process.poll()
        if code is not None:
            raise ChildError(f"{self.name} ended with exit code {code}; {self._last_words()}")

    def _last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"see {self.log}, which ends: " + " | ".join(lines[-LOG_LINES_SHOWN:])


class Supervisor:
    """Start processes; on the way out, stop them and all that they started.

    Parameters
    ----------
    logs : Path
        Folder for a log file per process.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(
        self, name: str, command: Sequence[str], *, environment: Mapping[str, str], directory: Path | None = None
    ) -> Child:
        """Start a process in a session of its own, so that the terminal's Ctrl-C reaches only its supervisor."""
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self._logs / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=directory,
                start_new_session=True,
            )
        child = Child(name, process, log)
        self._children.append(child)
        return child

    def wait_until_ready(self, child: Child, url: str, *, seconds: float) -> None:
        """Wait until the address answers with success.

        Raises
        ------
        ChildError
            If the process ends before, or does not answer in time.
        """
        deadline = time.monotonic() + seconds
        while not answers(url):
            child.require_running()
            if time.monotonic() > deadline:
                raise ChildError(f"{child.name} did not answer at {url} within {seconds:g} seconds; see {child.log}.")
            time.sleep(POLL_SECONDS)

    def watch(self) -> NoReturn:
        """Look after the processes until one of them ends.

        Raises
        ------
        ChildError
            Then.
        """
        while True:
            self.require_running()
            time.sleep(POLL_SECONDS)

    def require_running(self) -> None:
        """Raise `ChildError` if one of the processes has ended."""
        for child in self._children:
            child.require_running()

    def stop(self) -> None:
        """Ask every process to end, and kill what is still there after a while, or at a second Ctrl-C."""
        # Workers may have sessions of their own, which a signal to their parent's group would not reach.
        everything = [process for child in self._children for process in _with_descendants(child.process.pid)]
        with contextlib.suppress(KeyboardInterrupt, subprocess.TimeoutExpired):
            deadline = time.monotonic() + GRACE_SECONDS
            for child in self._children:
                child.process.terminate()
            for child in self._children:
                child.process.wait(max(deadline - time.monotonic(), 0))
        # Those asked have ended, and have ended theirs, or had their time.
        for process in everything:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for child in self._children:
            child.process.wait()
        self._children.clear()


def answers(url: str) -> bool:
    """Return whether an address on this machine answers with success."""
    # A proxy of the environment's knows nothing of this machine's ports.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as response:
            return bool(response.status < 400)
    except (urllib.error.URLError, OSError):
        return False


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM, SIGHUP and SIGINT alike raise KeyboardInterrupt, so that all of them stop what was started."""

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    # SIGINT too: a shell that starts a job in the background has it ignored.
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave_ctrl_c_to_the_parent() -> None:
    """Ignore SIGINT: the terminal sends it to workers too, each of which would print a traceback."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _with_descendants(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
