"""Calibration of out-of-fold predictions: slope, observed against expected, smoothed error, and D-calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from training.counted_cox import coefficients, counted_cox, risk_by
from training.counted_survival import quantiles, survival_at

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Predicted risks nearer to 0 or 1 than this are moved there: their log cumulative hazard is infinite.
RISK_MARGIN = 1e-6
#: Where the spline bends: Harrell's quantiles for three knots.
KNOT_QUANTILES = np.array([0.1, 0.5, 0.9])
#: Knots nearer to each other than this share of their range, or of the values, are one: the spline is a straight line.
SMALLEST_KNOT_GAP = 1e-6
N_BINS = 10


@dataclass(frozen=True)
class SmoothedError:
    """Distance between predicted and smoothed observed risk at a day; every array has shape (n_samples,).

    Parameters
    ----------
    ici : array
        Integrated calibration index: the mean distance over patients; lower is better.
    e50, e90 : array
        Median and 90th percentile of the distance.
    """

    ici: Floats
    e50: Floats
    e90: Floats


@dataclass(frozen=True)
class DCalibration:
    """Whether predicted survival at the patients' own times is spread evenly.

    Parameters
    ----------
    bins : array, shape (n_samples, 10)
        Patients in each tenth of predicted survival, lowest first, averaged over repeats.
    statistic : array, shape (n_samples,)
        Chi-square, averaged over repeats; lower is better.
    p_value : array, shape (n_samples,)
        Of `statistic`, 9 degrees of freedom; small where predictions are miscalibrated. It means something for the
        cohort itself; bootstrap samples scatter about the cohort and not about its truth.
    """

    bins: Floats
    statistic: Floats
    p_value: Floats


def calibration_slope(linear_predictor: Floats, time: Floats, event: Bools, counts: Floats) -> Floats:
    """Return the Cox coefficient of the linear predictor in each sample, averaged over repeats.

    Parameters
    ----------
    linear_predictor : array, shape (n_repeats, n_patients)
        Out-of-fold; higher is worse.
    time : array, shape (n_patients,)
        Days.
    event : array of bool, shape (n_patients,)
    counts : array, shape (n_samples, n_patients)
        How often each patient stands in each sample.

    Returns
    -------
    array, shape (n_samples,)
        1 is right, below 1 the predictions are too far apart, negative they point the wrong way; NaN where in some
        repeat there is no finite estimate, as where the predictor does not vary.

    Notes
    -----
    Events on one day are Breslow's (see `training.counted_cox`). Unlike the slope by which
    `training.procedure.calibration_slope` recalibrates, this one judges and has no floor.

    References
    ----------
    van Houwelingen HC. Validation, calibration, revision and combination of prognostic survival models. Stat Med
    2000;19:3401-3415. doi:10.1002/1097-0258(20001230)19:24<3401::AID-SIM554>3.0.CO;2-2
    """
    by_repeat = [coefficients(repeat, time, event, counts) for repeat in linear_predictor]
    return np.asarray(np.mean(by_repeat, axis=0), dtype=np.float64)


def log_observed_expected(survival_at_day: Floats, time: Floats, event: Bools, counts: Floats, *, day: float) -> Floats:
    r"""Return the log of observed to expected risk at a day in each sample, averaged over repeats.

    .. math:: \log \frac{1 - \hat S_{KM}(t)}{\sum_i c_i (1 - \hat S_i(t)) / \sum_i c_i}

    Parameters
    ----------
    survival_at_day : array, shape (n_repeats, n_patients)
        Predicted probability of surviving beyond `day`, out-of-fold.
    time, event, counts
        As in `calibration_slope`.
    day : float
        The horizon, in the unit of `time`.

    Returns
    -------
    array, shape (n_samples,)
        0 is right, positive: more patients fail than was predicted. NaN where nobody fails by the day, is predicted to,
        or is followed until then.
    """
    ratio = observed_expected(survival_at_day, time, event, counts, day=day)
    return np.asarray(np.log(ratio, out=np.full_like(ratio, np.nan), where=ratio > 0).mean(axis=0), dtype=np.float64)


def observed_expected(survival_at_day: Floats, time: Floats, event: Bools, counts: Floats, *, day: float) -> Floats:
    """Return observed over expected risk at a day in each repeat and sample.

    Parameters
    ----------
    survival_at_day, time, event, counts, day
        As in `log_observed_expected`.

    Returns
    -------
    array, shape (n_repeats, n_samples)
        1 is right; 0 where nobody fails by the day. NaN where nobody is predicted to, or is followed until then.
    """
    observed = 1 - survival_at(time, event, counts, day=day)
    expected = (1 - survival_at_day) @ counts.T / counts.sum(axis=1)
    return np.divide(observed, expected, out=np.full_like(expected, np.nan), where=expected > 0)


def integrated_calibration(
    survival_at_day: Floats, time: Floats, event: Bools, counts: Floats, *, day: float
) -> SmoothedError:
    r"""Return how far predicted risk at a day is from what a flexible Cox model of it observes, in each sample.

    The observed risk is that of a Cox model on a restricted cubic spline (three knots) of
    :math:`\log(-\log \hat S_i(t))`.

    Parameters
    ----------
    survival_at_day, time, event, counts, day
        As in `log_observed_expected`; counts are whole numbers.

    Returns
    -------
    SmoothedError
        Averaged over repeats.

    Notes
    -----
    Knots are the deciles 1, 5 and 9 of each sample. Where they coincide the spline is a straight line, and where
    predictions do not vary the observed risk is everybody's (1 − exp of minus the Nelson–Aalen hazard). Where the
    likelihood of a sample has no maximum the fit is as far as Newton came: risks there are 0 and 1 to many digits. So
    there is always a figure. Events on one day are Breslow's.

    References
    ----------
    Austin PC, Harrell FE, van Klaveren D. Graphical calibration curves and the integrated calibration index (ICI) for
    survival models. Stat Med 2020;39:2714-2742. doi:10.1002/sim.8570
    """
    repeats = [_smoothed_error(repeat, time, event, counts, day=day) for repeat in survival_at_day]
    return SmoothedError(*np.mean(repeats, axis=0))


def d_calibration(survival_at_own_time: Floats, event: Bools, counts: Floats) -> DCalibration:
    r"""Test whether predicted survival at the patients' own times is uniform.

    .. math:: X^2 = \sum_{b=1}^{10} \frac{(n_b - n / 10)^2}{n / 10}

    Parameters
    ----------
    survival_at_own_time : array, shape (n_repeats, n_patients)
        Predicted probability of surviving beyond the patient's own follow-up, out-of-fold (see `within_grid`).
    event : array of bool, shape (n_patients,)
    counts : array, shape (n_samples, n_patients)

    Notes
    -----
    A patient censored at predicted survival :math:`s` would have failed somewhere below: spread over the bins beneath
    in proportion to their part of :math:`[0, s]`. Bins are closed below and open above, the last closed. The p-value
    takes the predictions as given; as they are out-of-fold, it is an approximation.

    References
    ----------
    Haider H, Hoehn B, Davis S, Greiner R. Effective ways to build and evaluate individual survival distributions.
    J Mach Learn Res 2020;21(85):1-63. https://jmlr.org/papers/v21/18-772.html
    """
    bins = np.array([counts @ _shares(repeat, event) for repeat in survival_at_own_time])
    even = counts.sum(axis=1)[:, None] / N_BINS
    statistic = ((bins - even) ** 2 / even).sum(axis=2).mean(axis=0)
    return DCalibration(bins.mean(axis=0), statistic, np.asarray(chdtrc(N_BINS - 1, statistic), dtype=np.float64))


def within_grid(survival: Floats, time: Floats, event: Bools, *, grid_days: Floats) -> tuple[Floats, Bools]:
    """Return predicted survival at each patient's own time, and whether the event was seen, as far as the grid goes.

    Parameters
    ----------
    survival : array, shape (n_repeats, n_patients, n_grid)
        Probabilities on the grid; 1 on day 0, straight lines between.
    time : array, shape (n_patients,)
        Days. Who is followed beyond the grid is censored on its last day.
    event : array of bool, shape (n_patients,)
    grid_days : array, shape (n_grid,)
        Increasing, above 0.

    Returns
    -------
    survival : array, shape (n_repeats, n_patients)
    event : array of bool, shape (n_patients,)
    """
    days = np.concatenate([[0.0], grid_days])
    curves = np.concatenate([np.ones_like(survival[..., :1]), survival], axis=-1)
    followed = np.minimum(time, days[-1])
    after = np.clip(np.searchsorted(days, followed), 1, len(grid_days))
    share = (followed - days[after - 1]) / (days[after] - days[after - 1])
    patients = np.arange(len(time))
    before = curves[:, patients, after - 1]
    return before + share * (curves[:, patients, after] - before), event & (time <= days[-1])


def _smoothed_error(
    survival_at_day: Floats, time: Floats, event: Bools, counts: Floats, *, day: float
) -> tuple[Floats, Floats, Floats]:
    """Return the mean, the median and the 90th percentile of one repeat's distances in each sample."""
    risk = 1 - survival_at_day
    log_hazard = np.log(-np.log1p(-np.clip(risk, RISK_MARGIN, 1 - RISK_MARGIN)))
    basis = _restricted_cubic_spline(log_hazard, quantiles(log_hazard[None], counts, KNOT_QUANTILES))
    fitted = counted_cox(basis, time, event, counts)
    observed = risk_by(np.einsum("psn,sp->sn", basis, fitted.coefficients), time, event, counts, day=day)
    distance = np.abs(observed - risk)
    e50, e90 = quantiles(distance, counts, np.array([0.5, 0.9])).T
    return (distance * counts).sum(axis=1) / counts.sum(axis=1), e50, e90


