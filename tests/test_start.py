"""What a start imports: packages that only train, or only one command needs, would be waited for by every patient."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BUNDLE = Path(__file__).parent / "bundles" / "format_3"

#: As `serving.service.PrognosisService` goes about it, up to the first answer.
WORKER = f"""
import serving.service, serving.bundle_folder, serving.garbled_requests, serving.middleware, serving.registry
from pathlib import Path
from serving.answers import render
from serving.bundle_cache import RegisteredVersion
from training.bundle import read_bundle
model = read_bundle(Path({str(BUNDLE)!r}))
render(RegisteredVersion(model.name, "1", "candidate", "0" * 64), model)
"""


def imported_by(program: str) -> set[str]:
    """Return the modules that a fresh process has imported once it has run a program."""
    ending = "\nimport sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program + ending], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_a_worker_imports_nothing_that_only_trains_draws_or_asks_the_registry():
    imported = imported_by(WORKER)
    assert "numba" in imported  # so it has scored
    assert imported.isdisjoint(
        {"sksurv", "optuna", "mlflow", "matplotlib", "lifelines", "anndata", "h5py", "xgboost", "sklearn"}
    )
    assert imported.isdisjoint({"training.trainer", "training.tuning", "training.results", "training.elastic_net"})


def test_the_process_that_starts_the_workers_imports_nothing_that_scores():
    imported = imported_by("import serving.service")
    assert "bentoml" in imported
    assert imported.isdisjoint({"numpy", "pandas", "numba", "scipy", "xgboost", "pyarrow", "training.model"})


def test_the_command_that_becomes_the_service_imports_neither_of_them():
    imported = imported_by("import experiments.cli, serving.launch")
    assert "click" in imported
    assert imported.isdisjoint({"numpy", "pandas", "pydantic", "bentoml", "xgboost", "mlflow"})
