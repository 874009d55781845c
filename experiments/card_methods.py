"""The model card's methods: where the patients come from, what was measured, and how it was analysed."""

from __future__ import annotations

import numpy as np

from experiments.card_cohorts import clusters
from experiments.card_context import origin_of_panel
from experiments.card_markdown import NOT_ASSESSED, bullets, escaped, number, table
from experiments.contribution_figures import kept_variant
from experiments.tripod_ai import to_be_completed
from features.cohort import ENDPOINTS, days_to_months
from features.endpoint_advice import endpoint_advice
from training.interval_coverage import interval_coverage
from training.metrics import METRICS
from training.model import Variant
from training.results import TrainingResult

EVENTS = {
    "OS": "death from any cause",
    "DSS": "death from the disease",
    "DFI": "recurrence or a new tumour after the patient was free of disease",
    "PFI": "progression, recurrence, a new tumour, or death with disease",
}


def method_items(result: TrainingResult) -> dict[str, str]:
    """Return the items of the methods that the run itself can fill, by number."""
    return {**_data_items(result), **_variable_items(result), **_analysis_items(result), **_use_items(result)}


def _data_items(result: TrainingResult) -> dict[str, str]:
    cohort = result.cohort
    longest = float(days_to_months(np.array([cohort.time.max()]))[0])
    return {
        "5a": f"{escaped(cohort.source)}; read as {escaped(cohort)}. "
        + to_be_completed("how the patients were recruited and whom they represent"),
        "5b": f"Median follow-up {_follow_up(result)}, longest {longest:.0f} months. "
        + to_be_completed("start and end of accrual"),
        "6a": to_be_completed("number and place of the centres"),
        "6b": "Primary tumour measured, outcome known, follow-up longer than 0 days; whom that left out stands under "
        "20a. " + to_be_completed("criteria of the study that recruited them"),
        "6c": f"Not in the data. {to_be_completed('treatments')}",
        "7": bullets(
            [f"Expression scale: {_scale(result)}.", *_ledger(result, ("mapped", "converted", "guessed", "kept"))]
        ),
    }


def _variable_items(result: TrainingResult) -> dict[str, str]:
    cohort, panel = result.cohort, result.model.panel
    variant = kept_variant(result)[1]
    return {
        "8a": _outcome(result),
        "8b": to_be_completed("who assessed the outcome"),
        "8c": to_be_completed("whether they knew the predictors"),
        "9a": f"{origin_of_panel(result)} {escaped(panel.name)}: {len(_present(result))} of {len(panel.symbols)} genes "
        f"measured. Not measured: {_absent(result)}. Clinical columns by the definition: "
        f"{escaped(', '.join(result.definition.features.clinical) or 'none')}.",
        "9b": f"Genes ({len(variant.genes)} read): {', '.join(variant.genes) or 'none'}; tumour expression, "
        f"{_scale(result)}. Clinical: {escaped(', '.join(variant.clinical) or 'none')} (age in years at diagnosis, "
        f"stage I–IV, grade G1–G4). All covariates of the model stand under 22.",
        "9c": f"Expression is measured by machine. {to_be_completed('who assessed stage and grade')}",
        "10": f"All patients of the source with outcome and expression: {len(cohort.time)}, with {cohort.n_events} "
        f"events; no calculation was made before. {_events_per_parameter(result)}",
        "11": _missing(result),
    }


def _analysis_items(result: TrainingResult) -> dict[str, str]:
    resampling = result.definition.resampling
    return {
        "12a": f"All patients for development; judged by {resampling.outer_folds}-fold cross-validation, "
        f"{resampling.outer_repeats} times, folds stratified by event and time. All that is learned, features "
        "included, is learned from a fold's training patients. The model that is kept is the same procedure on all "
        "patients.",
        "12b": "Genes as normal scores (Blom) against the training patients; derived terms (ligand × receptor "
        "products, cluster scores, epithelial–mesenchymal balance) and clinical covariates standardised; age with "
        "hinges at its quartiles, stage and grade as ranks with steps, other categories one against the rest.",
        "12c": bullets(_building(result)),
        "12d": clusters(result),
        "12e": _measures(result),
        "12f": "None after evaluation. Slope and baseline are estimated on inner out-of-fold predictions, as a part of "
        "the procedure that is judged.",
        "12g": "S(t | x) = exp(−H₀(t) · exp(η(x))), with the baseline hazard H₀ (Breslow's) and the recalibrated "
        f"linear predictor η under 22. {_intervals(result)}",
    }


def _intervals(result: TrainingResult) -> str:
    """Say where the intervals of answers come from, and how often such hold the truth in simulation."""
    variant = kept_variant(result)[1]
    if variant.replicates is None:
        return "Answers have no interval."
    coverage = interval_coverage(variant.learner)
    measured = coverage.in_full if coverage else f"Their coverage was not measured for {variant.learner}."
    return (
        f"Answers have 95 % intervals from {len(variant.replicates)} bootstrap replicates, slope and baseline hazard "
        f"included. {measured}"
    )


def _measures(result: TrainingResult) -> str:
    """Say what each metric is, which way is better and which follow-up it counts, and how its interval came about."""
    model, definition = result.model, result.definition
    rows = [(name, metric.definition, metric.direction, metric.horizon) for name, metric in METRICS.items()]
    return (
        f"Last judged day: {model.horizon_months_max:g} months, the last with at least "
        f"{definition.horizons.minimum_at_risk} patients at risk. Intervals: 95 %, {definition.resampling.bootstrap} "
        "bootstrap samples of patients unless the metric says fewer, conditional on the fits.\n\n"
        f"{table(('Metric', 'what it is', 'direction', 'follow-up'), rows)}"
    )


