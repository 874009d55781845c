"""Whether a model's reference cohort speaks for a new profile: its distance, calibrated on patients held back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from features.cohort import Cohort
from features.panel import Panel
from features.scale_evidence import ScaleReference
from training.resampling import generator
from training.splits import features_of
from training.typicality import Typicality, fit_typicality
from training.typicality_kernel import N_PARTS, calibrated

if TYPE_CHECKING:
    from training.definition import Definition

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: A profile is warned of above this percentile: 4 % of the cohort's own, so that chance seldom makes it more than 5 %.
WARNED_ABOVE = 96.0
#: No profile is refused below this multiple of the distance that the warning begins at, nor below this multiple of the
#: farthest patient who was held back.
LEAST_REFUSED, BEYOND_THE_FARTHEST = 3.0, 1.5
N_FOLDS = 10
#: Shares of known genes for which the distance is calibrated, and how often each patient is shown with so many.
LEVELS = np.array([0.1, 0.25, 0.5, 0.75, 1.0])
N_DRAWS = 4
#: Percentiles that are kept of the held-back patients' distances.
PERCENTS = np.array([*np.arange(0.0, 90.0, 5.0), *np.arange(90.0, 101.0)])
#: From the four measures to what is calibrated: the sum that says whose profile it is, and the extremes.
WEIGHTS = np.array([[1.0, 0.0], [0.25, 0.0], [2.0, 0.0], [0.0, 1.0]])
#: Quantiles of the two at which the distance is 1: nearly all false alarms are left to the first, which sees more.
AT_ONE = (0.95, 0.99)
#: One value so far outside of the reference's range, in the units of `Judgement.outside`, is warned of, and refused,
#: whatever the others are. Of 3,510 patients of ten cohorts, held back, 0.5 % had one beyond the first; none 13.
FAR_VALUE, IMPOSSIBLE_VALUE = 3.0, 20.0
#: Less than this share of a unit outside of the range is a rounding of the value that was sent.
ROUNDING = 1e-3


@dataclass(frozen=True, eq=False)
class Judgement:
    """What is said of each profile.

    Parameters
    ----------
    distance : array, shape (n_patients,)
        0 is the median patient of the cohort, 1 about its 95th percentile; NaN where no gene is known.
    percentile : array, shape (n_patients,)
        0 to 100 among the cohort's own distances, each measured while the patient was held back.
    warned, refused : arrays of bool, shape (n_patients,)
        Above the first limit, above the second, or with a value beyond `FAR_VALUE` or `IMPOSSIBLE_VALUE`; a profile
        without a known gene is refused.
    outside : array, shape (n_patients, n_genes)
        By how much each value lies outside of the reference's range, 0 within and where missing: negative below,
        positive above, in widths of the outer quarter of the gene's values on that side.
    """

    distance: Floats
    percentile: Floats
    warned: Bools
    refused: Bools
    outside: Floats


@dataclass(frozen=True, eq=False)
class Calibration:
    """What the measures are among the cohort's own patients held back, by the share of genes that are known.

    Parameters
    ----------
    centres, scales : arrays, shape (n_levels, 2)
        Median of either measure, and from there to its quantile `AT_ONE`.
    refused_above : array, shape (n_levels,)
        Distance.
    quantiles : array, shape (n_levels, n_percents)
        Distances at the percentiles `PERCENTS`.
    """

    centres: Floats
    scales: Floats
    refused_above: Floats
    quantiles: Floats


@dataclass(frozen=True, eq=False)
class Applicability:
    """The distance of a new profile from the reference cohort, and where it is warned of and refused.

    Parameters
    ----------
    genes : tuple of str
        In the order of every array of values.
    typicality : Typicality
        Learned from all patients.
    calibration : Calibration
        Of patients held back: in turn, each tenth of them against a `Typicality` of the others.
    warned_above : float
        Percentile.
    """

    genes: tuple[str, ...]
    typicality: Typicality
    calibration: Calibration
    warned_above: float = WARNED_ABOVE

    def judge(self, values: Floats) -> Judgement:
        """Judge profiles; equal to the bit for one or many.

        Parameters
        ----------
        values : array, shape (n_patients, n_genes)
            Expression on the model's scale, NaN where missing.
        """
        parts, overshoots = self.typicality.measured(values)
        judged = judged_parts(parts, _shares_known(values), self.calibration)
        distance, percentile, refused_above = np.ascontiguousarray(judged.T)
        farthest = np.abs(overshoots)
        outside = np.where(farthest >= ROUNDING, overshoots, 0.0)
        return Judgement(
            distance,
            percentile,
            warned=~(percentile <= self.warned_above) | (farthest > FAR_VALUE).any(axis=1),
            refused=~(distance <= refused_above) | (farthest > IMPOSSIBLE_VALUE).any(axis=1),
            outside=outside,
        )

    def ranges(self, scale: str) -> ScaleReference:
        """Return the ranges of the genes, for `features.scale_evidence`; `scale` is the model's."""
        return ScaleReference(scale, *self.typicality.ranges)

    def fields(self) -> dict[str, Any]:
        """Return plain lists and numbers, for a bundle: no patient's id, curves instead of patients' values."""
        calibration = {name: getattr(self.calibration, name).tolist() for name in Calibration.__dataclass_fields__}
        return {
            "genes": list(self.genes),
            "typicality": self.typicality.fields(),
            "calibration": calibration,
            "warned_above": self.warned_above,
        }

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Applicability:
        """Return what `fields` were made of; anything unknown or missing is a Key- or TypeError."""
        rest = dict(fields)
        calibration = {name: np.array(values, dtype=np.float64) for name, values in rest.pop("calibration").items()}
        return cls(
            genes=tuple(rest.pop("genes")),
            typicality=Typicality.of(rest.pop("typicality")),
            calibration=Calibration(**calibration),
            **rest,
        )


