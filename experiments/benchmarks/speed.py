"""Where the time goes: one training in its parts, what stopping trials early costs, and rivals on the same folds."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import numpy as np
from joblib import cpu_count, parallel_config

from experiments.benchmarks.anatomy import Anatomy, anatomy_of
from experiments.benchmarks.origin import clean_commit
from experiments.benchmarks.pruning import Pruned, lost_by_pruning
from experiments.benchmarks.rivals import Rival, concordances_per_second, fits_per_second, inner_folds
from experiments.benchmarks.timed_folds import LEARNERS
from experiments.choices import Choices
from experiments.console import Progress
from experiments.runner import DEFINITIONS, checkpoint_name, code_version, definition_for, provenance_of
from experiments.simulation import simulate_cohort
from experiments.supervisor import leave_ctrl_c_to_the_parent
from experiments.trainings import UNFINISHED, require_writable
from features.cohort import SIMULATED_PREFIX, Cohort
from features.panel import Panel, load_panel
from serving.settings import Settings
from training.checkpoints import Checkpoints
from training.definition import Definition
from training.resampling import generator, stratified_folds

logger = logging.getLogger(__name__)

#: The simulated cohort on which one training is taken apart.
CANCER_TYPE = "KIRC"
PATIENTS = 500
TRIALS = 50


@dataclass(frozen=True)
class Speed:
    """What the benchmark measured, and on what.

    Parameters
    ----------
    about : mapping of str to str or int
        ``created``, ``code_version``, ``commit``, ``processors``, ``workers``, ``load`` (the machine's when it began),
        and the size of what was measured; ``trials`` is of either learner, ``trials.LEARNER`` what its definition has.
    anatomy : Anatomy
    pruned : tuple of Pruned
        By cohort and learner; empty if no cohort was given.
    fits, concordances : tuple of Rival
    """

    about: Mapping[str, str | int]
    anatomy: Anatomy
    fits: tuple[Rival, ...]
    concordances: tuple[Rival, ...]
    pruned: tuple[Pruned, ...]


def benchmark_speed(
    cohorts: Sequence[Cohort],
    choices: Choices,
    *,
    settings: Settings,
    n_patients: int = PATIENTS,
    progress: Progress | None = None,
) -> Speed:
    """Take one training of a simulated cohort apart, race rivals, and stop trials early or not in `cohorts`.

    Parameters
    ----------
    cohorts : sequence of Cohort
        In which the concordance lost by stopping trials early is estimated.
    choices : Choices
        Definition, trials, seed and workers, in place of the default's.
    settings : Settings
        What is finished in `cohorts` is kept in its home until all is: a benchmark that was interrupted goes on there.
        The training of the simulated cohort and the rivals start anew, as a wall clock does not stop.
    n_patients : int
        Of the simulated cohort.
    progress : callable, optional
    """
    require_writable(settings.home)
    workers = choices.workers or cpu_count()
    seed = {} if choices.seed is None else {"seed": choices.seed}
    simulated = simulate_cohort(CANCER_TYPE, n_patients=n_patients, **seed)
    definition = _definition(simulated, choices)
    panel = load_panel(definition.features.panel)
    about = _about(simulated, definition, workers) | _own_trials(_own_definition(simulated, choices))
    with parallel_config("loky", initializer=leave_ctrl_c_to_the_parent):
        anatomy = _anatomy(simulated, panel, definition, workers, settings.home, progress)
        fits, concordances = _raced(simulated, panel, definition)
        kept = {str(cohort): _kept(cohort, choices, settings.home) for cohort in cohorts}
        pruned = [each for c in cohorts for each in _pruned(c, choices, workers, kept[str(c)], progress)]
    for folder in kept.values():
        shutil.rmtree(folder, ignore_errors=True)
    return Speed(about, anatomy, fits, concordances, tuple(pruned))


def _definition(cohort: Cohort, choices: Choices) -> Definition:
    """Return the definition by which a cohort is measured: its own, but with as many trials of either learner."""
    own = _own_definition(cohort, choices)
    # A learner may have fewer trials than the others in a training; what is measured is a stated number of each.
    unlimited = {each: getattr(own, each).model_copy(update={"trials_at_most": None}) for each in LEARNERS}
    return own.model_copy(update={"trials": choices.trials or TRIALS, **unlimited})


def _own_definition(cohort: Cohort, choices: Choices) -> Definition:
    """Return the definition by which a cohort is trained; simulated ones by the default, not by their lighter one."""
    path = choices.definition
    if cohort.cancer_type.startswith(SIMULATED_PREFIX):
        path = path or DEFINITIONS / "default.toml"
    return definition_for(cohort.cancer_type, cohort.endpoint, path=path, seed=choices.seed)


def _own_trials(definition: Definition) -> dict[str, int]:
    """Return the trials that a definition gives a study of each learner."""
    return {
        f"trials.{each}": min(definition.trials, getattr(definition, each).trials_at_most or definition.trials)
        for each in LEARNERS
    }


def _about(cohort: Cohort, definition: Definition, workers: int) -> dict[str, str | int]:
    resampling = definition.resampling
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "code_version": code_version(),
        "commit": clean_commit(),
        "processors": cpu_count(),
        "workers": workers,
        "load": f"{os.getloadavg()[0]:.1f}",
        "cohort": str(cohort),
        "patients": len(cohort.patients),
        "events": cohort.n_events,
        "outer_folds": resampling.outer_folds,
        "outer_repeats": resampling.outer_repeats,
        "inner_folds": resampling.inner_folds,
        "trials": definition.trials,
        "random_sets": definition.null.n_sets,
        "seed": definition.seed,
    }


def _anatomy(  # noqa: PLR0917
    cohort: Cohort, panel: Panel, definition: Definition, workers: int, home: Path, progress: Progress | None
) -> Anatomy:
    # On the disk of trainings: what they keep against interruptions is a part of what they take.
    with tempfile.TemporaryDirectory(prefix=".speed-", dir=home) as scratch:
        found = anatomy_of(cohort, panel, definition, workers=workers, scratch=Path(scratch), progress=progress)
    logger.info("%s: evaluated in %.0f s", cohort, sum(found.evaluation.values()))
    return found


def _raced(cohort: Cohort, panel: Panel, definition: Definition) -> tuple[tuple[Rival, ...], tuple[Rival, ...]]:
    """Race on the inner folds of the training patients of one outer fold."""
    started, n_folds = perf_counter(), definition.resampling.outer_folds
    labels = stratified_folds(cohort.time, cohort.event, n_folds, generator(definition.seed, "rivals"))
    folds = inner_folds(cohort, panel, definition, np.flatnonzero(labels != 0))
    fits, concordances = fits_per_second(folds), concordances_per_second(folds)
    logger.info("%s: rivals raced in %.0f s", cohort, perf_counter() - started)
    return tuple(fits), tuple(concordances)


def _kept(cohort: Cohort, choices: Choices, home: Path) -> Path:
    made_from = provenance_of(cohort, _definition(cohort, choices))
    return home / UNFINISHED / f"speed-{checkpoint_name(cohort, made_from)}"


def _pruned(cohort: Cohort, choices: Choices, workers: int, kept: Path, progress: Progress | None) -> list[Pruned]:
    definition = _definition(cohort, choices)
    panel = load_panel(definition.features.panel)
    found = lost_by_pruning(cohort, panel, definition, workers=workers, kept=Checkpoints(kept), progress=progress)
    logger.info("%s: %d learners judged with and without stopping trials early", cohort, len(found))
    return found
