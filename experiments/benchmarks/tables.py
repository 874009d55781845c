"""The benchmark's rows as tables that people read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from experiments.benchmarks.origin import code_in_words

HARRELL = "concordance_harrell"
GAIN, GENES_GAIN = "concordance_gain_over_clinical", "concordance_gain_of_genes"
#: Half width of a 95 % interval in standard errors.
Z95 = 1.959964

COLUMNS = {
    "kaplan_meier": "Kaplan–Meier",
    "clinical_only": "clinical only",
    "clinical_boosted": "clinical, boosted",
    "auto_clinical": "auto without genes",
    "best_single_gene": "best single gene",
    "penalised_cox": "penalised Cox",
    "pooled_cox": "pooled Cox",
    "boosted": "boosted",
    "auto": "auto",
    "penalised_cox_genes_only": "penalised Cox, genes only",
    "pooled_cox_genes_only": "pooled Cox, genes only",
    "boosted_genes_only": "boosted, genes only",
    "auto_genes_only": "auto, genes only",
}


def write_tables(rows: pd.DataFrame, folder: Path) -> None:
    """Write the rows as ``models.csv`` and as tables in ``models.md``."""
    write_pair("models", rows, markdown(rows), folder)


def write_pair(name: str, rows: pd.DataFrame, markdown: str, folder: Path) -> None:
    """Write the rows as ``NAME.csv`` and what people read as ``NAME.md``, each in one piece."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {f"{name}.csv": rows.to_csv(index=False, float_format="%.6g"), f"{name}.md": markdown}
    for file, text in texts.items():
        part = folder / f".{file}.part"
        part.write_text(text, encoding="utf-8")
        part.replace(folder / file)


def markdown(rows: pd.DataFrame) -> str:
    """Return the benchmark as Markdown: what was run, the learners, the panels, the whole procedure, and pooling."""
    searched = rows[rows["panel"] == "searched"]
    named = searched.assign(configuration=searched["configuration"].map(COLUMNS))
    fixed = rows[rows["panel"] != "searched"]
    configured = fixed.assign(configuration=fixed["configuration"].map(COLUMNS) + ", " + fixed["panel"])
    compared = named[~named["configuration"].isin(["Kaplan–Meier", "clinical only"])]
    trials = f"at most {searched['trials'].max()} trials a study"
    fixed_trials = f"{fixed['trials'].max()} trials a study" if len(fixed) else "none was run"
    parts = [
        "# Every learner in every cancer type",
        _about(rows),
        f"## Learners and baselines\n\nHarrell's concordance, out of fold, within folds; {trials}.",
        by_cancer_type(named, HARRELL),
        "## The whole procedure that each training reports\n\nRidge Cox: Harrell's concordance of one and the same "
        "procedure without genes, on the panel, and the median over random sets of as many other genes.",
        _whole(searched[searched["reported"]]),
        "## Difference to clinical covariates alone\n\nOf Harrell's concordance, paired.",
        by_cancer_type(compared, GAIN),
        "## Difference to the same average of learners without genes\n\nOf Harrell's concordance, paired: what is left "
        "is the genes'.",
        by_cancer_type(compared[compared["configuration"] != "auto without genes"], GENES_GAIN),
        "## Cox and boosted on each panel, with and without clinical covariates\n\nHarrell's concordance; "
        f"{fixed_trials}.",
        by_cancer_type(configured, HARRELL),
        "## Leaning on other cancer types\n\nHarrell's concordance with and without; the weight is the others' "
        "coefficient per standard deviation, beside the cohort's own genes.",
        _pooling(searched),
    ]
    return "\n\n".join(parts) + "\n"


