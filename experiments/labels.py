"""What runs and registered versions say of themselves: tags, notes and warnings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from training.evaluation import GAIN
from training.gate import FAILED, NOT_ASSESSED, PASSED
from training.metrics import gain_of_genes
from training.model import PrognosticModel
from training.results import Estimate, Evaluation, TrainingResult

#: What a version was made from; if none of it changed, neither would the model.
MADE_FROM = ("data_digest", "definition_digest", "code_version")


def identity(model: PrognosticModel) -> dict[str, str]:
    """Return what an experiment, a registered model and a run have in common."""
    return {
        "cancer_type": model.cancer_type,
        "endpoint": model.endpoint,
        "simulated": str(model.simulated).lower(),
    }


def run_tags(result: TrainingResult) -> dict[str, str]:
    """Return what every run and the version say of themselves: whose they are, and what they were made from."""
    return origin_tags(result.model)


def origin_tags(model: PrognosticModel) -> dict[str, str]:
    """Return whose a model is, and what it was made from."""
    return {**identity(model), **{key: model.provenance[key] for key in MADE_FROM}}


def gate_tags(result: TrainingResult) -> dict[str, str]:
    """Return the gate's verdict on the whole procedure, and each clause of it."""
    return verdict_tags(result.gate.clauses)


def verdict_tags(clauses: Sequence[tuple[str, str, str]]) -> dict[str, str]:
    """Return the verdict in a word, and each clause with its figure."""
    each = {f"gate.{clause}": f"{verdict}: {figure}" for clause, verdict, figure in clauses}
    return {"gate": verdict_of(clauses), **each}


def version_tags(result: TrainingResult, reported: Evaluation) -> dict[str, str]:
    """Return what only the registered version says: the figures of the whole procedure."""
    summary = result.model.cohort
    return {
        **{key: f"{value:.4f}" for key, value in flat_metrics(reported.metrics).items() if math.isfinite(value)},
        "learner": _learner(reported),
        **kept(result),
        "scale": result.model.scale,
        "n_patients": str(summary.n_patients),
        "n_events": str(summary.n_events),
    }


def kept(result: TrainingResult) -> dict[str, str]:
    """Return which learner each variant of the registered model is, and its slope on out-of-fold predictors."""
    variants = result.model.variants.items()
    learners = {f"kept.{name}.learner": variant.learner for name, variant in variants}
    return learners | {f"kept.{name}.slope": f"{variant.slope:.4f}" for name, variant in variants}


def _learner(reported: Evaluation) -> str:
    """Name the procedure that is reported, and what each learner counts where it weighs them."""
    weights = sorted(reported.weights.items(), key=lambda item: -item[1])
    counted = ", ".join(f"{name} {weight:.2f}" for name, weight in weights)
    return f"{reported.name}: {counted}" if counted else reported.name


def gate_verdict(result: TrainingResult) -> str:
    """Return the gate's verdict in a word: failed where a clause did, though another could not be assessed."""
    return verdict_of(result.gate.clauses)


def verdict_of(clauses: Sequence[tuple[str, str, str]]) -> str:
    """Return the verdict of the gate's clauses in a word."""
    verdicts = {verdict for _, verdict, _ in clauses}
    return FAILED if FAILED in verdicts else NOT_ASSESSED if verdicts - {PASSED} else PASSED


def note(result: TrainingResult, reported: Evaluation) -> str:
    """Say in a few lines what was trained and how it did."""
    concordance, summary = reported.metrics["concordance_harrell"], result.model.cohort
    clauses = (f"- {clause}: {verdict} ({figure})" for clause, verdict, figure in result.gate.clauses)
    return "\n".join(
        [
            f"{warning(result.model)}\n",
            f"{summary.n_patients} patients, {summary.n_events} events; {summary.source}.",
            f"Out-of-fold concordance (Harrell) of `{reported.name}`: {concordance.value:.3f} "
            f"({concordance.lower:.3f} to {concordance.upper:.3f}; conditional on the fits).\n",
            *_beside_clinical(reported),
            f"Gate {gate_verdict(result)}:\n",
            *clauses,
        ]
    )


def _beside_clinical(reported: Evaluation) -> list[str]:
    """Say what the genes add to clinical covariates alone, where there are any."""
    gain, genes = reported.metrics.get(GAIN), gain_of_genes(reported.metrics)
    if gain is None or genes is None:
        return []
    verdict = "the genes add" if genes.lower > 0 else "the genes are not shown to add"
    return [
        f"Concordance beyond clinical covariates alone: {_signed(gain)}.\n",
        f"Beyond the same average of learners without any gene: {_signed(genes)}; {verdict}.\n",
    ]


def _signed(gain: Estimate) -> str:
    return f"{gain.value:+.3f} ({gain.lower:+.3f} to {gain.upper:+.3f})"


def warning(model: PrognosticModel) -> str:
    """Say what the model must not be used for."""
    research = "For research, not for clinical decisions."
    return f"SIMULATED patients: this says nothing of real ones. {research}" if model.simulated else research


def flattened(tree: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Return a nested mapping as one level, its keys joined by dots."""
    flat: dict[str, object] = {}
    for key, value in tree.items():
        flat |= flattened(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def flat_metrics(metrics: Mapping[str, Estimate]) -> dict[str, float]:
    """Return each figure and its bounds under one set of names: ``NAME``, ``NAME_lower``, ``NAME_upper``."""
    return {
        name + suffix: value
        for name, estimate in metrics.items()
        for suffix, value in (("", estimate.value), ("_lower", estimate.lower), ("_upper", estimate.upper))
    }
