"""The benchmark of objectives and derived terms as tables that people read, and as rows."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from experiments.benchmarks.origin import code_in_words
from experiments.benchmarks.tables import HARRELL, by_cancer_type, write_pair

AFT_GAIN, TERMS_GAIN = "concordance_gain_of_aft", "concordance_gain_of_derived_terms"
CONFIGURED = {
    "penalised_cox": "penalised Cox",
    "penalised_cox_derived_terms": "penalised Cox, derived terms",
    "boosted_cox": "boosted, Cox objective",
    "boosted_cox_derived_terms": "boosted, Cox objective, derived terms",
    "boosted_aft": "boosted, AFT objective",
    "boosted_aft_derived_terms": "boosted, AFT objective, derived terms",
}


def write_objectives(rows: pd.DataFrame, folder: Path) -> None:
    """Write the rows as ``objectives.csv`` and as tables in ``objectives.md``."""
    write_pair("objectives", rows, markdown(rows), folder)


def markdown(rows: pd.DataFrame) -> str:
    """Return the benchmark as Markdown: what was run, every configuration, and one choice against the other."""
    named = rows.assign(configuration=rows["configuration"].map(CONFIGURED))
    parts = [
        "# Objectives and interaction terms",
        _about(rows),
        "## Every configuration\n\nHarrell's concordance, out of fold, within folds.",
        by_cancer_type(named, HARRELL),
        "## The AFT objective less the Cox objective\n\nOf Harrell's concordance, paired; above 0, AFT ranks better.",
        by_cancer_type(named[named[AFT_GAIN].notna()], AFT_GAIN),
        "## With derived terms less without\n\nOf Harrell's concordance, paired; above 0, the terms help.",
        by_cancer_type(named[named[TERMS_GAIN].notna()], TERMS_GAIN),
        "## Integrated Brier score\n\nIts ratio to Kaplan–Meier's; below 1 is better than no model.",
        by_cancer_type(named, "integrated_brier_ratio"),
    ]
    return "\n\n".join(parts) + "\n"


def _about(rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    return (
        f"Made {first['created'][:10]} with {code_in_words(first.to_dict())} by `prognosis benchmark objectives`: "
        f"{first['outer_folds']} outer folds, {first['outer_repeats']} repeats, seed {first['seed']}, "
        f"{_span(rows['trials'])} trials a study. A training leaves these choices to its search; here each is fixed, "
        f"beside {_beside(rows)} and the genes of {_joined(rows['panel'])}, and the rest is tuned inside the folds. "
        "Derived terms are products of a ligand's and its receptor's normal scores "
        f"({_span(rows['n_interaction'])} a cohort), and cluster scores and the E/M balance "
        f"({_span(rows['n_score'])}); in the Cox model they are penalised as each of the {_span(rows['n_gene'])} genes "
        "is. Trees are given a baseline hazard after either objective, so that both predict survival. The search "
        "spaces around the choices were shaped by looking at BRCA, COADREAD, GBM, KIRC, KIRP, LGG, LUAD and LUSC on "
        "folds of other seeds. Intervals are 95 %, from a bootstrap of patients, conditional on the fits; that of a "
        "mean takes the cancer types as independent."
    )


def _beside(rows: pd.DataFrame) -> str:
    without = dict.fromkeys(rows.loc[rows["variant"] == "genes_only", "cancer_type"])
    return "clinical covariates" + (f" (which {', '.join(without)} has not)" if without else "")


def _joined(names: pd.Series) -> str:
    return ", ".join(dict.fromkeys(map(str, names)))


def _span(numbers: pd.Series) -> str:
    low, high = int(numbers.min()), int(numbers.max())
    return str(low) if low == high else f"{low} to {high}"
