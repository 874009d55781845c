"""A model as a folder: the same scores after reading as before writing, and nothing damaged is read."""

from __future__ import annotations

import hashlib
import json
import pickletools
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.cohort import Cohort
from training.blend import Blend, FittedLearner, blended
from training.boosted import FittedBooster, fit_boosted
from training.bundle import (
    BUNDLE_FORMAT,
    HAZARD_RATIOS,
    MANIFEST,
    MODEL,
    POOLED_FORMAT,
    BundleError,
    bundle_digest,
    read_bundle,
    write_bundle,
)
from training.bundle_fields import booster_file, replicates_file
from training.model import PrognosticModel
from training.profiles import Profile
from training.results import TrainingResult
from training.scoring import score_profiles

KEPT = Path(__file__).resolve().parent / "bundles"
TREES = {
    "rounds": 12,
    "learning_rate": 0.1,
    "max_depth": 2,
    "min_child_weight": 1.0,
    "subsample": 0.8,
    "colsample_bytree": 0.7,
    "reg_lambda": 1.0,
}


def trees_of(training: TrainingResult, name: str, objective: str) -> FittedLearner:
    """Boosted trees on the columns of one variant, fitted to the same patients."""
    cohort, variant = training.cohort, training.model.variants[name]
    X = variant.features.transform(cohort.expression, cohort.clinical)[:, variant.fitted.columns]
    trees = fit_boosted(X, cohort.time, cohort.event, parameters={**TREES, "objective": objective}, seed=3)
    return FittedLearner(variant.fitted.columns, trees)


def with_trees(training: TrainingResult, objective: str) -> PrognosticModel:
    """The same model with boosted trees in both variants."""
    return with_fitted(
        training, {name: trees_of(training, name, objective) for name in training.model.variants}, "boosted"
    )


def with_blend(training: TrainingResult) -> PrognosticModel:
    """The same model with a Cox model that leans on others and trees of both objectives in both variants."""
    blends = {}
    for name, variant in training.model.variants.items():
        cox = replace(variant.fitted, shared_weight=0.4)
        trees = [(weight, trees_of(training, name, objective)) for weight, objective in ((0.31, "cox"), (0.07, "aft"))]
        blends[name] = blended([(0.62, cox), *trees])
    return with_fitted(training, blends, "auto")


def with_fitted(training: TrainingResult, fitted, learner: str) -> PrognosticModel:
    kept = training.model.variants.items()
    variants = {name: replace(variant, learner=learner, fitted=fitted[name], slope=0.7) for name, variant in kept}
    return replace(training.model, variants=variants)


@pytest.fixture(scope="module", params=["penalised_cox", "cox", "aft", "auto"])
def model(request, small_training):
    if request.param == "penalised_cox":
        return small_training.model
    return with_blend(small_training) if request.param == "auto" else with_trees(small_training, request.param)


