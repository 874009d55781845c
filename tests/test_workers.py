"""Workers of a training: real processes, whose parent is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest

#: Two workers at long tasks; the parent says who they are and waits for them.
WITH_WORKERS = """
import os, sys, time
import joblib
from experiments.workers import with_own_workers

def name_and_sleep(path):
    with open(path, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(300)

with with_own_workers():
    joblib.Parallel(n_jobs=2)(joblib.delayed(name_and_sleep)(path) for path in sys.argv[1:])
"""
#: One child that only watches its parent, as where the kernel does not.
WITH_WATCHER = """
import os, subprocess, sys, time
watching = "from experiments.workers import watch; import sys; print(flush=True); watch(int(sys.argv[1]))"
child = subprocess.Popen([sys.executable, "-c", watching, str(os.getpid())], stdout=subprocess.PIPE)
child.stdout.readline()
with open(sys.argv[1], "w") as file:
    file.write(str(child.pid))
time.sleep(300)
"""


def pid_in(path):
    deadline = time.monotonic() + 60
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return int(path.read_text())


@pytest.mark.parametrize(("code", "n_children"), [(WITH_WORKERS, 2), (WITH_WATCHER, 1)])
def test_children_end_with_a_parent_that_is_killed_outright(code, n_children, tmp_path):
    paths = [tmp_path / f"{number}" for number in range(n_children)]
    parent = subprocess.Popen([sys.executable, "-c", code, *map(str, paths)])
    children = [psutil.Process(pid_in(path)) for path in paths]
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs(children, timeout=10)
    for child in alive:
        child.kill()
    assert not alive


def test_a_worker_whose_parent_had_ended_before_it_began_ends_at_once():
    code = f"from experiments.workers import belong_to; belong_to({os.getpid()} + 1); print('stayed')"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout) == (1, b"")


def test_a_worker_whose_parent_is_there_stays():
    code = f"from experiments.workers import belong_to; belong_to({os.getpid()}); print('stayed')"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout) == (0, b"stayed\n")
