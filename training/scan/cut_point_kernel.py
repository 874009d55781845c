"""Compiled loops over genes and their cuts: sorting, log-rank scores, and the largest statistic of a gene."""

from __future__ import annotations

import numpy as np

from training.compiled import compiled

#: Of two statistics nearer than this, relative, the one at the lower cut is taken: rounding must not choose.
SAME_STATISTIC = 1e-12


@compiled
def search_block(values, order, time, event, by_time, scores, smallest_share, found, n, n_high):  # type: ignore[no-untyped-def]
    """Write each gene's statistic, cut and sums of the distances of its cuts into `found`, and the groups' sizes."""
    n_genes, n_patients = values.shape
    own_weight, own_scores, everyone = np.empty(n_patients), np.empty(n_patients), np.ones(n_patients)
    for gene in range(n_genes):
        n[gene] = n_known(values[gene], order[gene])
        by_value = order[gene, : n[gene]]
        weight, score = everyone, scores
        if n[gene] < n_patients:
            weight, score = own_weight, own_scores
            weight[:] = 0.0
            weight[by_value] = 1.0
            log_rank_scores(time, event, by_time, weight, score)
        statistic, place = best_cut(values[gene], by_value, weight, score, smallest_share)
        if place >= 0:
            found[0, gene], found[1, gene] = statistic, values[gene, by_value[place]]
            found[2, gene], found[3, gene] = _distances(values[gene], by_value, smallest_share)
            n_high[gene] = n[gene] - place - 1


@compiled
def exchange_neighbours(block, order):  # type: ignore[no-untyped-def]
    """Finish the sorting of each row, where values differ in their last bits only."""
    for gene in range(len(block)):
        values, by_value = block[gene], order[gene]
        for k in range(1, len(by_value)):
            moved, place = by_value[k], k
            while place > 0 and values[by_value[place - 1]] > values[moved]:
                by_value[place] = by_value[place - 1]
                place -= 1
            by_value[place] = moved


@compiled
def n_known(values, by_value):  # type: ignore[no-untyped-def]
    """Count the values that are not NaN; these come last in the order."""
    known = len(by_value)
    while known > 0 and np.isnan(values[by_value[known - 1]]):
        known -= 1
    return known


@compiled
def log_rank_scores(time, event, by_time, weight, scores):  # type: ignore[no-untyped-def]
    """Write the log-rank score of each patient into `scores`.

    `by_time` sorts the patients by time. A weight is how often a patient counts: 0 in none of the risk sets. The copies
    of one patient are tied events of one risk set, which tied patients are not (R's maxstat).
    """
    n = len(time)
    after, hazard, first = weight.sum(), 0.0, 0
    while first < n:
        end = first
        while end < n and time[by_time[end]] == time[by_time[first]]:
            # Weights are whole numbers: no rounding.
            after -= weight[by_time[end]]
            end += 1
        for i in by_time[first:end]:
            if event[i] and weight[i] > 0:
                hazard += weight[i] / (after + weight[i])
        for i in by_time[first:end]:
            scores[i] = event[i] - hazard
        first = end


@compiled
def admissible_sizes(n, smallest_share):  # type: ignore[no-untyped-def]
    """Return the smallest and the largest admissible size of the low group among `n` patients."""
    return max(1.0, np.floor(n * smallest_share)), np.floor(n * (1 - smallest_share))


@compiled
def best_cut(values, by_value, weight, scores, smallest_share):  # type: ignore[no-untyped-def]
    """Return the largest statistic and the place of its cut, the last of the low group, in the order; -1 if none."""
    n, total = 0.0, 0.0
    for i in by_value:
        n += weight[i]
        total += weight[i] * scores[i]
    smallest, largest = admissible_sizes(n, smallest_share)
    mean, below, sum_below, spread = total / n, 0.0, 0.0, 0.0
    best, place = 0.0, -1
    for k in range(len(by_value)):
        i = by_value[k]
        deviation = scores[i] - mean
        below += weight[i]
        sum_below += weight[i] * deviation
        spread += weight[i] * deviation * deviation
        if below < smallest or below > largest or values[by_value[k + 1]] == values[i]:
            continue
        squared = sum_below * sum_below / (below * (n - below))
        if squared > best * (1 + 2 * SAME_STATISTIC):
            best, place = squared, k
    return np.sqrt(best * n * (n - 1) / spread), place


@compiled
def _distances(values, by_value, smallest_share):  # type: ignore[no-untyped-def]
    """Sum the distances of neighbouring admissible cuts, and their cubes (1994's t)."""
    n = len(by_value)
    smallest, largest = admissible_sizes(n, smallest_share)
    widths, cubes, last = 0.0, 0.0, 0.0
    for k in range(int(smallest) - 1, int(largest)):
        if values[by_value[k + 1]] == values[by_value[k]]:
            continue
        m = k + 1.0
        if last > 0:
            # 1 - last (n - m) / ((n - last) m), without its cancellation.
            squared = n * (m - last) / ((n - last) * m)
            widths += np.sqrt(squared)
            cubes += squared * np.sqrt(squared)
        last = m
    return widths, cubes
