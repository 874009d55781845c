"""Scores of single patients: their direction, their arithmetic, and what is refused in which words."""

from __future__ import annotations

import gc
import re
import weakref
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.cohort import DAYS_PER_MONTH
from features.panel import load_panel
from features.readers import read_cohort
from features.scales import convert
from training.applicability import FAR_VALUE
from training.bundle import write_bundle
from training.definition import load_definition
from training.evaluation import judge_of
from training.kaplan_meier import kaplan_meier
from training.learners import FittedLearner
from training.penalised_cox import FittedCox
from training.profiles import IDENTIFIERS_KEPT, PatientReader, Profile, ProfileError
from training.scores import risk_group, risk_percentile
from training.scoring import RequestError, score_profiles
from training.trainer import train

CLINICAL = {"age": 61.0, "sex": "female", "stage": "III", "grade": "G3"}


@pytest.fixture(scope="module")
def model(small_training):
    """The trained model with a slope that is not 0, so that every figure can move."""
    variants = {name: replace(variant, slope=1.0) for name, variant in small_training.model.variants.items()}
    return replace(small_training.model, variants=variants)


@pytest.fixture(scope="module")
def zscore_model(model):
    reference = "all samples of study X"
    return replace(model, cancer_type="KIRC", scale="zscore", zscore_reference=reference, applicability=None)


@pytest.fixture(scope="module")
def typical(small_training):
    """The expression of a median patient."""
    expression = small_training.cohort.expression
    return expression[[gene for gene in expression if gene in small_training.model.panel.symbols]].median().to_dict()


def answered(model, *profiles, scale=None, zscore_reference=None, horizons_months=(12.0,)):
    return score_profiles(
        model,
        profiles,
        scale=scale or model.scale,
        zscore_reference=zscore_reference,
        horizons_months=horizons_months,
    )


def near_the_mean(genes):
    """Z-scores of which half lie below the mean."""
    return {gene: (-0.1, 0.1)[i % 2] for i, gene in enumerate(genes)}


def score(model, expression, clinical=None, **request):
    (answer,) = answered(model, Profile("p1", expression, clinical), **request)
    if isinstance(answer, ProfileError):
        raise answer
    return answer


def strongest_gene(variant):
    """The gene with the largest coefficient."""
    covariates = variant.features.covariates
    weighed = zip(variant.fitted.columns, variant.fitted.predictor.coefficients, strict=True)
    return max(((w, covariates[j].name) for j, w in weighed if covariates[j].kind == "gene"))


def profiles_of(cohort):
    return [
        Profile(
            patient,
            cohort.expression.loc[patient].dropna().to_dict(),
            cohort.clinical.loc[patient].dropna().to_dict(),
        )
        for patient in cohort.patients
    ]


def test_more_of_the_gene_with_the_largest_coefficient_is_worse_in_every_figure(model, typical, small_training):
    coefficient, gene = strongest_gene(model.variants["genes_only"])
    assert coefficient > 0
    values = small_training.cohort.expression[gene].quantile([0.02, 0.5, 0.98])
    answers = [score(model, {**typical, gene: value}) for value in values]
    low, middle, high = answers
    assert low.linear_predictor < middle.linear_predictor < high.linear_predictor
    assert low.risk_percentile <= middle.risk_percentile <= high.risk_percentile
    assert low.risk_percentile < high.risk_percentile
    assert low.survival[0].probability > middle.survival[0].probability > high.survival[0].probability


def test_survival_falls_with_the_horizon_and_horizons_keep_the_order_asked(model, typical):
    horizons = (24.0, 6.0, 12.0, model.horizon_months_max)
    survival = score(model, typical, horizons_months=horizons).survival
    assert tuple(at.horizon_months for at in survival) == horizons
    by_month = {at.horizon_months: at.probability for at in survival}
    assert 1 >= by_month[6.0] > by_month[12.0] > by_month[24.0] > by_month[model.horizon_months_max] > 0


def test_the_models_own_horizons_are_answered_where_none_are_asked(model, typical):
    survival = score(model, typical, horizons_months=None).survival
    assert tuple(at.horizon_months for at in survival) == model.horizons_months


