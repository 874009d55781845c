"""How far pooled cohorts differ in expression: gene by gene, in the main directions, and among nearest neighbours."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.cohort import Cohort
from features.normal_scores import normal_scores

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

N_COMPONENTS = 3
NEIGHBOURS = 10
#: Before and after each cohort's values became normal scores of its own.
COLUMNS = ("kind", "name", "before", "after", "expected")


def batch_effects(cohort: Cohort) -> pd.DataFrame:
    r"""Measure the differences between pooled cohorts before and after each has its own normal scores.

    Parameters
    ----------
    cohort : Cohort
        Pooled, with the genes that are to be looked at.

    Returns
    -------
    DataFrame
        ``kind`` (``gene``, ``component``, ``neighbours``), ``name``, ``before`` and ``after``: of a gene or principal
        component the share of its variance that lies between cohorts,

        .. math:: R^2 = \frac{\sum_k n_k (\bar x_k - \bar x)^2}{\sum_i (x_i - \bar x)^2};

        of ``neighbours`` the share of the ten nearest patients who are of a patient's own cohort. ``expected``: what
        that is where cohorts do not differ. NaN where a gene does not vary.

    Notes
    -----
    *Before* are the values as supplied: where scales differ, all of that difference is in them. *After*, levels and
    spreads are equal by construction, so that genes and components say only that it was done; what the cohorts differ
    in jointly, as in how genes go together, is left, and shows among the neighbours. The outcome takes no part: what
    separates cohorts is shown, and not taken away by it.

    References
    ----------
    Büttner M et al. A test metric for assessing single-cell RNA-seq batch correction. Nat Methods 2019;16:43-49.
    doi:10.1038/s41592-018-0254-1
    """
    strata = cohort.stratum_numbers
    assert strata is not None  # noqa: S101
    raw = cohort.expression.to_numpy(np.float64)
    scored = np.empty_like(raw)
    for number in np.unique(strata):
        scored[strata == number] = normal_scores(raw[strata == number])
    by_chance = (len(np.unique(strata)) - 1) / (len(strata) - 1)
    before, after = _standardised(raw), _standardised(scored)
    names = [str(gene) for gene in cohort.expression.columns]
    rows = [
        *(
            ("gene", *row, by_chance)
            for row in zip(names, _between(before, strata), _between(after, strata), strict=True)
        ),
        *(("component", *row, by_chance) for row in _components(before, after, strata)),
        ("neighbours", f"{NEIGHBOURS} nearest", _own(before, strata), _own(after, strata), _mixed(strata)),
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _standardised(values: Floats) -> Floats:
    """Return values of mean 0 and standard deviation 1, 0 where missing, NaN throughout where one does not vary."""
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    n = np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, values - filled.sum(axis=0) / n, 0.0)
    spread = np.sqrt((centred**2).sum(axis=0) / n)
    # A constant's standard deviation is the rounding of its mean.
    varies = spread > 1e-12 * np.abs(filled).max(axis=0)
    return np.where(varies, centred / np.where(varies, spread, 1.0), np.nan)


def _between(values: Floats, strata: Integers) -> Floats:
    """Return the share of each column's variance that lies between cohorts."""
    means = values.mean(axis=0)
    parts = [values[strata == number] for number in np.unique(strata)]
    between = np.sum([len(part) * (part.mean(axis=0) - means) ** 2 for part in parts], axis=0)
    total = ((values - means) ** 2).sum(axis=0)
    return np.asarray(between / np.where(total > 0, total, np.nan))


def _components(before: Floats, after: Floats, strata: Integers) -> Iterator[tuple[str, float, float]]:
    pair = [_between(_projected(values), strata) for values in (before, after)]
    for number in range(min(map(len, pair))):
        yield f"component {number + 1}", float(pair[0][number]), float(pair[1][number])


def _projected(values: Floats) -> Floats:
    """Return the patients in the first principal components, shape (n_patients, at most 3)."""
    known = values[:, ~np.isnan(values).any(axis=0)]
    left, sizes, _ = np.linalg.svd(known - known.mean(axis=0), full_matrices=False)
    n = min(N_COMPONENTS, int((sizes > 1e-9 * sizes.max(initial=0.0)).sum()))
    return np.asarray(left[:, :n] * sizes[:n])


def _own(values: Floats, strata: Integers) -> float:
    """Return the share of each patient's nearest neighbours who are of the same cohort, averaged over patients."""
    known = values[:, ~np.isnan(values).any(axis=0)]
    squares = (known**2).sum(axis=1)
    distance = squares[:, None] + squares[None, :] - 2 * known @ known.T
    np.fill_diagonal(distance, np.inf)
    nearest = np.argsort(distance, axis=1, kind="stable")[:, : min(NEIGHBOURS, len(values) - 1)]
    return float((strata[nearest] == strata[:, None]).mean())


def _mixed(strata: Integers) -> float:
    """Return the share of the other patients who are of a patient's own cohort, averaged over patients."""
    sizes = np.bincount(strata)
    return float((sizes * (sizes - 1)).sum() / (len(strata) * (len(strata) - 1)))
