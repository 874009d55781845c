"""How many challengers were tried on the same patients: what the record keeps of each look, without naming anyone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from experiments.audit_log import NOTE, AuditLog, Entry
from experiments.promotion_entries import COMPARE
from features.cohort import Cohort
from features.persons import canonical, own_identifiers

#: Hash functions of a sketch, of each of which one byte is kept.
SKETCH_LENGTH = 128
_CHANCE = 1 / 256
#: A look counts if more than this share of the patients were among those of an earlier one.
OVERLAP = 0.5

type PatientSet = Mapping[str, Any]


def patient_set(cohort: Cohort) -> dict[str, Any]:
    r"""Return what tells a set of patients from others, and how much two sets have in common, but no patient.

    Parameters
    ----------
    cohort : Cohort

    Returns
    -------
    dict
        ``n``; ``digest``: SHA-256 of the sorted hashes of their identifiers; ``sketch``: of each of 128 hash functions
        the last byte (hex) of the smallest value that any patient has.

    Notes
    -----
    Two sets agree in a byte with probability :math:`J + (1 - J) / 256`, :math:`J` being what they have in common
    divided by what they have together (b-bit minwise hashing): 128 bytes give :math:`J` to within 0.09 (95 %). A byte
    is of one patient among all, and 1 in 256 of everyone would have given it, so that a sketch names nobody.

    References
    ----------
    Li P, König AC. b-Bit minwise hashing. WWW 2010, 671-680. doi:10.1145/1772690.1772759
    """
    names = sorted(canonical(identifier) for identifier in own_identifiers(cohort))
    hashes = [hashlib.shake_256(name.encode()).digest(8 * SKETCH_LENGTH) for name in names]
    smallest = np.min([np.frombuffer(each, dtype=">u8") for each in hashes], axis=0)
    sketch = (smallest & 0xFF).astype(np.uint8).tobytes().hex()
    together = "".join(hashlib.sha256(name.encode()).hexdigest() for name in names)
    return {"n": len(names), "digest": hashlib.sha256(together.encode()).hexdigest(), "sketch": sketch}


def share_among(patients: PatientSet, earlier: PatientSet) -> float:
    """Return the share of `patients` who were among `earlier` ones: exact where the sets are equal, else estimated."""
    if patients["digest"] == earlier["digest"]:
        return 1.0
    own, other = (np.frombuffer(bytes.fromhex(each["sketch"]), dtype=np.uint8) for each in (patients, earlier))
    jaccard = max(0.0, (float((own == other).mean()) - _CHANCE) / (1 - _CHANCE))
    n_own, n_other = int(patients["n"]), int(earlier["n"])
    return min(1.0, jaccard / (1 + jaccard) * (n_own + n_other) / n_own)


def challenger_key(made_from: Mapping[str, str]) -> tuple[str, ...]:
    """Return what makes a challenger: equal data, definition and code give the same model, tried once."""
    return tuple(made_from[key] for key in ("data_digest", "definition_digest", "code_version"))


def tried(
    entries: Iterable[Entry],
    versions: Iterable[Mapping[str, str]],
    *,
    name: str,
    patients: PatientSet,
    made_from: Mapping[str, str],
) -> int:
    """Count the challengers that were tried on these patients, the present one included.

    Parameters
    ----------
    entries : iterable of Entry
        All of the record: every comparison, dry runs too.
    versions : iterable of mapping
        The tags of the model's versions but for the one that stands: one of the same data was tried, too, however it
        was trained.
    name : str
    patients : mapping
        As `patient_set` returns it.
    made_from : mapping
        Of the present challenger.
    """
    keys = {challenger_key(made_from), *_compared(entries, name, patients)}
    same_data = (tags for tags in versions if tags.get("data_digest") == made_from["data_digest"])
    keys |= {challenger_key(tags) for tags in same_data if made_from.keys() <= tags.keys()}
    return len(keys)


def noted(log: AuditLog, content: Mapping[str, Any], versions: list[Mapping[str, str]]) -> int:
    """Write a comparison into the record with its count, and return the count.

    Parameters
    ----------
    log : AuditLog
    content : mapping
        ``name``, ``made_from``, ``patients``, ``training``, ``dry_run``, ``from_version``, ``reason``, ``figures`` and
        ``digests``.
    versions : list of mapping
        As in `tried`.

    Notes
    -----
    Looking is what counts: the entry is on the disk before anyone has seen a figure, and before anything is registered.
    A training that was killed after its entry and is taken up again finds it, and writes no second one.
    """
    with log.held() as held:
        count = tried(
            held.entries,
            versions,
            name=content["name"],
            patients=content["patients"],
            made_from=content["made_from"],
        )
        if not any(_is_same_look(entry, content) for entry in held.entries):
            figures = {**content["figures"], "challengers": count}
            held.append({**content, "stage": NOTE, "action": COMPARE, "to_version": None, "figures": figures})
    return count


def comparisons(entries: Iterable[Entry], name: str) -> list[Entry]:
    """Return the entries of a model's comparisons, in order."""
    return [entry for entry in entries if entry.get("action") == COMPARE and entry.get("name") == name]


def _compared(entries: Iterable[Entry], name: str, patients: PatientSet) -> Iterator[tuple[str, ...]]:
    for entry in comparisons(entries, name):
        if share_among(patients, entry["patients"]) > OVERLAP:
            yield challenger_key(entry["made_from"])


def _is_same_look(entry: Entry, content: Mapping[str, Any]) -> bool:
    same = ("name", "training", "dry_run", "from_version", "made_from")
    return entry.get("action") == COMPARE and all(entry.get(key) == content[key] for key in same)
