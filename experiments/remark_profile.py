"""The REMARK profile: one table of patients, marker and outcome, one of every analysis with its n and events.

References
----------
Altman DG, McShane LM, Sauerbrei W, Taube SE. Reporting recommendations for tumor marker prognostic studies (REMARK):
explanation and elaboration. PLoS Med 2012;9:e1001216. doi:10.1371/journal.pmed.1001216

Sauerbrei W, Taube SE, McShane LM, Cavenagh MM, Altman DG. Reporting recommendations for tumor marker prognostic studies
(REMARK): an abridged explanation and elaboration. J Natl Cancer Inst 2018;110:803-811. doi:10.1093/jnci/djy088
"""

from __future__ import annotations

from collections.abc import Iterator

from experiments.card_context import reported_evaluation
from experiments.card_markdown import NOT_ASSESSED, interval, table
from experiments.contribution_figures import kept_variant
from experiments.discrimination_figures import CLINICAL_ONLY, CONCORDANCE
from experiments.figure_style import GENES_ONLY, learner_words
from experiments.tripod_ai import AUTHORS
from features.cohort import ENDPOINTS
from training.evaluation import GAIN
from training.results import TrainingResult

DOI = "10.1371/journal.pmed.1001216"

type Row = tuple[object, ...]


def remark_profile(result: TrainingResult) -> str:
    """Return both parts of the profile as Markdown tables."""
    return "\n\n".join(
        [
            "**(a) Patients, treatment and variables**",
            table(("Item", "Of this study"), _patients(result)),
            "**(b) Statistical analyses of the outcome**",
            table(("Analysis", "n", "events", "variables", "result"), list(_analyses(result))),
        ]
    )


def _patients(result: TrainingResult) -> list[Row]:
    cohort, variant = result.cohort, kept_variant(result)[1]
    left_out = sum(e.count for e in cohort.ledger.entries if e.action == "dropped" and e.what.startswith("patients"))
    scale = cohort.scale + (f" (reference {cohort.zscore_reference})" if cohort.zscore_reference else "")
    return [
        (
            "Marker",
            f"panel {result.model.panel.name}: {len(variant.genes)} genes in the model; {scale}, as normal scores",
        ),
        ("Further variables", ", ".join(variant.clinical) or "none"),
        ("Patients", f"{len(cohort.time)} of {cohort.cancer_type}; {cohort.source}"),
        ("Left out", f"{left_out} patients by the reader (TRIPOD+AI 20a)"),
        ("Treatment", AUTHORS),
        ("Outcome", f"{ENDPOINTS[cohort.endpoint]}: {cohort.n_events} events"),
    ]


def _analyses(result: TrainingResult) -> Iterator[Row]:
    n, events = len(result.cohort.time), result.cohort.n_events
    yield ("Characteristics", n, events, "age, sex, stage, grade", "TRIPOD+AI 20b")
    yield _univariate(result)
    reported = reported_evaluation(result).name
    for name, evaluation in result.evaluations.items():
        kind = "reported" if name == reported else "compared"
        concordance = interval(evaluation.metrics.get(CONCORDANCE))
        yield (f"{learner_words(name)} ({kind})", n, events, _variables(result, name), f"concordance {concordance}")
    gain = interval(reported_evaluation(result).metrics.get(GAIN))
    yield ("Genes beyond clinical covariates", n, events, _variables(result, reported), f"difference {gain}")
    yield _random_sets(result, n, events)
    yield from _checks(result, n, events)


def _variables(result: TrainingResult, name: str) -> str:
    clinical = ", ".join(kept_variant(result)[1].clinical)
    if name == "kaplan_meier":
        return "none"
    if name.startswith("clinical_"):
        return clinical or "none"
    return "genes" if name.endswith(GENES_ONLY) or not clinical else f"genes, {clinical}"


def _univariate(result: TrainingResult) -> Row:
    ratios = result.model.hazard_ratios
    found = f"{int((ratios['q_per_sd'] < 0.05).sum())} of {len(ratios)} with q < 0.05 (all in tables/hazard_ratios.csv)"
    n, events = (f"{ratios[key].min()} to {ratios[key].max()}" if len(ratios) else "0" for key in ("n", "events"))
    return ("Each gene alone", n, events, "one gene at a time, per SD and at the median", found)


def _random_sets(result: TrainingResult, n: int, events: int) -> Row:
    null = result.random_signatures
    if null is None or not len(null.concordance):
        return ("Random gene sets", n, events, "as the panel's", NOT_ASSESSED)
    found = f"the panel exceeds {null.percentile:.1f} % of {len(null.concordance)} sets (p {null.p_value:.4f})"
    return ("Random gene sets", n, events, f"{null.n_genes} other genes a set", found)


def _checks(result: TrainingResult, n: int, events: int) -> Iterator[Row]:
    """Yield the analyses that check assumptions or look at parts of the cohort, whether or not they were made."""
    made = {
        "Subgroups": ("subgroups", "sex, age band, stage", "TRIPOD+AI 23a"),
        "Proportional hazards": ("proportional_hazards", "linear predictor, clinical covariates", "TRIPOD+AI 23a"),
        "Influence of single patients": ("influence", "linear predictor, clinical covariates", "tables/influence.csv"),
        "Stability of the selection": ("selection_stability", "all candidates", "tables/selection_stability.csv"),
    }
    for analysis, (name, variables, where) in made.items():
        yield (analysis, n, events, variables, where if name in result.tables else NOT_ASSESSED)
    if CLINICAL_ONLY not in result.evaluations:
        yield ("clinical covariates only", n, events, "none", NOT_ASSESSED)
