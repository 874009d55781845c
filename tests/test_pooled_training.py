"""A training on two cohorts: stratified throughout, one model with a reference for each, nobody compared across."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.figures import overview, pictures
from experiments.model_card import model_card
from experiments.simulation import simulate_cohort
from features.errors import CohortError
from features.panel import load_panel
from features.pooled_cohorts import pooled, stratum
from features.pooled_features import features_within
from training.bundle import read_bundle, write_bundle
from training.definition import ReplicatesDefinition, load_definition
from training.locked_predictions import locked_predictions
from training.model import UnknownReferenceError
from training.profiles import Profile
from training.reference_result import of_default_reference
from training.references import default_reference
from training.scores import risk_percentile
from training.scoring import RequestError, score_profiles
from training.trainer import train
from training.training_patients import absent_from, hashed
from training.univariate import hazard_ratios

REPOSITORY = Path(__file__).resolve().parent.parent
CORE = load_panel("ctc_core")
DEFINITION = load_definition(REPOSITORY / "experiments" / "definitions" / "default.toml")
SMALL = DEFINITION.model_copy(
    update={
        "trials": 2,
        "learner": "auto",
        "features": DEFINITION.features.model_copy(update={"panel": "ctc_core"}),
        "null": DEFINITION.null.model_copy(update={"n_sets": 3, "penalties": (0.1, 0.8)}),
        "boosted": DEFINITION.boosted.at(rounds=15),
        "clinical_boosted": DEFINITION.clinical_boosted.at(rounds=15),
        "replicates": ReplicatesDefinition(cox=8, boosted=2),
        "resampling": DEFINITION.resampling.model_copy(
            update={"outer_folds": 2, "outer_repeats": 1, "inner_folds": 2, "bootstrap": 100}
        ),
    }
)
MADE = {"created": "2026-01-02T03:04:05+00:00", "code_version": "0", "data_digest": "0" * 64, "seed": "1"}


def measured_elsewhere(cohort):
    """The cohort under other names, on another scale, in a hospital where everything happens four times as fast."""
    names = [f"B-{patient}" for patient in cohort.patients]
    return replace(
        cohort,
        expression=(1.5 * cohort.expression + 2).set_axis(names, axis=0),
        clinical=cohort.clinical.set_axis(names, axis=0),
        time=np.maximum(1.0, np.round(cohort.time / 4)),
        scale="log2_rsem_1",
        source="another hospital",
    )


LARGE = simulate_cohort("KIRC", seed=5, n_patients=140, n_background=30)
FAST = measured_elsewhere(simulate_cohort("KIRC", seed=6, n_patients=90, n_background=30))
BOTH = pooled([FAST, LARGE], ["fast", "large"])


@pytest.fixture(scope="module")
def result():
    return train(BOTH, CORE, SMALL, provenance=MADE, workers=1)


def profiles(cohort):
    return [
        Profile(
            patient, cohort.expression.loc[patient].dropna().to_dict(), cohort.clinical.loc[patient].dropna().to_dict()
        )
        for patient in cohort.patients
    ]


def answers(model, cohort):
    return score_profiles(model, profiles(cohort), scale=cohort.scale, zscore_reference=None, horizons_months=None)


def test_the_largest_cohort_is_the_default_and_the_other_stands_beside_it(result):
    model = result.model
    assert (model.reference, list(model.references), model.reference_names) == ("large", ["fast"], ("large", "fast"))
    fast = model.reference_named("fast")
    assert (model.scale, fast.scale) == ("log2_tpm_1", "log2_rsem_1")
    assert (model.cohort.n_patients, fast.cohort.n_patients) == (140, 90)
    assert model.reference_named(None) is model.reference_named("large") is model
    assert fast.reference_names == model.reference_names
    with pytest.raises(UnknownReferenceError, match="name one of large, fast"):
        model.reference_named("third")


def test_the_references_share_the_learner_and_the_meaning_of_its_covariates(result):
    for name, variant in result.model.variants.items():
        other = result.model.references["fast"].variants[name]
        assert other.fitted is variant.fitted
        assert other.slope == variant.slope
        assert other.features.covariates == variant.features.covariates
        np.testing.assert_array_equal(other.replicates.coefficients, variant.replicates.coefficients)


def test_each_reference_has_its_own_genes_baseline_ranks_and_cohort(result):
    for name in ("large", "fast"):
        model, cohort = result.model.reference_named(name), stratum(BOTH, name)
        variant = model.variants["clinical"]
        assert len(variant.reference) == len(cohort.time)
        last = variant.baseline.days[-1]
        assert last == cohort.time[cohort.event].max()
        assert variant.replicates.log_baseline.shape == (8, len(variant.baseline.days))
        assert model.kaplan_meier.days[-1] == cohort.time.max()
        assert model.applicability.genes == variant.features.genes
        panel_only = replace(cohort, expression=cohort.expression[[g for g in CORE.symbols if g in cohort.expression]])
        assert model.hazard_ratios.equals(hazard_ratios(panel_only, CORE))
        assert model.cohort.digest == cohort.digest()
        at = np.searchsorted(variant.features.references["CD44"].knots, cohort.expression["CD44"].min())
        assert at == 0
    slow, fast = (result.model.reference_named(n).variants["clinical"].baseline for n in ("large", "fast"))
    assert fast.at(np.array([365.0]))[0] > 2 * slow.at(np.array([365.0]))[0]


def test_a_baseline_is_breslows_of_the_own_cohorts_out_of_fold_predictions(result):
    # Only sorted predictions are kept: their sum over everyone at risk on the first day with an event is not hidden.
    for name in ("large", "fast"):
        variant, cohort = result.model.reference_named(name).variants["genes_only"], stratum(BOTH, name)
        days = np.unique(cohort.time[cohort.event])
        np.testing.assert_array_equal(variant.baseline.days, days)
        if (cohort.time >= days[0]).all():
            first = (cohort.time[cohort.event] == days[0]).sum() / np.exp(variant.reference).sum()
            assert variant.baseline.cumulative_hazard[0] == pytest.approx(first)


def test_a_patient_is_answered_by_the_reference_that_is_named(result):
    large, fast = result.model, result.model.references["fast"]
    for model, cohort in ((large, LARGE), (fast, FAST)):
        for answer in answers(model, cohort)[:20]:
            variant = model.variants[answer.variant]
            assert answer.risk_percentile == risk_percentile(variant.reference, np.array([answer.linear_predictor]))[0]
            for at in answer.survival:
                day = round(at.horizon_months * 365.2425 / 12)
                expected = variant.baseline.survival(np.array([answer.linear_predictor]), np.array([float(day)]))
                assert at.probability == pytest.approx(expected[0, 0], rel=1e-12)
                assert at.lower <= at.probability <= at.upper
    with pytest.raises(RequestError, match="trained on scale log2_rsem_1"):
        answers(fast, LARGE)


def test_the_same_patient_measured_in_either_way_has_the_same_rank_among_genes_alone(result):
    # Each against a cohort that was measured alike: a shift and a factor common to all say nothing.
    fast = result.model.references["fast"].variants["genes_only"]
    X = fast.features.transform(FAST.expression, FAST.clinical)
    before = simulate_cohort("KIRC", seed=6, n_patients=90, n_background=30)
    again = replace(FAST, expression=before.expression.set_axis(FAST.patients, axis=0))
    retrained = pooled([again, LARGE], ["fast", "large"])
    state = features_within(retrained, CORE, clinical=SMALL.features.clinical, minimum_known=0.5)
    n_genes = len(fast.features.genes)
    np.testing.assert_allclose(state.of(retrained)[retrained.strata == "fast"][:, :n_genes], X[:, :n_genes], atol=1e-9)


def test_pooling_ranks_no_worse_than_one_cohort_alone_and_calibrates_each(result):
    alone = train(LARGE, CORE, SMALL, provenance=MADE, workers=1)
    by_cohort = result.tables["by_cohort"].set_index(["name", "cohort", "metric"])
    pooled_on_large = by_cohort.loc[("auto", "large", "concordance_harrell")]
    own = alone.evaluations["auto"].metrics["concordance_harrell"]
    # Folds differ: what is compared is two estimates of about .05 standard error each.
    assert pooled_on_large["value"] > own.value - 0.05
    for name in ("large", "fast"):
        months = 12.0
        ratio = by_cohort.loc[("auto", name, f"log_observed_expected_{months:g}m")]
        assert ratio["lower"] < 0 < ratio["upper"]


def test_an_unstratified_training_on_the_same_patients_would_be_found_out(result):
    # The hospital where all goes fast is told by the expression itself, if nobody says whose patients they are.
    unstratified = train(replace(BOTH, strata=None, parts=()), CORE, SMALL, provenance=MADE, workers=1)
    overall = unstratified.evaluations["penalised_cox_genes_only"].linear_predictor[0]
    fast = BOTH.strata == "fast"
    apart = overall[fast].mean() - overall[~fast].mean()
    stratified = result.evaluations["penalised_cox_genes_only"].linear_predictor[0]
    assert apart > 0.3
    assert abs(stratified[fast].mean() - stratified[~fast].mean()) < 0.1


def test_the_tables_tell_of_every_cohort_and_of_batch_effects(result):
    by_cohort = result.tables["by_cohort"]
    assert set(by_cohort["cohort"]) == {"fast", "large"}
    assert set(by_cohort["name"]) == {"auto", "clinical_only"}
    assert set(result.tables["heterogeneity"]["metric"]) >= {"concordance_harrell", "calibration_slope"}
    effects = result.tables["batch_effects"]
    assert effects[effects["kind"] == "gene"]["before"].median() > 0.2
    assert effects[effects["kind"] == "gene"]["after"].max() < 0.01


def test_the_panel_is_held_against_random_genes_within_cohorts(result):
    null = result.random_signatures
    assert null.reason is None
    assert len(null.concordance) == 3
    # Across cohorts the level of any gene would tell the fast hospital, and so who dies first.
    assert 0.3 < null.concordance.mean() < 0.85
    assert (
        result.tables["proliferation"]["reason"].isna().all() or result.tables["proliferation"]["reason"].notna().all()
    )


def test_the_bundle_holds_every_patient_by_the_identifier_of_the_own_cohort(result):
    # The reference's own come first, in each.
    assert sorted(result.model.patient_hashes) == sorted(result.model.references["fast"].patient_hashes)
    assert set(result.model.patient_hashes[: len(LARGE.patients)]) == set(map(hashed, LARGE.patients))
    assert set(result.model.patient_hashes) == {hashed(patient) for patient in [*LARGE.patients, *FAST.patients]}
    assert not absent_from(result.model, [LARGE.patients[0], FAST.patients[0]]).any()


def test_the_parts_are_named_with_their_data(result):
    made = result.model.provenance
    assert made["cohort fast"] == f"another hospital, data digest {FAST.digest()}"
    assert made["cohort large"].endswith(LARGE.digest())
    assert result.cohort.source.startswith("fast: another hospital; large: ")


def test_the_ledger_says_that_no_times_are_accelerated(result):
    [entry] = [entry for entry in result.cohort.ledger.entries if "accelerate" in entry.what]
    assert entry.examples == ("boosted",)
    assert "objective" not in result.evaluations["boosted"].tuning.trials


def test_a_bundle_scores_to_the_bit_after_writing_and_reading(result, tmp_path):
    write_bundle(result.model, tmp_path / "bundle")
    read = read_bundle(tmp_path / "bundle")
    for name, cohort in (("large", LARGE), ("fast", FAST)):
        before, after = (answers(model.reference_named(name), cohort) for model in (result.model, read))
        assert list(map(str, before)) == list(map(str, after))
        assert len({answer.linear_predictor for answer in before if hasattr(answer, "variant")}) > 50


def test_a_default_can_be_named_and_one_that_is_not_there_is_refused():
    assert default_reference(BOTH) == "large"
    assert default_reference(BOTH, "fast") == "fast"
    assert default_reference(LARGE) == ""
    for cohort in (BOTH, LARGE):
        with pytest.raises(CohortError, match="no cohort called 'third' was pooled"):
            train(cohort, CORE, SMALL, provenance=MADE, workers=1, reference="third")


DAYS = np.array([365.0, 730.0])
UNSEEN = simulate_cohort("KIRC", seed=9, n_patients=60, n_background=30)
MORE = measured_elsewhere(simulate_cohort("KIRC", seed=8, n_patients=60, n_background=30))


def together(cohort, more):
    """Two cohorts of one hospital as one."""
    return replace(
        cohort,
        expression=pd.concat([cohort.expression, more.expression]),
        clinical=pd.concat([cohort.clinical, more.clinical]),
        time=np.concatenate([cohort.time, more.time]),
        event=np.concatenate([cohort.event, more.event]),
    )


def assert_answered_alike(found, members, expected):
    assert expected.answered.sum() > 40
    np.testing.assert_array_equal(found.linear_predictor[members], expected.linear_predictor)
    np.testing.assert_array_equal(found.survival[members], expected.survival)


@pytest.mark.parametrize(
    ("cohorts", "names"),
    [
        ((LARGE, FAST, UNSEEN), ("large", "fast", "fast-2")),
        ((LARGE, UNSEEN, FAST), ("large", "fast", "fast-2")),
        ((UNSEEN, LARGE, FAST), ("fast", "large", "fast-2")),
    ],
)
def test_a_cohort_that_bears_the_name_of_a_reference_is_not_read_against_it(result, cohorts, names):
    asked = pooled(cohorts, names)
    found = locked_predictions(result.model, asked, DAYS)
    name = names[cohorts.index(UNSEEN)]
    assert_answered_alike(found, asked.strata == name, locked_predictions(result.model, UNSEEN, DAYS))
    assert found.note.startswith(f"{name}: no reference of SIMULATED-KIRC-OS is of this cohort")
    assert found.note.count("no reference") == 1
    assert not found.answered[asked.strata != name].any()


@pytest.mark.parametrize("names", [("large", "fast"), ("fast", "large"), ("here", "there")])
def test_a_cohort_that_has_grown_is_read_against_its_own_reference_whatever_its_name(result, names):
    asked = pooled([LARGE, together(FAST, MORE)], names)
    found = locked_predictions(result.model, asked, DAYS)
    new = np.isin(asked.patients, MORE.patients)
    assert_answered_alike(found, new, locked_predictions(result.model.reference_named("fast"), MORE, DAYS))
    assert found.note == ""
    np.testing.assert_array_equal(found.absent, new)


def test_a_minority_of_a_references_patients_does_not_make_a_cohort_its_own(result):
    few = together(FAST.subset(np.arange(40)), MORE)
    asked = pooled([LARGE, few], ["large", "fast"])
    found, expected = (locked_predictions(result.model, each, DAYS) for each in (asked, few))
    assert found.answered.sum() == expected.answered.sum() > 40
    np.testing.assert_array_equal(found.linear_predictor[asked.strata == "fast"], expected.linear_predictor)
    assert found.note.startswith("fast: no reference")


def test_a_model_of_one_cohort_has_no_references(small_training):
    model = small_training.model
    assert (model.reference, model.references, model.reference_names) == ("", {}, ())
    assert model.reference_named(None) is model
    with pytest.raises(UnknownReferenceError, match="trained on one cohort"):
        model.reference_named("A")
    assert "by_cohort" not in small_training.tables


def test_what_is_drawn_of_patients_is_drawn_of_the_default_references(result):
    shown = of_default_reference(result)
    assert len(shown.cohort.time) == shown.folds.shape[1] == 140
    np.testing.assert_array_equal(shown.cohort.time, LARGE.time)
    members = BOTH.strata == "large"
    for name, evaluation in shown.evaluations.items():
        np.testing.assert_array_equal(
            evaluation.linear_predictor, result.evaluations[name].linear_predictor[:, members]
        )
    own = result.tables["by_cohort"].set_index(["name", "cohort", "metric"])["value"]
    slope = shown.evaluations["auto"].metrics["calibration_slope"].value
    assert slope == own[("auto", "large", "calibration_slope")]
    names = [name for name, _ in pictures(result, result.evaluations["auto"])]
    assert "calibration" in names
    drawn = dict(overview(result))
    assert "batch_effects" in drawn
    [axes] = drawn["batch_effects"].axes
    n_genes = (result.tables["batch_effects"]["kind"] == "gene").sum()
    assert len(axes.get_yticklabels()) == n_genes


def test_one_cohort_alone_is_drawn_as_it_is(small_training):
    assert of_default_reference(small_training) is small_training
    assert "batch_effects" not in dict(overview(small_training))


def test_the_card_names_the_cohorts_and_how_far_their_figures_differ(result, small_training):
    card = model_card(result)
    assert "2 cohorts, pooled; each patient counts in one" in card
    assert "fast: another hospital, 90 patients" in card
    own = result.tables["by_cohort"].query("name == 'auto' and metric == 'concordance_harrell'").set_index("cohort")
    for name in ("fast", "large"):
        assert f"| {name} | {own.loc[name, 'n']} | {own.loc[name, 'events']} | {own.loc[name, 'value']:.3f} (" in card
    assert "concordance_harrell: I² " in card
    assert "One cohort: the figures" not in card
    assert "One cohort: the figures" in model_card(small_training)
