"""Simulated patients and what no real one tells: the hazards by which they die."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.cohort import Cohort

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SimulatedPatients:
    """A simulated cohort and its patients' true survival.

    Parameters
    ----------
    cohort : Cohort
    log_relative_hazard : array, shape (n_patients,)
        Of their genes and clinical covariates, before any goes missing; higher is worse.
    scale_days, weibull_shape : float
        Of the survival of a patient whose log relative hazard is 0.
    """

    cohort: Cohort
    log_relative_hazard: Floats
    scale_days: float
    weibull_shape: float

    def survival(self, days: Floats) -> Floats:
        r"""Return each patient's true probability of surviving beyond days, shape (n_patients, n_days).

        .. math:: S(t \mid \eta) = \exp\big(-e^{\eta} (t / \tau)^k\big)

        Parameters
        ----------
        days : array, shape (n_days,)
            Whole days from diagnosis.
        """
        cumulative_hazard = (days / self.scale_days) ** self.weibull_shape
        return np.asarray(np.exp(-np.outer(np.exp(self.log_relative_hazard), cumulative_hazard)))

    def subset(self, positions: NDArray[np.intp]) -> SimulatedPatients:
        """Return the patients at these positions, in this order."""
        return SimulatedPatients(
            self.cohort.subset(positions), self.log_relative_hazard[positions], self.scale_days, self.weibull_shape
        )
