"""What a statistician would ask of a training before believing it: the answers in one place, and the warnings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.cohort import days_to_months
from features.endpoint_advice import Advice, endpoint_advice
from training.follow_up import FEWEST_AT_RISK, EventsPerParameter, FollowUp, events_per_parameter, follow_up
from training.influence import Influence, influence
from training.proportional_hazards import GLOBAL, ProportionalHazards, proportional_hazards
from training.selection_stability import POOR, SelectionStability

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: The covariate under which the model's own prediction is tested.
LINEAR_PREDICTOR = "linear_predictor"
SIGNIFICANT = 0.05
#: One patient moves a coefficient by this share of its standard error: the conclusion hangs on that patient.
MUCH_INFLUENCE = 0.5
#: Patients in the table of influence.
MOST_INFLUENTIAL = 10


@dataclass(frozen=True)
class Diagnostics:
    """The diagnostics of one training.

    Parameters
    ----------
    proportional_hazards : ProportionalHazards
        Of the unpenalised Cox model of the out-of-fold linear predictor and the clinical covariates.
    influence : Influence
        On the same model.
    events_per_parameter : EventsPerParameter
    follow_up : FollowUp
    endpoint_advice : Advice or None
        None where the cancer type has none.
    stability : SelectionStability or None
        None if the model was not refitted to bootstraps.
    covariates : tuple of str
        Those whose stability it is; empty without it.
    """

    proportional_hazards: ProportionalHazards
    influence: Influence
    events_per_parameter: EventsPerParameter
    follow_up: FollowUp
    endpoint_advice: Advice | None
    stability: SelectionStability | None
    covariates: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is not as it should be, each in a sentence; empty if all is well."""
        return (
            *_of_endpoint(self.endpoint_advice),
            *_of_events(self.events_per_parameter),
            *_of_follow_up(self.follow_up),
            *_of_hazards(self.proportional_hazards),
            *_of_influence(self.influence),
            *_of_stability(self.stability),
        )

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return every table by its name; patients are named by their position alone, and only the most influential."""
        tables = {
            "proportional_hazards": self.proportional_hazards.table(),
            "influence": self.influence.largest(MOST_INFLUENTIAL),
            "events_per_parameter": self.events_per_parameter.table(),
            "follow_up": self.follow_up.table(),
            "diagnostic_warnings": pd.DataFrame({"warning": list(self.warnings)}, dtype="str"),
        }
        if self.endpoint_advice is not None:
            advice = self.endpoint_advice
            tables["endpoint_advice"] = pd.DataFrame({"verdict": [advice.verdict], "advice": [advice.sentence]})
        if self.stability is not None:
            tables["selection_stability"] = self.stability.table(self.covariates)
        return tables

    def metrics(self) -> Mapping[str, float]:
        """Return the figures that sum the diagnostics up; those that were not assessable are left out."""
        figures = {
            "proportional_hazards_p_value": float(self.proportional_hazards.p_value[-1]),
            "events_per_parameter": self.events_per_parameter.ratio,
            "median_follow_up_months": float(days_to_months(np.array(self.follow_up.median_days))),
            "largest_dfbetas": float(np.abs(self.influence.dfbetas).max()),
            "selection_stability": self.stability.stability.value if self.stability else float("nan"),
        }
        return {name: figure for name, figure in figures.items() if np.isfinite(figure)}


def diagnose(
    *,
    time: Floats,
    event: Bools,
    linear_predictor: Floats,
    clinical: pd.DataFrame,
    n_parameters: int,
    horizons_days: Sequence[float] | Floats,
    cancer_type: str,
    endpoint: str,
    stability: SelectionStability | None = None,
    covariates: Sequence[str] = (),
) -> Diagnostics:
    """Diagnose one training.

    Parameters
    ----------
    time : array, shape (n_patients,)
        Follow-up in days.
    event : array of bool, shape (n_patients,)
    linear_predictor : array, shape (n_patients,)
        Out of fold, the mean over repeats; higher is worse.
    clinical : DataFrame, shape (n_patients, n_clinical)
        Standardised clinical covariates without gaps; may have no columns.
    n_parameters : int
        Candidates, the penalised ones included.
    horizons_days : sequence of float
    cancer_type, endpoint : str
    stability : SelectionStability, optional
    covariates : sequence of str
        Whose stability it is, in the order of its coefficients.

    Notes
    -----
    A linear predictor from a fold's training patients is a covariate like any other to the patients held out, so the
    unpenalised model's tests hold for it; the mean over repeats is not quite one model's prediction.
    """
    names = (LINEAR_PREDICTOR, *map(str, clinical.columns))
    X = np.column_stack([linear_predictor, clinical.to_numpy(dtype=np.float64)])
    return Diagnostics(
        proportional_hazards=proportional_hazards(X, time, event, names),
        influence=influence(X, time, event, names),
        events_per_parameter=events_per_parameter(int(np.sum(event)), n_parameters),
        follow_up=follow_up(time, event, horizons_days),
        endpoint_advice=endpoint_advice(cancer_type, endpoint),
        stability=stability,
        covariates=tuple(covariates),
    )


def _of_endpoint(advice: Advice | None) -> list[str]:
    return [advice.sentence] if advice is not None and advice.is_warning else []


def _of_events(events: EventsPerParameter) -> list[str]:
    return [events.sentence] if events.verdict in {"sparse", "too few"} else []


def _of_follow_up(found: FollowUp) -> list[str]:
    """Warn of horizons that most patients were not followed to, or hardly anybody was."""
    months = days_to_months(found.horizons_days)
    median = float(days_to_months(np.array(found.median_days)))
    late, bare = found.median_days < found.horizons_days, found.at_risk < FEWEST_AT_RISK
    warnings = []
    if late.any():
        warnings.append(
            f"the median follow-up of {median:.0f} months is shorter than the horizon of {_listed(months[late])} "
            f"months: the state of {_listed(100 * found.known[late])} % of the patients is known there."
        )
    if bare.any():
        warnings.append(
            f"at {_listed(months[bare])} months only {_listed(found.at_risk[bare])} patients are at risk, fewer than "
            f"{FEWEST_AT_RISK}: figures there are guesses."
        )
    return warnings


def _of_hazards(tested: ProportionalHazards) -> list[str]:
    """Warn if all together or the model's own prediction fail the test, and name every covariate that does."""
    p_values = dict(zip(tested.names, tested.p_value, strict=True))
    if tested.reason:
        return [f"proportional hazards: {tested.reason}"]
    if min(p_values[GLOBAL], p_values[LINEAR_PREDICTOR]) >= SIGNIFICANT:
        return []
    failing = [f"{name} (p {_in_words(p)})" for name, p in p_values.items() if p < SIGNIFICANT]
    return [
        f"the score test finds departures from proportional hazards: {', '.join(failing)} (no correction for several "
        "tests); hazard ratios are then averages over the follow-up, and survival at a horizon may be off."
    ]


def _of_influence(found: Influence) -> list[str]:
    """Warn of coefficients that hang on single patients, the most of them first."""
    if found.reason:
        return []
    strongest = np.abs(found.dfbetas).max(axis=0)
    names = [f"{found.names[j]} ({strongest[j]:.1f})" for j in np.argsort(-strongest) if strongest[j] > MUCH_INFLUENCE]
    if not names:
        return []
    return [
        f"single patients move coefficients by more than {MUCH_INFLUENCE:g} standard errors: {', '.join(names)}; look "
        "at the values and dates of the most influential."
    ]


def _of_stability(stability: SelectionStability | None) -> list[str]:
    if stability is None or not stability.stability.value < POOR:
        return []
    return [stability.sentence]


def _listed(values: Floats | NDArray[np.int64]) -> str:
    return ", ".join(f"{value:.0f}" for value in values)


def _in_words(p_value: float) -> str:
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"
