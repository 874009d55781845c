"""What all pictures share: the palette, the words for learners, the caption, and the mark of simulated patients."""

from __future__ import annotations

import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from features.cohort import ENDPOINTS, Cohort
from training.estimate import Estimate
from training.results import TrainingResult

#: Told apart by the colour-blind too (Okabe and Ito).
BLUE, ORANGE, VERMILLION, GREEN, PURPLE = "#0072B2", "#E69F00", "#D55E00", "#009E73", "#CC79A7"
INK, FAINT, WORSE, BETTER = "#222222", "#767676", VERMILLION, BLUE

DOTS_PER_INCH = 100
#: Inches; 800 pixels, what MLflow shows without shrinking it.
WIDTH = 8.0
#: Points. At 100 dots an inch nothing smaller can be read.
SMALL, SMALLEST = 9, 8
#: Characters of a caption in an inch of the picture's width.
CAPTION_CHARACTERS = 16.5

GENES_ONLY = "_genes_only"
WORDS = {
    "kaplan_meier": "Kaplan–Meier",
    "clinical_only": "clinical covariates only",
    "clinical_boosted": "clinical only, boosted trees",
    "auto_clinical": "learners without genes, weighed",
    "best_single_gene": "best single gene",
    "penalised_cox": "penalised Cox",
    "boosted": "boosted trees",
    "pooled_cox": "Cox pooled over cancer types",
    "auto": "all learners, weighed inside the folds",
}
#: Against which the learners are held.
BASELINES = ("kaplan_meier", "clinical_only", "clinical_boosted", "auto_clinical", "best_single_gene")
CONDITIONAL = "95 % intervals from resampled patients, conditional on the fits"


def learner_words(name: str) -> str:
    """Return what an evaluation is called in a picture: ``boosted_genes_only`` is *boosted trees, genes only*."""
    learner = name.removesuffix(GENES_ONLY)
    return WORDS.get(learner, learner.replace("_", " ")) + (", genes only" if learner != name else "")


def survival_words(cohort: Cohort) -> str:
    """Return the label of an axis of survival."""
    return f"{ENDPOINTS[cohort.endpoint].capitalize()}, Kaplan–Meier"


def interval_words(estimate: Estimate) -> str:
    """Write a figure with its interval, ``0.751 (0.702 to 0.799)``; *not assessed* where there is none."""
    if not np.isfinite(estimate.value):
        return "not assessed"
    if not np.isfinite(estimate.lower):
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} ({estimate.lower:.3f} to {estimate.upper:.3f})"


def month_ticks(limit: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return where to mark an axis of months that ends at `limit`."""
    step = next((step for step in (3, 6, 12, 24, 36) if limit / step <= 8), 60)
    return np.arange(0, limit + 1e-9, step, dtype=np.float64)


def finish(figure: Figure, axes: Axes, result: TrainingResult, *, title: str, subject: str = "", caption: str) -> None:
    """Say whose picture it is and what it is conditional on, and SIMULATED where its patients were.

    Parameters
    ----------
    figure : Figure
    axes : Axes
        The uppermost.
    result : TrainingResult
    title : str
    subject : str
        Whose predictions, or which horizon; stands beside the cohort.
    caption : str
        Below the picture; broken into lines here.
    """
    cohort = result.cohort
    axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, x=0.015, ha="left", fontweight="bold", fontsize=13)
    # Of pooled cohorts, what is drawn of patients is drawn of one's.
    of_one = f", cohort {result.model.reference}" if result.model.reference and cohort.strata is None else ""
    whose = f"{cohort}{of_one}: {len(cohort.time)} patients, {cohort.n_events} events"
    subtitle = "; ".join(filter(None, (whose, subject)))
    figure.supxlabel(_broken(caption, figure), x=0.015, ha="left", fontsize=SMALLEST, color=INK)
    # A title of the axes would begin where they do, and run out of the picture.
    figure.text(0.015, _below_title(figure), subtitle, fontsize=10, color=INK, va="top")
    axes.set_title(" ", fontsize=15)
    if cohort.simulated:
        figure.text(0.5, 0.5, "SIMULATED", fontsize=44, color="red", alpha=0.15, rotation=25, ha="center", va="center")


def _broken(caption: str, figure: Figure) -> str:
    return "\n".join(textwrap.wrap(caption, int(figure.get_figwidth() * CAPTION_CHARACTERS)))


def _below_title(figure: Figure) -> float:
    """Return the height of the line under the title, as a share of the figure's."""
    return 1 - 0.34 / figure.get_figheight()