def test_survival_is_the_baselines_raised_to_the_hazard(model, typical):
    answer = score(model, typical)
    hazard = model.variants["genes_only"].baseline.at(np.array([12 * 365.2425 / 12]))[0]
    assert answer.survival[0].probability == pytest.approx(np.exp(-hazard * np.exp(answer.linear_predictor)), rel=1e-14)


@pytest.mark.parametrize(
    ("linear_predictor", "percentile"), [(-3.0, 0.0), (-1.0, 12.5), (0.0, 50.0), (0.5, 75.0), (2.0, 87.5), (9.0, 100.0)]
)
def test_the_percentile_is_the_share_below_with_equals_counted_half(linear_predictor, percentile):
    # Four patients: one below 0, two at 0, one above.
    assert risk_percentile(np.array([-1.0, 0.0, 0.0, 2.0]), linear_predictor) == percentile


@pytest.mark.parametrize(
    ("percentile", "group"),
    [(0, "low"), (33.3, "low"), (33.4, "intermediate"), (66.6, "intermediate"), (66.7, "high"), (100, "high")],
)
def test_the_groups_are_tertiles_of_the_percentile(percentile, group):
    assert risk_group(percentile) == group


def test_answers_come_in_the_order_of_the_profiles(model, typical, small_training):
    _, gene = strongest_gene(model.variants["genes_only"])
    values = small_training.cohort.expression[gene].dropna().iloc[:20]
    profiles = [Profile(f"p{i}", {**typical, gene: value}) for i, value in enumerate(values)]
    forwards, backwards = answered(model, *profiles), answered(model, *reversed(profiles))
    assert [answer.id for answer in forwards] == [profile.id for profile in profiles]
    assert forwards == backwards[::-1]


def test_every_patient_alone_gets_the_figures_of_the_batch(model, small_training):
    profiles = profiles_of(small_training.cohort)
    batch = answered(model, *profiles)
    assert {answer.variant for answer in batch} == {"clinical", "genes_only"}
    for profile, together in zip(profiles[:40], batch, strict=False):
        (alone,) = answered(model, profile)
        assert alone == together


def test_a_patients_score_is_the_variants_linear_predictor_of_the_cohorts_row(model, small_training):
    cohort, variant = small_training.cohort, model.variants["clinical"]
    together = variant.linear_predictor(cohort.expression, cohort.clinical)
    pairs = [
        (answer.linear_predictor, expected)
        for answer, expected in zip(answered(model, *profiles_of(cohort)), together, strict=True)
        if answer.variant == "clinical"
    ]
    assert len(pairs) > 50
    np.testing.assert_allclose(*zip(*pairs, strict=True), rtol=1e-10, atol=1e-12)


def test_scoring_changes_nothing_in_the_model(model, small_training, tmp_path):
    before = write_bundle(model, tmp_path / "before")
    answered(model, *profiles_of(small_training.cohort))
    assert write_bundle(model, tmp_path / "after") == before


@pytest.mark.parametrize("scale", ["tpm", "log2_tpm_0001"])
def test_values_on_a_scale_that_has_a_formula_score_as_their_conversion(model, typical, scale):
    there = dict(zip(typical, convert(np.array(list(typical.values())), source=model.scale, target=scale), strict=True))
    answer = score(model, there, scale=scale)
    assert answer.linear_predictor == pytest.approx(score(model, typical).linear_predictor, abs=1e-9)
    assert not answer.relative_only


@pytest.mark.parametrize(
    ("scale", "reason"),
    [
        ("counts", "counts also need the length of every gene"),
        ("zscore", "reference are not part of the values"),
        ("microarray_log2", "related by no formula"),
        ("log2_rsem_1", "normalise each sample differently"),
    ],
)
def test_a_scale_without_a_formula_is_refused_with_the_reason(model, typical, scale, reason):
    with pytest.raises(RequestError, match=f"was trained on scale log2_tpm_1: {scale} cannot .*{reason}") as refused:
        score(model, typical, scale=scale)
    assert refused.value.field == "scale"


