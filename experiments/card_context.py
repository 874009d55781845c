"""The model card's items around the analysis: title, purpose, open science, interpretation, limits and use."""

from __future__ import annotations

import math

import pandas as pd

from experiments.card_cohorts import source_limit
from experiments.card_markdown import NOT_ASSESSED, bullets, escaped, interval
from experiments.contribution_figures import kept_variant
from experiments.labels import gate_verdict
from experiments.tripod_ai import to_be_completed
from features.cohort import ENDPOINTS
from features.endpoint_advice import endpoint_advice
from features.panel import PANELS
from training.evaluation import GAIN
from training.metrics import gain_of_genes
from training.results import Evaluation, RandomSignatures, TrainingResult
from training.trainer import headline_name

RESEARCH_ONLY = "For research, not for clinical decisions."
SIMULATED = "SIMULATED patients: nothing here says anything of real ones."
PAPER = "Rozenberg et al. 2023, doi 10.3389/fimmu.2023.1099921"
#: Where the diagnostics keep their sentences.
WARNINGS = ("diagnostic_warnings", "warnings")


def context_items(result: TrainingResult) -> dict[str, str]:
    """Return the items of title, introduction, open science and discussion that the run itself can fill, by number."""
    return {
        "1": title(result),
        "2": _abstract(result),
        **_introduction(result),
        **_open_science(result),
        "25": _interpretation(result),
        "26": bullets(limits(result)),
        **_usability(result),
    }


def reported_evaluation(result: TrainingResult) -> Evaluation:
    """Return the procedure whose figures are the model's."""
    return result.evaluations[headline_name(result.evaluations, result.definition)]


def title(result: TrainingResult) -> str:
    """Say what was developed, for whom and for which outcome."""
    cohort, model = result.cohort, result.model
    return (
        f"Development and internal validation of a model of {ENDPOINTS[cohort.endpoint]} in "
        f"{escaped(cohort.cancer_type)} from the gene panel {escaped(model.panel.name)}"
    )


def warnings_of(result: TrainingResult) -> list[str]:
    """Return what a user of the model must know first, each once: simulation, scale, endpoint, the diagnostics'."""
    found = [SIMULATED] if result.cohort.simulated else []
    found += _of_scale(result)
    advice = endpoint_advice(result.cohort.cancer_type, result.cohort.endpoint)
    found += [advice.sentence] if advice is not None and advice.is_warning else []
    tables = [result.tables[name] for name in WARNINGS if name in result.tables]
    found += [_capitalised(sentence) for sentence in pd.concat(tables)["warning"]] if tables else []
    return list(dict.fromkeys(found))


def _capitalised(sentence: object) -> str:
    return str(sentence)[:1].upper() + str(sentence)[1:]


def _of_scale(result: TrainingResult) -> list[str]:
    if result.cohort.scale != "zscore":
        return []
    return [
        f"Expression came as z-scores (reference: {result.cohort.zscore_reference}). They were computed at the source, "
        "before any fold was made: where the reference is the whole cohort, held-out patients had a part in them, and "
        "that was inherited. A new patient's z-scores mean something only against the same reference."
    ]


def _abstract(result: TrainingResult) -> str:
    cohort, reported = result.cohort, reported_evaluation(result)
    resampling = result.definition.resampling
    return bullets(
        [
            f"**Aim**: {title(result)}.",
            f"**Patients**: {len(cohort.time)}, with {cohort.n_events} events ({escaped(cohort.source)}).",
            f"**Method**: {_procedure(result)}; {resampling.outer_folds}-fold cross-validation, "
            f"{resampling.outer_repeats} times, tuning and selection inside the folds.",
            f"**Result**: concordance {interval(reported.metrics.get('concordance_harrell'))}, beyond clinical "
            f"covariates {interval(reported.metrics.get(GAIN))}; calibration slope "
            f"{interval(reported.metrics.get('calibration_slope'))}.",
            f"**Verdict**: gate {gate_verdict(result)}. {RESEARCH_ONLY}",
        ]
    )


def _procedure(result: TrainingResult) -> str:
    reported = reported_evaluation(result)
    kept = kept_variant(result)[1].learner.replace("_", " ")
    return f"`{reported.name}`; kept after fitting on all patients: {escaped(kept)}"


def _introduction(result: TrainingResult) -> dict[str, str]:
    cancer_type = escaped(result.cohort.cancer_type)
    return {
        "3a": f"Prognostic. {origin_of_panel(result)} "
        + to_be_completed("the place in care, and models that exist already"),
        "3b": f"Patients with {cancer_type} whose tumour's expression was measured, at diagnosis. {RESEARCH_ONLY} For "
        "researchers who compare models or look at the panel; not for patients and not at the bedside.",
        "3c": "Clinical columns of the cohort: "
        f"{escaped(', '.join(map(str, result.cohort.clinical.columns)) or 'none')}; nothing else is known of the "
        "patients. " + to_be_completed("known inequalities between groups in this disease"),
        "4": "Development with internal validation (nested cross-validation); no external evaluation.",
    }


