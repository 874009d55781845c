"""The one door through which a version becomes champion: the alias moves, and the record says so, or neither."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.audit_log import NOTE, AuditError, AuditLog, Chain, Entry, HeldLog
from experiments.promotion_entries import (
    ABANDONED,
    DONE,
    FOUND,
    INTENT,
    RECOVERED,
    Evidence,
    evidence_by_tags,
    identity_of,
    last_move,
    pending,
)
from serving.registry import ALIASES

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

logger = logging.getLogger(__name__)

_CHAMPION = ALIASES[0]
#: The registered model's tag that names the last entry on it: of this record or, where machines share one MLflow and
#: each has a record of its own, of another's.
HEAD = "promotion.head"


@dataclass(frozen=True)
class Head:
    """What the tag `HEAD` says.

    Parameters
    ----------
    record : str
        The hash of the record's first entry.
    sequence : int
    hash : str
        Of the last entry.
    who : str
        Who wrote it.
    """

    record: str
    sequence: int
    hash: str
    who: str

    @classmethod
    def read(cls, text: str) -> Head:
        """Read the tag; what was written there by hand names no record."""
        try:
            found = json.loads(text)
            return cls(str(found["record"]), int(found["sequence"]), str(found["hash"]), str(found["who"]))
        except (ValueError, KeyError, TypeError):
            return cls("", 0, "", "unknown")

    def is_lost_from(self, chain: Chain) -> bool:
        """Tell whether it names an entry of this record that the record does not hold."""
        if not chain.entries or self.record != identity_of(chain.entries):
            return False
        known = chain.entries[self.sequence - 1]["hash"] if 0 < self.sequence <= len(chain.entries) else None
        return self.hash != known


@dataclass(frozen=True)
class Registered:
    """What MLflow says of a registered model.

    Parameters
    ----------
    champion : str or None
        The version that bears the alias.
    head : Head or None
        As the tag says.
    versions : mapping of str to mapping
        The tags of each version.
    """

    champion: str | None
    head: Head | None
    versions: Mapping[str, Mapping[str, str]]

    @property
    def newest(self) -> int:
        """The number of the newest version."""
        return max(map(int, self.versions), default=0)

    def challengers(self, *, after: int, data_digest: str | None) -> tuple[str, ...]:
        """Return the versions after a number that were made on the data of a digest, in order."""
        found = (version for version, tags in self.versions.items() if tags.get("data_digest") == data_digest)
        return tuple(sorted((version for version in found if int(version) > after), key=int))


def registered(client: MlflowClient, name: str) -> Registered:
    """Ask MLflow for a model's champion, its versions, and the last entry on it; nothing where there is no model."""
    model = _model(client, name)
    versions = client.search_model_versions(f"name = '{name}'") if model else []
    champion = model.aliases.get(_CHAMPION) if model else None
    head = model.tags.get(HEAD) if model else None
    return Registered(
        champion=None if champion is None else str(champion),
        head=None if head is None else Head.read(head),
        versions={str(version.version): dict(version.tags) for version in versions},
    )


