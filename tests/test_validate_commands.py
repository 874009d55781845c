"""``prognosis validate``: what it prints and writes, what it never touches, and what it refuses."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from exported_model import export

from experiments.cli import main
from experiments.score_files import ResultFileError
from experiments.simulated_study import write_simulated_cohorts
from experiments.validation_files import require_places
from experiments.validation_tables import reference_facts, trained_words
from training.bundle import read_bundle, write_bundle

POOLED = Path(__file__).parent / "bundles" / "format_4"
#: Lines of the clinical files that are kept, five of them their head.
PATIENTS = 165
TABLES = ("figures.csv", "shifts.csv", "calibration.csv", "decision_curve.csv", "case_mix.csv", "recalibration.csv")


@pytest.fixture(scope="module")
def bundle(small_training, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    write_bundle(small_training.model, folder)
    return folder


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """A study folder of patients whom the model has not seen."""
    (folder,) = write_simulated_cohorts(
        tmp_path_factory.mktemp("studies"), cancer_types=("KIRC",), seed=3, progress=lambda _: None
    )
    for path in folder.iterdir():
        path.write_text(path.read_text(encoding="utf-8").replace("SIM-KIRC-", "NEW-KIRC-"), encoding="utf-8")
    for name in ("patient", "sample"):
        path = folder / f"data_clinical_{name}.txt"
        path.write_text("\n".join(path.read_text(encoding="utf-8").splitlines()[:PATIENTS]) + "\n", encoding="utf-8")
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["validate", *map(str, arguments)])


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def written(study, bundle, tmp_path_factory) -> tuple[Result, Path, Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("results")
    before = digests(bundle)
    result = run(study, "--bundle", bundle, "--to", folder / "out", "--recalibration", folder / "proposal.json")
    return result, folder / "out", folder / "proposal.json", before


def test_terminal_shows_figures_verdicts_shifts_and_the_offer(written):
    result = written[0]
    assert result.exit_code == 0, result.output
    for words in ("clinical, at training", "clinical, as it is", "genes only, renormalised*", "discrimination",
                  "calibration slope", "PSI", "not applied", "not what a new patient would get"):  # fmt: skip
        assert words in result.stdout


def test_the_bundle_is_unchanged_to_the_byte(written, bundle):
    assert digests(bundle) == written[3]


def test_tables_pictures_and_report_are_written(written):
    out = written[1]
    for name in TABLES:
        assert len(pd.read_csv(out / name))
    figures = pd.read_csv(out / "figures.csv")
    assert set(figures["normalisation"]) == {"as_is", "renormalised"}
    assert {"concordance_harrell", "integrated_brier_ratio_to_reference"} <= set(figures["metric"])
    assert {path.stem for path in (out / "pictures").iterdir()} == {
        "calibration", "concordance", "decision_curve", "linear_predictor", "shifts", "survival_by_risk_group"
    }  # fmt: skip
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count('src="data:image/png;base64,') == 6
    assert "SIMULATED" in page
    assert "http" not in page.replace("http-equiv", "")


def test_json_holds_what_the_terminal_says_and_no_nan(written):
    text = (written[1] / "validation.json").read_text(encoding="utf-8")
    found = json.loads(text, parse_constant=pytest.fail)
    assert found["model"]["name"] == "SIMULATED-KIRC-OS"
    assert found["summary"] in written[0].stdout
    assert found["attendance"]["n_learned_from"] == 0
    assert {row["variant"] for row in found["rows"]} == {"clinical", "genes_only"}


def test_no_patient_stands_in_any_output(written, study):
    table = pd.read_csv(study / "data_mrna_seq_log2_tpm.txt", sep="\t", nrows=40)
    values = {f"{value:.4f}" for value in table.select_dtypes("number").to_numpy().ravel()[:2000] if value > 0}
    result, out, proposal, _ = written
    texts = [result.output, proposal.read_text()] + [
        path.read_text(encoding="utf-8") for path in out.iterdir() if path.suffix in {".csv", ".json", ".html"}
    ]
    for text in texts:
        assert "NEW-KIRC" not in text
    cells = {cell for text in texts[2:] for line in text.splitlines() for cell in line.split(",")}
    assert not cells & values


def test_the_proposal_is_the_offer_of_the_judged_row(written):
    found = json.loads(written[2].read_text(encoding="utf-8"))
    assert found["formula"] == "H(t) = H0(t) * exp(shift + slope * linear_predictor)"
    assert {offer["name"] for offer in found["offers"]} <= {"shift", "shift_and_slope"}
    assert len(found["bundle_digest"]) == 64
    shift = found["offers"][0]["shift"]
    assert shift["lower"] < shift["value"] < shift["upper"]


def test_results_are_replaced_only_on_request_and_nothing_else_ever(study, bundle, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    result = run(study, "--bundle", bundle, "--to", out)
    assert result.exit_code == 2
    assert "is there already" in result.stderr
    (out / "thesis.txt").write_text("mine")
    result = run(study, "--bundle", bundle, "--to", out, "--overwrite")
    assert result.exit_code == 2
    assert "no validation wrote (first: thesis.txt)" in result.stderr
    assert (out / "thesis.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_file_that_is_no_proposal_is_never_replaced(study, bundle, tmp_path):
    mine = tmp_path / "thesis.json"
    mine.write_text("{}")
    result = run(study, "--bundle", bundle, "--recalibration", mine, "--overwrite")
    assert result.exit_code == 2
    assert "no proposal of an earlier validation" in result.stderr
    assert mine.read_text() == "{}"


@pytest.mark.parametrize(
    ("target", "proposal", "words"),
    [
        (None, "missing/offer.json", "is not there"),
        ("x", "x", "lies in the folder of the results"),
        ("x", "x/offer.json", "lies in the folder of the results"),
    ],
)
def test_a_proposal_without_a_place_is_refused_before_anything_is_written(target, proposal, words, tmp_path):
    with pytest.raises(ResultFileError, match=words):
        require_places(target and tmp_path / target, tmp_path / proposal, overwrite=False)
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_validation_gives_way_whole(study, bundle, written, tmp_path):
    out = tmp_path / "out"
    (out / "pictures").mkdir(parents=True)
    (out / "pictures" / "old.png").write_bytes(b"old")
    result = run(study, "--bundle", bundle, "--to", out, "--overwrite")
    assert result.exit_code == 0, result.output
    assert not (out / "pictures" / "old.png").exists()
    assert digests(out)["figures.csv"] == digests(written[1])["figures.csv"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_registered_model_of_the_cohorts_cancer_type_is_meant_and_its_validation_kept_below_it(
    study, small_training, model_store, monkeypatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", model_store.uri)
    model_store.register(small_training.model, alias="champion")
    result = run(study, "--track")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("SIMULATED-KIRC-OS version 1 (champion), trained on 120 patients")
    kept = model_store.client.get_run(result.stdout.split("MLflow run ")[1].split()[0])
    version = model_store.client.get_model_version("SIMULATED-KIRC-OS", "1")
    assert kept.data.tags["role"] == "validation"
    assert kept.data.tags["mlflow.parentRunId"] == version.run_id
    assert kept.data.tags["bundle_digest"] == version.tags["bundle_digest"]
    assert 0.5 < kept.data.metrics["concordance_harrell_lower"] < kept.data.metrics["concordance_harrell"]
    assert {"report.html", "validation.json"} <= {
        each.path for each in model_store.client.list_artifacts(kept.info.run_id)
    }
    assert kept.info.status == "FINISHED"


def test_an_exported_model_says_which_version_it_is(study, small_training, tmp_path):
    (folder,) = export(small_training.model, tmp_path).iterdir()
    result = run(study, "--bundle", folder)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("SIMULATED-KIRC-OS version 1 (champion)")


def test_patients_of_the_training_are_refused_in_one_line(small_training, bundle, tmp_path):
    cohort = small_training.cohort
    folder = tmp_path / "learned"
    folder.mkdir()
    table = cohort.expression.assign(os_months=cohort.time / 30.436875, os_status=cohort.event.astype(int))
    table.reset_index(names="patient").to_csv(folder / "cohort.csv", index=False)
    (folder / "cohort.toml").write_text('cancer_type = "SIMULATED-KIRC"\nscale = "log2_tpm_1"\n')
    result = run(folder, "--bundle", bundle)
    assert result.exit_code == 2, result.output
    assert "trained on all 120 patients" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 2


def test_a_pooled_model_says_against_which_reference_everywhere(study, model_store, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", model_store.uri)
    model_store.register(read_bundle(POOLED), alias="champion")
    out, offer = tmp_path / "out", tmp_path / "offer.json"
    result = run(study, "--reference", "first", "--track", "--to", out, "--recalibration", offer)
    assert result.exit_code == 0, result.output
    words = "reference first (the default): 60 patients (24 events); trained on 112 patients of 2 cohorts"
    page = (out / "report.html").read_text(encoding="utf-8")
    assert words in result.stdout.splitlines()[0]
    assert words in page
    facts = {"name": "first", "default": True, "all": ["first", "second"]}
    whole = json.loads((out / "validation.json").read_text(encoding="utf-8"))["model"]
    assert whole["reference"] == json.loads(offer.read_text(encoding="utf-8"))["reference"] == facts
    assert whole["n_trained_on"] == 112
    tags = model_store.client.get_run(result.stdout.split("MLflow run ")[1].split()[0]).data.tags
    assert (tags["reference"], tags["default_reference"]) == ("first", "true")
    (trained,) = (line for line in result.stdout.splitlines() if line.startswith("genes only, at training"))
    assert trained.startswith("genes only, at training, all pooled cohorts  112       34 ")


def test_a_reference_that_is_not_the_default_is_said_to_be_none():
    first = read_bundle(POOLED)
    assert reference_facts(first.reference_named("second"))["default"] is False
    assert trained_words(first.reference_named("second")).startswith("reference second (not the default, first): 52")


def test_a_model_of_another_cancer_type_is_refused_unless_it_is_meant(bundle, tmp_path):
    (other,) = write_simulated_cohorts(tmp_path, cancer_types=("KIRP",), seed=3, progress=lambda _: None)
    result = run(other, "--bundle", bundle)
    assert result.exit_code == 2
    assert "these patients have SIMULATED-KIRP" in result.stderr
    result = run(other, "--bundle", bundle, "--cross")
    assert result.exit_code == 0, result.output
    assert "on SIMULATED-KIRP" in result.stdout


def test_only_a_registered_version_is_tracked(study, bundle):
    result = run(study, "--bundle", bundle, "--track")
    assert result.exit_code == 2
    assert "name it with --model" in result.stderr
