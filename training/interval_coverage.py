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
        The same at each horizon, for people.
    in_full : str
        With intervals and where it was measured, for a model card.
    """

    measured: float
    words: str
    in_full: str


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
    first = rows[0]
    whose = f"{first['cohorts']} cohorts of {first['cancer_type']}, new patients"
    ending = "what a real cohort breaks of the model's assumptions is not in them."
    return IntervalCoverage(
        measured=sum(float(row["covered"]) for row in rows) / len(rows),
        words=(
            f"In simulation ({whose}) 95 % intervals of {first['words']} held the true survival of "
            f"{', '.join(map(_percent, rows))}; {ending}"
        ),
        in_full=(
            f"In simulation ({whose}, nominal {NOMINAL}) the intervals of {first['words']} held the true survival in "
            f"{'; '.join(map(_share, rows))} (`experiments/results/coverage.md`, {first['code']}); {ending}"
        ),
    )


def _percent(row: dict[str, str]) -> str:
    return f"{float(row['covered']):.0%} at {float(row['horizon_months']):g} months".replace("%", " %")


def _share(row: dict[str, str]) -> str:
    covered, lower, upper = (float(row[name]) for name in ("covered", "lower", "upper"))
    return f"{covered:.3f} ({lower:.3f} to {upper:.3f}) at {float(row['horizon_months']):g} months"
