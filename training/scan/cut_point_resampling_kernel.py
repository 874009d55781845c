"""Compiled loops over resampled patients: permuted statistics, and bootstrap samples' best cuts judged outside them."""

from __future__ import annotations

import numpy as np

from training.compiled import compiled
from training.scan.cut_point_kernel import admissible_sizes, best_cut, log_rank_scores, n_known

#: Newton stops at steps of the log hazard ratio below this; far below any bootstrap's own error.
STEP_TOLERANCE = 1e-7
MAX_ITERATIONS = 50
LARGEST_STEP = 2.0


@compiled
def squared_statistics(permuted, smallest_share):  # type: ignore[no-untyped-def]
    """Square the standardised statistic of each permutation at each size of the low group; 0 where not admissible."""
    n_permutations, n = permuted.shape
    smallest, largest = admissible_sizes(n, smallest_share)
    mean = permuted[0].mean()
    scale = n * (n - 1) / np.sum((permuted[0] - mean) ** 2)
    squared = np.zeros((n_permutations, n + 1))
    for permutation in range(n_permutations):
        below = 0.0
        for m in range(1, int(largest) + 1):
            below += permuted[permutation, m - 1] - mean
            if m >= smallest:
                squared[permutation, m] = scale * below * below / (m * (n - m))
    return squared


@compiled
def count_exceedances(squared, observed, distinct, counts):  # type: ignore[no-untyped-def]
    """Add to each gene's count the permutations whose largest statistic over its own cuts reaches the observed one.

    `distinct` says of each size of the low group whether the gene's values allow it. Where the largest over all sizes
    falls short, so does any gene's: most permutations need no further look.
    """
    n_permutations, n_sizes = squared.shape
    largest = np.array([squared[permutation].max() for permutation in range(n_permutations)])
    for gene in range(len(observed)):
        every_size = distinct[gene].all()
        for permutation in range(n_permutations):
            reached = largest[permutation] >= observed[gene]
            if reached and not every_size:
                reached = False
                for m in range(n_sizes):
                    if distinct[gene, m] and squared[permutation, m] >= observed[gene]:
                        reached = True
                        break
            counts[gene] += reached


@compiled
def bootstrap_block(values, order, time, event, weights, scores, smallest_share, results):  # type: ignore[no-untyped-def]
    """Write each gene's results at its best cut.

    In rows: its log hazard ratio, the one that is confirmed outside, the samples' spread, the information about it were
    the cut fixed, and the cut. Patients are sorted by time. Row 0 of `weights` counts everyone once, the others are
    bootstrap samples; `scores` are the log-rank scores of each.
    """
    n = values.shape[1]
    own_weight, own_scores, outside, work = np.empty(n), np.empty(n), np.empty(n), np.empty((5, n))
    for gene in range(len(values)):
        known = n_known(values[gene], order[gene])
        by_value = order[gene, :known]
        confirmed, total, mean, spread, n_samples = 0.0, 0.0, 0.0, 0.0, 0
        for sample in range(len(weights)):
            weight, score = weights[sample], scores[sample]
            if known < n:
                weight, score = own_weight, own_scores
                weight[:] = 0.0
                weight[by_value] = weights[sample, by_value]
                log_rank_scores(time, event, np.arange(n), weight, score)
            _, place = best_cut(values[gene], by_value, weight, score, smallest_share)
            if place < 0:
                continue
            high = values[gene] > values[gene, by_value[place]]
            inside, known_of_it = two_group_cox(high, weight, time, event, work)
            if sample == 0:
                results[0, gene], results[3, gene] = inside, known_of_it
                results[4, gene] = values[gene, by_value[place]]
                continue
            outside[:] = 0.0
            outside[by_value] = weights[sample, by_value] == 0
            judged, information = two_group_cox(high, outside, time, event, work)
            if information > 0:
                confirmed += information * judged * np.sign(inside)
                total += information
            n_samples += 1
            change = inside - mean
            mean += change / n_samples
            spread += change * (inside - mean)
        results[1, gene], results[2, gene] = confirmed / total, np.sqrt(spread / (n_samples - 1))


@compiled
def two_group_cox(high, weight, time, event, work):  # type: ignore[no-untyped-def]
    """Return the high group's log hazard ratio after Efron and Firth, and its information; 0 information if none.

    Patients are sorted by time; a weight is how often one counts. Copies of a patient share the risk set of the event,
    as in R's ``coxph(weights = )``.
    """
    n_times, deaths_high = _risk_sets(high, weight, time, event, work)
    coefficient = 0.0
    for _ in range(MAX_ITERATIONS):
        score, information, slope = deaths_high, 0.0, 0.0
        ratio = np.exp(coefficient)
        for k in range(n_times):
            at_risk_high, at_risk_low, died_high, died_low, patients = work[:, k]
            each = (died_high + died_low) / patients
            for tied in range(int(patients)):
                share = tied / patients
                hazard_high = (at_risk_high - share * died_high) * ratio
                probability = hazard_high / (hazard_high + at_risk_low - share * died_low)
                variance = each * probability * (1 - probability)
                score -= each * probability
                information += variance
                slope += variance * (1 - 2 * probability)
        if not information > 0:
            return np.nan, 0.0
        step = (score + slope / (2 * information)) / information
        coefficient += min(max(step, -LARGEST_STEP), LARGEST_STEP)
        if abs(step) < STEP_TOLERANCE:
            break
    return coefficient, information


@compiled
def _risk_sets(high, weight, time, event, work):  # type: ignore[no-untyped-def]
    """Write, for each event time, who is at risk and who dies in each group; return their number and high's deaths."""
    at_risk_high, at_risk_low, deaths_high, n_times = 0.0, 0.0, 0.0, 0
    i = len(time) - 1
    while i >= 0:
        now, died_high, died_low, patients = time[i], 0.0, 0.0, 0
        while i >= 0 and time[i] == now:
            if high[i]:
                at_risk_high += weight[i]
            else:
                at_risk_low += weight[i]
            if event[i] and weight[i] > 0:
                patients += 1
                if high[i]:
                    died_high += weight[i]
                else:
                    died_low += weight[i]
            i -= 1
        if patients > 0:
            work[0, n_times], work[1, n_times] = at_risk_high, at_risk_low
            work[2, n_times], work[3, n_times], work[4, n_times] = died_high, died_low, patients
            deaths_high += died_high
            n_times += 1
    return n_times, deaths_high
