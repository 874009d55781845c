"""The compiled Cox model of one covariate: Newton's method for a block of covariates in step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.compiled import CONTRACT, compiled
from training.scan.compiled_math import exponent, exponential, mantissa

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: Covariates that are fitted in step: a few vector registers of them, and one block fits a core's cache.
LANES = 32
#: What is known of a covariate when it leaves the kernel.
CONVERGED, CONSTANT, SEPARATED, NOT_CONVERGED = 0, 1, 2, 3
#: The columns of the kernel's results.
COEFFICIENT, INFORMATION, GAIN, SCORE_STATISTIC, PROPORTIONAL, ITERATIONS, STATUS = range(7)
N_RESULTS = 7

MAX_ITERATIONS = 100
#: A step that is taken as the last but one, per standard deviation: after it the error is about its square.
SMALL_STEP = 2e-6
#: Where that square is larger than this after all, one more is taken; standard errors are then good to ten digits.
LAST_STEP = 1e-10
#: The longest step, in standard deviations: far from the maximum the information is all but nothing.
LONGEST_STEP = 3.0
#: A spread of rounding errors is no spread.
ROUNDING = 1e-12
#: Where a covariate may have no finite maximum, it is examined: its coefficient goes beyond this, in standard
#: deviations, or takes so many steps, or at 0 there is so little information an event.
FAR, MANY_STEPS, LITTLE_INFORMATION = 2.0, 5, 1e-6
#: Beyond this a linear predictor is outside the exponential's range, and the estimate is not to be trusted.
LARGEST_PREDICTOR = 600.0
#: A product of so many mantissas, each below 2, does not overflow.
MANTISSAS = 1000

# Rows of the working array. One array: the compiler then knows that they do not overlap, and can use vectors.
S0, S1, S2, T0, T1, T2, SCORE, INFO, BETA, LOW, HIGH, LOG, PRODUCT, EXPONENT, ZPH_U, ZPH_I1, ZPH_I2, READY = range(18)
N_WORK = 18
# While the lanes are standardised, the same rows hold other things.
MEAN, SQUARE = range(2)


@compiled
def fit_blocks(blocks, starts, ends, deaths, opens, efron, transformed, null_log_likelihood, results):  # type: ignore[no-untyped-def]
    r"""Fit each lane of each block.

    Parameters
    ----------
    blocks : array, shape (n_blocks, n_followed, width)
        Covariates, the patients in a `RiskLayout`'s order; standardised here, in place.
    starts, ends, deaths, opens, efron, transformed, null_log_likelihood
        The `RiskLayout`.
    results : array, shape (n_blocks, width, N_RESULTS)
        Written: log hazard ratio per unit of the covariate as it came, its information, twice the gain in log
        likelihood, the score statistic, the statistic of proportional hazards, Newton's steps, the status.

    Notes
    -----
    Patients in the outer loop and covariates in the inner one, so that exponentials run in vector registers. The
    score falls in the coefficient, so a bracket of its sign makes Newton safe without a likelihood, of which the
    logarithms are taken once, at the maximum. A lane that is ready waits: no result depends on its neighbours.
    """
    work, scale = np.empty((N_WORK, blocks.shape[2])), np.empty(blocks.shape[2])
    for b in range(blocks.shape[0]):
        x, out = blocks[b], results[b]
        _standardise(x, work, scale, out)
        _maximise(x, starts, ends, deaths, opens, efron, work, out)
        for _ in range(MAX_ITERATIONS):
            _at_maximum(x, starts, ends, deaths, opens, efron, transformed, work)
            if not _moved(work, out):
                break
        for j in range(work.shape[1]):
            if out[j, STATUS] == CONVERGED:
                _write(x, work, out, j, null_log_likelihood, scale[j])


@compiled
def _standardise(x, work, scale, out):  # type: ignore[no-untyped-def]
    """Bring each lane to mean 0 and standard deviation 1, in place; to 0 where it is constant."""
    n = x.shape[0]
    work[MEAN], work[SQUARE] = 0.0, 0.0
    for i in range(n):
        for j in range(work.shape[1]):
            work[MEAN, j] += x[i, j]
    for j in range(work.shape[1]):
        work[MEAN, j] /= n
    for i in range(n):
        for j in range(work.shape[1]):
            value = x[i, j] - work[MEAN, j]
            x[i, j] = value
            work[SQUARE, j] += value * value
    for j in range(work.shape[1]):
        scale[j] = np.sqrt(work[SQUARE, j] / n)
        constant = scale[j] <= ROUNDING * abs(work[MEAN, j])
        out[j, STATUS] = CONSTANT if constant else CONVERGED
        work[SQUARE, j] = 0.0 if constant else 1.0 / scale[j]
    for i in range(n):
        for j in range(work.shape[1]):
            x[i, j] *= work[SQUARE, j]


@compiled
def _examine(x, starts, ends, deaths, opens, out):  # type: ignore[no-untyped-def]
    """Say which lanes have no finite maximum: every event is the extreme of its risk set, or nothing varies in one."""
    for j in range(x.shape[1]):
        rising, falling, varies = True, True, False
        highest, lowest = -np.inf, np.inf
        for k in range(starts.shape[0]):
            if opens[k]:
                highest, lowest = -np.inf, np.inf
            for i in range(starts[k], ends[k]):
                highest, lowest = max(highest, x[i, j]), min(lowest, x[i, j])
            for i in range(ends[k] - deaths[k], ends[k]):
                rising = rising and x[i, j] >= highest
                falling = falling and x[i, j] <= lowest
            varies = varies or highest - lowest > ROUNDING * max(abs(highest), abs(lowest))
        if out[j, STATUS] == CONVERGED and not (varies and not rising and not falling):
            out[j, STATUS] = SEPARATED if varies else CONSTANT


@compiled
def _maximise(x, starts, ends, deaths, opens, efron, work, out):  # type: ignore[no-untyped-def]
    """Take Newton's steps until each lane that has a maximum is so near that one more step reaches it."""
    for j in range(work.shape[1]):
        work[BETA, j], work[LOW, j], work[HIGH, j] = 0.0, -np.inf, np.inf
        work[READY, j] = 0.0 if out[j, STATUS] == CONVERGED else 1.0
    little, examined = LITTLE_INFORMATION * deaths.sum(), False
    for iteration in range(MAX_ITERATIONS):
        if iteration == 0:
            _derivatives_at_zero(x, starts, ends, deaths, opens, efron, work)
        else:
            _derivatives(x, starts, ends, deaths, opens, efron, work)
        waiting, doubtful = 0, iteration == MANY_STEPS
        for j in range(work.shape[1]):
            if work[READY, j]:
                continue
            if iteration == 0:
                out[j, SCORE_STATISTIC] = work[SCORE, j] * work[SCORE, j] / work[INFO, j]
                doubtful = doubtful or not work[INFO, j] > little
            _newton_step(work, out, j, iteration)
            doubtful = doubtful or abs(work[BETA, j]) > FAR
            waiting += work[READY, j] == 0.0
        if doubtful and not examined:
            examined = True
            _examine(x, starts, ends, deaths, opens, out)
            waiting = _without_those_that_have_none(work, out)
        if waiting == 0:
            return
    for j in range(work.shape[1]):
        if not work[READY, j]:
            out[j, STATUS] = NOT_CONVERGED


