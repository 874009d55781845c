"""The benchmark of objectives and derived terms: each configuration is what it says, and so is each difference."""

from __future__ import annotations

import itertools
import re
import subprocess
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from conftest import REPOSITORY

from experiments.benchmarks.objectives import CONFIGURATIONS, Configuration
from experiments.benchmarks.objectives_tables import AFT_GAIN, TERMS_GAIN
from experiments.benchmarks.origin import clean_commit, code_in_words
from experiments.cli import main
from experiments.simulated_study import write_simulated_cohorts
from training.definition import load_definition

HARRELL = "concordance_harrell"
DEFAULT = load_definition(REPOSITORY / "experiments" / "definitions" / "default.toml")


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory, small_definition: Path) -> tuple[Result, Path]:
    """One run of the command on two cohorts, in one process."""
    folder = tmp_path_factory.mktemp("objectives")
    studies = write_simulated_cohorts(folder, cancer_types=["GBM", "KIRP"])
    options = {"--definition": small_definition, "--trials": 2, "--workers": 1, "--to": folder}
    arguments = [*studies, *itertools.chain.from_iterable(options.items())]
    return CliRunner().invoke(main, ["benchmark", "objectives", *map(str, arguments)]), folder


@pytest.fixture(scope="module")
def rows(benchmark: tuple[Result, Path]) -> pd.DataFrame:
    result, folder = benchmark
    assert result.exit_code == 0, result.output
    return pd.read_csv(folder / "objectives.csv")


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=lambda each: each.name)
def test_a_configuration_fixes_its_choices_and_leaves_the_rest_to_the_search(configuration: Configuration):
    given = configuration.of(DEFAULT, trials=3)
    learner, shipped = getattr(given, configuration.learner), getattr(DEFAULT, configuration.learner)
    fixed = {"panel", "derived_terms"} | ({"objective"} if configuration.objective else set())
    assert set(learner.search) == set(shipped.search) - fixed
    assert learner.default["derived_terms"] is configuration.derived_terms
    assert learner.default["panel"] == DEFAULT.features.panel
    assert learner.default.get("objective") == configuration.objective
    assert given.trials == 3


def test_what_is_compared_differs_in_one_choice():
    pairs = [(each, gain, other) for each in CONFIGURATIONS for gain, other in each.differences.items()]
    for each, gain, other in pairs:
        differ = [f.name for f in fields(each) if getattr(each, f.name) != getattr(other, f.name)]
        assert differ == ["objective" if gain == AFT_GAIN else "derived_terms"]
        assert other in CONFIGURATIONS
    assert [gain for _, gain, _ in pairs].count(AFT_GAIN) == 2
    assert [gain for _, gain, _ in pairs].count(TERMS_GAIN) == 3


def test_every_cohort_has_every_configuration(rows: pd.DataFrame):
    names = [each.name for each in CONFIGURATIONS]
    assert [list(of["configuration"]) for _, of in rows.groupby("cancer_type", sort=False)] == [names, names]
    assert set(rows["cancer_type"]) == {"SIMULATED-GBM", "SIMULATED-KIRP"}
    # The objective and the terms change the predictions: no configuration is another under its name.
    assert all(of[HARRELL].nunique() == len(names) for _, of in rows.groupby("cancer_type"))


def test_a_difference_is_that_of_two_rows(rows: pd.DataFrame):
    by_name = {each.name: each for each in CONFIGURATIONS}
    found = rows.set_index(["cancer_type", "configuration"])
    for (cancer_type, name), row in found.iterrows():
        differences = by_name[name].differences
        for gain in (AFT_GAIN, TERMS_GAIN):
            if gain in differences:
                other = found.loc[(cancer_type, differences[gain].name), HARRELL]
                assert row[gain] == pytest.approx(row[HARRELL] - other, abs=2e-6)
                assert row[f"{gain}_lower"] <= row[f"{gain}_upper"]
            else:
                assert np.isnan(row[gain])


def test_the_tables_state_what_was_run(benchmark: tuple[Result, Path], rows: pd.DataFrame):
    text = (benchmark[1] / "objectives.md").read_text(encoding="utf-8")
    first = rows.iloc[0]
    assert "2 outer folds, 3 repeats" in text
    assert "2 trials a study" in text
    assert str(first["code_version"]) in text
    cells = re.search(r"\| boosted, AFT objective, derived terms \| (\S+) \(", text)
    last = rows.query("configuration == 'boosted_aft_derived_terms'").iloc[0]
    assert cells
    assert cells.group(1) == f"{last[HARRELL]:.3f}"


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_a_commit_is_named_only_where_the_code_is_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    code, uncached = tmp_path / "code.py", clean_commit.__wrapped__
    code.write_text("1\n", encoding="utf-8")
    assert uncached(code) == ""
    git(tmp_path, "init", "--quiet")
    assert uncached(code) == ""
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "--quiet", "--message", "One")
    assert uncached(code) == git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "other.py").write_text("2\n", encoding="utf-8")
    assert (uncached(code), uncached(tmp_path / "other.py")) == ("", "")
    (tmp_path / "other.py").unlink()
    code.write_text("3\n", encoding="utf-8")
    assert uncached(code) == ""
    git(tmp_path, "checkout", "--quiet", "code.py")
    assert uncached(code)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert uncached(code) == ""


def test_code_without_a_commit_is_named_by_its_digest_alone():
    assert code_in_words({"code_version": "1+ab", "commit": "0123456789abcdef"}) == "code 1+ab (commit 0123456789ab)"
    assert [code_in_words({"code_version": "1+ab", **each}) for each in ({}, {"commit": ""}, {"commit": np.nan})] == [
        "code 1+ab"
    ] * 3
