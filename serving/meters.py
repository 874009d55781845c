"""What the service counts, for Prometheus; no name and no value of a patient among it."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import ArrayLike, NDArray
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

CONTENT_TYPE = CONTENT_TYPE_LATEST

_SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
_PERCENTILES = tuple(float(bound) for bound in range(5, 101, 5))


class Tally(Histogram):
    """A histogram of patients that knows them by their bin only.

    Notes
    -----
    The sum of a histogram tells the one value that was observed between two looks at it. Here it is the sum of the
    middles of the bins: what is published never holds more than how many patients fell into each.
    """

    def add(self, value: float) -> None:
        """Count one value; NaN is not counted."""
        if value == value:  # noqa: PLR0124
            self._count(bisect_left(self._upper_bounds, value), 1)

    def add_all(self, values: NDArray[np.float64]) -> None:
        """Count values, shape (n_profiles,); NaN are not counted."""
        if len(values) == 1:
            self.add(float(values[0]))
            return
        bins = np.searchsorted(self._upper_bounds, values[~np.isnan(values)])
        for position, n in enumerate(np.bincount(bins)):
            if n:
                self._count(position, int(n))

    def _count(self, position: int, n: int) -> None:
        self._buckets[position].inc(n)
        self._sum.inc(n * _middle(self._upper_bounds, position))


REQUESTS = Counter("prognosis_requests", "Requests answered.", ["route", "status"])
SECONDS = Histogram(
    "prognosis_request_seconds",
    "Time from the first byte of a request to the last of its answer.",
    ["route"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
PROBLEMS = Counter("prognosis_problems", "Requests that failed, by kind of problem.", ["route", "kind"])
RATE_LIMITED = Counter("prognosis_rate_limited", "Requests refused because a token asked too often.", ["limit"])
PROFILES = Counter("prognosis_profiles", "Profiles of requests for scores.", ["model", "outcome"])
REFUSALS = Counter("prognosis_refusals", "Profiles that were not scored, by kind of refusal.", ["model", "kind"])
MISSING = Tally(
    "prognosis_missing_gene_share", "Scored profiles by the share of their model's genes missing.", ["model"],
    buckets=_SHARES,
)  # fmt: skip
OUTSIDE = Tally(
    "prognosis_outside_gene_share", "Scored profiles by the share of genes outside the reference cohort's range.",
    ["model"], buckets=_SHARES,
)  # fmt: skip
PERCENTILE = Tally(
    "prognosis_risk_percentile", "Scored profiles by their risk percentile in the reference cohort.", ["model"],
    buckets=_PERCENTILES,
)  # fmt: skip
MODELS = Gauge("prognosis_models", "Models loaded.", multiprocess_mode="livemin")


def observe_result(model: str, *, missing_share: float, outside_share: float | None, percentile: float) -> None:
    """Tally one scored profile.

    Parameters
    ----------
    model : str
        Registered name.
    missing_share, outside_share : float
        Of the genes that the model uses, 0 to 1; None where the model knows no range.
    percentile : float
        Risk percentile in the reference cohort, 0 to 100, higher is worse.
    """
    missing, outside, percentiles = _tallies(model)
    missing.add(missing_share)
    if outside_share is not None:
        outside.add(outside_share)
    percentiles.add(percentile)


def observe_results(
    model: str, *, missing_shares: ArrayLike, outside_shares: ArrayLike | None, percentiles: ArrayLike
) -> None:
    """Tally many scored profiles of one model, as `observe_result` does for one; arrays of shape (n_profiles,)."""
    missing, outside, by_percentile = _tallies(model)
    missing.add_all(np.asarray(missing_shares, dtype=np.float64))
    if outside_shares is not None:
        outside.add_all(np.asarray(outside_shares, dtype=np.float64))
    by_percentile.add_all(np.asarray(percentiles, dtype=np.float64))


def count_refusals(model: str, kind: str, n: int) -> None:
    """Count profiles that were not scored.

    Parameters
    ----------
    model : str
        Registered name.
    kind : str
        A key of `serving.problems.KINDS`, or what the scoring calls the reason: one of a few words, never a sentence.
    n : int
    """
    if n:
        _refusals(model, kind).inc(n)


def count_request(route: str, status: str, seconds: float) -> None:
    """Count an answered request."""
    requests, times = _request_meters(route, status)
    requests.inc()
    times.observe(seconds)


def exposition() -> bytes:
    """Return all meters, of every worker, as Prometheus reads them."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder is None:
        return generate_latest(REGISTRY)
    _forget_ended_workers(Path(folder))
    everyone = CollectorRegistry()
    MultiProcessCollector(everyone)  # type: ignore[no-untyped-call]
    return generate_latest(everyone)


def _forget_ended_workers(folder: Path) -> None:
    # What a worker that ended had counted stays; what it had loaded does not.
    for file in folder.glob("gauge_live*_*.db"):
        process = int(file.stem.rpartition("_")[2])
        if not psutil.pid_exists(process):
            mark_process_dead(process, str(folder))  # type: ignore[no-untyped-call]


@cache
def _tallies(model: str) -> tuple[Tally, Tally, Tally]:
    return MISSING.labels(model), OUTSIDE.labels(model), PERCENTILE.labels(model)


@cache
def _refusals(model: str, kind: str) -> Counter:
    return REFUSALS.labels(model, kind)


@cache
def _request_meters(route: str, status: str) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(route, status), SECONDS.labels(route)


def _middle(bounds: Sequence[float], position: int) -> float:
    lower = bounds[position - 1] if position else 0.0
    return lower if np.isinf(bounds[position]) else (lower + bounds[position]) / 2