@compiled
def _without_those_that_have_none(work, out):  # type: ignore[no-untyped-def]
    """Count the lanes that go on, without those that were found to have no finite maximum."""
    waiting = 0
    for j in range(work.shape[1]):
        if out[j, STATUS] != CONVERGED:
            work[READY, j], work[BETA, j] = 1.0, 0.0
        waiting += work[READY, j] == 0.0
    return waiting


@compiled
def _newton_step(work, out, j, iteration):  # type: ignore[no-untyped-def]
    """Take a lane's step: Newton's if it stays between the signs of the score seen so far, else to their middle."""
    beta, score = work[BETA, j], work[SCORE, j]
    if score > 0:
        work[LOW, j] = beta
    elif score < 0:
        work[HIGH, j] = beta
    step = score / work[INFO, j]
    if not abs(step) <= LONGEST_STEP:
        step = LONGEST_STEP if score > 0 else -LONGEST_STEP
    if abs(step) > SMALL_STEP and not work[LOW, j] < beta + step < work[HIGH, j]:
        step = 0.5 * (work[LOW, j] + work[HIGH, j]) - beta
    work[BETA, j] = beta + step
    if abs(step) <= SMALL_STEP:
        work[READY, j], out[j, ITERATIONS] = 1.0, iteration + 1


