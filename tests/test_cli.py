"""The command line, called as a user calls it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from experiments.cli import main
from experiments.cli_options import TIME_UNITS
from features.follow_up_units import UNITS


def prognosis(*arguments: object):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated cohorts")
    assert prognosis("cohort", "simulate", "--to", folder, "--cancer-type", "GBM").exit_code == 0
    return folder


@pytest.fixture(scope="module")
def trained(simulated, small_definition):
    """One training of two cohorts, of which the second is none; the module's home keeps the first."""
    broken = simulated / "not a cohort"
    broken.mkdir()
    (broken / "meta_study.txt").write_text("type_of_cancer: gbm\ncancer_study_identifier: broken\n")
    arguments = ("--definition", small_definition, "--trials", 1, "--workers", 1)
    return prognosis("train", simulated, *arguments)


def test_inspect_says_what_is_in_a_cohort(simulated):
    result = prognosis("cohort", "inspect", simulated / "simulated_gbm", "--endpoint", "OS")
    assert result.exit_code == 0
    for line in (
        "cancer type         SIMULATED-GBM",
        "endpoint            OS (overall survival)",
        "patients            160",
        "events              130",
        "scale               log2_tpm_1",
        "ctc_review missing  none",
    ):
        assert line in result.stdout
    assert "months (reverse Kaplan–Meier)" in result.stdout
    assert "\nledger\n" in result.stdout


def test_what_a_folder_does_not_say_the_command_line_can(tmp_path):
    generator = np.random.default_rng(1)
    patients = pd.Index([f"P{i}" for i in range(40)], name="patient")
    genes = pd.DataFrame({"CD44": generator.normal(8, 1, 40), "CXCR4": generator.normal(6, 1, 40)}, patients)
    outcome = {"time": generator.uniform(1, 30, 40).round(1), "status": generator.integers(0, 2, 40)}
    genes.to_csv(tmp_path / "expression.csv")
    pd.DataFrame(outcome, patients).to_csv(tmp_path / "clinical.csv")
    known = ("cohort", "inspect", tmp_path, "--cancer-type", "KIRC", "--scale", "log2_tpm_1")
    assert "state --time-unit" in prognosis(*known).stderr
    read = prognosis(*known, "--time-unit", "months")
    assert read.exit_code == 0, read.stderr
    assert "scale               log2_tpm_1" in read.stdout
    assert prognosis(*known, "--time-unit", "weeks").exit_code == 2


def test_the_units_of_the_command_line_are_those_of_the_readers():
    assert TIME_UNITS == UNITS


def test_inspect_names_the_panel_genes_that_a_real_cohort_lacks(real_cohorts):
    result = prognosis("cohort", "inspect", real_cohorts / "KIRC", "--panel", "ctc_core")
    assert "ctc_core found    13 of 14" in result.stdout
    assert "ctc_core missing  IGFBP5" in result.stdout


def test_hazard_ratios_are_a_table_or_csv(simulated, tmp_path):
    text = prognosis("hazard-ratios", simulated / "simulated_gbm", "--panel", "ctc_core")
    assert text.exit_code == 0
    assert text.stdout.splitlines()[0].split()[:3] == ["gene", "n", "events"]
    csv = prognosis("hazard-ratios", simulated / "simulated_gbm", "--panel", "ctc_core", "--format", "csv")
    (tmp_path / "ratios.csv").write_text(csv.stdout)
    table = pd.read_csv(tmp_path / "ratios.csv")
    assert len(table) == len(text.stdout.splitlines()) - 1
    assert {"hazard_ratio_per_sd", "q_median_split", "published_hazard_ratio"} <= set(table.columns)
    il6r = table.set_index("gene").loc["IL6R"]
    assert il6r["literature"].startswith("Glioblastoma: high expression worse")
    assert "tocilizumab" in il6r["drugs"]
    assert il6r["literature_direction"] == "high expression worse"


def test_an_error_of_the_data_is_one_line_and_exit_code_2(tmp_path):
    result = prognosis("cohort", "inspect", tmp_path / "nowhere")
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"prognosis: {tmp_path / 'nowhere'}: is no folder")


def test_an_unknown_endpoint_is_one_line(simulated):
    result = prognosis("cohort", "inspect", simulated / "simulated_gbm", "--endpoint", "XYZ")
    assert result.exit_code == 2
    assert "'XYZ' is not one of OS, DSS, DFI, PFI" in result.stderr


def test_a_fault_of_ours_is_a_traceback(simulated, monkeypatch):
    monkeypatch.setattr("experiments.summaries.cohort_summary", lambda *_: 1 / 0)
    result = prognosis("cohort", "inspect", simulated / "simulated_gbm")
    assert isinstance(result.exception, ZeroDivisionError)


def test_ctrl_c_is_quiet(simulated, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("experiments.summaries.cohort_summary", interrupted)
    result = prognosis("cohort", "inspect", simulated / "simulated_gbm")
    assert result.exit_code == 130
    assert "Aborted" not in result.output
    assert "Traceback" not in result.output


def test_models_says_that_there_is_none(tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", "from experiments.cli import main; main()", "models"],
        env={"PROGNOSIS_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == ""
    assert "No model is registered yet" in result.stderr


def test_a_command_line_that_asks_for_help_imports_neither_mlflow_nor_what_trains():
    code = (
        "import sys; from experiments.cli import main; main(['train', '--help'], standalone_mode=False); "
        "print({'mlflow', 'bentoml', 'xgboost', 'optuna', 'sklearn', 'matplotlib'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip().endswith("set()")


def test_train_prints_a_line_per_learner_and_what_was_registered(trained):
    lines = trained.stdout.splitlines()
    learners = [line.split()[1] for line in lines if line.startswith("SIMULATED-GBM-OS")]
    assert learners[:3] == ["kaplan_meier", "clinical_only", "clinical_boosted"]
    assert {"penalised_cox", "boosted", "auto", "auto_genes_only"} <= set(learners)
    assert any("version 1: " in line and "gate" in line for line in lines)


def test_train_prints_every_clause_of_the_gate_and_every_caution(trained):
    lines = trained.stdout.splitlines()
    clauses = [line for line in lines if line.startswith("SIMULATED-GBM-OS  gate, ")]
    assert len(clauses) == 5
    assert all(any(word in line for word in ("passed (", "failed (", "could not be assessed (")) for line in clauses)
    assert any("events for" in line for line in lines if line.startswith("SIMULATED-GBM-OS  caution: "))
    assert any("fits on inner folds done" in line for line in lines)


def test_one_cohort_that_cannot_be_read_does_not_keep_the_others_from_being_trained(trained):
    assert trained.exit_code == 2
    assert "1 of 2 cohorts trained; not not a cohort (see above)." in trained.stderr
    assert "Traceback" not in trained.output


def test_log_lines_of_stages_are_on_stderr(trained):
    assert "SIMULATED-GBM/OS: 160 patients, 130 events" in trained.stderr
    assert "SIMULATED-GBM/OS: 160 patients, 130 events" not in trained.stdout


def test_models_lists_what_was_trained(trained):
    result = prognosis("models")
    assert result.exit_code == 0
    header, line = result.stdout.splitlines()
    assert header.split()[:3] == ["model", "version", "alias"]
    assert line.split()[0] == "SIMULATED-GBM-OS"
    assert "SIMULATED patients" in line


def test_a_cancer_type_cannot_be_given_to_several_cohorts(simulated, trained):
    result = prognosis("train", simulated, "--cancer-type", "KIRC")
    assert result.exit_code == 2
    assert "--cancer-type names one cohort's, but there are 2 cohorts" in result.stderr
