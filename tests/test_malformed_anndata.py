"""Malformed AnnData folders: spoiled as tables, as HDF5 and as bytes; refused in words, or read rightly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from cohort_folders import AGES, DAYS, EVENTS, GENES, PATIENTS, SETTINGS, SEXES
from spoiled_cohorts import attempt, require_clear, require_right

from features import anndata_process
from features.cohort import Cohort
from features.readers import read_cohort

anndata = pytest.importorskip("anndata")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning")

VALUES = np.array([values for _, _, values in GENES.values()]).T


def sound() -> Any:
    obs = pd.DataFrame(
        {"OS_STATUS": EVENTS, "OS_DAYS": DAYS, "age": AGES, "sex": pd.Categorical(SEXES)},
        index=[f"{patient}-01A" for patient in PATIENTS],
    )
    var = pd.DataFrame({"symbol": list(GENES)}, index=[ensembl for ensembl, _, _ in GENES.values()])
    return anndata.AnnData(X=VALUES.copy(), obs=obs, var=var)


def with_obs(column: str, word: object) -> Callable[[Any], Any]:
    """Put a word in place of the third sample's cell."""

    def changed(data: Any) -> Any:
        cells = data.obs[column].astype(object).tolist()
        cells[2] = word
        data.obs[column] = pd.Series([None if cell is None else str(cell) for cell in cells], index=data.obs.index)
        return data

    return changed


def with_value(value: float) -> Callable[[Any], Any]:
    def changed(data: Any) -> Any:
        data.X[3, 1] = value
        return data

    return changed


def with_samples(names: Callable[[list[str]], list[str]]) -> Callable[[Any], Any]:
    def changed(data: Any) -> Any:
        data.obs.index = pd.Index(names(list(data.obs.index)))
        return data

    return changed


def with_genes(names: Callable[[list[str]], list[str]]) -> Callable[[Any], Any]:
    def changed(data: Any) -> Any:
        data.var = pd.DataFrame(index=pd.Index(names(list(GENES))))
        return data

    return changed


def rows_again(rows: list[int], **cells: object) -> Callable[[Any], Any]:
    """Add rows of the same ids, with other cells."""

    def changed(data: Any) -> Any:
        order = [*range(len(PATIENTS)), *rows]
        obs = data.obs.iloc[order].copy()
        for name, cell in cells.items():
            obs[name] = [*obs[name].tolist()[: len(PATIENTS)], *[cell] * len(rows)]
        return anndata.AnnData(X=data.X[order], obs=obs, var=data.var)

    return changed


def further_aliquots(data: Any) -> Any:
    names = [f"{patient}-01{portion}" for portion in "AB" for patient in PATIENTS]
    obs = pd.concat([data.obs, data.obs]).set_axis(names, axis=0)
    return anndata.AnnData(X=np.vstack([data.X, data.X + 1]), obs=obs, var=data.var)


def without(*columns: str) -> Callable[[Any], Any]:
    def changed(data: Any) -> Any:
        data.obs = data.obs.drop(columns=list(columns))
        return data

    return changed


def assigned(**columns: object) -> Callable[[Any], Any]:
    def changed(data: Any) -> Any:
        data.obs = data.obs.assign(**columns)
        return data

    return changed


def as_matrix(make: Callable[[np.ndarray], Any]) -> Callable[[Any], Any]:
    return lambda data: anndata.AnnData(X=make(data.X), obs=data.obs, var=data.var)


TABLES: dict[str, Callable[[Any], Any]] = {
    **{f"{word!r} for a time": with_obs("OS_DAYS", word) for word in (0, -12, 1e9, "nan", "inf", "long", None, 99999)},
    **{
        f"{word!r} for a status": with_obs("OS_STATUS", word)
        for word in (2, "perhaps", None, "1:LIVING", -1, "[Unknown]")
    },
    **{f"{word!r} for an age": with_obs("age", word) for word in (-1, 200, "old", None)},
    "truth values for status": assigned(OS_STATUS=[event == 1 for event in EVENTS]),
    "numbers with gaps for status": assigned(OS_STATUS=pd.array([None, *EVENTS[1:]], dtype="Int64")),
    "fractions for status": assigned(OS_STATUS=np.array([np.nan, *EVENTS[1:]])),
    "no time": without("OS_DAYS"),
    "no outcome": without("OS_STATUS", "OS_DAYS"),
    "no column at all": without("OS_STATUS", "OS_DAYS", "age", "sex"),
    "a sample twice": rows_again([2]),
    "a sample twice with another time": rows_again([2], OS_DAYS=7),
    "a sample twice with another age": rows_again([2], age=7),
    "further aliquots": further_aliquots,
    "a sample without a name": with_samples(lambda names: [names[0], "", *names[2:]]),
    "normal samples only": with_samples(lambda names: [name.replace("-01", "-11") for name in names]),
    "one normal sample": with_samples(lambda names: [names[0].replace("-01", "-11"), *names[1:]]),
    "normal samples by a column": assigned(sample_type="Solid Tissue Normal"),
    "a gene twice": with_genes(lambda names: [names[0], names[0], *names[2:]]),
    "a gene without a name": with_genes(lambda names: ["", *names[1:]]),
    "dates for genes": with_genes(lambda names: ["1-Mar", "2-Sep", *names[2:]]),
    "numbers for genes": with_genes(lambda names: [f"{at}.5" for at in range(len(names))]),
    "foreign letters for a gene": with_genes(lambda names: ["Ген", *names[1:]]),
    "a value missing": with_value(np.nan),
    "an infinite value": with_value(np.inf),
    "a value minus infinity": with_value(-np.inf),
    "a value of a thousand": with_value(1e3),
    "all values negative": as_matrix(lambda X: -X),
    "no value at all": as_matrix(lambda X: X * np.nan),
    "one value for all": as_matrix(lambda X: X * 0 + 3),
    "whole numbers": as_matrix(lambda X: (X * 0).astype(int)),
    "sparse by rows": as_matrix(sp.csr_matrix),
    "sparse by genes": as_matrix(sp.csc_matrix),
    "half the digits": as_matrix(lambda X: X.astype("f4")),
    "no gene": lambda data: data[:, :0].copy(),
    "no sample": lambda data: data[:0].copy(),
    "one sample": lambda data: data[:1].copy(),
}


