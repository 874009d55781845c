"""How typical a profile is of a reference cohort, in four measures, before any of them is calibrated."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.normal_scores import NormalScoreReference, normal_scores
from features.transform import shrunk_correlation
from training.typicality_kernel import N_PARTS, factorise, typicality_parts

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]

#: Knots of one gene's curve: enough for its shape, and far fewer than patients.
N_KNOTS = 33
N_POOL_KNOTS = 129
#: Pooled normal scores at which densities are kept, and the width of the kernel that estimates them.
GRID = np.linspace(-3.5, 3.5, 57)
BANDWIDTH = 0.15
#: As many patients from the pool of all genes are added to each gene's: no density is 0.
PRIOR_PATIENTS = 1.0


@dataclass(frozen=True, eq=False)
class Typicality:
    r"""Reference curves of a cohort's genes, and their correlation.

    Of a profile :math:`x` with normal scores :math:`z` of its known genes:

    * identity, :math:`\sum_j \log g(x_j) / f_j(x_j)`: the density of any gene's value over that of this gene's;
    * copula, :math:`z^\top R^{-1} z - z^\top z`: twice the log likelihood of independence over the cohort's Gaussian
      copula, up to a constant;
    * below, :math:`\sum_j \log(1 + o_j)` with :math:`o_j` the distance below the lowest value of the reference, in
      units of the lower part of its range;
    * extreme, :math:`y^\top R^{-1} y`: Mahalanobis distance of scores that go on beyond the range.

    Each is high for a profile that is unlike the reference.

    Parameters
    ----------
    starts : array of int, shape (n_genes + 1,)
        Where each gene's knots begin.
    knots, scores : arrays, shape (n_knots,)
        Values and their normal scores, of all genes one after another.
    pool_knots, pool_scores : arrays, shape (n_pool_knots,)
        The same of all genes' values together.
    log_ratio : array, shape (n_genes, n_grid)
        :math:`\log g / f_j` at the pooled scores `GRID`.
    units : array, shape (n_genes, 2)
        What a distance below, and above, the range is measured in.
    correlation : array, shape (n_genes, n_genes)
        Of the normal scores, shrunk towards the identity.

    Notes
    -----
    Z-scores of two cohorts have the same means and variances by construction, and distances that rest on them cannot
    tell the cohorts apart. Shapes differ: an unlogged z-score has a floor, minus its mean over its standard deviation,
    that is each gene's own, and so is its skewness.
    """

    starts: NDArray[np.int64]
    knots: Floats
    scores: Floats
    pool_knots: Floats
    pool_scores: Floats
    log_ratio: Floats
    units: Floats
    correlation: Floats

    def parts(self, values: Floats) -> Floats:
        """Return the four measures of each profile, shape (n_patients, 4); NaN where no gene is known.

        Parameters
        ----------
        values : array, shape (n_patients, n_genes)
            On the reference's scale; NaN where missing.
        """
        return self.measured(values)[0]

    def overshoots(self, values: Floats) -> Floats:
        """Return how far each value lies outside of the reference's range, in units of that part of the range.

        Parameters
        ----------
        values : array, shape (n_patients, n_genes)

        Returns
        -------
        array, of the same shape
            Negative below, positive above, 0 within, NaN where missing.
        """
        return self.measured(values)[1]

    def measured(self, values: Floats) -> tuple[Floats, Floats]:
        """Return both, the measures and the overshoots; equal to the bit for one or many."""
        parts, overshoots = np.empty((len(values), N_PARTS)), np.empty(values.shape)
        typicality_parts(
            np.ascontiguousarray(values),
            _by_pattern(np.isnan(values)),
            self.starts,
            self.knots,
            self.scores,
            self.pool_knots,
            self.pool_scores,
            GRID,
            self.log_ratio,
            self.units,
            self.correlation,
            self._complete,
            parts,
            overshoots,
        )
        return parts, overshoots

    @cached_property
    def _complete(self) -> Floats:
        factor = np.zeros(self.correlation.shape)
        factorise(self.correlation, np.arange(len(factor)), factor)
        return factor

    @property
    def ranges(self) -> tuple[Floats, Floats]:
        """The lowest and the highest value of each gene in the reference, shapes (n_genes,)."""
        return self.knots[self.starts[:-1]], self.knots[self.starts[1:] - 1]

    def fields(self) -> dict[str, Any]:
        """Return plain lists and numbers."""
        return {name: getattr(self, name).tolist() for name in self.__dataclass_fields__}

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Typicality:
        """Return what `fields` were made of."""
        rest = dict(fields)
        starts = np.array(rest.pop("starts"), dtype=np.int64)
        return cls(starts, **{name: np.array(values, dtype=np.float64) for name, values in rest.items()})


def fit_typicality(values: Floats) -> Typicality:
    """Learn the reference of patients.

    Parameters
    ----------
    values : array, shape (n_patients, n_genes)
        NaN where missing; every gene is known in some patient.
    """
    curves = [_thinned(NormalScoreReference.fit(gene), N_KNOTS) for gene in values.T]
    pool = _thinned(NormalScoreReference.fit(values.ravel()), N_POOL_KNOTS)
    return Typicality(
        starts=np.cumsum([0, *(len(curve.knots) for curve in curves)], dtype=np.int64),
        knots=np.concatenate([curve.knots for curve in curves]),
        scores=np.concatenate([curve.scores for curve in curves]),
        pool_knots=pool.knots,
        pool_scores=pool.scores,
        log_ratio=np.array([_log_ratio(pool.score(gene[np.isfinite(gene)])) for gene in values.T]),
        units=np.array([_units(gene[np.isfinite(gene)]) for gene in values.T]),
        correlation=_correlation(values),
    )


def _thinned(curve: NormalScoreReference, n_knots: int) -> NormalScoreReference:
    """Keep the ends, and knots evenly in score between them."""
    wanted = np.linspace(curve.scores[0], curve.scores[-1], n_knots)
    kept = np.unique(np.searchsorted(curve.scores, wanted))
    return NormalScoreReference(curve.knots[kept], curve.scores[kept])


def _log_ratio(pooled: Floats) -> Floats:
    """Return the log density of any gene's pooled scores over that of one gene's, at `GRID`."""
    kernel = np.exp(-0.5 * ((GRID[:, np.newaxis] - pooled) / BANDWIDTH) ** 2).sum(axis=1) / BANDWIDTH
    spread = 1 + BANDWIDTH**2
    any_gene = np.exp(-0.5 * GRID**2 / spread) / np.sqrt(spread)
    expected = (len(pooled) + PRIOR_PATIENTS) * any_gene
    return np.asarray(np.log(expected / (kernel + PRIOR_PATIENTS * any_gene)))


def _units(known: Floats) -> tuple[float, float]:
    """Return the width of the outer quarter of a gene's values on either side, or of more where it has none."""
    lowest, *quarters, highest = np.quantile(known, [0, 0.25, 0.5, 0.75, 1]).tolist()
    below = [quarter - lowest for quarter in (*quarters, highest)]
    above = [highest - quarter for quarter in (*reversed(quarters), lowest)]
    # A fold's patients may all have one value of a gene that varies in the cohort: one unit of the scale, then.
    return next((w for w in below if w > 0), 1.0), next((w for w in above if w > 0), 1.0)


def _correlation(values: Floats) -> Floats:
    scores = normal_scores(values)
    varying = np.flatnonzero(np.nanmax(values, axis=0) > np.nanmin(values, axis=0))
    correlation = np.eye(values.shape[1])
    correlation[np.ix_(varying, varying)] = shrunk_correlation(scores[:, varying])
    return correlation


def _by_pattern(missing: Bools) -> Integers:
    """Return an order of the profiles in which those that lack the same genes follow each other."""
    if len(missing) < 2 or not missing.any():
        return np.arange(len(missing))
    return np.lexsort(np.packbits(missing, axis=1).T)
