"""The supervisor: it starts real processes, and leaves none."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from experiments.supervisor import ChildError, Supervisor, answers

# A process that starts another one in a session of its own, as BentoML does with its workers, and names it.
PARENT_OF_ANOTHER = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], start_new_session=True)
print(child.pid, flush=True)
time.sleep(300)
"""
SERVER = """
import http.server, sys
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(300)"


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def python(code: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code, *arguments)


def said(log: Path) -> str:
    deadline = time.monotonic() + 20
    while not (text := log.read_text().strip()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return text


def is_gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def test_leaving_stops_a_process_and_what_it_started_in_a_session_of_its_own(tmp_path):
    with Supervisor(tmp_path) as supervisor:
        child = supervisor.start("parent", python(PARENT_OF_ANOTHER), environment=os.environ)
        grandchild = int(said(child.log))
        assert psutil.pid_exists(grandchild)
    assert child.process.returncode is not None
    assert is_gone(grandchild)


def test_a_process_that_ignores_sigterm_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.supervisor.GRACE_SECONDS", 0.5)
    with Supervisor(tmp_path) as supervisor:
        child = supervisor.start("deaf", python(DEAF), environment=os.environ)
        assert said(child.log) == "deaf"
    assert is_gone(child.process.pid)


def test_readiness_is_an_answer(tmp_path, unused_port):
    with Supervisor(tmp_path) as supervisor:
        child = supervisor.start("server", python(SERVER, str(unused_port)), environment=os.environ, directory=tmp_path)
        supervisor.wait_until_ready(child, f"http://127.0.0.1:{unused_port}/", seconds=20)
        assert answers(f"http://127.0.0.1:{unused_port}/")
        assert not answers(f"http://127.0.0.1:{unused_port}/nothing-here")
    assert not answers(f"http://127.0.0.1:{unused_port}/")


def test_a_process_that_ends_by_itself_is_reported_with_its_last_words(tmp_path):
    broken = python("import sys; print('out of paper'); sys.exit(3)")
    with Supervisor(tmp_path) as supervisor:
        supervisor.start("printer", broken, environment=os.environ)
        with pytest.raises(ChildError, match=r"printer ended with exit code 3; see .*out of paper"):
            supervisor.watch()


def test_one_that_never_answers_is_given_up(tmp_path, unused_port):
    with Supervisor(tmp_path) as supervisor:
        child = supervisor.start("mute", python("import time; time.sleep(300)"), environment=os.environ)
        with pytest.raises(ChildError, match=r"mute did not answer .* within 0.3 seconds"):
            supervisor.wait_until_ready(child, f"http://127.0.0.1:{unused_port}/", seconds=0.3)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_supervisor_stops_its_processes(tmp_path, number):
    code = f"""
        import os
        from pathlib import Path
        from experiments.supervisor import Supervisor, interruptible
        with interruptible(), Supervisor(Path({str(tmp_path)!r})) as supervisor:
            child = supervisor.start("sleeper", {python("import time; time.sleep(300)")!r}, environment=os.environ)
            print(child.process.pid, flush=True)
            supervisor.watch()
    """
    with subprocess.Popen(python(textwrap.dedent(code)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as desk:
        sleeper = int(desk.stdout.readline())
        desk.send_signal(number)
        desk.wait(timeout=20)
    assert is_gone(sleeper)
