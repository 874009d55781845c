"""Cox's partial likelihood: of coefficients, with its derivatives, and of predictions, patient by patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]

SLOPE_STEPS = 50
SLOPE_TOLERANCE = 1e-10
#: Standard deviation of the log hazard over patients, beyond anything that a cohort shows: the hazard of one patient in
#: forty would be four hundred times the middle one's.
LARGEST_SPREAD = 3.0


@dataclass(frozen=True)
class PartialLikelihood:
    """Breslow's log partial likelihood of coefficients, patients sorted from the longest follow-up down."""

    X: Floats
    event: Floats
    last: NDArray[np.intp]  # per patient: position of the last patient with the same day

    @classmethod
    def of(cls, X: Floats, time: Floats, event: Bools) -> PartialLikelihood:
        """Sort the patients of `X`, shape (n_patients, n_covariates)."""
        order = np.argsort(-time, kind="stable")
        days = -time[order]
        return cls(X[order], event[order].astype(np.float64), np.searchsorted(days, days, side="right") - 1)

    def value(self, beta: Floats) -> float:
        """Return the log partial likelihood."""
        eta = self.X @ beta
        top = eta.max()
        at_risk = np.cumsum(np.exp(eta - top))[self.last]
        return float(self.event @ (eta - top - np.log(at_risk)))

    def derivatives(self, beta: Floats) -> tuple[Floats, Floats]:
        """Return the gradient, and the information without forming one matrix a patient.

        The sum over events of the weighted second moments is X'WX, with a patient's weight its hazard times the
        baseline hazard accumulated up to its day.
        """
        eta = self.X @ beta
        hazard = np.exp(eta - eta.max())
        at_risk = np.cumsum(hazard)[self.last]
        means = np.cumsum(hazard[:, None] * self.X, axis=0)[self.last] / at_risk[:, None]
        gradient = self.event @ (self.X - means)
        weight = hazard * self._accumulated(self.event / at_risk)
        information = (self.X * weight[:, None]).T @ self.X - (means * self.event[:, None]).T @ means
        return np.asarray(gradient), np.asarray(information)

    def _accumulated(self, increments: Floats) -> Floats:
        """Return the sum of the increments of all days up to each patient's own."""
        backwards = np.cumsum(increments[::-1])[::-1]
        first = np.searchsorted(self.last, self.last, side="left")
        return np.asarray(backwards[first])


@dataclass(frozen=True)
class StratifiedLikelihood:
    """The same of several strata, risk sets kept within each: the sum of their likelihoods."""

    parts: tuple[PartialLikelihood, ...]

    def value(self, beta: Floats) -> float:
        """Return the log partial likelihood."""
        return sum(part.value(beta) for part in self.parts)

    def derivatives(self, beta: Floats) -> tuple[Floats, Floats]:
        """Return the gradient and the information."""
        each = [part.derivatives(beta) for part in self.parts]
        return np.sum([gradient for gradient, _ in each], axis=0), np.sum([matrix for _, matrix in each], axis=0)


def likelihood_of(
    X: Floats, time: Floats, event: Bools, strata: Integers | None
) -> PartialLikelihood | StratifiedLikelihood:
    """Return the likelihood of coefficients, stratified where `strata` numbers each patient's stratum."""
    if strata is None:
        return PartialLikelihood.of(X, time, event)
    each = (strata == number for number in np.unique(strata))
    return StratifiedLikelihood(tuple(PartialLikelihood.of(X[m], time[m], event[m]) for m in each))


@dataclass(frozen=True, eq=False)
class StratifiedOutcome:
    """What happened to patients, risk sets kept within strata (folds, say).

    Parameters
    ----------
    order : array of int, shape (n_patients,)
        By stratum, and from the longest follow-up down within each.
    starts : array of int, shape (n_strata,)
        Where each stratum begins in `order`.
    last : array of int, shape (n_patients,)
        By position in `order`: the last with the same day and stratum.
    event : array, shape (n_patients,)
        By position in `order`: 1 where the event was observed.
    """

    order: NDArray[np.intp]
    starts: NDArray[np.intp]
    last: NDArray[np.intp]
    event: Floats

    @classmethod
    def of(cls, time: Floats, event: Bools, strata: Integers) -> StratifiedOutcome:
        """Sort the patients; `strata` numbers each one's stratum."""
        order = np.lexsort((-time, strata))
        ends = np.append(np.diff(time[order]) != 0, True) | np.append(np.diff(strata[order]) != 0, True)
        positions = np.flatnonzero(ends)
        last = positions[np.searchsorted(positions, np.arange(len(order)))]
        starts = np.flatnonzero(np.append(True, np.diff(strata[order]) != 0))
        return cls(order, starts, last, event[order].astype(np.float64))

    def terms(self, linear_predictor: Floats) -> Floats:
        r"""Return each patient's term of Breslow's log partial likelihood.

        .. math:: \delta_i \Big(\eta_i - \log \sum_{j:\, t_j \ge t_i} e^{\eta_j}\Big)

        Parameters
        ----------
        linear_predictor : array, shape (n_patients,)
            Higher is worse.
        """
        eta = linear_predictor[self.order]
        terms = np.empty_like(eta)
        # Logarithms are added: far apart, a patient's hazard is nothing beside the highest, and its sum would be 0.
        at_risk = np.concatenate([np.logaddexp.accumulate(part) for part in np.split(eta, self.starts[1:])])
        terms[self.order] = self.event * (eta - at_risk[self.last])
        return terms

    def slope(self, linear_predictor: Floats) -> float:
        """Return the factor, not below 0, by which predictions maximise the likelihood; 0 if none varies in a stratum.

        Notes
        -----
        A negative factor would turn the predictions around: choose their direction on the outcome. One that spreads
        the log hazard by more than `LARGEST_SPREAD` is cut off there: few events may be ranked without a fault, and
        the likelihood then rises for ever.
        """
        within = self._centred(linear_predictor[self.order])
        spread = float(within.std())
        if spread < 1e-12:
            return 0.0
        eta, slope = within / spread, 0.0
        for _ in range(SLOPE_STEPS):
            gradient, information = self._derivatives(eta, slope)
            step = float(np.clip(gradient / max(information, 1e-12), -1.0, 1.0))
            slope += step
            if abs(step) < SLOPE_TOLERANCE or slope > 2 * LARGEST_SPREAD:
                break
        return float(np.clip(slope, 0.0, LARGEST_SPREAD)) / spread

    def _derivatives(self, eta: Floats, slope: float) -> tuple[float, float]:
        hazard = np.exp(slope * eta - (slope * eta).max())
        at_risk = self._at_risk(hazard)
        mean, square = self._at_risk(hazard * eta) / at_risk, self._at_risk(hazard * eta**2) / at_risk
        return float(self.event @ (eta - mean)), float(self.event @ (square - mean**2))

    def _centred(self, values: Floats) -> Floats:
        """Return values less the mean of their stratum."""
        sizes = np.diff(np.append(self.starts, len(values)))
        return np.asarray(values - np.repeat(np.add.reduceat(values, self.starts) / sizes, sizes))

    def _at_risk(self, values: Floats) -> Floats:
        """Return the sum over each patient's risk set."""
        sums = np.concatenate([np.cumsum(part) for part in np.split(values, self.starts[1:])])
        return np.asarray(sums[self.last])
