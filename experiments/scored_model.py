"""Which model ``prognosis score`` scores with: a registered one, or a bundle in a folder."""

from __future__ import annotations

from pathlib import Path

from experiments.transfer import Reference, fetched
from features.errors import PrognosisError
from serving.bundle_folder import SERVED, read_exported
from serving.settings import settings
from training.bundle import read_bundle
from training.model import PrognosticModel


class ModelChoiceError(PrognosisError):
    """It is not clear which model is meant."""


def model_to_score_with(reference: str | None, bundle: Path | None) -> PrognosticModel:
    """Return the model that is named.

    Parameters
    ----------
    reference : str or None
        ``KIRC-OS``, ``KIRC-OS@champion``, ``KIRC-OS:3``.
    bundle : Path or None
        A bundle's folder, or the folder of an exported model.

    Raises
    ------
    ModelChoiceError
        If not exactly one of the two is given.
    """
    if (reference is None) == (bundle is None):
        raise ModelChoiceError("name one model: --model NAME for a registered one, or --bundle DIR.")
    if bundle is not None:
        inner = bundle / read_exported(bundle).bundle if (bundle / SERVED).is_file() else bundle
        return read_bundle(inner)
    return read_bundle(fetched(Reference.parse(str(reference)), settings=settings()))
