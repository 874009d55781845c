"""Which of a folder's expression files is read, and on which scale it is: stated or declared, never guessed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from features.errors import CohortError, ScaleError
from features.ledger import Ledger
from features.scale_names import SCALES

#: Raw before log before z: what has lost least comes first.
PREFERENCE = (
    *("tpm", "rsem", "fpkm_uq", "counts"),
    *("log2_tpm_1", "log2_tpm_0001", "log2_rsem_1", "log2_fpkm_uq_1", "microarray_log2", "zscore"),
)
_UNITS = {
    "fpkm_uq": re.compile(r"fpkm[-_ .]?uq|upper[-_ ]quartile"),
    "tpm": re.compile(r"(?<![a-z])tpm(?![a-z])"),
    "rsem": re.compile(r"rsem|rna_seq_v2_mrna|rna seq v2"),
    "counts": re.compile(r"(?<!norm_)(?<!norm )counts?(?![a-z])"),
}
_OTHER_UNITS = re.compile(
    r"rpkm|(?<![a-z])fpkm|(?<![a-z])cpm(?![a-z])|percentile|ranks?(?![a-z])|mean[- ]normali[sz]ed"
)
_ARRAYS = re.compile(r"micro-?array|affymetrix|agilent|u133|illumina[ _]?(ht|bead)|(?<![a-z])huex")
_OFFSET_ONE = re.compile(r"\+ ?1(?:\.0)?(?![\d.])|_1(?!\d)")
_OFFSET_THOUSANDTH = re.compile(r"\+ ?0\.001(?!\d)|_0001(?!\d)")


@dataclass(frozen=True)
class Declared:
    """What the user says of a cohort; None where the folder is to say it."""

    cancer_type: str | None = None
    profile: str | None = None
    scale: str | None = None
    zscore_reference: str | None = None
    #: The genes that are asked for; a reader may leave out the rows of others, `features.assembly` does it in any case.
    only: frozenset[str] | None = None
    #: ``days``, ``months`` or ``years``: of times whose column states no unit.
    time_unit: str | None = None

    def __post_init__(self) -> None:
        if self.scale is not None and self.scale not in SCALES:
            raise ScaleError(f"expression scale {self.scale!r} is not known; known are {', '.join(SCALES)}.")
        if self.zscore_reference is not None and self.scale not in {None, "zscore"}:
            raise ScaleError(f"a z-score reference is declared, but the scale is {self.scale}; only z-scores have one.")


@dataclass(frozen=True)
class Profile:
    """An expression file.

    Parameters
    ----------
    path : Path
    name : str
        cBioPortal's stable id, or the file's name.
    scale : str or None
        What the folder says of it; None where it does not, or names one that is not in `SCALES`.
    """

    path: Path
    name: str
    scale: str | None

    def is_called(self, name: str) -> bool:
        """Return whether a user may mean this file by a name."""
        return name in {self.name, self.path.name, self.path.name.removesuffix(".gz"), self.path.name.split(".")[0]}


@dataclass(frozen=True)
class ChosenProfile:
    """The file that is read, its scale, the reference of its z-scores, what was decided, and what it is called."""

    path: Path
    scale: str
    zscore_reference: str | None
    ledger: Ledger
    name: str


def stated_scale(text: str) -> str | None:
    """Return the scale that a description states.

    Parameters
    ----------
    text : str
        A stable id, a file name, a profile's name and description, or all of them.

    Returns
    -------
    str or None
        None where no unit is stated, one that is not in `SCALES`, or a logarithm without its offset.
    """
    words = text.lower()
    if re.search(r"z-?_?scores?", words):
        return "zscore"
    if _ARRAYS.search(words):
        return "microarray_log2"
    unit = next((unit for unit, pattern in _UNITS.items() if pattern.search(words)), None)
    if unit is None or (_OTHER_UNITS.search(words) and unit != "fpkm_uq"):
        return None
    if not re.search(r"log[-_ ]?2|log2|(?<![a-z])log(?![a-z])", words):
        return unit
    return _logged(unit, words)


def choose(profiles: Sequence[Profile], declared: Declared, *, study: str, source: str) -> ChosenProfile:
    """Choose the expression file to read and settle its scale.

    Parameters
    ----------
    profiles : sequence of Profile
    declared : Declared
        A named profile is taken; a declared scale is taken at its word for a profile that is named or says nothing.
    study : str
        The study's name, the first half of the name of a z-score's reference.
    source : str
        For errors.

    Raises
    ------
    CohortError
        If there is no expression file, none of the declared name, or none of the declared scale.
    ScaleError
        If the scale of the chosen file is neither stated nor declared.
    """
    if not profiles:
        raise CohortError(f"{source}: has no expression file; add one, with a description that states its scale.")
    chosen = _preferred(profiles, declared, source)
    scale = declared.scale or chosen.scale
    if scale is None:
        raise ScaleError(
            f"{source}: {chosen.path.name} is on none of the known scales, or does not say on which; "
            f"declare one of {', '.join(SCALES)}."
        )
    if declared.zscore_reference is not None and scale != "zscore":
        raise ScaleError(f"{source}: a z-score reference is declared, but {chosen.path.name} is {scale}.")
    reference = (declared.zscore_reference or f"{study}:{chosen.name}") if scale == "zscore" else None
    return ChosenProfile(chosen.path, scale, reference, _ledger(profiles, chosen, declared), chosen.name)


def _logged(unit: str, words: str) -> str | None:
    if unit == "tpm" and _OFFSET_THOUSANDTH.search(words):
        return "log2_tpm_0001"
    if unit != "counts" and _OFFSET_ONE.search(words) and not _OFFSET_THOUSANDTH.search(words):
        return f"log2_{unit}_1"
    return None


def _preferred(profiles: Sequence[Profile], declared: Declared, source: str) -> Profile:
    if declared.profile is not None:
        named = [profile for profile in profiles if profile.is_called(declared.profile)]
        if not named:
            names = ", ".join(sorted(profile.name for profile in profiles))
            raise CohortError(f"{source}: has no expression profile {declared.profile!r}; it has {names}.")
        return named[0]
    fitting = [profile for profile in profiles if declared.scale is None or profile.scale in {declared.scale, None}]
    if not fitting:
        stated = ", ".join(sorted(f"{profile.name} ({profile.scale})" for profile in profiles))
        raise CohortError(
            f"{source}: declared as {declared.scale}, but the folder says otherwise: {stated}; "
            "name the profile as well if the folder is wrong."
        )
    return min(fitting, key=lambda profile: (_rank(profile.scale), profile.name))


def _rank(scale: str | None) -> int:
    return len(PREFERENCE) if scale is None else PREFERENCE.index(scale)


def _ledger(profiles: Sequence[Profile], chosen: Profile, declared: Declared) -> Ledger:
    others = sorted(profile.name for profile in profiles if profile is not chosen)
    how = "named" if declared.profile else "raw before log before z"
    ledger = Ledger().with_entry("dropped", f"expression profiles beside {chosen.name} ({how})", others)
    if declared.scale is not None and chosen.scale not in {None, declared.scale}:
        what = f"scale {declared.scale} as declared, although the folder says {chosen.scale}"
        ledger = ledger.with_entry("converted", what, (chosen.name,))
    return ledger
