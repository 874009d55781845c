"""Kaplan–Meier curves: survival with its interval, numbers at risk, medians and follow-up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]

#: Standard errors from a point to the ends of its 95 % interval.
Z95 = 1.959963984540054
#: Two survival probabilities nearer than this are one: products of fractions do not hit ½ to the last bit.
SAME_PROBABILITY = 1e-9


@dataclass(frozen=True)
class KaplanMeier:
    """A survival curve as a step function; every array has shape (n_days,).

    Parameters
    ----------
    days : array
        Distinct days with an event or a censoring, increasing.
    survival : array
        Probability of surviving beyond the day; valid from it until the next.
    lower, upper : array
        95 % interval (Greenwood, log–log); NaN once survival is 0, 1 while it is 1.
    at_risk : array of int
        Patients followed until the day or longer.
    """

    days: Floats
    survival: Floats
    lower: Floats
    upper: Floats
    at_risk: Integers

    def at(self, days: Floats) -> Floats:
        """Return the probability of surviving beyond `days`, any shape; NaN past the last day.

        Past the last follow-up the curve is known only if it has reached 0.
        """
        days = np.asarray(days, dtype=np.float64)
        steps = np.concatenate([[1.0], self.survival])[np.searchsorted(self.days, days, side="right")]
        return np.where((days > self.days[-1]) & (steps > 0), np.nan, steps)


def kaplan_meier(time: Floats, event: Bools) -> KaplanMeier:
    r"""Estimate the survival curve with its pointwise 95 % interval.

    .. math::
        \hat S(t) = \prod_{t_k \le t} \Big(1 - \frac{d_k}{n_k}\Big), \qquad
        \hat S(t)^{\exp(\pm 1.96\, \sigma / \log \hat S)}, \quad
        \sigma^2 = \sum_{t_k \le t} \frac{d_k}{n_k (n_k - d_k)}

    Parameters
    ----------
    time : array, shape (n_patients,)
        Follow-up in days; at least one patient.
    event : array of bool, shape (n_patients,)
        True where the event was observed.

    Notes
    -----
    The interval is on the scale of log(−log S), R's ``survfit(conf.type = "log-log")``: it stays within 0 and 1 and
    covers better in small samples than R's default (``"log"``).

    References
    ----------
    Borgan Ø, Liestøl K. A note on confidence intervals and bands for the survival function based on transformations.
    Scand J Stat 1990;17:35-41.
    """
    # Imported late: what scores reads curves that were estimated before, and its start is not to wait for this package.
    from sksurv.nonparametric import kaplan_meier_estimator  # noqa: PLC0415

    time, event = np.asarray(time, dtype=np.float64), np.asarray(event, dtype=np.bool_)
    days, survival, (lower, upper) = kaplan_meier_estimator(event, time, conf_type="log-log")
    reached_zero = survival <= 0
    return KaplanMeier(
        days=days,
        survival=survival,
        lower=np.where(reached_zero, np.nan, lower),
        upper=np.where(reached_zero, np.nan, upper),
        at_risk=at_risk(time, days),
    )


def survival_given(curve: KaplanMeier, survived: float, days: Floats) -> Floats:
    r"""Return the survival of those who are followed beyond a day already, with its interval and numbers at risk.

    .. math::
        \hat S(t \mid s) = \hat S(t) / \hat S(s), \qquad
        \sigma^2 = \sum_{s < t_k \le t} \frac{d_k}{n_k (n_k - d_k)}

    Parameters
    ----------
    curve : KaplanMeier
    survived : float
        :math:`s`; 0 for everyone.
    days : array, shape (n_days,)
        From the beginning, as `survived`.

    Returns
    -------
    array, shape (n_days, 4)
        The probability, its 95 % interval as in `kaplan_meier`, and the number of patients followed until the day;
        NaN where the curve is not known, or the day does not lie beyond `survived`.
    """
    before = np.concatenate([[1.0], curve.survival[:-1]])
    kept = np.divide(curve.survival, before, out=np.ones_like(before), where=before > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        increments = np.where(curve.days > survived, (1 - kept) / (curve.at_risk * kept), 0.0)
        variance = np.concatenate([[0.0], np.cumsum(increments)])[np.searchsorted(curve.days, days, side="right")]
        given = curve.at(days) / curve.at(np.array([survived]))
        wide = np.exp(Z95 * np.sqrt(variance) / np.abs(np.log(given)))
    wide = np.where(given < 1, wide, 1.0)
    followed = np.append(curve.at_risk, 0)[np.searchsorted(curve.days, days, side="left")]
    ends = (np.where(given > 0, given**wide, np.nan), np.where(given > 0, given ** (1 / wide), np.nan))
    found = np.column_stack([given, *ends, followed])
    return np.where((days > survived)[:, None], found, np.nan)


def at_risk(time: Floats, days: Floats) -> Integers:
    """Count the patients that are followed until each of `days` or longer.

    Parameters
    ----------
    time : array, shape (n_patients,)
        Follow-up, in the unit of `days`.
    days : array, any shape
    """
    ordered = np.sort(np.asarray(time, dtype=np.float64))
    return np.asarray(len(ordered) - np.searchsorted(ordered, days, side="left"), dtype=np.int64)


def median_survival(time: Floats, event: Bools) -> float:
    """Return the day on which survival falls to ½; NaN where it is not reached.

    Parameters
    ----------
    time : array, shape (n_patients,)
        Follow-up in days.
    event : array of bool, shape (n_patients,)

    Notes
    -----
    Where the curve runs level at exactly ½, the middle of that stretch, as R's ``survfit`` does.
    """
    curve = kaplan_meier(time, event)
    below = np.flatnonzero(curve.survival <= 0.5 + SAME_PROBABILITY)
    if not len(below):
        return float("nan")
    lower = np.flatnonzero(curve.survival < 0.5 - SAME_PROBABILITY)
    level = curve.survival[below[0]] >= 0.5 - SAME_PROBABILITY
    end = lower[0] if level and len(lower) else below[0]
    return float((curve.days[below[0]] + curve.days[end]) / 2)


def median_follow_up(time: Floats, event: Bools) -> float:
    """Return the median time to censoring, the event counted as a loss from view; NaN where it is not reached.

    Parameters
    ----------
    time : array, shape (n_patients,)
        Follow-up in days.
    event : array of bool, shape (n_patients,)

    Notes
    -----
    The reverse Kaplan–Meier estimate: how long patients would have been followed, had nobody had the event.

    References
    ----------
    Schemper M, Smith TL. A note on quantifying follow-up in studies of failure time. Control Clin Trials
    1996;17:343-346. doi:10.1016/0197-2456(96)00075-X
    """
    return median_survival(time, ~np.asarray(event, dtype=np.bool_))