def _restricted_cubic_spline(values: Floats, knots: Floats) -> Floats:
    """Return Harrell's basis, straight beyond the outer knots, shape (2, n_samples, n_patients).

    Parameters
    ----------
    values : array, shape (n_patients,)
    knots : array, shape (n_samples, 3)
        Where two coincide, the second function of the basis is 0.
    """
    gap, whole = np.diff(knots, axis=1).min(axis=1), knots[:, 2] - knots[:, 0]
    bends = ((gap > SMALLEST_KNOT_GAP * whole) & (whole > SMALLEST_KNOT_GAP * np.abs(values).max()))[:, None]
    first, middle, last = np.where(bends, knots, [0.0, 1.0, 2.0]).T[..., None]
    cubes = [np.maximum(values - knot, 0.0) ** 3 for knot in (first, middle, last)]
    curve = cubes[0] - (cubes[1] * (last - first) - cubes[2] * (middle - first)) / (last - middle)
    line = np.broadcast_to(values, curve.shape)
    return np.stack([line, np.where(bends, curve / (last - first) ** 2, 0.0)])


def _shares(survival_at_own_time: Floats, event: Bools) -> Floats:
    """Return how much of each patient falls into each bin, shape (n_patients, 10); every row adds up to 1."""
    lower, upper = np.arange(N_BINS) / N_BINS, np.arange(1, N_BINS + 1) / N_BINS
    own = np.clip(np.searchsorted(lower, survival_at_own_time, side="right") - 1, 0, N_BINS - 1)
    inside = np.arange(N_BINS) == own[:, None]
    reached = np.maximum(survival_at_own_time, np.finfo(np.float64).tiny)[:, None]
    spread = np.clip(np.minimum(reached, upper) - lower, 0.0, None) / reached
    return np.where(event[:, None], inside, spread)