def origin_of_panel(result: TrainingResult) -> str:
    """Say where the panel's genes come from; what moved a user to a panel of their own only the user knows."""
    if result.model.panel.name in PANELS:
        return (
            "Clusters of circulating tumour cells seed metastases; the panel holds the molecules that a review names "
            f"as acting in them ({PAPER}), not chosen on this cohort."
        )
    own = f"The panel {escaped(result.model.panel.name)} is the user's own."
    return f"{own} {to_be_completed('how its genes were chosen')}"


def _open_science(result: TrainingResult) -> dict[str, str]:
    made = result.model.provenance
    definition = (
        f"Every choice stands in the definition (`definition.json` beside this card; SHA-256 "
        f"`{made.get('definition_digest', NOT_ASSESSED)}`), seed {result.definition.seed} included, before the first "
        "fit."
    )
    return {
        "18c": f"{definition} {to_be_completed('a protocol, if one was written')}",
        "18e": "This card holds no patient's values; the model holds quantiles of the training values and hashes of "
        f"the patients' ids. Digest of the cohort (SHA-256): `{result.model.cohort.digest}`. "
        + to_be_completed("where the data can be had"),
        "18f": f"Made by ctc-prognosis, code version `{made.get('code_version', NOT_ASSESSED)}`, on "
        f"{escaped(made.get('created', NOT_ASSESSED))}. {to_be_completed('where the code can be had')}",
    }


def _interpretation(result: TrainingResult) -> str:
    metrics = reported_evaluation(result).metrics
    gain, genes, concordance = metrics.get(GAIN), gain_of_genes(metrics), metrics.get("concordance_harrell")
    chance = concordance is not None and concordance.lower > 0.5
    lines = [f"Ranks patients better than chance: {'yes' if chance else 'not shown'}; {interval(concordance)}."]
    if gain is None or genes is None:
        lines.append(f"Beyond clinical covariates: {NOT_ASSESSED}.")
    else:
        verdict = "the genes add" if genes.lower > 0 else "the genes are not shown to add"
        lines.append(f"Beyond clinical covariates alone: {interval(gain)}.")
        lines.append(f"Beyond the same average of learners without any gene: {verdict}; {interval(genes)}.")
    lines.append(f"Against random gene sets: {null_in_words(result)}")
    lines.append(f"Gate: {gate_verdict(result)}.")
    return bullets(lines)


def null_in_words(result: TrainingResult) -> str:
    """Say where the panel stands among random gene sets, or why that is not known."""
    null = result.random_signatures
    if null is None:
        return f"{NOT_ASSESSED} (none asked for)."
    if not len(null.concordance):
        return f"{NOT_ASSESSED} ({escaped(null.reason or 'no random set')})."
    return (
        f"the panel ({null.model:.3f}) exceeds {null.percentile:.1f} % of {len(null.concordance)} random sets of "
        f"{null.n_genes} genes (p {null.p_value:.4f}), drawn from {escaped(null.universe)}. These figures come from "
        f"{null.procedure}, not from the learner that is reported{_without_genes(null)}."
    )


def _without_genes(null: RandomSignatures) -> str:
    return "" if math.isnan(null.clinical) else f"; without any gene its concordance is {null.clinical:.3f}"


def limits(result: TrainingResult) -> list[str]:
    """Return the limits, those of every such training and then this one's warnings."""
    every = [
        source_limit(result),
        "Intervals resample patients and are conditional on the fits: a new cohort would vary more.",
        "Associations, no causes; treatment is not known and not adjusted for.",
    ]
    if result.model.panel.name in PANELS:
        every.append(
            "The panel's review looked at the outcomes of TCGA's patients too; in a cohort of TCGA the choice of genes "
            "may not be wholly independent of these patients."
        )
    if result.cohort.endpoint != "OS":
        every.append(
            "Deaths from other causes were censored: risks are net, and higher than what patients will experience."
        )
    return every + [escaped(warning) for warning in warnings_of(result)]


def _usability(result: TrainingResult) -> dict[str, str]:
    variant = kept_variant(result)[1]
    return {
        "27a": f"The service refuses profiles with less than {variant.minimum_gene_fraction:.0%} of the model's genes, "
        "on another scale without an exact conversion, or with values that cannot be; further missing genes are "
        "estimated from the others, with a warning. Unknown clinical covariates are not imputed: the genes-only twin "
        "answers.",
        "27b": "JSON over HTTP or the page; a bioinformatician who knows the scale of the expression values and, of "
        "z-scores, their reference. A person who can judge the warnings reads the answer.",
        "27c": "Evaluation on patients of another source, with the bundle as it is. "
        + to_be_completed("what is planned for implementation"),
    }
