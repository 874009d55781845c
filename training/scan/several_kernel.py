"""The compiled Cox model of several covariates: one gene with others beside it, a block of genes in step."""

from __future__ import annotations

import numpy as np

from training.compiled import CONTRACT, compiled
from training.scan.compiled_math import exponent, exponential, mantissa
from training.scan.cox_kernel import CONSTANT, CONVERGED, LARGEST_PREDICTOR, MANTISSAS, NOT_CONVERGED, SEPARATED

#: The columns of the kernel's results; the first covariate's coefficient and variance.
COEFFICIENT, VARIANCE, LOG_LIKELIHOOD, STATUS = range(4)
N_RESULTS = 4

#: A likelihood that rises for ever moves a coefficient by about 1 a step; one with a maximum needs some ten steps.
MAX_ITERATIONS = 50
#: A step that is taken as the last, per standard deviation: after it the error is about its square.
SMALL_STEP = 1e-7
#: A loss of likelihood within rounding is no loss.
ROUNDING = 1e-12
#: What others leave of a covariate's information; less is rounding.
SINGULAR = 1e-9
#: The gene has a maximum or none, but the likelihood rises for ever in another covariate.
OTHER_SEPARATED = 4
#: Log hazard ratio per standard deviation; at the end of the steps anything beyond it is on its way to infinity.
RUN_AWAY = 15.0
#: Where no information is left that far from 0, there was some at 0: it fell for a coefficient that runs away.
FAR = 5.0

# Rows of the working array that every model has; sums over the covariates and their pairs follow.
S0, T0, LOG, PRODUCT, EXPONENT, PREDICTOR, HAZARD, REACHED, READY, FARTHEST = range(10)
N_FIXED = 10


@compiled
def fit_several(blocks, starts, ends, deaths, opens, efron, results):  # type: ignore[no-untyped-def]
    r"""Fit each lane of each block.

    Parameters
    ----------
    blocks : array, shape (n_blocks, n_followed, n_covariates, width)
        Covariates with mean 0 and standard deviation 1, the patients in a `RiskLayout`'s order; the first is the one
        that is asked for.
    starts, ends, deaths, opens, efron
        The `RiskLayout`.
    results : array, shape (n_blocks, width, N_RESULTS)
        Written: the first covariate's log hazard ratio per standard deviation and its variance, the log likelihood at
        the maximum, and the status.

    Notes
    -----
    Newton's method with halved steps. The rows of the working array hold, for each lane, the sums over those at risk
    (of 1, of each covariate, of each pair) and over tied events, the score, the information, the coefficients and the
    step.
    """
    q = blocks.shape[2]
    pairs = q * (q + 1) // 2
    work = np.zeros((N_FIXED + 5 * q + 3 * pairs, blocks.shape[3]))
    for b in range(blocks.shape[0]):
        _maximise(blocks[b], starts, ends, deaths, opens, efron, work, results[b])


@compiled
def _rows(q):  # type: ignore[no-untyped-def]
    """Return where the blocks of rows begin: S1, S2, T1, T2, score, information, coefficients, step."""
    pairs = q * (q + 1) // 2
    s1 = N_FIXED
    s2 = s1 + q
    t1 = s2 + pairs
    t2 = t1 + q
    score = t2 + pairs
    info = score + q
    beta = info + pairs
    return s1, s2, t1, t2, score, info, beta, beta + q


@compiled
def _maximise(x, starts, ends, deaths, opens, efron, work, out):  # type: ignore[no-untyped-def]
    q = x.shape[1]
    _, _, _, _, _, _, beta, _ = _rows(q)
    work[beta : beta + 2 * q] = 0.0
    work[REACHED], work[READY] = -np.inf, 0.0
    out[:, STATUS] = NOT_CONVERGED
    for _ in range(MAX_ITERATIONS):
        _derivatives(x, starts, ends, deaths, opens, efron, work)
        waiting = 0
        for j in range(work.shape[1]):
            waiting += _advance(work, q, j, out)
        if waiting == 0:
            return
    for j in range(work.shape[1]):
        if out[j, STATUS] == NOT_CONVERGED:
            out[j, STATUS] = _ran_away(work, beta, q, j, RUN_AWAY, NOT_CONVERGED)


