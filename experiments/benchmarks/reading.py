"""How long a whole-transcriptome cohort takes to read and how much memory, all of it and a panel only."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.benchmarks.origin import code_in_words, made_now
from experiments.benchmarks.read_once import ALL, ONLY_PANEL, PANEL, Read
from experiments.benchmarks.tables import write_pair
from features.panel import load_panel

#: What is aimed at, by what is read: seconds, and MiB where a bound is set (1 GB).
TARGETS: dict[str, tuple[float, float | None]] = {ALL: (10.0, 1e9 / 2**20), ONLY_PANEL: (4.0, None)}
_STEPS = 220_000


def benchmark_reading(*, n_genes: int, n_patients: int, rounds: int) -> list[Read]:
    """Write a simulated cohort as UCSC Xena does, and read it in fresh processes, all of it and a panel only in turns.

    Parameters
    ----------
    n_genes, n_patients, rounds : int
    """
    with tempfile.TemporaryDirectory(prefix="prognosis-reading-") as scratch:
        folder = Path(scratch) / "SIMULATED_KIRC"
        write_cohort(folder, n_genes=n_genes, n_patients=n_patients)
        return [_read_in_process(folder, what) for _ in range(rounds) for what in TARGETS]


def write_cohort(folder: Path, *, n_genes: int, n_patients: int) -> None:
    """Write a simulated cohort of no meaning but of the usual form: four decimals, packed, a survival table."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    patients = [f"SIM-{number:05d}" for number in range(n_patients)]
    own = list(load_panel(PANEL).symbols)
    genes = [*own, *(f"GENE{number}" for number in range(n_genes - len(own)))][:n_genes]
    # Text is looked up: formatting so many numbers takes longer than anything that is measured.
    words = np.array([f"{step / 10_000:.4f}" for step in range(_STEPS)], dtype=object)
    with gzip.open(folder / "HiSeqV2.gz", "wt", compresslevel=4, encoding="ascii") as file:
        file.write("\t".join(["sample", *(f"{patient}-01" for patient in patients)]) + "\n")
        for gene in genes:
            values = rng.normal(rng.uniform(0, 14), 1.5, n_patients)
            steps = np.clip(values * 10_000, 0, _STEPS - 1).astype(int)
            file.write("\t".join([gene, *words[steps]]) + "\n")
    survival = pd.DataFrame(
        {
            "sample": [f"{patient}-01" for patient in patients],
            "_PATIENT": patients,
            "OS": rng.integers(0, 2, n_patients),
            "OS.time": rng.integers(1, 4_000, n_patients),
        }
    )
    survival.to_csv(folder / "SIMULATED_KIRC_survival.txt", sep="\t", index=False)


def write_reading(found: Sequence[Read], folder: Path) -> str:
    """Write ``reading.csv`` and ``reading.md``, and return the latter's text."""
    rows = pd.DataFrame([asdict(each) for each in found]).assign(**made_now())
    text = markdown(rows)
    write_pair("reading", rows, text, folder)
    return text


def markdown(rows: pd.DataFrame) -> str:
    """Return the benchmark as Markdown.

    Parameters
    ----------
    rows : DataFrame
        As ``reading.csv`` has them.
    """
    about = rows.iloc[0].to_dict()
    lines = [
        "# Reading a cohort",
        "",
        f"Made {about['created'][:10]} with {code_in_words(about)} by `prognosis benchmark reading`, on "
        f"{about['processors']} processors (load average {about['load']} when it ended): a SIMULATED cohort of "
        f"{about['patients']} patients as UCSC Xena writes one (gzip, four decimals), read and checked in a fresh "
        f"process, {len(rows) // rows['what'].nunique()} times each in turns.",
        "",
        "Seconds without imports; the peak is of the whole process, imports and all.",
        "",
        "| read | genes | seconds, median (least to most) | of the processor | aimed at | peak | aimed at |",
        "|---|---|---|---|---|---|---|",
    ]
    for what, of in rows.groupby("what", sort=False):
        seconds, (aim, bound) = of["seconds"], TARGETS[str(what)]
        lines.append(
            f"| {what} | {of['genes'].iloc[0]} | {seconds.median():.1f} ({seconds.min():.1f} to {seconds.max():.1f}) | "
            f"{of['cpu_seconds'].median():.1f} | {aim:g} | {of['peak_mib'].max():.0f} MiB | "
            f"{'' if bound is None else f'{bound:.0f} MiB'} |"
        )
    return "\n".join([*lines, ""])


def _read_in_process(folder: Path, what: str) -> Read:
    command = [sys.executable, "-m", "experiments.benchmarks.read_once", str(folder), what]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)  # noqa: S603
    return Read(**json.loads(done.stdout))