def test_another_scale_is_refused_by_a_zscore_model(zscore_model, typical):
    with pytest.raises(RequestError, match="was trained on scale zscore: tpm cannot be converted"):
        score(zscore_model, typical, scale="tpm")


@pytest.mark.parametrize("reference", [None, "own"])
def test_zscores_of_ones_own_are_relative_only_and_say_so_first(zscore_model, typical, reference):
    answer = score(zscore_model, near_the_mean(typical), zscore_reference=reference)
    assert answer.relative_only
    assert answer.warnings[0].startswith("z-scores against another reference than the model's (all samples of study X)")


def test_zscores_against_the_models_reference_by_name_are_not_relative(zscore_model, typical):
    answer = score(zscore_model, near_the_mean(typical), zscore_reference="all samples of study X")
    assert not answer.relative_only
    assert not any("z-scores" in warning for warning in answer.warnings)


def test_zscores_against_a_third_reference_are_refused_by_both_names(zscore_model, typical):
    with pytest.raises(RequestError, match=r"'normals' mean nothing .* 'all samples of study X'") as refused:
        score(zscore_model, near_the_mean(typical), zscore_reference="normals")
    assert refused.value.field == "zscore_reference"


@pytest.mark.parametrize("past", [0.0, -1.0, float("nan"), 1e6])
def test_a_horizon_that_cannot_be_answered_is_refused_by_name(model, typical, past):
    with pytest.raises(RequestError, match=re.escape(f"survival at {past:.12g} months cannot be answered")) as refused:
        score(model, typical, horizons_months=(12.0, past))
    assert refused.value.field == "horizons_months"
    assert f"{model.horizon_months_max:.12g} months (horizon_months_max)" in str(refused.value)


def test_the_last_horizon_itself_is_answered_and_the_next_is_not(model, typical):
    last = model.horizon_months_max
    assert 0 < score(model, typical, horizons_months=(last,)).survival[0].probability < 1
    with pytest.raises(RequestError):
        score(model, typical, horizons_months=(last + 0.1,))


def test_too_few_genes_are_refused_with_both_counts_and_half_are_enough(model, typical):
    variant = model.variants["genes_only"]
    genes, needed = variant.genes, int(np.ceil(len(variant.genes) * variant.minimum_gene_fraction))
    kept = {gene: typical[gene] for gene in genes[: needed - 1]}
    with pytest.raises(
        ProfileError, match=f"'p1': holds {needed - 1} of the {len(genes)} genes .* at least {needed} are needed"
    ):
        score(model, kept)
    enough = score(model, {gene: typical[gene] for gene in genes[:needed]})
    assert np.isfinite(enough.linear_predictor)


def test_no_gene_at_all_is_refused(model):
    with pytest.raises(ProfileError, match="holds 0 of the"):
        score(model, {})


def test_missing_genes_are_counted_and_named(model, typical):
    first, second = model.variants["genes_only"].genes[:2]
    answer = score(model, {gene: value for gene, value in typical.items() if gene not in (first, second)})
    assert f"2 genes are missing and were estimated from the others: {first}, {second}." in answer.warnings
    assert not any("missing" in warning for warning in score(model, typical).warnings)


def test_a_value_that_is_not_a_number_counts_as_missing(model, typical):
    gene = model.variants["genes_only"].genes[0]
    without = score(model, {name: value for name, value in typical.items() if name != gene})
    assert score(model, {**typical, gene: float("nan")}) == without


def test_genes_outside_the_panel_are_ignored_and_counted(model, typical):
    answer = score(model, {**typical, "GAPDH": 11.0, "TP53": 4.0})
    assert "2 of the genes sent are not in the model's panel and were ignored." in answer.warnings
    assert answer.linear_predictor == score(model, typical).linear_predictor


