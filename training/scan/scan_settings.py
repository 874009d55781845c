"""What a scan computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from features.errors import PrognosisError
from training.scan.codings import CUTS


class ScanError(PrognosisError):
    """A cohort, or genes, that cannot be scanned so."""


@dataclass(frozen=True)
class ScanSettings:
    """What a scan computes.

    Parameters
    ----------
    cuts : tuple of str
        Of `CUTS`, in the order of the rows.
    quantile : float
        Where ``quantile`` cuts.
    ties : str
        ``efron`` or ``breslow``.
    adjusted_for : tuple of str
        Clinical columns that stand beside each gene in a second model; patients who lack one are not in that.
    strata : str or None
        A clinical column: patients are compared with those who have the same value only, and one who lacks it is left
        out. Not for optimal cuts.
    curves : bool
        Whether ``per_sd`` rows are tested for a curve.
    restricted_to_months : float or None
        Up to when survival is averaged; as far as five years, or ten patients at risk, unless given.
    permutations : int
        For the p-value of optimal cuts; none if 0.
    resampled_at_most : int
        Genes, those with the smallest corrected p first, whose optimal cut gets a hazard ratio: the naive one is never
        shown without the shrunken one, which takes some milliseconds a gene.
    samples : int
        Bootstrap samples behind a shrunken hazard ratio.
    seed : int
    threads : int
        Results do not depend on it.
    """

    cuts: tuple[str, ...] = ("per_sd", "per_unit", "median", "optimal")
    quantile: float = 0.75
    ties: Literal["efron", "breslow"] = "efron"
    adjusted_for: tuple[str, ...] = ()
    strata: str | None = None
    curves: bool = True
    restricted_to_months: float | None = None
    permutations: int = 10_000
    resampled_at_most: int = 2_000
    samples: int = 200
    seed: int = 20230315
    threads: int = 1

    def __post_init__(self) -> None:
        unknown = [cut for cut in self.cuts if cut not in CUTS]
        if unknown or not self.cuts:
            raise ScanError(f"A scan cuts genes in one or more of these ways: {', '.join(CUTS)}; not {unknown}.")
        if self.strata and "optimal" in self.cuts:
            raise ScanError(
                f"The optimal cut is sought over all patients, and cannot be stratified by {self.strata}; cut in other "
                f"ways only, not in all of {', '.join(self.cuts)}."
            )
        if not 0 < self.quantile < 1:
            raise ScanError(f"A quantile lies between 0 and 1, and {self.quantile:g} does not.")
