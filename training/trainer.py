"""Train one cancer type and endpoint: every learner in every fold, the judgement, and the model that is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from threadpoolctl import threadpool_limits

from features.cohort import Cohort
from features.ledger import Ledger
from features.panel import Panel
from features.pooled_features import require_features
from training.assembling import evaluations_of
from training.batch_effects import batch_effects
from training.checkpoints import Checkpoints
from training.definition import Definition, DefinitionError
from training.evaluation import judge_of
from training.gate import judge_gate
from training.pooling import SharedPredictor, fit_shared
from training.procedure import knows_aft
from training.references import Trained, default_reference, fitted_variants, model_of_training
from training.report import diagnostics_of, proliferation_table, random_signatures_of, tables_of
from training.results import Estimate, Evaluation, RandomSignatures, TrainingResult
from training.tasks import Progress, Work, planned, run, run_name

#: Clinical columns that every definition may name: a cohort that has none of one is noted, not refused.
STANDARD = ("age", "sex", "stage", "grade")


def train(
    cohort: Cohort,
    panel: Panel,
    definition: Definition,
    *,
    provenance: Mapping[str, str],
    workers: int,
    progress: Progress | None = None,
    others: Sequence[Cohort] = (),
    checkpoints: Checkpoints | None = None,
    reference: str = "",
) -> TrainingResult:
    """Train and judge every learner and baseline on a cohort, and keep the chosen model.

    Parameters
    ----------
    cohort : Cohort
        One cohort alone, or several that were pooled (`features.pooled_cohorts.pooled`): all fits and figures are then
        stratified by cohort, and the model has a reference for each.
    panel : Panel
    definition : Definition
    provenance : mapping
        What the model shall say of its making; kept as given.
    workers : int
        Processes; the numbers do not depend on it.
    progress : callable, optional
        Called with a stage's name, the tasks done and the tasks in all.
    others : sequence of Cohort
        Of other cancer types, for ``pooled_cox`` to lean on.
    checkpoints : Checkpoints, optional
        Where finished trials, folds and random sets are kept, and looked for: a training that was interrupted goes
        on, and ends with the same numbers.
    reference : str
        Which of several pooled cohorts is the model's default reference; the largest unless given.

    Raises
    ------
    CohortError, PanelError
        If the cohort is too small to be judged or holds no gene of the panel.
    """
    # One thread: what the workers do not compute must not depend on the machine either.
    with threadpool_limits(1):
        return _trained(
            cohort,
            panel,
            definition,
            provenance=provenance,
            workers=workers,
            progress=progress,
            others=others,
            kept=checkpoints or Checkpoints(),
            default=default_reference(cohort, reference),
        )


def _trained(
    cohort: Cohort,
    panel: Panel,
    definition: Definition,
    *,
    provenance: Mapping[str, str],
    workers: int,
    progress: Progress | None,
    others: Sequence[Cohort],
    kept: Checkpoints,
    default: str,
) -> TrainingResult:
    judge = judge_of(cohort, definition)
    narrowed = _only_panel(cohort, panel)
    clinical = _clinical_columns(narrowed, panel, definition)
    shared = _shared(cohort, others, panel, definition)
    if definition.learner == "pooled_cox" and not shared.coefficients:
        raise DefinitionError(f"{cohort}: learner = {definition.learner!r} needs cohorts of other cancer types.")
    work = Work(narrowed, panel, definition, judge.folds, judge.grid_days, shared, kept)
    variants = ("clinical", "genes_only") if clinical else ("genes_only",)
    outcomes = run(list(planned(judge, variants)), work, workers=workers, progress=progress)
    evaluations = evaluations_of(outcomes, judge, workers=workers)
    null = random_signatures_of(
        cohort, panel, definition, judge, clinical=clinical, workers=workers, progress=progress, kept=kept
    )
    headline = headline_name(evaluations, definition)
    evaluations[headline] = _beside_null(evaluations[headline], null)
    reported = evaluations[headline]
    verdict = judge_gate(definition.gate, n_events=cohort.n_events, metrics=reported.metrics, null=null)
    trained = Trained(
        cohort, work, judge, evaluations, verdict, _stated(definition, panel), {**provenance, **_leaning(shared)}
    )
    variants_kept = fitted_variants(outcomes, evaluations, work, workers=workers, progress=progress)
    model = model_of_training(trained, variants_kept, default)
    diagnostics = diagnostics_of(narrowed, judge, model, definition, reported=reported, tuned=_tuned_cox(evaluations))
    return TrainingResult(
        cohort=replace(
            cohort, ledger=_with_shared(_with_limits(_with_unused(cohort, definition, clinical), work), shared)
        ),
        definition=definition,
        grid_days=judge.grid_days,
        folds=judge.folds,
        evaluations=evaluations,
        gate=verdict,
        model=model,
        random_signatures=null,
        diagnostics=diagnostics,
        tables={
            **tables_of(narrowed, judge, evaluations, reported),
            **({"batch_effects": batch_effects(narrowed)} if narrowed.parts else {}),
            **diagnostics.tables(),
            "proliferation": proliferation_table(cohort, panel, definition, judge, clinical=clinical),
        },
    )


def _tuned_cox(evaluations: Mapping[str, Evaluation]) -> Evaluation:
    return evaluations.get("penalised_cox") or evaluations[run_name("penalised_cox", "genes_only")]


def _shared(cohort: Cohort, others: Sequence[Cohort], panel: Panel, definition: Definition) -> SharedPredictor:
    settings = definition.features
    return fit_shared(
        cohort,
        others,
        panel,
        definition.pooling,
        clinical=STANDARD,
        minimum_known=settings.minimum_known_fraction,
    )


def _leaning(shared: SharedPredictor) -> dict[str, str]:
    if not shared.coefficients:
        return {}
    return {"pooled_with": ", ".join(shared.cancer_types), "pooled_digest": shared.digest}


def _beside_null(evaluation: Evaluation, null: RandomSignatures | None) -> Evaluation:
    """Add the rank of the panel among random sets of other genes, where that could be assessed."""
    if null is None or null.reason is not None:
        return evaluation
    rank = Estimate(null.percentile, float("nan"), float("nan"))
    return replace(evaluation, metrics={**evaluation.metrics, "random_signature_percentile": rank})


def _stated(definition: Definition, panel: Panel) -> dict[str, Any]:
    """Return the definition as a bundle states it: a user's panel by its name, as its path is this machine's."""
    stated = definition.model_dump(mode="json")
    stated["features"]["panel"] = panel.name
    return stated


def headline_name(evaluations: Mapping[str, Evaluation], definition: Definition) -> str:
    """Return the run whose figures are the model's: its learner's, or the choice's, with clinical covariates if any."""
    named = run_name(definition.learner, "clinical")
    return named if named in evaluations else run_name(definition.learner, "genes_only")