@compiled
def _ran_away(work, beta, q, j, limit, otherwise):  # type: ignore[no-untyped-def]
    """Return the status of a lane of which a coefficient goes to infinity: the gene's, or another covariate's."""
    if abs(work[beta, j]) > limit:
        return SEPARATED
    for a in range(1, q):
        if abs(work[beta + a, j]) > limit:
            return OTHER_SEPARATED
    return otherwise


@compiled
def _advance(work, q, j, out):  # type: ignore[no-untyped-def]
    """Take a lane's next step, or write its results; return 1 if it goes on."""
    _, _, _, _, score, info, beta, step = _rows(q)
    if work[READY, j] == 2.0:
        return 0
    reached = work[LOG, j]
    if not reached >= work[REACHED, j] - ROUNDING * abs(reached):
        # The step was too long: half of it back.
        for a in range(q):
            work[step + a, j] *= 0.5
            work[beta + a, j] -= work[step + a, j]
        work[READY, j] = 0.0
        return 1
    work[REACHED, j] = reached
    factor = np.zeros((q, q))
    if not _cholesky(work, info, q, j, factor):
        out[j, STATUS] = _ran_away(work, beta, q, j, FAR, CONSTANT)
        work[READY, j] = 2.0
        return 0
    largest = _solve(work, score, step, q, j, factor)
    if work[READY, j] == 1.0 and largest <= SMALL_STEP:
        work[READY, j] = 2.0
        if not work[FARTHEST, j] <= LARGEST_PREDICTOR:
            return 0
        out[j, COEFFICIENT] = work[beta, j] + work[step, j]
        out[j, VARIANCE] = _first_variance(q, factor)
        out[j, LOG_LIKELIHOOD], out[j, STATUS] = reached, CONVERGED
        return 0
    work[READY, j] = 1.0 if largest <= SMALL_STEP else 0.0
    for a in range(q):
        work[beta + a, j] += work[step + a, j]
    return 1


