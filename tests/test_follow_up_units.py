"""Days, months or years: what a column states is tried, what it does not state is told by the times or asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.cohort import days_to_months
from features.errors import CohortError
from features.follow_up_units import days_of, settled_unit

DAYS = np.array([31.0, 420.0, 1999.0, np.nan, 3301.0])
MONTHS = days_to_months(DAYS)
SHORT_DAYS = np.arange(1.0, 31.0) * 8


def settle(times: np.ndarray, unit: str | None, basis: str = "usual"):
    return settled_unit(times, unit, basis=basis, column="time", source="here")


def test_days_and_months_are_told_by_what_they_can_be_and_the_ledger_says_why():
    days, months = settle(DAYS, None), settle(MONTHS, None)
    assert (days.unit, months.unit) == ("days", "months")
    assert [str(entry) for entry in days.ledger.entries] == [
        "guessed 1: times are days, since some are above 600, which no follow-up in months is (time)"
    ]
    assert "most have fractions" in str(months.ledger)


def test_days_that_columns_of_their_name_hold_are_taken_where_they_can_hardly_be_months_and_said_so():
    assert settle(DAYS, "days").ledger == settle(DAYS, None).ledger
    short = settle(np.array([100.0, 200.0, 300.0]), "days")
    assert short.unit == "days"
    assert [str(entry) for entry in short.ledger.entries] == [
        "guessed 1: times are days, since columns of that name hold days, and whole numbers up to 300 are hardly "
        "months (time)"
    ]


@pytest.mark.parametrize("times", [SHORT_DAYS, np.array([12.0, 36.0]), DAYS])
def test_days_that_a_format_documents_need_no_evidence_and_are_in_the_ledger(times: np.ndarray):
    settled = settle(times, "days", "documented")
    assert settled.unit == "days"
    assert [str(entry) for entry in settled.ledger.entries] == [
        "kept 1: times are days, as documented of such files (time)"
    ]


def test_months_where_files_of_their_kind_hold_days_are_read_as_months_and_said_so():
    settled = settle(MONTHS, "days")
    assert settled.unit == "months"
    assert settled.ledger.entries[0].action == "guessed"


@pytest.mark.parametrize(
    ("times", "unit"),
    [(SHORT_DAYS, "days"), (SHORT_DAYS, None), (np.array([0.5, 1.25, 30.1]), None), (np.array([0.5, 30.1]), "days")],
)
def test_what_cannot_be_told_is_asked_for_with_how_to_say_it(times: np.ndarray, unit: str | None):
    with pytest.raises(
        CohortError, match=r"here, column time: .* cannot be told .* time_unit = .* cohort\.toml .* OS_DAYS, OS_MONTHS"
    ):
        settle(times, unit)


@pytest.mark.parametrize(
    ("times", "unit", "message"),
    [
        (MONTHS, "days", "as days, but most times have fractions"),
        (DAYS, "months", "as months, but some times are above 600"),
        (DAYS, "years", "as years, but some times are above 80"),
    ],
)
@pytest.mark.parametrize("basis", ["stated", "documented"])
def test_a_unit_that_the_times_contradict_is_an_error(times: np.ndarray, unit: str, message: str, basis: str):
    with pytest.raises(CohortError, match=f"{basis} {message}"):
        settle(times, unit, basis)


def test_a_stated_unit_is_taken_at_its_word_where_the_times_allow_it():
    for unit in ("days", "months"):
        assert settle(SHORT_DAYS, unit, "stated").unit == unit
    assert settle(np.array([0.5, 1.25, 30.1]), "years", "stated").unit == "years"


def test_without_a_time_there_is_nothing_to_settle():
    assert settle(np.array([np.nan, 0.0, -3.0]), None).unit == "days"


@given(st.lists(st.integers(1, 12_000), min_size=1, max_size=30))
def test_days_come_back_from_every_unit(days: list[int]):
    times = np.array(days, dtype=np.float64)
    assert days_of(times, "days").tolist() == days
    assert days_of(days_to_months(times), "months").tolist() == days
    assert days_of(days_to_months(times) / 12, "years").tolist() == days
