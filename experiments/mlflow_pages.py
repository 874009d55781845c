"""MLflow's pages, on the very store that trainings are written to."""

from __future__ import annotations

import os
import sys
from urllib.parse import urlsplit

from experiments.supervisor import Supervisor
from experiments.tracking import client_of
from serving.settings import Settings

MLFLOW_HOST = "127.0.0.1"


def start_pages(supervisor: Supervisor, port: int, installation: Settings) -> str:
    """Start MLflow's pages and return their address; that of the server, where trainings are written to one.

    Notes
    -----
    Trainings write to the database and to the folder of artefacts directly, and the pages read both the same way: an
    experiment that was made through a server keeps its artefacts where only that server finds them.
    """
    uri = installation.tracking_uri
    if urlsplit(uri).scheme in {"http", "https"}:
        return _without_password(uri)
    # The database is made here, so that two processes do not make it at once.
    client_of(installation)
    own = {
        # Not an argument: it may hold a password, and everybody sees arguments.
        "MLFLOW_BACKEND_STORE_URI": uri,
        # Jobs are for models of language, and cost a dozen processes.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    command = (sys.executable, "-m", "mlflow", "server", "--host", MLFLOW_HOST, "--port", str(port), "--workers", "1")
    artifacts = ("--no-serve-artifacts", "--default-artifact-root", installation.artifacts.as_uri())
    environment = {**os.environ, **own}
    supervisor.start("mlflow", (*command, *artifacts), environment=environment, directory=installation.home)
    return f"http://{MLFLOW_HOST}:{port}"


def _without_password(uri: str) -> str:
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