@pytest.mark.parametrize("vocabulary", ["ensembl", "ensembl with version", "entrez", "alias"])
def test_a_gene_under_another_identifier_is_the_same_gene(model, typical, vocabulary):
    word = {
        "ensembl": lambda gene: gene.ensembl_id,
        "ensembl with version": lambda gene: f"{gene.ensembl_id}.7",
        "entrez": lambda gene: str(gene.entrez_id),
        "alias": lambda gene: (*gene.previous_symbols, *gene.aliases, gene.symbol)[0],
    }[vocabulary]
    names = {gene.symbol: word(gene) for gene in model.panel.genes}
    renamed = {names[symbol]: value for symbol, value in typical.items()}
    assert set(renamed) != set(typical)
    answer = score(model, renamed)
    assert answer.resolved_genes == {names[symbol]: symbol for symbol in typical if names.get(symbol, symbol) != symbol}
    assert replace(answer, resolved_genes={}) == score(model, typical)


def test_one_gene_under_two_names_is_refused_by_both(model, typical):
    # An alias beside its symbol is passed over; two identifiers that are equally sure are a contradiction.
    cd44 = next(gene for gene in model.panel.genes if gene.symbol == "CD44")
    with pytest.raises(ProfileError, match=f"'CD44' and '{cd44.ensembl_id}' are the same gene, CD44"):
        score(model, {**typical, cd44.ensembl_id: 3.0})


@pytest.mark.parametrize("lacking", ["age", "sex", "stage", "grade"])
def test_one_unknown_covariate_makes_the_genes_only_model_answer_and_is_named(model, typical, lacking):
    assert lacking in model.variants["clinical"].clinical
    whole = score(model, typical, CLINICAL)
    assert whole.variant == "clinical"
    for clinical in ({k: v for k, v in CLINICAL.items() if k != lacking}, {**CLINICAL, lacking: None}):
        answer = score(model, typical, clinical)
        assert answer.variant == "genes_only"
        assert f"clinical covariates not known: {lacking}; the genes-only model answered." in answer.warnings
        assert answer.linear_predictor == score(model, typical).linear_predictor


@pytest.mark.parametrize("stage", ["X", "Stage X", "[Not Available]", ""])
def test_a_stage_that_says_nothing_is_never_imputed(model, typical, stage):
    answer = score(model, typical, {**CLINICAL, "stage": stage})
    assert answer.variant == "genes_only"
    assert any("stage" in warning for warning in answer.warnings)


def test_a_higher_stage_moves_the_answer_by_the_coefficients_of_its_rank_and_steps(model, typical):
    variant = model.variants["clinical"]
    names = [variant.features.covariates[j].name for j in variant.fitted.columns]
    coefficients = dict(zip(names, variant.fitted.predictor.coefficients, strict=True))
    # From II to IV the rank rises by two, and every step above II is taken.
    rises = {"stage": 2, "stage from III": 1, "stage from IV": 1}
    moved = [
        coefficients[c.name] * rises[c.name] / c.scale for c in variant.features.clinical.covariates if c.name in rises
    ]
    assert len(moved) > 1
    two, four = (score(model, typical, {**CLINICAL, "stage": stage}).linear_predictor for stage in ("II", "Stage IVA"))
    assert four - two == pytest.approx(sum(moved), rel=1e-9)


@pytest.mark.parametrize(
    "nonsense", [{"age": 300.0}, {"age": "old"}, {"sex": "blue"}, {"stage": "nine"}, {"grade": "G9"}]
)
def test_clinical_nonsense_is_the_fault_of_its_profile_alone(model, typical, nonsense):
    bad, good = Profile("bad", typical, {**CLINICAL, **nonsense}), Profile("good", typical, CLINICAL)
    first, second = answered(model, bad, good)
    assert isinstance(first, ProfileError)
    assert str(first).startswith("profile 'bad': ")
    assert next(iter(nonsense)) in str(first)
    assert second == replace(score(model, typical, CLINICAL), id="good")


def test_a_value_that_its_scale_cannot_take_is_the_fault_of_its_profile_alone(model, typical):
    raw = {gene: 2**value - 1 for gene, value in typical.items()}
    bad, good = Profile("bad", {**raw, "CD44": -3.0}), Profile("good", raw)
    first, second = answered(model, bad, good, scale="tpm")
    assert isinstance(first, ProfileError)
    assert "profile 'bad': sent as tpm, but the values look like" in str(first)
    assert second.id == "good"


