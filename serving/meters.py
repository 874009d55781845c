"""What the service counts, for Prometheus; no name and no value of a patient among it."""

from __future__ import annotations

import os

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE = CONTENT_TYPE_LATEST

REQUESTS = Counter("prognosis_requests", "Requests answered.", ["route", "status"])
SECONDS = Histogram(
    "prognosis_request_seconds",
    "Time from the first byte of a request to the last of its answer.",
    ["route"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
PROFILES = Counter("prognosis_profiles", "Profiles of requests for scores.", ["model", "outcome"])
MODELS = Gauge("prognosis_models", "Models loaded.", multiprocess_mode="livemin")


def exposition() -> bytes:
    """Return all meters, of every worker, as Prometheus reads them."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    everyone = CollectorRegistry()
    MultiProcessCollector(everyone)  # type: ignore[no-untyped-call]
    return generate_latest(everyone)
