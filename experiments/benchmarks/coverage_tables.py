"""The coverage of intervals as a table that people read, and as what cards and answers quote of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from experiments.benchmarks.origin import code_in_words
from experiments.benchmarks.tables import Z95, write_pair
from training.interval_coverage import MEASURED

if TYPE_CHECKING:
    # A card needs no simulation.
    from experiments.benchmarks.coverage import Coverage

#: What is quoted from.
PUBLISHED = Path(__file__).resolve().parent.parent / "results" / "coverage.csv"
WORDS = {
    "penalised_cox": "penalised Cox",
    "penalised_cox_resampling": "penalised Cox, resampling alone",
    "boosted": "boosted trees",
    "auto": "auto (all learners, weighed)",
}


def write_coverage(found: Coverage, folder: Path) -> None:
    """Write ``coverage.csv`` and ``coverage.md``; where they are published, also what cards and answers quote."""
    rows = found.rows.assign(**found.about)
    write_pair("coverage", rows, markdown(found), folder)
    if folder.resolve() == PUBLISHED.parent:
        quoted(rows).to_csv(MEASURED, sep="\t", index=False)


def markdown(found: Coverage) -> str:
    """Return the coverage of each learner at each horizon, with how it was measured."""
    summary = by_learner(found.rows)
    heads = ["", "months", "cohorts", "new patients", "coverage", "mean width", "error", "its spread over patients"]
    lines = [_line(heads), _line(["---"] * len(heads))]
    for _, row in summary.iterrows():
        cells = [WORDS[row["learner"]], f"{row['horizon_months']:g}", str(row["cohorts"]), f"{row['patients']:,}",
                 _share(row), f"{row['width']:.2f}", f"{row['error']:+.2f}", f"{row['spread']:.2f}"]  # fmt: skip
        lines.append(_line(cells))
    table = "\n".join(lines)
    return f"# Whether intervals hold the true survival\n\n{_made(found)}\n\n{table}\n\n{READING}\n"


#: What the table means.
READING = (
    "Resampling does not see how far a penalty shrinks a Cox model, so that its replicates' penalties draw towards "
    "coefficients from the prior that the penalty stands for (`training/refitting.py`); the line of resampling alone "
    "is without. Trees have no such prior: what they leave unexplained of a patient's hazard is in no replicate, and "
    "where they have weight the intervals are too narrow."
)


def _made(found: Coverage) -> str:
    about = found.about
    return (
        f"Made {str(about['created'])[:10]} with {code_in_words(about)} by `prognosis benchmark coverage`, in "
        f"{about['workers']} processes, {about['seconds']} s, seed {about['seed']}. Cohorts of {about['cancer_type']}, "
        f"whose patients' true survival is known; {found.rows['events'].mean():.0f} events each on average, "
        f"{about['trials']} trials a study, the model with clinical covariates fitted to all patients, "
        f"{about['replicates']} replicates, {about['replicates_of_trees']} of trees. New patients of the same law were "
        "scored, with gaps in their expression. Coverage is the share of them whose true survival at a horizon lies "
        "within the 95 % interval of their answer, with its own 95 % interval over cohorts; error and spread are of "
        "the log cumulative hazard, above 0 = too pessimistic."
    )


def by_learner(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row a learner and horizon: means over cohorts, and the interval of the coverage."""
    return pd.DataFrame([_summary(part) for _, part in rows.groupby(["learner", "horizon_months"], sort=False)])


def _summary(rows: pd.DataFrame) -> dict[str, str | float]:
    covered = rows["covered"].to_numpy(np.float64)
    half = Z95 * float(covered.std(ddof=1)) / np.sqrt(len(covered)) if len(covered) > 1 else float("nan")
    return {
        "learner": str(rows["learner"].iloc[0]),
        "horizon_months": float(rows["horizon_months"].iloc[0]),
        "cohorts": len(rows),
        "patients": int(rows["patients"].sum()),
        "covered": float(covered.mean()),
        "lower": float(covered.mean()) - half,
        "upper": min(1.0, float(covered.mean()) + half),
        **{name: float(rows[name].mean()) for name in ("width", "error", "spread")},
    }


def quoted(rows: pd.DataFrame) -> pd.DataFrame:
    """Return what cards and answers quote, one row a learner and horizon; see `training.interval_coverage`."""
    about = rows.drop_duplicates("learner").set_index("learner")
    summary = by_learner(rows)[["learner", "horizon_months", "cohorts", "covered", "lower", "upper"]]
    return summary.assign(
        words=summary["learner"].map(WORDS),
        cancer_type=summary["learner"].map(about["cancer_type"]),
        code=[code_in_words(about.loc[learner].to_dict()) for learner in summary["learner"]],
    )


def _share(row: pd.Series) -> str:
    return f"{row['covered']:.3f} ({row['lower']:.3f} to {row['upper']:.3f})"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
