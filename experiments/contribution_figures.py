"""What drives the kept model: its coefficients if it is linear, and else each covariate's contributions (SHAP)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xgboost
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from experiments.figure_style import BETTER, BLUE, INK, SMALL, VERMILLION, WIDTH, WORSE, finish, learner_words
from features.transform import Covariate
from training.blend import Blend, FittedLearner
from training.model import Variant
from training.penalised_cox import FittedCox
from training.results import TrainingResult

Floats = NDArray[np.float64]
#: A weighted sum of learners; one learner is a sum of one.
type Members = Sequence[tuple[float, FittedLearner]]

#: Covariates shown, by size.
SHOWN_COEFFICIENTS, SHOWN_CONTRIBUTIONS = 25, 20
#: Into how many bins a row of points is parted to spread them, and how far they may lie from its middle.
SWARM_BINS, SWARM_WIDTH = 60, 0.38
LOW_TO_HIGH = LinearSegmentedColormap.from_list("low_to_high", [BLUE, "#BBBBBB", VERMILLION])


def kept_variant(result: TrainingResult) -> tuple[str, Variant]:
    """Return the variant whose figures are reported: with clinical covariates where there are any."""
    variants = result.model.variants
    name = "clinical" if "clinical" in variants else "genes_only"
    return name, variants[name]


def members_of(variant: Variant) -> list[tuple[float, FittedLearner]]:
    """Return the learners of a variant, each with its weight in the recalibrated linear predictor."""
    if isinstance(variant.fitted, Blend):
        return [(variant.slope * weight, learner) for weight, learner in variant.fitted.members]
    return [(variant.slope, variant.fitted)]


def is_linear(members: Members) -> bool:
    """Tell whether every member is a Cox model, so that coefficients say all."""
    return all(isinstance(learner.predictor, FittedCox) for _, learner in members)


def coefficients(members: Members, n_covariates: int) -> Floats:
    """Return the log hazard ratio per unit of every covariate, shape (n_covariates,); 0 where a member reads it not.

    Raises
    ------
    TypeError
        If a member is not a Cox model.
    """
    total = np.zeros(n_covariates)
    for weight, learner in members:
        if not isinstance(learner.predictor, FittedCox):
            raise TypeError("only a Cox model has coefficients")
        total[learner.columns] += weight * learner.predictor.coefficients
    return total


def contributions(members: Members, X: Floats) -> Floats:
    """Return what each covariate adds to each patient's linear predictor, against the mean of these patients.

    Parameters
    ----------
    members : sequence of (weight, FittedLearner)
    X : array, shape (n_patients, n_covariates)

    Returns
    -------
    array, shape (n_patients, n_covariates)
        Rows sum to the linear predictor less its mean over these patients; positive is worse.

    Notes
    -----
    For boosters the exact path-dependent Shapley values of their trees (Lundberg et al. 2020,
    doi:10.1038/s42256-019-0138-9); for Cox models coefficient times distance from the mean, which are theirs.
    """
    total = np.zeros(X.shape)
    for weight, learner in members:
        total[:, learner.columns] += weight * _of_one(learner, X[:, learner.columns])
    return np.asarray(total - total.mean(axis=0), dtype=np.float64)


def _of_one(learner: FittedLearner, X: Floats) -> Floats:
    predictor = learner.predictor
    if isinstance(predictor, FittedCox):
        return np.asarray((X - predictor.means) * predictor.coefficients, dtype=np.float64)
    margin = predictor.booster.predict(xgboost.DMatrix(X, nthread=1), pred_contribs=True)[:, :-1].astype(np.float64)
    # The margin of an accelerated failure time model is a log time.
    return np.asarray(-margin if predictor.objective == "aft" else margin, dtype=np.float64)


def contributions_of_model(result: TrainingResult) -> tuple[str, Figure] | None:
    """Draw the kept model's coefficients, or its contributions if it has trees; None if it uses no covariate.

    Returns
    -------
    tuple of (name, Figure) or None
        ``coefficients`` or ``shap_beeswarm``.
    """
    variant = kept_variant(result)[1]
    members = members_of(variant)
    X = variant.features.transform(result.cohort.expression, result.cohort.clinical)
    if is_linear(members):
        per_sd = coefficients(members, X.shape[1]) * X.std(axis=0)
        return ("coefficients", forest_of_coefficients(result, per_sd)) if per_sd.any() else None
    added = contributions(members, X)
    return ("shap_beeswarm", beeswarm(result, added, X)) if added.any() else None


def forest_of_coefficients(result: TrainingResult, per_sd: Floats) -> Figure:
    """Draw the largest log hazard ratios per standard deviation, the largest on top.

    Parameters
    ----------
    result : TrainingResult
    per_sd : array, shape (n_covariates,)
        Of the kept variant's covariates; not all 0.
    """
    order = _largest(np.abs(per_sd), SHOWN_COEFFICIENTS)
    figure = Figure(figsize=(WIDTH, 2.2 + 0.23 * len(order)), layout="constrained")
    axes = figure.subplots()
    rows, shown = np.arange(len(order)), per_sd[order]
    colours = np.where(shown > 0, WORSE, BETTER).tolist()
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.hlines(rows, 0, shown, colors=colours, linewidth=2)
    axes.scatter(shown, rows, c=colours, s=30, zorder=3)
    _name_rows(axes, result, order)
    axes.set_xlabel("Log hazard ratio per standard deviation (above 0: worse)")
    caption = (
        f"{_how_many(len(order), int(np.count_nonzero(per_sd)))} Fitted on all training patients and recalibrated "
        "out of fold. Coefficients are penalised, drawn towards 0, and have no interval; covariates that go together "
        "share theirs."
    )
    finish(figure, axes, result, title="Coefficients of the kept model", subject=_kept(result), caption=caption)
    return figure


def beeswarm(result: TrainingResult, added: Floats, X: Floats) -> Figure:
    """Draw what each covariate adds to each training patient's linear predictor, coloured by the covariate's value.

    Parameters
    ----------
    result : TrainingResult
    added : array, shape (n_patients, n_covariates)
        See `contributions`.
    X : array, shape (n_patients, n_covariates)
        The covariates; only their ranks are shown.
    """
    size = np.abs(added).mean(axis=0)
    order = _largest(size, SHOWN_CONTRIBUTIONS)
    figure = Figure(figsize=(WIDTH, 2.4 + 0.29 * len(order)), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color=INK, linewidth=0.8)
    for row, j in enumerate(order):
        axes.scatter(added[:, j], row + _swarm(added[:, j]), c=_ranks(X[:, j]), cmap=LOW_TO_HIGH, vmin=0, vmax=1, s=7)
    _name_rows(axes, result, order)
    axes.set_xlabel("Added to the log relative hazard (above 0: worse)")
    bar = figure.colorbar(ScalarMappable(cmap=LOW_TO_HIGH), ax=axes, ticks=[0, 1], aspect=40, pad=0.02)
    bar.ax.set_yticklabels(["low", "high"])
    bar.set_label("value of the covariate", labelpad=-14)
    caption = (
        f"{_how_many(len(order), int(np.count_nonzero(size)))} A point is a training patient: what the model does "
        "with the patients that it was fitted on (SHAP values, against their mean), not how well it does, and no cause."
    )
    finish(figure, axes, result, title="What drives the kept model", subject=_kept(result), caption=caption)
    return figure


def _kept(result: TrainingResult) -> str:
    name, variant = kept_variant(result)
    return f"{learner_words(variant.learner)}, {'genes only' if name == 'genes_only' else 'clinical and genes'}"


def _how_many(shown: int, used: int) -> str:
    return (
        f"All {used} covariates that the model uses." if shown == used else f"The largest {shown} of {used} covariates."
    )


def _largest(size: Floats, most: int) -> NDArray[np.intp]:
    """Return the positions of the largest, at most `most` and none that is 0, smallest first: rows grow upwards."""
    order = np.argsort(size, kind="stable")[-most:]
    return order[size[order] > 0]


def _name_rows(axes: Axes, result: TrainingResult, order: NDArray[np.intp]) -> None:
    covariates = kept_variant(result)[1].features.covariates
    axes.set_yticks(range(len(order)), [covariate_words(covariates[j]) for j in order], fontsize=SMALL)
    axes.set_ylim(-0.7, len(order) - 0.3)


def covariate_words(covariate: Covariate) -> str:
    """Return what a covariate is called: ``cluster_1`` is *cluster 1*, and clinical ones are said to be so."""
    name = covariate.name.replace("_", " ") if covariate.kind != "gene" else covariate.name
    return f"{name} (clinical)" if covariate.kind == "clinical" else name


def _ranks(values: Floats) -> Floats:
    """Return ranks from 0 to 1; equal values share one."""
    _, which = np.unique(values, return_inverse=True)
    return np.asarray(which / max(int(which.max()), 1), dtype=np.float64)


def _swarm(values: Floats) -> Floats:
    """Return how far each point lies from its row's middle, so that those of like value stand beside each other."""
    edges = np.linspace(values.min(), values.max() + 1e-12, SWARM_BINS + 1)
    within = np.clip(np.digitize(values, edges) - 1, 0, SWARM_BINS - 1)
    offsets = np.zeros(len(values))
    fullest = max(int(np.bincount(within).max()), 2)
    for bin_ in np.unique(within):
        members = np.flatnonzero(within == bin_)
        steps = np.arange(len(members)) - (len(members) - 1) / 2
        offsets[members] = steps * 2 * SWARM_WIDTH / fullest
    return offsets
