"""What each run says in figures and parameters, before any of it is written into MLflow."""

from __future__ import annotations

import math

import numpy as np

from experiments.labels import flat_metrics, flattened, kept
from training.results import Estimate, Evaluation, RandomSignatures, TrainingResult

type Figures = dict[str, float]
type RunParameters = dict[str, object]

NOT_MADE = Estimate(math.nan, math.nan, math.nan)


def of_training(result: TrainingResult, reported: Evaluation) -> tuple[Figures, RunParameters]:
    """Return the parent run's: the whole procedure's figures, the diagnostics', and the definition."""
    summary = result.model.cohort
    figures = {
        **flat_metrics(reported.metrics),
        "n_patients": float(len(result.cohort.patients)),
        "n_events": float(result.cohort.n_events),
        "median_follow_up_months": summary.median_follow_up_months,
        **(result.diagnostics.metrics() if result.diagnostics else {}),
    }
    return figures, {**flattened(dict(result.model.definition)), "reported": reported.name, **kept(result)}


def of_evaluation(evaluation: Evaluation) -> tuple[Figures, RunParameters]:
    """Return a learner's or baseline's: its metrics, what tuning made of it, and what it weighs."""
    figures = flat_metrics(evaluation.metrics)
    parameters: RunParameters = {"learner": evaluation.name}
    if evaluation.tuning is not None:
        figures["inner_log_likelihood_tuned"] = evaluation.tuning.score
        figures["inner_log_likelihood_default"] = evaluation.tuning.default_score
        parameters |= evaluation.tuning.parameters
    if evaluation.fits_planned:
        figures |= {"fits_planned": float(evaluation.fits_planned), "fits_done": float(evaluation.fits_done)}
    if evaluation.shared_weight:
        figures["shared_weight"] = evaluation.shared_weight
    parameters |= {f"weight.{learner}": f"{weight:.3f}" for learner, weight in evaluation.weights.items()}
    return figures, parameters


def of_null(null: RandomSignatures, reported: Evaluation) -> tuple[Figures, RunParameters]:
    """Return the random sets': their median as the concordance, their 95 % range in place of its interval.

    The other metrics of `reported` are named and empty, so that MLflow lines the runs up.
    """
    middle, lower, upper = np.quantile(null.concordance, [0.5, 0.025, 0.975])
    of_sets = {"concordance_harrell": Estimate(float(middle), float(lower), float(upper))}
    figures = {
        **flat_metrics(dict.fromkeys(reported.metrics, NOT_MADE) | of_sets),
        "random_signature_percentile": null.percentile,
        "random_signature_p_value": null.p_value,
        "panel_concordance_harrell": null.model,
        "without_genes_concordance_harrell": null.clinical,
    }
    parameters: RunParameters = {
        "learner": "ridge Cox on random sets of genes",
        "n_sets": len(null.concordance),
        "n_genes": null.n_genes,
        "universe_size": null.universe_size,
        "universe": null.universe,
    }
    return figures, parameters
