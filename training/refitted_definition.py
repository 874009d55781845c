"""Another definition refitted on the folds of a training: what its procedure would have predicted for each patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from features.cohort import Cohort
from features.panel import PANELS, Panel
from training.assembling import predicted
from training.checkpoints import Checkpoints
from training.definition import Definition, DefinitionError
from training.evaluation import Judge
from training.model import PrognosticModel
from training.paired_comparison import Predictions
from training.parameters import NO_GENES
from training.procedure import AUTO
from training.splits import features_of
from training.tasks import WHOLE, Progress, Work, planned, run

#: Keys of a definition that decide whom it is for, how its model is judged and what is made of it, but not what its
#: procedure predicts for a patient of a given fold.
JUDGING = frozenset({
    "format", "cancer_type", "endpoint", "gate", "null", "horizons", "replicates",
    "resampling.outer_folds", "resampling.outer_repeats", "resampling.bootstrap", "features.minimum_gene_fraction",
})  # fmt: skip


def definition_in(model: PrognosticModel) -> Definition:
    """Return the definition that a model was trained by; keys that are younger than the model have their defaults.

    Raises
    ------
    DefinitionError
        If this version of the program cannot read it.
    """
    stated = {key: _with_panel(value, model.panel.name) for key, value in model.definition.items()}
    try:
        return Definition.model_validate(stated)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "definition"
        raise DefinitionError(
            f"{model.name}: the definition in its bundle is not one of this version ({key}: {first['msg']}); "
            "name a definition file."
        ) from None


def changes(old: Definition, new: Definition) -> dict[str, tuple[object, object]]:
    """Return what a definition changes of another: by key, what it was and what it is; None where it was not stated."""
    before, after = _flat(old.model_dump(mode="json")), _flat(new.model_dump(mode="json"))
    keys = dict.fromkeys([*before, *after])
    return {key: (before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)}


def same_procedure(old: Definition, new: Definition) -> bool:
    """Tell whether two definitions predict the same for the patients of equal folds."""
    return all(_judges(key) for key in changes(old, new))


def refitted(
    cohort: Cohort,
    panel: Panel,
    definition: Definition,
    judge: Judge,
    *,
    workers: int,
    progress: Progress | None = None,
    checkpoints: Checkpoints | None = None,
) -> Predictions:
    """Refit a definition's procedure without each fold's patients, and return what it predicts for them.

    Parameters
    ----------
    cohort : Cohort
    panel : Panel
        The definition's.
    definition : Definition
        Of its resampling only the inner folds count: outer folds, grid and samples are the judge's.
    judge : Judge
    workers : int
        Processes; the numbers do not depend on it.
    progress : callable, optional
    checkpoints : Checkpoints, optional

    Notes
    -----
    Clinical columns that the cohort does not have are left out, as a fold leaves out what it does not know.
    """
    present = [symbol for symbol in panel.symbols if symbol in cohort.expression.columns]
    narrowed = replace(cohort, expression=cohort.expression[present])
    variant = "clinical" if features_of(narrowed, panel, definition).clinical.columns else "genes_only"
    learner = definition.learner
    work = Work(
        narrowed,
        panel,
        definition,
        judge.folds,
        judge.grid_days,
        checkpoints=checkpoints or Checkpoints(),
        learners=None if learner == AUTO else (learner,),
    )
    tasks = [task for task in planned(judge, (variant,)) if task.repeat != WHOLE]
    outcomes = run(tasks, work, workers=workers, progress=progress)
    return Predictions(*predicted(outcomes, judge, learner, variant))


def _judges(key: str) -> bool:
    return key in JUDGING or key.partition(".")[0] in JUDGING


def _with_panel(value: Any, panel: str) -> Any:
    """Return a table of a definition in which a user's panel has the name that the bundle gives it, not its path."""
    if not isinstance(value, Mapping) or not {"default", "search"} & set(value):
        return value
    default, search = dict(value.get("default", {})), dict(value.get("search", {}))
    if "panel" in default:
        default["panel"] = _named(default["panel"], panel)
    if "panel" in search:
        search["panel"] = {"choices": [_named(choice, panel) for choice in search["panel"]["choices"]]}
    return {**value, "default": default, "search": search}


def _named(choice: str, panel: str) -> str:
    return choice if choice in (*PANELS, NO_GENES) else panel


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat
