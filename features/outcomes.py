"""Follow-up and event of each patient, from the columns and the status words that cohorts are written with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.cohort import ENDPOINTS, months_to_days
from features.errors import CohortError
from features.ledger import Ledger

#: cBioPortal's names for two of the endpoints; TCGA's own cohorts mean Liu et al.'s DFI and PFI by them.
RENAMED = {"DFI": "DFS", "PFI": "PFS"}
EVENT_WORDS = frozenset(
    (
        *("1", "1.0", "true", "yes", "event", "dead", "deceased", "died", "dead with tumor", "dead of disease"),
        *("recurred/progressed", "recurred", "recurrence", "relapse", "relapsed", "progression", "progressed"),
    )
)
CENSORED_WORDS = frozenset(
    (
        *("0", "0.0", "false", "no", "no event", "censored", "alive", "living", "alive or dead tumor free"),
        *("diseasefree", "disease free", "disease-free", "progression free", "progression-free", "not progressed"),
        *("no recurrence", "not recurred", "dead of other causes"),
    )
)


@dataclass(frozen=True)
class OutcomeColumns:
    """Where a table holds one endpoint, and in which unit its times are (``months`` or ``days``)."""

    status: str
    time: str
    unit: str


def outcome_columns(columns: Iterable[str]) -> dict[str, OutcomeColumns]:
    """Find the endpoints that a table holds.

    Parameters
    ----------
    columns : iterable of str
        ``OS_STATUS`` or ``OS_EVENT`` or ``OS``, with ``OS_MONTHS``, ``OS_DAYS`` or ``OS.time`` (days), in any case.

    Returns
    -------
    dict of str to OutcomeColumns
        Under the names as they stand: OS, DSS, DFI, PFI, and DFS and PFS.
    """
    by_name = {column.upper(): column for column in columns}
    found = {}
    for endpoint in (*ENDPOINTS, *RENAMED.values()):
        status = _first(by_name, (f"{endpoint}_STATUS", f"{endpoint}_EVENT", endpoint))
        days = _first(by_name, (f"{endpoint}_DAYS", f"{endpoint}.TIME", f"{endpoint}_TIME_DAYS"))
        months = _first(by_name, (f"{endpoint}_MONTHS", f"{endpoint}_TIME_MONTHS"))
        time = days or months
        if status and time:
            found[endpoint] = OutcomeColumns(status, time, "days" if days else "months")
    return found


def outcomes(table: pd.DataFrame, endpoint: str, source: str) -> tuple[pd.DataFrame, Ledger]:
    """Read one endpoint: patients that have both a status and a positive time.

    Parameters
    ----------
    table : DataFrame of str, shape (n_patients, n_columns)
        Index: patient ids.
    endpoint : str
        One of `features.cohort.ENDPOINTS`.
    source : str
        What the table belongs to, for errors.

    Returns
    -------
    outcome : DataFrame, shape (n_patients_kept, 2)
        ``time`` (whole days, positive) and ``event`` (bool), in the table's order.
    ledger : Ledger

    Raises
    ------
    CohortError
        If the endpoint is unknown or not in the table (names those that are), a status word is unknown, a time is not
        a number, or no patient is left.
    """
    if endpoint not in ENDPOINTS:
        raise CohortError(f"{source}: endpoint {endpoint!r} is not one of {', '.join(ENDPOINTS)}.")
    available = outcome_columns(table.columns)
    written = _written(endpoint, available, table)
    if written is None:
        raise CohortError(
            f"{source}: has no {endpoint} (a status and a time for it); {_what_it_has(table, available)}."
        )
    columns = available[written]
    event = _events(table[columns.status], f"{source}, column {columns.status}")
    time = _days(table[columns.time], columns, source)
    known = event.notna() & time.notna()
    positive = known & (time > 0)
    ledger = _outcome_ledger(endpoint, written, columns, time)
    ledger = ledger.with_entry("dropped", f"patients without {endpoint} status or time", table.index[~known])
    not_positive = table.index[known & ~positive]
    ledger = ledger.with_entry("dropped", f"patients whose {endpoint} time is zero or negative", not_positive)
    if not positive.any():
        raise CohortError(f"{source}: no patient has a usable {endpoint} outcome; {_what_it_has(table, available)}.")
    return pd.DataFrame({"time": time[positive], "event": event[positive].astype(bool)}), ledger


def endpoints_present(table: pd.DataFrame) -> tuple[str, ...]:
    """Return the endpoints for which at least one patient has both a status and a time."""
    available = outcome_columns(table.columns)
    return tuple(endpoint for endpoint in ENDPOINTS if _written(endpoint, _filled(table, available), table))


def _written(endpoint: str, available: Mapping[str, OutcomeColumns], table: pd.DataFrame) -> str | None:
    """Return the name under which the table holds the endpoint: its own before the renamed one, if it has values."""
    names = [name for name in (endpoint, RENAMED.get(endpoint, "")) if name in available]
    filled = _filled(table, available)
    return next((name for name in names if name in filled), names[0] if names else None)


def _filled(table: pd.DataFrame, available: Mapping[str, OutcomeColumns]) -> dict[str, OutcomeColumns]:
    return {
        name: columns
        for name, columns in available.items()
        if (table[columns.status].notna() & table[columns.time].notna()).any()
    }


def _what_it_has(table: pd.DataFrame, available: Mapping[str, OutcomeColumns]) -> str:
    present = endpoints_present(table)
    if present:
        return f"it has {', '.join(present)}"
    if available:
        return "its outcome columns are empty"
    return "it has no outcome columns at all (such as OS_STATUS with OS_MONTHS, or OS with OS.time)"


def _outcome_ledger(endpoint: str, written: str, columns: OutcomeColumns, time: pd.Series) -> Ledger:
    ledger = Ledger()
    if written != endpoint:
        what = f"{written} columns read as {endpoint}"
        ledger = ledger.with_entry("mapped", what, (columns.status, columns.time))
    if columns.unit == "months":
        ledger = ledger.with_note("converted", f"{columns.time}: months to whole days", int(time.notna().sum()))
    return ledger


def _events(status: pd.Series, where: str) -> pd.Series:
    """Return 1 for an event, 0 for none, NaN where missing."""
    words = status.dropna().unique()
    meaning = {word: _meaning(word) for word in words}
    unknown = [word for word, value in meaning.items() if value is None]
    if unknown:
        raise CohortError(
            f"{where}: {len(unknown)} status words are unknown (first: {unknown[0][:40]!r}); "
            "write 1 or 0, 1:DECEASED or 0:LIVING, or leave the field empty."
        )
    return status.map(meaning).astype(np.float64)


def _meaning(word: str) -> float | None:
    digit, colon, rest = word.partition(":")
    text = " ".join((rest if colon else word).lower().split())
    by_word = 1.0 if text in EVENT_WORDS else 0.0 if text in CENSORED_WORDS else None
    if not colon:
        return by_word
    by_digit = {"1": 1.0, "0": 0.0}.get(digit.strip())
    # cBioPortal's digit decides; a word that is known and says the opposite makes both untrustworthy.
    return by_digit if by_word in {None, by_digit} else None


def _days(column: pd.Series, columns: OutcomeColumns, source: str) -> pd.Series:
    """Return whole days, NaN where missing.

    Raises
    ------
    CohortError
        If a time is not a number.
    """
    times = pd.to_numeric(column, errors="coerce").astype(np.float64)
    wrong = column.notna() & ~np.isfinite(times)
    if wrong.any():
        raise CohortError(
            f"{source}, column {columns.time}: time must be a number, but {int(wrong.sum())} of {len(column)} are not "
            f"(first patient: {column.index[wrong][0]!r}); correct them, or leave the field empty."
        )
    days = months_to_days(times.to_numpy()) if columns.unit == "months" else np.round(times.to_numpy())
    return pd.Series(days, index=times.index)


def _first(by_name: Mapping[str, str], names: Iterable[str]) -> str | None:
    return next((by_name[name] for name in names if name in by_name), None)
