"""The site that the soak runs on: an MLflow server and the service, as processes of their own below one folder."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from contextlib import redirect_stdout, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from experiments.benchmarks.small_service import export_bundle, free_port
from experiments.benchmarks.soak_hostile import BODY_LIMIT_BYTES
from experiments.benchmarks.soak_load import Door
from experiments.supervisor import Supervisor
from experiments.tracking import CHAMPION, client_of
from experiments.transfer import import_models
from serving.answers import render
from serving.bundle_cache import RegisteredVersion
from serving.bundle_folder import read_exported
from serving.champions import ServedModel
from serving.settings import Settings
from serving.tokens import add_token
from training.bundle import read_bundle
from training.model import PrognosticModel

WORKERS = 2
#: Limits as a site sets them that expects this load, and not the load of an attack.
RATE_PER_MINUTE, PROFILES_PER_MINUTE = 100_000, 5_000_000
_READY_SECONDS = 180.0
_PROGNOSIS = (sys.executable, "-c", "from experiments.cli import main; main()")


class Server:
    """A process that can be stopped and started again.

    Parameters
    ----------
    name : str
    command : tuple of str
    environment : mapping of str to str
    ready : str
        The address that answers with success once it is ready.
    folder : Path
        For a log file of every start.
    """

    def __init__(
        self, name: str, command: tuple[str, ...], environment: Mapping[str, str], *, ready: str, folder: Path
    ) -> None:
        self._name, self._command, self._environment, self._ready = name, command, environment, ready
        self._supervisor = Supervisor(folder)
        self._starts = 0
        self.pid = 0

    def start(self) -> None:
        """Start it, and return once it is ready.

        Raises
        ------
        ChildError
            If it ends, or is not ready in time.
        """
        self._starts += 1
        name = f"{self._name}-{self._starts}"
        child = self._supervisor.start(name, self._command, environment=self._environment)
        self.pid = child.process.pid
        self._supervisor.wait_until_ready(child, self._ready, seconds=_READY_SECONDS)

    def stop(self) -> None:
        """Stop it and all that it started."""
        self._supervisor.stop()

    def require_running(self) -> None:
        """Raise `ChildError` if it ended by itself."""
        self._supervisor.require_running()


class Site:
    """An MLflow server and the service, with tokens; whatever runs is stopped where the block ends.

    Parameters
    ----------
    home : Path
    poll_seconds, timeout_seconds : float
        How often the service looks at the aliases, and when it gives a request up.
    """

    def __init__(self, home: Path, *, poll_seconds: float, timeout_seconds: float) -> None:
        self.home, self.logs = home, home / "logs"
        self._tracking = free_port()
        self._settings = Settings(
            home=home / "desk", tracking_uri=f"http://127.0.0.1:{self._tracking}", cohorts=home / "none"
        )
        self.door = Door(free_port(), add_token(home / "service" / "tokens", "pipeline"))
        add_token(home / "service" / "tokens", "ward")
        self.registry = Server(
            "mlflow",
            self._registry_command(),
            {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"},
            ready=f"http://127.0.0.1:{self._tracking}/health",
            folder=self.logs,
        )
        self.service = Server(
            "service",
            (*_PROGNOSIS, "serve", "--port", str(self.door.port), "--workers", str(WORKERS)),
            os.environ | self._service_environment(poll_seconds, timeout_seconds),
            ready=f"http://127.0.0.1:{self.door.port}/readyz",
            folder=self.logs,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.service.stop()
        finally:
            self.registry.stop()

    def register(self, model: PrognosticModel) -> ServedModel:
        """Register a model as a new version, and return what the service makes of it as champion."""
        with tempfile.TemporaryDirectory(prefix="prognosis-soak-") as scratch:
            folder = export_bundle(model, Path(scratch))
            # MLflow tells on standard output where a run can be seen.
            with redirect_stdout(sys.stderr):
                (tracked,) = import_models(folder, alias="candidate", settings=self._settings)
            read = read_bundle(folder / read_exported(folder).bundle)
        registered = RegisteredVersion(tracked.name, tracked.version, CHAMPION, tracked.tags["bundle_digest"])
        return ServedModel(registered, read, render(registered, read), datetime.now(UTC))

    def register_damaged(self, model: PrognosticModel) -> str:
        """Register a model as a new version, cut its largest artefact in half, and return the version."""
        registered = self.register(model).registered
        run = client_of(self._settings).get_model_version(registered.name, registered.version).run_id
        files = [path for path in (self.home / "artifacts").rglob(f"{run}/artifacts/bundle/**/*") if path.is_file()]
        largest = max(files, key=lambda path: path.stat().st_size)
        largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])
        return registered.version

    def promote(self, name: str, version: str) -> None:
        """Give a version of a registered model the alias champion."""
        client_of(self._settings).set_registered_model_alias(name, CHAMPION, version)

    def workers(self) -> list[psutil.Process]:
        """Return the service's scoring processes that live, the oldest first."""
        found: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.service.pid).children():
                with suppress(psutil.NoSuchProcess):
                    if "--worker-id" in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                        found.append(child)
        return sorted(found, key=lambda process: process.create_time())

    def answering_workers(self) -> set[int]:
        """Return the scoring processes that hold a connection of somebody's: those that were started, and answer."""
        found = set()
        for worker in self.workers():
            with suppress(psutil.NoSuchProcess):
                ours = (c for c in worker.net_connections("tcp") if c.status == psutil.CONN_ESTABLISHED)
                if any(getattr(c.laddr, "port", None) == self.door.port for c in ours):
                    found.add(worker.pid)
        return found

    def _registry_command(self) -> tuple[str, ...]:
        home = self.home
        home.mkdir(parents=True, exist_ok=True)
        stores = ("--backend-store-uri", f"sqlite:///{home / 'mlflow.db'}")
        artifacts = ("--artifacts-destination", (home / "artifacts").as_uri())
        where = ("--host", "127.0.0.1", "--port", str(self._tracking), "--workers", "1")
        return (sys.executable, "-m", "mlflow", "server", *where, *stores, *artifacts)

    def _service_environment(self, poll_seconds: float, timeout_seconds: float) -> dict[str, str]:
        return {
            "PROGNOSIS_HOME": str(self.home / "service"),
            "MLFLOW_TRACKING_URI": self._settings.tracking_uri,
            "PROGNOSIS_BUNDLES": "",
            "PROGNOSIS_TOKENS_FILE": "",
            "PROGNOSIS_POLL_SECONDS": f"{poll_seconds:g}",
            "PROGNOSIS_TIMEOUT_SECONDS": f"{timeout_seconds:g}",
            "PROGNOSIS_BODY_LIMIT_BYTES": str(BODY_LIMIT_BYTES),
            "PROGNOSIS_RATE_PER_MINUTE": str(RATE_PER_MINUTE),
            "PROGNOSIS_PROFILES_PER_MINUTE": str(PROFILES_PER_MINUTE),
            "PROGNOSIS_LOG": "json",
        }
