"""What a training tells beside its figures: random gene sets, diagnostics, and tables for pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.cohort import Cohort
from features.panel import Panel
from features.pooled_features import Features, PooledFeatures
from features.transform import Covariate
from training.checkpoints import Checkpoints
from training.definition import Definition
from training.diagnostics import Diagnostics, diagnose
from training.evaluation import Judge
from training.follow_up import events_per_parameter
from training.judgement_tables import (
    decision_curve_table,
    paired_differences,
    subgroup_table,
    time_dependent_auc_table,
)
from training.learners import LearnerSetting
from training.model import PrognosticModel, Variant
from training.null_procedure import NullSettings
from training.penalised_cox import FittedCox
from training.pooled_judge import PooledJudge, by_cohort_table, heterogeneity_table
from training.proliferation import proliferation_comparison
from training.random_signatures import random_signatures
from training.resampling import derived_seed, generator
from training.results import Evaluation, RandomSignatures
from training.selection_stability import SelectionStability, selection_stability
from training.survival_grid import horizon_day
from training.tasks import Progress
from training.tuning import Trial

Floats = NDArray[np.float64]

#: Bootstrap samples in which the genes are selected anew.
STABILITY_SAMPLES = 50
#: Whose curves are drawn beside the reported one's.
COMPARED = ("clinical_only",)


def random_signatures_of(
    cohort: Cohort,
    panel: Panel,
    definition: Definition,
    judge: Judge,
    *,
    clinical: tuple[str, ...],
    workers: int,
    progress: Progress | None,
    kept: Checkpoints,
) -> RandomSignatures | None:
    """Compare the panel with random sets of the cohort's other genes; None if the definition asks for none."""
    if definition.null.n_sets == 0:
        return None
    return random_signatures(
        cohort,
        panel,
        judge,
        _null_settings(definition, clinical),
        n_sets=definition.null.n_sets,
        seed=derived_seed(definition.seed, str(cohort), "null"),
        workers=workers,
        progress=progress,
        kept=kept,
    )


def _null_settings(definition: Definition, clinical: tuple[str, ...]) -> NullSettings:
    return NullSettings(
        clinical=clinical,
        penalties=definition.null.penalties,
        clinical_penalty=definition.null.clinical_penalty,
        shape_penalty=definition.null.shape_penalty,
        minimum_known_fraction=definition.features.minimum_known_fraction,
        inner_folds=definition.resampling.inner_folds,
    )


def proliferation_table(
    cohort: Cohort, panel: Panel, definition: Definition, judge: Judge, *, clinical: tuple[str, ...]
) -> pd.DataFrame:
    """Return what the panel adds to clinical covariates and proliferation, or why that could not be assessed.

    Returns
    -------
    DataFrame
        One row a model: ``name``, ``n_genes``, ``concordance``, ``lower``, ``upper``, ``reason``; the last row is the
        difference.
    """
    found = proliferation_comparison(
        cohort,
        panel,
        judge,
        _null_settings(definition, clinical),
        seed=derived_seed(definition.seed, str(cohort), "null"),
    )
    rows = [
        (name, found.n_genes, *astuple(estimate), found.reason)
        for name, estimate in {
            "proliferation": found.baseline,
            "proliferation_and_panel": found.with_panel,
            "difference": found.gain,
        }.items()
    ]
    return pd.DataFrame(rows, columns=["name", "n_genes", "concordance", "lower", "upper", "reason"])


