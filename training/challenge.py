"""A challenger against the champion that stands: by their definitions, and against the champion as it is."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from pydantic import ValidationError

from features.panel import Panel
from training.checkpoints import Checkpoints
from training.definition import DefinitionError, GateDefinition
from training.definitions_alone import doubt_of, share_held
from training.evaluation import Judge, judge_of
from training.gate import Clause, GateVerdict, judge_gate
from training.locked_predictions import LockedPredictions, locked_predictions
from training.model import PrognosticModel
from training.non_inferiority import by_definition_clause, locked_clause, stricter, weighed, with_clauses
from training.paired_comparison import Comparison, Predictions, compared, of_patients
from training.refitted_definition import changes, definition_in, refitted, same_procedure
from training.results import TrainingResult
from training.tasks import Progress
from training.trainer import headline_name

MARGIN = "non_inferiority_margin"
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
        Share of the champion's training patients whose identifiers are in the challenger's cohort.
    gate : GateDefinition
        By which the challenger is judged: in each key the stricter of its own and the champion's.
    locked_gate : GateDefinition
        The same, with the champion's `minimum_events`: a challenger that asks for more of them than the champion did
        would otherwise spare itself the comparison.
    doubt : str
        Why the definitions' comparison cannot stand for the models'; empty where it can.
    """

    by_definition: Comparison
    locked: Comparison
    same: bool
    changed: Mapping[str, tuple[object, object]]
    share_held: float
    gate: GateDefinition
    locked_gate: GateDefinition
    doubt: str

    @property
    def both(self) -> tuple[Clause, Clause]:
        """The verdict on each comparison by itself: by definition, and on the locked champion."""
        by_definition = by_definition_clause(self.gate, self.by_definition, same=self.same)
        return by_definition, locked_clause(self.locked_gate, self.locked)

    def verdict(self, result: TrainingResult) -> GateVerdict:
        """Return the challenger's gate, by the stricter of both definitions, with the clauses on the champion."""
        metrics = result.evaluations[headline_name(result.evaluations, result.definition)].metrics
        own = judge_gate(self.gate, n_events=result.cohort.n_events, metrics=metrics, null=result.random_signatures)
        return with_clauses(own, weighed(*self.both, doubt=self.doubt))


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
    gate, locked_gate = _gates(champion, result)
    return Challenge(
        by_definition,
        _against_locked(locked, judge, challenger, minimum_events=locked_gate.minimum_events),
        same,
        changed,
        share_held(champion, result),
        gate,
        locked_gate,
        doubt_of(champion, result, margin=gate.non_inferiority_margin),
    )


def _gates(champion: PrognosticModel, result: TrainingResult) -> tuple[GateDefinition, GateDefinition]:
    """Return by what the challenger is judged, and by what on the locked champion."""
    own = result.definition.gate
    champions = _gate_in(champion) or own.model_copy(update={MARGIN: GateDefinition.model_fields[MARGIN].default})
    gate = stricter(own, champions)
    return gate, gate.model_copy(update={"minimum_events": champions.minimum_events})


def _gate_in(champion: PrognosticModel) -> GateDefinition | None:
    """Return the gate of the champion's definition; None where this version of the program cannot read it."""
    stated = dict(champion.definition.get("gate", {}))
    # A margin that is larger than may be stated now counts as not stated.
    for readable in (stated, {key: value for key, value in stated.items() if key != MARGIN}):
        with suppress(ValidationError):
            return GateDefinition.model_validate(readable)
    return None


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