def _only_panel(cohort: Cohort, panel: Panel) -> Cohort:
    present = [symbol for symbol in panel.symbols if symbol in cohort.expression.columns]
    return replace(cohort, expression=cohort.expression[present])


def _clinical_columns(cohort: Cohort, panel: Panel, definition: Definition) -> tuple[str, ...]:
    """Return the clinical columns that the whole cohort knows well enough to be used.

    Raises
    ------
    DefinitionError
        If the definition names a column that the cohort does not have.
    """
    settings = definition.features
    absent = [column for column in settings.clinical if column not in (*STANDARD, *cohort.clinical.columns)]
    if absent:
        raise DefinitionError(
            f"{cohort}: features.clinical names {absent[0]!r}, but the cohort's clinical columns are "
            f"{', '.join(map(str, cohort.clinical.columns))}; correct the name or leave it out."
        )
    state = require_features(cohort, panel, clinical=settings.clinical, minimum_known=settings.minimum_known_fraction)
    return state.clinical.columns


def _with_shared(ledger: Ledger, shared: SharedPredictor) -> Ledger:
    """Return the ledger with what became of the other cancer types' patients who are this cohort's too."""
    if not shared.left_out:
        return ledger
    what = "patients of other cohorts who are of this one too: they take no part in what is shared"
    return ledger.with_note("dropped", what, shared.left_out)


def _with_limits(ledger: Ledger, work: Work) -> Ledger:
    """Return the ledger with what a definition asks for and pooled cohorts do not have."""
    if not work.cohort.parts:
        return ledger
    asked = [name for name in ("boosted", "clinical_boosted") if knows_aft(getattr(work.definition, name))]
    what = (
        "learners of the definition that may accelerate failure times, which know no strata: they fit Cox's likelihood"
    )
    return ledger.with_entry("converted", what, asked)


def _with_unused(cohort: Cohort, definition: Definition, used: tuple[str, ...]) -> Ledger:
    """Return the cohort's ledger with the clinical columns that the definition names and no model reads."""
    unused = [column for column in definition.features.clinical if column not in used]
    what = "clinical columns of the definition that are known in too few patients, or do not vary: not used"
    return cohort.ledger.with_entry("dropped", what, unused)
