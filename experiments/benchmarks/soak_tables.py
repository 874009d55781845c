"""The soak as tables that people read, and as a figure a minute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from experiments.benchmarks.origin import code_in_words, made_now
from experiments.benchmarks.soak import Soak
from experiments.benchmarks.soak_events import BACK_SECONDS, FOLLOWED_SECONDS, NOTICED_SECONDS
from experiments.benchmarks.soak_hostile import BODY_LIMIT_BYTES
from experiments.benchmarks.soak_load import PATIENCE_SECONDS, TRIES
from experiments.benchmarks.soak_memory import growth
from experiments.benchmarks.soak_requests import SHARES
from experiments.benchmarks.soak_site import PROFILES_PER_MINUTE, RATE_PER_MINUTE, WORKERS
from experiments.benchmarks.tables import write_pair
from serving.problems import KINDS

_MIB = 2**20
#: What is said of each kind of event, and of the time that is measured.
_EVENTS: Mapping[str, tuple[str, float]] = {
    "promotion": ("aliases moved; the last request that the old version still answered", FOLLOWED_SECONDS),
    "damaged version": ("aliases moved to a damaged version; until all workers refuse it", NOTICED_SECONDS),
    "killed worker": ("workers killed; until another answers in its place", BACK_SECONDS),
    "registry stopped": ("registry stopped; until all workers say that it is away", NOTICED_SECONDS),
    "registry started": ("registry started again; until all workers say so", NOTICED_SECONDS),
    "restart": ("restarts of the whole service without its registry; until it is ready", float("inf")),
}  # fmt: skip


def write_soak(found: Soak, folder: Path) -> str:
    """Write ``soak.csv`` and ``soak.md``, and return the latter's text."""
    about = made_now()
    text = markdown(found, about)
    write_pair("soak", pd.DataFrame(list(_minutes(found))).assign(**about), text, folder)
    return text


def markdown(found: Soak, about: Mapping[str, Any]) -> str:
    """Return the soak as Markdown.

    Parameters
    ----------
    found : Soak
    about : mapping of str to object
        ``processors``, ``load``, ``created``, ``code_version`` and ``commit``.
    """
    parts = [
        "# The soak",
        _conditions(found, about),
        "\n".join(_judgement(found)),
        "## What was asked, and how long the answers took\n\n" + "\n".join(_answers(found)),
        "## What was done meanwhile\n\n" + "\n".join(_events(found)),
        "## Memory of the workers\n\n" + "\n".join(_memory(found)),
        "## What had to be refused\n\n" + "\n".join(_hostile(found)),
    ]
    return "\n\n".join(parts) + "\n"


def _conditions(found: Soak, about: Mapping[str, Any]) -> str:
    plan = found.plan
    return (
        f"Made {str(about['created'])[:10]} with {code_in_words(about)} by `prognosis benchmark soak`, on "
        f"{about['processors']} processors (load average {about['load']} when it ended), which the client and MLflow "
        f"share: {found.seconds / 60:.1f} minutes. `prognosis serve` with {WORKERS} workers, two SIMULATED models of "
        f"two good versions each from an MLflow server, tokens, {RATE_PER_MINUTE:,} requests and "
        f"{PROFILES_PER_MINUTE:,} profiles a minute a token, bodies of at most {BODY_LIMIT_BYTES / _MIB:g} MiB; the "
        f"aliases are looked at every {plan.poll_seconds:g} s, and requests given up after {plan.timeout_seconds:g} s. "
        f"{plan.connections} connections ask, each {1000 * plan.pause_seconds:g} ms after its last answer; two more "
        "send what must be refused.\n\n"
        "An answer is right if its body is, byte by byte, what one good version answers offline to that request; "
        "nothing in it may differ. One whose connection broke is sent again, as scoring twice is scoring once; it is "
        f"lost without a right answer after {TRIES} tries or {PATIENCE_SECONDS:g} s, or at any status but 200. The "
        "workers that are killed are the youngest, so that the memory of one is seen for long."
    )


