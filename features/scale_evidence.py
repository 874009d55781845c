"""Which expression scale a profile's values look like, where they speak against the one that was stated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.errors import ScaleError
from features.normal_scores import NormalScoreReference
from features.scale_names import SCALES
from features.scales import LOGARITHM_MAX, LOGARITHMS, ROUNDING, convert, convertible, floor

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Fewer values than this prove nothing by their spread, only by lying where the scale has no values.
LEAST_KNOWN = 20
#: So many genes of which none lies below its mean are no z-scores, whatever they are; fewer are none if three quarters
#: of them lie above `HIGH_ZSCORE`, or two are exactly 0, as genes without a read are. One patient's may all be high:
#: in 2,400 patients of eight cancers at least 11 of 60 genes lay below the mean.
NEVER_ALL_HIGH = 40
HIGH_ZSCORE = 2.0
#: The largest log2(TPM + 1), 19.93, as the sum of all TPM is a million; and the rounding of a file's last decimal.
LOG2_TPM_MAX = float(np.log2(1e6 + 1)) + ROUNDING


@dataclass(frozen=True, eq=False)
class ScaleReference:
    """The ranges of a reference cohort's genes on the scale of a model.

    Parameters
    ----------
    scale : str
    lowest, highest : arrays, shape (n_genes,)
    """

    scale: str
    lowest: Floats
    highest: Floats

    @classmethod
    def of(cls, references: Mapping[str, NormalScoreReference], scale: str) -> ScaleReference:
        """Return the ranges of a feature state's references, in their order."""
        lowest, highest = ([each.knots[end] for each in references.values()] for end in (0, -1))
        return cls(scale, np.array(lowest), np.array(highest))

    def mostly_outside(self, values: Floats, scale: str) -> Bools:
        """Return whether more than half of each profile's known genes lie outside of their ranges.

        Parameters
        ----------
        values : array, shape (n_patients, n_genes)
            NaN where missing.
        scale : str
            Of the values; one that no formula leads from is outside of nothing.
        """
        if not convertible(scale, self.scale):
            return np.zeros(len(values), dtype=np.bool_)
        possible = np.maximum(values, floor(scale))
        with np.errstate(over="ignore"):
            converted = convert(possible, source=scale, target=self.scale)
        outside = (converted < self.lowest) | (converted > self.highest)
        return np.asarray(2 * outside.sum(axis=1) > np.maximum(_known(values), LEAST_KNOWN - 1))


def looks_like(values: Floats, *, stated: str, reference: ScaleReference | None = None) -> str | None:
    """Return the scale that one profile's values look like, where that is not the stated one; None otherwise.

    Parameters
    ----------
    values : array, shape (n_genes,)
        As they were sent; NaN where missing.
    stated : str
        One of `SCALES`.
    reference : ScaleReference, optional
        Of the same genes in the same order; tells more than the values alone.

    Raises
    ------
    ScaleError
        If the stated scale is not known.
    """
    return look_like(values[np.newaxis], stated=stated, reference=reference)[0]


def look_like(values: Floats, *, stated: str, reference: ScaleReference | None = None) -> list[str | None]:
    """Return, for each profile, what `looks_like` does.

    Parameters
    ----------
    values : array, shape (n_patients, n_genes)
    stated : str
    reference : ScaleReference, optional

    Raises
    ------
    ScaleError
        If the stated scale is not known.

    Notes
    -----
    A scale that is right must not be refused, so only what its values cannot be counts: a value below its floor or
    above its ceiling, a profile of z-scores without one below the mean, most genes outside of all that the reference
    cohort has where another scale brings them inside. Non-integer counts are no contradiction: expected counts are
    such. Scales of different units (TPM, RSEM) cannot be told apart by their values.
    """
    if stated not in SCALES:
        raise ScaleError(f"expression scale {stated!r} is not known; known are {', '.join(SCALES)}.")
    found: list[str | None] = [None] * len(values)
    for i in np.flatnonzero(_impossible(values, stated) | _no_zscores(values, stated)):
        found[i] = _by_range(values[i][~np.isnan(values[i])], stated, reference)
    if reference is not None:
        partner = _partner(stated, reference.scale)
        if partner is not None:
            misplaced = np.flatnonzero(reference.mostly_outside(values, stated))
            if len(misplaced):
                better = values[misplaced]
                inside = ~_impossible(better, partner) & ~reference.mostly_outside(better, partner)
                for i in misplaced[inside].tolist():
                    found[i] = partner
    return found


