"""Random-effects meta-analysis of hazard ratios over cohorts: REML, Hartung and Knapp's interval, heterogeneity."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2, t

from features.errors import PrognosisError
from training.scan.between_cohorts import CohortEstimates, q_profile_limits, restricted_maximum

Floats = NDArray[np.float64]

NO_COHORT = "no cohort has an estimate"
ONE_COHORT = "one cohort: nothing to pool"
TWO_COHORTS = "two cohorts: heterogeneity is hardly estimable, no prediction interval"
TOO_ALIKE = "estimates agree by chance: Hartung and Knapp's interval is too short, use the held one"
#: Below 1 by no more than this, the mean weighted square makes no difference that is seen.
ABOUT_ONE = 0.01


class PoolingError(PrognosisError):
    """Estimates of several cohorts cannot be pooled."""


@dataclass(frozen=True)
class PooledHazardRatio:
    """A log hazard ratio pooled over cohorts, all logarithms natural; 95 % intervals; positive is worse.

    Parameters
    ----------
    n_cohorts : int
    log_hazard_ratio, standard_error : float
        Mean over the population of cohorts, and Hartung and Knapp's standard error.
    log_lower, log_upper : float
        Interval of the mean, from Student's t with `n_cohorts` - 1 degrees of freedom.
    p_value : float
        Of no effect in the mean, from the same distribution.
    held_standard_error, log_held_lower, log_held_upper, held_p_value : float
        The same with the variance held at no less than a common effect's: never more certain than the cohorts are.
    log_prediction_lower, log_prediction_upper : float
        Where the log hazard ratio of another cohort is expected; NaN below three cohorts.
    log_held_prediction_lower, log_held_prediction_upper : float
        The same about the mean with its variance held.
    prediction_degrees_of_freedom : float
        Of the t distribution of the prediction interval: `n_cohorts` - 1; NaN where there is no interval.
    tau_squared, tau_squared_lower, tau_squared_upper : float
        Variance between cohorts, by restricted maximum likelihood, and its Q-profile interval.
    i_squared, i_squared_lower, i_squared_upper : float
        Share of the variance that is between cohorts, 0 to 1.
    cochran_q, p_heterogeneity : float
        Cochran's Q and its p-value, from chi-square with `n_cohorts` - 1 degrees of freedom.
    weights : array, shape (n_cohorts_given,)
        Share of each cohort in the mean; 0 where a cohort has no estimate.
    remark : str
        What makes the pooling weak; empty if nothing does.
    """

    n_cohorts: int
    log_hazard_ratio: float
    standard_error: float
    log_lower: float
    log_upper: float
    p_value: float
    held_standard_error: float
    log_held_lower: float
    log_held_upper: float
    held_p_value: float
    log_prediction_lower: float
    log_prediction_upper: float
    log_held_prediction_lower: float
    log_held_prediction_upper: float
    prediction_degrees_of_freedom: float
    tau_squared: float
    tau_squared_lower: float
    tau_squared_upper: float
    i_squared: float
    i_squared_lower: float
    i_squared_upper: float
    cochran_q: float
    p_heterogeneity: float
    weights: Floats
    remark: str

    @property
    def hazard_ratio(self) -> float:
        """Pooled hazard ratio."""
        return float(np.exp(self.log_hazard_ratio))


def pooled_hazard_ratio(log_hazard_ratio: ArrayLike, standard_error: ArrayLike) -> PooledHazardRatio:
    r"""Pool one hazard ratio over cohorts.

    .. math:: y_i \sim N(\theta_i, s_i^2), \qquad \theta_i \sim N(\mu, \tau^2)

    Parameters
    ----------
    log_hazard_ratio : array, shape (n_cohorts,)
        Natural logarithms; NaN where a cohort has no estimate.
    standard_error : array, shape (n_cohorts,)

    Returns
    -------
    PooledHazardRatio

    Raises
    ------
    PoolingError
        If fewer than two cohorts have an estimate, or a standard error is not positive.
    ValueError
        If the arrays do not fit together.

    Notes
    -----
    As ``metafor::rma(method = "REML", test = "knha")``, ``predict()`` and ``confint()`` of metafor 3.8. The degrees of
    freedom of the prediction interval are one less than the cohorts; Higgins et al. (2009) take two less, and authors
    differ. The prediction interval takes the variance between cohorts as known: with few cohorts, of which some samples
    show none, it is too short (in seven with as much variance between as within, it holds some 86 % of further
    cohorts).

    Hartung and Knapp's variance is :math:`q / \sum w_i` with :math:`q = \sum w_i (y_i - \hat\mu)^2 / (k - 1)`. Where
    estimates agree by chance :math:`q < 1`, and the interval is shorter than if there were a common effect, of two
    cohorts absurdly so. A remark says so, and what is called held has :math:`\max(1, q)` in its place: the ad hoc
    correction of Knapp and Hartung (2003), metafor's ``test = "adhoc"``.

    References
    ----------
    IntHout J, Ioannidis JPA, Borm GF. The Hartung-Knapp-Sidik-Jonkman method for random effects meta-analysis is
    straightforward and considerably outperforms the standard DerSimonian-Laird method. BMC Med Res Methodol
    2014;14:25. doi:10.1186/1471-2288-14-25

    Knapp G, Hartung J. Improved tests for a random effects meta-regression with a single covariate. Stat Med
    2003;22:2693-2710. doi:10.1002/sim.1482

    Viechtbauer W. Confidence intervals for the amount of heterogeneity in meta-analysis. Stat Med 2007;26:37-52.
    doi:10.1002/sim.2514

    Higgins JPT, Thompson SG, Spiegelhalter DJ. A re-evaluation of random-effects meta-analysis. J R Stat Soc A
    2009;172:137-159. doi:10.1111/j.1467-985X.2008.00552.x

    Partlett C, Riley RD. Random effects meta-analysis: coverage performance of 95% confidence and prediction intervals
    following REML estimation. Stat Med 2017;36:301-317. doi:10.1002/sim.7140
    """
    estimates = np.asarray(log_hazard_ratio, dtype=np.float64)[None]
    pooled = pooled_hazard_ratios(estimates, np.asarray(standard_error, dtype=np.float64)[None]).row(0)
    if pooled.n_cohorts < 2:
        raise PoolingError(
            f"a meta-analysis needs two cohorts with an estimate, but {pooled.n_cohorts} of {estimates.size} has one; "
            "report that cohort's own hazard ratio, or add cohorts."
        )
    return pooled


@dataclass(frozen=True)
class PooledHazardRatios:
    """Many pooled log hazard ratios: as `PooledHazardRatio`, each field an array whose first axis is the genes'."""

    n_cohorts: NDArray[np.int64]
    log_hazard_ratio: Floats
    standard_error: Floats
    log_lower: Floats
    log_upper: Floats
    p_value: Floats
    held_standard_error: Floats
    log_held_lower: Floats
    log_held_upper: Floats
    held_p_value: Floats
    log_prediction_lower: Floats
    log_prediction_upper: Floats
    log_held_prediction_lower: Floats
    log_held_prediction_upper: Floats
    prediction_degrees_of_freedom: Floats
    tau_squared: Floats
    tau_squared_lower: Floats
    tau_squared_upper: Floats
    i_squared: Floats
    i_squared_lower: Floats
    i_squared_upper: Floats
    cochran_q: Floats
    p_heterogeneity: Floats
    weights: Floats
    remark: NDArray[np.str_]

    def row(self, position: int) -> PooledHazardRatio:
        """Return one gene's."""
        values = {field.name: getattr(self, field.name)[position] for field in fields(self)}
        return PooledHazardRatio(
            **{name: value if name == "weights" else value.item() for name, value in values.items()}
        )

    def table(self) -> pd.DataFrame:
        """Return one row a gene; hazard ratios and their intervals beside the logarithms, no weights."""
        columns = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "weights"}
        logarithms = {"hazard_ratio": "log_hazard_ratio", "lower": "log_lower", "upper": "log_upper"}
        for kind in ("prediction", "held", "held_prediction"):
            logarithms |= {f"{kind}_{end}": f"log_{kind}_{end}" for end in ("lower", "upper")}
        with np.errstate(over="ignore"):
            return pd.DataFrame(columns | {ratio: np.exp(columns[name]) for ratio, name in logarithms.items()})