def test_a_value_too_large_to_be_converted_is_the_fault_of_its_profile(model, typical):
    with pytest.raises(ProfileError, match="the values look like tpm"):
        score(replace(model, scale="tpm"), {**typical, "CD44": 5000.0}, scale="log2_tpm_1")


def test_a_model_that_is_not_better_than_chance_says_so(model, typical):
    variant = model.variants["genes_only"]
    estimate = replace(variant.metrics["concordance_harrell"], value=0.51, lower=0.44, upper=0.58)
    poor = replace(variant, metrics={**variant.metrics, "concordance_harrell": estimate})
    answer = score(replace(model, variants={"genes_only": poor}), typical)
    assert "not shown to be better than chance: out-of-fold concordance 0.51 (0.44 to 0.58)" in " ".join(
        answer.warnings
    )
    good = replace(variant, metrics={"concordance_harrell": replace(estimate, lower=0.501)})
    assert "chance" not in " ".join(score(replace(model, variants={"genes_only": good}), typical).warnings)


def test_a_model_without_signal_gives_everyone_the_cohorts_survival_and_says_so(model, typical, small_training):
    flat = replace(model.variants["genes_only"], slope=0.0, reference=np.zeros(120))
    answers = answered(replace(model, variants={"genes_only": flat}), *profiles_of(small_training.cohort)[:5])
    assert {(answer.linear_predictor, answer.risk_percentile, answer.risk_group) for answer in answers} == {
        (0.0, 50.0, "intermediate")
    }
    assert all(any("no signal" in warning for warning in answer.warnings) for answer in answers)


def test_a_model_whose_predictor_is_turned_around_ranks_the_other_way(model, small_training):
    variant = model.variants["genes_only"]
    fitted = variant.fitted.predictor
    turned = FittedLearner(variant.fitted.columns, FittedCox(-fitted.coefficients, fitted.means))
    flipped = replace(model, variants={"genes_only": replace(variant, fitted=turned)})
    profiles = [Profile(profile.id, profile.expression) for profile in profiles_of(small_training.cohort)]
    there, back = answered(model, *profiles), answered(flipped, *profiles)
    np.testing.assert_allclose([a.linear_predictor for a in there], [-a.linear_predictor for a in back], rtol=1e-12)


@pytest.fixture(scope="module")
def kirc(real_cohorts, small_definition):
    """KIRC, trained small on a half of its patients and asked about the others."""
    folder = real_cohorts / "KIRC"
    if not folder.is_dir():
        pytest.skip(f"no KIRC at {real_cohorts}")
    cohort = read_cohort(folder, endpoint="OS")
    definition = load_definition(small_definition).model_copy(update={"trials": 1})
    held_out = judge_of(cohort, definition).folds[0] == 0
    training = cohort.subset(np.flatnonzero(~held_out))
    result = train(training, load_panel("ctc_core"), definition, provenance={}, workers=1)
    return result.model, cohort.subset(np.flatnonzero(held_out))


def test_real_patients_who_were_never_seen_are_all_scored_and_ranked_better_than_chance(kirc):
    model, unseen = kirc
    answers = score_profiles(
        model,
        profiles_of(unseen),
        scale=unseen.scale,
        zscore_reference=unseen.zscore_reference,
        horizons_months=(12.0, 36.0),
    )
    assert not [answer for answer in answers if isinstance(answer, ProfileError)]
    assert not any(answer.relative_only for answer in answers)
    table = pd.DataFrame({"percentile": [a.risk_percentile for a in answers], "event": unseen.event})
    assert table["percentile"].between(0, 100).all()
    assert table["percentile"].max() - table["percentile"].min() > 50
    assert all(0 < late.probability < early.probability <= 1 for early, late in (answer.survival for answer in answers))
    assert table.groupby("event")["percentile"].mean().diff().iloc[-1] > 10


