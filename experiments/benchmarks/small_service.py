"""A small model and the service that scores with it, for the benchmarks that ask one over HTTP."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from experiments.runner import code_version
from experiments.simulation import simulate_cohort
from features.panel import load_panel
from serving.bundle_folder import Exported, write_exported
from training.bundle import write_bundle
from training.definition import load_definition
from training.model import PrognosticModel
from training.synthetic_profile import synthetic_profile
from training.trainer import train

_GIVEN_UP_SECONDS = 300.0


def trained_model(definition: Path) -> PrognosticModel:
    """Train a SIMULATED model by a definition, in one trial and few folds: its figures are its size, not its worth."""
    chosen = load_definition(definition)
    chosen = chosen.model_copy(
        update={
            "trials": 1,
            "resampling": chosen.resampling.model_copy(
                update={"outer_folds": 2, "outer_repeats": 1, "inner_folds": 2, "bootstrap": 100}
            ),
        }
    )
    cohort = simulate_cohort("KIRC", seed=chosen.seed)
    made = {"created": datetime.now(UTC).isoformat(timespec="seconds"), "code_version": code_version()}
    provenance = {**made, "data_digest": cohort.digest(), "definition_digest": "0" * 64, "seed": str(chosen.seed)}
    return train(cohort, load_panel(chosen.features.panel), chosen, provenance=provenance, workers=1).model


def exported(model: PrognosticModel, target: Path, n_models: int) -> Path:
    """Write the model under as many names (``…-1``, ``…-2``) as `serve --bundles` reads them, and return the folder."""
    for position in range(n_models):
        export_bundle(replace(model, cancer_type=f"{model.cancer_type}-{position + 1}"), target)
    return target


def export_bundle(model: PrognosticModel, target: Path) -> Path:
    """Write a model as `models export` does, below a folder, and return its own folder there."""
    with tempfile.TemporaryDirectory() as scratch:
        bundle = Path(scratch) / "bundle"
        digest = write_bundle(model, bundle)
        said = Exported(
            name=model.name,
            version="1",
            alias="candidate",
            digest=digest,
            bundle=f"bundle-{digest[:16]}",
            gate="",
            exported=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        return write_exported(bundle, said, target)


def request_of(model: PrognosticModel) -> bytes:
    """Return a request for one made-up patient, to the first of the names."""
    expression, clinical = synthetic_profile(model)
    profile: dict[str, Any] = {"id": "p", "expression": dict(expression)}
    if clinical:
        profile["clinical"] = dict(clinical)
    asked = {"cancer_type": f"{model.cancer_type}-1", "endpoint": model.endpoint, "scale": model.scale}
    return json.dumps({**asked, "profiles": [profile]}).encode()


def wait_until_ready(port: int, process: subprocess.Popen[bytes], *, path: str = "/readyz") -> None:
    """Return once an address answers 200.

    Raises
    ------
    RuntimeError
        If the process ends, or is not ready after minutes.
    """
    end = time.monotonic() + _GIVEN_UP_SECONDS
    while not _ready(port, path):
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the service did not become ready (exit code {process.poll()}).")
        time.sleep(0.01)


def _ready(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """End the process where the block ends."""
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