def pooled_hazard_ratios(log_hazard_ratio: Floats, standard_error: Floats) -> PooledHazardRatios:
    """Pool the hazard ratio of each of many genes over cohorts, each by itself.

    Parameters
    ----------
    log_hazard_ratio : array, shape (n_genes, n_cohorts)
        Natural logarithms; NaN where a cohort has no estimate.
    standard_error : array, shape (n_genes, n_cohorts)

    Returns
    -------
    PooledHazardRatios
        NaN, and a remark, for a gene of which fewer than two cohorts have an estimate.

    Raises
    ------
    PoolingError
        If a standard error is not positive.
    ValueError
        If the arrays do not fit together.

    Notes
    -----
    See `pooled_hazard_ratio`. Where the restricted likelihood has several maxima, the highest counts, while metafor's
    scoring climbs to the one above its start.
    """
    estimates = _estimates(log_hazard_ratio, standard_error)
    tau_squared = restricted_maximum(estimates)
    return PooledHazardRatios(
        n_cohorts=estimates.n,
        **_means(estimates, tau_squared),
        **_heterogeneity(estimates, tau_squared),
        remark=_remarks(estimates, tau_squared),
    )


def _remarks(estimates: CohortEstimates, tau_squared: Floats) -> NDArray[np.str_]:
    """Say what makes each pooling weak."""
    few = np.array([NO_COHORT, ONE_COHORT, TWO_COHORTS, ""])[np.minimum(estimates.n, 3)]
    alike = np.where(_excess_of_squares(estimates, tau_squared) < 1 - ABOUT_ONE, TOO_ALIKE, "")
    both = np.where((few != "") & (alike != ""), "; ", "")
    return np.asarray(np.strings.add(np.strings.add(few, both), alike))


