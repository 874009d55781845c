"""Solve for the Cox coefficients that give every simulated gene its stated hazard ratio at the median split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr

from experiments.simulated_settings import SimulationError

Floats = NDArray[np.float64]

#: Where the limit of the score equation is integrated: log of operational time. The integrand and its derivatives
#: vanish at both ends, so the trapezoidal rule converges faster than any power of the step.
LOG_TIMES = np.arange(-16.0, 8.0, 0.5)
#: Correlations between a gene and the risk at which the hazard ratio is tabulated, dense towards 1.
CORRELATIONS = np.tanh(np.linspace(-3.0, 3.0, 61))
#: Standard deviations of the genes' risk among which the root is bracketed.
LOG_RISK_SDS = np.log(np.geomspace(0.1, 5.0, 16)).tolist()
NEWTON_STEPS = 50


@dataclass(frozen=True)
class RiskSample:
    """Points over which expectations are taken.

    Parameters
    ----------
    gene_risk : array, shape (n_points,)
        The genes' linear predictor, standardised: standard normal.
    clinical_risk : array, shape (n_points,)
        Log relative hazard of the clinical covariates that go with it.
    """

    gene_risk: Floats
    clinical_risk: Floats


@dataclass(frozen=True)
class SolvedHazards:
    """The solution for one cancer type.

    Parameters
    ----------
    coefficients : array, shape (n_genes,)
        Log hazard ratio per standard deviation of each gene's Gaussian score, all genes together in the model.
    gene_risk_sd : float
        Standard deviation of the genes' linear predictor.
    censoring_hazard : float
        Hazard of being censored, in operational time (the baseline hazard of death is 1).
    median_observed : float
        Median of the observed operational times.
    """

    coefficients: Floats
    gene_risk_sd: float
    censoring_hazard: float
    median_observed: float


def censoring_hazard(relative_hazard: Floats, event_fraction: float) -> float:
    r"""Return the constant censoring hazard :math:`q` with :math:`E[e^\eta/(e^\eta+q)]` equal to the event fraction."""

    def excess(log_hazard: float) -> float:
        return float(np.mean(relative_hazard / (relative_hazard + np.exp(log_hazard)))) - event_fraction

    return float(np.exp(brentq(excess, -30.0, 30.0, xtol=1e-12)))


def median_observed_time(relative_hazard: Floats, censoring: float) -> float:
    """Return the median of the observed operational times, death or censoring."""
    total = relative_hazard + censoring

    def excess(log_time: float) -> float:
        return float(np.mean(np.exp(-total * np.exp(log_time)))) - 0.5

    return float(np.exp(brentq(excess, -30.0, 30.0, xtol=1e-12)))


def high_probabilities(correlations: Floats, gene_risk: Floats) -> Floats:
    r"""Return :math:`P(z > 0 \mid s) = \Phi(r s / \sqrt{1 - r^2})`: the gene is high, given the genes' risk.

    Parameters
    ----------
    correlations : array, shape (n_correlations,)
        Correlation :math:`r` of the gene's Gaussian score :math:`z` with the genes' risk :math:`s`.
    gene_risk : array, shape (n_points,)

    Returns
    -------
    array, shape (n_correlations, n_points)
    """
    slope = correlations / np.sqrt(1.0 - correlations**2)
    probabilities: Floats = ndtr(slope[:, None] * gene_risk)
    return probabilities


def median_split_log_hazard_ratios(
    high: Floats, sample: RiskSample, *, gene_risk_sd: float, event_fraction: float
) -> Floats:
    r"""Return the limit of the univariate Cox log hazard ratio, high against low, in an infinite cohort.

    With :math:`w = P(z > 0 \mid s)`, :math:`S_1 = E[w e^{-u e^\eta}]`, :math:`f_1 = E[w e^\eta e^{-u e^\eta}]`,
    :math:`S_0` and :math:`f_0` likewise with :math:`1 - w`, and censoring survival :math:`G`, the log hazard ratio
    :math:`\theta` solves

    .. math:: \int G(u) \Big\{f_1(u) - [f_0(u) + f_1(u)] \frac{e^\theta S_1(u)}{S_0(u) + e^\theta S_1(u)}\Big\}\,du = 0.

    Parameters
    ----------
    high : array, shape (n_correlations, n_points)
        Of `high_probabilities`.
    sample : RiskSample
    gene_risk_sd : float
        Standard deviation of the genes' linear predictor.
    event_fraction : float
        Fraction of patients whose death is observed; sets the censoring.

    Returns
    -------
    array, shape (n_correlations,)

    Notes
    -----
    Cox's partial likelihood does not see a monotone change of time, so the baseline hazard is 1 here, whatever the
    Weibull shape. Integrating in place of simulating leaves no noise in what is solved.

    References
    ----------
    Struthers and Kalbfleisch (1986), Misspecified proportional hazard models, doi 10.1093/biomet/73.2.363.
    """
    relative_hazard = np.exp(gene_risk_sd * sample.gene_risk + sample.clinical_risk)
    operational_time = np.exp(LOG_TIMES)
    # The last factor is du = u d(log u).
    weight = np.exp(-censoring_hazard(relative_hazard, event_fraction) * operational_time) * operational_time
    surviving = np.exp(-relative_hazard[:, None] * operational_time) / len(relative_hazard)
    dying = surviving * relative_hazard[:, None]
    return _score_root(high @ surviving, surviving.sum(axis=0), weight * (high @ dying), weight * dying.sum(axis=0))


def _score_root(surviving_high: Floats, surviving: Floats, dying_high: Floats, dying: Floats) -> Floats:
    """Newton's method on the limit of the score, one row a correlation."""
    surviving_low = surviving - surviving_high
    log_hazard_ratio = np.zeros(len(surviving_high))
    for _ in range(NEWTON_STEPS):
        at_risk_high = np.exp(log_hazard_ratio)[:, None] * surviving_high
        # Far beyond the last patient both survivals underflow; the weight there is 0 as well.
        share = at_risk_high / np.maximum(surviving_low + at_risk_high, np.finfo(np.float64).tiny)
        score = (dying_high - dying * share).sum(axis=1)
        step = np.clip(score / (dying * share * (1.0 - share)).sum(axis=1), -1.0, 1.0)
        log_hazard_ratio = log_hazard_ratio + step
        if np.abs(step).max() < 1e-10:
            break
    return log_hazard_ratio


