"""Follow-up and event of each patient, from the columns and the status words that cohorts are written with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.cohort import ENDPOINTS
from features.errors import CohortError
from features.follow_up_units import LONGEST_DAYS, UNITS, Basis, days_of, settled_unit
from features.ledger import Ledger

#: cBioPortal's names for two of the endpoints; TCGA's own cohorts mean Liu et al.'s DFI and PFI by them.
RENAMED = {"DFI": "DFS", "PFI": "PFS"}
EVENT_WORDS = frozenset(
    (
        *("1", "1.0", "true", "yes", "event", "dead", "deceased", "died", "dead with tumor", "dead of disease"),
        *("died of disease", "dead of cancer", "died of cancer", "dod"),
        *("recurred/progressed", "recurred", "recurrence", "relapse", "relapsed", "progression", "progressed"),
    )
)
#: Deaths of which the disease was not the cause: events of overall survival, of no other endpoint.
OTHER_DEATHS = frozenset(("dead of other causes", "died of other causes", "dead of other cause", "doc"))
#: Words that do not tell the dead from the living.
DEAD_OR_ALIVE = frozenset(("alive or dead tumor free",))
CENSORED_WORDS = frozenset(
    (
        *("0", "0.0", "false", "no", "no event", "censored", "alive", "living", "alive or dead tumor free"),
        *("diseasefree", "disease free", "disease-free", "progression free", "progression-free", "not progressed"),
        *("no recurrence", "not recurred", *OTHER_DEATHS),
        *("alive with disease", "alive without disease", "awd", "ned", "no evidence of disease", "lost to follow-up"),
    )
)
#: For overall survival, where an endpoint's own columns are missing: whatever is called so, if both are there.
_PLAIN_STATUS = ("VITAL_STATUS", "STATUS", "EVENT")
_PLAIN_TIME = ("SURVIVAL_TIME", "FOLLOW_UP_TIME", "TIME")


@dataclass(frozen=True)
class OutcomeColumns:
    """Where a table holds one endpoint, and in which unit its times are.

    Parameters
    ----------
    status, time : str
        Names of columns.
    unit : str or None
        ``days``, ``months`` or ``years``; None where nothing is known of it.
    stated : bool
        Whether the name of the column states the unit: ``OS.time`` does not, but files that have it hold days.
    """

    status: str
    time: str
    unit: str | None
    stated: bool = True


def outcome_columns(columns: Iterable[str]) -> dict[str, OutcomeColumns]:
    """Find the endpoints that a table holds.

    Parameters
    ----------
    columns : iterable of str
        ``OS_STATUS`` or ``OS_EVENT`` or ``OS``, with ``OS_MONTHS``, ``OS_DAYS``, ``OS_YEARS``, ``OS.time`` (days) or
        ``OS_TIME`` (of no known unit), in any case; for OS also ``vital_status``, ``status`` or ``event`` with
        ``time``.

    Returns
    -------
    dict of str to OutcomeColumns
        Under the names as they stand: OS, DSS, DFI, PFI, and DFS and PFS.
    """
    by_name = {column.upper(): column for column in columns}
    found = {}
    for endpoint in (*ENDPOINTS, *RENAMED.values()):
        status = _first(by_name, (f"{endpoint}_STATUS", f"{endpoint}_EVENT", endpoint))
        time = _time_column(by_name, endpoint)
        if status and time:
            found[endpoint] = OutcomeColumns(status, *time)
    status, plain_time = _first(by_name, _PLAIN_STATUS), _first(by_name, ("OS_TIME", *_PLAIN_TIME))
    if "OS" not in found and status and plain_time:
        found["OS"] = OutcomeColumns(status, plain_time, None, stated=False)
    return found


def _time_column(by_name: Mapping[str, str], endpoint: str) -> tuple[str, str | None, bool] | None:
    """Return a time's column, its unit, and whether the column's name states that."""
    names: tuple[tuple[str, str | None, bool], ...] = (
        (f"{endpoint}_DAYS", "days", True),
        (f"{endpoint}.TIME", "days", False),
        (f"{endpoint}_TIME_DAYS", "days", True),
        (f"{endpoint}_MONTHS", "months", True),
        (f"{endpoint}_TIME_MONTHS", "months", True),
        (f"{endpoint}_YEARS", "years", True),
        (f"{endpoint}_TIME", None, False),
    )
    return next(((by_name[name], unit, stated) for name, unit, stated in names if name in by_name), None)


def outcomes(
    table: pd.DataFrame, endpoint: str, source: str, *, unit: str | None = None, documented: str | None = None
) -> tuple[pd.DataFrame, Ledger]:
    """Read one endpoint: patients that have both a status and a positive time.

    Parameters
    ----------
    table : DataFrame of str, shape (n_patients, n_columns)
        Index: patient ids.
    endpoint : str
        One of `features.cohort.ENDPOINTS`.
    source : str
        What the table belongs to, for errors.
    unit : str or None
        ``days``, ``months`` or ``years``, as the user declares it for a column whose name does not state it.
    documented : str or None
        The unit that the format's documentation gives to columns such as ``OS.time``.

    Returns
    -------
    outcome : DataFrame, shape (n_patients_kept, 2)
        ``time`` (whole days, positive) and ``event`` (bool), in the table's order.
    ledger : Ledger

    Raises
    ------
    CohortError
        If the endpoint is unknown or not in the table (names those that are), a status word is unknown, a time is not
        a number, its unit cannot be told or is contradicted by the times, or no patient is left.
    """
    if endpoint not in ENDPOINTS:
        raise CohortError(f"{source}: endpoint {endpoint!r} is not one of {', '.join(ENDPOINTS)}.")
    available = outcome_columns(table.columns)
    written = _written(endpoint, available, table)
    if written is None:
        raise CohortError(
            f"{source}: has no {endpoint} (a status and a time for it); {_what_it_has(table, available)}."
        )
    columns, overruled = _declared(available[written], unit, source)
    basis: Basis = "stated" if columns.stated else "documented" if columns.unit and documented else "usual"
    event = _events(table[columns.status], endpoint, f"{source}, column {columns.status}")
    columns = replace(columns, unit=documented) if basis == "documented" else columns
    time, converted = _days(table[columns.time], columns, basis, source)
    known = event.notna() & time.notna()
    positive = known & (time > 0)
    undated = (event == 1) & time.isna()
    ledger = _joined(_renamed_ledger(endpoint, written, columns), overruled, converted)
    ledger = ledger.with_entry("dropped", f"patients with {endpoint} event but no time", table.index[undated])
    without = table.index[~known & ~undated]
    ledger = ledger.with_entry("dropped", f"patients without {endpoint} status or time", without)
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


def _declared(columns: OutcomeColumns, unit: str | None, source: str) -> tuple[OutcomeColumns, Ledger]:
    """Return the columns with the unit that the user declares, where their name states none."""
    if unit is None:
        return columns, Ledger()
    if unit not in UNITS:
        raise CohortError(f"{source}: time unit {unit!r} is not one of {', '.join(UNITS)}.")
    if columns.stated:
        what = f"times of a column whose name states {columns.unit}, although {unit} are declared for those that do not"
        return columns, Ledger().with_entry("kept", what, (columns.time,) if unit != columns.unit else ())
    return replace(columns, unit=unit, stated=True), Ledger()


def _renamed_ledger(endpoint: str, written: str, columns: OutcomeColumns) -> Ledger:
    renamed = (columns.status, columns.time) if written != endpoint else ()
    return Ledger().with_entry("mapped", f"{written} columns read as {endpoint}", renamed)


def _joined(*ledgers: Ledger) -> Ledger:
    return Ledger(tuple(entry for ledger in ledgers for entry in ledger.entries))


def _events(status: pd.Series, endpoint: str, where: str) -> pd.Series:
    """Return 1 for an event, 0 for none, NaN where missing."""
    words = status.dropna().unique()
    meaning = {word: _meaning(word, endpoint) for word in words}
    unknown = [word for word, value in meaning.items() if value is None]
    if unknown:
        raise CohortError(
            f"{where}: {len(unknown)} status words are unknown (first: {unknown[0][:40]!r}); "
            "write 1 or 0 (an event or none), 1:DECEASED or 0:LIVING, or leave the field empty."
        )
    return status.map(meaning).astype(np.float64)


def _meaning(word: str, endpoint: str) -> float | None:
    digit, colon, rest = word.partition(":")
    text = " ".join((rest if colon else word).lower().split())
    by_word = 1.0 if text in EVENT_WORDS else 0.0 if text in CENSORED_WORDS else None
    if endpoint == "OS" and text in OTHER_DEATHS:
        by_word = 1.0
    elif endpoint == "OS" and text in DEAD_OR_ALIVE:
        by_word = None
    if not colon:
        return by_word
    by_digit = {"1": 1.0, "0": 0.0}.get(digit.strip())
    # cBioPortal's digit decides; a word that is known and says the opposite makes both untrustworthy.
    return by_digit if by_word in {None, by_digit} else None


def _days(column: pd.Series, columns: OutcomeColumns, basis: Basis, source: str) -> tuple[pd.Series, Ledger]:
    """Return whole days, NaN where missing.

    Raises
    ------
    CohortError
        If a time is not a number or longer than a life, or its unit cannot be told or is contradicted.
    """
    times = pd.to_numeric(column, errors="coerce").astype(np.float64)
    wrong = column.notna() & ~np.isfinite(times)
    if wrong.any():
        raise CohortError(
            f"{source}, column {columns.time}: time must be a number, but {int(wrong.sum())} of {len(column)} are not "
            f"(first patient: {column.index[wrong][0]!r}); correct them, or leave the field empty."
        )
    numbers = times.to_numpy()
    settled = settled_unit(numbers, columns.unit, basis=basis, column=columns.time, source=source)
    ledger = settled.ledger
    if settled.unit != "days":
        what = f"{columns.time}: {settled.unit} to whole days"
        ledger = ledger.with_note("converted", what, int(times.notna().sum()))
    days = days_of(numbers, settled.unit)
    _require_within_a_life(days, column, columns.time, source)
    return pd.Series(days, index=times.index), ledger


def _require_within_a_life(days: NDArray[np.float64], column: pd.Series, name: str, source: str) -> None:
    longer = np.abs(days) > LONGEST_DAYS
    if longer.any():
        raise CohortError(
            f"{source}, column {name}: {int(longer.sum())} times are longer than a hundred years (first patient: "
            f"{column.index[longer][0]!r}); correct them, or leave the field empty."
        )


def _first(by_name: Mapping[str, str], names: Iterable[str]) -> str | None:
    return next((by_name[name] for name in names if name in by_name), None)
