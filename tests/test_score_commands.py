"""``prognosis score``: the figures of the service without one, and an exit code that tells of every failure."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from experiments.cli import main
from experiments.score_files import results_beside
from training.bundle import write_bundle
from training.profiles import Profile, ProfileError
from training.scoring import score_profiles


@pytest.fixture(scope="module")
def model(small_training):
    return small_training.model


@pytest.fixture(scope="module")
def bundle(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    write_bundle(model, folder)
    return folder


@pytest.fixture(scope="module")
def patients(small_training):
    """Patients as a file holds them; stage is unknown of every tenth, and two genes of every seventh."""
    cohort = small_training.cohort
    genes = [gene for gene in cohort.expression if gene in small_training.model.panel.symbols]
    table = cohort.expression[genes].join(cohort.clinical).rename_axis("patient")
    table.loc[table.index[::10], "stage"] = None
    table.loc[table.index[::7], genes[:2]] = np.nan
    return table


@pytest.fixture
def case(model, patients, bundle, tmp_path, monkeypatch):
    """All that `scored` takes, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return model, patients, bundle, tmp_path


def prognosis(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def scored(model, patients, bundle, tmp_path, name="p.csv", *more):
    (patients.to_parquet if name.endswith("parquet") else patients.to_csv)(tmp_path / name)
    return prognosis("score", tmp_path / name, "--bundle", bundle, "--scale", model.scale, *more)


def expected_of(model, patients):
    """What the same patients are answered one by one, as JSON requests hold them."""
    clinical = ("age", "sex", "stage", "grade")
    profiles = [
        Profile(
            str(name),
            {k: v for k, v in row.items() if k in model.panel.symbols and pd.notna(v)},
            {k: row[k] for k in clinical if pd.notna(row[k])},
        )
        for name, row in patients.iterrows()
    ]
    return score_profiles(model, profiles, scale=model.scale, zscore_reference=None, horizons_months=None)


@pytest.mark.parametrize("name", ["p.csv", "p.parquet"])
def test_a_file_has_the_figures_of_single_requests_to_the_bit(model, patients, bundle, tmp_path, name):
    result = scored(model, patients, bundle, tmp_path, name)
    assert result.exit_code == 0, result.output
    assert f"{len(patients)} patients scored with {model.name}, 0 not" in result.stdout
    table = pd.read_csv(tmp_path / "p.scores.csv")
    answers = expected_of(model, patients)
    assert not [answer for answer in answers if isinstance(answer, ProfileError)]
    assert table["id"].tolist() == [answer.id for answer in answers]
    assert table["variant"].tolist() == [answer.variant for answer in answers]
    assert set(table["variant"]) == {"clinical", "genes_only"}
    for column, value in {
        "linear_predictor": lambda a: a.linear_predictor,
        "risk_percentile": lambda a: a.risk_percentile,
        "survival_12": lambda a: a.survival[0].probability,
        "survival_12_lower": lambda a: a.survival[0].lower,
        "survival_12_upper": lambda a: a.survival[0].upper,
        "median_survival_months": lambda a: a.median_survival.months,
        "distance_percentile": lambda a: a.distance.joint_percentile,
    }.items():
        np.testing.assert_array_equal(table[column], np.array([value(a) for a in answers], dtype=np.float64), column)
    assert table["risk_group"].tolist() == [answer.risk_group for answer in answers]
    assert table["warnings"].fillna("").tolist() == [" | ".join(answer.warnings) for answer in answers]
    assert table["missing_genes"].fillna("").tolist() == [" ".join(answer.missing_genes) for answer in answers]


def test_rows_that_fail_are_named_and_the_exit_code_tells(model, patients, bundle, tmp_path):
    broken = patients.astype({"age": object})
    broken.iloc[2, broken.columns.get_loc("age")] = "old"
    broken.iloc[5, : len(model.panel.symbols)] = np.nan
    broken.index = [*broken.index[:8], broken.index[0], *broken.index[9:]]
    result = scored(model, broken.rename_axis("patient"), bundle, tmp_path)
    assert result.exit_code == 1
    assert f"{len(patients) - 3} patients scored with {model.name}, 3 not" in result.stdout
    told = result.stderr
    assert "row 3: profile" in told
    assert "age must be a number of years" in told
    assert "row 6: profile" in told
    assert "row 9: profile" in told
    assert "has the id of row 1" in told
    table = pd.read_csv(tmp_path / "p.scores.csv")
    assert table.index[table["error"].notna()].tolist() == [2, 5, 8]
    assert table.loc[[2, 5, 8], "linear_predictor"].isna().all()
    assert table["linear_predictor"].notna().sum() == len(patients) - 3


def test_lines_of_json_are_what_the_service_answers(model, patients, bundle, tmp_path):
    result = scored(model, patients, bundle, tmp_path, "p.csv", "--contributions", "--to", tmp_path / "out.ndjson")
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in (tmp_path / "out.ndjson").read_text().splitlines()]
    answers = expected_of(model, patients)
    assert [line["row"] for line in lines] == list(range(1, len(patients) + 1))
    for line, answer in zip(lines, answers, strict=True):
        assert line["linear_predictor"] == answer.linear_predictor
        assert list(line["contributions"].items()) == list(answer.contributions.items())
        assert line["survival"] == [asdict(at) for at in answer.survival]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_results_are_written_in_the_format_that_is_named(model, patients, bundle, tmp_path, suffix):
    target = tmp_path / f"results.{suffix}"
    assert scored(model, patients, bundle, tmp_path, "p.csv", "--horizon", 6, "--to", target).exit_code == 0
    read = {"csv": pd.read_csv, "tsv": lambda path: pd.read_csv(path, sep="\t"), "parquet": pd.read_parquet}[suffix]
    table = read(target)
    assert len(table) == len(patients)
    assert "survival_6_upper" in table


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--scale", "counts"], "counts cannot be converted"),
        (["--horizon", "100000"], "survival at 100000 months cannot be answered"),
        (["--to", "gone/results.csv"], "results.csv: cannot be written"),
        (["--to", "results.xlsx"], "results are written as"),
        (["--model", "KIRC-OS"], "name one model"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(case, change, words):
    model, patients, bundle, tmp_path = case
    result = scored(model, patients, bundle, tmp_path, "p.csv", *change)
    assert result.exit_code == 2
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["p.csv"]


@pytest.mark.parametrize(
    ("name", "results"),
    [
        ("kirc.batch1.csv", "kirc.batch1.scores.csv"),
        ("kirc.batch2.csv.gz", "kirc.batch2.scores.csv"),
        ("kirc.2026-01-02.TSV", "kirc.2026-01-02.scores.csv"),
        ("kirc.v1.parquet", "kirc.v1.scores.csv"),
        ("kirc.v1.h5ad", "kirc.v1.scores.csv"),
        ("kirc.batch1", "kirc.batch1.scores.csv"),
        ("kirc.gz", "kirc.scores.csv"),
        (".csv", ".csv.scores.csv"),
    ],
)
def test_results_bear_the_whole_name_of_the_file_but_its_format(name, results):
    assert results_beside(Path("somewhere") / name) == Path("somewhere") / results


def test_results_of_two_batches_are_two_files(model, patients, bundle, tmp_path):
    for batch, half in (("kirc.batch1.csv", patients.iloc[:9]), ("kirc.batch2.csv", patients.iloc[9:20])):
        assert scored(model, half, bundle, tmp_path, batch).exit_code == 0
    assert [len(pd.read_csv(tmp_path / f"kirc.batch{n}.scores.csv")) for n in (1, 2)] == [9, 11]


@pytest.mark.parametrize("link", [None, Path.symlink_to, Path.hardlink_to])
@pytest.mark.parametrize("more", [(), ("--overwrite",)])
def test_the_file_of_patients_is_never_replaced_by_results(case, link, more):
    model, patients, bundle, tmp_path = case
    patients.to_csv(tmp_path / "p.csv")
    before = (tmp_path / "p.csv").read_bytes()
    target = tmp_path / ("p.csv" if link is None else "other.csv")
    if link is not None:
        link(target, tmp_path / "p.csv")
    for named in (target, Path("..") / tmp_path.name / target.name):
        result = prognosis("score", "p.csv", "--bundle", bundle, "--scale", model.scale, "--to", named, *more)
        assert result.exit_code == 2
        assert ("is the file of patients itself" if more else "is there already") in result.stderr
        assert (tmp_path / "p.csv").read_bytes() == before


@pytest.mark.parametrize("target", ["p.scores.csv", "results.ndjson"])
def test_results_of_an_earlier_time_are_replaced_only_if_that_is_said(case, target):
    model, patients, bundle, tmp_path = case
    (tmp_path / target).write_text("earlier")
    named = () if target == "p.scores.csv" else ("--to", target)
    refused = scored(model, patients, bundle, tmp_path, "p.csv", *named)
    assert refused.exit_code == 2
    assert f"{target}: is there already; say --overwrite, or name another place with --to." in refused.stderr
    assert (tmp_path / target).read_text() == "earlier"
    assert scored(model, patients, bundle, tmp_path, "p.csv", *named, "--overwrite").exit_code == 0
    assert (tmp_path / target).read_text() != "earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["p.csv", target])


def test_a_link_that_leads_nowhere_is_no_place_for_results(case):
    model, patients, bundle, tmp_path = case
    (tmp_path / "p.scores.csv").symlink_to("gone.csv")
    assert "is there already" in scored(model, patients, bundle, tmp_path).stderr
    assert not (tmp_path / "gone.csv").exists()


def test_a_suffix_in_capitals_is_the_same_format(model, patients, bundle, tmp_path):
    target = tmp_path / "results.NDJSON"
    assert scored(model, patients, bundle, tmp_path, "p.csv", "--to", target).exit_code == 0
    assert json.loads(target.read_text().splitlines()[0])["row"] == 1


def test_a_file_without_a_gene_of_the_model_says_how_it_should_look(model, bundle, tmp_path):
    pd.DataFrame({"gene": ["CD44"], "patient 1": [1.0]}).to_csv(tmp_path / "p.csv", index=False)
    result = prognosis("score", tmp_path / "p.csv", "--bundle", bundle, "--scale", model.scale)
    assert result.exit_code == 2
    assert "patients stand in rows and genes in columns" in result.stderr


def test_a_file_without_patients_is_refused(model, patients, bundle, tmp_path):
    result = scored(model, patients.iloc[:0], bundle, tmp_path)
    assert result.exit_code == 2
    assert "holds no patient" in result.stderr
    assert not (tmp_path / "p.scores.csv").exists()


def test_survival_in_a_file_is_given_the_months_survived(model, patients, bundle, tmp_path):
    alive = patients.assign(survived_months=[7.0, None, "long", -1, 1e6] + [None] * (len(patients) - 5))
    result = scored(model, alive, bundle, tmp_path)
    assert result.exit_code == 1
    table = pd.read_csv(tmp_path / "p.scores.csv")
    assert table.index[table["error"].notna()].tolist() == [2, 3, 4]
    plain = scored(model, patients, bundle, tmp_path, "q.csv")
    assert plain.exit_code == 0
    before = pd.read_csv(tmp_path / "q.scores.csv")
    assert table.loc[0, "survival_12"] > before.loc[0, "survival_12"]
    assert table.loc[1, "survival_12"] == before.loc[1, "survival_12"]
