"""What every test shares: where the repository and the real cohorts are, and a home that is thrown away."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

if TYPE_CHECKING:
    from page_walk import Site
    from playwright.sync_api import Browser

    from training.model import PrognosticModel
    from training.results import TrainingResult

REPOSITORY = Path(__file__).resolve().parent.parent
# No test is timed: an example that is slow on a busy machine is no failure.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


#: Files that take minutes, the longest first: begun last, one of them would keep a single process at work in the end.
LONGEST = (
    "walk_through",
    "held_back_patients",
    "retraining",
    "interrupted_training",
    "tracking",
    "simulation",
    "malformed_anndata",
    "trainer",
    "promotion",
    "benchmark_soak",
    "every_patient",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest; the order within a file stays."""
    rank = {f"test_{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


def real_cohorts_folder() -> Path:
    """Return where real cohorts are looked for: ``PROGNOSIS_COHORTS``, else beside the repository."""
    declared = os.environ.get("PROGNOSIS_COHORTS")
    return Path(declared) if declared else REPOSITORY.parent / "shared" / "cohorts"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests recorded: a claim that passed is worth its number."""
    for report in terminalreporter.getreports("passed"):
        for name, figure in report.user_properties:
            if name == "figure":
                terminalreporter.write_line(str(figure))


@pytest.fixture(scope="session")
def real_cohorts() -> Path:
    """The folder of real cohorts; skips where there are none."""
    folder = real_cohorts_folder()
    if not folder.is_dir():
        pytest.skip(f"no real cohorts at {folder}: set PROGNOSIS_COHORTS to a folder that holds them")
    return folder


@pytest.fixture(scope="session", autouse=True)
def prognosis_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Point ``PROGNOSIS_HOME`` at a temporary folder, and leave no store of the user's in sight."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROGNOSIS_HOME", str(home))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield home


@pytest.fixture(autouse=True)
def _settings_are_read_anew() -> Iterator[None]:
    """Let no test meet the settings that another one's environment made."""
    from serving.settings import settings  # noqa: PLC0415

    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture(scope="session")
def small_training() -> TrainingResult:
    """A real training, made small: 120 simulated patients, core panel, few folds and trees; takes some two seconds."""
    # Imported late: most tests need none of it.
    from experiments.simulation import simulate_cohort  # noqa: PLC0415
    from features.panel import load_panel  # noqa: PLC0415
    from training.definition import ReplicatesDefinition, load_definition  # noqa: PLC0415
    from training.trainer import train  # noqa: PLC0415

    definition = load_definition(REPOSITORY / "experiments" / "definitions" / "default.toml")
    # As many other genes as random sets of the core panel's size need.
    cohort = simulate_cohort("KIRC", seed=5, n_patients=120, n_background=30)
    made = {"created": "2026-01-02T03:04:05+00:00", "code_version": "0", "data_digest": cohort.digest()}
    small = definition.model_copy(
        update={
            "trials": 1,
            "learner": "penalised_cox",
            "features": definition.features.model_copy(update={"panel": "ctc_core"}),
            "null": definition.null.model_copy(update={"n_sets": 3, "penalties": (0.1, 0.8)}),
            "boosted": definition.boosted.at(rounds=15),
            "clinical_boosted": definition.clinical_boosted.at(rounds=15),
            "replicates": ReplicatesDefinition(cox=8, boosted=2),
            "resampling": definition.resampling.model_copy(
                update={"outer_folds": 2, "outer_repeats": 1, "inner_folds": 2, "bootstrap": 100}
            ),
        }
    )
    provenance = {**made, "definition_digest": "0" * 64, "seed": str(small.seed)}
    return train(cohort, load_panel("ctc_core"), small, provenance=provenance, workers=1)


@pytest.fixture(scope="session")
def small_definition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A definition file of a training that takes seconds: the default with few folds, trials and random sets."""
    text = (REPOSITORY / "experiments" / "definitions" / "default.toml").read_text(encoding="utf-8")
    for choice, smaller in {
        'learner = "auto"': 'learner = "penalised_cox"',
        'panel = "ctc_review"\nclinical': 'panel = "ctc_core"\nclinical',
        r"outer_folds = \d+": "outer_folds = 2",
        r"inner_folds = \d+": "inner_folds = 2",
        r"bootstrap = \d+": "bootstrap = 100",
        r"n_sets = \d+": "n_sets = 3",
        r"trials_at_most = \d+": "trials_at_most = 2",
    }.items():
        text, n_changed = re.subn(choice, smaller, text)
        assert n_changed
    path = tmp_path_factory.mktemp("definition") / "small.toml"
    path.write_text(f"{text}\n[replicates]\ncox = 8\nboosted = 2\n", encoding="utf-8")
    return path


@dataclass(frozen=True)
class ModelStore:
    """An MLflow of one test: SQLite and a folder, in which bundles can be registered."""

    folder: Path

    @property
    def uri(self) -> str:
        """Its tracking URI."""
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    @property
    def client(self) -> Any:
        """MLflow's client."""
        from mlflow import MlflowClient  # noqa: PLC0415

        return MlflowClient(self.uri, self.uri)

    def register(self, model: PrognosticModel, *, alias: str | None = "candidate", digest: str | None = None) -> str:
        """Register a model's bundle as a run's artefact, as a training does, and return the version."""
        from training.bundle import write_bundle  # noqa: PLC0415

        client, name = self.client, model.name
        experiment = client.get_experiment_by_name(name)
        identifier = (
            experiment.experiment_id
            if experiment
            else client.create_experiment(name, artifact_location=(self.folder / "artifacts").as_uri())
        )
        run = client.create_run(identifier)
        bundle = self.folder / "scratch" / run.info.run_id
        bundle.parent.mkdir(exist_ok=True)
        written = write_bundle(model, bundle)
        client.log_artifacts(run.info.run_id, str(bundle), "bundle")
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name)
        tags = {"bundle_digest": digest or written, "cancer_type": model.cancer_type, "endpoint": model.endpoint}
        version = client.create_model_version(name, f"{run.info.artifact_uri}/bundle", run.info.run_id, tags)
        if alias:
            client.set_registered_model_alias(name, alias, version.version)
        return str(version.version)

    def bundle_files(self) -> list[Path]:
        """Return the files of every registered bundle."""
        return [path for path in (self.folder / "artifacts").rglob("*") if path.is_file()]


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with its tables and nothing in them; making one takes seconds, copying it does not."""
    store = ModelStore(tmp_path_factory.mktemp("mlflow"))
    store.client.search_registered_models()
    return store.folder / "mlflow.db"


@pytest.fixture(scope="session")
def new_model_store(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], ModelStore]:
    """Make a model store with nothing in it."""

    def make() -> ModelStore:
        folder = tmp_path_factory.mktemp("store")
        shutil.copy(empty_database, folder / "mlflow.db")
        return ModelStore(folder)

    return make


@pytest.fixture
def model_store(new_model_store: Callable[[], ModelStore]) -> ModelStore:
    """A model store with nothing in it."""
    return new_model_store()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; skips where there is none."""
    from page_walk import opened_browser  # noqa: PLC0415

    with opened_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def site(
    browser: Browser,
    small_training: TrainingResult,
    new_model_store: Callable[[], ModelStore],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """A service with the small model, that wants a token."""
    from page_walk import running_site  # noqa: PLC0415

    with running_site(small_training.model, new_model_store(), tmp_path_factory.mktemp("ui")) as site:
        yield site


@pytest.fixture(scope="module")
def no_proxy() -> Iterator[None]:
    """No proxy between this machine and itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "*")
        patch.setenv("no_proxy", "*")
        yield
