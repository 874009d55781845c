"""The pictures of a training that a paper would print: which there are, each a pure function of the result."""

from __future__ import annotations

from collections.abc import Iterator

from matplotlib.figure import Figure

from experiments.batch_figures import batch_effects
from experiments.calibration_figures import calibration
from experiments.contribution_figures import contributions_of_model
from experiments.decision_figures import decision_curve
from experiments.discrimination_figures import concordance_of_learners, random_signatures, time_dependent_auc
from experiments.survival_figures import kaplan_meier_by_risk_group
from experiments.univariate_figures import forest_of_hazard_ratios
from training.reference_result import of_default_reference
from training.results import Evaluation, TrainingResult


def pictures(result: TrainingResult, evaluation: Evaluation) -> Iterator[tuple[str, Figure]]:
    """Yield name and figure of each picture of one learner that ranks patients; what was not assessed is left out.

    Of pooled cohorts, patients of the default reference are drawn.
    """
    if result.cohort.strata is not None:
        result = of_default_reference(result)
        evaluation = result.evaluations[evaluation.name]
    horizons = result.model.horizons_months
    middle = horizons[len(horizons) // 2]
    drawn = {
        "kaplan_meier_by_risk_group": kaplan_meier_by_risk_group(result, evaluation),
        "calibration": calibration(result, evaluation, horizon_months=middle),
        "time_dependent_auc": time_dependent_auc(result, evaluation),
        "decision_curve": decision_curve(result, evaluation, horizon_months=middle),
    }
    yield from ((name, figure) for name, figure in drawn.items() if figure is not None)


def overview(result: TrainingResult) -> Iterator[tuple[str, Figure]]:
    """Yield name and figure of each picture of the training as a whole; what was not assessed is left out."""
    yield "concordance", concordance_of_learners(result)
    yield "hazard_ratios", forest_of_hazard_ratios(result)
    contributions = contributions_of_model(of_default_reference(result))
    if contributions is not None:
        yield contributions
    null = random_signatures(result)
    if null is not None:
        yield "random_signatures", null
    batches = batch_effects(result)
    if batches is not None:
        yield "batch_effects", batches