@pytest.fixture(scope="module")
def whole_bundle(small_training, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written") / "bundle"
    write_bundle(with_blend(small_training), folder)
    return folder


@pytest.fixture
def bundle(whole_bundle, tmp_path):
    """A bundle with boosted trees that a test may damage."""
    return shutil.copytree(whole_bundle, tmp_path / "bundle")


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def resealed(bundle: Path, **contents: bytes) -> Path:
    """Put contents under the names of `MODEL` or `HAZARD_RATIOS`, and write a manifest that agrees."""
    for key, content in contents.items():
        (bundle / {"model": MODEL, "hazard_ratios": HAZARD_RATIOS}[key]).write_bytes(content)
    names = [path.relative_to(bundle).as_posix() for path in files_of(bundle) if path.name != MANIFEST]
    files = {name: hashlib.sha256((bundle / name).read_bytes()).hexdigest() for name in names}
    (bundle / MANIFEST).write_text(json.dumps({"format": BUNDLE_FORMAT, "files": files}), encoding="utf-8")
    return bundle


def changed(bundle: Path, change) -> Path:
    fields = json.loads((bundle / MODEL).read_text(encoding="utf-8"))
    change(fields)
    return resealed(bundle, model=json.dumps(fields).encode())


def profiles_of(cohort: Cohort) -> list[Profile]:
    """Everyone twice: with the clinical covariates that are known, and without."""
    profiles = []
    for patient in cohort.patients:
        expression = cohort.expression.loc[patient].dropna().to_dict()
        clinical = cohort.clinical.loc[patient].dropna().to_dict()
        profiles += [Profile(patient, expression, clinical), Profile(f"{patient} genes only", expression)]
    return profiles


def scores(model, cohort):
    return score_profiles(
        model, profiles_of(cohort), scale=cohort.scale, zscore_reference=None, horizons_months=[6.0, 12.0]
    )


def test_a_model_scores_the_same_to_the_bit_after_writing_and_reading(model, small_training, tmp_path):
    write_bundle(model, tmp_path / "bundle")
    read = read_bundle(tmp_path / "bundle")
    before, after = scores(model, small_training.cohort), scores(read, small_training.cohort)
    assert {answer.variant for answer in before} == {"clinical", "genes_only"}
    assert len({answer.linear_predictor for answer in before}) > 20
    assert before == after


def test_all_that_a_model_says_of_itself_is_read_back(model, tmp_path):
    write_bundle(model, tmp_path / "bundle")
    read = read_bundle(tmp_path / "bundle")
    for name in ("cancer_type", "endpoint", "scale", "zscore_reference", "horizons_months", "horizon_months_max"):
        assert getattr(read, name) == getattr(model, name)
    for name in ("cohort", "panel", "gate", "champion_earned", "patient_hashes"):
        assert getattr(read, name) == getattr(model, name)
    assert dict(read.provenance) == dict(model.provenance)
    assert json.dumps(read.definition) == json.dumps(model.definition)
    tables = (table.astype(object).where(table.notna(), None) for table in (read.hazard_ratios, model.hazard_ratios))
    pd.testing.assert_frame_equal(*tables)
    for name, variant in model.variants.items():
        again = read.variants[name]
        assert (again.learner, again.parameters, again.metrics) == (
            variant.learner,
            variant.parameters,
            variant.metrics,
        )
        assert (again.genes, again.clinical) == (variant.genes, variant.clinical)
        assert again.features.covariates == variant.features.covariates
        assert again.fitted.shared_weight == variant.fitted.shared_weight


def members_of(fitted):
    return fitted.members if isinstance(fitted, Blend) else ((1.0, fitted),)


def test_the_members_of_a_model_are_read_back_each_with_its_weight_and_in_order(model, tmp_path):
    write_bundle(model, tmp_path / "bundle")
    for name, variant in read_bundle(tmp_path / "bundle").variants.items():
        before, after = members_of(model.variants[name].fitted), members_of(variant.fitted)
        assert type(variant.fitted) is type(model.variants[name].fitted)
        assert [weight for weight, _ in after] == [weight for weight, _ in before]
        for (_, learner), (_, again) in zip(before, after, strict=True):
            assert type(again.predictor) is type(learner.predictor)
            np.testing.assert_array_equal(again.columns, learner.columns)
            if isinstance(learner.predictor, FittedBooster):
                assert again.predictor.booster.save_raw("ubj") == learner.predictor.booster.save_raw("ubj")
                assert again.predictor.objective == learner.predictor.objective


def test_replicates_and_the_cohorts_curve_are_read_back_to_the_bit(model, tmp_path):
    write_bundle(model, tmp_path / "bundle")
    read = read_bundle(tmp_path / "bundle")
    for field in ("days", "survival", "lower", "upper", "at_risk"):
        np.testing.assert_array_equal(getattr(read.kaplan_meier, field), getattr(model.kaplan_meier, field))
    for name, variant in model.variants.items():
        assert read.variants[name].gene_weights == variant.gene_weights
        assert sum(variant.gene_weights.values()) == pytest.approx(1)
        before, after = variant.replicates.arrays(), read.variants[name].replicates.arrays()
        assert set(before) == set(after)
        for array in before:
            np.testing.assert_array_equal(after[array], before[array])


def test_a_model_without_replicates_is_a_model(small_training, tmp_path):
    variants = small_training.model.variants.items()
    bare = replace(small_training.model, variants={k: replace(v, replicates=None) for k, v in variants})
    write_bundle(bare, tmp_path / "bundle")
    assert not list((tmp_path / "bundle").glob("replicates/*"))
    assert all(variant.replicates is None for variant in read_bundle(tmp_path / "bundle").variants.values())


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: arrays.pop("slope"),
        lambda arrays: arrays.update(colour=np.zeros(2)),
        lambda arrays: arrays.update(slope=arrays["slope"][:-1]),
        lambda arrays: arrays.update(log_baseline=arrays["log_baseline"][:, :-1]),
        lambda arrays: arrays.update(slope=np.array(["steep"] * len(arrays["slope"]))),
        lambda arrays: arrays.update({"trees.depth": np.zeros(3, dtype=np.int32)}),
    ],
)
def test_replicates_that_are_none_are_refused_even_under_a_manifest_that_agrees(bundle, change):
    path = bundle / replicates_file("clinical")
    with np.load(path) as kept:
        arrays = {name: kept[name] for name in kept.files}
    change(arrays)
    np.savez(path, **arrays)
    with pytest.raises(BundleError, match="does not hold a model"):
        read_bundle(resealed(bundle))