def scale_words(stated: str, looks: str) -> str:
    """Return the sentence of a refusal: what was stated, what the values look like, and how to mend it."""
    family = " or another abundance that was not logged" if looks in {"tpm", "rsem", "fpkm_uq"} else ""
    family = " or another logarithm of an abundance" if looks in LOGARITHMS and looks != "log2_tpm_0001" else family
    return (
        f"sent as {stated}, but the values look like {looks}{family}: state the scale that they are on, or convert "
        f"them to {stated}."
    )


def _known(values: Floats) -> NDArray[np.int64]:
    return np.asarray(np.count_nonzero(~np.isnan(values), axis=1))


def _impossible(values: Floats, scale: str) -> Bools:
    """Return whether a profile has a value that its scale cannot have."""
    return np.asarray(((values < floor(scale) - ROUNDING) | (values > _ceiling(scale))).any(axis=1))


def _ceiling(scale: str) -> float:
    if scale in {"log2_tpm_1", "log2_tpm_0001"}:
        return LOG2_TPM_MAX
    return LOGARITHM_MAX if scale in LOGARITHMS or scale == "microarray_log2" else np.inf


def _no_zscores(values: Floats, stated: str) -> Bools:
    """Return whether values that were stated as z-scores have none below the mean, or the floor of a logarithm."""
    if stated != "zscore":
        return np.zeros(len(values), dtype=np.bool_)
    known = _known(values)
    high = 4 * np.count_nonzero(values > HIGH_ZSCORE, axis=1) >= 3 * known
    zeros = np.count_nonzero(values == 0, axis=1) >= 2
    never_negative = ~(values < -ROUNDING).any(axis=1) & (high | zeros | (known >= NEVER_ALL_HIGH))
    return np.asarray((known >= LEAST_KNOWN) & (never_negative | (_at_floor(values) >= 2)))


def _at_floor(values: Floats) -> NDArray[np.int64]:
    """Count the values that are log2(0 + 0.001): what a gene without a read is on that scale, and hardly ever else."""
    return np.asarray(np.count_nonzero(np.abs(values - floor("log2_tpm_0001")) < ROUNDING, axis=-1))


def _by_range(known: Floats, stated: str, reference: ScaleReference | None) -> str | None:
    """Return what one profile's known values look like, by their sign, size and whether they are whole."""
    if known.min() < -ROUNDING:
        looks = "log2_tpm_0001" if _at_floor(known) and known.max() <= LOG2_TPM_MAX else "zscore"
    elif known.max() > LOGARITHM_MAX:
        whole = bool(np.all(known == np.round(known)))
        looks = "counts" if whole and len(known) >= LEAST_KNOWN else _unlogged(stated, reference)
    elif stated in LOGARITHMS:
        looks = _unlogged(stated, reference)
    else:
        looks = "log2_tpm_1"
    return looks if looks != stated else None


def _unlogged(stated: str, reference: ScaleReference | None) -> str:
    """Return the unlogged scale that belongs to the stated one, else to the reference's, else TPM."""
    for scale in (stated, reference.scale if reference else stated):
        if scale in LOGARITHMS:
            return LOGARITHMS[scale][0]
    return "tpm"


def _partner(stated: str, of_reference: str) -> str | None:
    """Return the other of an abundance and its logarithm, where the reference is on one of them and can tell."""
    if stated == of_reference:
        if stated in LOGARITHMS:
            return LOGARITHMS[stated][0]
        return next((logged for logged, (raw, offset) in LOGARITHMS.items() if raw == stated and offset == 1), None)
    return of_reference if convertible(stated, of_reference) else None
