"""Outcome columns and status words as cohorts write them: right, or refused in words; nobody is lost unsaid."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import CohortError
from features.outcomes import outcome_columns, outcomes

DAYS = ["31", "420", "1999", "3301"]


def table(status: list[str | None], times: list[str | None], *, names: tuple[str, str]) -> pd.DataFrame:
    index = pd.Index([f"p{number}" for number in range(len(status))])
    return pd.DataFrame(dict(zip(names, (status, times), strict=True)), index=index, dtype="str")


@pytest.mark.parametrize(
    ("dead", "living"),
    [
        *[("1", "0"), ("1.0", "0.0"), ("1:DECEASED", "0:LIVING"), ("DECEASED", "LIVING"), ("Dead", "Alive")],
        *[("TRUE", "FALSE"), ("yes", "no"), ("dead of disease", "alive with disease"), ("DOD", "NED")],
        *[("Died of Disease", "Living"), ("Died of other causes", "Lost to follow-up"), ("1:dead", "0:alive")],
    ],
)
def test_status_words_of_all_kinds_are_read(dead: str, living: str):
    found, _ = outcomes(table([dead, living, living, dead], DAYS, names=("OS_STATUS", "OS_DAYS")), "OS", "here")
    assert found["event"].tolist() == [True, False, False, True]


def test_another_death_is_an_event_of_overall_survival_and_none_of_disease_specific():
    for endpoint, event in (("OS", True), ("DSS", False)):
        names = (f"{endpoint}_STATUS", f"{endpoint}_DAYS")
        found, _ = outcomes(table(["dead of other causes"], ["31"], names=names), endpoint, "here")
        assert found["event"].tolist() == [event]


@pytest.mark.parametrize("word", ["2", "maybe", "0:DECEASED", "1:LIVING", "alive or dead tumor free"])
def test_a_word_that_does_not_say_who_died_is_an_error(word: str):
    with pytest.raises(CohortError, match=r"1 status words are unknown .* write 1 or 0"):
        outcomes(table([word, "1"], ["31", "420"], names=("OS_STATUS", "OS_DAYS")), "OS", "here")


@pytest.mark.parametrize(
    ("names", "unit", "stated"),
    [
        (("OS_STATUS", "OS_MONTHS"), "months", True),
        (("OS", "OS.time"), "days", False),
        (("os_event", "os_days"), "days", True),
        (("OS_STATUS", "OS_YEARS"), "years", True),
        (("OS", "OS_TIME"), None, False),
        (("status", "time"), None, False),
        (("vital_status", "OS_TIME"), None, False),
    ],
)
def test_columns_are_known_by_their_names(names: tuple[str, str], unit: str | None, stated: bool):
    found = outcome_columns(["age", *names])["OS"]
    assert (found.status, found.time, found.unit, found.stated) == (*names, unit, stated)


def test_plain_columns_give_way_to_the_endpoint_s_own():
    assert outcome_columns(["status", "time", "OS", "OS.time"])["OS"].time == "OS.time"
    assert "OS" not in outcome_columns(["status", "OS_MONTHS"])
    assert outcome_columns(["status", "age"]) == {}


def test_a_plain_time_is_settled_by_its_values_or_by_the_user():
    written = table(["1", "0", "0", "1"], DAYS, names=("status", "time"))
    found, ledger = outcomes(written, "OS", "here")
    assert found["time"].tolist() == [31, 420, 1999, 3301]
    assert "guessed 1: times are days" in str(ledger)
    short = table(["1", "0"], ["12", "30"], names=("status", "time"))
    with pytest.raises(CohortError, match="cannot be told"):
        outcomes(short, "OS", "here")
    found, ledger = outcomes(short, "OS", "here", unit="months")
    assert found["time"].tolist() == [365, 913]
    assert str(ledger) == "converted 2: time: months to whole days"
    with pytest.raises(CohortError, match="time unit 'weeks' is not one of days, months, years"):
        outcomes(short, "OS", "here", unit="weeks")


def test_what_a_column_states_goes_before_what_the_user_declares():
    found, _ = outcomes(table(["1"], ["31"], names=("OS_STATUS", "OS_DAYS")), "OS", "here", unit="months")
    assert found["time"].tolist() == [31]


def test_the_dead_without_a_date_are_dropped_under_their_own_name():
    status = ["1", "0", None, "1", "1", "0"]
    times = [None, None, "420", "31", "0", "-3"]
    found, ledger = outcomes(table(status, times, names=("OS_STATUS", "OS_DAYS")), "OS", "here")
    assert list(found.index) == ["p3"]
    assert [(entry.what, entry.examples) for entry in ledger.entries] == [
        ("patients with OS event but no time", ("p0",)),
        ("patients without OS status or time", ("p1", "p2")),
        ("patients whose OS time is zero or negative", ("p4", "p5")),
    ]


@given(st.data())
def test_every_patient_is_kept_or_in_the_ledger(data: st.DataObject):
    n_patients = data.draw(st.integers(1, 30))
    status = st.sampled_from(["1", "0", "1:DECEASED", "0:LIVING", None])
    time = st.one_of(st.none(), st.integers(-5, 9000).map(str))
    statuses = data.draw(st.lists(status, min_size=n_patients, max_size=n_patients))
    times = data.draw(st.lists(time, min_size=n_patients, max_size=n_patients))
    # One who can be used: without any, there is no cohort.
    written = table(["1", *statuses], ["10", *times], names=("OS_STATUS", "OS_DAYS"))
    found, ledger = outcomes(written, "OS", "here")
    dropped = sum(entry.count for entry in ledger.entries if entry.action == "dropped")
    assert len(found) + dropped == n_patients + 1