def diagnostics_of(
    cohort: Cohort,
    judge: Judge,
    model: PrognosticModel,
    definition: Definition,
    *,
    reported: Evaluation,
    tuned: Evaluation,
) -> Diagnostics:
    """Diagnose a training by its out-of-fold predictions and the features of the model that is kept.

    Parameters
    ----------
    cohort : Cohort
        With the panel's genes only.
    judge : Judge
    model : PrognosticModel
        Where several cohorts were pooled, hazards and influence are tested among the patients of its reference.
    definition : Definition
    reported, tuned : Evaluation
        The whole procedure's, and the penalised Cox's, whose selection of genes is repeated.
    """
    variant = model.variants.get("clinical") or model.variants["genes_only"]
    X = _features(model, variant).of(cohort)
    # Baseline hazards of several cohorts differ, which a test of one would take for hazards that are not proportional.
    of_reference = slice(None) if cohort.strata is None else np.flatnonzero(cohort.strata == model.reference)
    covariates = variant.features.covariates
    straight = [j for j, c in enumerate(covariates) if c.kind == "clinical"]
    trial = _selecting(tuned)
    setting = LearnerSetting("penalised_cox", "clinical" if variant.clinical else "genes_only", model.panel)
    genes = [j for j in setting.columns(covariates, trial.parameters) if covariates[j].kind == "gene"] if trial else []
    found = diagnose(
        time=judge.time[of_reference],
        event=judge.event[of_reference],
        linear_predictor=reported.linear_predictor.mean(axis=0)[of_reference],
        clinical=pd.DataFrame(X[of_reference][:, straight], columns=[covariates[j].name for j in straight]),
        n_parameters=len(covariates),
        horizons_days=[horizon_day(months) for months in model.horizons_months],
        cancer_type=cohort.cancer_type,
        endpoint=cohort.endpoint,
        stability=_stability(X, cohort, covariates, setting, trial, genes, seed=definition.seed) if trial else None,
        covariates=[covariates[j].name for j in genes],
    )
    return replace(found, events_per_parameter=events_per_parameter(cohort.n_events, len(covariates)))


def _features(model: PrognosticModel, variant: Variant) -> Features:
    """Return the feature state of all cohorts that the model was trained on."""
    if not model.reference:
        return variant.features
    name = "clinical" if "clinical" in model.variants else "genes_only"
    views = {each: model.reference_named(each).variants[name].features for each in model.reference_names}
    return PooledFeatures(views)


def _stability(  # noqa: PLR0917
    X: Floats,
    cohort: Cohort,
    covariates: tuple[Covariate, ...],
    setting: LearnerSetting,
    trial: Trial,
    genes: list[int],
    *,
    seed: int,
) -> SelectionStability:
    """Select anew, in bootstrap samples, among the genes that a trial lets in.

    The feature state and the trial's parameters are those of all patients: what varies is who they are.
    """
    strata = cohort.stratum_numbers

    def select(sample: NDArray[np.int64]) -> Floats:
        event = cohort.event[sample]
        coefficients = np.zeros(len(covariates))
        if event.any():
            fitted = setting.fit(
                X[sample],
                cohort.time[sample],
                event,
                covariates=covariates,
                parameters=trial.parameters,
                seed=0,
                strata=None if strata is None else strata[sample],
            )
            assert isinstance(fitted.predictor, FittedCox)  # noqa: S101
            coefficients[fitted.columns] = fitted.predictor.coefficients
        return coefficients[genes]

    rng = generator(seed, str(cohort), "stability")
    return selection_stability(select, len(cohort.time), STABILITY_SAMPLES, rng)


def _selecting(tuned: Evaluation) -> Trial | None:
    trials = tuned.tuning.completed if tuned.tuning else ()
    selecting = [t for t in trials if float(t.parameters["l1_ratio"]) > 0 and t.parameters["panel"] != "none"]
    return max(selecting, key=lambda trial: trial.score, default=None)


def tables_of(
    cohort: Cohort, judge: Judge, evaluations: Mapping[str, Evaluation], reported: Evaluation
) -> dict[str, pd.DataFrame]:
    """Return the tables that pictures are drawn from, and those of subgroups and paired differences."""
    shown = {name: evaluations[name] for name in (reported.name, *COMPARED) if name in evaluations}
    ranked = {name: e.linear_predictor for name, e in evaluations.items() if name != "kaplan_meier"}
    tables = {
        "time_dependent_auc": time_dependent_auc_table(judge, {k: e.linear_predictor for k, e in shown.items()}),
        "decision_curve": decision_curve_table(judge, {k: e.survival for k, e in shown.items()}),
        "subgroups": subgroup_table(judge, cohort.clinical, reported.linear_predictor, reported.survival),
    }
    if isinstance(judge, PooledJudge):
        by_cohort = by_cohort_table(
            judge, {k: e.linear_predictor for k, e in shown.items()}, {k: e.survival for k, e in shown.items()}
        )
        tables |= {"by_cohort": by_cohort, "heterogeneity": heterogeneity_table(by_cohort)}
    if "clinical_only" in ranked:
        tables["beyond_clinical_only"] = paired_differences(judge, ranked, "clinical_only")
    return tables
