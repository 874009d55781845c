"""Train one cancer type and endpoint: every learner in every fold, the judgement, and the model that is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.cohort import DAYS_PER_MONTH, Cohort
from features.ledger import Ledger
from features.panel import Panel
from features.transform import fit_features
from training.definition import Definition, DefinitionError
from training.evaluation import GAIN, Judge, choose, judge_of
from training.gate import judge_gate
from training.kaplan_meier import kaplan_meier, median_follow_up
from training.learners import LEARNERS
from training.model import CohortSummary, PrognosticModel, Variant
from training.procedure import FittedProcedure
from training.results import Estimate, Evaluation, TrainingResult
from training.tasks import WHOLE, Outcome, Progress, Task, Work, planned, run, run_name
from training.univariate import hazard_ratios

Floats = NDArray[np.float64]

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
) -> TrainingResult:
    """Train and judge every learner and baseline on a cohort, and keep the chosen model.

    Parameters
    ----------
    cohort : Cohort
    panel : Panel
    definition : Definition
    provenance : mapping
        What the model shall say of its making; kept as given.
    workers : int
        Processes; the numbers do not depend on it.
    progress : callable, optional
        Called with a stage's name, the tasks done and the tasks in all.

    Raises
    ------
    CohortError, PanelError
        If the cohort is too small to be judged or holds no gene of the panel.
    """
    judge = judge_of(cohort, definition)
    narrowed = _only_panel(cohort, panel)
    clinical = _clinical_columns(narrowed, panel, definition)
    tasks = list(planned(judge, ("clinical", "genes_only") if clinical else ("genes_only",)))
    work = Work(narrowed, panel, definition, judge.folds, judge.grid_days)
    outcomes = run(tasks, work, workers=workers, progress=progress)
    evaluations = _evaluations(outcomes, judge, definition)
    variants = _fitted_variants(outcomes, evaluations, definition)
    headline = evaluations[headline_name(evaluations, definition)]
    verdict = judge_gate(definition.gate, n_events=cohort.n_events, concordance=headline.metrics["concordance_harrell"])
    model = PrognosticModel(
        cancer_type=cohort.cancer_type,
        endpoint=cohort.endpoint,
        scale=cohort.scale,
        zscore_reference=cohort.zscore_reference,
        horizons_months=tuple(m for m in definition.horizons.months if m <= judge.horizon_months)
        or (judge.horizon_months,),
        horizon_months_max=judge.horizon_months,
        cohort=summary_of(cohort),
        variants=variants,
        panel=panel,
        hazard_ratios=hazard_ratios(narrowed, panel),
        gate=verdict.clauses,
        champion_earned=verdict.passed,
        definition=_stated(definition, panel),
        provenance=dict(provenance),
        patient_hashes=tuple(sorted(hashlib.sha256(str(p).encode()).hexdigest() for p in cohort.patients)),
    )
    noted = replace(cohort, ledger=_with_unused(cohort, definition, clinical))
    return TrainingResult(noted, definition, judge.grid_days, judge.folds, evaluations, verdict, model)


def _stated(definition: Definition, panel: Panel) -> dict[str, Any]:
    """Return the definition as a bundle states it: a user's panel by its name, as its path is this machine's."""
    stated = definition.model_dump(mode="json")
    stated["features"]["panel"] = panel.name
    return stated


def headline_name(evaluations: Mapping[str, Evaluation], definition: Definition) -> str:
    """Return the run whose figures are the model's: its learner's, or the choice's, with clinical covariates if any."""
    named = run_name(definition.learner, "clinical")
    return named if named in evaluations else run_name(definition.learner, "genes_only")


def summary_of(cohort: Cohort) -> CohortSummary:
    """Return what may be said of a cohort without naming a patient."""
    return CohortSummary(
        source=cohort.source,
        n_patients=len(cohort.patients),
        n_events=cohort.n_events,
        median_follow_up_months=median_follow_up(cohort.time, cohort.event) / DAYS_PER_MONTH,
        digest=cohort.digest(),
    )


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
    state = fit_features(cohort, panel, clinical=settings.clinical, minimum_known=settings.minimum_known_fraction)
    return state.clinical.columns


def _with_unused(cohort: Cohort, definition: Definition, used: tuple[str, ...]) -> Ledger:
    """Return the cohort's ledger with the clinical columns that the definition names and no model reads."""
    unused = [column for column in definition.features.clinical if column not in used]
    what = "clinical columns of the definition that are known in too few patients, or do not vary: not used"
    return cohort.ledger.with_entry("dropped", what, unused)