def test_a_reference_of_z_scores_is_refused_on_another_scale(model, typical):
    with pytest.raises(RequestError, match="means nothing on scale") as refused:
        score_profiles(
            model, [Profile("p", typical)], scale=model.scale, zscore_reference="banana", horizons_months=None
        )
    assert refused.value.field == "zscore_reference"


def test_clinical_covariates_that_the_model_does_not_read_are_named(model, typical):
    (answer,) = answered(model, Profile("p", typical, {**CLINICAL, "Weight": 61.0}))
    assert any("ignored: Weight" in warning for warning in answer.warnings)


def test_clinical_covariates_are_read_in_any_case_and_once(model, typical):
    plain, shouted = (
        answered(model, Profile("p", typical, clinical))[0]
        for clinical in (CLINICAL, {f" {name.upper()} ": value for name, value in CLINICAL.items()})
    )
    assert shouted == plain
    (twice,) = answered(model, Profile("p", typical, {**CLINICAL, "Age": 61.0}))
    assert isinstance(twice, ProfileError)
    assert "age is sent twice" in str(twice)


def test_contributions_and_their_constant_add_up_to_the_linear_predictor(model, small_training):
    for answer in answered(model, *profiles_of(small_training.cohort)):
        total = sum(answer.contributions.values()) + answer.contributions_constant
        assert total == pytest.approx(answer.linear_predictor, abs=1e-6)
        sizes = [abs(part) for part in answer.contributions.values()]
        assert sizes == sorted(sizes, reverse=True)


def test_contributions_are_left_out_where_they_are_not_asked_for(model, typical):
    (answer,) = score_profiles(
        model,
        [Profile("p", typical)],
        scale=model.scale,
        zscore_reference=None,
        horizons_months=None,
        contributions=False,
    )
    assert answer.contributions is None
    assert answer.contributions_constant is None
    assert answer.survival == score(model, typical, horizons_months=None).survival


def test_every_figure_has_an_interval_around_it_and_the_cohort_beside_it(model, small_training):
    curve = kaplan_meier(small_training.cohort.time, small_training.cohort.event)
    for answer in answered(model, *profiles_of(small_training.cohort)[:20], horizons_months=(6.0, 24.0)):
        for at in answer.survival:
            assert 0 <= at.lower < at.probability < at.upper <= 1
            day = at.horizon_months * DAYS_PER_MONTH
            assert at.cohort_probability == curve.at(np.array([day]))[0]
            assert at.cohort_lower < at.cohort_probability < at.cohort_upper
            assert at.cohort_at_risk == (small_training.cohort.time >= day).sum()


def test_missing_genes_widen_the_interval(model, typical):
    strongest = strongest_gene(model.variants["genes_only"])[1]
    whole = score(model, typical).survival[0]
    without = score(model, {gene: value for gene, value in typical.items() if gene != strongest}).survival[0]
    log_hazards = [np.log(-np.log([at.lower, at.upper])) for at in (whole, without)]
    assert np.ptp(log_hazards[1]) > np.ptp(log_hazards[0])


def test_who_is_alive_at_a_day_has_the_survival_of_those_who_are(model, typical):
    survived, horizons = 7.0, (12.0, 24.0)
    at_once = score(model, typical, horizons_months=(survived, *horizons))
    (later,) = answered(model, Profile("p1", typical, None, survived), horizons_months=horizons)
    assert later.survived_months == survived
    first, *others = (at.probability for at in at_once.survival)
    np.testing.assert_allclose([at.probability for at in later.survival], [p / first for p in others], rtol=1e-12)
    assert all(at.lower < at.probability < at.upper for at in later.survival)
    cohort = [at.cohort_probability for at in at_once.survival]
    np.testing.assert_allclose([at.cohort_probability for at in later.survival], np.divide(cohort[1:], cohort[0]))


def test_own_horizons_that_a_patient_has_survived_are_left_out(model, typical):
    first, *rest = model.horizons_months
    (answer,) = answered(model, Profile("p1", typical, None, first), horizons_months=None)
    assert [at.horizon_months for at in answer.survival] == rest