class Door:
    """A model's alias and the record, held by this process alone and in agreement; made by `open_door`."""

    def __init__(self, client: MlflowClient, name: str, held: HeldLog, state: Registered) -> None:
        self._client, self._name, self._held = client, name, held
        self.state = state

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All of the record."""
        return self._held.entries

    def move(self, version: str, evidence: Evidence, *, action: str, reason: str = "") -> Entry | None:
        """Make a version champion; nothing is done, and None returned, where it is champion already.

        Parameters
        ----------
        version : str
        evidence : Evidence
        action : str
            ``promote``, ``rollback``, ``train``, ``retrain``, ``import`` or ``force``.
        reason : str

        Notes
        -----
        The intent is on the disk before the alias moves, and an entry says that it has moved: whoever finds an intent
        alone looks at the alias. The alias itself moves in one transaction of MLflow's database.
        """
        if self.state.champion == version:
            return None
        said = {
            "name": self._name,
            "action": action,
            "from_version": self.state.champion,
            "to_version": version,
            "reason": reason,
            "newest_version": self.state.newest,
            "figures": {**evidence.figures, "challengers": self._tried(version, evidence)},
            "digests": dict(evidence.digests),
        }
        intent = self._held.append({**said, "stage": INTENT})
        self._client.set_registered_model_alias(self._name, _CHAMPION, version)
        done = self._held.append({**said, "stage": DONE, "intent": intent["sequence"]})
        _leave_head(self._client, self._name, self._held)
        self.state = registered(self._client, self._name)
        return done

    def _tried(self, version: str, evidence: Evidence) -> int:
        """Count what was tried on the same data since the champion before was chosen, this version included.

        A retraining counted before, dry runs too: what it found is the least that is true.
        """
        last = last_move(self.entries, self._name)
        since = int(last["newest_version"]) if last else 0
        registered_since = {version, *self.state.challengers(after=since, data_digest=evidence.digests.get("data"))}
        return max(len(registered_since), int(evidence.figures.get("challengers", 0)))


@contextmanager
def open_door(client: MlflowClient, name: str, log: AuditLog) -> Iterator[Door]:
    """Hold the record, finish what a killed process left in it, and write down what was moved past it.

    Parameters
    ----------
    client : MlflowClient
    name : str
        ``KIRC-OS``.
    log : AuditLog

    Raises
    ------
    AuditError
        If the record cannot be held, or is not whole.
    """
    with log.held() as held:
        _settle(client, held)
        state = registered(client, name)
        if state.head is not None and state.head.is_lost_from(Chain(held.entries)):
            raise AuditError(f"{log.path}: {cut_off(name, state.head)}")
        _note_what_moved_past(client, name, held, state)
        yield Door(client, name, held, state)


def make_champion(
    client: MlflowClient, version: ModelVersion, evidence: Evidence, *, action: str, log: AuditLog
) -> Entry | None:
    """Make a version champion and write it into the record; None where it is champion already."""
    with open_door(client, version.name, log) as door:
        return door.move(str(version.version), evidence, action=action)


def cut_off(name: str, head: Head) -> str:
    """Say that MLflow names an entry that the record does not hold."""
    return (
        f"MLflow names entry {head.sequence} on {name}, which is not in the record: its end was cut off, or an older "
        "copy was put in its place; bring the whole one back, or move this one away and keep it: a new one begins."
    )


def moved_past(name: str, recorded: Entry | None, state: Registered, own_record: str) -> str | None:
    """Say how MLflow's alias differs from the record; None where it does not.

    Parameters
    ----------
    name : str
    recorded : Entry or None
        The last move of the record.
    state : Registered
    own_record : str
        The record's identity.
    """
    told = None if recorded is None else recorded["to_version"]
    now = "no version is champion" if state.champion is None else f"version {state.champion} is champion"
    then = "tells of none" if told is None else f"says version {told}"
    if state.head is not None and state.head.record != own_record:
        return f"{name}: {now}; entry {state.head.sequence} of another record, by {state.head.who}; this one {then}"
    if told != state.champion:
        by = "before the record began, or past it" if recorded is None else "past the record, as MLflow's pages can"
        return f"{name}: {now}, but the record {then}: the alias was moved {by}"
    bundle = state.versions.get(told, {}).get("bundle_digest") if told else None
    if recorded is not None and bundle != recorded["digests"].get("bundle"):
        return f"{name}: version {told} is champion, but its bundle is not the one of the record: it was made anew"
    return None


def _settle(client: MlflowClient, held: HeldLog) -> None:
    """Finish what a process began that was killed: done where the alias moved, else given up."""
    left = pending(held.entries)
    if left is None:
        return
    state = registered(client, left["name"])
    action = RECOVERED if state.champion == left["to_version"] else ABANDONED
    kept = ("name", "from_version", "to_version", "reason", "newest_version", "figures", "digests")
    said = {key: left[key] for key in kept}
    held.append({**said, "stage": DONE, "action": action, "intent": left["sequence"]})
    logger.warning("%s: an interrupted %s is %s: %s", left["name"], left["action"], action, held.path)
    # Another record's head is noted first, and one that is not in this record is refused.
    own = state.head is None or state.head.record == identity_of(held.entries)
    if own and not (state.head and state.head.is_lost_from(Chain(held.entries))):
        _leave_head(client, left["name"], held)


def _note_what_moved_past(client: MlflowClient, name: str, held: HeldLog, state: Registered) -> None:
    recorded = last_move(held.entries, name)
    told = moved_past(name, recorded, state, identity_of(held.entries))
    if told is None:
        return
    logger.warning("%s", told)
    evidence = evidence_by_tags(state.versions.get(state.champion or "", {}))
    note: dict[str, Any] = {
        "stage": NOTE,
        "action": FOUND,
        "name": name,
        "from_version": recorded["to_version"] if recorded else None,
        "to_version": state.champion,
        "reason": told,
        "newest_version": state.newest,
        "figures": dict(evidence.figures),
        "digests": dict(evidence.digests),
        "elsewhere": None if state.head is None else vars(state.head),
    }
    held.append(note)
    _leave_head(client, name, held)


def _leave_head(client: MlflowClient, name: str, held: HeldLog) -> None:
    """Tell MLflow the last entry, so that a record that is cut or forked shows."""
    if _model(client, name) is None or not held.entries:
        return
    last = held.entries[-1]
    head = Head(identity_of(held.entries), last["sequence"], last["hash"], last["who"])
    client.set_registered_model_tag(name, HEAD, json.dumps(vars(head)))


def _model(client: MlflowClient, name: str) -> RegisteredModel | None:
    found = client.search_registered_models(f"name = '{name}'")
    return found[0] if found else None


def record_beside(database: Path | None, *, home: Path, uri_digest: str) -> AuditLog:
    """Return the record of an MLflow: beside its database, or under `home` where it is on another machine."""
    if database is not None:
        return AuditLog(database.with_name(f"{database.stem}.promotions.jsonl"))
    return AuditLog(home / "promotions" / f"{uri_digest[:12]}.jsonl")
