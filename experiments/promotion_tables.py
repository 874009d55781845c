"""What the record of promotions looks like on paper: a table for people, and JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.audit_log import NOTE, Entry, plain
from experiments.promotion_entries import COMPARE, DONE, INTENT, SHOWN, cause, pending
from experiments.summaries import table, with_interval
from training.estimate import Estimate
from training.gate import PASSED

if TYPE_CHECKING:
    from experiments.promotion import History, Moved

COLUMNS = ("#", "when (UTC)", "who", "model", "action", "from", "to", "Harrell", "gate", "tried", "data", "definition")
DIGEST_LENGTH = 8
KINDS = {"by_definition": "by definition", "locked": "locked"}


def history_table(history: History, name: str | None = None) -> str:
    """List who made which version champion, when, from which, on which figures and why; the latest last.

    Parameters
    ----------
    history : History
    name : str, optional
        Only this model.

    Notes
    -----
    *Tried* counts the versions made on the same data since the champion before was chosen, the promoted one included;
    of a comparison, in which nothing moves, the challengers that were looked at on these patients so far, dry runs too.
    The more were tried on the same patients, the less the best of them is worth what it shows.
    """
    entries = history.chain.entries
    shown = [entry for entry in entries if _is_shown(entry, entries) and name in (None, entry.get("name"))]
    rows = [_row(entry, entries) for entry in shown]
    since = [
        f"{model}  tried on the champion's data since: {len(versions)} (version {', '.join(versions)})"
        for model, versions in history.challengers.items()
        if versions and name in (None, model)
    ]
    return "\n".join([table((*COLUMNS, "bundle", "why"), rows), *since])


def history_json(history: History, name: str | None = None) -> dict[str, Any]:
    """Return the record's entries as they stand there, and what came after."""
    entries = [dict(entry) for entry in history.chain.entries if name in (None, entry.get("name"))]
    since = {model: list(found) for model, found in history.challengers.items() if name in (None, model)}
    fault = history.chain.fault
    return {
        "record": str(history.record),
        "whole": fault is None and not history.chain.torn,
        "fault": None if fault is None else {"line": fault.line, "reason": fault.reason},
        "entries": entries,
        "challengers_since": since,
    }


def moved_line(moved: Moved) -> str:
    """Say in one line what a promotion or a rollback came to."""
    if moved.entry is None:
        return f"{moved.name}  version {moved.version} is champion already; nothing was done"
    before = moved.entry["from_version"]
    gate = moved.entry["figures"]["gate"]
    forced = "" if gate == PASSED else "; FORCED: answers say that it is exploratory"
    concordance = _concordance(moved.entry["figures"])
    return (
        f"{moved.name}  version {moved.version} is champion (before: {before or 'none'}); concordance {concordance}; "
        f"gate {gate}{forced}; entry {moved.entry['sequence']} of the record"
    )


def _is_shown(entry: Entry, entries: Sequence[Entry]) -> bool:
    left = pending(entries)
    return entry["stage"] in (DONE, NOTE) or (left is not None and entry["sequence"] == left["sequence"])


def _row(entry: Entry, entries: Sequence[Entry]) -> tuple[str, ...]:
    figures, digests = entry.get("figures", {}), entry.get("digests", {})
    return (
        str(entry["sequence"]),
        str(entry["time"])[:16].replace("T", " "),
        str(entry["who"]),
        str(entry.get("name", "")),
        _action(entry, entries),
        *(str(entry.get(key) or "–") for key in ("from_version", "to_version")),
        _concordance(figures),
        str(figures.get("gate", "")),
        str(figures.get("challengers", "")),
        *(str(digests.get(key, ""))[:DIGEST_LENGTH] for key in ("data", "definition", "bundle")),
        "; ".join(part for part in (_differences(entry), plain(str(entry.get("reason", "")))) if part),
    )


def _differences(entry: Entry) -> str:
    """Say by how much a challenger's concordance differed from that of the version it was compared with."""
    if entry["action"] != COMPARE:
        return ""
    compared: Mapping[str, Any] = entry["figures"]["compared"]
    told = (f"{KINDS[kind]} {_difference(each)}" for kind, each in compared.items())
    against = entry["against"] or "version"
    return f"challenger − {against}: {', '.join(told)}" if compared else "nothing stood to compare with"


def _difference(comparison: Mapping[str, Any]) -> str:
    found = comparison["differences"].get(SHOWN)
    if found is None or found["lower"] is None:
        return "not assessed"
    return f"{found['value']:+.3f} ({found['lower']:+.3f} to {found['upper']:+.3f})"


def _action(entry: Entry, entries: Sequence[Entry]) -> str:
    asked = cause(entry, entries)
    if entry["stage"] == INTENT:
        return f"{asked}, unfinished"
    if entry.get("dry_run"):
        return f"{asked}, dry run"
    return asked if asked == entry["action"] else f"{asked}, {entry['action']}"


def _concordance(figures: Mapping[str, Any]) -> str:
    shown = figures.get(SHOWN)
    if shown is None:
        return ""
    bounds = (shown[key] for key in ("value", "lower", "upper"))
    return with_interval(Estimate(*(float("nan") if bound is None else bound for bound in bounds)))