def test_a_horizon_asked_for_that_a_patient_has_survived_is_the_fault_of_the_profile(model, typical):
    late, early = Profile("late", typical, None, 12.0), Profile("early", typical, None, 11.9)
    first, second = answered(model, late, early, horizons_months=(12.0,))
    assert "'late': survived_months must lie before 12 months, the first horizon asked for" in str(first)
    assert second.survival[0].horizon_months == 12.0


@pytest.mark.parametrize("survived", [float("nan"), float("inf"), 1e6])
def test_a_time_survived_that_lies_past_all_answers_is_refused(model, typical, survived):
    (answer,) = answered(model, Profile("p1", typical, None, survived), horizons_months=None)
    assert isinstance(answer, ProfileError)
    assert "survived_months must lie before" in str(answer)


def test_the_median_is_where_the_curve_falls_to_a_half(model, small_training):
    variant = model.variants["genes_only"]
    answers = answered(model, *(Profile(p.id, p.expression) for p in profiles_of(small_training.cohort)))
    reached = [answer for answer in answers if answer.median_survival.months is not None]
    assert reached
    for answer in reached:
        median = answer.median_survival
        hazard = np.exp(answer.linear_predictor)
        days = np.array([median.months * DAYS_PER_MONTH - 0.5, median.months * DAYS_PER_MONTH])
        before, after = np.exp(-hazard * variant.baseline.at(days))
        assert before > 0.5 >= after
        assert median.lower <= median.months
        assert median.words.startswith(f"{median.months:.0f} months (")
    words = [answer.median_survival.words for answer in answers if answer.median_survival.months is None]
    assert all(word.startswith("not reached within") for word in words)


def test_a_refusal_for_missing_genes_names_the_smallest_addition_that_suffices(model, typical):
    variant = model.variants["genes_only"]
    kept = {gene: typical[gene] for gene in variant.genes[:2]}
    with pytest.raises(ProfileError, match="The smallest addition that makes it scorable: ") as refused:
        score(model, kept)
    added = str(refused.value).partition("scorable: ")[2].rstrip(".").split(", ")
    assert np.isfinite(score(model, kept | {gene: typical[gene] for gene in added}).linear_predictor)
    with pytest.raises(ProfileError):
        score(model, kept | {gene: typical[gene] for gene in added[:-1]})


def test_too_much_of_the_models_weight_missing_is_refused_though_most_genes_are_there(model, typical):
    variant = model.variants["genes_only"]
    heaviest = variant.genes[3]
    weights = {gene: 0.6 if gene == heaviest else 0.4 / (len(variant.genes) - 1) for gene in variant.genes}
    uneven = replace(model, variants={"genes_only": replace(variant, gene_weights=weights)})
    with pytest.raises(ProfileError, match=f"carry 60% of what its genes contribute.* scorable: {heaviest}\\."):
        score(uneven, {gene: value for gene, value in typical.items() if gene != heaviest})


def test_identifiers_that_were_resolved_are_listed(model, typical):
    cd44 = next(gene for gene in model.panel.genes if gene.symbol == "CD44")
    renamed = {cd44.ensembl_id if gene == "CD44" else gene: value for gene, value in typical.items()}
    answer = score(model, renamed)
    assert answer.resolved_genes == {cd44.ensembl_id: "CD44"}
    assert answer.missing_genes == score(model, typical).missing_genes


def test_every_answer_says_how_far_the_profile_is_from_the_cohort(model, small_training):
    answers = answered(model, *profiles_of(small_training.cohort))
    warned = [a for a in answers if any("unlike the reference cohort" in warning for warning in a.warnings)]
    for answer in answers:
        assert 0 <= answer.distance.joint_percentile <= 100
        assert (answer in warned) == (answer.distance.joint_percentile > answer.distance.warned_above)
    assert len(warned) < len(answers) / 10


def test_a_profile_far_from_the_cohort_is_refused_and_no_remedy_hides_what_tells_it_apart(model, typical):
    strange = typical | dict.fromkeys(model.applicability.genes[::3], 19.5)
    with pytest.raises(ProfileError, match="too far from the reference cohort") as refused:
        score(model, strange)
    assert "the whole profile is in question: check the cancer type" in str(refused.value)


