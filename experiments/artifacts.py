"""What a training leaves for people to look at: pictures and tables, written into a folder."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, astuple
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from experiments import figures
from experiments.card_markdown import html_page, table
from experiments.figure_style import DOTS_PER_INCH
from experiments.labels import flat_metrics
from experiments.model_card import model_card, model_card_html
from features.evidence import evidence_table, named_genes
from features.ledger import Ledger
from training.metrics import metric_named
from training.model import PrognosticModel
from training.results import Evaluation, RandomSignatures, TrainingResult
from training.tuning import Tuning

#: Of the panel among random sets of genes, not of predictions; the model card tells it.
RANK = "random_signature_percentile"
#: Kaplan–Meier predicts everybody alike, and the twins' pictures would double the time that writing takes.
WITHOUT_PICTURES = ("kaplan_meier", "genes_only", "clinical_boosted", "auto_clinical", "best_single_gene")

EVIDENCE_NOTE = (
    "From the tables of Rozenberg et al. 2023 (doi:10.3389/fimmu.2023.1099921), and nothing that the model uses. "
    "Numbers in brackets are the review's references; this training's own hazard ratios are in `hazard_ratios.csv`."
)


def write_training(
    result: TrainingResult, reported: Evaluation, folder: Path, *, bundle_digest: str | None = None
) -> None:
    """Write the whole training's pictures, tables, model card, cohort ledger, gate and definition.

    Parameters
    ----------
    result : TrainingResult
    reported : Evaluation
        Whose pictures are the training's.
    folder : Path
        Exists.
    bundle_digest : str, optional
        Of the bundle that stands beside, for the model card to name.
    """
    write_pictures(figures.pictures(result, reported), folder / "figures")
    write_pictures(figures.overview(result), folder / "figures")
    _write_tables(result, folder / "tables")
    definitions_table(reported).to_csv(folder / "tables" / "metric_definitions.csv", index=False)
    _write_model_card(result, folder, bundle_digest)
    _write_ledger(result.cohort.ledger, folder / "cohort")
    _write_json(folder / "definition.json", dict(result.model.definition))
    _write_json(folder / "gate.json", asdict(result.gate))


def write_evaluation(result: TrainingResult, evaluation: Evaluation, folder: Path) -> None:
    """Write one learner's or baseline's pictures and the tables of its study."""
    if not evaluation.name.endswith(WITHOUT_PICTURES):
        write_pictures(figures.pictures(result, evaluation), folder / "figures")
    if evaluation.tuning is not None:
        _write_tuning(evaluation.tuning, folder / "tables")


def write_pictures(pictures: Iterable[tuple[str, Figure]], folder: Path) -> None:
    """Write pictures under their names, at the size at which MLflow shows them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in pictures:
        figure.savefig(folder / f"{name}.png", dpi=DOTS_PER_INCH)


def definitions_table(evaluation: Evaluation) -> pd.DataFrame:
    """Return what each metric is, which values are good, and the follow-up or horizon that it counts."""
    rows = [(name, *astuple(metric_named(name))) for name in evaluation.metrics if name != RANK]
    return pd.DataFrame(rows, columns=["name", "definition", "direction", "horizon"])


def metrics_table(result: TrainingResult) -> pd.DataFrame:
    """Return the out-of-fold figures, one row a learner or baseline."""
    return pd.DataFrame({"name": e.name, **flat_metrics(e.metrics)} for e in result.evaluations.values())


def _write_tables(result: TrainingResult, folder: Path) -> None:
    folder.mkdir()
    metrics_table(result).to_csv(folder / "metrics.csv", index=False)
    for name, judged in result.tables.items():
        judged.to_csv(folder / f"{name}.csv", index=False)
    result.model.hazard_ratios.to_csv(folder / "hazard_ratios.csv", index=False)
    result.model.hazard_ratios.to_parquet(folder / "hazard_ratios.parquet", index=False)
    _write_evidence(result.model, folder)
    if result.random_signatures is not None:
        _write_random_signatures(result.random_signatures, folder)


def _write_evidence(model: PrognosticModel, folder: Path) -> None:
    """Write what the review knows of each gene: every gene's as CSV, and those that it names as a page."""
    told = evidence_table(model.hazard_ratios["gene"], model.cancer_type)
    told.to_csv(folder / "evidence.csv", index=False)
    named = told[told["gene"].isin(named_genes())].drop(columns=["partners", "interacting_cells"])
    title = f"Evidence beside the genes of {model.name}"
    header = [column.replace("_", " ") for column in named.columns]
    page = f"# {title}\n\n{EVIDENCE_NOTE}\n\n{table(header, named.to_numpy().tolist())}\n"
    (folder / "evidence.html").write_text(html_page(page, title=title), encoding="utf-8")


def _write_model_card(result: TrainingResult, folder: Path, bundle_digest: str | None) -> None:
    (folder / "model_card.md").write_text(model_card(result, bundle_digest=bundle_digest), encoding="utf-8")
    (folder / "model_card.html").write_text(model_card_html(result, bundle_digest=bundle_digest), encoding="utf-8")


def _write_random_signatures(null: RandomSignatures, folder: Path) -> None:
    """Write the concordance of every random set, and beside it what they were drawn from and what was found."""
    concordance = pd.DataFrame({"set": range(1, len(null.concordance) + 1), "concordance_harrell": null.concordance})
    concordance.to_csv(folder / "random_signatures.csv", index=False)
    found = {key: value for key, value in asdict(null).items() if key != "concordance"}
    unknown = {key: None for key, value in found.items() if isinstance(value, float) and math.isnan(value)}
    _write_json(folder / "random_signatures.json", found | unknown)


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