def _about(rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    return (
        f"Made {first['created'][:10]} with {code_in_words(first.to_dict())}, by the definitions of the cancer types "
        f"(digests in `models.csv`): {first['outer_folds']} outer folds, {first['outer_repeats']} repeats, seed "
        f"{first['seed']}. Choosing and weighing happen inside the folds; but the definitions themselves (which "
        "learners, their averaging, its temperature, bent clinical covariates) were shaped by looking at BRCA, "
        "COADREAD, GBM, KIRC, KIRP, LGG, LUAD and LUSC on folds of other seeds, so that the figures are not of "
        "patients wholly unseen. Intervals are 95 %, from a bootstrap of patients, conditional on the fits; that of a "
        "mean takes the cancer types "
        "as independent. `prognosis benchmark models` makes this file."
    )


def by_cancer_type(rows: pd.DataFrame, metric: str) -> str:
    """Return a metric, one line a configuration, one column a cancer type, and the mean over cancer types."""
    types = list(dict.fromkeys(rows["cancer_type"]))
    lines = [_line(["", *types, "mean"]), _line(["---"] * (len(types) + 2))]
    for name in dict.fromkeys(rows["configuration"]):
        of_name = rows[rows["configuration"] == name].set_index("cancer_type")
        cells = [_cell(of_name.loc[t], metric) if t in of_name.index else "" for t in types]
        lines.append(_line([str(name), *cells, _mean(of_name, metric) if len(of_name) == len(types) else ""]))
    return "\n".join(lines)


def _cell(row: pd.Series, metric: str) -> str:
    value, lower, upper = (float(row[metric + end]) for end in ("", "_lower", "_upper"))
    return "" if np.isnan(value) else f"{value:.3f} ({lower:.3f} to {upper:.3f})"


def _mean(rows: pd.DataFrame, metric: str) -> str:
    value = float(rows[metric].mean())
    errors = (rows[f"{metric}_upper"] - rows[f"{metric}_lower"]) / (2 * Z95)
    half = Z95 * float(np.sqrt((errors**2).sum())) / len(rows)
    return f"{value:.3f} ({value - half:.3f} to {value + half:.3f})"


def _whole(reported: pd.DataFrame) -> str:
    metrics = ("integrated_brier_ratio", "calibration_slope", "concordance_uno", GAIN, GENES_GAIN)
    heads = ["", "patients", "events", "integrated Brier, ratio to Kaplan–Meier", "calibration slope", "Uno's C",
             "beyond clinical only", "beyond the average without genes", "ridge Cox: no genes", "panel", "random sets",
             "percentile of the panel", "gate"]  # fmt: skip
    lines = [_line(heads), _line(["---"] * len(heads))]
    for _, row in reported.iterrows():
        null = [_number(row.get(name)) for name in ("null_clinical", "null_panel", "null_median")]
        rank = row.get("null_percentile")
        null.append("not assessed" if _missing(rank) else f"{rank:.0f} (p {row['null_p_value']:.3f})")
        cells = [_cell(row, name) if name in row else "" for name in metrics]
        lines.append(_line([row["cancer_type"], str(row["patients"]), str(row["events"]), *cells, *null, row["gate"]]))
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "" if _missing(value) else f"{value:.3f}"


def _missing(value: float | None) -> bool:
    return value is None or bool(np.isnan(value))


def _pooling(searched: pd.DataFrame) -> str:
    heads = ["", "penalised Cox", "pooled Cox", "weight of the others", "genes only", "pooled, genes only",
             "weight of the others"]  # fmt: skip
    lines = [_line(heads), _line(["---"] * len(heads))]
    for cancer_type, rows in searched.groupby("cancer_type", sort=False):
        of = rows.set_index("configuration")
        if "pooled_cox" not in of.index:
            continue
        cells = []
        for twin in ("", "_genes_only"):
            cells += [_cell(of.loc[f"{learner}{twin}"], HARRELL) for learner in ("penalised_cox", "pooled_cox")]
            cells.append(f"{of.loc[f'pooled_cox{twin}', 'shared_weight']:.3f}")
        lines.append(_line([str(cancer_type), *cells]))
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
