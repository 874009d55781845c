"""How often the intervals of answers held the true survival of simulated patients: what cards and answers quote."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

#: Written by `prognosis benchmark coverage`.
MEASURED = Path(__file__).with_name("interval_coverage.tsv")
NOMINAL = 0.95


@dataclass(frozen=True)
class IntervalCoverage:
    """The coverage of a learner's 95 % intervals in simulation.

    Parameters
    ----------
    measured : float
        Share of new patients whose true survival lay within their interval, mean over the horizons; 0 to 1.
    words : str
        The same at each horizon with its interval, and how it was measured.
    """

    measured: float
    words: str


@cache
def interval_coverage(learner: str, file: Path = MEASURED) -> IntervalCoverage | None:
    """Return the coverage of a learner's intervals; None where it was not measured.

    Parameters
    ----------
    learner : str
        As in `training.model.Variant`.
    file : Path
        One row a learner and horizon.
    """
    with file.open(encoding="utf-8", newline="") as table:
        rows = [row for row in csv.DictReader(table, delimiter="\t") if row["learner"] == learner]
    if not rows:
        return None
    shares = "; ".join(
        f"{float(row['covered']):.3f} ({float(row['lower']):.3f} to {float(row['upper']):.3f}) at "
        f"{float(row['horizon_months']):g} months"
        for row in rows
    )
    first = rows[0]
    words = (
        f"In simulation ({first['cohorts']} cohorts of {first['cancer_type']}, new patients, nominal {NOMINAL}) the "
        f"intervals of {first['words']} held the true survival in {shares} (`experiments/results/coverage.md`, "
        f"{first['code']}); what a real cohort breaks of the model's assumptions is not in them."
    )
    return IntervalCoverage(sum(float(row["covered"]) for row in rows) / len(rows), words)
