"""A challenger against the champion that stands: by their definitions, and against the champion as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from features.panel import Panel
from features.persons import own_identifiers
from training.checkpoints import Checkpoints
from training.definition import DefinitionError
from training.evaluation import Judge, judge_of
from training.gate import Clause
from training.locked_predictions import LockedPredictions, locked_predictions
from training.model import PrognosticModel
from training.non_inferiority import by_definition_clause, locked_clause, weighed
from training.paired_comparison import Comparison, Predictions, compared, of_patients
from training.refitted_definition import changes, definition_in, refitted, same_procedure
from training.results import TrainingResult
from training.tasks import Progress
from training.trainer import headline_name
from training.training_patients import absent_from

SAME = "both definitions are one: refitted on these patients it is the challenger itself, with no difference"


@dataclass(frozen=True)
class Challenge:
    """What a challenger is worth beside a champion.

    Parameters
    ----------
    by_definition : Comparison
        Both definitions refitted without each fold's patients.
    locked : Comparison
        The champion as it is, on patients whom it has not learned from, and the challenger's out-of-fold predictions.
    same : bool
        Whether both definitions are one procedure.
    changed : mapping of str to (object, object)
        What the challenger's definition changes: by key, what it was and what it is.
    share_held : float
        Share of the champion's training patients who are in the challenger's cohort.
    """

    by_definition: Comparison
    locked: Comparison
    same: bool
    changed: Mapping[str, tuple[object, object]]
    share_held: float

    def clauses(self, result: TrainingResult) -> tuple[Clause, ...]:
        """Return the clauses of the challenger's gate, by its own definition's margin."""
        gate = result.definition.gate
        by_definition = by_definition_clause(gate, self.by_definition, same=self.same)
        return weighed(by_definition, locked_clause(gate, self.locked), share_held=self.share_held)


def challenged(
    result: TrainingResult,
    champion: PrognosticModel,
    *,
    workers: int,
    progress: Progress | None = None,
    checkpoints: Checkpoints | None = None,
) -> Challenge:
    """Compare a training with a champion on the training's cohort, folds and bootstrap samples.

    Parameters
    ----------
    result : TrainingResult
        The challenger's.
    champion : PrognosticModel
        Of the same cancer type and endpoint.
    workers : int
        Processes; the numbers do not depend on it.
    progress : callable, optional
    checkpoints : Checkpoints, optional
        The training's: finished folds of the champion's definition are kept there too.
    """
    judge = judge_of(result.cohort, result.definition)
    reported = result.evaluations[headline_name(result.evaluations, result.definition)]
    challenger = Predictions(reported.linear_predictor, reported.survival)
    changed, same, reason = _definitions(champion, result)
    by_definition = Comparison(len(judge.time), result.cohort.n_events, reason=reason)
    if not reason:
        definition = definition_in(champion)
        refit = refitted(
            result.cohort,
            champion.panel,
            definition,
            judge,
            workers=workers,
            progress=_named(progress),
            checkpoints=checkpoints,
        )
        by_definition = replace(by_definition, differences=compared(judge, refit, challenger))
    locked = locked_predictions(champion, result.cohort, judge.grid_days)
    return Challenge(
        by_definition,
        _against_locked(locked, judge, challenger, minimum_events=result.definition.gate.minimum_events),
        same,
        changed,
        share_held(champion, result),
    )


def share_held(champion: PrognosticModel, result: TrainingResult) -> float:
    """Return the share of the champion's training patients who are in the challenger's cohort."""
    present = int((~absent_from(champion, own_identifiers(result.cohort))).sum())
    return min(1.0, present / max(1, len(champion.patient_hashes)))


def _definitions(
    champion: PrognosticModel, result: TrainingResult
) -> tuple[dict[str, tuple[object, object]], bool, str]:
    """Return what was changed, whether both are one procedure, and why nothing is to be refitted."""
    try:
        old, new = definition_in(champion), definition_in(result.model)
    except DefinitionError as error:
        return {}, False, str(error)
    changed = changes(old, new)
    before, after = champion.panel, result.model.panel
    same_panel = (before.genes, before.interactions) == (after.genes, after.interactions)
    if not same_panel and "features.panel" not in changed:
        changed["features.panel"] = (_panel_in_words(before), _panel_in_words(after))
    same = same_panel and same_procedure(old, new)
    return changed, same, SAME if same else ""


def _panel_in_words(panel: Panel) -> str:
    return f"{len(panel.genes)} genes, {len(panel.interactions)} interactions"


def _against_locked(
    locked: LockedPredictions, judge: Judge, challenger: Predictions, *, minimum_events: int
) -> Comparison:
    members = locked.absent & locked.answered
    n_patients, n_events = int(members.sum()), int(judge.event[members].sum())
    reason = _why_not(locked, n_events, minimum_events)
    if reason:
        return Comparison(n_patients, n_events, reason=reason, note=_note(locked))
    repeats = len(judge.folds)
    survival = locked.survival
    champion = Predictions(
        np.tile(locked.linear_predictor, (repeats, 1)),
        None if survival is None else np.tile(survival, (repeats, 1, 1)),
        locked.until_days,
    )
    both = (of_patients(each, members) for each in (champion, challenger))
    return Comparison(n_patients, n_events, compared(judge.among(members), *both), note=_note(locked))


def _note(locked: LockedPredictions) -> str:
    """Say what a reader must know of the champion's answers, and how many patients got none."""
    refused, absent = int((locked.absent & ~locked.answered).sum()), int(locked.absent.sum())
    told = f"it refuses {refused} of the {absent} patients that it has not learned from" if refused else ""
    return "; ".join(part for part in (locked.note, told) if part)


def _why_not(locked: LockedPredictions, n_events: int, minimum_events: int) -> str:
    if not locked.absent.any():
        return "it has learned from all of these patients"
    if not (locked.absent & locked.answered).any():
        return "it refuses all patients that it has not learned from"
    return f"at least {minimum_events} events are needed" if n_events < minimum_events else ""


def _named(progress: Progress | None) -> Progress | None:
    """Return what reports progress under a name of its own, beside the training's."""
    return None if progress is None else lambda stage, done, total: progress(f"{stage}, champion refitted", done, total)
