"""The model card of a training: TRIPOD+AI item by item, the gate and the REMARK profile, as Markdown and as a page."""

from __future__ import annotations

from experiments.card_context import (
    RESEARCH_ONLY,
    context_items,
    null_in_words,
    reported_evaluation,
    title,
    warnings_of,
)
from experiments.card_markdown import bullets, escaped, html_page, interval, table
from experiments.card_methods import method_items
from experiments.card_results import result_items
from experiments.labels import gate_verdict
from experiments.remark_profile import DOI as REMARK_DOI
from experiments.remark_profile import remark_profile
from experiments.tripod_ai import AUTHORS, CHECKLIST, to_be_completed
from experiments.tripod_ai import DOI as TRIPOD_DOI
from training.evaluation import GAIN
from training.metrics import gain_of_genes
from training.results import TrainingResult


def model_card(result: TrainingResult, *, bundle_digest: str | None = None) -> str:
    """Return the model card as Markdown.

    Parameters
    ----------
    result : TrainingResult
        What is not in it is said to be not assessed, and what no training can know to be for the authors.
    bundle_digest : str, optional
        Of the model's bundle, SHA-256 (hex).

    Notes
    -----
    Text from data is escaped. The ledger's examples are left out: they may be the names of patients' samples.

    References
    ----------
    Collins GS et al. TRIPOD+AI statement. BMJ 2024;385:e078378. doi:10.1136/bmj-2023-078378
    """
    items = {**context_items(result), **method_items(result), **result_items(result, bundle_digest)}
    parts = [
        f"# Model card: {escaped(result.model.name)}",
        *_at_a_glance(result),
        "## Gate",
        _gate(result),
        "# TRIPOD+AI",
        f"Items and numbers of TRIPOD+AI (doi {TRIPOD_DOI}), filled from the run itself. What a run cannot know is "
        f"marked *{AUTHORS}*.",
    ]
    for section, headings in CHECKLIST.items():
        parts.append(f"## {section}")
        for item, heading in headings.items():
            parts += [f"### {item} · {heading}", items.get(item, to_be_completed())]
    parts += ["# REMARK profile", f"After doi {REMARK_DOI}.", remark_profile(result)]
    return "\n\n".join(parts) + "\n"


def model_card_html(result: TrainingResult, *, bundle_digest: str | None = None) -> str:
    """Return the same card as a page that stands alone (see `model_card`)."""
    return html_page(model_card(result, bundle_digest=bundle_digest), title=f"Model card: {result.model.name}")


def _at_a_glance(result: TrainingResult) -> list[str]:
    cohort, metrics = result.cohort, reported_evaluation(result).metrics
    warnings = [f"> **{RESEARCH_ONLY}**", *(f"> - {escaped(warning)}" for warning in warnings_of(result))]
    facts = [
        f"**What**: {title(result)}",
        f"**Patients**: {len(cohort.time)}, {cohort.n_events} events; {escaped(cohort.source)}",
        f"**Concordance, out of fold**: {interval(metrics.get('concordance_harrell'))}",
        f"**Beyond clinical covariates alone**: {interval(metrics.get(GAIN))}",
        f"**Beyond the same average of learners without genes**: {interval(gain_of_genes(metrics))}",
        f"**Against random gene sets**: {null_in_words(result)}",
        f"**Calibration slope**: {interval(metrics.get('calibration_slope'))}",
        f"**Gate**: {gate_verdict(result)}",
    ]
    return ["\n>\n".join([warnings[0], "\n".join(warnings[1:])]) if warnings[1:] else warnings[0], bullets(facts)]


def _gate(result: TrainingResult) -> str:
    rows = [(clause.replace("_", " "), verdict, figure) for clause, verdict, figure in result.gate.clauses]
    alias = "champion" if result.gate.passed else "candidate: the service calls it exploratory"
    return f"Verdict: **{gate_verdict(result)}** (alias {alias}).\n\n{table(('Clause', 'verdict', 'figure'), rows)}"