@pytest.mark.parametrize("part", [0.0, 0.5, 0.99])
def test_replicates_that_are_cut_short_are_refused_even_under_a_manifest_that_agrees(bundle, part):
    path = bundle / replicates_file("genes_only")
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    with pytest.raises(BundleError, match="does not hold a model"):
        read_bundle(resealed(bundle))


def test_replicates_that_hold_pickles_are_refused_unread(bundle):
    path = bundle / replicates_file("clinical")
    np.savez(path, slope=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(BundleError, match="does not hold a model"):
        read_bundle(resealed(bundle))


def test_the_trees_of_each_member_have_a_file_of_their_own(whole_bundle):
    expected = {booster_file(name, position) for name in ("clinical", "genes_only") for position in (1, 2)}
    assert {path.name for path in whole_bundle.glob("*.ubj")} == expected


def test_a_model_that_reads_nothing_is_a_model(small_training, tmp_path):
    nothing = {name: blended([(0.0, variant.fitted)]) for name, variant in small_training.model.variants.items()}
    write_bundle(with_fitted(small_training, nothing, "auto"), tmp_path / "bundle")
    read = read_bundle(tmp_path / "bundle")
    assert {answer.linear_predictor for answer in scores(read, small_training.cohort)} == {0.0}


def test_a_blend_of_one_member_whose_weight_is_not_1_keeps_it(small_training, tmp_path):
    trees = {name: blended([(0.4, trees_of(small_training, name, "cox"))]) for name in small_training.model.variants}
    model = with_fitted(small_training, trees, "auto")
    write_bundle(model, tmp_path / "bundle")
    assert scores(read_bundle(tmp_path / "bundle"), small_training.cohort) == scores(model, small_training.cohort)


def test_a_bundle_that_is_read_and_written_again_is_the_same_bundle(model, tmp_path):
    first = write_bundle(model, tmp_path / "first")
    again = write_bundle(read_bundle(tmp_path / "first"), tmp_path / "again")
    assert (tmp_path / "first" / MODEL).read_bytes() == (tmp_path / "again" / MODEL).read_bytes()
    assert first == bundle_digest(tmp_path / "first")
    assert again == bundle_digest(tmp_path / "again")


def test_figures_that_could_not_be_had_are_read_back_as_such(small_training, tmp_path):
    unknown = replace(small_training.model.cohort, median_follow_up_months=float("nan"))
    write_bundle(replace(small_training.model, cohort=unknown), tmp_path / "bundle")
    assert np.isnan(read_bundle(tmp_path / "bundle").cohort.median_follow_up_months)


def test_a_bundle_holds_no_pickle(bundle):
    for path in files_of(bundle):
        assert path.suffix in {".json", ".parquet", ".ubj", ".npz"}
        # An escape that Python warns of, before the byte that no pickle has.
        with pytest.raises((ValueError, DeprecationWarning), match=r"."):
            list(pickletools.genops(path.read_bytes()))


def test_a_bundle_names_no_patient(whole_bundle, small_training):
    patients = [str(patient).encode() for patient in small_training.cohort.patients]
    for path in files_of(whole_bundle):
        content = path.read_bytes()
        assert not any(patient in content for patient in patients)
    hashed = hashlib.sha256(patients[0]).hexdigest()
    assert hashed in read_bundle(whole_bundle).patient_hashes


def test_one_changed_byte_of_any_file_is_refused(bundle):
    for path in files_of(bundle):
        content = path.read_bytes()
        for position in (0, len(content) // 2, len(content) - 2):
            flipped = bytearray(content)
            flipped[position] ^= 0x01
            path.write_bytes(flipped)
            if path.name == MANIFEST:
                # Its digest is kept where the model is registered.
                assert _refused_or_another(bundle, hashlib.sha256(content).hexdigest())
            else:
                with pytest.raises(BundleError, match=f"{path.name} is damaged"):
                    read_bundle(bundle)
        path.write_bytes(content)
    read_bundle(bundle)


def _refused_or_another(bundle: Path, digest: str) -> bool:
    try:
        return bundle_digest(bundle) != digest
    except BundleError:
        return True


def test_a_missing_file_is_refused_by_name(bundle):
    for path in files_of(bundle):
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(BundleError, match=path.name):
            read_bundle(bundle)
        path.write_bytes(content)


def test_a_file_too_many_is_refused_by_name(bundle):
    (bundle / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(BundleError, match=r"notes\.txt"):
        read_bundle(bundle)


def test_a_folder_that_was_half_written_is_no_bundle(bundle):
    (bundle / MANIFEST).unlink()
    for read in (read_bundle, bundle_digest):
        with pytest.raises(BundleError, match="is not a bundle"):
            read(bundle)


def test_a_folder_that_is_not_there_is_no_bundle(tmp_path):
    with pytest.raises(BundleError, match="is not a bundle"):
        read_bundle(tmp_path / "absent")


@pytest.mark.parametrize(
    "manifest", ["", "{", "[]", "{}", '"x"', '{"format": 1, "files": []}', '{"format": 1, "files": {}}']
)
def test_a_manifest_that_says_nothing_is_refused(bundle, manifest):
    (bundle / MANIFEST).write_text(manifest, encoding="utf-8")
    with pytest.raises(BundleError):
        read_bundle(bundle)


def test_a_format_that_is_not_known_is_refused_with_both_numbers(bundle):
    manifest = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
    (bundle / MANIFEST).write_text(json.dumps({**manifest, "format": 99}), encoding="utf-8")
    with pytest.raises(BundleError, match=r"format 99 is unknown; this version reads 1, 2, 3 and 4"):
        read_bundle(bundle)


def test_a_model_of_another_format_than_its_manifests_is_refused(bundle):
    with pytest.raises(BundleError, match="is not of bundle format 1, 2, 3 and 4"):
        read_bundle(changed(bundle, lambda fields: fields.update(format=99)))


def test_a_model_of_todays_fields_under_the_first_format_is_refused(bundle):
    with pytest.raises(BundleError, match="does not hold a model"):
        read_bundle(changed(bundle, lambda fields: fields.update(format=1)))


@pytest.mark.parametrize("part", [0.0, 0.5, 0.99])
def test_a_model_file_that_is_cut_short_is_refused_even_under_a_manifest_that_agrees(bundle, part):
    content = (bundle / MODEL).read_bytes()
    with pytest.raises(BundleError, match="does not hold a model"):
        read_bundle(resealed(bundle, model=content[: int(part * len(content))]))


def test_a_table_that_is_none_is_refused_even_under_a_manifest_that_agrees(bundle):
    with pytest.raises(BundleError, match="does not hold a model"):
        read_bundle(resealed(bundle, hazard_ratios=b"gene\nCD44\n"))


def test_trees_that_cannot_be_read_are_refused_even_under_a_manifest_that_agrees(bundle):
    (bundle / booster_file("clinical", 1)).write_bytes(b"no trees")
    with pytest.raises(BundleError, match="does not hold a model"):
        read_bundle(resealed(bundle))


@pytest.mark.parametrize(
    "change",
    [
        lambda fields: fields.update(colour="red"),
        lambda fields: fields["variants"]["clinical"].update(colour="red"),
        lambda fields: fields["variants"]["clinical"]["features"].update(colour="red"),
        lambda fields: fields["variants"]["clinical"]["members"][0].update(colour="red"),
        lambda fields: fields["variants"]["clinical"]["members"][0].pop("weight"),
        lambda fields: fields["variants"]["clinical"]["members"][0].update(weight=1),
        lambda fields: fields["variants"]["clinical"]["members"][0]["predictor"].update(colour="red"),
        lambda fields: fields["variants"]["clinical"]["members"][1]["predictor"].update(colour="red"),
        lambda fields: fields["variants"]["clinical"]["members"].pop(),
        lambda fields: fields["variants"]["clinical"].update(members=3),
        lambda fields: fields["variants"]["clinical"]["baseline"].update(colour=[1.0]),
        lambda fields: fields["cohort"].update(colour="red"),
        lambda fields: fields["panel"]["genes"][0].update(colour="red"),
        lambda fields: fields["panel"].update(colour="red"),
        lambda fields: fields.pop("gate"),
        lambda fields: fields["variants"]["clinical"].pop("slope"),
        lambda fields: fields["variants"]["clinical"].update(slope="steep"),
        lambda fields: fields["variants"].update(clinical=[]),
        lambda fields: fields.update(variants=[]),
        lambda fields: fields.update(panel=3),
        lambda fields: fields.pop("kaplan_meier"),
        lambda fields: fields["kaplan_meier"].pop("at_risk"),
        lambda fields: fields["kaplan_meier"].update(colour=[1.0]),
        lambda fields: fields["variants"]["clinical"].update(has_replicates=False),
        lambda fields: fields["variants"]["clinical"]["baseline"]["days"].pop(),
    ],
)
def test_a_field_that_is_unknown_missing_or_no_such_thing_is_refused(bundle, change):
    with pytest.raises(BundleError, match="does not hold a model"):
        read_bundle(changed(bundle, change))


def test_trees_that_no_variant_reads_are_refused(bundle):
    shutil.copy(bundle / booster_file("clinical", 1), bundle / "booster_other.ubj")
    with pytest.raises(BundleError, match=r"booster_other\.ubj"):
        read_bundle(resealed(bundle))


def test_a_folder_that_holds_something_is_never_written_into(small_training, tmp_path):
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(BundleError, match="holds files"):
        write_bundle(small_training.model, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def kept_bundle(version):
    """The model of a bundle that is kept for ever, the profiles sent to it and the scores that it gave."""
    kept = json.loads((KEPT / f"format_{version}.scores.json").read_text(encoding="utf-8"))
    model, profiles = read_bundle(KEPT / f"format_{version}"), [Profile(**profile) for profile in kept["profiles"]]
    return model, profiles, kept


def answers_of(model, profiles, kept):
    return score_profiles(model, profiles, scale=kept["scale"], zscore_reference=None, horizons_months=None)


#: The learners of the two variants of each kept bundle.
KEPT_LEARNERS = {1: {"penalised_cox", "boosted"}, 2: {"auto"}, 3: {"auto"}, 4: {"auto"}}


@pytest.mark.parametrize("version", range(1, POOLED_FORMAT + 1))
def test_a_bundle_of_every_format_there_was_still_gives_the_scores_it_gave(version):
    model, profiles, kept = kept_bundle(version)
    answers = answers_of(model, profiles, kept)
    assert model.simulated
    assert {model.variants[name].learner for name in model.variants} == KEPT_LEARNERS[version]
    assert [answer.variant for answer in answers] == [score["variant"] for score in kept["scores"]]
    for answer, score in zip(answers, kept["scores"], strict=True):
        # To the bit on the machine that wrote them; another's exponential may round otherwise.
        assert answer.linear_predictor == pytest.approx(score["linear_predictor"], abs=1e-12)
        assert answer.risk_percentile == pytest.approx(score["risk_percentile"], abs=1e-12)
        assert {at.horizon_months: at.probability for at in answer.survival} == pytest.approx(
            dict(map(tuple, score["survival"])), abs=1e-12
        )
        assert answer.risk_group == score["risk_group"]
        # The first two formats held nothing from which an interval could come.
        intervals = score.get("intervals", [[None, None]] * len(answer.survival))
        assert (version < 3) == (intervals[0][0] is None)
        for at, (lower, upper) in zip(answer.survival, intervals, strict=True):
            assert at.lower == (None if lower is None else pytest.approx(lower, abs=1e-12))
            assert at.upper == (None if upper is None else pytest.approx(upper, abs=1e-12))


@pytest.mark.parametrize("version", range(1, POOLED_FORMAT + 1))
def test_a_bundle_of_every_format_there_was_scores_to_the_bit_when_it_is_written_in_todays(version, tmp_path):
    model, profiles, kept = kept_bundle(version)
    write_bundle(model, tmp_path / "today")
    assert json.loads((tmp_path / "today" / MODEL).read_text(encoding="utf-8"))["format"] == max(version, BUNDLE_FORMAT)
    assert answers_of(read_bundle(tmp_path / "today"), profiles, kept) == answers_of(model, profiles, kept)


def test_the_first_format_is_one_member_a_variant(tmp_path):
    for variant in read_bundle(KEPT / "format_1").variants.values():
        assert isinstance(variant.fitted, FittedLearner)
        assert variant.fitted.shared_weight == 0


@pytest.mark.parametrize("version", range(1, POOLED_FORMAT + 1))
def test_one_changed_byte_of_a_kept_bundle_is_refused(version, tmp_path):
    folder = shutil.copytree(KEPT / f"format_{version}", tmp_path / "bundle")
    for path in [*folder.rglob("*.ubj"), *folder.rglob("*.npz")]:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0x01
        path.write_bytes(content)
        with pytest.raises(BundleError, match="is damaged"):
            read_bundle(folder)


def test_the_kept_bundles_are_small_and_of_simulated_patients():
    for folder in KEPT.glob("format_?"):
        n_references = len(list(folder.rglob(MODEL)))
        assert sum(path.stat().st_size for path in files_of(folder)) < 300_000 * n_references


def test_the_other_reference_of_the_kept_bundle_still_gives_the_scores_it_gave():
    model, _, kept = kept_bundle(POOLED_FORMAT)
    other = kept["references"]["second"]
    second = model.reference_named("second")
    assert (model.scale, second.scale) == (kept["scale"], other["scale"]) == ("log2_tpm_1", "log2_rsem_1")
    answers = answers_of(second, [Profile(**profile) for profile in other["profiles"]], other)
    for answer, score in zip(answers, other["scores"], strict=True):
        assert answer.linear_predictor == pytest.approx(score["linear_predictor"], abs=1e-12)
        assert answer.risk_percentile == pytest.approx(score["risk_percentile"], abs=1e-12)
        assert {at.horizon_months: at.probability for at in answer.survival} == pytest.approx(
            dict(map(tuple, score["survival"])), abs=1e-12
        )


def test_references_come_back_to_the_bit(tmp_path):
    model, *_ = kept_bundle(POOLED_FORMAT)
    write_bundle(model, tmp_path / "again")
    # Of tables, pandas writes other bytes for words that it has read.
    for path in [path for path in files_of(KEPT / "format_4") if path.suffix in (".json", ".ubj", ".npz")]:
        if path.name != MANIFEST:
            again = tmp_path / "again" / path.relative_to(KEPT / "format_4")
            assert again.read_bytes() == path.read_bytes()
    read = read_bundle(tmp_path / "again")
    assert (read.reference, list(read.references), read.reference_names) == ("first", ["second"], ("first", "second"))
    assert read.references["second"].reference_names == read.reference_names
    assert read.references["second"].patient_hashes == read.patient_hashes


def moved(bundle: Path, before: str, after: str) -> None:
    (bundle / "references" / before).rename(bundle / "references" / after)


def of_another(bundle: Path) -> None:
    file = bundle / "references" / "second" / MODEL
    fields = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**fields, "reference": "first"}), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda bundle: shutil.rmtree(bundle / "references"), "the references are not those that the model names"),
        (lambda bundle: moved(bundle, "second", "third"), "the references are not those that the model names"),
        (of_another, "of another"),
        (lambda bundle: (bundle / "references" / "second" / MODEL).unlink(), "KeyError"),
        (lambda bundle: (bundle / "references" / "alone").write_bytes(b"x"), "ValueError"),
    ],
)
def test_references_that_do_not_belong_together_are_refused(tmp_path, change, words):
    bundle = shutil.copytree(KEPT / "format_4", tmp_path / "bundle")
    change(bundle)
    names = [path.relative_to(bundle).as_posix() for path in files_of(bundle) if path.name != MANIFEST]
    files = {name: hashlib.sha256((bundle / name).read_bytes()).hexdigest() for name in names}
    (bundle / MANIFEST).write_text(json.dumps({"format": POOLED_FORMAT, "files": files}), encoding="utf-8")
    with pytest.raises(BundleError, match=words):
        read_bundle(bundle)


@pytest.mark.parametrize("name", ["reference", "reference_names"])
def test_a_model_of_one_cohort_that_names_references_is_refused(bundle, name):
    with pytest.raises(BundleError, match="a model of one reference names several"):
        read_bundle(changed(bundle, lambda fields: fields.update({name: []})))
