"""Which model ``prognosis validate`` locks, and the cohort read for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.scored_model import ModelChoiceError, model_to_score_with
from experiments.transfer import Reference, find_version
from features.cohort import Cohort
from features.panel import load_panel
from features.readers import read_cohort
from serving.bundle_folder import SERVED, read_exported
from serving.registry import Registry
from serving.settings import settings
from training.bundle import bundle_digest, read_bundle
from training.model import PrognosticModel

#: Read before it is known which model is meant: the panel that nearly all models have.
_USUAL_PANEL = "ctc_review"


@dataclass(frozen=True, eq=False)
class Locked:
    """A model, and which one it is.

    Parameters
    ----------
    model : PrognosticModel
    version : str or None
        Of the registered model; None where it comes from a folder that does not say.
    alias : str or None
        ``champion``, ``candidate`` or none.
    digest : str
        The bundle's, SHA-256 (hex).
    registered : bool
        Whether it is a version of this site's registry: an exported one bears the number of another.
    """

    model: PrognosticModel
    version: str | None
    alias: str | None
    digest: str
    registered: bool = False

    @property
    def name(self) -> str:
        """``KIRC-OS version 3 (champion)``."""
        version = "" if self.version is None else f" version {self.version}"
        return self.model.name + version + (f" ({self.alias})" if self.alias else "")


def locked_model(reference: str | None, bundle: Path | None) -> Locked:
    """Return the model that is named.

    Parameters
    ----------
    reference : str or None
        ``KIRC-OS`` (what is served: the champion, else the candidate), ``KIRC-OS@champion``, ``KIRC-OS:3``.
    bundle : Path or None
        A bundle's folder, or the folder of an exported model.

    Raises
    ------
    ModelChoiceError
        If not exactly one of the two is given.
    """
    if bundle is not None and reference is None:
        return _of_folder(bundle)
    if reference is None or bundle is not None:
        raise ModelChoiceError("name one model: --model NAME for a registered one, or --bundle DIR.")
    configured = settings()
    version = find_version(Reference.parse(reference), configured)
    folder = Registry(configured.tracking_uri, configured.bundle_cache).bundle(version)
    return Locked(read_bundle(folder), version.version, version.alias or None, version.digest, registered=True)


def locked_with_cohort(
    folder: Path, reference: str | None, bundle: Path | None, *, endpoint: str, **declared: Any
) -> tuple[Locked, Cohort]:
    """Return the model, and the cohort with the genes of the model's panel.

    Parameters
    ----------
    folder : Path
        Of the cohort.
    reference, bundle
        As in `locked_model`; where neither is given, what is served for the cohort's cancer type and the endpoint.
    endpoint : str
    declared
        See `features.readers.read_cohort`.
    """
    if reference is not None or bundle is not None:
        locked = locked_model(reference, bundle)
        return locked, read_cohort(folder, endpoint=endpoint, only=locked.model.panel.symbols, **declared)
    usual = load_panel(_USUAL_PANEL).symbols
    cohort = read_cohort(folder, endpoint=endpoint, only=usual, **declared)
    locked = locked_model(f"{cohort.cancer_type}-{endpoint}", None)
    panel = locked.model.panel.symbols
    if not set(panel) <= set(usual):
        cohort = read_cohort(folder, endpoint=endpoint, only=panel, **declared)
    return locked, cohort


def _of_folder(folder: Path) -> Locked:
    model = model_to_score_with(None, folder)
    if (folder / SERVED).is_file():
        exported = read_exported(folder)
        return Locked(model, exported.version, exported.alias, exported.digest)
    return Locked(model, None, None, bundle_digest(folder))
