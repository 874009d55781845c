"""Which registered version a retraining is compared with, and whether it is the champion."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.aliases import registered
from experiments.tracking import answering, client_of, exists
from experiments.transfer import Reference, TransferError, find_version
from features.errors import PrognosisError
from serving.registry import Registry
from serving.settings import Settings
from training.bundle import read_bundle
from training.model import PrognosticModel


class RivalError(PrognosisError):
    """A retraining cannot be compared with the version that was named."""


@dataclass(frozen=True, eq=False)
class Rival:
    """A registered version that a challenger is compared with.

    Parameters
    ----------
    version : str
    alias : str
        ``champion``, ``candidate``, or empty.
    digest : str
        Of its bundle.
    model : PrognosticModel
    """

    version: str
    alias: str
    digest: str
    model: PrognosticModel

    def __str__(self) -> str:
        return f"version {self.version} ({self.alias or 'neither champion nor candidate'})"


@dataclass(frozen=True, eq=False)
class Standing:
    """What is registered under a name before a retraining.

    Parameters
    ----------
    champion : str or None
        The version that bears the alias.
    rival : Rival or None
        What the challenger is compared with: the version that was named, else the champion, else the newest candidate,
        as nothing better is there.
    """

    champion: str | None
    rival: Rival | None

    @property
    def defends(self) -> bool:
        """Whether the rival is the champion, which only a challenger that is no worse may replace."""
        return self.rival is not None and self.rival.version == self.champion


def standing_of(name: str, settings: Settings, named: Reference | None = None) -> Standing:
    """Return the champion of a name, and the version to compare a challenger with.

    Parameters
    ----------
    name : str
        ``KIRC-OS``.
    settings : Settings
    named : Reference, optional

    Raises
    ------
    RivalError
        If the version that is named is of another model.
    TransferError
        If there is no such version.
    BundleError
        If its bundle is damaged.
    """
    if named is not None and named.name != name:
        raise RivalError(f"{named}: cannot be compared with {name}, of another cancer type or endpoint; name {name}.")
    if not exists(settings):
        return Standing(None, _rival(named, settings) if named else None)
    with answering(settings):
        champion = registered(client_of(settings), name).champion
    try:
        return Standing(champion, _rival(named or Reference(name), settings))
    except TransferError:
        if named is not None or champion is not None:
            raise
        return Standing(None, None)


def _rival(reference: Reference, settings: Settings) -> Rival:
    version = find_version(reference, settings)
    model = read_bundle(Registry(settings.tracking_uri, settings.bundle_cache).bundle(version))
    if model.name != version.name:
        raise RivalError(f"{version.name}:{version.version} holds the bundle of {model.name}; train it again.")
    return Rival(version.version, version.alias, version.digest, model)
