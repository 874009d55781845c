"""The compiled Cox model of a covariate whose hazards span hundreds of powers of ten: one at a time, none overflows."""

from __future__ import annotations

import numpy as np

from training.compiled import compiled
from training.scan.cox_kernel import (
    COEFFICIENT,
    CONVERGED,
    GAIN,
    INFORMATION,
    ITERATIONS,
    LONGEST_STEP,
    PROPORTIONAL,
    ROUNDING,
    STATUS,
)
from training.scan.firth_likelihood import NOBODY, together

MAX_ITERATIONS = 200
#: The last step, relative to the coefficient per standard deviation: after it the error is about its square.
LAST_STEP = 1e-9


@compiled
def fit_steep(x, starts, ends, deaths, opens, efron, transformed, null_log_likelihood, out):  # type: ignore[no-untyped-def]
    """Fit one covariate that has a finite maximum.

    Parameters
    ----------
    x : array, shape (n_followed,)
        The patients in a `RiskLayout`'s order; on any scale.
    starts, ends, deaths, opens, efron, transformed, null_log_likelihood
        The `RiskLayout`.
    out : array, shape (N_RESULTS,)
        Of `training.scan.cox_kernel`; left as it is if no maximum is reached.

    Notes
    -----
    One outlier a thousand times as far out as the rest has such a hazard at any coefficient that the rest ask for.
    Hazards are relative to the largest of their risk set here, and central moments are merged instead of sums of
    squares subtracted: slow, and for the few covariates that the kernel of blocks cannot hold.
    """
    scale = x.std()
    values = (x - x.mean()) / scale
    beta, low, high = 0.0, -np.inf, np.inf
    for iteration in range(MAX_ITERATIONS):
        sums = _sums(values, beta, starts, ends, deaths, opens, efron, transformed)
        score, information = sums[1], sums[2]
        step = score / information
        if abs(step) <= LAST_STEP * max(1.0, abs(beta)):
            _write(sums, beta + step, scale, null_log_likelihood, out)
            out[ITERATIONS] = iteration + 1
            return
        if score > 0:
            low = beta
        else:
            high = beta
        longest = max(LONGEST_STEP, abs(beta))
        if not abs(step) <= longest:
            step = longest if score > 0 else -longest
        beta = beta + step if low < beta + step < high else 0.5 * (low + high)


@compiled
def _sums(x, beta, starts, ends, deaths, opens, efron, transformed):  # type: ignore[no-untyped-def]
    """Return log likelihood, score, information, and the three sums of the test of proportional hazards."""
    likelihood, score, information, weighted_score, weighted, squared = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    at_risk = NOBODY
    for k in range(len(starts)):
        if opens[k]:
            at_risk = NOBODY
        first, weight = ends[k] - deaths[k], transformed[k]
        for i in range(starts[k], first):
            at_risk = together(at_risk, (x[i] * beta, 1.0, x[i], 0.0, 0.0))
        dead = NOBODY
        for i in range(first, ends[k]):
            dead = together(dead, (x[i] * beta, 1.0, x[i], 0.0, 0.0))
        for tied in range(deaths[k]):
            left = 1 - efron * tied / deaths[k]
            part = (dead[0], left * dead[1], dead[2], left * dead[3], left * dead[4])
            largest, total, mean, square, _ = together(at_risk, part)
            residual, variance = x[first + tied] - mean, square / total
            likelihood += x[first + tied] * beta - largest - np.log(total)
            score += residual
            information += variance
            weighted_score += weight * residual
            weighted += weight * variance
            squared += weight * weight * variance
        at_risk = together(at_risk, dead)
    return likelihood, score, information, weighted_score, weighted, squared


@compiled
def _write(sums, beta, scale, null_log_likelihood, out):  # type: ignore[no-untyped-def]
    likelihood, _, information, weighted_score, weighted, squared = sums
    out[COEFFICIENT], out[INFORMATION], out[STATUS] = beta / scale, information * scale * scale, CONVERGED
    out[GAIN] = max(0.0, 2.0 * (likelihood - null_log_likelihood))
    against = squared - weighted * weighted / information
    out[PROPORTIONAL] = weighted_score * weighted_score / against if against > ROUNDING * squared else np.nan
