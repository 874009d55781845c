"""What the record of promotions says: the entries of one, and what follows from all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.audit_log import NOTE, Entry
from experiments.labels import verdict_of
from training.gate import PASSED
from training.model import PrognosticModel

#: An entry is written before the alias moves, and one after it.
INTENT, DONE = "intent", "done"
PROMOTE, ROLLBACK, TRAIN, RETRAIN, IMPORT, FORCE = "promote", "rollback", "train", "retrain", "import", "force"
#: A challenger was looked at beside a champion; nothing moved.
COMPARE = "compare"
#: How the next process finishes what a killed one left, by looking at the alias.
RECOVERED, ABANDONED = "recovered", "abandoned"
#: The alias was found elsewhere than where the record had left it.
FOUND = "found"
SHOWN = "concordance_harrell"
#: Keys of a retrained model's provenance: with which version it was compared, in words, and the digest of that bundle.
COMPARED_WITH, COMPARED_BUNDLE = "compared_with", "compared_with_bundle"
_BOUNDS = {"value": "", "lower": "_lower", "upper": "_upper"}


@dataclass(frozen=True)
class Evidence:
    """On which figures a version is champion, and from what it was made.

    Parameters
    ----------
    figures : mapping
        ``concordance_harrell`` with ``value``, ``lower`` and ``upper`` (out of fold, of the whole procedure),
        ``gate``, ``missed`` clauses, ``learner``, ``n_patients`` and ``n_events``; of what was retrained,
        ``compared_with`` (which version, in words) and ``compared_with_bundle`` (its digest).
    digests : mapping of str to str
        SHA-256 of the ``data``, the ``definition`` and the ``bundle``.
    """

    figures: Mapping[str, Any]
    digests: Mapping[str, str]


def evidence(model: PrognosticModel, bundle_digest: str) -> Evidence:
    """Return what speaks for a model, all of it read from its bundle.

    Parameters
    ----------
    model : PrognosticModel
    bundle_digest : str
        Of the bundle that the model was read from.
    """
    variant = model.variants.get("clinical") or model.variants["genes_only"]
    shown = variant.metrics[SHOWN]
    bounds = {"value": shown.value, "lower": shown.lower, "upper": shown.upper}
    figures = {
        SHOWN: {key: value if math.isfinite(value) else None for key, value in bounds.items()},
        "gate": verdict_of(model.gate),
        "missed": [clause for clause, verdict, _ in model.gate if verdict != PASSED],
        "learner": variant.learner,
        "n_patients": model.cohort.n_patients,
        "n_events": model.cohort.n_events,
        **{key: model.provenance[key] for key in (COMPARED_WITH, COMPARED_BUNDLE) if key in model.provenance},
    }
    made_from = {key: model.provenance[f"{key}_digest"] for key in ("data", "definition")}
    return Evidence(figures, {**made_from, "bundle": bundle_digest})


def evidence_by_tags(tags: Mapping[str, str]) -> Evidence:
    """Return what a version's tags claim, for one that nobody promoted by this record."""
    digests = {key: tags[f"{key}_digest"] for key in ("data", "definition", "bundle") if f"{key}_digest" in tags}
    shown = {key: _number(tags.get(SHOWN + end)) for key, end in _BOUNDS.items()}
    return Evidence(
        {SHOWN: shown if shown["value"] is not None else None, "gate": tags.get("gate", "unknown")}, digests
    )


def _number(tag: str | None) -> float | None:
    """Read a figure's tag; whoever edits tags may write anything."""
    try:
        value = float(tag or "nan")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def pending(entries: Sequence[Entry]) -> Entry | None:
    """Return the intent that no entry says the end of, if there is one."""
    ended = {entry.get("intent") for entry in entries}
    return next(
        (entry for entry in reversed(entries) if entry["stage"] == INTENT and entry["sequence"] not in ended), None
    )


def moves(entries: Sequence[Entry], name: str) -> list[Entry]:
    """Return the entries after which another version of a model was champion, in order."""
    return [
        entry
        for entry in entries
        if entry.get("name") == name
        and (
            (entry["stage"] == DONE and entry["action"] != ABANDONED)
            or (entry["stage"] == NOTE and entry["action"] == FOUND)
        )
    ]


def last_move(entries: Sequence[Entry], name: str) -> Entry | None:
    """Return the entry by which a model's present version is champion, if the record tells of one."""
    found = moves(entries, name)
    return found[-1] if found else None


def cause(entry: Entry, entries: Sequence[Entry]) -> str:
    """Return what was asked for: the action of an entry, or of the intent that it finished."""
    intent = entry.get("intent")
    return str(entry["action"] if intent is None else entries[intent - 1]["action"])


def line_of_champions(entries: Sequence[Entry], name: str) -> list[Entry]:
    """Return the moves that still stand, the present champion's last: a rollback takes back those after its target.

    Parameters
    ----------
    entries : sequence of Entry
        All of the record.
    name : str
    """
    line: list[Entry] = []
    for entry in moves(entries, name):
        versions = [each["to_version"] for each in line]
        if cause(entry, entries) == ROLLBACK and entry["to_version"] in versions:
            del line[len(versions) - versions[::-1].index(entry["to_version"]) :]
        elif not versions or versions[-1] != entry["to_version"]:
            line.append(entry)
    return line


def was_promoted(entries: Sequence[Entry], name: str, *, bundle: str, action: str) -> bool:
    """Tell whether a bundle became champion by an action before; versions start anew where a model was deleted."""
    return any(
        entry["digests"].get("bundle") == bundle and cause(entry, entries) == action for entry in moves(entries, name)
    )


def identity_of(entries: Sequence[Entry]) -> str:
    """Return what tells one record from all others: the hash of its first entry; nothing while there is none."""
    return str(entries[0]["hash"]) if entries else ""
