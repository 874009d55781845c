"""Trainings in MLflow: a real SQLite store, read back through MLflow's client."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments import tracking
from experiments.labels import MADE_FROM, flattened, gate_verdict
from experiments.tracking import list_models, track, unchanged
from features.errors import PrognosisError
from features.evidence import evidence_table, named_genes
from serving.registry import Registry
from serving.settings import Settings
from training.bundle import BundleError, read_bundle, write_bundle
from training.non_inferiority import LOCKED
from training.results import GateVerdict

METRICS = {"concordance_harrell", "concordance_uno", "integrated_brier_score"}
BOTH = ("candidate", "champion")
WITH_BOUNDS = {metric + end for metric in METRICS for end in ("", "_lower", "_upper")}


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    # A space, as paths of users have.
    return Settings.from_environment({"PROGNOSIS_HOME": str(tmp_path_factory.mktemp("a home"))})


@pytest.fixture(scope="module")
def bundle(small_training, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written") / "bundle"
    write_bundle(small_training.model, folder)
    return folder


@pytest.fixture(scope="module")
def tracked(small_training, bundle, installation):
    return track(small_training, bundle, settings=installation, started=1_700_000_000.0)


@pytest.fixture(scope="module")
def client(tracked, installation):
    return tracking.client_of(installation)


@pytest.fixture(scope="module")
def parent(client, tracked):
    return client.get_run(tracked.run_id)


@pytest.fixture(scope="module")
def children(client, parent):
    filter_string = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
    return {run.info.run_name: run for run in client.search_runs([parent.info.experiment_id], filter_string)}


@pytest.fixture(scope="module")
def lean(small_training):
    """The training with no more learners than the one that is reported: all that a registration needs of it."""
    reported = {"penalised_cox": small_training.evaluations["penalised_cox"]}
    return replace(small_training, evaluations=reported, random_signatures=None)


def with_gate(result, *, passed, verdict, clauses=()):
    gate = GateVerdict(passed, (("concordance_lower_above", verdict, "0.5"), *clauses))
    return replace(result, gate=gate, model=replace(result.model, gate=gate.clauses, champion_earned=passed))


def copy_of(result, tmp_path):
    folder = tmp_path / "bundle"
    write_bundle(result.model, folder)
    return folder


def test_experiment_and_model_are_named_after_cancer_type_and_endpoint(client, tracked, parent):
    assert tracked.name == "SIMULATED-KIRC-OS"
    assert client.get_experiment(parent.info.experiment_id).name == "SIMULATED-KIRC-OS"
    assert client.get_registered_model("SIMULATED-KIRC-OS").tags["simulated"] == "true"


def test_there_is_a_child_run_per_learner_baseline_and_null(children, small_training):
    assert set(children) == {*small_training.evaluations, "random_signatures"}


def test_the_random_sets_of_genes_are_a_run_beside_the_panels(children, small_training):
    null, logged = small_training.random_signatures, children["random_signatures"].data
    assert logged.metrics["concordance_harrell"] == pytest.approx(np.median(null.concordance))
    assert logged.metrics["random_signature_percentile"] == pytest.approx(null.percentile)
    assert logged.params["n_sets"] == str(len(null.concordance))


def test_children_and_parent_have_one_set_of_metric_names(children, parent):
    for run in (parent, *children.values()):
        assert set(run.data.metrics) >= WITH_BOUNDS


def test_metrics_are_those_of_the_training(children, parent, small_training):
    for name, evaluation in small_training.evaluations.items():
        for metric, estimate in evaluation.metrics.items():
            logged = children[name].data.metrics
            assert (logged[metric], logged[f"{metric}_lower"], logged[f"{metric}_upper"]) == pytest.approx(
                (estimate.value, estimate.lower, estimate.upper), nan_ok=True
            )
    headline = small_training.evaluations["penalised_cox"].metrics["concordance_harrell"].value
    assert parent.data.metrics["concordance_harrell"] == pytest.approx(headline)


def test_tuned_children_show_parameters_and_the_defaults_score_beside_the_tuned_one(children, small_training):
    for name, evaluation in small_training.evaluations.items():
        if evaluation.tuning is None:
            continue
        run = children[name].data
        assert run.metrics["inner_log_likelihood_tuned"] == pytest.approx(evaluation.tuning.score)
        assert run.metrics["inner_log_likelihood_default"] == pytest.approx(evaluation.tuning.default_score)
        assert {key: str(value) for key, value in evaluation.tuning.parameters.items()}.items() <= run.params.items()


def test_the_definition_stands_flat_in_the_parents_parameters(parent, small_training):
    assert parent.data.params["seed"] == str(small_training.definition.seed)
    assert parent.data.params["resampling.outer_folds"] == "2"
    assert parent.data.params["penalised_cox.search.penalty.log"] == "True"
    assert flattened({"a": {"b": {"c": 1}}, "d": [2]}) == {"a.b.c": 1, "d": [2]}


def test_every_run_is_finished_and_began_when_the_training_did(children, parent):
    for run in (parent, *children.values()):
        assert run.info.status == "FINISHED"
        assert run.info.start_time == 1_700_000_000_000


def test_the_cohort_is_an_input_without_a_patients_value(parent, small_training):
    (given,) = parent.inputs.dataset_inputs
    assert given.dataset.name == "SIMULATED-KIRC-OS"
    assert small_training.cohort.digest().startswith(given.dataset.digest)
    assert json.loads(given.dataset.profile)["n_patients"] == 120
    assert {tag.key: tag.value for tag in given.tags} == {"mlflow.data.context": "training"}


def test_no_artefact_of_a_run_holds_a_patients_id(installation, tracked, small_training):
    first, last = small_training.cohort.patients[[0, -1]]
    files = [path for path in installation.artifacts.rglob("*") if path.is_file()]
    assert files
    for path in files:
        content = path.read_bytes()
        assert str(first).encode() not in content
        assert str(last).encode() not in content


def test_the_parents_artefacts_are_pictures_tables_ledger_definition_and_bundle(client, tracked, installation):
    root = Path(client.download_artifacts(tracked.run_id, ""))
    found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert found >= {
        "figures/kaplan_meier_by_risk_group.png",
        "figures/calibration.png",
        "figures/concordance.png",
        "figures/hazard_ratios.png",
        "tables/metrics.csv",
        "tables/hazard_ratios.csv",
        "tables/hazard_ratios.parquet",
        "tables/evidence.csv",
        "tables/evidence.html",
        "cohort/ledger.txt",
        "cohort/ledger.json",
        "definition.json",
        "gate.json",
        "bundle/model.json",
    }
    assert all((root / name).read_bytes().startswith(b"\x89PNG") for name in found if name.endswith(".png"))


def test_tables_are_those_of_the_training(client, tracked, children, small_training):
    ratios = pd.read_csv(client.download_artifacts(tracked.run_id, "tables/hazard_ratios.csv"))
    expected = small_training.model.hazard_ratios
    pd.testing.assert_frame_equal(
        ratios[["gene", "hazard_ratio_per_sd"]], expected[["gene", "hazard_ratio_per_sd"]], check_dtype=False
    )
    trials = pd.read_csv(client.download_artifacts(children["penalised_cox"].info.run_id, "tables/trials.csv"))
    assert len(trials) == small_training.definition.trials


def test_the_evidence_beside_each_gene_is_a_table_and_a_page_that_stands_alone(client, tracked, small_training):
    told = pd.read_csv(client.download_artifacts(tracked.run_id, "tables/evidence.csv"), keep_default_na=False)
    pd.testing.assert_frame_equal(
        told, evidence_table(small_training.model.hazard_ratios["gene"], "KIRC"), check_dtype=False
    )
    page = Path(client.download_artifacts(tracked.run_id, "tables/evidence.html")).read_text(encoding="utf-8")
    assert page.count("<tr>") == 1 + sum(gene in named_genes() for gene in told["gene"])
    assert "Sekino 2021" in page
    assert not re.search(r"https?:|<script|<link|<img|<a ", page)


def test_every_metric_is_defined_beside_its_figure_with_its_horizon(client, tracked, small_training):
    table = pd.read_csv(client.download_artifacts(tracked.run_id, "tables/metric_definitions.csv"))
    reported = small_training.evaluations["penalised_cox"].metrics
    assert set(table["name"]) == set(reported) - {"random_signature_percentile"}
    assert table[["definition", "direction", "horizon"]].notna().all(axis=None)


def test_the_registered_bundle_is_the_one_that_was_written(client, tracked, bundle, installation, small_training):
    version = client.get_model_version_by_alias(tracked.name, "candidate")
    registry = Registry(installation.tracking_uri, installation.bundle_cache)
    (served,) = registry.listing().versions
    assert served.version == str(version.version)
    assert served.digest == version.tags["bundle_digest"]
    fetched = registry.bundle(served)
    assert {p.name: p.read_bytes() for p in fetched.iterdir() if p.is_file()} == {
        p.name: p.read_bytes() for p in bundle.iterdir() if p.is_file()
    }
    assert read_bundle(fetched).name == small_training.model.name


def test_a_version_says_what_it_is(client, tracked):
    tags = client.get_model_version(tracked.name, tracked.version).tags
    expected = {"cancer_type": "SIMULATED-KIRC", "endpoint": "OS", "simulated": "true", "n_patients": "120"}
    assert expected.items() <= tags.items()
    assert re.fullmatch("[0-9a-f]{64}", tags["bundle_digest"])
    assert set(MADE_FROM) <= set(tags)


def test_list_models_reads_aliases_and_figures_back(tracked, installation, small_training):
    (model,) = [found for found in list_models(installation) if found.version == tracked.version]
    assert model == tracked
    expected = small_training.evaluations["penalised_cox"].metrics["concordance_harrell"]
    assert model.figure("concordance_harrell").value == pytest.approx(expected.value, abs=5e-5)
    assert model.figure("concordance_harrell").lower == pytest.approx(expected.lower, abs=5e-5)


def test_nothing_is_listed_and_no_database_made_where_nothing_was_registered(tmp_path):
    assert list_models(Settings.from_environment({"PROGNOSIS_HOME": str(tmp_path)})) == []
    assert list(tmp_path.iterdir()) == []


def test_same_data_definition_and_code_is_recognised_and_any_other_is_not(tracked, installation, small_training):
    made_from = {key: small_training.model.provenance[key] for key in MADE_FROM}
    assert unchanged(tracked.name, made_from, settings=installation) == tracked
    for key in MADE_FROM:
        assert unchanged(tracked.name, {**made_from, key: "another"}, settings=installation) is None
    assert unchanged("SIMULATED-LGG-OS", made_from, settings=installation) is None


def test_a_version_whose_bundle_is_gone_is_no_reason_not_to_train(lean, new_model_store, tmp_path):
    settings = store_settings(new_model_store())
    model = track(lean, copy_of(lean, tmp_path), settings=settings)
    made_from = {key: lean.model.provenance[key] for key in MADE_FROM}
    assert unchanged(model.name, made_from, settings=settings) == model
    for found in settings.artifacts.rglob("bundle/model.json"):
        found.unlink()
    assert unchanged(model.name, made_from, settings=settings) is None


def test_a_champion_stays_when_its_successor_does_not_pass_the_gate(lean, new_model_store, tmp_path):
    settings = store_settings(new_model_store())
    passed, failed = (with_gate(lean, passed=word == "passed", verdict=word) for word in ("passed", "failed"))
    first = track(passed, copy_of(passed, tmp_path / "1"), settings=settings)
    second = track(failed, copy_of(failed, tmp_path / "2"), settings=settings)
    assert first.aliases == ("candidate", "champion")
    assert second.aliases == ("candidate",)
    assert {model.version: model.aliases for model in list_models(settings)} == {
        first.version: ("champion",),
        second.version: ("candidate",),
    }


def test_a_training_takes_no_champions_place_unless_it_is_the_champion_made_again(lean, new_model_store, tmp_path):
    settings = store_settings(new_model_store())
    passed = with_gate(lean, passed=True, verdict="passed")
    first = track(passed, copy_of(passed, tmp_path / "1"), settings=settings)
    updated = made_by(passed, code_version="1")
    second = track(updated, copy_of(updated, tmp_path / "2"), settings=settings)
    assert [each.aliases for each in (first, second)] == [("candidate", "champion")] * 2
    for number, key in enumerate(("data_digest", "definition_digest"), 3):
        other = made_by(passed, **{key: "0" * 64})
        tracked = track(other, copy_of(other, tmp_path / str(number)), settings=settings)
        assert tracked.aliases == ("candidate",)
    assert "champion" in {alias for each in list_models(settings) if each.version == "2" for alias in each.aliases}


@pytest.mark.parametrize("beside", ["1", "3"])
def test_a_training_that_is_taken_up_again_is_judged_by_the_bundle_that_it_registered(
    beside, lean, new_model_store, tmp_path, monkeypatch
):
    store = new_model_store()
    settings, passed = store_settings(store), with_gate(lean, passed=True, verdict="passed")
    others = {number: made_by(passed, data_digest=number * 64) for number in "13"}
    digests = {number: write_bundle(other.model, tmp_path / number) for number, other in others.items()}
    store.register(others["1"].model, alias="champion")
    registered = judged_beside(lean, digests[beside])
    with monkeypatch.context() as patch:
        patch.setattr(tracking, "_give_aliases", killed)
        with pytest.raises(KeyboardInterrupt):
            track(registered, copy_of(registered, tmp_path / "before"), settings=settings, training="a-training")
    store.register(others["3"].model, alias="champion")
    # The second process compared with the other one, with the other verdict.
    failed = with_gate(lean, passed=False, verdict="failed")
    again = judged_beside(lean, digests["3"]) if beside == "1" else failed
    resumed = track(again, copy_of(again, tmp_path / "after"), settings=settings, training="a-training")
    assert (resumed.version, resumed.aliases) == ("2", BOTH if beside == "3" else ("candidate",))
    now = store.client.get_registered_model(resumed.name).aliases["champion"]
    assert str(now) == ("2" if beside == "3" else "3")


def killed(*_):
    raise KeyboardInterrupt


def judged_beside(result, digest):
    """A retraining's result that passed, compared with the bundle of a digest."""
    passed = with_gate(result, passed=True, verdict="passed", clauses=((LOCKED, "passed", "no loss"),))
    return made_by(passed, compared_with="version 7 (champion)", compared_with_bundle=digest)


