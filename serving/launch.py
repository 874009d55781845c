"""Starts the service as a process: the command, its environment, and the checks that it may listen there."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from features.errors import PrognosisError
from serving.binding import bound_address
from serving.settings import Settings, SettingsError, settings

SERVICE = "serving.service:PrognosisService"


class PortTakenError(PrognosisError):
    """The port that was asked for is in use, or may not be used."""


@dataclass(frozen=True)
class Launch:
    """What starts the service.

    Parameters
    ----------
    command : tuple of str
        Program and arguments.
    environment : mapping of str to str
        The whole environment of the process.
    address : str
        Where it will answer.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    address: str


def launch(
    *,
    port: int | None = None,
    host: str | None = None,
    workers: int | None = None,
    bundles: Path | None = None,
    installation: Settings | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Launch:
    """Return what starts the service; what is not given comes from the settings.

    Parameters
    ----------
    port, host, workers
        Where to listen, and with how many scoring processes.
    bundles : Path or None
        A folder of exported models that are served instead of the registry's.
    installation : Settings or None
        Those of this process unless given.
    environment : mapping of str to str
        What the process inherits.

    Raises
    ------
    BindingError
        If the host is not known, or if other machines reach it and there is no token.
    TokensError
        If the tokens cannot be read.
    PortTakenError
        If the port is in use.
    """
    chosen = installation or settings()
    port = chosen.port if port is None else port
    # BentoML takes addresses only, and what was checked is what must be listened on.
    host = bound_address(host or chosen.host, tokens_file=chosen.tokens_file)
    require_free_port(port, host=host)
    own = {
        "PROGNOSIS_HOME": str(chosen.home),
        "MLFLOW_TRACKING_URI": chosen.tracking_uri,
        "PROGNOSIS_WORKERS": str(chosen.workers if workers is None else workers),
        # BentoML empties its folder of counts at every start: one folder a port.
        "BENTOML_HOME": str(chosen.home / "bentoml" / str(port)),
        "BENTOML_DO_NOT_TRACK": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    }
    if chosen.tokens_file is not None:
        own["PROGNOSIS_TOKENS_FILE"] = str(chosen.tokens_file)
    if (served := bundles or chosen.bundles) is not None:
        own["PROGNOSIS_BUNDLES"] = str(require_folder(served, cache=chosen.bundle_cache))
    command = (sys.executable, "-m", "bentoml", "serve", SERVICE, "--host", host, "--port", str(port))
    # Compiling a few thousand modules takes longer than all else of a start: what was compiled once is kept.
    inherited = {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return Launch(command, inherited | own, f"http://{f'[{host}]' if ':' in host else host}:{port}")


def serve(
    *, port: int | None = None, host: str | None = None, workers: int | None = None, bundles: Path | None = None
) -> NoReturn:
    """Become the service: this process is replaced, so signals reach it and its exit code is its own.

    Raises
    ------
    BindingError, TokensError, PortTakenError
        As `launch` does.
    """
    start = launch(port=port, host=host, workers=workers, bundles=bundles)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(start.command[0], start.command, dict(start.environment))  # noqa: S606


def require_folder(bundles: Path, *, cache: Path) -> Path:
    """Return the absolute path of a folder of exported models.

    Parameters
    ----------
    bundles : Path
    cache : Path
        Where copies are kept of what was served.

    Raises
    ------
    SettingsError
        If it is none, and was none before: one that is away for a while, an earlier start knows.
    """
    if not bundles.is_dir() and not _was_served(bundles, cache):
        raise SettingsError(f"{bundles}: is no folder; name the one that models were exported to.")
    return bundles.absolute()


def _was_served(bundles: Path, cache: Path) -> bool:
    # Imported late: it takes a second, and few starts need it.
    from serving.bundle_folder import was_served  # noqa: PLC0415

    return was_served(bundles, cache)


def require_free_port(port: int, *, host: str) -> None:
    """Raise unless the port can be listened on.

    Raises
    ------
    PortTakenError
        With what the operating system says.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As the server does, so that a port whose last connections are still closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise PortTakenError(f"port {port} on {host}: {reason}; choose another port.") from None
