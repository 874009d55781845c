"""Retrain a model on a new cohort, compare it with what stands, and let the gate decide which of the two leads."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from joblib import cpu_count

from experiments.aliases import registered
from experiments.challenger_counts import noted, patient_set
from experiments.choices import Choices
from experiments.claims import comparison_told
from experiments.console import Progress
from experiments.contests import CHANGED, KEPT, NEW, Contest
from experiments.promotion_entries import evidence
from experiments.rivals import Standing, standing_of
from experiments.runner import overridden, provenance_of, train_cohort
from experiments.tracking import TrackedModel, answering, client_of, exists, record_of
from experiments.trainings import Unfinished, definition_of, register, require_writable, under_way
from experiments.transfer import Reference
from features.cohort import Cohort
from features.panel import PANELS, Panel
from serving.settings import Settings
from training.challenge import Challenge, challenged
from training.checkpoints import Checkpoints
from training.definition import Definition
from training.gate import GateVerdict
from training.model import PrognosticModel
from training.non_inferiority import not_assessed, with_clauses
from training.paired_comparison import Comparison
from training.refitted_definition import definition_in
from training.results import TrainingResult

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asked:
    """How a retraining is to be done.

    Parameters
    ----------
    choices : Choices
        A definition among them takes the place of the one by which the standing version was made.
    rival : Reference or None
        The version to compare with, in place of the champion.
    reason : str
        For the record.
    dry_run : bool
        Register nothing; the look is counted all the same.
    reference : str
        Which of several pooled cohorts is the model's default reference; the largest unless given.
    """

    choices: Choices
    rival: Reference | None = None
    reason: str = ""
    dry_run: bool = False
    reference: str = ""


@dataclass(frozen=True, eq=False)
class Retrained:
    """What a retraining came to.

    Parameters
    ----------
    result : TrainingResult
        The challenger's, its gate with the clauses on the champion.
    standing : Standing
        What stood before.
    contest : Contest
    model : TrackedModel or None
        The version that was registered; None after a dry run.
    """

    result: TrainingResult
    standing: Standing
    contest: Contest
    model: TrackedModel | None


def retrain(cohort: Cohort, asked: Asked, *, settings: Settings, progress: Progress | None = None) -> Retrained:
    """Train a challenger on a cohort, compare it with the champion, and register it with the aliases it earned.

    Parameters
    ----------
    cohort : Cohort
        In place of the one that the champion was trained on; or several that were pooled.
    asked : Asked
    settings : Settings
    progress : callable, optional

    Notes
    -----
    The definition is the one in the bundle of what stands, unless another is asked for; where nothing stands it is
    that of the cancer type and endpoint. The gate is the definition's; where a champion stands it is in each key the
    stricter of both definitions', and the clauses of `training.non_inferiority` are a part of it. Where only a
    candidate stands it is compared with, but it need not be beaten, as it is not in use. A challenger that is not
    promoted is registered as candidate.

    Checkpoints are kept as in a training, the champion's refitted folds among them; after a dry run too, so that the
    retraining itself has nothing to do again.

    Raises
    ------
    RivalError, TransferError, BundleError
        If there is nothing to compare with where something was named or stands.
    AuditError
        If the record cannot be written or is not whole; before anything is trained.
    """
    started = time.time()
    require_record(settings)
    name = f"{cohort.cancer_type}-{cohort.endpoint}"
    standing = standing_of(name, settings, asked.rival)
    definition, panel = definition_to_train(cohort, asked.choices, standing)
    workers = asked.choices.workers or cpu_count()
    made_from = provenance_of(cohort, definition, panel=panel, reference=asked.reference)
    with under_way(cohort, made_from, settings=settings) as unfinished:
        kept = unfinished.folder.parent
        result = train_cohort(
            cohort,
            definition,
            workers=workers,
            progress=progress,
            unfinished=kept,
            panel=panel,
            reference=asked.reference,
        )
        challenge = _challenge(result, standing, unfinished, workers=workers, progress=progress)
        result = judged_beside(result, standing, challenge)
        contest = _counted(result, standing, challenge, asked=asked, unfinished=unfinished, settings=settings)
        if asked.dry_run:
            return Retrained(result, standing, contest, None)
        return Retrained(
            result,
            standing,
            contest,
            register(result, unfinished, settings=settings, started=started, contest=contest),
        )


def require_record(settings: Settings) -> None:
    """Refuse to train where the look could not be written down."""
    require_writable(settings.home)
    with record_of(settings).held():
        pass


def definition_to_train(cohort: Cohort, choices: Choices, standing: Standing) -> tuple[Definition, Panel | None]:
    """Return the definition of a challenger: the one that is asked for, else that of what stands, else the shipped one.

    Returns
    -------
    definition : Definition
    panel : Panel or None
        The panel out of the bundle, where it is a user's own.
    """
    if choices.definition is not None or standing.rival is None:
        return definition_of(cohort, choices), None
    model = standing.rival.model
    own = None if model.panel.name in PANELS else model.panel
    return overridden(definition_in(model), trials=choices.trials, seed=choices.seed), own


def judged_beside(result: TrainingResult, standing: Standing, challenge: Challenge | None) -> TrainingResult:
    """Return a training's result whose gate has the clauses on the champion that stands.

    Its model, on each reference, says the same, and with which version it was compared: that is in the bundle, by
    which promotions are decided.
    """
    gate = result.gate if standing.champion is None else _verdict(result, standing, challenge)
    told = comparison_told(standing.rival)
    references = {name: _judged(each, gate, told) for name, each in result.model.references.items()}
    return replace(result, gate=gate, model=replace(_judged(result.model, gate, told), references=references))


def _judged(model: PrognosticModel, gate: GateVerdict, told: Mapping[str, str]) -> PrognosticModel:
    provenance = {**model.provenance, **told}
    return replace(model, gate=gate.clauses, champion_earned=gate.passed, provenance=provenance)


def _verdict(result: TrainingResult, standing: Standing, challenge: Challenge | None) -> GateVerdict:
    if challenge is not None and standing.defends:
        return challenge.verdict(result)
    other = f"compared with {standing.rival}, and not with the champion, version {standing.champion}"
    return with_clauses(result.gate, not_assessed(other))


def _challenge(
    result: TrainingResult, standing: Standing, unfinished: Unfinished, *, workers: int, progress: Progress | None
) -> Challenge | None:
    if standing.rival is None:
        return None
    logger.info("%s: trained; comparing it with %s", result.cohort, standing.rival)
    checkpoints = Checkpoints(unfinished.folder)
    return challenged(result, standing.rival.model, workers=workers, progress=progress, checkpoints=checkpoints)


def _counted(
    result: TrainingResult,
    standing: Standing,
    challenge: Challenge | None,
    *,
    asked: Asked,
    unfinished: Unfinished,
    settings: Settings,
) -> Contest:
    """Write the look into the record, and return what runs and version say of the contest."""
    rival = standing.rival
    contest = Contest(
        rival="" if rival is None else str(rival),
        challenge=challenge,
        definition=NEW if challenge is None else CHANGED if challenge.changed else KEPT,
        reason=asked.reason,
    )
    made_from = {key: result.model.provenance[key] for key in ("data_digest", "definition_digest", "code_version")}
    content = {
        "name": result.model.name,
        "from_version": None if rival is None else rival.version,
        "against": "" if rival is None else rival.alias,
        "training": unfinished.name,
        "dry_run": asked.dry_run,
        "reason": asked.reason,
        "made_from": made_from,
        "patients": patient_set(result.cohort),
        **_figures(result, challenge),
    }
    versions = _other_versions(result.model.name, standing, settings)
    return replace(contest, tried=noted(record_of(settings), content, versions))


def _other_versions(name: str, standing: Standing, settings: Settings) -> list[Mapping[str, str]]:
    """Return the tags of the model's versions but for the one that stands."""
    if not exists(settings):
        return []
    with answering(settings):
        versions = registered(client_of(settings), name).versions
    own = None if standing.rival is None else standing.rival.version
    return [tags for version, tags in versions.items() if version != own]


def _figures(result: TrainingResult, challenge: Challenge | None) -> dict[str, Any]:
    """Return the figures and digests of a comparison, as the record keeps them."""
    proof = evidence(result.model, "")
    compared = {} if challenge is None else {"by_definition": challenge.by_definition, "locked": challenge.locked}
    return {
        "figures": {**proof.figures, "compared": {key: _recorded(each) for key, each in compared.items()}},
        "digests": {key: digest for key, digest in proof.digests.items() if key != "bundle"},
    }


def _recorded(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON can hold it, what is not known as null."""
    told = {"n_patients": comparison.n_patients, "n_events": comparison.n_events, "reason": comparison.reason}
    differences = {
        metric: {key: value if math.isfinite(value) else None for key, value in asdict(found.difference).items()}
        for metric, found in comparison.differences.items()
    }
    return {**told, "differences": differences}
