"""How often a token may ask: buckets, by hand, over time and over processes."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.rate_limits import RateLimits


@dataclass
class Clock:
    """A clock that is set by hand."""

    seconds: float = 1_000.0

    def __call__(self) -> float:
        return self.seconds


Make = Callable[..., RateLimits]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(tmp_path: Path, clock: Clock) -> Iterator[Make]:
    made = []

    def limits(requests: float = math.inf, profiles: float = math.inf, *, reads: Callable[[], float] = clock):
        made.append(
            RateLimits(requests_per_minute=requests, profiles_per_minute=profiles, path=tmp_path / "rates", clock=reads)
        )
        return made[-1]

    yield limits
    for each in made:
        each.close()


def admitted(limits: RateLimits, holder: str, n: int) -> int:
    return sum(limits.admit(holder) is None for _ in range(n))


def test_a_minutes_worth_passes_at_once_and_then_one_each_interval(make: Make, clock: Clock):
    limits = make(6)
    assert admitted(limits, "a", 10) == 6
    refusal = limits.admit("a")
    assert (refusal.limit, refusal.per_minute) == ("requests", 6)
    assert refusal.wait_seconds == pytest.approx(10, abs=1e-3)
    clock.seconds += 10.001
    assert admitted(limits, "a", 3) == 1
    clock.seconds += 3600
    assert admitted(limits, "a", 10) == 6


def test_a_refused_request_costs_nothing(make: Make, clock: Clock):
    limits = make(2)
    assert admitted(limits, "a", 100) == 2
    clock.seconds += 30.001
    assert admitted(limits, "a", 100) == 1


def test_one_token_does_not_spend_for_another(make: Make):
    limits = make(3)
    assert [admitted(limits, holder, 5) for holder in ("a", "b", "")] == [3, 3, 3]


def test_fewer_than_one_a_minute_is_one_and_then_a_long_wait(make: Make):
    limits = make(0.5)
    assert limits.admit("a") is None
    assert limits.admit("a").wait_seconds == pytest.approx(120, abs=1e-3)


def test_profiles_are_taken_out_afterwards_and_the_next_request_waits_until_they_are_paid(make: Make, clock: Clock):
    limits = make(profiles=60)
    assert limits.admit("a") is None
    limits.charge_profiles("a", 100)
    refusal = limits.admit("a")
    # 100 profiles are 100 s; the bucket holds one again when it lacks 59 of 60.
    assert (refusal.limit, refusal.wait_seconds) == ("profiles", pytest.approx(41, abs=1e-3))
    clock.seconds += 41.001
    assert limits.admit("a") is None
    assert limits.admit("b") is None


def test_without_a_limit_everything_passes(make: Make):
    limits = make()
    limits.charge_profiles("a", 10**9)
    assert admitted(limits, "a", 1000) == 1000


def test_more_holders_than_places_are_all_answered(make: Make):
    limits = make(1)
    assert sum(limits.admit(f"holder {number}") is None for number in range(3000)) == 3000


def test_a_place_is_used_again_when_its_bucket_is_full(make: Make, clock: Clock):
    limits = make(1)
    for number in range(1024):
        limits.admit(f"holder {number}")
    clock.seconds += 61
    assert admitted(limits, "another", 2) == 1
    assert admitted(limits, "holder 3", 2) == 1


@given(st.lists(st.floats(0, 20), max_size=60), st.integers(1, 30))
def test_no_minute_passes_more_than_two_buckets(tmp_path_factory: pytest.TempPathFactory, pauses, rate):
    clock = Clock()
    path = tmp_path_factory.mktemp("rates") / "rates"
    limits = RateLimits(requests_per_minute=rate, profiles_per_minute=math.inf, path=path, clock=clock)
    passed = []
    for pause in pauses:
        clock.seconds += pause
        passed += [clock.seconds for _ in range(5) if limits.admit("a") is None]
    limits.close()
    for start in passed:
        # What was in the bucket, and what ran into it meanwhile.
        assert sum(start <= at < start + 60 for at in passed) <= 2 * rate


ASK = """
import math, sys, pathlib
from serving.rate_limits import RateLimits
limits = RateLimits(requests_per_minute=500, profiles_per_minute=math.inf, path=pathlib.Path(sys.argv[1]),
                    clock=lambda: 1000.0)
print(sum(limits.admit("a") is None for _ in range(400)))
"""


def test_workers_share_the_buckets_and_none_is_lost_or_spent_twice(tmp_path: Path):
    command = [sys.executable, "-c", ASK, str(tmp_path / "rates")]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    passed = [int(worker.communicate(timeout=60)[0]) for worker in workers]
    assert sum(passed) == 500
