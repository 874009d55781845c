"""The model that a training keeps: one learner, on the reference of each cohort that it was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from features.cohort import DAYS_PER_MONTH, Cohort
from features.pooled_cohorts import stratum
from features.pooled_features import PooledFeatures
from training.applicability import fit_applicability
from training.assembling import Outcomes, whole
from training.estimate import Estimate
from training.evaluation import Judge
from training.evaluation_table import evaluation_table
from training.gate import GateVerdict
from training.gene_curves import gene_curves
from training.gene_weights import gene_weights
from training.kaplan_meier import kaplan_meier, median_follow_up
from training.model import CohortSummary, PrognosticModel, Variant
from training.pooled_judge import PooledJudge
from training.procedure import FittedProcedure
from training.refitting import refit_by_cohort
from training.replicate_source import ALONE
from training.replicates import Replicates
from training.resampling import derived_seed
from training.results import Evaluation
from training.survival_grid import horizon_day
from training.tasks import Progress, Work, run_name
from training.training_patients import hashes_of
from training.univariate import hazard_ratios

#: The variants of a model, by the cohort that they refer to; `ALONE` where there is one.
type ByReference = dict[str, dict[str, Variant]]


@dataclass(frozen=True, eq=False)
class Trained:
    """What every reference of a model has in common.

    Parameters
    ----------
    cohort : Cohort
        As it was read, with all its genes.
    work : Work
        With the panel's genes only.
    judge : Judge
    evaluations : mapping of str to Evaluation
    verdict : GateVerdict
    definition : mapping
        As a bundle states it.
    provenance : mapping
    """

    cohort: Cohort
    work: Work
    judge: Judge
    evaluations: Mapping[str, Evaluation]
    verdict: GateVerdict
    definition: Mapping[str, Any]
    provenance: Mapping[str, str]


def model_of_training(trained: Trained, variants: ByReference, default: str) -> PrognosticModel:
    """Return the model on its default reference, with the others beside it where several cohorts were pooled.

    Parameters
    ----------
    trained : Trained
    variants : mapping
        As `fitted_variants` returns them.
    default : str
        The default reference; empty for one cohort alone.
    """
    cohort = trained.work.cohort
    if not cohort.parts:
        return _model(trained, trained.cohort, cohort, trained.judge, variants[ALONE])
    judge = trained.judge
    assert isinstance(judge, PooledJudge)  # noqa: S101
    names = (default, *(part.name for part in cohort.parts if part.name != default))
    trained = replace(trained, provenance={**trained.provenance, **_of_parts(cohort)})
    views = {}
    for name in names:
        source, narrowed = stratum(trained.cohort, name), stratum(cohort, name)
        view = _model(trained, source, narrowed, judge.alone[name], variants[name])
        hashes = hashes_of(cohort, first=name)
        views[name] = replace(view, reference=name, reference_names=names, patient_hashes=hashes)
    return replace(views.pop(default), references=views)


def default_reference(cohort: Cohort, wanted: str = "") -> str:
    """Return the name of the default reference: the one that is wanted, else the largest cohort's; empty for one alone.

    Raises
    ------
    CohortError
        If no cohort of the wanted name was pooled.
    """
    if wanted:
        stratum(cohort, wanted)
        return wanted
    if cohort.strata is None:
        return ""
    sizes = {part.name: int((cohort.strata == part.name).sum()) for part in cohort.parts}
    return max(sizes, key=lambda name: sizes[name])


def _of_parts(cohort: Cohort) -> dict[str, str]:
    """Say which cohorts were pooled, and of which data each was before."""
    return {f"cohort {part.name}": f"{part.source}, data digest {part.digest}" for part in cohort.parts}


def _model(
    trained: Trained, source: Cohort, cohort: Cohort, judge: Judge, variants: Mapping[str, Variant]
) -> PrognosticModel:
    """Return the model on one cohort, `source`, which has the panel's genes only as `cohort`."""
    panel, definition = trained.work.panel, trained.work.definition
    known = [gene for gene in cohort.expression if any(gene in v.features.genes for v in variants.values())]
    referred = replace(cohort, expression=cohort.expression[known]) if trained.work.cohort.parts else cohort
    months = tuple(m for m in definition.horizons.months if m <= judge.horizon_months) or (judge.horizon_months,)
    return PrognosticModel(
        cancer_type=cohort.cancer_type,
        endpoint=cohort.endpoint,
        scale=cohort.scale,
        zscore_reference=cohort.zscore_reference,
        horizons_months=months,
        horizon_months_max=judge.horizon_months,
        cohort=summary_of(source),
        variants=variants,
        panel=panel,
        hazard_ratios=hazard_ratios(cohort, panel),
        gate=trained.verdict.clauses,
        champion_earned=trained.verdict.passed,
        definition=trained.definition,
        provenance=trained.provenance,
        patient_hashes=hashes_of(trained.work.cohort),
        applicability=fit_applicability(referred, panel, definition),
        kaplan_meier=kaplan_meier(cohort.time, cohort.event),
        tables={
            "gene_curves": gene_curves(cohort, panel.symbols, until_days=horizon_day(judge.horizon_months)),
            "evaluations": evaluation_table(trained.evaluations.values()),
        },
    )


