"""A locked model on patients whom it has not seen: figures as they come, who is judged, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from new_cohorts import named, row, verdict

from experiments.simulation import simulate_cohort
from features.cohort import Cohort
from training.bundle import read_bundle
from training.new_patients import AS_IS, DISTANCE, GENES, RENORMALISED, SCALE
from training.profiles import Profile
from training.scoring import score_profiles
from training.validation import Validation, ValidationError, validate
from training.validation_verdict import NOT_ASSESSED, TOO_FEW

SAMPLES = 60


def with_outcome(cohort: Cohort, time: np.ndarray, event: np.ndarray) -> Cohort:
    return replace(cohort, time=time, event=event)


@pytest.fixture(scope="module")
def model(small_training):
    return small_training.model


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return named(simulate_cohort("KIRC", seed=41, n_patients=240, n_background=0))


@pytest.fixture(scope="module")
def validation(model, cohort) -> Validation:
    return validate(model, cohort, n_samples=SAMPLES)


@pytest.fixture(scope="module")
def flipped(model, cohort, validation) -> Validation:
    """The worst prognosis with the best outcome, the second worst with the second best, and so on."""
    ranked = np.argsort(row(validation, "genes_only").linear_predictor)
    time, event = cohort.time.copy(), cohort.event.copy()
    time[ranked], event[ranked] = cohort.time[ranked[::-1]], cohort.event[ranked[::-1]]
    return validate(model, with_outcome(cohort, time, event), n_samples=SAMPLES)


def test_every_patient_is_judged_or_counted(validation, cohort):
    assert {each.name for each in validation.rows} == {
        "clinical, as_is", "clinical, renormalised", "genes_only, as_is", "genes_only, renormalised"
    }  # fmt: skip
    assert row(validation, "genes_only").n_patients + validation.attendance.n_refused == len(cohort.time)
    unknown = cohort.clinical[["age", "sex", "stage", "grade"]].isna().any(axis=1)
    assert row(validation, "clinical").n_patients == (~unknown).sum()
    assert sum(validation.attendance.unknown_clinical.values()) >= unknown.sum()


def test_a_model_of_the_same_law_discriminates(validation):
    assert row(validation, "clinical").metrics["concordance_harrell"].lower > 0.5
    assert verdict(validation, "discrimination") == "discriminates"


def test_a_flipped_cohort_keeps_its_concordance_below_one_half_and_the_verdict_says_so(flipped, validation):
    found = row(flipped, "genes_only").metrics["concordance_harrell"]
    assert found.value < found.upper < 0.5
    judged = flipped.judged.metrics["concordance_harrell"]
    assert judged.upper < 0.5
    assert verdict(flipped, "discrimination") == "worse than chance"
    assert "must not be used" in flipped.summary


def test_no_slope_is_offered_that_would_turn_predictions_around(flipped):
    assert [offer.name for offer in row(flipped, "genes_only").offers] == ["shift"]


def test_no_outcome_enters_a_prediction(flipped, validation):
    for variant in ("clinical", "genes_only"):
        for normalisation in (AS_IS, RENORMALISED):
            mine, others = (row(each, variant, normalisation).linear_predictor for each in (flipped, validation))
            np.testing.assert_array_equal(mine, others)


@pytest.mark.parametrize("variant", ["clinical", "genes_only"])
def test_predictions_as_they_are_are_the_services(model, cohort, validation, variant):
    complete = cohort.clinical[["age", "sex", "stage", "grade"]].notna().all(axis=1)
    members = cohort.expression.index[complete if variant == "clinical" else slice(None)][:5]
    told = {name: cohort.clinical.loc[name].to_dict() if variant == "clinical" else None for name in members}
    profiles = [Profile(name, cohort.expression.loc[name].dropna().to_dict(), told[name]) for name in members]
    answers = score_profiles(model, profiles, scale=cohort.scale, zscore_reference=None, horizons_months=None)
    served = [answer.linear_predictor for answer in answers]
    np.testing.assert_allclose(row(validation, variant).linear_predictor[:5], served, rtol=1e-12)


def test_patients_whom_the_model_was_trained_on_are_left_out(model, small_training, cohort, validation):
    learned = small_training.cohort
    symbols = [gene for gene in model.panel.symbols if gene in cohort.expression.columns]
    both = replace(
        cohort,
        expression=pd.concat([learned.expression[symbols], cohort.expression[symbols]]),
        clinical=pd.concat([learned.clinical, cohort.clinical]),
        time=np.concatenate([learned.time, cohort.time]),
        event=np.concatenate([learned.event, cohort.event]),
    )
    found = validate(model, both, n_samples=SAMPLES)
    assert found.attendance.n_learned_from == len(learned.time)
    assert found.attendance.n_absent == len(cohort.time)
    for variant in ("clinical", "genes_only"):
        assert row(found, variant).metrics == row(validation, variant).metrics
    pd.testing.assert_frame_equal(found.shifts, validation.shifts)


def test_a_cohort_that_the_model_was_trained_on_is_refused(model, small_training):
    with pytest.raises(ValidationError, match="trained on all 120 patients"):
        validate(model, small_training.cohort)


def test_patients_whom_the_service_would_refuse_are_counted_by_reason(model, cohort):
    expression, genes = cohort.expression.copy(), list(model.applicability.genes)
    lacking, mixed_up, below_zero = (expression.index[rows] for rows in (slice(5), slice(5, 8), slice(8, 10)))
    expression.loc[lacking, genes[2:]] = np.nan
    expression.loc[mixed_up, genes] = expression.loc[mixed_up, genes[::-1]].to_numpy()
    expression.loc[below_zero, genes[0]] = -3.0
    found = validate(model, replace(cohort, expression=expression), n_samples=10)
    refused = found.attendance.refused
    assert list(refused) == [SCALE, DISTANCE, GENES]
    assert refused[GENES] == 5
    # Genes that were mixed up may look like another scale.
    assert refused[SCALE] + refused[DISTANCE] == 5
    assert refused[SCALE] >= 2
    assert row(found, "genes_only").n_patients == len(cohort.time) - 10


def test_patients_without_a_known_gene_are_refused_for_that_and_not_for_a_distance(model, cohort):
    expression = cohort.expression.copy()
    expression.iloc[:150] = np.nan
    found = validate(model, replace(cohort, expression=expression), n_samples=10)
    assert found.attendance.refused[GENES] == 150
    assert found.attendance.refused.get(DISTANCE, 0) < 5
    assert found.typical.tenths.sum() == len(cohort.time) - 150
    assert verdict(found, "inputs") == "some inputs lacking"


def test_a_cohort_without_any_gene_of_the_model_is_near_nothing_and_its_inputs_are_open(model, cohort):
    found = validate(model, replace(cohort, expression=cohort.expression * np.nan), n_samples=10)
    assert found.attendance.refused == {GENES: len(cohort.time)}
    assert verdict(found, "inputs") == verdict(found, "patients") == NOT_ASSESSED


def test_a_scale_without_a_conversion_leaves_only_the_order_and_says_why(model, cohort):
    counts = replace(cohort, scale="counts", expression=np.round(2**cohort.expression))
    found = validate(model, counts, n_samples=SAMPLES)
    assert {each.normalisation for each in found.rows} == {RENORMALISED}
    assert "counts cannot be converted" in found.relative_reason
    for each in found.rows:
        assert "concordance_harrell" in each.metrics
        assert not [
            name for name in each.metrics if name.startswith(("brier", "integrated", "calibration", "log_", "ici"))
        ]
        assert each.calibration is each.decision_curve is None
        assert each.offers == ()
    assert verdict(found, "calibration slope") == verdict(found, "accuracy") == NOT_ASSESSED
    assert verdict(found, "inputs") == verdict(found, "patients") == NOT_ASSESSED


def test_where_the_service_would_refuse_all_nothing_else_gives_the_verdict(model, cohort):
    genes, expression = list(model.applicability.genes), cohort.expression.copy()
    expression[genes] = expression[genes[::-1]].to_numpy()
    found = validate(model, replace(cohort, expression=expression), n_samples=10)
    assert found.attendance.n_refused > 0.9 * len(cohort.time)
    assert found.judged.normalisation == AS_IS
    assert row(found, "genes_only", RENORMALISED).n_patients == len(cohort.time)
    assert found.summary.startswith("The model is not for these patients: the service would refuse most of them")


def test_a_cohort_without_a_clinical_column_is_answered_by_the_genes_alone(model, cohort):
    without = replace(cohort, clinical=cohort.clinical.assign(grade=np.nan))
    found = validate(model, without, n_samples=SAMPLES)
    assert row(found, "clinical").n_patients == row(found, "clinical", RENORMALISED).n_patients == 0
    assert found.judged.name == "genes_only, as_is"
    assert found.attendance.unknown_clinical["grade"] == row(found, "genes_only").n_patients


def test_zscores_of_another_reference_are_relative_only(model, cohort):
    locked = replace(model, scale="zscore", zscore_reference="theirs")
    own = replace(cohort, scale="zscore", zscore_reference="ours")
    found = validate(locked, own, n_samples=SAMPLES)
    assert {each.normalisation for each in found.rows} == {AS_IS, RENORMALISED}
    assert "refer to ours, the model's to theirs" in found.relative_reason
    assert not any("brier" in name for each in found.rows for name in each.metrics)
    assert found.shifts.loc[found.shifts["kind"] == "gene", "psi"].isna().all()


def test_zscores_of_the_models_reference_are_judged_whole(model, cohort):
    locked = replace(model, scale="zscore", zscore_reference="theirs")
    found = validate(locked, replace(cohort, scale="zscore", zscore_reference="theirs"), n_samples=10)
    assert found.relative_reason is None
    assert "integrated_brier_score" in row(found, "genes_only").metrics


def test_renormalised_figures_do_not_depend_on_the_scale_of_a_gene(model, cohort, validation):
    bent = replace(cohort, expression=np.sqrt(cohort.expression) + 0.25)
    found = validate(model, bent, n_samples=SAMPLES)
    for variant in ("clinical", "genes_only"):
        mine, others = (row(each, variant, RENORMALISED).metrics for each in (found, validation))
        # A curve of at most 200 knots is straight between them.
        assert mine["concordance_harrell"].value == pytest.approx(others["concordance_harrell"].value, abs=2e-3)


def test_another_cancer_type_is_refused_unless_it_is_meant(model, cohort):
    other = replace(cohort, cancer_type="SIMULATED-LGG")
    with pytest.raises(ValidationError, match="trained on SIMULATED-KIRC, and these patients have SIMULATED-LGG"):
        validate(model, other)
    assert validate(model, other, cross=True, n_samples=10).cancer_type == "SIMULATED-LGG"


def test_real_patients_and_a_simulated_model_never_meet(model, cohort):
    with pytest.raises(ValidationError, match="not both simulated or both real"):
        validate(model, replace(cohort, cancer_type="KIRC"), cross=True)


def test_another_endpoint_is_refused(model, cohort):
    with pytest.raises(ValidationError, match="predicts OS"):
        validate(model, replace(cohort, endpoint="PFI"), cross=True)


def test_with_few_events_nothing_is_told(model, cohort):
    few = cohort.event & (np.cumsum(cohort.event) <= 6)
    found = validate(model, with_outcome(cohort, cohort.time, few), n_samples=10)
    assert found.judged.n_events <= 6
    assert verdict(found, "discrimination") == verdict(found, "calibration slope") == TOO_FEW
    assert found.summary.startswith("Too few events")
    assert found.judged.offers == ()


def test_a_handful_of_patients_has_no_figures(model, cohort):
    found = validate(model, cohort.subset(np.arange(8)), n_samples=10)
    assert all(each.metrics == {} for each in found.rows)
    assert verdict(found, "discrimination") == TOO_FEW


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_bundles_of_every_format_can_be_validated_and_what_they_lack_is_not_assessed(version, cohort):
    locked = read_bundle(Path(__file__).parent / "bundles" / f"format_{version}")
    found = validate(locked, replace(cohort, cancer_type=locked.cancer_type), n_samples=20)
    assert row(found, "genes_only").metrics["concordance_harrell"].value > 0
    if locked.kaplan_meier is None:
        assert verdict(found, "accuracy") == verdict(found, "patients") == NOT_ASSESSED


def test_a_model_of_pooled_cohorts_is_validated_against_the_reference_that_is_named(cohort):
    pooled = read_bundle(Path(__file__).parent / "bundles" / "format_4")
    first, second = pooled.reference_names
    assert validate(pooled.reference_named(first), cohort, n_samples=10).relative_reason is None
    assert (
        "trained on scale log2_rsem_1" in validate(pooled.reference_named(second), cohort, n_samples=10).relative_reason
    )


def test_where_another_reference_has_the_patients_scale_it_is_named_and_the_model_not_blamed(cohort):
    pooled = read_bundle(Path(__file__).parent / "bundles" / "format_4")
    found = validate(pooled, cohort, reference="second", n_samples=10)
    assert found.model.reference == "second"
    assert found.summary.startswith("Nothing is said of the model here")
    assert "--reference first" in found.summary
    counts = replace(cohort, scale="counts", expression=np.round(2**cohort.expression))
    found = validate(pooled, counts, reference="second", n_samples=10)
    assert found.summary.startswith("The model is not for these patients: no single patient")