def test_abundances_sent_as_their_logarithm_are_refused_with_the_scale_they_look_like(model, typical):
    raw = {gene: 2**value - 1 for gene, value in typical.items()}
    with pytest.raises(ProfileError, match="sent as log2_tpm_1, but the values look like tpm"):
        score(model, raw)
    assert score(model, raw, scale="tpm").linear_predictor == pytest.approx(score(model, typical).linear_predictor)


def with_outside(model, typical, units):
    """A typical patient whose first known gene lies so many units beyond all that the cohort had."""
    known = model.applicability
    highest = known.typicality.ranges[1]
    gene = known.genes[0]
    return gene, typical | {gene: float(highest[0] + units * known.typicality.units[0, 1])}


def test_a_single_value_far_beyond_the_cohort_is_warned_of_and_named(model, typical):
    gene, strange = with_outside(model, typical, 1.01 * FAR_VALUE)
    warnings = [warning for warning in score(model, strange).warnings if "one value lies far beyond" in warning]
    assert [gene in warning for warning in warnings] == [True]
    _, near = with_outside(model, typical, 0.99 * FAR_VALUE)
    assert not any("far beyond" in warning for warning in score(model, near).warnings)


def test_a_single_value_that_cannot_be_is_refused_and_can_be_left_out(small_training, typical):
    # A z-score has no ceiling that its scale would refuse it by.
    model = replace(small_training.model, scale="zscore", zscore_reference="mine")
    gene, strange = with_outside(model, typical, 1e6)
    (refused,) = answered(model, Profile("p", strange), scale="zscore", zscore_reference="mine")
    assert isinstance(refused, ProfileError)
    assert f"with {gene} corrected or left out" in str(refused)
    without = {other: value for other, value in strange.items() if other != gene}
    (scored,) = answered(model, Profile("p", without), scale="zscore", zscore_reference="mine")
    assert np.isfinite(scored.linear_predictor)


def test_genes_in_the_tails_of_the_cohort_have_their_percentile(model, typical, small_training):
    gene = model.applicability.genes[0]
    values = np.sort(small_training.cohort.expression[gene].dropna().to_numpy())
    top, middle = (score(model, typical | {gene: float(value)}) for value in (values[-1], values[len(values) // 2]))
    assert top.distance.gene_percentiles[gene] == pytest.approx(100 * (len(values) - 0.375) / (len(values) + 0.25))
    assert gene not in middle.distance.gene_percentiles


def test_the_distance_is_warned_of_before_the_gate(model, typical):
    _, strange = with_outside(model, typical, 2 * FAR_VALUE)
    warnings = score(replace(model, champion_earned=False, gate=(("beyond", "failed", "0"),)), strange).warnings
    first = next(i for i, warning in enumerate(warnings) if "beyond all that the reference cohort had" in warning)
    assert first < next(i for i, warning in enumerate(warnings) if "gate not passed" in warning)


def test_whoever_survived_every_horizon_is_told_to_ask_for_later_ones(model, typical):
    last = max(model.horizons_months)
    survived = (last + model.horizon_months_max) / 2
    (answer,) = answered(model, Profile("p", typical, CLINICAL, survived), horizons_months=None)
    assert answer.survival == ()
    assert any("survived every horizon" in warning for warning in answer.warnings)


def test_many_lists_of_identifiers_do_not_fill_the_memory(model):
    reader = PatientReader(model)
    for n in range(20):
        reader.layout(tuple(f"stranger {n} {i}" for i in range(30_000)))
    assert sum(map(len, reader._layouts)) <= IDENTIFIERS_KEPT


def test_a_model_that_nobody_holds_is_forgotten(model, typical):
    gone = replace(model)
    score(gone, typical)
    score(gone, {gene: value for i, (gene, value) in enumerate(typical.items()) if i % 5})
    known = weakref.ref(gone)
    del gone
    gc.collect()
    assert known() is None
