"""The scoring service: ``bentoml serve serving.service:PrognosisService``."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import anyio
import bentoml

from serving.schemas import ScoreRequest, ScoreResponse
from serving.settings import Settings, settings

if TYPE_CHECKING:
    from serving.champions import Snapshot
    from serving.middleware import Edge
    from serving.patience import Source

# The process that only starts the workers imports this module too, before any of them begins: what scores is
# imported by the workers.
# ruff: noqa: PLC0415

#: Large requests that one worker works on at once; the interpreter runs one of them at a time anyway.
_LARGE_AT_ONCE = 2
#: How long a start waits for the registry before it goes on with the bundles of last time.
_REGISTRY_PATIENCE_SECONDS = 20.0
#: BentoML's own time limit answers in a shape of its own: it stands behind ours.
_GRACE_SECONDS = 5.0

_WORKER_ENVIRONMENT = {
    # One thread a worker: more only wait for each other on matrices of this size.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "BENTOML_DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # A registry that is away is asked again at the next poll, not seven times within this one.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


@bentoml.service(
    name="prognosis",
    description="Prognostic models on the CTC-cluster gene panel; for research only.",
    workers=settings().workers,
    traffic={"timeout": settings().timeout_seconds + _GRACE_SECONDS},
    http={"host": settings().host, "port": settings().port},
    # Its meters label every path that a stranger may think of; ours are in `serving.meters`.
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},
    envs=[{"name": name, "value": value} for name, value in _WORKER_ENVIRONMENT.items()],
)
class PrognosisService:
    """Scores patients with the champions of the model registry."""

    def __init__(self) -> None:
        # Nothing that is imported or loaded now is garbage: to look for some costs a tenth of it.
        gc.disable()
        from serving.champions import Champions
        from serving.garbled_requests import answer_garbled_requests_in_our_shape
        from serving.request_log import shape_logs

        shape_logs(settings().log)
        answer_garbled_requests_in_our_shape()

        self._champions = Champions(_source(settings()), poll_seconds=settings().poll_seconds)
        self._champions.start(patience_seconds=_REGISTRY_PATIENCE_SECONDS)
        self.threads = anyio.CapacityLimiter(_LARGE_AT_ONCE)
        # What is loaded by now stays: no collection needs to look at it again.
        gc.collect()
        gc.freeze()
        gc.enable()

    @property
    def snapshot(self) -> Snapshot:
        """The models that are served now."""
        return self._champions.snapshot

    @bentoml.api  # type: ignore[untyped-decorator]
    def score(self, request: ScoreRequest, /) -> ScoreResponse:
        """Score patients with the model of a cancer type and endpoint."""
        from serving.routes import score_body

        # Over HTTP `serving.middleware.Edge` answers first; this is the same for callers within Python.
        answer = score_body(self.snapshot, request.model_dump_json().encode())
        return ScoreResponse.model_validate_json(answer)

    @bentoml.on_deployment  # type: ignore[untyped-decorator]
    @staticmethod
    def require_tokens_beyond_loopback() -> None:
        """Refuse to start where other machines reach the service and there is no token, however it is started."""
        from serving.binding import require_guarded_start

        require_guarded_start(settings().tokens_file)

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def stop(self) -> None:
        """Stop following the registry."""
        self._champions.stop()


def _source(chosen: Settings) -> Source:
    from serving.bundle_folder import BundleFolder
    from serving.registry import Registry

    if chosen.bundles:
        return BundleFolder(chosen.bundles, chosen.bundle_cache)
    return Registry(chosen.tracking_uri, chosen.bundle_cache)


def _edge(app: Any, **options: Any) -> Edge:
    from serving.middleware import Edge

    return Edge(app, **options)


PrognosisService.add_asgi_middleware(  # type: ignore[attr-defined]
    _edge, desk=bentoml.get_current_service, installation=settings()
)
