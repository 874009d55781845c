"""A model as `prognosis models export` leaves it, for the tests that serve one without a registry."""

from __future__ import annotations

from pathlib import Path

from serving.bundle_folder import Exported, write_exported
from training.bundle import bundle_digest, write_bundle
from training.model import PrognosticModel


def export(model: PrognosticModel, folder: Path) -> Path:
    """Write the model as the champion's version 1 below the folder, and return the folder that can be served."""
    bundle, served = folder / "bundle", folder / "exported"
    write_bundle(model, bundle)
    exported = Exported(
        name=model.name,
        version="1",
        alias="champion",
        digest=bundle_digest(bundle),
        bundle="bundle",
        gate="passed",
        exported="2026-01-02T03:04:05+00:00",
    )
    write_exported(bundle, exported, served)
    return served
