"""Promote, roll back and look back: which version of a model leads, by whom, and on which figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.aliases import Door, cut_off, moved_past, open_door, registered
from experiments.audit_log import Chain, Entry
from experiments.claims import objection, registered_model, was_champion
from experiments.promotion_entries import (
    FORCE,
    PROMOTE,
    ROLLBACK,
    Evidence,
    evidence,
    identity_of,
    last_move,
    line_of_champions,
    moves,
    pending,
    was_promoted,
)
from experiments.tracking import COMPARE_THEM, answering, client_of, exists, record_of
from experiments.transfer import Reference, find_version
from features.errors import PrognosisError
from serving.settings import Settings
from training.gate import PASSED
from training.model import PrognosticModel

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from serving.bundle_cache import RegisteredVersion


#: What the record says, beside the clauses of the gate, that a forced champion has not passed.
UNCOMPARED = "judged_beside_the_champion"


class PromotionError(PrognosisError):
    """A version may not become champion, or there is none to go back to."""


@dataclass(frozen=True)
class Moved:
    """What a promotion or a rollback came to.

    Parameters
    ----------
    name, version : str
    entry : Entry or None
        As the record has it; None where the version was champion already, and nothing was done.
    """

    name: str
    version: str
    entry: Entry | None


@dataclass(frozen=True)
class Verdict:
    """What an examination of the record found.

    Parameters
    ----------
    record : Path
    n_entries : int
        As far as the chain is whole.
    faults : tuple of str
        The first broken line, and every model whose alias is not what the record says.
    notes : tuple of str
        What is no fault, and will be put right by the next promotion.
    """

    record: Path
    n_entries: int
    faults: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class History:
    """The record, and what came after its last promotions.

    Parameters
    ----------
    record : Path
    chain : Chain
    challengers : mapping of str to tuple of str
        For each model, the versions made on the champion's data since it was chosen.
    """

    record: Path
    chain: Chain
    challengers: Mapping[str, tuple[str, ...]]


def promote(reference: Reference, *, settings: Settings, reason: str = "", force: bool = False) -> Moved:
    """Make a version champion if its gate was passed, and if it was judged beside the champion that stands.

    Parameters
    ----------
    reference : Reference
        With a version or an alias.
    settings : Settings
    reason : str
        For the record; no patient's data.
    force : bool
        Promote though either was not; the record says so, and a reason must be given.

    Notes
    -----
    The verdict, the figures and the comparison (`experiments.claims.objection`) are those of the bundle, whose digest
    is compared; tags can be edited. No other promotion comes between the look at the champion and its replacement.

    Raises
    ------
    PromotionError
        If the gate was not passed, naming the clauses; if the version was not judged beside the present champion; or
        if no version or no reason is named.
    TransferError
        If there is no such version.
    BundleError
        If its bundle is damaged.
    AuditError
        If the record cannot be written or is not whole; the alias has not moved.
    """
    if reference.version is None and reference.alias is None:
        raise PromotionError(f"{reference}: say which version; write NAME:VERSION or NAME@candidate.")
    if force and not reason:
        raise PromotionError(f"{reference}: who forces a promotion gives a reason, which the record keeps.")
    version = find_version(reference, settings)
    model = registered_model(version, settings)
    where, client = f"{version.name}:{version.version}", client_of(settings)
    if not (model.champion_earned or force):
        raise PromotionError(f"{where} cannot be champion: {_missed(model)}.")
    with answering(settings), open_door(client, version.name, record_of(settings)) as door:
        told = objection(version, model, door, settings)
        if told and not force:
            raise PromotionError(f"{where} cannot be champion: {told}; {_instead(version, door.entries)}.")
        action = FORCE if told or not model.champion_earned else PROMOTE
        entry = door.move(version.version, _evidence(model, version.digest, told), action=action, reason=reason)
    return Moved(version.name, version.version, entry)


def _instead(version: RegisteredVersion, entries: tuple[Entry, ...]) -> str:
    """Say what can be done with a version that was not judged beside the champion."""
    back = f"prognosis rollback {version.name} --to {version.version} brings back what was champion before"
    back = f"{back}, " if was_champion(entries, version) else ""
    return f"{back}{COMPARE_THEM}, and only --force with a --reason promotes it as it is"


def _evidence(model: PrognosticModel, digest: str, told: str) -> Evidence:
    """Return what speaks for a model, and what does not."""
    proof = evidence(model, digest)
    missed = [*proof.figures["missed"], *([UNCOMPARED] if told else [])]
    return replace(proof, figures={**proof.figures, "missed": missed})


def rollback(name: str, *, settings: Settings, to: str | None = None, reason: str = "") -> Moved:
    """Make the champion before the present one champion again, or an earlier one.

    Parameters
    ----------
    name : str
        ``KIRC-OS``.
    settings : Settings
    to : str, optional
        The version; it must have been champion, by the record.
    reason : str

    Raises
    ------
    PromotionError
        If there is no such champion, if the version was made anew since, or if it was neither promoted by its gate
        nor by force.
    TransferError
        If the version is no longer registered.
    AuditError
        If the record cannot be written or is not whole; the alias has not moved.
    """
    reference = Reference.parse(name)
    if str(reference) != reference.name:
        raise PromotionError(f"{name}: name the model alone, {reference.name}; --to says which version.")
    if not exists(settings):
        raise PromotionError(f"{name}: nothing is registered here yet, so there is nothing to go back to.")
    client = client_of(settings)
    with answering(settings), open_door(client, name, record_of(settings)) as door:
        target = _target(door, name, to)
        version = find_version(Reference(name, version=target["to_version"]), settings)
        proof = _proof_of(target, version, door.entries, settings)
        entry = door.move(version.version, proof, action=ROLLBACK, reason=reason)
    return Moved(name, version.version, entry)


def history(settings: Settings) -> History:
    """Return the record as far as it is whole, and what was tried since."""
    log = record_of(settings)
    chain = log.chain()
    since: dict[str, tuple[str, ...]] = {}
    if exists(settings):
        client = client_of(settings)
        with answering(settings):
            for name in _names(chain.entries):
                last = last_move(chain.entries, name)
                if last is not None and last["digests"].get("data"):
                    since[name] = registered(client, name).challengers(
                        after=int(last["newest_version"]), data_digest=last["digests"]["data"]
                    )
    return History(log.path, chain, since)


def verify(settings: Settings) -> Verdict:
    """Follow the record's chain, and compare with it what MLflow says; nothing is written."""
    log = record_of(settings)
    with log.at_rest() as chain:
        faults, notes = [], []
        if chain.fault is not None:
            faults.append(f"{chain.fault}.")
        elif chain.torn:
            faults.append(
                f"line {len(chain.entries) + 1} is half-written: its writer was stopped; the next promotion moves it "
                "aside."
            )
        left = pending(chain.entries)
        if left is not None:
            notes.append(
                f"line {left['sequence']}: this {left['action']} of {left['name']}:{left['to_version']} was not "
                "finished; the next promotion says what became of it."
            )
        if exists(settings) and chain.fault is None:
            with answering(settings):
                faults += _unlike_mlflow(client_of(settings), chain)
    return Verdict(log.path, len(chain.entries), tuple(faults), tuple(notes))


