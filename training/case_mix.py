"""Who the new patients are beside those that a model was trained on, as far as its bundle tells of those."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.clinical_covariates import NUMERIC, ORDERED, ClinicalCovariate, raw_numbers
from features.cohort import Cohort, days_to_months
from training.applicability import WARNED_ABOVE
from training.input_shift import known_shares
from training.kaplan_meier import median_follow_up
from training.model import PrognosticModel, Variant
from training.new_patients import NewPatients
from training.scores import CLINICAL, RISK_GROUPS, risk_percentile

Floats = NDArray[np.float64]

TRAINING, NEW = "training", "new"
#: Encoders are learned from all cohorts that were pooled, and know no one cohort's shares.
POOLED_NOTE = " (training: all pooled cohorts)"
#: Tenths of the typicality percentile.
N_TENTHS = 10


@dataclass(frozen=True, eq=False)
class Typical:
    """How far profiles are from the reference cohort, of those that have a distance, among its own held back.

    Parameters
    ----------
    tenths : array of int, shape (10,)
        New patients by percentile of their distance, nearest first; about equal where they are like the reference's.
    share_warned, share_refused : float
        Of the patients in the tenths; 4 % of the reference's own would be warned of, whatever the cohort.
    expected_warned : float
    """

    tenths: NDArray[np.int64]
    share_warned: float
    share_refused: float
    expected_warned: float = 1 - WARNED_ABOVE / 100


@dataclass(frozen=True, eq=False)
class PredictorMix:
    """The linear predictor of one variant in the new patients and in the reference.

    Parameters
    ----------
    mean, sd : dict of str to float
        ``training`` (out of fold) and ``new``; log relative hazard.
    groups : dict of str to int
        New patients in each tertile of the reference, low risk first.
    concordance : dict of str to float
        `model_based_concordance` of either.
    """

    mean: Mapping[str, float]
    sd: Mapping[str, float]
    groups: Mapping[str, int]
    concordance: Mapping[str, float]


def typical(patients: NewPatients) -> Typical | None:
    """Return how far the patients whom the model never saw are from the reference; None where it cannot be told."""
    if patients.distance is None or patients.relative_reason is not None:
        return None
    judged = patients.distance
    # Without a known gene, or on another scale than stated, a patient is refused for that, and not for a distance.
    known = patients.absent & ~np.isnan(judged.percentile)
    if not known.any():
        return None
    reached = (judged.percentile[known] / N_TENTHS).astype(np.int64)
    tenths = np.bincount(np.minimum(reached, N_TENTHS - 1), minlength=N_TENTHS)
    return Typical(
        tenths=np.asarray(tenths, dtype=np.int64),
        share_warned=float((judged.warned & ~judged.refused)[known].mean()),
        share_refused=float(judged.refused[known].mean()),
    )


def predictor_mix(variant: Variant, linear_predictor: Floats) -> PredictorMix:
    """Set the linear predictors of new patients beside those of the reference.

    Parameters
    ----------
    variant : Variant
    linear_predictor : array, shape (n_patients,)
        At least one patient; higher is worse.

    References
    ----------
    Debray TPA et al. A new framework to enhance the interpretation of external validation studies of clinical
    prediction models. J Clin Epidemiol 2015;68:279-289. doi:10.1016/j.jclinepi.2014.06.018
    """
    both = {TRAINING: variant.reference, NEW: linear_predictor}
    thirds = (risk_percentile(variant.reference, linear_predictor) * 3 / 100).astype(np.int64)
    counts = np.bincount(np.minimum(thirds, 2), minlength=3).tolist()
    return PredictorMix(
        mean={name: float(values.mean()) for name, values in both.items()},
        sd={name: float(values.std()) for name, values in both.items()},
        groups=dict(zip(RISK_GROUPS, counts, strict=True)),
        concordance={name: model_based_concordance(values) for name, values in both.items()},
    )


def model_based_concordance(linear_predictor: Floats) -> float:
    r"""Return the concordance to be expected of patients with these linear predictors, were the model right.

    .. math:: \frac{2}{n(n-1)} \sum_{i<j} \frac{1}{1 + e^{-|\eta_i - \eta_j|}}

    Parameters
    ----------
    linear_predictor : array, shape (n_patients,)

    Returns
    -------
    float
        No outcome enters: below the training cohort's, the new patients are more alike, and a model that is as right
        for them ranks them less well. NaN for fewer than two.

    References
    ----------
    Gönen M, Heller G. Concordance probability and discriminatory power in proportional hazards regression. Biometrika
    2005;92:965-970. doi:10.1093/biomet/92.4.965

    van Klaveren D et al. A new concordance measure for risk prediction models in external validation settings. Stat Med
    2016;35:4136-4152. doi:10.1002/sim.6997
    """
    if len(linear_predictor) < 2:
        return float("nan")
    first, second = np.triu_indices(len(linear_predictor), k=1)
    apart = np.abs(linear_predictor[first] - linear_predictor[second])
    return float(np.mean(1 / (1 + np.exp(-apart))))


def case_mix(patients: NewPatients) -> pd.DataFrame:
    """Return characteristics of the training cohort and of the patients whom the model never saw.

    Parameters
    ----------
    patients : NewPatients

    Returns
    -------
    DataFrame
        ``characteristic``, ``training``, ``new``; NaN where not known. Clinical covariates of a model of pooled cohorts
        are named so that their training figures are told to be of all of them.
    """
    model, cohort = patients.model, patients.cohort.subset(np.flatnonzero(patients.absent))
    rows = [*_outcome_rows(model, cohort)]
    if CLINICAL in model.variants:
        encoder = model.variants[CLINICAL].features.clinical
        for column in encoder.columns:
            found = _covariate_rows(column, [each for each in encoder.covariates if each.column == column], cohort)
            note = POOLED_NOTE if model.reference else ""
            rows += [(name + note, training, new) for name, training, new in found]
    return pd.DataFrame(rows, columns=["characteristic", TRAINING, NEW])


def _outcome_rows(model: PrognosticModel, cohort: Cohort) -> Iterator[tuple[str, float, float]]:
    known = model.cohort
    follow_up = float(days_to_months(np.array(median_follow_up(cohort.time, cohort.event))))
    yield "patients", known.n_patients, len(cohort.time)
    yield "events", known.n_events, cohort.n_events
    yield "share with the event", known.n_events / known.n_patients, cohort.n_events / max(len(cohort.time), 1)
    yield "median follow-up, months", known.median_follow_up_months, follow_up


def _covariate_rows(
    column: str, encoded: list[ClinicalCovariate], cohort: Cohort
) -> Iterator[tuple[str, float, float]]:
    if column not in cohort.clinical.columns:
        return
    known = cohort.clinical[column].dropna()
    if column in NUMERIC:
        numbers = raw_numbers(column, known)
        line = next((each for each in encoded if not each.is_shape), None)
        mean, sd = (np.nan, np.nan) if line is None else (line.mean, line.scale)
        yield f"{column}, mean", mean, float(numbers.mean()) if len(numbers) else np.nan
        yield f"{column}, SD", sd, float(numbers.std()) if len(numbers) else np.nan
        return
    shares = known_shares(encoded)
    for name, category, share in _named_shares(column, encoded, shares):
        yield f"{column} {name}", share, float(known.isin(category).mean()) if len(known) else np.nan


def _named_shares(
    column: str, encoded: list[ClinicalCovariate], shares: Floats | None
) -> Iterator[tuple[str, tuple[str, ...], float]]:
    """Yield the name, the categories and the reference's share of each group of `known_shares`."""
    if shares is None:
        return
    if encoded[0].category is not None:
        names = [str(each.category) for each in encoded]
        others = tuple(name for name in encoded[0].known if name not in names)
        groups = [*((name,) for name in names), others]
    else:
        ranks = [1, *(int(each.at_least) for each in encoded if each.at_least is not None), len(ORDERED[column]) + 1]
        groups = [ORDERED[column][low - 1 : high - 1] for low, high in pairwise(ranks)]
    for group, share in zip(groups, shares.tolist(), strict=True):
        if group:
            yield "/".join(group), group, share
