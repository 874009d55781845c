"""The pictures of a training."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from experiments import figures
from features.cohort import Cohort, months_to_days
from training.kaplan_meier import at_risk, kaplan_meier


def texts(figure: Figure) -> list[str]:
    figure.savefig(io.BytesIO(), format="svg")  # lays it out, and fails on what cannot be drawn
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]


def named(cancer_type: str, cohort: Cohort) -> Cohort:
    return replace(cohort, cancer_type=cancer_type)


@pytest.fixture
def reported(small_training):
    return small_training.evaluations["penalised_cox"]


@pytest.fixture
def real_patients(small_training):
    return replace(small_training, cohort=named("KIRC", small_training.cohort))


def test_risk_groups_are_tertiles_and_higher_is_worse():
    groups = figures.risk_groups(np.array([[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]]))
    assert [list(np.flatnonzero(members)) for members in groups.values()] == [[0, 1], [2, 3], [4, 5]]
    assert list(groups) == ["low", "intermediate", "high"]


def test_risk_groups_average_over_repeats():
    groups = figures.risk_groups(np.array([[0.0, 6.0, 4.0], [0.0, -4.0, 4.0]]))
    assert np.flatnonzero(groups["high"]) == [2]
    assert np.flatnonzero(groups["intermediate"]) == [1]


def test_patients_who_cannot_be_told_apart_stay_together():
    groups = figures.risk_groups(np.zeros((1, 9)))
    assert sum(members.any() for members in groups.values()) == 1


def test_every_group_has_its_numbers_at_risk_under_the_axis(small_training, reported):
    shown = texts(figures.kaplan_meier_by_risk_group(small_training, reported))
    time = small_training.cohort.time
    for members in figures.risk_groups(reported.linear_predictor).values():
        for months in (0.0, 24.0):
            assert str(at_risk(time[members], months_to_days(np.array([months])))[0]) in shown


def test_calibration_compares_mean_prediction_with_kaplan_meier(small_training, reported):
    months = small_training.model.horizons_months[0]
    table = figures.calibration_table(small_training, reported, horizon_months=months)
    assert table["n"].sum() == len(small_training.cohort.patients)
    assert table["predicted"].is_monotonic_increasing
    assert (table["lower"] <= table["observed"]).all()
    assert (table["observed"] <= table["upper"]).all()


def test_calibration_of_one_prediction_for_all_is_the_whole_cohorts_survival(small_training, reported):
    cohort, grid = small_training.cohort, small_training.grid_days
    day = float(months_to_days(np.array([24.0]))[0])
    curve = kaplan_meier(cohort.time, cohort.event)
    observed = float(curve.at(np.array([day]))[0])
    flat = np.broadcast_to(np.interp(grid, [0, day, grid[-1]], [1, observed, 0]), reported.survival.shape)
    table = figures.calibration_table(small_training, replace(reported, survival=flat), horizon_months=24.0)
    np.testing.assert_allclose(table["predicted"], observed, atol=0.01)


def test_the_forest_is_sorted_and_marks_what_was_published(small_training):
    figure = figures.forest_of_hazard_ratios(small_training)
    table = small_training.model.hazard_ratios
    shown = texts(figure)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == list(table.sort_values("hazard_ratio_per_sd")["gene"])
    published = table["published_hazard_ratio"].dropna()
    assert shown.count("▶") == (published > 1).sum()
    assert shown.count("◀") == (published < 1).sum()


def test_a_forest_survives_an_interval_that_is_wide_open(small_training):
    table = small_training.model.hazard_ratios.copy()
    table.loc[0, ["hazard_ratio_per_sd", "hazard_ratio_per_sd_lower", "hazard_ratio_per_sd_upper"]] = [1e6, 1e-9, 1e21]
    wide = replace(small_training, model=replace(small_training.model, hazard_ratios=table))
    figure = figures.forest_of_hazard_ratios(wide)
    assert texts(figure)
    low, high = figure.axes[0].get_xlim()
    assert (low, high) == pytest.approx(figures.RATIOS_SHOWN)


def test_a_forest_without_any_estimate_is_drawn_empty(small_training):
    table = small_training.model.hazard_ratios
    none = table.assign(**{column: np.nan for column in table.columns if column.startswith("hazard_ratio_per_sd")})
    assert texts(
        figures.forest_of_hazard_ratios(
            replace(small_training, model=replace(small_training.model, hazard_ratios=none))
        )
    )


def test_every_learner_and_baseline_is_in_the_overview_with_its_figure(small_training):
    shown = texts(figures.concordance_of_learners(small_training))
    for evaluation in small_training.evaluations.values():
        estimate = evaluation.metrics["concordance_harrell"]
        assert f"{estimate.value:.3f} ({estimate.lower:.3f} to {estimate.upper:.3f})" in shown


def test_simulated_patients_are_called_so_on_every_picture_and_real_ones_are_not(small_training, real_patients):
    for result, count in ((small_training, 1), (real_patients, 0)):
        evaluation = result.evaluations["penalised_cox"]
        drawn = [figure for _, figure in figures.pictures(result, evaluation)]
        drawn += [figures.forest_of_hazard_ratios(result), figures.concordance_of_learners(result)]
        assert [texts(figure).count("SIMULATED") for figure in drawn] == [count] * 4


def test_pictures_are_pure_functions(small_training, reported):
    import matplotlib.pyplot as plt  # noqa: PLC0415

    figures.calibration(small_training, reported, horizon_months=12.0)
    assert not plt.get_fignums()
    assert isinstance(figures.calibration_table(small_training, reported, horizon_months=12.0), pd.DataFrame)
