"""What a training leaves for people to look at: pictures and tables, written into a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from experiments import figures
from features.ledger import Ledger
from training.results import Estimate, Evaluation, TrainingResult
from training.tuning import Tuning

DOTS_PER_INCH = 100
#: Kaplan–Meier predicts everybody alike, and the twins' pictures would double the time that writing takes.
WITHOUT_PICTURES = ("kaplan_meier", "genes_only")


def write_training(result: TrainingResult, reported: Evaluation, folder: Path) -> None:
    """Write the whole training's pictures, tables, cohort ledger, gate and definition."""
    write_pictures(result, reported, folder / "figures")
    overview = {
        "concordance": figures.concordance_of_learners(result),
        "hazard_ratios": figures.forest_of_hazard_ratios(result),
    }
    for name, figure in overview.items():
        figure.savefig(folder / "figures" / f"{name}.png", dpi=DOTS_PER_INCH)
    tables = folder / "tables"
    tables.mkdir()
    metrics_table(result).to_csv(tables / "metrics.csv", index=False)
    result.model.hazard_ratios.to_csv(tables / "hazard_ratios.csv", index=False)
    result.model.hazard_ratios.to_parquet(tables / "hazard_ratios.parquet", index=False)
    _write_ledger(result.cohort.ledger, folder / "cohort")
    _write_json(folder / "definition.json", dict(result.model.definition))
    _write_json(folder / "gate.json", asdict(result.gate))


def write_evaluation(result: TrainingResult, evaluation: Evaluation, folder: Path) -> None:
    """Write one learner's or baseline's pictures and the tables of its study."""
    if not evaluation.name.endswith(WITHOUT_PICTURES):
        write_pictures(result, evaluation, folder / "figures")
    if evaluation.tuning is not None:
        _write_tuning(evaluation.tuning, folder / "tables")


def write_pictures(result: TrainingResult, evaluation: Evaluation, folder: Path) -> None:
    """Write the pictures of one learner that ranks patients."""
    folder.mkdir(parents=True)
    for name, figure in figures.pictures(result, evaluation):
        figure.savefig(folder / f"{name}.png", dpi=DOTS_PER_INCH)


def flat_metrics(metrics: Mapping[str, Estimate]) -> dict[str, float]:
    """Return each figure and its bounds under one set of names: ``NAME``, ``NAME_lower``, ``NAME_upper``."""
    return {
        name + suffix: value
        for name, estimate in metrics.items()
        for suffix, value in (("", estimate.value), ("_lower", estimate.lower), ("_upper", estimate.upper))
    }


def metrics_table(result: TrainingResult) -> pd.DataFrame:
    """Return the out-of-fold figures, one row a learner or baseline."""
    return pd.DataFrame({"name": e.name, **flat_metrics(e.metrics)} for e in result.evaluations.values())


def _write_tuning(tuning: Tuning, folder: Path) -> None:
    folder.mkdir(parents=True)
    tuning.trials.to_csv(folder / "trials.csv", index=False)
    importances = pd.Series(dict(tuning.importances), dtype="float64").sort_values(ascending=False)
    importances.rename_axis("parameter").rename("importance").to_csv(folder / "importances.csv")


def _write_ledger(ledger: Ledger, folder: Path) -> None:
    folder.mkdir()
    (folder / "ledger.txt").write_text(f"{ledger}\n", encoding="utf-8")
    _write_json(folder / "ledger.json", [asdict(entry) for entry in ledger.entries])


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
