"""Compiled loops over patients and a block of genes: the area under each group's survival curve and its variance."""

from __future__ import annotations

import numpy as np

from training.compiled import compiled


@compiled
def average_groups(high, by_time, time, event, restricted_to, results):  # type: ignore[no-untyped-def]
    """Write the restricted mean, its variance and the size of each gene's low (0) and high (1) group into `results`.

    `by_time` sorts the patients by time. Genes are the inner loop: a row of `high` is read as it lies in memory.
    """
    n_genes, latest = high.shape[1], restricted_to.max()
    for group in range(2):
        mean, variance, size = results[0, group], results[1, group], results[2, group]
        at_risk, survival, state = np.zeros(n_genes), np.ones(n_genes), np.zeros((2, n_genes))
        leaving, deaths, followed_to = np.zeros(n_genes), np.zeros(n_genes), np.zeros(n_genes)
        mean[:], variance[:] = 0.0, 0.0
        for i in by_time:
            for gene in range(n_genes):
                at_risk[gene] += 1.0 if high[i, gene] == group else 0.0
        size[:] = at_risk
        before, first = 0.0, 0
        while first < len(by_time):
            now, end, died = time[by_time[first]], first, False
            while end < len(by_time) and time[by_time[end]] == now:
                patient = by_time[end]
                died |= event[patient]
                _leave(high[patient], group, now, event[patient], leaving, deaths, followed_to)
                end += 1
            if died and now <= latest:
                _advance(before, now, restricted_to, at_risk, deaths, survival, mean, variance, state)
                before = now
            at_risk -= leaving
            leaving[:], deaths[:] = 0.0, 0.0
            first = end
        _advance(before, np.inf, restricted_to, at_risk, deaths, survival, mean, variance, state)
        unknown = (size == 0) | ((survival > 0) & (followed_to < restricted_to))
        mean[unknown], variance[unknown] = np.nan, np.nan


@compiled
def _leave(row, group, now, died, leaving, deaths, followed_to):  # type: ignore[no-untyped-def]
    """Count one patient out of the risk set of those genes that have him or her in the group."""
    death = 1.0 if died else 0.0
    for gene in range(len(row)):
        member = row[gene] == group
        leaving[gene] += 1.0 if member else 0.0
        deaths[gene] += death if member else 0.0
        followed_to[gene] = now if member else followed_to[gene]


@compiled
def _advance(before, now, restricted_to, at_risk, deaths, survival, mean, variance, state):  # type: ignore[no-untyped-def]
    """Add the area since the last event, then let the curve fall; nothing changes beyond a gene's restriction.

    `state` holds Greenwood's terms of the events so far: their sum, and the sum of each times the area since it.
    """
    terms, with_area = state[0], state[1]
    for gene in range(len(mean)):
        area = survival[gene] * (min(now, restricted_to[gene]) - min(before, restricted_to[gene]))
        mean[gene] += area
        # Each term times the square of the area since it, which has grown.
        variance[gene] += area * (2 * with_area[gene] + area * terms[gene])
        with_area[gene] += area * terms[gene]
        died = deaths[gene] if now <= restricted_to[gene] else 0.0
        here = max(at_risk[gene], 1.0)
        left = here - died
        terms[gene] += died / (here * left) if left > 0 else 0.0
        survival[gene] *= left / here
