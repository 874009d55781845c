"""The pictures of a training: what they show, and that it can be read."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.testing import assert_allclose

from experiments import calibration_figures, contribution_figures, discrimination_figures, figures, survival_figures
from experiments.figure_style import BASELINES, DOTS_PER_INCH, SMALLEST, learner_words
from experiments.univariate_figures import RATIOS_SHOWN, forest_of_hazard_ratios
from features.cohort import Cohort, months_to_days
from training.boosted import fit_boosted
from training.estimate import Estimate
from training.kaplan_meier import at_risk, kaplan_meier
from training.learners import FittedLearner
from training.penalised_cox import FittedCox
from training.results import RandomSignatures, TrainingResult

LEARNERS = ("penalised_cox", "clinical_only")
MORE = (
    "clinical_boosted",
    "best_single_gene",
    "boosted",
    "pooled_cox",
    "auto",
    "boosted_genes_only",
    "auto_genes_only",
)


def texts(figure: Figure) -> list[str]:
    figure.savefig(io.BytesIO(), format="svg")  # lays it out, and fails on what cannot be drawn
    return [text.get_text() for text in figure.findobj(Text)]


def drawn_texts(figure: Figure) -> list[Text]:
    """Return what can be read: matplotlib keeps the labels of ticks outside the axes, and does not draw them."""
    hidden = {id(label) for axis in figure.findobj(Axis) for label in _outside(axis)}
    return [
        text
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and id(text) not in hidden and text.get_text() != "SIMULATED"
    ]


def _outside(axis: Axis) -> list[Text]:
    low, high = sorted(axis.get_view_interval())
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    unseen = [tick for tick in ticks if not low - 1e-9 <= tick.get_loc() <= high + 1e-9]
    return [label for tick in unseen for label in (tick.label1, tick.label2)]


def named(cancer_type: str, cohort: Cohort) -> Cohort:
    return replace(cohort, cancer_type=cancer_type)


@pytest.fixture
def reported(small_training):
    return small_training.evaluations["penalised_cox"]


@pytest.fixture
def whole(small_training) -> TrainingResult:
    """A training with every table, null and learner that a training can have; their figures are made up."""
    months = np.linspace(6, 48, 8)
    thresholds = np.linspace(0.02, 0.6, 30)
    auc = [pd.DataFrame({"name": name, "months": months, "auc": 0.7, "lower": 0.6, "upper": 0.8}) for name in LEARNERS]
    curves = [
        pd.DataFrame(
            {
                "name": name,
                "horizon_months": horizon,
                "threshold": thresholds,
                "net_benefit": 0.2 * (1 - thresholds),
                "lower": 0.15 * (1 - thresholds),
                "upper": 0.25 * (1 - thresholds),
                "treat_all": 0.2 - thresholds,
            }
        )
        for name in LEARNERS
        for horizon in small_training.model.horizons_months
    ]
    concordance = np.random.default_rng(4).normal(0.7, 0.02, 100)
    cox = small_training.evaluations["penalised_cox"]
    return replace(
        small_training,
        evaluations={**small_training.evaluations, **{name: replace(cox, name=name) for name in MORE}},
        tables={"time_dependent_auc": pd.concat(auc), "decision_curve": pd.concat(curves)},
        random_signatures=RandomSignatures(1500, "curated genes", 14, concordance, 0.73, 93.0, 0.0792, clinical=0.68),
    )


def all_pictures(result: TrainingResult) -> dict[str, Figure]:
    evaluation = result.evaluations["penalised_cox"]
    return dict([*figures.pictures(result, evaluation), *figures.overview(result)])


@pytest.fixture
def drawn(whole):
    pictures = all_pictures(whole)
    for figure in pictures.values():
        figure.set_dpi(DOTS_PER_INCH)
        figure.draw_without_rendering()
    return pictures


def test_every_picture_is_there_where_all_was_assessed(drawn):
    assert list(drawn) == [
        "kaplan_meier_by_risk_group",
        "calibration",
        "time_dependent_auc",
        "decision_curve",
        "concordance",
        "hazard_ratios",
        "coefficients",
        "random_signatures",
    ]


def test_what_was_not_assessed_has_no_picture(small_training):
    bare = replace(small_training, tables={}, random_signatures=None)
    assert set(all_pictures(bare)) == {
        "kaplan_meier_by_risk_group",
        "calibration",
        "concordance",
        "hazard_ratios",
        "coefficients",
    }


def test_a_null_that_could_not_be_assessed_has_no_picture_and_no_line_in_the_forest(whole):
    none = RandomSignatures(3, "curated genes", 14, np.empty(0), 0.7, np.nan, np.nan, "too few other genes")
    without = replace(whole, random_signatures=none)
    assert discrimination_figures.random_signatures(without) is None
    assert not any("random" in text for text in texts(discrimination_figures.concordance_of_learners(without)))


def test_no_text_runs_out_of_its_picture(drawn):
    for name, figure in drawn.items():
        for text in drawn_texts(figure):
            box = text.get_window_extent()
            inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
            assert inside, f"{name}: {text.get_text()!r} at {box}"


def test_no_text_lies_on_another(drawn):
    for name, figure in drawn.items():
        boxes = [(text, text.get_window_extent().padded(-1)) for text in drawn_texts(figure)]
        for (first, one), (second, other) in combinations(boxes, 2):
            assert not one.overlaps(other), f"{name}: {first.get_text()!r} and {second.get_text()!r}"


def test_every_text_is_large_enough_and_every_picture_of_the_size_that_mlflow_shows(drawn):
    for name, figure in drawn.items():
        assert min(text.get_fontsize() for text in drawn_texts(figure)) >= SMALLEST, name
        assert 700 <= figure.get_figwidth() * DOTS_PER_INCH <= 1000, name


def test_the_largest_panel_with_the_longest_names_can_be_read(whole):
    table = whole.model.hazard_ratios
    long = pd.concat([table] * 6, ignore_index=True).assign(gene=lambda rows: [f"CEACAM{i}" for i in rows.index])
    figure = forest_of_hazard_ratios(replace(whole, model=replace(whole.model, hazard_ratios=long)))
    figure.set_dpi(DOTS_PER_INCH)
    figure.draw_without_rendering()
    labels = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    assert not any(lower.padded(-1).overlaps(upper) for lower, upper in pairwise(labels))


def test_every_picture_says_under_it_what_it_is_conditional_on(drawn):
    said = {
        "kaplan_meier_by_risk_group": "without the uncertainty of who is in it",
        "calibration": "conditional on the predictions",
        "time_dependent_auc": "conditional on the fits",
        "decision_curve": "conditional on the fits",
        "concordance": "conditional on the fits",
        "hazard_ratios": "not out of fold",
        "coefficients": "have no interval",
        "random_signatures": "conditional on the folds",
    }
    for name, figure in drawn.items():
        assert said[name] in figure.get_supxlabel().replace("\n", " ")


def test_risk_groups_are_tertiles_and_higher_is_worse():
    groups = survival_figures.risk_groups(np.array([[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]]))
    assert [list(np.flatnonzero(members)) for members in groups.values()] == [[0, 1], [2, 3], [4, 5]]
    assert list(groups) == ["low", "intermediate", "high"]


def test_risk_groups_average_over_repeats():
    groups = survival_figures.risk_groups(np.array([[0.0, 6.0, 4.0], [0.0, -4.0, 4.0]]))
    assert np.flatnonzero(groups["high"]) == [2]
    assert np.flatnonzero(groups["intermediate"]) == [1]


def test_patients_who_cannot_be_told_apart_stay_together():
    groups = survival_figures.risk_groups(np.zeros((1, 9)))
    assert sum(members.any() for members in groups.values()) == 1


def test_every_group_has_its_numbers_at_risk_under_the_axis(small_training, reported):
    shown = texts(survival_figures.kaplan_meier_by_risk_group(small_training, reported))
    time = small_training.cohort.time
    for members in survival_figures.risk_groups(reported.linear_predictor).values():
        for months in (0.0, 24.0):
            assert str(at_risk(time[members], months_to_days(np.array([months])))[0]) in shown


def test_calibration_compares_mean_prediction_with_kaplan_meier(small_training, reported):
    months = small_training.model.horizons_months[0]
    table = calibration_figures.calibration_table(small_training, reported, horizon_months=months)
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
    flattened = replace(reported, survival=flat)
    table = calibration_figures.calibration_table(small_training, flattened, horizon_months=24.0)
    assert_allclose(table["predicted"], observed, atol=0.01)


def test_the_histogram_under_the_calibration_holds_every_patient(small_training, reported):
    figure = calibration_figures.calibration(small_training, reported, horizon_months=24.0)
    bars = figure.axes[1].patches
    assert sum(bar.get_height() for bar in bars) == len(small_training.cohort.patients)


def test_the_calibration_says_its_slope_where_it_was_assessed_and_no_other(small_training, reported):
    slope = replace(reported, metrics={**reported.metrics, "calibration_slope": Estimate(0.913, 0.7, 1.1)})
    none = replace(reported, metrics={key: reported.metrics[key] for key in ("concordance_harrell",)})
    captions = [
        calibration_figures.calibration(small_training, each, horizon_months=24.0).get_supxlabel()
        for each in (slope, none)
    ]
    assert "Slope 0.913 (0.700 to 1.100)" in captions[0].replace("\n", " ")
    assert "Slope" not in captions[1]


def test_the_auc_is_drawn_beside_clinical_covariates_alone_as_the_table_has_it(whole, reported):
    figure = discrimination_figures.time_dependent_auc(whole, reported)
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert legend == ["penalised Cox", "clinical covariates only"]
    table = whole.tables["time_dependent_auc"]
    for line, name in zip(figure.axes[0].get_lines(), LEARNERS, strict=False):
        rows = table[table["name"] == name]
        assert_allclose(line.get_xydata(), rows[["months", "auc"]])


def test_the_decision_curve_shows_the_model_clinical_all_and_none(whole, reported):
    figure = figures.decision_curve(whole, reported, horizon_months=36.0)
    legend = {text.get_text() for text in figure.axes[0].get_legend().get_texts()}
    assert legend == {"treat all", "treat none", "penalised Cox", "clinical covariates only"}


def test_a_decision_curve_at_a_horizon_that_was_not_assessed_is_the_nearest_and_says_so(whole, reported):
    nearest = min(whole.model.horizons_months, key=lambda months: abs(months - 30.0))
    figure = figures.decision_curve(whole, reported, horizon_months=30.0)
    assert f"Decision curve at {nearest:g} months" in texts(figure)


def test_the_forest_is_sorted_and_marks_what_was_published(small_training):
    figure = forest_of_hazard_ratios(small_training)
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
    figure = forest_of_hazard_ratios(wide)
    assert texts(figure)
    assert figure.axes[0].get_xlim() == pytest.approx(RATIOS_SHOWN)


def test_a_forest_without_any_estimate_is_drawn_empty(small_training):
    table = small_training.model.hazard_ratios
    none = table.assign(**{column: np.nan for column in table.columns if column.startswith("hazard_ratio_per_sd")})
    empty = replace(small_training, model=replace(small_training.model, hazard_ratios=none))
    assert texts(forest_of_hazard_ratios(empty))


def test_every_learner_and_baseline_is_in_the_overview_with_its_figure(small_training):
    shown = texts(discrimination_figures.concordance_of_learners(small_training))
    for evaluation in small_training.evaluations.values():
        estimate = evaluation.metrics["concordance_harrell"]
        assert learner_words(evaluation.name) in shown
        assert f"{estimate.value:.3f} ({estimate.lower:.3f} to {estimate.upper:.3f})" in shown


def test_a_learner_whose_concordance_was_not_assessed_is_named_without_a_figure(small_training):
    cox = small_training.evaluations["penalised_cox"]
    added = {**small_training.evaluations, "boosted": replace(cox, name="boosted", metrics={})}
    shown = texts(discrimination_figures.concordance_of_learners(replace(small_training, evaluations=added)))
    assert "boosted trees" in shown
    assert "not assessed" in shown


def test_baselines_stand_above_learners_and_the_reported_one_is_marked(whole):
    figure = discrimination_figures.concordance_of_learners(whole)
    labels = figure.axes[0].get_yticklabels()
    order = [label.get_text() for label in labels]
    baselines = [learner_words(name) for name in whole.evaluations if name in BASELINES]
    assert len(baselines) >= 4
    assert order[: len(baselines) + 2] == [*baselines, "100 random sets of 14 genes", "panel, same ridge Cox"]
    assert [label.get_text() for label in labels if label.get_fontweight() == "bold"] == ["penalised Cox"]


def test_the_null_is_drawn_as_its_middle_95_percent_and_median(whole):
    low, middle, high = np.quantile(whole.random_signatures.concordance, [0.025, 0.5, 0.975])
    shown = texts(discrimination_figures.concordance_of_learners(whole))
    assert f"{middle:.3f} ({low:.3f} to {high:.3f})" in shown
    assert f"{whole.random_signatures.model:.3f}" in shown


def test_pictures_of_random_signatures_say_which_procedure_their_figures_are_of(whole):
    for figure in (
        discrimination_figures.concordance_of_learners(whole),
        discrimination_figures.random_signatures(whole),
    ):
        caption = figure.get_supxlabel().replace("\n", " ")
        assert "a ridge Cox on clinical covariates and the genes, tuned the same way for every set, not from" in caption


def test_the_histogram_holds_every_set_and_marks_the_panel_and_the_procedure_without_genes(whole):
    figure = discrimination_figures.random_signatures(whole)
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == len(whole.random_signatures.concordance)
    assert [line.get_xdata()[0] for line in figure.axes[0].get_lines()] == [0.73, 0.68]
    assert "same procedure, no genes: 0.680" in texts(figure)
    without = replace(whole, random_signatures=replace(whole.random_signatures, clinical=np.nan))
    assert len(discrimination_figures.random_signatures(without).axes[0].get_lines()) == 1


def blend(X, time, event):
    """Two boosters and a Cox model, on other columns and with weights of their own."""
    settings = {"rounds": 20, "learning_rate": 0.2, "max_depth": 3, "min_child_weight": 1.0}
    first, second = (fit_boosted(X[:, :4], time, event, parameters={**settings, "objective": o}, seed=1)
                     for o in ("cox", "aft"))  # fmt: skip
    cox = FittedCox(np.array([0.5, -0.2]), np.array([0.1, 0.3]))
    return [
        (0.6, FittedLearner(np.arange(4), first)),
        (0.3, FittedLearner(np.arange(4), second)),
        (0.8, FittedLearner(np.array([4, 1]), cox)),
    ]


@pytest.fixture
def patients():
    rng = np.random.default_rng(7)
    X = rng.normal(size=(150, 6))
    time = np.ceil(1000 * rng.exponential(size=150) * np.exp(-X[:, 0]))
    return X, time, rng.random(150) < 0.7


def test_contributions_add_up_to_the_linear_predictor_of_any_blend(patients):
    members = blend(*patients)
    X = patients[0]
    added = contribution_figures.contributions(members, X)
    expected = sum(weight * learner.linear_predictor(X) for weight, learner in members)
    assert_allclose(added.sum(axis=1), expected - expected.mean(), atol=1e-5)
    assert not added[:, 5].any()


def test_contributions_of_a_harmful_covariate_rise_with_it(patients):
    X, time, event = patients
    learner = blend(X, time, event)[1][1]  # the accelerated failure time model, whose margin has the other sign
    added = contribution_figures.contributions([(1.0, learner)], X)
    assert np.corrcoef(X[:, 0], added[:, 0])[0, 1] > 0.7


def test_coefficients_of_a_blend_of_cox_models_are_their_weighted_sum():
    members = [
        (0.5, FittedLearner(np.array([0, 2]), FittedCox(np.array([1.0, 2.0]), np.zeros(2)))),
        (2.0, FittedLearner(np.array([2]), FittedCox(np.array([-1.0]), np.zeros(1)))),
    ]
    assert contribution_figures.coefficients(members, 3).tolist() == [0.5, 0.0, -1.0]


def test_only_cox_models_have_coefficients(patients):
    members = blend(*patients)
    assert not contribution_figures.is_linear(members)
    with pytest.raises(TypeError, match="Cox"):
        contribution_figures.coefficients(members, 6)


def test_coefficients_are_shown_per_standard_deviation_the_largest_on_top(small_training):
    name, figure = contribution_figures.contributions_of_model(small_training)
    variant = small_training.model.variants["clinical"]
    X = variant.features.transform(small_training.cohort.expression, small_training.cohort.clinical)
    expected = variant.slope * variant.fitted.predictor.coefficients * X[:, variant.fitted.columns].std(axis=0)
    shown = figure.axes[0].collections[-1].get_offsets()[:, 0]
    assert name == "coefficients"
    assert_allclose(np.abs(shown), np.sort(np.abs(expected))[-len(shown):])  # fmt: skip


def test_a_kept_booster_is_shown_as_a_beeswarm_of_all_training_patients(small_training):
    boosted = with_booster(small_training)
    name, figure = contribution_figures.contributions_of_model(boosted)
    assert name == "shap_beeswarm"
    rows = [points for points in figure.axes[0].collections if len(points.get_offsets())]
    assert {len(points.get_offsets()) for points in rows} == {len(small_training.cohort.patients)}
    assert len(rows) <= contribution_figures.SHOWN_CONTRIBUTIONS
    shown = " ".join(texts(figure))
    assert not any(str(patient) in shown for patient in small_training.cohort.patients)


def test_the_beeswarm_can_be_read(small_training):
    _, figure = contribution_figures.contributions_of_model(with_booster(small_training))
    figure.set_dpi(DOTS_PER_INCH)
    figure.draw_without_rendering()
    test_no_text_runs_out_of_its_picture({"shap_beeswarm": figure})
    test_no_text_lies_on_another({"shap_beeswarm": figure})


def test_a_model_that_found_nothing_has_no_contributions_to_show(small_training):
    variant = small_training.model.variants["clinical"]
    model = replace(small_training.model, variants={"clinical": replace(variant, slope=0.0)})
    assert contribution_figures.contributions_of_model(replace(small_training, model=model)) is None


def with_booster(result: TrainingResult) -> TrainingResult:
    variant, cohort = result.model.variants["clinical"], result.cohort
    X = variant.features.transform(cohort.expression, cohort.clinical)
    settings = {"objective": "cox", "rounds": 30, "learning_rate": 0.1, "max_depth": 2, "min_child_weight": 1.0}
    booster = fit_boosted(X, cohort.time, cohort.event, parameters=settings, seed=3)
    kept = replace(variant, learner="boosted", fitted=FittedLearner(np.arange(X.shape[1]), booster))
    return replace(result, model=replace(result.model, variants={"clinical": kept}))


def test_simulated_patients_are_called_so_on_every_picture_and_real_ones_are_not(whole):
    real = replace(whole, cohort=named("KIRC", whole.cohort))
    for result, count in ((whole, 1), (real, 0)):
        pictures = all_pictures(result)
        assert [texts(figure).count("SIMULATED") for figure in pictures.values()] == [count] * len(pictures)


def test_pictures_are_pure_functions(small_training, reported):
    import matplotlib.pyplot as plt  # noqa: PLC0415

    calibration_figures.calibration(small_training, reported, horizon_months=12.0)
    assert not plt.get_fignums()
