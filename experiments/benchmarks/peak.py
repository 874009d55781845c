"""The memory that a scan takes over the matrix that it is given, measured in a process of its own."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

from features.errors import PrognosisError

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_of_scan(n_patients: int, n_genes: int) -> float:
    """Return the peak of a scan with all of its cuts, the matrix included, in copies of the matrix.

    Raises
    ------
    PrognosisError
        Where the system does not tell a process its peak.
    """
    if not _RESET.exists():
        raise PrognosisError("memory is measured by /proc/self, which this system lacks; run the benchmark on Linux.")
    context = multiprocessing.get_context("spawn")
    # The first process leaves on disk what it compiled, also for the few genes that only so many hold.
    for _ in range(2):
        with context.Pool(1) as pool:
            copies = pool.apply(_measured, (n_patients, n_genes))
    return copies


def _measured(n_patients: int, n_genes: int) -> float:
    from experiments.benchmarks.univariate import simulated_genes  # noqa: PLC0415
    from training.scan.scan import ScanSettings, scan_cohort  # noqa: PLC0415

    settings = ScanSettings(permutations=1_000, resampled_at_most=50, samples=20)
    # What is compiled and imported on first use is no copy of the matrix.
    scan_cohort(simulated_genes(n_patients, 64), settings=settings)
    cohort = simulated_genes(n_patients, n_genes)
    # The peak begins anew.
    _RESET.write_text("5", encoding="ascii")
    before = _kilobytes("VmRSS")
    scan_cohort(cohort, settings=settings)
    return 1 + (_kilobytes("VmHWM") - before) * 1024 / (8 * n_patients * n_genes)


def _kilobytes(name: str) -> int:
    lines = _STATUS.read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])
