"""The soak: its judge catches what is lost, wrong, mixed or leaked, and a short one of the real thing ends clean."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from experiments.benchmarks.soak import ROUND, Load, Plan, Soak, soak
from experiments.benchmarks.soak_events import Director, Lineage
from experiments.benchmarks.soak_hostile import Provocation
from experiments.benchmarks.soak_judge import MIXED, REFUSED, RIGHT, WRONG, refusal_fault, verdict
from experiments.benchmarks.soak_leaks import leaks
from experiments.benchmarks.soak_load import TRIES, Caller, Door
from experiments.benchmarks.soak_memory import growth
from experiments.benchmarks.soak_record import Gate, Record, Sample
from experiments.benchmarks.soak_requests import MARKED_ID, MARKED_VALUE, SHARES, RightRequest
from experiments.benchmarks.soak_site import Site
from experiments.benchmarks.soak_strangers import provoke
from experiments.benchmarks.soak_tables import write_soak
from serving.problems import KINDS, Problem

if TYPE_CHECKING:
    from training.results import TrainingResult

PROBLEM = "application/problem+json"


def answer(version: str, *figures: float) -> bytes:
    return json.dumps({"model": {"version": version}, "results": [{"p": each} for each in figures]}).encode()


ONE, OTHER = answer("1", 0.25, 0.5), answer("2", 0.125, 0.75)
ASKED = RightRequest("single", "KIRC-OS", "/score", "application/json", b"{}", {ONE: "1", OTHER: "2"})


@pytest.mark.parametrize(("body", "version"), [(ONE, "1"), (OTHER, "2")])
def test_the_exact_answer_of_either_version_is_right(body: bytes, version: str):
    assert verdict(ASKED, 200, body) == (RIGHT, version, "")


@pytest.mark.parametrize(
    "body",
    [
        answer("1", 0.25, 0.5000001),
        answer("3", 0.25, 0.5),
        answer("1", 0.25),
        answer("1", 0.25, 0.5, 0.5),
        ONE[:-2],
        ONE + ONE,
        b"",
        b"null",
    ],
)
def test_any_other_answer_is_wrong(body: bytes):
    assert verdict(ASKED, 200, body).kind == WRONG


@pytest.mark.parametrize("body", [answer("1", 0.25, 0.75), answer("2", 0.25, 0.5), answer("1", 0.125, 0.75)])
def test_an_answer_of_parts_of_two_versions_is_mixed(body: bytes):
    found = verdict(ASKED, 200, body)
    assert (found.kind, found.words) == (MIXED, "parts of versions 1 and 2 in one answer")


@pytest.mark.parametrize("status", [204, 400, 429, 500, 503])
def test_a_right_request_that_is_refused_has_no_answer(status: int):
    assert verdict(ASKED, status, ONE).kind == REFUSED


def problem(kind: str) -> bytes:
    return Problem.of(kind, "what is wrong, and how to mend it.").model_dump_json().encode()


def test_only_the_documented_refusal_is_taken_for_one():
    body = problem("malformed-request")
    assert refusal_fault("malformed-request", 400, PROBLEM, body) == ""
    assert refusal_fault("malformed-request", 500, PROBLEM, problem("internal-error")).startswith("500")
    assert refusal_fault("malformed-request", 200, PROBLEM, body).startswith("200")
    assert refusal_fault("malformed-request", 400, "text/plain", body).startswith("400 text/plain")
    assert "token-needed" in refusal_fault("malformed-request", 400, PROBLEM, problem("token-needed"))
    for other in (b"", b"[]", b"null", b'{"detail": "no"}'):
        assert refusal_fault("malformed-request", 400, PROBLEM, other)


class Unsteady(BaseHTTPRequestHandler):
    """Breaks the first connections, then answers as it is told."""

    protocol_version = "HTTP/1.1"
    breaks: int
    status: int
    body: bytes
    tries: list[str]

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.tries.append(self.path)
        if len(self.tries) <= self.breaks:
            self.close_connection = True
            return
        self.send_response(self.status)
        self.send_header("Content-Type", PROBLEM)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *arguments):
        """Say nothing."""


@contextmanager
def unsteady(breaks: int, status: int = 200, body: bytes = ONE) -> Iterator[tuple[Door, list[str]]]:
    """Lend a server that is as bad as the service must not be."""
    tries: list[str] = []
    handler = type("Handler", (Unsteady,), {"breaks": breaks, "status": status, "body": body, "tries": tries})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Door(server.server_address[1], "token"), tries
        server.shutdown()
        thread.join()


def delivered(**server: Any) -> tuple[Record, int]:
    """Deliver one request to an unsteady server; return what was met, and how often it was sent."""
    record = Record()
    with unsteady(**server) as (door, tries):
        caller = Caller(door, record)
        caller.deliver(ASKED)
        caller.close()
    return record, len(tries)


def counts(record: Record) -> tuple[int, int, int, int, int]:
    return record.n_answers, record.lost.count, record.wrong.count, record.mixed.count, len(record.resent)


def test_a_request_whose_connection_broke_is_sent_again_and_counted():
    record, n_sent = delivered(breaks=TRIES - 1)
    assert (counts(record), n_sent) == ((1, 0, 0, 0, TRIES - 1), TRIES)
    assert record.versions("KIRC-OS") == {"1": 1}


def test_a_request_without_an_answer_after_all_tries_is_lost():
    record, n_sent = delivered(breaks=TRIES)
    assert (counts(record), n_sent) == ((0, 1, 0, 0, TRIES - 1), TRIES)


def test_a_refused_one_is_lost_and_is_not_sent_again():
    record, n_sent = delivered(breaks=0, status=503, body=problem("not-ready"))
    assert (counts(record), n_sent) == ((0, 1, 0, 0, 0), 1)
    assert "503" in record.lost.first[0]


def test_wrong_and_mixed_answers_over_the_wire_are_counted_as_such():
    assert counts(delivered(breaks=0, body=answer("1", 1.0, 2.0))[0]) == (0, 0, 1, 0, 0)
    assert counts(delivered(breaks=0, body=answer("1", 0.25, 0.75))[0]) == (0, 0, 0, 1, 0)


@pytest.mark.parametrize(
    ("server", "fault"),
    [
        ({"breaks": 0, "status": 400, "body": problem("malformed-request")}, None),
        ({"breaks": 2, "status": 400, "body": problem("malformed-request")}, None),
        ({"breaks": 0, "status": 500, "body": problem("internal-error")}, "500 application/problem+json in place of"),
        ({"breaks": TRIES}, f"{TRIES} tries"),
    ],
)
def test_a_provocation_must_be_refused_as_documented(server: dict[str, Any], fault: str | None):
    record = Record()
    sent = b"POST /score HTTP/1.1\r\nContent-Length: 2\r\n\r\n{{"
    with unsteady(**server) as (door, _):
        provoke(door.port, Provocation("no JSON", sent, "malformed-request"), record, seconds=5)
    assert record.broken.count == (fault is not None)
    assert fault is None or fault in record.broken.first[0]
    assert len(record.resent) == min(server["breaks"], TRIES - 1)


def test_a_server_that_does_not_answer_a_provocation_hangs():
    record = Record()
    with unsteady(breaks=0) as (door, _):
        sent = b"POST /score HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"
        provoke(door.port, Provocation("a body that stalls", sent, "upload-timeout"), record, seconds=1)
    assert "no answer within 1 s" in record.broken.first[0]


def test_a_version_that_answers_after_another_was_followed_is_a_fault():
    record = Record()
    record.settle("KIRC-OS", "2")
    record.right("single", "KIRC-OS", "1", sent=-1.0, seconds=0.1)
    record.right("single", "LGG-OS", "1", sent=record.now, seconds=0.1)
    record.right("single", "KIRC-OS", "2", sent=record.now, seconds=0.1)
    assert record.broken.count == 0
    record.right("single", "KIRC-OS", "1", sent=record.now, seconds=0.1)
    assert "answered by version 1, after 2 was followed" in record.broken.first[0]
    record.settle("KIRC-OS", None)
    record.right("single", "KIRC-OS", "1", sent=record.now, seconds=0.1)
    assert record.broken.count == 1


@pytest.mark.parametrize(
    "line",
    [
        f'{{"message": "{MARKED_ID}-3"}}',
        f"a value of {MARKED_VALUE}",
        "Traceback (most recent call last):",
        "the-token",
        '{"status":500,"route":"/score"}',
        '{"status":504,"route":"/score/file"}',
    ],
)
def test_what_a_log_or_a_meter_must_not_hold_is_found(line: str, tmp_path: Path):
    good = '{"status":503,"route":"/readyz"}\n{"status":200,"route":"/score"}\n'
    (tmp_path / "service-1.log").write_text(good)
    assert leaks(tmp_path, b"prognosis_requests_total 7", "the-token") == []
    (tmp_path / "service-2.log").write_text(f"{good}{line}\n")
    (found,) = leaks(tmp_path, b"", "the-token")
    assert found.startswith("service-2.log, line 3")


def test_a_meter_with_a_patients_id_is_found(tmp_path: Path):
    (found,) = leaks(tmp_path, f'requests{{path="{MARKED_ID}"}} 1'.encode(), "the-token")
    assert found.startswith("the meters, line 1 holds zxqv")


def test_growth_is_the_slope_after_the_first_minutes():
    # 100 answers and 5,000 bytes a second after two minutes: 50 bytes an answer; before, it grew faster.
    def size(at: int) -> int:
        return 10**8 + 5_000 * at + (10**5 * at if at < 120 else 10**5 * 120)

    lives = [Sample(float(at), 7, size(at), 100 * at) for at in range(0, 600, 10)]
    (found,) = growth(lives)
    assert found.per_answer == pytest.approx(50)
    assert (found.first, found.last, found.highest, found.seconds) == (size(0), size(590), size(590), 590.0)
    short, *_ = growth(lives[:15])
    assert short.per_answer is None


@pytest.fixture
def found() -> Soak:
    record = Record()
    record.right("single", "KIRC-OS", "1", sent=0.0, seconds=0.02)
    record.event("killed worker", record.now, 11.0)
    record.again()
    record.refused("no JSON", 400)
    provocation = Provocation("no JSON", b"", "malformed-request")
    return Soak(Plan.of_minutes(30), record, 61.0, Load([ASKED], [provocation], []), [])


FAULTS: dict[str, Callable[[Soak], None]] = {
    "lost": lambda found: found.record.fault(found.record.lost, "5 tries"),
    "wrong": lambda found: found.record.fault(found.record.wrong, "no version answers so"),
    "mixed": lambda found: found.record.fault(found.record.mixed, "parts of two"),
    "late": lambda found: found.record.event("promotion", 1.0, None),
    "leak": lambda found: found.leaks.append("a value"),
    "unexplained": lambda found: found.record.resent.append(50.0),
}


@pytest.mark.parametrize("what", FAULTS)
def test_whatever_went_wrong_makes_the_soak_unclean(found: Soak, what: str):
    assert found.clean
    FAULTS[what](found)
    assert not found.clean


def test_the_tables_say_what_was_met(found: Soak, tmp_path: Path):
    found.record.fault(found.record.wrong, "no version answers so")
    text = write_soak(found, tmp_path)
    assert text == (tmp_path / "soak.md").read_text()
    assert "| single | 1 | 20 ms | 20 ms | 20 ms |" in text
    assert "| wrong | 1 |" in text
    assert "no version answers so" in text
    assert "| no JSON | 400 malformed-request | 400: 1 |" in text
    assert "| workers killed; until another answers in its place | 1 | 11.0 s | 11.0 s | 60 s |" in text
    assert len((tmp_path / "soak.csv").read_text().splitlines()) == 3


def test_thirty_minutes_hold_six_rounds_and_one_restart():
    plan = Plan.of_minutes(30)
    assert (plan.seconds, len(plan.acts), plan.acts.count("restart")) == (1800, 6 * len(ROUND) + 1, 1)


def test_a_short_soak_of_the_real_thing_ends_clean_and_leaves_nothing_running(small_training: TrainingResult):
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    plan = Plan(
        seconds=0,
        acts=("damage and kill", "restart"),
        connections=3,
        pause_seconds=0.05,
        hostile_pause_seconds=0.05,
        timeout_seconds=10,
        hold_seconds=1,
    )
    found = soak(small_training.model, plan)
    record = found.record
    faults = (record.lost, record.wrong, record.mixed, record.broken)
    assert [words for each in faults for words in each.first] + found.leaks[:5] == []
    assert found.clean
    done = [event.kind for event in record.events]
    assert done.count("promotion") >= 3
    assert set(done) == {
        "promotion", "damaged version", "killed worker", "registry stopped", "restart", "registry started",
    }  # fmt: skip
    assert set(record.answers) == set(SHARES)
    assert {request.model for request in found.load.right} == {"SIMULATED-KIRC-1-OS", "SIMULATED-KIRC-2-OS"}
    for model in ("SIMULATED-KIRC-1-OS", "SIMULATED-KIRC-2-OS"):
        assert set(record.versions(model)) == {"1", "2"}
    sent = {what for what, _ in record.hostile}
    assert sent == {each.what for each in (*found.load.hostile, *found.load.stalling)}
    statuses = {status for _, status in record.hostile}
    assert statuses == {400, 401, 404, 405, 408, 413, 414, 415, 422, 431} <= {status for status, _ in KINDS.values()}
    assert len({sample.worker for sample in record.samples}) >= 5
    assert {process.pid for process in psutil.Process().children(recursive=True)} <= before


def test_every_act_of_a_plan_is_one_that_can_be_done(tmp_path: Path):
    site = Site(tmp_path, poll_seconds=1, timeout_seconds=1)
    director = Director(site, Record(), Gate(), [Lineage("KIRC-OS", ("1", "2"), "3")], hold_seconds=1)
    assert set(Plan.of_minutes(0.1).acts) == set(Plan.of_minutes(30).acts) == set(director.acts)
