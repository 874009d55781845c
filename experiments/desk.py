"""The desk in one command: cohorts in, models trained, MLflow's pages and the scoring service up until Ctrl-C."""

from __future__ import annotations

import json
import logging
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from experiments.choices import Choices
from experiments.console import progress_bars
from experiments.example_patient import curl_line, write_example
from experiments.mlflow_pages import MLFLOW_HOST, start_pages
from experiments.simulated_study import write_simulated_cohorts
from experiments.summaries import training_summary
from experiments.supervisor import Supervisor, interruptible
from experiments.trainings import definition_of, registered_before, train_and_register
from features.cohort import Cohort
from features.errors import PrognosisError
from features.panel import load_panel
from features.readers import find_cohorts
from serving.launch import Launch, PortTakenError, launch, require_free_port
from serving.settings import Settings, settings

logger = logging.getLogger(__name__)

READY_SECONDS = 180.0


class DeskError(PrognosisError):
    """There is nothing to serve."""


@dataclass
class Desk:
    """What is running, and since when.

    Parameters
    ----------
    service : Launch
        What starts the service, at the address where it will answer.
    pages : str
        Where MLflow's pages are.
    example : Path or None
        A request that the service can answer; None until there is a model.
    """

    supervisor: Supervisor
    choices: Choices
    installation: Settings
    service: Launch
    pages: str
    started: float
    example: Path | None = None

    def open_for(self, cohort: Cohort) -> None:
        """Start the service as soon as there is one model, and score a first patient."""
        if self.example is not None:
            return
        panel = load_panel(definition_of(cohort, self.choices).features.panel)
        self.example = write_example(cohort, panel, self.installation.home / "examples")
        child = self.supervisor.start("service", self.service.command, environment=self.service.environment)
        self.supervisor.wait_until_ready(child, f"{self.service.address}/readyz", seconds=READY_SECONDS)
        percentile = _risk_percentile(self.service.address, self.example)
        seconds = time.monotonic() - self.started
        click.echo(f"\n{cohort}: a patient was scored {seconds:.0f} s after the start (percentile {percentile:.0f}).")
        self.announce()

    def announce(self) -> None:
        """Print the addresses, and a command that scores a patient."""
        if self.example is None:
            return
        click.echo(f"\nMLflow   {self.pages}\nService  {self.service.address}\n\nScore a patient:")
        click.echo(f"  {curl_line(self.service.address, self.example)}\n\nCtrl-C stops both.\n")


def run(folders: Sequence[Path], choices: Choices, *, port: int, mlflow_port: int) -> None:
    """Train on cohorts, start MLflow's pages and the scoring service, and stay until Ctrl-C.

    Parameters
    ----------
    folders : sequence of Path
        Cohort folders or parents of some; simulated cohorts if there is none.
    choices : Choices
    port, mlflow_port : int
        Of the service and of MLflow's pages.

    Raises
    ------
    PortTakenError
        Before anything is trained.
    DeskError
        If no cohort gave a model.
    ChildError
        If the service or MLflow ends by itself.
    """
    started = time.monotonic()
    installation = settings()
    service = _free_service(port, mlflow_port, installation)
    with interruptible(), Supervisor(installation.home / "logs") as supervisor:
        pages = start_pages(supervisor, mlflow_port, installation)
        click.echo(f"MLflow   {pages} (runs appear there as they are written)")
        desk = Desk(supervisor, choices, installation, service, pages, started)
        cohorts = _cohorts(folders, choices, installation)
        for cohort in cohorts:
            supervisor.require_running()
            if _model_of(cohort, choices, installation):
                desk.open_for(cohort)
        if desk.example is None:
            raise DeskError("no cohort gave a model, so there is nothing to serve; see the lines above.")
        if len(cohorts) > 1:
            desk.announce()  # once more, below what the others printed
        supervisor.watch()


def _free_service(port: int, mlflow_port: int, installation: Settings) -> Launch:
    """Return what will start the service, if both ports are free."""
    if port == mlflow_port:
        raise PortTakenError(f"port {port} is asked for twice, by the service and by MLflow; choose another for one.")
    service = launch(port=port, installation=installation)
    require_free_port(mlflow_port, host=MLFLOW_HOST)
    return service


def _cohorts(folders: Sequence[Path], choices: Choices, installation: Settings) -> list[Cohort]:
    """Read the cohorts, the smallest first: its model is the first to be ready."""
    if not folders:
        target = installation.home / "simulated"
        folders = write_simulated_cohorts(target, progress=logger.info)
    read = (_read(folder, choices) for folder in find_cohorts(folders))
    return sorted((cohort for cohort in read if cohort is not None), key=lambda cohort: len(cohort.patients))


def _read(folder: Path, choices: Choices) -> Cohort | None:
    try:
        return choices.read(folder)
    except PrognosisError as error:
        _complain(folder.name, error)
        return None


def _complain(name: object, error: PrognosisError) -> None:
    """Say what is wrong with one cohort; the others go on."""
    click.echo(f"prognosis: {name}: {' '.join(str(error).split())}", err=True)


def _model_of(cohort: Cohort, choices: Choices, installation: Settings) -> bool:
    """Train a cohort's model unless it is there; tell whether there is one now."""
    try:
        kept = registered_before(cohort, choices, settings=installation)
        if kept is not None:
            logger.info("%s: version %s is of the same data, definition and code; kept", kept.name, kept.version)
            return True
        with progress_bars() as progress:
            result, model = train_and_register(cohort, choices, settings=installation, progress=progress)
    except PrognosisError as error:
        _complain(cohort, error)
        return False
    click.echo(training_summary(result, model))
    return True


def _risk_percentile(address: str, example: Path) -> float:
    """Send the example to the service and return its risk percentile."""
    request = urllib.request.Request(  # noqa: S310
        f"{address}/score", data=example.read_bytes(), headers={"Content-Type": "application/json"}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as response:
        return float(json.load(response)["results"][0]["risk_percentile"])