def replaced(root: h5py.File, name: str, **options: Any) -> h5py.Dataset:
    if name in root:
        del root[name]
    return root.create_dataset(name, **options)


def unlike(root: h5py.File, name: str, value: str) -> None:
    root[name].attrs["encoding-type"] = value


def linked(root: h5py.File) -> None:
    del root["obs/OS_DAYS"]
    root["obs/OS_DAYS"] = h5py.ExternalLink("other.h5ad", "/obs/OS_DAYS")


HDF5: dict[str, Callable[[h5py.File], Any]] = {
    "no X": lambda root: root.__delitem__("X"),
    "no obs": lambda root: root.__delitem__("obs"),
    "no var": lambda root: root.__delitem__("var"),
    "no index of obs": lambda root: root["obs"].__delitem__("_index"),
    "X of words": lambda root: replaced(root, "X", data=np.full((8, 5), b"abc")),
    "X of truth values": lambda root: replaced(root, "X", data=np.ones((8, 5), dtype=bool)),
    "X of complex numbers": lambda root: replaced(root, "X", data=np.ones((8, 5), dtype=complex)),
    "X of another shape": lambda root: replaced(root, "X", data=np.ones((8, 6))),
    "X the other way round": lambda root: replaced(root, "X", data=VALUES.T),
    "X in one row": lambda root: replaced(root, "X", data=VALUES.ravel()),
    "a column too short": lambda root: replaced(root, "obs/OS_DAYS", data=np.arange(7)),
    "a column of two dimensions": lambda root: replaced(root, "obs/OS_DAYS", data=np.ones((8, 2))),
    "a column of an unknown kind": lambda root: unlike(root, "obs/sex", "riddle"),
    "codes of no category": lambda root: root["obs/sex/codes"].__setitem__(3, 9),
    "ids that are no UTF-8": lambda root: replaced(
        root, "obs/_index", data=np.array([b"\xff%d" % k for k in range(8)])
    ),
    "a column in another file": linked,
    "obs an array": lambda root: replaced(root, "obs", data=np.arange(8)),
}
BYTES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "a page of the web": lambda data: b"<!DOCTYPE html><html>404</html>",
    "a pointer of Git LFS": lambda data: b"version https://git-lfs.github.com/spec/v1\n",
    "cut to a half": lambda data: data[: len(data) // 2],
    "cut by a byte": lambda data: data[:-1],
    "nothing behind the mark": lambda data: data[:8] + bytes(len(data) - 8),
    **{f"a bit changed at {k}/7": lambda data, k=k: flipped(data, len(data) * k // 7) for k in range(7)},  # type: ignore[misc]
}


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return read_cohort(folder_of(tmp_path_factory.mktemp("sound") / "cohort", sound()), endpoint="OS")


def folder_of(folder: Path, data: Any) -> Path:
    folder.mkdir()
    (folder / "cohort.toml").write_text(SETTINGS)
    data.write_h5ad(folder / "cohort.h5ad")
    return folder


def check(folder: Path, whole: Cohort) -> None:
    found = attempt(folder, {})
    if isinstance(found, Cohort):
        require_right(found, whole, traceless=False)
    else:
        require_clear(found, "cohort.h5ad")


def test_the_sound_file_is_read_whole(whole: Cohort):
    assert list(whole.patients) == list(PATIENTS)
    assert whole.time.tolist() == list(DAYS)
    assert whole.expression["CD44"].tolist() == list(GENES["CD44"][2])


@pytest.mark.parametrize("change", TABLES)
def test_spoiled_tables_are_refused_in_words_or_read_rightly(tmp_path: Path, whole: Cohort, change: str):
    check(folder_of(tmp_path / "cohort", TABLES[change](sound())), whole)


@pytest.mark.parametrize("change", HDF5)
def test_a_spoiled_hdf5_file_is_refused_in_words(tmp_path: Path, change: str):
    folder = folder_of(tmp_path / "cohort", sound())
    with h5py.File(folder / "cohort.h5ad", "r+") as root:
        HDF5[change](root)
    found = attempt(folder, {})
    assert not isinstance(found, Cohort)
    require_clear(found, "cohort.h5ad")


@pytest.mark.parametrize("change", BYTES)
def test_spoiled_bytes_are_refused_in_words_or_were_not_read(
    tmp_path: Path, whole: Cohort, monkeypatch: pytest.MonkeyPatch, change: str
):
    monkeypatch.setattr(anndata_process, "SECONDS_OF_ANY_FILE", 3)
    folder = folder_of(tmp_path / "cohort", sound())
    path = folder / "cohort.h5ad"
    path.write_bytes(BYTES[change](path.read_bytes()))
    found = attempt(folder, {})
    # HDF5 keeps no sums of such a file: of a bit in a value nothing tells.
    if isinstance(found, Cohort):
        assert len(found.patients) <= len(whole.patients)
    else:
        require_clear(found, "cohort.h5ad")
