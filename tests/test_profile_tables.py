"""Files of patients as a model reads them: every form gives one answer, and no word is taken for a gene."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.profile_blocks import ProfileFileError
from features.profile_files import open_profiles
from training.file_scoring import Asked, score_file
from training.profiles import Profile
from training.scoring import score_profiles

CLINICAL = ["age", "sex", "stage", "grade"]
RANKS = {"I": 1.0, "II": 2.0, "III": 3.0, "IV": 4.0, "G1": 1.0, "G2": 2.0, "G3": 3.0, "G4": 4.0}


@pytest.fixture(scope="module")
def model(small_training):
    return small_training.model


@pytest.fixture(scope="module")
def patients(small_training):
    """Patients whose stage and grade are numbers with gaps, as pandas keeps them."""
    cohort = small_training.cohort
    genes = [gene for gene in cohort.expression if gene in small_training.model.panel.symbols]
    table = cohort.expression[genes].join(cohort.clinical[CLINICAL]).rename_axis("id").head(40)
    for column in ("stage", "grade"):
        table[column] = table[column].astype(object).map(RANKS).astype(float)
    table.loc[table.index[::9], ["stage", "grade"]] = np.nan
    table.loc[table.index[::7], genes[:2]] = np.nan
    table["survived_months"] = np.where(np.arange(len(table)) % 3 == 0, 3.5, np.nan)
    return table


def genes_of(patients):
    return [column for column in patients if column not in (*CLINICAL, "survived_months")]


def write_anndata(patients, path):
    anndata = pytest.importorskip("anndata")
    genes = genes_of(patients)
    obs = patients.drop(columns=genes).rename_axis(None)
    anndata.AnnData(patients[genes].to_numpy(), obs=obs, var=pd.DataFrame(index=genes)).write_h5ad(path)


WRITERS = {
    "p.csv": lambda patients, path: patients.to_csv(path),
    "p.tsv": lambda patients, path: patients.to_csv(path, sep="\t", quoting=2),
    "p.parquet": lambda patients, path: patients.to_parquet(path),
    "p.h5ad": write_anndata,
}


def answers_of(model, path, *, contributions=False):
    asked = Asked(model.scale, contributions=contributions)
    return [answer for block in score_file(model, open_profiles(path), asked) for answer in block.answers()]


def profiles_of(patients):
    genes = genes_of(patients)
    known = [{name: cell for name, cell in row.items() if pd.notna(cell)} for _, row in patients.iterrows()]
    return [
        Profile(
            str(name),
            {gene: row[gene] for gene in genes if gene in row},
            {column: row[column] for column in CLINICAL if column in row},
            row.get("survived_months"),
        )
        for name, row in zip(patients.index, known, strict=True)
    ]


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning")
def test_one_cohort_has_one_answer_in_every_form(model, patients, tmp_path, name):
    WRITERS[name](patients, tmp_path / name)
    asked = {"scale": model.scale, "zscore_reference": None, "horizons_months": None}
    expected = score_profiles(model, profiles_of(patients), **asked)
    assert not [answer for answer in expected if isinstance(answer, Exception)]
    assert answers_of(model, tmp_path / name, contributions=True) == expected


@pytest.fixture(scope="module")
def renamed(model, patients):
    """A gene of the file, and an alias of it."""
    present = genes_of(patients)
    certain = model.resolver.certain
    for gene in model.panel.genes:
        for alias in gene.aliases:
            if gene.symbol in present and not any(level.lookup(alias) for level in certain):
                return gene.symbol, alias
    pytest.fail("no gene of the panel has an alias")


@pytest.mark.parametrize("name", ["p.csv", "p.parquet"])
def test_words_under_an_alias_are_no_gene_and_are_told(model, patients, renamed, tmp_path, name):
    symbol, alias = renamed
    without = patients.drop(columns=symbol)
    WRITERS[name](without, tmp_path / name)
    expected = answers_of(model, tmp_path / name)
    WRITERS[name](without.assign(**{alias: "positive"}), tmp_path / name)
    blocks = list(score_file(model, open_profiles(tmp_path / name), Asked(model.scale)))
    assert {block.passed_over for block in blocks} == {(alias,)}
    found = [answer for block in blocks for answer in block.answers()]
    assert [answer.linear_predictor for answer in found] == [answer.linear_predictor for answer in expected]


@pytest.mark.parametrize("name", ["p.csv", "p.parquet"])
def test_numbers_under_an_alias_are_the_gene(model, patients, renamed, tmp_path, name):
    symbol, alias = renamed
    WRITERS[name](patients, tmp_path / name)
    expected = answers_of(model, tmp_path / name)
    WRITERS[name](patients.rename(columns={symbol: alias}), tmp_path / name)
    blocks = list(score_file(model, open_profiles(tmp_path / name), Asked(model.scale)))
    assert {block.passed_over for block in blocks} == {()}
    found = [answer for block in blocks for answer in block.answers()]
    assert [answer.linear_predictor for answer in found] == [answer.linear_predictor for answer in expected]


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning")
def test_a_finding_that_bears_a_genes_name_is_no_gene_in_anndata(model, patients, tmp_path):
    anndata = pytest.importorskip("anndata")
    genes = genes_of(patients)
    obs = patients[CLINICAL].assign(**{genes[0]: "mutated"}).rename_axis(None)
    var = pd.DataFrame(index=genes)
    anndata.AnnData(patients[genes].to_numpy(), obs=obs, var=var).write_h5ad(tmp_path / "p.h5ad")
    write_anndata(patients.drop(columns="survived_months"), tmp_path / "q.h5ad")
    assert answers_of(model, tmp_path / "p.h5ad") == answers_of(model, tmp_path / "q.h5ad")


@pytest.mark.parametrize("name", ["p.csv", "p.tsv", "p.parquet"])
def test_a_file_without_patients_is_refused(model, patients, tmp_path, name):
    WRITERS[name](patients.head(0), tmp_path / name)
    with pytest.raises(ProfileFileError, match="holds no patient"):
        answers_of(model, tmp_path / name)


@pytest.mark.parametrize("months", ["a", "6_1", "inf", "-1", "0", "1e400", "True"])
def test_survived_months_that_cannot_be_are_the_fault_of_their_row_alone(model, patients, tmp_path, months):
    table = patients.astype({"survived_months": object})
    table.iloc[1, table.columns.get_loc("survived_months")] = months
    table.to_csv(tmp_path / "p.csv")
    answers = answers_of(model, tmp_path / "p.csv")
    assert "survived_months must be a number of months above 0" in str(answers[1])
    assert [i for i, answer in enumerate(answers) if isinstance(answer, Exception)] == [1]


def test_rows_without_an_id_are_no_duplicates(model, patients, tmp_path):
    patients.set_axis(["", "a", "", *patients.index[3:]]).rename_axis("id").to_csv(tmp_path / "p.csv")
    answers = answers_of(model, tmp_path / "p.csv")
    assert [i for i, answer in enumerate(answers) if isinstance(answer, Exception)] == [0, 2]
    assert all("has no id" in str(answers[i]) for i in (0, 2))
