"""How often the intervals of a model's answers hold the true survival of patients whom it has not seen."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import cast

import joblib
import numpy as np
import pandas as pd
from joblib import cpu_count, parallel_config
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from experiments.benchmarks.origin import clean_commit
from experiments.console import Progress
from experiments.runner import code_version
from experiments.simulated_patients import SimulatedPatients
from experiments.simulation import simulate_patients
from experiments.supervisor import leave_ctrl_c_to_the_parent
from features.cohort import DAYS_PER_MONTH, Cohort
from features.panel import Panel, load_panel
from features.transform import FeatureState
from training.definition import Definition, ReplicatesDefinition, load_definition
from training.missing_genes import MissingGenes
from training.procedure import FittedProcedure, fit_procedures
from training.refitting import refit
from training.replicates import Replicates
from training.resampling import derived_seed
from training.survival_bands import Answers, Curves, SurvivalBands, survival_bands

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]

DEFINITION = Path(__file__).resolve().parent.parent / "definitions" / "default.toml"
CANCER_TYPE = "KIRC"
SEED = 20230316
TRIALS = 6
#: New patients of each cohort, before those are left out who lack a clinical covariate.
NEW_PATIENTS = 600


@dataclass(frozen=True)
class Measured:
    """What is measured: a learner, those that it is made of, and how far its penalties' draws go.

    Parameters
    ----------
    learner : str
    parts : tuple of str
    prior_scale : float
        As in `training.refitting.refit`; 0 for resampling alone.
    """

    learner: str
    parts: tuple[str, ...]
    prior_scale: float = 1.0


MEASURED = {
    "penalised_cox": Measured("penalised_cox", ("penalised_cox",)),
    "penalised_cox_resampling": Measured("penalised_cox", ("penalised_cox",), prior_scale=0.0),
    "boosted": Measured("boosted", ("boosted",)),
    "auto": Measured("auto", ("clinical_only", "clinical_boosted", "penalised_cox", "boosted")),
}
#: How many cohorts each is trained on.
NUMBERS = {"penalised_cox": 20, "penalised_cox_resampling": 10, "boosted": 10, "auto": 10}


@dataclass(frozen=True, eq=False)
class Coverage:
    """What the benchmark measured.

    Parameters
    ----------
    about : mapping of str to str, int or float
    rows : DataFrame
        One row a learner, cohort and horizon: ``patients`` scored, the share ``covered`` of them whose true survival
        lies within the interval, the mean ``width`` of the interval, and of the log cumulative hazard the mean
        ``error`` and its ``spread`` over patients.
    """

    about: Mapping[str, str | int | float]
    rows: pd.DataFrame


def benchmark_coverage(
    numbers: Mapping[str, int],
    *,
    workers: int | None = None,
    seed: int = SEED,
    trials: int = TRIALS,
    replicates: ReplicatesDefinition | None = None,
    progress: Progress | None = None,
) -> Coverage:
    """Train on simulated cohorts, score new patients of the same law, and compare with their true survival.

    Parameters
    ----------
    numbers : mapping of str to int
        How many cohorts each of the entries of `MEASURED` is trained on; the first ones of one and the same series.
    workers : int, optional
        Processes; as many as there are processors unless given.
    seed : int
    trials : int
        Of each study.
    replicates : ReplicatesDefinition, optional
        The default definition's unless given.
    progress : callable, optional

    Notes
    -----
    The models with clinical covariates, as a bundle holds them: tuned on inner folds and fitted to all patients of a
    cohort. New patients have the gaps in their expression that the simulation gives them, and all clinical covariates,
    without which the genes-only twin would answer; what that one estimates is not the survival given all covariates.
    """
    definition = load_definition(DEFINITION).model_copy(update={"trials": trials, "seed": seed})
    definition = definition.model_copy(update={"replicates": replicates or definition.replicates})
    panel, started = load_panel(definition.features.panel), perf_counter()
    tasks = [(learner, number) for learner, wanted in numbers.items() for number in range(wanted)]
    found: list[pd.DataFrame] = []
    processes = workers or cpu_count()
    with parallel_config("loky", initializer=leave_ctrl_c_to_the_parent):
        parallel = joblib.Parallel(n_jobs=processes, return_as="generator", max_nbytes=None)
        for rows in parallel(joblib.delayed(_measured)(*task, panel, definition) for task in tasks):
            found.append(rows)
            if progress:
                progress("coverage", len(found), len(tasks))
    seconds = perf_counter() - started
    logger.info("SIMULATED-%s/OS: %d trainings and their intervals in %.0f s", CANCER_TYPE, len(tasks), seconds)
    return Coverage(_about(definition, processes, seconds), pd.concat(found, ignore_index=True))


def _about(definition: Definition, workers: int, seconds: float) -> dict[str, str | int | float]:
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "code_version": code_version(),
        "commit": clean_commit(),
        "cancer_type": f"SIMULATED-{CANCER_TYPE}",
        "trials": definition.trials,
        "replicates": definition.replicates.cox,
        "replicates_of_trees": definition.replicates.boosted,
        "seed": definition.seed,
        "workers": workers,
        "seconds": round(seconds),
    }


def _measured(name: str, number: int, panel: Panel, definition: Definition) -> pd.DataFrame:
    with threadpool_limits(1):
        seeds = [derived_seed(definition.seed, number, what) for what in ("cohort", "new patients", "training")]
        patients = simulate_patients(CANCER_TYPE, seed=seeds[0], n_background=0)
        new = _complete(simulate_patients(CANCER_TYPE, seed=seeds[1], n_background=0, n_patients=NEW_PATIENTS))
        which, days = MEASURED[name], np.round(np.array(definition.horizons.months) * DAYS_PER_MONTH)
        fitted = fit_procedures(
            patients.cohort, panel, definition, variant="clinical", seed=seeds[2], learners=which.parts
        )[which.learner]
        replicates = refit(
            fitted,
            patients.cohort,
            definition.replicates,
            seed=derived_seed(definition.seed, number, "replicates"),
            workers=1,
            prior_scale=which.prior_scale,
        )
        if replicates is None:
            raise ValueError("the definition wants no replicates, so that there is no interval to measure")
        about = {"learner": name, "cohort": number, "events": patients.cohort.n_events}
        return _rows(_bands(fitted, replicates, new.cohort, days), new.survival(days), days).assign(**about)


def _complete(patients: SimulatedPatients) -> SimulatedPatients:
    known = patients.cohort.clinical.notna().all(axis=1).to_numpy()
    return patients.subset(np.flatnonzero(known))


def _bands(fitted: FittedProcedure, replicates: Replicates, cohort: Cohort, days: Floats) -> SurvivalBands:
    features = cast("FeatureState", fitted.features)
    X = features.of(cohort)
    missing = cohort.expression.reindex(columns=list(features.genes)).isna().to_numpy()
    by_replicate = MissingGenes(replicates, features).linear_predictors(X, missing)
    predicted = fitted.slope * fitted.fitted.linear_predictor(X)
    return survival_bands(Answers(Curves(fitted.baseline, replicates), predicted, by_replicate), days)


def _rows(bands: SurvivalBands, truth: Floats, days: Floats) -> pd.DataFrame:
    error = np.log(-np.log(bands.probability)) - np.log(-np.log(truth))
    return pd.DataFrame(
        {
            "horizon_months": np.round(days / DAYS_PER_MONTH),
            "patients": len(truth),
            "covered": ((bands.lower <= truth) & (truth <= bands.upper)).mean(axis=0),
            "width": (bands.upper - bands.lower).mean(axis=0),
            "error": error.mean(axis=0),
            "spread": error.std(axis=0),
        }
    )