def fit_applicability(cohort: Cohort, panel: Panel, definition: Definition) -> Applicability:
    """Learn the distance from a cohort, and calibrate it on the cohort's patients held back in turn.

    Parameters
    ----------
    cohort : Cohort
    panel : Panel
    definition : Definition
        Says which genes are known well enough, and the seed.
    """
    genes = features_of(cohort, panel, definition).genes
    values = cohort.expression[list(genes)].to_numpy(np.float64)
    rng = generator(definition.seed, "applicability")
    return Applicability(genes, fit_typicality(values), calibration_of(*held_back_parts(values, rng)))


def held_back_parts(values: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Measure each patient against the others, all genes known and with genes left out at random.

    Parameters
    ----------
    values : array, shape (n_patients, n_genes)
    rng : Generator
        Deals the folds and the genes.

    Returns
    -------
    parts : array, shape (n_levels, n_draws, n_patients, 4)
    shares : array, shape (n_levels, n_draws, n_patients)
        Of the genes that were known.
    """
    n_patients, n_genes = values.shape
    folds = rng.permutation(np.arange(n_patients) % N_FOLDS)
    parts = np.full((len(LEVELS), N_DRAWS, n_patients, N_PARTS), np.nan)
    shares = np.empty(parts.shape[:-1])
    references = [fit_typicality(values[folds != fold]) for fold in range(N_FOLDS) if (folds == fold).any()]
    for level, draw in np.ndindex(parts.shape[:2]):
        shown = _with_genes_left_out(values, max(1, round(LEVELS[level] * n_genes)), rng)
        shares[level, draw] = _shares_known(shown)
        for fold, reference in enumerate(references):
            parts[level, draw, folds == fold] = reference.parts(shown[folds == fold])
    return parts, shares


def calibration_of(parts: Floats, shares: Floats, weights: Floats = WEIGHTS) -> Calibration:
    """Calibrate the distance on measures of patients held back (see `held_back_parts`)."""
    measures = parts.reshape(len(LEVELS), -1, N_PARTS) @ weights
    with np.errstate(invalid="ignore"):
        centres = np.nanquantile(measures, 0.5, axis=1)
        ones = [np.nanquantile(measures[..., side], at, axis=1) for side, at in enumerate(AT_ONE)]
    scales = np.maximum(np.column_stack(ones) - centres, 1e-9)
    free = Calibration(centres, scales, np.zeros(len(LEVELS)), np.zeros((len(LEVELS), len(PERCENTS))))
    rows = parts.reshape(-1, N_PARTS)
    distances = judged_parts(rows, shares.ravel(), free, weights)[:, 0].reshape(len(LEVELS), -1)
    # Weibull's quantiles: a fresh patient exceeds the one at p with probability 1 - p, in a small cohort too.
    quantiles = np.array([np.quantile(row[~np.isnan(row)], PERCENTS / 100, method="weibull") for row in distances])
    refused_above = np.maximum(BEYOND_THE_FARTHEST * np.nanmax(distances, axis=1), LEAST_REFUSED)
    return Calibration(centres, scales, refused_above, quantiles)


def judged_parts(parts: Floats, shares: Floats, calibration: Calibration, weights: Floats = WEIGHTS) -> Floats:
    """Return distance, percentile and the distance refused above of measures, shape (n_patients, 3)."""
    judged = np.empty((len(parts), 3))
    of = calibration
    calibrated(parts, shares, weights, LEVELS, of.centres, of.scales, of.refused_above, of.quantiles, PERCENTS, judged)
    return judged


def _shares_known(values: Floats) -> Floats:
    return np.asarray(np.count_nonzero(~np.isnan(values), axis=1) / max(values.shape[1], 1))


def _with_genes_left_out(values: Floats, n_kept: int, rng: np.random.Generator) -> Floats:
    """Return the values with as many genes of each patient, drawn at random, and the others NaN."""
    left_out = rng.permuted(np.tile(np.arange(values.shape[1]) >= n_kept, (len(values), 1)), axis=1)
    return np.where(left_out, np.nan, values)