def _evaluations(outcomes: dict[Task, Outcome], judge: Judge, definition: Definition) -> dict[str, Evaluation]:
    evaluations = {"kaplan_meier": _kaplan_meier(judge)}
    whole = {task: o.procedure for task, o in outcomes.items() if task.repeat == WHOLE and o.procedure is not None}
    for task in sorted(whole, key=lambda t: (t.variant, ("clinical_only", *LEARNERS).index(t.learner))):
        by_fold = {(r, k): Task(r, k, task.learner, task.variant) for r, k in _splits(judge)}
        evaluation = _assembled(task.name, {split: outcomes[t] for split, t in by_fold.items()}, judge)
        evaluations[task.name] = replace(evaluation, tuning=whole[task].tuning)
    if definition.learner == "auto":
        for variant in sorted({task.variant for task in whole}):
            evaluations[run_name("auto", variant)] = _automatic(outcomes, judge, variant)
    return _beside_clinical(evaluations, judge)


def _beside_clinical(evaluations: dict[str, Evaluation], judge: Judge) -> dict[str, Evaluation]:
    """Add to each evaluation by how much it exceeds clinical covariates alone, where there are any."""
    baseline = evaluations.get("clinical_only")
    if baseline is None:
        return evaluations
    gains = {k: judge.gain(e.linear_predictor, baseline.linear_predictor) for k, e in evaluations.items()}
    return {k: replace(e, metrics={**e.metrics, GAIN: gains[k]}) for k, e in evaluations.items()}


def _splits(judge: Judge) -> list[tuple[int, int]]:
    return [(r, k) for r, labels in enumerate(judge.folds) for k in range(labels.max() + 1)]


def _automatic(outcomes: dict[Task, Outcome], judge: Judge, variant: str) -> Evaluation:
    """Judge the choice of a learner on inner folds as the procedure that it is."""
    chosen: dict[tuple[int, int], Task] = {}
    for repeat, fold in _splits(judge):
        candidates = {learner: Task(repeat, fold, learner, variant) for learner in LEARNERS}
        chosen[repeat, fold] = candidates[choose({k: outcomes[t].inner_score for k, t in candidates.items()})]
    evaluation = _assembled(run_name("auto", variant), {split: outcomes[t] for split, t in chosen.items()}, judge)
    counts = {k: sum(t.learner == k for t in chosen.values()) for k in LEARNERS}
    return replace(evaluation, chosen=counts)


def _assembled(name: str, by_split: Mapping[tuple[int, int], Outcome], judge: Judge) -> Evaluation:
    linear_predictor = np.empty(judge.folds.shape)
    survival = np.empty((*judge.folds.shape, len(judge.grid_days)))
    for (repeat, fold), outcome in by_split.items():
        members = judge.folds[repeat] == fold
        linear_predictor[repeat, members] = outcome.linear_predictor
        survival[repeat, members] = outcome.survival
    return Evaluation(name, judge.metrics(linear_predictor, survival), linear_predictor, survival)


def _kaplan_meier(judge: Judge) -> Evaluation:
    """Judge the prediction that every patient is the average one of the training folds."""
    outcomes = {}
    for repeat, fold in _splits(judge):
        held_out = judge.folds[repeat] == fold
        time, event = judge.time[~held_out], judge.event[~held_out]
        survival = np.tile(kaplan_meier(time, event).at(judge.grid_days), (held_out.sum(), 1))
        outcomes[repeat, fold] = Outcome(float("nan"), np.zeros(held_out.sum()), survival, None)
    return _assembled("kaplan_meier", outcomes, judge)


def _fitted_variants(
    outcomes: dict[Task, Outcome], evaluations: Mapping[str, Evaluation], definition: Definition
) -> dict[str, Variant]:
    """Return the variants to keep: the definition's learner, or the one that the inner folds of all patients chose."""
    whole = {t: o for t, o in outcomes.items() if t.repeat == WHOLE and t.learner in LEARNERS}
    variants = {}
    for variant in sorted({task.variant for task in whole}):
        scores = {t.learner: o.inner_score for t, o in sorted_by_learner(whole, variant)}
        learner = choose(scores) if definition.learner == "auto" else definition.learner
        procedure = whole[Task(WHOLE, WHOLE, learner, variant)].procedure
        assert procedure is not None  # noqa: S101
        metrics = evaluations[run_name(definition.learner, variant)].metrics
        variants[variant] = _kept(procedure, metrics, definition)
    return variants


def sorted_by_learner(outcomes: Mapping[Task, Outcome], variant: str) -> list[tuple[Task, Outcome]]:
    """Return one variant's tasks in the learners' order, which breaks ties of the inner score."""
    of_variant = [(t, o) for t, o in outcomes.items() if t.variant == variant]
    return sorted(of_variant, key=lambda item: LEARNERS.index(item[0].learner))


def _kept(procedure: FittedProcedure, metrics: Mapping[str, Estimate], definition: Definition) -> Variant:
    return Variant(
        learner=procedure.setting.learner,
        features=procedure.features,
        fitted=procedure.fitted,
        slope=procedure.slope,
        baseline=procedure.baseline,
        reference=np.sort(procedure.out_of_fold),
        metrics=dict(metrics),
        parameters=dict(procedure.tuning.parameters),
        minimum_gene_fraction=definition.features.minimum_gene_fraction,
    )
