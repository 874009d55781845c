"""What each metric of a judgement is, at which horizon it is taken, and how its interval is read off the samples."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.estimate import Estimate

Floats = NDArray[np.float64]

HIGHER, LOWER = "higher is better", "lower is better"
ONE, ZERO = "1 is right", "0 is right"
LAST = "the cohort's last judged day: the last on which the definition's minimum_at_risk patients are at risk"
AT_MONTHS = "the months that its name ends with: a horizon of the definition, at most the cohort's last judged day"
WHOLE = "the whole follow-up"
#: The metric that sets a learner beside ``clinical_only``; absent where the cohort has no clinical covariates.
GAIN = "concordance_gain_over_clinical"
#: The metric that sets a learner beside ``auto_clinical``: the same average over learners that read no gene.
GENES_GAIN = "concordance_gain_of_genes"
_AT_HORIZON = re.compile(r"_[0-9.e+]+m$")


@dataclass(frozen=True)
class Metric:
    """What the model card says of a metric.

    Parameters
    ----------
    definition : str
        One sentence.
    direction : str
        Which values are good.
    horizon : str
        The follow-up that it counts, or the time at which it is taken.
    """

    definition: str
    direction: str
    horizon: str

    @property
    def at_horizons(self) -> bool:
        """Whether it stands once for each horizon, with ``_<months>m`` appended to its name."""
        return self.horizon == AT_MONTHS


#: Every metric of `training.evaluation.Judge`, by its name without its horizon. All are out of fold; pairs are of one
#: repeat and fold, other figures of one repeat, and all are averaged over repeats.
METRICS = {
    "concordance_harrell": Metric(
        "Share of the pairs in which it is known who fails first that are predicted in this order, ties counting half.",
        HIGHER,
        WHOLE,
    ),
    GAIN: Metric(
        "Harrell's concordance less that of clinical covariates alone, both on the same folds and samples.",
        HIGHER,
        WHOLE,
    ),
    GENES_GAIN: Metric(
        "Harrell's concordance less that of the weighted average of the learners that read no gene, on the same folds "
        "and samples: what averaging and bent clinical covariates gain by themselves is not the genes'.",
        HIGHER,
        WHOLE,
    ),
    "concordance_uno": Metric(
        "Harrell's concordance with each pair weighed by 1/G(t−)², G the cohort's probability of being uncensored, so "
        "that it does not depend on who was censored when.",
        HIGHER,
        f"events before {LAST} (Uno's truncation time)",
    ),
    "auc": Metric(
        "Probability that a patient who fails by the horizon is predicted worse than one who outlives it, censoring "
        "weighed out.",
        HIGHER,
        AT_MONTHS,
    ),
    "royston_sauerbrei_d": Metric(
        "Log hazard ratio between the halves of the patients with the worse and the better prognosis, had the "
        "predictors a normal distribution.",
        HIGHER,
        WHOLE,
    ),
    "royston_sauerbrei_r2": Metric(
        "Share of the variation in prognosis that this log hazard ratio stands for; 0 where it is negative.",
        HIGHER,
        WHOLE,
    ),
    "brier": Metric(
        "Mean squared distance between predicted survival at the horizon and what happened, censoring weighed out.",
        LOWER,
        AT_MONTHS,
    ),
    "integrated_brier_score": Metric(
        "Mean of the Brier score over 50 equal steps of follow-up.", LOWER, f"up to {LAST}"
    ),
    "integrated_brier_ratio": Metric(
        "Integrated Brier score divided by that of the Kaplan–Meier curve of the other folds, on the same patients and "
        "samples; below 1 is better than predicting the average for all.",
        LOWER,
        f"up to {LAST}",
    ),
    "calibration_slope": Metric(
        "Cox coefficient of the linear predictor in patients who took no part in its fit or recalibration; below 1 "
        "predictions lie too far apart, above 1 too close together.",
        ONE,
        WHOLE,
    ),
    "log_observed_expected": Metric(
        "Natural log of the Kaplan–Meier risk over the mean predicted risk; above 0 more patients fail than predicted.",
        ZERO,
        AT_MONTHS,
    ),
    "ici": Metric(
        "Mean distance between predicted risk and the risk that a spline of it observes (integrated calibration "
        "index); resampling only adds to a distance, so that the interval (of the first 200 samples) of a small one "
        "lies high.",
        LOWER,
        AT_MONTHS,
    ),
    "e50": Metric("Median of the distances of which ici is the mean.", LOWER, AT_MONTHS),
    "e90": Metric("90th percentile of the distances of which ici is the mean.", LOWER, AT_MONTHS),
    "d_calibration_p": Metric(
        "P-value of the chi-square test that predicted survival at the patients' own times is uniform; a small one "
        "says that predicted survival is not distributed as it should be. It has no interval.",
        HIGHER,
        f"up to {LAST}",
    ),
    "net_benefit": Metric(
        "True positives per patient, less false positives at the threshold's odds, when those are treated "
        "whose predicted risk is at least the cohort's Kaplan–Meier risk at the horizon; there treating all, or none, "
        "is worth 0.",
        HIGHER,
        AT_MONTHS,
    ),
}


def gain_of_genes(metrics: Mapping[str, Estimate]) -> Estimate | None:
    """Return by how much a model exceeds those that read no gene; None where there are no clinical covariates.

    Models that were kept before the average without genes was judged beside them tell it of clinical covariates alone.
    """
    return metrics.get(GENES_GAIN) or metrics.get(GAIN)


def at_horizon(name: str, months: float) -> str:
    """Return a metric's name at a horizon: ``auc_36m``."""
    return f"{name}_{months:g}m"


def metric_named(name: str) -> Metric:
    """Return what a metric is, by its name with or without a horizon.

    Raises
    ------
    KeyError
        If there is no such metric.
    """
    return METRICS[name] if name in METRICS else METRICS[_AT_HORIZON.sub("", name)]


def estimated(figures: Floats) -> Estimate:
    """Return the cohort's figure, and the 95 % interval of the samples'.

    Parameters
    ----------
    figures : array, shape (1 + n_samples,)

    Notes
    -----
    A bootstrap sample of very few events may hold no comparable pair, or no finite maximum; it says nothing and is left
    out. There is no interval unless more than half of them remain: those that do are the less extreme.
    """
    value, samples = float(figures[0]), figures[1:]
    known = samples[~np.isnan(samples)]
    if np.isnan(value) or 2 * len(known) <= len(samples):
        return Estimate(value, np.nan, np.nan)
    lower, upper = np.quantile(known, [0.025, 0.975])
    return Estimate(value, float(lower), float(upper))


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Return the ratio of two figures, sample by sample; NaN where the denominator is not above 0."""
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)
