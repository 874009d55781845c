"""The service's race as a table that people read."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from experiments.benchmarks.origin import code_in_words, made_now
from experiments.benchmarks.serving import (
    CONNECTIONS,
    LEAN,
    MANY,
    MLFLOW,
    MLFLOW_LEAN,
    OURS,
    PLAIN,
    ROUNDS,
    ServingBenchmark,
)
from experiments.benchmarks.tables import write_pair

_MIB = 2**20


def write_serving(found: ServingBenchmark, folder: Path) -> str:
    """Write ``serving.csv`` and ``serving.md``, and return the latter's text."""
    about = made_now()
    rows = pd.DataFrame(
        [
            {"server": server, "round": turn + 1, "per_second": per_second, "p50": p50, "p99": p99}
            for server, rounds in found.loads.items()
            for turn, (per_second, p50, p99) in enumerate(rounds)
        ]
    ).assign(**about)
    text = markdown(found, rows)
    write_pair("serving", rows, text, folder)
    return text


def markdown(found: ServingBenchmark, rows: pd.DataFrame) -> str:
    """Return the benchmark as Markdown."""
    about = rows.iloc[0]
    lines = [
        "# The service beside other servers",
        "",
        f"Made {about['created'][:10]} with {code_in_words(dict(about))} by `prognosis benchmark serving`, on "
        f"{about['processors']} processors (load average {about['load']} when it ended), of which the client uses one. "
        f"One patient a request, {CONNECTIONS} connections, one worker process each; {ROUNDS} rounds in which all take "
        f"turns, after one that is not counted: medians of the figures and of each round's own ratio. The answers, of "
        f"{found.body_bytes:,} bytes, were compared and are the same. The service guards, counts and logs; the FastAPI "
        "handlers do none of it. *Plain* has `numpy.interp` a gene and xgboost's own calls.",
        "",
        "| server | requests/s | p50 | p99 | requests/s against plain FastAPI |",
        "|---|---|---|---|---|",
        *(_line(found, rows, server) for server in found.loads),
        "",
        "| figure | measured | target |",
        "|---|---|---|",
        f"| requests/s against plain FastAPI | {found.ratio(OURS, PLAIN):.2f} | 0.85; 1.0 as the stretch |",
        f"| … against FastAPI with the service's own scoring | {found.ratio(OURS, LEAN):.2f} | |",
        f"| … against `mlflow models serve` with plain calls | {found.ratio(OURS, MLFLOW):.1f} | 12 |",
        f"| … with the service's own scoring | {found.ratio(OURS, MLFLOW_LEAN):.1f} | |",
        f"| p99 against plain FastAPI's | {found.ratio(OURS, PLAIN, 2):.2f} | at most 1.5 |",
        f"| a profile among {MANY:,} in one request, times cheaper than alone | {found.cheaper_together:.0f} | 20 |",
        f"| `prognosis score`, {found.n_file:,} patients of a CSV file | {found.file_seconds:.0f} s | 60 s a million |",
        f"| its largest resident set | {found.file_bytes / _MIB:,.0f} MiB | 2,000 MB |",
        f"| the worker's resident set before and after {found.n_memory:,} more requests | "
        f"{found.memory[0] / _MIB:,.0f} and {found.memory[1] / _MIB:,.0f} MiB | flat |",
    ]
    return "\n".join([*lines, ""])


def _line(found: ServingBenchmark, rows: pd.DataFrame, server: str) -> str:
    of = rows[rows["server"] == server]
    milliseconds = " | ".join(f"{1e3 * of[column].median():.1f} ms" for column in ("p50", "p99"))
    per_second = of["per_second"].median()
    return f"| {server} | {per_second:,.0f} | {milliseconds} | {found.ratio(server, PLAIN):.2f} |"
