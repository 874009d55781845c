"""A model as a folder without pickles, checked by digest, read strictly."""

from __future__ import annotations

from pathlib import Path

from features.errors import PrognosisError
from training.model import PrognosticModel

BUNDLE_FORMAT = 1


class BundleError(PrognosisError):
    """A bundle is damaged, of an unknown format, or not one."""


def write_bundle(model: PrognosticModel, folder: Path) -> str:
    """Write the model into a new folder and return the bundle's digest (SHA-256, hex)."""
    raise NotImplementedError


def read_bundle(folder: Path) -> PrognosticModel:
    """Read a bundle, all of it or not at all."""
    raise NotImplementedError


def bundle_digest(folder: Path) -> str:
    """Return the digest that the bundle states, checked against its files."""
    raise NotImplementedError
