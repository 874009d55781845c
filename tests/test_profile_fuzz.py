"""Bytes changed in a sound file of patients: a right answer or a ProfileFileError, and never anything else."""

from __future__ import annotations

import contextlib
import gzip
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.profile_blocks import ProfileFileError
from features.profile_files import open_profiles

GENES = ["CD44", "CXCR4", "ICAM1"]


class Sound:
    """Files that are shown by their folder alone, not by their bytes."""

    def __init__(self, folder, files):
        self.folder, self.files = folder, files


def sound_files(folder):
    """Each format's bytes of the same twenty patients."""
    rng = np.random.default_rng(0)
    index = pd.Index([f"p{i}" for i in range(20)], name="id")
    table = pd.DataFrame(rng.normal(size=(20, 3)), columns=GENES, index=index)
    table = table.assign(age=[f"{i}" for i in range(20)], sex="male")
    table.to_parquet(folder / "p.parquet")
    anndata = pytest.importorskip("anndata")
    obs = table[["age", "sex"]].rename_axis(None)
    anndata.AnnData(table[GENES].to_numpy(), obs=obs, var=pd.DataFrame(index=GENES)).write_h5ad(folder / "p.h5ad")
    return {
        "p.csv": table.to_csv().encode(),
        "p.tsv": table.to_csv(sep="\t", quoting=1).encode(),
        "p.csv.gz": gzip.compress(table.to_csv().encode()),
        "p.parquet": (folder / "p.parquet").read_bytes(),
        "p.h5ad": (folder / "p.h5ad").read_bytes(),
    }


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        # Reading is given up sooner, where HDF5 goes round for ever.
        patch.setattr("features.anndata_process.SECONDS_OF_ANY_FILE", 3)
        folder = tmp_path_factory.mktemp("fuzz")
        with warnings.catch_warnings():
            # AnnData's own about pandas' and zarr's.
            warnings.simplefilter("ignore")
            files = sound_files(folder)
        yield Sound(folder, files)


CHANGES = st.lists(
    st.tuples(st.integers(0, 2**20), st.sampled_from(["set", "cut", "put"]), st.binary(min_size=1, max_size=9)),
    min_size=1,
    max_size=8,
)


def changed(whole, changes):
    for place, how, some in changes:
        at = place % len(whole)
        after = at if how == "put" else at + len(some)
        whole = whole[:at] + (b"" if how == "cut" else some) + whole[after:] or b"\0"
    return whole


def read(path):
    file = open_profiles(path)
    genes = [j for j in file.gene_positions if file.columns[j] in GENES]
    words = [j for j in file.clinical_positions if file.columns[j] in ("age", "sex")]
    for block in file.blocks(genes, words):
        n = len(block.ids)
        assert block.numbers.shape == (n, len(genes))
        assert len(block.rows) == n
        assert all(len(cells) == n for cells in block.words.values())
        assert not block.faults or 0 <= min(block.faults) <= max(block.faults) < n


def check(sound, name, changes):
    path = sound.folder / name
    path.write_bytes(changed(sound.files[name], changes))
    with contextlib.suppress(ProfileFileError):
        read(path)


@pytest.mark.parametrize("name", ["p.csv", "p.tsv", "p.csv.gz", "p.parquet"])
@given(changes=CHANGES)
@settings(max_examples=200, deadline=None)
def test_changed_bytes_are_an_answer_or_a_refusal(sound, name, changes):
    check(sound, name, changes)


@given(changes=CHANGES)
@settings(max_examples=12, deadline=None)
def test_changed_bytes_of_anndata_are_an_answer_or_a_refusal(sound, changes):
    check(sound, "p.h5ad", changes)