def summary_of(cohort: Cohort) -> CohortSummary:
    """Return what may be said of a cohort without naming a patient."""
    return CohortSummary(
        source=cohort.source,
        n_patients=len(cohort.patients),
        n_events=cohort.n_events,
        median_follow_up_months=median_follow_up(cohort.time, cohort.event) / DAYS_PER_MONTH,
        digest=cohort.digest(),
    )


def fitted_variants(
    outcomes: Outcomes,
    evaluations: Mapping[str, Evaluation],
    work: Work,
    *,
    workers: int,
    progress: Progress | None,
) -> ByReference:
    """Return the variants to keep: the definition's learner, or all learners weighed, fitted on all patients."""
    learner = work.definition.learner
    found: ByReference = {part.name: {} for part in work.cohort.parts} or {ALONE: {}}
    for task, procedures in sorted(whole(outcomes).items(), key=lambda item: item[0].variant):
        procedure = procedures[learner]
        kept = _kept(procedure, evaluations[run_name(learner, task.variant)].metrics, work)
        replicates = refit_by_cohort(
            procedure,
            work.cohort,
            work.definition.replicates,
            seed=derived_seed(work.definition.seed, str(work.cohort), task.variant, "replicates"),
            workers=workers,
            progress=progress,
        )
        for name, variants in found.items():
            variants[task.variant] = _referring(kept, procedure, work, name, replicates.get(name))
    return found


def _kept(procedure: FittedProcedure, metrics: Mapping[str, Estimate], work: Work) -> Variant:
    """Return the variant of one cohort, or what the references of several have in common."""
    tuned = dict(procedure.tuning.parameters) if procedure.tuning else {}
    features = procedure.features
    X = features.of(work.cohort)
    return Variant(
        learner=procedure.learner,
        features=next(iter(features.states.values())) if isinstance(features, PooledFeatures) else features,
        fitted=procedure.fitted,
        slope=procedure.slope,
        baseline=procedure.baseline,
        reference=np.sort(procedure.out_of_fold),
        metrics=dict(metrics),
        parameters=tuned | {f"weight.{name}": weight for name, weight in procedure.weights.items()},
        minimum_gene_fraction=work.definition.features.minimum_gene_fraction,
        gene_weights=gene_weights(procedure.fitted, features.covariates, X),
    )


def _referring(
    kept: Variant, procedure: FittedProcedure, work: Work, name: str, replicates: Replicates | None
) -> Variant:
    """Return the variant with the replicates, and of pooled cohorts with all that is one cohort's own."""
    if not isinstance(procedure.features, PooledFeatures):
        return replace(kept, replicates=replicates)
    assert work.cohort.strata is not None  # noqa: S101
    members = work.cohort.strata == name
    return replace(
        kept,
        features=procedure.features.states[name],
        baseline=procedure.baselines[name],
        reference=np.sort(procedure.out_of_fold[members]),
        replicates=replicates,
    )