def made_by(result, **provenance):
    return replace(result, model=replace(result.model, provenance={**result.model.provenance, **provenance}))


def test_what_could_not_be_assessed_is_not_passed(small_training):
    assert gate_verdict(with_gate(small_training, passed=False, verdict="could not be assessed")) == (
        "could not be assessed"
    )
    assert gate_verdict(with_gate(small_training, passed=False, verdict="failed")) == "failed"


def test_a_run_that_cannot_be_written_is_failed_and_registers_nothing(lean, new_model_store, tmp_path):
    settings = store_settings(new_model_store())
    broken = lean.model.hazard_ratios.drop(columns="hazard_ratio_per_sd")
    result = replace(lean, model=replace(lean.model, hazard_ratios=broken))
    with pytest.raises(KeyError, match="hazard_ratio_per_sd"):
        track(result, copy_of(lean, tmp_path), settings=settings)
    client = tracking.client_of(settings)
    experiment = client.get_experiment_by_name(lean.model.name)
    assert [run.info.status for run in client.search_runs([experiment.experiment_id])] == ["FAILED"]
    assert list_models(settings) == []


def test_a_damaged_bundle_is_refused_before_anything_is_written(small_training, tmp_path):
    settings = Settings.from_environment({"PROGNOSIS_HOME": str(tmp_path / "home")})
    folder = copy_of(small_training, tmp_path)
    (folder / "model.json").write_text("{}")
    with pytest.raises(BundleError):
        track(small_training, folder, settings=settings)
    assert not settings.home.exists()


def test_an_experiment_deleted_in_the_pages_is_brought_back(lean, new_model_store, tmp_path):
    settings, folder = store_settings(new_model_store()), copy_of(lean, tmp_path)
    first = track(lean, folder, settings=settings)
    client = tracking.client_of(settings)
    client.delete_experiment(client.get_run(first.run_id).info.experiment_id)
    assert track(lean, folder, settings=settings).version == "2"


def store_settings(store):
    return Settings.from_environment({"PROGNOSIS_HOME": str(store.folder), "MLFLOW_TRACKING_URI": store.uri})


@pytest.mark.parametrize("uri", ["banana://nowhere", "http://127.0.0.1:9"])
def test_a_store_that_does_not_answer_is_one_sentence(uri, tmp_path):
    with pytest.raises(PrognosisError, match="does not answer; check MLFLOW_TRACKING_URI"):
        list_models(Settings(home=tmp_path, tracking_uri=uri, cohorts=tmp_path))
