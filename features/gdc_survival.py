"""Overall survival from GDC's clinical tables: the death's day, or the latest day on which the patient was followed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.errors import CohortError
from features.ledger import Ledger

#: No one is followed, before diagnosis or after it, for longer than a life.
_DAYS_MAX = 120 * 365.25
_STATUS = {"alive": "Alive", "dead": "Dead"}
_EVENTS = ("progression_or_recurrence", "days_to_progression", "days_to_recurrence", "first_event")


def overall_survival(table: pd.DataFrame, visits: pd.DataFrame, source: str) -> tuple[pd.DataFrame, Ledger]:
    """Return the overall survival of each patient.

    Parameters
    ----------
    table : DataFrame of str
        Rows of clinical tables: ``patient``, ``vital_status``, ``days_to_death`` and ``days_to_last_follow_up``.
    visits : DataFrame of str
        Rows of follow-up tables: ``patient``, ``days_to_follow_up``; may be empty.
    source : str
        For errors.

    Returns
    -------
    survival : DataFrame of str
        Index: patients; ``OS_STATUS`` (``Alive`` or ``Dead``) and ``OS_DAYS``, whole days from the index date, which
        is the diagnosis. NaN where missing; zero and negative days as they stand.
    ledger : Ledger

    Raises
    ------
    CohortError
        If a column is not there, a vital status is neither word, or a day is no number or longer than a life.
    """
    _require_outcome(table, visits, source)
    status, vague = _status(table, source)
    death, unclear = _death(table, source)
    last = _days(table, "days_to_last_follow_up", source).groupby(level=0).max().reindex(status.index)
    visit = _days(visits, "days_to_follow_up", source).groupby(level=0).max()
    latest = pd.concat([last, visit.reindex(status.index)], axis=1).max(axis=1)
    dead = status == "Dead"
    unvisited = (status == "Alive") & visit.reindex(status.index).isna()
    contradictory = vague | unclear | ((status == "Alive") & death.notna())
    days = latest.mask(dead, death)
    survival = pd.DataFrame(
        {
            "OS_STATUS": status.mask(contradictory),
            "OS_DAYS": days.mask(contradictory).map("{:.10g}".format, na_action="ignore").astype("str"),
        }
    )
    index, clear = status.index, ~contradictory
    ledger = (
        _dates_and_events(table, visits)
        .with_entry("mapped", "last follow-up from the follow-up table, the later one", index[_is_later(visit, last)])
        .with_entry("kept", "living patients of whom no follow-up table knows a day", index[clear & unvisited])
        .with_entry("kept", "patients with contradictory vital status and death, without an OS", index[contradictory])
        .with_entry(
            "kept", "patients who died on an unknown day, without an OS time", index[clear & dead & days.isna()]
        )
        .with_entry(
            "kept", "living patients of unknown follow-up, without an OS time", index[clear & ~dead & days.isna()]
        )
        .with_entry(
            "kept", "patients followed beyond their death, at the day of death", index[clear & (latest > death)]
        )
        .with_entry(
            "dropped", "patients of the follow-up table who are in no clinical table", visit.index.difference(index)
        )
    )
    return survival, ledger


def _is_later(visit: pd.Series, last: pd.Series) -> pd.Series:
    """Return for which patients the follow-up table knows a day that the clinical table does not."""
    known = visit.reindex(last.index)
    return known.notna() & ~(last >= known)


def _require_outcome(table: pd.DataFrame, visits: pd.DataFrame, source: str) -> None:
    for name in ("vital_status", "days_to_death"):
        if name not in table:
            raise CohortError(f"{source}: the clinical table has no column {name}; download it anew.")
    if "days_to_last_follow_up" not in table and "days_to_follow_up" not in visits:
        raise CohortError(
            f"{source}: neither the clinical table (days_to_last_follow_up) nor a follow_up.tsv (days_to_follow_up) "
            "says how long the living were followed; add follow_up.tsv."
        )


def _status(table: pd.DataFrame, source: str) -> tuple[pd.Series, pd.Series]:
    """Return each patient's vital status, and whether the rows have both.

    Raises
    ------
    CohortError
        If it is another word.
    """
    words = table["vital_status"].str.lower()
    unknown = words[words.notna() & ~words.isin(list(_STATUS))]
    if len(unknown):
        raise CohortError(
            f"{source}, column vital_status: {len(unknown)} are neither Alive nor Dead (first: "
            f"{unknown.iloc[0][:24]!r}); correct them, or leave the field empty."
        )
    by_patient = words.map(_STATUS).astype("str").groupby(table["patient"])
    return by_patient.first(), by_patient.nunique().gt(1)


def _death(table: pd.DataFrame, source: str) -> tuple[pd.Series, pd.Series]:
    """Return each patient's day of death, and whether the rows have several."""
    by_patient = _days(table, "days_to_death", source).groupby(level=0)
    return by_patient.max(), by_patient.nunique().gt(1)


def _days(table: pd.DataFrame, name: str, source: str) -> pd.Series:
    """Return a column of days, its index the patients; empty where the table has none.

    Raises
    ------
    CohortError
        If a day is no number, or longer than a life.
    """
    if name not in table:
        return pd.Series([], index=pd.Index([], dtype="str"), dtype=np.float64)
    words = table.set_index("patient")[name]
    days = pd.to_numeric(words, errors="coerce").astype(np.float64)
    wrong = words.notna() & ~(days.abs() <= _DAYS_MAX)
    if wrong.any():
        raise CohortError(
            f"{source}, column {name}: {int(wrong.sum())} of {len(wrong)} are no number of days within a lifetime "
            f"(first patient: {words.index[wrong][0]!r}); correct them, or leave the field empty."
        )
    return days


def _dates_and_events(table: pd.DataFrame, visits: pd.DataFrame) -> Ledger:
    """Say from which other day than the diagnosis days count, and that progressions are not made endpoints."""
    ledger = Ledger()
    if "index_date" in table:
        elsewhere = table["index_date"].notna() & (table["index_date"].str.lower() != "diagnosis")
        for day, rows in table[elsewhere].groupby("index_date"):
            what = f"patients whose days count from {day}, not from diagnosis"
            ledger = ledger.with_entry("kept", what, sorted(rows["patient"].unique()))
    known = [name for name in _EVENTS if name in visits and visits[name].notna().any()]
    what = "columns of progression and recurrence: not followed up as PFI and DFI are, which are not offered"
    return ledger.with_entry("dropped", what, known)