def _excess_of_squares(estimates: CohortEstimates, tau_squared: Floats) -> Floats:
    """Return the mean weighted square about the mean: 1 is expected; NaN below two cohorts."""
    return np.asarray(estimates.q(tau_squared, estimates.every) / _degrees(estimates))


def _estimates(log_hazard_ratio: Floats, standard_error: Floats) -> CohortEstimates:
    """Check the estimates, and mark those that are missing."""
    value, error = np.asarray(log_hazard_ratio, np.float64), np.asarray(standard_error, np.float64)
    if value.ndim != 2 or value.shape != error.shape:
        raise ValueError(f"log hazard ratios {value.shape} and standard errors {error.shape} do not fit together.")
    known = np.isfinite(value) & np.isfinite(error)
    bad = np.argwhere(known & (error <= 0))
    if len(bad):
        gene, cohort = bad[0]
        raise PoolingError(
            f"a standard error must be positive, but {len(bad)} of {known.sum()} are not (first: "
            f"{error[gene, cohort]:g}, of cohort {cohort + 1} and gene {gene + 1}); leave these estimates out."
        )
    return CohortEstimates(np.where(known, value, 0.0), np.where(known, error**2, np.inf))


def _degrees(estimates: CohortEstimates) -> Floats:
    return np.where(estimates.n > 1, estimates.n - 1.0, np.nan)


def _means(estimates: CohortEstimates, tau_squared: Floats) -> dict[str, Floats]:
    """Return the mean over cohorts and the weights; intervals and tests as Hartung and Knapp have them, and held."""
    weight = estimates.weight(tau_squared, estimates.every)
    degrees = _degrees(estimates)
    predicted = np.where(estimates.n > 2, degrees, np.nan)
    total = np.where(estimates.n > 1, weight.sum(axis=1), np.nan)
    mean = estimates.mean(weight, estimates.every)
    excess = _excess_of_squares(estimates, tau_squared)
    means: dict[str, Floats] = {"log_hazard_ratio": mean, "prediction_degrees_of_freedom": predicted}
    for held, factor in (("", excess), ("held_", np.fmax(excess, 1.0))):
        variance = factor / total
        half = t.ppf(0.975, degrees) * np.sqrt(variance)
        half_predicted = t.ppf(0.975, predicted) * np.sqrt(variance + tau_squared)
        with np.errstate(divide="ignore", invalid="ignore"):
            p_value = 2 * t.sf(np.abs(mean) / np.sqrt(variance), degrees)
        means |= {
            f"{held}standard_error": np.sqrt(variance),
            f"log_{held}lower": mean - half,
            f"log_{held}upper": mean + half,
            f"{held}p_value": p_value,
            f"log_{held}prediction_lower": mean - half_predicted,
            f"log_{held}prediction_upper": mean + half_predicted,
        }
    return means | {"weights": np.nan_to_num(weight / total[:, None])}


def _heterogeneity(estimates: CohortEstimates, tau_squared: Floats) -> dict[str, Floats]:
    """Return the variance between cohorts, its share of the whole, and Cochran's test."""
    variances = dict(zip(("", "_lower", "_upper"), (tau_squared, *q_profile_limits(estimates)), strict=True))
    typical, degrees = estimates.typical_variance(), _degrees(estimates)
    q = np.where(estimates.n > 1, estimates.q(np.zeros_like(tau_squared), estimates.every), np.nan)
    return {
        **{f"tau_squared{end}": variance for end, variance in variances.items()},
        **{f"i_squared{end}": variance / (typical + variance) for end, variance in variances.items()},
        "cochran_q": q,
        "p_heterogeneity": chi2.sf(q, degrees),
    }
