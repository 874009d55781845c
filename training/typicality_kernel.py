"""The compiled measures of how typical a profile is of its reference: one profile after another, equal to the bit."""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import numpy as np

from training.compiled import compiled
from training.interpolation import interpolated

#: The columns of the kernel's results.
IDENTITY, COPULA, BELOW, EXTREME = range(4)
N_PARTS = 4
#: Beyond the reference's range a score moves on by at most this: one value alone proves little, however far it is.
LONGEST_REACH = 3.0


@compiled
def typicality_parts(  # type: ignore[no-untyped-def]  # noqa: PLR0917
    values,
    order,
    starts,
    knots,
    scores,
    pool_knots,
    pool_scores,
    grid,
    log_ratio,
    units,
    correlation,
    complete,
    parts,
    overshoots,
):
    r"""Write the four measures of each profile, NaN where no gene is known, and how far each value is out of range.

    Parameters
    ----------
    values : array, shape (n_patients, n_genes)
        NaN where missing.
    order : array of int, shape (n_patients,)
        In which profiles are measured: those that lack the same genes one after another are measured faster.
    starts : array of int, shape (n_genes + 1,)
        Where each gene's knots begin.
    knots, scores : arrays, shape (n_knots,)
        Of all genes, one after another.
    pool_knots, pool_scores : arrays, shape (n_pool_knots,)
        Of all genes' values together.
    grid : array, shape (n_grid,)
        Evenly spaced pooled scores.
    log_ratio : array, shape (n_genes, n_grid)
        Log density of any gene's value over that of this gene's.
    units : array, shape (n_genes, 2)
        What a distance below, and above, the range is measured in.
    correlation : array, shape (n_genes, n_genes)
    complete : array, shape (n_genes, n_genes)
        What `factorise` makes of it for all genes.
    parts : array, shape (n_patients, 4)
        Columns `IDENTITY`, `COPULA`, `BELOW` and `EXTREME`.
    overshoots : array, shape (n_patients, n_genes)
        See `overshoot`; NaN where missing.
    """
    n_genes = values.shape[1]
    incomplete, last_point = np.empty((n_genes, n_genes)), len(grid) - 1
    within, beyond = np.empty(n_genes), np.empty(n_genes)
    known, before = np.empty(n_genes, np.int64), np.full(n_genes, -1, np.int64)
    n_before = 0
    for i in order:
        n_known, identity, below, plain = 0, 0.0, 0.0, 0.0
        for j in range(n_genes):
            value = values[i, j]
            if np.isnan(value):
                overshoots[i, j] = np.nan
                continue
            first, last = starts[j], starts[j + 1]
            score = interpolated(value, knots, scores, first, last)
            over = overshoot(value, knots[first], knots[last - 1], units[j, 0], units[j, 1])
            overshoots[i, j] = over
            pooled = interpolated(value, pool_knots, pool_scores, 0, len(pool_knots))
            # The grid is even: no search is needed.
            point = min(max((pooled - grid[0]) / (grid[last_point] - grid[0]), 0.0), 1.0) * last_point
            left = min(int(point), last_point - 1)
            identity += log_ratio[j, left] + (point - left) * (log_ratio[j, left + 1] - log_ratio[j, left])
            reach = min(np.log1p(abs(over)), LONGEST_REACH)
            below += reach if over < 0 else 0.0
            known[n_known], within[n_known] = j, score
            beyond[n_known] = score + np.sign(over) * reach
            plain += score * score
            n_known += 1
        if n_known == 0:
            parts[i] = np.nan
            continue
        if n_known < n_genes and not _same(known, before, n_known, n_before):
            factorise(correlation, known[:n_known], incomplete)
            before[:n_known], n_before = known[:n_known], n_known
        factor = complete if n_known == n_genes else incomplete
        squared, extreme = _squared_lengths(factor, within, beyond, n_known)
        parts[i, IDENTITY], parts[i, COPULA] = identity, squared - plain
        parts[i, BELOW], parts[i, EXTREME] = below, extreme


@compiled
def overshoot(value, lowest, highest, unit_below, unit_above):  # type: ignore[no-untyped-def]
    """Return how far a value lies outside of the range, in its units: negative below, positive above, 0 within."""
    if value < lowest:
        return (value - lowest) / unit_below
    return (value - highest) / unit_above if value > highest else 0.0


@compiled
def _same(known, before, n_known, n_before):  # type: ignore[no-untyped-def]
    if n_known != n_before:
        return False
    return np.all(known[:n_known] == before[:n_known])


@compiled
def factorise(correlation, known, factor):  # type: ignore[no-untyped-def]
    """Write the upper Cholesky factor of the known genes' correlation; the reciprocal stands on its diagonal.

    Parameters
    ----------
    correlation : array, shape (n_genes, n_genes)
        Positive definite.
    known : array of int, shape (n_known,)
    factor : array, shape (n_genes, n_genes)
        Written up to the known genes' number.
    """
    for a in range(len(known)):
        for b in range(a + 1):
            total = correlation[known[a], known[b]]
            for c in range(b):
                total -= factor[c, a] * factor[c, b]
            factor[b, a] = total * factor[b, b] if b < a else 1.0 / np.sqrt(total)


@compiled
def _squared_lengths(factor, within, beyond, n_known):  # type: ignore[no-untyped-def]
    """Return the squared lengths of both scores when the genes' correlation is taken out of them, in place."""
    squared, extreme = 0.0, 0.0
    for c in range(n_known):
        first, second = within[c] * factor[c, c], beyond[c] * factor[c, c]
        squared += first * first
        extreme += second * second
        for a in range(c + 1, n_known):
            within[a] -= factor[c, a] * first
            beyond[a] -= factor[c, a] * second
    return squared, extreme


@compiled
def calibrated(  # type: ignore[no-untyped-def]  # noqa: PLR0917
    parts, shares, weights, levels, centres, scales, refused_above, quantiles, percents, judged
):
    """Write distance, percentile and the distance refused above of each profile into `judged`.

    Parameters
    ----------
    parts : array, shape (n_patients, 4)
    shares : array, shape (n_patients,)
        Of the genes that are known.
    weights : array, shape (4, 2)
        From the measures to the two that are set against their own calibration.
    levels : array, shape (n_levels,)
        Shares of known genes, increasing, for which there are: `centres` and `scales`, shape (n_levels, 2),
        `refused_above`, shape (n_levels,), and `quantiles`, shape (n_levels, n_percents), of the distance.
    percents : array, shape (n_percents,)
    judged : array, shape (n_patients, 3)
    """
    for i in range(len(parts)):
        upper = 1
        while upper < len(levels) - 1 and shares[i] > levels[upper]:
            upper += 1
        share = min(max((shares[i] - levels[upper - 1]) / (levels[upper] - levels[upper - 1]), 0.0), 1.0)
        distance = -np.inf
        for side in range(2):
            measure = 0.0
            for part in range(parts.shape[1]):
                measure += weights[part, side] * parts[i, part]
            centre = (1.0 - share) * centres[upper - 1, side] + share * centres[upper, side]
            scale = (1.0 - share) * scales[upper - 1, side] + share * scales[upper, side]
            distance = max(distance, (measure - centre) / scale)
        if np.isnan(parts[i, 0]):
            judged[i] = np.nan
            continue
        below = interpolated(distance, quantiles[upper - 1], percents, 0, len(percents))
        above = interpolated(distance, quantiles[upper], percents, 0, len(percents))
        judged[i, 0], judged[i, 1] = distance, (1.0 - share) * below + share * above
        judged[i, 2] = (1.0 - share) * refused_above[upper - 1] + share * refused_above[upper]