def _use_items(result: TrainingResult) -> dict[str, str]:
    horizons = ", ".join(f"{months:g}" for months in result.model.horizons_months)
    return {
        "13": "No resampling of classes: survival models, censoring in the likelihood and as inverse weights in the "
        "metrics.",
        "14": "No constraint was put on the model. Performance by sex, age band and stage stands under 23a; other "
        "groups are not known from the data.",
        "15": f"Survival probability at {horizons} months or any earlier than {result.model.horizon_months_max:g}; the "
        "percentile among the training patients (0–100, higher is worse) and its tertile as a risk group. No threshold "
        "for a decision.",
        "16": "None by design: evaluated on held-out patients of the same cohort.",
    }


def _scale(result: TrainingResult) -> str:
    reference = result.cohort.zscore_reference
    return escaped(result.cohort.scale) + (f", reference {escaped(reference)}" if reference else "")


def _follow_up(result: TrainingResult) -> str:
    median = result.model.cohort.median_follow_up_months
    return f"{number(median)} months (reverse Kaplan–Meier)" if np.isfinite(median) else "not reached"


def _ledger(result: TrainingResult, actions: tuple[str, ...]) -> list[str]:
    """Return what the reader did, without the examples: they may be the names of patients' samples."""
    return [f"{e.action} {e.count}: {escaped(e.what)}" for e in result.cohort.ledger.entries if e.action in actions]


def dropped(result: TrainingResult) -> list[str]:
    """Return whom and what the reader left out, with counts."""
    return _ledger(result, ("dropped",))


def _outcome(result: TrainingResult) -> str:
    cohort = result.cohort
    lines = [
        f"{ENDPOINTS[cohort.endpoint].capitalize()} ({cohort.endpoint}): {EVENTS[cohort.endpoint]}; days from "
        "diagnosis.",
        "Estimand: the probability of surviving without the event to a horizon"
        + (
            "." if cohort.endpoint == "OS" else ", net: as if nobody died of anything else; other deaths were censored."
        ),
    ]
    advice = endpoint_advice(cohort.cancer_type, cohort.endpoint)
    return bullets([*lines, f"Soundness: {escaped(advice.sentence) if advice else NOT_ASSESSED}"])


def _present(result: TrainingResult) -> list[str]:
    return [symbol for symbol in result.model.panel.symbols if symbol in result.cohort.expression.columns]


def _absent(result: TrainingResult) -> str:
    present = set(_present(result))
    return ", ".join(symbol for symbol in result.model.panel.symbols if symbol not in present) or "none"


def _events_per_parameter(result: TrainingResult) -> str:
    found = result.tables.get("events_per_parameter")
    if found is None or not len(found):
        return f"Events per parameter: {NOT_ASSESSED}."
    row = found.iloc[0]
    return f"Events per candidate parameter: {row['events_per_parameter']:.1f} ({escaped(row['verdict'])})."


def _missing(result: TrainingResult) -> str:
    variant, clinical = kept_variant(result)[1], result.cohort.clinical
    columns = [column for column in result.definition.features.clinical if column in clinical.columns]
    unknown = int(result.cohort.expression.reindex(columns=list(variant.genes)).isna().to_numpy().sum())
    known = [(column, int(clinical[column].notna().sum()), int(clinical[column].isna().sum())) for column in columns]
    return (
        f"Patients without outcome were left out (20a). Missing expression values of the model's genes: {unknown}; "
        "they take their expectation given the patient's other genes. Missing clinical values take the training "
        f"patients' mean. Both are learned inside the folds.\n\n{table(('Clinical column', 'known', 'missing'), known)}"
    )


def _building(result: TrainingResult) -> list[str]:
    definition, resampling = result.definition, result.definition.resampling
    lines = [
        f"Learner by the definition: `{definition.learner}`; tuned on {resampling.inner_folds} inner folds, "
        f"{definition.trials} trials a study, seed {definition.seed}; every trial is listed in `tables/trials.csv` of "
        "its learner's run.",
        "Trials are scored by the partial likelihood within inner folds; the best are averaged, weighed by how likely "
        "each made the outcomes of patients that it had not seen. `auto` averages the learners the same way, and "
        "`auto_clinical` those that read no gene.",
        "The shipped definitions (learners, averaging, bent clinical covariates) were shaped by looking at TCGA's "
        "BRCA, COADREAD, GBM, KIRC, KIRP, LGG, LUAD and LUSC on folds of other seeds: figures on these are not of "
        "patients wholly unseen.",
        "Recalibrated on other inner folds than those that chose the parameters: the slope multiplies the linear "
        "predictor, the baseline is Breslow's on the recalibrated predictors.",
    ]
    for evaluation in result.evaluations.values():
        weighed = ", ".join(f"{escaped(learner)} {weight:.2f}" for learner, weight in evaluation.weights.items())
        lines += (
            [f"`{evaluation.name}` weighs the learners, on average over outer folds: {weighed}."] if weighed else []
        )
    return lines + [f"Kept, {name.replace('_', ' ')}: {_parameters(v)}." for name, v in result.model.variants.items()]


def _parameters(variant: Variant) -> str:
    settings = (
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in variant.parameters.items()
    )
    return escaped(f"{variant.learner}, {', '.join(settings) or 'no parameters'}; slope {variant.slope:.3f}")
