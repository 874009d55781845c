"""The forest plot of one gene over cohorts: what it draws, that it can be read, and what it says where it is weak."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.text import Text

from experiments.figure_style import DOTS_PER_INCH, SMALLEST
from experiments.meta_figures import CohortHazardRatios, forest_of_cohorts
from features.readers import read_cohort
from training.scan.meta_analysis import PooledHazardRatio, pooled_hazard_ratio
from training.scan.tissue_sources import split_by_tissue_source
from training.univariate import standardised_normal_scores
from training.univariate_cox import cox_univariate


def estimates(log_hazard_ratio, standard_error) -> CohortHazardRatios:
    names = [f"cohort {letter}" for letter in "ABCDEFGHIJKLMNOPQRST"[: len(log_hazard_ratio)]]
    counts = np.arange(10, 10 + len(names))
    return CohortHazardRatios(names, 5 * counts, counts, np.array(log_hazard_ratio), np.array(standard_error))


def drawn(given: CohortHazardRatios, **options) -> tuple[Figure, PooledHazardRatio]:
    pooled = pooled_hazard_ratio(given.log_hazard_ratio, given.standard_error)
    figure = forest_of_cohorts(given, pooled, gene="CD44", subject="SIMULATED, overall survival", **options)
    figure.savefig(io.BytesIO(), dpi=DOTS_PER_INCH)
    return figure, pooled


def words(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def test_squares_lines_diamond_and_prediction_stand_where_the_estimates_are():
    given = estimates([0.2, 0.9, -0.3, 0.5], [0.1, 0.3, 0.2, 0.4])
    figure, pooled = drawn(given)
    squares = [mark for mark in figure.findobj(PathCollection) if mark.get_sizes()[0] > 0]
    at = np.array([mark.get_offsets()[0] for mark in squares])
    np.testing.assert_allclose(at[:, 0], np.exp(given.log_hazard_ratio), rtol=1e-12)
    np.testing.assert_array_equal(at[:, 1], range(4))
    assert (np.argsort([mark.get_sizes()[0] for mark in squares]) == np.argsort(pooled.weights)).all()
    ends = [lines.get_segments()[0][:, 0] for lines in figure.findobj(LineCollection)]
    expected = given.log_hazard_ratio[:, None] + 1.959963985 * np.outer(given.standard_error, [-1, 1])
    np.testing.assert_allclose(ends[:4], np.exp(expected), rtol=1e-8)
    np.testing.assert_allclose(
        ends[4], np.exp([pooled.log_held_prediction_lower, pooled.log_held_prediction_upper]), rtol=1e-12
    )
    (diamond,) = (patch.get_xy()[:, 0] for patch in figure.findobj(Polygon) if len(patch.get_xy()) == 5)
    assert (diamond.min(), diamond.max()) == pytest.approx(
        np.exp([pooled.log_held_lower, pooled.log_held_upper]), rel=1e-12
    )
    assert diamond[1] == pytest.approx(pooled.hazard_ratio, rel=1e-12)


def test_the_words_give_the_mean_the_heterogeneity_and_the_degrees_of_freedom():
    figure, pooled = drawn(estimates([0.2, 0.9, -0.3, 0.5], [0.1, 0.3, 0.2, 0.4]))
    said = words(figure).replace("\n", " ")
    assert "CD44 over 4 cohorts" in said
    assert f"I² {100 * pooled.i_squared:.0f} %" in said
    assert (
        f"{pooled.hazard_ratio:.2f} ({np.exp(pooled.log_held_lower):.2f} to {np.exp(pooled.log_held_upper):.2f})"
        in said
    )
    assert "3 degrees of freedom" in said
    assert "cohort B: 11 of 55" in said


def test_where_cohorts_agree_by_chance_both_intervals_are_given():
    figure, pooled = drawn(estimates([0.35, 0.34, 0.36], [0.3, 0.2, 0.25]))
    said = words(figure).replace("\n", " ")
    (diamond,) = (patch.get_xy()[:, 0] for patch in figure.findobj(Polygon) if len(patch.get_xy()) == 5)
    assert diamond.max() - diamond.min() > 5 * (np.exp(pooled.log_upper) - np.exp(pooled.log_lower))
    assert f"Not held it is {np.exp(pooled.log_lower):.2f} to {np.exp(pooled.log_upper):.2f}" in said
    assert "the cohorts agree by chance" in said


def test_two_cohorts_are_flagged_and_have_no_prediction_interval():
    figure, _ = drawn(estimates([0.2, 0.5], [0.1, 0.2]))
    said = words(figure).replace("\n", " ")
    assert "Two cohorts: heterogeneity is hardly estimable" in said
    assert "No prediction interval" in said
    assert "Prediction, another cohort" not in said
    assert len(figure.findobj(LineCollection)) == 2


def test_a_cohort_without_an_estimate_is_named_without_a_square():
    figure, _ = drawn(estimates([0.2, np.nan, 0.5], [0.1, np.nan, 0.2]))
    said = words(figure)
    assert "CD44 over 2 cohorts" in said
    assert "cohort B: 11 of 55" in said
    assert "not estimable" in said
    assert len(figure.findobj(PathCollection)) == 2


def test_an_interval_that_leaves_the_picture_ends_in_an_arrow():
    given = estimates([0.2, 0.4, 0.3], [0.1, 0.2, 3.0])
    figure, _ = drawn(given)
    (axes,) = figure.axes
    assert axes.get_xlim()[0] > 0.03
    assert axes.get_xlim()[1] < 30
    assert len(figure.findobj(PathCollection)) == 3 + 2


def test_simulated_patients_are_marked():
    figure, _ = drawn(estimates([0.2, 0.5], [0.1, 0.2]), simulated=True)
    assert "SIMULATED" in [text.get_text() for text in figure.findobj(Text)]


@pytest.mark.parametrize("n_cohorts", [2, 6, 20])
def test_every_word_is_large_enough_and_inside_the_picture(n_cohorts):
    rng = np.random.default_rng(n_cohorts)
    figure, _ = drawn(estimates(rng.normal(size=n_cohorts), rng.uniform(0.1, 0.9, n_cohorts)))
    assert_readable(figure)


def assert_readable(figure: Figure) -> None:
    canvas = figure.bbox
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text().strip():
            box = text.get_window_extent()
            assert text.get_fontsize() >= SMALLEST, text.get_text()
            assert box.x0 >= canvas.x0 - 1, text.get_text()
            assert box.x1 <= canvas.x1 + 1, text.get_text()


@pytest.mark.parametrize(("cancer_type", "gene"), [("KIRC", "IL6ST"), ("LGG", "CD44")])
def test_a_real_cohort_by_site_is_drawn_with_every_site(real_cohorts, cancer_type, gene):
    split = split_by_tissue_source(read_cohort(real_cohorts / cancer_type, endpoint="OS"))
    parts = list(split.cohorts.values())
    fits = [
        cox_univariate(standardised_normal_scores(part.expression[[gene]].to_numpy(np.float64)), part.time, part.event)
        for part in parts
    ]
    given = CohortHazardRatios(
        cohorts=list(split.cohorts),
        patients=np.array([len(part.time) for part in parts]),
        events=np.array([part.n_events for part in parts]),
        log_hazard_ratio=np.concatenate([fit.coefficient for fit in fits]),
        standard_error=np.concatenate([fit.standard_error for fit in fits]),
    )
    figure, pooled = drawn(given)
    assert pooled.n_cohorts == len(parts)
    for site, part in split.cohorts.items():
        assert f"{site}: {part.n_events} of {len(part.time)}" in words(figure)
    assert_readable(figure)