def _judgement(found: Soak) -> Iterator[str]:
    record = found.record
    yield "| | |"
    yield "|---|---|"
    yield f"| right answers | {record.n_answers:,} |"
    for name, faults in (("lost", record.lost), ("wrong", record.wrong), ("of two models mixed", record.mixed)):
        yield f"| {name} | {faults.count} |"
    yield f"| sent again, on connections of a worker just killed | {len(record.resent) - found.unexplained} |"
    yield f"| sent again, otherwise | {found.unexplained} |"
    yield f"| hostile requests, of which not refused as documented | {record.hostile.total():,}, see below |"
    yield f"| not followed, not noticed, not refused, not answered in time | {record.broken.count} |"
    yield f"| places in logs and meters with a patient's value, a token, a stack trace or a 5xx | {len(found.leaks)} |"
    told = [words for each in (record.lost, record.wrong, record.mixed, record.broken) for words in each.first]
    yield from (f"\n- {words}" for words in (*told, *found.leaks[:20]))


def _answers(found: Soak) -> Iterator[str]:
    yield "| kind | answers | p50 | p99 | longest |"
    yield "|---|---|---|---|---|"
    for kind in SHARES:
        answers = found.record.answers.get(kind)
        if answers is None:
            yield f"| {kind} | 0 | | | |"
            continue
        times = (*np.quantile(answers.seconds, (0.5, 0.99)), max(answers.seconds))
        yield f"| {kind} | {len(answers.at):,} | {' | '.join(f'{1000 * seconds:,.0f} ms' for seconds in times)} |"


def _events(found: Soak) -> Iterator[str]:
    yield "| | times | median | longest | limit |"
    yield "|---|---|---|---|---|"
    for kind, (words, limit) in _EVENTS.items():
        seconds = [event.seconds for event in found.record.events if event.kind == kind]
        known = [each for each in seconds if each is not None]
        times = f"{median(known):.1f} s | {max(known):.1f} s" if known else "|"
        yield f"| {words} | {len(seconds)} | {times} | {f'{limit:g} s' if np.isfinite(limit) else ''} |"


def _memory(found: Soak) -> Iterator[str]:
    yield "| worker | alive | first | last | highest | growth per 100,000 answers of the service | swaps meanwhile |"
    yield "|---|---|---|---|---|---|---|"
    for position, each in enumerate(growth(found.record.samples), start=1):
        sizes = " | ".join(f"{n / _MIB:,.0f} MiB" for n in (each.first, each.last, each.highest))
        slope = "" if each.per_answer is None else f"{1e5 * each.per_answer / _MIB:+,.1f} MiB"
        swaps = sum(e.kind == "promotion" and each.begun <= e.at <= each.ended for e in found.record.events)
        yield f"| {position} | {each.seconds / 60:.1f} min | {sizes} | {slope} | {swaps} |"


def _hostile(found: Soak) -> Iterator[str]:
    yield "| what was sent | must be answered | was answered |"
    yield "|---|---|---|"
    for each in (*found.load.hostile, *found.load.stalling):
        statuses = {status: n for (what, status), n in found.record.hostile.items() if what == each.what}
        counts = ", ".join(f"{status}: {n:,}" for status, n in sorted(statuses.items()))
        yield f"| {each.what} | {KINDS[each.kind][0]} {each.kind} | {counts or 'was not sent'} |"


def _minutes(found: Soak) -> Iterator[dict[str, Any]]:
    record = found.record
    at = np.concatenate([np.asarray(each.at) for each in record.answers.values()] or [np.empty(0)])
    seconds = np.concatenate([np.asarray(each.seconds) for each in record.answers.values()] or [np.empty(0)])
    for minute in range(int(found.seconds // 60) + 1):
        inside = seconds[(at >= 60 * minute) & (at < 60 * (minute + 1))]
        quantiles = np.quantile(inside, (0.5, 0.99, 1.0)) if len(inside) else (np.nan,) * 3
        yield {
            "minute": minute + 1,
            "answers": len(inside),
            **dict(zip(("p50", "p99", "longest"), quantiles, strict=True)),
            "sent_again": sum(int(each // 60) == minute for each in record.resent),
            **{
                kind.replace(" ", "_"): sum(e.kind == kind and int(e.at // 60) == minute for e in record.events)
                for kind in _EVENTS
            },
            "largest_worker_bytes": max((s.n_bytes for s in record.samples if int(s.at // 60) == minute), default=None),
        }
