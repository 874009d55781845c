"""Plain tables: either way round, in three formats, in one file or two; the scale declared and never guessed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from features.cohort import Cohort
from features.errors import CohortError, ScaleError
from features.readers import read_cohort

EXPRESSION = pd.DataFrame(
    {"CD44": [1.0, 2.0, 3.5], "SDF1": [4.0, 1.0, 2.0], "TP53": [0.5, 0.25, 0.0]}, index=["p1", "p2", "p3"]
)
CLINICAL = pd.DataFrame(
    {
        "age": [50, 60, None],
        "sex": ["f", "m", None],
        "OS_STATUS": [1, 0, 1],
        "OS_DAYS": [100, 200, 300],
        "receptor": ["positive", None, "negative"],
    },
    index=["p1", "p2", "p3"],
)
SETTINGS = 'cancer_type = "KIRC"\nscale = "log2_tpm_1"\n'


def write(folder: Path, files: dict[str, pd.DataFrame], settings: str = SETTINGS) -> Path:
    folder.mkdir(exist_ok=True)
    if settings:
        (folder / "cohort.toml").write_text(settings)
    for name, unnamed in files.items():
        table = unnamed.rename_axis("id")
        if name.endswith(".parquet"):
            table.to_parquet(folder / name)
        else:
            table.to_csv(folder / name, sep="," if ".csv" in name else "\t")
    return folder


def check(cohort: Cohort) -> None:
    assert (cohort.cancer_type, cohort.scale) == ("KIRC", "log2_tpm_1")
    assert list(cohort.patients) == ["p1", "p2", "p3"]
    assert cohort.expression.to_dict("list") == {
        "CD44": [1.0, 2.0, 3.5],
        "CXCL12": [4.0, 1.0, 2.0],
        "TP53": [0.5, 0.25, 0.0],
    }
    assert cohort.time.tolist() == [100, 200, 300]
    assert cohort.event.tolist() == [True, False, True]
    assert cohort.clinical["age"].fillna(-1).tolist() == [50, 60, -1]
    assert cohort.clinical["sex"].fillna("-").tolist() == ["female", "male", "-"]
    assert cohort.clinical["receptor"].fillna("-").tolist() == ["positive", "-", "negative"]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "csv.gz", "tsv.gz", "parquet"])
@pytest.mark.parametrize("way", ["patients × genes", "genes × patients"])
def test_expression_is_read_either_way_round(tmp_path: Path, suffix: str, way: str):
    expression = EXPRESSION if way == "patients × genes" else EXPRESSION.T
    check(
        read_cohort(
            write(tmp_path, {f"expression.{suffix}": expression, f"clinical.{suffix}": CLINICAL}), endpoint="OS"
        )
    )


@pytest.mark.parametrize("suffix", ["csv", "tsv.gz", "parquet"])
def test_one_table_with_everything_is_divided_and_said_so(tmp_path: Path, suffix: str):
    cohort = read_cohort(write(tmp_path, {f"all.{suffix}": CLINICAL.join(EXPRESSION)}), endpoint="OS")
    check(cohort)
    guessed = [line for line in cohort.ledger.entries if line.action == "guessed"]
    assert [(line.count, line.examples) for line in guessed] == [(3, ("CD44", "SDF1", "TP53"))]


def test_a_clinical_column_of_numbers_can_be_named(tmp_path: Path):
    table = CLINICAL.join(EXPRESSION).assign(bmi=[20.5, 30.0, 25.0])
    settings = SETTINGS + 'clinical_columns = ["bmi"]\n'
    cohort = read_cohort(write(tmp_path, {"all.csv": table}, settings), endpoint="OS")
    assert cohort.clinical["bmi"].tolist() == ["20.5", "30.0", "25.0"]
    assert "bmi" not in cohort.expression


def test_the_scale_is_never_guessed(tmp_path: Path):
    files = {"expression.csv": EXPRESSION, "clinical.csv": CLINICAL}
    folder = write(tmp_path, files, 'cancer_type = "KIRC"\n')
    with pytest.raises(ScaleError, match="declare one of log2_tpm_1"):
        read_cohort(folder, endpoint="OS")
    check(read_cohort(folder, endpoint="OS", scale="log2_tpm_1"))


def test_z_scores_carry_the_reference_that_is_declared(tmp_path: Path):
    settings = 'cancer_type = "KIRC"\nscale = "zscore"\nzscore_reference = "our cohort of 2020"\n'
    folder = write(tmp_path, {"expression.csv": EXPRESSION, "clinical.csv": CLINICAL}, settings)
    assert read_cohort(folder, endpoint="OS").zscore_reference == "our cohort of 2020"
    assert read_cohort(folder, endpoint="OS", scale="tpm").zscore_reference is None


def test_without_settings_the_folder_names_the_cancer_type(tmp_path: Path):
    folder = write(tmp_path / "my_KIRC_2020", {"expression.csv": EXPRESSION, "clinical.csv": CLINICAL}, "")
    check(read_cohort(folder, endpoint="OS", scale="log2_tpm_1"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("cancer_type = ", "is not TOML"),
        ('cancer = "KIRC"', "key 'cancer' is unknown; known are cancer_type, scale"),
        ("scale = 3", "scale must be a word"),
        ('clinical_columns = "bmi"', "clinical_columns must be a list of words"),
        ('scale = "log2_tpm_1"', "write cancer_type in cohort.toml"),
        (SETTINGS + 'expression = "other.csv"', r"no table 'other.csv'; it has clinical.csv, expression.csv"),
        ('cancer_type = "the kidney"', "is not a code"),
    ],
)
def test_malformed_settings_are_an_error_that_names_the_fault(tmp_path: Path, settings: str, message: str):
    folder = write(tmp_path / "cohort", {"expression.csv": EXPRESSION, "clinical.csv": CLINICAL}, settings)
    with pytest.raises(CohortError, match=message):
        read_cohort(folder, endpoint="OS")


def test_tables_that_cannot_be_told_apart_have_to_be_named(tmp_path: Path):
    folder = write(tmp_path, {"a.csv": EXPRESSION, "b.csv": CLINICAL})
    with pytest.raises(CohortError, match=r"name them in cohort\.toml"):
        read_cohort(folder, endpoint="OS")
    write(tmp_path, {}, SETTINGS + 'expression = "a.csv"\nclinical = "b.csv"\n')
    check(read_cohort(folder, endpoint="OS"))


def test_patients_that_are_not_the_same_are_an_error(tmp_path: Path):
    other = EXPRESSION.set_axis(["q1", "q2", "q3"], axis=0)
    with pytest.raises(CohortError, match="use the same ids in both"):
        read_cohort(write(tmp_path, {"expression.csv": other, "clinical.csv": CLINICAL}), endpoint="OS")


def test_a_file_that_is_not_parquet_is_an_error_that_names_it(tmp_path: Path):
    folder = write(tmp_path, {"clinical.csv": CLINICAL})
    (folder / "expression.parquet").write_bytes(b"PAR0")
    with pytest.raises(CohortError, match=r"expression\.parquet: cannot be read"):
        read_cohort(folder, endpoint="OS")


def test_a_word_among_the_values_is_an_error(tmp_path: Path):
    table = EXPRESSION.astype(object)
    table.loc["p2", "CD44"] = "low"
    with pytest.raises(CohortError, match=r"column 'CD44' holds 1 words \(first: 'low'\)"):
        read_cohort(write(tmp_path, {"expression.csv": table, "clinical.csv": CLINICAL}), endpoint="OS")


def test_a_word_among_a_panel_gene_s_values_does_not_make_the_gene_a_clinical_column(tmp_path: Path):
    table = CLINICAL.join(EXPRESSION.astype(object))
    table.loc["p2", "CD44"] = "low"
    folder = write(tmp_path, {"all.csv": table})
    with pytest.raises(CohortError, match=r"all\.csv: expression must be numbers, but column 'CD44' holds 1 words"):
        read_cohort(folder, endpoint="OS")
    cohort = read_cohort(write(tmp_path, {}, SETTINGS + 'clinical_columns = ["CD44"]\n'), endpoint="OS")
    assert list(cohort.expression.columns) == ["CXCL12", "TP53"]


def test_a_receptor_s_status_under_its_gene_s_name_is_clinical(tmp_path: Path):
    table = CLINICAL.join(EXPRESSION).assign(HER2=["positive", "negative", None])
    cohort = read_cohort(write(tmp_path, {"all.csv": table}), endpoint="OS")
    assert cohort.clinical["her2"].fillna("-").tolist() == ["positive", "negative", "-"]
