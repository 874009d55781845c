"""Whether patients were followed for long enough, and had events enough, for what is to be said of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.cohort import Cohort, days_to_months
from features.errors import CohortError
from training.definition import Definition
from training.kaplan_meier import at_risk, median_follow_up
from training.survival_grid import horizon_day, months_within

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]

#: Below this many patients at risk a curve is a guess; the horizon limit of a cohort is set by the same number.
FEWEST_AT_RISK = 10
#: Below this an outer training set has folds in which nobody fails.
MINIMUM_EVENTS_PER_FOLD = 2
#: Verdicts on events per parameter, with the ratio from which each holds.
VERDICTS = ((20.0, "ample"), (10.0, "adequate"), (5.0, "sparse"), (0.0, "too few"))


@dataclass(frozen=True)
class FollowUp:
    """How long patients were followed, at each horizon; arrays have shape (n_horizons,).

    Parameters
    ----------
    median_days : float
        Median follow-up by the reverse Kaplan–Meier estimate; NaN where it is not reached.
    horizons_days : array
    at_risk : array of int
        Patients followed until the horizon or longer.
    events : array of int
        Events until the horizon, its day included.
    known : array
        Share of patients whose state at the horizon is known: followed until then, or had the event before.
    completeness : array
        Clark's C with the horizon as closing date: follow-up up to the horizon, observed against possible.
    """

    median_days: float
    horizons_days: Floats
    at_risk: Integers
    events: Integers
    known: Floats
    completeness: Floats

    def table(self) -> pd.DataFrame:
        """Return one row a horizon, times in months, horizons to a tenth."""
        return pd.DataFrame(
            {
                "horizon_months": np.round(days_to_months(self.horizons_days), 1),
                "at_risk": self.at_risk,
                "events_until_horizon": self.events,
                "share_known": self.known,
                "completeness": self.completeness,
                "median_follow_up_months": float(days_to_months(np.array(self.median_days))),
            }
        )


@dataclass(frozen=True)
class EventsPerParameter:
    """Events against parameters that were estimated or chosen among.

    Parameters
    ----------
    n_events, n_parameters : int
    """

    n_events: int
    n_parameters: int

    @property
    def ratio(self) -> float:
        """Events per parameter; infinite without parameters."""
        return self.n_events / self.n_parameters if self.n_parameters else float("inf")

    @property
    def verdict(self) -> str:
        """``too few`` (below 5), ``sparse`` (below 10), ``adequate`` (below 20) or ``ample``."""
        return next(word for lowest, word in VERDICTS if self.ratio >= lowest)

    @property
    def sentence(self) -> str:
        """The ratio in words, with what it means."""
        figure = f"{self.n_events} events for {self.n_parameters} parameters ({self.ratio:.1f} each): {self.verdict}"
        if self.ratio >= 10:
            return f"{figure}."
        return f"{figure}; coefficients and their shrinkage are uncertain, penalised or not."

    def table(self) -> pd.DataFrame:
        """Return one row."""
        return pd.DataFrame(
            {
                "n_events": [self.n_events],
                "n_parameters": [self.n_parameters],
                "events_per_parameter": [self.ratio],
                "verdict": [self.verdict],
            }
        )


def events_per_parameter(n_events: int, n_parameters: int) -> EventsPerParameter:
    """Judge how many events stand against each parameter.

    Parameters
    ----------
    n_events : int
    n_parameters : int
        Candidates, not survivors of a selection: every covariate that could have entered counts.

    Raises
    ------
    ValueError
        If either is negative.

    Notes
    -----
    Ten is Peduzzi's rule for Cox models, five the least for which intervals can still be had. Neither suffices for
    prediction: what is needed depends on how much the model explains, and is often 10 to 20 and more (Riley et al.); a
    penalty does not replace patients, as its strength is estimated from the same events.

    References
    ----------
    Peduzzi P et al. Importance of events per independent variable in proportional hazards regression analysis II. J
    Clin Epidemiol 1995;48:1503-1510. doi:10.1016/0895-4356(95)00048-8

    Vittinghoff E, McCulloch CE. Relaxing the rule of ten events per variable in logistic and Cox regression. Am J
    Epidemiol 2007;165:710-718. doi:10.1093/aje/kwk052

    Riley RD et al. Minimum sample size for developing a multivariable prediction model: part II. Stat Med
    2019;38:1276-1296. doi:10.1002/sim.7992
    """
    if n_events < 0 or n_parameters < 0:
        raise ValueError(f"events and parameters are counts, not {n_events} and {n_parameters}.")
    return EventsPerParameter(n_events, n_parameters)


def follow_up(time: Floats, event: Bools, horizons_days: Sequence[float] | Floats) -> FollowUp:
    r"""Describe the follow-up at each horizon.

    .. math::
        C(h) = \frac{\sum_i \min(t_i, h)}{\sum_i h_i}, \qquad
        h_i = \begin{cases} t_i & \text{event at } t_i \le h \\ h & \text{otherwise} \end{cases}

    Parameters
    ----------
    time : array, shape (n_patients,)
        Follow-up in days; at least one patient.
    event : array of bool, shape (n_patients,)
    horizons_days : sequence of float
        Positive.

    Notes
    -----
    Clark's C divides by the follow-up that was possible until a closing date. Cohorts of many centres have none, so the
    horizon takes its place: a patient who entered late and is well counts as incompletely followed, which is what a
    figure at that horizon suffers from.

    References
    ----------
    Clark TG, Altman DG, De Stavola BL. Quantification of the completeness of follow-up. Lancet 2002;359:1309-1310.
    doi:10.1016/S0140-6736(02)08272-7

    Schemper M, Smith TL. A note on quantifying follow-up in studies of failure time. Control Clin Trials
    1996;17:343-346. doi:10.1016/0197-2456(96)00075-X
    """
    time, event = np.asarray(time, dtype=np.float64), np.asarray(event, dtype=np.bool_)
    horizons = np.asarray(horizons_days, dtype=np.float64)
    happened = event[:, None] & (time[:, None] <= horizons)
    observed = np.minimum(time[:, None], horizons)
    possible = np.where(happened, observed, horizons)
    return FollowUp(
        median_days=median_follow_up(time, event),
        horizons_days=horizons,
        at_risk=at_risk(time, horizons),
        events=happened.sum(axis=0),
        known=(happened | (time[:, None] >= horizons)).mean(axis=0),
        completeness=observed.sum(axis=0) / possible.sum(axis=0),
    )


def require_enough(cohort: Cohort, definition: Definition) -> None:
    """Refuse a cohort that is too small to be judged as the definition says.

    Raises
    ------
    CohortError
        If there are too few patients or events for the folds.
    """
    resampling, minimum = definition.resampling, definition.horizons.minimum_at_risk
    outer, inner = resampling.outer_folds, resampling.inner_folds
    needed = max(MINIMUM_EVENTS_PER_FOLD * outer, -(-inner * outer // (outer - 1)))
    if cohort.n_events < needed or len(cohort.patients) < 2 * minimum:
        raise CohortError(
            f"{cohort}: {len(cohort.patients)} patients with {cohort.n_events} events are too few to be judged on "
            f"{outer} outer and {inner} inner folds (at least {2 * minimum} patients and {needed} events are needed); "
            f"add patients, follow them longer, or take another endpoint."
        )


def require_horizon(cohort: Cohort, last_day: float) -> None:
    """Refuse a cohort that is not followed for any horizon.

    Parameters
    ----------
    cohort : Cohort
    last_day : float
        The last with enough patients at risk.

    Raises
    ------
    CohortError
        If it comes before the first tenth of a month.
    """
    if months_within(last_day) <= 0:
        raise CohortError(
            f"{cohort}: the last day with enough patients at risk is day {last_day:g}, before the first tenth of a "
            f"month (day {horizon_day(0.1):g}), so that survival cannot be judged at any horizon; check that times are "
            f"in days, or follow patients longer."
        )