@compiled
def _moved(work, out):  # type: ignore[no-untyped-def]
    """Take one more step in the lanes that are not near enough; say whether there were any."""
    moved = False
    for j in range(work.shape[1]):
        step = work[SCORE, j] / work[INFO, j]
        if out[j, STATUS] == CONVERGED and LAST_STEP < abs(step) <= SMALL_STEP:
            work[BETA, j] += step
            moved = True
    return moved


@compiled
def _write(x, work, out, j, null_log_likelihood, scale):  # type: ignore[no-untyped-def]
    """Write a lane's results, with the last step, which the error's square makes tiny."""
    beta, largest = work[BETA, j] + work[SCORE, j] / work[INFO, j], 0.0
    for i in range(x.shape[0]):
        largest = max(largest, abs(x[i, j]))
    if not largest * abs(beta) <= LARGEST_PREDICTOR:
        out[j, STATUS] = NOT_CONVERGED
        return
    out[j, COEFFICIENT], out[j, INFORMATION] = beta / scale, work[INFO, j] * scale * scale
    out[j, GAIN] = max(0.0, 2.0 * (work[LOG, j] - null_log_likelihood))
    against = work[ZPH_I2, j] - work[ZPH_I1, j] * work[ZPH_I1, j] / work[INFO, j]
    possible = against > ROUNDING * work[ZPH_I2, j]
    out[j, PROPORTIONAL] = work[ZPH_U, j] * work[ZPH_U, j] / against if possible else np.nan


@compiled(inline="always", fastmath=CONTRACT)
def _join(x, first, end, opens, work):  # type: ignore[no-untyped-def]
    """Add patients to the risk set; where a stratum opens, it is empty before."""
    if opens:
        for j in range(work.shape[1]):
            work[S0, j], work[S1, j], work[S2, j] = 0.0, 0.0, 0.0
    for i in range(first, end):
        for j in range(work.shape[1]):
            value = x[i, j]
            hazard = exponential(value * work[BETA, j])
            work[S0, j] += hazard
            hazard *= value
            work[S1, j] += hazard
            work[S2, j] += hazard * value


@compiled(inline="always", fastmath=CONTRACT)
def _join_and_die(x, first, end, work):  # type: ignore[no-untyped-def]
    """Add those who have the event to the risk set, and sum them by themselves for their ties."""
    for j in range(work.shape[1]):
        work[T0, j], work[T1, j], work[T2, j] = 0.0, 0.0, 0.0
    for i in range(first, end):
        for j in range(work.shape[1]):
            value = x[i, j]
            hazard = exponential(value * work[BETA, j])
            work[T0, j] += hazard
            hazard *= value
            work[T1, j] += hazard
            work[T2, j] += hazard * value
    for j in range(work.shape[1]):
        work[S0, j] += work[T0, j]
        work[S1, j] += work[T1, j]
        work[S2, j] += work[T2, j]


@compiled(fastmath=CONTRACT)
def _derivatives_at_zero(x, starts, ends, deaths, opens, efron, work):  # type: ignore[no-untyped-def]
    """Sum the score and the information where the coefficient is 0: all hazards are 1, and need no exponential."""
    work[SCORE], work[INFO] = 0.0, 0.0
    at_risk = 0.0
    for k in range(starts.shape[0]):
        first = ends[k] - deaths[k]
        if opens[k]:
            at_risk = 0.0
            work[S1], work[S2] = 0.0, 0.0
        at_risk += ends[k] - starts[k]
        work[T1], work[T2] = 0.0, 0.0
        for i in range(starts[k], first):
            for j in range(work.shape[1]):
                work[S1, j] += x[i, j]
                work[S2, j] += x[i, j] * x[i, j]
        for i in range(first, ends[k]):
            for j in range(work.shape[1]):
                work[T1, j] += x[i, j]
                work[T2, j] += x[i, j] * x[i, j]
        for j in range(work.shape[1]):
            work[SCORE, j] += work[T1, j]
            work[S1, j] += work[T1, j]
            work[S2, j] += work[T2, j]
        for tied in range(deaths[k]):
            share = efron * tied / deaths[k]
            inverse = 1.0 / (at_risk - share * deaths[k])
            for j in range(work.shape[1]):
                mean = (work[S1, j] - share * work[T1, j]) * inverse
                work[SCORE, j] -= mean
                work[INFO, j] += (work[S2, j] - share * work[T2, j]) * inverse - mean * mean