@compiled
def _cholesky(work, info, q, j, factor):  # type: ignore[no-untyped-def]
    """Factorise a lane's information; False if it is singular."""
    for a in range(q):
        for c in range(a + 1):
            value = work[info + a * (a + 1) // 2 + c, j]
            for m in range(c):
                value -= factor[a, m] * factor[c, m]
            if a == c:
                if not value > SINGULAR * work[info + a * (a + 1) // 2 + a, j]:
                    return False
                factor[a, a] = np.sqrt(value)
            else:
                factor[a, c] = value / factor[c, c]
    return True


@compiled
def _solve(work, score, step, q, j, factor):  # type: ignore[no-untyped-def]
    """Write Newton's step, and return its largest part."""
    for a in range(q):
        value = work[score + a, j]
        for m in range(a):
            value -= factor[a, m] * work[step + m, j]
        work[step + a, j] = value / factor[a, a]
    largest = 0.0
    for a in range(q - 1, -1, -1):
        value = work[step + a, j]
        for m in range(a + 1, q):
            value -= factor[m, a] * work[step + m, j]
        work[step + a, j] = value / factor[a, a]
        largest = max(largest, abs(work[step + a, j]))
    return largest


@compiled
def _first_variance(q, factor):  # type: ignore[no-untyped-def]
    """Return the first element of the information's inverse: the squared first column of its factor's inverse."""
    column, total = np.zeros(q), 0.0
    for a in range(q):
        value = 1.0 if a == 0 else 0.0
        for m in range(a):
            value -= factor[a, m] * column[m]
        column[a] = value / factor[a, a]
        total += column[a] * column[a]
    return total


@compiled(inline="always", fastmath=CONTRACT)
def _add(x, i, sum0, sum1, sum2, beta, q, work):  # type: ignore[no-untyped-def]
    """Add a patient to sums of 1, of the covariates and of their pairs; the predictor stays in its row."""
    for j in range(work.shape[1]):
        work[PREDICTOR, j] = 0.0
    for a in range(q):
        for j in range(work.shape[1]):
            work[PREDICTOR, j] += x[i, a, j] * work[beta + a, j]
    for j in range(work.shape[1]):
        work[FARTHEST, j] = max(work[FARTHEST, j], abs(work[PREDICTOR, j]))
        work[HAZARD, j] = exponential(work[PREDICTOR, j])
        work[sum0, j] += work[HAZARD, j]
    for a in range(q):
        for j in range(work.shape[1]):
            work[sum1 + a, j] += work[HAZARD, j] * x[i, a, j]
        for c in range(a + 1):
            pair = sum2 + a * (a + 1) // 2 + c
            for j in range(work.shape[1]):
                work[pair, j] += work[HAZARD, j] * x[i, a, j] * x[i, c, j]


@compiled(fastmath=CONTRACT)
def _derivatives(x, starts, ends, deaths, opens, efron, work):  # type: ignore[no-untyped-def]
    """Sum the log likelihood, its score and its information at each lane's coefficients."""
    q = x.shape[1]
    s1, s2, t1, t2, score, _, beta, _ = _rows(q)
    work[score:beta] = 0.0
    work[LOG], work[PRODUCT], work[EXPONENT], work[FARTHEST] = 0.0, 1.0, 0.0, 0.0
    multiplied = 0
    for k in range(starts.shape[0]):
        first = ends[k] - deaths[k]
        if opens[k]:
            work[S0] = 0.0
            work[s1:t1] = 0.0
        for i in range(starts[k], first):
            _add(x, i, S0, s1, s2, beta, q, work)
        work[T0] = 0.0
        work[t1:score] = 0.0
        for i in range(first, ends[k]):
            _add(x, i, T0, t1, t2, beta, q, work)
            for j in range(work.shape[1]):
                work[LOG, j] += work[PREDICTOR, j]
            for a in range(q):
                for j in range(work.shape[1]):
                    work[score + a, j] += x[i, a, j]
        for j in range(work.shape[1]):
            work[S0, j] += work[T0, j]
        for row in range(t1 - s1):
            for j in range(work.shape[1]):
                work[s1 + row, j] += work[t1 + row, j]
        for tied in range(deaths[k]):
            _take(efron * tied / deaths[k], q, work)
            multiplied += 1
            if multiplied % MANTISSAS == 0:
                _take_logarithms(work)
    _take_logarithms(work)


@compiled(fastmath=CONTRACT)
def _take(share, q, work):  # type: ignore[no-untyped-def]
    """Take one event's risk set from likelihood and score, and add its covariance to the information."""
    s1, s2, t1, t2, score, info, _, _ = _rows(q)
    for j in range(work.shape[1]):
        total = work[S0, j] - share * work[T0, j]
        work[PRODUCT, j] *= mantissa(total)
        work[EXPONENT, j] += exponent(total)
        work[HAZARD, j] = 1.0 / total
    for a in range(q):
        for j in range(work.shape[1]):
            mean = (work[s1 + a, j] - share * work[t1 + a, j]) * work[HAZARD, j]
            work[score + a, j] -= mean
        for c in range(a + 1):
            pair = a * (a + 1) // 2 + c
            for j in range(work.shape[1]):
                mean_a = (work[s1 + a, j] - share * work[t1 + a, j]) * work[HAZARD, j]
                mean_c = (work[s1 + c, j] - share * work[t1 + c, j]) * work[HAZARD, j]
                square = (work[s2 + pair, j] - share * work[t2 + pair, j]) * work[HAZARD, j]
                work[info + pair, j] += square - mean_a * mean_c


@compiled
def _take_logarithms(work):  # type: ignore[no-untyped-def]
    """Take the logarithm of the products so far from the log likelihood, and begin new ones."""
    for j in range(work.shape[1]):
        work[LOG, j] -= np.log(work[PRODUCT, j]) + work[EXPONENT, j] * np.log(2.0)
        work[PRODUCT, j], work[EXPONENT, j] = 1.0, 0.0
