"""xgboost's Cox objective beside its AFT objective, and models with and without derived terms: one choice at a time."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from joblib import cpu_count, parallel_config

from experiments.benchmarks.configurations import evaluated
from experiments.benchmarks.objectives_tables import AFT_GAIN, TERMS_GAIN, write_objectives
from experiments.benchmarks.origin import origin
from experiments.choices import Choices
from experiments.console import Progress
from experiments.labels import flat_metrics
from experiments.runner import checkpoint_name, provenance_of
from experiments.supervisor import leave_ctrl_c_to_the_parent
from experiments.trainings import alone, definition_of, require_writable
from features.cohort import Cohort
from features.panel import Panel, load_panel
from serving.settings import Settings
from training.checkpoints import Checkpoints
from training.definition import Definition
from training.evaluation import Judge, judge_of
from training.parameters import CLINICAL_KINDS, ParameterValue
from training.results import Estimate, Evaluation
from training.splits import features_of
from training.tasks import run_name

logger = logging.getLogger(__name__)

UNFINISHED_OBJECTIVES = "unfinished_objectives"
TRIALS = 8


@dataclass(frozen=True)
class Configuration:
    """A learner whose objective and derived terms are fixed; the rest is tuned as its definition says.

    Parameters
    ----------
    learner : str
    derived_terms : bool
    objective : str or None
        ``cox`` or ``aft`` for trees; a Cox model has no choice.
    """

    learner: str
    derived_terms: bool
    objective: str | None = None

    @property
    def name(self) -> str:
        """What its rows are called."""
        words = [self.learner, self.objective, "derived_terms" if self.derived_terms else None]
        return "_".join(word for word in words if word)

    def of(self, definition: Definition, trials: int) -> Definition:
        """Return the definition with these choices, and the panel, fixed for the learner."""
        fixed: dict[str, ParameterValue] = {"panel": definition.features.panel, "derived_terms": self.derived_terms}
        if self.objective is not None:
            fixed["objective"] = self.objective
        learner = getattr(definition, self.learner).at(**fixed)
        return definition.model_copy(update={"trials": trials, self.learner: learner})

    @property
    def differences(self) -> dict[str, Configuration]:
        """The configurations that differ from it in one choice, by the difference that they stand for."""
        partners = {}
        if self.objective == "aft":
            partners[AFT_GAIN] = replace(self, objective="cox")
        if self.derived_terms:
            partners[TERMS_GAIN] = replace(self, derived_terms=False)
        return partners


CONFIGURATIONS = tuple(
    Configuration(learner, derived_terms, objective)
    for learner, objective in (("penalised_cox", None), ("boosted", "cox"), ("boosted", "aft"))
    for derived_terms in (False, True)
)


def benchmark_objectives(
    cohorts: Sequence[Cohort],
    choices: Choices,
    *,
    folder: Path,
    settings: Settings,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Judge every configuration in every cohort, and write the tables.

    Parameters
    ----------
    cohorts : sequence of Cohort
    choices : Choices
        Definition, trials, seed and workers, in place of the definitions' (trials: of `TRIALS`).
    folder : Path
        Where ``objectives.csv`` and ``objectives.md`` are written.
    settings : Settings
        Where an interrupted benchmark leaves what it has done.
    progress : callable, optional

    Returns
    -------
    DataFrame
        One row a cohort and configuration, with every metric and its bounds.
    """
    require_writable(settings.home)
    parts, kept = [], [_kept(cohort, choices, settings.home) for cohort in cohorts]
    with parallel_config("loky", initializer=leave_ctrl_c_to_the_parent):
        for cohort, own in zip(cohorts, kept, strict=True):
            started = time.time()
            with alone(own):
                parts.append(_rows_of(cohort, choices, Checkpoints(own), progress))
            # After each cohort, so that what is done can be read while the others run.
            write_objectives(pd.concat(parts, ignore_index=True), folder)
            logger.info("%s: %d configurations judged in %.0f s", cohort, len(CONFIGURATIONS), time.time() - started)
    for own in kept:
        shutil.rmtree(own, ignore_errors=True)
    return pd.concat(parts, ignore_index=True)


def _kept(cohort: Cohort, choices: Choices, home: Path) -> Path:
    return home / UNFINISHED_OBJECTIVES / checkpoint_name(cohort, provenance_of(cohort, definition_of(cohort, choices)))


def _rows_of(cohort: Cohort, choices: Choices, kept: Checkpoints, progress: Progress | None) -> pd.DataFrame:
    definition, trials = definition_of(cohort, choices), choices.trials or TRIALS
    judge, panel = judge_of(cohort, definition), load_panel(definition.features.panel)
    about = _about(cohort, panel, definition)
    evaluations = {
        each: evaluated(
            cohort,
            panel,
            each.of(definition, trials),
            judge,
            learners=(each.learner,),
            variants=(str(about["variant"]),),
            workers=choices.workers or cpu_count(),
            progress=progress,
            checkpoints=kept.within(each.name),
        )[run_name(each.learner, str(about["variant"]))]
        for each in CONFIGURATIONS
    }
    rows = [
        {
            **about,
            "configuration": each.name,
            "trials": min(trials, getattr(definition, each.learner).trials_at_most or trials),
            **flat_metrics({**found.metrics, **_differences(each, evaluations, judge)}),
            "fits_planned": found.fits_planned,
            "fits_done": found.fits_done,
        }
        for each, found in evaluations.items()
    ]
    return pd.DataFrame(rows)


def _about(cohort: Cohort, panel: Panel, definition: Definition) -> dict[str, str | int]:
    """Say whose row it is, what it was made from, and how much there is to choose from in all patients."""
    made_from = {"created": datetime.now(UTC).isoformat(timespec="seconds"), **provenance_of(cohort, definition)}
    kinds = [covariate.kind for covariate in features_of(cohort, panel, definition).covariates]
    return {
        **origin(cohort, definition, made_from),
        "panel": panel.name,
        "variant": "clinical" if set(kinds) & set(CLINICAL_KINDS) else "genes_only",
        **{f"n_{kind}": kinds.count(kind) for kind in ("gene", "interaction", "score")},
    }


def _differences(
    configuration: Configuration, evaluations: Mapping[Configuration, Evaluation], judge: Judge
) -> dict[str, Estimate]:
    """Return by how much the concordance of a configuration exceeds that of those that differ in one choice."""
    own = evaluations[configuration].linear_predictor
    return {
        difference: judge.gain(own, evaluations[partner].linear_predictor)
        for difference, partner in configuration.differences.items()
    }