@compiled(fastmath=CONTRACT)
def _derivatives(x, starts, ends, deaths, opens, efron, work):  # type: ignore[no-untyped-def]
    """Sum the score and the information of each lane at its coefficient."""
    work[SCORE], work[INFO] = 0.0, 0.0
    for k in range(starts.shape[0]):
        if deaths[k] == 1:
            # Without ties all are alike.
            _join(x, starts[k], ends[k], opens[k], work)
            last = ends[k] - 1
            for j in range(work.shape[1]):
                inverse = 1.0 / work[S0, j]
                mean = work[S1, j] * inverse
                work[SCORE, j] += x[last, j] - mean
                work[INFO, j] += work[S2, j] * inverse - mean * mean
            continue
        first = ends[k] - deaths[k]
        _join(x, starts[k], first, opens[k], work)
        _join_and_die(x, first, ends[k], work)
        for tied in range(deaths[k]):
            share = efron * tied / deaths[k]
            for j in range(work.shape[1]):
                inverse = 1.0 / (work[S0, j] - share * work[T0, j])
                mean = (work[S1, j] - share * work[T1, j]) * inverse
                work[SCORE, j] += x[first + tied, j] - mean
                work[INFO, j] += (work[S2, j] - share * work[T2, j]) * inverse - mean * mean


@compiled(fastmath=CONTRACT)
def _at_maximum(x, starts, ends, deaths, opens, efron, transformed, work):  # type: ignore[no-untyped-def]
    """Sum score and information again, and what is asked of the maximum only: log likelihood, proportional hazards."""
    work[SCORE], work[INFO], work[LOG], work[PRODUCT], work[EXPONENT] = 0.0, 0.0, 0.0, 1.0, 0.0
    work[ZPH_U], work[ZPH_I1], work[ZPH_I2] = 0.0, 0.0, 0.0
    work[T0], work[T1], work[T2] = 0.0, 0.0, 0.0
    multiplied = 0
    for k in range(starts.shape[0]):
        first, weight = ends[k] - deaths[k], transformed[k]
        # Where one dies alone, the share of ties is 0 whatever their sums.
        alone = deaths[k] == 1
        _join(x, starts[k], ends[k] if alone else first, opens[k], work)
        if not alone:
            _join_and_die(x, first, ends[k], work)
        for tied in range(deaths[k]):
            share = efron * tied / deaths[k]
            for j in range(work.shape[1]):
                value = x[first + tied, j]
                total = work[S0, j] - share * work[T0, j]
                inverse = 1.0 / total
                mean = (work[S1, j] - share * work[T1, j]) * inverse
                variance = (work[S2, j] - share * work[T2, j]) * inverse - mean * mean
                residual = value - mean
                work[SCORE, j] += residual
                work[INFO, j] += variance
                work[LOG, j] += value * work[BETA, j]
                work[PRODUCT, j] *= mantissa(total)
                work[EXPONENT, j] += exponent(total)
                work[ZPH_U, j] += weight * residual
                work[ZPH_I1, j] += weight * variance
                work[ZPH_I2, j] += weight * weight * variance
            multiplied += 1
            if multiplied % MANTISSAS == 0:
                _take_logarithms(work)
    _take_logarithms(work)


@compiled
def _take_logarithms(work):  # type: ignore[no-untyped-def]
    """Take the logarithm of the products so far from the log likelihood, and begin new ones."""
    for j in range(work.shape[1]):
        work[LOG, j] -= np.log(work[PRODUCT, j]) + work[EXPONENT, j] * np.log(2.0)
        work[PRODUCT, j], work[EXPONENT, j] = 1.0, 0.0