def _first_root(excess: Callable[[float], float], where: str) -> float:
    """Return the smallest root on the grid of log standard deviations: the weakest effects that suffice."""
    for lower, upper in pairwise(LOG_RISK_SDS):
        if excess(lower) > 0.0 >= excess(upper):
            return float(brentq(excess, lower, upper, xtol=1e-8))
    raise SimulationError(
        f"{where}: no coefficients give these hazard ratios with a risk of standard deviation up to "
        f"{np.exp(LOG_RISK_SDS[-1]):.1f}; state smaller hazard ratios or correlate the genes that share a direction."
    )


def solve_hazards(
    log_hazard_ratios: Floats, correlation: Floats, sample: RiskSample, *, event_fraction: float, where: str
) -> SolvedHazards:
    r"""Solve for the coefficients with which every gene has its log hazard ratio at the median split.

    A gene's marginal hazard ratio depends on the coefficients only through its correlation :math:`r_g` with the linear
    predictor and that predictor's standard deviation :math:`\sigma`. Given :math:`\sigma`, each :math:`r_g` follows
    from its own hazard ratio; the coefficients are then :math:`\beta = \sigma R^{-1} r`, and :math:`\sigma` is the root
    of :math:`r(\sigma)^\top R^{-1} r(\sigma) = 1`.

    Parameters
    ----------
    log_hazard_ratios : array, shape (n_genes,)
        Wanted, high against low at the median; 0 for a gene that shall show nothing by itself.
    correlation : array, shape (n_genes, n_genes)
        Correlation :math:`R` of the genes' Gaussian scores.
    sample : RiskSample
    event_fraction : float
    where : str
        The cohort, for the error.

    Raises
    ------
    SimulationError
        If the hazard ratios are too large and too contrary for these correlations.
    """
    inverse = np.linalg.inv(correlation)
    high = high_probabilities(CORRELATIONS, sample.gene_risk)

    def gene_correlations(gene_risk_sd: float) -> Floats:
        table = median_split_log_hazard_ratios(high, sample, gene_risk_sd=gene_risk_sd, event_fraction=event_fraction)
        return np.interp(log_hazard_ratios, table, CORRELATIONS)

    @cache
    def excess(log_sd: float) -> float:
        r = gene_correlations(float(np.exp(log_sd)))
        return float(r @ inverse @ r) - 1.0

    gene_risk_sd = float(np.exp(_first_root(excess, where)))
    coefficients = gene_risk_sd * inverse @ gene_correlations(gene_risk_sd)
    relative_hazard = np.exp(gene_risk_sd * sample.gene_risk + sample.clinical_risk)
    censoring = censoring_hazard(relative_hazard, event_fraction)
    return SolvedHazards(coefficients, gene_risk_sd, censoring, median_observed_time(relative_hazard, censoring))