def _unlike_mlflow(client: MlflowClient, chain: Chain) -> Iterator[str]:
    """Say of each model what MLflow and the record do not agree on."""
    left = pending(chain.entries)
    known = {model.name for model in client.search_registered_models(max_results=1000)}
    for name in sorted(known | set(_names(chain.entries))):
        state = registered(client, name)
        if state.head is not None and state.head.is_lost_from(chain):
            yield cut_off(name, state.head)
            continue
        told = moved_past(name, last_move(chain.entries, name), state, identity_of(chain.entries))
        under_way = left is not None and left["name"] == name and state.champion == left["to_version"]
        if told is not None and not under_way:
            yield f"{told}."


def _target(door: Door, name: str, to: str | None) -> Entry:
    """Return the move to go back to."""
    present = door.state.champion
    if not door.state.versions:
        raise PromotionError(f"{name}: there is no such model; prognosis models lists those that there are.")
    if to is not None and to == present:
        raise PromotionError(f"{name}: version {to} is champion already.")
    standing = line_of_champions(door.entries, name)[:-1] if to is None else moves(door.entries, name)
    earlier = [move for move in standing if move["to_version"] not in (None, present)]
    found = [move for move in earlier if to is None or move["to_version"] == to]
    if found:
        return found[-1]
    if to is None:
        raise PromotionError(f"{name}: the record tells of no champion before the present one, so none can return.")
    there = ", ".join(sorted({move["to_version"] for move in earlier}, key=int)) or "none"
    raise PromotionError(f"{name}: version {to} was not champion before, by the record; those were: {there}.")


def _proof_of(target: Entry, version: RegisteredVersion, entries: tuple[Entry, ...], settings: Settings) -> Evidence:
    """Return what speaks for a former champion, if it is still the same and had a right to be."""
    where = f"{version.name}:{version.version}"
    if version.digest != target["digests"].get("bundle"):
        raise PromotionError(f"{where} is not the model that was champion: its bundle is another, by the record.")
    model = registered_model(version, settings)
    forced = was_promoted(entries, version.name, bundle=version.digest, action=FORCE)
    if not (model.champion_earned or forced):
        raise PromotionError(f"{where} was made champion past the record, and {_missed(model)}.")
    return evidence(model, version.digest)


def _missed(model: PrognosticModel) -> str:
    clauses = "; ".join(
        f"{clause}: {verdict} ({figure})" for clause, verdict, figure in model.gate if verdict != PASSED
    )
    return f"its gate was not passed ({clauses or 'no clause says why'}); only --force with a --reason promotes it"


def _names(entries: tuple[Entry, ...]) -> list[str]:
    return sorted({entry["name"] for entry in entries if "name" in entry})
