"""One reading of a cohort in a process that does nothing else: seconds, and the peak of its memory."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from features.errors import PrognosisError
from features.panel import load_panel
from features.readers import read_cohort

PANEL = "ctc_review"
ALL, ONLY_PANEL = "all genes", "the panel"
_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Read:
    """One reading in a process of its own; imports count for the peak (MiB), not for the time."""

    what: str
    seconds: float
    cpu_seconds: float
    peak_mib: float
    patients: int
    genes: int


def read_once(folder: Path, what: str) -> Read:
    """Read a cohort in this process, and say what it took.

    Parameters
    ----------
    folder : Path
    what : str
        ``all genes`` or ``the panel``.

    Raises
    ------
    PrognosisError
        Where the system does not tell a process its peak.
    """
    if not _STATUS.exists():
        raise PrognosisError("memory is measured by /proc/self, which this system lacks; run the benchmark on Linux.")
    only = load_panel(PANEL).symbols if what == ONLY_PANEL else None
    began, spent = time.perf_counter(), time.process_time()
    cohort = read_cohort(folder, endpoint="OS", only=only)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - spent
    n_patients, n_genes = cohort.expression.shape
    return Read(what, seconds, cpu_seconds, _peak_mib(), n_patients, n_genes)


def _peak_mib() -> float:
    # Not getrusage: its peak begins with the parent's.
    lines = _STATUS.read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 1024


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(read_once(Path(sys.argv[1]), sys.argv[2]))))
