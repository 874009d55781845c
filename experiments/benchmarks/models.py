"""The table of all learners in every cancer type, on equal folds, made by one command."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import cpu_count, parallel_config

from experiments.benchmarks.configurations import on_each_panel
from experiments.benchmarks.origin import origin
from experiments.benchmarks.tables import write_tables
from experiments.choices import Choices
from experiments.console import Progress
from experiments.labels import flat_metrics
from experiments.runner import checkpoint_name, provenance_of, train_cohort
from experiments.supervisor import leave_ctrl_c_to_the_parent
from experiments.trainings import alone, definition_of
from features.cohort import Cohort
from features.panel import load_panel
from serving.settings import Settings
from training.checkpoints import Checkpoints
from training.evaluation import GAIN, Judge, judge_of
from training.results import Estimate, Evaluation, TrainingResult
from training.trainer import headline_name

logger = logging.getLogger(__name__)

#: Apart from the trainings', whose folders are removed when a model is registered.
UNFINISHED_BENCHMARK = "unfinished_benchmark"
#: The configurations of a fixed panel stand beside the whole procedure, which searches more.
CONFIGURATION_TRIALS = 12


def benchmark_models(
    cohorts: Sequence[Cohort],
    choices: Choices,
    *,
    folder: Path,
    settings: Settings,
    configuration_trials: int = CONFIGURATION_TRIALS,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Judge every learner on every panel in every cohort, and write the tables.

    Parameters
    ----------
    cohorts : sequence of Cohort
        Of one endpoint; each leans on the others where a learner does.
    choices : Choices
        Trials, seed and workers, in place of the definitions'.
    folder : Path
        Where ``models.csv`` and ``models.md`` are written.
    settings : Settings
        Where an interrupted benchmark leaves what it has done.
    configuration_trials : int
        Of each study whose panel is fixed.
    progress : callable, optional

    Returns
    -------
    DataFrame
        One row a cohort and configuration: ``cancer_type``, ``configuration``, ``panel``, and every metric with its
        bounds.
    """
    parts, unfinished = [], settings.home / UNFINISHED_BENCHMARK
    with parallel_config("loky", initializer=leave_ctrl_c_to_the_parent):
        for cohort in cohorts:
            started = time.time()
            with alone(_checkpoints(cohort, cohorts, choices, unfinished)):
                parts.append(_rows_of(cohort, cohorts, choices, unfinished, configuration_trials, progress))
            # After each cohort, so that what is done can be read while the others run.
            write_tables(pd.concat(parts, ignore_index=True), folder)
            logger.info("%s: all configurations judged in %.0f s", cohort, time.time() - started)
    for cohort in cohorts:
        shutil.rmtree(_checkpoints(cohort, cohorts, choices, unfinished), ignore_errors=True)
    return pd.concat(parts, ignore_index=True)


def _checkpoints(cohort: Cohort, others: Sequence[Cohort], choices: Choices, unfinished: Path) -> Path:
    made_from = provenance_of(cohort, definition_of(cohort, choices), others)
    return unfinished / checkpoint_name(cohort, made_from)


def _rows_of(  # noqa: PLR0917
    cohort: Cohort,
    others: Sequence[Cohort],
    choices: Choices,
    unfinished: Path,
    configuration_trials: int,
    progress: Progress | None,
) -> pd.DataFrame:
    definition, workers = definition_of(cohort, choices), choices.workers or cpu_count()
    result = train_cohort(cohort, definition, workers=workers, progress=progress, others=others, unfinished=unfinished)
    judge = judge_of(cohort, definition)
    kept = Checkpoints(_checkpoints(cohort, others, choices, unfinished))
    configurations = on_each_panel(
        cohort,
        load_panel(definition.features.panel),
        definition,
        judge,
        trials=configuration_trials,
        workers=workers,
        progress=progress,
        variants=tuple(result.model.variants),
        checkpoints=kept.within("panels"),
    )
    whole = {("searched", name): each for name, each in result.evaluations.items()}
    gains = _gains(judge, configurations, result.evaluations)
    headline = "searched", headline_name(result.evaluations, definition)
    rows = [
        {
            **origin(cohort, result.definition, result.model.provenance),
            "configuration": name,
            "panel": panel,
            "trials": definition.trials if panel == "searched" else configuration_trials,
            **flat_metrics({**each.metrics, **gains.get((panel, name), {})}),
            "shared_weight": each.shared_weight,
            "fits_planned": each.fits_planned,
            "fits_done": each.fits_done,
            "reported": (panel, name) == headline,
            **(_verdicts(result) if (panel, name) == headline else {}),
            **{f"weight.{learner}": weight for learner, weight in each.weights.items()},
        }
        for (panel, name), each in (whole | configurations).items()
    ]
    return pd.DataFrame(rows)


def _gains(
    judge: Judge, configurations: Mapping[tuple[str, str], Evaluation], evaluations: Mapping[str, Evaluation]
) -> dict[tuple[str, str], dict[str, Estimate]]:
    """Return by how much each configuration exceeds clinical covariates alone, where there are any."""
    baseline = evaluations.get("clinical_only")
    if baseline is None:
        return {}
    return {
        key: {GAIN: judge.gain(each.linear_predictor, baseline.linear_predictor)}
        for key, each in configurations.items()
    }


def _verdicts(result: TrainingResult) -> dict[str, object]:
    """Say of what a training reports how the panel ranks among random sets, and what the gate said."""
    null = result.random_signatures
    failed = [clause for clause, verdict, _ in result.gate.clauses if verdict != "passed"]
    verdicts: dict[str, object] = {"gate": "passed" if result.gate.passed else f"not passed: {', '.join(failed)}"}
    if null is None or null.reason is not None:
        return verdicts
    return verdicts | {
        "null_clinical": null.clinical,
        "null_panel": null.model,
        "null_median": float(np.median(null.concordance)),
        "null_percentile": null.percentile,
        "null_p_value": null.p_value,
    }
