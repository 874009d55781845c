"""Whether a version may take the champion's place: by what its own bundle says, and the champion's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from experiments.audit_log import Entry
from experiments.promotion_entries import COMPARED_BUNDLE, COMPARED_WITH, moves
from features.errors import PrognosisError
from serving.bundle_cache import RegisteredVersion
from serving.registry import ALIASES, Registry
from serving.settings import Settings
from training.bundle import read_bundle
from training.model import PrognosticModel
from training.non_inferiority import BY_DEFINITION, LOCKED

if TYPE_CHECKING:
    from experiments.aliases import Door
    from experiments.rivals import Rival

#: What a champion's bundle calls no version.
NO_VERSION = "no version"
#: Of provenance: with the default reference, what makes a model, whatever code made it.
_CHOICES = ("data_digest", "definition_digest")


class ClaimError(PrognosisError):
    """A registered version does not hold the bundle that it should."""


def comparison_told(rival: Rival | None) -> dict[str, str]:
    """Return what a retrained model's provenance says of the version that it was compared with.

    Parameters
    ----------
    rival : Rival or None
        None where nothing stood.
    """
    if rival is None:
        return {COMPARED_WITH: NO_VERSION}
    return {COMPARED_WITH: str(rival), COMPARED_BUNDLE: rival.digest}


def registered_model(version: RegisteredVersion, settings: Settings) -> PrognosticModel:
    """Return the model in a registered version's bundle, whose digest is compared with the registered one.

    Raises
    ------
    BundleError
        If the bundle is damaged, or another.
    RegistryAwayError
        If it cannot be fetched.
    ClaimError
        If it is of another cancer type or endpoint.
    """
    model = read_bundle(Registry(settings.tracking_uri, settings.bundle_cache).bundle(version))
    if model.name != version.name:
        raise ClaimError(f"{version.name}:{version.version} holds the bundle of {model.name}; train it again.")
    return model


def objection(version: RegisteredVersion, model: PrognosticModel, door: Door, settings: Settings) -> str:
    """Say why a version that passed its gate may not take the place of the champion that stands now.

    Parameters
    ----------
    version : RegisteredVersion
    model : PrognosticModel
        Out of the version's bundle.
    door : Door
        Open: no promotion comes between the answer and what is done upon it.
    settings : Settings

    Returns
    -------
    str
        Empty where it may.

    Notes
    -----
    It may where no champion stands; where it was judged beside the very bundle that is champion; and where it is the
    champion made again, of the same data, definition and default reference, as after an update of the program. All of
    it is read from bundles, whose digests are compared: tags can be edited.
    """
    number = door.state.champion
    if number is None or number == version.version:
        return ""
    digest = door.state.versions.get(number, {}).get("bundle_digest", "")
    try:
        champion = registered_model(RegisteredVersion(version.name, number, ALIASES[0], digest), settings)
    except PrognosisError as error:
        return f"version {number} is champion, whose bundle cannot be compared with: {str(error).rstrip('.')}"
    compared = model.provenance.get(COMPARED_BUNDLE)
    if _is_remade(model, champion) or (compared == digest and _was_judged(model)):
        return ""
    return _objection(model, number, same=compared == digest)


def was_champion(entries: Sequence[Entry], version: RegisteredVersion) -> bool:
    """Tell whether a version, with the bundle that it has, was champion before by the record."""
    before = ((move["to_version"], move["digests"].get("bundle")) for move in moves(entries, version.name))
    return (version.version, version.digest) in before


def _is_remade(model: PrognosticModel, champion: PrognosticModel) -> bool:
    """Tell whether two models were made from the same data, definition and default reference."""
    alike = (key in model.provenance and model.provenance[key] == champion.provenance.get(key) for key in _CHOICES)
    return model.reference == champion.reference and all(alike)


def _was_judged(model: PrognosticModel) -> bool:
    """Tell whether the gate holds a clause on the champion: what is compared for information alone brings none."""
    return any(clause in {BY_DEFINITION, LOCKED} for clause, _, _ in model.gate)


def _objection(model: PrognosticModel, champion: str, *, same: bool) -> str:
    now = f"version {champion} is champion now"
    told, bundle = model.provenance.get(COMPARED_WITH), model.provenance.get(COMPARED_BUNDLE, "")
    if same:
        return f"{now}, but was none when this one was compared with it, for information"
    if bundle:
        return f"{now}, and it was compared with another, {told} of bundle {bundle[:8]}"
    if told is not None:
        return f"{now}, and none stood to compare it with when it was made"
    return f"{now}, and its bundle names no version that it was compared with"
