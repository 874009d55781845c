"""AnnData folders: what anndata itself wrote comes back, wherever expression, genes, patients and outcomes stand."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from features import anndata_cohort
from features.cohort import Cohort
from features.errors import CohortError, ScaleError
from features.readers import read_cohort

anndata = pytest.importorskip("anndata")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning")

SETTINGS = 'cancer_type = "KIRC"\nscale = "log2_tpm_1"\n'
SAMPLES = ["TCGA-AA-0001-01A", "TCGA-AA-0001-11A", "TCGA-AA-0002-01A", "TCGA-AA-0003-06A"]
VALUES = np.array([[2.5, 0.5, 0.0, 1.0], [9.0, 9.0, 9.0, 9.0], [2.0, 1.5, 3.0, 0.0], [1.0, 3.0, 4.0, 2.0]])
VAR = pd.DataFrame(
    {"symbol": ["CD44", "ICAM1", "SDF1", "VCAM1"], "n_cells": [960, 3383, 6387, 7412]},
    index=["ENSG00000026508.18", "ENSG00000090339.9", "ENSG00000107562.17", "ENSG00000162692.12"],
)
OBS = pd.DataFrame(
    {
        "OS_STATUS": pd.Categorical(["1:DECEASED", "1:DECEASED", "0:LIVING", "1:DECEASED"]),
        "OS_DAYS": [100, 100, 2000, 300],
        "age": [50.0, 50.0, np.nan, 70.5],
        "sex": pd.Categorical(["male", "male", None, "female"]),
        "smoker": pd.array([True, True, None, False], dtype="boolean"),
        "sample_type": pd.Categorical(["Primary Tumor", "Solid Tissue Normal", "Primary Tumor", "Metastatic"]),
    },
    index=SAMPLES,
)
EXPECTED = {"CD44": [2.5, 2.0, 1.0], "CXCL12": [0.0, 3.0, 4.0], "ICAM1": [0.5, 1.5, 3.0], "VCAM1": [1.0, 0.0, 2.0]}


def folder_of(folder: Path, data, settings: str = SETTINGS, **options) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "cohort.toml").write_text(settings)
    data.write_h5ad(folder / "cohort.h5ad", **options)
    return folder


def made(X=VALUES, obs=OBS, var=VAR, **further):
    return anndata.AnnData(X=X, obs=obs.copy(), var=var.copy(), **further)


def read(folder: Path, **declared) -> Cohort:
    return read_cohort(folder, endpoint="OS", **declared)


def told(cohort: Cohort) -> list[str]:
    return [str(entry) for entry in cohort.ledger.entries]


def check(cohort: Cohort) -> None:
    assert (cohort.cancer_type, cohort.scale) == ("KIRC", "log2_tpm_1")
    assert list(cohort.patients) == ["TCGA-AA-0001", "TCGA-AA-0002", "TCGA-AA-0003"]
    assert cohort.expression.to_dict("list") == EXPECTED
    assert cohort.time.tolist() == [100, 2000, 300]
    assert cohort.event.tolist() == [True, False, True]
    assert cohort.clinical["age"].fillna(-1).tolist() == [50, -1, 70.5]
    assert cohort.clinical["sex"].fillna("-").tolist() == ["male", "-", "female"]
    assert cohort.clinical["smoker"].fillna("-").tolist() == ["True", "-", "False"]


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix, sp.csc_matrix, lambda X: np.asarray(X, dtype="f4")])
@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}])
def test_what_anndata_wrote_comes_back(tmp_path: Path, kind, options: dict):
    cohort = read(folder_of(tmp_path / "cohort", made(X=kind(VALUES)), **options))
    check(cohort)
    assert cohort.source == "AnnData folder cohort"
    assert "dropped 1: normal or control samples (TCGA-AA-0001-11A)" in told(cohort)
    assert "mapped 4: Ensembl ids, without their version" in told(cohort)
    assert any("genes are named by column _index (no other names more: 4 genes" in line for line in told(cohort))


def test_a_column_of_var_may_hold_the_symbols_and_counts_of_cells_are_no_entrez_ids(tmp_path: Path):
    var = VAR.set_axis(["a", "b", "c", "d"], axis=0)
    cohort = read(folder_of(tmp_path / "cohort", made(var=var)))
    check(cohort)
    assert any("genes are named by column symbol" in line for line in told(cohort))
    named = var[["n_cells"]].rename(columns={"n_cells": "entrez_id"})
    check(read(folder_of(tmp_path / "cohort", made(var=named))))


@pytest.mark.parametrize("place", ["tpm", "log2_tpm_1", "raw", "X"])
def test_expression_may_stand_in_a_layer_or_in_raw(tmp_path: Path, place: str):
    data = made(X=None if place != "X" else VALUES)
    if place == "raw":
        data = made()
        data.raw = data
        data = data[:, :2].copy()
        data.X = data.X * 0 - 1
    elif place != "X":
        data.layers[place] = sp.csr_matrix(VALUES)
    settings = SETTINGS + 'expression = "raw"\n' if place == "raw" else 'cancer_type = "KIRC"\n'
    folder = folder_of(tmp_path / "cohort", data, settings)
    if place == "X":
        with pytest.raises(ScaleError, match="declare one of"):
            read(folder)
        check(read(folder, scale="log2_tpm_1"))
        return
    cohort = read(folder)
    assert cohort.scale == ("tpm" if place == "tpm" else "log2_tpm_1")
    assert cohort.expression.to_dict("list") == EXPECTED


def test_the_layer_that_is_read_is_told_and_can_be_chosen(tmp_path: Path):
    data = made()
    data.layers["counts"], data.layers["tpm"] = VALUES * 100, VALUES * 7
    folder = folder_of(tmp_path / "cohort", data, 'cancer_type = "KIRC"\n')
    cohort = read(folder)
    assert (cohort.scale, cohort.expression["CD44"].tolist()) == ("tpm", [17.5, 14.0, 7.0])
    assert any("expression profiles beside layers/tpm (raw before log before z)" in line for line in told(cohort))
    assert read(folder, profile="counts").scale == "counts"
    check(read(folder, profile="X", scale="log2_tpm_1"))
    with pytest.raises(CohortError, match="no expression profile 'other'; it has X, layers/counts, layers/tpm"):
        read(folder, profile="other")


def test_a_name_that_is_no_scale_states_none(tmp_path: Path):
    data = made()
    data.layers["logcounts"] = VALUES
    with pytest.raises(ScaleError, match="declare one of"):
        read(folder_of(tmp_path / "cohort", data, 'cancer_type = "KIRC"\nexpression = "logcounts"\n'))


def test_outcomes_may_stand_in_a_table_beside_the_file(tmp_path: Path):
    folder = folder_of(tmp_path / "cohort", made(obs=OBS[["sample_type", "smoker"]]))
    with pytest.raises(CohortError, match=r"has no outcome .* its file has sample_type, smoker"):
        read(folder)
    table = OBS.assign(id=[name[:12] for name in OBS.index]).drop_duplicates("id").drop(columns="smoker")
    table.set_index("id").to_csv(folder / "clinical.csv")
    check(read(folder))


def test_patients_may_be_named_by_a_column(tmp_path: Path):
    obs = OBS.assign(donor_id=["TCGA-AA-0001", "TCGA-AA-0001", "TCGA-AA-0002", "TCGA-AA-0003"])
    obs = obs.set_axis(["s1", "s2", "s3", "s4"], axis=0)
    cohort = read(folder_of(tmp_path / "cohort", made(obs=obs)))
    check(cohort)
    assert "mapped 4: column donor_id of the samples read as patient" in told(cohort)
    renamed = obs.rename(columns={"donor_id": "who"})
    check(read(folder_of(tmp_path / "cohort", made(obs=renamed), SETTINGS + 'patient_column = "who"\n')))
    with pytest.raises(CohortError, match=r"no column 'whom' of patients, which cohort\.toml names"):
        read(folder_of(tmp_path / "cohort", made(obs=renamed), SETTINGS + 'patient_column = "whom"\n'))


def test_a_panel_only_is_what_the_whole_holds_of_it(tmp_path: Path):
    folder = folder_of(tmp_path / "cohort", made(X=sp.csc_matrix(VALUES)))
    part = read(folder, only=["CXCL12", "CD44"])
    assert part.expression.equals(read(folder).expression[["CD44", "CXCL12"]])
    assert "dropped 2: rows of genes that were not asked for" in told(part)
    with pytest.raises(CohortError, match="none of the genes that are asked for"):
        read(folder, only=["NOSUCH"])


def test_rows_of_one_id_count_once_and_must_agree(tmp_path: Path):
    obs = pd.concat([OBS, OBS.iloc[:1]])
    X = np.vstack([VALUES, VALUES[:1]])
    cohort = read(folder_of(tmp_path / "cohort", made(X=X, obs=obs)))
    check(cohort)
    assert "dropped 1: further rows of a sample in its metadata (TCGA-AA-0001-01A)" in told(cohort)
    obs.iloc[-1, list(obs.columns).index("OS_DAYS")] = 101
    with pytest.raises(CohortError, match="1 ids have several rows with different outcomes"):
        read(folder_of(tmp_path / "cohort", made(X=X, obs=obs)))


def test_missing_values_stay_missing_and_infinite_ones_are_refused(tmp_path: Path):
    values = VALUES.copy()
    values[2, 1] = np.nan
    cohort = read(folder_of(tmp_path / "cohort", made(X=values)))
    assert np.isnan(cohort.expression.loc["TCGA-AA-0002", "ICAM1"])
    values[2, 1] = np.inf
    with pytest.raises(CohortError, match=r"cohort\.h5ad: 1 values are infinite"):
        read(folder_of(tmp_path / "cohort", made(X=values)))


def test_cells_are_not_patients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(anndata_cohort, "MOST_VALUES", 15)
    with pytest.raises(CohortError, match=r"4 rows of 4 genes are 16 values, 15 at most .* sum the cells"):
        read(folder_of(tmp_path / "cohort", made()))


def test_of_two_files_one_has_to_be_named(tmp_path: Path):
    folder = folder_of(tmp_path / "cohort", made())
    made(X=VALUES + 1).write_h5ad(folder / "other.h5ad")
    with pytest.raises(CohortError, match=r"has 2 AnnData files \(cohort.h5ad, other.h5ad\)"):
        read(folder)
    check(read(folder, profile="cohort.h5ad"))


def test_the_columns_of_many_genes_and_patients_come_through(tmp_path: Path):
    rng = np.random.default_rng(0)
    X = sp.csr_matrix(np.where(rng.random((300, 2500)) < 0.3, rng.uniform(0, 12, (300, 2500)), 0.0))
    obs = pd.DataFrame(
        {"OS": rng.integers(0, 2, 300), "OS_DAYS": rng.integers(1, 4000, 300)}, index=[f"p{i}" for i in range(300)]
    )
    var = pd.DataFrame(index=[f"G{j}" for j in range(2500)])
    cohort = read(folder_of(tmp_path / "cohort", made(X, obs, var), compression="gzip"))
    oracle = anndata.read_h5ad(tmp_path / "cohort" / "cohort.h5ad")
    expected = oracle.to_df().loc[cohort.patients, cohort.expression.columns]
    np.testing.assert_array_equal(cohort.expression, expected)
    assert cohort.time.tolist() == obs.loc[cohort.patients, "OS_DAYS"].tolist()
    assert len(cohort.patients) == 300


@pytest.mark.parametrize("spoil", ["not HDF5", "cut", "empty", "no obs", "no matrix", "linked"])
def test_a_damaged_file_is_refused_in_words(tmp_path: Path, spoil: str):
    folder = folder_of(tmp_path / "cohort", made())
    path = folder / "cohort.h5ad"
    content = path.read_bytes()
    if spoil in {"not HDF5", "cut", "empty"}:
        path.write_bytes({"not HDF5": b"PK\x03\x04" * 99, "cut": content[: len(content) // 2], "empty": b""}[spoil])
    else:
        with h5py.File(path, "r+") as root:
            del root["obs" if spoil == "no obs" else "X"]
            if spoil == "linked":
                root["X"] = h5py.ExternalLink(str(tmp_path / "x.h5ad"), "/X")
    with pytest.raises(CohortError, match=r"cohort/cohort\.h5ad: ") as caught:
        read(folder)
    assert "\n" not in str(caught.value)
