"""The univariate scan against other packages: how much faster, and whether it is equal."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import numpy as np
import pandas as pd
from joblib import cpu_count
from lifelines import CoxPHFitter
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from experiments.benchmarks.origin import clean_commit
from experiments.benchmarks.peak import peak_of_scan
from experiments.console import Progress
from experiments.runner import code_version
from features.cohort import Cohort
from features.errors import PrognosisError
from training.scan.cox_kernel import LANES, N_RESULTS, fit_blocks
from training.scan.cut_points import maximally_selected_log_rank
from training.scan.risk_layout import risk_layout
from training.scan.scan import ScanSettings, scan_cohort
from training.univariate_cox import CONSTANT, CONVERGED, NOT_CONVERGED, SEPARATED, cox_univariate, lanes

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

PATIENTS, GENES, SEED = 500, 20_000, 20230315
#: Ours is timed on all genes, a rival on so many: at its own speed for some seconds.
RIVAL_GENES = {"lifelines": 60, "coxph": 1_000, "coxph.fit": 3_000, "maxstat92": 400, "maxstat94": 400}
#: The median of so many; rivals take turns, so that a busy moment meets them all.
ROUNDS = 5
SCRIPT = Path(__file__).with_name("univariate_rivals.R")
TABLE_ONLY = ScanSettings(cuts=("per_sd",), curves=False)


@dataclass(frozen=True)
class Timed:
    """How long something took.

    Parameters
    ----------
    name : str
    genes : int
        On how many.
    seconds : tuple of float
        Of each round: the processor's, but where threads are compared the wall clock's.
    """

    name: str
    genes: int
    seconds: tuple[float, ...]

    @property
    def per_gene(self) -> float:
        """Seconds a gene, the median of the rounds."""
        return median(self.seconds) / self.genes


@dataclass(frozen=True)
class Agreement:
    """How far our estimates in one cohort lie from R's.

    Parameters
    ----------
    cohort : str
    genes, converged : int
    coefficient, standard_error : float
        Largest relative difference among those that have a finite maximum.
    separated : int
        Genes that separate the outcome, by us.
    only_ours, only_r : tuple of str
        Genes that we list as separated or constant and R does not, and the other way round; R lists those of which it
        warns, and those to which it gives no coefficient.
    not_converged : tuple of str
        Genes that we give up and R estimates.
    """

    cohort: str
    genes: int
    converged: int
    coefficient: float
    standard_error: float
    separated: int
    only_ours: tuple[str, ...]
    only_r: tuple[str, ...]
    not_converged: tuple[str, ...]


@dataclass(frozen=True)
class UnivariateBenchmark:
    """What was measured, and on what.

    Parameters
    ----------
    about : dict of str to str or int
    timed : tuple of Timed
    memory : float
        Peak of the scan over what it held before, in copies of the matrix.
    agreement : tuple of Agreement
    """

    about: dict[str, str | int]
    timed: tuple[Timed, ...]
    memory: float
    agreement: tuple[Agreement, ...]


def benchmark_univariate(
    cohorts: Sequence[Cohort], *, n_patients: int = PATIENTS, n_genes: int = GENES, progress: Progress | None = None
) -> UnivariateBenchmark:
    """Race on simulated genes, measure memory, and compare every gene of the cohorts with R's ``coxph``.

    Parameters
    ----------
    cohorts : sequence of Cohort
        In which estimates are compared.
    n_patients, n_genes : int
        Of the race.
    progress : callable, optional

    Raises
    ------
    PrognosisError
        If R or its survival package is not there.
    """
    r_version = _r_version()
    simulated = simulated_genes(n_patients, n_genes)
    report = progress or (lambda *_: None)
    with threadpool_limits(1), tempfile.TemporaryDirectory() as scratch:
        timed = _race(simulated, Path(scratch), report)
        memory = peak_of_scan(n_patients, n_genes)
        found = []
        for done, cohort in enumerate(cohorts):
            report("agreement", done, len(cohorts))
            found.append(_agreement(cohort, Path(scratch)))
    about = {
        "code_version": code_version(),
        "commit": clean_commit(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "processors": cpu_count(),
        "load": f"{os.getloadavg()[0]:.1f}",
        "patients": n_patients,
        "events": simulated.n_events,
        "genes": n_genes,
        "R": r_version,
    }
    return UnivariateBenchmark(about, timed, memory, tuple(found))


def simulated_genes(n_patients: int, n_genes: int) -> Cohort:
    """Return patients with normal genes, of which one in ten moves the hazard; days tie now and then."""
    rng = np.random.default_rng(SEED)
    values = rng.normal(8, 2, size=(n_patients, n_genes))
    predictor = values[:, ::10] @ rng.normal(0, 0.3, size=len(range(0, n_genes, 10)))
    time = np.ceil(rng.exponential(1500, n_patients) * np.exp((predictor.mean() - predictor) / predictor.std()))
    censored = np.ceil(rng.uniform(1, 3000, n_patients))
    patients = pd.Index([f"P{number}" for number in range(n_patients)])
    return Cohort(
        cancer_type="SIMULATED-KIRC",
        endpoint="OS",
        scale="log2_tpm_1",
        zscore_reference=None,
        expression=pd.DataFrame(values, index=patients, columns=[f"G{number}" for number in range(n_genes)]),
        clinical=pd.DataFrame(index=patients),
        time=np.minimum(time, censored),
        event=time <= censored,
        source="simulated genes",
    )


def _race(cohort: Cohort, scratch: Path, report: Progress) -> tuple[Timed, ...]:
    """Time every contestant in turn, round after round."""
    path = _written(cohort, cohort.expression.to_numpy(np.float64), scratch)
    contestants: dict[str, tuple[int, Callable[[], float]]] = {**_ours(cohort), "lifelines": _lifelines(cohort)}
    for method in ("coxph", "coxph.fit", "maxstat92", "maxstat94"):
        contestants[method] = _r_contestant(method, path, scratch)
    for _, run in contestants.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(ROUNDS):
        report("race", turn, ROUNDS)
        for name, (_, run) in contestants.items():
            seconds[name].append(run())
    return tuple(Timed(name, contestants[name][0], tuple(spent)) for name, spent in seconds.items())


def _ours(cohort: Cohort) -> dict[str, tuple[int, Callable[[], float]]]:
    values, n_genes = cohort.expression.to_numpy(np.float64), cohort.expression.shape[1]
    layout = risk_layout(cohort.time, cohort.event, np.zeros(len(cohort.time), dtype=np.int64), efron=True)
    prepared = lanes(values, layout.order, np.arange(n_genes))
    results = np.empty((len(prepared), LANES, N_RESULTS))

    def kernel() -> float:
        blocks = prepared.copy()
        begun = process_time()
        fit_blocks(blocks, *layout.structure, layout.transformed, layout.null_log_likelihood, results)
        return process_time() - begun

    def table() -> float:
        begun = process_time()
        scan_cohort(cohort, settings=TABLE_ONLY)
        return process_time() - begun

    def threads(n_threads: int) -> float:
        shares = np.array_split(np.arange(len(prepared)), n_threads)
        blocks = [prepared[share] for share in shares]
        written = [np.empty((len(share), LANES, N_RESULTS)) for share in shares]
        rest = (layout.transformed, layout.null_log_likelihood)
        fit: Callable[..., None] = fit_blocks
        with ThreadPoolExecutor(n_threads) as pool:
            begun = perf_counter()
            work = [pool.submit(fit, b, *layout.structure, *rest, w) for b, w in zip(blocks, written, strict=True)]
            for each in work:
                each.result()
            return perf_counter() - begun

    def cut_offs() -> float:
        begun = process_time()
        maximally_selected_log_rank(values, cohort.time, cohort.event)
        return process_time() - begun

    return {
        "kernel": (n_genes, kernel),
        "table": (n_genes, table),
        "one thread": (n_genes, lambda: threads(1)),
        "two threads": (n_genes, lambda: threads(2)),
        "cut-offs": (n_genes, cut_offs),
    }


def _lifelines(cohort: Cohort) -> tuple[int, Callable[[], float]]:
    n_genes = min(RIVAL_GENES["lifelines"], cohort.expression.shape[1])
    frames = [
        pd.DataFrame({"gene": cohort.expression.iloc[:, k], "time": cohort.time, "event": cohort.event})
        for k in range(n_genes)
    ]

    def run() -> float:
        begun = process_time()
        for frame in frames:
            CoxPHFitter().fit(frame, "time", "event")
        return process_time() - begun

    return n_genes, run


def _r_contestant(method: str, path: Path, scratch: Path) -> tuple[int, Callable[[], float]]:
    n_genes = min(RIVAL_GENES[method], _n_genes(path))

    def run() -> float:
        return float(_r(method, path, scratch, n_genes)[0])

    return n_genes, run


def _n_genes(path: Path) -> int:
    return int(np.fromfile(path, count=2)[1])


def _written(cohort: Cohort, values: Floats, scratch: Path) -> Path:
    """Write outcomes and genes as the R script reads them."""
    path = scratch / f"{cohort.cancer_type}.bin"
    size = np.array(values.shape, dtype=np.float64)
    np.concatenate([size, cohort.time, cohort.event.astype(np.float64), values.T.ravel()]).tofile(path)
    return path


def _r(method: str, path: Path, scratch: Path, n_genes: int) -> Floats:
    """Run the R script: processor seconds, then what the method gives."""
    output = scratch / f"{method}.out"
    _run_r([str(SCRIPT), method, str(path), str(output), str(n_genes)])
    return np.fromfile(output)


def _r_version() -> str:
    words = 'cat(R.version.string, "survival", as.character(packageVersion("survival")))'
    return _run_r(["-e", f'{words}; cat(" maxstat", as.character(packageVersion("maxstat")))'])


def _run_r(arguments: Sequence[str]) -> str:
    program = shutil.which("Rscript")
    if program is None:
        raise PrognosisError("this benchmark races R, and Rscript is not there; install R with survival and maxstat.")
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([program, *arguments], capture_output=True, text=True, env=one_thread, check=False)  # noqa: S603
    if done.returncode:
        raise PrognosisError(f"R failed: {' '.join(done.stderr.split())[-300:]}; install its survival and maxstat.")
    return done.stdout


def _agreement(cohort: Cohort, scratch: Path) -> Agreement:
    """Compare every gene without missing values."""
    known = cohort.expression.loc[:, cohort.expression.notna().all()]
    values = known.to_numpy(np.float64)
    path = _written(cohort, values, scratch)
    coefficient, standard_error, warned = _r("agreement", path, scratch, values.shape[1])[1:].reshape(-1, 3).T
    ours = cox_univariate(values, cohort.time, cohort.event)
    fine = ours.status == CONVERGED
    listed = np.isin(ours.status, (SEPARATED, CONSTANT))
    listed_by_r = (warned > 0) | np.isnan(coefficient)
    with np.errstate(invalid="ignore", divide="ignore"):
        differences = [
            np.abs(mine / theirs - 1)[fine].max()
            for mine, theirs in ((ours.coefficient, coefficient), (ours.standard_error, standard_error))
        ]
    return Agreement(
        cohort=str(cohort),
        genes=len(fine),
        converged=int(fine.sum()),
        coefficient=float(differences[0]),
        standard_error=float(differences[1]),
        separated=int((ours.status == SEPARATED).sum()),
        only_ours=tuple(known.columns[listed & ~listed_by_r]),
        only_r=tuple(known.columns[listed_by_r & ~listed]),
        not_converged=tuple(known.columns[(ours.status == NOT_CONVERGED) & ~listed_by_r]),
    )
